// SPDX-License-Identifier: MIT
/*
 * nested.c - the setup that nested.h describes, through the public ABI alone.
 */
#include "nested.h"
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define GPA_BASE     0x100000000ull
#define RECORDS_IOVA 0x200000000000ull
#define ENTRY_TABLE  0x27ull /* present, writable, user, accessed */
#define ENTRY_PAGE   0x67ull /* present, writable, user, accessed, dirty */

uint64_t nested_gpa(const struct nested *n, const void *p)
{
	return GPA_BASE + (uint64_t)((const unsigned char *)p - n->mem);
}

static uint64_t *table_page(struct nested *n)
{
	return n->tables + 512 * n->tables_used++;
}

static void *from_gpa(const struct nested *n, uint64_t gpa)
{
	return n->mem + (gpa - GPA_BASE);
}

/*
 * Returns the leaf table of @iova and makes the missing levels above it; @leaf: its memory, or
 * NULL.
 */
static uint64_t *leaf_table(struct nested *n, uint64_t iova, uint64_t *leaf)
{
	uint64_t *table = n->tables;
	int level;

	for (level = 3; level > 0; level--) {
		uint64_t *entry = &table[iova >> (12 + 9 * level) & 511];

		if (!*entry)
			*entry = ENTRY_TABLE |
				 nested_gpa(n, level == 1 && leaf ? leaf : table_page(n));
		table = from_gpa(n, *entry & ~0xfffull);
	}
	return table;
}

static void call(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(-rc));
}

static void build_tables(struct nested *n)
{
	uint64_t leaves = (n->pages + 511) / 512, i;

	n->tables_used = 1; /* the root table */
	n->ptes = n->tables + 512 * n->tables_used;
	n->tables_used += leaves;
	for (i = 0; i < leaves; i++)
		leaf_table(n, NESTED_WINDOW + i * 512 * NESTED_PAGE, n->ptes + 512 * i);
	for (i = 0; i < NESTED_RECORDS * sizeof(*n->records) / NESTED_PAGE; i++) {
		uint64_t iova = RECORDS_IOVA + i * NESTED_PAGE;

		leaf_table(n, iova, NULL)[iova >> 12 & 511] =
			nested_gpa(n, (unsigned char *)n->records + i * NESTED_PAGE) | ENTRY_PAGE;
	}
}

static void set_irq(struct nested *n)
{
	unsigned char buf[sizeof(struct vfio_irq_set) + sizeof(int)] __attribute__((aligned(4)));
	struct vfio_irq_set *set = (struct vfio_irq_set *)buf;

	*set = (struct vfio_irq_set){ .argsz = sizeof(buf),
				      .count = 1,
				      .index = IOF_VFIO_IRQ_COMPLETION,
				      .flags = VFIO_IRQ_SET_DATA_EVENTFD |
					       VFIO_IRQ_SET_ACTION_TRIGGER };
	n->irq_fd = eventfd(0, EFD_CLOEXEC);
	memcpy(set->data, &n->irq_fd, sizeof(int));
	call(iof_ioctl(n->dev, VFIO_DEVICE_SET_IRQS, set), "VFIO_DEVICE_SET_IRQS");
}

void nested_open(struct nested *n, const struct nested_config *config)
{
	struct iof_dsa_config dsa = { .credits = config->credits,
				      .engines = config->engines,
				      .queue_depth = NESTED_RECORDS };
	struct iof_world_config world = { .kind = IOF_WORLD_EMBEDDED, .dsa = &dsa, .nr_dsa = 1 };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iommu_hwpt_alloc parent = { .size = sizeof(parent),
					   .flags = IOMMU_HWPT_ALLOC_NEST_PARENT };
	struct iommu_hwpt_vtd_s1 s1 = { .addr_width = 48 };
	struct iommu_hwpt_alloc nested = { .size = sizeof(nested),
					   .flags = IOMMU_HWPT_FAULT_ID_VALID,
					   .data_type = IOMMU_HWPT_DATA_VTD_S1,
					   .data_len = sizeof(s1),
					   .data_uptr = (uintptr_t)&s1 };
	struct iommu_ioas_map map = { .size = sizeof(map),
				      .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
					       IOMMU_IOAS_MAP_WRITEABLE,
				      .iova = GPA_BASE };

	memset(n, 0, sizeof(*n));
	n->pages = config->pages;
	n->mem_bytes = (n->pages + n->pages / 512 + 64) * NESTED_PAGE +
		       NESTED_RECORDS * sizeof(*n->records);
	n->mem = mmap(NULL, n->mem_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (n->mem == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	n->frames = n->mem;
	n->records = (void *)(n->mem + n->pages * NESTED_PAGE);
	n->tables = (void *)(n->records + NESTED_RECORDS);
	build_tables(n);

	/* The engines inherit the CPU placement of the thread that opens the world. */
	bench_pin(config->engine_cpu);
	call(iof_world_open(&world, &n->world), "iof_world_open");
	bench_pin(-1);
	n->iommu = iof_open(n->world, "/dev/iommu", O_RDWR);
	call(n->iommu, "/dev/iommu");
	n->dev = iof_open(n->world, "/dev/vfio/devices/vfio0", O_RDWR);
	call(n->dev, "/dev/vfio/devices/vfio0");
	bind.iommufd = n->iommu;
	call(iof_ioctl(n->dev, VFIO_DEVICE_BIND_IOMMUFD, &bind), "BIND_IOMMUFD");
	n->dev_id = bind.out_devid;
	call(iof_ioctl(n->iommu, IOMMU_IOAS_ALLOC, &ioas), "IOAS_ALLOC");
	n->ioas = map.ioas_id = ioas.out_ioas_id;
	map.user_va = (uintptr_t)n->mem;
	map.length = n->mem_bytes;
	call(iof_ioctl(n->iommu, IOMMU_IOAS_MAP, &map), "IOAS_MAP");
	call(iof_ioctl(n->iommu, IOMMU_FAULT_QUEUE_ALLOC, &queue), "FAULT_QUEUE_ALLOC");
	n->queue = queue.out_fault_id;
	n->fault_fd = queue.out_fault_fd;
	parent.dev_id = nested.dev_id = n->dev_id;
	parent.pt_id = n->ioas;
	call(iof_ioctl(n->iommu, IOMMU_HWPT_ALLOC, &parent), "HWPT_ALLOC of the parent");
	n->parent = nested.pt_id = parent.out_hwpt_id;
	nested.fault_id = n->queue;
	s1.pgtbl_addr = nested_gpa(n, n->tables);
	call(iof_ioctl(n->iommu, IOMMU_HWPT_ALLOC, &nested), "HWPT_ALLOC, nested");
	n->hwpt = attach.pt_id = nested.out_hwpt_id;
	call(iof_ioctl(n->dev, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), "ATTACH_IOMMUFD_PT");
	set_irq(n);
}

void nested_close(struct nested *n)
{
	iof_close(n->dev);
	iof_close(n->fault_fd);
	iof_close(n->iommu);
	call(iof_world_close(n->world), "iof_world_close");
	close(n->irq_fd);
	munmap(n->mem, n->mem_bytes);
}

void nested_enter(struct nested *n, uint64_t i)
{
	__atomic_store_n(&n->ptes[i], nested_gpa(n, n->frames + i * NESTED_PAGE) | ENTRY_PAGE,
			 __ATOMIC_RELEASE);
}

void nested_clear(struct nested *n)
{
	struct iommu_hwpt_vtd_s1_invalidate all = { .npages = UINT64_MAX };
	struct iommu_hwpt_invalidate inv = { .size = sizeof(inv),
					     .hwpt_id = n->hwpt,
					     .data_uptr = (uintptr_t)&all,
					     .entry_len = sizeof(all),
					     .entry_num = 1,
					     .data_type = IOMMU_HWPT_INVALIDATE_DATA_VTD_S1 };

	memset(n->ptes, 0, n->pages * sizeof(*n->ptes));
	call(iof_ioctl(n->iommu, IOMMU_HWPT_INVALIDATE, &inv), "HWPT_INVALIDATE");
}

uint64_t nested_record_iova(const struct nested *n, uint32_t i)
{
	(void)n;
	return RECORDS_IOVA + i * sizeof(*n->records);
}

void nested_submit(struct nested *n, const struct dsa_hw_desc *desc, uint32_t nr)
{
	struct pollfd room = { .fd = n->dev, .events = POLLOUT };
	ssize_t rc;

	while (nr) {
		rc = iof_pwrite(n->dev, desc, nr * sizeof(*desc),
				IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL));
		if (rc == -EAGAIN) {
			iof_poll(&room, 1, -1);
			continue;
		}
		call((int)rc, "portal");
		desc += rc / sizeof(*desc);
		nr -= rc / sizeof(*desc);
	}
}

void nested_wait(struct nested *n, uint32_t nr)
{
	uint64_t count;
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint8_t status;

		while (!(status = __atomic_load_n(&n->records[i].status, __ATOMIC_ACQUIRE))) {
			if (read(n->irq_fd, &count, sizeof(count)) < 0)
				bench_die("interrupt: %s", strerror(errno));
		}
		if (status != DSA_COMP_SUCCESS)
			bench_die("descriptor %u ended with status 0x%x", i, status);
	}
}
