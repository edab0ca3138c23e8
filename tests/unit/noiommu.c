// SPDX-License-Identifier: MIT
/*
 * noiommu.c - proves the rules of devices without IOMMU: section (i) of docs/behaviour.md, by
 * number. The driver is the fake one; abi/noiommu has DMA.
 */
#include "env.h"

#include <unistd.h>

#define IOVA 0x10000000ul

struct fixture {
	struct env *env;
	int fd;
	struct fake_dev dev;   /* without IOMMU */
	struct fake_dev other; /* behind one */
	struct iof_device *idev, *other_idev;
	u32 dev_id, other_id, ioas;
	char *memory; /* 4 pages */
};

static void add_no_iommu(struct fake_dev *dev, const char *name)
{
	fake_dev_init(dev, name, 4);
	dev->hw.ops = &fake_no_iommu_ops;
	dev->not_coherent = true;
	assert_ok(iof_hwdev_register(&dev->hw, NULL));
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *env;

	if (!f || env_setup(&env))
		return -1;
	iof_shim_set_capable(CAP_SYS_RAWIO, 1);
	f->env = env;
	f->fd = f->env->fd;
	add_no_iommu(&f->dev, "bare");
	fake_dev_add(&f->other, "fake", 4, 16, NULL);
	f->idev = env_bind(f->env, &f->dev);
	f->other_idev = env_bind(f->env, &f->other);
	f->dev_id = iof_device_id(f->idev);
	f->other_id = iof_device_id(f->other_idev);
	f->ioas = env_ioas(f->fd);
	f->memory = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	*state = f;
	return f->memory == MAP_FAILED;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *env = f->env;

	iof_device_detach(f->idev, IOF_NO_PASID);
	iof_device_detach(f->other_idev, IOF_NO_PASID);
	iof_device_unbind(f->idev);
	iof_device_unbind(f->other_idev);
	if (iof_sys_close(f->fd))
		return -1;
	f->env->fd = -1;
	fake_dev_remove(&f->dev);
	fake_dev_remove(&f->other);
	munmap(f->memory, 4 * PAGE_SIZE);
	free(f);
	iof_shim_set_capable(CAP_SYS_RAWIO, -1);
	return env_teardown(&env);
}

static struct iommu_ioas_noiommu_get_pa ask(const struct fixture *f, u64 iova, u64 length)
{
	return (struct iommu_ioas_noiommu_get_pa){
		.size = sizeof(struct iommu_ioas_noiommu_get_pa),
		.ioas_id = f->ioas,
		.iova = iova,
		.length = length,
	};
}

static int get_pa(struct fixture *f, struct iommu_ioas_noiommu_get_pa *cmd)
{
	return env_ioctl(f->fd, IOMMU_IOAS_NOIOMMU_GET_PA, cmd);
}

static int get_pa_at(struct fixture *f, u64 iova, u64 length)
{
	struct iommu_ioas_noiommu_get_pa cmd = ask(f, iova, length);

	return get_pa(f, &cmd);
}

/* The address that the driver got for the page at @iova. */
static u64 mapped_to(struct fixture *f, u64 iova)
{
	struct iof_domain *domain = fake_now(&f->dev, IOF_NO_PASID);

	return domain->ops->iova_to_phys(domain, iova);
}

static void i1_bind_needs_a_capability_and_no_coherency(void **state)
{
	struct fixture *f = *state;
	struct iof_device *idev;

	iof_device_unbind(f->idev);
	iof_shim_set_capable(CAP_SYS_RAWIO, 0);
	idev = iof_device_bind(f->env->ctx, &f->dev.hw, false);
	assert_err(PTR_ERR(idev), EPERM);
	iof_shim_set_capable(CAP_SYS_RAWIO, 1);
	f->idev = env_bind(f->env, &f->dev);
}

static void i2_hwpts_are_paging_without_flags_and_data(void **state)
{
	static const u32 flags[] = {
		IOMMU_HWPT_ALLOC_NEST_PARENT,
		IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		IOMMU_HWPT_FAULT_ID_VALID,
		IOMMU_HWPT_ALLOC_PASID,
		1u << 31,
	};
	struct fixture *f = *state;
	struct iommu_hwpt_vtd_s1 s1 = { .addr_width = 48 };
	struct iommu_hwpt_alloc data = {
		.size = sizeof(data),
		.dev_id = f->dev_id,
		.pt_id = f->ioas,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
	};
	int hwpt, parent;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		assert_err(env_hwpt(f->fd, f->dev_id, f->ioas, flags[i]), EOPNOTSUPP);
	assert_err(env_ioctl(f->fd, IOMMU_HWPT_ALLOC, &data), EOPNOTSUPP);
	hwpt = env_hwpt(f->fd, f->dev_id, f->ioas, 0);
	assert_id(hwpt);
	assert_int_equal(env_attach(f->idev, IOF_NO_PASID, (u32)hwpt), hwpt);

	/* HWPTs of a device with an IOMMU: EOPNOTSUPP with flags, EINVAL without. */
	parent = env_hwpt(f->fd, f->other_id, f->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(parent);
	assert_err(env_replace(f->idev, IOF_NO_PASID, (u32)parent), EOPNOTSUPP);
	i = (size_t)env_nested(f->fd, f->other_id, (u32)parent, 0, 0);
	assert_err(env_replace(f->idev, IOF_NO_PASID, (u32)i), EOPNOTSUPP);
	assert_ok(env_destroy(f->fd, (u32)i));
	assert_ok(env_destroy(f->fd, (u32)parent));
	parent = env_hwpt(f->fd, f->other_id, f->ioas, 0);
	assert_err(env_replace(f->idev, IOF_NO_PASID, (u32)parent), EINVAL);
	assert_err(env_attach(f->other_idev, IOF_NO_PASID, (u32)hwpt), EINVAL);
	assert_ok(env_destroy(f->fd, (u32)parent));
	assert_ptr_equal(fake_now(&f->dev, IOF_NO_PASID), env_domain(f->env, (u32)hwpt));
	iof_device_detach(f->idev, IOF_NO_PASID);
	assert_ok(env_destroy(f->fd, (u32)hwpt));
}

static void i3_i7_one_ioas_serves_both_kinds(void **state)
{
	struct fixture *f = *state;
	int mine, theirs;

	assert_ok(env_map(f->fd, f->ioas, f->memory, PAGE_SIZE, IOVA));
	theirs = env_attach(f->other_idev, IOF_NO_PASID, f->ioas);
	assert_id(theirs);
	/* An IOMMU's domain holds the page, and does not count. */
	assert_err(get_pa_at(f, IOVA, 1), EOPNOTSUPP);
	mine = env_attach(f->idev, IOF_NO_PASID, f->ioas);
	assert_id(mine);
	assert_int_not_equal(mine, theirs);
	assert_ok(get_pa_at(f, IOVA, 1));
	iof_device_detach(f->idev, IOF_NO_PASID);
	assert_err(get_pa_at(f, IOVA, 1), EOPNOTSUPP);
}

static void i4_no_pasids_no_sva_no_hardware_information(void **state)
{
	struct fixture *f = *state;
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = f->dev_id };

	assert_err(env_ioctl(f->fd, IOMMU_GET_HW_INFO, &info), EOPNOTSUPP);
	info.dev_id = 1000;
	assert_err(env_ioctl(f->fd, IOMMU_GET_HW_INFO, &info), ENOENT);
	assert_err(env_attach(f->idev, 1, f->ioas), EINVAL);
	assert_err(iof_device_sva_bind(f->idev, 1), EINVAL);
}

static void i5_physical_addresses(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_noiommu_get_pa cmd;

	assert_ok(env_map(f->fd, f->ioas, f->memory, 4 * PAGE_SIZE, IOVA));
	assert_id(env_attach(f->idev, IOF_NO_PASID, f->ioas));
	/* Private memory is contiguous in this world. */
	cmd = ask(f, IOVA, U64_MAX);
	assert_ok(get_pa(f, &cmd));
	assert_int_equal(cmd.length, 4 * PAGE_SIZE);
	assert_int_equal(cmd.out_phys, mapped_to(f, IOVA));
	cmd = ask(f, IOVA + PAGE_SIZE + 7, 100);
	assert_ok(get_pa(f, &cmd));
	assert_int_equal(cmd.length, 100);
	assert_int_equal(cmd.out_phys, mapped_to(f, IOVA + PAGE_SIZE) + 7);
	cmd = ask(f, IOVA + 4 * PAGE_SIZE - 1, PAGE_SIZE);
	assert_ok(get_pa(f, &cmd));
	assert_int_equal(cmd.length, 1);
	assert_int_equal(cmd.out_phys, mapped_to(f, IOVA + 3 * PAGE_SIZE) + PAGE_SIZE - 1);

	/* A later mapping is held, too; an unmapped one is not found. */
	assert_ok(env_map(f->fd, f->ioas, f->memory, PAGE_SIZE, 2 * IOVA));
	assert_ok(get_pa_at(f, 2 * IOVA, 1));
	assert_err(get_pa_at(f, IOVA - 1, 2), ENOENT);
	assert_err(get_pa_at(f, IOVA + 4 * PAGE_SIZE, 1), ENOENT);
}

/* Pages of a file in reverse order: no two of them are contiguous. */
static void i6_a_run_ends_where_memory_is_not_contiguous(void **state)
{
	struct fixture *f = *state;
	int file = memfd_create("pages", 0), i;
	struct iommu_ioas_noiommu_get_pa cmd;

	assert_true(file >= 0);
	assert_ok(ftruncate(file, 4 * PAGE_SIZE));
	/* Pages 2, 3, 1, 0 of the file. */
	assert_true(mmap(f->memory, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 file, 2 * PAGE_SIZE) != MAP_FAILED);
	for (i = 2; i < 4; i++)
		assert_true(mmap(f->memory + i * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, file,
				 (3 - i) * (off_t)PAGE_SIZE) != MAP_FAILED);
	close(file);
	assert_ok(env_map(f->fd, f->ioas, f->memory, 4 * PAGE_SIZE, IOVA));
	assert_id(env_attach(f->idev, IOF_NO_PASID, f->ioas));
	cmd = ask(f, IOVA + 8, U64_MAX);
	assert_ok(get_pa(f, &cmd));
	assert_int_equal(cmd.length, 2 * PAGE_SIZE - 8);
	for (i = 1; i < 4; i++) {
		cmd = ask(f, IOVA + i * PAGE_SIZE, 4 * PAGE_SIZE);
		assert_ok(get_pa(f, &cmd));
		assert_int_equal(cmd.length, PAGE_SIZE);
		assert_int_equal(cmd.out_phys, mapped_to(f, IOVA + i * PAGE_SIZE));
	}
}

/* A run over more pages than are looked at together. */
static void i6_long_runs(void **state)
{
	struct fixture *f = *state;
	const size_t size = (3 * IOF_PAGES_CHUNK + 5) * PAGE_SIZE;
	struct iommu_ioas_noiommu_get_pa cmd;
	char *memory;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_ok(env_map(f->fd, f->ioas, memory, size, IOVA));
	assert_id(env_attach(f->idev, IOF_NO_PASID, f->ioas));
	cmd = ask(f, IOVA + PAGE_SIZE, size);
	assert_ok(get_pa(f, &cmd));
	assert_int_equal(cmd.length, size - PAGE_SIZE);
	cmd = ask(f, IOVA + 1, IOF_PAGES_CHUNK * PAGE_SIZE);
	assert_ok(get_pa(f, &cmd));
	assert_int_equal(cmd.length, IOF_PAGES_CHUNK * PAGE_SIZE);
	iof_device_detach(f->idev, IOF_NO_PASID);
	munmap(memory, size);
}

static void errors_in_the_order_of_the_abi(void **state)
{
	struct fixture *f = *state;
	struct iommu_ioas_noiommu_get_pa cmd = ask(f, ULONG_MAX, 0);

	cmd.ioas_id = 1000;
	cmd.flags = 1;
	cmd.__reserved = 1;
	iof_shim_set_capable(CAP_SYS_RAWIO, 0);
	assert_err(get_pa(f, &cmd), EPERM);
	iof_shim_set_capable(CAP_SYS_RAWIO, 1);
	assert_err(get_pa(f, &cmd), EOPNOTSUPP);
	cmd.flags = 0;
	assert_err(get_pa(f, &cmd), EOPNOTSUPP);
	cmd.__reserved = 0;
	assert_err(get_pa(f, &cmd), EINVAL);
	cmd.length = 1;
	assert_err(get_pa(f, &cmd), EOVERFLOW);
	cmd.iova = ULONG_MAX - 1;
	assert_err(get_pa(f, &cmd), ENOENT);
	cmd.ioas_id = f->dev_id;
	assert_err(get_pa(f, &cmd), ENOENT);
	cmd.ioas_id = f->ioas;
	assert_err(get_pa(f, &cmd), ENOENT);
	assert_ok(env_map(f->fd, f->ioas, f->memory, PAGE_SIZE, IOVA));
	cmd.iova = IOVA;
	assert_err(get_pa(f, &cmd), EOPNOTSUPP);
	assert_id(env_attach(f->idev, IOF_NO_PASID, f->ioas));
	assert_ok(get_pa(f, &cmd));
	/* A failed call leaves the struct as it was. */
	cmd = ask(f, IOVA + PAGE_SIZE, 5);
	cmd.out_phys = 77;
	assert_err(get_pa(f, &cmd), ENOENT);
	assert_int_equal(cmd.length, 5);
	assert_int_equal(cmd.out_phys, 77);
}

static void such_a_device_has_no_group_pasids_or_regions(void **state)
{
	static const struct iof_resv_region region = { 0, 1 };
	const int panic = iof_shim_panic_on_warn;
	struct fixture *f = *state;
	struct fake_dev dev;

	iof_shim_panic_on_warn = 0;
	fake_dev_init(&dev, "odd", 4);
	dev.hw.ops = &fake_no_iommu_ops;
	assert_err(iof_hwdev_register(&dev.hw, &f->other.hw), EINVAL);
	dev.hw.max_pasids = 2;
	assert_err(iof_hwdev_register(&dev.hw, NULL), EINVAL);
	dev.hw.max_pasids = 0;
	dev.hw.resv = &region;
	dev.hw.nr_resv = 1;
	assert_err(iof_hwdev_register(&dev.hw, NULL), EINVAL);
	dev.hw.ops = &fake_driver_ops;
	assert_err(iof_hwdev_register(&dev.hw, &f->dev.hw), EINVAL);
	fake_dev_fini(&dev);
	iof_shim_panic_on_warn = panic;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(i1_bind_needs_a_capability_and_no_coherency, setup,
						teardown),
		cmocka_unit_test_setup_teardown(i2_hwpts_are_paging_without_flags_and_data, setup,
						teardown),
		cmocka_unit_test_setup_teardown(i3_i7_one_ioas_serves_both_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(i4_no_pasids_no_sva_no_hardware_information, setup,
						teardown),
		cmocka_unit_test_setup_teardown(i5_physical_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(i6_a_run_ends_where_memory_is_not_contiguous, setup,
						teardown),
		cmocka_unit_test_setup_teardown(i6_long_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_in_the_order_of_the_abi, setup, teardown),
		cmocka_unit_test_setup_teardown(such_a_device_has_no_group_pasids_or_regions, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
