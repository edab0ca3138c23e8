#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""counted.py PROGRAM: what calls cost by the number of what there is, in instructions.

Each line of CALLS is a test: PROGRAM (cost.c) makes the call with a small and with a large number of
what it is prepared with, both under callgrind, which counts the instructions of the call alone, the
same on each machine. The large one may cost at most `factor` times the small one.

Each line of PATHS is a test too: what one page costs in a function of the library, counted in two
runs with different numbers of pages, and at most how many instructions that may be.

counted.py --figures PROGRAM prints figures for scripts/bench instead.

With COST_FULL=1 in the environment the large numbers are those of FULL, which takes minutes.
"""
import os
import re
import shutil
import subprocess
import sys

# call, small number, large number, factor
CALLS = [
    # Linear: ten times as many cost at most twelve times as much.
    ('close-hwpts', 500, 5000, 12),
    ('make-hwpts', 500, 5000, 12),
    ('close-pasids', 1000, 10000, 12),
    ('close-queues', 500, 5000, 12),
    ('close-nested-hwpts', 500, 5000, 12),
    ('close-areas', 1000, 10000, 12),
    ('close-accesses', 40, 400, 12),
    ('unmap-areas', 1000, 10000, 12),
    ('unmap-pinned-areas', 500, 5000, 12),
    ('make-reserved', 500, 5000, 12),
    ('search-among-reserved', 500, 5000, 15),    # a search of the tree for each
    # By what is invalidated, not by what is attached.
    ('unmap-under-pasids', 1000, 30000, 2),
    ('unmap-under-nested-pasids', 1000, 30000, 2),
    ('unmap-under-nested-hwpts', 1000, 10000, 2),
    ('invalidate-under-pasids', 1000, 30000, 2),
    # Not by what there is beside.
    ('attach-among-hwpts', 500, 5000, 2),
    ('map-among-reserved', 500, 5000, 2),
    ('detach-among-begun-groups', 100, 5000, 2),
]
# A path, its function, pages in two runs, and the most that a page may cost. Each limit is between
# the count with the fast path (in the comment; gcc 12) and without.
PATHS = [
    ('faults', 'iof_report_page_reqs', 100, 600, 650),    # 558; 727 by report_last()
    # The copy, 577, and the translations: 1,235 where each page is translated by itself.
    ('copies', 'run_memmove', 4096, 8192, 800),           # 709
    ('faults-beside-begun-group', 'iof_report_page_req', 100, 600, 1100),   # 985; 1,212 by both
]
# With --figures: a path, its function, two numbers, the limit of the project, and what is counted. PROGRAM
# is the optimised one of `bench --full` (scripts/bench).
FIGURES = [
    ('faults', 'iof_report_page_reqs', 100, 600, 370, 'instructions of the device thread, one-page fault'),
    ('lookups', 'measured', 100, 600, 150, 'instructions of a descriptor look-up and an empty read'),
]
FULL = {
    'close-hwpts': (20000, 200000),
    'unmap-under-pasids': (1000, 1000000),
    'unmap-under-nested-pasids': (1000, 1000000),
    'unmap-under-nested-hwpts': (1000, 300000),
    'invalidate-under-pasids': (1000, 1000000),
}


def count(program, call, n, function='measured'):
    """The instructions in a function during one call, or None after the reason."""
    run = subprocess.run(['valgrind', '--tool=callgrind', '--collect-atstart=no',
                          f'--toggle-collect={function}', f'--callgrind-out-file={os.devnull}',
                          program, call, str(n)],
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    told = re.search(r'Collected : (\d+)', run.stderr)
    if run.returncode or not told:
        print(''.join(f'# {line}\n' for line in run.stderr.splitlines()[-20:]), end='')
        return None
    return int(told.group(1))


def figures(program):
    """Prints what scripts/bench collects."""
    print('instructions, counted under callgrind')
    failed = 0
    for call, function, small, large, limit, name in FIGURES:
        few, many = (count(program, call, n, function) for n in (small, large))
        if not few or not many:
            failed += 1
            continue
        each = (many - few) / (large - small)
        print(f'figure: {name} {each:.1f} wanted <= {limit:.2f}: {"met" if each <= limit else "missed"}')
    return failed > 0


def main():
    if len(sys.argv) == 3 and sys.argv[1] == '--figures':
        if not shutil.which('valgrind'):
            print('no valgrind')
            return 1
        return figures(sys.argv[2])
    if not os.path.exists('/proc/self/status'):
        print('1..0 # SKIP /proc is not mounted')
        return 0
    if not shutil.which('valgrind'):
        print('1..0 # SKIP no valgrind')
        return 0
    print(f'1..{len(CALLS) + len(PATHS)}', flush=True)
    failed = 0
    for i, (call, small, large, factor) in enumerate(CALLS, 1):
        if os.environ.get('COST_FULL') == '1':
            small, large = FULL.get(call, (small, large))
        few, many = (count(sys.argv[1], call, n) for n in (small, large))
        good = few and many and many <= few * factor
        if few and many:
            print(f'# {call}: {few:,} instructions with {small:,}, {many:,} with {large:,}: '
                  f'{many / few:.2f} times, at most {factor}')
        print(f'{"ok" if good else "not ok"} {i} - {call}', flush=True)
        failed += not good
    for i, (call, function, small, large, most) in enumerate(PATHS, len(CALLS) + 1):
        few, many = (count(sys.argv[1], call, n, function) for n in (small, large))
        each = (many - few) / (large - small) if few and many else 0
        good = 0 < each <= most
        if each:
            print(f'# {call}: {each:.0f} instructions a page in {function}(), at most {most}')
        print(f'{"ok" if good else "not ok"} {i} - {call}', flush=True)
        failed += not good
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
