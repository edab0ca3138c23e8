#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The progress bar: drawn on a terminal, within its width, gone at the end; nowhere else.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

random 3000001 file

# on_terminal COLUMNS ARGS...: runs the command with a terminal for everything; what was drawn goes to out.
on_terminal() {
	python3 -c '
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if not pid:
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
drawn = b""
while True:
    try:
        part = os.read(fd, 65536)
    except OSError:
        break
    if not part:
        break
    drawn += part
open("out", "wb").write(drawn)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))' "$@"
}

for columns in 20 40 80 300; do
	TERM=xterm on_terminal $columns "$IOFAULT" page --op crc32c --resident 64K file ||
		die 'failed on a terminal'
	python3 -c '
import re, sys
columns = int(sys.argv[1])
text = open("out", newline="").read()
lines = re.findall("\r\x1b\\[K([^\r\n\x1b]*)", text)
drawn = [line for line in lines if "%" in line]
assert drawn, "no progress"
assert all(len(line) < columns for line in drawn), "wider than the terminal"
assert columns < 80 or any("[" in line and "faults" in line for line in drawn), "no bar"
# After the last wipe comes what stays: no progress in it.
rest = text.split("\r\x1b[K")[-1]
assert "%" not in rest and "result" in rest, "something of the bar stays"' $columns ||
		die "at $columns columns"
done
TERM=xterm on_terminal 80 "$IOFAULT" page -q --op crc32c file || die 'failed'
tr -d '\r' <out | grep -qx '[0-9a-f]\{8\}  file' || die 'quiet, and no CRC'
[ "$(wc -l <out)" -eq 1 ] || die 'quiet, and something was drawn'
TERM=dumb on_terminal 80 "$IOFAULT" page --op crc32c file || die 'failed'
grep -q '%' out && die 'drawn on a dumb terminal'
expect 0 "$IOFAULT" page --op crc32c file
[ ! -s err ] || die 'drawn where there is no terminal'
