#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""--trace has a line for each call and event: arguments and errors by name, page requests with address,
permissions and response, sweeps with the reason; as text and as JSON. --stats has the latency of each device
and queue. A reader that is slow or gone, and a full disk, do not stop the program, and a message says what is
missing. Control characters of names do not reach a terminal.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

IOFAULT = os.environ['IOFAULT']
PROGRAM = ['python3', os.path.join(os.environ['SOURCE'], 'tests/run/faulting.py')]


def fail(why):
    sys.exit(f'failed: {why}')


def run(*args, status=0, **more):
    done = subprocess.run([IOFAULT, 'run', *args], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          timeout=60, **more)
    if done.returncode != status:
        fail(f'status {done.returncode}, not {status}: {args}: {done.stderr}')
    return done.stderr


def has(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.M):
            fail(f'no /{pattern}/ in:\n{text}')


def as_text():
    run('--trace', 'calls', '--', *PROGRAM, 'fault', '2', 'refuse', 'sweep', 'calls', 'wrong', 'close')
    with open('calls') as f:
        text = f.read()
    for line in text.splitlines():
        if not re.fullmatch(r'\d+\.\d{6} \d+ (iommu|vfio0|queue \d+): \S.*', line):
            fail(f'an odd line: {line}')
    has(text,
        r'vfio0: BIND_IOMMUFD\(.*iommufd=\d+, out_devid=1\) = 0$',
        r'iommu: FAULT_QUEUE_ALLOC\(flags=0x0, out_fault_id=\d+\) = 0$',
        r'iommu: HWPT_ALLOC\(flags=FAULT_ID_VALID, dev_id=1, .*data_type=NONE, .*out_hwpt_id=\d+\) = 0$',
        r'iommu: IOAS_MAP\(flags=FIXED_IOVA\|WRITEABLE\|READABLE, .*length=0x1000, iova=0x10001000\) = 0$',
        r'iommu: IOAS_MAP\(.*iova=0x123\) = -1 EINVAL$',
        r'vfio0: write\(size=64, pos=0x0\) = 64$',
        r'queue 1: lseek\(offset=0, whence=SEEK_CUR\) = -1 ESPIPE$',
        r'vfio0: statx? = 0$',
        r'iommu: statx? = 0$',
        r'vfio0: fsync = -1 EINVAL$',
        r'vfio0: ftruncate = -1 EINVAL$',
        r'vfio0: FIONREAD\(arg=0x[0-9a-f]+\) = -1 ENOTTY$',
        r'queue 1: mmap\(length=4096, prot=READ\|WRITE, flags=SHARED, offset=0x0\) = -1 ENODEV$',
        r'iommu: epoll_ctl\(epfd=\d+, op=EPOLL_CTL_ADD\) = -1 EPERM$',
        r'vfio0: readahead\(offset=0, size=4096\) = -1 EINVAL$',
        r'vfio0: fallocate = -1 ENODEV$',
        r'vfio0: report\(pasid=0, grpid=\d+, addr=0x10001000, perm=write, last=1\)$',
        r'vfio0: deliver\(.*cookie=0x[0-9a-f]+, pages=1, fault_id=\d+, dev_id=1, waited_us=\d+\)$',
        r'vfio0: respond\(.*addr=0x10001000, perm=write, pages=1, .*code=success, latency_us=\d+\)$',
        r'vfio0: respond\(.*addr=0x10003000, .*code=invalid, latency_us=\d+\)$',
        r'vfio0: sweep\(.*addr=0x10004000, perm=write, .*why=detach, latency_us=\d+\)$',
        r'vfio0: sweep\(.*addr=0x10005000, .*why=close, latency_us=\d+\)$',
        r'iommu: close$')
    ends = len(re.findall(r'vfio0: (?:respond|sweep|refuse)\(', text))
    if text.count('vfio0: report(') != ends:
        fail(f'{ends} page requests have an end:\n{text}')


def as_json():
    with open('calls.json', 'w') as out:
        err = run('--trace', '-', '--trace-format=json', '--stats', '--', *PROGRAM, 'fault', '20', 'sweep', 'calls',
                  'wrong', stdout=out)
    with open('calls.json') as f:
        lines = [json.loads(line) for line in f]
    times = [line['time'] for line in lines]
    if times != sorted(times):
        fail('the lines are not in order')
    events = [line for line in lines if 'event' in line]
    calls = [line for line in lines if 'call' in line]
    if len(events) + len(calls) != len(lines):
        fail('a line is neither a call nor an event')
    answered = [e['args'] for e in events if e['event'] == 'respond']
    if len(answered) != 20 or answered[0]['addr'] != '0x10001000' or answered[0]['perm'] != 'write' or \
            answered[0]['code'] != 'success':
        fail(f'not the responses: {answered}')
    if [e['args']['why'] for e in events if e['event'] == 'sweep'] != ['detach']:
        fail('not the sweep')
    wrong = [c for c in calls if c.get('error') == 'EINVAL' and c['call'] == 'IOAS_MAP']
    if len(wrong) != 1 or wrong[0]['result'] != -22 or wrong[0]['args']['iova'] != '0x123' or \
            wrong[0]['file'] != 'iommu' or not wrong[0]['thread']:
        fail(f'not the call that fails: {wrong}')
    has(err, r' 1\d other calls$', r'vfio0: latency of 20 responses: p50 [\d.]+ us, p99 [\d.]+ us, max [\d.]+ us$',
        r'queue 1: 21 faults read; latency of 20 responses: p50', r'vfio0: 21 transfers, 1 of them incomplete$')


def slow_reader():
    """The program ends although the trace fills each buffer; the lines that are there are whole."""
    os.mkfifo('fifo')
    reader = subprocess.Popen(['python3', '-c', 'f = open("fifo"); f.readline(); import sys; sys.stdin.read(); f.read()'],
                              stdin=subprocess.PIPE)
    err = run('--trace', 'fifo', '--', *PROGRAM, 'opens', '2000')
    has(err, r'^iofault: run: fifo is not complete: its reader does not read$')
    reader.stdin.close()
    if reader.wait(60):
        fail('the reader')
    if err.count('\n') != 1:
        fail(f'not one message: {err}')


def lost_reader():
    read, write = os.pipe()
    os.close(read)
    err = run('--trace', f'/proc/self/fd/{write}', '--', *PROGRAM, 'fault', '1', pass_fds=[write])
    os.close(write)
    has(err, r'is not complete: Broken pipe$')
    err = run('--trace', '/dev/full', '--', *PROGRAM, 'fault', '1')
    has(err, r'^iofault: run: /dev/full is not complete: No space left on device$')
    # the last line of a full file is whole: a limit of the size stands for a full disk
    err = run('--trace', 'cut', '--trace-format', 'json', '--', *PROGRAM, 'opens', '300',
              preexec_fn=lambda: __import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (9999, 9999)))
    has(err, r'^iofault: run: cut is not complete: File too large$')
    with open('cut') as f:
        lines = [json.loads(line) for line in f]
    if len(lines) < 10:
        fail(f'{len(lines)} lines of the full file')


def without_reader():
    os.mkfifo('alone')
    has(run('--trace', 'alone', 'true', status=125), r'^iofault: run: alone cannot be written: the FIFO has no reader$')


def names():
    name = 'a\nb\x1b[31m'
    err = run('--trace', f'/nowhere/{name}', 'true', status=125)
    if err.count('\n') != 1 or '\x1b' in err:
        fail(f'a name in the message: {err!r}')
    os.symlink('/dev/full', name)
    err = run('--trace', name, '--', *PROGRAM)
    if err.count('\n') != 1 or '\x1b' in err:
        fail(f'a name in the last message: {err!r}')
    for wrong in (['--trace-format', 'xml', '--trace', 'x'], ['--trace-format', 'json']):
        if run(*wrong, 'true', status=125).count('\n') != 1:
            fail(f'not one line: {wrong}')


def main():
    missing = subprocess.run([IOFAULT, 'run', '--check'], stdout=subprocess.PIPE, text=True)
    if missing.returncode:
        print(f'skipped: {missing.stdout}')
        sys.exit(77)
    with tempfile.TemporaryDirectory(dir=os.environ.get('TMPDIR', '/var/tmp')) as folder:
        os.chdir(folder)
        for test in (as_text, as_json, slow_reader, lost_reader, without_reader, names):
            test()
        os.chdir('/')


main()
