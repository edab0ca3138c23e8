#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The recipes of README.md, docs/run.md and the manual page are the same, and work: each command is run as it is
written, in a folder that has what a user would have. What this machine lacks skips a recipe, with the reason.
TAP on standard output.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

IOFAULT = os.environ['IOFAULT']
SOURCE = os.environ['SOURCE']
TEST = """#!/bin/sh
exec 3<>/dev/iommu 4<>/dev/vfio/devices/vfio0 && echo "the test ran"
"""
PYTEST = """import os

def test_open():
    os.close(os.open('/dev/iommu', os.O_RDWR))

def test_device():
    assert os.path.exists('/dev/vfio/devices/vfio0')
"""


class Failed(Exception):
    pass


class Skip(Exception):
    pass


def recipes_of(name):
    """First line (without #) and commands of each recipe of a page."""
    with open(os.path.join(SOURCE, name)) as f:
        text = f.read()
    if name.endswith('.1'):
        text = text.replace('\\-', '-').replace('\\e', '\\')
        found = re.findall(r'(?<=\n)\.PP\n([^\n]*):\n\.PP\n\.RS\n\.nf\n(.*?)\n\.fi\n', text[text.index('.SS Recipes'):], re.S)
    else:
        found = re.findall(r'(?<=\n\n)    # ([^\n]*)\n((?:    [^\n]*\n)+)', text)
    joined = []
    for title, lines in found:
        lines = re.sub(r' *\\\n *', ' ', lines)
        joined.append((title[0].lower() + title[1:], [line.strip() for line in lines.strip().splitlines()]))
    return joined


def sh(command, *, status=0, says=(), stdin='', seconds=100):
    done = subprocess.run(['bash', '-c', command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=seconds, text=True, errors='replace')
    if status is not None and done.returncode != status:
        raise Failed(f'status {done.returncode}: {command}: {done.stdout}')
    for text in says:
        if text not in done.stdout:
            raise Failed(f'no "{text}": {command}: {done.stdout}')
    return done.stdout


def need(program):
    if not shutil.which(program):
        raise Skip(f'{program} is not installed')


def need_groups():
    if subprocess.run([IOFAULT, 'run', '--', 'test', '-e', '/dev/vfio/vfio']).returncode:
        raise Skip('the machine has no VFIO groups')


def qemu(command):
    need('qemu-system-x86_64')
    need_groups()
    sh(command, stdin='info pci\nquit\n', says=['PCI device 1234:11e9'])


def dpdk_bind(command):
    need('dpdk-devbind.py')
    need('ip')  # DPDK 24's runs it
    need('lspci')
    sh(command, says=['f000:00:01.0', 'drv=vfio-pci'])


def dpdk_app(command):
    need('dpdk-testpmd')
    need_groups()
    os.symlink(shutil.which('dpdk-testpmd'), 'your_dpdk_app')
    if os.getuid():
        raise Skip('DPDK writes to /run')
    out = sh(command + ' --no-telemetry -- --help', status=None, says=['VFIO support initialized'])
    if 'cannot be used' in out:
        raise Failed(out)


def pytest(command):
    if subprocess.run(['python3', '-c', 'import pytest'], stderr=subprocess.DEVNULL).returncode:
        raise Skip('pytest is not installed')
    sh(command, says=['2 passed', 'opens'])


def a_root():
    """A folder that is a container's root, with this machine's /usr and the command."""
    for name in 'etc proc sys dev tmp run root var usr work source'.split():
        os.makedirs(f'rootfs/{name}', exist_ok=True)
    for name in 'bin', 'lib', 'lib64', 'sbin':
        if not os.path.lexists(f'rootfs/{name}'):
            os.symlink(f'usr/{name}', f'rootfs/{name}')
    command = os.path.dirname(IOFAULT)
    return f'-v /usr:/usr:ro -v {os.getcwd()}:/work -w /work -v {command}:{command}:ro -e PATH={command}:/usr/bin ' \
           f'--network none --rootfs {os.getcwd()}/rootfs'


def podman_options():
    """Options with which this machine can start a container at all, which inside another one are several."""
    with open(IOFAULT, 'rb') as program:
        if b'__tsan_init' in program.read():
            raise Skip('a thread of TSan forbids a new user namespace, which the command needs without privileges')
    small = '--ulimit nofile=1000:1000 --ulimit nproc=1000:1000'
    for options in '', f'--runtime runc --cgroup-manager=cgroupfs|{small}':
        before, _, after = options.partition('|')
        works = f'podman {before} run --rm {after} {a_root()} /bin/true'
        if not subprocess.run(['bash', '-c', works], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              timeout=60).returncode:
            return before, after
    raise Skip('podman cannot start a container here')


def podman(command):
    need('podman')
    before, after = podman_options()
    for word, text in (('podman run', f'podman {before} run --rm {after}'), ('IMAGE', a_root())):
        command = command.replace(word, text)
    sh(command, says=['the test ran'])


def docker(command):
    """podman with docker's rules for namespaces and mounts: refused without the option, works with it."""
    need('podman')
    before, after = podman_options()
    profile = '/usr/share/containers/seccomp.json'
    if not os.path.exists(profile):
        raise Skip(f'{profile} does not exist')
    with open(profile) as f:
        rules = json.load(f)
    only_admin = {'unshare', 'mount', 'umount', 'umount2', 'setns', 'clone3', 'fsopen', 'fsmount', 'move_mount', 'pivot_root'}
    for rule in rules['syscalls']:
        if rule['action'] == 'SCMP_ACT_ALLOW':
            rule['names'] = [name for name in rule.get('names', []) if name not in only_admin]
    rules['syscalls'] = [rule for rule in rules['syscalls'] if rule.get('names')]
    rules['syscalls'].append({'names': sorted(only_admin), 'action': 'SCMP_ACT_ERRNO', 'errnoRet': 1})
    with open('docker.json', 'w') as f:
        json.dump(rules, f)
    if '--security-opt seccomp=unconfined' not in command:
        raise Failed(f'{command} does not lift the profile')
    for word, text in (('docker run', f'podman {before} run --rm {after}'), ('IMAGE', a_root()),
                       ('--security-opt apparmor=unconfined', '')):
        command = command.replace(word, text)
    sh(command, says=['the test ran'])
    refused = command.replace('seccomp=unconfined', 'seccomp=docker.json')
    sh(refused, status=125, says=['docker: --security-opt seccomp=unconfined'])


def job(command):
    out = sh(command, says=[] if 'make' in command else ['nothing is missing'])
    if 'make' not in command:
        return
    if 'the test ran' not in out or 'opens' not in out:
        raise Failed(out)
    with open('faults.json') as f:
        if not [line for line in f if json.loads(line)['call'] == 'open']:
            raise Failed('no open in the trace')


TESTS = [
    ('QEMU', 'qemu-system', qemu),
    ('dpdk-devbind', 'dpdk-devbind', dpdk_bind),
    ('DPDK', 'your_dpdk_app', dpdk_app),
    ('pytest', 'pytest', pytest),
    ('podman', 'podman run', podman),
    ('docker', 'docker run', docker),
    ('CI: check', 'run --check', job),
    ('CI: make check', 'make check', job),
]


def attempt(number, name, test, *args):
    try:
        test(*args)
        print(f'ok {number} - {name}', flush=True)
    except Skip as reason:
        print(f'ok {number} - {name} # SKIP {reason}', flush=True)
    except (Failed, subprocess.TimeoutExpired) as why:
        print(f'not ok {number} - {name}')
        print('\n'.join('# ' + line for line in str(why).splitlines()), flush=True)


def same():
    here = recipes_of('README.md')
    if len(here) != 5 or any(len(commands) > 4 for _, commands in here):
        raise Failed(f'not five recipes: {here}')
    for name in 'docs/run.md', 'man/iofault-run.1':
        if recipes_of(name) != here:
            raise Failed(f'{name} has others than README.md: {recipes_of(name)}\n{here}')


def main():
    missing = subprocess.run([IOFAULT, 'run', '--check'], stdout=subprocess.PIPE, text=True)
    if missing.returncode:
        print(f'1..0 # SKIP {missing.stdout.strip()}')
        return
    print(f'1..{len(TESTS) + 1}')
    attempt(1, 'the pages have the same recipes', same)
    commands = [command for _, some in recipes_of('README.md') for command in some]
    os.environ['PATH'] = os.path.dirname(IOFAULT) + ':' + os.environ['PATH']
    with tempfile.TemporaryDirectory(dir=os.environ.get('TMPDIR', '/var/tmp')) as folder:
        os.chdir(folder)
        os.mkdir('tests')
        for name, text in ('your_test', TEST), ('tests/test_machine.py', PYTEST), ('Makefile', 'check:\n\t./your_test\n'):
            with open(name, 'w') as f:
                f.write(text)
        os.chmod('your_test', 0o755)
        for number, (name, word, test) in enumerate(TESTS, 2):
            found = [command for command in commands if word in command]
            if len(found) != 1:
                print(f'not ok {number} - {name} # {len(found)} commands have "{word}"')
            else:
                attempt(number, name, test, found[0])
        os.chdir('/')


sys.exit(main())
