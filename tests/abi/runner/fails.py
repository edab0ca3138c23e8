#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fails.py PROGRAM CONFORMANCE: proves that the runner reports what fails and what is skipped, and that
iofault-conformance needs no test library."""
import re
import subprocess
import sys

WANTED = '''1..12
ok 1 - passes
not ok 2 - number fails.c:LINE: not true: 1 + 1 == 3: 0x2 and 0x3
not ok 3 - text fails.c:LINE: not true: "a" == "b": "a" and "b"
not ok 4 - bytes fails.c:LINE: not true: "aaa" == "aab": byte 2 is 0x61 and 0x62
not ok 5 - message fails.c:LINE: number 7
# no such thing here
ok 6 # SKIP skipped
ok 7 - child
not ok 8 - passes the set-up failed
not ok 9 - passes the tear-down failed
not ok 10 - number fails.c:LINE: not true: 1 + 1 == 3: 0x2 and 0x3
# no such thing here
ok 11 # SKIP skipped
ok 12 - counted
'''
done = subprocess.run(sys.argv[1:2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
told = re.sub(r'\S*fails\.c:\d+', 'fails.c:LINE', done.stdout)
if done.returncode != 7 or told != WANTED:
    print(f'status {done.returncode}\n{told}{done.stderr}')
    sys.exit(1)
needed = subprocess.run(['readelf', '-d', sys.argv[2]], stdout=subprocess.PIPE, text=True).stdout
if 'libc.so' not in needed or 'cmocka' in needed:
    print(needed)
    sys.exit(1)
