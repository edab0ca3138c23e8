/* SPDX-License-Identifier: MIT */
/*
 * platform.c - memory that may be gone, and the platform hooks of core/kapi.h.
 *
 * On x86-64, a few instructions whose addresses this file knows touch the process's own memory. A
 * SIGSEGV or SIGBUS raised by one of them continues behind it, with the number of bytes left. The
 * handler that was there before gets all other signals. On other machines, for other processes, and
 * when a test asks for it, process_vm_readv() and process_vm_writev() copy, and no handler is
 * involved.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "core/kapi.h"
#include "internal.h"
#include "mapping.h"
#include "remote.h"

static bool force_remote, hide_pages;
bool iof_shim_fixup_ready;

void iof_shim_force_remote_copies(bool on)
{
	__atomic_store_n(&force_remote, on, __ATOMIC_RELAXED);
}

void iof_shim_hide_pages(bool on)
{
	__atomic_store_n(&hide_pages, on, __ATOMIC_RELAXED);
}

static size_t remote_copy(pid_t pid, void *dst, const void *src, size_t n, bool write)
{
	struct iovec local = { write ? (void *)src : dst, n };
	struct iovec remote = { write ? dst : (void *)src, n };
	size_t done = 0;

	while (done < n) {
		ssize_t got;

		got = write ? process_vm_writev(pid, &local, 1, &remote, 1, 0) :
			      process_vm_readv(pid, &local, 1, &remote, 1, 0);
		if (got <= 0)
			break;
		done += (size_t)got;
		local.iov_base = (char *)local.iov_base + got;
		remote.iov_base = (char *)remote.iov_base + got;
		local.iov_len -= (size_t)got;
		remote.iov_len -= (size_t)got;
	}
	return n - done;
}

/* Copies through a buffer on the stack, at most a page at a time: both @dst and @src may be bad. */
static size_t bounce_copy(void *dst, const void *src, size_t n)
{
	char buf[4096];
	pid_t self = getpid();

	while (n) {
		size_t part = min_t(size_t, n, sizeof(buf)), bad;

		bad = remote_copy(self, buf, src, part, false);
		part -= bad;
		if (part) {
			size_t unwritten = remote_copy(self, dst, buf, part, true);

			if (unwritten)
				return n - (part - unwritten);
		}
		n -= part;
		if (bad)
			return n;
		dst = (char *)dst + part;
		src = (const char *)src + part;
	}
	return 0;
}

/* Returns how many words the last @n bytes touch. */
static unsigned int words(size_t n)
{
	return DIV_ROUND_UP(n, sizeof(u64));
}

#if defined(__x86_64__)
/*
 * size_t iof_shim_asm_copy(dst, src, n): returns the number of bytes not copied. %rcx always holds
 * the rest, so that the fix-up needs only an address. After a fault in the loop over words, the
 * loop over bytes finds the exact end. A fault in the loop over bytes is the end.
 */
__asm__(
"	.text\n"
"	.p2align 4\n"
"	.type iof_shim_asm_copy, @function\n"
"iof_shim_asm_copy:\n"
"	mov %rdx, %rcx\n"
"	cmp $256, %rdx\n"
"	jae 5f\n"
"	sub $8, %rcx\n"
"	jb 2f\n"
"	.p2align 4\n"
"1:\n"
"iof_shim_asm_words:\n"
"	mov (%rsi), %rax\n"
"	mov %rax, (%rdi)\n"
"iof_shim_asm_words_end:\n"
"	add $8, %rsi\n"
"	add $8, %rdi\n"
"	sub $8, %rcx\n"
"	jae 1b\n"
"2:	add $8, %rcx\n"
"	jz 4f\n"
"3:\n"
"iof_shim_asm_bytes:\n"
"	mov (%rsi), %al\n"
"	mov %al, (%rdi)\n"
"iof_shim_asm_bytes_end:\n"
"	inc %rsi\n"
"	inc %rdi\n"
"	dec %rcx\n"
"	jnz 3b\n"
"4:\n"
"iof_shim_asm_done:\n"
"	mov %rcx, %rax\n"
"	ret\n"
"iof_shim_asm_words_fix:\n"
"	jmp 2b\n"
"5:\n"
"iof_shim_asm_rep:\n"
"	rep movsb\n"
"iof_shim_asm_rep_end:\n"
"	mov %rcx, %rax\n"
"	ret\n"
"	.size iof_shim_asm_copy, . - iof_shim_asm_copy\n"
/*
 * size_t iof_shim_asm_stream(dst, src, n): the same with stores that bypass the caches. After a
 * fault, the copy goes on in bytes from the beginning of the current 256.
 */
"	.p2align 4\n"
"	.type iof_shim_asm_stream, @function\n"
"iof_shim_asm_stream:\n"
"	test $15, %dil\n"
"	jnz iof_shim_asm_copy\n"
"	cmp $1024, %rdx\n"
"	jb iof_shim_asm_copy\n"
"	mov %rdx, %rcx\n"
"	sub $256, %rcx\n"
"	.p2align 4\n"
"7:\n"
"iof_shim_asm_lines:\n"
"	.irp line, 0, 64, 128, 192\n"
"	movdqu 0+\\line(%rsi), %xmm0\n"
"	movdqu 16+\\line(%rsi), %xmm1\n"
"	movdqu 32+\\line(%rsi), %xmm2\n"
"	movdqu 48+\\line(%rsi), %xmm3\n"
"	movntdq %xmm0, 0+\\line(%rdi)\n"
"	movntdq %xmm1, 16+\\line(%rdi)\n"
"	movntdq %xmm2, 32+\\line(%rdi)\n"
"	movntdq %xmm3, 48+\\line(%rdi)\n"
"	.endr\n"
"iof_shim_asm_lines_end:\n"
"	add $256, %rsi\n"
"	add $256, %rdi\n"
"	sub $256, %rcx\n"
"	jae 7b\n"
"iof_shim_asm_lines_fix:\n"
"	sfence\n"
"	add $256, %rcx\n"
"	jnz iof_shim_asm_bytes\n"
"	xor %eax, %eax\n"
"	ret\n"
"	.size iof_shim_asm_stream, . - iof_shim_asm_stream\n"
/* int iof_shim_asm_load64(p, val): returns 0 or -EFAULT */
"	.p2align 4\n"
"	.type iof_shim_asm_load64, @function\n"
"iof_shim_asm_load64:\n"
"iof_shim_asm_load:\n"
"	mov (%rdi), %rax\n"
"iof_shim_asm_load_end:\n"
"	mov %rax, (%rsi)\n"
"	xor %eax, %eax\n"
"	ret\n"
"	.size iof_shim_asm_load64, . - iof_shim_asm_load64\n"
/* unsigned iof_shim_asm_load64s(p, vals, nr): returns the number of words loaded */
"	.p2align 4\n"
"	.type iof_shim_asm_load64s, @function\n"
"iof_shim_asm_load64s:\n"
"	xor %eax, %eax\n"
"	test %edx, %edx\n"
"	jz 9f\n"
"8:\n"
"iof_shim_asm_loads:\n"
"	mov (%rdi,%rax,8), %rcx\n"
"iof_shim_asm_loads_end:\n"
"	mov %rcx, (%rsi,%rax,8)\n"
"	inc %eax\n"
"	cmp %eax, %edx\n"
"	jne 8b\n"
"9:\n"
"iof_shim_asm_loads_fix:\n"
"	ret\n"
"	.size iof_shim_asm_load64s, . - iof_shim_asm_load64s\n"
/* int iof_shim_asm_cmpxchg64(p, old, new): returns 0, -EAGAIN or -EFAULT */
"	.p2align 4\n"
"	.type iof_shim_asm_cmpxchg64, @function\n"
"iof_shim_asm_cmpxchg64:\n"
"	mov (%rsi), %rax\n"
"iof_shim_asm_cas:\n"
"	lock cmpxchg %rdx, (%rdi)\n"
"iof_shim_asm_cas_end:\n"
"	jne 6f\n"
"	xor %eax, %eax\n"
"	ret\n"
"6:	mov %rax, (%rsi)\n"
"	mov $-11, %eax\n"
"	ret\n"
"iof_shim_asm_fault:\n"
"	mov $-14, %eax\n"
"	ret\n"
"	.size iof_shim_asm_cmpxchg64, . - iof_shim_asm_cmpxchg64\n"
);
static_assert(EAGAIN == 11 && EFAULT == 14, "the numbers in the assembly");

size_t iof_shim_asm_copy(void *dst, const void *src, size_t n);
size_t iof_shim_asm_stream(void *dst, const void *src, size_t n);
int iof_shim_asm_load64(const u64 *p, u64 *val);
unsigned int iof_shim_asm_load64s(const u64 *p, u64 *vals, unsigned int nr);
int iof_shim_asm_cmpxchg64(u64 *p, u64 *old, u64 new);
extern const char iof_shim_asm_words[], iof_shim_asm_words_end[], iof_shim_asm_words_fix[];
extern const char iof_shim_asm_bytes[], iof_shim_asm_bytes_end[], iof_shim_asm_done[];
extern const char iof_shim_asm_rep[], iof_shim_asm_rep_end[];
extern const char iof_shim_asm_lines[], iof_shim_asm_lines_end[], iof_shim_asm_lines_fix[];
extern const char iof_shim_asm_load[], iof_shim_asm_load_end[];
extern const char iof_shim_asm_loads[], iof_shim_asm_loads_end[], iof_shim_asm_loads_fix[];
extern const char iof_shim_asm_cas[], iof_shim_asm_cas_end[], iof_shim_asm_fault[];

static const struct {
	const char *begin, *end, *fix;
} fixups[] = {
	{ iof_shim_asm_rep, iof_shim_asm_rep_end, iof_shim_asm_done },
	{ iof_shim_asm_lines, iof_shim_asm_lines_end, iof_shim_asm_lines_fix },
	{ iof_shim_asm_words, iof_shim_asm_words_end, iof_shim_asm_words_fix },
	{ iof_shim_asm_bytes, iof_shim_asm_bytes_end, iof_shim_asm_done },
	{ iof_shim_asm_load, iof_shim_asm_load_end, iof_shim_asm_fault },
	{ iof_shim_asm_loads, iof_shim_asm_loads_end, iof_shim_asm_loads_fix },
	{ iof_shim_asm_cas, iof_shim_asm_cas_end, iof_shim_asm_fault },
};

static bool fix_up(ucontext_t *context)
{
	const char *rip = (const char *)context->uc_mcontext.gregs[REG_RIP];

	for (size_t i = 0; i < ARRAY_SIZE(fixups); i++) {
		if (rip >= fixups[i].begin && rip < fixups[i].end) {
			context->uc_mcontext.gregs[REG_RIP] = (greg_t)fixups[i].fix;
			return true;
		}
	}
	return false;
}

/*
 * The handlers that ours replaced. They are never freed, so that a running handler can read them.
 * If a program installs a handler later, the next call puts ours on top again. The program's
 * handler may then call ours as the "previous" one. chain() tells this from a new fault by the
 * stack, so that the two do not call each other for ever.
 */
#define MAX_OLD 16

static struct {
	struct sigaction old[MAX_OLD];
	int count;			/* number of entries, under install_lock */
	int newest;			/* index of the handler to chain to */
} replaced[2];

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;

static __thread struct {
	void *context;
	char *frame;
} chaining __attribute__((tls_model("initial-exec")));

static bool is_function(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO ||
	       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Calls the earlier handler as the kernel would have called it. */
static void call_old(const struct sigaction *old, int sig, siginfo_t *info, void *context)
{
	sigset_t mask, one;

	pthread_sigmask(SIG_BLOCK, &old->sa_mask, &mask);
	if (old->sa_flags & SA_NODEFER && !sigismember(&old->sa_mask, sig)) {
		sigemptyset(&one);
		sigaddset(&one, sig);
		pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	}
	if (old->sa_flags & SA_SIGINFO)
		old->sa_sigaction(sig, info, context);
	else
		old->sa_handler(sig);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

static void chain(int sig, siginfo_t *info, void *context)
{
	char *frame = __builtin_frame_address(0);
	bool again = chaining.context == context && frame < chaining.frame;
	int which = sig == SIGBUS;
	const struct sigaction *old;
	int newest = __atomic_load_n(&replaced[which].newest, __ATOMIC_ACQUIRE);

	old = &replaced[which].old[again ? 0 : newest];
	if (is_function(old) && !(again && newest == 0)) {
		chaining.context = context;
		chaining.frame = frame;
		call_old(old, sig, info, context);
		chaining.context = NULL;
		return;
	}
	/*
	 * A signal that a process sent and that was ignored stays ignored. A real fault cannot be
	 * ignored.
	 */
	if (old->sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	/* The instruction runs again, faults again, and the default action ends the process. */
	sigaction(sig, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	if (info->si_code <= 0)
		raise(sig);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	if (info->si_code <= 0 || !fix_up(context))
		chain(sig, info, context);
	errno = saved;
}

static bool same_handler(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_sigaction == b->sa_sigaction && a->sa_flags == b->sa_flags;
}

/* Installs our handler. Called with install_lock held. */
static int install(int sig)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int which = sig == SIGBUS, i;
	struct sigaction old;

	if (sigaction(sig, NULL, &old))
		return -errno;
	if (old.sa_sigaction == on_fault) {
		/* signal(2) restores a saved handler without its flags */
		if (old.sa_flags & SA_SIGINFO)
			return 0;
	} else {
		for (i = 0; i < replaced[which].count; i++)
			if (same_handler(&replaced[which].old[i], &old))
				break;
		if (i == MAX_OLD)
			return 0;	/* do not fight a program that keeps changing its handler */
		if (i == replaced[which].count) {
			replaced[which].old[i] = old;
			replaced[which].count++;
		}
		__atomic_store_n(&replaced[which].newest, i, __ATOMIC_RELEASE);
	}
	sigemptyset(&action.sa_mask);
	return sigaction(sig, &action, NULL) ? -errno : 0;
}

int iof_shim_fixup_install(void)
{
	int rc;

	must(pthread_mutex_lock(&install_lock));
	rc = install(SIGSEGV);
	if (!rc)
		rc = install(SIGBUS);
	must(pthread_mutex_unlock(&install_lock));
	__atomic_store_n(&iof_shim_fixup_ready, true, __ATOMIC_RELEASE);
	return rc;
}

size_t iof_shim_raw_copy(void *dst, const void *src, size_t n)
{
	if (unlikely(__atomic_load_n(&force_remote, __ATOMIC_RELAXED)))
		return bounce_copy(dst, src, n);
	iof_shim_fixup_need();
	return iof_shim_asm_copy(dst, src, n);
}

size_t iof_plat_copy_stream(void *dst, const void *src, size_t n)
{
	if (unlikely(iof_shim_is_remote(dst) || iof_shim_is_remote(src)))
		return iof_shim_remote_copy(dst, src, n);
	if (unlikely(__atomic_load_n(&force_remote, __ATOMIC_RELAXED)))
		return bounce_copy(dst, src, n);
	iof_shim_fixup_need();
	return iof_shim_asm_stream(dst, src, n);
}

int iof_plat_load64(const u64 *p, u64 *val)
{
	if (unlikely(iof_shim_is_remote(p)))
		return iof_shim_remote_copy(val, p, sizeof(*val)) ? -EFAULT : 0;
	if (unlikely(__atomic_load_n(&force_remote, __ATOMIC_RELAXED)))
		return bounce_copy(val, p, sizeof(*val)) ? -EFAULT : 0;
	iof_shim_fixup_need();
	return iof_shim_asm_load64(p, val);
}

unsigned int iof_plat_load64s(const u64 *p, u64 *vals, unsigned int nr)
{
	if (unlikely(iof_shim_is_remote(p)))
		return nr - words(iof_shim_remote_copy(vals, p, nr * sizeof(*p)));
	if (unlikely(__atomic_load_n(&force_remote, __ATOMIC_RELAXED)))
		return nr - words(bounce_copy(vals, p, nr * sizeof(*p)));
	iof_shim_fixup_need();
	return iof_shim_asm_load64s(p, vals, nr);
}

int iof_plat_cmpxchg64(u64 *p, u64 *old, u64 new)
{
	iof_sched_point(IOF_SCHED_ATOMIC, p);
	if (unlikely(iof_shim_is_remote(p)))
		return iof_shim_remote_cmpxchg64(p, old, new);
	iof_shim_fixup_need();
	return iof_shim_asm_cmpxchg64(p, old, new);
}

#else /* other machines have no fix-up: the kernel copies */

int iof_shim_fixup_install(void)
{
	return 0;
}

size_t iof_shim_raw_copy(void *dst, const void *src, size_t n)
{
	return bounce_copy(dst, src, n);
}

size_t iof_plat_copy_stream(void *dst, const void *src, size_t n)
{
	if (iof_shim_is_remote(dst) || iof_shim_is_remote(src))
		return iof_shim_remote_copy(dst, src, n);
	return bounce_copy(dst, src, n);
}

int iof_plat_load64(const u64 *p, u64 *val)
{
	if (iof_shim_is_remote(p))
		return iof_shim_remote_copy(val, p, sizeof(*val)) ? -EFAULT : 0;
	return bounce_copy(val, p, sizeof(*val)) ? -EFAULT : 0;
}

unsigned int iof_plat_load64s(const u64 *p, u64 *vals, unsigned int nr)
{
	if (unlikely(iof_shim_is_remote(p)))
		return nr - words(iof_shim_remote_copy(vals, p, nr * sizeof(*p)));
	return nr - words(bounce_copy(vals, p, nr * sizeof(*p)));
}

/*
 * Probes the word first. If the memory goes away after the probe, the program crashes on these
 * machines.
 */
int iof_plat_cmpxchg64(u64 *p, u64 *old, u64 new)
{
	u64 seen;

	if (iof_shim_is_remote(p))
		return iof_shim_remote_cmpxchg64(p, old, new);
	if (bounce_copy(&seen, p, sizeof(seen)) || bounce_copy(p, p, 0))
		return -EFAULT;
	return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ?
		0 : -EAGAIN;
}
#endif

size_t iof_plat_copy(void *dst, const void *src, size_t n)
{
	if (unlikely(iof_shim_is_remote(dst) || iof_shim_is_remote(src)))
		return iof_shim_remote_copy(dst, src, n);
	return iof_shim_raw_copy(dst, src, n);
}

/* ---- the address space of a process, as a device that shares its tables sees it ---- */

/*
 * Bit 63 of an entry of pagemap says "present". If there is no /proc (in a sandbox), or the file
 * cannot be opened (in a process that is not dumpable), mincore() answers. It also reports a page
 * of a file that is in memory but not mapped yet; such a page raises no page request then, which is
 * harmless.
 */
static bool in_memory(unsigned long addr)
{
	unsigned char there = 0;

	return !mincore((void *)(addr & PAGE_MASK), PAGE_SIZE, &there) && there & 1;
}

bool iof_shim_page_present(pid_t pid, unsigned long addr)
{
	char path[48];
	u64 entry = 0;
	ssize_t got;
	int fd;

	if (unlikely(__atomic_load_n(&hide_pages, __ATOMIC_RELAXED)))
		return false;
	if (pid) {
		iof_shim_scnprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} else {
		fd = iof_shim_own_pagemap();
	}
	if (fd < 0)
		return !pid && in_memory(addr);
	got = pread(fd, &entry, sizeof(entry), (off_t)(addr / PAGE_SIZE * sizeof(entry)));
	if (pid)
		close(fd);
	else if (got != sizeof(entry))
		return in_memory(addr);
	return got == sizeof(entry) && entry >> 63;
}

/*
 * Would the copy of iof_plat_mm_copy() reach the page, which is present? An access of the CPU
 * decides, since no system call shows the permissions cheaply. The access does a pending
 * copy-on-write of the page, as the copy would.
 */
static bool permitted(unsigned long addr, bool write)
{
	u64 *word = (u64 *)(addr & ~7ul), seen;
	int rc = iof_plat_load64(word, &seen);

#if defined(__x86_64__)
	while (!rc && write) {
		rc = iof_plat_cmpxchg64(word, &seen, seen);
		if (rc != -EAGAIN)
			break;
		rc = 0;
	}
#else
	(void)write;	/* a write cannot be tried without a fix-up */
#endif
	return !rc;
}

void iof_plat_eventfd_add(struct eventfd_ctx *ctx, u32 nr)
{
	iof_shim_eventfd_add(ctx, nr);
}

/* Threads wait in poll(2) for an eventfd, so that each waiter of a file may count. */
bool iof_plat_counts_wakeups(const struct poll_table_struct *wait)
{
	return wait && wait->_qproc;
}

bool iof_plat_user_page_present(struct mm_struct *mm, unsigned long addr, bool write)
{
	if (mm->pid)
		return iof_shim_remote_present(mm, addr, write);
	return iof_shim_page_present(0, addr) && permitted(addr, write);
}

int iof_plat_mm_copy(struct mm_struct *mm, unsigned long addr, void *buf, size_t n, bool write)
{
	void *user = (void *)addr;

	if (mm->pid)
		return iof_shim_remote_mm_copy(mm, addr, buf, n, write);
	if (!atomic_read(&mm->mm_users) || !iof_shim_page_present(0, addr))
		return -EFAULT;
	return (write ? iof_shim_raw_copy(user, buf, n) : iof_shim_raw_copy(buf, user, n)) ?
		-EFAULT : 0;
}

int iof_plat_mm_fault_in(struct mm_struct *mm, unsigned long addr, bool write, u64 *spent)
{
	(void)spent;
	if (!atomic_read(&mm->mm_users))
		return -EFAULT;
	return iof_shim_fixup_user_fault(mm, addr, write ? FAULT_FLAG_WRITE : 0, NULL);
}

/* ---- the payer: the process itself; our threads are its own ---- */

struct iof_plat_payer *iof_plat_payer_get(void)
{
	return NULL;
}

void iof_plat_payer_hold(struct iof_plat_payer *payer)
{
	(void)payer;
}

void iof_plat_payer_put(struct iof_plat_payer *payer)
{
	(void)payer;
}

struct iof_plat_payer *iof_plat_charge_to(struct iof_plat_payer *payer)
{
	return payer;
}

int iof_plat_thread_join(struct task_struct *task)
{
	(void)task;
	return 0;
}

void iof_plat_thread_leave(struct task_struct *task)
{
	(void)task;
}
