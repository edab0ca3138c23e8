// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * group_use.c - which uses of a VFIO group exclude each other.
 *
 * On one side are the group's node and the device descriptors that came from
 * it, on the other side members bound through their own nodes. Device nodes
 * (bind.c) and the group node (group.c) call this file.
 *
 * group->lock is a leaf of vfio/: it is taken with or without binding->lock,
 * and covers counts and the container only.
 */
#include "private.h"

bool iof_vfio_group_in_use(const struct iof_vfio_group *group)
{
	lockdep_assert_held(&group->lock);
	return group->open || group->files;
}

struct iof_ctx *iof_vfio_group_leave(struct iof_vfio_group *group)
{
	struct iof_ctx *ctx = group->ctx;

	if (iof_vfio_group_in_use(group))
		return NULL;
	group->ctx = NULL;
	return ctx;
}

int iof_vfio_group_block(struct iof_vfio_group *group)
{
	int rc = 0;

	if (!group)
		return 0;
	mutex_lock(&group->lock);
	if (iof_vfio_group_in_use(group))
		rc = -EBUSY;
	else
		group->bound++;
	mutex_unlock(&group->lock);
	return rc;
}

void iof_vfio_group_unblock(struct iof_vfio_group *group)
{
	if (!group)
		return;
	mutex_lock(&group->lock);
	group->bound--;
	mutex_unlock(&group->lock);
}

void iof_vfio_group_put_file(struct iof_vfio_group *group)
{
	struct iof_ctx *ctx;

	mutex_lock(&group->lock);
	group->files--;
	ctx = iof_vfio_group_leave(group);
	mutex_unlock(&group->lock);
	if (ctx)
		iof_ctx_put(ctx);
}
