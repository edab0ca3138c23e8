// SPDX-License-Identifier: MIT
/*
 * vfio.c - proves the rules of the VFIO device node: binding, attaching, its description,
 * interrupts, and the portal of a DMA engine with its bounded queue.
 */
#include "abi.h"

#include <linux/idxd.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <iofault/histogram.h>

struct fix {
	struct iof_world *world;
	int fd, ioas, dev;
};

/*
 * Two engines with a small queue in one isolation group; a third one has a group of its own and no
 * PASIDs.
 */
static const struct iof_dsa_config dsa[] = {
	{ .queue_depth = 4 },
	{ .share_group = 1 },
	{ .max_pasids = 1 },
};

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(dsa, 3);
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	f.dev = abi_vfio(f.world, 0);
	return f.ioas > 0 && f.dev >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	return iof_close(f->dev) | iof_close(f->fd) | iof_world_close(f->world);
}

static int bind_raw(int dev, uint32_t argsz, uint32_t flags, int iommufd)
{
	struct {
		struct vfio_device_bind_iommufd cmd;
		uint64_t tail;
	} b = { .cmd = { .argsz = argsz, .flags = flags, .iommufd = iommufd }, .tail = 1 };

	return iof_ioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &b);
}

static void nothing_works_before_bind(void **state)
{
	struct fix *f = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct pollfd p = { .fd = f->dev, .events = POLLOUT };
	char desc[64] = { 0 };

	assert_err(abi_attach(f->dev, f->ioas), EINVAL);
	assert_err(abi_detach(f->dev), EINVAL);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_INFO, &info), EINVAL);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_RESET, NULL), EINVAL);
	assert_err(iof_ioctl(f->dev, 0x3b7f, NULL), EINVAL);
	assert_err((int)iof_pwrite(f->dev, desc, sizeof(desc), 0), EINVAL);
	assert_err((int)iof_pread(f->dev, desc, sizeof(desc), IOF_VFIO_REGION_OFFSET(1)), EINVAL);
	/* As on Linux, the node of a function has no poll. */
	assert_int_equal(iof_poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, abi_real_functions() ? POLLOUT : POLLERR);
}

static void bind_checks_its_arguments(void **state)
{
	struct fix *f = *state;
	int ffd, file = open("/dev/null", O_RDWR | O_CLOEXEC);
	uint32_t fault;

	assert_ok(abi_fault_queue(f->fd, &fault, &ffd));
	assert_err(bind_raw(f->dev, 15, 0, f->fd), EINVAL);
	assert_err(bind_raw(f->dev, 32, 0, f->fd), E2BIG);
	assert_err(bind_raw(f->dev, 24, VFIO_DEVICE_BIND_FLAG_TOKEN, f->fd), EINVAL);
	assert_err(bind_raw(f->dev, 24, 2, f->fd), EINVAL);
	assert_err(bind_raw(f->dev, 24, 0, -1), EINVAL);
	assert_err(bind_raw(f->dev, 24, 0, 1 << 20), EBADF);
	assert_err(bind_raw(f->dev, 24, 0, ffd), EBADFD);
	assert_err(bind_raw(f->dev, 24, 0, f->dev), EBADFD);
	assert_err(bind_raw(f->dev, 24, 0, file), EBADFD);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_BIND_IOMMUFD, NULL), EFAULT);
	/* Use the struct of the first ABI version. */
	assert_ok(bind_raw(f->dev, 16, 0, f->fd));
	assert_err(bind_raw(f->dev, 24, 0, f->fd), EINVAL);
	assert_ok(iof_close(ffd));
	close(file);
}

/* A node can be open many times. One descriptor owns the device, until it is closed. */
static void one_descriptor_owns_the_device(void **state)
{
	struct fix *f = *state;
	int second = abi_vfio(f->world, 0);
	int id = abi_bind(f->dev, f->fd);

	assert_true(second >= 0);
	assert_id(id);
	assert_err(abi_bind(second, f->fd), EINVAL);
	assert_err(abi_attach(second, f->ioas), EINVAL);
	assert_err(abi_destroy(f->fd, id), EBUSY);
	assert_ok(iof_close(f->dev));
	assert_err(abi_destroy(f->fd, id), ENOENT);
	f->dev = second;
	assert_id(abi_bind(second, f->fd));
}

/* All devices of a group are in one context. */
static void a_group_belongs_to_one_context(void **state)
{
	struct fix *f = *state;
	int other = abi_iommu(f->world);
	int mate = abi_vfio(f->world, 1);
	int alone = abi_vfio(f->world, 2);

	assert_id(abi_bind(f->dev, f->fd));
	assert_err(abi_bind(mate, other), EPERM);
	assert_id(abi_bind(alone, other));
	assert_id(abi_bind(mate, f->fd));
	assert_ok(iof_close(mate));
	assert_ok(iof_close(alone));
	assert_ok(iof_close(other));
}

/* The binding keeps the context after its descriptor is closed. */
static void the_context_outlives_its_descriptor(void **state)
{
	struct fix *f = *state;

	assert_id(abi_bind(f->dev, f->fd));
	assert_ok(iof_close(f->fd));
	assert_id(abi_attach(f->dev, f->ioas));
	if (abi_embedded())
		assert_err(iof_world_close(f->world), EBUSY);
	assert_ok(iof_close(f->dev));
	f->fd = abi_iommu(f->world);
	f->dev = abi_vfio(f->world, 0);
}

static int attach_raw(struct fix *f, uint32_t argsz, uint32_t flags, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = argsz,
		.flags = flags,
		.pt_id = pt,
		.pasid = 1,
	};

	return iof_ioctl(f->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static void attach_replaces_and_detach_is_patient(void **state)
{
	struct fix *f = *state;
	int id = abi_bind(f->dev, f->fd);
	int hwpt, automatic;

	assert_id(id);
	assert_ok(abi_detach(f->dev));
	assert_err(abi_attach(f->dev, 77), ENOENT);
	assert_err(abi_attach(f->dev, id), EINVAL);
	assert_err(attach_raw(f, 11, 0, f->ioas), EINVAL);
	assert_err(attach_raw(f, 12, 2, f->ioas), EINVAL);
	assert_err(attach_raw(f, 12, VFIO_DEVICE_ATTACH_PASID, f->ioas), EINVAL);
	automatic = abi_attach(f->dev, f->ioas);
	assert_id(automatic);
	assert_int_equal(abi_attach(f->dev, f->ioas), automatic);
	hwpt = abi_hwpt(f->fd, id, f->ioas, 0);
	assert_id(hwpt);
	assert_int_equal(abi_attach(f->dev, hwpt), hwpt);
	assert_err(abi_destroy(f->fd, automatic), ENOENT);
	assert_err(abi_destroy(f->fd, hwpt), EBUSY);
	/* A failed replace keeps the old attachment. */
	assert_err(abi_attach(f->dev, 77), ENOENT);
	assert_err(abi_destroy(f->fd, hwpt), EBUSY);
	assert_ok(abi_detach(f->dev));
	assert_ok(abi_detach(f->dev));
	assert_ok(abi_destroy(f->fd, hwpt));
	assert_ok(attach_raw(f, 12, 0, f->ioas));
}

static void pasids_of_a_node(void **state)
{
	struct fix *f = *state;
	const uint32_t last = abi_real_functions() ? 0xffff : 0xfffff;
	int id = abi_bind(f->dev, f->fd);
	int a, plain;

	assert_id(id);
	plain = abi_hwpt(f->fd, id, f->ioas, 0);
	a = abi_hwpt(f->fd, id, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(a);
	assert_err(abi_attach_pasid(f->dev, 1, plain), EINVAL);
	assert_int_equal(abi_attach_pasid(f->dev, 1, a), a);
	assert_int_equal(abi_attach_pasid(f->dev, 1, a), a);
	assert_int_equal(abi_attach_pasid(f->dev, last, a), a);
	assert_err(abi_attach_pasid(f->dev, last + 1, a), EINVAL);
	assert_err(abi_attach_pasid(f->dev, UINT32_MAX, a), EINVAL);
	assert_ok(abi_detach_pasid(f->dev, 5));
	assert_ok(abi_detach_pasid(f->dev, UINT32_MAX));
	assert_err(abi_destroy(f->fd, a), EBUSY);
	/* The close detaches all PASIDs. */
	assert_ok(iof_close(f->dev));
	assert_ok(abi_destroy(f->fd, a));
	f->dev = abi_vfio(f->world, 0);
}

static void a_device_without_pasids_refuses_them(void **state)
{
	struct fix *f = *state;
	int without = abi_vfio(f->world, 2), a;

	a = abi_hwpt(f->fd, abi_bind(without, f->fd), f->ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(a);
	assert_err(abi_attach_pasid(without, 1, a), EOPNOTSUPP);
	assert_err(abi_detach_pasid(without, 1), EOPNOTSUPP);
	assert_ok(iof_close(without));
}

static void sva_binds_a_free_pasid(void **state)
{
	struct fix *f = *state;
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva), .pasid = 3 };
	int a;

	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EINVAL);
	a = abi_hwpt(f->fd, abi_bind(f->dev, f->fd), f->ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(a);
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_UNBIND, &sva), ENOENT);
	assert_ok(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva));
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EBUSY);
	assert_err(abi_attach_pasid(f->dev, 3, a), EBUSY);
	assert_ok(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_UNBIND, &sva));
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_UNBIND, &sva), ENOENT);
	assert_int_equal(abi_attach_pasid(f->dev, 3, a), a);
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EBUSY);
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_UNBIND, &sva), ENOENT);
	assert_ok(abi_detach_pasid(f->dev, 3));
	/* A detach ends the binding; then a close does. */
	assert_ok(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva));
	assert_ok(abi_detach_pasid(f->dev, 3));
	assert_ok(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva));
	sva.pasid = 0;
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EINVAL);
	sva.pasid = 1 << 20;
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EINVAL);
	sva.pasid = 4;
	sva.flags = 1;
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EINVAL);
	sva.flags = 0;
	sva.argsz--;
	assert_err(iof_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), EINVAL);
}

static void the_node_describes_itself(void **state)
{
	struct fix *f = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };
	struct iof_vfio_dsa_state dsa_state;
	struct iof_histogram latency;
	char page[PAGE];

	assert_id(abi_bind(f->dev, f->fd));
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_INFO, &info));
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
	assert_int_equal(info.num_regions, VFIO_PCI_NUM_REGIONS);
	assert_int_equal(info.num_irqs, VFIO_PCI_NUM_IRQS);
	info.argsz = 15;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_INFO, &info), EINVAL);

	region.index = IOF_VFIO_REGION_PORTAL;
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	assert_int_equal(region.offset, 0);
	assert_int_equal(region.flags, VFIO_REGION_INFO_FLAG_WRITE);
	region.index = IOF_VFIO_REGION_LATENCY;
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	assert_int_equal(region.flags, VFIO_REGION_INFO_FLAG_READ);
	assert_true(region.size >= sizeof(latency));
	memset(&latency, 0xff, sizeof(latency));
	assert_int_equal(iof_pread(f->dev, &latency, sizeof(latency), region.offset),
			 sizeof(latency));
	/* A kernel's device may have been used before. */
	if (abi_embedded())
		assert_true(!latency.count && !latency.max);
	assert_true(latency.count != UINT64_MAX && latency.max != UINT64_MAX &&
		    latency.buckets[IOF_HISTOGRAM_BUCKETS - 1] != UINT64_MAX);
	region.index = IOF_VFIO_REGION_STATE;
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	assert_true(region.offset == IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE));
	assert_int_equal(region.flags, VFIO_REGION_INFO_FLAG_READ);
	assert_true(region.size >= sizeof(dsa_state));
	region.index = VFIO_PCI_NUM_REGIONS;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region), EINVAL);

	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq));
	assert_int_equal(irq.count, 1);
	assert_true(irq.flags & VFIO_IRQ_INFO_EVENTFD);
	irq.index = VFIO_PCI_NUM_IRQS;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq), EINVAL);

	assert_int_equal(iof_pread(f->dev, &dsa_state, sizeof(dsa_state), region.offset),
			 sizeof(dsa_state));
	assert_int_equal(dsa_state.version, IOF_VFIO_DSA_STATE_VERSION);
	assert_int_equal(dsa_state.credits, 256);
	assert_int_equal(dsa_state.queue_depth, 4);
	assert_int_equal(dsa_state.engines, 1);
	assert_int_equal(dsa_state.max_pasids, 1 << 20);
	assert_int_equal(dsa_state.pages_per_group, 1);
	if (abi_embedded())
		assert_int_equal(dsa_state.descriptors, 0);
	memset(page, 0xff, sizeof(page));
	assert_int_equal(iof_pread(f->dev, page, sizeof(page), region.offset), sizeof(page));
	assert_int_equal(page[sizeof(dsa_state)], 0);
	assert_int_equal(page[PAGE - 1], 0);
	assert_int_equal(iof_pread(f->dev, page, sizeof(page), IOF_VFIO_REGION_OFFSET(1) + 1),
			 sizeof(page) - 1);
	assert_err((int)iof_pread(f->dev, page, 64, 0), EINVAL);
	assert_err((int)iof_pwrite(f->dev, page, 64, IOF_VFIO_REGION_OFFSET(1)), EINVAL);
	assert_err((int)iof_pread(f->dev, page, 64, INT64_MAX - 63), EINVAL);
	assert_err((int)iof_pread(f->dev, page, 64, -64), EINVAL);
	assert_err((int)iof_pread(f->dev, NULL, 64, region.offset), EFAULT);
	assert_err(iof_ioctl(f->dev, 0x3b7f, NULL), ENOTTY);
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_RESET, NULL));
}

static int set_irqs(struct fix *f, uint32_t flags, uint32_t index, uint32_t count, int32_t value)
{
	union {
		struct vfio_irq_set set;
		char bytes[offsetof(struct vfio_irq_set, data) + sizeof(value)];
	} s = { 0 };

	s.set.argsz = sizeof(s);
	s.set.flags = flags;
	s.set.index = index;
	s.set.count = count;
	if (flags & VFIO_IRQ_SET_DATA_BOOL)
		s.set.data[0] = value;
	else
		memcpy(s.set.data, &value, sizeof(value));
	return iof_ioctl(f->dev, VFIO_DEVICE_SET_IRQS, &s);
}

static uint64_t events(int efd)
{
	uint64_t n = 0;

	return read(efd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER

static void interrupts_go_to_an_eventfd(void **state)
{
	struct fix *f = *state;
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct vfio_irq_set bare = {
		.argsz = sizeof(bare),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER,
		.count = 1,
	};

	assert_id(abi_bind(f->dev, f->fd));
	/* The interrupt has no eventfd: nothing happens. */
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 1, 0));
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 1, efd));
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 1, 0));
	assert_int_equal(events(efd), 1);
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_BOOL | TRIGGER, 0, 1, 1));
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_BOOL | TRIGGER, 0, 1, 0));
	assert_int_equal(events(efd), 1);
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 1, -1));
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 1, 0));
	assert_int_equal(events(efd), 0);
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 1, efd));
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 0, 0));
	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 1, 0));
	assert_int_equal(events(efd), 0);

	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 1, 1, efd), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 2, efd), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, UINT32_MAX, efd), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 1, -2), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 1, 1 << 20), EBADF);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 0, 1, 0), EINVAL);
	assert_err(set_irqs(f, TRIGGER, 0, 1, 0), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_NONE, 0, 1, 0), EINVAL);
	assert_err(set_irqs(f, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | TRIGGER, 0, 1, 0),
		   EINVAL);
	assert_err(set_irqs(f, 1 << 6 | VFIO_IRQ_SET_DATA_NONE | TRIGGER, 0, 1, 0), EINVAL);
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_SET_IRQS, &bare), EINVAL);
	bare.argsz--;
	assert_err(iof_ioctl(f->dev, VFIO_DEVICE_SET_IRQS, &bare), EINVAL);
	close(efd);
}

/* ---- the portal ---- */

struct work {
	struct dsa_completion_record record[8] __attribute__((aligned(32)));
	char src[PAGE], dst[PAGE];
};

static struct work *work_create(struct fix *f)
{
	struct work *w = aligned_alloc(PAGE, (sizeof(*w) + PAGE - 1) / PAGE * PAGE);

	memset(w, 0, sizeof(*w));
	memset(w->src, 'a', sizeof(w->src));
	assert_ok(abi_map(f->fd, f->ioas, w, (sizeof(*w) + PAGE - 1) / PAGE * PAGE, IOVA));
	return w;
}

#define WORK(field) (IOVA + offsetof(struct work, field))

static struct dsa_hw_desc noop(unsigned int record)
{
	return (struct dsa_hw_desc){
		.opcode = DSA_OPCODE_NOOP,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_RCI,
		.completion_addr = WORK(record) + record * sizeof(struct dsa_completion_record),
	};
}

static int irq_fd(struct fix *f)
{
	int efd = eventfd(0, EFD_CLOEXEC);

	assert_ok(set_irqs(f, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 0, 1, efd));
	return efd;
}

static void wait_events(int efd, unsigned int nr)
{
	uint64_t n;

	for (; nr; nr -= n) {
		assert_int_equal(read(efd, &n, sizeof(n)), sizeof(n));
		assert_true(n <= nr);
	}
}

static unsigned int status(struct work *w, unsigned int record)
{
	return *(volatile uint8_t *)&w->record[record].status;
}

static void descriptors_go_in_by_write(void **state)
{
	struct fix *f = *state;
	struct dsa_hw_desc desc[3];
	struct iof_vfio_dsa_state st, before;
	struct iovec iov[2];
	struct work *w;
	int efd;

	assert_id(abi_bind(f->dev, f->fd));
	assert_id(abi_attach(f->dev, f->ioas));
	assert_int_equal(iof_pread(f->dev, &before, sizeof(before), IOF_VFIO_REGION_OFFSET(1)),
			 sizeof(before));
	w = work_create(f);
	efd = irq_fd(f);

	desc[0] = noop(0);
	assert_int_equal(iof_write(f->dev, desc, 64), 64);
	wait_events(efd, 1);
	assert_int_equal(status(w, 0), DSA_COMP_SUCCESS);
	/* A write may be anywhere inside the region; the file position does not move. */
	desc[0] = noop(1);
	assert_int_equal(iof_pwrite(f->dev, desc, 64, 4096 + 7), 64);
	wait_events(efd, 1);
	assert_int_equal(status(w, 1), DSA_COMP_SUCCESS);

	/* A vector counts as one buffer. */
	for (int i = 0; i < 3; i++)
		desc[i] = noop(2 + i);
	iov[0] = (struct iovec){ desc, 100 };
	iov[1] = (struct iovec){ (char *)desc + 100, sizeof(desc) - 100 };
	assert_int_equal(iof_writev2(f->dev, iov, 2, 0), sizeof(desc));
	wait_events(efd, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(status(w, 2 + i), DSA_COMP_SUCCESS);

	desc[0] = (struct dsa_hw_desc){
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_RCI,
		.completion_addr = WORK(record[6]),
		.src_addr = WORK(src),
		.dst_addr = WORK(dst),
		.xfer_size = PAGE,
	};
	assert_int_equal(iof_write(f->dev, desc, 64), 64);
	wait_events(efd, 1);
	assert_int_equal(status(w, 6), DSA_COMP_SUCCESS);
	assert_memory_equal(w->src, w->dst, PAGE);

	assert_err((int)iof_write(f->dev, desc, 63), EINVAL);
	assert_err((int)iof_write(f->dev, desc, 65), EINVAL);
	assert_err((int)iof_write(f->dev, NULL, 64), EFAULT);
	assert_int_equal(iof_write(f->dev, desc, 0), 0);
	assert_int_equal(iof_pread(f->dev, &st, sizeof(st), IOF_VFIO_REGION_OFFSET(1)), sizeof(st));
	assert_int_equal(st.descriptors - before.descriptors, 6);
	assert_int_equal(st.errors, before.errors);
	assert_int_equal(st.interrupts - before.interrupts, 6);
	assert_true(st.bytes - before.bytes >= PAGE);

	assert_ok(abi_detach(f->dev));
	close(efd);
	free(w);
}

/* Descriptors that wait for pages fill the queue. It has room again after the answers. */
static void the_queue_is_bounded(void **state)
{
	struct fix *f = *state;
	struct dsa_hw_desc desc[6];
	struct iommu_hwpt_pgfault rec;
	struct pollfd p = { .fd = f->dev, .events = POLLOUT };
	struct work *w;
	uint32_t fault;
	int efd, ffd, hwpt, id;

	id = abi_bind(f->dev, f->fd);
	assert_id(id);
	assert_ok(abi_fault_queue(f->fd, &fault, &ffd));
	hwpt = abi_hwpt_fault(f->fd, id, f->ioas, 0, fault);
	assert_id(hwpt);
	assert_int_equal(abi_attach(f->dev, hwpt), hwpt);
	w = work_create(f);
	efd = irq_fd(f);

	for (int i = 0; i < 6; i++)
		desc[i] = noop(i);
	for (int i = 0; i < 4; i++) {
		desc[i].opcode = DSA_OPCODE_MEMMOVE;
		desc[i].flags |= IDXD_OP_FLAG_BOF;
		desc[i].src_addr = 0x7000000000 + i * PAGE;
		desc[i].dst_addr = WORK(dst);
		desc[i].xfer_size = 8;
	}

	assert_int_equal(iof_poll(&p, 1, 0), 1);
	assert_int_equal(p.revents, POLLOUT);
	/* The device takes four of six descriptors, and then none. */
	assert_int_equal(iof_write(f->dev, desc, sizeof(desc)), 4 * 64);
	assert_err((int)iof_write(f->dev, desc + 4, 64), EAGAIN);
	assert_int_equal(iof_poll(&p, 1, 0), 0);

	for (int i = 0; i < 4; i++) {
		p = (struct pollfd){ .fd = ffd, .events = POLLIN };
		assert_int_equal(iof_poll(&p, 1, -1), 1);
		assert_int_equal(abi_read_one(ffd, &rec), sizeof(rec));
		assert_true(rec.addr >= 0x7000000000 && rec.addr < 0x7000000000 + 4 * PAGE);
		assert_int_equal(rec.dev_id, id);
		assert_ok(abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_INVALID));
		p = (struct pollfd){ .fd = f->dev, .events = POLLOUT };
		assert_int_equal(iof_poll(&p, 1, -1), 1);
	}
	wait_events(efd, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(status(w, i) & DSA_COMP_STATUS_MASK, DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(iof_write(f->dev, desc + 4, 2 * 64), 2 * 64);
	wait_events(efd, 2);

	assert_ok(abi_detach(f->dev));
	assert_ok(abi_destroy(f->fd, hwpt));
	assert_ok(iof_close(ffd));
	close(efd);
	free(w);
}

/* A device that waits for an answer can be closed; its fault leaves the queue. */
static void closing_ends_open_faults(void **state)
{
	struct fix *f = *state;
	struct dsa_hw_desc desc = noop(0);
	struct iommu_hwpt_pgfault rec;
	struct pollfd p;
	struct work *w;
	uint32_t fault;
	int ffd, hwpt, id;

	id = abi_bind(f->dev, f->fd);
	assert_ok(abi_fault_queue(f->fd, &fault, &ffd));
	hwpt = abi_hwpt_fault(f->fd, id, f->ioas, 0, fault);
	assert_id(hwpt);
	assert_int_equal(abi_attach(f->dev, hwpt), hwpt);
	w = work_create(f);
	desc.opcode = DSA_OPCODE_MEMFILL;
	desc.flags |= IDXD_OP_FLAG_BOF;
	desc.dst_addr = 0x7000000000;
	desc.xfer_size = 8;
	assert_int_equal(iof_write(f->dev, &desc, 64), 64);
	p = (struct pollfd){ .fd = ffd, .events = POLLIN };
	assert_int_equal(iof_poll(&p, 1, -1), 1);
	assert_int_equal(abi_read_one(ffd, &rec), sizeof(rec));

	assert_ok(iof_close(f->dev));
	assert_err(abi_answer(ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_ok(abi_destroy(f->fd, hwpt));
	assert_ok(iof_close(ffd));
	assert_ok(abi_destroy(f->fd, fault));
	f->dev = abi_vfio(f->world, 0);
	free(w);
}

/* Two worlds in one process are independent. */
static void worlds_are_apart(void **state)
{
	struct fix *f = *state;
	struct iof_world *other;
	int dev, fd;

	if (!abi_embedded())
		skip();
	other = abi_world(dsa, 3);
	dev = abi_vfio(other, 0);
	fd = abi_iommu(other);
	assert_id(abi_bind(f->dev, f->fd));
	assert_id(abi_bind(dev, fd));
	assert_err(abi_vfio(other, 3), ENOENT);
	assert_ok(iof_close(dev));
	assert_err(iof_world_close(other), EBUSY);
	assert_ok(iof_close(fd));
	abi_world_close(other);
}

static void configurations_are_checked(void **state)
{
	static const struct iof_dsa_config bad[] = {
		{ .credits = (1 << 20) + 1 },
		{ .engines = 17 },
		{ .queue_depth = 4097 },
		{ .max_pasids = (1 << 20) + 1 },
		{ .pages_per_group = 33 },
		{ .share_group = 1 },
		{ .credits = 1, .pages_per_group = 2 },
	};
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED, .nr_dsa = 1 };
	struct iof_world *world;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		config.dsa = &bad[i];
		assert_err(iof_world_open(&config, &world), EINVAL);
	}
	config = (struct iof_world_config){ .kind = IOF_WORLD_EMBEDDED, .nr_dsa = 257 };
	assert_err(iof_world_open(&config, &world), EINVAL);
	config = (struct iof_world_config){ .kind = 3 };
	assert_err(iof_world_open(&config, &world), EINVAL);
	config = (struct iof_world_config){ .kind = IOF_WORLD_EMBEDDED };
	assert_ok(iof_world_open(&config, &world));
	assert_int_equal(iof_world_kind(world), IOF_WORLD_EMBEDDED);
	/* A world has one device by default. */
	assert_err(abi_vfio(world, 1), ENOENT);
	assert_err(iof_open(world, "/dev/null", O_RDWR), ENOENT);
	assert_err(iof_open(world, "/dev/vfio", O_RDWR), ENOENT);
	abi_world_close(world);
}

/*
 * Without an explicit choice, the kernel's world is taken if there is one, else the embedded one.
 */
static void any_world_is_found(void **state)
{
	const struct iof_world_config kernel = { .kind = IOF_WORLD_KERNEL };
	struct iof_world *world, *own;
	bool there = !iof_world_open(&kernel, &world);
	int fd;

	(void)state;
	if (there) {
		assert_int_equal(iof_world_kind(world), IOF_WORLD_KERNEL);
		assert_ok(iof_world_close(world));
	}
	assert_ok(iof_world_open(NULL, &own));
	assert_int_equal(iof_world_kind(own), there ? IOF_WORLD_KERNEL : IOF_WORLD_EMBEDDED);
	fd = abi_iommu(own);
	assert_id(abi_ioas(fd));
	assert_ok(iof_close(fd));
	assert_ok(iof_world_close(own));
	assert_err(iof_world_open(NULL, NULL), EINVAL);
	assert_err(iof_world_close(NULL), EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* The rules of each device's binding. */
#define BINDING_RULES                                                                             \
	T(nothing_works_before_bind), T(bind_checks_its_arguments),                               \
		T(one_descriptor_owns_the_device), T(a_group_belongs_to_one_context),             \
		T(the_context_outlives_its_descriptor), T(attach_replaces_and_detach_is_patient), \
		T(pasids_of_a_node)

int main(void)
{
	const struct CMUnitTest binding_rules[] = { BINDING_RULES };
	const struct CMUnitTest tests[] = {
		BINDING_RULES,
		T(a_device_without_pasids_refuses_them),
		T(sva_binds_a_free_pasid),
		T(the_node_describes_itself),
		T(interrupts_go_to_an_eventfd),
		T(descriptors_go_in_by_write),
		T(the_queue_is_bounded),
		T(closing_ends_open_faults),
		T(worlds_are_apart),
		cmocka_unit_test(configurations_are_checked),
		cmocka_unit_test(any_world_is_found),
	};

	if (abi_real_functions())
		return cmocka_run_group_tests_name("vfio", binding_rules, NULL, NULL);
	return cmocka_run_group_tests_name("vfio", tests, NULL, NULL);
}
