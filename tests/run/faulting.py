# SPDX-License-Identifier: MIT
"""A program for `iofault run` that raises page faults of a DMA engine, for tests of what others see of it.

    faulting.py WORDS...

Each word is done in turn; those that need the machine's objects make them first:
    fault N       N page faults, each responded to with success
    refuse        one page fault, responded to with INVALID
    sweep         one page fault, which a detach sweeps
    close         one page fault, which the close of the queue sweeps; the last word
    calls         calls that a character device refuses
    wrong         an ioctl that fails with EINVAL
    queues N      N more fault queues, left open
    opens N       N opens of /dev/iommu
    tell          writes "ready" and waits for a line
"""
import ctypes
import errno
import fcntl
import mmap
import os
import select
import struct
import sys

IOMMU = 0x3b80
DESTROY, IOAS_ALLOC, IOAS_MAP, HWPT_ALLOC, FAULT_QUEUE_ALLOC = (IOMMU + n for n in (0, 1, 5, 9, 14))
BIND, ATTACH, DETACH = 0x3b76, 0x3b77, 0x3b78
STATE = 1 << 40     # offset of struct iof_vfio_dsa_state
LIBC = ctypes.CDLL(None, use_errno=True)


class Machine:
    def __init__(self):
        self.memory = mmap.mmap(-1, 4096)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.iommu = os.open('/dev/iommu', os.O_RDWR | os.O_CLOEXEC)
        self.device = os.open('/dev/vfio/devices/vfio0', os.O_RDWR | os.O_CLOEXEC)
        self.dev_id = self.call(self.device, BIND, '=IIiI', 16, 0, self.iommu, 0)[3]
        self.ioas = self.call(self.iommu, IOAS_ALLOC, '=III', 12, 0, 0)[2]
        self.fault_id, self.queue = self.more()
        self.hwpt = self.table(4, self.fault_id)
        self.next = 0x10000000
        self.started = 0

    @staticmethod
    def call(fd, cmd, form, *values):
        data = bytearray(struct.pack(form, *values))
        fcntl.ioctl(fd, cmd, data)
        return struct.unpack(form, data)

    def more(self):
        return self.call(self.iommu, FAULT_QUEUE_ALLOC, '=IIII', 16, 0, 0, 0)[2:]

    def table(self, flags, fault_id):
        return self.call(self.iommu, HWPT_ALLOC, '=IIIIIIIIQII', 48, flags, self.dev_id, self.ioas, 0, 0, 0, 0,
                         0, fault_id, 0)[4]

    def attach(self, table):
        self.call(self.device, ATTACH, '=III', 12, 0, table)

    def map(self, iova):
        self.call(self.iommu, IOAS_MAP, '=IIIIQQQ', 40, 7, self.ioas, 0, self.address, 4096, iova)

    def start(self):
        """Lets the engine write one page that is absent. Returns its address."""
        self.next += 4096
        self.started += 1
        fill = struct.pack('=IIQQQI28x', 0, 4 << 24 | 2, 0, 0, self.next, 4096)
        assert os.write(self.device, fill) == 64
        return self.next

    def wait_completed(self):
        """The reset of a close does not count what is not completed."""
        while struct.unpack('=Q', os.pread(self.device, 40, STATE)[32:])[0] != self.started:
            os.sched_yield()

    def fault(self):
        """One record of the queue."""
        poller = select.poll()
        poller.register(self.queue, select.POLLIN)
        poller.poll()
        return struct.unpack('=IIIIIIQII', os.read(self.queue, 40))

    def respond(self, cookie, code):
        assert os.write(self.queue, struct.pack('=II', cookie, code)) == 8


def refused(what, number):
    try:
        what()
    except OSError as e:
        assert e.errno == number, (what, e)
        return
    sys.exit(f'{what} works')


def calls(machine):
    fd = machine.device
    os.fstat(fd)
    os.stat('/dev/iommu')
    refused(lambda: os.lseek(machine.queue, 0, os.SEEK_CUR), errno.ESPIPE)
    refused(lambda: os.fsync(fd), errno.EINVAL)
    refused(lambda: os.ftruncate(fd, 0), errno.EINVAL)
    refused(lambda: fcntl.ioctl(fd, 0x541b, bytearray(4)), errno.ENOTTY)      # FIONREAD
    refused(lambda: mmap.mmap(machine.queue, 4096), errno.ENODEV)
    refused(lambda: select.epoll().register(machine.iommu), errno.EPERM)
    assert LIBC.readahead(fd, ctypes.c_long(0), ctypes.c_size_t(4096)) == -1
    refused(lambda: os.posix_fallocate(fd, 0, 4096), errno.ENODEV)


def main(words):
    machine = Machine()
    machine.attach(machine.hwpt)
    words = iter(words)
    for word in words:
        if word == 'fault':
            for _ in range(int(next(words))):
                addr = machine.start()
                record = machine.fault()
                assert record[6] == addr, record
                machine.map(addr)
                machine.respond(record[8], 0)
        elif word == 'refuse':
            machine.start()
            machine.respond(machine.fault()[8], 1)
        elif word == 'sweep':
            machine.start()
            machine.fault()
            machine.call(machine.device, DETACH, '=II', 8, 0)
            machine.wait_completed()
            machine.attach(machine.hwpt)
        elif word == 'close':
            machine.start()
            machine.fault()
            os.close(machine.queue)
        elif word == 'calls':
            calls(machine)
        elif word == 'wrong':
            refused(lambda: machine.map(0x123), errno.EINVAL)
        elif word == 'queues':
            machine.queues = [machine.more() for _ in range(int(next(words)))]
        elif word == 'opens':
            for _ in range(int(next(words))):
                os.close(os.open('/dev/iommu', os.O_RDWR))
        elif word == 'tell':
            print('ready', flush=True)
            sys.stdin.readline()
        else:
            sys.exit(f'there is no {word}')
    # an exit would not wait for these
    os.close(machine.device)
    os.close(machine.iommu)


if __name__ == '__main__':
    main(sys.argv[1:])
