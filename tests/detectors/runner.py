#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""runner.py SCRIPTS/CHECK CC...: scripts/check must count every kind of ending, and say so at its end.

It gets three small projects of known result: one with every way to fail, one that is good, and one
without tests, which must not pass as success.
"""
import os
import subprocess
import sys
import tempfile

CHECK = sys.argv[1]
COMPILER = ' '.join(sys.argv[2:])

# name: (protocol, script, [passed, failed, skipped])
ENDINGS = {
    'good': ('exitcode', 'exit 0', (1, 0, 0)),
    'bad': ('exitcode', 'exit 1', (0, 1, 0)),
    'skips': ('exitcode', 'echo no such device here; exit 77', (0, 0, 1)),
    'crashes': ('exitcode', 'kill -SEGV $$', (0, 1, 0)),
    'hangs': ('exitcode', 'exec tail -f /dev/null', (0, 1, 0)),
    'tap-good': ('tap', 'echo 1..2; echo ok 1 - a; echo ok 2 - b', (2, 0, 0)),
    'tap-bad': ('tap', 'echo 1..3; echo ok 1 - a; echo not ok 2 - b; echo ok 3 - c; exit 1',
                (2, 1, 0)),
    'tap-skips': ('tap', 'echo 1..2; echo ok 1 - a; echo not ok 2 - b \\# SKIP', (1, 0, 1)),
    'tap-crashes': ('tap', 'echo 1..2; echo ok 1 - a; kill -SEGV $$', (1, 1, 0)),
    'tap-stops-early': ('tap', 'echo 1..2; echo ok 1 - a', (1, 1, 0)),
    'tap-bad-at-exit': ('tap', 'echo 1..1; echo ok 1 - a; exit 66', (1, 1, 0)),
    'tap-has-nothing': ('tap', 'echo 1..0 \\# SKIP no such device here', (0, 0, 1)),
    'tap-says-nothing': ('tap', 'exit 0', (0, 1, 0)),
}


def check(names):
    """Makes a project of these endings, runs scripts/check on it: (status, last line)."""
    with tempfile.TemporaryDirectory() as folder:
        lines = ["project('p', 'c')"]
        for name in names:
            protocol, script, _ = ENDINGS[name]
            path = os.path.join(folder, name + '.sh')
            with open(path, 'w') as out:
                out.write('#!/bin/sh\n' + script + '\n')
            os.chmod(path, 0o755)
            lines.append(f"test('s/{name}', find_program('{name}.sh'), protocol: '{protocol}',"
                         " suite: 's', timeout: 2)")
        with open(os.path.join(folder, 'meson.build'), 'w') as out:
            out.write('\n'.join(lines) + '\n')
        build = os.path.join(folder, 'build')
        env = dict(os.environ, CC=COMPILER)
        subprocess.run(['meson', 'setup', build, folder], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        done = subprocess.run([CHECK, '--build', build, '--jobs', '2'], env=env,
                              stdout=subprocess.PIPE, text=True)
        print(done.stdout)
        return done.returncode, done.stdout.rstrip().splitlines()[-1]


def main():
    faults = []

    def expect(what, got, wanted):
        if got != wanted:
            faults.append(f'{what}: {got}, expected {wanted}')

    passed, failed, skipped = (sum(x) for x in zip(*(e[2] for e in ENDINGS.values())))
    expect('every ending', check(list(ENDINGS)),
           (1, f'{passed} passed, {failed} failed, {skipped} skipped'))
    expect('good ones', check(['good', 'tap-good']), (0, '3 passed, 0 failed'))
    expect('skipped ones', check(['good', 'tap-skips']), (0, '2 passed, 0 failed, 1 skipped'))
    expect('nothing', check([]), (1, '0 passed, 1 failed'))
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main())
