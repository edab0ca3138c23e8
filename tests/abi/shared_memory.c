// SPDX-License-Identifier: MIT
/*
 * shared_memory.c - proves that shared memory that is mapped by address keeps its pages: all
 * mappings of it have the same pages. DMA reaches them, whatever the process does with its own
 * mappings afterwards.
 */
#include "ioas.h"

#include <string.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT   IOVA
#define NAME "shared_memory_test"

static int memory_file(size_t length)
{
	int fd = memfd_create(NAME, MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)length));
	return fd;
}

static unsigned char *show(int fd, size_t length, int prot, off_t offset)
{
	void *at = mmap(NULL, length, prot, MAP_SHARED, fd, offset);

	assert_true(at != MAP_FAILED);
	return at;
}

/* Counts the mappings of this process with @name in their name. */
static unsigned int mappings(const char *name)
{
	FILE *text = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	assert_non_null(text);
	while (fgets(line, sizeof(line), text))
		n += strstr(line, name) != NULL;
	fclose(text);
	return n;
}

/* Adds a device, so that maps pin at once, and an access for DMA. */
static int attach(const struct fixture *f, struct abi_mock *mock)
{
	int access = abi_access(f->fd, f->ioas, false);

	assert_true(access >= 0);
	assert_ok(abi_mock(f->fd, f->ioas, 0, mock));
	return access;
}

static void the_mappings_of_a_file_may_change(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(5 * PAGE), access;
	unsigned char out[PAGE], in[PAGE], *memory, *room;
	struct abi_mock mock;

	access = attach(f, &mock);
	memory = show(fd, 5 * PAGE, PROT_READ | PROT_WRITE, 0);
	room = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(room != MAP_FAILED);
	assert_ok(abi_map(f->fd, f->ioas, memory, 5 * PAGE, AT));
	assert_ok(munmap(memory, PAGE));
	assert_true(mmap(memory + PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory + PAGE);
	memset(memory + PAGE, 'n', PAGE);
	assert_true(mremap(memory + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) ==
		    room);
	assert_ok(mprotect(memory + 3 * PAGE, PAGE, PROT_NONE));
	assert_ok(madvise(memory + 4 * PAGE, PAGE, MADV_DONTNEED));
	memset(out, 0x5d, sizeof(out));
	for (uint64_t at = 0; at < 5 * PAGE; at += PAGE) {
		assert_ok(abi_access_write(f->fd, access, AT + at, out, PAGE));
		assert_ok(abi_access_read(f->fd, access, AT + at, in, PAGE));
		assert_memory_equal(in, out, PAGE);
		memset(in, 0, PAGE);
		assert_int_equal(pread(fd, in, PAGE, (off_t)at), PAGE);
		assert_memory_equal(in, out, PAGE);
	}
	assert_int_equal(memory[PAGE], 'n');
	assert_memory_equal(room, out, PAGE);
	assert_ok(munmap(memory + PAGE, PAGE));
	assert_ok(munmap(memory + 3 * PAGE, 2 * PAGE));
	assert_ok(munmap(room, PAGE));
	/* The last window ends with the last pin. */
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 5 * PAGE));
	assert_int_equal(mappings(NAME), 0);
	close(fd);
	assert_ok(iof_close(access));
}

/* Two mappings that begin at different offsets share one page. */
static void mappings_of_a_file_have_one_page(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(8 * PAGE), access;
	unsigned char *whole, *part;
	struct abi_mock mock;

	access = attach(f, &mock);
	whole = show(fd, 8 * PAGE, PROT_READ | PROT_WRITE, 0);
	part = show(fd, 4 * PAGE, PROT_READ | PROT_WRITE, 2 * PAGE);
	/* The window of the part lies within the next range. */
	assert_ok(abi_map(f->fd, f->ioas, part, 2 * PAGE, AT));
	assert_ok(abi_map(f->fd, f->ioas, whole, 8 * PAGE, AT + 16 * PAGE));
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 2 * PAGE, whole + 2 * PAGE));
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT + 18 * PAGE, 4 * PAGE, part));
	assert_ok(abi_check_refs(f->fd, whole + 2 * PAGE, 2 * PAGE, 2));
	assert_ok(abi_check_refs(f->fd, part, 2 * PAGE, 2));
	assert_ok(abi_check_refs(f->fd, part + 2 * PAGE, 2 * PAGE, 1));
	assert_ok(abi_check_refs(f->fd, whole, 2 * PAGE, 1));
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 2 * PAGE));
	assert_ok(abi_check_refs(f->fd, part, 4 * PAGE, 1));
	assert_ok(abi_unmap(f->fd, f->ioas, AT + 16 * PAGE, 8 * PAGE));
	assert_ok(abi_check_refs(f->fd, whole, 8 * PAGE, 0));
	assert_ok(munmap(whole, 8 * PAGE));
	assert_ok(munmap(part, 4 * PAGE));
	assert_int_equal(mappings(NAME), 0);
	close(fd);
	assert_ok(iof_close(access));
}

/* A descriptor for reading made the first mapping; a later mapping can write. */
static void a_mapping_for_reading_comes_first(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(4 * PAGE), access, reader;
	unsigned char byte = 7, *seen, *memory;
	uint64_t iova = AT;
	struct abi_mock mock;
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(reader >= 0);
	access = attach(f, &mock);
	seen = show(reader, 4 * PAGE, PROT_READ, 0);
	memory = show(fd, 2 * PAGE, PROT_READ | PROT_WRITE, PAGE);
	assert_ok(map_flags(f->fd, f->ioas, FIXED | READ, (uintptr_t)seen, 4 * PAGE, &iova));
	iova = AT + 16 * PAGE;
	assert_err(map_flags(f->fd, f->ioas, FIXED | READ | WRITE, (uintptr_t)seen, 4 * PAGE,
			     &iova),
		   EFAULT);
	assert_ok(abi_map(f->fd, f->ioas, memory, 2 * PAGE, AT + 16 * PAGE));
	assert_ok(munmap(memory, 2 * PAGE));
	assert_ok(abi_access_write(f->fd, access, AT + 17 * PAGE, &byte, 1));
	assert_int_equal(seen[2 * PAGE], 7);
	byte = 0;
	assert_ok(abi_access_read(f->fd, access, AT + 2 * PAGE, &byte, 1));
	assert_int_equal(byte, 7);
	assert_err(abi_access_write(f->fd, access, AT + 2 * PAGE, &byte, 1), EPERM);
	assert_ok(munmap(seen, 4 * PAGE));
	assert_ok(abi_access_read(f->fd, access, AT + 3 * PAGE, &byte, 1));
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 4 * PAGE));
	assert_ok(abi_unmap(f->fd, f->ioas, AT + 16 * PAGE, 2 * PAGE));
	assert_int_equal(mappings(NAME), 0);
	close(reader);
	close(fd);
	assert_ok(iof_close(access));
}

/* One I/O range over a file's memory with anonymous memory on both sides. */
static void a_range_crosses_kinds_of_memory(void **state)
{
	struct fixture *f = *state;
	int fd = memory_file(2 * PAGE), access;
	unsigned char out[4 * PAGE], in[2 * PAGE], *memory;
	struct abi_mock mock;

	access = attach(f, &mock);
	memory = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_true(mmap(memory + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 fd, 0) == memory + PAGE);
	assert_ok(abi_map(f->fd, f->ioas, memory, 4 * PAGE, AT));
	assert_ok(abi_check_map(f->fd, mock.hwpt, AT, 4 * PAGE, memory));
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (unsigned char)(i * 5 + i / PAGE);
	assert_ok(abi_access_write(f->fd, access, AT, out, sizeof(out)));
	assert_memory_equal(memory, out, sizeof(out));
	assert_ok(munmap(memory + PAGE, 2 * PAGE));
	memset(out + PAGE, 3, 2 * PAGE);
	assert_ok(abi_access_write(f->fd, access, AT, out, sizeof(out)));
	assert_int_equal(pread(fd, in, sizeof(in), 0), sizeof(in));
	assert_memory_equal(in, out + PAGE, sizeof(in));
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 4 * PAGE));
	assert_ok(munmap(memory, PAGE));
	assert_ok(munmap(memory + 3 * PAGE, PAGE));
	assert_int_equal(mappings(NAME), 0);
	close(fd);
	assert_ok(iof_close(access));
}

/*
 * Can another process find memory that no descriptor shows? It needs a privilege, for
 * /proc/PID/map_files.
 */
static bool can_be_found(const struct fixture *f, const unsigned char *memory)
{
	char path[80];
	int fd;

	if (!abi_through_fuse(f->fd))
		return true;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)memory,
		 (unsigned long)memory + 2 * PAGE);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The memory has no file that the process could name. A child has it, too. */
static void reach_what_a_child_keeps(struct fixture *f, unsigned char *memory)
{
	int access, to_child[2], status;
	unsigned char byte = 0x31;
	struct abi_mock mock;
	pid_t child;

	assert_ok(pipe(to_child));
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		char go;

		close(to_child[1]);
		if (read(to_child[0], &go, 1) != 1)
			_exit(1);
		_exit(memory[PAGE] == 0x31 ? 0 : 2);
	}
	access = attach(f, &mock);
	assert_ok(abi_map(f->fd, f->ioas, memory, 2 * PAGE, AT));
	assert_ok(munmap(memory, 2 * PAGE));
	assert_ok(abi_access_write(f->fd, access, AT + PAGE, &byte, 1));
	assert_int_equal(write(to_child[1], "", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_ok(abi_unmap(f->fd, f->ioas, AT, 2 * PAGE));
	close(to_child[0]);
	close(to_child[1]);
	assert_ok(iof_close(access));
}

static void anonymous_memory_that_is_shared(void **state)
{
	unsigned char *memory =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int before = mappings("/dev/zero");

	assert_true(memory != MAP_FAILED);
	if (!can_be_found(*state, memory)) {
		assert_ok(munmap(memory, 2 * PAGE));
		print_message("no right to open map_files\n");
		skip();
	}
	reach_what_a_child_keeps(*state, memory);
	assert_true(mappings("/dev/zero") < before);
}

static void a_segment_of_system_v(void **state)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, IPC_CREAT | 0600);
	void *memory;

	if (id < 0)
		skip();
	memory = shmat(id, NULL, 0);
	assert_ok(shmctl(id, IPC_RMID, NULL));
	assert_true(memory != (void *)-1);
	if (!can_be_found(*state, memory)) {
		assert_ok(shmdt(memory));
		print_message("no right to open map_files\n");
		skip();
	}
	reach_what_a_child_keeps(*state, memory);
	assert_int_equal(mappings("/SYSV"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_mappings_of_a_file_may_change), T(mappings_of_a_file_have_one_page),
		T(a_mapping_for_reading_comes_first), T(a_range_crosses_kinds_of_memory),
		T(anonymous_memory_that_is_shared),   T(a_segment_of_system_v),
	};

	return cmocka_run_group_tests_name("shared_memory", tests, NULL, NULL);
}
