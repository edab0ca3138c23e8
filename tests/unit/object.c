// SPDX-License-Identifier: MIT
/*
 * object.c - proves the rules of ids and lifetimes: section (a) of docs/behaviour.md, by
 * number.
 */
#include "env.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A thread that destroys an object while a call inside the object is in progress. */
struct destroyer {
	pthread_t thread;
	int fd;
	u32 id;
	int rc;
};

static void *destroy_thread(void *arg)
{
	struct destroyer *d = arg;

	d->rc = env_destroy(d->fd, d->id);
	return NULL;
}

static void destroyer_start(struct destroyer *d, int fd, u32 id)
{
	d->fd = fd;
	d->id = id;
	assert_ok(pthread_create(&d->thread, NULL, destroy_thread, d));
}

static int destroyer_join(struct destroyer *d)
{
	assert_ok(pthread_join(d->thread, NULL));
	return d->rc;
}

static bool findable(struct env *env, u32 id)
{
	struct iof_object *obj = iof_object_get(env->ctx, id, NULL);

	if (IS_ERR(obj))
		return false;
	iof_object_put(obj);
	return true;
}

static void wait_until_hidden(struct env *env, u32 id)
{
	while (findable(env, id))
		sched_yield();
}

static void a1_lowest_free_id_of_all_types_first(void **state)
{
	struct env *env = *state;
	struct fake_dev dev;
	struct iof_device *idev;
	int fault_fd;
	u32 id;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	assert_int_equal(env_ioas(env->fd), 1);
	assert_int_equal(env_ioas(env->fd), 2);
	idev = env_bind(env, &dev);
	assert_int_equal(iof_device_id(idev), 3);
	assert_ok(env_queue(env->fd, &id, &fault_fd));
	assert_int_equal(id, 4);
	assert_int_equal(env_hwpt(env->fd, 3, 1, 0), 5);
	assert_ok(env_destroy(env->fd, 2));
	assert_int_equal(env_ioas(env->fd), 2);
	assert_int_equal(env_ioas(env->fd), 6);
	env_close(fault_fd);
	iof_device_unbind(idev);
	assert_int_equal(env_ioas(env->fd), 3);
	env_close(env->fd);
	env->fd = -1;
	fake_dev_remove(&dev);
}

static void a1_each_open_has_its_own_ids(void **state)
{
	struct env *env = *state;
	int other = env_open(env);

	assert_true(other >= 0);
	assert_int_equal(env_ioas(env->fd), 1);
	assert_int_equal(env_ioas(other), 1);
	assert_ok(env_destroy(other, 1));
	assert_err(env_destroy(other, 1), ENOENT);
	assert_ok(env_destroy(env->fd, 1));
	env_close(other);
}

static void a2_reserved_ids_are_invisible(void **state)
{
	struct env *env = *state;
	struct iof_object obj;

	assert_ok(iof_object_reserve(env->ctx, &obj, &iof_ioas_ops));
	assert_int_equal(obj.id, 1);
	assert_false(findable(env, 1));
	assert_err(env_destroy(env->fd, 1), ENOENT);
	assert_int_equal(env_ioas(env->fd), 2);
	iof_object_abort(env->ctx, &obj);
	assert_int_equal(env_ioas(env->fd), 1);
}

static void a3_unwritable_reply_undoes_the_object(void **state)
{
	struct env *env = *state;
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt) };
	struct iof_device *idev;
	struct fake_dev dev;
	void *page;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);
	assert_int_equal(env_ioas(env->fd), 2);

	page = env_read_only(&ioas, sizeof(ioas));
	assert_err(env_ioctl(env->fd, IOMMU_IOAS_ALLOC, page), EFAULT);
	env_free_page(page);
	page = env_read_only(&queue, sizeof(queue));
	assert_err(env_ioctl(env->fd, IOMMU_FAULT_QUEUE_ALLOC, page), EFAULT);
	env_free_page(page);
	hwpt.dev_id = iof_device_id(idev);
	hwpt.pt_id = 2;
	page = env_read_only(&hwpt, sizeof(hwpt));
	assert_err(env_ioctl(env->fd, IOMMU_HWPT_ALLOC, page), EFAULT);
	env_free_page(page);
	assert_int_equal(fake_live_domains(), 0);

	assert_int_equal(env_ioas(env->fd), 3);
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void a4_unknown_ids(void **state)
{
	struct env *env = *state;

	assert_err(env_destroy(env->fd, 0), ENOENT);
	assert_err(env_destroy(env->fd, 1), ENOENT);
	assert_err(env_destroy(env->fd, 0x7fffffff), ENOENT);
	assert_err(env_destroy(env->fd, 0xffffffff), ENOENT);
	assert_int_equal(env_ioas(env->fd), 1);
	assert_true(IS_ERR(iof_object_get(env->ctx, 1, &iof_hwpt_nested_ops)));
	assert_err(env_hwpt(env->fd, 1, 1, 0), ENOENT);
}

static void a6_used_objects_are_busy(void **state)
{
	struct env *env = *state;
	int ioas, parent, nested, automatic, fault_fd;
	struct iof_device *idev;
	struct fake_dev dev;
	u32 queue;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);
	ioas = env_ioas(env->fd);
	assert_ok(env_queue(env->fd, &queue, &fault_fd));
	parent = env_hwpt(env->fd, iof_device_id(idev), ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_id(parent);
	nested = env_nested(env->fd, iof_device_id(idev), parent, 0, queue);
	assert_id(nested);

	/* a9: a bound device; a11: an IOAS with an HWPT; a12: a parent */
	assert_err(env_destroy(env->fd, iof_device_id(idev)), EBUSY);
	assert_err(env_destroy(env->fd, ioas), EBUSY);
	assert_err(env_destroy(env->fd, parent), EBUSY);
	/* a13: a queue that an HWPT names, with its descriptor open and closed */
	assert_err(env_destroy(env->fd, queue), EBUSY);
	env_close(fault_fd);
	assert_err(env_destroy(env->fd, queue), EBUSY);
	/* a12, e39: an attached HWPT */
	assert_int_equal(env_attach(idev, IOF_NO_PASID, nested), nested);
	assert_err(env_destroy(env->fd, nested), EBUSY);
	iof_device_detach(idev, IOF_NO_PASID);
	assert_ok(env_destroy(env->fd, nested));
	assert_ok(env_destroy(env->fd, queue));
	assert_ok(env_destroy(env->fd, parent));
	/* c10: an automatic HWPT */
	automatic = env_attach(idev, IOF_NO_PASID, ioas);
	assert_id(automatic);
	assert_err(env_destroy(env->fd, automatic), EBUSY);
	assert_err(env_destroy(env->fd, ioas), EBUSY);
	iof_device_detach(idev, IOF_NO_PASID);
	assert_err(env_destroy(env->fd, automatic), ENOENT);
	assert_ok(env_destroy(env->fd, ioas));
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void a13_queue_with_open_descriptor_is_busy(void **state)
{
	struct env *env = *state;
	int fault_fd;
	u32 queue;

	assert_ok(env_queue(env->fd, &queue, &fault_fd));
	assert_err(env_destroy(env->fd, queue), EBUSY);
	env_close(fault_fd);
	assert_ok(env_destroy(env->fd, queue));
}

static void a7_destroy_waits_for_calls_and_hides_first(void **state)
{
	struct env *env = *state;
	int id = env_ioas(env->fd);
	struct iof_object *call = iof_object_get(env->ctx, id, &iof_ioas_ops);
	struct destroyer d;

	assert_false(IS_ERR(call));
	destroyer_start(&d, env->fd, id);
	wait_until_hidden(env, id);
	assert_err(env_destroy(env->fd, id), ENOENT);
	/* The id stays in use until the object is freed. */
	assert_int_equal(env_ioas(env->fd), id + 1);
	iof_object_put(call);
	assert_ok(destroyer_join(&d));
	assert_int_equal(env_ioas(env->fd), id);
}

static void a7_call_that_becomes_a_user_keeps_the_object(void **state)
{
	struct env *env = *state;
	int id = env_ioas(env->fd);
	struct iof_object *call = iof_object_get(env->ctx, id, &iof_ioas_ops);
	struct destroyer d;

	assert_false(IS_ERR(call));
	destroyer_start(&d, env->fd, id);
	wait_until_hidden(env, id);
	iof_object_hold(call);
	iof_object_put(call);
	assert_err(destroyer_join(&d), EBUSY);
	assert_true(findable(env, id));
	assert_err(env_destroy(env->fd, id), EBUSY);
	iof_object_unhold(call);
	assert_ok(env_destroy(env->fd, id));
}

/* A call that does not end keeps the object alive. DESTROY waits for it for a while only. */
static void a7_destroy_gives_up(void **state)
{
	struct env *env = *state;
	int id = env_ioas(env->fd);
	struct iof_object *call = iof_object_get(env->ctx, id, &iof_ioas_ops);
	long patience = iof_object_patience;

	assert_false(IS_ERR(call));
	iof_object_patience = 1;
	assert_err(env_destroy(env->fd, id), EBUSY);
	assert_true(findable(env, id));
	assert_err(env_destroy(env->fd, id), EBUSY);
	iof_object_patience = patience;
	iof_object_put(call);
	assert_true(findable(env, id));
	assert_ok(env_destroy(env->fd, id));
}

static void a7_killed_destroy_leaves_the_object(void **state)
{
	struct env *env = *state;
	int id = env_ioas(env->fd);
	struct iof_object *call = iof_object_get(env->ctx, id, &iof_ioas_ops);

	assert_false(IS_ERR(call));
	iof_fail_nth_thread(IOF_FAIL_KILL, 1, true);
	assert_err(env_destroy(env->fd, id), EINTR);
	assert_true(findable(env, id));
	iof_object_put(call);
	/*
	 * A DESTROY that does not have to wait is not interrupted: killed processes close their
	 * files.
	 */
	assert_ok(env_destroy(env->fd, id));
	iof_fail_nth_thread(IOF_FAIL_KILL, 0, false);
}

/* ---- calls that take their time do not hold what cannot wait ---- */

struct slow_call {
	int fd;
	unsigned long cmd;
	void *arg;
	int rc;
	pthread_t thread;
};

static void *call_slowly(void *arg)
{
	struct slow_call *call = arg;

	call->rc = env_ioctl(call->fd, call->cmd, call->arg);
	return NULL;
}

static int mapping, go_on; /* atomic: states of the two threads */

static void wait_in_map(struct iof_domain *domain)
{
	(void)domain;
	__atomic_store_n(&mapping, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&go_on, __ATOMIC_ACQUIRE))
		sched_yield();
}

/* An HWPT is being filled with memory of any process. Its device can be unbound meanwhile. */
static void a8_unbind_does_not_wait_for_filling(void **state)
{
	struct env *env = *state;
	int ioas = env_ioas(env->fd);
	void *memory = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	struct iommu_hwpt_alloc cmd = { .size = sizeof(cmd), .pt_id = (u32)ioas };
	struct slow_call call = { .fd = env->fd, .cmd = IOMMU_HWPT_ALLOC, .arg = &cmd };
	struct iof_device *idev;
	struct fake_dev dev;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);
	cmd.dev_id = iof_device_id(idev);
	assert_ok(env_map(env->fd, (u32)ioas, memory, PAGE_SIZE, 0x10000));
	mapping = 0;
	go_on = 0;
	fake_on_map = wait_in_map;
	assert_ok(pthread_create(&call.thread, NULL, call_slowly, &call));
	while (!__atomic_load_n(&mapping, __ATOMIC_ACQUIRE))
		sched_yield();
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
	__atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
	assert_ok(pthread_join(call.thread, NULL));
	fake_on_map = NULL;
	assert_ok(call.rc);
	assert_ok(env_destroy(env->fd, cmd.out_hwpt_id));
	assert_ok(env_destroy(env->fd, (u32)ioas));
	free(memory);
}

static void *map_slowly(void *arg)
{
	struct slow_call *call = arg;

	call->rc = env_map(call->fd, 1, call->arg, PAGE_SIZE, 0x10000);
	return NULL;
}

/* Another thread's MAP holds the locks of the IOAS while its memory comes in. */
static void a7_killed_destroy_does_not_wait_for_a_mapping(void **state)
{
	struct env *env = *state;
	int ioas = env_ioas(env->fd), hwpt;
	struct slow_call call = { .fd = env->fd, .arg = aligned_alloc(PAGE_SIZE, PAGE_SIZE) };
	struct iof_device *idev;
	struct fake_dev dev;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);
	hwpt = env_hwpt(env->fd, iof_device_id(idev), (u32)ioas, 0);
	assert_id(hwpt);
	mapping = 0;
	go_on = 0;
	fake_on_map = wait_in_map;
	assert_int_equal(ioas, 1);
	assert_ok(pthread_create(&call.thread, NULL, map_slowly, &call));
	while (!__atomic_load_n(&mapping, __ATOMIC_ACQUIRE))
		sched_yield();
	iof_fail_nth_thread(IOF_FAIL_KILL, 1, true);
	assert_err(env_destroy(env->fd, (u32)hwpt), EINTR);
	iof_fail_nth_thread(IOF_FAIL_KILL, 0, false);
	assert_true(findable(env, (u32)hwpt));
	__atomic_store_n(&go_on, 1, __ATOMIC_RELEASE);
	assert_ok(pthread_join(call.thread, NULL));
	fake_on_map = NULL;
	assert_ok(call.rc);
	assert_int_equal(iof_shim_pin_count(call.arg), 1);
	assert_ok(env_destroy(env->fd, (u32)hwpt));
	assert_int_equal(iof_shim_pin_count(call.arg), 0);
	assert_ok(env_destroy(env->fd, (u32)ioas));
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
	free(call.arg);
}

/* Returns a page that comes when the test says so. NULL: not possible on this system. */
static void *slow_page(int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *page;

	*uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (*uffd < 0)
		return NULL;
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ok(ioctl(*uffd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)page;
	reg.range.len = PAGE_SIZE;
	assert_ok(ioctl(*uffd, UFFDIO_REGISTER, &reg));
	return page;
}

static void release_page(int uffd, void *page)
{
	struct uffdio_zeropage zero = { .range = { (uintptr_t)page, PAGE_SIZE } };

	assert_ok(ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
}

/* Unbind waits neither for a reply to the user, nor for the data of a page table. */
static void a8_unbind_does_not_wait_for_user_memory(void **state)
{
	struct iommu_hw_info info = { .size = sizeof(info), .data_len = 8 };
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(struct iommu_hwpt_vtd_s1),
	};
	struct slow_call calls[] = {
		{ .cmd = IOMMU_GET_HW_INFO, .arg = &info },
		{ .cmd = IOMMU_HWPT_ALLOC, .arg = &alloc },
	};
	struct env *env = *state;
	int i, uffd, ioas = env_ioas(env->fd);
	struct iof_device *idev;
	struct uffd_msg msg;
	struct fake_dev dev;
	void *page;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	for (i = 0; i < 2; i++) {
		page = slow_page(&uffd);
		if (!page)
			break;
		idev = env_bind(env, &dev);
		info.dev_id = iof_device_id(idev);
		info.data_uptr = (uintptr_t)page;
		alloc.dev_id = iof_device_id(idev);
		alloc.pt_id = (u32)ioas;
		alloc.data_uptr = (uintptr_t)page;
		calls[i].fd = env->fd;
		assert_ok(pthread_create(&calls[i].thread, NULL, call_slowly, &calls[i]));
		assert_int_equal(read(uffd, &msg, sizeof(msg)), sizeof(msg));
		iof_device_unbind(idev);
		release_page(uffd, page);
		assert_ok(pthread_join(calls[i].thread, NULL));
		assert_int_equal(calls[i].rc, i ? -ENOENT : 0);
		munmap(page, PAGE_SIZE);
		close(uffd);
	}
	fake_dev_remove(&dev);
	if (!page)
		skip();
}

static void *put_thread(void *arg)
{
	sched_yield();
	iof_object_put(arg);
	return NULL;
}

static void a8_unbind_waits_for_calls(void **state)
{
	struct env *env = *state;
	struct iof_device *idev, *call;
	struct fake_dev dev;
	pthread_t thread;
	u32 id;
	int i;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	for (i = 0; i < 100; i++) {
		idev = env_bind(env, &dev);
		id = iof_device_id(idev);
		call = iof_device_get_by_id(env->ctx, id);
		assert_ptr_equal(call, idev);
		assert_ok(pthread_create(&thread, NULL, put_thread, &call->obj));
		iof_device_unbind(idev);
		assert_true(IS_ERR(iof_device_get_by_id(env->ctx, id)));
		assert_ok(pthread_join(thread, NULL));
	}
	fake_dev_remove(&dev);
}

static void a16_last_close_destroys_leaves_first(void **state)
{
	struct env *env = *state;
	int ioas, parent, fault_fd, i;
	struct iof_device *idev;
	struct fake_dev dev;
	u32 queue;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = env_bind(env, &dev);
	ioas = env_ioas(env->fd);
	assert_ok(env_queue(env->fd, &queue, &fault_fd));
	parent = env_hwpt(env->fd, iof_device_id(idev), ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	for (i = 0; i < 4; i++)
		assert_id(env_nested(env->fd, iof_device_id(idev), parent, 0, queue));
	assert_id(env_hwpt_fault(env->fd, iof_device_id(idev), ioas, IOMMU_HWPT_FAULT_ID_VALID,
				 queue));
	iof_device_unbind(idev);
	env_close(fault_fd);
	assert_int_equal(fake_live_domains(), 6);
	env_close(env->fd);
	env->fd = -1;
	assert_int_equal(fake_live_domains(), 0);
	fake_dev_remove(&dev);
}

static void a17_bound_device_keeps_the_context(void **state)
{
	struct env *env = *state;
	struct iof_device *idev;
	struct fake_dev dev;
	int ioas, hwpt;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	idev = iof_device_bind(env->ctx, &dev.hw, true);
	assert_false(IS_ERR(idev));
	ioas = env_ioas(env->fd);
	hwpt = env_attach(idev, IOF_NO_PASID, ioas);
	assert_id(hwpt);
	env_close(env->fd);
	env->fd = -1;
	assert_int_equal(fake_live_domains(), 1);
	assert_int_equal(env_replace(idev, IOF_NO_PASID, ioas), hwpt);
	iof_device_detach(idev, IOF_NO_PASID);
	iof_device_unbind(idev);
	fake_dev_remove(&dev);
}

static void a17_open_queue_keeps_the_context(void **state)
{
	struct env *env = *state;
	struct iommu_hwpt_pgfault rec;
	int fault_fd;
	u32 queue;

	assert_ok(env_queue(env->fd, &queue, &fault_fd));
	env_close(env->fd);
	env->fd = -1;
	assert_int_equal(env_read(fault_fd, &rec, 1), 0);
	env_close(fault_fd);
}

struct leaver {
	pthread_t thread;
	int fd;
	struct iof_device *idev;
};

static void *leave_thread(void *arg)
{
	struct leaver *l = arg;

	if (l->idev) {
		iof_device_detach(l->idev, IOF_NO_PASID);
		iof_device_unbind(l->idev);
	} else if (iof_sys_close(l->fd)) {
		abort();
	}
	return NULL;
}

/*
 * The open file, a queue's descriptor and a bound device with an open fault end at the same time.
 */
static void a17_last_holders_leave_together(void **state)
{
	struct env *env = *state;
	struct leaver leavers[3] = { { .fd = 0 } };
	struct fake_dev dev;
	struct iof_ctx *ctx;
	int round, ioas, hwpt, i;
	u32 queue;

	fake_dev_add(&dev, "fake", 4, 0, NULL);
	for (round = 0; round < 300; round++) {
		leavers[0].fd = env_open(env);
		ctx = env_ctx(leavers[0].fd);
		leavers[2].idev = iof_device_bind(ctx, &dev.hw, true);
		assert_false(IS_ERR(leavers[2].idev));
		ioas = env_ioas(leavers[0].fd);
		assert_ok(env_queue(leavers[0].fd, &queue, &leavers[1].fd));
		hwpt = env_hwpt_fault(leavers[0].fd, iof_device_id(leavers[2].idev), ioas,
				      IOMMU_HWPT_FAULT_ID_VALID, queue);
		assert_int_equal(env_attach(leavers[2].idev, IOF_NO_PASID, hwpt), hwpt);
		assert_ok(fake_fault(&dev, 0, round, 0x1000));
		for (i = 0; i < 3; i++)
			assert_ok(pthread_create(&leavers[i].thread, NULL, leave_thread,
						 &leavers[i]));
		for (i = 0; i < 3; i++)
			assert_ok(pthread_join(leavers[i].thread, NULL));
		assert_int_equal(fake_take_answer(&dev, 0x1000), IOF_PAGE_INVALID);
		assert_int_equal(fake_live_domains(), 0);
	}
	fake_dev_remove(&dev);
}

/* An object of a type that object.c does not know. */
struct foreign {
	struct iof_object obj;
	int prepare_rc;
	int prepared, destroyed;
};

static int prepare_foreign(struct iof_object *obj)
{
	struct foreign *f = container_of(obj, struct foreign, obj);

	f->prepared++;
	return f->prepare_rc;
}

static void destroy_foreign(struct iof_object *obj)
{
	container_of(obj, struct foreign, obj)->destroyed++;
}

static const struct iof_object_ops foreign_ops = {
	.prepare_destroy = prepare_foreign,
	.destroy = destroy_foreign,
};

static void foreign_objects_live_in_the_same_table(void **state)
{
	struct env *env = *state;
	struct foreign f = { 0 };

	assert_ok(iof_object_reserve(env->ctx, &f.obj, &foreign_ops));
	assert_int_equal(f.obj.id, 1);
	assert_true(IS_ERR(iof_object_get(env->ctx, 1, &foreign_ops)));
	iof_object_abort(env->ctx, &f.obj);
	assert_int_equal(f.destroyed, 0);
	assert_int_equal(env_ioas(env->fd), 1);
}

static void foreign_objects_are_destroyed_by_id_and_at_close(void **state)
{
	struct env *env = *state;
	struct foreign f = { 0 };

	assert_ok(iof_object_reserve(env->ctx, &f.obj, &foreign_ops));
	iof_object_publish(env->ctx, &f.obj);
	assert_ptr_equal(iof_object_get(env->ctx, 1, &foreign_ops), &f.obj);
	iof_object_put(&f.obj);
	assert_true(IS_ERR(iof_object_get(env->ctx, 1, &iof_ioas_ops)));
	assert_ok(env_destroy(env->fd, 1));
	assert_int_equal(f.destroyed, 1);

	assert_ok(iof_object_reserve(env->ctx, &f.obj, &foreign_ops));
	iof_object_publish(env->ctx, &f.obj);
	env_close(env->fd);
	env->fd = -1;
	assert_int_equal(f.destroyed, 2);
	/* The end of a context calls no prepare_destroy. */
	assert_int_equal(f.prepared, 1);
}

static void an_object_that_cannot_prepare_stays(void **state)
{
	struct env *env = *state;
	struct foreign f = { .prepare_rc = -EINTR };

	assert_ok(iof_object_reserve(env->ctx, &f.obj, &foreign_ops));
	iof_object_publish(env->ctx, &f.obj);
	assert_int_equal(iof_object_destroy(env->ctx, 1), -EINTR);
	assert_int_equal(f.destroyed, 0);
	assert_ptr_equal(iof_object_get(env->ctx, 1, NULL), &f.obj);
	iof_object_put(&f.obj);
	f.prepare_rc = 0;
	assert_ok(env_destroy(env->fd, 1));
	assert_int_equal(f.destroyed, 1);
}

/* Several threads create, use, hold and destroy the same few objects. */
#define RACERS 4
#define ROUNDS 3000

struct racer {
	pthread_t thread;
	struct env *env;
	unsigned int seed;
};

static void *race_thread(void *arg)
{
	struct racer *r = arg;
	struct iof_object *obj;
	u32 id;
	int i, rc;

	for (i = 0; i < ROUNDS; i++) {
		id = 1 + rand_r(&r->seed) % 4;
		switch (rand_r(&r->seed) % 4) {
		case 0:
			rc = env_ioas(r->env->fd);
			if (rc <= 0)
				abort();
			break;
		case 1:
			rc = env_destroy(r->env->fd, id);
			if (rc && rc != -ENOENT && rc != -EBUSY)
				abort();
			break;
		case 2:
			obj = iof_object_get(r->env->ctx, id, &iof_ioas_ops);
			if (!IS_ERR(obj))
				iof_object_put(obj);
			break;
		default:
			obj = iof_object_get(r->env->ctx, id, &iof_ioas_ops);
			if (IS_ERR(obj))
				break;
			iof_object_hold(obj);
			iof_object_put(obj);
			iof_object_unhold(obj);
		}
	}
	return NULL;
}

static void look_up_hold_and_destroy_race(void **state)
{
	struct racer racers[RACERS];
	int i;

	for (i = 0; i < RACERS; i++) {
		racers[i].env = *state;
		racers[i].seed = i + 1;
		assert_ok(pthread_create(&racers[i].thread, NULL, race_thread, &racers[i]));
	}
	for (i = 0; i < RACERS; i++)
		assert_ok(pthread_join(racers[i].thread, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a1_lowest_free_id_of_all_types_first),
		TEST(a1_each_open_has_its_own_ids),
		TEST(a2_reserved_ids_are_invisible),
		TEST(a3_unwritable_reply_undoes_the_object),
		TEST(a4_unknown_ids),
		TEST(a6_used_objects_are_busy),
		TEST(a7_destroy_waits_for_calls_and_hides_first),
		TEST(a7_call_that_becomes_a_user_keeps_the_object),
		TEST(a7_destroy_gives_up),
		TEST(a7_killed_destroy_leaves_the_object),
		TEST(a7_killed_destroy_does_not_wait_for_a_mapping),
		TEST(a8_unbind_does_not_wait_for_filling),
		TEST(a8_unbind_does_not_wait_for_user_memory),
		TEST(a8_unbind_waits_for_calls),
		TEST(a13_queue_with_open_descriptor_is_busy),
		TEST(a16_last_close_destroys_leaves_first),
		TEST(a17_bound_device_keeps_the_context),
		TEST(a17_open_queue_keeps_the_context),
		TEST(a17_last_holders_leave_together),
		TEST(foreign_objects_live_in_the_same_table),
		TEST(foreign_objects_are_destroyed_by_id_and_at_close),
		TEST(an_object_that_cannot_prepare_stays),
		TEST(look_up_hold_and_destroy_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
