# SPDX-License-Identifier: MIT
"""scripts/counting.py: the rules by which scripts/check and scripts/vm count tests.

Each test of a TAP program (as cmocka's are) counts by itself, any other test program counts as one. These
count as a failure: a program that ends with an error outside its tests, a program that reports fewer
results than it announced, and a program without a test. A Count holds the numbers; a failure is printed at
once, shortened.
"""
import re

LINES_OF_A_FAILURE = 60


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.explained = 0      # programs that Meson itself reported as failed

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)

    def __str__(self):
        text = f'{self.passed} passed, {self.failed} failed'
        return text + (f', {self.skipped} skipped' if self.skipped else '')


def say(*words):
    print(*words, flush=True)


def show(text):
    lines = text.rstrip().splitlines()
    if len(lines) > LINES_OF_A_FAILURE:
        half = LINES_OF_A_FAILURE // 2
        lines = lines[:half] + [f'[... {len(lines) - 2 * half} lines ...]'] + lines[-half:]
    for line in lines:
        say('    ' + line)


def tests_inside(output):
    """Parses the output of a TAP program: ([(name, 'ok'|'bad'|'skip')], tests announced or None)."""
    announced = None
    tests = []
    for line in output.splitlines():
        plan = re.match(r'1\.\.(\d+)\s*$', line)
        told = re.match(r'(not )?ok\b\s*\d*\s*(?:- )?(.*)', line)
        if plan:
            announced = (announced or 0) + int(plan.group(1))
        elif told:
            kind = 'bad' if told.group(1) else 'ok'
            if re.search(r'#\s*skip', told.group(2), re.IGNORECASE):
                kind = 'skip'
            tests.append((told.group(2), kind))
    return (tests, announced) if announced is not None else ([], None)


def count_program(count, program, label, entry):
    """Counts one test program by its entry in Meson's log."""
    result, status = entry['result'], entry.get('returncode')
    output, errors = entry.get('stdout') or '', entry.get('stderr') or ''
    tests, announced = tests_inside(output)
    bad = [name for name, kind in tests if kind == 'bad']
    before = count.failed
    nothing_to_do = re.search(r'^1\.\.0\s*#\s*skip:?\s*(.*)', output, re.IGNORECASE | re.MULTILINE)

    count.explained += result not in ('OK', 'SKIP')
    count.passed += sum(kind == 'ok' for _, kind in tests)
    count.skipped += sum(kind == 'skip' for _, kind in tests)
    for name in bad:
        count.fail(f'{label}: {program}: {name}')
    if result == 'TIMEOUT':
        count.fail(f'{label}: {program}: took too long')
    elif status == 77 and result in ('SKIP', 'ERROR') and not tests:
        count.skipped += 1
        reason = (output + errors).strip() or 'no reason given'
        say(f'  skipped {program}: {reason.splitlines()[-1]}')
    elif status and not bad:
        count.fail(f'{label}: {program}: {result.lower()}, status {status}')
    elif nothing_to_do and not tests:
        count.skipped += 1
        say(f'  skipped {program}: {nothing_to_do.group(1) or "no reason given"}')
    elif announced is not None:
        if len(tests) != announced and not bad:
            count.fail(f'{label}: {program}: {len(tests)} tests of {announced} told their result')
    elif result == 'OK':
        count.passed += 1
    elif result == 'SKIP':
        count.fail(f'{label}: {program}: ended without having run a test')
    elif not bad:
        count.fail(f'{label}: {program}: {result.lower()}')

    if count.failed > before:
        say(f'  FAILED {program} ({result}, status {status})')
        show(output + '\n' + errors)
