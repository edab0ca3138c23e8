// SPDX-License-Identifier: MIT
/*
 * attach_races.c - proves that threads that bind, attach, replace, detach, allocate and destroy at
 * the same time lose no object and leave none behind. Faults arrive and are answered meanwhile;
 * each group gets one answer. A thread draws its actions from its seed; the fake driver checks
 * every call.
 */
#include "env.h"

#define RID    IOF_NO_PASID
#define IDS    24 /* number of ids that are guessed: most exist, with objects of any type */
#define PASIDS 4

struct world {
	struct env *env;
	int fd;
	struct fake_dev devs[3]; /* the second and third device share a group */
	u32 queue;
	int fault_fd;
	atomic_t dev_id[3]; /* ids of the devices while they are bound, by guess */
	atomic_t stop;
};

struct actor {
	pthread_t thread;
	struct world *w;
	unsigned int index, seed, rounds;
};

static unsigned int draw(struct actor *a, unsigned int below)
{
	return rand_r(&a->seed) % below;
}

static void must_be(int rc, const int *allowed)
{
	if (rc >= 0)
		return;
	for (; *allowed; allowed++) {
		if (rc == -*allowed)
			return;
	}
	fprintf(stderr, "unexpected error %d\n", rc);
	abort();
}

#define MUST_BE(rc, ...) must_be(rc, (const int[]){ __VA_ARGS__, 0 })

/*
 * Main function of the owner of a device: binds, attaches, detaches and unbinds it, over and over.
 */
static void *owner(void *arg)
{
	struct actor *a = arg;
	struct world *w = a->w;
	struct fake_dev *dev = &w->devs[a->index];
	struct iof_device *idev;
	unsigned int round, i, p;

	for (round = 0; round < a->rounds; round++) {
		idev = iof_device_bind(w->env->ctx, &dev->hw, false);
		if (IS_ERR(idev))
			abort();
		atomic_set(&w->dev_id[a->index], iof_device_id(idev));
		for (i = 0; i < 24; i++) {
			p = draw(a, PASIDS);
			/* Sometimes a driver fails, perhaps also while it rolls back. */
			if (draw(a, 16) == 0) {
				mutex_lock(&dev->lock);
				dev->fail_nth = 1 + draw(a, 3);
				dev->fail_errno = -ENOMEM;
				mutex_unlock(&dev->lock);
			}
			switch (draw(a, 4)) {
			case 0:
				MUST_BE(env_attach(idev, p, 1 + draw(a, IDS)), ENOENT, EINVAL,
					EBUSY, EADDRINUSE, ENOMEM);
				break;
			case 1:
				MUST_BE(env_replace(idev, p, 1 + draw(a, IDS)), ENOENT, EINVAL,
					EADDRINUSE, ENOMEM);
				break;
			case 2:
				if (p)
					MUST_BE(iof_device_sva_bind(idev, p), EBUSY, EINVAL,
						ENOMEM);
				break;
			default:
				iof_device_detach(idev, p);
				if (iof_device_attached(idev, p))
					abort();
			}
			/* Give faults time to arrive through the attachment of now. */
			if (draw(a, 2))
				sched_yield();
		}
		for (p = 0; p < PASIDS; p++)
			iof_device_detach(idev, p);
		iof_device_unbind(idev);
	}
	return NULL;
}

/* Creates and destroys objects while other threads use them. */
static void *builder(void *arg)
{
	struct actor *a = arg;
	struct world *w = a->w;
	const u32 flags[] = { 0, IOMMU_HWPT_ALLOC_NEST_PARENT, IOMMU_HWPT_ALLOC_PASID,
			      IOMMU_HWPT_FAULT_ID_VALID,
			      IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID };
	struct iommu_hwpt_vtd_s1_invalidate entries[2] = { { .addr = 0 } };
	struct iommu_hwpt_invalidate inv;
	struct iommu_hw_info info;
	unsigned int round;
	u32 dev, pt;

	for (round = 0; round < a->rounds * 24; round++) {
		dev = atomic_read(&w->dev_id[draw(a, 3)]);
		pt = 1 + draw(a, IDS);
		switch (draw(a, 7)) {
		case 0:
			MUST_BE(env_destroy(w->fd, pt), ENOENT, EBUSY);
			break;
		case 1:
			if (env_ioas(w->fd) <= 0)
				abort();
			break;
		case 2:
		case 3:
			MUST_BE(env_hwpt_fault(w->fd, dev, pt, flags[draw(a, 5)], w->queue), ENOENT,
				EINVAL, EOPNOTSUPP);
			break;
		case 4:
			MUST_BE(env_nested(w->fd, dev, pt, IOMMU_HWPT_ALLOC_PASID,
					   draw(a, 2) ? w->queue : 0),
				ENOENT, EINVAL, EOPNOTSUPP);
			break;
		case 5:
			inv = (struct iommu_hwpt_invalidate){
				.size = sizeof(inv),
				.hwpt_id = pt,
				.entry_num = 2,
				.data_uptr = (uintptr_t)entries,
				.entry_len = sizeof(entries[0]),
			};
			MUST_BE(env_ioctl(w->fd, IOMMU_HWPT_INVALIDATE, &inv), ENOENT, EINVAL);
			break;
		default:
			info = (struct iommu_hw_info){ .size = sizeof(info), .dev_id = dev };
			MUST_BE(env_ioctl(w->fd, IOMMU_GET_HW_INFO, &info), ENOENT);
		}
		/* Keep the ids small enough to be guessed. */
		if (round % 64 == 63) {
			for (pt = IDS + 1; pt < 8 * IDS; pt++)
				env_destroy(w->fd, pt);
		}
	}
	return NULL;
}

static void *device(void *arg)
{
	struct actor *a = arg;
	struct world *w = a->w;
	struct fake_dev *dev = &w->devs[a->index];
	u32 pasid, grpid;

	while (!atomic_read(&w->stop)) {
		pasid = draw(a, PASIDS);
		grpid = draw(a, 8);
		/* Some groups never end; all others get an answer. */
		if (draw(a, 3) == 0)
			fake_report(dev, 0, pasid, grpid, 1, draw(a, 64) << 12);
		fake_fault(dev, pasid, grpid, draw(a, 64) << 12);
		if (draw(a, 4) == 0)
			sched_yield();
	}
	return NULL;
}

static void *handler(void *arg)
{
	struct actor *a = arg;
	struct world *w = a->w;
	struct iommu_hwpt_pgfault recs[16];
	int n, i;

	while (!atomic_read(&w->stop)) {
		n = env_read(w->fault_fd, recs, ARRAY_SIZE(recs));
		if (n < 0)
			abort();
		for (i = 0; i < n; i++) {
			if (recs[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE)
				MUST_BE(env_answer(w->fault_fd, recs[i].cookie, draw(a, 2)),
					EINVAL);
		}
		if (!n)
			sched_yield();
	}
	return NULL;
}

static void start(struct actor *a, struct world *w, void *(*run)(void *), unsigned int index,
		  unsigned int rounds)
{
	static unsigned int seed;

	a->w = w;
	a->index = index;
	a->seed = ++seed;
	a->rounds = rounds;
	assert_ok(pthread_create(&a->thread, NULL, run, a));
}

static void race(void **state, unsigned int rounds, bool failing)
{
	struct world *w = calloc(1, sizeof(*w));
	struct actor owners[3], devices[3], builders[2], handlers[2];
	unsigned int i;

	w->env = *state;
	w->fd = w->env->fd;
	for (i = 0; i < 3; i++)
		fake_dev_add(&w->devs[i], "racer", 32, PASIDS, i == 2 ? &w->devs[1] : NULL);
	assert_ok(env_queue(w->fd, &w->queue, &w->fault_fd));
	assert_id(env_ioas(w->fd));
	/* A domain that is made for one of the group's devices does not fit the other. */
	w->devs[2].tag = failing;

	for (i = 0; i < 3; i++) {
		start(&owners[i], w, owner, i, rounds);
		start(&devices[i], w, device, i, 0);
	}
	for (i = 0; i < 2; i++) {
		start(&builders[i], w, builder, i, rounds);
		start(&handlers[i], w, handler, i, 0);
	}
	for (i = 0; i < 3; i++)
		assert_ok(pthread_join(owners[i].thread, NULL));
	for (i = 0; i < 2; i++)
		assert_ok(pthread_join(builders[i].thread, NULL));
	atomic_set(&w->stop, 1);
	for (i = 0; i < 3; i++)
		assert_ok(pthread_join(devices[i].thread, NULL));
	for (i = 0; i < 2; i++)
		assert_ok(pthread_join(handlers[i].thread, NULL));

	/* Nothing is attached, so that no group can be open. */
	for (i = 0; i < 3; i++)
		assert_int_equal(fake_open(&w->devs[i]), 0);
	env_close(w->fault_fd);
	env_close(w->fd);
	w->env->fd = -1;
	for (i = 0; i < 3; i++)
		fake_dev_remove(&w->devs[i]);
	free(w);
}

static void everything_at_once(void **state)
{
	race(state, 3000, false);
}

static void everything_at_once_with_devices_that_do_not_fit(void **state)
{
	race(state, 1000, true);
}

/* A thread that claims the group for its context; two contexts want the same group. */
struct claimant {
	pthread_t thread;
	struct iof_ctx *ctx;
	struct fake_dev *devs;
	atomic_t *mine, *theirs; /* number of bound devices of its own and of the other context */
};

static void *claim(void *arg)
{
	struct claimant *c = arg;
	struct iof_device *idev;
	int i;

	for (i = 0; i < 2000; i++) {
		idev = iof_device_bind(c->ctx, &c->devs[i % 2].hw, true);
		if (IS_ERR(idev)) {
			if (PTR_ERR(idev) != -EPERM && PTR_ERR(idev) != -EBUSY)
				abort();
			continue;
		}
		/* While one context has the group, the other has no bound device of it. */
		atomic_inc(c->mine);
		if (atomic_read(c->theirs))
			abort();
		atomic_dec(c->mine);
		iof_device_unbind(idev);
	}
	return NULL;
}

static void group_has_one_owner(void **state)
{
	struct env *env = *state;
	struct fake_dev devs[2];
	struct claimant c[4];
	atomic_t bound[2] = { ATOMIC_INIT(0), ATOMIC_INIT(0) };
	int other = env_open(env), i;

	fake_dev_add(&devs[0], "a", 1, 0, NULL);
	fake_dev_add(&devs[1], "b", 1, 0, &devs[0]);
	for (i = 0; i < 4; i++) {
		c[i].ctx = i % 2 ? env_ctx(other) : env->ctx;
		c[i].devs = devs;
		c[i].mine = &bound[i % 2];
		c[i].theirs = &bound[!(i % 2)];
		assert_ok(pthread_create(&c[i].thread, NULL, claim, &c[i]));
	}
	for (i = 0; i < 4; i++)
		assert_ok(pthread_join(c[i].thread, NULL));
	assert_null(devs[0].hw.core->group->owner);
	env_close(other);
	fake_dev_remove(&devs[0]);
	fake_dev_remove(&devs[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(everything_at_once),
		TEST(everything_at_once_with_devices_that_do_not_fit),
		TEST(group_has_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
