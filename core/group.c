// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * group.c - memory of isolation groups. Each registered and each bound device
 * of a group holds a reference.
 */
#include "attach.h"

struct iof_group *iof_group_alloc(void)
{
	struct iof_group *group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);

	if (!group)
		return NULL;
	kref_init(&group->ref);
	mutex_init(&group->lock);
	INIT_LIST_HEAD(&group->hwdevs);
	spin_lock_init(&group->fault_lock);
	xa_init_flags(&group->attachments, XA_FLAGS_ACCOUNT);
	INIT_LIST_HEAD(&group->parked);
	return group;
}

static void release_group(struct kref *ref)
{
	struct iof_group *group = container_of(ref, struct iof_group, ref);

	WARN_ON(!xa_empty(&group->attachments) || !list_empty(&group->parked));
	xa_destroy(&group->attachments);
	mutex_destroy(&group->lock);
	kfree(group);
}

void iof_group_get(struct iof_group *group)
{
	kref_get(&group->ref);
}

void iof_group_put(struct iof_group *group)
{
	kref_put(&group->ref, release_group);
}
