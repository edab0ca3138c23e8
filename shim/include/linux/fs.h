/* SPDX-License-Identifier: MIT */
/*
 * fs.h - open files and their operations. file.h and shim/sys.h have the descriptors that refer to
 * them.
 */
#ifndef IOF_SHIM_LINUX_FS_H
#define IOF_SHIM_LINUX_FS_H

#include_next <linux/fs.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct file;
struct inode;
struct iov_iter;
struct kiocb;
struct module;
struct poll_table_struct;
struct seq_file;
struct vm_area_struct;
struct iof_plat_node;
struct iof_shim_ready;

typedef void *fl_owner_t;

#define FMODE_READ ((fmode_t)0x1)
#define FMODE_WRITE ((fmode_t)0x2)
#define FMODE_LSEEK ((fmode_t)0x4)
#define FMODE_PREAD ((fmode_t)0x8)
#define FMODE_PWRITE ((fmode_t)0x10)
#define FMODE_ATOMIC_POS ((fmode_t)0x8000)
#define FMODE_STREAM ((fmode_t)0x200000)
#define FMODE_NOWAIT ((fmode_t)0x8000000)
#define READ 0
#define WRITE 1

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x00000008
#endif
#define IOCB_NOWAIT RWF_NOWAIT

struct kiocb {
	struct file *ki_filp;
	loff_t ki_pos;
	int ki_flags;
};

struct inode {
	void *i_private;
	struct iof_plat_node *node;
};

struct file_operations {
	struct module *owner;
	loff_t (*llseek)(struct file *file, loff_t offset, int whence);
	ssize_t (*read)(struct file *file, char __user *buf, size_t len, loff_t *pos);
	ssize_t (*write)(struct file *file, const char __user *buf, size_t len, loff_t *pos);
	ssize_t (*read_iter)(struct kiocb *iocb, struct iov_iter *to);
	ssize_t (*write_iter)(struct kiocb *iocb, struct iov_iter *from);
	__poll_t (*poll)(struct file *file, struct poll_table_struct *wait);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	int (*open)(struct inode *inode, struct file *file);
	int (*flush)(struct file *file, fl_owner_t id);
	int (*release)(struct inode *inode, struct file *file);
	void (*show_fdinfo)(struct seq_file *m, struct file *file);
};

/*
 * The reference count of a file. It outlives the file: its memory is reused only for the counts of
 * other files. So a look-up may try to raise a count that it found in the table, even if the file
 * has been released meanwhile.
 */
struct iof_shim_file_ref {
	atomic_long_t count;
	struct file *file;
	struct iof_shim_file_ref *next;	/* list of free counts */
};

struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct iof_shim_file_ref *iof_ref;
	unsigned int f_flags;
	fmode_t f_mode;
	loff_t f_pos;			/* not protected by a lock, as in device files */
	struct inode *f_inode;
	struct inode iof_inode;		/* f_inode points here */
	char iof_name[32];
	struct iof_shim_ready *iof_ready;	/* state of the descriptor's eventfd */
};

void iof_shim_file_free(struct file *file);
int iof_shim_stream_open(struct inode *inode, struct file *file);
long iof_shim_compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#define stream_open iof_shim_stream_open
#define compat_ptr_ioctl iof_shim_compat_ptr_ioctl
#define file_inode(file) ((file)->f_inode)

static inline struct file *get_file(struct file *file)
{
	atomic_long_inc(&file->iof_ref->count);
	return file;
}

static inline long file_count(const struct file *file)
{
	return atomic_long_read(&file->iof_ref->count);
}

static inline void init_sync_kiocb(struct kiocb *kiocb, struct file *file)
{
	*kiocb = (struct kiocb){ .ki_filp = file };
}

static inline bool is_sync_kiocb(struct kiocb *kiocb)
{
	(void)kiocb;
	return true;
}

#endif
