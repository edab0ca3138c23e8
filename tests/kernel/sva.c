// SPDX-License-Identifier: MIT
/*
 * sva.c - proves that a device which shares a process's page tables sees what the process sees. Its
 * pages are faulted in as by the process's own accesses. An unmap or a fork takes effect at the
 * next access. After a process has exited or executed another program, the device cannot reach its
 * memory.
 */
#include "dma.h"

#include <string.h>
#include <sys/wait.h>

#define PASID 5

static struct holdings before;

static int setup(void **state)
{
	static struct dma d;

	holdings_now(&before);
	dma_open(&d);
	assert_ok(dma_sva(&d, PASID, 1));
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	dma_close(*state);
	holdings_back(&before);
	return 0;
}

static bool resident(void *page)
{
	unsigned char there = 0;

	assert_ok(mincore(page, PAGE, &there));
	return there & 1;
}

static void pages_are_faulted_in(void **state)
{
	struct dma *d = *state;
	int file = memfd_create("source", MFD_CLOEXEC);
	char *to = dma_memory(16 * PAGE, MAP_PRIVATE), *from;

	assert_ok(ftruncate(file, 16 * PAGE));
	assert_int_equal(pwrite(file, "x", 1, 15 * PAGE), 1);
	from = mmap(NULL, 16 * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	assert_false(resident(to));
	assert_int_equal(dma_copy_sva(d, PASID, to, from, 16 * PAGE, IDXD_OP_FLAG_BOF),
			 DSA_COMP_SUCCESS);
	assert_true(resident(to) && resident(to + 15 * PAGE));
	assert_int_equal(to[15 * PAGE], 'x');
	/* A non-blocking caller gets EAGAIN. */
	madvise(to, 16 * PAGE, MADV_DONTNEED);
	assert_int_equal(dma_copy_sva(d, PASID, to, from, PAGE, 0), DSA_COMP_PAGE_FAULT_NOBOF);
	assert_true((uintptr_t)d->record->fault_addr == (uintptr_t)to);
	munmap(from, 16 * PAGE);
	munmap(to, 16 * PAGE);
	close(file);
}

static void rights_are_those_of_the_process(void **state)
{
	struct dma *d = *state;
	char *page = dma_memory(2 * PAGE, MAP_PRIVATE);

	memset(page, 1, 2 * PAGE);
	mprotect(page, PAGE, PROT_READ);
	assert_int_equal(dma_copy_sva(d, PASID, page, page + PAGE, PAGE, IDXD_OP_FLAG_BOF),
			 DSA_COMP_PAGE_FAULT_IR);
	assert_int_equal(dma_copy_sva(d, PASID, page + PAGE, page, PAGE, IDXD_OP_FLAG_BOF),
			 DSA_COMP_SUCCESS);
	mprotect(page, PAGE, PROT_NONE);
	assert_int_equal(dma_copy_sva(d, PASID, page + PAGE, page, PAGE, IDXD_OP_FLAG_BOF),
			 DSA_COMP_PAGE_FAULT_IR);
	munmap(page, 2 * PAGE);
	/* These addresses are in the kernel's half, and beyond the address space. */
	assert_int_equal(dma_copy_sva(d, PASID, (void *)0xffff888000000000ul, page, 8,
				      IDXD_OP_FLAG_BOF),
			 DSA_COMP_PAGE_FAULT_IR);
}

static void an_unmap_is_followed_at_once(void **state)
{
	struct dma *d = *state;
	char *to = dma_memory(PAGE, MAP_PRIVATE), *from = dma_memory(PAGE, MAP_PRIVATE);

	for (int i = 1; i < 100; i++) {
		memset(from, i, PAGE);
		assert_int_equal(dma_copy_sva(d, PASID, to, from, PAGE, IDXD_OP_FLAG_BOF),
				 DSA_COMP_SUCCESS);
		assert_int_equal(to[PAGE - 1], i);
		munmap(from, PAGE);
		assert_int_equal(dma_copy_sva(d, PASID, to, from, PAGE, IDXD_OP_FLAG_BOF),
				 DSA_COMP_PAGE_FAULT_IR);
		assert_int_equal(to[PAGE - 1], i);
		from = mmap(from, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		assert_ptr_not_equal(from, MAP_FAILED);
	}
	munmap(from, PAGE);
	munmap(to, PAGE);
}

static void a_fork_is_followed(void **state)
{
	struct dma *d = *state;
	char *from = dma_memory(PAGE, MAP_PRIVATE), *to = dma_memory(PAGE, MAP_PRIVATE), byte;
	int pipes[2], status;
	pid_t pid;

	memset(from, 1, PAGE);
	memset(to, 2, PAGE);
	assert_ok(pipe(pipes));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pipes[1]);
		CHECK(!read(pipes[0], &byte, 1));
		CHECK(to[0] == 2);
		_exit(0);
	}
	close(pipes[0]);
	/*
	 * Parent and child share the page until the first write: the device writes for the parent.
	 */
	assert_int_equal(dma_copy_sva(d, PASID, to, from, PAGE, IDXD_OP_FLAG_BOF),
			 DSA_COMP_SUCCESS);
	assert_int_equal(to[0], 1);
	close(pipes[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	munmap(from, PAGE);
	munmap(to, PAGE);
}

/*
 * A child binds its own address space, and ends while the device copies there. The device's
 * descriptors end with an error. The record lies in the parent's memory, mapped by the IOAS.
 */
static void leave_while_copying(struct dma *d, void (*go)(void))
{
	int pipes[2], status;
	uint64_t where[2];
	uint8_t ended;
	pid_t pid;

	assert_ok(pipe(pipes));
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char *memory = dma_memory(512 * PAGE, MAP_PRIVATE);

		memset(memory, 1, 512 * PAGE);
		CHECK(!dma_sva(d, PASID + 1, 1));
		where[0] = (uintptr_t)memory;
		where[1] = (uintptr_t)memory + 256 * PAGE;
		for (int i = 0; i < 20; i++)
			CHECK(dma_copy_sva(d, PASID + 1, (void *)where[0], (void *)where[1],
					   256 * PAGE, IDXD_OP_FLAG_BOF) == DSA_COMP_SUCCESS);
		CHECK(write(pipes[1], where, sizeof(where)) == sizeof(where));
		go();
		_exit(1);
	}
	assert_int_equal(read(pipes[0], where, sizeof(where)), sizeof(where));
	/* At some point no record can be written there: the counters show the end. */
	for (;;) {
		struct dsa_hw_desc desc = {
			.opcode = DSA_OPCODE_MEMMOVE,
			.flags = IDXD_OP_FLAG_BOF,
			.pasid = PASID + 1,
			.src_addr = where[0],
			.dst_addr = where[1],
			.xfer_size = 256 * PAGE,
		};
		struct dsa_hw_desc drain = { .opcode = DSA_OPCODE_DRAIN };
		struct iof_vfio_dsa_state was, now;
		const off_t at = IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE);

		assert_int_equal(pread(d->dev, &was, sizeof(was), at), sizeof(was));
		assert_int_equal(pwrite(d->dev, &desc, sizeof(desc), 0), sizeof(desc));
		dma_start(d, drain, d->record, DMA_RECORD);
		ended = dma_wait(d->record);
		assert_int_equal(ended, DSA_COMP_SUCCESS);
		assert_int_equal(pread(d->dev, &now, sizeof(now), at), sizeof(now));
		if (now.errors > was.errors)
			break;
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(!status || WIFSIGNALED(status));
	assert_ok(dma_sva(d, PASID + 1, 0));
	assert_err(dma_sva(d, PASID + 1, 0), ENOENT);
	close(pipes[0]);
	close(pipes[1]);
}

static void go_by_exit(void)
{
	_exit(0);
}

static void go_by_kill(void)
{
	raise(SIGKILL);
}

static void go_by_exec(void)
{
	execlp("true", "true", NULL);
}

static void a_process_that_goes_leaves_nothing_to_touch(void **state)
{
	leave_while_copying(*state, go_by_exit);
	leave_while_copying(*state, go_by_kill);
	leave_while_copying(*state, go_by_exec);
}

/*
 * The PASID is bound, unbound, bound again, and closed while bound. A second process cannot bind
 * it.
 */
static void binding_comes_and_goes(void **state)
{
	struct dma *d = *state;
	char *to = dma_memory(PAGE, MAP_PRIVATE), *from = dma_memory(PAGE, MAP_PRIVATE);

	assert_err(dma_sva(d, PASID, 1), EBUSY);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(dma_copy_sva(d, PASID, to, from, PAGE, IDXD_OP_FLAG_BOF),
				 DSA_COMP_SUCCESS);
		assert_ok(dma_sva(d, PASID, 0));
		assert_ok(dma_sva(d, PASID, 1));
	}
	munmap(to, PAGE);
	munmap(from, PAGE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(pages_are_faulted_in),
		T(rights_are_those_of_the_process),
		T(an_unmap_is_followed_at_once),
		T(a_fork_is_followed),
		T(a_process_that_goes_leaves_nothing_to_touch),
		T(binding_comes_and_goes),
	};

	kernel_needed("kernel/sva");
	return cmocka_run_group_tests_name("sva", tests, NULL, NULL);
}
