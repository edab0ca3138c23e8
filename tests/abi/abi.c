// SPDX-License-Identifier: MIT
/*
 * abi.c - each command as a function, for the ABI tests (abi.h).
 */
#include "abi.h"

#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

bool abi_embedded(void)
{
	const char *kind = getenv("IOFAULT_WORLD");

	return !kind || strcmp(kind, "kernel");
}

bool abi_ours(void)
{
	return abi_embedded() || !access("/sys/module/iofault", F_OK);
}

bool abi_real_functions(void)
{
	return getenv("IOFAULT_NODES");
}

/* ---- the devices of the kernel's world, which are there already ---- */

/* Index of the first device that the test has. */
static unsigned int first_device;

static unsigned int attribute(unsigned int device, const char *name)
{
	unsigned int value = 0;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/iofault/devices/dsa%u/%s", device, name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%u", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* Is the device in the group? A group has the number of its first member. */
static bool in_group(unsigned int device, unsigned int group)
{
	char path[96], target[128], number[16];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/iofault/devices/dsa%u/iommu_group", device);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	snprintf(number, sizeof(number), "/%u", group);
	return !strcmp(strrchr(target, '/'), number);
}

static unsigned int pasids_of(const struct iof_dsa_config *dsa)
{
	if (dsa->share_group == IOF_DSA_NO_IOMMU)
		return 1;
	return dsa->max_pasids ? dsa->max_pasids : 1 << 20;
}

static bool device_fits(unsigned int device, const struct iof_dsa_config *dsa)
{
	return attribute(device, "credits") == (dsa->credits ? dsa->credits : 256) &&
	       attribute(device, "engines") == (dsa->engines ? dsa->engines : 1) &&
	       attribute(device, "queue_depth") == (dsa->queue_depth ? dsa->queue_depth : 128) &&
	       attribute(device, "max_pasids") == pasids_of(dsa) &&
	       attribute(device, "pages_per_group") ==
		       (dsa->pages_per_group ? dsa->pages_per_group : 1) &&
	       attribute(device, "no_iommu") == (dsa->share_group == IOF_DSA_NO_IOMMU) &&
	       (dsa->share_group == IOF_DSA_NO_IOMMU ||
		in_group(device, dsa->share_group ? device - 1 : device));
}

static bool find_devices(const struct iof_dsa_config *dsa, unsigned int nr_dsa)
{
	unsigned int i;

	for (first_device = 0; attribute(first_device, "credits"); first_device++) {
		for (i = 0; i < nr_dsa && device_fits(first_device + i, &dsa[i]); i++)
			;
		if (i == nr_dsa)
			return true;
	}
	return false;
}

struct iof_world *abi_world(const struct iof_dsa_config *dsa, unsigned int nr_dsa)
{
	struct iof_world_config config = {
		.kind = abi_embedded() ? IOF_WORLD_EMBEDDED : IOF_WORLD_KERNEL,
		.dsa = dsa,
		.nr_dsa = nr_dsa,
		.no_devices = !nr_dsa,
		.test_ioctls = 1,
	};
	struct iof_world *world;
	int rc;

	if (nr_dsa && !abi_embedded() && !abi_real_functions() && !find_devices(dsa, nr_dsa)) {
		print_message("no such devices here\n");
		skip();
	}
	rc = iof_world_open(&config, &world);
	if (rc == -ENOENT || rc == -EACCES)
		skip();
	assert_ok(rc);
	return world;
}

void abi_world_close(struct iof_world *world)
{
	assert_ok(iof_world_close(world));
}

int abi_iommu(struct iof_world *world)
{
	int fd = iof_open(world, "/dev/iommu", O_RDWR);

	assert_true(fd >= 0);
	return fd;
}

/* ---- objects ---- */

int abi_ioas(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = iof_ioctl(fd, IOMMU_IOAS_ALLOC, &cmd);

	return rc ? rc : (int)cmd.out_ioas_id;
}

int abi_destroy(int fd, uint32_t id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return iof_ioctl(fd, IOMMU_DESTROY, &cmd);
}

int abi_map(int fd, uint32_t ioas, void *memory, size_t length, uint64_t iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = length,
		.iova = iova,
	};

	return iof_ioctl(fd, IOMMU_IOAS_MAP, &cmd);
}

int abi_unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	return iof_ioctl(fd, IOMMU_IOAS_UNMAP, &cmd);
}

static int hwpt_alloc(int fd, struct iommu_hwpt_alloc *cmd)
{
	int rc;

	cmd->size = sizeof(*cmd);
	rc = iof_ioctl(fd, IOMMU_HWPT_ALLOC, cmd);
	return rc ? rc : (int)cmd->out_hwpt_id;
}

int abi_hwpt(int fd, uint32_t dev, uint32_t pt, uint32_t flags)
{
	struct iommu_hwpt_alloc cmd = { .flags = flags, .dev_id = dev, .pt_id = pt };

	return hwpt_alloc(fd, &cmd);
}

int abi_hwpt_fault(int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t fault_id)
{
	struct iommu_hwpt_alloc cmd = {
		.flags = flags | IOMMU_HWPT_FAULT_ID_VALID,
		.dev_id = dev,
		.pt_id = pt,
		.fault_id = fault_id,
	};

	return hwpt_alloc(fd, &cmd);
}

int abi_hwpt_nested(int fd, uint32_t dev, uint32_t parent, uint32_t flags, uint32_t fault_id,
		    uint32_t iotlb)
{
	struct iommu_hwpt_selftest data = { .iotlb = iotlb };
	struct iommu_hwpt_alloc cmd = {
		.flags = flags | (fault_id ? IOMMU_HWPT_FAULT_ID_VALID : 0),
		.dev_id = dev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		/* every kernel accepts this length */
		.data_len = sizeof(data.iotlb),
		.data_uptr = (uintptr_t)&data,
		.fault_id = fault_id,
	};

	return hwpt_alloc(fd, &cmd);
}

int abi_fault_queue(int fd, uint32_t *id, int *fault_fd)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = iof_ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	*id = cmd.out_fault_id;
	*fault_fd = cmd.out_fault_fd;
	return rc;
}

/* ---- the mock device ---- */

static int test_cmd(int fd, uint32_t op, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	return iof_ioctl(fd, IOMMU_TEST_CMD, cmd);
}

int abi_mock(int fd, uint32_t pt, uint32_t flags, struct abi_mock *mock)
{
	struct iommu_test_cmd cmd = { .id = pt, .mock_domain_flags = { .dev_flags = flags } };
	int rc = test_cmd(fd, flags ? IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS : IOMMU_TEST_OP_MOCK_DOMAIN,
			  &cmd);

	mock->stdev = cmd.mock_domain.out_stdev_id;
	mock->hwpt = cmd.mock_domain.out_hwpt_id;
	mock->idev = cmd.mock_domain.out_idev_id;
	return rc;
}

int abi_mock_replace(int fd, const struct abi_mock *mock, uint32_t pt)
{
	struct iommu_test_cmd cmd = { .id = mock->stdev, .mock_domain_replace = { .pt_id = pt } };

	return test_cmd(fd, IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, &cmd);
}

int abi_trigger(int fd, uint32_t idev, uint32_t pasid, uint32_t grpid, uint32_t perm, uint64_t addr)
{
	struct iommu_test_cmd cmd = {
		.trigger_iopf = {
			.dev_id = idev,
			.pasid = pasid,
			.grpid = grpid,
			.perm = perm,
			.addr = addr,
		},
	};

	return test_cmd(fd, IOMMU_TEST_OP_TRIGGER_IOPF, &cmd);
}

int abi_page_req(int fd, uint32_t idev, uint32_t flags, uint32_t pasid, uint32_t grpid,
		 uint64_t addr)
{
	struct iommu_test_cmd cmd = {
		.iof_page_req = {
			.dev_id = idev,
			.flags = flags,
			.pasid = pasid,
			.grpid = grpid,
			.perm = IOMMU_PGFAULT_PERM_READ,
			.addr = addr,
		},
	};

	return test_cmd(fd, IOF_TEST_OP_PAGE_REQ, &cmd);
}

int abi_stats(int fd, uint32_t idev, struct iof_test_stats *stats)
{
	struct iommu_test_cmd cmd = {
		.iof_stats = {
			.dev_id = idev,
			.len = sizeof(*stats),
			.uptr = (uintptr_t)stats,
		},
	};

	return test_cmd(fd, IOF_TEST_OP_STATS, &cmd);
}

int abi_pasid_attach(int fd, const struct abi_mock *mock, uint32_t pasid, uint32_t pt)
{
	struct iommu_test_cmd cmd = {
		.id = mock->stdev,
		.pasid_attach = { .pasid = pasid, .pt_id = pt },
	};

	return test_cmd(fd, IOMMU_TEST_OP_PASID_ATTACH, &cmd);
}

int abi_pasid_replace(int fd, const struct abi_mock *mock, uint32_t pasid, uint32_t pt)
{
	struct iommu_test_cmd cmd = {
		.id = mock->stdev,
		.pasid_replace = { .pasid = pasid, .pt_id = pt },
	};

	return test_cmd(fd, IOMMU_TEST_OP_PASID_REPLACE, &cmd);
}

int abi_pasid_detach(int fd, const struct abi_mock *mock, uint32_t pasid)
{
	struct iommu_test_cmd cmd = { .id = mock->stdev, .pasid_detach = { .pasid = pasid } };

	return test_cmd(fd, IOMMU_TEST_OP_PASID_DETACH, &cmd);
}

int abi_pasid_check(int fd, const struct abi_mock *mock, uint32_t pasid, uint32_t hwpt)
{
	struct iommu_test_cmd cmd = {
		.id = mock->stdev,
		.pasid_check = { .pasid = pasid, .hwpt_id = hwpt },
	};

	return test_cmd(fd, IOMMU_TEST_OP_PASID_CHECK_HWPT, &cmd);
}

int abi_check_map(int fd, uint32_t hwpt, uint64_t iova, uint64_t length, void *memory)
{
	struct iommu_test_cmd cmd = {
		.id = hwpt,
		.check_map = { .iova = iova, .length = length, .uptr = (uintptr_t)memory },
	};

	return test_cmd(fd, IOMMU_TEST_OP_MD_CHECK_MAP, &cmd);
}

int abi_check_iotlb(int fd, uint32_t hwpt, uint32_t id, uint32_t iotlb)
{
	struct iommu_test_cmd cmd = { .id = hwpt, .check_iotlb = { .id = id, .iotlb = iotlb } };

	return test_cmd(fd, IOMMU_TEST_OP_MD_CHECK_IOTLB, &cmd);
}

int abi_check_refs(int fd, const void *memory, size_t length, uint32_t refs)
{
	struct iommu_test_cmd cmd = {
		.check_refs = { .length = length, .uptr = (uintptr_t)memory, .refs = refs },
	};

	return test_cmd(fd, IOMMU_TEST_OP_MD_CHECK_REFS, &cmd);
}

/* ---- access ---- */

int abi_access(int fd, uint32_t ioas, bool pages)
{
	struct iommu_test_cmd cmd = {
		.id = ioas,
		.create_access = {
			.flags = pages ? MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES : 0,
		},
	};
	int rc = test_cmd(fd, IOMMU_TEST_OP_CREATE_ACCESS, &cmd);

	return rc ? rc : (int)cmd.create_access.out_access_fd;
}

int abi_access_replace(int fd, int access, uint32_t ioas)
{
	struct iommu_test_cmd cmd = {
		.id = (uint32_t)access,
		.access_replace_ioas = { .ioas_id = ioas },
	};

	return test_cmd(fd, IOMMU_TEST_OP_ACCESS_REPLACE_IOAS, &cmd);
}

int abi_access_pin(int fd, int access, uint64_t iova, uint64_t length, const void *memory,
		   uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.id = (uint32_t)access,
		.access_pages = {
			.flags = flags,
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)memory,
		},
	};
	int rc = test_cmd(fd, IOMMU_TEST_OP_ACCESS_PAGES, &cmd);

	return rc ? rc : (int)cmd.access_pages.out_access_pages_id;
}

int abi_access_unpin(int fd, int access, uint32_t item)
{
	struct iommu_test_cmd cmd = {
		.id = (uint32_t)access,
		.destroy_access_pages = { .access_pages_id = item },
	};

	return test_cmd(fd, IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, &cmd);
}

static int access_rw(int fd, int access, uint64_t iova, const void *memory, size_t length,
		     uint32_t flags)
{
	struct iommu_test_cmd cmd = {
		.id = (uint32_t)access,
		.access_rw = {
			.iova = iova,
			.length = length,
			.uptr = (uintptr_t)memory,
			.flags = flags,
		},
	};

	return test_cmd(fd, IOMMU_TEST_OP_ACCESS_RW, &cmd);
}

int abi_access_read(int fd, int access, uint64_t iova, void *to, size_t length)
{
	return access_rw(fd, access, iova, to, length, 0);
}

int abi_access_write(int fd, int access, uint64_t iova, const void *from, size_t length)
{
	return access_rw(fd, access, iova, from, length, MOCK_ACCESS_RW_WRITE);
}

/* ---- dirty tracking ---- */

int abi_dirty_tracking(int fd, uint32_t hwpt, bool on)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = hwpt,
	};

	return iof_ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int abi_make_dirty(int fd, uint32_t hwpt, uint64_t iova, uint64_t length, uint64_t page_size,
		   const void *bits)
{
	struct iommu_test_cmd cmd = {
		.id = hwpt,
		.dirty = {
			.iova = iova,
			.length = length,
			.page_size = page_size,
			.uptr = (uintptr_t)bits,
		},
	};
	int rc = test_cmd(fd, IOMMU_TEST_OP_DIRTY, &cmd);

	return rc ? rc : (int)cmd.dirty.out_nr_dirty;
}

int abi_get_dirty(int fd, uint32_t hwpt, uint32_t flags, uint64_t iova, uint64_t length,
		  uint64_t page_size, void *bits)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = (uintptr_t)bits,
	};

	return iof_ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

/* ---- the fault queue ---- */

int abi_readable(int fault_fd)
{
	struct pollfd p = { .fd = fault_fd, .events = POLLIN };
	int rc = iof_poll(&p, 1, 0);

	assert_true(rc >= 0);
	return !!(p.revents & POLLIN);
}

bool abi_through_fuse(int fault_fd)
{
	struct statfs fs;

	return !fstatfs(fault_fd, &fs) && fs.f_type == FUSE_SUPER_MAGIC;
}

ssize_t abi_read_one(int fault_fd, struct iommu_hwpt_pgfault *rec)
{
	return iof_read(fault_fd, rec, sizeof(*rec));
}

int abi_answer(int fault_fd, uint32_t cookie, uint32_t code)
{
	struct iommu_hwpt_page_response resp = { .cookie = cookie, .code = code };
	ssize_t n = iof_write(fault_fd, &resp, sizeof(resp));

	return n == sizeof(resp) ? 0 : (int)n;
}

/* ---- VFIO nodes ---- */

const char *abi_vfio_path(unsigned int index)
{
	static __thread char path[48];
	const char *nodes = getenv("IOFAULT_NODES");

	if (!nodes) {
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u", first_device + index);
		return path;
	}
	while (index--)
		nodes += strcspn(nodes, " ") + 1;
	snprintf(path, sizeof(path), "%.*s", (int)strcspn(nodes, " "), nodes);
	return path;
}

int abi_vfio(struct iof_world *world, unsigned int index)
{
	return iof_open(world, abi_vfio_path(index), O_RDWR);
}

int abi_bind(int dev_fd, int iommufd)
{
	struct vfio_device_bind_iommufd cmd = { .argsz = sizeof(cmd), .iommufd = iommufd };
	int rc = iof_ioctl(dev_fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd);

	return rc ? rc : (int)cmd.out_devid;
}

static int attach(int dev_fd, uint32_t flags, uint32_t pasid, uint32_t pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.pt_id = pt,
		.pasid = pasid,
	};
	int rc = iof_ioctl(dev_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	return rc ? rc : (int)cmd.pt_id;
}

static int detach(int dev_fd, uint32_t flags, uint32_t pasid)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
		.pasid = pasid,
	};

	return iof_ioctl(dev_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

int abi_attach(int dev_fd, uint32_t pt)
{
	return attach(dev_fd, 0, 0, pt);
}

int abi_detach(int dev_fd)
{
	return detach(dev_fd, 0, 0);
}

int abi_attach_pasid(int dev_fd, uint32_t pasid, uint32_t pt)
{
	return attach(dev_fd, VFIO_DEVICE_ATTACH_PASID, pasid, pt);
}

int abi_detach_pasid(int dev_fd, uint32_t pasid)
{
	return detach(dev_fd, VFIO_DEVICE_DETACH_PASID, pasid);
}

/* ---- memory that a program must not name ---- */

const uint64_t abi_nowhere[ABI_NR_NOWHERE] = {
	0,
	1,
	8,
	4095,
	0x7ffffffff000,
	0x800000000000,
	0x8000000000000000,
	0xffff800000000000,
	0xffff888000000000,
	0xffffc90000000000,
	0xffffffff81000000,
	0xffffffffc0000000,
	0xffffffffff600000,
	0xfffffffffffff000,
	0xfffffffffffffff8,
	0xffffffffffffffff,
};

char *abi_pages(size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}
