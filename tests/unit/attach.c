// SPDX-License-Identifier: MIT
/*
 * attach.c - proves the rules of devices, groups and attachments: section (d) of docs/behaviour.md,
 * by number, as Linux 7.2 has them. Also proves the rules of section (e) on what detach and replace
 * do to open faults; and that a failed call leaves everything as it was.
 */
#include "env.h"

#define RID    IOF_NO_PASID
#define PARENT IOMMU_HWPT_ALLOC_NEST_PARENT
#define FAULT  IOMMU_HWPT_FAULT_ID_VALID
#define PASID  IOMMU_HWPT_ALLOC_PASID

/* A device with a group of its own, two devices that share a group, and a queue. */
struct fixture {
	struct env *env;
	int fd;
	struct fake_dev alone, one, two;
	struct iof_device *i_alone, *i_one, *i_two;
	u32 ioas, queue;
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
	fake_dev_add(&f->alone, "alone", 8, 16, NULL);
	fake_dev_add(&f->one, "one", 8, 16, NULL);
	fake_dev_add(&f->two, "two", 8, 8, &f->one);
	f->i_alone = env_bind(f->env, &f->alone);
	f->i_one = env_bind(f->env, &f->one);
	f->i_two = env_bind(f->env, &f->two);
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

	if (f->i_alone)
		iof_device_unbind(f->i_alone);
	if (f->i_one)
		iof_device_unbind(f->i_one);
	if (f->i_two)
		iof_device_unbind(f->i_two);
	if (iof_sys_close(f->fault_fd) || iof_sys_close(f->fd))
		return -1;
	f->env->fd = -1;
	fake_dev_remove(&f->alone);
	fake_dev_remove(&f->one);
	fake_dev_remove(&f->two);
	free(f);
	return env_teardown(&env);
}

static int hwpt(struct fixture *f, u32 flags)
{
	int id = env_hwpt_fault(f->fd, iof_device_id(f->i_alone), f->ioas, flags,
				flags & FAULT ? f->queue : 0);

	assert_id(id);
	return id;
}

static int nested(struct fixture *f, u32 flags, u32 queue)
{
	int id = env_nested(f->fd, iof_device_id(f->i_alone), hwpt(f, PARENT), flags, queue);

	assert_id(id);
	return id;
}

static int map_page(struct fixture *f, u64 iova)
{
	static unsigned char memory[4096] __aligned(4096);

	return env_map(f->fd, f->ioas, memory, 4096, iova);
}

/* Reads the one record that must be queued. */
static struct iommu_hwpt_pgfault read_one(struct fixture *f)
{
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(env_read(f->fault_fd, &rec, 1), 1);
	return rec;
}

/* ---- bind ---- */

static void d1_bind(void **state)
{
	struct fixture *f = *state;
	int other_fd = env_open(f->env);
	struct iof_ctx *other = env_ctx(other_fd);
	struct iof_device *idev;
	struct fake_dev dev;

	fake_dev_add(&dev, "incoherent", 1, 0, NULL);
	dev.not_coherent = true;
	assert_err(PTR_ERR(iof_device_bind(f->env->ctx, &dev.hw, false)), EINVAL);
	dev.not_coherent = false;

	assert_err(PTR_ERR(iof_device_bind(f->env->ctx, &f->one.hw, false)), EBUSY);
	assert_err(PTR_ERR(iof_device_bind(other, &f->one.hw, false)), EPERM);
	/* d2, d11: the context owns the whole group until its last device is unbound. */
	iof_device_unbind(f->i_one);
	f->i_one = NULL;
	assert_err(PTR_ERR(iof_device_bind(other, &f->one.hw, false)), EPERM);
	iof_device_unbind(f->i_two);
	f->i_two = NULL;
	idev = iof_device_bind(other, &f->one.hw, false);
	assert_false(IS_ERR(idev));
	assert_err(PTR_ERR(iof_device_bind(f->env->ctx, &f->two.hw, false)), EPERM);
	/* The failed binds gave their ids back. */
	assert_int_equal(env_ioas(f->fd), 2);
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
	env_close(other_fd);
}

static void devices_join_groups_only_while_nothing_is_attached(void **state)
{
	struct fixture *f = *state;
	struct fake_dev late;

	assert_id(env_attach(f->i_one, RID, f->ioas));
	fake_dev_init(&late, "late", 1);
	assert_err(iof_hwdev_register(&late.hw, &f->one.hw), EBUSY);
	iof_device_detach(f->i_one, RID);
	assert_ok(iof_hwdev_register(&late.hw, &f->one.hw));
	fake_dev_remove(&late);
}

/* ---- attach and detach ---- */

static void d3_a_group_has_one_hwpt(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, 0), b = hwpt(f, 0), automatic;

	assert_int_equal(env_attach(f->i_one, RID, a), a);
	/* The first device switches the whole group. */
	assert_ptr_equal(fake_now(&f->one, RID), env_domain(f->env, a));
	assert_ptr_equal(fake_now(&f->two, RID), env_domain(f->env, a));
	assert_true(iof_device_attached(f->i_one, RID));
	assert_false(iof_device_attached(f->i_two, RID));
	assert_err(env_attach(f->i_two, RID, b), EINVAL);
	assert_err(env_attach(f->i_two, RID, f->ioas), EINVAL);
	assert_int_equal(env_attach(f->i_two, RID, a), a);
	assert_int_equal(fake_nr_calls(&f->two), 1);
	/* d10: the last detach blocks, earlier ones do not. */
	iof_device_detach(f->i_one, RID);
	assert_int_equal(fake_nr_calls(&f->one), 1);
	assert_false(iof_device_attached(f->i_one, RID));
	assert_err(env_destroy(f->fd, a), EBUSY);
	iof_device_detach(f->i_two, RID);
	assert_null(fake_now(&f->one, RID));
	assert_null(fake_now(&f->two, RID));
	assert_ok(env_destroy(f->fd, a));
	/* The same holds for an automatic HWPT. */
	automatic = env_attach(f->i_two, RID, f->ioas);
	assert_id(automatic);
	assert_int_equal(env_attach(f->i_one, RID, f->ioas), automatic);
	iof_device_detach(f->i_two, RID);
	iof_device_detach(f->i_one, RID);
	assert_err(env_destroy(f->fd, automatic), ENOENT);
}

static void d4_d5_attach_of_something_attached(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, PASID), b = hwpt(f, PASID);

	assert_id(env_attach(f->i_alone, RID, a));
	assert_err(env_attach(f->i_alone, RID, a), EBUSY);
	assert_err(env_attach(f->i_alone, RID, b), EBUSY);
	assert_err(env_attach(f->i_alone, RID, f->ioas), EBUSY);
	assert_id(env_attach(f->i_alone, 3, b));
	assert_err(env_attach(f->i_alone, 3, b), EBUSY);
	assert_err(env_attach(f->i_alone, 3, a), EBUSY);
	iof_device_detach(f->i_alone, 3);
	iof_device_detach(f->i_alone, RID);
}

static void d6_the_driver_has_the_last_word(void **state)
{
	struct fixture *f = *state;
	int id = hwpt(f, 0);

	f->alone.tag = 5;
	assert_err(env_attach(f->i_alone, RID, id), EINVAL);
	assert_false(iof_device_attached(f->i_alone, RID));
	assert_ok(env_destroy(f->fd, id));
}

static void domains_are_for_devices_of_their_driver(void **state)
{
	struct fixture *f = *state;
	struct iof_device *idev;
	struct fake_dev dev;
	int id;

	fake_dev_init(&dev, "other", 1);
	dev.hw.ops = &fake_other_driver_ops;
	assert_ok(iof_hwdev_register(&dev.hw, NULL));
	idev = env_bind(f->env, &dev);
	assert_err(env_attach(idev, RID, hwpt(f, 0)), EINVAL);
	assert_int_equal(fake_nr_calls(&dev), 0);
	/* The IOAS serves both groups, each by an automatic HWPT of its own. */
	id = env_attach(f->i_alone, RID, f->ioas);
	assert_id(id);
	assert_int_not_equal(env_attach(idev, RID, f->ioas), id);
	iof_device_detach(idev, RID);
	iof_device_detach(f->i_alone, RID);
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void d7_bad_pt_id(void **state)
{
	struct fixture *f = *state;

	assert_err(env_attach(f->i_alone, RID, 0), ENOENT);
	assert_err(env_attach(f->i_alone, RID, 99), ENOENT);
	assert_err(env_attach(f->i_alone, RID, f->queue), EINVAL);
	assert_err(env_attach(f->i_alone, RID, iof_device_id(f->i_one)), EINVAL);
	assert_id(env_attach(f->i_alone, RID, f->ioas));
	assert_err(env_replace(f->i_alone, RID, 99), ENOENT);
	assert_err(env_replace(f->i_alone, RID, f->queue), EINVAL);
	iof_device_detach(f->i_alone, RID);
}

static void d8_replace(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, 0), b = hwpt(f, 0), automatic;
	unsigned int calls;
	struct fake_attach_call call;

	assert_err(env_replace(f->i_alone, RID, a), EINVAL);
	assert_err(env_replace(f->i_alone, RID, f->ioas), EINVAL);
	assert_id(env_attach(f->i_alone, RID, a));
	calls = fake_nr_calls(&f->alone);
	/* A replace by the same HWPT changes nothing. */
	assert_int_equal(env_replace(f->i_alone, RID, a), a);
	assert_int_equal(fake_nr_calls(&f->alone), calls);
	/* A replace by another HWPT is one step: the device is never blocked. */
	assert_int_equal(env_replace(f->i_alone, RID, b), b);
	assert_int_equal(fake_nr_calls(&f->alone), calls + 1);
	call = fake_call(&f->alone, calls);
	assert_ptr_equal(call.new, env_domain(f->env, b));
	assert_ptr_equal(call.old, env_domain(f->env, a));
	assert_ok(env_destroy(f->fd, a));
	/* Replace a manual HWPT by an automatic one, and back; the automatic one is destroyed. */
	automatic = env_replace(f->i_alone, RID, f->ioas);
	assert_id(automatic);
	assert_int_equal(env_replace(f->i_alone, RID, f->ioas), automatic);
	assert_int_equal(env_replace(f->i_alone, RID, b), b);
	assert_err(env_destroy(f->fd, automatic), ENOENT);
	iof_device_detach(f->i_alone, RID);
	/* A member that is not attached cannot replace the attachment of the group. */
	assert_id(env_attach(f->i_one, RID, b));
	assert_err(env_replace(f->i_two, RID, b), EINVAL);
	iof_device_detach(f->i_one, RID);
}

static void d8_failed_replace_keeps_the_old(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, 0), b = hwpt(f, 0), nth;

	assert_id(env_attach(f->i_one, RID, a));
	for (nth = 0; nth < 2; nth++) {
		struct fake_dev *failing = nth ? &f->two : &f->one;

		failing->fail_nth = 1;
		failing->fail_errno = -ENOMEM;
		assert_err(env_replace(f->i_one, RID, b), ENOMEM);
		assert_ptr_equal(fake_now(&f->one, RID), env_domain(f->env, a));
		assert_ptr_equal(fake_now(&f->two, RID), env_domain(f->env, a));
		assert_err(env_destroy(f->fd, a), EBUSY);
	}
	assert_ok(env_destroy(f->fd, b));
	iof_device_detach(f->i_one, RID);
}

static void failed_attach_of_a_later_device_undoes_the_earlier(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, 0);

	f->two.fail_nth = 1;
	f->two.fail_errno = -ENOMEM;
	assert_err(env_attach(f->i_one, RID, a), ENOMEM);
	assert_null(fake_now(&f->one, RID));
	assert_false(iof_device_attached(f->i_one, RID));
	assert_id(env_attach(f->i_two, RID, a));
	iof_device_detach(f->i_two, RID);
}

static void device_that_is_not_taken_back_is_blocked(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, 0), b = hwpt(f, 0);

	assert_id(env_attach(f->i_one, RID, a));
	f->two.fail_nth = 1;
	f->two.fail_errno = -ENOMEM;
	f->one.fail_nth = 2;
	f->one.fail_errno = -ENOMEM;
	assert_err(env_replace(f->i_one, RID, b), ENOMEM);
	assert_null(fake_now(&f->one, RID));
	assert_ptr_equal(fake_now(&f->two, RID), env_domain(f->env, a));
	/*
	 * After a failed switch back, the next switch starts from the domain that each device has.
	 */
	f->two.fail_nth = 1;
	assert_err(env_replace(f->i_one, RID, b), ENOMEM);
	assert_null(fake_now(&f->one, RID));
	assert_id(env_replace(f->i_one, RID, b));
	assert_ptr_equal(fake_now(&f->one, RID), env_domain(f->env, b));
	assert_ptr_equal(fake_now(&f->two, RID), env_domain(f->env, b));
	iof_device_detach(f->i_one, RID);
	/* A detach starts from there, too. */
	assert_id(env_attach(f->i_one, RID, a));
	f->two.fail_nth = 1;
	f->one.fail_nth = 2;
	assert_err(env_replace(f->i_one, RID, b), ENOMEM);
	iof_device_detach(f->i_one, RID);
	assert_null(fake_now(&f->two, RID));
	assert_ok(env_destroy(f->fd, a));
	assert_ok(env_destroy(f->fd, b));
}

/* ---- reserved regions ---- */

static const struct iof_resv_region msi = { 0xfee00000, 0xfeefffff };

static void d9_d13_reserved_regions(void **state)
{
	struct fixture *f = *state;
	int a, b;

	f->alone.hw.resv = &msi;
	f->alone.hw.nr_resv = 1;
	a = hwpt(f, PASID);
	b = hwpt(f, PASID);
	/* PASIDs reserve no ranges. */
	assert_id(env_attach(f->i_alone, 1, a));
	assert_ok(map_page(f, 0xfee00000));
	/* A mapping lies in the range that attaching the RID would reserve. */
	assert_err(env_attach(f->i_alone, RID, a), EADDRINUSE);
	assert_err(env_attach(f->i_alone, RID, f->ioas), EADDRINUSE);
	assert_ok(iof_sys_ioctl(f->fd, IOMMU_IOAS_UNMAP,
				&(struct iommu_ioas_unmap){ .size = sizeof(struct iommu_ioas_unmap),
							    .ioas_id = f->ioas,
							    .iova = 0xfee00000,
							    .length = 4096 }));
	assert_id(env_attach(f->i_alone, RID, a));
	assert_err(map_page(f, 0xfee00000), EINVAL);
	/* A replace within the IOAS keeps the reservations, even if it fails. */
	f->alone.fail_nth = 1;
	f->alone.fail_errno = -ENOMEM;
	assert_err(env_replace(f->i_alone, RID, b), ENOMEM);
	assert_err(map_page(f, 0xfee00000), EINVAL);
	assert_id(env_replace(f->i_alone, RID, b));
	assert_err(map_page(f, 0xfee00000), EINVAL);
	iof_device_detach(f->i_alone, RID);
	assert_ok(map_page(f, 0xfee00000));
	iof_device_detach(f->i_alone, 1);
}

static void d9_replace_checks_every_devices_regions_first(void **state)
{
	struct fixture *f = *state;
	u32 other = env_ioas(f->fd);
	static unsigned char memory[4096] __aligned(4096);
	int a = hwpt(f, 0);
	int b = env_hwpt(f->fd, iof_device_id(f->i_alone), other, 0);
	unsigned int calls;

	f->two.hw.resv = &msi;
	f->two.hw.nr_resv = 1;
	assert_ok(env_map(f->fd, other, memory, 4096, 0xfee00000));
	assert_id(env_attach(f->i_one, RID, a));
	/* Only members reserve ranges. */
	assert_ok(map_page(f, 0xfee01000));
	assert_err(env_attach(f->i_two, RID, a), EADDRINUSE);
	assert_ok(iof_sys_ioctl(f->fd, IOMMU_IOAS_UNMAP,
				&(struct iommu_ioas_unmap){ .size = sizeof(struct iommu_ioas_unmap),
							    .ioas_id = f->ioas,
							    .length = ~0ull }));
	assert_id(env_attach(f->i_two, RID, a));
	calls = fake_nr_calls(&f->one);
	assert_err(env_replace(f->i_one, RID, b), EADDRINUSE);
	assert_err(env_replace(f->i_one, RID, other), EADDRINUSE);
	assert_int_equal(fake_nr_calls(&f->one), calls);
	assert_err(map_page(f, 0xfee01000), EINVAL);
	iof_device_detach(f->i_two, RID);
	assert_ok(map_page(f, 0xfee01000));
	iof_device_detach(f->i_one, RID);
}

/* ---- PASIDs ---- */

/* d12, c5: a PASID needs an HWPT with the PASID flag. */
static void d12_pasid_rules(void **state)
{
	struct fixture *f = *state;
	int with = hwpt(f, PASID), without = hwpt(f, 0), n = nested(f, PASID, 0);
	struct fake_dev dev;
	struct iof_device *idev;

	assert_err(env_attach(f->i_alone, 1, without), EINVAL);
	assert_err(env_attach(f->i_alone, 1, f->ioas), EINVAL);
	assert_err(env_attach(f->i_alone, 16, with), EINVAL);
	assert_err(env_attach(f->i_alone, ~0u, with), EINVAL);
	f->alone.no_pasid_ops = true;
	assert_err(env_attach(f->i_alone, 1, with), EOPNOTSUPP);
	f->alone.no_pasid_ops = false;
	assert_int_equal(env_attach(f->i_alone, 1, with), with);
	assert_int_equal(env_attach(f->i_alone, 15, n), n);
	/* The RID must not be on an HWPT without the flag, whichever is attached first. */
	assert_err(env_attach(f->i_alone, RID, without), EINVAL);
	assert_err(env_attach(f->i_alone, RID, f->ioas), EINVAL);
	assert_id(env_attach(f->i_alone, RID, with));
	assert_err(env_replace(f->i_alone, RID, without), EINVAL);
	iof_device_detach(f->i_alone, 1);
	iof_device_detach(f->i_alone, 15);
	assert_id(env_replace(f->i_alone, RID, without));
	assert_err(env_attach(f->i_alone, 1, with), EINVAL);
	iof_device_detach(f->i_alone, RID);
	/* Replaces the HWPT of a PASID. */
	assert_err(env_replace(f->i_alone, 1, with), EINVAL);
	assert_id(env_attach(f->i_alone, 1, with));
	assert_err(env_replace(f->i_alone, 1, without), EINVAL);
	assert_err(env_replace(f->i_alone, 1, f->ioas), EINVAL);
	assert_ptr_equal(fake_now(&f->alone, 1), env_domain(f->env, with));
	assert_int_equal(env_replace(f->i_alone, 1, n), n);
	iof_device_detach(f->i_alone, 1);
	/* The detach of a PASID that is not attached does nothing. */
	iof_device_detach(f->i_alone, 1);
	iof_device_detach(f->i_alone, ~0u);
	/* Adds a device without PASIDs. */
	fake_dev_add(&dev, "plain", 1, 1, NULL);
	idev = env_bind(f->env, &dev);
	assert_err(env_attach(idev, 1, with), EINVAL);
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void d12_pasids_in_a_group(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, PASID), b = hwpt(f, PASID);
	struct fake_dev plain;

	/* `two` has PASIDs 1..7 only. */
	assert_err(env_attach(f->i_one, 8, a), EINVAL);
	assert_id(env_attach(f->i_one, 7, a));
	assert_ptr_equal(fake_now(&f->two, 7), env_domain(f->env, a));
	assert_err(env_attach(f->i_two, 7, b), EINVAL);
	assert_id(env_attach(f->i_two, 7, a));
	iof_device_detach(f->i_one, 7);
	iof_device_detach(f->i_two, 7);
	/* A member without PASIDs takes no part in the switch of a PASID. */
	fake_dev_add(&plain, "plain", 1, 0, &f->one);
	assert_id(env_attach(f->i_one, 7, a));
	assert_int_equal(fake_nr_calls(&plain), 0);
	iof_device_detach(f->i_one, 7);
	fake_dev_remove(&plain);
}

static void d13_pasid_0_is_the_rid(void **state)
{
	struct fixture *f = *state;

	assert_id(env_attach(f->i_alone, 0, f->ioas));
	assert_true(iof_device_attached(f->i_alone, RID));
	iof_device_detach(f->i_alone, 0);
}

/* ---- page faults and attachments ---- */

static void e5_virtual_function_with_own_pri(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT | PASID), plain = hwpt(f, PASID);

	f->two.hw.vf_with_pri = true;
	assert_err(env_attach(f->i_one, RID, a), EINVAL);
	assert_err(env_attach(f->i_one, 3, a), EINVAL);
	assert_id(env_attach(f->i_one, RID, plain));
	assert_err(env_replace(f->i_one, RID, a), EINVAL);
	iof_device_detach(f->i_one, RID);
}

static void e7_driver_without_page_requests(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT);

	f->alone.no_page_requests = true;
	assert_err(env_attach(f->i_alone, RID, a), ENODEV);
	assert_id(env_attach(f->i_alone, RID, f->ioas));
	assert_err(env_replace(f->i_alone, RID, a), ENODEV);
	assert_true(iof_device_attached(f->i_alone, RID));
	iof_device_detach(f->i_alone, RID);
}

static void e12_dev_id_is_the_oldest_members(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT);
	struct iommu_hwpt_pgfault rec;

	assert_id(env_attach(f->i_two, RID, a));
	assert_id(env_attach(f->i_one, RID, a));
	assert_ok(fake_fault(&f->one, 0, 1, 0x1000));
	rec = read_one(f);
	assert_int_equal(rec.dev_id, iof_device_id(f->i_two));
	/* The member leaves and is unbound: faults of its neighbour no longer report its id. */
	iof_device_detach(f->i_two, RID);
	iof_device_unbind(f->i_two);
	f->i_two = NULL;
	assert_ok(fake_fault(&f->two, 0, 1, 0x2000));
	rec = read_one(f);
	assert_int_equal(rec.dev_id, iof_device_id(f->i_one));
	iof_device_detach(f->i_one, RID);
	assert_int_equal(fake_answered(&f->one, IOF_PAGE_INVALID), 1);
	assert_int_equal(fake_answered(&f->two, IOF_PAGE_INVALID), 1);
}

static void e35_detach_answers_what_is_open(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT | PASID);
	struct iommu_hwpt_pgfault rec, other;

	assert_id(env_attach(f->i_alone, RID, a));
	assert_id(env_attach(f->i_alone, 2, a));
	assert_id(env_attach(f->i_one, RID, a));
	assert_ok(fake_fault(&f->alone, 0, 1, 0x1000));
	assert_ok(fake_fault(&f->one, 0, 1, 0x2000));
	rec = read_one(f);
	other = read_one(f);
	assert_ok(fake_fault(&f->alone, 0, 2, 0x3000));
	assert_ok(fake_fault(&f->alone, 2, 2, 0x4000));
	assert_int_equal(fake_open(&f->alone), 3);

	iof_device_detach(f->i_alone, RID);
	assert_int_equal(fake_take_answer(&f->alone, 0x1000), IOF_PAGE_INVALID);
	assert_int_equal(fake_take_answer(&f->alone, 0x3000), IOF_PAGE_INVALID);
	assert_int_equal(fake_open(&f->alone), 1);
	assert_int_equal(fake_open(&f->one), 1);
	/* e37: responses to swept groups fail. Groups of other attachments stay as they were. */
	assert_err(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_ok(env_answer(f->fault_fd, other.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	rec = read_one(f);
	assert_int_equal(rec.pasid, 2);
	assert_ok(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	iof_device_detach(f->i_alone, 2);
	iof_device_detach(f->i_one, RID);
	assert_int_equal(fake_answered(&f->alone, IOF_PAGE_SUCCESS), 1);
}

static void e36_replace_answers_what_is_open(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT), b = hwpt(f, FAULT);
	struct iommu_hwpt_pgfault rec;

	assert_id(env_attach(f->i_alone, RID, a));
	assert_ok(fake_fault(&f->alone, 0, 1, 0x1000));
	rec = read_one(f);
	assert_ok(fake_fault(&f->alone, 0, 2, 0x2000));
	/* e38: a failed replace leaves all groups open. */
	f->alone.fail_nth = 1;
	f->alone.fail_errno = -ENOMEM;
	assert_err(env_replace(f->i_alone, RID, b), ENOMEM);
	assert_int_equal(fake_open(&f->alone), 2);
	/* A replace by the same HWPT changes nothing. */
	assert_id(env_replace(f->i_alone, RID, a));
	assert_int_equal(fake_open(&f->alone), 2);
	assert_id(env_replace(f->i_alone, RID, b));
	assert_int_equal(fake_answered(&f->alone, IOF_PAGE_INVALID), 2);
	assert_err(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_int_equal(env_read(f->fault_fd, &rec, 1), 0);
	/* New faults come through the new attachment. */
	assert_ok(fake_fault(&f->alone, 0, 1, 0x1000));
	rec = read_one(f);
	assert_ok(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	iof_device_detach(f->i_alone, RID);
}

/* Reports a fault while the driver switches. The fault waits for the outcome. */
static void fault_in_attach(struct fake_dev *dev, u32 pasid, struct iof_domain *new,
			    struct iof_domain *old)
{
	assert_ptr_not_equal(new, old);
	dev->on_attach = NULL;
	assert_ok(fake_fault(dev, pasid, 9, 0x9000));
	assert_int_equal(fake_open(dev), 1);
}

static void faults_during_a_switch_go_where_it_ends(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT), b = hwpt(f, FAULT);
	struct iommu_hwpt_pgfault rec;

	/* An attach: the fault goes to the new attachment. */
	f->alone.on_attach = fault_in_attach;
	assert_id(env_attach(f->i_alone, RID, a));
	rec = read_one(f);
	assert_ok(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	/* A failed replace: the fault goes to the old attachment. */
	f->alone.on_attach = fault_in_attach;
	f->alone.fail_nth = 1;
	f->alone.fail_errno = -ENOMEM;
	assert_err(env_replace(f->i_alone, RID, b), ENOMEM);
	rec = read_one(f);
	assert_ok(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	/* A replace: the fault goes to the new attachment, and is not swept with the old one. */
	f->alone.on_attach = fault_in_attach;
	assert_id(env_replace(f->i_alone, RID, b));
	rec = read_one(f);
	assert_ok(env_answer(f->fault_fd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	/* A detach: the fault is refused. */
	f->alone.on_attach = fault_in_attach;
	iof_device_detach(f->i_alone, RID);
	assert_int_equal(fake_answered(&f->alone, IOF_PAGE_SUCCESS), 3);
	assert_int_equal(fake_answered(&f->alone, IOF_PAGE_INVALID), 1);
}

static void any_number_of_credits_fits_a_queue(void **state)
{
	struct fixture *f = *state;
	int a = hwpt(f, FAULT | PASID), i;

	f->alone.hw.credits = ~0u;
	assert_id(env_attach(f->i_alone, RID, a));
	for (i = 1; i < 16; i++)
		assert_id(env_attach(f->i_alone, i, a));
	for (i = 0; i < 16; i++)
		iof_device_detach(f->i_alone, i);
	f->one.hw.credits = ~0u;
	f->two.hw.credits = 2;
	assert_id(env_attach(f->i_one, RID, a));
	iof_device_detach(f->i_one, RID);
}

/* ---- SVA ---- */

static void sva_resolves_faults_in_the_core(void **state)
{
	struct fixture *f = *state;
	unsigned char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int a = hwpt(f, PASID | FAULT), i;

	assert_err(iof_device_sva_bind(f->i_alone, RID), EINVAL);
	assert_err(iof_device_sva_bind(f->i_alone, 16), EINVAL);
	assert_err(iof_device_sva_unbind(f->i_alone, 1), ENOENT);
	assert_ok(iof_device_sva_bind(f->i_alone, 1));
	assert_err(iof_device_sva_bind(f->i_alone, 1), EBUSY);
	assert_err(env_attach(f->i_alone, 1, a), EBUSY);
	/* An SVA bind does not require that the RID's HWPT has the PASID flag. */
	assert_id(env_attach(f->i_alone, RID, f->ioas));

	for (i = 0; i < 50; i++) {
		assert_ok(fake_report(&f->alone, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 1, i,
				      IOMMU_PGFAULT_PERM_WRITE, (uintptr_t)page));
		fake_wait_all_answered(&f->alone);
		assert_int_equal(fake_take_answer(&f->alone, (uintptr_t)page), IOF_PAGE_SUCCESS);
	}
	/* A group of two pages, one of which cannot be made present, is INVALID. */
	assert_ok(fake_report(&f->alone, 0, 1, 1, IOMMU_PGFAULT_PERM_READ, 0));
	assert_ok(fake_report(&f->alone, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 1, 1,
			      IOMMU_PGFAULT_PERM_READ, (uintptr_t)page));
	fake_wait_all_answered(&f->alone);
	assert_int_equal(fake_take_answer(&f->alone, (uintptr_t)page), IOF_PAGE_INVALID);
	assert_ok(iof_device_sva_unbind(f->i_alone, 1));
	assert_err(iof_device_sva_unbind(f->i_alone, 1), ENOENT);
	assert_null(fake_now(&f->alone, 1));
	iof_device_detach(f->i_alone, RID);

	/* An HWPT replaces the SVA attachment. sva_unbind() does not remove an HWPT. */
	assert_ok(iof_device_sva_bind(f->i_alone, 1));
	assert_int_equal(env_replace(f->i_alone, 1, a), a);
	assert_err(iof_device_sva_unbind(f->i_alone, 1), ENOENT);
	iof_device_detach(f->i_alone, 1);
	assert_ok(munmap(page, 4096));
}

static int sva_fault(struct fixture *f, u32 perm, void *addr)
{
	assert_ok(
		fake_report(&f->alone, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 1, 1, perm, (uintptr_t)addr));
	fake_wait_all_answered(&f->alone);
	return fake_take_answer(&f->alone, (uintptr_t)addr);
}

static void sva_follows_the_processs_memory(void **state)
{
	struct fixture *f = *state;
	const u32 read = IOMMU_PGFAULT_PERM_READ, write = IOMMU_PGFAULT_PERM_WRITE;
	unsigned char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ok(iof_device_sva_bind(f->i_alone, 1));
	assert_int_equal(sva_fault(f, read, page), IOF_PAGE_SUCCESS);
	assert_int_equal(sva_fault(f, read | write, page), IOF_PAGE_INVALID);
	assert_ok(mprotect(page, 4096, PROT_READ | PROT_WRITE));
	assert_int_equal(sva_fault(f, read | write, page), IOF_PAGE_SUCCESS);
	assert_ok(mprotect(page, 4096, PROT_NONE));
	assert_int_equal(sva_fault(f, read, page), IOF_PAGE_INVALID);
	assert_ok(iof_device_sva_unbind(f->i_alone, 1));
	assert_ok(munmap(page, 4096));
	/* After the unbind the PASID has no listener. */
	assert_err(fake_fault(&f->alone, 1, 1, 0x1000), EINVAL);
	assert_int_equal(fake_take_answer(&f->alone, 0x1000), IOF_PAGE_INVALID);
}

/*
 * The core can fault the page in, but the device would not find it, for whatever reason. The group
 * gets INVALID, since the device would request the page without end.
 */
static void sva_succeeds_only_with_what_the_device_sees(void **state)
{
	struct fixture *f = *state;
	const u32 read = IOMMU_PGFAULT_PERM_READ;
	unsigned char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ok(iof_device_sva_bind(f->i_alone, 1));
	iof_shim_hide_pages(true);
	assert_int_equal(sva_fault(f, read, page), IOF_PAGE_INVALID);
	iof_shim_hide_pages(false);
	assert_int_equal(sva_fault(f, read, page), IOF_PAGE_SUCCESS);
	assert_ok(iof_device_sva_unbind(f->i_alone, 1));
	assert_ok(munmap(page, 4096));
}

/*
 * A user can bind as many PASIDs as there are, and is charged for their memory. A work queue cannot
 * be charged; so a user has one, from the first bind to the last unbind.
 */
static void sva_binds_of_a_user_share_a_work_queue(void **state)
{
	struct fixture *f = *state;
	struct iof_live before, one, two, after;
	u32 pasid;

	/* Allocates the entries of the PASID table first. */
	for (pasid = 1; pasid <= 3; pasid++)
		assert_ok(iof_device_sva_bind(f->i_alone, pasid));
	for (pasid = 1; pasid <= 2; pasid++)
		assert_ok(iof_device_sva_unbind(f->i_alone, pasid));
	iof_shim_live(&before);
	assert_ok(iof_device_sva_unbind(f->i_alone, 3));
	iof_shim_live(&one);
	assert_ok(iof_device_sva_bind(f->i_alone, 3));
	iof_shim_live(&after);
	assert_int_equal(after.objects, before.objects);
	assert_ok(iof_device_sva_bind(f->i_alone, 2));
	iof_shim_live(&two);
	if (IOF_SHIM_CHECKS)
		assert_true(two.objects - after.objects < before.objects - one.objects);
	assert_ok(iof_device_sva_unbind(f->i_alone, 2));
	assert_ok(iof_device_sva_unbind(f->i_alone, 3));
}

struct held_answer {
	struct completion there, go;
};

/* Holds the answer for PASID 1 back. */
static void hold_answer(struct fake_dev *dev, const struct iof_page_req *req,
			enum iof_page_code code __always_unused)
{
	struct held_answer *held = dev->priv;

	if (req->pasid != 1)
		return;
	complete(&held->there);
	wait_for_completion(&held->go);
}

static void sva_unbind_waits_for_its_own_faults_only(void **state)
{
	struct fixture *f = *state;
	struct held_answer held;

	init_completion(&held.there);
	init_completion(&held.go);
	f->alone.priv = &held;
	f->alone.on_response = hold_answer;
	assert_ok(iof_device_sva_bind(f->i_alone, 1));
	assert_ok(iof_device_sva_bind(f->i_alone, 2));
	/*
	 * This group began earlier, so that it has a record and a work item of its own: a work item
	 * never runs twice at the same time.
	 */
	assert_ok(fake_report(&f->alone, 0, 2, 2, IOMMU_PGFAULT_PERM_READ, 0x2000));
	fake_fault(&f->alone, 1, 1, 0x1000);
	wait_for_completion(&held.there);
	fake_fault(&f->alone, 2, 2, 0x1000);
	assert_ok(iof_device_sva_unbind(f->i_alone, 2));
	complete(&held.go);
	assert_ok(iof_device_sva_unbind(f->i_alone, 1));
	assert_int_equal(fake_open(&f->alone), 0);
	f->alone.on_response = NULL;
}

static void sva_unbind_answers_what_is_open(void **state)
{
	struct fixture *f = *state;
	unsigned char *page =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int round, i;

	for (round = 0; round < 50; round++) {
		assert_ok(iof_device_sva_bind(f->i_alone, 1));
		for (i = 0; i < 8; i++)
			fake_report(&f->alone, IOMMU_PGFAULT_FLAGS_LAST_PAGE, 1, i,
				    IOMMU_PGFAULT_PERM_READ, (uintptr_t)page);
		iof_device_detach(f->i_alone, 1);
		assert_int_equal(fake_open(&f->alone), 0);
	}
	assert_ok(munmap(page, 4096));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(d1_bind),
		TEST(devices_join_groups_only_while_nothing_is_attached),
		TEST(d3_a_group_has_one_hwpt),
		TEST(d4_d5_attach_of_something_attached),
		TEST(d6_the_driver_has_the_last_word),
		TEST(domains_are_for_devices_of_their_driver),
		TEST(d7_bad_pt_id),
		TEST(d8_replace),
		TEST(d8_failed_replace_keeps_the_old),
		TEST(failed_attach_of_a_later_device_undoes_the_earlier),
		TEST(device_that_is_not_taken_back_is_blocked),
		TEST(d9_d13_reserved_regions),
		TEST(d9_replace_checks_every_devices_regions_first),
		TEST(d12_pasid_rules),
		TEST(d12_pasids_in_a_group),
		TEST(d13_pasid_0_is_the_rid),
		TEST(e5_virtual_function_with_own_pri),
		TEST(e7_driver_without_page_requests),
		TEST(e12_dev_id_is_the_oldest_members),
		TEST(e35_detach_answers_what_is_open),
		TEST(e36_replace_answers_what_is_open),
		TEST(faults_during_a_switch_go_where_it_ends),
		TEST(any_number_of_credits_fits_a_queue),
		TEST(sva_resolves_faults_in_the_core),
		TEST(sva_follows_the_processs_memory),
		TEST(sva_succeeds_only_with_what_the_device_sees),
		TEST(sva_binds_of_a_user_share_a_work_queue),
		TEST(sva_unbind_waits_for_its_own_faults_only),
		TEST(sva_unbind_answers_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
