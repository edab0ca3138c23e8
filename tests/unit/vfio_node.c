// SPDX-License-Identifier: MIT
/*
 * vfio_node.c - proves the calls of a VFIO node to the device behind it. A close resets the device
 * first, then detaches everything, then releases the device. Accesses reach the right region. An
 * interrupt that is raised while the eventfd is changed goes to an eventfd that still exists.
 */
#include "env.h"

#include <linux/userfaultfd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfio/private.h"

struct node {
	struct env *env;
	struct fake_dev dev;
	struct iof_vfio_device *vdev;
	int fd;
	/* Last calls that the device saw. */
	int resets;
	int attached_at_reset;
	u32 region;
	u64 off;
	size_t len;
};

static struct node node;

static ssize_t dev_read(void *dev, u32 region, u64 off, struct iov_iter *to)
{
	struct node *n = dev;

	n->region = region;
	n->off = off;
	n->len = iov_iter_count(to);
	return iov_iter_zero(n->len, to);
}

static ssize_t dev_write(void *dev, u32 region, u64 off, struct iov_iter *from)
{
	struct node *n = dev;

	n->region = region;
	n->off = off;
	n->len = iov_iter_count(from);
	return n->len;
}

static __poll_t dev_poll(void *dev, struct file *file, poll_table *wait)
{
	(void)dev;
	(void)file;
	(void)wait;
	return EPOLLOUT;
}

static void dev_reset(void *dev)
{
	struct node *n = dev;
	u32 i;

	n->resets++;
	n->attached_at_reset = 0;
	for (i = 0; i < FAKE_PASIDS; i++)
		n->attached_at_reset += !!fake_now(&n->dev, i);
}

static const struct iof_pci_function function = {
	.vendor = 1,
	.device = 2,
	.bars = {
		{ .size = 4096, .flags = VFIO_REGION_INFO_FLAG_WRITE },
		{ .size = 8192,
		  .flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE },
	},
	.nr_msix = 2,
	.intx = true,
};

static const struct iof_vfio_ops ops = {
	.pci = &function,
	.read = dev_read,
	.write = dev_write,
	.poll = dev_poll,
	.reset = dev_reset,
};

static int setup(void **state)
{
	if (env_setup(state))
		return -1;
	memset(&node, 0, sizeof(node));
	node.env = *state;
	fake_dev_add(&node.dev, "fake", 16, FAKE_PASIDS, NULL);
	if (iof_vfio_create(node.env->space, "vfio/devices/vfio0", &node.dev.hw, &ops, &node,
			    &node.vdev))
		return -1;
	node.fd = iof_sys_open(node.env->space, "/dev/vfio/devices/vfio0", O_RDWR);
	return node.fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	if (node.fd >= 0 && iof_sys_close(node.fd))
		return -1;
	if (iof_vfio_busy(node.vdev))
		return -1;
	iof_vfio_destroy(node.vdev);
	fake_dev_remove(&node.dev);
	return env_teardown(state);
}

static int bind(void)
{
	struct vfio_device_bind_iommufd b = { .argsz = sizeof(b), .iommufd = node.env->fd };
	int rc = env_ioctl(node.fd, VFIO_DEVICE_BIND_IOMMUFD, &b);

	return rc ? rc : (int)b.out_devid;
}

static int attach(u32 pasid, u32 pt)
{
	struct vfio_device_attach_iommufd_pt a = {
		.argsz = sizeof(a),
		.flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0,
		.pt_id = pt,
		.pasid = pasid,
	};

	return env_ioctl(node.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &a);
}

/* Returns an HWPT for the RID and PASIDs whose faults *@queue_fd gets. */
static int faulting_hwpt(int id, int *queue_fd)
{
	int fd = node.env->fd, hwpt;
	u32 queue;

	assert_ok(env_queue(fd, &queue, queue_fd));
	hwpt = env_hwpt_fault(fd, (u32)id, (u32)env_ioas(fd),
			      IOMMU_HWPT_ALLOC_PASID | IOMMU_HWPT_FAULT_ID_VALID, queue);
	assert_id(hwpt);
	return hwpt;
}

/* e41: a close resets, then detaches. */
static void closing_resets_then_detaches(void **state)
{
	int fd = node.env->fd, id = bind(), hwpt, ffd, i;

	(void)state;
	assert_id(id);
	hwpt = faulting_hwpt(id, &ffd);
	assert_ok(attach(0, hwpt));
	for (i = 1; i < 4; i++)
		assert_ok(attach(i, hwpt));
	assert_ok(fake_fault(&node.dev, 0, 1, 0x1000));
	assert_ok(fake_fault(&node.dev, 2, 1, 0x2000));

	assert_ok(iof_sys_close(node.fd));
	node.fd = -1;
	assert_int_equal(node.resets, 1);
	assert_int_equal(node.attached_at_reset, 4);
	for (i = 0; i < 4; i++)
		assert_null(fake_now(&node.dev, i));
	assert_int_equal(fake_open(&node.dev), 0);
	assert_int_equal(fake_answered(&node.dev, IOF_PAGE_INVALID), 2);
	assert_ok(env_destroy(fd, hwpt));
	assert_ok(iof_sys_close(ffd));
}

/* A device that goes ends its binding under the owner, and no command brings it back. */
static void a_revoked_binding_stays_ended(void **state)
{
	struct vfio_device_detach_iommufd_pt detach = { .argsz = sizeof(detach) };
	int fd = node.env->fd, id = bind(), hwpt, ffd, i;
	struct vfio_device_info info = { .argsz = sizeof(info) };

	(void)state;
	assert_id(id);
	hwpt = faulting_hwpt(id, &ffd);
	for (i = 0; i < 3; i++)
		assert_ok(attach(i, hwpt));
	assert_ok(fake_fault(&node.dev, 1, 1, 0x1000));

	iof_vfio_revoke(&node.vdev->binding);
	assert_int_equal(node.resets, 1);
	for (i = 0; i < 3; i++)
		assert_null(fake_now(&node.dev, i));
	assert_int_equal(fake_answered(&node.dev, IOF_PAGE_INVALID), 1);
	assert_err(attach(0, hwpt), ENODEV);
	assert_err(attach(1, hwpt), ENODEV);
	assert_err(env_ioctl(node.fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &detach), ENODEV);
	assert_err(bind(), ENODEV);
	/* What does not need the binding is the node's to end. */
	assert_ok(env_ioctl(node.fd, VFIO_DEVICE_GET_INFO, &info));

	assert_ok(iof_sys_close(node.fd));
	node.fd = iof_sys_open(node.env->space, "/dev/vfio/devices/vfio0", O_RDWR);
	assert_err(bind(), ENODEV);
	assert_int_equal(node.resets, 1);
	assert_ok(env_destroy(fd, hwpt));
	assert_ok(iof_sys_close(ffd));
}

/* The close of a descriptor that never bound the device does nothing to it. */
static void closing_a_stranger_does_nothing(void **state)
{
	int other = iof_sys_open(node.env->space, "/dev/vfio/devices/vfio0", O_RDWR);

	(void)state;
	assert_id(bind());
	assert_ok(iof_sys_close(other));
	assert_int_equal(node.resets, 0);
	assert_true(iof_vfio_busy(node.vdev));
}

static void a_reply_that_cannot_be_written_undoes(void **state)
{
	struct vfio_device_bind_iommufd b = { .argsz = sizeof(b), .iommufd = node.env->fd };
	struct vfio_device_attach_iommufd_pt a = { .argsz = sizeof(a) };
	int ioas = env_ioas(node.env->fd);
	void *page = env_read_only(&b, sizeof(b));

	(void)state;
	assert_err(env_ioctl(node.fd, VFIO_DEVICE_BIND_IOMMUFD, page), EFAULT);
	env_free_page(page);
	assert_id(bind());
	a.pt_id = ioas;
	page = env_read_only(&a, sizeof(a));
	assert_err(env_ioctl(node.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, page), EFAULT);
	assert_null(fake_now(&node.dev, 0));
	env_free_page(page);
	assert_ok(attach(0, ioas));
}

/*
 * Makes a page with @data that can be read at once; a write to it waits for release_page(). Returns
 * -1 if that is not possible.
 */
static int slow_page(void **page, const void *data, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_WP };
	struct uffdio_writeprotect wp = { .mode = UFFDIO_WRITEPROTECT_MODE_WP };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (uffd < 0)
		return -1;
	*page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(*page != MAP_FAILED);
	memcpy(*page, data, len);
	reg.range.start = (uintptr_t)*page;
	reg.range.len = 4096;
	wp.range = reg.range;
	if (!ioctl(uffd, UFFDIO_API, &api) && !ioctl(uffd, UFFDIO_REGISTER, &reg) &&
	    !ioctl(uffd, UFFDIO_WRITEPROTECT, &wp))
		return uffd;
	munmap(*page, 4096);
	close(uffd);
	return -1;
}

static void release_page(int uffd, void *page)
{
	struct uffdio_writeprotect wp = { .range = { (uintptr_t)page, 4096 } };

	assert_ok(ioctl(uffd, UFFDIO_WRITEPROTECT, &wp));
}

struct slow_call {
	unsigned long cmd;
	void *arg;
	int rc;
};

static void *call_slowly(void *arg)
{
	struct slow_call *call = arg;

	call->rc = env_ioctl(node.fd, call->cmd, call->arg);
	return NULL;
}

/*
 * No lock is held across a user copy: a page of the caller that never comes stops only the caller.
 */
static void a_reply_that_hangs_holds_nobody_up(void **state)
{
	struct vfio_device_bind_iommufd b = { .argsz = sizeof(b), .iommufd = node.env->fd };
	int other = iof_sys_open(node.env->space, "/dev/vfio/devices/vfio0", O_RDWR);
	struct slow_call call = { .cmd = VFIO_DEVICE_BIND_IOMMUFD };
	struct uffd_msg msg;
	pthread_t thread;
	int uffd;

	(void)state;
	uffd = slow_page(&call.arg, &b, sizeof(b));
	if (uffd < 0) {
		iof_sys_close(other);
		skip();
	}
	assert_ok(pthread_create(&thread, NULL, call_slowly, &call));
	assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	assert_err(env_ioctl(other, VFIO_DEVICE_BIND_IOMMUFD, &b), EINVAL);
	/* The device has no owner until the caller knows the id. */
	assert_err(env_ioctl(node.fd, VFIO_DEVICE_RESET, NULL), EINVAL);
	release_page(uffd, call.arg);
	assert_ok(pthread_join(thread, NULL));
	assert_ok(call.rc);
	assert_ok(env_ioctl(node.fd, VFIO_DEVICE_RESET, NULL));
	munmap(call.arg, 4096);
	close(uffd);
	assert_ok(iof_sys_close(other));
}

static void accesses_find_their_region(void **state)
{
	u64 second = IOF_VFIO_REGION_OFFSET(1);
	char buf[128];
	struct iovec iov[2] = { { buf, 10 }, { buf + 10, 20 } };

	(void)state;
	assert_err((int)iof_sys_pread(node.fd, buf, 1, second), EINVAL);
	assert_id(bind());
	assert_int_equal(iof_sys_pread(node.fd, buf, 60, second + 8132), 60);
	assert_int_equal(node.region, 1);
	assert_int_equal(node.off, 8132);
	assert_int_equal(node.len, 60);
	/* An access that begins in a BAR ends with it. */
	assert_int_equal(iof_sys_pread(node.fd, buf, 61, second + 8132), 60);
	assert_int_equal(node.len, 60);
	assert_err((int)iof_sys_pread(node.fd, buf, 1, second + 8192), EINVAL);
	assert_err((int)iof_sys_pread(node.fd, buf, 1, 0), EINVAL);
	assert_err((int)iof_sys_pread(node.fd, buf, 1, IOF_VFIO_REGION_OFFSET(2)), EINVAL);
	assert_err((int)iof_sys_pread(node.fd, buf, 1, IOF_VFIO_REGION_OFFSET(1) - 1), EINVAL);
	assert_int_equal(iof_sys_pwrite(node.fd, buf, 64, 0), 64);
	assert_int_equal(iof_sys_pwrite(node.fd, buf, 65, 4032), 64);
	assert_int_equal(node.len, 64);
	assert_err((int)iof_sys_pwrite(node.fd, buf, 1, 4096), EINVAL);
	/* Each plain write goes to the beginning of the first region. */
	assert_int_equal(iof_sys_writev(node.fd, iov, 2, 0), 30);
	assert_int_equal(iof_sys_writev(node.fd, iov, 2, 0), 30);
	assert_int_equal(node.region, 0);
	assert_int_equal(node.off, 0);
	assert_int_equal(node.len, 30);
}

static int set_irq(u32 vector, int fd)
{
	union {
		struct vfio_irq_set set;
		u8 bytes[offsetof(struct vfio_irq_set, data) + sizeof(int)];
	} s = {};

	s.set.argsz = sizeof(s);
	s.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	s.set.index = VFIO_PCI_MSIX_IRQ_INDEX;
	s.set.start = vector;
	s.set.count = 1;
	memcpy(s.set.data, &fd, sizeof(fd));
	return env_ioctl(node.fd, VFIO_DEVICE_SET_IRQS, &s);
}

static void *raise_interrupts(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 3000; i++)
		iof_vfio_interrupt(node.vdev, 1);
	return NULL;
}

static void interrupts_race_with_set_irqs(void **state)
{
	int efd[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	pthread_t thread;
	u64 n = 0;
	int i;

	(void)state;
	assert_id(bind());
	assert_ok(set_irq(1, efd[0]));
	assert_int_equal(pthread_create(&thread, NULL, raise_interrupts, NULL), 0);
	for (i = 0; i < 300; i++)
		assert_ok(set_irq(1, i % 3 == 2 ? -1 : efd[i % 3]));
	pthread_join(thread, NULL);
	/* The eventfd that is set at the end gets the next interrupt. */
	assert_ok(set_irq(1, efd[0]));
	while (read(efd[0], &n, sizeof(n)) > 0)
		;
	iof_vfio_interrupt(node.vdev, 1);
	assert_int_equal(read(efd[0], &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	close(efd[0]);
	close(efd[1]);
	/* The node holds its own file of the eventfd. */
	iof_vfio_interrupt(node.vdev, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(closing_resets_then_detaches),       T(a_revoked_binding_stays_ended),
		T(closing_a_stranger_does_nothing),    T(a_reply_that_cannot_be_written_undoes),
		T(a_reply_that_hangs_holds_nobody_up), T(accesses_find_their_region),
		T(interrupts_race_with_set_irqs),
	};

	return cmocka_run_group_tests_name("vfio_node", tests, NULL, NULL);
}
