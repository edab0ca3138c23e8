// SPDX-License-Identifier: MIT
/*
 * seeds.c - inputs written by hand, one for each path deep into the system. The fuzzer starts from
 * these, and inserts pieces of them into others.
 */
#include "fuzz.h"

#include <linux/idxd.h>

#define ACT(name, ...)                           \
	{                                        \
		.op = FUZZ_##name, ##__VA_ARGS__ \
	}
/* bits of an x86 entry: present 1, write 2, user 4, accessed 0x20, dirty 0x40 */
#define RW 0x67

#define PARENT	IOMMU_HWPT_ALLOC_NEST_PARENT
#define QUEUED	IOMMU_HWPT_FAULT_ID_VALID
#define PASID	IOMMU_HWPT_ALLOC_PASID
#define TRACKED IOMMU_HWPT_ALLOC_DIRTY_TRACKING

/*
 * Flag that the fuzzer's descriptors invert: by default they request a record and wait for pages.
 */
#define NO_BLOCK IDXD_OP_FLAG_BOF

/* An IOAS with the arena's first 16 pages mapped, and a mock device on it. */
#define MOCK_ON_IOAS ACT(IOAS_ALLOC), ACT(MAP, .len = FUZZ_PAGES(16)), ACT(MOCK)

/* A mock device on a nested table with a queue. */
#define MOCK_FAULTS                                                         \
	ACT(IOAS_ALLOC), ACT(MOCK), ACT(QUEUE), ACT(HWPT, .flags = PARENT), \
		ACT(HWPT_SELFTEST, .flags = QUEUED), ACT(MOCK_REPLACE, .id[1] = FUZZ_OF(NEST, 0))

/* A DMA engine on a first stage of the user: its four levels are pages 1 to 4 of the arena. */
#define TABLES                                                              \
	ACT(TABLE, .ptr = 1, .iova[0] = FUZZ_IOVA(2), .flags = RW),         \
		ACT(TABLE, .ptr = 2, .iova[0] = FUZZ_IOVA(3), .flags = RW), \
		ACT(TABLE, .ptr = 3, .extra = 128, .iova[0] = FUZZ_IOVA(4), .flags = RW)
#define PAGE_ENTRY(n) ACT(TABLE, .ptr = 4, .extra = (n), .iova[0] = FUZZ_IOVA(n), .flags = RW)
#define ENGINE(node)                                                                              \
	ACT(IOAS_ALLOC), ACT(MAP, .len = FUZZ_PAGES(32)), ACT(QUEUE), ACT(BIND, .where = (node)), \
		ACT(HWPT, .flags = PARENT | PASID), TABLES,                                       \
		ACT(NESTED, .flags = QUEUED | PASID, .iova[0] = FUZZ_IOVA(1), .ptr = 8)

static const struct fuzz_act mapping[] = {
	MOCK_ON_IOAS,
	ACT(IOAS_ALLOC),
	ACT(COPY, .id = { 0, 1 }, .iova = { FUZZ_IOVA(3), FUZZ_IOVA(1) }, .len = FUZZ_PAGES(4)),
	ACT(MOCK),
	ACT(CHECK_MAP, .iova[0] = FUZZ_IOVA(3), .ptr = FUZZ_PAGE(1), .len = 3),
	ACT(CHECK_REFS, .len = FUZZ_PAGES(4), .ptr = FUZZ_PAGE(1), .extra = 1),
	ACT(RANGES, .ptr = 9, .extra = 4),
	ACT(ALLOW, .small = 1, .ptr = 9),
	ACT(RESERVE, .iova[0] = FUZZ_IOVA(512), .len = FUZZ_PAGES(2)),
	ACT(MAP, .flags = 1, .len = FUZZ_PAGES(2)),
	ACT(OPTION, .small = 1 | 1 << 2),
	ACT(OPTION, .small = 1, .extra = 1),
	ACT(UNMAP, .iova[0] = FUZZ_IOVA(3), .len = FUZZ_PAGES(4)),
	ACT(UNMAP, .small = 1),
	ACT(DESTROY, .id[0] = FUZZ_OF(STDEV, 0)),
	ACT(DESTROY),
};

static const struct fuzz_act large_pages[] = {
	ACT(IOAS_ALLOC),
	ACT(MOCK, .flags = MOCK_FLAGS_DEVICE_HUGE_IOVA),
	ACT(MAP, .ptr = FUZZ_LARGE(0), .iova[0] = FUZZ_IOVA_LARGE(0),
	    .len = FUZZ_LARGE_PAGES(1024)),
	ACT(BIND),
	ACT(HWPT, .flags = TRACKED, .id[0] = FUZZ_LAST(1)),
	ACT(ATTACH),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA_LARGE(0), FUZZ_IOVA_LARGE(512) },
	    .len = FUZZ_LARGE_PAGES(300)),
	ACT(DESCRIPTOR_AT, .id[0] = 2, .iova = { FUZZ_IOVA_LARGE(0), FUZZ_IOVA_LARGE(512) },
	    .len = FUZZ_LARGE_PAGES(300)),
	ACT(DESCRIPTOR_AT, .id[0] = 2, .where = 1 << 3, .len = FUZZ_LARGE_PAGES(300),
	    .iova = { FUZZ_IOVA_LARGE(0), FUZZ_IOVA_LARGE(512) }),
	ACT(REGION_WRITE, .len = FUZZ_BYTES(128)),
	ACT(CHECK_MAP, .iova[0] = FUZZ_IOVA_LARGE(0), .ptr = FUZZ_LARGE(0), .len = 3),
	ACT(UNMAP, .iova[0] = FUZZ_IOVA_LARGE(0), .len = FUZZ_LARGE_PAGES(1024)),
};

static const struct fuzz_act files[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP_FILE, .extra = 2, .len = FUZZ_PAGES(4)),
	ACT(MOCK),
	ACT(ACCESS),
	ACT(ACCESS_PIN, .ptr = U16_MAX, .len = FUZZ_PAGES(2), .flags = 1),
	ACT(ACCESS_RW, .ptr = 3, .len = FUZZ_BYTES(100), .flags = 1),
	ACT(MAP_FILE, .iova[0] = FUZZ_IOVA(64), .len = FUZZ_PAGES(16)),
	ACT(COPY, .iova = { FUZZ_IOVA(128), FUZZ_IOVA(64) }, .len = FUZZ_PAGES(16)),
	ACT(UNMAP, .small = 1),
};

#define BARE (FUZZ_BARE_NODE * 2)

static const struct fuzz_act without_iommu[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(4)),
	ACT(BIND, .where = BARE),
	ACT(PHYSICAL, .small = 1),
	ACT(ATTACH, .where = BARE, .id[0] = FUZZ_OF(IOAS, 0)),
	ACT(PHYSICAL, .small = 1, .len = FUZZ_PAGES(4), .extra = 64),
	ACT(PHYSICAL, .small = 5, .len = FUZZ_PAGES(1), .iova = { FUZZ_IOVA(1), FUZZ_IOVA(2) }),
	ACT(PHYSICAL, .iova[0] = FUZZ_IOVA(9)),
	ACT(HWPT, .flags = IOMMU_HWPT_ALLOC_PASID),
	ACT(HWPT),
	ACT(ATTACH, .where = BARE),
	ACT(MAP, .iova[0] = FUZZ_IOVA(64), .ptr = FUZZ_PAGE(8), .len = FUZZ_PAGES(2)),
	ACT(PHYSICAL, .small = 1, .iova[0] = FUZZ_IOVA(65)),
	ACT(HW_INFO),
	ACT(SVA, .where = BARE),
	ACT(BIND),
	ACT(ATTACH, .id[0] = FUZZ_OF(IOAS, 0)),
	ACT(UNMAP, .small = 1),
	ACT(PHYSICAL, .small = 1),
	ACT(DETACH, .where = BARE),
	ACT(PHYSICAL, .small = 1),
};

static const struct fuzz_act accesses[] = {
	MOCK_ON_IOAS,
	ACT(ACCESS),
	ACT(ACCESS_PIN, .len = FUZZ_PAGES(3), .flags = 1),
	ACT(ACCESS_PIN, .iova[0] = FUZZ_IOVA(1), .ptr = FUZZ_PAGE(1), .len = FUZZ_PAGES(1)),
	ACT(CHECK_REFS, .len = FUZZ_PAGES(1), .ptr = FUZZ_PAGE(1), .extra = 1),
	ACT(ACCESS_RW, .iova[0] = FUZZ_IOVA(2), .ptr = FUZZ_PAGE(20), .len = FUZZ_BYTES(5000)),
	ACT(ACCESS_RW, .iova[0] = FUZZ_IOVA(2), .ptr = FUZZ_PAGE(20), .len = FUZZ_BYTES(99),
	    .flags = MOCK_ACCESS_RW_WRITE | MOCK_ACCESS_RW_SLOW_PATH),
	ACT(ACCESS_UNPIN, .id[0] = 1),
	ACT(IOAS_ALLOC),
	ACT(ACCESS_REPLACE),
	ACT(ACCESS_REPLACE, .id[0] = 1),
	ACT(ACCESS, .flags = 1),
	ACT(ACCESS_PIN, .where = 2, .len = FUZZ_PAGES(1)),
	ACT(UNMAP, .id[0] = 1, .small = 1),
	ACT(CLOSE, .small = 2),
	ACT(ACCESS_REPLACE, .id[0] = FUZZ_RAW_ID(0)),
};

static const struct fuzz_act dirty[] = {
	MOCK_ON_IOAS,
	ACT(HWPT, .flags = TRACKED),
	ACT(MOCK_REPLACE),
	ACT(TRACK),
	ACT(DIRTY, .len = FUZZ_PAGES(4), .ptr = 20, .small = 0x35),
	ACT(GET_DIRTY, .len = FUZZ_PAGES(4), .ptr = 21),
	ACT(GET_DIRTY, .len = FUZZ_PAGES(4), .ptr = 21, .flags = 1, .extra = 1),
	ACT(TRACK, .flags = 1),
	ACT(TRACK),
	ACT(MOCK, .flags = MOCK_FLAGS_DEVICE_HUGE_IOVA),
	ACT(HWPT, .flags = TRACKED),
	ACT(HWPT_SELFTEST, .small = 1 | MOCK_IOMMUPT_HUGE << 1, .ptr = 8),
	ACT(TRACK),
	ACT(DIRTY, .len = FUZZ_PAGES(2), .ptr = 20, .small = 3),
	ACT(GET_DIRTY, .len = FUZZ_PAGES(2), .ptr = 21),
};

static const struct fuzz_act mock_faults[] = {
	MOCK_FAULTS,
	ACT(FAULT_POLL, .extra = POLLIN | POLLOUT),
	ACT(TRIGGER, .extra = 7),
	ACT(TRIGGER, .extra = 8),
	ACT(FDINFO, .extra = 256),
	ACT(FAULT_READ, .len = 0, .ptr = 10),
	ACT(ANSWER),
	ACT(ANSWER),
	ACT(PAGE_REQ, .extra = 3, .flags = 1),
	ACT(PAGE_REQ, .extra = 3, .flags = 1),
	ACT(PAGE_REQ, .extra = 3),
	ACT(FAULT_READ, .len = 1, .ptr = 10),
	ACT(FAULT_READV, .len = 7, .ptr = 10, .extra = 44),
	ACT(ANSWER, .flags = 1, .small = 1, .id = { 0, 1 }),
	ACT(STATS, .ptr = 12, .extra = 56),
	ACT(TRIGGER),
	ACT(FAULT_READ, .ptr = FUZZ_READ_ONLY),
	ACT(TRIGGER),
	ACT(MOCK_REPLACE, .id[1] = FUZZ_OF(PAGING, 0)),
	ACT(PAGE_REQ),
	ACT(CHECK_IOTLB),
	ACT(INVALIDATE_SELFTEST, .ptr = 9, .small = 1, .flags = 1),
};

/* A queue that gets more devices while groups are open. */
static const struct fuzz_act more_devices[] = {
	MOCK_FAULTS,
	ACT(TRIGGER),
	ACT(TRIGGER),
	ACT(FAULT_READ, .len = 1),
	ACT(MOCK),
	ACT(MOCK_REPLACE, .id[1] = FUZZ_OF(NEST, 0)),
	ACT(MOCK),
	ACT(MOCK_REPLACE, .id[1] = FUZZ_OF(NEST, 0)),
	ACT(ANSWER),
	ACT(TRIGGER),
	ACT(FAULT_READ),
	ACT(ANSWER),
	ACT(ANSWER, .id[0] = 2),
	ACT(MOCK_REPLACE, .id[1] = FUZZ_OF(PAGING, 0)),
};

static const struct fuzz_act credits[] = {
	MOCK_FAULTS,
	ACT(TRIGGER, .small = 0x40),
	ACT(TRIGGER, .small = 0x40),
	ACT(PAGE_REQ, .flags = 1),
	ACT(PAGE_REQ),
	ACT(FAULT_READ, .len = 8),
	ACT(CLOSE, .small = 1),
	ACT(TRIGGER),
	ACT(DESTROY, .id[0] = FUZZ_OF(STDEV, 0)),
	ACT(DESTROY, .id[0] = FUZZ_OF(NEST, 0)),
	ACT(DESTROY, .id[0] = FUZZ_OF(FAULT, 0)),
};

/*
 * Groups with more pages than one copy takes, read to good memory and to memory that ends; more
 * broken groups than are kept.
 */
static const struct fuzz_act large_groups[] = {
	MOCK_FAULTS,
	ACT(PAGE_REQ, .flags = 1, .small = 0x40),
	ACT(PAGE_REQ),
	ACT(FAULT_READ, .small = 0x80, .len = FUZZ_BYTES(1600), .ptr = FUZZ_PAGE_AT(31, 4000)),
	ACT(FAULT_READ, .small = 0x80, .len = FUZZ_BYTES(1600), .ptr = 10),
	ACT(TRIGGER, .small = 0x40),
	ACT(TRIGGER, .small = 0x40),
	ACT(PAGE_REQ, .flags = 1, .small = 0x60),
	ACT(PAGE_REQ, .flags = 1, .small = 0x60, .extra = 99),
	ACT(PAGE_REQ, .extra = 7),
	ACT(ANSWER),
	ACT(PAGE_REQ, .extra = 110),
};

static const struct fuzz_act pasids[] = {
	ACT(IOAS_ALLOC),
	ACT(QUEUE),
	ACT(MOCK, .flags = MOCK_FLAGS_DEVICE_PASID),
	ACT(HWPT, .flags = PASID),
	ACT(MOCK_REPLACE),
	ACT(HWPT, .flags = PASID | QUEUED),
	ACT(PASID_ATTACH, .small = 1),
	ACT(PASID_CHECK, .small = 1),
	ACT(TRIGGER, .small = 1),
	ACT(FAULT_READ, .ptr = 6),
	ACT(PASID_REPLACE, .small = 1, .id[1] = 1),
	ACT(ANSWER),
	ACT(PASID_ATTACH, .small = 2),
	ACT(PAGE_REQ, .small = 2, .flags = 3),
	ACT(PASID_ATTACH, .small = 4),
	ACT(PASID_REPLACE, .small = 4, .id[1] = 1),
	ACT(PASID_DETACH, .small = 2),
	ACT(PASID_DETACH, .small = 3),
};

static const struct fuzz_act type1[] = {
	ACT(TYPE1, .small = 2),
	ACT(TYPE1_INFO),
	ACT(IOAS_ALLOC),
	ACT(VFIO_IOAS),
	ACT(VFIO_IOAS, .small = 1),
	ACT(TYPE1, .small = 1, .extra = VFIO_DMA_CC_IOMMU),
	ACT(TYPE1, .extra = VFIO_TYPE1_IOMMU),
	ACT(TYPE1_INFO, .ptr = 7),
	ACT(TYPE1_INFO, .ptr = 7, .len = FUZZ_BYTES(24)),
	ACT(MOCK),
	ACT(TYPE1_MAP, .len = FUZZ_PAGES(8)),
	ACT(TYPE1_UNMAP, .iova[0] = FUZZ_IOVA(2), .len = FUZZ_PAGES(3)),
	ACT(TYPE1, .extra = VFIO_TYPE1v2_IOMMU),
	ACT(TYPE1_UNMAP, .flags = 2),
	ACT(VFIO_IOAS, .small = 3),
};

static const struct fuzz_act engine_plain[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(32)),
	ACT(BIND),
	ACT(ATTACH, .id[0] = 0x80),
	ACT(HW_INFO, .ptr = 5),
	ACT(IRQS),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(12) }, .flags = IDXD_OP_FLAG_RCI),
	ACT(DESCRIPTOR, .id[0] = 1, .iova[1] = FUZZ_IOVA(12), .extra = 77),
	ACT(DESCRIPTOR, .id[0] = 2, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(12) }, .len = 1),
	ACT(DESCRIPTOR, .id = { 3, 1 }, .iova[0] = FUZZ_IOVA(8), .len = 1),
	ACT(DESCRIPTOR, .id = { 4, 2 }, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(12) }),
	ACT(DESCRIPTOR, .id = { 3, 3 }, .iova[0] = FUZZ_IOVA(8), .flags = 0x70000),
	ACT(DESCRIPTOR, .id[0] = 0, .iova = { FUZZ_IOVA(8), 0xe000 | 0x1001 }, .len = 1),
	ACT(DESCRIPTOR, .id[0] = 0, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(100) }),
	ACT(DESCRIPTOR, .id[0] = 6),
	ACT(DESCRIPTOR, .id[0] = 7),
	ACT(DESCRIPTOR, .id[0] = 0x8a),
	ACT(REGION_READ, .small = 1, .ptr = 20),
	ACT(REGION_READ, .small = 2, .ptr = 20),
	ACT(NODE_INFO),
	ACT(NODE_INFO, .small = 1),
	ACT(NODE_INFO, .small = 2),
	ACT(NODE_POLL, .extra = POLLOUT),
	ACT(IRQS, .small = 1),
	ACT(RESET),
	ACT(DETACH),
};

static const struct fuzz_act function[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(32)),
	ACT(BIND),
	ACT(ATTACH, .id[0] = 0x80),
	ACT(IRQS, .extra = 2 | 8 << 16),
	ACT(IRQS, .small = 1, .extra = 2 | 8 << 16),
	ACT(CONFIG, .small = 1, .extra = 0x04, .iova[0] = 0x0006),
	ACT(DESCRIPTOR, .id[0] = 1, .iova[1] = FUZZ_IOVA(12), .flags = IDXD_OP_FLAG_RCI),
	ACT(CONFIG, .small = 1, .extra = 0x04, .iova[0] = 0x0002),
	ACT(DESCRIPTOR, .id[0] = 1, .iova[1] = FUZZ_IOVA(12), .flags = IDXD_OP_FLAG_RCI),
	ACT(CONFIG, .small = 1, .extra = 0x94, .iova[0] = 3),
	ACT(CONFIG, .small = 3, .extra = 0x10, .iova = { 0xffff, 0xffff }),
	ACT(CONFIG, .small = 0x83, .extra = 0x10),
	ACT(CONFIG, .small = 1, .extra = 0x48, .iova[0] = 0x8000),
	ACT(IRQS, .small = 1, .extra = 2 | 1 << 16),
	ACT(IRQS, .extra = 0),
	ACT(IRQS, .small = 1, .extra = 2u << 24),
	ACT(IRQS, .small = 1),
	ACT(CONFIG, .small = 1, .extra = 0x04, .iova[0] = 0x0402),
	ACT(IRQS, .small = 1, .extra = 3u << 24),
	ACT(CONFIG, .small = 7, .extra = 0xffc),
	ACT(CONFIG, .small = 3, .extra = 0xffc),
	ACT(REGION_READ, .small = 4, .ptr = 20),
	ACT(REGION_WRITE, .small = 4, .ptr = 20, .len = FUZZ_BYTES(64)),
	ACT(BIND, .where = 4),
	ACT(CONFIG, .where = 4, .small = 1, .extra = 0x04, .iova[0] = 0x0002),
	ACT(ATS, .iova[0] = FUZZ_IOVA(1)),
	ACT(RESET),
};

static const struct fuzz_act engine_faults[] = {
	ENGINE(0),
	ACT(ATTACH, .id[0] = FUZZ_OF(NEST, 0)),
	PAGE_ENTRY(0),
	PAGE_ENTRY(8),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(12) }, .len = 1),
	ACT(FAULT_READ, .ptr = 20, .len = 3),
	PAGE_ENTRY(12),
	PAGE_ENTRY(9),
	PAGE_ENTRY(13),
	ACT(INVALIDATE, .small = 1, .ptr = 9, .iova = { FUZZ_IOVA(12), 2 }),
	ACT(ANSWER),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA(14), FUZZ_IOVA(15) }, .len = 1),
	ACT(FAULT_READ, .ptr = 20, .len = 3),
	ACT(ANSWER, .flags = 1),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA(14), FUZZ_IOVA(15) }, .len = 5),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA(16), FUZZ_IOVA(15) }, .len = 5),
	ACT(DESCRIPTOR, .iova = { FUZZ_IOVA(17), FUZZ_IOVA(15) }, .flags = NO_BLOCK),
	ACT(FAULT_READ, .ptr = 20, .len = 3),
	ACT(RESET),
	ACT(ANSWER),
	ACT(DETACH),
	ACT(INVALIDATE, .small = 0x41, .iova[1] = U16_MAX),
};

/* Two faults with one write of responses; a wait for a credit; a batch with an absent list. */
static const struct fuzz_act engine_busy[] = {
	ENGINE(2),
	ACT(ATTACH, .where = 2, .id[0] = FUZZ_OF(NEST, 0)),
	PAGE_ENTRY(0),
	ACT(DESCRIPTOR, .where = 2, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(9) }),
	ACT(DESCRIPTOR, .where = 2, .iova = { FUZZ_IOVA(10), FUZZ_IOVA(11) }),
	ACT(DESCRIPTOR, .where = 2, .iova = { FUZZ_IOVA(12), FUZZ_IOVA(13) }),
	ACT(DESCRIPTOR, .where = 2, .id[0] = 5, .iova[0] = FUZZ_IOVA(14)),
	ACT(DESCRIPTOR, .where = 2, .id[0] = 6),
	ACT(FAULT_READ, .len = 3, .ptr = 20),
	PAGE_ENTRY(8),
	PAGE_ENTRY(10),
	ACT(ANSWER, .small = 1, .id = { 0, 1 }),
	ACT(FAULT_READ, .len = 3, .ptr = 20),
	ACT(ANSWER, .small = 1, .id = { 0, 1 }),
	ACT(RESET, .where = 2),
	ACT(DESCRIPTOR, .where = 2, .id[0] = 6),
};

static const struct fuzz_act engine_pasids[] = {
	ENGINE(0),
	ACT(ATTACH, .id[0] = FUZZ_OF(NEST, 0), .small = 1),
	PAGE_ENTRY(0),
	ACT(DESCRIPTOR, .small = 1, .iova = { FUZZ_IOVA(5), FUZZ_IOVA(6) }),
	ACT(ATTACH, .id[0] = FUZZ_OF(PAGING, 1), .small = 1),
	ACT(FAULT_READ, .ptr = 20),
	ACT(ATTACH, .id[0] = FUZZ_OF(NEST, 0), .small = 2),
	ACT(DESCRIPTOR, .small = 2, .iova = { FUZZ_IOVA(5), FUZZ_IOVA(6) }),
	ACT(CLOSE, .small = 1),
	ACT(DESCRIPTOR, .small = 2),
	ACT(DETACH, .small = 2),
};

static const struct fuzz_act batches[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(32)),
	ACT(BIND),
	ACT(ATTACH, .id[0] = 0x80),
	ACT(DESCRIPTOR_AT, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(9) }, .ptr = 0x80),
	ACT(DESCRIPTOR_AT, .where = 1 << 3, .id[0] = 1, .iova = { FUZZ_IOVA(8), FUZZ_IOVA(9) },
	    .ptr = 0x81, .flags = IDXD_OP_FLAG_FENCE),
	ACT(DESCRIPTOR_AT, .where = 2 << 3, .id[0] = 3, .iova[0] = FUZZ_IOVA(8), .ptr = 0x82),
	ACT(DESCRIPTOR, .id[0] = 5, .iova[0] = FUZZ_IOVA(0), .extra = 1, .ptr = 0x90),
	ACT(DESCRIPTOR, .id[0] = 6, .ptr = 0x91),
	ACT(REGION_WRITE, .ptr = FUZZ_PAGE(0), .len = FUZZ_BYTES(128)),
	ACT(DESCRIPTOR, .id[0] = 5, .iova[0] = FUZZ_IOVA(30), .extra = 3, .ptr = 0x90),
};

/*
 * A batch with more children than there are slots, all of which wait for a page. Pages 18 to 21 are
 * the tables.
 */
static const struct fuzz_act large_batch[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(32)),
	ACT(QUEUE),
	ACT(BIND),
	ACT(HWPT, .flags = PARENT),
	ACT(TABLE, .ptr = 18, .iova[0] = FUZZ_IOVA(19), .flags = RW),
	ACT(TABLE, .ptr = 19, .iova[0] = FUZZ_IOVA(20), .flags = RW),
	ACT(TABLE, .ptr = 20, .extra = 128, .iova[0] = FUZZ_IOVA(21), .flags = RW),
	ACT(TABLE, .ptr = 21, .iova[0] = FUZZ_IOVA(0), .flags = RW),
	ACT(TABLE, .ptr = 21, .extra = 1, .iova[0] = FUZZ_IOVA(1), .flags = RW),
	ACT(TABLE, .ptr = 21, .extra = 2, .iova[0] = FUZZ_IOVA(2), .flags = RW),
	ACT(TABLE, .ptr = 21, .extra = 3, .iova[0] = FUZZ_IOVA(3), .flags = RW),
	ACT(TABLE, .ptr = 21, .extra = 7, .iova[0] = FUZZ_IOVA(7), .flags = RW),
	ACT(NESTED, .flags = QUEUED, .iova[0] = FUZZ_IOVA(18), .ptr = 24),
	ACT(ATTACH, .id[0] = FUZZ_OF(NEST, 0)),
	ACT(DESCRIPTOR_AT, .small = 0x10, .id[0] = 1, .iova[1] = FUZZ_IOVA(40), .ptr = 0x3ff),
	ACT(DESCRIPTOR, .id = { 5, 8 }, .iova[0] = FUZZ_IOVA(0), .extra = 250, .ptr = 0x3fe),
	ACT(DESCRIPTOR, .id = { 5, 8 }, .iova[0] = FUZZ_IOVA(0), .extra = 9, .ptr = 0x3fc),
	ACT(DESCRIPTOR, .id[0] = 6, .ptr = 0x3fd),
	ACT(FAULT_READ, .ptr = 26, .len = 8),
	ACT(ANSWER, .flags = 1, .small = 2, .id = { 0, 1, 2 }),
	ACT(FAULT_READ, .ptr = 26, .len = 8),
	ACT(RESET),
};

static const struct fuzz_act shared_tables[] = {
	ACT(BIND),
	ACT(SVA, .small = 1),
	ACT(DESCRIPTOR, .small = 1, .id[2] = 0x80, .iova = { FUZZ_PAGE(1), FUZZ_PAGE(2) },
	    .ptr = FUZZ_PAGE(3)),
	ACT(DESCRIPTOR, .small = 1, .id[2] = 0x80, .iova = { FUZZ_PAGE(1), FUZZ_HOLE },
	    .ptr = FUZZ_PAGE(3)),
	ACT(PROTECT, .ptr = 5),
	ACT(DESCRIPTOR, .small = 1, .id[2] = 0x80, .iova = { FUZZ_PAGE(5), FUZZ_PAGE(6) },
	    .ptr = FUZZ_PAGE(3)),
	ACT(SVA, .small = 2),
	ACT(SVA, .small = 0x81),
	ACT(DETACH, .small = 2),
};

static const struct fuzz_act ats[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(16)),
	ACT(QUEUE),
	ACT(BIND, .where = 4),
	ACT(HWPT, .flags = QUEUED),
	ACT(ATTACH, .where = 4),
	ACT(ATS, .iova[0] = FUZZ_IOVA(1)),
	ACT(ATS, .small = 2, .iova[0] = FUZZ_IOVA(2)),
	ACT(ATS, .iova[0] = FUZZ_IOVA(99)),
	ACT(FAULT_READ, .ptr = 20),
	ACT(MAP, .iova[0] = FUZZ_IOVA(99)),
	ACT(ANSWER),
	ACT(ATS, .iova[0] = FUZZ_IOVA(200)),
	ACT(NODE_POLL, .where = 4, .extra = POLLIN),
	ACT(RESET, .where = 4),
	ACT(REGION_READ, .where = 4, .small = 7, .ptr = 20),
	ACT(REGION_READ, .where = 4, .ptr = 20),
	ACT(REGION_WRITE, .where = 4, .small = 7, .ptr = 20, .len = FUZZ_BYTES(64)),
	ACT(NODE_INFO, .where = 4),
	ACT(NODE_INFO, .where = 4, .small = 1, .extra = 7),
};

static const struct fuzz_act two_contexts[] = {
	ACT(BIND),
	ACT(BIND, .where = 3),
	ACT(BIND, .where = 2),
	ACT(IOAS_ALLOC),
	ACT(QUEUE),
	ACT(HWPT, .flags = QUEUED),
	ACT(ATTACH, .where = 2),
	ACT(ATTACH),
	ACT(IOAS_ALLOC, .where = 1),
	ACT(MOCK, .where = 1),
	ACT(BIND, .where = 5),
	ACT(CLOSE),
	ACT(DESCRIPTOR, .where = 0, .iova = { 1, 2 }),
	ACT(FAULT_READ, .ptr = 3),
	ACT(CLOSE, .small = 3),
	ACT(FINISH, .small = 3),
};

static const struct fuzz_act bad_memory[] = {
	ACT(IOAS_ALLOC),
	ACT(MAP, .ptr = FUZZ_PAGE(30), .len = FUZZ_PAGES(8)),
	ACT(MOCK),
	ACT(MAP, .ptr = FUZZ_READ_ONLY, .iova[0] = FUZZ_IOVA(64)),
	ACT(MAP, .ptr = FUZZ_READ_ONLY, .iova[0] = FUZZ_IOVA(64), .flags = 2),
	ACT(LIMIT, .len = FUZZ_PAGES(4)),
	ACT(MAP, .iova[0] = FUZZ_IOVA(80), .len = FUZZ_PAGES(8)),
	ACT(LIMIT, .len = FUZZ_PAGES(16)),
	ACT(MAP, .iova[0] = FUZZ_IOVA(80), .len = FUZZ_PAGES(8)),
	ACT(PROTECT, .ptr = 3),
	ACT(ACCESS),
	ACT(ACCESS_RW, .iova[0] = FUZZ_IOVA(80), .len = FUZZ_PAGES(8), .ptr = 12),
	ACT(MAP, .damage = FUZZ_DAMAGE(READ_ONLY_ARG), .iova[0] = FUZZ_IOVA(200)),
	ACT(QUEUE, .damage = FUZZ_DAMAGE(READ_ONLY_ARG)),
	ACT(MOCK, .damage = FUZZ_DAMAGE(READ_ONLY_ARG)),
	ACT(ACCESS, .damage = FUZZ_DAMAGE(READ_ONLY_ARG)),
};

/* Locked memory is charged to the process. */
static const struct fuzz_act process_limit[] = {
	ACT(OPTION, .extra = 1),
	ACT(OPTION, .small = 1 << 2),
	ACT(IOAS_ALLOC),
	ACT(MAP),
	ACT(MOCK),
	ACT(LIMIT, .len = FUZZ_PAGES(4)),
	ACT(MAP, .iova[0] = FUZZ_IOVA(80), .len = FUZZ_PAGES(8)),
	ACT(UNMAP, .small = 1),
	ACT(LIMIT, .len = FUZZ_PAGES(4), .small = 1),
	ACT(OPTION, .extra = 0),
	ACT(OPTION, .where = 1, .extra = 1),
};

static const struct fuzz_act failures[] = {
	ACT(IOAS_ALLOC, .damage = FUZZ_DAMAGE(FAIL_ALLOC), .at = 1),
	ACT(IOAS_ALLOC),
	ACT(MAP, .len = FUZZ_PAGES(8)),
	ACT(MOCK, .damage = FUZZ_DAMAGE(FAIL_ALLOC), .at = 5),
	ACT(MOCK, .damage = FUZZ_DAMAGE(FAIL_PIN)),
	ACT(MOCK),
	ACT(QUEUE, .damage = FUZZ_DAMAGE(FAIL_ALLOC), .at = 2),
	ACT(QUEUE),
	ACT(HWPT, .flags = QUEUED, .damage = FUZZ_DAMAGE(FAIL_ALLOCS), .at = 3),
	ACT(HWPT, .flags = QUEUED),
	ACT(MOCK_REPLACE, .damage = FUZZ_DAMAGE(FAIL_ALLOC), .at = 1),
	ACT(MOCK_REPLACE),
	ACT(TRIGGER, .damage = FUZZ_DAMAGE(FAIL_ALLOC)),
	ACT(TRIGGER),
	ACT(FAULT_READ, .damage = FUZZ_DAMAGE(FAIL_COPY)),
	ACT(FAULT_READ),
	ACT(ANSWER),
	ACT(CLOSE, .damage = FUZZ_DAMAGE(FAIL_ALLOCS)),
};

static const struct fuzz_act groups[] = {
	ACT(GROUP),
	ACT(GROUP, .small = 3),
	ACT(GROUP, .small = 1, .id = { 0xc0 }),
	ACT(TYPE1_MAP),
	ACT(GROUP, .small = 3),
	ACT(GROUP, .small = 3, .id = { 1 }, .where = 4),
	ACT(BIND),
	ACT(GROUP, .small = 5),
	ACT(GROUP, .small = 7),
	ACT(GROUP, .small = 6),
	ACT(GROUP, .small = 5),
	ACT(GROUP, .small = 1, .id = { 0xc0 }, .where = 2),
	ACT(GROUP, .small = 3, .id = { 2 }, .where = 2),
	ACT(GROUP, .small = 6, .id = { 1 }, .where = 2),
	ACT(CLOSE),
};

#define SEED(name)                            \
	{                                     \
#name, name, ARRAY_SIZE(name) \
	}
const struct fuzz_seed fuzz_seeds[] = {
	SEED(mapping),	    SEED(large_pages),	 SEED(files),	      SEED(accesses),
	SEED(dirty),	    SEED(mock_faults),	 SEED(more_devices),  SEED(credits),
	SEED(large_groups), SEED(pasids),	 SEED(type1),	      SEED(engine_plain),
	SEED(function),	    SEED(engine_faults), SEED(engine_busy),   SEED(engine_pasids),
	SEED(batches),	    SEED(large_batch),	 SEED(shared_tables), SEED(ats),
	SEED(two_contexts), SEED(bad_memory),	 SEED(process_limit), SEED(failures),
	SEED(groups),	    SEED(without_iommu),
};
const unsigned int fuzz_nr_seeds = ARRAY_SIZE(fuzz_seeds);
