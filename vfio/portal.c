// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * portal.c - a DMA engine as the PCI function 8086:0b25.
 *
 * BAR 0 is the portal: each write, at any offset, submits descriptors. BAR 1 is
 * the device's state, BAR 2 the latencies of its page requests, both read-only.
 * Completions raise vector 0 of MSI-X, or the pin. This file takes no locks:
 * the engine serialises its queue.
 */
#include "portal.h"

/* Number of descriptors copied at once, to the stack. */
#define PORTAL_BATCH 8

struct iof_portal {
	struct iof_dsa *dsa;
	struct iof_vfio_device *vdev;
	struct iof_vfio_dsa_state limits; /* the constant part of the state */
};

const struct iof_pci_function iof_portal_function = {
	.vendor = 0x8086,
	.device = 0x0b25,
	.class = 0x088000,
	.bars = {
		[IOF_VFIO_REGION_PORTAL] = {
			.size = 16 << 20,
			.flags = VFIO_REGION_INFO_FLAG_WRITE,
		},
		[IOF_VFIO_REGION_STATE] = {
			.size = PAGE_SIZE,
			.flags = VFIO_REGION_INFO_FLAG_READ,
		},
		[IOF_VFIO_REGION_LATENCY] = {
			.size = 2 * PAGE_SIZE,
			.flags = VFIO_REGION_INFO_FLAG_READ,
		},
	},
	.nr_msix = 9,
	.intx = true,
};

static ssize_t portal_write(void *dev, u32 bar, u64 off, struct iov_iter *from)
{
	struct dsa_hw_desc desc[PORTAL_BATCH];
	struct iof_portal *portal = dev;
	ssize_t done = 0;

	if (iov_iter_count(from) % sizeof(*desc))
		return -EINVAL;
	while (iov_iter_count(from)) {
		size_t want = min(iov_iter_count(from), sizeof(desc));
		size_t got = copy_from_iter(desc, want, from);
		int nr = got / sizeof(*desc);
		int taken = nr ? iof_dsa_submit_many(portal->dsa, desc, nr) :
				 -EFAULT;

		if (taken < 0)
			return done ? done : taken;
		done += taken * sizeof(*desc);
		if (taken < nr || got < want)
			break;
	}
	return done;
}

static void portal_fill_state(struct iof_portal *portal,
			      struct iof_vfio_dsa_state *state)
{
	struct iof_hwdev_stats answers;
	struct iof_dsa_stats stats;

	iof_dsa_get_stats(portal->dsa, &stats);
	iof_hwdev_get_stats(iof_dsa_hwdev(portal->dsa), &answers);
	*state = portal->limits;
	state->descriptors = stats.descriptors;
	state->errors = stats.errors;
	state->unreported = stats.sw_errors;
	state->bytes = stats.bytes;
	state->page_requests = stats.page_requests;
	state->stalls = stats.stalls;
	state->interrupts = stats.interrupts;
	state->tlb_hits = stats.tlb_hits;
	state->tlb_misses = stats.tlb_misses;
	state->resumed = answers.answered[IOF_PAGE_SUCCESS];
	state->refused = answers.answered[IOF_PAGE_INVALID] +
			 answers.answered[IOF_PAGE_FAILURE];
}

/*
 * Copies the bytes of @from from offset @off on; bytes past its end read as
 * zero.
 */
static ssize_t portal_read_from(const void *from, size_t size, u64 off,
				struct iov_iter *to)
{
	size_t want = iov_iter_count(to);
	size_t done = 0;

	if (off < size) {
		size_t part = min_t(size_t, want, size - off);

		done = copy_to_iter((const char *)from + off, part, to);
		if (done < part)
			return done ? (ssize_t)done : -EFAULT;
	}
	done += iov_iter_zero(want - done, to);
	return done || !want ? (ssize_t)done : -EFAULT;
}

static ssize_t portal_read(void *dev, u32 bar, u64 off, struct iov_iter *to)
{
	struct iof_portal *portal = dev;
	struct iof_dsa_latency *latency;
	struct iof_vfio_dsa_state state;
	ssize_t done;

	if (bar == IOF_VFIO_REGION_STATE) {
		portal_fill_state(portal, &state);
		return portal_read_from(&state, sizeof(state), off, to);
	}
	latency = kmalloc(sizeof(*latency), GFP_KERNEL);
	if (!latency)
		return -ENOMEM;
	iof_dsa_get_latency(portal->dsa, latency);
	done = portal_read_from(latency, sizeof(*latency), off, to);
	kfree(latency);
	return done;
}

static __poll_t portal_poll(void *dev, struct file *file, poll_table *wait)
{
	struct iof_portal *portal = dev;

	return iof_dsa_poll_room(portal->dsa, file, wait) ?
		       EPOLLOUT | EPOLLWRNORM :
		       0;
}

static void portal_reset(void *dev)
{
	struct iof_portal *portal = dev;

	iof_dsa_reset(portal->dsa);
}

static void portal_bus_master(void *dev, bool on)
{
	struct iof_portal *portal = dev;

	iof_dsa_bus_master(portal->dsa, on);
}

static int portal_own(void *dev)
{
	struct iof_portal *portal = dev;

	return iof_dsa_own(portal->dsa);
}

static void portal_disown(void *dev)
{
	struct iof_portal *portal = dev;

	iof_dsa_disown(portal->dsa);
}

static const struct iof_vfio_ops portal_ops = {
	.pci = &iof_portal_function,
	.read = portal_read,
	.write = portal_write,
	.poll = portal_poll,
	.reset = portal_reset,
	.bus_master = portal_bus_master,
	.own = portal_own,
	.disown = portal_disown,
};

static void portal_interrupt(void *data, u32 nr)
{
	struct iof_portal *portal = data;

	iof_vfio_interrupts(portal->vdev, 0, nr);
}

struct iof_portal *iof_portal_create(struct iof_plat_space *space,
				     const char *name, struct iof_dsa *dsa,
				     const struct iof_dsa_setup *config)
{
	struct iof_portal *portal = kzalloc(sizeof(*portal), GFP_KERNEL);
	int rc;

	if (!portal)
		return ERR_PTR(-ENOMEM);
	portal->dsa = dsa;
	portal->limits = (struct iof_vfio_dsa_state){
		.version = IOF_VFIO_DSA_STATE_VERSION,
		.credits = config->credits,
		.engines = config->engines,
		.queue_depth = config->queue_depth,
		.max_pasids = config->max_pasids,
		.pages_per_group = config->pages_per_group,
		.max_transfer = IOF_DSA_MAX_XFER,
		.max_batch = IOF_DSA_MAX_BATCH,
	};
	/* The node cannot be opened yet: no interrupt can be due. */
	iof_dsa_set_interrupt(dsa, portal_interrupt, portal);
	rc = iof_vfio_create(space, name, iof_dsa_hwdev(dsa), &portal_ops,
			     portal, &portal->vdev);
	if (rc) {
		iof_dsa_set_interrupt(dsa, NULL, NULL);
		kfree(portal);
		return ERR_PTR(rc);
	}
	return portal;
}

struct iof_vfio_device *iof_portal_node(struct iof_portal *portal)
{
	return portal->vdev;
}

bool iof_portal_busy(struct iof_portal *portal)
{
	return iof_vfio_busy(portal->vdev);
}

void iof_portal_destroy(struct iof_portal *portal)
{
	iof_dsa_set_interrupt(portal->dsa, NULL, NULL);
	iof_vfio_destroy(portal->vdev);
	kfree(portal);
}
