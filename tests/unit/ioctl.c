// SPDX-License-Identifier: MIT
/*
 * ioctl.c - proves the rule of extensible structs and the dispatch of /dev/iommu (abi.md 1, 2),
 * OPTION's RLIMIT_MODE, and GET_HW_INFO (abi.md 5.3).
 */
#include "env.h"

struct known {
	unsigned int cmd;
	u32 min, size;
};

static const struct known known[] = {
	{ IOMMU_DESTROY, 8, 8 },
	{ IOMMU_IOAS_ALLOC, 12, 12 },
	{ IOMMU_IOAS_ALLOW_IOVAS, 24, 24 },
	{ IOMMU_IOAS_COPY, 40, 40 },
	{ IOMMU_IOAS_IOVA_RANGES, 32, 32 },
	{ IOMMU_IOAS_MAP, 40, 40 },
	{ IOMMU_IOAS_MAP_FILE, 40, 40 },
	{ IOMMU_IOAS_UNMAP, 24, 24 },
	{ IOMMU_OPTION, 24, 24 },
	{ IOMMU_VFIO_IOAS, 12, 12 },
	{ IOMMU_HWPT_ALLOC, 24, 48 },
	{ IOMMU_GET_HW_INFO, 32, 40 },
	{ IOMMU_HWPT_SET_DIRTY_TRACKING, 16, 16 },
	{ IOMMU_HWPT_GET_DIRTY_BITMAP, 48, 48 },
	{ IOMMU_HWPT_INVALIDATE, 32, 32 },
	{ IOMMU_FAULT_QUEUE_ALLOC, 16, 16 },
	{ IOMMU_IOAS_NOIOMMU_GET_PA, 40, 40 },
};

/* Structs of all commands, with room behind. Each command fails in its own way, or is harmless. */
union buf {
	u32 size;
	unsigned char bytes[128];
};

static void size_below_the_minimum(void **state)
{
	struct env *env = *state;
	union buf buf;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		memset(&buf, 0, sizeof(buf));
		buf.size = known[i].min - 1;
		assert_err(env_ioctl(env->fd, known[i].cmd, &buf), EINVAL);
		buf.size = 0;
		assert_err(env_ioctl(env->fd, known[i].cmd, &buf), EINVAL);
	}
}

static void unknown_tail_must_be_zero(void **state)
{
	struct env *env = *state;
	union buf buf;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		memset(&buf, 0, sizeof(buf));
		buf.size = known[i].size + 1;
		buf.bytes[known[i].size] = 1;
		assert_err(env_ioctl(env->fd, known[i].cmd, &buf), E2BIG);
		memset(&buf, 0, sizeof(buf));
		buf.size = sizeof(buf);
		rc = env_ioctl(env->fd, known[i].cmd, &buf);
		assert_int_not_equal(rc, -E2BIG);
		assert_int_not_equal(rc, -ENOTTY);
		if (!rc && known[i].cmd == IOMMU_FAULT_QUEUE_ALLOC)
			env_close(((struct iommu_fault_alloc *)&buf)->out_fault_fd);
	}
}

static void unreadable_structs(void **state)
{
	struct env *env = *state;
	unsigned char *pages = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	assert_true(pages != MAP_FAILED);
	assert_ok(mprotect(pages + PAGE_SIZE, PAGE_SIZE, PROT_NONE));
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		u32 *size = (u32 *)(pages + PAGE_SIZE - 4);

		assert_err(env_ioctl(env->fd, known[i].cmd, NULL), EFAULT);
		*size = known[i].size;
		assert_err(env_ioctl(env->fd, known[i].cmd, size), EFAULT);
		/* The size is checked before the rest is read. */
		*size = known[i].min - 1;
		assert_err(env_ioctl(env->fd, known[i].cmd, size), EINVAL);
	}
	assert_ok(munmap(pages, 2 * PAGE_SIZE));
}

static void replies_stay_within_the_callers_size(void **state)
{
	struct env *env = *state;
	struct iof_device *idev;
	struct fake_dev dev;
	struct iommu_hw_info info;
	struct {
		struct iommu_hwpt_alloc cmd;
	} hwpt;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);

	memset(&info, 0xa5, sizeof(info));
	info.size = 32;
	info.flags = 0;
	info.dev_id = iof_device_id(idev);
	info.data_len = 0;
	memset(info.__reserved, 0, sizeof(info.__reserved));
	assert_ok(env_ioctl(env->fd, IOMMU_GET_HW_INFO, &info));
	assert_true(info.out_capabilities == 0xa5a5a5a5a5a5a5a5ull);
	assert_int_equal(info.data_len, sizeof(struct iommu_hw_info_vtd));

	/* The oldest HWPT_ALLOC: the missing tail counts as zero, whatever memory is behind it. */
	memset(&hwpt, 0xff, sizeof(hwpt));
	hwpt.cmd.size = 24;
	hwpt.cmd.flags = 0;
	hwpt.cmd.dev_id = iof_device_id(idev);
	hwpt.cmd.pt_id = env_ioas(env->fd);
	hwpt.cmd.__reserved = 0;
	assert_ok(env_ioctl(env->fd, IOMMU_HWPT_ALLOC, &hwpt));
	assert_ok(env_destroy(env->fd, hwpt.cmd.out_hwpt_id));
	assert_int_equal(hwpt.cmd.fault_id, 0xffffffff);

	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void commands_that_do_not_exist(void **state)
{
	struct env *env = *state;
	union buf buf = { .size = sizeof(buf) };
	unsigned int nr;

	/*
	 * b28, g1: the command is not served. Its number is inside the range, so that the size is
	 * read first.
	 */
	assert_err(env_ioctl(env->fd, IOMMU_IOAS_CHANGE_PROCESS, &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, IOMMU_VIOMMU_ALLOC, &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, IOMMU_VDEVICE_ALLOC, &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, IOMMU_VEVENTQ_ALLOC, &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, IOMMU_HW_QUEUE_ALLOC, &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, IOMMU_VIOMMU_ALLOC, NULL), EFAULT);
	/* The number has other direction or size bits, or another type. */
	assert_err(env_ioctl(env->fd, _IOWR(';', 0x81, u32), &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, _IO('x', 0x81), &buf), ENOTTY);
	assert_err(env_ioctl(env->fd, _IO('x', 0x81), NULL), EFAULT);
	/* Outside the range the struct is not read, unless the command is one of VFIO's. */
	for (nr = 0; nr < 0x80; nr++)
		if (!(nr >= 0x64 && nr <= 0x66) && !(nr >= 0x70 && nr <= 0x72))
			assert_err(env_ioctl(env->fd, _IO(';', nr), NULL), ENOTTY);
	for (nr = 0x96; nr < 0x100; nr++)
		assert_err(env_ioctl(env->fd, _IO(';', nr), NULL), ENOTTY);
}

static int echo_ioctl(struct iof_ucmd *ucmd)
{
	struct iof_ctx_node *node = iof_ctx_node(iof_ucmd_ctx(ucmd));
	u32 *op = (u32 *)iof_ucmd_cmd(ucmd) + 1;

	if (!node || *op != 7)
		return -EOPNOTSUPP;
	*op = 8;
	return iof_ucmd_respond(ucmd, 8);
}

static void test_command_only_where_the_node_has_it(void **state)
{
	static const struct iof_test_ops ops = { .ioctl = echo_ioctl };
	struct iof_ctx_node data = { .test_ops = &ops };
	struct env *env = *state;
	struct iof_plat_node *node;
	union buf buf = { .size = 68 };
	u32 *op = &buf.size + 1;
	int fd;

	assert_err(env_ioctl(env->fd, _IO(';', 0xa0), &buf), ENOTTY);
	assert_null(iof_ctx_node(env->ctx));

	node = iof_plat_add_node(env->space, "with-test", &iof_ctx_fops, &data);
	assert_false(IS_ERR_OR_NULL(node));
	fd = iof_sys_open(env->space, "/dev/with-test", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(atomic_read(&data.contexts), 1);
	assert_err(env_ioctl(fd, _IO(';', 0xa0), &buf), EOPNOTSUPP);
	*op = 7;
	assert_ok(env_ioctl(fd, _IO(';', 0xa0), &buf));
	assert_int_equal(*op, 8);
	buf.size = 67;
	assert_err(env_ioctl(fd, _IO(';', 0xa0), &buf), EINVAL);
	assert_err(env_ioctl(fd, _IO(';', 0x9f), &buf), ENOTTY);
	assert_err(env_ioctl(fd, _IO(';', 0xa1), NULL), ENOTTY);
	env_close(fd);
	assert_int_equal(atomic_read(&data.contexts), 0);
	iof_plat_remove_node(node);
}

static void no_read_write_or_seek(void **state)
{
	struct env *env = *state;
	char byte = 0;

	assert_err(iof_sys_read(env->fd, &byte, 1), EINVAL);
	assert_err(iof_sys_write(env->fd, &byte, 1), EINVAL);
}

static void descriptors_of_something_else(void **state)
{
	struct env *env = *state;
	int fault_fd;
	u32 queue;

	assert_ok(env_queue(env->fd, &queue, &fault_fd));
	assert_err(PTR_ERR(iof_ctx_from_fd(fault_fd)), EBADFD);
	assert_err(PTR_ERR(iof_ctx_from_fd(-1)), EBADF);
	assert_err(PTR_ERR(iof_ctx_from_fd(1 << 20)), EBADF);
	env_close(fault_fd);
}

/* ---- OPTION ---- */

static int option(int fd, u32 id, u16 op, u32 object, u64 *val)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = id,
		.op = op,
		.object_id = object,
		.val64 = *val,
	};
	int rc = env_ioctl(fd, IOMMU_OPTION, &cmd);

	*val = cmd.val64;
	return rc;
}

static void b26_rlimit_mode(void **state)
{
	struct env *env = *state;
	struct iommu_option bad = { .size = sizeof(bad), .__reserved = 1 };
	u64 val = 7;
	int ioas;

	iof_shim_set_capable(CAP_SYS_RESOURCE, 1);
	assert_ok(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &val));
	assert_int_equal(val, 0);
	val = 1;
	assert_err(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 5, &val),
		   EOPNOTSUPP);
	assert_err(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, 2, 0, &val), EOPNOTSUPP);
	assert_err(option(env->fd, 2, IOMMU_OPTION_OP_GET, 0, &val), EOPNOTSUPP);
	assert_err(env_ioctl(env->fd, IOMMU_OPTION, &bad), EOPNOTSUPP);
	val = 2;
	assert_err(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val), EINVAL);
	val = 1;
	assert_ok(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val));
	val = 7;
	assert_ok(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_GET, 0, &val));
	assert_int_equal(val, 1);

	ioas = env_ioas(env->fd);
	val = 0;
	assert_err(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val), EBUSY);
	iof_shim_set_capable(CAP_SYS_RESOURCE, 0);
	assert_err(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val), EPERM);
	assert_ok(env_destroy(env->fd, ioas));
	assert_err(option(env->fd, IOMMU_OPTION_RLIMIT_MODE, IOMMU_OPTION_OP_SET, 0, &val), EPERM);
	iof_shim_set_capable(CAP_SYS_RESOURCE, -1);
}

/* ---- GET_HW_INFO ---- */

static int hw_info(int fd, u32 flags, u32 dev, void *buf, u32 len, u32 type,
		   struct iommu_hw_info *cmd)
{
	*cmd = (struct iommu_hw_info){
		.size = sizeof(*cmd),
		.flags = flags,
		.dev_id = dev,
		.data_len = len,
		.data_uptr = (uintptr_t)buf,
		.in_data_type = type,
	};
	return env_ioctl(fd, IOMMU_GET_HW_INFO, cmd);
}

static void hw_info_is_copied_cut_and_extended(void **state)
{
	struct env *env = *state;
	struct iof_device *idev;
	struct fake_dev dev;
	struct iommu_hw_info cmd;
	struct {
		struct iommu_hw_info_vtd info;
		unsigned char rest[8], guard[8];
	} buf;
	u32 id, i;

	fake_dev_add(&dev, "fake", 4, 16, NULL);
	idev = env_bind(env, &dev);
	id = iof_device_id(idev);

	assert_ok(hw_info(env->fd, 0, id, NULL, 0, 0, &cmd));
	assert_int_equal(cmd.data_len, sizeof(buf.info));
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_INTEL_VTD);
	assert_int_equal(cmd.out_max_pasid_log2, 4);
	assert_true(cmd.out_capabilities == IOMMU_HW_CAP_DIRTY_TRACKING);

	memset(&buf, 0xa5, sizeof(buf));
	assert_ok(hw_info(env->fd, 0, id, &buf, sizeof(buf.info) + 8, 0, &cmd));
	assert_int_equal(cmd.data_len, sizeof(buf.info));
	assert_int_equal(buf.info.cap_reg, 0x1234);
	assert_int_equal(buf.info.ecap_reg, 0x5678);
	for (i = 0; i < 8; i++) {
		assert_int_equal(buf.rest[i], 0);
		assert_int_equal(buf.guard[i], 0xa5);
	}
	memset(&buf, 0xa5, sizeof(buf));
	assert_ok(hw_info(env->fd, 0, id, &buf, 16, 0, &cmd));
	assert_int_equal(cmd.data_len, sizeof(buf.info));
	assert_int_equal(buf.info.cap_reg, 0x1234);
	assert_true(buf.info.ecap_reg == 0xa5a5a5a5a5a5a5a5ull);

	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void hw_info_refusals(void **state)
{
	struct env *env = *state;
	struct iof_device *idev;
	struct fake_dev dev;
	struct iommu_hw_info cmd;
	u32 id;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);
	id = iof_device_id(idev);

	assert_err(hw_info(env->fd, 2, id, NULL, 0, 0, &cmd), EOPNOTSUPP);
	assert_err(hw_info(env->fd, 0, id + 1, NULL, 0, 0, &cmd), ENOENT);
	assert_err(hw_info(env->fd, 0, id, NULL, 8, 0, &cmd), EFAULT);
	/* The type counts only with its flag. */
	assert_ok(hw_info(env->fd, 0, id, NULL, 0, 77, &cmd));
	assert_err(hw_info(env->fd, IOMMU_HW_INFO_FLAG_INPUT_TYPE, id, NULL, 0, 77, &cmd),
		   EOPNOTSUPP);
	assert_ok(hw_info(env->fd, IOMMU_HW_INFO_FLAG_INPUT_TYPE, id, NULL, 0,
			  IOMMU_HW_INFO_TYPE_INTEL_VTD, &cmd));
	assert_ok(hw_info(env->fd, IOMMU_HW_INFO_FLAG_INPUT_TYPE, id, NULL, 0,
			  IOMMU_HW_INFO_TYPE_DEFAULT, &cmd));
	assert_int_equal(cmd.out_data_type, IOMMU_HW_INFO_TYPE_INTEL_VTD);
	assert_int_equal(cmd.out_max_pasid_log2, 0);
	cmd.__reserved[1] = 1;
	assert_err(env_ioctl(env->fd, IOMMU_GET_HW_INFO, &cmd), EOPNOTSUPP);

	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(size_below_the_minimum),
		TEST(unknown_tail_must_be_zero),
		TEST(unreadable_structs),
		TEST(replies_stay_within_the_callers_size),
		TEST(commands_that_do_not_exist),
		TEST(test_command_only_where_the_node_has_it),
		TEST(no_read_write_or_seek),
		TEST(descriptors_of_something_else),
		TEST(b26_rlimit_mode),
		TEST(hw_info_is_copied_cut_and_extended),
		TEST(hw_info_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
