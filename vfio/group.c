// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * group.c - VFIO's older way to open a device: a group node, /dev/vfio/N, for
 * each isolation group.
 *
 * SET_CONTAINER puts the group into a context, which is an open /dev/iommu or
 * /dev/vfio/vfio (both are the same kind of file). GET_DEVICE_FD makes a
 * descriptor of a member that is bound to that context and attached to its
 * compat IOAS. Such a descriptor keeps the group in use and in its container,
 * also after the group's own descriptor is closed. A group node is opened once
 * at a time, and not while a member is bound through its own node; while the
 * group is in use, no member can be bound so.
 *
 * group_use.c counts what is in use, for the devices too.
 */
#include "private.h"

/* ---- the commands ---- */

static int get_status(struct iof_vfio_group *group, void __user *arg)
{
	const size_t min = offsetofend(struct vfio_group_status, flags);
	struct vfio_group_status status;

	if (copy_from_user(&status, arg, min))
		return -EFAULT;
	if (status.argsz < min)
		return -EINVAL;
	/* An open group is viable: no member is bound in another way. */
	status.flags = VFIO_GROUP_FLAGS_VIABLE;
	mutex_lock(&group->lock);
	if (group->ctx)
		status.flags |= VFIO_GROUP_FLAGS_CONTAINER_SET;
	mutex_unlock(&group->lock);
	return copy_to_user(arg, &status, min) ? -EFAULT : 0;
}

static int set_container(struct iof_vfio_group *group, int __user *arg)
{
	struct iof_ctx *ctx;
	int fd, rc;

	if (get_user(fd, arg))
		return -EFAULT;
	if (fd < 0)
		return -EINVAL;
	ctx = iof_ctx_from_fd(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	mutex_lock(&group->lock);
	rc = group->ctx ? -EINVAL : iof_ctx_need_compat_ioas(ctx);
	if (!rc)
		group->ctx = ctx;
	mutex_unlock(&group->lock);
	if (rc)
		iof_ctx_put(ctx);
	return rc;
}

static int unset_container(struct iof_vfio_group *group)
{
	struct iof_ctx *ctx;
	int rc = 0;

	mutex_lock(&group->lock);
	ctx = group->ctx;
	if (!ctx)
		rc = -EINVAL;
	else if (group->files)
		rc = -EBUSY;
	else
		group->ctx = NULL;
	mutex_unlock(&group->lock);
	if (!rc)
		iof_ctx_put(ctx);
	return rc;
}

/*
 * Reads the name in front of a blank. Options may follow, such as a token,
 * which no device here has. Returns 0, -EFAULT, or -ENODEV: no device has a
 * name that long.
 */
static int read_name(char *name, size_t room, const char __user *from)
{
	size_t i;

	for (i = 0; i < room; i++) {
		if (get_user(name[i], from + i))
			return -EFAULT;
		if (!name[i] || name[i] == ' ') {
			name[i] = 0;
			return 0;
		}
	}
	return -ENODEV;
}

static struct iof_vfio_device *find(struct iof_vfio_group *group,
				    const char *name)
{
	struct iof_vfio_device *vdev;

	list_for_each_entry(vdev, &group->devices, group_node)
		if (!strcmp(vdev->name, name))
			return vdev;
	return NULL;
}

static int get_device_fd(struct iof_vfio_group *group, const char __user *arg)
{
	struct iof_vfio_device *vdev;
	struct iof_ctx *ctx;
	char name[sizeof(vdev->name)];
	int rc;

	rc = read_name(name, sizeof(name), arg);
	if (rc)
		return rc;
	vdev = find(group, name);
	if (!vdev)
		return -ENODEV;
	mutex_lock(&group->lock);
	ctx = group->ctx;
	if (ctx)
		/* the descriptor keeps the group in its container, too */
		group->files++;
	mutex_unlock(&group->lock);
	return ctx ? iof_vfio_open_in_group(vdev, group, ctx) : -EINVAL;
}

/* ---- the file ---- */

static int group_open(struct inode *inode, struct file *file)
{
	struct iof_vfio_group *group = iof_plat_node_data(file);
	int rc = 0;

	mutex_lock(&group->lock);
	if (iof_vfio_group_in_use(group) || group->bound)
		rc = -EBUSY;
	else
		group->open = true;
	mutex_unlock(&group->lock);
	file->private_data = group;
	return rc;
}

static int group_release(struct inode *inode, struct file *file)
{
	struct iof_vfio_group *group = file->private_data;
	struct iof_ctx *ctx;

	mutex_lock(&group->lock);
	group->open = false;
	ctx = iof_vfio_group_leave(group);
	mutex_unlock(&group->lock);
	if (ctx)
		iof_ctx_put(ctx);
	return 0;
}

static long group_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct iof_vfio_group *group = file->private_data;
	void __user *uptr = (void __user *)arg;

	switch (cmd) {
	case VFIO_GROUP_GET_STATUS:
		return get_status(group, uptr);
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(group, uptr);
	case VFIO_GROUP_UNSET_CONTAINER:
		return unset_container(group);
	case VFIO_GROUP_GET_DEVICE_FD:
		return get_device_fd(group, uptr);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations group_fops = {
	.owner = THIS_MODULE,
	.open = group_open,
	.release = group_release,
	.unlocked_ioctl = group_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* ---- the node ---- */

int iof_vfio_group_create(struct iof_plat_space *space, const char *name,
			  struct iof_vfio_group **out)
{
	struct iof_vfio_group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	int rc;

	if (!group)
		return -ENOMEM;
	mutex_init(&group->lock);
	INIT_LIST_HEAD(&group->devices);
	group->node = iof_plat_add_node(space, name, &group_fops, group);
	if (IS_ERR(group->node)) {
		rc = PTR_ERR(group->node);
		mutex_destroy(&group->lock);
		kfree(group);
		return rc;
	}
	*out = group;
	return 0;
}

void iof_vfio_group_add(struct iof_vfio_group *group,
			struct iof_vfio_device *vdev, const char *name)
{
	strscpy(vdev->name, name, sizeof(vdev->name));
	list_add_tail(&vdev->group_node, &group->devices);
	vdev->binding.group = group;
}

bool iof_vfio_group_busy(struct iof_vfio_group *group)
{
	bool busy;

	mutex_lock(&group->lock);
	busy = iof_vfio_group_in_use(group);
	mutex_unlock(&group->lock);
	return busy;
}

void iof_vfio_group_destroy(struct iof_vfio_group *group)
{
	iof_plat_remove_node(group->node);
	mutex_destroy(&group->lock);
	kfree(group);
}
