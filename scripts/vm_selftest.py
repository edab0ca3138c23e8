# SPDX-License-Identifier: MIT
"""scripts/vm_selftest.py: `scripts/vm selftest`, which tests the detectors of scripts/vm.

Each entry of PLANTS is a guest test with one fault, by tests/vm/plant's module or by the shell, and the
report that it must cause. A fault without its report fails, and so does a report without a planted fault.
Each fault that ends its guest has a guest of its own.
"""
import contextlib
import io
import os
import re

PLANT = 'insmod /vm/vm_plant.ko fault={0} && rmmod vm_plant'
TRACES = '. /vm/lib.sh; patience=1; snapshot >/run/before; {0}; left_since /run/before'

# name: (seconds, protocol, command, expected text of the failure; None: the test must pass)
PLANTS = {
    'passes': (20, 'exit', PLANT.format('none'), None),
    'tap-passes': (20, 'tap', 'echo 1..2; echo ok 1 - a; echo ok 2 - b', None),
    'leaves-no-trace': (60, 'exit', TRACES.format(PLANT.format('none')), None),
    'fails': (20, 'exit', 'exit 1', 'fail, status 1'),
    'crashes': (20, 'exit', 'sh -c "kill -SEGV \\$\\$"', 'fail, status -11'),
    'tap-fails': (20, 'tap', 'echo 1..2; echo ok 1 - a; echo not ok 2 - b; exit 1', ': b'),
    'tap-stops-early': (20, 'tap', 'echo 1..2; echo ok 1 - a', '1 tests of 2'),
    'tap-says-nothing': (20, 'tap', 'exit 0', 'tap-says-nothing: error'),
    'skips-everything': (20, 'exit', 'echo no device; exit 77', 'skipped everything'),
    'takes-too-long': (2, 'exit', 'sleep 600', 'took too long'),
    'leaves-a-process': (20, 'exit', 'sleep 600 &', 'left behind: process sleep'),
    'leaves-a-node': (60, 'exit', TRACES.format('mknod /dev/left c 1 3'), 'status 1'),
    'leaves-sysfs': (60, 'exit', TRACES.format(PLANT.format('sysfs')), 'status 1'),
    'leaves-a-pin': (20, 'exit', PLANT.format('pin'), 'pinned pages: 1'),
    'leaves-an-object': (60, 'exit', PLANT.format('cache'), 'the kernel said: .*iof_plant'),
    'leaves-a-taint': (20, 'exit', PLANT.format('taint'), 'left behind: taint'),
    'warns': (20, 'exit', PLANT.format('warn'), 'the kernel said: WARNING'),
    'miscounts': (20, 'exit', PLANT.format('refcount'), 'the kernel said: refcount_t'),
    # After this one the module cannot be unloaded.
    'leaves-a-user': (20, 'exit', 'insmod /vm/vm_plant.ko fault=user', 'users of the module: 1'),
}
# Faults that only a debug kernel detects. They run before the others, and the one of locks
# first: after any report lockdep switches itself off.
MORE_PLANTS = {
    'kasan': {
        'locks-in-two-orders': (20, 'exit', 'insmod /vm/vm_plant.ko fault=order && rmmod vm_plant',
                                'the kernel said: WARNING: possible circular'),
        'uses-freed-memory': (20, 'exit', 'insmod /vm/vm_plant.ko fault=freed && rmmod vm_plant',
                              'the kernel said: BUG: KASAN'),
        'sleeps-when-it-must-not': (20, 'exit', 'insmod /vm/vm_plant.ko fault=atomic && rmmod vm_plant',
                                    'the kernel said: BUG: sleeping'),
        'leaks': (60, 'exit', '. /vm/lib.sh; leaks_forget; insmod /vm/vm_plant.ko fault=leak; '
                  'no_leaks; result=$?; rmmod vm_plant; exit $result', 'status 1'),
        'fails-at-the-nth': (20, 'exit', '[ -w /proc/self/fail-nth ]', None),
    },
    'kcsan': {
        'races': (60, 'exit', 'insmod /vm/vm_plant.ko fault=race && rmmod vm_plant',
                  'the kernel said: BUG: KCSAN'),
    },
}
ENDS = {
    'oops': 'its status was lost: the guest died',
    'hang': 'its status was lost: the guest went silent',
}


def quietly(work):
    """Hides the output of a guest that fails as planned."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = work()
    return result, out.getvalue()


def judge(count, vm, name, wanted, failures, printed):
    mine = [f for f in failures if f.startswith(f'vm: {name}:')]
    if wanted is None and not mine:
        count.passed += 1
    elif wanted is not None and any(re.search(wanted, failure) for failure in mine):
        count.passed += 1
    else:
        count.fail(f'vm selftest: {name}: expected {wanted or "no failure"}, got {mine or "none"}')
        vm.show(printed)


def guest(vm, kernel, given, name, lines, words=''):
    listed = vm.List(lines, name)
    folder = vm.make_folder('selftest/' + name)
    archive = vm.furnish(kernel, given, listed, folder, [os.path.join(vm.SOURCE, 'tests/vm/plant')])
    run = vm.Run(kernel, listed.guests[0], archive, folder, 'vm.watch=vm_plant ' + words, grace=1)
    return quietly(run.execute)


def run(vm, given):
    count = vm.Count()
    kernel = vm.Kernel(given.kernel)
    plants = dict(MORE_PLANTS.get(given.kernel, {}), **PLANTS)
    lines = [f'test {name} {seconds} {protocol} {command}'
             for name, (seconds, protocol, command, _) in plants.items()]
    found, printed = guest(vm, kernel, given, 'many', lines)
    for name, (_, _, _, wanted) in plants.items():
        judge(count, vm, name, wanted, found.failures, printed)
    for fault, wanted in ENDS.items():
        lines = [f'test {fault} 2 exit insmod /vm/vm_plant.ko fault={fault}', 'test after 2 exit true']
        found, printed = guest(vm, kernel, given, fault, lines)
        judge(count, vm, fault, wanted, found.failures, printed)
        judge(count, vm, '1 tests never began, from after on', '', found.failures, printed)
    # A guest that ends before its first test is started again, a limited number of times.
    found, printed = guest(vm, kernel, given, 'boot', ['test never 2 exit true'], 'rdinit=/bin/false')
    judge(count, vm, '1 tests never began, from never on', 'the guest died', found.failures, printed)
    if printed.count('the guest ended before its first test') != vm.BOOTS - 1:
        count.fail('vm selftest: a guest that died at boot was not started again')
        vm.show(printed)
    vm.say(f'vm: finds what was planted: {count}')
    return count
