// SPDX-License-Identifier: MIT
/*
 * vfio_pointers.c - proves the result of wrong pointers to a VFIO device. Every struct of every
 * command lies in turn at each address without memory, at addresses of every alignment, in memory
 * that ends in its middle, and in memory that can only be read. The call returns the errno of the
 * ABI, and the device stays as it was.
 */
#include "abi.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PASID 7u

struct fix {
	struct iof_world *world;
	int fd, ioas, dev, event;
	int unbound;   /* another device, for BIND */
	uint32_t hwpt; /* HWPT for the attach of a PASID */
	char *edge;    /* a page, followed by a page without rights */
	char *fixed;   /* a page that can only be read */
};

/* The same devices as in vfio.c. */
static const struct iof_dsa_config dsa[] = { { .queue_depth = 4 }, { .share_group = 1 } };

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(dsa, 2);
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	f.dev = abi_vfio(f.world, 0);
	f.unbound = abi_vfio(f.world, 1);
	f.hwpt = abi_hwpt(f.fd, abi_bind(f.dev, f.fd), f.ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id((int)f.hwpt);
	f.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(f.event >= 0);
	f.edge = abi_pages(2);
	assert_int_equal(mprotect(f.edge + PAGE, PAGE, PROT_NONE), 0);
	f.fixed = abi_pages(1);
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	munmap(f->edge, 2 * PAGE);
	munmap(f->fixed, PAGE);
	close(f->event);
	return iof_close(f->unbound) | iof_close(f->dev) | iof_close(f->fd) |
	       iof_world_close(f->world);
}

/* ---- the commands ---- */

union any {
	uint32_t argsz;
	struct vfio_device_bind_iommufd bind;
	struct vfio_device_attach_iommufd_pt attach;
	struct vfio_device_detach_iommufd_pt detach;
	struct iof_vfio_device_sva sva;
	struct vfio_device_info info;
	struct vfio_region_info region;
	struct vfio_irq_info irq;
	struct {
		uint32_t argsz, flags, index, start, count;
		int32_t fd;
	} irqs; /* struct vfio_irq_set with its data */
	char bytes[64];
};

static void fill_bind(const struct fix *f, union any *a)
{
	a->bind.iommufd = f->fd;
}

static void unbind(struct fix *f)
{
	assert_ok(iof_close(f->unbound));
	f->unbound = abi_vfio(f->world, 1);
	assert_true(f->unbound >= 0);
}

static void fill_attach(const struct fix *f, union any *a)
{
	a->attach.flags = VFIO_DEVICE_ATTACH_PASID;
	a->attach.pt_id = f->hwpt;
	a->attach.pasid = PASID;
}

static void detach(struct fix *f)
{
	assert_ok(abi_detach_pasid(f->dev, PASID));
}

static void fill_detach(const struct fix *f, union any *a)
{
	(void)f;
	a->detach.flags = VFIO_DEVICE_DETACH_PASID;
	a->detach.pasid = PASID;
}

static void fill_sva(const struct fix *f, union any *a)
{
	(void)f;
	a->sva.pasid = PASID;
}

static void fill_nothing(const struct fix *f, union any *a)
{
	(void)f;
	(void)a;
}

static void fill_irqs(const struct fix *f, union any *a)
{
	a->irqs.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	a->irqs.count = 1;
	a->irqs.fd = f->event;
}

static const struct command {
	const char *name;
	unsigned long nr;
	uint32_t min;  /* shortest argsz of this use */
	uint32_t size; /* argsz of today */
	void (*fill)(const struct fix *f, union any *a);
	void (*undo)(struct fix *f);
	int rc; /* result of a correct call */
	bool replies, ours;
} commands[] = {
	{ "BIND", VFIO_DEVICE_BIND_IOMMUFD, 16, 24, fill_bind, unbind, 0, true, false },
	{ "ATTACH", VFIO_DEVICE_ATTACH_IOMMUFD_PT, 16, 16, fill_attach, detach, 0, true, false },
	{ "DETACH", VFIO_DEVICE_DETACH_IOMMUFD_PT, 12, 12, fill_detach, NULL, 0, false, false },
	{ "SVA_BIND", IOF_VFIO_DEVICE_SVA_BIND, 16, 16, fill_sva, detach, 0, false, true },
	{ "SVA_UNBIND", IOF_VFIO_DEVICE_SVA_UNBIND, 16, 16, fill_sva, NULL, -ENOENT, false, true },
	{ "GET_INFO", VFIO_DEVICE_GET_INFO, 16, sizeof(struct vfio_device_info), fill_nothing, NULL,
	  0, true, false },
	{ "REGION_INFO", VFIO_DEVICE_GET_REGION_INFO, 32, 32, fill_nothing, NULL, 0, true, false },
	{ "IRQ_INFO", VFIO_DEVICE_GET_IRQ_INFO, 16, 16, fill_nothing, NULL, 0, true, false },
	{ "SET_IRQS", VFIO_DEVICE_SET_IRQS, 24, 24, fill_irqs, NULL, 0, false, false },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define FOR_EACH(c)                                                                     \
	for (const struct command *(c) = commands; (c) < commands + NR_COMMANDS; (c)++) \
		if (!(c)->ours || (abi_ours() && !abi_real_functions()))

static void fill(const struct fix *f, const struct command *c, union any *a, uint32_t argsz)
{
	memset(a, 0, sizeof(*a));
	c->fill(f, a);
	a->argsz = argsz;
}

static int call(const struct fix *f, const struct command *c, void *at)
{
	return iof_ioctl(c->nr == VFIO_DEVICE_BIND_IOMMUFD ? f->unbound : f->dev, c->nr, at);
}

static void expect(const struct command *c, const char *what, int rc, int wanted)
{
	if (rc == wanted)
		return;
	print_error("%s, %s: %d instead of %d\n", c->name, what, rc, wanted);
	fail();
}

/* Checks that a failed call has left nothing: a correct call succeeds. */
static void works(struct fix *f, const struct command *c)
{
	union any a;

	fill(f, c, &a, c->size);
	expect(c, "afterwards", call(f, c, &a), c->rc);
	if (c->undo)
		c->undo(f);
}

/* ---- where the structs lie ---- */

static void structs_are_nowhere(void **state)
{
	struct fix *f = *state;

	FOR_EACH(c)
	{
		for (size_t i = 0; i < ABI_NR_NOWHERE; i++)
			expect(c, "nowhere", call(f, c, (void *)abi_nowhere[i]), -EFAULT);
		expect(c, "unmapped", call(f, c, f->edge + PAGE), -EFAULT);
		works(f, c);
	}
}

static void structs_end_in_a_hole(void **state)
{
	struct fix *f = *state;
	union any a;
	char *at;

	FOR_EACH(c)
	{
		fill(f, c, &a, c->size);
		for (uint32_t there = 1; there < c->size; there++) {
			at = f->edge + PAGE - there;
			memcpy(at, &a, there);
			expect(c, "half of it", call(f, c, at), -EFAULT);
		}
		works(f, c);
	}
}

/* A struct may lie at any address, also at the last bytes of memory. */
static void structs_are_not_aligned(void **state)
{
	struct fix *f = *state;
	union any a, b;

	FOR_EACH(c)
	{
		fill(f, c, &a, c->size);
		expect(c, "aligned", call(f, c, &a), c->rc);
		if (c->undo)
			c->undo(f);
		for (uint32_t off = 0; off < 8; off++) {
			char *at = f->edge + PAGE - c->size - off;

			fill(f, c, &b, c->size);
			memset(f->edge + PAGE - 64, 0xa5, 64);
			memcpy(at, &b, c->size);
			expect(c, "not aligned", call(f, c, at), c->rc);
			if (c->undo)
				c->undo(f);
			assert_memory_equal(at, &a, c->size);
			assert_int_equal((unsigned char)at[-1], 0xa5);
			for (uint32_t i = 0; i < off; i++)
				assert_int_equal((unsigned char)at[c->size + i], 0xa5);
		}
	}
}

/* If the reply cannot be written, the call is undone. */
static void replies_have_nowhere_to_go(void **state)
{
	struct fix *f = *state;
	union any a;

	FOR_EACH(c)
	{
		fill(f, c, &a, c->size);
		assert_int_equal(mprotect(f->fixed, PAGE, PROT_READ | PROT_WRITE), 0);
		memcpy(f->fixed, &a, sizeof(a));
		assert_int_equal(mprotect(f->fixed, PAGE, PROT_READ), 0);
		expect(c, "read-only", call(f, c, f->fixed), c->replies ? -EFAULT : c->rc);
		assert_memory_equal(f->fixed, &a, sizeof(a));
		if (!c->replies && c->undo)
			c->undo(f);
		works(f, c);
	}
	/* The refused ATTACH has left no attachment. */
	assert_ok(abi_destroy(f->fd, f->hwpt));
}

static void sizes_from_nothing_to_huge(void **state)
{
	static const uint32_t huge[] = { 4096, 1u << 20, 0x7fffffff, 0x80000000, 0xffffffff };
	struct fix *f = *state;
	union any a;

	FOR_EACH(c)
	{
		for (uint32_t argsz = 0; argsz < c->min; argsz++) {
			fill(f, c, &a, argsz);
			expect(c, "too short", call(f, c, &a), -EINVAL);
			/* Only BIND reads argsz first; the others read all of their struct. */
			memcpy(f->edge + PAGE - sizeof(argsz), &argsz, sizeof(argsz));
			expect(c, "too short, at the end",
			       call(f, c, f->edge + PAGE - sizeof(argsz)),
			       c->nr == VFIO_DEVICE_BIND_IOMMUFD ? -EINVAL : -EFAULT);
		}
		/* argsz is larger than today's: memory behind the known part is not touched. */
		for (uint32_t argsz = c->min; argsz <= sizeof(a); argsz++) {
			fill(f, c, &a, argsz);
			expect(c, "any size", call(f, c, &a), c->rc);
			for (uint32_t i = c->size; c->replies && i < sizeof(a); i++)
				assert_int_equal(a.bytes[i], 0);
			if (c->undo)
				c->undo(f);
		}
		for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
			fill(f, c, &a, huge[i]);
			memset(f->edge, 0, PAGE);
			memcpy(f->edge, &a, sizeof(a));
			/* Only BIND, which is extensible, reads as many bytes as argsz says. */
			if (c->nr == VFIO_DEVICE_BIND_IOMMUFD && huge[i] > PAGE) {
				expect(c, "huge", call(f, c, f->edge), -EFAULT);
				continue;
			}
			expect(c, "huge", call(f, c, f->edge), c->rc);
			if (c->undo)
				c->undo(f);
		}
	}
}

/* ---- what is read and written ---- */

/* Returns the offset of the portal; of a real function, that of its configuration space. */
static off_t config_or_portal(const struct fix *f)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	if (!abi_real_functions())
		return 0;
	assert_ok(iof_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &info));
	return (off_t)info.offset;
}

static void regions_are_nowhere(void **state)
{
	struct fix *f = *state;

	off_t region = config_or_portal(f);

	for (size_t i = 0; i < ABI_NR_NOWHERE; i++) {
		void *bad = (void *)abi_nowhere[i];

		assert_err((int)iof_pwrite(f->dev, bad, 64, region), EFAULT);
		if (abi_real_functions()) {
			assert_err((int)iof_pread(f->dev, bad, 64, region), EFAULT);
			continue;
		}
		if (abi_ours())
			assert_err((int)iof_pread(f->dev, bad, 64,
						  IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE)),
				   EFAULT);
	}
	/* FUSE sends the bytes that exist. */
	assert_err((int)iof_pwrite(f->dev, f->edge + PAGE - 63, 64, region),
		   abi_through_fuse(f->dev) ? EINVAL : EFAULT);
	if (!abi_real_functions())
		assert_err((int)iof_pwrite(f->dev, f->edge, 65, 0), EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(structs_are_nowhere),	       T(structs_end_in_a_hole),
		T(structs_are_not_aligned),    T(replies_have_nowhere_to_go),
		T(sizes_from_nothing_to_huge), T(regions_are_nowhere),
	};

	return cmocka_run_group_tests_name("vfio_pointers", tests, NULL, NULL);
}
