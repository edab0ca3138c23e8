// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * attach.c - attach, replace and detach: which page table a group's devices
 * use, for the RID and PASIDs.
 *
 * (group, PASID) is attached to one domain at a time. A struct iof_attach
 * describes that. It is built complete, put in force by one switch, and never
 * changed into another. The bound devices that asked for it are its members.
 * The first member's attach switches all devices of the group; the last
 * member's detach blocks them again.
 *
 * Rules: all under group->lock. What the new attachment needs (slot in
 * group->attachments, reserved ranges, first cookie slots, holds) is allocated
 * before the driver is asked, so that nothing can fail after the driver. The
 * old attachment is swept, which answers its open groups, and freed before the
 * call returns. A failed call changes nothing. An automatic HWPT is filled
 * without group->lock, because user memory comes in meanwhile and a detach must
 * not wait for that; nor must an unbind, so filling does not use the device.
 */
#include "fault_queue.h"
#include "iopf.h"
#include "sva.h"

/* ---- building and freeing an attachment ---- */

static struct iof_attach *alloc_attach(struct iof_group *group, u32 pasid)
{
	struct iof_hwdev_core *core;
	struct iof_attach *attach;
	size_t nr_hwdevs = 0;

	/* Positions change only before the first attachment. */
	list_for_each_entry(core, &group->hwdevs, group_node) {
		if (xa_empty(&group->attachments))
			core->position = nr_hwdevs;
		nr_hwdevs = max(nr_hwdevs, core->position + 1ul);
	}
	attach = kzalloc(struct_size(attach, lost, nr_hwdevs),
			 GFP_KERNEL_ACCOUNT);
	if (!attach)
		return NULL;
	attach->group = group;
	attach->pasid = pasid;
	INIT_LIST_HEAD(&attach->members);
	INIT_LIST_HEAD(&attach->open);
	INIT_LIST_HEAD(&attach->partial);
	return attach;
}

/*
 * Adds a member. @map gets the device's reserved ranges; NULL: none are
 * reserved. The first member gives the dev_id.
 */
static int add_member(struct iof_attach *attach, struct iof_device *idev,
		      struct iof_map *map)
{
	struct iof_attach_member *member =
		kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	int rc;

	if (!member)
		return -ENOMEM;
	member->idev = idev;
	if (map) {
		rc = iof_map_reserve_device(map, idev->hwdev);
		if (rc) {
			kfree(member);
			return rc;
		}
	}
	if (list_empty(&attach->members))
		attach->dev_id = idev->obj.id;
	list_add_tail(&member->node, &attach->members);
	return 0;
}

static void drop_member(struct iof_attach_member *member, struct iof_map *map)
{
	if (map)
		iof_map_unreserve_device(map, member->idev->hwdev);
	list_del(&member->node);
	kfree(member);
}

static void drop_members(struct iof_attach *attach, struct iof_map *map)
{
	struct iof_attach_member *member, *next;

	list_for_each_entry_safe(member, next, &attach->members, node)
		drop_member(member, map);
}

/*
 * Adds the members of a new attachment: @idev, or the members of @old if that
 * is replaced.
 */
static int add_members(struct iof_attach *attach, struct iof_device *idev,
		       struct iof_attach *old, struct iof_map *map)
{
	struct iof_attach_member *member;
	int rc = 0;

	if (!old)
		return add_member(attach, idev, map);
	list_for_each_entry(member, &old->members, node) {
		rc = add_member(attach, member->idev, map);
		if (rc)
			break;
	}
	return rc;
}

/*
 * Returns the map that reserves ranges. Only attachments of the RID reserve
 * ranges; a program that uses PASIDs attaches the RID, too, if they matter.
 */
static struct iof_map *reserving_map(u32 pasid, struct iof_ioas *ioas)
{
	return pasid == IOF_NO_PASID ? &ioas->map : NULL;
}

static struct iof_map *attach_map(const struct iof_attach *attach)
{
	return attach->hwpt ? reserving_map(attach->pasid,
					    iof_hwpt_ioas(attach->hwpt)) :
			      NULL;
}

/* Frees @attach, which is not in force and has no open groups. */
static void free_attach(struct iof_ctx *ctx, struct iof_attach *attach)
{
	drop_members(attach, attach_map(attach));
	if (attach->queue)
		iof_fault_queue_leave(attach->queue, attach);
	if (attach->hwpt)
		iof_hwpt_unuse(ctx, attach->hwpt);
	if (attach->sva)
		iof_sva_free(attach->sva);
	kfree(attach);
}

/* Sweeps and frees @old, which is no longer in force. */
static void retire(struct iof_ctx *ctx, struct iof_attach *old)
{
	if (old->sink)
		old->sink->ops->sweep(old->sink, old, NULL);
	free_attach(ctx, old);
}

static struct iof_attach_member *find_member(struct iof_attach *attach,
					     struct iof_device *idev)
{
	struct iof_attach_member *member;

	list_for_each_entry(member, &attach->members, node) {
		if (member->idev == idev)
			return member;
	}
	return NULL;
}

/* ---- the switch ---- */

static bool takes_part(const struct iof_hwdev_core *core, u32 pasid)
{
	return pasid == IOF_NO_PASID || core->dev->max_pasids > 1;
}

/*
 * Checks that @pasid exists for @idev and for each device of the group that has
 * PASIDs.
 */
static int check_pasid(struct iof_device *idev, u32 pasid)
{
	struct iof_hwdev_core *core;

	if (pasid == IOF_NO_PASID)
		return 0;
	if (pasid >= idev->hwdev->max_pasids)
		return -EINVAL;
	list_for_each_entry(core, &idev->group->hwdevs, group_node) {
		if (takes_part(core, pasid) && pasid >= core->dev->max_pasids)
			return -EINVAL;
	}
	return 0;
}

/*
 * Checks what the core knows about @hwpt and the group; the driver may still
 * refuse.
 */
static int check_hwpt(struct iof_group *group, u32 pasid, struct iof_hwpt *hwpt)
{
	bool for_pasids = hwpt->flags & IOMMU_HWPT_ALLOC_PASID;
	struct iof_hwdev_core *core;

	if (pasid == IOF_NO_PASID) {
		if (group->pasid_hwpts && !for_pasids)
			return -EINVAL;
	} else {
		if (!for_pasids)
			return -EINVAL;
		if (group->rid && group->rid->hwpt &&
		    !(group->rid->hwpt->flags & IOMMU_HWPT_ALLOC_PASID))
			return -EINVAL;
	}
	list_for_each_entry(core, &group->hwdevs, group_node) {
		if (!takes_part(core, pasid))
			continue;
		if (core->dev->ops->no_iommu && (hwpt->flags || hwpt->parent))
			return -EOPNOTSUPP;
		if (core->dev->ops != hwpt->domain->driver)
			return -EINVAL;
		if (hwpt->queue && core->dev->vf_with_pri)
			return -EINVAL;
	}
	return 0;
}

/* Returns the domain of the device; NULL: the device is blocked. */
static struct iof_domain *domain_of(const struct iof_attach *attach,
				    const struct iof_hwdev_core *core)
{
	return attach && !attach->lost[core->position] ? attach->domain : NULL;
}

static int drive_one(struct iof_hwdev *dev, u32 pasid, struct iof_domain *new,
		     struct iof_domain *old)
{
	int rc = new == old ? 0 : dev->ops->attach(dev, pasid, new, old);

	return WARN_ON(rc && !new) ? 0 : rc;
}

/*
 * Calls the driver of each device that takes part. All of them switch, or none.
 * With @new NULL it cannot fail.
 */
static int drive(struct iof_group *group, u32 pasid, struct iof_attach *new,
		 struct iof_attach *old)
{
	struct iof_domain *domain = new ? new->domain : NULL;
	struct iof_hwdev_core *core;
	int rc = 0;

	list_for_each_entry(core, &group->hwdevs, group_node) {
		if (takes_part(core, pasid))
			rc = drive_one(core->dev, pasid, domain,
				       domain_of(old, core));
		if (rc)
			break;
	}
	if (!rc)
		return 0;
	list_for_each_entry_continue_reverse(core, &group->hwdevs, group_node) {
		if (!takes_part(core, pasid) ||
		    !drive_one(core->dev, pasid, domain_of(old, core), domain))
			continue;
		pr_warn_ratelimited(
			"iofault: %s: PASID %u is blocked: its driver failed twice\n",
			core->dev->name, pasid);
		old->lost[core->position] = true;
		drive_one(core->dev, pasid, NULL, domain);
	}
	return rc;
}

static bool has_hwpt(const struct iof_attach *attach)
{
	return attach && attach->hwpt;
}

/*
 * Replaces @old by @new; either may be NULL. On success @old gets no new
 * faults, and the caller retires it. On failure @new never was in force, and
 * the caller frees it.
 */
static int switch_attach(struct iof_group *group, u32 pasid,
			 struct iof_attach *new, struct iof_attach *old)
{
	int rc;

	lockdep_assert_held(&group->lock);
	if (!old) {
		rc = xa_reserve(&group->attachments, pasid, GFP_KERNEL_ACCOUNT);
		if (rc)
			return rc;
	}
	iof_iopf_switch_begin(group, pasid);
	rc = drive(group, pasid, new, old);
	if (rc) {
		iof_iopf_switch_cancel(group, pasid);
		if (!old)
			xa_release(&group->attachments, pasid);
		return rc;
	}
	iof_iopf_switch_end(group, pasid, new);
	if (pasid != IOF_NO_PASID) {
		if (has_hwpt(new))
			group->pasid_hwpts++;
		if (has_hwpt(old))
			group->pasid_hwpts--;
	}
	return 0;
}

void iof_attach_device_leaves(struct iof_hwdev_core *core)
{
	struct iof_group *group = core->group;
	struct iof_attach *attach;
	unsigned long pasid;

	lockdep_assert_held(&group->lock);
	xa_for_each(&group->attachments, pasid, attach) {
		if (!takes_part(core, pasid))
			continue;
		drive_one(core->dev, pasid, NULL, domain_of(attach, core));
		iof_iopf_drop_partials(core->dev, attach);
		if (attach->sink)
			attach->sink->ops->sweep(attach->sink, attach,
						 core->dev);
	}
}

/* ---- attach and replace ---- */

/* The state of an attach or replace in progress. */
struct iof_change {
	struct iof_device *idev;
	u32 pasid;
	struct iof_attach *old; /* the attachment to replace; NULL: none */
	/* an automatic HWPT that is not published; NULL once used */
	struct iof_hwpt *fresh;
	/* out: @fresh is to be filled from this IOAS; a call on it is held */
	struct iof_ioas *fill_from;
	u32 hwpt_id; /* out: the HWPT in force */
};

/* Builds an attachment that holds @hwpt; NULL if @hwpt is in force already. */
static struct iof_attach *begin_hwpt(struct iof_change *c,
				     struct iof_hwpt *hwpt)
{
	struct iof_attach *attach;
	int rc;

	if (c->old && c->old->hwpt == hwpt)
		return NULL;
	rc = check_hwpt(c->idev->group, c->pasid, hwpt);
	if (rc)
		return ERR_PTR(rc);
	attach = alloc_attach(c->idev->group, c->pasid);
	if (!attach)
		return ERR_PTR(-ENOMEM);
	rc = iof_hwpt_use(hwpt);
	if (rc) {
		kfree(attach);
		return ERR_PTR(rc);
	}
	attach->hwpt = hwpt;
	attach->domain = hwpt->domain;
	return attach;
}

/*
 * Switches to @hwpt. First ends the caller's call on it, since freeing an
 * automatic HWPT may wait for calls.
 */
static int change_to_hwpt(struct iof_change *c, struct iof_hwpt *hwpt)
{
	struct iof_group *group = c->idev->group;
	struct iof_attach *attach;
	int rc;

	c->hwpt_id = hwpt->obj.id;
	attach = begin_hwpt(c, hwpt);
	iof_object_put(&hwpt->obj);
	if (IS_ERR_OR_NULL(attach))
		return PTR_ERR_OR_ZERO(attach);
	rc = add_members(attach, c->idev, c->old, attach_map(attach));
	if (rc)
		goto err_free;
	if (hwpt->queue) {
		rc = iof_fault_queue_join(hwpt->queue, attach);
		if (rc)
			goto err_free;
		attach->queue = hwpt->queue;
		attach->sink = iof_fault_queue_sink(hwpt->queue);
	}
	rc = switch_attach(group, c->pasid, attach, c->old);
	if (rc)
		goto err_free;
	if (c->old)
		retire(c->idev->ctx, c->old);
	return 0;

err_free:
	free_attach(c->idev->ctx, attach);
	return rc;
}

static int try_automatic(struct iof_change *c, struct iof_attach *attach,
			 struct iof_hwpt *hwpt)
{
	struct iof_group *group = c->idev->group;
	int rc = check_hwpt(group, c->pasid, hwpt);

	if (rc)
		return rc;
	attach->hwpt = hwpt;
	attach->domain = hwpt->domain;
	rc = switch_attach(group, c->pasid, attach, c->old);
	if (rc)
		attach->hwpt = NULL;
	return rc;
}

/*
 * Makes an automatic HWPT, unpublished and empty. The device is there, since
 * the caller holds group->lock; it may leave while the HWPT is filled.
 */
static int make_fresh(struct iof_change *c, struct iof_ioas *ioas)
{
	struct iof_hwpt *hwpt =
		iof_hwpt_alloc_paging(c->idev->ctx, c->idev, 0, NULL);

	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);
	hwpt->automatic = true;
	c->fresh = hwpt;
	c->fill_from = ioas;
	return -EAGAIN;
}

/* Attaches to c->fresh, which is filled, and publishes that HWPT. */
static int use_fresh(struct iof_change *c, struct iof_attach *attach,
		     struct iof_ioas *ioas)
{
	struct iof_hwpt *hwpt = c->fresh;
	int rc;

	if (!hwpt)
		return make_fresh(c, ioas);
	rc = try_automatic(c, attach, hwpt);
	if (rc)
		return rc;
	c->fresh = NULL;
	hwpt->attachments = 1;
	/*
	 * The hold of the last attachment; the end of that attachment drops it.
	 */
	iof_object_hold(&hwpt->obj);
	iof_hwpt_publish(c->idev->ctx, hwpt);
	return 0;
}

/*
 * Attaches to the first automatic HWPT of the IOAS that the driver accepts, or
 * to a new one. -EAGAIN: the new one has to be filled first.
 */
static int choose_automatic(struct iof_change *c, struct iof_attach *attach,
			    struct iof_ioas *ioas)
{
	struct iof_hwpt *hwpt;
	int rc;

	lockdep_assert_held(&ioas->hwpts_lock);
	list_for_each_entry(hwpt, &ioas->automatic, ioas_node) {
		if (c->old && c->old->hwpt == hwpt) {
			c->hwpt_id = hwpt->obj.id;
			return 0;
		}
		rc = try_automatic(c, attach, hwpt);
		if (!rc)
			hwpt->attachments++;
		if (rc != -EINVAL)
			return rc;
	}
	return use_fresh(c, attach, ioas);
}

static int change_to_ioas(struct iof_change *c, struct iof_ioas *ioas)
{
	struct iof_map *map = reserving_map(c->pasid, ioas);
	struct iof_attach *attach;
	int rc;

	/* Automatic HWPTs are not made for PASIDs. */
	if (c->pasid != IOF_NO_PASID)
		return -EINVAL;
	attach = alloc_attach(c->idev->group, c->pasid);
	if (!attach)
		return -ENOMEM;
	rc = add_members(attach, c->idev, c->old, map);
	if (!rc)
		rc = mutex_lock_killable(&ioas->hwpts_lock);
	if (!rc) {
		rc = choose_automatic(c, attach, ioas);
		mutex_unlock(&ioas->hwpts_lock);
	}
	if (!attach->hwpt) {
		/* The attempt failed, or the HWPT was in force already. */
		drop_members(attach, map);
		kfree(attach);
		return rc;
	}
	c->hwpt_id = attach->hwpt->obj.id;
	if (c->old)
		retire(c->idev->ctx, c->old);
	return 0;
}

/*
 * Joins @idev to the attachment. A device of the group is attached already, so
 * that no other attachment is possible.
 */
static int join(struct iof_device *idev, struct iof_attach *attach,
		struct iof_object *pt, u32 *hwpt_id)
{
	struct iof_hwpt *hwpt = attach->hwpt;
	bool same;

	if (!hwpt)
		return -EBUSY;
	if (pt->ops == &iof_ioas_ops)
		same = hwpt->automatic && &hwpt->ioas->obj == pt;
	else
		same = &hwpt->obj == pt;
	if (!same)
		return -EINVAL;
	*hwpt_id = hwpt->obj.id;
	return add_member(attach, idev, attach_map(attach));
}

/*
 * Attaches to @pt. Ends the caller's call on it, or hands it over to
 * c->fill_from.
 */
static int change_locked(struct iof_change *c, struct iof_object *pt,
			 bool replace)
{
	struct iof_device *idev = c->idev;
	struct iof_attach *attach =
		xa_load(&idev->group->attachments, c->pasid);
	bool member = attach && find_member(attach, idev);
	int rc = -EINVAL;

	c->old = attach;
	c->fill_from = NULL;

	if (idev->leaving) {
		rc = -ENODEV;
		goto out_put;
	}
	if (pt->ops != &iof_ioas_ops && pt->ops != &iof_hwpt_paging_ops &&
	    pt->ops != &iof_hwpt_nested_ops)
		goto out_put;
	if (replace && !member)
		goto out_put;
	if (!replace && member) {
		rc = -EBUSY;
		goto out_put;
	}
	rc = check_pasid(idev, c->pasid);
	if (rc)
		goto out_put;
	if (!replace && attach) {
		rc = join(idev, attach, pt, &c->hwpt_id);
	} else if (pt->ops == &iof_ioas_ops) {
		rc = change_to_ioas(c, container_of(pt, struct iof_ioas, obj));
		if (c->fill_from)
			pt = NULL;
	} else {
		rc = change_to_hwpt(c, container_of(pt, struct iof_hwpt, obj));
		pt = NULL;
	}
	if (!rc)
		idev->hwdev->core->attached += !replace;
out_put:
	if (pt)
		iof_object_put(pt);
	return rc;
}

static int try_change(struct iof_change *c, u32 pt_id, bool replace)
{
	struct iof_device *idev = c->idev;
	struct iof_object *pt;
	int rc;

	/*
	 * Look up after taking the lock: a thread that waits for calls to end,
	 * under this lock or another group's, must not wait for a call that
	 * waits for the lock.
	 */
	if (mutex_lock_killable(&idev->group->lock))
		return -EINTR;
	pt = iof_object_get(idev->ctx, pt_id, NULL);
	rc = IS_ERR(pt) ? PTR_ERR(pt) : change_locked(c, pt, replace);
	mutex_unlock(&idev->group->lock);
	return rc;
}

static int change(struct iof_device *idev, u32 pasid, u32 *pt_id, bool replace)
{
	struct iof_change c = { .idev = idev, .pasid = pasid };
	int rc = try_change(&c, *pt_id, replace);
	struct iof_ioas *ioas = c.fill_from;

	if (ioas) {
		rc = iof_hwpt_fill(c.fresh, ioas);
		if (!rc)
			rc = try_change(&c, *pt_id, replace);
		/*
		 * It was not filled, the driver refused it, the device has
		 * left, or another thread has made one.
		 */
		if (c.fresh)
			iof_hwpt_abort(idev->ctx, c.fresh);
		/*
		 * This comes last, because a DESTROY of the IOAS may wait for
		 * this call.
		 */
		iof_object_put(&ioas->obj);
	}
	if (!rc)
		*pt_id = c.hwpt_id;
	return rc;
}

int iof_device_attach(struct iof_device *idev, u32 pasid, u32 *pt_id)
{
	return change(idev, pasid, pt_id, false);
}

int iof_device_replace(struct iof_device *idev, u32 pasid, u32 *pt_id)
{
	return change(idev, pasid, pt_id, true);
}

int iof_device_attached(struct iof_device *idev, u32 pasid)
{
	struct iof_attach *attach;
	int attached;

	if (mutex_lock_killable(&idev->group->lock))
		return -EINTR;
	attach = xa_load(&idev->group->attachments, pasid);
	attached = attach && find_member(attach, idev);
	mutex_unlock(&idev->group->lock);
	return attached;
}

/* ---- detach ---- */

/* Removes a member. Other members stay, so that the domain does not change. */
static void leave(struct iof_attach *attach, struct iof_attach_member *member)
{
	struct iof_group *group = attach->group;
	struct iof_hwdev *dev = member->idev->hwdev;
	struct iof_attach_member *oldest;

	drop_member(member, attach_map(attach));
	oldest = list_first_entry(&attach->members, struct iof_attach_member,
				  node);
	spin_lock(&group->fault_lock);
	attach->dev_id = oldest->idev->obj.id;
	spin_unlock(&group->fault_lock);
	iof_iopf_drop_partials(dev, attach);
}

static void detach_locked(struct iof_device *idev, struct iof_attach *attach)
{
	struct iof_attach_member *member = find_member(attach, idev);

	idev->hwdev->core->attached--;
	if (!list_is_singular(&attach->members)) {
		leave(attach, member);
		return;
	}
	WARN_ON(switch_attach(idev->group, attach->pasid, NULL, attach));
	retire(idev->ctx, attach);
}

void iof_device_detach(struct iof_device *idev, u32 pasid)
{
	struct iof_attach *attach;

	mutex_lock(&idev->group->lock);
	attach = xa_load(&idev->group->attachments, pasid);
	if (attach && find_member(attach, idev))
		detach_locked(idev, attach);
	mutex_unlock(&idev->group->lock);
}

/* ---- SVA ---- */

/*
 * Do all devices of the group that take part have @idev's driver? A domain
 * serves only devices of its own driver.
 */
static bool same_driver(struct iof_device *idev, u32 pasid)
{
	struct iof_hwdev_core *core;

	list_for_each_entry(core, &idev->group->hwdevs, group_node) {
		if (takes_part(core, pasid) &&
		    core->dev->ops != idev->hwdev->ops)
			return false;
	}
	return true;
}

static int sva_bind_locked(struct iof_device *idev, u32 pasid)
{
	struct iof_attach *attach;
	struct iof_sva *sva;
	int rc;

	if (!idev->hwdev->ops->alloc_sva)
		return -EOPNOTSUPP;
	if (pasid == IOF_NO_PASID)
		return -EINVAL;
	rc = check_pasid(idev, pasid);
	if (rc)
		return rc;
	if (xa_load(&idev->group->attachments, pasid))
		return -EBUSY;
	if (!same_driver(idev, pasid))
		return -EINVAL;
	attach = alloc_attach(idev->group, pasid);
	if (!attach)
		return -ENOMEM;
	sva = iof_sva_alloc(idev->hwdev, current->mm);
	if (IS_ERR(sva)) {
		rc = PTR_ERR(sva);
		goto err_free;
	}
	attach->sva = sva;
	attach->domain = iof_sva_domain(sva);
	attach->sink = iof_sva_sink(sva);
	rc = add_member(attach, idev, NULL);
	if (rc)
		goto err_free;
	rc = switch_attach(idev->group, pasid, attach, NULL);
	if (rc)
		goto err_free;
	idev->hwdev->core->attached++;
	return 0;

err_free:
	free_attach(idev->ctx, attach);
	return rc;
}

int iof_device_sva_bind(struct iof_device *idev, u32 pasid)
{
	int rc;

	if (mutex_lock_killable(&idev->group->lock))
		return -EINTR;
	rc = idev->leaving ? -ENODEV : sva_bind_locked(idev, pasid);
	mutex_unlock(&idev->group->lock);
	return rc;
}

int iof_device_sva_unbind(struct iof_device *idev, u32 pasid)
{
	struct iof_attach *attach;
	int rc = -ENOENT;

	mutex_lock(&idev->group->lock);
	attach = xa_load(&idev->group->attachments, pasid);
	if (attach && attach->sva && find_member(attach, idev)) {
		detach_locked(idev, attach);
		rc = 0;
	}
	mutex_unlock(&idev->group->lock);
	return rc;
}
