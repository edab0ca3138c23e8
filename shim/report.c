/* SPDX-License-Identifier: MIT */
/*
 * report.c - messages, warnings and bugs of the shim, its counters, and injected failures.
 *
 * Each message is one write(2) to stderr, so that lines of several threads stay whole. Tests set
 * failures for each kind, for the process or for one thread. While none is set, a check costs one
 * load.
 */
#include <errno.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/printk.h>
#include <linux/refcount.h>
#include <linux/seq_file.h>
#include "internal.h"

int iof_shim_panic_on_warn = IOF_SHIM_CHECKS;
static unsigned long warnings;

struct iof_live iof_shim_alive;

#if IOF_SHIM_TSAN
unsigned int iof_shim_fence_word;
#endif

static void print_line(const char *head, const char *fmt, va_list args)
{
	char line[1024];
	int len, n;
	ssize_t written;

	len = snprintf(line, sizeof(line), "%s", head);
	n = vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, args);
	if (n > 0)
		len += n;
	if ((size_t)len > sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	if (!len || line[len - 1] != '\n')
		line[len++] = '\n';
	written = write(STDERR_FILENO, line, (size_t)len);
	(void)written;
}

void iof_shim_printk(int level, const char *fmt, ...)
{
	static const char *const heads[] = {
		"emergency: ", "alert: ", "critical: ", "error: ", "warning: ", "", "", "debug: ",
	};
	va_list args;

	va_start(args, fmt);
	print_line(heads[level & 7], fmt, args);
	va_end(args);
}

static void print_trace(void)
{
	void *frames[32];

	backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
}

void iof_shim_warn(const char *file, int line, const char *func, const char *fmt, ...)
{
	char head[256];
	va_list args;

	__atomic_fetch_add(&warnings, 1, __ATOMIC_RELAXED);
	snprintf(head, sizeof(head), "iofault: WARNING at %s:%d in %s(): ", file, line, func);
	va_start(args, fmt);
	print_line(head, fmt, args);
	va_end(args);
	if (iof_shim_panic_on_warn) {
		print_trace();
		abort();
	}
}

void iof_shim_bug(const char *file, int line, const char *func, const char *fmt, ...)
{
	char head[256];
	va_list args;

	snprintf(head, sizeof(head), "iofault: BUG at %s:%d in %s(): ", file, line, func);
	va_start(args, fmt);
	print_line(head, fmt, args);
	va_end(args);
	print_trace();
	abort();
}

unsigned long iof_shim_warnings(void)
{
	return __atomic_load_n(&warnings, __ATOMIC_RELAXED);
}

bool iof_shim_ratelimit(struct iof_shim_ratelimit *limit)
{
	u64 now = iof_shim_ktime_ns();
	u64 begin = __atomic_load_n(&limit->begin, __ATOMIC_RELAXED);

	if (!begin || now - begin > 5ull * NSEC_PER_SEC) {
		if (__atomic_compare_exchange_n(&limit->begin, &begin, now, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			__atomic_store_n(&limit->printed, 0, __ATOMIC_RELAXED);
	}
	return __atomic_fetch_add(&limit->printed, 1, __ATOMIC_RELAXED) < 10;
}

void iof_shim_refcount_bad(refcount_t *r, const char *what)
{
	refcount_set(r, REFCOUNT_SATURATED);
	iof_shim_warn(__FILE__, __LINE__, "refcount", "%s", what);
}

int iof_shim_scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	if (!size)
		return 0;
	va_start(args, fmt);
	n = vsnprintf(buf, size, fmt, args);
	va_end(args);
	if (n < 0)
		return 0;
	return (size_t)n < size ? n : (int)size - 1;
}

void iof_shim_seq_printf(struct seq_file *m, const char *fmt, ...)
{
	va_list args;
	int n;

	if (m->count >= m->size)
		return;
	va_start(args, fmt);
	n = vsnprintf(m->buf + m->count, m->size - m->count, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	m->count = (size_t)n < m->size - m->count ? m->count + (size_t)n : m->size;
}

/* ---- injected failures ---- */

struct fail {
	unsigned long left;	/* number of calls until the first failure; 0: off */
	bool persistent;
	bool firing;		/* a persistent failure has been reached */
};

unsigned int iof_shim_fail_armed;
static struct {
	spinlock_t lock;
	struct fail kind[IOF_FAIL_KINDS];
	unsigned long fired[IOF_FAIL_KINDS];
	bool atomic_allocs;
} failing;
static __thread struct fail thread_failing[IOF_FAIL_KINDS]
	__attribute__((tls_model("initial-exec")));

/* A bare lock: the checkers themselves run this code. */
static void fail_lock(void)
{
	unsigned int zero = 0;

	while (!__atomic_compare_exchange_n(&failing.lock.locked, &zero, 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		zero = 0;
		cpu_relax();
	}
}

static void fail_unlock(void)
{
	__atomic_store_n(&failing.lock.locked, 0, __ATOMIC_RELEASE);
}

static void fail_set(struct fail *fail, enum iof_fail_kind kind, unsigned long n, bool persistent)
{
	bool was, is;

	fail_lock();
	was = fail->left || fail->firing;
	*fail = (struct fail){ .left = n, .persistent = persistent };
	is = n != 0;
	if (is)
		failing.fired[kind] = 0;
	if (was != is)
		__atomic_fetch_add(&iof_shim_fail_armed, is ? 1u : -1u, __ATOMIC_RELAXED);
	fail_unlock();
}

void iof_fail_nth(enum iof_fail_kind kind, unsigned long n, bool persistent)
{
	fail_set(&failing.kind[kind], kind, n, persistent);
}

void iof_fail_nth_thread(enum iof_fail_kind kind, unsigned long n, bool persistent)
{
	fail_set(&thread_failing[kind], kind, n, persistent);
}

unsigned long iof_fail_fired(enum iof_fail_kind kind)
{
	unsigned long fired;

	fail_lock();
	fired = failing.fired[kind];
	fail_unlock();
	return fired;
}

void iof_fail_atomic_allocs(bool fail)
{
	__atomic_store_n(&failing.atomic_allocs, fail, __ATOMIC_RELAXED);
}

bool iof_shim_atomic_allocs_fail(void)
{
	return __atomic_load_n(&failing.atomic_allocs, __ATOMIC_RELAXED);
}

static bool fail_one(struct fail *fail)
{
	if (fail->firing)
		return true;
	if (!fail->left || --fail->left)
		return false;
	if (fail->persistent)
		fail->firing = true;
	else
		__atomic_fetch_sub(&iof_shim_fail_armed, 1, __ATOMIC_RELAXED);
	return true;
}

bool iof_shim_fail_slow(enum iof_fail_kind kind)
{
	bool fail;

	fail_lock();
	fail = fail_one(&failing.kind[kind]);
	if (fail_one(&thread_failing[kind]))
		fail = true;
	if (fail)
		failing.fired[kind]++;
	fail_unlock();
	return fail;
}

bool iof_shim_killed(void)
{
	return iof_shim_should_fail(IOF_FAIL_KILL);
}

void iof_shim_live(struct iof_live *live)
{
	live->objects = __atomic_load_n(&iof_shim_alive.objects, __ATOMIC_RELAXED);
	live->bytes = __atomic_load_n(&iof_shim_alive.bytes, __ATOMIC_RELAXED);
	live->pages = __atomic_load_n(&iof_shim_alive.pages, __ATOMIC_RELAXED);
	live->files = __atomic_load_n(&iof_shim_alive.files, __ATOMIC_RELAXED);
	live->pins = __atomic_load_n(&iof_shim_alive.pins, __ATOMIC_RELAXED);
}
