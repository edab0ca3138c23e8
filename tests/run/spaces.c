// SPDX-License-Identifier: MIT
/*
 * spaces.c - proves that under `iofault run` a mapping belongs to an address space, not to the
 * thread that made it. Thousands of threads that have ended, and a child that has executed another
 * program, leave mappings of the right memory. A page is the same for all threads.
 */
#include "../abi/abi.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES	64
#define THREADS 3000
/*
 * The parent and the program that its child executes both have memory here; TSan allows the
 * address.
 */
#define SHARED_ADDRESS ((char *)0x7e9000000000)

struct fix {
	struct iof_world *world;
	int fd, ioas;
	char *memory;
};

struct job {
	struct fix *f;
	size_t page, nr;
	int rc;
};

static int setup(void **state)
{
	static struct fix f;

	*state = &f;
	f.world = abi_world(NULL, 0);
	f.fd = abi_iommu(f.world);
	f.ioas = abi_ioas(f.fd);
	f.memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	return f.memory == MAP_FAILED;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	munmap(f->memory, PAGES * PAGE);
	return iof_close(f->fd) | iof_world_close(f->world);
}

static void *map_pages(void *arg)
{
	struct job *job = arg;

	job->rc = abi_map(job->f->fd, job->f->ioas, job->f->memory + job->page * PAGE,
			  job->nr * PAGE, IOVA + job->page * PAGE);
	return NULL;
}

static void in_a_thread(struct job *job, void *(*fn)(void *))
{
	pthread_t thread;

	assert_false(pthread_create(&thread, NULL, fn, job));
	pthread_join(thread, NULL);
	assert_ok(job->rc);
}

/* The pages were never touched: they must be faulted in for a thread that has ended. */
static void a_thread_that_has_ended_mapped_it(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;
	char text[16] = "";
	int access;

	in_a_thread(&(struct job){ .f = f, .nr = PAGES }, map_pages);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_check_refs(f->fd, f->memory, PAGES * PAGE, 1));
	access = abi_access(f->fd, f->ioas, false);
	assert_true(access >= 0);
	assert_ok(abi_access_write(f->fd, access, IOVA + 5 * PAGE, "from a device", 14));
	assert_string_equal(f->memory + 5 * PAGE, "from a device");
	strcpy(f->memory + 6 * PAGE, "from a thread");
	assert_ok(abi_access_read(f->fd, access, IOVA + 6 * PAGE, text, 14));
	assert_string_equal(text, "from a thread");
	close(access);
}

static void *check_refs(void *arg)
{
	struct job *job = arg;

	job->rc = abi_check_refs(job->f->fd, job->f->memory, PAGES * PAGE, 1);
	return NULL;
}

static void a_page_is_the_same_for_each_thread(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;

	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	in_a_thread(&(struct job){ .f = f, .nr = PAGES }, map_pages);
	assert_ok(abi_check_map(f->fd, mock.hwpt, IOVA, PAGES * PAGE, f->memory));
	in_a_thread(&(struct job){ .f = f }, check_refs);
	in_a_thread(&(struct job){ .f = f }, check_refs);
}

static void *map_and_unmap(void *arg)
{
	struct job *job = arg;
	uint64_t iova = IOVA + job->page % PAGES * PAGE;

	job->rc = abi_map(job->f->fd, job->f->ioas, job->f->memory + job->page % PAGES * PAGE, PAGE,
			  iova);
	/* the pages of the last threads stay mapped */
	if (!job->rc && job->page < THREADS - PAGES)
		job->rc = abi_unmap(job->f->fd, job->f->ioas, iova, PAGE);
	return NULL;
}

static void thousands_of_threads_come_and_go(void **state)
{
	struct fix *f = *state;
	struct abi_mock mock;

	for (size_t i = 0; i < THREADS; i++)
		in_a_thread(&(struct job){ .f = f, .page = i }, map_and_unmap);
	assert_ok(abi_mock(f->fd, f->ioas, 0, &mock));
	assert_ok(abi_check_refs(f->fd, f->memory, PAGES * PAGE, 1));
}

/* ---- another program ---- */

static char *own_page(const char *text)
{
	char *page = mmap(SHARED_ADDRESS, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (page != MAP_FAILED)
		strcpy(page, text);
	return page;
}

/*
 * Main function of the program that the child executes. Returns 0 if its mapping shows its own
 * memory.
 */
static int executed(int fd)
{
	int ioas = abi_ioas(fd), access;
	char text[16] = "";

	if (own_page("the new program") == MAP_FAILED || ioas < 0 ||
	    abi_map(fd, ioas, SHARED_ADDRESS, PAGE, IOVA))
		return 1;
	access = abi_access(fd, ioas, false);
	if (access < 0 || abi_access_read(fd, access, IOVA, text, sizeof(text)))
		return 2;
	return strcmp(text, "the new program") ? 3 : 0;
}

static void a_child_that_executes_another_program(void **state)
{
	struct fix *f = *state;
	int fd = fcntl(f->fd, F_DUPFD, 100), status, access;
	static volatile bool shared;
	char text[16] = "", number[16];
	pid_t child;

	if (abi_embedded())
		skip();
	assert_true(own_page("the parent") != MAP_FAILED);
	snprintf(number, sizeof(number), "%d", fd);
	/* The child makes calls while it has the parent's memory, and then executes a program. */
	child = vfork();
	if (!child) {
		shared = true;
		if (abi_map(fd, f->ioas, SHARED_ADDRESS, PAGE, IOVA))
			_exit(9);
		execl("/proc/self/exe", "spaces", number, NULL);
		_exit(10);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	/*
	 * Earlier mappings of the child show the parent's memory. ThreadSanitizer turns vfork()
	 * into fork().
	 */
	if (shared) {
		access = abi_access(f->fd, f->ioas, false);
		assert_true(access >= 0);
		assert_ok(abi_access_read(f->fd, access, IOVA, text, sizeof(text)));
		assert_string_equal(text, "the parent");
		close(access);
	}
	close(fd);
	munmap(SHARED_ADDRESS, PAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_thread_that_has_ended_mapped_it),
		T(a_page_is_the_same_for_each_thread),
		T(thousands_of_threads_come_and_go),
		T(a_child_that_executes_another_program),
	};

	if (argc > 1)
		return executed(atoi(argv[1]));
	return cmocka_run_group_tests_name("spaces", tests, NULL, NULL);
}
