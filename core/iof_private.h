/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * iof_private.h - the core's own structs, and who locks what. Seen by core/ only.
 *
 * Lock order, outermost first; a lock may be taken while holding only locks above it:
 *
 *   iof_group.lock            mutex     bind, attach, replace, detach of one isolation group
 *   iof_access.lock           mutex     attach, replace, detach of an in-kernel user
 *   iof_map.access_lock       mutex     who has access to an IOAS; held while they let pages go
 *   iof_access.ioas_rwsem     rwsem     read: pin, unpin, copy; write: another IOAS takes its place
 *   iof_ioas.hwpts_lock       mutex     the automatic HWPTs of an IOAS
 *   iof_hwpt.dirty_lock       mutex     dirty tracking: set, and read out
 *   iof_map.domains_rwsem     rwsem     read: map/unmap/copy; write: domains come and go, options
 *   iof_map.iova_rwsem        rwsem     the trees of areas, allowed and reserved ranges
 *   iof_pages.lock            mutex     pin counts of one piece of user memory
 *   iof_fault_queue.grow_lock mutex     credits and attachments of one fault queue
 *   SVA users                 mutex     who has SVA attachments (sva.c); destroying a work queue
 *   iof_group.fault_lock      spinlock  which attachment a fault goes to; partial groups; the free
 *                                       fault records of its devices
 *   iof_fault_queue.lock      spinlock  inbox, cookies, open lists of attachments with this queue
 *   SVA user's lock           spinlock  groups and workers of his SVA attachments (sva.c)
 *   iof_hwdev_core.pool_lock  spinlock  free page records of one device
 *   iof_ctx.objects xa_lock   spinlock  the id table
 *
 * No lock is held across a copy from or to user memory. Under the spinlocks nothing allocates or
 * sleeps, and nothing walks what has no small bound, with one exception: a switch of an attachment
 * walks its unfinished groups under its isolation group's fault_lock.
 */
#ifndef IOF_CORE_PRIVATE_H
#define IOF_CORE_PRIVATE_H

#include "iof_core.h"
#include "iof_driver.h"
#include "kapi.h"

/*
 * Between two steps of a loop whose length a user decides, in a call that can fail: reschedules.
 * -EINTR: the thread was killed, and the call is to undo what it has done.
 */
static inline int iof_resched(void)
{
	cond_resched();
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/* ---- records of which there can be very many (records.c) ---- */

int iof_records_init(void);
void iof_records_exit(void);

extern struct kmem_cache *iof_area_cache;
extern struct kmem_cache *iof_pages_cache;
extern struct kmem_cache *iof_fault_group_cache;
extern struct kmem_cache *iof_fault_page_cache;

/*
 * Records of faults are made by whichever thread reports one. Beyond so many of a device they are
 * charged to the process that bound it, whose cgroup bounds them; below, faults need no memory of
 * his to be answered.
 */
#define IOF_RECORDS_BASE 64

struct iof_hwdev_core;
/* A zeroed record, or NULL. */
void *iof_fault_record_alloc(struct iof_hwdev_core *core, struct kmem_cache *cache, gfp_t gfp);
void iof_fault_record_free(struct iof_hwdev_core *core, struct kmem_cache *cache, void *record);
/* Whom to charge from now on; takes over the caller's reference. */
void iof_fault_records_charge(struct iof_hwdev_core *core, struct iof_plat_payer *payer);

/* ---- contexts (ctx.c, main.c) ---- */

struct iof_ctx {
	/* the open file, each device bound to keep it, each open queue descriptor */
	struct kref ref;
	struct xarray objects;	/* id -> struct iof_object; reserved while unpublished */
	/* may be NULL; const after open; its count falls as the last thing */
	struct iof_ctx_node *node;
	u32 vfio_ioas;		/* id of the IOAS behind VFIO's type-1 commands, or 0; xa_lock */
	/* IOF_ACCOUNT_*; written by OPTION while no object exists (xa_lock) */
	u32 account_mode;
	/* DESTROY and removal wait here for the calls in progress of an object */
	wait_queue_head_t calls_ended;
};

enum iof_account_mode {
	IOF_ACCOUNT_USER = 0,	/* locked pages of the user, RLIMIT_MEMLOCK */
	IOF_ACCOUNT_MM = 1,	/* locked pages of the process */
	IOF_ACCOUNT_NONE = 2,	/* of memory only: mapped with CAP_IPC_LOCK, no limit */
};

/* The types. */
extern const struct iof_object_ops iof_ioas_ops;
extern const struct iof_object_ops iof_hwpt_paging_ops, iof_hwpt_nested_ops;

/* A context with one reference, counted in @node if that is not NULL. NULL: no memory. */
struct iof_ctx *iof_ctx_alloc(struct iof_ctx_node *node);

static inline void iof_ctx_get(struct iof_ctx *ctx)
{
	kref_get(&ctx->ref);
}

/*
 * One ioctl in progress. @cmd is the kernel's copy of the struct, zero-extended to its known size.
 */
struct iof_ucmd {
	struct iof_ctx *ctx;
	void __user *uptr;
	u32 user_size;
	void *cmd;
};

/* The handlers behind the ioctl table; each returns 0 or a negative errno. */
int iof_ioas_alloc_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_iova_ranges_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_allow_iovas_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_map_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_map_file_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_copy_ioctl(struct iof_ucmd *ucmd);
int iof_ioas_unmap_ioctl(struct iof_ucmd *ucmd);
int iof_option_ioctl(struct iof_ucmd *ucmd);		/* main.c; HUGE_PAGES calls into ioas.c */
int iof_ioas_huge_pages_option(struct iof_ctx *ctx, struct iommu_option *cmd);
int iof_hwpt_alloc_ioctl(struct iof_ucmd *ucmd);
int iof_hwpt_invalidate_ioctl(struct iof_ucmd *ucmd);
int iof_hw_info_ioctl(struct iof_ucmd *ucmd);		/* device.c */
int iof_hwpt_set_dirty_tracking_ioctl(struct iof_ucmd *ucmd);	/* dirty.c */
int iof_hwpt_get_dirty_bitmap_ioctl(struct iof_ucmd *ucmd);
int iof_vfio_ioas_ioctl(struct iof_ucmd *ucmd);		/* vfio_compat.c */
/* VFIO's type-1 commands, whose numbers lie below ours. -ENOTTY. */
int iof_vfio_compat_ioctl(struct iof_ctx *ctx, unsigned int cmd, unsigned long arg);
int iof_fault_queue_alloc_ioctl(struct iof_ucmd *ucmd);

/* ---- user memory (pages.c) ---- */

/* Pages per chunk of pin counts: what one call to the kernel's pinning asks for at most. */
#define IOF_PAGES_CHUNK		512u

/* As long as the memory needs: the last chunk of a piece is shorter. */
struct iof_pages_chunk {
	u32 *users;		/* behind the pages, in the same allocation */
	struct page *page[];	/* valid where users > 0 */
};

/*
 * One piece of user memory as MAP named it, shared by the areas that map it and by their copies.
 * Each page is pinned while at least one user (domain, access) needs it, once however many there
 * are, and charged while it is pinned. The chunks appear as pinning reaches them, so that memory
 * nobody pins costs nothing, however long it claims to be.
 */
struct iof_pages {
	struct kref ref;		/* one per area */
	struct mutex lock;		/* what the chunks hold */
	struct xarray chunks;		/* page index / IOF_PAGES_CHUNK -> chunk; only grows */
	/* whose memory if it is that of a file, then uptr is an offset in it; NULL: the mm's */
	struct iof_plat_memfile *file;
	struct mm_struct *mm;		/* mmgrab; whose memory, and who is charged in mode MM */
	struct task_struct *task;	/* whose RLIMIT_MEMLOCK */
	struct user_struct *user;	/* who is charged in mode USER */
	unsigned long uptr;		/* first byte, page aligned down */
	unsigned long npages;
	/* pinned with write intent: the first mapping asked for it */
	bool writable;
	u8 account_mode;		/* enum iof_account_mode */
};

/*
 * @uptr any alignment, @length > 0, uptr + length does not wrap. Nothing is pinned. A @file, if it
 * is not NULL, belongs to the pages from then on. ERR_PTR(-ENOMEM).
 */
struct iof_pages *iof_pages_alloc(struct iof_ctx *ctx, struct iof_plat_memfile *file,
				  unsigned long uptr, unsigned long length, bool writable);
void iof_pages_get(struct iof_pages *pages);
void iof_pages_put(struct iof_pages *pages);
/*
 * Pins [first, last] for one more user. -EFAULT, -ENOMEM (also over the limit); undone on failure.
 */
int iof_pages_pin(struct iof_pages *pages, unsigned long first, unsigned long last);
void iof_pages_unpin(struct iof_pages *pages, unsigned long first, unsigned long last);
/* The page at @index, which the caller has pinned. */
struct page *iof_pages_page(struct iof_pages *pages, unsigned long index);
/* How many of [first, last], which the caller has pinned, follow each other in physical memory. */
unsigned long iof_pages_run(struct iof_pages *pages, unsigned long first, unsigned long last,
			    phys_addr_t *pa);

/* ---- I/O virtual address map (iova_map.c) ---- */

/*
 * No automatic IOVA is aligned beyond this: what helps the page tables of today's hardware. A
 * choice of ours, not of any driver.
 */
#define IOF_AUTO_ALIGN_MAX	0x200000ul

/* One mapping: [iova, last] shows bytes of @pages from @offset on. */
struct iof_area {
	struct rb_node node;		/* map->areas; iova_rwsem */
	/* areas being built or removed together; whoever does that */
	struct list_head work;
	unsigned long iova;
	unsigned long last;		/* inclusive */
	struct iof_pages *pages;	/* holds it */
	unsigned long offset;		/* bytes from pages->uptr */
	unsigned int prot;		/* IOF_PROT_* */
	/* being built or removed: unmap answers -EBUSY; iova_rwsem */
	bool busy;
	/* an unmap or a cut waits for its pins to go: no new ones; iova_rwsem */
	bool leaving;
	/* ranges that accesses have pinned in it; grows under iova_rwsem, read or write */
	atomic_t accesses;
};

/*
 * A range that must not be mapped. Ranges may overlap. All but node and list: iova_rwsem.
 */
struct iof_reserved {
	struct rb_node node;		/* map->reserved */
	struct list_head fresh;		/* of those that enter or have left together */
	unsigned long start;
	unsigned long last;
	/* The highest last of this one and of all that sort before it. */
	unsigned long reach;
	/* devices and domains that demand it, and one for each that stays for good */
	unsigned long holders;
};

struct iof_allowed {
	struct rb_node node;
	unsigned long start;
	unsigned long last;
};

/* Who has access through the map. */
struct iof_map_access {
	struct list_head node;
	struct iof_access *access;
};

/*
 * The areas are changed with domains_rwsem held for reading and iova_rwsem for writing, so that
 * either one held the other way suffices to look at them.
 */
struct iof_map {
	struct rw_semaphore domains_rwsem;
	struct list_head domains;	/* struct iof_domain.map_node; domains_rwsem */

	struct rw_semaphore iova_rwsem;	/* the rest */
	struct rb_root areas;		/* by iova, disjoint */
	struct rb_root allowed;		/* by start, disjoint; empty: no restriction */
	struct rb_root reserved;	/* struct iof_reserved, by start, then by last */
	unsigned long alignment;	/* every area's iova, length and offset are multiples */
	/* by log2, how many domains and accesses demand that alignment */
	unsigned long demands[PAGE_SHIFT + 1];
	bool huge_pages;

	struct mutex access_lock;
	/* struct iof_map_access; changed under access_lock and iova_rwsem */
	struct list_head accesses;
	/*
	 * Where the search for an automatic IOVA may begin: nothing of at least @length that is
	 * @residue modulo @modulus fits below @start.
	 */
	struct {
		unsigned long start, length, modulus, residue;
	} hint;
};

static inline unsigned long iof_area_length(const struct iof_area *area)
{
	return area->last - area->iova + 1;
}

static inline void iof_area_place(struct iof_area *area, unsigned long iova)
{
	area->last += iova - area->iova;
	area->iova = iova;
}

/*
 * A mapping to be, taking a reference on @pages, put at the end of @list; it lies at 0 until it is
 * placed. -ENOMEM.
 */
int iof_area_create(struct list_head *list, struct iof_pages *pages, unsigned long offset,
		    unsigned long length, unsigned int prot);
/* Frees areas that are in no map. */
void iof_areas_free(struct list_head *list);
/* The lowest area that has something in [start, last]. iova_rwsem. */
struct iof_area *iof_map_first_area(struct iof_map *map, unsigned long start, unsigned long last);
struct iof_area *iof_map_next_area(struct iof_area *area);
/* Both: iova_rwsem for writing. */
void iof_map_link_area(struct iof_map *map, struct iof_area *area);
void iof_map_erase_area(struct iof_map *map, struct iof_area *area);

void iof_map_init(struct iof_map *map);
/* Requires that no domain is left. */
void iof_map_destroy(struct iof_map *map);

/*
 * Enters the areas of @list, @length bytes in all, one after the other at *iova (@fixed) or at the
 * lowest place that fits (*iova out), and into every domain. On success the list is empty. Errors
 * of behaviour (b) 2-8 and 13, and -EINTR; on failure nothing has happened.
 */
int iof_map_insert(struct iof_map *map, struct list_head *list, unsigned long length,
		   unsigned long *iova, bool fixed);
/*
 * New areas on @list over the memory behind [iova, iova + length). -EINVAL length 0, -EOVERFLOW,
 * -ENOENT not mapped without a gap, -ENOMEM, -EINTR; on failure the list is as it was.
 */
int iof_map_share(struct iof_map *map, unsigned long iova, unsigned long length, unsigned int prot,
		  struct list_head *list);
/*
 * For iova_remove.c. Takes the areas of @list, in ascending order and up to but not including @end
 * (NULL: all of them), out of @domain. They are unpinned when no DMA can reach them any more.
 */
void iof_areas_leave(struct iof_domain *domain, struct list_head *list, struct iof_area *end);
/* The same out of the map itself. iova_rwsem for writing. */
void iof_map_erase_areas(struct iof_map *map, struct list_head *list, struct iof_area *end);
/*
 * The areas of @list are made, or are not to go after all. Empties the list. iova_rwsem for
 * writing.
 */
void iof_areas_set_idle(struct list_head *list);

/*
 * Removes the areas within [start, last] (iova_remove.c). *bytes is what went, also on failure.
 * -ENOENT an area is cut, or, unless @may_be_empty, there is none; -EBUSY; -EDEADLK an access does
 * not let its pages go; -EINTR, and then nothing went. Calls the unmap() of accesses.
 */
int iof_map_remove(struct iof_map *map, unsigned long start, unsigned long last, bool may_be_empty,
		   unsigned long *bytes);

/*
 * Cuts the area that has both @iova - 1 and @iova in two, if there is one. -EINVAL large pages are
 * on, or not aligned; -EBUSY, -EDEADLK, -ENOMEM.
 */
int iof_map_cut(struct iof_map *map, unsigned long iova);
/*
 * The sizes, whole pages and more, that all domains can map; without a domain every one. 0: the
 * thread was killed.
 */
u64 iof_map_page_sizes(struct iof_map *map);

/* -EINVAL, -EADDRINUSE: behaviour (b) 27; -EINTR. */
int iof_map_set_huge_pages(struct iof_map *map, bool on);
/* As they are at a moment: no lock. */
static inline bool iof_map_huge_pages(const struct iof_map *map)
{
	return READ_ONCE(map->huge_pages);
}
static inline unsigned long iof_map_alignment(const struct iof_map *map)
{
	return READ_ONCE(map->alignment);
}
/*
 * Fills @domain with all areas and keeps it filled. Errors of behaviour (b) 33; undone on failure.
 */
int iof_map_add_domain(struct iof_map *map, struct iof_domain *domain);
void iof_map_remove_domain(struct iof_map *map, struct iof_domain *domain);
/* The same, or -EINTR: a mapping of another thread may wait for user memory with the map's lock. */
int iof_map_remove_domain_killable(struct iof_map *map, struct iof_domain *domain);
/* An access begins, with its demand for alignment: ERR_PTR(-EADDRINUSE), ERR_PTR(-ENOMEM). */
struct iof_map_access *iof_map_add_access(struct iof_map *map, struct iof_access *access);
/* Frees @ma. */
void iof_map_remove_access(struct iof_map *map, struct iof_map_access *ma);

/* ---- which I/O virtual addresses can be had (iova_ranges.c) ---- */

/* Whether a mapping can lie at @iova: -EINVAL, -EOVERFLOW, -EEXIST. iova_rwsem. */
int iof_map_check_fixed(struct iof_map *map, unsigned long iova, unsigned long length);
/*
 * The lowest place for memory at @uptr: -EOVERFLOW, -EINVAL, -ENOSPC, -EINTR. iova_rwsem for
 * writing.
 */
int iof_map_find_automatic(struct iof_map *map, unsigned long uptr, unsigned long length,
			   unsigned long *iova);

/* -EINVAL @start..@last overlaps an entry, -ENOMEM */
int iof_allowed_insert(struct rb_root *root, unsigned long start, unsigned long last);
void iof_allowed_free(struct rb_root *root);
/* Swaps the allow-list with *root. -EADDRINUSE an entry touches a reserved range, -EINTR. */
int iof_map_swap_allowed(struct iof_map *map, struct rb_root *root);
/* The first @room of the ranges that are not reserved; returns how many there are, or -EINTR. */
long iof_map_ranges(struct iof_map *map, struct iommu_iova_range *ranges, unsigned long room,
		    u64 *alignment);

/* A reserved range to be, on @list. -ENOMEM. */
int iof_reserved_add(struct list_head *list, unsigned long start, unsigned long last);
void iof_reserved_free(struct list_head *list);
/*
 * Reserves all of @fresh, or nothing: -EADDRINUSE. Records that are not needed, because the same
 * range is reserved already, stay on the list. iova_rwsem for writing.
 */
int iof_map_enter_reserved(struct iof_map *map, struct list_head *fresh);
/* Ends one reservation of [start, last]; the last one's record goes to @gone. As above. */
void iof_map_leave_reserved(struct iof_map *map, unsigned long start, unsigned long last,
			    struct list_head *gone);
/*
 * Reserves the device's regions, once more for each call. -EADDRINUSE conflict with an area or the
 * allow-list, -ENOMEM; on failure nothing of this call stays.
 */
int iof_map_reserve_device(struct iof_map *map, struct iof_hwdev *dev);
void iof_map_unreserve_device(struct iof_map *map, struct iof_hwdev *dev);
/* One range, as above. */
int iof_map_reserve(struct iof_map *map, unsigned long start, unsigned long last);
void iof_map_unreserve(struct iof_map *map, unsigned long start, unsigned long last);
/* At the end of the map. */
void iof_map_free_reserved(struct iof_map *map);

struct iof_ioas {
	struct iof_object obj;
	struct iof_map map;
	atomic_long_t nr_hwpts;		/* published ones */
	struct mutex hwpts_lock;	/* automatic HWPTs; held while one is filled */
	/* struct iof_hwpt.ioas_node in creation order; hwpts_lock */
	struct list_head automatic;
};

/* MAP of user memory at *iova, or anywhere. IOF_PROT_* @prot. */
int iof_ioas_map_user(struct iof_ctx *ctx, struct iof_ioas *ioas, unsigned long uptr,
		      unsigned long length, unsigned int prot, unsigned long *iova, bool fixed);
/*
 * All usable ranges at one moment, at most @room of them, to be freed by kvfree(): *count is how
 * many the caller gets, *total how many there are. ERR_PTR(-ENOMEM), ERR_PTR(-EINTR).
 */
struct iommu_iova_range *iof_ioas_usable_ranges(struct iof_ioas *ioas, unsigned long room,
						unsigned long *count, unsigned long *total,
						u64 *alignment);

static inline struct iof_ioas *iof_ioas_get(struct iof_ctx *ctx, u32 id)
{
	struct iof_object *obj = iof_object_get(ctx, id, &iof_ioas_ops);

	return IS_ERR(obj) ? ERR_CAST(obj) : container_of(obj, struct iof_ioas, obj);
}

/* ---- in-kernel users of an IOAS (access.c) ---- */

struct iof_access {
	struct iof_object obj;
	struct iof_ctx *ctx;		/* a reference */
	const struct iof_access_ops *ops;
	void *priv;
	struct mutex lock;
	struct rw_semaphore ioas_rwsem;
	/* where it pins and copies; NULL: nowhere, or it is about to move; ioas_rwsem */
	struct iof_ioas *ioas;
	/* where its pins are; holds it; ioas_rwsem */
	struct iof_ioas *pinned_in;
	struct iof_map_access *entry;	/* in the map of @pinned_in; lock */
};

/* ---- hardware page tables (hwpt.c) ---- */

struct iof_hwpt {
	struct iof_object obj;		/* iof_hwpt_paging_ops or iof_hwpt_nested_ops */
	struct iof_domain *domain;
	struct iof_fault_queue *queue;	/* NULL: not fault-capable; holds it */
	u32 flags;			/* IOMMU_HWPT_ALLOC_* as allocated */
	/* paging: */
	struct iof_ioas *ioas;		/* holds it */
	bool left;			/* no longer filled from it: about to be destroyed */
	struct list_head ioas_node;	/* automatic only; ioas->hwpts_lock */
	struct mutex dirty_lock;	/* the driver's dirty tracking */
	bool automatic;			/* made by an attach; goes with its last attachment */
	/* automatic only: struct iof_attach of it; ioas->hwpts_lock */
	unsigned int attachments;
	/* nested: */
	struct iof_hwpt *parent;	/* holds it */
};

/*
 * Makes a paging HWPT for @idev's IOMMU; its id is reserved. The device is not needed any more
 * then. iof_hwpt_fill() comes next. The caller publishes it by iof_hwpt_publish(), or undoes by
 * iof_hwpt_abort(). No lock need be held.
 */
struct iof_hwpt *iof_hwpt_alloc_paging(struct iof_ctx *ctx, struct iof_device *idev, u32 flags,
				       const struct iof_user_data *data);
/* Fills it from @ioas, which does not know it yet: iof_map_add_domain(). */
int iof_hwpt_fill(struct iof_hwpt *hwpt, struct iof_ioas *ioas);
/*
 * Makes it known to its IOAS, and findable. The caller holds ioas->hwpts_lock if it is
 * automatic.
 */
void iof_hwpt_publish(struct iof_ctx *ctx, struct iof_hwpt *hwpt);
void iof_hwpt_abort(struct iof_ctx *ctx, struct iof_hwpt *hwpt);

/*
 * An attachment's hold on its HWPT, beyond the call that makes it. -ENOENT: an automatic HWPT whose
 * last attachment has just gone. unuse removes an automatic HWPT with its last attachment; it may
 * wait for calls, so none of the caller's may be inside the HWPT, and ioas->hwpts_lock must be
 * free.
 */
int iof_hwpt_use(struct iof_hwpt *hwpt);
void iof_hwpt_unuse(struct iof_ctx *ctx, struct iof_hwpt *hwpt);

/* The IOAS whose reserved ranges an attachment to this HWPT touches. */
static inline struct iof_ioas *iof_hwpt_ioas(struct iof_hwpt *hwpt)
{
	return hwpt->parent ? hwpt->parent->ioas : hwpt->ioas;
}

/* ---- devices, groups, attachments (device.c) ---- */

/* Who takes the complete page-request groups of an attachment. */
struct iof_fault_sink;
struct iof_fault_group;
struct iof_attach;

struct iof_fault_sink_ops {
	/*
	 * Complete groups for @attach, at most IOF_TAKEN_MOST, by struct iof_fault_group.node in
	 * the order of their LAST pages. Under iof_group.fault_lock: no sleep. True: the sink owns
	 * them now, has emptied the list and sees to their one answer each (iof_iopf_respond()).
	 * False: nobody can answer any more; the caller does, with INVALID.
	 */
	bool (*deliver)(struct iof_fault_sink *sink, struct iof_attach *attach,
			struct list_head *groups);
	/*
	 * The attachment is out of reach of new faults: answer INVALID whatever of it is open, and
	 * return when answers that others are giving have reached the driver. May sleep, cannot
	 * fail, costs what this attachment has open.
	 */
	void (*sweep)(struct iof_fault_sink *sink, struct iof_attach *attach);
};

struct iof_fault_sink {
	const struct iof_fault_sink_ops *ops;
};

/* (group, PASID) is attached to a domain. Replaced as a whole, never changed into another. */
struct iof_attach {
	struct iof_group *group;
	u32 pasid;			/* IOF_NO_PASID: the RID */
	struct iof_domain *domain;
	struct iof_hwpt *hwpt;		/* holds it; NULL for SVA */
	struct iof_sva *sva;		/* SVA only; owned */
	struct iof_fault_sink *sink;	/* NULL: page requests are answered INVALID */
	/* the group's share of the queue, NULL without; group->lock */
	struct iof_group_queue *credits;
	struct list_head members;	/* struct iof_attach_member, oldest first; group->lock */
	/* what faults report: the oldest member's; group->fault_lock */
	u32 dev_id;
	/* struct iof_fault_group.open_node: collecting for it, not broken; group->fault_lock */
	struct list_head partial;

	/* The sink's, under the sink's lock. */
	/* struct iof_fault_group.open_node: delivered to the sink */
	struct list_head open;
	/*
	 * Groups taken off @open whose answer is on its way to the driver: grows under the sink's
	 * lock, shrinks without.
	 */
	atomic_t answering;
	struct list_head queue_node;	/* iof_fault_queue.attachments, with @credits; grow_lock */

	/*
	 * By place in group->hwdevs, which does not change while the group is attached: the
	 * device's driver failed to go back here after a failed switch, so it is blocked.
	 * group->lock
	 */
	bool lost[];
};

/* One bound device that asked for the attachment; its regions are reserved for it, RID only. */
struct iof_attach_member {
	struct list_head node;
	struct iof_device *idev;
};

/*
 * A queue that attachments of the group use: its cookie slots are reserved once, however many
 * PASIDs share it, since the credits are the devices'.
 */
struct iof_group_queue {
	struct iof_fault_queue *queue;
	unsigned int attachments;
	u32 credits;			/* as reserved */
};

/* An isolation group: devices that can only be switched together. */
struct iof_group {
	struct kref ref;		/* one per registered device */
	struct mutex lock;		/* everything but what fault_lock guards */
	struct iof_ctx *owner;		/* the context that has devices of it bound; no reference */
	unsigned int bound;		/* devices bound */
	struct list_head hwdevs;	/* struct iof_hwdev_core.group_node */
	struct xarray queues;		/* id of the queue -> struct iof_group_queue */
	/* PASIDs attached to HWPTs: the RID's HWPT must allow that */
	unsigned int pasid_hwpts;

	/* attachments, parked, switching; partials of its devices */
	spinlock_t fault_lock;
	struct xarray attachments;	/* pasid -> struct iof_attach; written under both locks */
	struct iof_attach *rid;		/* attachments[IOF_NO_PASID], for the fault path */
	u32 switching_pasid;		/* a switch of this PASID is under way ... */
	bool switching;			/* ... groups for it wait in @parked until it is decided */
	struct list_head parked;	/* struct iof_fault_group.node */
};

struct iof_device {
	struct iof_object obj;
	struct iof_ctx *ctx;		/* a reference if @keeps_ctx */
	struct iof_hwdev *hwdev;
	struct iof_group *group;
	bool keeps_ctx;
};

/* ---- page requests (iopf.c) ---- */

#define IOF_PARTIAL_HASH_BITS	6

/* Why a group gets its answer, as the tracepoints say it (IOF_TRACE_WHYS). */
enum iof_why {
	IOF_WHY_RESPONSE = 0,	/* whoever was to handle it did: no sweep */
	/* It was delivered or queued, and then what it hung on went away: */
	IOF_WHY_DETACH = 1,
	IOF_WHY_REPLACE = 2,
	IOF_WHY_CLOSE = 3,	/* the last holder of the descriptor */
	/* It was refused when it came: */
	IOF_WHY_NOBODY = 4,	/* no attachment, or nobody holds its queue, or it has none */
	IOF_WHY_BROKEN = 5,	/* pages of it were lost, or meant for an earlier attachment */
	IOF_WHY_CREDITS = 6,	/* the device has none left */
	IOF_WHY_MEMORY = 7,
};

/* A page of a group before its last. */
struct iof_fault_page {
	struct list_head node;
	struct iommu_hwpt_pgfault rec;
};

/*
 * A page-request group, from its first page to its answer. Owner: the device's partial hash while
 * collecting; then the sink. Whoever takes it off there answers it by iof_iopf_respond(), which
 * gives the record back to the device's pool.
 */
struct iof_fault_group {
	/* What taking, answering and sweeping touch comes first, and is one cache line. */
	union {
		struct llist_node free;	/* core->returned, core->spare */
		struct {
			/* partial hash bucket, parked list, then the sink's inbox */
			struct list_head node;
			/* attach->partial, core->broken; then attach->open; the sink's lock */
			struct list_head open_node;
			u32 cookie;	/* 0 while not delivered to a reader; the queue's lock */
			u32 dev_id;	/* as readers get it: the attachment's at delivery */
		};
	};
	struct iof_hwdev *dev;
	struct iof_attach *attach;	/* NULL while collecting */
	/* credits held: pages counted, last included once it came */
	u32 nr_pages;
	/* pages were lost or dropped: the last one is answered INVALID */
	bool broken;

	struct iof_page_req req;	/* the last page, as the driver sent it */
	/* struct iof_fault_page, all but the last, in arrival order */
	struct list_head pages;
} ____cacheline_aligned_in_smp;

/* The PASID whose attachment a request goes to. */
static inline u32 iof_req_pasid(const struct iof_page_req *req)
{
	return req->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID ? req->pasid : IOF_NO_PASID;
}

/* A page request as a reader gets it; the cookie comes with the delivery. */
static inline void iof_fault_record(struct iommu_hwpt_pgfault *rec, const struct iof_page_req *req,
				    u32 dev_id)
{
	/* Field by field: the record may lie on a stack that nobody cleared. */
	rec->flags = req->flags;
	rec->dev_id = dev_id;
	rec->pasid = req->pasid;
	rec->grpid = req->grpid;
	rec->perm = req->perm;
	rec->__reserved = 0;
	rec->addr = req->addr;
	rec->length = 0;
	rec->cookie = 0;
}

/* The core's part of a registered device. */
struct iof_hwdev_core {
	struct iof_hwdev *dev;
	struct iof_group *group;
	struct list_head group_node;	/* group->hwdevs; group->lock */
	struct iof_device *idev;	/* bound; group->lock */
	u32 attached;			/* attachments this device is a member of; group->lock */

	/* group->fault_lock: */
	/* groups still collecting, or broken */
	struct list_head partial[1 << IOF_PARTIAL_HASH_BITS];
	u32 nr_partial;			/* all of them */
	struct list_head broken;	/* the broken ones (open_node), oldest first */
	u32 nr_broken;			/* at most dev->credits; they hold no credit */

	/* Who reports takes records here, who answers gives them back below: lines of their own. */
	/* free groups taken off @returned; group->fault_lock */
	struct llist_node *spare ____cacheline_aligned_in_smp;
	unsigned long tick;		/* the tick at which it was @tick_ns; group->fault_lock */
	u64 tick_ns;
	spinlock_t payer_lock;
	struct iof_plat_payer *payer;	/* payer_lock; while bound: a reference */
	atomic_t nr_records;		/* groups and pages, in use or free */
	spinlock_t pool_lock;
	struct list_head free_pages;	/* pool_lock; struct iof_fault_page.node */
	atomic64_t requests, groups;

	struct llist_head returned ____cacheline_aligned_in_smp; /* struct iof_fault_group.free */
	atomic_t in_use;		/* pages open, at most dev->credits */
	atomic64_t refused, swept, answered[3];
};

void iof_iopf_init(struct iof_hwdev_core *core);
/* Frees the records that are not in use. */
void iof_iopf_trim(struct iof_hwdev_core *core);
void iof_iopf_exit(struct iof_hwdev_core *core);	/* answers and frees what is left */
/*
 * Gives the one answer for a group that the caller took off its sink, and recycles the record. May
 * sleep. The device's credits are back before the driver hears of the answer, since it may send the
 * next request at once.
 */
void iof_iopf_respond(struct iof_fault_group *g, enum iof_page_code code, enum iof_why why);
/* A group that somebody took off its sink and has to answer. */
struct iof_taken {
	struct iof_fault_group *group;
	struct iof_attach *attach;
	enum iof_page_code code;
	enum iof_why why;
};
#define IOF_TAKEN_MOST	32
/* iof_iopf_respond() for up to IOF_TAKEN_MOST groups. */
void iof_iopf_respond_many(const struct iof_taken *taken, u32 nr);
/* Why the groups of an attachment that is out of force are swept; in detach or replace. */
static inline enum iof_why iof_iopf_why_swept(const struct iof_attach *attach)
{
	return xa_load(&attach->group->attachments, attach->pasid) ? IOF_WHY_REPLACE :
								     IOF_WHY_DETACH;
}
/* Counts a group that the core answers because its attachment or its queue goes away. */
static inline void iof_iopf_count_swept(struct iof_fault_group *g)
{
	atomic64_inc(&g->dev->core->swept);
}

/*
 * Switching (group, pasid) under group->lock:
 *   iof_iopf_switch_begin()   groups that become complete from now on are parked
 *   driver's attach for every device
 *   iof_iopf_switch_end()     @new (may be NULL) takes the place of the old attachment; parked
 *                             groups go to it, or are answered INVALID; partial pages that were
 *                             meant for the old one are dropped and their groups marked broken.
 *                             The caller then sweeps the old one's sink.
 *   iof_iopf_switch_cancel()  instead, when the driver refused: parked groups go to the old one.
 * switch_end stores into group->attachments, whose slot the caller reserved beforehand if it was
 * empty.
 */
void iof_iopf_switch_begin(struct iof_group *group, u32 pasid);
void iof_iopf_switch_end(struct iof_group *group, u32 pasid, struct iof_attach *new);
void iof_iopf_switch_cancel(struct iof_group *group, u32 pasid);
/*
 * Drops the partial pages that @dev sent to @attach, of which it ceases to be a member while others
 * stay.
 */
void iof_iopf_drop_partials(struct iof_hwdev *dev, struct iof_attach *attach);

/* ---- the fault queue (fault_queue.c, cookie.c) ---- */

struct iof_fault_queue;
/* From an id in HWPT_ALLOC, short-lived hold on the object; -ENOENT. */
struct iof_fault_queue *iof_fault_queue_get(struct iof_ctx *ctx, u32 id);
struct iof_object *iof_fault_queue_object(struct iof_fault_queue *queue);
struct iof_fault_sink *iof_fault_queue_sink(struct iof_fault_queue *queue);
/*
 * Before an attachment is made: sees to it that the queue has cookie slots for @credits more open
 * groups, so that reading never allocates. -ENOMEM. Undone by iof_fault_queue_release_credits().
 */
int iof_fault_queue_reserve_credits(struct iof_fault_queue *queue, u32 credits);
void iof_fault_queue_release_credits(struct iof_fault_queue *queue, u32 credits);
/* From before @attach is in force until after it was swept: where fdinfo looks for open groups. */
void iof_fault_queue_join(struct iof_fault_queue *queue, struct iof_attach *attach);
void iof_fault_queue_leave(struct iof_fault_queue *queue, struct iof_attach *attach);

/* ---- SVA (sva.c) ---- */

/*
 * An SVA attachment's domain and sink; freed by iof_sva_free() after detach, which does not wait
 * for pages that are being brought in. Under group->lock.
 */
struct iof_sva;
struct iof_sva *iof_sva_alloc(struct iof_hwdev *dev, struct mm_struct *mm);
void iof_sva_free(struct iof_sva *sva);
struct iof_domain *iof_sva_domain(struct iof_sva *sva);
struct iof_fault_sink *iof_sva_sink(struct iof_sva *sva);
/* Frees what users without SVA attachments had, as far as no worker of theirs is busy. */
void iof_sva_free_unused(void);

#endif
