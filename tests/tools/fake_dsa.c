// SPDX-License-Identifier: MIT
/*
 * fake_dsa.c - an Intel DSA made of shared memory: the device's side of the registers and portals.
 *
 * It is stricter than a driver needs: a descriptor that a real device would lose is counted. Each
 * access to the BARs is atomic, since two threads make them.
 */
#include "fake_dsa.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iofault/iofault.h>
#include <iofault/vfio.h>

struct fake_dsa *fake;
static char *driver_regs; /* where the driver has BAR 0 */

static void die(const char *what)
{
	fprintf(stderr, "fake_dsa: %s: %s\n", what, strerror(errno));
	exit(99);
}

uint32_t fake_read32(uint32_t at)
{
	return __atomic_load_n((uint32_t *)(fake->regs + at), __ATOMIC_ACQUIRE);
}

uint64_t fake_read64(uint32_t at)
{
	return __atomic_load_n((uint64_t *)(fake->regs + at), __ATOMIC_ACQUIRE);
}

void fake_write32(uint32_t at, uint32_t value)
{
	__atomic_store_n((uint32_t *)(fake->regs + at), value, __ATOMIC_RELEASE);
}

void fake_write64(uint32_t at, uint64_t value)
{
	__atomic_store_n((uint64_t *)(fake->regs + at), value, __ATOMIC_RELEASE);
}

/* ---- the device ---- */

static void set_state(uint32_t state)
{
	fake_write32(DSA_REG_GENSTS, state);
}

static bool enabled(void)
{
	return DSA_GENSTS_STATE(fake_read32(DSA_REG_GENSTS)) == DSA_STATE_ENABLED;
}

static uint32_t queue_at(uint32_t queue)
{
	return FAKE_QUEUES_AT + queue * DSA_QUEUE_ALL_BYTES;
}

static void clear_tables(void)
{
	uint32_t at;

	for (at = FAKE_GROUPS_AT; at < FAKE_RIGHTS_AT + 0x100; at += 8)
		fake_write64(at, 0);
	fake_write32(FAKE_GROUPS_AT + DSA_GROUP_FLAGS, 0x9); /* traffic class 1 twice */
}

static uint32_t enable_device(void)
{
	uint32_t i, sizes = 0;

	if (enabled())
		return 0x10;
	if (!(__atomic_load_n(&fake->control, __ATOMIC_ACQUIRE) & 4))
		return 0x12;
	for (i = 0; i < FAKE_QUEUES; i++)
		sizes += fake_read32(queue_at(i) + DSA_QUEUE_SIZE) & 0xffff;
	if (sizes > DSA_WQCAP_ENTRIES(fake_read64(DSA_REG_WQCAP)))
		return 0x14;
	if (!fake_read64(FAKE_GROUPS_AT + DSA_GROUP_ENGINES))
		return 0x11;
	set_state(DSA_STATE_ENABLED);
	return 0;
}

static uint32_t enable_queue(uint32_t queue)
{
	uint32_t at, mode;

	if (queue >= FAKE_QUEUES)
		return 0x02;
	at = queue_at(queue);
	mode = fake_read32(at + DSA_QUEUE_MODE);
	if (!enabled())
		return 0x20;
	if (!(fake_read32(at + DSA_QUEUE_SIZE) & 0xffff))
		return 0x22;
	if (!(mode >> 4 & 0xf))
		return 0x23;
	if (!(fake_read64(FAKE_GROUPS_AT + DSA_GROUP_QUEUES) >> queue & 1))
		return 0x11;
	fake_write32(at + DSA_QUEUE_STATE, DSA_QUEUE_ENABLED << 30);
	return 0;
}

static uint32_t execute(uint32_t command, uint32_t operand, uint32_t *result)
{
	switch (command) {
	case DSA_CMD_ENABLE_DEVICE:
		return enable_device();
	case DSA_CMD_DISABLE_DEVICE:
		set_state(DSA_STATE_DISABLED);
		return 0;
	case DSA_CMD_RESET_DEVICE:
		set_state(DSA_STATE_DISABLED);
		clear_tables();
		return 0;
	case DSA_CMD_ENABLE_QUEUE:
		return enable_queue(operand);
	case DSA_CMD_REQUEST_INTERRUPT:
		if (!operand || operand > FAKE_QUEUES)
			return 0x41;
		*result = FAKE_HANDLE + operand;
		return 0;
	default:
		return 0x01;
	}
}

static void take_command(void)
{
	uint32_t word =
		__atomic_exchange_n((uint32_t *)(fake->regs + DSA_REG_CMD), 0, __ATOMIC_ACQ_REL);
	uint32_t command = word >> 20 & 0x1f, operand = word & 0xfffff, error = 0, result = 0;

	if (!word || command == fake->stuck)
		return;
	if (command == __atomic_load_n(&fake->refused, __ATOMIC_ACQUIRE))
		error = fake->error;
	else if (command != fake->ignored)
		error = execute(command, operand, &result);
	fake_write32(DSA_REG_CMDSTS, error | result << 8);
}

static void complain(unsigned int error, uint32_t queue)
{
	fake_write64(DSA_REG_SWERR + 16, 0x1234000);
	fake_write64(DSA_REG_SWERR,
		     DSA_SWERR_VALID | DSA_SWERR_QUEUE_VALID | error << 8 | queue << 16);
}

/* The end of the device, if it has come. Returns true if the descriptor is dropped. */
static bool end(uint64_t number, uint32_t queue)
{
	uint32_t at;

	if (fake->end == FAKE_LIVES || number < fake->after)
		return false;
	switch (fake->end) {
	case FAKE_UNPLUGGED:
		for (at = 0; at < FAKE_REGS_SIZE; at += 8)
			fake_write64(at, UINT64_MAX);
		__atomic_store_n(&fake->gone, true, __ATOMIC_RELEASE);
		break;
	case FAKE_TRUNCATED:
		__atomic_store_n(&fake->gone, true, __ATOMIC_RELEASE);
		if (ftruncate(fake->regs_fd, 0) || ftruncate(fake->portals_fd, 0))
			die("ftruncate");
		break;
	case FAKE_DISABLED:
		set_state(DSA_STATE_DISABLED);
		break;
	case FAKE_HALTED:
		set_state(DSA_STATE_HALTED);
		break;
	case FAKE_COMPLAINS:
		if (number == fake->after)
			complain(DSA_COMP_HW_ERR1, queue);
		break;
	default:
		break;
	}
	return true;
}

/* Checks a descriptor's interrupt as a device does. */
static bool interrupt_is_right(uint32_t queue, uint32_t pasid, const struct dsa_hw_desc *desc)
{
	uint32_t vector = queue + 1, handle = vector;

	if (!(desc->flags & IDXD_OP_FLAG_RCI))
		return !desc->int_handle;
	if (fake_read64(DSA_REG_GENCAP) & DSA_GENCAP_CMDCAP)
		handle = FAKE_HANDLE + vector;
	return desc->int_handle == handle &&
	       fake_read32(FAKE_RIGHTS_AT + vector * DSA_PERMISSION_BYTES) ==
		       DSA_PERMISSION_PASID(pasid);
}

static void give_on(struct dsa_hw_desc *desc)
{
	ssize_t rc;

	desc->int_handle = 0;
	do {
		rc = iof_pwrite(fake->node, desc, sizeof(*desc),
				(off_t)IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL));
		if (rc == -EAGAIN)
			sched_yield();
	} while (rc == -EAGAIN && !__atomic_load_n(&fake->stop, __ATOMIC_ACQUIRE));
	if (rc != sizeof(*desc))
		__atomic_add_fetch(&fake->lost, 1, __ATOMIC_RELAXED);
}

static void take_descriptor(uint32_t queue, struct dsa_hw_desc *desc)
{
	uint64_t number = __atomic_load_n(&fake->arrived, __ATOMIC_RELAXED);
	uint32_t at = queue_at(queue), mode;

	if (end(number, queue)) {
		__atomic_store_n(&fake->arrived, number + 1, __ATOMIC_RELEASE);
		return;
	}
	mode = fake_read32(at + DSA_QUEUE_MODE);
	if (!enabled() ||
	    DSA_QUEUE_STATE_OF(fake_read32(at + DSA_QUEUE_STATE)) != DSA_QUEUE_ENABLED ||
	    !(mode & DSA_QUEUE_BLOCK_ON_FAULT) || desc->pasid) {
		__atomic_add_fetch(&fake->lost, 1, __ATOMIC_RELAXED);
		return;
	}
	desc->pasid = mode >> 8 & 0xfffff;
	if (!interrupt_is_right(queue, desc->pasid, desc)) {
		complain(DSA_COMP_INT_HANDLE_INVAL, queue);
		__atomic_add_fetch(&fake->lost, 1, __ATOMIC_RELAXED);
		return;
	}
	if (fake->forward) {
		give_on(desc);
	} else if (number < FAKE_KEPT) {
		fake->kept[number] = *desc;
		fake->kept_queue[number] = queue;
	}
	__atomic_store_n(&fake->arrived, number + 1, __ATOMIC_RELEASE);
}

/* Takes what lies in the portals, which no descriptor without flags does. */
static void take_portals(void)
{
	uint32_t queue, slot, i;

	for (queue = 0; queue < FAKE_QUEUES; queue++) {
		for (slot = 0; slot < DSA_PORTAL_BYTES / 64; slot++) {
			uint64_t words[8], *from;
			struct dsa_hw_desc desc;

			if (__atomic_load_n(&fake->gone, __ATOMIC_ACQUIRE))
				return;
			from = (uint64_t *)(fake->portals + queue * DSA_PORTAL_STRIDE + slot * 64);
			words[0] = __atomic_load_n(from, __ATOMIC_ACQUIRE);
			if (!words[0])
				continue;
			for (i = 1; i < 8; i++)
				words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
			__atomic_store_n(from, 0, __ATOMIC_RELEASE);
			memcpy(&desc, words, sizeof(desc));
			take_descriptor(queue, &desc);
		}
	}
}

static void *run(void *arg)
{
	while (!__atomic_load_n(&fake->stop, __ATOMIC_ACQUIRE)) {
		while (sem_wait(&fake->work) && errno == EINTR)
			;
		if (__atomic_load_n(&fake->gone, __ATOMIC_ACQUIRE))
			continue;
		take_command();
		take_portals();
	}
	return arg;
}

/* ---- what the driver reaches ---- */

static int region_info(struct vfio_region_info *info)
{
	info->offset = (uint64_t)info->index << IOF_VFIO_REGION_SHIFT;
	info->size = 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	switch (info->index) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		info->size = FAKE_REGS_SIZE;
		break;
	case VFIO_PCI_BAR1_REGION_INDEX:
		info->size = fake->bar1 ? 4096 : 0;
		return 0;
	case VFIO_PCI_BAR2_REGION_INDEX:
		info->size = fake->portals_size ? fake->portals_size : FAKE_PORTALS;
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		info->size = 4096;
		return 0;
	default:
		return -EINVAL;
	}
	info->flags |= fake->no_map ? 0 : VFIO_REGION_INFO_FLAG_MMAP;
	return 0;
}

static int set_irqs(int fd, struct vfio_irq_set *set)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = IOF_VFIO_IRQ_COMPLETION,
			.count = 1,
		},
	};

	if (set->index != VFIO_PCI_MSIX_IRQ_INDEX || set->start != 1 || set->count > FAKE_QUEUES ||
	    set->argsz != sizeof(*set) + set->count * sizeof(int32_t))
		return -EINVAL;
	memcpy(fake->interrupts, set->data, set->count * sizeof(int32_t));
	if (!fake->forward)
		return 0;
	memcpy(irq.set.data, fake->interrupts, sizeof(int32_t));
	return iof_ioctl(fd, VFIO_DEVICE_SET_IRQS, &irq);
}

static int fake_ioctl(int fd, unsigned long cmd, void *arg)
{
	struct vfio_irq_info *irqs = arg;

	fake->node = fd;
	switch (cmd) {
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		irqs->count = fake->nr_irqs ? fake->nr_irqs : FAKE_QUEUES + 1;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(fd, arg);
	case VFIO_DEVICE_RESET:
		fake->function_resets++;
		if (fake->reset_fails)
			return -EIO;
		return fake->forward ? iof_ioctl(fd, cmd, arg) : 0;
	default:
		return -ENOTTY;
	}
}

static ssize_t fake_pread(int fd, void *buf, size_t len, off_t off)
{
	const off_t config = (off_t)IOF_VFIO_REGION_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX);
	uint16_t words[3] = { 0x8086, 0x0b25, fake->control };

	(void)fd;
	if (off < config || off - config > 4 || len != 2)
		return -EINVAL;
	memcpy(buf, &words[(off - config) / 2], 2);
	return 2;
}

static ssize_t fake_pwrite(int fd, const void *buf, size_t len, off_t off)
{
	uint16_t control;

	(void)fd;
	if (off != (off_t)IOF_VFIO_REGION_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX) + 4 || len != 2)
		return -EINVAL;
	memcpy(&control, buf, 2);
	__atomic_store_n(&fake->control, control, __ATOMIC_RELEASE);
	return 2;
}

static void *fake_map(int fd, size_t size, off_t off)
{
	uint32_t index = (uint32_t)(off >> IOF_VFIO_REGION_SHIFT);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			index ? fake->portals_fd : fake->regs_fd, 0);

	(void)fd;
	if (at == MAP_FAILED)
		return NULL;
	if (!index)
		driver_regs = at;
	return at;
}

static bool is_lost(const void *at)
{
	return fake->writes_lost && (const char *)at - driver_regs >= FAKE_GROUPS_AT;
}

static void driver_write32(void *at, uint32_t value)
{
	bool command = (char *)at - driver_regs == DSA_REG_CMD;

	if (is_lost(at))
		return;
	if (command) {
		/* A device knows at once that it has a command. */
		if (!__atomic_load_n(&fake->gone, __ATOMIC_ACQUIRE))
			__atomic_store_n((uint32_t *)(driver_regs + DSA_REG_CMDSTS),
					 DSA_CMDSTS_ACTIVE, __ATOMIC_RELEASE);
		if (fake->nr_commands < 64)
			fake->commands[fake->nr_commands++] = value;
	}
	__atomic_store_n((uint32_t *)at, value, __ATOMIC_RELEASE);
	if (command)
		sem_post(&fake->work);
}

static void driver_write64(void *at, uint64_t value)
{
	if (is_lost(at))
		return;
	/* Ones clear bits of SWERR. */
	if ((char *)at - driver_regs == DSA_REG_SWERR)
		value = __atomic_load_n((uint64_t *)at, __ATOMIC_ACQUIRE) & ~value;
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}

static bool has_movdir64b(void)
{
	return !fake->no_movdir64b;
}

static bool has_enqcmd(void)
{
	return fake->enqcmd;
}

/* The bus holds a write back until the device has taken the one before. */
static void movdir64b(void *portal, const struct dsa_hw_desc *desc)
{
	uint64_t words[8], *to = portal;
	int i;

	memcpy(words, desc, sizeof(words));
	while (__atomic_load_n(to, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&fake->gone, __ATOMIC_ACQUIRE))
		sched_yield();
	for (i = 7; i > 0; i--)
		__atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(to, words[0], __ATOMIC_RELEASE);
	sem_post(&fake->work);
}

static int enqcmd(void *portal, const struct dsa_hw_desc *desc)
{
	if (fake->enqcmd_fails == UINT32_MAX)
		return -EACCES;
	if (fake->enqcmd_fails) {
		fake->enqcmd_fails--;
		return -EAGAIN;
	}
	movdir64b(portal, desc);
	return 0;
}

const struct iof_real_machine fake_machine = {
	.ioctl = fake_ioctl,
	.pread = fake_pread,
	.pwrite = fake_pwrite,
	.map = fake_map,
	.write32 = driver_write32,
	.write64 = driver_write64,
	.has_movdir64b = has_movdir64b,
	.has_enqcmd = has_enqcmd,
	.movdir64b = movdir64b,
	.enqcmd = enqcmd,
	.command_ms = 2000,
	.silence_ms = 1500,
};

/* ---- its life ---- */

static char *bar(const char *name, uint64_t size, int *fd)
{
	void *at;

	*fd = memfd_create(name, MFD_CLOEXEC);
	if (*fd < 0 || ftruncate(*fd, (off_t)size))
		die("memfd_create");
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

void fake_create(void)
{
	fake = mmap(NULL, sizeof(*fake), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fake == MAP_FAILED)
		die("mmap");
	fake->regs = bar("regs", FAKE_REGS_SIZE, &fake->regs_fd);
	fake->portals = bar("portals", FAKE_PORTALS, &fake->portals_fd);
	fake->node = -1;
	if (sem_init(&fake->work, 1, 0))
		die("sem_init");
	fake_write32(DSA_REG_VERSION, 0x100);
	fake_write64(DSA_REG_GENCAP, DSA_GENCAP_BLOCK_ON_FAULT | DSA_GENCAP_CMDCAP |
					     DSA_GENCAP_CONFIGURABLE | 31ull << 16 | 10ull << 21);
	fake_write64(DSA_REG_WQCAP, FAKE_ENTRIES | FAKE_QUEUES << 16 | 1ull << 24 |
					    DSA_WQCAP_SHARED | DSA_WQCAP_DEDICATED |
					    DSA_WQCAP_OPERATIONS);
	fake_write64(DSA_REG_GRPCAP, 4 | 96 << 8 | DSA_GRPCAP_CONTROL);
	fake_write64(DSA_REG_ENGCAP, 4);
	fake_write64(DSA_REG_OPCAP, 0x1000303ff);
	fake_write64(DSA_REG_TABLE_OFFSETS, FAKE_GROUPS_AT >> 8 | FAKE_QUEUES_AT >> 8 << 16 |
						    (uint64_t)(FAKE_RIGHTS_AT >> 8) << 32);
	fake_write32(DSA_REG_CMDCAP, 1u << DSA_CMD_REQUEST_INTERRUPT);
	clear_tables();
}

void fake_power_on(void)
{
	if (pthread_create(&fake->thread, NULL, run, NULL))
		die("pthread_create");
}

void fake_destroy(void)
{
	if (fake->thread) {
		__atomic_store_n(&fake->stop, true, __ATOMIC_RELEASE);
		sem_post(&fake->work);
		pthread_join(fake->thread, NULL);
	}
	munmap(fake->regs, FAKE_REGS_SIZE);
	munmap(fake->portals, FAKE_PORTALS);
	close(fake->regs_fd);
	close(fake->portals_fd);
	sem_destroy(&fake->work);
	munmap(fake, sizeof(*fake));
	fake = NULL;
}
