/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * contract.h - the promises of a kernel's interface that the shared directories rely on, as
 * assertions.
 *
 * They are written once and compiled twice: by cmocka.c over the shim, as cmocka programs, and by
 * the module of tests/vm/modules/contract against a kernel. A case that passes in one world only
 * shows a fault of the shim.
 *
 * A file here is a group; a case is a function without arguments. A failed assertion is noted, and
 * its function goes on, except after require(): a kernel function cannot be left from its middle,
 * and any thread may assert. Cases run in the context of a process with user memory. They use calls
 * that kernels export to modules, and the functions below, for which no call means the same in both
 * worlds.
 */
#ifndef IOF_TESTS_CONTRACT_H
#define IOF_TESTS_CONTRACT_H

#include "core/kapi.h"

struct contract_case {
	const char *name;
	void (*run)(void);
};

struct contract_group {
	const char *name;
	const struct contract_case *cases;
	unsigned int count;
};

#define CASE(name)          \
	{                   \
#name, name \
	}
#define CONTRACT(group, ...)                                                     \
	static const struct contract_case group##_cases[] = { __VA_ARGS__ };     \
	const struct contract_group contract_##group = { .name = #group,         \
							 .cases = group##_cases, \
							 .count = ARRAY_SIZE(group##_cases) }

extern const struct contract_group contract_data, contract_file, contract_memory, contract_platform,
	contract_sync, contract_user, contract_wait, contract_work;

/* ---- assertions ---- */

bool contract_expect(bool ok, const char *what, const char *file, int line);
bool contract_equal(long long a, long long b, const char *what, const char *file, int line);

#define expect(cond) contract_expect(!!(cond), #cond, __FILE__, __LINE__)
#define expect_eq(a, b) \
	contract_equal((long long)(a), (long long)(b), #a " == " #b, __FILE__, __LINE__)
#define require(cond)              \
	do {                       \
		if (!expect(cond)) \
			return;    \
	} while (0)

/* Runs a case. @said gets the first failed assertion; it is empty if there was none. */
#define CONTRACT_SAID 256
bool contract_run(const struct contract_case *c, char said[CONTRACT_SAID]);

/* ---- threads ---- */

struct contract_thread;
struct contract_thread *contract_start(void (*fn)(void *arg), void *arg);
void contract_join(struct contract_thread *thread);

/* ---- what each world has its own way for ---- */

/*
 * Returns the number of rounds of a loop that tries for a race: fewer in an emulated kernel, which
 * is slow.
 */
unsigned int contract_rounds(unsigned int n);

/* Maps user memory of this process: @pages untouched pages, with a hole behind them. */
void __user *contract_map(unsigned long pages, bool writable);
void contract_unmap(void __user *at, unsigned long pages);
/* Writes to user memory by a way that is not under test, and that ignores its rights. */
void contract_poke(void __user *at, const void *from, size_t n);
void contract_peek(void *to, const void __user *at, size_t n);

/*
 * Returns the end of a page that iof_plat_copy() may touch; behind it there is no memory. NULL if
 * that cannot be had without a complaint.
 */
u8 *contract_edge(void);
void contract_edge_done(u8 *edge);

/* Sends @task a signal that ends its interruptible sleeps; and drops such a signal to this task. */
void contract_signals_begin(void);
void contract_signal(struct task_struct *task);
void contract_signals_end(void);

/* Sets how much memory this process may lock; ~0ul: the limit from before. */
void contract_memlock(unsigned long bytes);

#endif
