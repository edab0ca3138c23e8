// SPDX-License-Identifier: MIT
/*
 * real_dsa_queue.c - a real DSA at work: configure and enable it, submit, check, stop.
 *
 * Work queue n has PASID n of the configuration, 1/n-th of the entries, and vector n + 1 of MSI-X;
 * vector 0 is the device's own. All queues and engines are group 0. The order is that of the
 * section "Device Configuration": reset, tables, enable device, enable queues.
 */
#include "real_dsa_private.h"

#include <errno.h>
#include <immintrin.h>
#include <string.h>

#include <iofault/vfio.h>

#include "tool.h"

#define QUEUE_PRIORITY 8u
#define MAX_ENTRIES    4096u /* of a queue in use: slots of the caller, not of the device */

static uint32_t queue_at(const struct iof_real_dsa *dsa, uint32_t index)
{
	return dsa->queues_at + index * DSA_WQCAP_STRIDE(dsa->wqcap);
}

/* Writes a register of a table and reads it back, which finds a device that takes nothing. */
static int set32(struct iof_real_dsa *dsa, uint32_t at, uint32_t value, const char *what)
{
	uint32_t now;

	iof_real_write32(dsa, at, value);
	now = iof_real_read32(dsa, at);
	if (now == value)
		return 0;
	if (now == UINT32_MAX)
		return iof_real_gone(dsa);
	return iof_real_why(dsa, -EIO, "%s cannot be set: 0x%x was written, 0x%x is read", what,
			    value, now);
}

/* ---- start ---- */

bool iof_real_dsa_can_submit(struct iof_real_dsa *dsa, bool *shared)
{
	bool movdir64b = dsa->machine->has_movdir64b(), enqcmd = dsa->machine->has_enqcmd();

	*shared = false;
	if (movdir64b && dsa->wqcap & DSA_WQCAP_DEDICATED)
		return true;
	*shared = true;
	if (enqcmd && dsa->wqcap & DSA_WQCAP_SHARED)
		return true;
	if (movdir64b || enqcmd)
		iof_real_why(dsa, 0, "it has no queue for the instruction that this CPU has: %s",
			     enqcmd ? "enqcmd" : "movdir64b");
	else
		iof_real_why(dsa, 0, "this CPU has neither movdir64b nor enqcmd to submit with");
	return false;
}

static int connect(struct iof_real_dsa *dsa, const struct iof_real_config *config)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + IOF_REAL_MAX_QUEUES * sizeof(int32_t)];
	} irq = {
		.set = {
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSIX_IRQ_INDEX,
			.start = 1,
			.count = dsa->nr_used,
		},
	};
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	int32_t fd = config->interrupt;
	uint32_t i;
	int rc;

	rc = dsa->machine->ioctl(dsa->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);
	if (rc >= 0 && info.count <= dsa->nr_used)
		return iof_real_why(dsa, -EOPNOTSUPP, "it has %u interrupts for %u queues",
				    info.count, dsa->nr_used);
	irq.set.argsz = (uint32_t)(sizeof(irq.set) + dsa->nr_used * sizeof(fd));
	for (i = 0; i < dsa->nr_used; i++)
		memcpy(irq.set.data + i * sizeof(fd), &fd, sizeof(fd));
	if (rc >= 0)
		rc = dsa->machine->ioctl(dsa->fd, VFIO_DEVICE_SET_IRQS, &irq);
	if (rc < 0)
		return iof_real_why(dsa, rc, "its interrupts cannot be enabled: %s",
				    iof_reason(rc));
	return 0;
}

static int set_queue(struct iof_real_dsa *dsa, uint32_t index, uint32_t entries)
{
	uint32_t at = queue_at(dsa, index), i;
	uint32_t mode = DSA_QUEUE_BLOCK_ON_FAULT | DSA_QUEUE_PRIORITY(QUEUE_PRIORITY) |
			DSA_QUEUE_PASID(dsa->queues[index].pasid);
	int rc;

	if (!dsa->shared)
		mode |= DSA_QUEUE_DEDICATED;
	rc = set32(dsa, at + DSA_QUEUE_SIZE, entries, "the size of a queue");
	if (!rc)
		rc = set32(dsa, at + DSA_QUEUE_THRESHOLD, dsa->shared ? entries : 0,
			   "the threshold of a queue");
	if (!rc)
		rc = set32(dsa, at + DSA_QUEUE_MODE, mode, "the mode of a queue");
	if (!rc)
		rc = set32(dsa, at + DSA_QUEUE_LIMITS,
			   DSA_GENCAP_XFER_SHIFT(dsa->gencap) | DSA_GENCAP_BATCH_SHIFT(dsa->gencap)
									<< 5,
			   "the limits of a queue");
	for (i = 0; !rc && dsa->wqcap & DSA_WQCAP_OPERATIONS && i < 32; i += 4)
		rc = set32(dsa, at + DSA_QUEUE_OPERATIONS + i,
			   iof_real_read32(dsa, DSA_REG_OPCAP + i), "the operations of a queue");
	return rc;
}

static int set_group(struct iof_real_dsa *dsa, uint32_t engines)
{
	uint32_t at = dsa->groups_at, flags;
	uint64_t queues = UINT64_MAX >> (64 - dsa->nr_used);
	uint64_t mask = UINT64_MAX >> (64 - engines);

	iof_real_write64(dsa, at + DSA_GROUP_QUEUES, queues);
	iof_real_write64(dsa, at + DSA_GROUP_ENGINES, mask);
	if (iof_real_read64(dsa, at + DSA_GROUP_QUEUES) != queues ||
	    iof_real_read64(dsa, at + DSA_GROUP_ENGINES) != mask)
		return iof_real_read32(dsa, DSA_REG_CMDSTS) == UINT32_MAX ?
			       iof_real_gone(dsa) :
			       iof_real_why(dsa, -EIO, "its group of queues cannot be set");
	/* The traffic classes stay as the reset left them. */
	flags = iof_real_read32(dsa, at + DSA_GROUP_FLAGS) & DSA_GROUP_CLASSES;
	if (dsa->grpcap & DSA_GRPCAP_CONTROL)
		flags |= DSA_GROUP_READ_BUFFERS(DSA_GRPCAP_READ_BUFFERS(dsa->grpcap));
	return set32(dsa, at + DSA_GROUP_FLAGS, flags, "the read buffers of its group");
}

static int configure(struct iof_real_dsa *dsa, struct iof_real_config *config)
{
	uint32_t engines = config->engines < dsa->nr_engines ? config->engines : dsa->nr_engines;
	uint32_t entries = dsa->entries / dsa->nr_used, i;
	int rc = 0;

	if (entries > MAX_ENTRIES)
		entries = MAX_ENTRIES;
	if (!entries || !engines)
		return iof_real_why(dsa, -EOPNOTSUPP, "it has %u entries for %u queues",
				    dsa->entries, dsa->nr_used);
	if (config->depth > entries)
		config->depth = entries;
	config->engines = engines > 64 ? 64 : engines;
	for (i = 0; !rc && i < dsa->nr_used; i++)
		rc = set_queue(dsa, i, entries);
	if (!rc)
		rc = set_group(dsa, config->engines);
	for (i = 0; !rc && i < dsa->nr_used; i++)
		rc = set32(dsa, dsa->permissions_at + (i + 1) * DSA_PERMISSION_BYTES,
			   DSA_PERMISSION_PASID(dsa->queues[i].pasid),
			   "the permission of an interrupt");
	return rc;
}

/* What descriptors name is the vector, or a handle if the device has a command for handles. */
static int take_handle(struct iof_real_dsa *dsa, uint32_t index)
{
	struct iof_real_queue *queue = &dsa->queues[index];

	queue->handle = (uint16_t)(index + 1);
	if (!(dsa->gencap & DSA_GENCAP_CMDCAP) ||
	    !(iof_real_read32(dsa, DSA_REG_CMDCAP) >> DSA_CMD_REQUEST_INTERRUPT & 1))
		return 0;
	return iof_real_command(dsa, DSA_CMD_REQUEST_INTERRUPT, index + 1,
				"requesting an interrupt", &queue->handle);
}

static int enable(struct iof_real_dsa *dsa)
{
	uint32_t i, state;
	int rc;

	rc = iof_real_command(dsa, DSA_CMD_ENABLE_DEVICE, 0, "enabling it", NULL);
	if (!rc)
		rc = iof_real_expect(dsa, DSA_STATE_ENABLED, "after it was enabled");
	for (i = 0; !rc && i < dsa->nr_used; i++) {
		rc = take_handle(dsa, i);
		if (!rc)
			rc = iof_real_command(dsa, DSA_CMD_ENABLE_QUEUE, i, "enabling a work queue",
					      NULL);
		if (rc)
			break;
		state = iof_real_read32(dsa, queue_at(dsa, i) + DSA_QUEUE_STATE);
		if (state == UINT32_MAX)
			rc = iof_real_gone(dsa);
		else if (DSA_QUEUE_STATE_OF(state) != DSA_QUEUE_ENABLED)
			rc = iof_real_why(dsa, -EIO, "its work queue %u stays disabled", i);
	}
	return rc;
}

int iof_real_dsa_start(struct iof_real_dsa *dsa, struct iof_real_config *config)
{
	uint32_t i;
	int rc;

	if (!config->nr_pasids || config->nr_pasids > dsa->nr_queues ||
	    config->nr_pasids > IOF_REAL_MAX_QUEUES)
		return iof_real_why(dsa, -EOPNOTSUPP, "it has %u work queues, not %u",
				    dsa->nr_queues, config->nr_pasids);
	if (!iof_real_dsa_can_submit(dsa, &dsa->shared))
		return -EOPNOTSUPP;
	if (dsa->shared && config->nr_pasids > 1)
		return iof_real_why(dsa, -EOPNOTSUPP,
				    "a shared queue has the PASID of the process, and no other");
	dsa->nr_used = config->nr_pasids;
	memset(dsa->queues, 0, sizeof(dsa->queues));
	for (i = 0; i < dsa->nr_used; i++)
		dsa->queues[i].pasid = config->pasids[i];
	dsa->started = true;
	rc = iof_real_command(dsa, DSA_CMD_RESET_DEVICE, 0, "resetting it", NULL);
	if (!rc)
		rc = iof_real_expect(dsa, DSA_STATE_DISABLED, "after its reset");
	if (!rc)
		rc = configure(dsa, config);
	if (!rc)
		rc = connect(dsa, config);
	if (!rc)
		rc = enable(dsa);
	return rc;
}

/* ---- at work ---- */

static struct iof_real_queue *queue_of(struct iof_real_dsa *dsa, uint32_t pasid)
{
	uint32_t i;

	for (i = 0; i < dsa->nr_used; i++)
		if (dsa->queues[i].pasid == pasid)
			return &dsa->queues[i];
	return NULL;
}

/* Submits one descriptor. Each takes the next 64 bytes of the portal; it ignores these bits. */
static int submit_one(struct iof_real_dsa *dsa, const struct dsa_hw_desc *from)
{
	struct iof_real_queue *queue = queue_of(dsa, from->pasid);
	struct dsa_hw_desc desc __attribute__((aligned(64))) = *from;
	uint32_t slot;
	char *portal;
	int rc;

	if (!queue)
		return iof_real_why(dsa, -EINVAL, "PASID %u has no work queue",
				    (unsigned int)from->pasid);
	/* A dedicated queue has its PASID in its configuration. ENQCMD adds that of the process. */
	desc.pasid = 0;
	desc.int_handle = desc.flags & IDXD_OP_FLAG_RCI ? queue->handle : 0;
	slot = queue->slot;
	queue->slot = (uint16_t)((slot + 1) % (DSA_PORTAL_BYTES / sizeof(desc)));
	portal = dsa->portals + (queue - dsa->queues) * DSA_PORTAL_STRIDE + slot * sizeof(desc);
	if (!dsa->shared) {
		dsa->machine->movdir64b(portal, &desc);
		return 0;
	}
	rc = dsa->machine->enqcmd(portal, &desc);
	if (rc == -EACCES)
		return iof_real_why(dsa, rc,
				    "the kernel has given this process no PASID for enqcmd");
	return rc;
}

int iof_real_dsa_submit(struct iof_real_dsa *dsa, const struct dsa_hw_desc *descs, uint32_t nr)
{
	uint32_t i;
	int rc = 0;

	if (dsa->gone)
		return -ENODEV;
	/* Both instructions are weakly ordered: the device must see earlier stores first. */
	_mm_sfence();
	for (i = 0; i < nr; i++) {
		rc = submit_one(dsa, &descs[i]);
		if (rc)
			break;
	}
	return i ? (int)i : rc;
}

int iof_real_dsa_check(struct iof_real_dsa *dsa)
{
	uint64_t error;

	if (dsa->gone)
		return -ENODEV;
	error = iof_real_read64(dsa, DSA_REG_SWERR);
	if (error == UINT64_MAX)
		return iof_real_gone(dsa);
	if (error & DSA_SWERR_VALID) {
		uint64_t address = iof_real_read64(dsa, DSA_REG_SWERR + 16);
		char queue[24] = "";

		/* Writing ones clears these two bits, and lets it report the next error. */
		iof_real_write64(dsa, DSA_REG_SWERR, DSA_SWERR_VALID | DSA_SWERR_OVERFLOW);
		if (error & DSA_SWERR_QUEUE_VALID)
			snprintf(queue, sizeof(queue), " in queue %u", DSA_SWERR_QUEUE(error));
		return iof_real_why(
			dsa, -EIO,
			"it reports %s%s (SWERR 0x%02x, operation 0x%02x, address 0x%llx)",
			iof_real_swerr_text(DSA_SWERR_ERROR(error)), queue, DSA_SWERR_ERROR(error),
			DSA_SWERR_OPERATION(error), (unsigned long long)address);
	}
	return iof_real_expect(dsa, DSA_STATE_ENABLED, "in the middle of its work");
}

int iof_real_dsa_stop(struct iof_real_dsa *dsa, bool idle)
{
	char first[sizeof(dsa->why)];
	int rc, err;

	if (!dsa->started)
		return 0;
	dsa->started = false;
	if (dsa->gone)
		return -ENODEV;
	/* A device that does not end this has descriptors that the reset abandons. */
	if (idle)
		(void)iof_real_command(dsa, DSA_CMD_DISABLE_DEVICE, 0, "disabling it", NULL);
	rc = iof_real_command(dsa, DSA_CMD_RESET_DEVICE, 0, "resetting it", NULL);
	if (!rc)
		rc = iof_real_expect(dsa, DSA_STATE_DISABLED, "after its reset");
	if (!rc || rc == -ENODEV)
		return rc;
	memcpy(first, dsa->why, sizeof(first));
	err = dsa->machine->ioctl(dsa->fd, VFIO_DEVICE_RESET, NULL);
	if (err >= 0)
		return 0;
	return iof_real_why(dsa, err, "%.120s; the reset of the function failed: %s", first,
			    iof_reason(err));
}
