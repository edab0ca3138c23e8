/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * contract.h - what the shared rooms rely on of a kernel's interface, as assertions that are
 * written once and compiled twice: by cmocka.c over the shim, as cmocka programs, and by the module
 * of tests/vm/modules/contract against a kernel. What holds in one world and not in the other is a
 * fault of the shim.
 *
 * A file here is a group; a case is a function without arguments. An assertion that fails is noted
 * and, other than require(), lets its function go on: there is no way out of the middle of a kernel
 * function, and any thread may assert. Cases run in the context of a process with user memory. They
 * use what kernels export to modules, and below what no call means the same in both worlds.
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

/* Runs a case: the first failed assertion is told in @said, which is empty if there was none. */
#define CONTRACT_SAID 256
bool contract_run(const struct contract_case *c, char said[CONTRACT_SAID]);

/* ---- threads ---- */

struct contract_thread;
struct contract_thread *contract_start(void (*fn)(void *arg), void *arg);
void contract_join(struct contract_thread *thread);

/* ---- what each world has its own way for ---- */

/* How often a loop goes round that is about luck: an emulated kernel is slow. */
unsigned int contract_rounds(unsigned int n);

/* User memory of this process: @pages pages that are not touched yet, and a hole behind them. */
void __user *contract_map(unsigned long pages, bool writable);
void contract_unmap(void __user *at, unsigned long pages);
/* Its content, by a way that is not what is being tested, and that ignores what may be written. */
void contract_poke(void __user *at, const void *from, size_t n);
void contract_peek(void *to, const void __user *at, size_t n);

/*
 * Memory that iof_plat_copy() may touch, below what this returns: a page of it, and nothing behind.
 * NULL where that cannot be had without a complaint.
 */
u8 *contract_edge(void);
void contract_edge_done(u8 *edge);

/* Sends @task a signal that ends its interruptible sleeps; forgets such a signal to this task. */
void contract_signals_begin(void);
void contract_signal(struct task_struct *task);
void contract_signals_end(void);

/* How much memory this process may lock; ~0ul: what it was before. */
void contract_memlock(unsigned long bytes);

#endif
