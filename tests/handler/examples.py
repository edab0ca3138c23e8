#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""examples.py FOLDER TUTORIAL: runs the programs of examples/, and believes none of them.

FOLDER is where they were built. What they print is compared with what it must be; the file that one of
them copies, and the checksum that another computes, with what Python makes of them. What the page
TUTORIAL shows of a program's output must be its output too.
"""
import os
import random
import re
import subprocess
import sys
import tempfile

FOLDER, TUTORIAL = sys.argv[1:]

if not os.path.exists('/proc/self/status'):
    print('skipped: /proc is not mounted')
    sys.exit(77)


def run(name, *arguments, status=0):
    done = subprocess.run([os.path.join(FOLDER, 'example-' + name), *arguments], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)
    assert done.returncode == status, f'{name}: status {done.returncode}: {done.stdout}'
    return done.stdout


def matches(name, pattern, text):
    found = re.search(pattern, text)
    assert found, f'{name}: no {pattern!r} in: {text}'
    return found


def crc32c(data):
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    crc = 0xffffffff
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


with tempfile.TemporaryDirectory() as place:
    data = random.Random(5).randbytes(3 * 1024 * 1024 + 777)
    source = os.path.join(place, 'from')
    target = os.path.join(place, 'to')
    with open(source, 'wb') as out:
        out.write(data)

    told = run('ten_lines', source)
    found = matches('ten_lines', r'crc32c (\w+) of (\d+) bytes after \d+ page faults, '
                    r'at most (\d+) pages', told)
    assert int(found[1], 16) == crc32c(data), told
    assert int(found[2]) == len(data) and int(found[3]) <= 256, told
    matches('ten_lines', 'usage', run('ten_lines', status=2))
    matches('ten_lines', 'usage', run('ten_lines', place, status=2))
    empty = os.path.join(place, 'empty')
    open(empty, 'wb').close()
    matches('ten_lines', 'no length', run('ten_lines', empty, status=1))

    told = run('pager', source, target)
    matches('pager', rf'^{len(data)} bytes: .* at most (\d+) in memory', told)
    with open(target, 'rb') as copy:
        assert copy.read() == data, 'pager: the copy differs'

told = run('handler')
matches('handler', r'status 0x1 after 64 faults; the memory says "iofault!"', told)
matches('handler', r'status 0x84 at address 0x10040000, after 262144 bytes', told)
matches('epoll', r'status 0x1 after 1000 faults', run('epoll'))
told = run('raw')
matches('raw', r"status 0x1; the last byte is '\*'", told)
assert len(re.findall(r'^device \d+ asks for 0x1000', told, re.MULTILINE)) == 16, told

# "    $ PATH/example-NAME" in the page, and below it what that prints; "..." stands for any lines.
with open(TUTORIAL) as page:
    shown = re.findall(r'^    \$ \S*/example-(\w+)\n((?:    (?!\$).*\n)+)', page.read(), re.MULTILINE)
assert shown, 'the tutorial shows no output'
for name, lines in shown:
    pattern = re.escape(re.sub(r'^    ', '', lines, flags=re.MULTILINE)).replace(r'\.\.\.', '(?:.*\n)*.*')
    told = run(name)
    assert re.fullmatch(pattern, told), f'{name} prints other than the tutorial says: {told}'
