#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""exports.py SOURCE [LIBRARY]: three lists of public functions must be one.

What the headers in include/iofault/ declare (asked of the compiler), what user/libiofault.map names,
and, with LIBRARY, what the shared library exports. Prints each difference; status 1 if there is one.
"""
import os
import re
import subprocess
import sys
import tempfile


def declared(source):
    """Non-static functions that a public header declares."""
    folder = os.path.join(source, 'include/iofault')
    headers = sorted(h for h in os.listdir(folder) if h.endswith('.h'))
    text = ''.join(f'#include <iofault/{header}>\n' for header in headers)
    with tempfile.NamedTemporaryFile(suffix='.X') as out:
        # -S, not -fsyntax-only, which writes no list
        subprocess.run(['gcc', '-xc', '-S', '-o', os.devnull, '-aux-info', out.name,
                        '-I' + os.path.join(source, 'include'), '-'], input=text, text=True,
                       check=True)
        rows = open(out.name).read().splitlines()
    names = set()
    for row in rows:
        told = re.match(r'/\* (\S+?):\d+:\w+ \*/ (.*)', row)
        if told and '/include/iofault/' in told.group(1) and not told.group(2).startswith('static '):
            # The name is the identifier before the first parenthesis that opens parameters.
            names.add(re.search(r'(\w+) \(', told.group(2)).group(1))
    return names


def mapped(source):
    text = open(os.path.join(source, 'user/libiofault.map')).read()
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.DOTALL)
    names = set()
    for block in re.findall(r'global:(.*?)(?:local:|\})', text, flags=re.DOTALL):
        names |= {name.strip() for name in block.split(';') if name.strip()}
    return names


def exported(library):
    rows = subprocess.run(['nm', '-D', '--defined-only', '--with-symbol-versions', library],
                          check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    names = set()
    for row in rows:
        name, _, version = row.split()[-1].partition('@')
        if row.split()[-2] == 'A':
            continue    # the name of the version itself
        names.add(name if version else name + ' (without a version)')
    return names


def main():
    lists = {'include/iofault/': declared(sys.argv[1]), 'user/libiofault.map': mapped(sys.argv[1])}
    if len(sys.argv) > 2:
        lists['the shared library'] = exported(sys.argv[2])
    everything = set().union(*lists.values())
    bad = 0
    for name in sorted(everything):
        absent = [where for where, names in lists.items() if name not in names]
        if absent:
            print(f'{name}: not in {", not in ".join(absent)}')
            bad = 1
        elif not name.startswith('iof_'):
            print(f'{name}: a public name without iof_')
            bad = 1
    if not everything:
        print('no public functions at all')
        bad = 1
    return bad


sys.exit(main())
