// SPDX-License-Identifier: MIT
/*
 * devices.c - the functions of devices.h. This file is apart from the others, since the model and
 * the library each have a struct iof_dsa_config of their own.
 */
#include "core/iopf.h"
#include "model/dsa_private.h"
#include "devices.h"

bool device_dsa_rests(struct iof_hwdev *hw)
{
	struct iof_dsa *dsa = container_of(hw, struct iof_dsa, mdev.hwdev);
	unsigned int i;

	for (i = 0; i < dsa->nr_engines; i++)
		if (!test_bit(i, &dsa->sleeping) || !llist_empty(&dsa->engines[i]->resumed))
			return false;
	return !READ_ONCE(dsa->nr_queued);
}

bool device_ats_waits(struct iof_hwdev *hw)
{
	struct iof_pri *pri = &container_of(hw, struct iof_mdev, hwdev)->pri;
	struct iof_hwdev_stats stats;

	iof_hwdev_get_stats(hw, &stats);
	return READ_ONCE(pri->slots[0]->state) == IOF_PRI_OPEN &&
	       stats.groups == (u64)atomic64_read(&pri->groups);
}

const char *device_owes(struct iof_hwdev *hw)
{
	struct iof_pri *pri = &container_of(hw, struct iof_mdev, hwdev)->pri;
	struct iof_hwdev_stats stats;

	iof_hwdev_get_stats(hw, &stats);
	if (stats.groups != stats.answered[0] + stats.answered[1] + stats.answered[2])
		return "groups and answers";
	if (stats.refused + stats.swept > stats.answered[1])
		return "what the core answered is invalid";
	if (stats.groups != (u64)atomic64_read(&pri->groups))
		return "groups sent and reported";
	if (atomic_read(&pri->credits) != (int)hw->credits || atomic_read(&hw->core->in_use))
		return "credits";
	if (hw->core->nr_partial || hw->core->nr_broken)
		return "unfinished groups";
	return NULL;
}

static unsigned int length(const struct llist_node *node)
{
	unsigned int nr = 0;

	for (; node; node = node->next)
		nr++;
	return nr;
}

unsigned int device_records(struct iof_hwdev *hw)
{
	struct iof_hwdev_core *core = hw->core;

	return length(core->spare) + length(core->returned.first) +
	       list_count_nodes(&core->free_pages);
}
