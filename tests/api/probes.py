#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""probes.py SOURCE FILE...: each FILE, a library or a program, has the probes of core/trace_events.h.

Each event of the list is there, as USDT probe iofault:NAME, with the list's number of arguments of the
list's sizes, none has a semaphore, and there is no other one. man/iofault-trace.7 lists the same events and
arguments. Prints each difference; status 1 if there is one. tests/unit/trace.c shows that the probes tell the
truth.
"""
import re
import subprocess
import sys


def listed(source):
    """{event: [(name, size) of each argument]}, from the prototypes of the header."""
    text = re.sub(r'/\*.*?\*/', ' ', open(source + '/core/trace_events.h').read(), flags=re.DOTALL)
    sizes = {'u32': 4, 'u64': 8, 'const char *': 8}
    return {name: [(argument, sizes[kind.strip()])
                   for kind, argument in re.findall(r'([^,]*?)(\w+)\s*(?:,|$)', arguments)]
            for name, arguments in re.findall(r'TRACE_EVENT\((\w+),\s*TP_PROTO\(([^)]*)\)', text)}


def described(source):
    """{event: names of its arguments}, from the manual page."""
    text = open(source + '/man/iofault-trace.7').read()
    text = text.split('.SS Events')[1].split('.SS Arguments')[0]
    return {name: arguments.split('\\ ')
            for name, arguments in re.findall(r'^\.BR (\w+) \\ (.*)$', text, re.MULTILINE)}


def notes(path):
    """(provider, name, semaphore, sizes of the arguments) of each probe, as readelf tells them."""
    text = subprocess.run(['readelf', '--notes', path], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout
    for provider, name, semaphore, arguments in re.findall(
            r'Provider: (.*)\n\s*Name: (.*)\n.*Semaphore: (\w+)\n\s*Arguments:(.*)', text):
        sizes = [abs(int(size)) for size in re.findall(r'(?:^|\s)(-?\d+)@', arguments)]
        yield provider, name, int(semaphore, 16), sizes


def main():
    events = listed(sys.argv[1])
    bad = 0 if events else 1
    told = described(sys.argv[1])
    for name in sorted(set(events) | set(told)):
        names = [argument for argument, _ in events.get(name, [])]
        if told.get(name) != names:
            print(f'man/iofault-trace.7: {name}: {told.get(name)}, the list says {names}')
            bad = 1
    for path in sys.argv[2:]:
        found = set()
        for provider, name, semaphore, sizes in notes(path):
            if provider != 'iofault':
                continue
            found.add(name)
            wanted = [size for _, size in events.get(name, [])]
            if name not in events:
                print(f'{path}: {name} is not in the list')
            elif sizes != wanted:
                print(f'{path}: {name} has arguments of {sizes} bytes, the list says {wanted}')
            elif semaphore:
                print(f'{path}: {name} has a semaphore')
            else:
                continue
            bad = 1
        for name in sorted(set(events) - found):
            print(f'{path}: no probe {name}')
            bad = 1
    print(f'{len(events)} events in the list')
    return bad


sys.exit(main())
