// SPDX-License-Identifier: MIT
/*
 * Proves that each page-request group gets exactly one answer while everything happens at once.
 * Devices report whole and partial groups. Readers read and respond (also twice, also with invented
 * cookies). One thread detaches, attaches, replaces, closes the queue and destroys it with its page
 * tables. The fake driver counts the answers; ThreadSanitizer watches the rest. IOFAULT_SEED
 * replays a run's decisions.
 */
#include "env.h"

#define LAST	IOMMU_PGFAULT_FLAGS_LAST_PAGE
#define CREDITS 64
#define DEVICES 2
#define READERS 2

static unsigned int switches = 4000;

struct stage {
	struct env *env;
	struct fake_dev dev[DEVICES];
	struct iof_device *idev[DEVICES];
	int ioas;
	/* The present objects; readers use the queue's descriptor, too. */
	u32 queue;
	int hwpt[2], plain;
	int q;
	bool stop;
	unsigned int seed;
};

static void *report(void *arg)
{
	struct fake_dev *dev = arg;
	struct stage *s = dev->priv;
	unsigned int seed = s->seed + (unsigned int)(dev - s->dev) + 100;
	u32 grpid = 0;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		u32 pasid = rand_r(&seed) % 3, pages = rand_r(&seed) % 4;

		/* The addresses differ, so that the checker can tell last pages apart. */
		u64 addr = ((u64)++grpid << 32) | (u64)(dev - s->dev) << 20;

		while (pages--)
			fake_report(dev, 0, pasid, grpid, 1, addr | (u64)(pages + 1) << 12);
		if (!(rand_r(&seed) % 8)) {
			struct fake_burst burst = { .dev = dev };
			u32 nr = rand_r(&seed) % 24;

			while (nr--)
				fake_burst_add(&burst, LAST, pasid, grpid + nr, 1,
					       addr | (u64)(nr + 1) << 4);
			fake_burst_send(&burst);
		}
		/* Sometimes a group stays unfinished until the device is reset. */
		if (rand_r(&seed) % 64)
			fake_report(dev, LAST, pasid, grpid, 1, addr);
		else if (!(rand_r(&seed) % 8))
			iof_report_reset(&dev->hw);
		if (fake_open(dev) > CREDITS / 2)
			sched_yield();
	}
	return NULL;
}

static void *handle(void *arg)
{
	struct stage *s = arg;
	struct iommu_hwpt_page_response resp[CREDITS];
	struct iommu_hwpt_pgfault rec[CREDITS];
	unsigned int seed = s->seed + 1000;
	u32 n, i, k;
	int got, q;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		q = __atomic_load_n(&s->q, __ATOMIC_ACQUIRE);
		got = env_read(q, rec, 1 + (u32)rand_r(&seed) % CREDITS);
		if (got <= 0) {
			sched_yield();
			continue;
		}
		for (i = 0, n = 0; i < (u32)got; i++) {
			if (rec[i].flags & LAST)
				resp[n++] = (struct iommu_hwpt_page_response){ rec[i].cookie,
									       rand_r(&seed) % 2 };
		}
		for (i = 0; i < n;) {
			ssize_t rc = iof_sys_write(q, resp + i, (n - i) * sizeof(resp[0]));

			i += rc > 0 ? (u32)rc / (u32)sizeof(resp[0]) : 1;
		}
		/* Writes late, repeated and invented responses. */
		k = (u32)rand_r(&seed) % CREDITS;
		env_answer(q, k < n ? resp[k].cookie : (u32)rand_r(&seed), 0);
	}
	return NULL;
}

static void make_queue(struct stage *s)
{
	int q, i;

	assert_ok(env_queue(s->env->fd, &s->queue, &q));
	for (i = 0; i < 2; i++) {
		s->hwpt[i] = env_hwpt_fault(s->env->fd, iof_device_id(s->idev[0]), s->ioas,
					    IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID,
					    s->queue);
		assert_id(s->hwpt[i]);
	}
	__atomic_store_n(&s->q, q, __ATOMIC_RELEASE);
}

static void detach_all(struct stage *s)
{
	u32 i, pasid;

	for (i = 0; i < DEVICES; i++) {
		for (pasid = FAKE_PASIDS; pasid-- > 0;)
			iof_device_detach(s->idev[i], pasid);
	}
}

static void destroy_queue(struct stage *s)
{
	int q = s->q;

	detach_all(s);
	assert_ok(env_destroy(s->env->fd, (u32)s->hwpt[0]));
	assert_ok(env_destroy(s->env->fd, (u32)s->hwpt[1]));
	assert_err(env_destroy(s->env->fd, s->queue), EBUSY);
	env_close(q);
	/* A reader's call may still hold the file. */
	while (env_destroy(s->env->fd, s->queue) == -EBUSY)
		sched_yield();
}

/*
 * Makes one random change. Some changes are refused (already attached, not attached), which is part
 * of the test.
 */
static void change(struct stage *s, unsigned int *seed)
{
	struct iof_device *idev = s->idev[rand_r(seed) % DEVICES];
	u32 pasid = rand_r(seed) % 3;
	int hwpt = rand_r(seed) % 4 ? s->hwpt[rand_r(seed) % 2] : s->plain;

	switch (rand_r(seed) % 16) {
	case 0:
		destroy_queue(s);
		make_queue(s);
		return;
	case 1:
		/* The readers still use the closed number, which must do no harm. */
		env_close(s->q);
		detach_all(s);
		assert_ok(env_destroy(s->env->fd, (u32)s->hwpt[0]));
		assert_ok(env_destroy(s->env->fd, (u32)s->hwpt[1]));
		while (env_destroy(s->env->fd, s->queue) == -EBUSY)
			sched_yield();
		make_queue(s);
		return;
	case 2 ... 5:
		iof_device_detach(idev, pasid);
		return;
	case 6 ... 10:
		env_attach(idev, pasid, (u32)hwpt);
		return;
	default:
		env_replace(idev, pasid, (u32)hwpt);
		return;
	}
}

/* Has each device had both kinds of answer from the readers, and some from the core? */
static bool seen_all(struct stage *s)
{
	struct iof_hwdev_stats stats;
	u32 i;

	for (i = 0; i < DEVICES; i++) {
		iof_hwdev_get_stats(&s->dev[i].hw, &stats);
		if (!stats.answered[IOF_PAGE_SUCCESS] || !stats.swept || !stats.refused)
			return false;
	}
	return true;
}

static void everything_at_once(void **state)
{
	pthread_t reporters[DEVICES], readers[READERS];
	const char *seed_text = getenv("IOFAULT_SEED");
	struct stage s = { .env = *state,
			   .seed = seed_text ? (unsigned int)atoi(seed_text) : 20261122 };
	unsigned int seed = s.seed, i;

	for (i = 0; i < DEVICES; i++) {
		fake_dev_add(&s.dev[i], i ? "two" : "one", CREDITS, FAKE_PASIDS, NULL);
		s.dev[i].priv = &s;
		s.idev[i] = env_bind(s.env, &s.dev[i]);
	}
	s.ioas = env_ioas(s.env->fd);
	s.plain =
		env_hwpt(s.env->fd, iof_device_id(s.idev[0]), (u32)s.ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(s.plain);
	make_queue(&s);
	for (i = 0; i < DEVICES; i++)
		pthread_create(&reporters[i], NULL, report, &s.dev[i]);
	for (i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, handle, &s);
	for (i = 0; i < switches || !seen_all(&s); i++) {
		change(&s, &seed);
		/* Give the readers time between two changes. */
		if (!(rand_r(&seed) % 16))
			sched_yield();
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < DEVICES; i++)
		pthread_join(reporters[i], NULL);
	for (i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);

	detach_all(&s);
	for (i = 0; i < DEVICES; i++) {
		struct iof_hwdev_stats stats;

		assert_int_equal(fake_open(&s.dev[i]), 0);
		iof_hwdev_get_stats(&s.dev[i].hw, &stats);
		assert_int_equal(stats.groups,
				 stats.answered[0] + stats.answered[1] + stats.answered[2]);
		iof_device_unbind(s.idev[i]);
		fake_dev_remove(&s.dev[i]);
	}
	env_close(s.q);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_at_once, env_setup, env_teardown),
	};

	if (argc > 1)
		switches = (unsigned int)atoi(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
