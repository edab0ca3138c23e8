#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""On a terminal the command behaves as the program does: what is typed reaches the program once, ^Z stops
both and the shell knows, fg and bg bring them back, the window's size arrives, output from the background
stops where the terminal says so, a signal to the command or to its group is one signal, and a key pressed
before the program is there is not lost.

Three processes: this one holds the terminal's other end; a leader does what a shell does (new session, jobs
in process groups, waits for their states); and the program tells on the terminal what it gets. Nobody sleeps:
everything waits for what was told. The program forks no other: between vfork() and exec() ^Z makes any shell
wait for ever.
"""
import atexit
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

IOFAULT = os.environ['IOFAULT']
SECONDS = 60
NAMES = ('INT', 'CONT', 'WINCH', 'USR1', 'TSTP')


running = []    # each Job that has not ended


def fail(why):
    sys.exit(f'failed: {why}')


def leave_nothing():
    """Also of a test that failed."""
    for job in running:
        for kill, whom in ((os.killpg, job.pid), (os.kill, job.leader)):
            try:
                kill(whom, signal.SIGKILL)
            except ProcessLookupError:
                pass


# ---- the program ----

def say(text):
    os.write(1, text.encode() + b'\n')


def obey(seen):
    """Does what it reads."""
    for line in iter(sys.stdin.readline, ''):
        what, *rest = line.split()
        if what == 'exit':
            os._exit(int(rest[0]))
        elif what == 'size':
            say('<size %d %d>' % struct.unpack('hh4x', fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))))
        elif what == 'pause':
            stop_and_go_on(*rest)
            say('<paused>')
        elif what == 'count':
            say('<count %s>' % ' '.join(str(seen[name]) for name in NAMES))
    os._exit(0)


def program(words):
    """Counts these signals, while another thread reads. (Handlers of Python's can be late.)"""
    seen = dict.fromkeys(NAMES, 0)
    wanted = [getattr(signal, 'SIG' + name) for name in words]
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    threading.Thread(target=obey, args=(seen,)).start()
    say('<up>')
    while True:
        name = signal.Signals(signal.sigwait(wanted or [signal.SIGUSR2])).name[3:]
        seen[name] += 1
        say(f'<{name} {seen[name]}>')


def stop_and_go_on(fifo):
    """Stops; a child, which is outside the group, lets it go on when it is told to."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        with open(fifo):
            os.kill(os.getppid(), signal.SIGCONT)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    os.waitpid(child, 0)


# ---- the leader ----

def lead(slave, told, orders, command, background, hup):
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    job = os.fork()
    if not job:
        os.setpgid(0, 0)
        if not background:
            os.tcsetpgrp(slave, os.getpid())
        # who started the tests may have had some of them ignored, as scripts do in the background
        for sig in (signal.SIGTTOU, signal.SIGTTIN, signal.SIGTSTP, signal.SIGINT, signal.SIGQUIT,
                    signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, hup if sig == signal.SIGHUP else signal.SIG_DFL)
        for number in range(3):
            os.dup2(slave, number)
        os.write(told, b'job %d\n' % os.getpid())
        os.execvp(command[0], command)
    while True:
        _, status = os.waitpid(job, os.WUNTRACED | os.WCONTINUED)
        if os.WIFSTOPPED(status):
            os.write(told, b'stopped\n')
            order = os.read(orders, 1)
            if order in b'fb':
                os.tcsetpgrp(slave, job if order == b'f' else os.getpgrp())
                os.killpg(job, signal.SIGCONT)
        elif os.WIFCONTINUED(status):
            os.write(told, b'continued\n')
        else:
            os.write(told, b'ended %d\n' % os.waitstatus_to_exitcode(status))
            os._exit(0)


class Job:
    """A program on a terminal of its own."""

    def __init__(self, command, background=False, tostop=False, hup=signal.SIG_DFL):
        self.master, slave = pty.openpty()
        self.text, self.states = '', ''
        mode = termios.tcgetattr(slave)
        mode[tty.LFLAG] &= ~termios.ECHO
        if tostop:
            mode[tty.LFLAG] |= termios.TOSTOP
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        self.told, told = os.pipe()
        orders, self.orders = os.pipe()
        self.leader = os.fork()
        if not self.leader:
            os.close(self.master)
            os.close(self.told)
            os.close(self.orders)
            lead(slave, told, orders, command, background, hup)
        for fd in (slave, told, orders):
            os.close(fd)
        self.pid = int(self.state(r'job (\d+)').group(1))
        running.append(self)

    def wait(self, pattern, of_states):
        end = time.monotonic() + SECONDS
        while True:
            found = re.search(pattern, self.states if of_states else self.text)
            if found:
                if of_states:
                    self.states = self.states[found.end():]
                else:
                    self.text = self.text[found.end():]
                return found
            ready = select.select([self.master, self.told], [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                fail(f'no {pattern!r}: terminal {self.text!r}, states {self.states!r}')
            if self.told in ready:
                got = os.read(self.told, 4096).decode()
                if not got:
                    fail(f'no {pattern!r} to the end: terminal {self.text!r}, states {self.states!r}')
                self.states += got
            if self.master in ready:
                try:
                    self.text += os.read(self.master, 4096).decode(errors='replace')
                except OSError:
                    pass    # nobody has the terminal any more

    def state(self, pattern):
        return self.wait(pattern, True)

    def says(self, pattern):
        return self.wait(pattern, False)

    def type(self, text):
        os.write(self.master, text.encode())

    def order(self, what):
        os.write(self.orders, what.encode())

    def stop(self):
        self.type('\x1a')
        self.state('stopped')

    def ends(self, *statuses):
        got = int(self.state(r'ended (-?\d+)').group(1))
        if got not in statuses:
            fail(f'status {got}, not {statuses}: terminal {self.text!r}')
        os.waitpid(self.leader, 0)
        running.remove(self)
        os.close(self.master)
        os.close(self.told)
        os.close(self.orders)


def run(*words):
    return [IOFAULT, 'run', '--no-device', '--', sys.executable, os.path.abspath(__file__), 'program', *words]


def counts(job, **wanted):
    job.type('count\n')
    got = dict(zip(NAMES, map(int, job.says(r'<count ([\d ]+)>').group(1).split())))
    if any(got[name] != number for name, number in wanted.items()):
        fail(f'{got}, not {wanted}')


# ---- what is to hold ----

def keys():
    job = Job(run('INT'))
    job.says('<up>')
    for number in range(1, 6):
        job.type('\x03')
        job.says(f'<INT {number}>')
    counts(job, INT=5)
    job.type('exit 3\n')
    job.ends(3)
    for key, status in (('\x03', 130), ('\x1c', 131)):
        job = Job(run())
        job.says('<up>')
        job.type(key)
        job.ends(status)


def stops():
    job = Job(run('INT', 'CONT'))
    job.says('<up>')
    for number in range(1, 6):
        job.stop()
        job.order('f')
        job.says(f'<CONT {number}>')
        job.type('\x03')
        job.says(f'<INT {number}>')
    counts(job, INT=5, CONT=5)
    # in the background it stops for what it wants to read, perhaps before it knows that it went on
    job.stop()
    job.order('b')
    job.state('stopped')
    job.order('f')
    job.says('<CONT')
    counts(job, INT=5)
    # itself, and continued by somebody that nobody here knows of
    job.states = ''
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, 'fifo')
        os.mkfifo(fifo)
        job.type(f'pause {fifo}\n')
        job.state('stopped')
        job.order('n')
        with open(fifo, 'w'):
            job.state('continued')
    job.says('<paused>')
    os.kill(job.pid, signal.SIGTERM)
    job.ends(143)


def signals():
    job = Job(run('INT', 'CONT', 'USR1'))
    job.says('<up>')
    os.kill(job.pid, signal.SIGUSR1)
    job.says('<USR1 1>')
    os.killpg(job.pid, signal.SIGUSR1)
    job.says('<USR1 2>')
    counts(job, USR1=2)
    # the command alone is told to stop, and to go on
    os.kill(job.pid, signal.SIGTSTP)
    job.state('stopped')
    job.order('n')
    os.kill(job.pid, signal.SIGCONT)
    job.says('<CONT 1>')
    os.killpg(job.pid, signal.SIGTERM)
    job.ends(143)


def window():
    job = Job(run('WINCH'))
    job.says('<up>')
    for number, size in enumerate(((40, 100), (10, 30)), 1):
        fcntl.ioctl(job.master, termios.TIOCSWINSZ, struct.pack('hh4x', *size))
        job.says(f'<WINCH {number}>')
        job.type('size\n')
        job.says('<size %d %d>' % size)
    counts(job, WINCH=2)
    job.type('exit 0\n')
    job.ends(0)


def background():
    job = Job(run(), background=True, tostop=True)
    job.state('stopped')
    if '<up>' in job.text:
        fail('it wrote from the background')
    job.order('f')
    job.says('<up>')
    job.type('exit 6\n')
    job.ends(6)


def early():
    for _ in range(10):
        job = Job([IOFAULT, 'run', '--no-device', '--', 'cat'])
        job.type('\x03')
        job.ends(130, -signal.SIGINT)


class Ended:
    """Of the program that says its number there, outside its namespace."""

    def __init__(self):
        self.out, self.end = os.pipe()

    def __enter__(self):
        os.set_inheritable(self.end, True)
        return self

    def __exit__(self, *_):
        os.close(self.out)

    def wait(self):
        """For the last of those who have the pipe."""
        os.close(self.end)
        if not select.select([self.out], [], [], SECONDS)[0]:
            fail('something was left running')


def alone():
    """The terminal goes, or who started it; the program ignores SIGHUP or does not."""
    for ignores in ('true', 'trap "" HUP'):
        command = [IOFAULT, 'run', '--no-device', '--', 'bash', '-c',
                   f'{ignores}; echo "<up>"; while :; do sleep 1; done']
        for what in ('terminal', 'parent', 'background'):
            with Ended() as ended:
                job = Job(command, background=what == 'background')
                job.says('<up>')
                if what == 'terminal':
                    os.close(job.master)
                else:
                    os.kill(job.leader, signal.SIGKILL)
                os.waitpid(job.leader, 0)
                ended.wait()
                running.remove(job)


def main():
    if sys.argv[1:2] == ['program']:
        return program([word for word in sys.argv[2:] if word in NAMES])
    told = subprocess.run([IOFAULT, 'run', '--check'], stdout=subprocess.PIPE, text=True)
    if told.returncode:
        print('skipped:', told.stdout.strip())
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('failed: ended from outside'))
    atexit.register(leave_nothing)
    for test in (keys, stops, signals, window, background, early, alone):
        print(test.__name__, flush=True)
        test()
    return 0


if __name__ == '__main__':
    sys.exit(main())
