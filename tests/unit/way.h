/* SPDX-License-Identifier: MIT */
/*
 * way.h - the path of a fault for the tests of the fault queue: a device of the fake driver,
 * attached to a paging HWPT with a fault queue.
 */
#ifndef IOF_TESTS_WAY_H
#define IOF_TESTS_WAY_H

#include "env.h"

struct way {
	struct env *env;
	struct fake_dev dev;
	struct iof_device *idev;
	int ioas, hwpt, q;
	u32 queue;
};

static inline void way_open_as(struct way *w, void **state, const char *name, u32 credits)
{
	memset(w, 0, sizeof(*w));
	w->env = *state;
	fake_dev_add(&w->dev, name, credits, FAKE_PASIDS, NULL);
	w->idev = env_bind(w->env, &w->dev);
	w->ioas = env_ioas(w->env->fd);
	assert_ok(env_queue(w->env->fd, &w->queue, &w->q));
	w->hwpt = env_hwpt_fault(w->env->fd, iof_device_id(w->idev), w->ioas,
				 IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID, w->queue);
	assert_id(w->hwpt);
	assert_int_equal(env_attach(w->idev, 0, w->hwpt), w->hwpt);
}

static inline void way_open(struct way *w, void **state, u32 credits)
{
	way_open_as(w, state, "dev", credits);
}

static inline void way_close(struct way *w)
{
	iof_device_detach(w->idev, 0);
	iof_device_unbind(w->idev);
	fake_dev_remove(&w->dev);
	if (w->q >= 0)
		env_close(w->q);
}

#endif
