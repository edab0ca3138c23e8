/* SPDX-License-Identifier: MIT */
/*
 * real_dsa.h - drives an Intel DSA behind a VFIO node, such as one that iofault-pci has.
 *
 * It was written from the specification and not tried on hardware (docs/real-devices.md).
 *
 * - One thread uses a struct iof_real_dsa. The caller owns the descriptor, binds it first, and
 *   closes it last.
 * - What the device tells is checked before it is used as a size, an offset or a count. Each wait
 *   for the device ends after command_ms.
 * - Functions return 0 or a negative errno, and @why has the reason, a clause for a user. -ENODEV:
 *   the device is gone. All later calls then return at once.
 * - While a device is open, this file's handlers of SIGBUS and SIGSEGV are installed. They pass on
 *   signals that are not theirs. A BAR that has vanished reads as ones, as on a bus.
 */
#ifndef IOF_TOOLS_REAL_DSA_H
#define IOF_TOOLS_REAL_DSA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/idxd.h>

#define IOF_REAL_MAX_QUEUES 64

/**
 * struct iof_real_machine - the machine, or a test's
 * @ioctl: as iof_ioctl()
 * @pread: as iof_pread()
 * @pwrite: as iof_pwrite()
 * @map: maps a part of the node for reading and writing; NULL: failure, with errno
 * @write32: writes a register
 * @write64: the same
 * @has_movdir64b: does the CPU have the instruction?
 * @has_enqcmd: the same
 * @movdir64b: writes 64 bytes to a portal as one access
 * @enqcmd: does so with the PASID that the kernel gave this process. Returns 0, -EAGAIN the queue
 *	is full, or -EACCES the process has no PASID
 * @command_ms: time that a command may take
 * @silence_ms: time in which a device with descriptors must complete one, unless it waits for pages
 */
struct iof_real_machine {
	int (*ioctl)(int fd, unsigned long cmd, void *arg);
	ssize_t (*pread)(int fd, void *buf, size_t len, off_t off);
	ssize_t (*pwrite)(int fd, const void *buf, size_t len, off_t off);
	void *(*map)(int fd, size_t size, off_t off);
	void (*write32)(void *at, uint32_t value);
	void (*write64)(void *at, uint64_t value);
	bool (*has_movdir64b)(void);
	bool (*has_enqcmd)(void);
	void (*movdir64b)(void *portal, const struct dsa_hw_desc *desc);
	int (*enqcmd)(void *portal, const struct dsa_hw_desc *desc);
	uint32_t command_ms;
	uint32_t silence_ms;
};

extern const struct iof_real_machine iof_real_machine;

/**
 * struct iof_real_queue - a work queue in use
 * @pasid: its PASID
 * @handle: what descriptors name for its interrupt
 * @slot: which 64 bytes of the portal are written next
 */
struct iof_real_queue {
	uint32_t pasid;
	uint16_t handle;
	uint16_t slot;
};

/**
 * struct iof_real_dsa - a device; zero it before iof_real_dsa_open()
 * @machine: how it is reached
 * @fd: its node
 * @regs: BAR 0
 * @regs_size: bytes of it that are mapped
 * @portals: BAR 2
 * @portals_size: bytes of it that are mapped
 * @version: minor number in the low byte, major number above
 * @nr_queues: work queues
 * @nr_engines: engines
 * @entries: descriptors that all queues together hold
 * @max_transfer: bytes of one descriptor
 * @max_batch: descriptors of one batch
 * @gencap: register, as the next ones
 * @wqcap: register
 * @grpcap: register
 * @groups_at: offset of the table of groups
 * @queues_at: of that of queues
 * @permissions_at: of that of interrupts
 * @shared: queues are shared, else dedicated
 * @started: it was configured, at least in part
 * @gone: it does not respond any more
 * @nr_used: queues in use
 * @queues: the queues in use; one's index is the device's
 * @why: the reason of the last failure
 */
struct iof_real_dsa {
	const struct iof_real_machine *machine;
	int fd;
	char *regs;
	size_t regs_size;
	char *portals;
	size_t portals_size;
	uint32_t version;
	uint32_t nr_queues;
	uint32_t nr_engines;
	uint32_t entries;
	uint64_t max_transfer;
	uint32_t max_batch;
	uint64_t gencap, wqcap, grpcap;
	uint32_t groups_at, queues_at, permissions_at;
	bool shared;
	bool started;
	bool gone;
	uint32_t nr_used;
	struct iof_real_queue queues[IOF_REAL_MAX_QUEUES];
	char why[256];
};

/**
 * struct iof_real_config - how a device is to work
 * @pasids: one for each queue, attached by the caller
 * @nr_pasids: number of queues
 * @engines: number of engines; fewer if the device has fewer
 * @depth: descriptors without a completion that the caller may have in one queue. A dedicated queue
 *	loses those beyond its size. Lowered if the device has fewer
 * @interrupt: eventfd for completions
 */
struct iof_real_config {
	const uint32_t *pasids;
	uint32_t nr_pasids;
	uint32_t engines;
	uint32_t depth;
	int interrupt;
};

/**
 * iof_real_dsa_is() - is the function behind a node a DSA of silicon?
 * @machine: the machine
 * @fd: the node, bound
 *
 * The engine in software has the same identity. It takes descriptors by pwrite() to BAR 0, which
 * cannot be mapped, and has a BAR 1. A real one has 64-bit BARs, so that there is no BAR 1.
 *
 * Return: 1, 0, or a negative errno.
 */
int iof_real_dsa_is(const struct iof_real_machine *machine, int fd);

/**
 * iof_real_dsa_open() - map a device and read what it is
 * @dsa: the device
 * @machine: the machine
 * @fd: the node, bound
 *
 * The device is allowed to do DMA. Nothing else of it changes.
 *
 * Return: 0; -ENODEV; -EPROTO what it tells contradicts itself or the specification; -EOPNOTSUPP
 * it lacks what iofault needs; or an error of VFIO. After a failure there is nothing to close.
 */
int iof_real_dsa_open(struct iof_real_dsa *dsa, const struct iof_real_machine *machine, int fd);

/**
 * iof_real_dsa_can_submit() - can this CPU submit to a device?
 * @dsa: the device
 * @shared: it would by enqcmd, to a shared queue; otherwise by movdir64b, to dedicated queues
 *
 * Return: false: it cannot, and @why has the reason.
 */
bool iof_real_dsa_can_submit(struct iof_real_dsa *dsa, bool *shared);

/**
 * iof_real_dsa_start() - reset a device, configure it and enable it
 * @dsa: the device
 * @config: how it is to work
 *
 * All queues and the engines are one group. Queues are dedicated if CPU and device allow that, else
 * shared. A shared queue takes the PASID of the process, which the kernel chose. So there is one
 * PASID then, and it must be that of @config.
 *
 * Return: 0; -ENODEV; -EOPNOTSUPP the CPU has neither instruction, or device or process lack what
 * is asked for; -ETIMEDOUT; or -EIO the device refuses.
 */
int iof_real_dsa_start(struct iof_real_dsa *dsa, struct iof_real_config *config);

/**
 * iof_real_dsa_submit() - submit descriptors
 * @dsa: the device
 * @descs: descriptors; the PASID of each chooses its queue
 * @nr: their number
 *
 * Return: how many were taken; -EAGAIN none, as the queue is full; -EINVAL no queue has the PASID;
 * or -EACCES.
 */
int iof_real_dsa_submit(struct iof_real_dsa *dsa, const struct dsa_hw_desc *descs, uint32_t nr);

/**
 * iof_real_dsa_check() - is a device in working order?
 * @dsa: the device
 *
 * Return: 0, -ENODEV, or -EIO it was disabled, has halted, or reports an error.
 */
int iof_real_dsa_check(struct iof_real_dsa *dsa);

/**
 * iof_real_dsa_stop() - disable and reset a device
 * @dsa: the device
 * @idle: no descriptor is open; otherwise they are abandoned
 *
 * When it returns 0, the device does no DMA. If its own reset fails, that of its function is tried.
 *
 * Return: 0, -ENODEV, or the error of the last reset.
 */
int iof_real_dsa_stop(struct iof_real_dsa *dsa, bool idle);

/**
 * iof_real_dsa_close() - unmap a device
 * @dsa: the device, stopped if it was started
 */
void iof_real_dsa_close(struct iof_real_dsa *dsa);

#endif
