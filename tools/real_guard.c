// SPDX-License-Identifier: MIT
/*
 * real_guard.c - the handlers of SIGBUS and SIGSEGV while a real device is open.
 *
 * One thread guards and unguards. A handler reads the list on any thread that accesses a mapping:
 * @size of an entry is stored last, and 0 marks a free entry. A signal from elsewhere goes to the
 * former handler.
 */
#include "real_guard.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_GUARDED 8
#define PAGE	    4096ul

static struct {
	uintptr_t at;
	size_t size;
} guarded[MAX_GUARDED];
static unsigned int nr_guarded;
static struct sigaction old_bus, old_segv;
static __thread sigjmp_buf *volatile jump;

static void pass_on(int number, const struct sigaction *old, siginfo_t *info, void *context)
{
	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(number, info, context);
	} else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
		old->sa_handler(number);
	} else {
		/* The access is repeated, and ends the process. */
		sigaction(number, old, NULL);
	}
}

static void on_bus(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	void *page = (void *)(address & ~(PAGE - 1));
	int saved = errno;
	unsigned int i;

	for (i = 0; i < MAX_GUARDED; i++) {
		size_t size = __atomic_load_n(&guarded[i].size, __ATOMIC_ACQUIRE);

		if (address - guarded[i].at >= size)
			continue;
		if (mmap(page, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page)
			break;
		memset(page, 0xff, PAGE);
		errno = saved;
		return;
	}
	errno = saved;
	pass_on(number, &old_bus, info, context);
}

static void on_segv(int number, siginfo_t *info, void *context)
{
	sigjmp_buf *back = jump;

	if (back) {
		jump = NULL;
		siglongjmp(*back, 1);
	}
	pass_on(number, &old_segv, info, context);
}

static int install(void)
{
	/* NODEFER: siglongjmp() leaves the handler without unblocking the signal. */
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	action.sa_sigaction = on_bus;
	if (sigaction(SIGBUS, &action, &old_bus))
		return -errno;
	action.sa_sigaction = on_segv;
	if (sigaction(SIGSEGV, &action, &old_segv)) {
		sigaction(SIGBUS, &old_bus, NULL);
		return -errno;
	}
	return 0;
}

int iof_real_guard(void *at, size_t size)
{
	unsigned int i;
	int rc;

	for (i = 0; i < MAX_GUARDED && guarded[i].size; i++)
		;
	if (i == MAX_GUARDED)
		return -ENOSPC;
	if (!nr_guarded) {
		rc = install();
		if (rc)
			return rc;
	}
	nr_guarded++;
	guarded[i].at = (uintptr_t)at;
	__atomic_store_n(&guarded[i].size, size, __ATOMIC_RELEASE);
	return 0;
}

void iof_real_unguard(void *at)
{
	unsigned int i;

	for (i = 0; i < MAX_GUARDED; i++) {
		if (!guarded[i].size || guarded[i].at != (uintptr_t)at)
			continue;
		__atomic_store_n(&guarded[i].size, 0, __ATOMIC_RELEASE);
		if (!--nr_guarded) {
			sigaction(SIGBUS, &old_bus, NULL);
			sigaction(SIGSEGV, &old_segv, NULL);
		}
		return;
	}
}

void iof_real_guard_faults(sigjmp_buf *back)
{
	jump = back;
}
