#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""warning.py BUILD: a source file with a warning must not compile with the flags of this build.

Takes the very command by which a detector or a test of this build was compiled, gives it a file with an
unused variable instead, and one without, and expects the first to be refused and the second not.
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile

build = sys.argv[1]
with open(os.path.join(build, 'compile_commands.json')) as commands:
    entries = json.load(commands)

checked = {}
for entry in entries:
    # One of each folder is enough: flags are set by target, and a folder's targets are alike.
    checked.setdefault(os.path.dirname(entry['file']), entry)

bad = 0
for folder, entry in sorted(checked.items()):
    for body, sound in (('int main(void) { return 0; }', True),
                        ('int main(void) { int unused; return 0; }', False)):
        with tempfile.TemporaryDirectory() as scratch:
            planted = os.path.join(scratch, 'planted.c')
            with open(planted, 'w') as out:
                out.write(body + '\n')
            words = [planted if word == entry['file'] else
                     os.path.join(scratch, 'out') if word.endswith(('.o', '.o.d')) else word
                     for word in shlex.split(entry['command'])]
            done = subprocess.run(words, cwd=entry['directory'], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        if (done.returncode == 0) != sound:
            print(f'{folder}: {body}: status {done.returncode}\n{done.stdout}')
            bad = 1
print(f'{len(checked)} folders tried')
sys.exit(1 if bad or not checked else 0)
