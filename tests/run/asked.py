#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`iofault info --run PID` shows devices, calls, and each fault queue with the fields of fdinfo, also thousands of
queues. PID may be a process of the program. Only the user of the run and root may ask. A process that is no run,
has ended, is stopped, or answers nonsense is one clear error in bounded time, and an asker that does not read
stops nobody.
"""
import json
import os
import resource
import signal
import socket
import subprocess
import sys

IOFAULT = os.environ['IOFAULT']
PROGRAM = ['python3', os.path.join(os.environ['SOURCE'], 'tests/run/faulting.py')]
FDINFO = ['queued', 'delivered', 'responded', 'rejected', 'swept', 'oldest_ms']


def fail(why):
    sys.exit(f'failed: {why}')


class Run:
    """A run whose program has done the words, and waits."""

    def __init__(self, *words, options=(), program=PROGRAM):
        self.process = subprocess.Popen([IOFAULT, 'run', *options, '--', *program, *words, 'tell'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        if self.process.stdout.readline() != 'ready\n':
            fail('the program')

    def end(self):
        self.process.stdin.close()
        if self.process.wait(60):
            fail(f'the program ends with {self.process.returncode}')


def ask(pid, *options, status=0, before=()):
    done = subprocess.run([*before, IOFAULT, 'info', '--run', str(pid), *options], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)
    if done.returncode != status:
        fail(f'status {done.returncode}, not {status}: {pid} {options}: {done.stdout} {done.stderr}')
    return done.stdout


def refused(pid, *words, before=()):
    done = subprocess.run([*before, IOFAULT, 'info', '--run', str(pid)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)
    if done.returncode != 1 or done.stdout or done.stderr.count('\n') != 1 or \
            not done.stderr.startswith('iofault: info: ') or any(c < ' ' for c in done.stderr[:-1]):
        fail(f'not one clear error: {done}')
    for word in words:
        if word not in done.stderr:
            fail(f'no "{word}" in {done.stderr}')


def figures():
    run = Run('fault', '3', 'sweep', 'refuse', 'queues', '2', options=('--device', 'dsa', '--device', 'ats-test'))
    for pid in run.pid, child_of(run.pid):
        told = json.loads(ask(pid, '--json', '-'))
        if told['pid'] != run.pid or told['program'] != 'python3' or told['calls']['faults read'] != 5:
            fail(f'not the run: {told}')
        first, second = told['devices']
        if [first[k] for k in ('name', 'kind', 'pages', 'success', 'invalid', 'swept', 'transfers', 'errors')] != \
                ['vfio0', 'dsa', 5, 3, 2, 1, 5, 2] or first['latency']['responses'] != 4:
            fail(f'not the device: {first}')
        if second['name'] != 'vfio1' or second['kind'] != 'ats-test' or second['transfers']:
            fail(f'not the device: {second}')
        queues = told['queues']
        if [q['name'] for q in queues] != ['queue 1', 'queue 2', 'queue 3'] or \
                [[q[k] for k in FDINFO] for q in queues] != [[0, 0, 4, 0, 1, 0]] + [[0] * 6] * 2:
            fail(f'not the queues: {queues}')
        latency = queues[0]['latency']
        if latency['responses'] != 4 or not 0 < latency['p50_ns'] <= latency['p99_ns'] <= latency['max_ns']:
            fail(f'not the latency: {latency}')
    table = ask(run.pid)
    for line in ('vfio0', 'queue 3', '  oldest_ms              0', '    max_ns               '):
        if f'\n{line}' not in table:
            fail(f'no "{line}" in {table}')
    run.end()
    refused(run.pid, 'there is no process')


def child_of(pid):
    """The last process of the chain below."""
    while True:
        with open(f'/proc/{pid}/task/{pid}/children') as f:
            children = f.read().split()
        if not children:
            return pid
        pid = int(children[0])


def other_user(run):
    if os.getuid():
        return
    refused(run.pid, 'only its user and root', before=['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'])


def stopped(run):
    os.kill(run.pid, signal.SIGSTOP)
    refused(run.pid, 'does not answer', 'stopped')
    os.kill(run.pid, signal.SIGCONT)
    ask(run.pid)


def no_run():
    refused(os.getpid(), 'belongs to no run')
    refused(1, 'belongs to no run')
    refused(2 ** 22 + 1, 'there is no process')
    for wrong in ('x', '0', '-1', '1 2', '99999999999'):
        ask(wrong, status=2)


# What a process says that took the name of a run.
ANSWERS = {
    'nothing': b'',
    'garbage': b'\x00\xff' * 5000,
    'another program': b'{"iofault_run": 2}',
    'a list': b'[1, 2]',
    'half': b'{"iofault_run": 1, "devices": [{',
    'deep': b'[' * 100000,
    'control characters': b'{"iofault_run": 1, "error": "a\\n\\u001b[31m"}',
}


def hostile():
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(f'\0iofault-run-{os.getpid()}')
    server.listen(4)
    for name, answer in ANSWERS.items():
        asker = subprocess.Popen([IOFAULT, 'info', '--run', str(os.getpid())], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()
        connection.sendall(answer)
        connection.close()
        out, err = asker.communicate(timeout=30)
        if asker.returncode != 1 or out or err.count('\n') != 1 or '\x1b' in err:
            fail(f'{name}: {asker.returncode} {out} {err!r}')
    # one that says nothing, and one that does not end
    for endless in False, True:
        asker = subprocess.Popen([IOFAULT, 'info', '--run', str(os.getpid())], stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()
        try:
            while endless:
                connection.sendall(b' ' * 65536)
        except OSError:
            pass
        err = asker.communicate(timeout=30)[1]
        if asker.returncode != 1 or err.count('\n') != 1:
            fail(f'endless {endless}: {err}')
    # with the name of another process
    other = subprocess.Popen(['sleep', '60'])
    squatter = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    squatter.bind(f'\0iofault-run-{other.pid}')
    squatter.listen(4)
    server.close()
    refused(other.pid, 'belongs to no run')
    other.kill()
    other.wait()


def thousands():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = 3000 if most >= 3100 else most - 100
    run = Run('queues', str(number), program=['sh', '-c', f'ulimit -n {most}; exec "$@"', '-', *PROGRAM])
    # askers that do not read
    idle = []
    for _ in range(3):
        idle.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        idle[-1].connect(f'\0iofault-run-{run.pid}')
    told = json.loads(ask(run.pid, '--json', '-'))
    names = [q['name'] for q in told['queues']]
    if names != [f'queue {n}' for n in range(1, number + 2)]:
        fail(f'{len(names)} queues')
    run.end()


def names():
    name = os.fsdecode(b'./a\n\x1b"b\xff\xc3\xbf')
    os.symlink('/bin/sh', name)
    run = Run(program=[name, '-c', 'exec "$@"', '-', *PROGRAM])
    if json.loads(ask(run.pid, '--json', '-'))['program'] != './a\n\x1b"b\ufffd\xff':
        fail('the name of the program')
    if '\x1b' in ask(run.pid):
        fail('a control character in the table')
    run.end()


def main():
    missing = subprocess.run([IOFAULT, 'run', '--check'], stdout=subprocess.PIPE, text=True)
    if missing.returncode:
        print(f'skipped: {missing.stdout}')
        sys.exit(77)
    folder = subprocess.run(['mktemp', '-d', '/var/tmp/iofault-asked.XXXXXX'], stdout=subprocess.PIPE, text=True)
    os.chdir(folder.stdout.strip())
    try:
        figures()
        run = Run()
        other_user(run)
        stopped(run)
        run.end()
        no_run()
        hostile()
        thousands()
        names()
    finally:
        subprocess.run(['rm', '-rf', folder.stdout.strip()])


main()
