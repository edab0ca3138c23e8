// SPDX-License-Identifier: MIT
/*
 * compat32.c - proves that a 32-bit program on a 64-bit kernel has the same ABI, by one fault from
 * request to response, and by stat(2) of the node. Compiled with -m32 and without a C library,
 * because a 32-bit one may be missing.
 */
#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

enum {
	SYS_EXIT = 1,
	SYS_READ = 3,
	SYS_WRITE = 4,
	SYS_OPEN = 5,
	SYS_CLOSE = 6,
	SYS_IOCTL = 54,
	SYS_STAT64 = 195,
	SYS_LSTAT64 = 196,
	SYS_FSTAT64 = 197,
	SYS_FSTATAT64 = 300,
	SYS_STATX = 383
};

#define ADDRESS 0x123456789000ull
#define E_NOENT (-2)
#define E_INVAL (-22)
#define RDWR	2

static char memory[4096] __attribute__((aligned(4096)));

void _start(void);

static int call(int number, int a, const void *b, unsigned int c)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(a), "c"(b), "d"(c)
			 : "memory");
	return result;
}

static void leave(int status)
{
	for (;;)
		call(SYS_EXIT, status, 0, 0);
}

static int open_file(const char *path)
{
	int fd;

	__asm__ volatile("int $0x80"
			 : "=a"(fd)
			 : "a"(SYS_OPEN), "b"(path), "c"(RDWR), "d"(0)
			 : "memory");
	return fd;
}

/* Exits if a condition is false, after writing its line number to standard error. */
static void expect(int so, int line)
{
	char text[] = "# line 0000\n";
	int i;

	if (so)
		return;
	for (i = 10; line; line /= 10)
		text[i--] = (char)('0' + line % 10);
	call(SYS_WRITE, 2, text, sizeof(text) - 1);
	leave(1);
}

#define EXPECT(so) expect(so, __LINE__)

static int command(int fd, unsigned int cmd, void *arg)
{
	int result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(SYS_IOCTL), "b"(fd), "c"(cmd), "d"(arg)
			 : "memory");
	return result;
}

static void one_fault(int fd)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.user_va = (unsigned long)memory,
		.length = sizeof(memory),
		.iova = 0x10000000,
	};
	struct iommu_test_cmd test = { .size = sizeof(test), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iommu_fault_alloc fault = { .size = sizeof(fault) };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = IOMMU_HWPT_FAULT_ID_VALID };
	struct iommu_hwpt_page_response answer = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct iommu_hwpt_pgfault rec;
	__u32 device;

	EXPECT(!command(fd, IOMMU_IOAS_ALLOC, &ioas));
	map.ioas_id = ioas.out_ioas_id;
	EXPECT(!command(fd, IOMMU_IOAS_MAP, &map));
	test.id = ioas.out_ioas_id;
	EXPECT(!command(fd, IOMMU_TEST_CMD, &test));
	device = test.mock_domain.out_idev_id;
	EXPECT(!command(fd, IOMMU_FAULT_QUEUE_ALLOC, &fault));
	hwpt.dev_id = device;
	hwpt.pt_id = ioas.out_ioas_id;
	hwpt.fault_id = fault.out_fault_id;
	EXPECT(!command(fd, IOMMU_HWPT_ALLOC, &hwpt));
	test.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE;
	test.id = test.mock_domain.out_stdev_id;
	test.mock_domain_replace.pt_id = hwpt.out_hwpt_id;
	EXPECT(!command(fd, IOMMU_TEST_CMD, &test));
	test.op = IOMMU_TEST_OP_TRIGGER_IOPF;
	test.trigger_iopf.dev_id = device;
	test.trigger_iopf.pasid = 0;
	test.trigger_iopf.grpid = 3;
	test.trigger_iopf.perm = IOMMU_PGFAULT_PERM_WRITE;
	test.trigger_iopf.addr = ADDRESS;
	EXPECT(!command(fd, IOMMU_TEST_CMD, &test));
	EXPECT(call(SYS_READ, fault.out_fault_fd, &rec, sizeof(rec)) == sizeof(rec));
	EXPECT(rec.dev_id == device && rec.grpid == 3 && rec.addr == ADDRESS && rec.cookie);
	answer.cookie = rec.cookie;
	EXPECT(call(SYS_WRITE, fault.out_fault_fd, &answer, sizeof(answer)) == sizeof(answer));
	EXPECT(call(SYS_WRITE, fault.out_fault_fd, &answer, sizeof(answer)) == E_INVAL);
	EXPECT(!call(SYS_CLOSE, fault.out_fault_fd, 0, 0));
}

static void one_device(int fd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = fd };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 1 };
	int dev = open_file("/dev/vfio/devices/vfio0");

	EXPECT(dev >= 0);
	EXPECT(!command(dev, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	EXPECT(bind.out_devid);
	EXPECT(!command(dev, VFIO_DEVICE_GET_INFO, &info));
	EXPECT(!command(dev, VFIO_DEVICE_GET_REGION_INFO, &region));
	EXPECT(region.offset == IOF_VFIO_REGION_OFFSET(1));
	EXPECT(!call(SYS_CLOSE, dev, 0, 0));
}

/* Offsets in struct stat64 and struct statx, by words. */
static void check_stat64(const unsigned int *st)
{
	EXPECT((st[4] & 0170000) == 0020000 && st[5] == 1);
	EXPECT(st[8] && st[11] == 0 && st[12] == 0);
	EXPECT(st[3] == st[22]);
}

static void is_a_device(int fd)
{
	static unsigned int st[64];
	static const char path[] = "/dev/iommu";
	int result;

	EXPECT(!call(SYS_FSTAT64, fd, st, 0));
	check_stat64(st);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(SYS_STAT64), "b"(path), "c"(st)
			 : "memory");
	EXPECT(!result);
	check_stat64(st);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(SYS_LSTAT64), "b"(path), "c"(st)
			 : "memory");
	EXPECT(!result);
	check_stat64(st);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(SYS_FSTATAT64), "b"(-100), "c"(path), "d"(st), "S"(0)
			 : "memory");
	EXPECT(!result);
	check_stat64(st);
	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(SYS_STATX), "b"(fd), "c"(path + 10), "d"(0x1000), "S"(0x7ff), "D"(st)
			 : "memory");
	EXPECT(!result);
	EXPECT((st[7] & 0170000) == 0020000 && st[32] && st[10] == 0);
}

void _start(void)
{
	static const char reason[] = "skipped: this kernel has no /dev/iommu\n";
	int fd = open_file("/dev/iommu");

	if (fd == E_NOENT) {
		call(SYS_WRITE, 1, (void *)reason, sizeof(reason) - 1);
		leave(77);
	}
	EXPECT(fd >= 0);
	is_a_device(fd);
	one_fault(fd);
	one_device(fd);
	leave(0);
}
