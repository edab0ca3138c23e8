// SPDX-License-Identifier: MIT
/*
 * hwpt.c - proves the rules of hardware page tables: section (c) of docs/behaviour.md, by number,
 * as Linux 7.2 has them. Also proves the rules of section (e) on which HWPTs may have a fault
 * queue.
 */
#include "env.h"

#define PARENT IOMMU_HWPT_ALLOC_NEST_PARENT
#define DIRTY  IOMMU_HWPT_ALLOC_DIRTY_TRACKING
#define FAULT  IOMMU_HWPT_FAULT_ID_VALID
#define PASID  IOMMU_HWPT_ALLOC_PASID

/* Objects that most tests here start from. */
struct fixture {
	struct env *env;
	int fd;
	struct fake_dev dev;
	struct iof_device *idev;
	u32 dev_id, ioas, queue;
	int fault_fd;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *env;

	if (!f || env_setup(&env))
		return -1;
	f->env = env;
	f->fd = f->env->fd;
	fake_dev_add(&f->dev, "fake", 8, 16, NULL);
	f->idev = env_bind(f->env, &f->dev);
	f->dev_id = iof_device_id(f->idev);
	f->ioas = env_ioas(f->fd);
	if (env_queue(f->fd, &f->queue, &f->fault_fd))
		return -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *env = f->env;

	iof_device_unbind(f->idev);
	if (iof_sys_close(f->fault_fd) || iof_sys_close(f->fd))
		return -1;
	f->env->fd = -1;
	fake_dev_remove(&f->dev);
	free(f);
	return env_teardown(&env);
}

static int alloc(struct fixture *f, struct iommu_hwpt_alloc cmd)
{
	int rc;

	cmd.size = sizeof(cmd);
	if (!cmd.dev_id)
		cmd.dev_id = f->dev_id;
	rc = env_ioctl(f->fd, IOMMU_HWPT_ALLOC, &cmd);
	return rc ?: (int)cmd.out_hwpt_id;
}

static void c1_arguments(void **state)
{
	struct fixture *f = *state;
	u64 data = 0;

	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->ioas, .__reserved = 1 }),
		   EOPNOTSUPP);
	assert_id(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->ioas, .__reserved2 = 1 }));
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->ioas,
						       .data_type = IOMMU_HWPT_DATA_NONE,
						       .data_len = 8,
						       .data_uptr = (uintptr_t)&data }),
		   EINVAL);
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->ioas,
						       .data_type = IOMMU_HWPT_DATA_VTD_S1 }),
		   EINVAL);
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .dev_id = f->ioas, .pt_id = f->ioas }),
		   ENOENT);
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .dev_id = 99, .pt_id = f->ioas }), ENOENT);
	/* A bad pt_id gives EINVAL, whether the id is unknown or of another type. */
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = 99 }), EINVAL);
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = 0 }), EINVAL);
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->dev_id }), EINVAL);
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->queue }), EINVAL);
}

static void c2_unknown_flags_and_data(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_vtd_s1 s1 = { .addr_width = 48 };

	assert_err(env_hwpt(f->fd, f->dev_id, f->ioas, 1 << 4), EOPNOTSUPP);
	assert_err(env_hwpt(f->fd, f->dev_id, f->ioas, 1u << 31), EOPNOTSUPP);
	/* The fake driver takes no data for paging domains. */
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .pt_id = f->ioas,
						       .data_type = IOMMU_HWPT_DATA_VTD_S1,
						       .data_len = sizeof(s1),
						       .data_uptr = (uintptr_t)&s1 }),
		   EOPNOTSUPP);
}

static void c3_dirty_tracking_needs_the_capability(void **state)
{
	struct fixture *f = *state;

	assert_id(env_hwpt(f->fd, f->dev_id, f->ioas, DIRTY));
	assert_id(env_hwpt(f->fd, f->dev_id, f->ioas, DIRTY | PARENT));
	f->dev.no_dirty_tracking = true;
	assert_err(env_hwpt(f->fd, f->dev_id, f->ioas, DIRTY), EOPNOTSUPP);
}

static void c4_which_paging_hwpts_carry_a_queue(void **state)
{
	struct fixture *f = *state;
	int id;

	id = env_hwpt_fault(f->fd, f->dev_id, f->ioas, FAULT, f->queue);
	assert_id(id);
	assert_true(env_domain(f->env, id)->fault_capable);
	assert_id(env_hwpt_fault(f->fd, f->dev_id, f->ioas, FAULT | DIRTY, f->queue));
	assert_id(env_hwpt_fault(f->fd, f->dev_id, f->ioas, FAULT | PASID, f->queue));
	assert_err(env_hwpt_fault(f->fd, f->dev_id, f->ioas, FAULT | PARENT, f->queue), EOPNOTSUPP);
	id = env_hwpt(f->fd, f->dev_id, f->ioas, PASID);
	assert_id(id);
	assert_false(env_domain(f->env, id)->fault_capable);
	/* The driver never sees the flag that the core handles. */
	assert_int_equal(to_fake_domain(env_domain(f->env, id))->flags, PASID);
}

static void c6_alloc_fills_and_does_not_attach(void **state)
{
	struct fixture *f = *state;
	void *page = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct iof_domain *domain;
	int id, i;

	assert_ok(env_map(f->fd, f->ioas, page, 4 * PAGE_SIZE, 0x10000));
	assert_int_equal(iof_shim_pin_count(page), 0);
	id = env_hwpt(f->fd, f->dev_id, f->ioas, 0);
	assert_id(id);
	assert_int_equal(fake_nr_calls(&f->dev), 0);
	domain = env_domain(f->env, id);
	for (i = 0; i < 4; i++)
		assert_true(domain->ops->iova_to_phys(domain, 0x10000 + i * PAGE_SIZE) !=
			    (phys_addr_t)-1);
	assert_true(domain->ops->iova_to_phys(domain, 0x14000) == (phys_addr_t)-1);
	assert_int_equal(iof_shim_pin_count(page), 1);
	assert_ok(env_destroy(f->fd, id));
	assert_int_equal(iof_shim_pin_count(page), 0);
	assert_ok(munmap(page, 4 * PAGE_SIZE));
}

static void c6_errors_of_filling(void **state)
{
	struct fixture *f = *state;
	void *page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static unsigned char memory[4096] __aligned(4096);
	u32 other = env_ioas(f->fd);

	assert_ok(munmap(page, PAGE_SIZE));
	assert_ok(env_map(f->fd, f->ioas, page, PAGE_SIZE, 0x10000));
	assert_err(env_hwpt(f->fd, f->dev_id, f->ioas, 0), EFAULT);
	assert_err(env_attach(f->idev, IOF_NO_PASID, f->ioas), EFAULT);
	assert_false(iof_device_attached(f->idev, IOF_NO_PASID));
	/* The address is beyond the aperture of the fake driver. */
	assert_ok(env_map(f->fd, other, memory, PAGE_SIZE, 1ull << 52));
	assert_err(env_hwpt(f->fd, f->dev_id, other, 0), EADDRINUSE);
	assert_int_equal(fake_live_domains(), 0);
}

static void c8_attach_to_an_ioas_tries_automatic_hwpts_in_order(void **state)
{
	struct fixture *f = *state;
	struct iof_device *b, *c, *d;
	struct fake_dev dev_b, dev_c, dev_d;
	int first, second;

	fake_dev_add(&dev_b, "b", 1, 0, NULL);
	fake_dev_add(&dev_c, "c", 1, 0, NULL);
	fake_dev_add(&dev_d, "d", 1, 0, NULL);
	dev_b.tag = 1;
	dev_c.tag = 1;
	b = env_bind(f->env, &dev_b);
	c = env_bind(f->env, &dev_c);
	d = env_bind(f->env, &dev_d);

	/* An attach to the IOAS never chooses a manual HWPT (c9). */
	assert_id(env_hwpt(f->fd, f->dev_id, f->ioas, 0));
	first = env_attach(f->idev, IOF_NO_PASID, f->ioas);
	assert_id(first);
	/*
	 * The first automatic HWPT does not fit (EINVAL), so that a second one is made. That
	 * happens without the lock; so the first is tried again before it. The next device finds
	 * the second one.
	 */
	second = env_attach(b, IOF_NO_PASID, f->ioas);
	assert_id(second);
	assert_int_not_equal(first, second);
	assert_int_equal(fake_nr_calls(&dev_b), 3);
	assert_int_equal(fake_call(&dev_b, 0).rc, -EINVAL);
	assert_int_equal(fake_call(&dev_b, 1).rc, -EINVAL);
	assert_int_equal(fake_call(&dev_b, 2).rc, 0);
	assert_int_equal(env_attach(c, IOF_NO_PASID, f->ioas), second);
	/* An error other than EINVAL ends the search. */
	dev_d.fail_nth = 1;
	dev_d.fail_errno = -ENOMEM;
	assert_err(env_attach(d, IOF_NO_PASID, f->ioas), ENOMEM);
	assert_int_equal(fake_nr_calls(&dev_d), 1);
	assert_int_equal(env_attach(d, IOF_NO_PASID, f->ioas), first);

	/* c9: automatic HWPTs end with their last attachment. */
	iof_device_detach(b, IOF_NO_PASID);
	assert_err(env_destroy(f->fd, second), EBUSY);
	iof_device_detach(c, IOF_NO_PASID);
	assert_err(env_destroy(f->fd, second), ENOENT);
	iof_device_detach(f->idev, IOF_NO_PASID);
	iof_device_detach(d, IOF_NO_PASID);
	assert_err(env_destroy(f->fd, first), ENOENT);
	assert_int_equal(fake_live_domains(), 1);

	iof_device_unbind(b);
	iof_device_unbind(c);
	iof_device_unbind(d);
	fake_dev_remove(&dev_b);
	fake_dev_remove(&dev_c);
	fake_dev_remove(&dev_d);
}

static void c9_automatic_hwpts_are_no_parents(void **state)
{
	struct fixture *f = *state;
	int id = env_attach(f->idev, IOF_NO_PASID, f->ioas);

	assert_id(id);
	assert_false(env_domain(f->env, id)->fault_capable);
	assert_err(env_nested(f->fd, f->dev_id, id, 0, 0), EINVAL);
	iof_device_detach(f->idev, IOF_NO_PASID);
}

static void c9_automatic_hwpt_can_be_attached_by_id(void **state)
{
	struct fixture *f = *state;
	struct iof_device *b;
	struct fake_dev dev_b;
	int id = env_attach(f->idev, IOF_NO_PASID, f->ioas);

	fake_dev_add(&dev_b, "b", 1, 0, NULL);
	b = env_bind(f->env, &dev_b);
	assert_int_equal(env_attach(b, IOF_NO_PASID, id), id);
	iof_device_detach(f->idev, IOF_NO_PASID);
	assert_err(env_destroy(f->fd, id), EBUSY);
	/* A failed attach by id does not end the HWPT either. */
	f->dev.fail_nth = 1;
	f->dev.fail_errno = -ENOMEM;
	assert_err(env_attach(f->idev, IOF_NO_PASID, id), ENOMEM);
	iof_device_detach(b, IOF_NO_PASID);
	assert_err(env_attach(b, IOF_NO_PASID, id), ENOENT);
	iof_device_unbind(b);
	fake_dev_remove(&dev_b);
}

static void c11_nested(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_vtd_s1 s1 = { .addr_width = 48 };
	int parent = env_hwpt(f->fd, f->dev_id, f->ioas, PARENT);
	int plain = env_hwpt(f->fd, f->dev_id, f->ioas, 0);
	struct iommu_hwpt_alloc cmd = {
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
	};
	struct iof_device *other;
	struct fake_dev dev;
	int id;

	id = alloc(f, cmd);
	assert_id(id);
	assert_ptr_equal(to_fake_domain(env_domain(f->env, id))->parent,
			 env_domain(f->env, parent));
	/* A nested HWPT needs a parent: neither a plain paging HWPT nor a nested one will do. */
	assert_err(env_nested(f->fd, f->dev_id, plain, 0, 0), EINVAL);
	assert_err(env_nested(f->fd, f->dev_id, id, 0, 0), EINVAL);
	/* The allocation has no data. */
	assert_err(env_hwpt(f->fd, f->dev_id, parent, 0), EOPNOTSUPP);
	/* The flags are not valid. */
	assert_err(env_nested(f->fd, f->dev_id, parent, PARENT, 0), EOPNOTSUPP);
	assert_err(env_nested(f->fd, f->dev_id, parent, DIRTY, 0), EOPNOTSUPP);
	assert_id(env_nested(f->fd, f->dev_id, parent, PASID, 0));
	assert_id(env_nested(f->fd, f->dev_id, parent, PASID, f->queue));
	/* The data have another type, a wrong length, a wrong content, or cannot be read. */
	cmd.data_type = 0xdead;
	assert_err(alloc(f, cmd), EOPNOTSUPP);
	cmd.data_type = IOMMU_HWPT_DATA_VTD_S1;
	cmd.data_len = sizeof(s1) - 1;
	assert_err(alloc(f, cmd), EINVAL);
	cmd.data_len = sizeof(s1) + 8;
	assert_err(alloc(f, cmd), EINVAL);
	cmd.data_len = sizeof(s1);
	s1.__reserved = 1;
	assert_err(alloc(f, cmd), EINVAL);
	cmd.data_uptr = 0;
	assert_err(alloc(f, cmd), EFAULT);
	/* Adds a device of another driver. */
	fake_dev_init(&dev, "other", 1);
	dev.hw.ops = &fake_other_driver_ops;
	assert_ok(iof_hwdev_register(&dev.hw, NULL));
	other = env_bind(f->env, &dev);
	assert_err(env_nested(f->fd, iof_device_id(other), parent, 0, 0), EINVAL);
	iof_device_unbind(other);
	fake_dev_remove(&dev);
}

/* The driver finds that the program took the data away after the core had copied it. */
static void data_that_went_away_is_read_again(void **state)
{
	struct fixture *f = *state;
	int parent = env_hwpt(f->fd, f->dev_id, f->ioas, PARENT);

	f->dev.absent_data = 3;
	assert_id(env_nested(f->fd, f->dev_id, parent, 0, 0));
	assert_int_equal(f->dev.absent_data, 0);
	f->dev.absent_data = 1000;
	assert_err(env_nested(f->fd, f->dev_id, parent, 0, 0), EFAULT);
	assert_true(f->dev.absent_data > 900);
	f->dev.absent_data = 0;
}

static void c13_fault_id_is_looked_up_last(void **state)
{
	struct fixture *f = *state;
	int parent = env_hwpt(f->fd, f->dev_id, f->ioas, PARENT);
	struct iommu_hwpt_vtd_s1 s1 = { .__reserved = 1 };
	int live = fake_live_domains();

	assert_err(env_nested(f->fd, f->dev_id, parent, FAULT, 99), ENOENT);
	assert_err(env_nested(f->fd, f->dev_id, parent, FAULT, f->ioas), ENOENT);
	assert_err(env_hwpt_fault(f->fd, f->dev_id, f->ioas, FAULT, 0), ENOENT);
	/* The error of the content comes first. */
	assert_err(alloc(f, (struct iommu_hwpt_alloc){ .flags = FAULT,
						       .pt_id = parent,
						       .data_type = IOMMU_HWPT_DATA_VTD_S1,
						       .data_len = sizeof(s1),
						       .data_uptr = (uintptr_t)&s1,
						       .fault_id = 99 }),
		   EINVAL);
	assert_int_equal(fake_live_domains(), live);
	/* Without the flag the field is ignored. */
	assert_id(env_hwpt_fault(f->fd, f->dev_id, f->ioas, 0, 99));
}

static int invalidate(struct fixture *f, u32 id, u32 type, void *entries, u32 len, u32 *num)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = id,
		.data_uptr = (uintptr_t)entries,
		.data_type = type,
		.entry_len = len,
		.entry_num = *num,
	};
	int rc = env_ioctl(f->fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*num = cmd.entry_num;
	return rc;
}

static void c15_invalidate(void **state)
{
	struct fixture *f = *state;
	struct iommu_hwpt_vtd_s1_invalidate e[4] = { { .addr = 0 } };
	const u32 type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1, len = sizeof(e[0]);
	int parent = env_hwpt(f->fd, f->dev_id, f->ioas, PARENT);
	int nested = env_nested(f->fd, f->dev_id, parent, 0, 0);
	struct iommu_hwpt_invalidate bad = {
		.size = sizeof(bad),
		.hwpt_id = nested,
		.entry_num = 5,
		.__reserved = 1,
	};
	struct {
		struct iommu_hwpt_vtd_s1_invalidate e;
		u64 tail;
	} longer = { .tail = 0 };
	u32 num;

	num = 4;
	assert_ok(invalidate(f, nested, type, e, len, &num));
	assert_int_equal(num, 4);
	assert_int_equal(atomic_read(&to_fake_domain(env_domain(f->env, nested))->invalidated), 4);
	/* The entries are executed in order until one fails; the count tells how many were done. */
	e[2].addr = 1;
	assert_err(invalidate(f, nested, type, e, len, &num), EINVAL);
	assert_int_equal(num, 2);
	e[2].addr = 0;
	/* No entries: a probe of the type. */
	num = 0;
	assert_ok(invalidate(f, nested, type, NULL, 0, &num));
	assert_err(invalidate(f, nested, 1, NULL, 0, &num), EINVAL);
	/* Checks the limits. The count is 0 whichever check failed. */
	num = 1;
	assert_err(invalidate(f, nested, type, NULL, len, &num), EINVAL);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f, nested, type, e, 0, &num), EINVAL);
	num = 1;
	assert_err(invalidate(f, nested, type, e, PAGE_SIZE + 1, &num), EINVAL);
	num = (1 << 19) + 1;
	assert_err(invalidate(f, nested, type, e, len, &num), EINVAL);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f, nested, type, (void *)8, len, &num), EFAULT);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f, nested, 77, e, len, &num), EINVAL);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f, nested, type, e, len - 1, &num), EINVAL);
	num = 1;
	assert_ok(invalidate(f, nested, type, &longer, sizeof(longer), &num));
	longer.tail = 1;
	assert_err(invalidate(f, nested, type, &longer, sizeof(longer), &num), E2BIG);
	/* Checks the object's id. */
	num = 1;
	assert_err(invalidate(f, 99, type, e, len, &num), ENOENT);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f, parent, type, e, len, &num), EINVAL);
	assert_int_equal(num, 0);
	num = 1;
	assert_err(invalidate(f, f->ioas, type, e, len, &num), EINVAL);
	assert_err(env_ioctl(f->fd, IOMMU_HWPT_INVALIDATE, &bad), EOPNOTSUPP);
	assert_int_equal(bad.entry_num, 0);
	/* A struct that the size rules refuse is left as it was. */
	bad.size = 31;
	bad.entry_num = 5;
	assert_err(env_ioctl(f->fd, IOMMU_HWPT_INVALIDATE, &bad), EINVAL);
	assert_int_equal(bad.entry_num, 5);
	/* c12: this driver has no invalidation. */
	f->dev.no_nested_invalidate = true;
	nested = env_nested(f->fd, f->dev_id, parent, 0, 0);
	assert_id(nested);
	num = 1;
	assert_err(invalidate(f, nested, type, e, len, &num), EOPNOTSUPP);
	assert_int_equal(num, 0);
}

static void c14_nested_holds_parent_and_queue(void **state)
{
	struct fixture *f = *state;
	int parent = env_hwpt(f->fd, f->dev_id, f->ioas, PARENT);
	int nested = env_nested(f->fd, f->dev_id, parent, 0, f->queue);

	assert_id(nested);
	assert_err(env_destroy(f->fd, parent), EBUSY);
	assert_err(env_destroy(f->fd, f->queue), EBUSY);
	assert_err(env_destroy(f->fd, f->ioas), EBUSY);
	assert_ok(env_destroy(f->fd, nested));
	assert_ok(env_destroy(f->fd, parent));
	assert_ok(env_destroy(f->fd, f->ioas));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(c1_arguments),
		TEST(c2_unknown_flags_and_data),
		TEST(c3_dirty_tracking_needs_the_capability),
		TEST(c4_which_paging_hwpts_carry_a_queue),
		TEST(c6_alloc_fills_and_does_not_attach),
		TEST(c6_errors_of_filling),
		TEST(c8_attach_to_an_ioas_tries_automatic_hwpts_in_order),
		TEST(c9_automatic_hwpts_are_no_parents),
		TEST(c9_automatic_hwpt_can_be_attached_by_id),
		TEST(c11_nested),
		TEST(data_that_went_away_is_read_again),
		TEST(c13_fault_id_is_looked_up_last),
		TEST(c14_nested_holds_parent_and_queue),
		TEST(c15_invalidate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
