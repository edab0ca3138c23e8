// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cmocka.c - runs one group of contracts over the shim, as a cmocka program. CONTRACT_GROUP names
 * the group.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/contract/contract.h"
#include "shim/fault.h"
#include "shim/sys.h"

unsigned int contract_rounds(unsigned int n)
{
	return n;
}

/* Keep the addresses of the hole reserved, or a thread's first allocation could fill it. */
void *contract_map(unsigned long pages, bool writable)
{
	char *p = mmap(NULL, (pages + 1) * PAGE_SIZE, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + pages * PAGE_SIZE, PAGE_SIZE, PROT_NONE))
		abort();
	return p;
}

void contract_unmap(void *at, unsigned long pages)
{
	munmap(at, (pages + 1) * PAGE_SIZE);
}

/* Read-only memory stays unchanged for other mappings. */
void contract_poke(void *at, const void *from, size_t n)
{
	memcpy(at, from, n);
}

void contract_peek(void *to, const void *at, size_t n)
{
	memcpy(to, at, n);
}

u8 *contract_edge(void)
{
	return (u8 *)contract_map(1, true) + PAGE_SIZE;
}

void contract_edge_done(u8 *edge)
{
	contract_unmap(edge - PAGE_SIZE, 1);
}

static struct sigaction before;

static void on_signal(int sig)
{
	(void)sig;
}

void contract_signals_begin(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, &before);
}

void contract_signal(struct task_struct *task)
{
	syscall(SYS_tgkill, getpid(), task->pid, SIGUSR1);
}

void contract_signals_end(void)
{
	sigaction(SIGUSR1, &before, NULL);
	current->iof_signalled = false;
}

void contract_memlock(unsigned long bytes)
{
	iof_shim_set_memlock(bytes);
}

static void run(void **state)
{
	char said[CONTRACT_SAID];

	if (!contract_run(*state, said))
		fail_msg("%s", said);
}

/* With an argument, user memory of this process is reached like that of another process. */
int main(int argc, char **argv)
{
	const struct contract_group *group = &CONTRACT_GROUP;
	struct CMUnitTest tests[64] = { 0 };

	if (group->count > ARRAY_SIZE(tests) || iof_sys_init())
		abort();
	iof_shim_force_remote_copies(argc > 1);
	for (unsigned int i = 0; i < group->count; i++)
		tests[i] = (struct CMUnitTest){ .name = group->cases[i].name,
						.test_func = run,
						.initial_state = (void *)&group->cases[i] };
	/*
	 * Does what cmocka_run_group_tests() does, for a number of tests that the compiler does not
	 * know.
	 */
	return _cmocka_run_group_tests(group->name, tests, group->count, NULL, NULL);
}
