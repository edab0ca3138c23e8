// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * main.c - /dev/iommu: its file operations and its table of ioctls.
 *
 * The table has the size and the handler of each command. The rule for
 * extensible structs is applied here, once, so that a handler sees a complete,
 * zero-extended kernel copy. A new command is one line in the table and one in
 * the union; a command without a line gets -ENOTTY. iof_core_get() and
 * iof_core_put() begin and end the core.
 */
#include <iofault/iommufd_test.h>

#include "ctx.h"
#include "fault_queue.h"
#include "records.h"
#include "sva.h"

/* ---- commands that belong to no object ---- */

static int destroy_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_destroy *cmd = ucmd->cmd;

	return iof_object_destroy(ucmd->ctx, cmd->id);
}

static int set_account_mode(struct iof_ctx *ctx, u64 mode)
{
	int rc = 0;

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	xa_lock(&ctx->objects);
	if (!xa_empty(&ctx->objects))
		rc = -EBUSY;
	else if (mode != IOF_ACCOUNT_USER && mode != IOF_ACCOUNT_MM)
		rc = -EINVAL;
	else
		WRITE_ONCE(ctx->account_mode, mode);
	xa_unlock(&ctx->objects);
	return rc;
}

static int rlimit_mode_option(struct iof_ctx *ctx, struct iommu_option *cmd)
{
	if (cmd->object_id)
		return -EOPNOTSUPP;
	if (cmd->op == IOMMU_OPTION_OP_SET)
		return set_account_mode(ctx, cmd->val64);
	if (cmd->op != IOMMU_OPTION_OP_GET)
		return -EOPNOTSUPP;
	cmd->val64 = READ_ONCE(ctx->account_mode);
	return 0;
}

int iof_option_ioctl(struct iof_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	int rc;

	if (cmd->__reserved)
		return -EOPNOTSUPP;
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		rc = rlimit_mode_option(ucmd->ctx, cmd);
		break;
	case IOMMU_OPTION_HUGE_PAGES:
		rc = iof_ioas_huge_pages_option(ucmd->ctx, cmd);
		break;
	default:
		return -EOPNOTSUPP;
	}
	return rc ?: iof_ucmd_respond(ucmd, sizeof(*cmd));
}

static int test_ioctl(struct iof_ucmd *ucmd)
{
	return ucmd->ctx->node->test_ops->ioctl(ucmd);
}

/* ---- the table ---- */

struct iof_ioctl {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	int (*handler)(struct iof_ucmd *ucmd);
};

/* Space for the struct of any command. */
union iof_ioctl_buf {
	u32 size;
	struct iommu_destroy destroy;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_allow_iovas ioas_allow_iovas;
	struct iommu_ioas_copy ioas_copy;
	struct iommu_ioas_iova_ranges ioas_iova_ranges;
	struct iommu_ioas_map ioas_map;
	struct iommu_ioas_map_file ioas_map_file;
	struct iommu_ioas_unmap ioas_unmap;
	struct iommu_option option;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hw_info hw_info;
	struct iommu_hwpt_set_dirty_tracking set_dirty_tracking;
	struct iommu_hwpt_get_dirty_bitmap get_dirty_bitmap;
	struct iommu_hwpt_invalidate hwpt_invalidate;
	struct iommu_fault_alloc fault_alloc;
	struct iommu_ioas_noiommu_get_pa noiommu_get_pa;
	struct iommu_test_cmd test;
};

#define IOF_IOCTL_FIRST	      IOMMUFD_CMD_BASE
#define IOF_IOCTL_INDEX(_cmd) (_IOC_NR(_cmd) - IOF_IOCTL_FIRST)

/*
 * @_last is the last field of the first ABI version of @_struct, and @_min the
 * offset of its end: a field that moves or is inserted breaks the build.
 */
#define IOF_IOCTL(_cmd, _handler, _struct, _last, _size, _min)                 \
	[IOF_IOCTL_INDEX(_cmd)] = {                                            \
		.cmd = (_cmd),                                                 \
		.size = sizeof(struct _struct) +                               \
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) != (_size)) + \
			BUILD_BUG_ON_ZERO(sizeof(struct _struct) >             \
					  sizeof(union iof_ioctl_buf)) +       \
			BUILD_BUG_ON_ZERO(offsetof(struct _struct, size) !=    \
					  0),                                  \
		.min_size = offsetofend(struct _struct, _last) +               \
			    BUILD_BUG_ON_ZERO(offsetofend(struct _struct,      \
							  _last) != (_min)),   \
		.handler = (_handler),                                         \
	}

static const struct iof_ioctl iof_ioctls[] = {
	IOF_IOCTL(IOMMU_DESTROY, destroy_ioctl, iommu_destroy, id, 8, 8),
	IOF_IOCTL(IOMMU_IOAS_ALLOC, iof_ioas_alloc_ioctl, iommu_ioas_alloc,
		  out_ioas_id, 12, 12),
	IOF_IOCTL(IOMMU_IOAS_ALLOW_IOVAS, iof_ioas_allow_iovas_ioctl,
		  iommu_ioas_allow_iovas, allowed_iovas, 24, 24),
	IOF_IOCTL(IOMMU_IOAS_COPY, iof_ioas_copy_ioctl, iommu_ioas_copy,
		  src_iova, 40, 40),
	IOF_IOCTL(IOMMU_IOAS_IOVA_RANGES, iof_ioas_iova_ranges_ioctl,
		  iommu_ioas_iova_ranges, out_iova_alignment, 32, 32),
	IOF_IOCTL(IOMMU_IOAS_MAP, iof_ioas_map_ioctl, iommu_ioas_map, iova, 40,
		  40),
	IOF_IOCTL(IOMMU_IOAS_UNMAP, iof_ioas_unmap_ioctl, iommu_ioas_unmap,
		  length, 24, 24),
	IOF_IOCTL(IOMMU_OPTION, iof_option_ioctl, iommu_option, val64, 24, 24),
	IOF_IOCTL(IOMMU_VFIO_IOAS, iof_vfio_ioas_ioctl, iommu_vfio_ioas,
		  __reserved, 12, 12),
	IOF_IOCTL(IOMMU_HWPT_ALLOC, iof_hwpt_alloc_ioctl, iommu_hwpt_alloc,
		  __reserved, 48, 24),
	IOF_IOCTL(IOMMU_GET_HW_INFO, iof_hw_info_ioctl, iommu_hw_info,
		  __reserved, 40, 32),
	IOF_IOCTL(IOMMU_HWPT_SET_DIRTY_TRACKING,
		  iof_hwpt_set_dirty_tracking_ioctl,
		  iommu_hwpt_set_dirty_tracking, __reserved, 16, 16),
	IOF_IOCTL(IOMMU_HWPT_GET_DIRTY_BITMAP, iof_hwpt_get_dirty_bitmap_ioctl,
		  iommu_hwpt_get_dirty_bitmap, data, 48, 48),
	IOF_IOCTL(IOMMU_HWPT_INVALIDATE, iof_hwpt_invalidate_ioctl,
		  iommu_hwpt_invalidate, __reserved, 32, 32),
	IOF_IOCTL(IOMMU_FAULT_QUEUE_ALLOC, iof_fault_queue_alloc_ioctl,
		  iommu_fault_alloc, out_fault_fd, 16, 16),
	IOF_IOCTL(IOMMU_IOAS_MAP_FILE, iof_ioas_map_file_ioctl,
		  iommu_ioas_map_file, iova, 40, 40),
	/* The range ends here, unless the node has test ioctls. */
	IOF_IOCTL(IOMMU_IOAS_NOIOMMU_GET_PA, iof_ioas_noiommu_get_pa_ioctl,
		  iommu_ioas_noiommu_get_pa, out_phys, 40, 40),
	IOF_IOCTL(IOMMU_TEST_CMD, test_ioctl, iommu_test_cmd, last, 72, 68),
};

/*
 * Returns the entry of a command. NULL: its number is outside the range of this
 * context.
 */
static const struct iof_ioctl *find_ioctl(struct iof_ctx *ctx, unsigned int cmd)
{
	unsigned int last = _IOC_NR(IOMMU_IOAS_NOIOMMU_GET_PA);
	unsigned int nr = _IOC_NR(cmd);

	if (ctx->node && ctx->node->test_ops)
		last = _IOC_NR(IOMMU_TEST_CMD);
	if (nr < IOF_IOCTL_FIRST || nr > last)
		return NULL;
	/* Clamp the user-controlled index (Spectre v1). */
	return &iof_ioctls[array_index_nospec(nr - IOF_IOCTL_FIRST,
					      ARRAY_SIZE(iof_ioctls))];
}

static long iof_ctx_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct iof_ucmd ucmd = {
		.ctx = file->private_data,
		.uptr = (void __user *)arg,
	};
	const struct iof_ioctl *op = find_ioctl(ucmd.ctx, cmd);
	/* Only the part that a command uses is copied in. */
	union iof_ioctl_buf buf __uninitialized;
	int rc;

	if (!op)
		return iof_vfio_compat_ioctl(ucmd.ctx, cmd, arg);
	/* The order of these checks is part of the ABI. */
	if (get_user(ucmd.user_size, (u32 __user *)ucmd.uptr))
		return -EFAULT;
	if (op->cmd != cmd || !op->handler)
		return -ENOTTY;
	if (ucmd.user_size < op->min_size)
		return -EINVAL;
	rc = copy_struct_from_user(&buf, op->size, ucmd.uptr, ucmd.user_size);
	if (rc)
		return rc;
	ucmd.cmd = &buf;
	return op->handler(&ucmd);
}

/* ---- the file ---- */

static int iof_ctx_open(struct inode *inode, struct file *file)
{
	struct iof_ctx *ctx = iof_ctx_alloc(iof_plat_node_data(file));

	if (!ctx)
		return -ENOMEM;
	file->private_data = ctx;
	return 0;
}

static int iof_ctx_release(struct inode *inode, struct file *file)
{
	iof_ctx_put(file->private_data);
	return 0;
}

struct iof_ctx *iof_ctx_from_fd(int fd)
{
	struct file *file = fget(fd);
	struct iof_ctx *ctx;

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &iof_ctx_fops) {
		ctx = ERR_PTR(-EBADFD);
	} else {
		ctx = file->private_data;
		iof_ctx_get(ctx);
	}
	fput(file);
	return ctx;
}

const struct file_operations iof_ctx_fops = {
	.owner = THIS_MODULE,
	.open = iof_ctx_open,
	.release = iof_ctx_release,
	.unlocked_ioctl = iof_ctx_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* ---- the core as a whole ---- */

static DEFINE_MUTEX(users_lock);
static unsigned int users;

static int start(void)
{
	int rc = iof_records_init();

	if (rc)
		return rc;
	rc = iof_fault_slots_start();
	if (rc)
		iof_records_exit();
	return rc;
}

int iof_core_get(void)
{
	int rc = 0;

	mutex_lock(&users_lock);
	if (!users)
		rc = start();
	if (!rc)
		users++;
	mutex_unlock(&users_lock);
	return rc;
}

void iof_core_put(void)
{
	mutex_lock(&users_lock);
	if (!--users) {
		iof_sva_free_unused(true);
		iof_fault_slots_stop();
		iof_records_exit();
	}
	mutex_unlock(&users_lock);
}
