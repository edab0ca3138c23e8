#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No process of `iofault run` runs while the program calls nothing, after calls as well. Calls of one caller wake one
thread of the server, and not a second one for each call.
"""
import os
import subprocess
import sys
import time

IOFAULT = os.environ['IOFAULT']
PROGRAM = ['python3', os.path.join(os.environ['SOURCE'], 'tests/run/faulting.py')]
QUIET = 0.2  # seconds; a thread that wakes by a timer wakes within them
CALLS = 4000


def fail(why):
    sys.exit(f'failed: {why}')


def children(pid):
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
            for child in file.read().split():
                found += [int(child), *children(child)]
    return found


def switches(pids):
    """How often each thread gave its processor away or lost it: changes whenever it runs."""
    counts = {}
    for pid in pids:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/status', encoding='ascii') as file:
                counts[pid, task] = [line for line in file if 'ctxt_switches' in line]
    return counts


def voluntary(pid):
    return {task: int(lines[0].split()[1]) for (_, task), lines in switches([pid]).items()}


class Run:
    def __init__(self, *words):
        self.process = subprocess.Popen([IOFAULT, 'run', '--', *PROGRAM, *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ready(self):
        if self.process.stdout.readline() != 'ready\n':
            fail('the program')

    def go_on(self):
        self.process.stdin.write('\n')
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        if self.process.wait(60):
            fail(f'the program ends with {self.process.returncode}')


def nothing_runs():
    run = Run('fault', '200', 'tell')
    run.ready()
    pids = [run.process.pid, *children(run.process.pid)]
    before = switches(pids)
    # the time limit of the test ends this if it is never quiet
    while True:
        time.sleep(QUIET)
        now = switches(pids)
        if now == before:
            break
        before = now
    run.end()


def one_thread_serves():
    run = Run('tell', 'opens', str(CALLS // 2), 'tell')
    run.ready()
    server = children(run.process.pid)[0]
    before = voluntary(server)
    run.go_on()
    run.ready()
    after = voluntary(server)
    many = [task for task in after if after[task] - before.get(task, 0) > CALLS // 4]
    if len(many) > 1:
        fail(f'{len(many)} threads of the server woke for the calls of one caller: {before}, {after}')
    run.end()


if subprocess.run([IOFAULT, 'run', '--check'], stdout=subprocess.DEVNULL, check=False).returncode:
    print('skipped: iofault run cannot run here')
    sys.exit(77)
nothing_runs()
one_thread_serves()
