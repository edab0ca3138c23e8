// SPDX-License-Identifier: MIT
/*
 * machine.c - proves that a machine is complete or does not exist: if an allocation fails, no part
 * of it is left. It cannot be destroyed under open descriptors. The commands of its mock devices
 * and VFIO nodes undo themselves when an allocation or a user copy fails.
 */
#include "env.h"

#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "model/machine.h"

static const struct iof_machine_device devices[] = {
	{ .kind = IOF_MACHINE_DSA, .group_with = -1 },
	{ .kind = IOF_MACHINE_DSA, .group_with = 0, .engines = 2 },
};

static const struct iof_machine_config config = {
	.devices = devices,
	.nr_devices = 2,
	.test_ioctls = 1,
};

struct fix {
	struct iof_plat_space *space;
	struct iof_machine *machine;
	int fd, ioas, dev, efd;
};

static int setup_space(void **state)
{
	static struct fix f;

	*state = &f;
	f.space = iof_sys_space_create();
	return f.space ? 0 : -1;
}

static int teardown_space(void **state)
{
	struct fix *f = *state;
	struct iof_live live;

	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	iof_fail_nth_thread(IOF_FAIL_COPY, 0, false);
	if (iof_sys_space_destroy(f->space))
		return -1;
	iof_sys_settle();
	iof_shim_live(&live);
	return live.objects || live.pins ? -1 : 0;
}

static int setup(void **state)
{
	struct fix *f;

	if (setup_space(state))
		return -1;
	f = *state;
	if (iof_machine_create(&config, f->space, &f->machine))
		return -1;
	f->fd = iof_sys_open(f->space, "/dev/iommu", O_RDWR);
	f->dev = iof_sys_open(f->space, "/dev/vfio/devices/vfio0", O_RDWR);
	f->ioas = env_ioas(f->fd);
	f->efd = eventfd(0, EFD_CLOEXEC);
	return f->ioas > 0 && f->dev >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	close(f->efd);
	if (iof_sys_close(f->dev) || iof_sys_close(f->fd) || iof_machine_destroy(f->machine))
		return -1;
	return teardown_space(state);
}

/*
 * Makes the n-th call of @kind fail, once or from then on, for each n until @step succeeds; then
 * calls @undo.
 */
static void sweep(struct fix *f, enum iof_fail_kind kind, bool persistent,
		  int (*step)(struct fix *f), void (*undo)(struct fix *f))
{
	unsigned long n, fired;

	for (n = 1;; n++) {
		int rc;

		iof_fail_nth_thread(kind, n, persistent);
		rc = step(f);
		fired = iof_fail_fired(kind);
		iof_fail_nth_thread(kind, 0, false);
		if (rc >= 0)
			undo(f);
		if (!fired) {
			assert_true(rc >= 0);
			return;
		}
		if (rc < 0)
			assert_true(rc == -ENOMEM || rc == -EFAULT);
		assert_true(n < 1000);
	}
}

static void sweep_all(struct fix *f, int (*step)(struct fix *f), void (*undo)(struct fix *f))
{
	sweep(f, IOF_FAIL_ALLOC, false, step, undo);
	sweep(f, IOF_FAIL_ALLOC, true, step, undo);
	sweep(f, IOF_FAIL_COPY, false, step, undo);
	sweep(f, IOF_FAIL_COPY, true, step, undo);
}

static void nothing(struct fix *f)
{
	(void)f;
}

/* ---- the machine ---- */

static int create(struct fix *f)
{
	return iof_machine_create(&config, f->space, &f->machine);
}

static void destroy(struct fix *f)
{
	assert_ok(iof_machine_destroy(f->machine));
}

static void creating_fails_clean(void **state)
{
	struct fix *f = *state;

	sweep(f, IOF_FAIL_ALLOC, false, create, destroy);
	sweep(f, IOF_FAIL_ALLOC, true, create, destroy);
}

static void names_are_taken_once(void **state)
{
	struct fix *f = *state;
	struct iof_machine *second;

	assert_err(iof_machine_create(&config, f->space, &second), EEXIST);
	assert_err(iof_machine_destroy(f->machine), EBUSY);
}

/* Each descriptor made through the machine keeps it, also unbound and indirect ones. */
static void open_descriptors_keep_the_machine(void **state)
{
	struct fix *f = *state;
	u32 fault;
	int ffd, dev, fd;

	assert_ok(create(f));
	dev = iof_sys_open(f->space, "/dev/vfio/devices/vfio1", O_RDWR);
	assert_true(dev >= 0);
	assert_err(iof_machine_destroy(f->machine), EBUSY);
	assert_ok(iof_sys_close(dev));
	fd = iof_sys_open(f->space, "/dev/iommu", O_RDWR);
	assert_err(iof_machine_destroy(f->machine), EBUSY);
	assert_ok(env_queue(fd, &fault, &ffd));
	assert_ok(iof_sys_close(fd));
	assert_err(iof_machine_destroy(f->machine), EBUSY);
	assert_ok(iof_sys_close(ffd));
	destroy(f);
}

/* ---- mock devices ---- */

static struct iommu_test_cmd cmd;

static int test_cmd(struct fix *f, u32 op, u32 id)
{
	cmd.size = sizeof(cmd);
	cmd.op = op;
	cmd.id = id;
	return env_ioctl(f->fd, IOMMU_TEST_CMD, &cmd);
}

static int mock_create(struct fix *f)
{
	cmd.mock_domain_flags.dev_flags = MOCK_FLAGS_DEVICE_PASID;
	return test_cmd(f, IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, f->ioas);
}

static void mock_destroy(struct fix *f)
{
	/* No failed step has used up an id. */
	assert_int_equal(cmd.mock_domain.out_stdev_id, 2);
	assert_ok(env_destroy(f->fd, cmd.mock_domain.out_stdev_id));
}

static void mock_devices_fail_clean(void **state)
{
	sweep_all(*state, mock_create, mock_destroy);
}

static u32 pasid_stdev, pasid_hwpt[2];

static int pasid_attach(struct fix *f)
{
	cmd.pasid_attach.pasid = 5;
	cmd.pasid_attach.pt_id = pasid_hwpt[0];
	return test_cmd(f, IOMMU_TEST_OP_PASID_ATTACH, pasid_stdev);
}

static int pasid_replace(struct fix *f)
{
	cmd.pasid_replace.pasid = 6;
	cmd.pasid_replace.pt_id = pasid_hwpt[1];
	return test_cmd(f, IOMMU_TEST_OP_PASID_REPLACE, pasid_stdev);
}

static void pasid_detach(struct fix *f)
{
	cmd.pasid_detach.pasid = 5;
	assert_ok(test_cmd(f, IOMMU_TEST_OP_PASID_DETACH, pasid_stdev));
}

static void pasid_back(struct fix *f)
{
	cmd.pasid_replace.pasid = 6;
	cmd.pasid_replace.pt_id = pasid_hwpt[0];
	assert_ok(test_cmd(f, IOMMU_TEST_OP_PASID_REPLACE, pasid_stdev));
}

static void mock_pasids_fail_clean(void **state)
{
	struct fix *f = *state;
	u32 idev;

	assert_ok(mock_create(f));
	pasid_stdev = cmd.mock_domain.out_stdev_id;
	idev = cmd.mock_domain.out_idev_id;
	pasid_hwpt[0] = env_hwpt(f->fd, idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	pasid_hwpt[1] = env_hwpt(f->fd, idev, f->ioas, IOMMU_HWPT_ALLOC_PASID);
	cmd.mock_domain_replace.pt_id = pasid_hwpt[0];
	assert_ok(test_cmd(f, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, pasid_stdev));
	/*
	 * Only allocations fail here: a reply that cannot be written does not undo an attachment.
	 */
	sweep(f, IOF_FAIL_ALLOC, false, pasid_attach, pasid_detach);
	sweep(f, IOF_FAIL_ALLOC, true, pasid_attach, pasid_detach);
	cmd.pasid_attach.pasid = 6;
	cmd.pasid_attach.pt_id = pasid_hwpt[0];
	assert_ok(test_cmd(f, IOMMU_TEST_OP_PASID_ATTACH, pasid_stdev));
	sweep(f, IOF_FAIL_ALLOC, false, pasid_replace, pasid_back);
	sweep(f, IOF_FAIL_ALLOC, true, pasid_replace, pasid_back);
}

/* ---- accesses and dirty tracking ---- */

#define AT 0x10000000ul

static u32 access_fd, dirty_hwpt;
static unsigned char *memory;

static int access_create(struct fix *f)
{
	cmd.create_access.flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES;
	return test_cmd(f, IOMMU_TEST_OP_CREATE_ACCESS, f->ioas);
}

static void access_close(struct fix *f)
{
	(void)f;
	assert_ok(iof_sys_close((int)cmd.create_access.out_access_fd));
}

static int access_pin(struct fix *f)
{
	int rc;

	cmd.access_pages.flags = MOCK_FLAGS_ACCESS_WRITE;
	cmd.access_pages.iova = AT;
	cmd.access_pages.length = 4 * PAGE_SIZE;
	cmd.access_pages.uptr = (uintptr_t)memory;
	rc = test_cmd(f, IOMMU_TEST_OP_ACCESS_PAGES, access_fd);
	assert_int_equal(iof_shim_pin_count(memory + 3 * PAGE_SIZE), !rc);
	return rc;
}

static void access_unpin(struct fix *f)
{
	cmd.destroy_access_pages.access_pages_id = cmd.access_pages.out_access_pages_id;
	assert_ok(test_cmd(f, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, access_fd));
	assert_int_equal(iof_shim_pin_count(memory + 3 * PAGE_SIZE), 0);
}

static int access_rw(struct fix *f)
{
	unsigned char bytes[8] = { 1 };
	int rc, write;

	for (write = 1; write >= 0; write--) {
		cmd.access_rw.iova = AT + 2 * PAGE_SIZE - 4;
		cmd.access_rw.length = sizeof(bytes);
		cmd.access_rw.uptr = (uintptr_t)bytes;
		cmd.access_rw.flags = write ? MOCK_ACCESS_RW_WRITE : 0;
		rc = test_cmd(f, IOMMU_TEST_OP_ACCESS_RW, access_fd);
		assert_int_equal(iof_shim_pin_count(memory + 2 * PAGE_SIZE), 0);
		if (rc)
			return rc;
	}
	return 0;
}

static void accesses_fail_clean(void **state)
{
	struct fix *f = *state;

	memory = aligned_alloc(PAGE_SIZE, 4 * PAGE_SIZE);
	assert_ok(env_map(f->fd, f->ioas, memory, 2 * PAGE_SIZE, AT));
	assert_ok(
		env_map(f->fd, f->ioas, memory + 2 * PAGE_SIZE, 2 * PAGE_SIZE, AT + 2 * PAGE_SIZE));
	sweep_all(f, access_create, access_close);
	sweep(f, IOF_FAIL_PIN, false, access_create, access_close);
	assert_ok(access_create(f));
	access_fd = cmd.create_access.out_access_fd;
	sweep_all(f, access_pin, access_unpin);
	sweep(f, IOF_FAIL_PIN, false, access_pin, access_unpin);
	sweep_all(f, access_rw, nothing);
	sweep(f, IOF_FAIL_PIN, false, access_rw, nothing);
	assert_ok(iof_sys_close((int)access_fd));
	free(memory);
}

/*
 * Reads the dirty bitmap. After a failed read, a later read reports the dirty pages that are left,
 * and never a clean page.
 */
static int get_dirty(struct fix *f)
{
	unsigned char bits[2] = { 0, 0x80 };
	struct iommu_hwpt_get_dirty_bitmap get = {
		.size = sizeof(get),
		.hwpt_id = dirty_hwpt,
		.iova = AT,
		.length = 16 * MOCK_PAGE_SIZE,
		.page_size = MOCK_PAGE_SIZE,
		.data = (uintptr_t)bits,
	};
	int rc;

	rc = env_ioctl(f->fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &get);
	assert_true(bits[0] == 0 || bits[0] == 0x05);
	assert_int_equal(bits[1], 0x80);
	return rc;
}

static void make_dirty(struct fix *f)
{
	unsigned char some = 0x05;

	cmd.dirty.iova = AT;
	cmd.dirty.length = 8 * MOCK_PAGE_SIZE;
	cmd.dirty.page_size = MOCK_PAGE_SIZE;
	cmd.dirty.uptr = (uintptr_t)&some;
	assert_ok(test_cmd(f, IOMMU_TEST_OP_DIRTY, dirty_hwpt));
	assert_int_equal(cmd.dirty.out_nr_dirty, 2);
}

static void dirty_tracking_fails_clean(void **state)
{
	struct iommu_hwpt_set_dirty_tracking set = {
		.size = sizeof(set),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
	};
	struct fix *f = *state;
	int hwpt;

	memory = aligned_alloc(PAGE_SIZE, 8 * PAGE_SIZE);
	assert_ok(mock_create(f));
	hwpt = env_hwpt(f->fd, cmd.mock_domain.out_idev_id, f->ioas,
			IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	assert_id(hwpt);
	set.hwpt_id = dirty_hwpt = (u32)hwpt;
	assert_ok(env_map(f->fd, f->ioas, memory, 8 * PAGE_SIZE, AT));
	/* No step here needs memory: begin, write, or clean. */
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 1, true);
	assert_ok(env_ioctl(f->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
	make_dirty(f);
	assert_ok(env_ioctl(f->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
	make_dirty(f);
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	sweep_all(f, get_dirty, make_dirty);
	assert_ok(env_destroy(f->fd, dirty_hwpt));
	free(memory);
}

/* ---- the VFIO node ---- */

static int vfio_open_bind(struct fix *f)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = f->fd };
	int dev = iof_sys_open(f->space, "/dev/vfio/devices/vfio1", O_RDWR);
	int rc;

	if (dev < 0)
		return dev;
	rc = env_ioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	assert_ok(iof_sys_close(dev));
	return rc;
}

static int vfio_attach_ioas(struct fix *f)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = f->ioas };

	return env_ioctl(f->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);
}

static void vfio_detach_all(struct fix *f)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };

	assert_ok(env_ioctl(f->dev, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach));
}

static int vfio_sva_bind(struct fix *f)
{
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva), .pasid = 9 };

	return env_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_BIND, &sva);
}

static void vfio_sva_unbind(struct fix *f)
{
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva), .pasid = 9 };

	assert_ok(env_ioctl(f->dev, IOF_VFIO_DEVICE_SVA_UNBIND, &sva));
}

static int vfio_ask(struct fix *f)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq) };

	return env_ioctl(f->dev, VFIO_DEVICE_GET_INFO, &info)		       ?:
		       env_ioctl(f->dev, VFIO_DEVICE_GET_REGION_INFO, &region) ?:
		       env_ioctl(f->dev, VFIO_DEVICE_GET_IRQ_INFO, &irq);
}

static int vfio_set_irq(struct fix *f)
{
	union {
		struct vfio_irq_set set;
		u8 bytes[offsetof(struct vfio_irq_set, data) + sizeof(int)];
	} s = {};

	s.set.argsz = sizeof(s);
	s.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	s.set.count = 1;
	memcpy(s.set.data, &f->efd, sizeof(int));
	return env_ioctl(f->dev, VFIO_DEVICE_SET_IRQS, &s);
}

static void vfio_calls_fail_clean(void **state)
{
	struct fix *f = *state;
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = f->fd };

	sweep_all(f, vfio_open_bind, nothing);
	assert_ok(env_ioctl(f->dev, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	sweep_all(f, vfio_attach_ioas, vfio_detach_all);
	sweep_all(f, vfio_sva_bind, vfio_sva_unbind);
	sweep_all(f, vfio_ask, nothing);
	sweep_all(f, vfio_set_irq, nothing);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define S(name) cmocka_unit_test_setup_teardown(name, setup_space, teardown_space)

int main(void)
{
	const struct CMUnitTest tests[] = {
		S(creating_fails_clean),
		T(names_are_taken_once),
		S(open_descriptors_keep_the_machine),
		T(mock_devices_fail_clean),
		T(mock_pasids_fail_clean),
		T(accesses_fail_clean),
		T(dirty_tracking_fails_clean),
		T(vfio_calls_fail_clean),
	};

	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
