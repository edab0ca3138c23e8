#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check_full.py SOURCE: two runs of scripts/check-full that want the same root: the second waits for the first."""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile

sys.dont_write_bytecode = True
SOURCE = os.path.abspath(sys.argv[1])
sys.path.insert(0, os.path.join(SOURCE, 'scripts'))
loader = importlib.machinery.SourceFileLoader('check_full', os.path.join(SOURCE, 'scripts/check-full'))
full = importlib.util.module_from_spec(importlib.util.spec_from_loader('check_full', loader))
loader.exec_module(full)


def release(folder):
    made = full.Release.__new__(full.Release)
    made.name, made.pristine, made.root = 'test', os.path.join(folder, 'root'), os.path.join(folder, 'root.try')
    return made


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, 'root'))
        # A git that makes the folder is enough here.
        with open(os.path.join(folder, 'git'), 'w') as script:
            script.write('#!/bin/sh\nfor last; do :; done\nmkdir "$last"\n')
        os.chmod(os.path.join(folder, 'git'), 0o755)
        os.environ['PATH'] = folder + ':' + os.environ['PATH']
        told, tell = os.pipe()
        first = release(folder)
        with first:
            child = os.fork()
            if not child:
                first.lock.close()
                full.say = lambda text: os.write(tell, str(text).encode() + b'\n')
                with release(folder):
                    os.write(tell, b'entered\n')
                os._exit(0)
            os.close(tell)
            lines = os.fdopen(told)
            line = lines.readline()
            assert 'waits for another run' in line, line
            assert os.path.isdir(os.path.join(first.root, 'iofault'))
        assert lines.readline() == 'entered\n'
        assert os.waitpid(child, 0)[1] == 0
        assert not os.path.exists(first.root)


main()
