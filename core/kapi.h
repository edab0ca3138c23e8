/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * kapi.h - everything that the shared directories (core/, model/, vfio/) need
 * from a kernel.
 *
 * It is the only file of these directories that names a <linux/...> header. In
 * the kernel these are the kernel's own. In user space they are the stand-ins
 * of shim/include/linux/, listed one by one in shim/STANDINS.md. A new kernel
 * call costs a line here, a row there, and a contract test.
 *
 * The second half declares the platform hooks: services for which no kernel
 * call means the same in both worlds. kernel/platform.c and shim/platform.c
 * implement them.
 */
#ifndef IOF_CORE_KAPI_H
#define IOF_CORE_KAPI_H

#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/crc32c.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/highmem.h>
#include <linux/idxd.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/poll.h>
#include <linux/prefetch.h>
#include <linux/printk.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/*
 * Copies between two addresses that this context may touch: kernel memory, or
 * user pages reached through kmap_local_page(). Returns the number of trailing
 * bytes that were not copied; 0 is success. Fewer bytes are copied in user
 * space when the program has unmapped "pinned" memory, and in a kernel when the
 * page has a hardware error. The caller turns that into an error of this one
 * DMA. May be called with a mutex held, not with a spinlock.
 */
size_t iof_plat_copy(void *dst, const void *src, size_t n);

/*
 * Does the same for data that will not be read soon: the stores need not stay
 * in the caches.
 */
size_t iof_plat_copy_stream(void *dst, const void *src, size_t n);

/*
 * Loads an aligned 64-bit word of such memory. Returns 0, or -EFAULT if the
 * memory is gone.
 */
int iof_plat_load64(const u64 *p, u64 *val);

/*
 * Loads @nr aligned words of such memory, in order, each as a whole. Returns
 * the number loaded; it is smaller if memory is gone.
 */
unsigned int iof_plat_load64s(const u64 *p, u64 *vals, unsigned int nr);

/*
 * Does a compare-and-exchange on such memory, fully ordered. Returns 0:
 * exchanged. -EAGAIN: *p differed from *old, which then holds the value found.
 * -EFAULT: the memory is gone or not writable.
 */
int iof_plat_cmpxchg64(u64 *p, u64 *old, u64 new);

/*
 * Can the CPU access the page at user address @addr of @mm without a page
 * fault? The page must be present, and for @write also writable as far as the
 * world can tell. Never faults the page in.
 */
bool iof_plat_user_page_present(struct mm_struct *mm, unsigned long addr,
				bool write);

/*
 * Does the caller of fops->poll() add a waiter that may count wake-ups? A
 * thread in poll(2) or select(2) does not: it asks the file again each time
 * that it was woken, before it does anything else. May say true of any caller,
 * which costs more wake-ups.
 */
bool iof_plat_counts_wakeups(const struct poll_table_struct *wait);

/*
 * Copies to (@write) or from the address space @mm of a process, as a device
 * does that shares its page tables. Touches only present pages, faults nothing
 * in; the range lies within one page. Returns 0, or -EFAULT: the page is absent
 * or not permitted, or the process is gone.
 */
int iof_plat_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf,
		     size_t n, bool write);

/*
 * Makes the page at @addr of @mm present (and writable, for @write), as a page
 * fault of the CPU would. May sleep. Returns 0, or -EFAULT: the process has no
 * such memory, or is gone. Adds to *@spent the processor time that this took,
 * in nanoseconds, if the calling thread belongs to no process that pays for it.
 */
int iof_plat_mm_fault_in(struct mm_struct *mm, unsigned long addr, bool write,
			 u64 *spent);

/*
 * Memory of a file: [start, start + length) of the memfd (or file of tmpfs,
 * hugetlbfs) behind a descriptor of the caller. @write: pins with write intent
 * will follow. ERR_PTR: -EBADF, -EINVAL another kind of file, or a range past
 * its end, -EPERM not open for writing, or sealed, -ENOMEM. The caller puts it
 * after it has unpinned all pages.
 */
struct iof_plat_memfile;
struct iof_plat_memfile *iof_plat_memfile_get(int fd, u64 start, u64 length,
					      bool write);
void iof_plat_memfile_put(struct iof_plat_memfile *file);
/*
 * Pins up to @n pages from @pos on, as pin_user_pages() does; the same calls
 * unpin them. Returns the number of pages, or -EFAULT, -EINVAL the file has
 * become shorter, -ENOMEM. A signal gives -EINTR or restarts the system call.
 * Absent huge pages of the file are allocated as fallocate() does, so that
 * pages that another file has reserved are never used; -ENOMEM if the
 * descriptor was not open for writing.
 */
long iof_plat_memfile_pin(struct iof_plat_memfile *file, u64 pos,
			  unsigned long n, bool write, struct page **pages);

/*
 * Does eventfd_signal() @nr > 0 times, in any context.
 */
void iof_plat_eventfd_add(struct eventfd_ctx *ctx, u32 nr);

/*
 * Charges the allocations of the core's own threads to a program: @payer stands
 * for the memory cgroup of the calling process; NULL: no cgroup.
 * iof_plat_charge_to() makes @payer pay for what the calling thread allocates
 * with __GFP_ACCOUNT, until it is called again with the value that it returned.
 * The caller has a reference to @payer. Hold and put: any context.
 */
struct iof_plat_payer;
struct iof_plat_payer *iof_plat_payer_get(void);
void iof_plat_payer_hold(struct iof_plat_payer *payer);
void iof_plat_payer_put(struct iof_plat_payer *payer);
struct iof_plat_payer *iof_plat_charge_to(struct iof_plat_payer *payer);

/*
 * Moves the kernel thread @task into all cgroups of the calling process, so
 * that its CPU time is charged there. iof_plat_thread_leave() moves it out
 * again and cannot fail. Both may sleep.
 */
int iof_plat_thread_join(struct task_struct *task);
void iof_plat_thread_leave(struct task_struct *task);

/* Returns the frame number of a pinned page. */
static inline unsigned long iof_page_pfn(struct page *page)
{
	/* Some kernels read page flags here. Other bits of these may change. */
	return data_race(page_to_pfn(page));
}

/*
 * Device nodes. @space holds the nodes of one machine (in the kernel always
 * NULL: there is one /dev), @name is the path below /dev ("iommu",
 * "vfio/devices/vfio0"). An open file of the node reaches @data through
 * iof_plat_node_data(), also inside fops->open. iof_plat_remove_node() requires
 * that no file of the node is open.
 */
struct iof_plat_node;
struct iof_plat_space;
struct iof_plat_node *iof_plat_add_node(struct iof_plat_space *space,
					const char *name,
					const struct file_operations *fops,
					void *data);
void iof_plat_remove_node(struct iof_plat_node *node);
void *iof_plat_node_data(struct file *file);

#endif
