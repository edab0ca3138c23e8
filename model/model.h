/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * model.h - the software IOMMU's own structs: domains, attachments, cached
 * translations, page requests.
 *
 * Its users are iommu.c, noiommu.c, stage2.c, walk.c, translate.c, iotlb.c,
 * pri.c and the devices behind this IOMMU (dsa*.c, ats.c). "VT-d" with a
 * section number is Intel's Virtualization Technology for Directed I/O
 * specification.
 *
 * A translation stays valid while it is used. An engine translates and touches
 * memory only in an IOTLB read section, between iof_tlb_read_lock() and
 * iof_tlb_read_unlock(). A thread that invalidates a translation first changes
 * the tables, then drops the cached copies (iof_mdev_drop()), then waits until
 * each engine has ended the read section that it is in (iof_mdev_drain()). A
 * read section may be long, since beginning one costs a full barrier, which
 * after a page of stores takes as long as the copy. After each page or small
 * multiple the engine checks for waiting threads (iof_tlb_read_relock()), and
 * ends its section for them.
 *
 * Attachments and pages of tables are freed after such a wait, so that engines
 * need no locks. An engine never sleeps in a read section.
 *
 * Locks, outermost first: iof_mdomain.lock, iof_stage2.lock;
 * iof_mdomain.frames_lock is taken alone.
 */
#ifndef IOF_MODEL_MODEL_H
#define IOF_MODEL_MODEL_H

#include "../core/iof_driver.h"
#include "dsa.h"

struct iof_mdev;
struct iof_mdomain;

/* Rights that an access needs, beside the right to read. */
#define IOF_ACCESS_READ	 0u
#define IOF_ACCESS_WRITE BIT(0)
#define IOF_ACCESS_EXEC	 BIT(1)
#define IOF_ACCESS_PRIV	 BIT(2)

/* Result of a translation. */
enum iof_xlate_result {
	IOF_XLATE_OK,
	/* the page is absent, or not permitted now: a page request may help */
	IOF_XLATE_FAULT,
	/* tables or address are malformed: a page request cannot help */
	IOF_XLATE_ERROR,
};

/* ---- second stage: kernel memory (stage2.c) ---- */

#define IOF_S2_WIDTH 48 /* number of bits of an input address: four levels */

struct iof_stage2 {
	struct mutex lock; /* guards changes of the tables, and @dead */
	u64 *root;
	/*
	 * list of unlinked tables; the link is entry 0, which reads as absent
	 */
	u64 *dead;
};

int iof_stage2_init(struct iof_stage2 *s2);
/* Destroys the tables. No engine walks them any more. */
void iof_stage2_destroy(struct iof_stage2 *s2);
int iof_stage2_map(struct iof_stage2 *s2, u64 iova, u64 pa, u64 size,
		   unsigned int prot);
void iof_stage2_unmap(struct iof_stage2 *s2, u64 iova, u64 size);
/*
 * Takes the tables unlinked so far. The caller frees them after
 * iof_mdev_drain() of all devices that may walk them.
 */
u64 *iof_stage2_take_dead(struct iof_stage2 *s2);
void iof_stage2_free_dead(u64 *dead);

/* Result of a walk: a physical address, and the size of its leaf. */
struct iof_leaf {
	u64 pa;	  /* address of the byte itself, not of the leaf */
	u8 shift; /* log2 of the size of the leaf */
	bool read;
	/*
	 * the leaf permits writes; of a first stage: and its dirty bit is set
	 */
	bool write;
	/* first stage: the leaf serves more than privileged requests */
	bool user;
};

/*
 * Walks the tables. Returns true if there is a leaf; the caller checks its
 * permissions.
 */
bool iof_stage2_walk(const struct iof_stage2 *s2, u64 iova,
		     struct iof_leaf *leaf);

/*
 * What a walk ended in: a table of 4 KiB leaves, or a larger leaf. Valid in its
 * read section.
 */
struct iof_s2_near {
	const struct iof_stage2 *s2; /* NULL: none yet */
	const u64 *table;	     /* NULL: @pa is the address of the leaf */
	u64 pa;
	u64 key;	  /* input address >> @shift */
	u8 shift;	  /* log2 of the size of the leaf, or of all leaves */
	bool read, write; /* rights of the leaf, or of the levels above */
};

/*
 * Does the same, by at most one load where the last walk with @near ended near
 * @iova.
 */
bool iof_stage2_walk_near(const struct iof_stage2 *s2, u64 iova,
			  struct iof_leaf *leaf, struct iof_s2_near *near);
/*
 * Translates [iova, iova + len) as far as it is contiguous in memory and
 * permits the access. Returns the number of bytes, and the address of the first
 * in *pa.
 */
u64 iof_stage2_walk_run(const struct iof_stage2 *s2, u64 iova, u64 len,
			bool write, struct iof_s2_near *near, u64 *pa);

/* ---- domains (iommu.c) ---- */

/* A domain of any type. Embeds the core's struct iof_domain. */
struct iof_mdomain {
	struct iof_domain domain;
	struct mutex lock; /* protects the list uses */
	/*
	 * struct iof_domain_use of its own attachments and those of domains
	 * nested on it
	 */
	struct list_head uses;
	/*
	 * Tag of this domain's cached translations, the same on every device,
	 * since they depend on the domain alone. A new tag makes all of them
	 * unreachable at once. Tags grow, and none is used twice.
	 * iof_domain_tag() reads it.
	 */
	atomic64_t tag;

	/* members of a paging domain: */
	struct iof_stage2 s2;
	/* tags of domains nested on it are valid above this */
	atomic64_t nested_floor;

	/* members of a nested domain: */
	struct iof_mdomain *parent;
	/* address of the first stage's root in the parent's address space */
	u64 root;
	bool supervisor;	/* SRE: privileged requests are allowed */
	bool extended_accessed; /* EAFE: bit 10 is set together with A */
	/* WPE: read-only holds for privileged requests, too */
	bool write_protect;

	/* members of an SVA domain: */
	struct mm_struct *mm;

	/* members of a domain of a device without IOMMU (noiommu.c): */
	struct mutex frames_lock; /* guards changes of the two sets */
	struct xarray held;	  /* number of the IOVA page -> frame number */
	struct xarray frames;	  /* frame number -> numbers of mappings */
};

static inline struct iof_mdomain *iof_mdomain_of(struct iof_domain *domain)
{
	return container_of(domain, struct iof_mdomain, domain);
}

/*
 * A device that may have cached translations of a domain. An invalidation drops
 * them once on each device, even if several of its PASIDs are attached.
 */
struct iof_domain_use {
	struct list_head node; /* list mdom->uses */
	struct iof_mdev *mdev;
	/* the domain's lock; number of attachments */
	unsigned long attachments;
};

/*
 * A domain attached to a device and PASID. Engines find it by
 * iof_tlb_attachment().
 */
struct iof_attachment {
	struct iof_mdev *mdev;
	struct iof_mdomain *mdom;
	u32 pasid;
	struct iof_domain_use *use; /* entry of mdom->uses */
	/* nested: entry of mdom->parent->uses */
	struct iof_domain_use *parent_use;
};

extern const struct iof_driver_ops iof_model_driver_ops;
/* the driver of the model's devices without IOMMU (noiommu.c) */
extern const struct iof_driver_ops iof_model_no_iommu_ops;

/* Creates the members of all domains. NULL: no memory. */
struct iof_mdomain *iof_mdomain_new(struct iof_hwdev *dev,
				    enum iof_domain_type type,
				    const struct iof_domain_ops *ops);
void iof_mdomain_free(struct iof_mdomain *mdom);
/* The operations that both drivers share. */
int iof_model_attach(struct iof_hwdev *dev, u32 pasid, struct iof_domain *new,
		     struct iof_domain *old);
void iof_model_page_responses(struct iof_hwdev *dev,
			      const struct iof_page_answer *answers, u32 nr);
/*
 * Looks up the memory at a physical address, for a device without IOMMU, in a
 * read section.
 */
enum iof_xlate_result iof_physical_walk(struct iof_mdomain *mdom, u64 pa,
					u32 access, struct iof_leaf *leaf);

/* ---- cached translations (iotlb.c) ---- */

#define IOF_TLB_SMALL \
	4096 /* slots for 4 KiB, 2 MiB, 1 GiB, and tables of 4 KiB leaves */
#define IOF_TLB_LARGE  256
#define IOF_TLB_HUGE   64
#define IOF_TLB_DIRS   256
#define IOF_TLB_PASIDS 32
/* number of slots filled before a check for an invalidation */
#define IOF_TLB_FILLS 64

/*
 * Only the slot's engine writes it, except that any thread may set @tag to 0,
 * which empties the slot. The engine writes the tag last. Emptying a slot
 * during a refill does no harm.
 */
struct iof_tlb_slot {
	u64 tag;
	u64 key;  /* address >> shift of the slot's array */
	u64 pa;	  /* address of the page; in dirs, of the table */
	u32 perm; /* IOF_SLOT_* bits */
};

#define IOF_SLOT_READ	BIT(0)
#define IOF_SLOT_WRITE	BIT(1)
#define IOF_SLOT_USER	BIT(2)
#define IOF_SLOT_NOEXEC BIT(3) /* used in dirs only */

/* The cached translations of one engine. */
struct iof_tlb {
	struct iof_mdev *mdev;
	atomic_t seq; /* odd in a read section */
	atomic_t gen; /* grows with each drop and each wait */
	atomic_t waiters;
	wait_queue_head_t wq;

	/* The engine writes these: */
	int seen; /* gen at iof_tlb_read_lock() */
	unsigned int nr_filled;
	/* slots filled since iof_tlb_read_lock() */
	struct iof_tlb_slot *filled[IOF_TLB_FILLS];
	struct iof_tlb_slot *small, *large, *huge, *dirs;
	struct {
		u32 pasid;
		/* any thread may set it to NULL */
		struct iof_attachment *att;
	} pasids[IOF_TLB_PASIDS];
	/*
	 * Ends of the last walks for reads and for writes since
	 * iof_tlb_read_lock().
	 */
	struct iof_s2_near near[2];
	u64 hits, misses; /* written by the engine with WRITE_ONCE */
};

/* Initialises an IOTLB. -ENOMEM; the caller destroys it in both cases. */
int iof_tlb_init(struct iof_tlb *tlb, struct iof_mdev *mdev);
void iof_tlb_destroy(struct iof_tlb *tlb);

/*
 * Begins a read section, in which the engine may use translations. Does not
 * sleep, cannot nest.
 */
static inline void iof_tlb_read_lock(struct iof_tlb *tlb)
{
	/* full barrier: orders reads of translations after this */
	atomic_inc_return(&tlb->seq);
	tlb->seen = atomic_read(&tlb->gen);
	tlb->near[0].s2 = NULL;
	tlb->near[1].s2 = NULL;
}

/*
 * Empties the slots filled since the read section began, if translations were
 * dropped since: the slots may come from the old tables. Called after a full
 * barrier.
 */
static inline void iof_tlb_drop_stale_fills(struct iof_tlb *tlb)
{
	if (unlikely(atomic_read(&tlb->gen) != tlb->seen))
		while (tlb->nr_filled)
			WRITE_ONCE(tlb->filled[--tlb->nr_filled]->tag, 0);
	tlb->nr_filled = 0;
}

static inline void iof_tlb_read_unlock(struct iof_tlb *tlb)
{
	atomic_inc_return(&tlb->seq);
	iof_tlb_drop_stale_fills(tlb);
	if (unlikely(atomic_read(&tlb->waiters)))
		wake_up_all(&tlb->wq);
}

/*
 * Ends the read section and begins another if a thread waits for its end.
 * Called in a read section, while the engine uses no translation.
 */
static inline void iof_tlb_read_relock(struct iof_tlb *tlb)
{
	if (unlikely(atomic_read(&tlb->gen) != tlb->seen)) {
		iof_tlb_read_unlock(tlb);
		iof_tlb_read_lock(tlb);
	}
}

/*
 * Returns the attachment of @pasid, or NULL. Called in a read section; valid
 * until the section ends.
 */
struct iof_attachment *iof_tlb_attachment(struct iof_tlb *tlb, u32 pasid);

/*
 * Translates @iova, and tells how many bytes from there on belong to the same
 * leaf. Called in a read section.
 */
struct iof_xlate {
	void *va;
	size_t len;
};
enum iof_xlate_result iof_translate(struct iof_tlb *tlb,
				    struct iof_attachment *att, u64 iova,
				    u32 access, struct iof_xlate *out);

/* maximum number of pages that iof_translate_span() translates */
#define IOF_SPAN_PAGES 16

/*
 * Translates the pages of [iova, iova + len) from a cached table of 4 KiB
 * leaves, as far as they need no bit set. Returns the number of pieces, which
 * follow each other. 0: iof_translate() may still succeed. @out has
 * IOF_SPAN_PAGES elements. Called in a read section.
 */
unsigned int iof_translate_span(struct iof_tlb *tlb, struct iof_attachment *att,
				u64 iova, size_t len, u32 access,
				struct iof_xlate *out);

/*
 * Finds, or fills, the cached address of the table of 4 KiB leaves for @iova.
 * For walk.c.
 */
const struct iof_tlb_slot *iof_tlb_find_dir(struct iof_tlb *tlb, u64 tag,
					    u64 iova);
void iof_tlb_fill_dir(struct iof_tlb *tlb, u64 tag, u64 iova, const u64 *table,
		      u32 perm);

/* Caches a leaf of 4 KiB. */
void iof_tlb_fill_page(struct iof_tlb *tlb, u64 tag, u64 iova,
		       const struct iof_leaf *leaf);

/*
 * Drops the translations of [iova, last] of the domain from the IOTLBs of one
 * device; with @dirs, also the tables above the leaves. For invalidating
 * threads. An engine may still use a dropped translation until
 * iof_mdev_drain().
 */
void iof_mdev_drop(struct iof_mdev *mdev, struct iof_mdomain *mdom, u64 iova,
		   u64 last, bool dirs);
/* Drops the cached attachments of all PASIDs. */
void iof_mdev_drop_pasids(struct iof_mdev *mdev);
/*
 * Drops all translations of the domain, on all devices. Called with its lock
 * held, once it has uses.
 */
void iof_domain_drop_all(struct iof_mdomain *mdom);
/*
 * Drops all translations of the domains nested on @parent. iof_mdev_drain()
 * waits for the read section of an engine that does not see the drop yet.
 */
void iof_domain_drop_nested(struct iof_mdomain *parent);
u64 iof_domain_renew_tag(struct iof_mdomain *mdom, u64 tag);

/* Returns the current tag of the domain's cached translations. */
static inline u64 iof_domain_tag(struct iof_mdomain *mdom)
{
	u64 tag = atomic64_read(&mdom->tag);

	if (mdom->parent &&
	    unlikely(tag <= (u64)atomic64_read(&mdom->parent->nested_floor)))
		tag = iof_domain_renew_tag(mdom, tag);
	return tag;
}
u64 iof_new_tag(void);
/* Returns when each read section that began before the call has ended. */
void iof_mdev_drain(struct iof_mdev *mdev);

/* ---- the walk (walk.c) ---- */

/*
 * Walks the tables, in a read section. leaf->pa is valid only with
 * IOF_XLATE_OK.
 */
enum iof_xlate_result iof_walk(struct iof_tlb *tlb, struct iof_attachment *att,
			       u64 iova, u32 access, struct iof_leaf *leaf);

/* Does iof_translate_span() for a nested domain. */
unsigned int iof_walk_span(struct iof_tlb *tlb, struct iof_attachment *att,
			   u64 iova, size_t len, u32 access,
			   struct iof_xlate *out);

/* ---- page requests (pri.c) ---- */

struct iof_pri;

enum iof_pri_state {
	IOF_PRI_IDLE,
	IOF_PRI_STARVED, /* waits for a credit, on pri->starved */
	IOF_PRI_OPEN,	 /* a group was sent and has no answer yet */
};

/*
 * One requester of a device, with at most one open group. The slot's index is
 * its group index.
 */
struct iof_pri_slot {
	struct iof_pri *pri;
	u32 index;
	u32 pasid; /* PASID of the open group */
	/* number of credits: reserved before sending, in use while open */
	u32 held;
	int state; /* enum iof_pri_state */
	/* code of the last answer; SUCCESS also when the slot got a credit */
	enum iof_page_code code;
	u64 sent;	       /* time of sending of the open group, in ns */
	struct list_head node; /* list pri->starved; pri->lock */
};

struct iof_pri_page {
	u64 addr;
	u32 perm; /* IOMMU_PGFAULT_PERM_* */
};

/* A group of one page that is to be sent. */
struct iof_pri_single {
	struct iof_pri_slot *slot;
	u32 pasid;
	struct iof_pri_page page;
};

/* maximum number of groups sent, or slots resumed, in one call */
#define IOF_PRI_SINGLES_MAX 32

/* The page-request interface of a device: VT-d 7.4, PCIe 10.4. */
struct iof_pri {
	struct iof_hwdev *hwdev;
	struct iof_pri_slot **slots; /* array by index; fixed after init */
	u32 nr_slots;
	/*
	 * Tells that @nr slots have a credit or an answer. Any thread may call
	 * it; it must not sleep.
	 */
	void (*resume)(struct iof_pri_slot *const *slots, u32 nr);
	atomic_t nr_starved;
	spinlock_t lock; /* protects the list starved */
	/* slots that wait for a credit, in order of arrival */
	struct list_head starved;
	atomic64_t groups, stalls; /* senders write them */
	/*
	 * This field has a cache line of its own, since senders and responders
	 * both write it.
	 */
	/* number of free credits */
	atomic_t credits ____cacheline_aligned_in_smp;
	/*
	 * Durations of groups in ns, in the layout of struct
	 * iof_vfio_dsa_latency. Responders write them.
	 */
	atomic64_t latency_sum ____cacheline_aligned_in_smp;
	atomic64_t latency_max;
	atomic64_t latency[IOF_DSA_LATENCY_BUCKETS];
};

int iof_pri_init(struct iof_pri *pri, struct iof_hwdev *hwdev, u32 nr_slots,
		 void (*resume)(struct iof_pri_slot *const *slots, u32 nr));
void iof_pri_destroy(struct iof_pri *pri);
void iof_pri_add_slot(struct iof_pri *pri, u32 index,
		      struct iof_pri_slot *slot);
/*
 * Reserves credits before a group is sent, up to @want, including those that
 * the slot holds. Returns the number of credits that the slot holds. 0: none
 * was free; resume() is called once the slot has one, possibly before this
 * returns.
 */
u32 iof_pri_take(struct iof_pri *pri, struct iof_pri_slot *slot, u32 want);
/* Gives back all but @keep of the credits of an idle slot. */
void iof_pri_give_back(struct iof_pri_slot *slot, u32 keep);
/*
 * Sends a group of @nr pages, for which the slot holds as many credits.
 * resume() is called with the answer, possibly before this returns: the slot's
 * owner must not touch the slot after this.
 */
void iof_pri_send(struct iof_pri_slot *slot, u32 pasid,
		  const struct iof_pri_page *pages, u32 nr);
/*
 * Sends @nr groups of one page each, at most IOF_PRI_SINGLES_MAX, in one
 * report. That is cheaper than as many calls of iof_pri_send().
 */
void iof_pri_send_singles(struct iof_pri *pri,
			  const struct iof_pri_single *singles, u32 nr);
/*
 * Takes the answers to @nr groups of the device. The model's
 * iof_driver_ops.page_responses().
 */
void iof_pri_responses(struct iof_pri *pri,
		       const struct iof_page_answer *answers, u32 nr);
/*
 * Reads the counters. Each is exact; together they are consistent when no group
 * is open.
 */
void iof_pri_get_latency(struct iof_pri *pri, struct iof_dsa_latency *latency);
/*
 * Removes a starved slot from pri->starved. Returns true if it was on the list;
 * resume() is not called for it then.
 */
bool iof_pri_unstarve(struct iof_pri_slot *slot);

/* ---- devices behind this IOMMU ---- */

#define IOF_MDEV_MAX_ENGINES 16

struct iof_mdev {
	struct iof_hwdev hwdev;
	struct iommu_hw_info_vtd hw_info;
	/*
	 * pasid -> struct iof_attachment; written by attach only
	 */
	struct xarray attachments;
	/*
	 * fixed before registration
	 */
	struct iof_tlb *tlbs[IOF_MDEV_MAX_ENGINES];
	unsigned int nr_tlbs;
	bool no_dma; /* iof_mdev_bus_master() */
	struct iof_pri pri;
};

static inline struct iof_mdev *iof_mdev_of(struct iof_hwdev *hwdev)
{
	return container_of(hwdev, struct iof_mdev, hwdev);
}

/* Initialises ops, hardware information and an empty set of attachments. */
void iof_mdev_init(struct iof_mdev *mdev);
void iof_mdev_destroy(struct iof_mdev *mdev);
/* As iof_dsa_bus_master(). */
void iof_mdev_bus_master(struct iof_mdev *mdev, bool on);

#endif
