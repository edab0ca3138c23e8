// SPDX-License-Identifier: MIT
/*
 * cost.c - prepares one call at a size that the caller chooses, so that counted.py can count its
 * instructions.
 *
 *	cost CALL N
 *
 * The program prepares CALL with N objects on which its cost must not depend too much, and makes
 * the call in measured(). The world is embedded. The exit status is 0, or 1 with the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <linux/idxd.h>

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#define PAGE 4096ul
#define IOVA 0x100000ul
#define FAR  (1ul << 40)

static struct iof_world *world;
static char *memory;
static int ctx, dev = -1;
static uint32_t dev_id, ioas, hwpt, parent;
static int *fds;
static unsigned int nr_fds;

static int must(int rc, const char *what)
{
	if (rc >= 0)
		return rc;
	fprintf(stderr, "cost: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static uint32_t new_ioas(void)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };

	must(iof_ioctl(ctx, IOMMU_IOAS_ALLOC, &cmd), "IOAS_ALLOC");
	return cmd.out_ioas_id;
}

static void open_world(void)
{
	struct iof_dsa_config dsa = { .engines = 2 };
	struct iof_world_config config = {
		.kind = IOF_WORLD_EMBEDDED,
		.dsa = &dsa,
		.nr_dsa = 1,
		.test_ioctls = 1,
	};
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct rlimit files;

	/* Some calls prepare more descriptors than the usual limit. */
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	must(iof_world_open(&config, &world), "world");
	ctx = must(iof_open(world, "/dev/iommu", O_RDWR), "/dev/iommu");
	dev = must(iof_open(world, "/dev/vfio/devices/vfio0", O_RDWR), "vfio0");
	bind.iommufd = ctx;
	must(iof_ioctl(dev, VFIO_DEVICE_BIND_IOMMUFD, &bind), "BIND");
	dev_id = bind.out_devid;
	ioas = new_ioas();
	memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(memory, 0, 2 * PAGE);
}

static void map(uint64_t iova, unsigned long length)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = length,
		.iova = iova,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
	};

	must(iof_ioctl(ctx, IOMMU_IOAS_MAP, &cmd), "IOAS_MAP");
}

static uint32_t new_hwpt(uint32_t pt, uint32_t flags, uint32_t fault_id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.pt_id = pt,
		.fault_id = fault_id,
		.flags = flags | (fault_id ? IOMMU_HWPT_FAULT_ID_VALID : 0),
	};

	must(iof_ioctl(ctx, IOMMU_HWPT_ALLOC, &cmd), "HWPT_ALLOC");
	return cmd.out_hwpt_id;
}

/* Address of the root of first-stage tables, in the parent's address space. */
static uint64_t root_table = IOVA;

static uint32_t new_nested(void)
{
	struct iommu_hwpt_vtd_s1 s1 = { .pgtbl_addr = root_table, .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = dev_id,
		.pt_id = parent,
		.flags = IOMMU_HWPT_ALLOC_PASID,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
	};

	must(iof_ioctl(ctx, IOMMU_HWPT_ALLOC, &cmd), "HWPT_ALLOC, nested");
	return cmd.out_hwpt_id;
}

static void attach(uint32_t pt, uint32_t pasid)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = pt,
		.pasid = pasid,
		.flags = pasid ? VFIO_DEVICE_ATTACH_PASID : 0,
	};

	must(iof_ioctl(dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd), "ATTACH");
}

static void keep_fd(int fd)
{
	fds = realloc(fds, (nr_fds + 1) * sizeof(*fds));
	fds[nr_fds++] = fd;
}

/* ---- calls ---- */

static void close_all(void)
{
	while (nr_fds)
		iof_close(fds[--nr_fds]);
	iof_close(dev);
	iof_close(ctx);
}

static void unmap_all(void)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.length = UINT64_MAX,
	};

	must(iof_ioctl(ctx, IOMMU_IOAS_UNMAP, &cmd), "IOAS_UNMAP");
}

static void map_anywhere(void)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = PAGE,
		.flags = IOMMU_IOAS_MAP_READABLE,
	};

	must(iof_ioctl(ctx, IOMMU_IOAS_MAP, &cmd), "IOAS_MAP");
}

static void map_far(void)
{
	map(FAR, PAGE);
}

static void invalidate(void)
{
	struct iommu_hwpt_vtd_s1_invalidate entry = { .addr = 0, .npages = 4095 };
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};

	must(iof_ioctl(ctx, IOMMU_HWPT_INVALIDATE, &cmd), "HWPT_INVALIDATE");
}

static void attach_rid(void)
{
	attach(ioas, 0);
}

/* ---- what they are prepared with ---- */

static void hwpts(unsigned int n)
{
	while (n--)
		hwpt = new_hwpt(ioas, 0, 0);
}

static unsigned int wanted;

/* Prepares a call that makes the objects itself. */
static void later(unsigned int n)
{
	wanted = n;
}

static void make_hwpts(void)
{
	hwpts(wanted);
}

static void pasids(unsigned int n)
{
	map(IOVA, PAGE);
	map(FAR, PAGE);
	hwpt = new_hwpt(ioas, IOMMU_HWPT_ALLOC_PASID, 0);
	for (; n; n--)
		attach(hwpt, n);
}

static void new_parent(void)
{
	map(IOVA, PAGE);
	map(FAR, PAGE);
	parent = new_hwpt(ioas, IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, 0);
}

static void nested_pasids(unsigned int n)
{
	new_parent();
	hwpt = new_nested();
	for (; n; n--)
		attach(hwpt, n);
}

static void nested_hwpts(unsigned int n)
{
	new_parent();
	for (; n; n--)
		attach(new_nested(), n);
}

/* Allocates a queue for each PASID. */
static void queues(unsigned int n)
{
	for (; n; n--) {
		struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };

		must(iof_ioctl(ctx, IOMMU_FAULT_QUEUE_ALLOC, &cmd), "FAULT_QUEUE_ALLOC");
		attach(new_hwpt(ioas, IOMMU_HWPT_ALLOC_PASID, cmd.out_fault_id), n);
		iof_close(cmd.out_fault_fd);
	}
}

/* Reserves pages one by one, from the first page on. */
static void reserved(unsigned int n)
{
	unsigned long i;

	for (i = 1; i <= n; i++) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_ADD_RESERVED,
			.id = ioas,
			.add_reserved = { .start = i * PAGE, .length = PAGE },
		};

		must(iof_ioctl(ctx, IOMMU_TEST_CMD, &cmd), "ADD_RESERVED");
	}
}

static void make_reserved(void)
{
	reserved(wanted);
}

static int new_access(void)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = ioas,
		.create_access = { .flags = MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES },
	};

	must(iof_ioctl(ctx, IOMMU_TEST_CMD, &cmd), "CREATE_ACCESS");
	return cmd.create_access.out_access_fd;
}

static void accesses(unsigned int n)
{
	while (n--)
		keep_fd(new_access());
}

static void areas(unsigned int n)
{
	for (; n; n--)
		map(IOVA + n * PAGE, PAGE);
}

/* Pins each area by an item of its own. */
static void pinned_areas(unsigned int n)
{
	int access = new_access();

	areas(n);
	for (; n; n--) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_ACCESS_PAGES,
			.id = access,
			.access_pages = { .iova = IOVA + n * PAGE, .length = PAGE },
		};

		must(iof_ioctl(ctx, IOMMU_TEST_CMD, &cmd), "ACCESS_PAGES");
	}
	keep_fd(access);
}

/* ---- the fault path of the embedded world ---- */

static int queue_fd;

static void respond(void)
{
	struct iommu_hwpt_page_response response = { .code = IOMMUFD_PAGE_RESP_INVALID };
	struct iommu_hwpt_pgfault request;

	/*
	 * Do not wait in poll(): whether the report wakes a sleeper would depend on the scheduler.
	 */
	while (!must((int)iof_read(queue_fd, &request, sizeof(request)), "read() of a fault queue"))
		sched_yield();
	response.cookie = request.cookie;
	must((int)iof_write(queue_fd, &response, sizeof(response)), "write() of a response");
}

static void fault(void)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMFILL,
		.flags = IDXD_OP_FLAG_BOF,
		.dst_addr = FAR,
		.xfer_size = PAGE,
	};

	must((int)iof_write(dev, &desc, sizeof(desc)), "the portal");
	respond();
}

/* The engine's attachment has a fault queue, and one fault has warmed the pools. */
static void prepare_faults(unsigned int n)
{
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };

	must(iof_ioctl(ctx, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
	queue_fd = (int)queue.out_fault_fd;
	keep_fd(queue_fd);
	attach(new_hwpt(ioas, 0, queue.out_fault_id), 0);
	fault();
	later(n);
}

static void faults(void)
{
	unsigned int i;

	for (i = 0; i < wanted; i++)
		fault();
}

/* ---- copies by the DMA engine, through two stages ---- */

#define ENTRY_TABLE 0x27ul	/* present, writable, user, accessed */
#define ENTRY_PAGE  0x67ul	/* the same, and dirty */
#define WINDOW	    (1ul << 30) /* I/O address of the set */
#define PIECE	    16u		/* number of pages that one descriptor copies */

static struct dsa_completion_record *records;

/*
 * Makes @n pages of source, as many of destination, first-stage tables of 4 KiB leaves, and a page
 * of records.
 */
static void prepare_copies(unsigned int n)
{
	unsigned long pages = 2 * n, leaves = pages / 512 + 1, i;
	unsigned long length = (pages + leaves + 4) * PAGE;
	uint64_t *root, *leaf;
	char *set = mmap(NULL, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	must(set == MAP_FAILED ? -errno : 0, "mmap");
	memory = set;
	map(FAR, length);
	records = (void *)(set + pages * PAGE);
	root = (void *)(set + (pages + 1) * PAGE);
	leaf = root + 3 * 512;
	root_table = FAR + (pages + 1) * PAGE;
	root[0] = (root_table + PAGE) | ENTRY_TABLE;
	root[512 + 1] = (root_table + 2 * PAGE) | ENTRY_TABLE;
	for (i = 0; i < leaves; i++)
		root[1024 + i] = (root_table + (3 + i) * PAGE) | ENTRY_TABLE;
	for (i = 0; i <= pages; i++)
		leaf[i] = (FAR + i * PAGE) | ENTRY_PAGE;
	parent = new_hwpt(ioas, IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, 0);
	attach(new_nested(), 0);
	later(n);
}

/* One descriptor at a time. */
static void copies(void)
{
	volatile uint8_t *status = &records->status;
	unsigned int i;

	for (i = 0; i < wanted; i += PIECE) {
		struct dsa_hw_desc desc = {
			.opcode = DSA_OPCODE_MEMMOVE,
			.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
			.src_addr = WINDOW + i * PAGE,
			.dst_addr = WINDOW + (wanted + i) * PAGE,
			.xfer_size = PIECE * PAGE,
			.completion_addr = WINDOW + 2 * wanted * PAGE,
		};

		*status = 0;
		must((int)iof_write(dev, &desc, sizeof(desc)), "the portal");
		while (!*status)
			sched_yield();
		must(*status == DSA_COMP_SUCCESS ? 0 : -EIO, "MEMMOVE");
	}
}

/* Looks the queue's descriptor up, and does nothing else with it. */
static void lookups(void)
{
	unsigned int i;
	char none;

	for (i = 0; i < wanted; i++)
		must((int)iof_read(queue_fd, &none, 0), "read() of nothing");
}

static uint32_t stdev;

static void page_req(unsigned int grpid, uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd), .op = IOF_TEST_OP_PAGE_REQ,
		.iof_page_req = {
			.dev_id = dev_id, .pasid = 1, .grpid = grpid, .addr = grpid * PAGE,
			.flags = IOMMU_PGFAULT_FLAGS_PASID_VALID | flags,
		},
	};

	must(iof_ioctl(ctx, IOMMU_TEST_CMD, &cmd), "PAGE_REQ");
}

/* Makes a mock device with 200 PASIDs, and @n groups of page requests that it has begun. */
static void begun_groups(unsigned int n)
{
	struct iommu_test_cmd mock = {
		.size = sizeof(mock),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS,
		.id = ioas,
		.mock_domain_flags = { .dev_flags = MOCK_FLAGS_DEVICE_PASID },
	};
	struct iommu_test_cmd replace = {
		.size = sizeof(replace),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE,
	};
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	uint32_t pasid;

	must(iof_ioctl(ctx, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
	queue_fd = (int)queue.out_fault_fd;
	keep_fd(queue_fd);
	must(iof_ioctl(ctx, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN_FLAGS");
	stdev = mock.mock_domain_flags.out_stdev_id;
	dev_id = mock.mock_domain_flags.out_idev_id;
	hwpt = new_hwpt(ioas, IOMMU_HWPT_ALLOC_PASID, queue.out_fault_id);
	replace.id = stdev;
	replace.mock_domain_replace.pt_id = hwpt;
	must(iof_ioctl(ctx, IOMMU_TEST_CMD, &replace), "MOCK_DOMAIN_REPLACE");
	for (pasid = 1; pasid <= 200; pasid++) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_PASID_ATTACH,
			.id = stdev,
			.pasid_attach = { .pasid = pasid, .pt_id = hwpt },
		};

		must(iof_ioctl(ctx, IOMMU_TEST_CMD, &cmd), "PASID_ATTACH");
	}
	for (; n; n--)
		page_req(n, 0);
}

/* Sends faults of one page, while the device has begun one other group. */
static void one_begun_group(unsigned int n)
{
	begun_groups(1);
	later(n);
}

static void mock_faults(void)
{
	unsigned int i;

	for (i = 0; i < wanted; i++) {
		page_req(2, IOMMU_PGFAULT_FLAGS_LAST_PAGE);
		respond();
	}
}

/* Detaches all PASIDs but the one of the begun groups. */
static void detach_others(void)
{
	uint32_t pasid;

	for (pasid = 2; pasid <= 200; pasid++) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOMMU_TEST_OP_PASID_DETACH,
			.id = stdev,
			.pasid_detach = { .pasid = pasid },
		};

		must(iof_ioctl(ctx, IOMMU_TEST_CMD, &cmd), "PASID_DETACH");
	}
}

static const struct {
	const char *name;
	void (*prepare)(unsigned int n);
	void (*call)(void);
} calls[] = {
	{ "close-hwpts", hwpts, close_all },
	{ "make-hwpts", later, make_hwpts },
	{ "attach-among-hwpts", hwpts, attach_rid },
	{ "close-pasids", pasids, close_all },
	{ "close-queues", queues, close_all },
	{ "close-nested-hwpts", nested_hwpts, close_all },
	{ "close-areas", areas, close_all },
	{ "close-accesses", accesses, close_all },
	{ "unmap-areas", areas, unmap_all },
	{ "unmap-pinned-areas", pinned_areas, unmap_all },
	{ "make-reserved", later, make_reserved },
	{ "map-among-reserved", reserved, map_far },
	{ "search-among-reserved", reserved, map_anywhere },
	{ "unmap-under-pasids", pasids, unmap_all },
	{ "unmap-under-nested-pasids", nested_pasids, unmap_all },
	{ "unmap-under-nested-hwpts", nested_hwpts, unmap_all },
	{ "detach-among-begun-groups", begun_groups, detach_others },
	{ "invalidate-under-pasids", nested_pasids, invalidate },
	{ "faults", prepare_faults, faults },
	{ "copies", prepare_copies, copies },
	{ "lookups", prepare_faults, lookups },
	{ "faults-beside-begun-group", one_begun_group, mock_faults },
};

/* The counted function. */
__attribute__((noinline)) void measured(void (*call)(void));
void measured(void (*call)(void))
{
	call();
	__asm__ volatile("" ::: "memory"); /* prevents a tail call */
}

int main(int argc, char **argv)
{
	unsigned int i;

	for (i = 0; argc == 3 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(argv[1], calls[i].name))
			continue;
		open_world();
		calls[i].prepare((unsigned int)strtoul(argv[2], NULL, 0));
		measured(calls[i].call);
		return 0;
	}
	fprintf(stderr, "usage: cost CALL N\n");
	return 1;
}
