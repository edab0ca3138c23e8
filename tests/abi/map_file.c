// SPDX-License-Identifier: MIT
/*
 * map_file.c - proves that MAP_FILE maps the memory of a file, whichever process maps the file
 * itself, and refuses files of other kinds: rule b10.
 */
#include "ioas.h"

#include <sys/eventfd.h>
#include <unistd.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS  1033
#define F_SEAL_WRITE 8
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

#define AT IOVA

static int map_file(struct fixture *f, uint32_t flags, int fd, uint64_t start, uint64_t length,
		    uint64_t *iova)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.ioas_id = f->ioas,
		.fd = fd,
		.start = start,
		.length = length,
		.iova = *iova,
	};
	int rc = iof_ioctl(f->fd, IOMMU_IOAS_MAP_FILE, &cmd);

	*iova = cmd.iova;
	return rc;
}

static int map_fixed(struct fixture *f, int fd, uint64_t start, uint64_t length, uint64_t iova)
{
	return map_file(f, FIXED | READ | WRITE, fd, start, length, &iova);
}

static int map_read(struct fixture *f, int fd, uint64_t iova)
{
	return map_file(f, FIXED | READ, fd, 0, PAGE, &iova);
}

static int memory_file(size_t length)
{
	int fd = memfd_create("map_file", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)length));
	return fd;
}

static void b10_what_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(4 * PAGE), pipes[2], event = eventfd(0, 0);
	int null = open("/dev/null", O_RDWR), again;
	uint64_t iova = 0;
	char path[48];

	assert_ok(pipe(pipes));
	assert_err(map_fixed(f, -1, 0, PAGE, AT), EBADF);
	assert_err(map_fixed(f, 0x7ffffff0, 0, PAGE, AT), EBADF);
	assert_err(map_fixed(f, pipes[0], 0, PAGE, AT), EINVAL);
	assert_err(map_fixed(f, event, 0, PAGE, AT), EINVAL);
	assert_err(map_fixed(f, null, 0, PAGE, AT), EINVAL);
	if (abi_ours())
		assert_err(map_fixed(f, f->fd, 0, PAGE, AT), EINVAL);
	assert_err(map_fixed(f, fd, 0, 5 * PAGE, AT), EINVAL);
	assert_err(map_fixed(f, fd, 4 * PAGE, PAGE, AT), EINVAL);
	assert_err(map_fixed(f, fd, 0, 0, AT), EINVAL);
	assert_err(map_fixed(f, fd, UINT64_MAX - PAGE, 2 * PAGE, AT), EOVERFLOW);
	assert_err(map_fixed(f, fd, 0, UINT64_MAX, AT), EOVERFLOW);
	assert_err(map_file(f, 8 | READ, fd, 0, PAGE, &iova), EOPNOTSUPP);
	assert_err(map_file(f, 0, fd, 0, PAGE, &iova), EINVAL);
	f->ioas += 7;
	assert_err(map_fixed(f, fd, 0, PAGE, AT), ENOENT);
	f->ioas -= 7;
	/* A descriptor opened with O_PATH is no open file. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_PATH);
	assert_true(again >= 0);
	assert_err(map_fixed(f, again, 0, PAGE, AT), EBADF);
	close(again);
	if (abi_ours()) {
		/* A descriptor without the right to write gives devices no right to write. */
		again = open(path, O_RDONLY);
		assert_true(again >= 0);
		iova = AT;
		assert_err(map_file(f, FIXED | WRITE, again, 0, PAGE, &iova), EPERM);
		assert_ok(map_file(f, FIXED | READ, again, 0, PAGE, &iova));
		close(again);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
		assert_err(map_fixed(f, fd, 0, PAGE, AT + PAGE), EPERM);
		assert_ok(unmap_all(f->fd, f->ioas));
	}
	close(fd);
	close(null);
	close(event);
	close(pipes[0]);
	close(pipes[1]);
}

/*
 * The mapping is the file's memory: both sides see each other's stores, and the descriptor is no
 * longer needed.
 */
static void the_files_memory_is_shown(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(8 * PAGE), access = abi_access(f->fd, f->ioas, true);
	unsigned char out[600], in[600];
	struct abi_mock mock;
	unsigned char *shown;
	size_t i;

	assert_true(access >= 0);
	shown = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(shown != MAP_FAILED);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(map_fixed(f, fd, 2 * PAGE, 4 * PAGE, AT));
	close(fd);
	for (i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 3 + 1);
	assert_ok(abi_access_write(f->fd, access, AT + PAGE - 300, out, sizeof(out)));
	assert_memory_equal(shown + 3 * PAGE - 300, out, sizeof(out));
	memset(shown + 4 * PAGE, 0x77, PAGE);
	assert_ok(abi_access_read(f->fd, access, AT + 2 * PAGE, in, sizeof(in)));
	assert_int_equal(in[0], 0x77);
	assert_err(abi_access_read(f->fd, access, AT + 4 * PAGE, in, 1), ENOENT);
	/* The program's mapping of the file has the same page frames. */
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 4 * PAGE, shown + 2 * PAGE));
	assert_ok(abi_check_refs(f->fd, shown + 2 * PAGE, 4 * PAGE, 1));
	assert_ok(abi_check_refs(f->fd, shown, 2 * PAGE, 0));
	assert_int_equal(abi_access_pin(f->fd, access, AT, 4 * PAGE, shown + 2 * PAGE, 0), 0);
	assert_ok(munmap(shown, 8 * PAGE));
	assert_ok(abi_access_read(f->fd, access, AT + PAGE - 300, in, sizeof(in)));
	assert_memory_equal(in, out, sizeof(out));
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 4 * PAGE));
	assert_ok(iof_close(access));
}

/* In every world, devices reach the file's pages, whatever the program does to its own mapping. */
static void other_memory_is_never_reached(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(4 * PAGE), access = abi_access(f->fd, f->ioas, true);
	unsigned char out[PAGE], in[PAGE], *shown, *moved, *room;

	assert_true(access >= 0);
	shown = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	room = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(shown != MAP_FAILED && room != MAP_FAILED);
	assert_ok(map_fixed(f, fd, 0, 4 * PAGE, AT));
	memset(out, 0x5d, sizeof(out));

	/* Protect, replace, move and discard the program's mapping. */
	assert_ok(mprotect(shown, PAGE, PROT_NONE));
	assert_true(mmap(shown + PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == shown + PAGE);
	memset(shown + PAGE, 'n', PAGE);
	moved = mremap(shown + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	assert_true(moved == room);
	assert_ok(madvise(shown + 3 * PAGE, PAGE, MADV_DONTNEED));
	for (uint64_t at = 0; at < 4 * PAGE; at += PAGE) {
		assert_ok(abi_access_write(f->fd, access, AT + at, out, PAGE));
		assert_ok(abi_access_read(f->fd, access, AT + at, in, PAGE));
		assert_memory_equal(in, out, PAGE);
		memset(in, 0, PAGE);
		assert_int_equal(pread(fd, in, PAGE, (off_t)at), PAGE);
		assert_memory_equal(in, out, PAGE);
	}
	assert_int_equal(shown[PAGE], 'n');
	assert_int_equal(shown[2 * PAGE - 1], 'n');
	assert_memory_equal(moved, out, PAGE);
	assert_memory_equal(shown + 3 * PAGE, out, PAGE);

	assert_ok(munmap(shown, 2 * PAGE));
	assert_ok(munmap(shown + 3 * PAGE, PAGE));
	assert_ok(munmap(moved, PAGE));
	close(fd);
	assert_ok(iof_close(access));
}

/* An automatic IOVA has the same offset in the page as the file's offset. */
static void offsets_need_not_be_aligned(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(4 * PAGE), access = abi_access(f->fd, f->ioas, false);
	unsigned char word[8] = "offsets", seen[8] = "";
	uint64_t iova = 0, copy = AT + 512;

	assert_true(access >= 0);
	assert_int_equal(pwrite(fd, word, sizeof(word), PAGE + 512), sizeof(word));
	assert_ok(map_file(f, READ, fd, PAGE + 512, 1024, &iova));
	assert_int_equal(iova % PAGE, 512);
	assert_ok(abi_access_read(f->fd, access, iova, seen, sizeof(seen)));
	assert_memory_equal(seen, word, sizeof(word));
	assert_err(abi_access_write(f->fd, access, iova, word, 1), EPERM);
	/* A copy shares the memory. */
	assert_ok(copy_flags(f->fd, FIXED | READ, f->ioas, f->ioas, 1024, &copy, iova));
	assert_ok(abi_unmap(f->fd, f->ioas, iova, 1024));
	assert_ok(abi_access_read(f->fd, access, copy, seen, sizeof(seen)));
	close(fd);
	assert_ok(iof_close(access));
}

static void huge_pages_of_a_file(void **state)
{
	struct fixture *f = *state;
	const size_t huge = 2 << 20;
	struct abi_mock mock;
	int fd, access;
	unsigned char byte = 9, seen = 0;
	void *shown;

	fd = memfd_create("map_file", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 || ftruncate(fd, (off_t)huge)) {
		print_message("no huge pages\n");
		skip();
	}
	shown = mmap(NULL, huge, PROT_READ, MAP_SHARED, fd, 0);
	if (shown == MAP_FAILED) {
		close(fd);
		print_message("no huge pages\n");
		skip();
	}
	access = abi_access(f->fd, f->ioas, false);
	assert_true(access >= 0);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(map_fixed(f, fd, PAGE, huge - PAGE, AT));
	assert_ok(abi_access_write(f->fd, access, AT + 100 * PAGE, &byte, 1));
	assert_ok(abi_access_read(f->fd, access, AT + 100 * PAGE, &seen, 1));
	assert_int_equal(seen, 9);
	assert_int_equal(((unsigned char *)shown)[101 * PAGE], 9);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, huge - PAGE));
	assert_ok(munmap(shown, huge));
	assert_ok(iof_close(access));
	close(fd);
}

/*
 * The receiver of a file with a write seal relies on the seal. So a mapping that can write, even at
 * a later pin, prevents the seal, as an mmap of the file would.
 */
static void a_seal_waits_for_what_may_write(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(4 * PAGE), access;
	unsigned char byte = 1;

	if (!abi_ours() && !abi_through_fuse(f->fd)) {
		close(fd);
		skip();
	}
	assert_ok(map_fixed(f, fd, 0, PAGE, AT));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, PAGE));
	/* A mapping that can only read does not prevent it. */
	assert_ok(map_read(f, fd, AT));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	access = abi_access(f->fd, f->ioas, false);
	assert_true(access >= 0);
	assert_ok(abi_access_read(f->fd, access, AT, &byte, 1));
	assert_int_equal(byte, 0);
	assert_ok(iof_close(access));
	close(fd);
}

static void a_seal_of_huge_pages_is_one_too(void **state)
{
	static const int seals[] = { F_SEAL_WRITE, F_SEAL_FUTURE_WRITE };
	struct fixture *f = *state;
	size_t i;

	for (i = 0; abi_ours() && i < sizeof(seals) / sizeof(seals[0]); i++) {
		int fd = memfd_create("map_file", MFD_CLOEXEC | MFD_HUGETLB | MFD_ALLOW_SEALING);

		if (fd < 0) {
			print_message("no huge pages\n");
			skip();
		}
		assert_ok(ftruncate(fd, 2 << 20));
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		assert_err(map_fixed(f, fd, 0, PAGE, AT), EPERM);
		close(fd);
	}
}

/* The file was truncated after the map: only the access to the missing part fails. */
static void a_file_that_becomes_shorter(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(4 * PAGE);
	unsigned char byte = 0;
	int access = abi_access(f->fd, f->ioas, false), rc;

	assert_true(access >= 0);
	assert_ok(map_fixed(f, fd, 0, 4 * PAGE, AT));
	assert_ok(ftruncate(fd, PAGE));
	rc = abi_access_read(f->fd, access, AT + 3 * PAGE, &byte, 1);
	assert_true(rc == -EFAULT || rc == -EINVAL);
	assert_ok(abi_access_read(f->fd, access, AT, &byte, 1));
	close(fd);
	assert_ok(iof_close(access));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(b10_what_is_refused),
		T(the_files_memory_is_shown),
		T(other_memory_is_never_reached),
		T(offsets_need_not_be_aligned),
		T(huge_pages_of_a_file),
		T(a_seal_waits_for_what_may_write),
		T(a_seal_of_huge_pages_is_one_too),
		T(a_file_that_becomes_shorter),
	};

	return cmocka_run_group_tests_name("map_file", tests, NULL, NULL);
}
