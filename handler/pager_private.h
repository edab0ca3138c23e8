/* SPDX-License-Identifier: MIT */
/*
 * pager_private.h - what the files of the pager share.
 *
 * pager.c      opening and closing, errors, statistics
 * pager_base.c errors, waiting, the arrays of a batch, mappings in the parent IOAS
 * space.c      the first stage of a PASID: attaching and detaching
 * map.c        mappings: making, finding, removing
 * table.c      pages of first-stage tables, and the tree that they form
 * frames.c     the pool of page frames; CLOCK
 * evict.c      evicts pages: not present, invalidate, write back, free
 * fault.c      resolves a batch of groups
 * waiting.c    groups that wait for loads in flight
 * load.c       the loader: threads that load pages
 * load_uring.c loads files by io_uring
 * prefetch.c   chooses pages to load with them
 * range.c      populate, pin, refuse, sync
 * source.c     files, zeros, callbacks
 *
 * A page of a mapping is in one of these states. Its entry in the first-stage table says which:
 *
 * - absent: 0
 * - loading: IOF_PTE_LOADING | frame. The page is queued for the loader or in flight, or a handler
 *   thread reads it from the page cache. Groups wait for it
 * - resident: present
 * - marked: as resident, with IOF_PTE_MARK in place of PRESENT (prefetch.c)
 * - evicting: IOF_PTE_EVICTING, not present, other bits unchanged. One thread evicts it
 *
 * Entries change under pager.lock only, except for the accessed and dirty bits, which the device
 * sets. Sources, ioctls and callbacks run without the lock. A thread that needs a frame meanwhile
 * holds it (frame.hold), or has put it into a state that no other thread changes.
 *
 * Lock order: pager.map_lock, pager.lock, pager.error_lock. The comment of a field names the lock
 * that protects it, or says that access is atomic.
 */
#ifndef IOF_PAGER_PRIVATE_H
#define IOF_PAGER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <iofault/pager.h>

#include "forked.h"

#define IOF_PAGE_SHIFT	  12
#define IOF_PAGE_MASK	  ((uint64_t)IOF_PAGER_PAGE - 1)
#define IOF_LEAF_SHIFT	  21 /* one last-level table covers 2 MiB */
#define IOF_SPACE_BITS	  47 /* addresses below 2^47: the lower canonical half of 48 bits */
#define IOF_TABLE_ENTRIES 512u

/* Bits of an entry of the x86 and VT-d first stage. Hardware ignores the others if PRESENT is 0. */
#define IOF_PTE_PRESENT	 (1ull << 0)
#define IOF_PTE_WRITE	 (1ull << 1)
#define IOF_PTE_USER	 (1ull << 2)
#define IOF_PTE_ACCESSED (1ull << 5)
#define IOF_PTE_DIRTY	 (1ull << 6)
#define IOF_PTE_LOADING	 (1ull << 9) /* software bits, like the next one */
#define IOF_PTE_EVICTING (1ull << 10)
#define IOF_PTE_MARK	 (1ull << 11)
#define IOF_PTE_ADDR	 0x000ffffffffff000ull

#define IOF_CHUNK    256u /* maximum number of pages evicted, synced or populated at a time */
#define IOF_RUN	     256u /* maximum number of pieces in one call of a source */
#define IOF_SENTENCE 256u

struct iof_source {
	struct iof_source_ops ops;
	/*
	 * As ops.load, but never waits for a device: returns how many bytes it loaded, from the
	 * first on, maybe 0. NULL: all loads may wait.
	 */
	size_t (*now)(struct iof_source *source, uint64_t offset, const struct iovec *iov, int nr);
	void *arg;
	int fd;		 /* the loader may read this file at the source's offsets; -1: none */
	int direct_fd;	 /* the same with O_DIRECT; -1: not open. Atomic until a mapping uses it */
	uint32_t misses; /* atomic: number of calls of @now in a row that loaded nothing */
	uint64_t size;
	int users; /* atomic: number of users */
};

enum iof_frame_state {
	IOF_FRAME_FREE = 0,
	IOF_FRAME_LOADING,
	IOF_FRAME_RESIDENT,
	IOF_FRAME_EVICTING,
	IOF_FRAME_FAILED, /* the load failed; the last holder frees the frame */
};

/* pager.lock protects all fields, with the exceptions named at the top. */
struct iof_frame {
	struct iof_mapping *map;  /* NULL: the frame is free */
	uint64_t *pte;		  /* the entry of its page */
	uint64_t page;		  /* number of the page in the mapping */
	struct iof_frame *next;	  /* list of free frames, or of those queued for the loader */
	struct iof_hold *waiters; /* state LOADING: groups that wait */
	struct iof_load *load;	  /* state LOADING: the load that reads it; NULL: queued */
	uint32_t hold;		  /* number of users that need the page to stay */
	uint32_t pins;		  /* number of iof_pager_pin() without iof_pager_unpin() */
	int err;		  /* result of the load or write-back under way */
	uint8_t state;		  /* enum iof_frame_state */
	uint8_t ahead; /* the page was prefetched, and not used yet; 2: and CLOCK has spared it */
	uint8_t guess; /* the page was prefetched; does not change */
	uint8_t write; /* the load is for a write: enter the page as dirty */
	uint8_t stuck; /* the last write-back of the page failed */
	uint8_t mark;  /* enter the page as marked, unless it is requested before */
};

#define IOF_STREAMS 64u

/* A run of pages that the device requests in order. pager.lock protects all fields. */
struct iof_stream {
	uint64_t first;	 /* its first page */
	uint64_t last;	 /* the page requested last */
	uint64_t next;	 /* the page behind those loaded for it; 0: the entry is free */
	uint64_t used;	 /* iof_mapping.faults at the last request */
	uint64_t marked; /* when its last marked page was requested, in ns */
	uint32_t window; /* number of pages to load ahead of @last */
	bool goes_on;	 /* more than one page was requested */
};

/* A mapping. Fields without a comment on locks do not change while it is in its space. */
struct iof_mapping {
	struct iof_space *space;
	uint64_t iova;
	uint64_t pages;
	struct iof_source *source; /* NULL: program memory */
	uint64_t offset;	   /* offset of the first page in the source */
	uint64_t parent_iova;	   /* address in the parent IOAS; program memory only */
	unsigned int prot;
	bool direct;	       /* uses source.direct_fd */
	uint64_t **leaves;     /* last-level tables, one for each 2 MiB touched */
	uint64_t frames;       /* pager.lock: number of its frames, in any state */
	bool dying;	       /* pager.lock: iof_mapping_remove() is under way */
	uint32_t ahead_used;   /* pager.lock: number of prefetched pages that were used */
	uint32_t ahead_wasted; /* pager.lock: number of prefetched pages that were evicted unused */
	/* pager.lock: number of faults while most prefetched pages are wasted */
	uint32_t ahead_tries;
	uint32_t usual;	  /* pager.lock: number of pages that a stream uses, lately */
	uint64_t faults;  /* pager.lock: number of calls of stream_advance() */
	uint64_t newest;  /* pager.lock: first page of the newest stream */
	uint64_t stride;  /* pager.lock: how far that is behind the one before; 0: unknown */
	uint32_t strides; /* pager.lock: number of equal strides in a row */
	struct iof_stream streams[IOF_STREAMS];
};

struct iof_range {
	uint64_t start; /* address of the first byte */
	uint64_t end;	/* address behind the last byte */
};

/* The space of one PASID. Changes under map_lock and lock together; readers need either. */
struct iof_space {
	struct iof_pager *pager;
	uint32_t pasid;
	uint32_t hwpt_id;
	bool attached;
	struct iof_table *root;
	struct iof_mapping **maps; /* sorted by address */
	uint32_t nr_maps;
	uint32_t room;
	struct iof_mapping *last_map; /* pager.lock: the mapping found last */
	struct iof_range *refused;    /* sorted; no two touch */
	uint32_t nr_refused;
};

/* A table in use, of any level. map_lock protects all fields. */
struct iof_table {
	uint64_t *entries;
	uint64_t iova;		  /* address in the parent IOAS */
	uint32_t users;		  /* number of entries in use; of a last-level table: of mappings */
	struct iof_table **below; /* NULL in a last-level table */
	struct iof_table *next;	  /* list of tables that wait for an invalidation */
};

/* Memory for tables. map_lock protects all fields. */
struct iof_table_chunk {
	struct iof_table_chunk *next;
	char *memory;
	uint64_t iova;
	uint32_t pages;
	uint32_t used; /* number of pages in use, from the first on */
};

struct iof_free_table {
	/* lies in the free page itself; an even pointer reads as not present */
	struct iof_free_table *next;
	uint64_t iova;
};

/* A page that a group needs. */
struct iof_item {
	struct iof_frame *frame; /* the frame, held */
	uint32_t group;		 /* index of the group in the batch */
};

/* A group whose response waits for loads. pager.lock protects all fields, also of its holds. */
struct iof_waiting {
	struct iof_waiting *next; /* list of groups to answer, or pager.idle_waiting */
	struct iof_hold *holds;	  /* the frames of the group */
	uint32_t cookie;
	uint32_t missing; /* number of holds whose frame is loading */
	bool failed;	  /* a page could not be loaded */
};

/* A frame that a waiting group holds. */
struct iof_hold {
	struct iof_hold *next;	      /* list waiting.holds, or pager.idle_holds */
	struct iof_hold *next_waiter; /* list frame.waiters */
	struct iof_frame *frame;
	struct iof_waiting *group;
};

/* Pages that may be prefetched. */
struct iof_ahead {
	struct iof_mapping *map;
	struct iof_stream *stream; /* NULL: a window of its own */
	uint64_t mark;		   /* mark the first page taken from here on; UINT64_MAX: none */
	struct iof_frame *frame;   /* the requested page, held: the mapping stays */
	uint64_t page;		   /* the first page that is left */
	uint64_t end;		   /* the page behind the last one */
};

#define IOF_LOADS   128u /* maximum number of loads in flight */
#define IOF_LOADERS 16u	 /* maximum number of loader threads */

/*
 * A load in flight: neighbouring pages of one mapping. Belongs to the thread that loads them,
 * except for the rest, which pager.lock protects.
 */
struct iof_load {
	struct iof_load *next;		    /* list loader.free_loads, or of complete loads */
	struct iof_frame *rest, *rest_last; /* the frames behind it, which it reads next */
	uint32_t nr;			    /* number of frames */
	bool singly;			    /* the load failed: go on page by page */
	uint64_t done;			    /* number of bytes that are loaded or have failed */
	uint64_t start;			    /* ns */
	struct iof_frame *frames[IOF_RUN];
	struct iovec iov[IOF_RUN];
};

struct iof_frame_queue {
	struct iof_frame *first, *last;
	uint32_t runs;	  /* number of runs of neighbouring pages */
	uint32_t pending; /* stores: number of frames queued or in flight */
};

/* The loader (load.c). pager.lock protects all fields. */
struct iof_loader {
	/* iof_evict_load() */
	void (*store)(struct iof_pager *pager, struct iof_load *load);
	struct iof_frame_queue files;  /* to be loaded by the ring */
	struct iof_frame_queue calls;  /* to be loaded by calls of their source */
	struct iof_frame_queue stores; /* evicting, to be written back */
	uint64_t pending;	       /* number of frames queued or in flight */
	struct iof_load *loads;
	uint32_t nr_loads; /* does not change */
	struct iof_load *free_loads;
	struct iof_load *given;	  /* loads that the ring's thread takes over */
	pthread_cond_t work;	  /* signals frames in @calls */
	pthread_cond_t ring_work; /* signals the first frames in @files */
	int kick_fd;		  /* eventfd that wakes the ring's thread */
	bool ring;		  /* there is a ring */
	bool refused;		  /* the system refuses a ring */
	bool asleep;		  /* the ring's thread sleeps, or is about to */
	bool stop;
	uint32_t idle; /* number of threads of @work without a load */
	uint32_t nr_threads;
	pthread_t threads[IOF_LOADERS];
};

/* The arrays of one batch. One thread uses them at a time. */
struct iof_work {
	struct iof_work *next; /* list pager.idle */
	struct iof_item *items;
	struct iof_frame **loads; /* frames that this thread has to load */
	struct iof_ahead *ahead;  /* pages that may be prefetched */
	uint32_t nr_items;
	uint32_t nr_loads;
	uint32_t nr_ahead;
	uint32_t room; /* number of entries in each of the three arrays */
	struct iof_frame *victims[IOF_CHUNK];
	uint32_t nr_victims;
	struct iommu_hwpt_vtd_s1_invalidate invalidate[IOF_CHUNK];
	struct iovec iov[IOF_RUN];
	struct iof_pager_stats stats; /* counted without the lock; added to the pager's under it */
};

struct iof_pager {
	struct iof_pager_config config; /* does not change; defaults are filled in */
	unsigned int forks;		/* iof_forks at the time of opening */
	bool owns;			/* the pager closes iommufd and device_fd */
	int iommufd;
	int device_fd;
	int fault_fd;
	uint32_t dev_id;
	uint32_t ioas_id;
	uint32_t parent_id;
	uint32_t fault_id;
	uint32_t pasid_bits;
	struct iof_handler *handler;

	pthread_mutex_t map_lock; /* held to change mappings and tables, and during pin and sync */
	pthread_mutex_t lock;	  /* protects what a fault uses */
	pthread_cond_t changed;	  /* signals the end of a load or an eviction, or a frame dropped */
	uint32_t waiters;	  /* lock: number of threads that wait for @changed */

	struct iof_space **spaces; /* lock and map_lock to change: sorted by PASID */
	uint32_t nr_spaces;

	char *pool;	    /* memory of the frames */
	uint64_t pool_iova; /* address of the frames in the parent IOAS */
	struct iof_frame *frames;
	uint64_t nr_frames;
	uint64_t least;		/* number of frames that must remain unpinned */
	uint64_t hand;		/* lock: next frame that CLOCK looks at */
	struct iof_frame *free; /* lock: list of free frames */
	uint64_t nr_free;	/* lock: number of free frames */
	uint64_t held;		/* lock: number of frames held or evicting */
	uint64_t released;	/* lock: number of times that a frame was freed or dropped */
	struct iof_loader loader;
	struct iof_waiting *idle_waiting; /* lock: waiting groups not in use; also the next two */
	struct iof_hold *idle_holds;
	uint32_t nr_idle_holds;
	struct iof_work *idle; /* lock: works not in use */
	/* map_lock: for iof_expel() and iof_sync_map(); allocated when opening */
	struct iof_work *own;

	struct iof_table_chunk *chunks; /* map_lock, also the next two */
	struct iof_free_table *free_tables;
	uint64_t table_pages; /* atomic, for readers without map_lock */

	struct iof_pager_stats stats; /* lock: counters of the pager */
	uint64_t errors;	      /* atomic: number of errors reported */
	pthread_mutex_t error_lock;
	char sentence[IOF_SENTENCE]; /* error_lock: text of the last error */
};

static inline uint64_t iof_pager_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t iof_pte_load(const uint64_t *pte)
{
	return __atomic_load_n(pte, __ATOMIC_ACQUIRE);
}

static inline void iof_pte_store(uint64_t *pte, uint64_t value)
{
	__atomic_store_n(pte, value, __ATOMIC_RELEASE);
}

static inline uint64_t iof_mapping_addr(const struct iof_mapping *map, uint64_t page)
{
	return map->iova + (page << IOF_PAGE_SHIFT);
}

static inline uint64_t *iof_mapping_pte(const struct iof_mapping *map, uint64_t page)
{
	uint64_t addr = iof_mapping_addr(map, page);
	uint64_t leaf = (addr >> IOF_LEAF_SHIFT) - (map->iova >> IOF_LEAF_SHIFT);

	return &map->leaves[leaf][(addr >> IOF_PAGE_SHIFT) % IOF_TABLE_ENTRIES];
}

static inline uint64_t iof_frame_index(const struct iof_pager *pager, const struct iof_frame *frame)
{
	return (uint64_t)(frame - pager->frames);
}

static inline void *iof_frame_memory(const struct iof_pager *pager, const struct iof_frame *frame)
{
	return pager->pool + (iof_frame_index(pager, frame) << IOF_PAGE_SHIFT);
}

/* Returns the offset of the frame's page in its source. */
static inline uint64_t iof_frame_offset(const struct iof_frame *frame)
{
	return frame->map->offset + (frame->page << IOF_PAGE_SHIFT);
}

static inline uint64_t iof_frame_iova(const struct iof_pager *pager, const struct iof_frame *frame)
{
	return pager->pool_iova + (iof_frame_index(pager, frame) << IOF_PAGE_SHIFT);
}

/* pager_base.c */
int iof_pager_fail(struct iof_pager *pager, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void iof_pager_report(struct iof_pager *pager, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int iof_pager_parent_map(struct iof_pager *pager, void *addr, uint64_t length, bool writable,
			 uint64_t *iova);
int iof_pager_parent_unmap(struct iof_pager *pager, uint64_t iova, uint64_t length);
void iof_pager_wait(struct iof_pager *pager);
void iof_pager_wake(struct iof_pager *pager);
struct iof_work *iof_work_new(struct iof_pager *pager);
void iof_work_free(struct iof_work *work);
struct iof_work *iof_work_take(struct iof_pager *pager);
void iof_work_give(struct iof_pager *pager, struct iof_work *work);
int iof_work_reserve(struct iof_work *work, uint32_t room);

/* space.c */
struct iof_space *iof_pager_space(const struct iof_pager *pager, uint32_t pasid);
int iof_space_get(struct iof_pager *pager, uint32_t pasid, struct iof_space **out);
void iof_space_detach(struct iof_space *space);
int iof_space_remove(struct iof_space *space);

/* map.c */
struct iof_mapping *iof_mapping_find(struct iof_space *space, uint64_t addr);
uint32_t iof_mapping_at(const struct iof_space *space, uint64_t addr);
bool iof_space_refuses(const struct iof_space *space, uint64_t addr);
int iof_range_check(struct iof_pager *pager, uint64_t iova, uint64_t *length);
int iof_mapping_remove(struct iof_mapping *map, unsigned int flags);

/* table.c */
int iof_table_get(struct iof_space *space, uint64_t addr, uint64_t **entries);
struct iof_table *iof_table_put(struct iof_space *space, uint64_t addr, struct iof_table *waiting);
void iof_table_recycle(struct iof_pager *pager, struct iof_table *waiting);
int iof_table_root(struct iof_space *space);
void iof_table_destroy(struct iof_pager *pager, struct iof_table *root);
void iof_table_release(struct iof_pager *pager);

/* frames.c */
int iof_frames_create(struct iof_pager *pager);
void iof_frames_destroy(struct iof_pager *pager);
struct iof_frame *iof_frame_take(struct iof_pager *pager, struct iof_mapping *map, uint64_t page,
				 uint64_t *pte);
void iof_frame_free(struct iof_pager *pager, struct iof_frame *frame);
void iof_frame_hold(struct iof_pager *pager, struct iof_frame *frame);
void iof_frame_unmark(struct iof_frame *frame);
void iof_frame_drop(struct iof_pager *pager, struct iof_frame *frame);
uint32_t iof_clock_pick(struct iof_pager *pager, struct iof_frame **victims, uint32_t want,
			bool stuck);
void iof_frames_sort(struct iof_frame **frames, uint32_t nr);
void iof_frame_settle_ahead(struct iof_pager *pager, struct iof_frame *frame, bool used);

/* evict.c */
enum iof_expel_flags {
	IOF_EXPEL_DISCARD = 1 << 0, /* do not write dirty pages back */
	IOF_EXPEL_FORCE = 1 << 1,   /* evict a page even if it cannot be written back */
	IOF_EXPEL_SILENT = 1 << 2,  /* do not invalidate: the device is detached */
};
int iof_invalidate(struct iof_pager *pager, uint32_t hwpt_id,
		   struct iommu_hwpt_vtd_s1_invalidate *entries, uint32_t nr);
void iof_evict_load(struct iof_pager *pager, struct iof_load *load);
uint32_t iof_evict(struct iof_pager *pager, struct iof_work *work, uint64_t want);
int iof_expel(struct iof_mapping *map, uint64_t first, uint64_t last, unsigned int flags);
int iof_sync_map(struct iof_mapping *map, uint64_t first, uint64_t last);

/* fault.c */
enum iof_resolve_flags {
	IOF_RESOLVE_PIN = 1 << 0,
	IOF_RESOLVE_NO_EVICT = 1 << 1,
	IOF_RESOLVE_QUIET = 1 << 2, /* no prefetch, and no counting as faults */
	/* groups of the fault queue: those whose pages are loading get LATER */
	IOF_RESOLVE_LATER = 1 << 3,
};
int iof_resolve(struct iof_pager *pager, struct iof_fault_group *groups, uint32_t nr,
		unsigned int flags);

/* waiting.c */
bool iof_waiting_add(struct iof_pager *pager, uint32_t cookie, const struct iof_item *items,
		     uint32_t nr);
void iof_frame_publish(struct iof_pager *pager, struct iof_frame *frame,
		       struct iof_waiting **ready);
void iof_waiting_answer(struct iof_pager *pager, struct iof_waiting *ready);
void iof_waiting_destroy(struct iof_pager *pager);

/* load.c */
int iof_loader_start(struct iof_pager *pager, void *(*ring_thread)(void *arg));
void iof_loader_calls(struct iof_pager *pager);
void iof_loader_drain(struct iof_pager *pager);
void iof_loader_stop(struct iof_pager *pager);
void iof_loader_queue(struct iof_pager *pager, struct iof_frame *frame);
void iof_loader_kick(struct iof_pager *pager);
void iof_loader_help(struct iof_pager *pager);
struct iof_load *iof_load_begin(struct iof_loader *loader, struct iof_frame_queue *queue);
struct iof_load *iof_loads_end(struct iof_pager *pager, struct iof_load *list);
void iof_loader_queue_store(struct iof_pager *pager, struct iof_frame *frame);
void iof_load_free(struct iof_pager *pager, struct iof_load *load);

/* load_uring.c */
void *iof_ring_thread(void *arg);

/* prefetch.c */
uint64_t iof_prefetch_used_now(const struct iof_pager *pager);
enum iof_found {
	IOF_FOUND_ABSENT,
	IOF_FOUND_LOADING,
	IOF_FOUND_MARKED,
};
void iof_prefetch_note(struct iof_pager *pager, struct iof_work *work, struct iof_frame *frame,
		       enum iof_found found);
void iof_prefetch_take(struct iof_pager *pager, struct iof_work *work);
bool iof_prefetch_evict(struct iof_pager *pager, struct iof_work *work);
void iof_prefetch_end(struct iof_pager *pager, struct iof_work *work);

/* source.c */
/*
 * Loads, or with @store writes, @nr frames by one call of a source. Their pages are neighbours in
 * the source. @iov has room for IOF_RUN pieces. Called without locks. Returns the result of the
 * source.
 */
int iof_frames_transfer(struct iof_pager *pager, struct iovec *iov, struct iof_frame **frames,
			uint32_t nr, bool store);
/*
 * Loads as many of the @nr frames, from the first on, as the source has at hand. Called without
 * locks. Returns their number.
 */
uint32_t iof_frames_now(struct iof_pager *pager, struct iovec *iov, struct iof_frame **frames,
			uint32_t nr);
void iof_source_get(struct iof_source *source);
/* Opens the source's file with O_DIRECT. Returns false if that is not possible. */
bool iof_source_direct(struct iof_source *source);

#endif
