#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""conformance.py PROGRAM: proves that iofault-conformance tells KTAP, counts right and exits as it says.

Runs some groups on the embedded world, and looks at every line; then what it says where there is nothing to
test, and to wrong arguments.
"""
import os
import re
import subprocess
import sys

if not os.path.exists('/proc/self/status'):
    print('skipped: /proc is not mounted')
    sys.exit(77)


def run(*arguments, **environment):
    done = subprocess.run([sys.argv[1], *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=dict(os.environ, **environment))
    return done.returncode, done.stdout, done.stderr


def check(what, condition, seen=''):
    if not condition:
        print(f'{what}\n{seen}')
        sys.exit(1)


status, listed, _ = run('--list')
groups = listed.split()
check('--list', status == 0 and 'faults' in groups and len(groups) == len(set(groups)), listed)

wanted = ['one_fault', 'faults', 'access', 'vfio_compat']
status, output, errors = run('--world', 'embedded', *wanted)
check('the embedded world passes', status == 0, output + errors)
lines = output.splitlines()
check('its head', lines[:2] == ['KTAP version 1', f'1..{len(wanted)}'], output)
told = [line for line in lines if re.match(r'(not )?ok', line)]
check('one result a group', told == [f'ok {n} {name}' for n, name in enumerate(wanted, 1)], output)
inside = [line for line in lines if re.match(r'    (not )?ok \d+ \w+( # SKIP)?$', line)]
plans = [int(line[7:]) for line in lines if line.startswith('    1..')]
check('one plan a group', len(plans) == len(wanted) and sum(plans) == len(inside), output)
for line in lines[2:]:
    check('a line of no kind', re.match(r'(not )?ok \d+ \w+|    (KTAP version 1|# |1\.\.\d|ok |not ok )', line), line)

status, output, errors = run('no_such_group')
check('an unknown group', status == 2 and not output and 'no_such_group' in errors, output + errors)
status, output, errors = run('--world', 'moon')
check('an unknown world', status == 2 and "no world 'moon'" in errors, output + errors)
if not os.path.exists('/dev/iommu'):
    status, output, errors = run()
    check('nothing to test', status == 4 and re.match(r'KTAP version 1\n1\.\.0 # SKIP .', output), output + errors)
