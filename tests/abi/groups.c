// SPDX-License-Identifier: MIT
/*
 * groups.c - proves the rules of VFIO groups and containers: which results their nodes return, in
 * which order they can be opened and closed, and which uses exclude each other.
 */
#include "groups.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Two devices in one isolation group; a third one has a group of its own. */
static const struct iof_dsa_config dsa[] = {
	{ .queue_depth = 4 },
	{ .share_group = 1 },
	{ .max_pasids = 1 },
};

struct fix {
	struct iof_world *world;
	int container, group;
};

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = group_world(dsa, 3);
	f.container = iof_open(f.world, "/dev/vfio/vfio", O_RDWR);
	f.group = group_open(f.world, 0);
	return f.container >= 0 && f.group >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	return iof_close(f->group) | iof_close(f->container) | iof_world_close(f->world);
}

static uint32_t status(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status), .flags = 0xffff };

	assert_ok(iof_ioctl(group, VFIO_GROUP_GET_STATUS, &status));
	return status.flags;
}

static void a_group_tells_its_status(void **state)
{
	struct fix *f = *state;
	struct vfio_group_status small = { .argsz = sizeof(small) - 1 };

	assert_int_equal(status(f->group), VFIO_GROUP_FLAGS_VIABLE);
	assert_err(iof_ioctl(f->group, VFIO_GROUP_GET_STATUS, &small), EINVAL);
	assert_err(iof_ioctl(f->group, VFIO_GROUP_GET_STATUS, NULL), EFAULT);
	assert_err(iof_ioctl(f->group, VFIO_GROUP_UNSET_CONTAINER, NULL), EINVAL);
	assert_ok(group_enter(f->group, f->container));
	assert_int_equal(status(f->group),
			 VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET);
	assert_ok(iof_ioctl(f->group, VFIO_GROUP_UNSET_CONTAINER, NULL));
	assert_int_equal(status(f->group), VFIO_GROUP_FLAGS_VIABLE);
	/* The command is none of groups. */
	assert_err(iof_ioctl(f->group, VFIO_GET_API_VERSION, NULL), ENOTTY);
	assert_err(iof_ioctl(f->group, VFIO_DEVICE_GET_INFO, NULL), ENOTTY);
	assert_err(iof_ioctl(f->container, VFIO_GROUP_GET_STATUS, NULL), ENOTTY);
}

static void a_container_has_no_commands_before_a_group(void **state)
{
	struct fix *f = *state;
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	assert_ok(iof_ioctl(f->container, VFIO_GET_API_VERSION, NULL));
	assert_int_equal(iof_ioctl(f->container, VFIO_CHECK_EXTENSION,
				   (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU),
			 1);
	assert_ok(iof_ioctl(f->container, VFIO_CHECK_EXTENSION,
			    (void *)(uintptr_t)VFIO_NOIOMMU_IOMMU));
	assert_err(group_set_iommu(f->container), ENODEV);
	assert_err(iof_ioctl(f->container, VFIO_IOMMU_GET_INFO, &info), ENODEV);
	assert_ok(group_enter(f->group, f->container));
	assert_ok(group_set_iommu(f->container));
	assert_ok(iof_ioctl(f->container, VFIO_IOMMU_GET_INFO, &info));
	assert_true(info.iova_pgsizes & PAGE);
}

/* A context charges memory to the process if it was opened as a container, else to the user. */
static void a_container_charges_the_process(void **state)
{
	struct fix *f = *state;
	struct iommu_option option = { .size = sizeof(option),
				       .option_id = IOMMU_OPTION_RLIMIT_MODE,
				       .op = IOMMU_OPTION_OP_GET };
	int fd = abi_iommu(f->world);

	assert_ok(iof_ioctl(f->container, IOMMU_OPTION, &option));
	assert_int_equal(option.val64, 1);
	assert_ok(iof_ioctl(fd, IOMMU_OPTION, &option));
	assert_int_equal(option.val64, 0);
	assert_ok(iof_close(fd));
}

static void set_container_wants_a_container(void **state)
{
	struct fix *f = *state;
	int event = eventfd(0, EFD_CLOEXEC), fault_fd;
	uint32_t fault;

	assert_err(iof_ioctl(f->group, VFIO_GROUP_SET_CONTAINER, NULL), EFAULT);
	assert_err(group_enter(f->group, -1), EINVAL);
	assert_err(group_enter(f->group, 1 << 20), EBADF);
	assert_err(group_enter(f->group, event), EBADFD);
	assert_err(group_enter(f->group, f->group), EBADFD);
	assert_ok(abi_fault_queue(f->container, &fault, &fault_fd));
	assert_err(group_enter(f->group, fault_fd), EBADFD);
	assert_int_equal(status(f->group), VFIO_GROUP_FLAGS_VIABLE);
	assert_ok(group_enter(f->group, f->container));
	assert_err(group_enter(f->group, f->container), EINVAL);
	assert_ok(iof_close(fault_fd));
	close(event);
}

static void a_group_is_opened_once(void **state)
{
	struct fix *f = *state;
	int other;

	assert_err(group_open(f->world, 0), EBUSY);
	/* The second device is in the same group. */
	assert_string_equal(group_path(1), group_path(0));
	other = group_open(f->world, 2);
	assert_true(other >= 0);
	assert_ok(iof_close(other));
	assert_ok(iof_close(f->group));
	f->group = group_open(f->world, 0);
	assert_true(f->group >= 0);
}

static void a_device_is_found_by_its_name(void **state)
{
	static const char *const none[] = {
		"",
		" ",
		"0000:00:00.0",
		"f000:00:01",
		"f000:00:01.00",
		"F000:00:01.0",
		"f000:00:01.0,",
		"a name that is longer than that of any device can be",
	};
	struct fix *f = *state;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char *edge = abi_pages(2), text[64];
	int dev, same, mate;

	assert_err(group_device(f->group, group_bdf(0)), EINVAL);
	assert_err(group_device(f->group, "nothing"), ENODEV);
	assert_ok(group_enter(f->group, f->container));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_err(group_device(f->group, none[i]), ENODEV);
	/* The third device is in another group. */
	assert_err(group_device(f->group, group_bdf(2)), ENODEV);
	assert_err(group_device(f->group, NULL), EFAULT);
	munmap(edge + PAGE, PAGE);
	memcpy(edge + PAGE - 4, "f000", 4);
	assert_err(group_device(f->group, edge + PAGE - 4), EFAULT);

	dev = group_device(f->group, group_bdf(0));
	assert_true(dev >= 0);
	assert_ok(iof_ioctl(dev, VFIO_DEVICE_GET_INFO, &info));
	snprintf(text, sizeof(text), "%s vf_token=of which none exists", group_bdf(0));
	same = group_device(f->group, text);
	assert_true(same >= 0);
	mate = group_device(f->group, group_bdf(1));
	assert_true(mate >= 0);
	memcpy(edge + PAGE - strlen(group_bdf(0)) - 1, group_bdf(0), strlen(group_bdf(0)) + 1);
	assert_ok(iof_close(same));
	same = group_device(f->group, edge + PAGE - strlen(group_bdf(0)) - 1);
	assert_true(same >= 0);
	assert_ok(iof_close(same));
	assert_ok(iof_close(mate));
	/* The last descriptor of the group still has the device. */
	assert_ok(iof_ioctl(dev, VFIO_DEVICE_GET_INFO, &info));
	assert_ok(iof_close(dev));
	munmap(edge, PAGE);
}

static void a_groups_descriptor_is_not_bound_again(void **state)
{
	struct fix *f = *state;
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva), .pasid = 1 };
	int dev;

	assert_ok(group_enter(f->group, f->container));
	dev = group_device(f->group, group_bdf(0));
	assert_true(dev >= 0);
	assert_err(abi_bind(dev, f->container), EINVAL);
	assert_err(iof_ioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, NULL), EFAULT);
	assert_err(abi_attach(dev, 1), ENOTTY);
	assert_err(abi_detach(dev), ENOTTY);
	assert_err(iof_ioctl(dev, IOF_VFIO_DEVICE_SVA_BIND, &sva), ENOTTY);
	assert_err(iof_ioctl(dev, IOF_VFIO_DEVICE_SVA_UNBIND, &sva), ENOTTY);
	assert_ok(iof_ioctl(dev, VFIO_DEVICE_RESET, NULL));
	assert_ok(iof_close(dev));
}

static void a_used_group_stays_in_its_container(void **state)
{
	struct fix *f = *state;
	int dev, again;

	assert_ok(group_enter(f->group, f->container));
	dev = group_device(f->group, group_bdf(1));
	assert_true(dev >= 0);
	assert_err(iof_ioctl(f->group, VFIO_GROUP_UNSET_CONTAINER, NULL), EBUSY);
	assert_err(group_enter(f->group, f->container), EINVAL);
	/* The device's descriptor keeps the group in use. */
	assert_ok(iof_close(f->group));
	assert_err(group_open(f->world, 0), EBUSY);
	if (abi_embedded())
		assert_err(iof_world_close(f->world), EBUSY);
	assert_ok(iof_close(dev));
	f->group = group_open(f->world, 0);
	assert_true(f->group >= 0);
	assert_int_equal(status(f->group), VFIO_GROUP_FLAGS_VIABLE);
	/* The group can enter another container. */
	again = iof_open(f->world, "/dev/vfio/vfio", O_RDWR);
	assert_true(again >= 0);
	assert_ok(group_enter(f->group, again));
	assert_ok(iof_close(again));
	/*
	 * The container's descriptor was closed; its objects exist as long as the group is in it.
	 */
	dev = group_device(f->group, group_bdf(1));
	assert_true(dev >= 0);
	assert_ok(iof_close(dev));
	assert_ok(iof_ioctl(f->group, VFIO_GROUP_UNSET_CONTAINER, NULL));
}

static void a_group_and_a_node_exclude_each_other(void **state)
{
	struct fix *f = *state;
	int node = abi_vfio(f->world, 0), mate = abi_vfio(f->world, 1);
	int alone = abi_vfio(f->world, 2), other;

	/* A device node that is open and not bound does not count. */
	assert_true(node >= 0 && mate >= 0 && alone >= 0);
	assert_err(abi_bind(node, f->container), EBUSY);
	assert_err(abi_bind(mate, f->container), EBUSY);
	assert_id(abi_bind(alone, f->container));
	assert_err(group_open(f->world, 2), EBUSY);
	assert_ok(iof_close(alone));
	other = group_open(f->world, 2);
	assert_true(other >= 0);
	assert_ok(iof_close(other));

	assert_ok(iof_close(f->group));
	assert_id(abi_bind(mate, f->container));
	assert_err(group_open(f->world, 0), EBUSY);
	/* A failed bind leaves no object. */
	assert_err(abi_bind(mate, f->container), EINVAL);
	assert_err(abi_bind(node, -1), EINVAL);
	assert_err(abi_bind(node, 1 << 20), EBADF);
	assert_ok(iof_close(mate));
	f->group = group_open(f->world, 0);
	assert_true(f->group >= 0);
	assert_ok(iof_close(node));
}

static void an_iommufd_is_a_container(void **state)
{
	struct fix *f = *state;
	int iommufd = abi_iommu(f->world), dev, other;
	uint32_t ioas = (uint32_t)abi_ioas(iommufd);
	struct iommu_vfio_ioas set = {
		.size = sizeof(set),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = ioas,
	};

	/* An existing compat IOAS stays the compat IOAS. */
	assert_ok(iof_ioctl(iommufd, IOMMU_VFIO_IOAS, &set));
	assert_ok(group_enter(f->group, iommufd));
	set.op = IOMMU_VFIO_IOAS_GET;
	assert_ok(iof_ioctl(iommufd, IOMMU_VFIO_IOAS, &set));
	assert_int_equal(set.ioas_id, ioas);
	dev = group_device(f->group, group_bdf(0));
	assert_true(dev >= 0);
	assert_err(abi_destroy(iommufd, ioas), EBUSY);
	other = group_open(f->world, 2);
	assert_ok(group_enter(other, iommufd));
	assert_ok(iof_close(dev));

	/*
	 * Without a compat IOAS the device of a group in use cannot be opened. The next group makes
	 * one.
	 */
	assert_ok(abi_destroy(iommufd, ioas));
	assert_err(group_device(f->group, group_bdf(0)), ENODEV);
	assert_err(group_device(other, group_bdf(2)), ENODEV);
	assert_ok(iof_ioctl(other, VFIO_GROUP_UNSET_CONTAINER, NULL));
	assert_ok(group_enter(other, iommufd));
	dev = group_device(f->group, group_bdf(0));
	assert_true(dev >= 0);
	assert_ok(iof_ioctl(iommufd, IOMMU_VFIO_IOAS, &set));
	assert_err(abi_destroy(iommufd, set.ioas_id), EBUSY);
	assert_ok(iof_close(dev));
	assert_ok(iof_close(other));
	assert_ok(iof_close(iommufd));
}

/* ---- many at a time ---- */

#define THREADS 4
#define ROUNDS	200

static void *open_and_close(void *arg)
{
	struct fix *f = arg;
	struct vfio_device_info info = { .argsz = sizeof(info) };

	for (int i = 0; i < ROUNDS; i++) {
		int dev, group, rc;

		group = group_open(f->world, 0);
		if (group < 0) {
			assert_int_equal(group, -EBUSY);
			sched_yield();
			continue;
		}
		assert_ok(group_enter(group, f->container));
		dev = group_device(group, group_bdf(i & 1));
		assert_true(dev >= 0);
		rc = iof_ioctl(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
		assert_int_equal(rc, -EBUSY);
		if (i & 2)
			assert_ok(iof_close(group));
		assert_ok(iof_ioctl(dev, VFIO_DEVICE_GET_INFO, &info));
		assert_ok(iof_close(dev));
		if (!(i & 2))
			assert_ok(iof_close(group));
	}
	return NULL;
}

static void *share(void *arg)
{
	struct fix *f = arg;
	struct vfio_device_info info = { .argsz = sizeof(info) };

	for (int i = 0; i < ROUNDS; i++) {
		int dev = group_device(f->group, group_bdf(i & 1));

		assert_true(dev >= 0);
		assert_ok(iof_ioctl(dev, VFIO_DEVICE_GET_INFO, &info));
		assert_ok(iof_close(dev));
	}
	return NULL;
}

static void in_threads(void *(*run)(void *), void *arg)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		assert_ok(pthread_create(&threads[i], NULL, run, arg));
	for (int i = 0; i < THREADS; i++)
		assert_ok(pthread_join(threads[i], NULL));
}

static void many_open_the_same(void **state)
{
	struct fix *f = *state;

	assert_ok(group_enter(f->group, f->container));
	in_threads(share, f);
	assert_ok(iof_ioctl(f->group, VFIO_GROUP_UNSET_CONTAINER, NULL));
	assert_ok(iof_close(f->group));
	in_threads(open_and_close, f);
	f->group = group_open(f->world, 0);
	assert_true(f->group >= 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_group_tells_its_status),
		T(a_container_has_no_commands_before_a_group),
		T(a_container_charges_the_process),
		T(set_container_wants_a_container),
		T(a_group_is_opened_once),
		T(a_device_is_found_by_its_name),
		T(a_groups_descriptor_is_not_bound_again),
		T(a_used_group_stays_in_its_container),
		T(a_group_and_a_node_exclude_each_other),
		T(an_iommufd_is_a_container),
		T(many_open_the_same),
	};

	return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
