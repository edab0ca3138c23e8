/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - an input of the fuzzer: a sequence of actions on an embedded world.
 *
 * An input is cut into records of 24 bytes, the last one filled up with zeroes, and each record is
 * one action that makes sense by itself whatever surrounds it: it says what to do, and chooses ids,
 * addresses and lengths by small selectors (below), mostly among what earlier actions returned.
 * Any bytes are an input. All zeroes is a plain IOAS_ALLOC.
 *
 *   world.c    the world, its descriptors; what must be so after each input
 *   pick.c     selectors; sending a command with something wrong in it
 *   iommufd.c  the commands of /dev/iommu, the type-1 ones, fault queues
 *   mock.c     IOMMU_TEST_CMD
 *   vfio.c     VFIO nodes, the DMA engine, the ATS device
 *   groups.c   VFIO groups
 *   devices.c  the same from inside: when to go on, whether something is owed
 *   arena.c    the memory that the program has
 *   target.c   libFuzzer's entry, mutations that keep records whole
 *   replay.c   main() of other builds: runs seeds and files
 *   seeds.c    the inputs that were written by hand
 *
 * Rules: nothing waits for a time, only for what must come. No address that a command, a mapping or
 * a device could follow leads to memory of the program other than the arena: whatever a program
 * maps a device may overwrite, so that would prove nothing.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iofault/iofault.h>
#include "shim/fault.h"
#include "shim/sys.h"

#include "core/iopf.h"
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

/* The actions. A new one in the middle changes the meaning of the inputs that are kept. */
/* clang-format off */
#define FUZZ_ACTIONS(X)                                                                            \
	/* iommufd.c */                                                                            \
	X(IOAS_ALLOC) X(DESTROY) X(MAP) X(UNMAP) X(COPY) X(RANGES) X(ALLOW) X(OPTION) X(MAP_FILE)  \
	X(VFIO_IOAS) X(HWPT) X(NESTED) X(HWPT_SELFTEST) X(HW_INFO) X(TRACK) X(GET_DIRTY)           \
	X(INVALIDATE) X(INVALIDATE_SELFTEST) X(QUEUE) X(RAW_IOCTL) X(TYPE1) X(TYPE1_INFO)          \
	X(TYPE1_MAP) X(TYPE1_UNMAP) X(FAULT_READ) X(FAULT_READV) X(ANSWER) X(ANSWER_RAW)           \
	X(FAULT_POLL) X(FDINFO)                                                                    \
	/* mock.c */                                                                               \
	X(MOCK) X(MOCK_REPLACE) X(TRIGGER) X(PAGE_REQ) X(STATS) X(PASID_ATTACH) X(PASID_REPLACE)   \
	X(PASID_DETACH) X(PASID_CHECK) X(RESERVE) X(CHECK_MAP) X(CHECK_REFS) X(CHECK_IOTLB)        \
	X(ACCESS) X(ACCESS_PIN) X(ACCESS_UNPIN) X(ACCESS_RW) X(ACCESS_REPLACE) X(DIRTY)            \
	X(TEST_OTHER)                                                                              \
	/* vfio.c */                                                                               \
	X(BIND) X(ATTACH) X(DETACH) X(SVA) X(NODE_INFO) X(IRQS) X(RESET) X(REGION_READ)            \
	X(REGION_WRITE) X(NODE_POLL) X(DESCRIPTOR) X(DESCRIPTOR_AT) X(ATS)                         \
	/* world.c */                                                                              \
	X(CLOSE) X(TABLE) X(POKE) X(PROTECT) X(LIMIT) X(FINISH)                                    \
	/* groups.c */                                                                             \
	X(GROUP)                                                                                   \
	/* vfio.c */                                                                               \
	X(CONFIG) X(PHYSICAL)
/* clang-format on */

enum fuzz_op {
#define FUZZ_OP(name) FUZZ_##name,
	FUZZ_ACTIONS(FUZZ_OP)
#undef FUZZ_OP
	FUZZ_NR_OPS,
};

struct fuzz_act {
	u8 op; /* enum fuzz_op, modulo the number of actions */
	/* bit 0: which context; other bits: which descriptor, and the action's own use */
	u8 where;
	u8 damage;   /* below FUZZ_DAMAGED: no damage; else the kind of damage of this call */
	u8 at;	     /* place of the damage */
	u8 id[3];    /* selectors for fuzz_id() */
	u8 small;    /* the action's own use */
	u32 flags;   /* for fuzz_flags() */
	u16 ptr;     /* selector for fuzz_ptr() */
	u16 iova[2]; /* selectors for fuzz_iova() */
	u16 len;     /* selector for fuzz_len() */
	u32 extra;   /* the action's own use */
};
#define FUZZ_RECORD 24u
static_assert(sizeof(struct fuzz_act) == FUZZ_RECORD);

/* Maximum number of actions of an input; further ones are ignored. */
#define FUZZ_MOST_ACTIONS 40u

/* ---- selectors (pick.c) ---- */

enum fuzz_kind {
	FUZZ_IOAS,
	FUZZ_PAGING,
	FUZZ_NEST,
	FUZZ_DEV,
	FUZZ_STDEV,
	FUZZ_FAULT,
	FUZZ_ITEM,
	FUZZ_ANY,
	FUZZ_NR_KINDS,
};

/*
 * Selectors of ids: the i-th from the last of the kind that the command needs; one of kind k; a
 * number itself.
 */
#define FUZZ_LAST(i)   (i)
#define FUZZ_OF(k, i)  (0x80 | FUZZ_##k << 3 | (i))
#define FUZZ_RAW_ID(n) (0xc0 | (n))

/*
 * Selectors of pages of the arena, and of the large part. Pointers that begin with other values
 * lead to no memory, or to the end of some.
 */
#define FUZZ_PAGE(n)	     (n)
#define FUZZ_PAGE_AT(n, off) ((n) | (off) / 16 << 5)
#define FUZZ_LARGE(n)	     (0x6000 | (n))
#define FUZZ_READ_ONLY	     0x8000
#define FUZZ_HOLE	     0xa000
#define FUZZ_NOWHERE(n)	     (0xc000 | (n))

/* Selectors of pages from the usual IOVA on; from the large one; for other values see pick.c. */
#define FUZZ_IOVA(n)	   (n)
#define FUZZ_IOVA_LARGE(n) (0x6000 | (n))
#define FUZZ_LOW(n)	   (0xa000 | (n))

#define FUZZ_PAGES(n)	    ((n)-1)
#define FUZZ_LARGE_PAGES(n) (0x6000 | ((n)-1))
#define FUZZ_BYTES(n)	    (0x8000 | (n))

#define FUZZ_BASE_IOVA	0x10000000ull
#define FUZZ_BASE_LARGE 0x40000000ull

#define FUZZ_DAMAGED 0xc0
enum fuzz_damage {
	FUZZ_SIZE,
	FUZZ_LONGER,
	FUZZ_LONGER_NOT_ZERO,
	FUZZ_HUGE_SIZE,
	FUZZ_BYTE,
	FUZZ_WORD,
	FUZZ_NULL_ARG,
	FUZZ_HALF_ARG,
	FUZZ_READ_ONLY_ARG,
	FUZZ_MISALIGNED_ARG,
	FUZZ_FAIL_ALLOC,
	FUZZ_FAIL_ALLOCS,
	FUZZ_FAIL_COPY,
	FUZZ_FAIL_PIN,
	FUZZ_NR_DAMAGES,
};
#define FUZZ_DAMAGE(kind) (FUZZ_DAMAGED + FUZZ_##kind)

u32 fuzz_id(const struct fuzz_act *a, unsigned int which, enum fuzz_kind kind);
void fuzz_note_id(const struct fuzz_act *a, enum fuzz_kind kind, u32 id);
/* Returns mostly bits of @known, and sometimes the number itself. */
u32 fuzz_flags(const struct fuzz_act *a, u32 known);
u64 fuzz_ptr(u16 selector);
u64 fuzz_iova(u16 selector);
u64 fuzz_len(u16 selector);
/* Does what the last two do, and keeps the range out of memory that is not the arena. */
void fuzz_guard(u64 *addr, u64 *len);

/* Arms the failure of allocations, copies or pins that the action names; and disarms it. */
void fuzz_arm(const struct fuzz_act *a);
void fuzz_disarm(void);
/*
 * Calls ioctl(@fd, @cmd, @arg) with @size bytes and the action's damage; the reply is in *arg.
 * Writes the size to the first word.
 */
int fuzz_send(const struct fuzz_act *a, int fd, unsigned long cmd, void *arg, size_t size);

/* ---- the world (world.c) ---- */

#define FUZZ_CONTEXTS 2u
/*
 * descriptors of VFIO nodes; the one after the ATS device's is of the first node again, and the
 * last one of the device without IOMMU
 */
#define FUZZ_NODES     5u
#define FUZZ_DEVICES   4u
#define FUZZ_ATS_NODE  2u
#define FUZZ_BARE_NODE 4u
#define FUZZ_GROUPS    3u /* descriptors; there are two groups */
#define FUZZ_MOST_FDS  8u /* maximum number of fault queues, and of accesses */
#define FUZZ_MOST_IDS  16u

struct fuzz_queue {
	int fd;
	u32 cookies[8]; /* cookies read last */
	unsigned int nr_cookies;
};

struct fuzz_ctx {
	int fd; /* -1: none */
	u32 ids[FUZZ_NR_KINDS][FUZZ_MOST_IDS];
	unsigned int nr_ids[FUZZ_NR_KINDS];
};

struct fuzz_world {
	struct fuzz_ctx ctx[FUZZ_CONTEXTS];
	int nodes[FUZZ_NODES];
	int groups[FUZZ_GROUPS];     /* descriptors of VFIO groups, or -1 */
	int group_devs[FUZZ_GROUPS]; /* those that groups have made, or -1 */
	struct fuzz_queue queues[FUZZ_MOST_FDS];
	int accesses[FUZZ_MOST_FDS];
	unsigned int nr_queues, nr_accesses;
	struct iof_hwdev *hw[FUZZ_DEVICES]; /* the devices behind the nodes */
	int memfd, eventfd;
	u8 finish;     /* selects the order of closing at the end */
	bool bound;    /* a device was bound, and may have work */
	bool sva;      /* a device shares this process's page tables */
	bool ats_used; /* the ATS device was bound */
	bool protected, limited;
};
extern struct fuzz_world fuzz;

struct fuzz_ctx *fuzz_ctx(const struct fuzz_act *a);
/* returns the descriptor, and opens it if needed */
int fuzz_iommu(const struct fuzz_act *a);
int fuzz_node(const struct fuzz_act *a);		 /* returns the descriptor of a VFIO node */
struct fuzz_queue *fuzz_queue(const struct fuzz_act *a); /* returns NULL if there is none */
int fuzz_access_fd(const struct fuzz_act *a);
void fuzz_note_queue(int fd);
void fuzz_note_access(int fd);
int fuzz_open_group(unsigned int number); /* a descriptor, or a negative errno */
void fuzz_close_groups(void);		  /* groups.c */
/* Waits until no device has work that it can do by itself. */
void fuzz_devices_rest(void);

/* Prints each action. */
extern bool fuzz_verbose;
/* Runs one input. Stops the program if something is wrong. */
void fuzz_run(const u8 *data, size_t size);
/* Destroys the world, at the end of the program. */
void fuzz_end(void);

/* ---- the actions ---- */

typedef void (*fuzz_fn)(const struct fuzz_act *a);
#define FUZZ_DECLARE(name) void fuzz_do_##name(const struct fuzz_act *a);
FUZZ_ACTIONS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

/* ---- seeds (seeds.c) ---- */

struct fuzz_seed {
	const char *name;
	const struct fuzz_act *acts;
	unsigned int nr;
};
extern const struct fuzz_seed fuzz_seeds[];
extern const unsigned int fuzz_nr_seeds;

#endif
