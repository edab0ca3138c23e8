// SPDX-License-Identifier: MIT
/*
 * kinds.c - proves which kinds of memory can be mapped for devices: exactly those that a kernel
 * pins for long. Each kind is mapped for reading, and for reading and writing. A refused map leaves
 * nothing behind. If the running kernel offers a long-term pin to ordinary programs (buffers of
 * io_uring), its result is compared with the table.
 */
#include "ioas.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <liburing.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif
#define TMPFS	0x01021994
#define RAMFS	0x858458f6
#define RW	(PROT_READ | PROT_WRITE)
#define TWO_MIB (2ul << 20)

static void *from_fd(int fd, size_t length, int prot, int flags)
{
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, length, prot, flags, fd, 0);

	if (fd >= 0)
		close(fd);
	return p;
}

static void *anonymous(int prot, int flags)
{
	return mmap(NULL, 2 * PAGE, prot, MAP_ANONYMOUS | flags, -1, 0);
}

static void *private_memory(void)
{
	return anonymous(RW, MAP_PRIVATE);
}
static void *no_permission(void)
{
	return anonymous(PROT_NONE, MAP_PRIVATE);
}
static void *only_read(void)
{
	return anonymous(PROT_READ, MAP_PRIVATE);
}
static void *shared_memory(void)
{
	return anonymous(RW, MAP_SHARED);
}

static void *guard(void)
{
	void *p = anonymous(RW, MAP_PRIVATE);

	return p == MAP_FAILED || madvise(p, 2 * PAGE, MADV_GUARD_INSTALL) ? MAP_FAILED : p;
}

/* An address that the kernel chooses for no mapping, so that no other thread gets memory there. */
static void *hole(void)
{
	return (void *)0x100000;
}

/* Returns two pages; the second one has no memory. */
static void *half(void)
{
	char *p = anonymous(RW, MAP_PRIVATE);

	munmap(p + PAGE, PAGE);
	return p;
}

static void *zero_device(int flags)
{
	return from_fd(open("/dev/zero", O_RDWR | O_CLOEXEC), 2 * PAGE, RW, flags);
}

static void *zero_private(void)
{
	return zero_device(MAP_PRIVATE);
}
static void *zero_shared(void)
{
	return zero_device(MAP_SHARED);
}

static void *memory_file(size_t length, int prot, int flags)
{
	int fd = memfd_create("kinds", MFD_CLOEXEC);

	if (fd >= 0)
		assert_ok(ftruncate(fd, (off_t)length));
	return from_fd(fd, 2 * PAGE, prot, flags);
}

static void *memfd_shared(void)
{
	return memory_file(2 * PAGE, RW, MAP_SHARED);
}
static void *memfd_private(void)
{
	return memory_file(2 * PAGE, RW, MAP_PRIVATE);
}
static void *memfd_only_read(void)
{
	return memory_file(2 * PAGE, PROT_READ, MAP_SHARED);
}
static void *memfd_beyond(void)
{
	return memory_file(PAGE, RW, MAP_SHARED);
}

static void *huge_memfd(void)
{
	int fd = memfd_create("kinds", MFD_CLOEXEC | MFD_HUGETLB);

	if (fd >= 0 && ftruncate(fd, TWO_MIB)) {
		close(fd);
		fd = -1;
	}
	return from_fd(fd, TWO_MIB, RW, MAP_SHARED);
}

static void *system_v(void)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	void *p = id < 0 ? MAP_FAILED : shmat(id, NULL, 0);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	return p;
}

static void *secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd >= 0)
		assert_ok(ftruncate(fd, 2 * PAGE));
	return from_fd(fd, 2 * PAGE, RW, MAP_SHARED);
}

/* Makes a file of two pages in @folder. @memory: the file's pages exist in memory alone. */
static int file_in(const char *folder, bool memory)
{
	struct statfs fs;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/iofault-kinds.XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -1;
	unlink(path);
	if (ftruncate(fd, 2 * PAGE) || fstatfs(fd, &fs) ||
	    (fs.f_type == TMPFS || fs.f_type == RAMFS) != memory) {
		close(fd);
		return -1;
	}
	return fd;
}

static void *tmpfs_shared(void)
{
	return from_fd(file_in("/dev/shm", true), 2 * PAGE, RW, MAP_SHARED);
}

static int disk_file(void)
{
	static const char *const folders[] = { ".", "/var/tmp", "/tmp", "/" };
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < sizeof(folders) / sizeof(folders[0]); i++)
		fd = file_in(folders[i], false);
	return fd;
}

static void *disk_shared(void)
{
	return from_fd(disk_file(), 2 * PAGE, RW, MAP_SHARED);
}
static void *disk_private(void)
{
	return from_fd(disk_file(), 2 * PAGE, RW, MAP_PRIVATE);
}
static void *disk_only_read(void)
{
	return from_fd(disk_file(), 2 * PAGE, PROT_READ, MAP_SHARED);
}

/* Returns ordinary memory, followed by a page of a file on disk. */
static void *memory_then_disk(void)
{
	char *p = anonymous(RW, MAP_PRIVATE);
	int fd = disk_file();

	if (fd < 0)
		return MAP_FAILED;
	assert_ptr_equal(mmap(p + PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0), p + PAGE);
	close(fd);
	return p;
}

static void *own_program(void)
{
	return from_fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 2 * PAGE, PROT_READ,
		       MAP_PRIVATE);
}

static void *named(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long from = 0;
	char line[512];

	while (maps && !from && fgets(line, sizeof(line), maps))
		if (strstr(line, name))
			sscanf(line, "%lx", &from);
	if (maps)
		fclose(maps);
	return from ? (void *)from : MAP_FAILED;
}

static void *kernel_data(void)
{
	return named("[vvar]");
}
static void *kernel_code(void)
{
	return named("[vdso]");
}

#define KIND(text, maker, for_reading, for_writing) \
	.name = text, .make = maker, .read = for_reading, .write = for_writing

static const struct kind {
	const char *name;
	void *(*make)(void); /* MAP_FAILED: this system has no such memory */
	int read, write;     /* errno of a map for reading, and of one for writing, too */
	size_t length;	     /* 0 stands for two pages */
	bool stays;	     /* the test must not unmap it */
	bool may_be_pages;   /* some kernels have ordinary pages there, and reading succeeds */
} kinds[] = {
	{ KIND("private", private_memory, 0, 0) },
	{ KIND("PROT_NONE", no_permission, EFAULT, EFAULT) },
	{ KIND("only read", only_read, 0, EFAULT) },
	{ KIND("guard page", guard, EFAULT, EFAULT) },
	{ KIND("nothing", hole, EFAULT, EFAULT), .stays = true },
	{ KIND("half of it nothing", half, EFAULT, EFAULT) },
	{ KIND("shared", shared_memory, 0, 0) },
	{ KIND("/dev/zero, private", zero_private, 0, 0) },
	{ KIND("/dev/zero, shared", zero_shared, 0, 0) },
	{ KIND("memfd, shared", memfd_shared, 0, 0) },
	{ KIND("memfd, private", memfd_private, 0, 0) },
	{ KIND("memfd, only read", memfd_only_read, 0, EFAULT) },
	{ KIND("memfd, beyond its end", memfd_beyond, EFAULT, EFAULT) },
	{ KIND("memfd, huge pages", huge_memfd, 0, 0), .length = TWO_MIB },
	{ KIND("memfd, secret", secret, EFAULT, EFAULT) },
	{ KIND("System V", system_v, 0, 0), .stays = true },
	{ KIND("tmpfs, shared", tmpfs_shared, 0, 0) },
	{ KIND("disk, shared", disk_shared, 0, EFAULT) },
	{ KIND("disk, private", disk_private, 0, 0) },
	{ KIND("disk, only read", disk_only_read, 0, EFAULT) },
	{ KIND("private, then disk", memory_then_disk, 0, EFAULT) },
	{ KIND("private, only read, of a file", own_program, 0, EFAULT) },
	/* Linux 7.3 has ordinary pages here. */
	{ KIND("data of the kernel", kernel_data, EFAULT, EFAULT), .length = PAGE, .stays = true,
	  .may_be_pages = true },
	{ KIND("code of the kernel", kernel_code, 0, EFAULT), .length = PAGE, .stays = true },
};

#define UNKNOWN 1 /* the running kernel decides */

/* Can the kernel be asked? Before 6.6 io_uring had rules of its own for memory of files. */
static bool kernel_can_be_asked(struct io_uring *ring)
{
	struct utsname uts;
	int major, minor;

	return !uname(&uts) && sscanf(uts.release, "%d.%d", &major, &minor) == 2 &&
	       major * 1000 + minor >= 6006 && !io_uring_queue_init(2, ring, 0);
}

/* Returns the result of a long-term pin for writing: 0 or an errno. */
static int kernel_says(struct io_uring *ring, void *memory, size_t length)
{
	struct iovec part = { memory, length };
	int rc = io_uring_register_buffers(ring, &part, 1);

	if (!rc)
		io_uring_unregister_buffers(ring);
	return rc == -ENOMEM || rc == -EPERM ? UNKNOWN : -rc;
}

static int map_as(struct fixture *f, unsigned long cmd, uint32_t flags, void *memory, size_t length)
{
	struct vfio_iommu_type1_dma_map dma = {
		.argsz = sizeof(dma),
		.flags = VFIO_DMA_MAP_FLAG_READ | (flags & WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)memory,
		.iova = IOVA,
		.size = length,
	};
	uint64_t iova = IOVA;

	if (cmd == VFIO_IOMMU_MAP_DMA)
		return iof_ioctl(f->fd, cmd, &dma);
	return map_flags(f->fd, f->ioas, FIXED | flags, (uintptr_t)memory, length, &iova);
}

static void one_way(struct fixture *f, const struct kind *kind, unsigned long cmd, uint32_t flags,
		    int wanted, struct io_uring *ring)
{
	size_t length = kind->length ? kind->length : 2 * PAGE;
	void *memory = kind->make();
	int rc, kernel = UNKNOWN;

	if (memory == MAP_FAILED) {
		print_message("# not here: %s\n", kind->name);
		return;
	}
	rc = map_as(f, cmd, flags, memory, length);
	if (!rc && kind->may_be_pages && !(flags & WRITE))
		wanted = 0;
	if (rc != -wanted)
		fail_msg("%s, flags %x: %d, not %d", kind->name, flags, rc, -wanted);
	assert_err(abi_unmap(f->fd, f->ioas, IOVA, length), rc ? ENOENT : 0);
	assert_ok(abi_map(f->fd, f->ioas, f->buf, PAGE, IOVA));
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, PAGE));
	if (ring && flags & WRITE)
		kernel = kernel_says(ring, memory, length);
	if (kernel != UNKNOWN && kernel != wanted)
		fail_msg("%s: %d by the kernel below, not %d", kind->name, -kernel, -wanted);
	if (!kind->stays)
		munmap(memory, length);
}

static void all_kinds(struct fixture *f, unsigned long cmd)
{
	struct io_uring ring;
	bool ask = kernel_can_be_asked(&ring);
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		one_way(f, &kinds[i], cmd, READ, kinds[i].read, NULL);
		one_way(f, &kinds[i], cmd, READ | WRITE, kinds[i].write, ask ? &ring : NULL);
	}
	if (ask)
		io_uring_queue_exit(&ring);
}

static void what_a_kernel_pins_can_be_mapped(void **state)
{
	all_kinds(*state, IOMMU_IOAS_MAP);
}

static void by_the_older_interface_too(void **state)
{
	struct fixture *f = *state;
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.ioas_id = f->ioas,
		.op = IOMMU_VFIO_IOAS_SET,
	};

	assert_ok(iof_ioctl(f->fd, IOMMU_VFIO_IOAS, &cmd));
	all_kinds(f, VFIO_IOMMU_MAP_DMA);
}

/* Memory is checked only when its pages are needed: the attach is refused then. */
static void refused_at_the_attach(void **state)
{
	struct fixture *f = *state;
	void *memory = disk_shared();
	struct abi_mock mock;

	if (memory == MAP_FAILED)
		skip();
	assert_ok(abi_map(f->fd, f->ioas, memory, 2 * PAGE, IOVA));
	assert_err(abi_mock(f->fd, f->ioas, 0, &mock), EFAULT);
	assert_ok(abi_unmap(f->fd, f->ioas, IOVA, 2 * PAGE));
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	munmap(memory, 2 * PAGE);
}

/*
 * Acts as a kernel older than 6.11, which does not answer for one mapping. The filter cannot be
 * removed, so that this test comes last.
 */
static void without_the_query(void **state)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xc0686611 /* number of PROCMAP_QUERY */, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOTTY),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (!abi_embedded() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		skip();
	all_kinds(*state, IOMMU_IOAS_MAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE("what a kernel pins can be mapped", what_a_kernel_pins_can_be_mapped),
		RULE("by the older interface too", by_the_older_interface_too),
		RULE("refused at the attach", refused_at_the_attach),
		RULE("without the query of one mapping", without_the_query),
	};

	return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
