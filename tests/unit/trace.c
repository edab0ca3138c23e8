// SPDX-License-Identifier: MIT
/*
 * Proves that the probes of user space are those of core/trace_events.h. Each is a nop without a
 * semaphore. In each state of a fault the right probe is passed, with the right values.
 *
 * The test looks as a tracer does, but needs neither root nor the kernel: it reads the notes in its
 * own file, puts a breakpoint over each nop, and finds the arguments at the places that the note
 * names.
 */
#include "env.h"
#include "way.h"

#include "core/trace.h"

#include <ctype.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#define LAST	       IOMMU_PGFAULT_FLAGS_LAST_PAGE
#define MOST_PROBES    64
#define MOST_ARGUMENTS 12
#define MOST_KINDS     16
#define MOST_EVENTS    8192

#ifdef __x86_64__

/* ---- the list ---- */

struct listed {
	const char *name;
	unsigned int nr;
	unsigned int size[MOST_ARGUMENTS];
};

static struct listed list[MOST_KINDS];
static unsigned int nr_listed;

static void add_listed(const char *name, const unsigned int *size, unsigned int nr)
{
	struct listed *event = &list[nr_listed++];

	assert_true(nr_listed <= MOST_KINDS && nr <= MOST_ARGUMENTS);
	event->name = name;
	event->nr = nr;
	memcpy(event->size, size, nr * sizeof(*size));
}

/* A probe's arguments must be the fields that the kernel records. */
#undef TRACE_EVENT
#define TRACE_EVENT(name, proto, args, entry, assign, print)  \
	do {                                                  \
		static const unsigned int size[] = { entry }; \
                                                              \
		add_listed(#name, size, ARRAY_SIZE(size));    \
	} while (0)
#define TP_STRUCT__entry(fields...) fields
#define __string(name, from)	    sizeof(const char *),
#define __field(type, name)	    sizeof(type),

static void read_list(void)
{
#include "core/trace_events.h"
}

/* ---- the probes of this program ---- */

struct probe {
	const struct listed *event;
	u8 *at;
	const char *arguments; /* text of the note */
	u64 semaphore;
};

static struct probe probes[MOST_PROBES];
static unsigned int nr_probes;

struct note {
	u32 name_size, size, type;
	char name[8]; /* "stapsdt" */
	u64 pc, base, semaphore;
	char text[]; /* provider, name, arguments */
} __packed;

static int find_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
	(void)size;
	*(u64 *)bias = info->dlpi_addr;
	return 1; /* the first object is the program itself */
}

static void add_probe(const struct note *note, u64 bias)
{
	const char *provider = note->text, *name = provider + strlen(provider) + 1;
	struct probe *probe = &probes[nr_probes];
	unsigned int i;

	if (strcmp(provider, "iofault"))
		return;
	assert_true(nr_probes < MOST_PROBES);
	for (i = 0; i < nr_listed; i++) {
		if (!strcmp(name, list[i].name))
			probe->event = &list[i];
	}
	if (!probe->event)
		fail_msg("a probe that is not in the list: %s", name);
	/* prelink has moved nothing here, so that note->base does not count. */
	probe->at = (u8 *)(bias + note->pc);
	probe->arguments = strdup(name + strlen(name) + 1);
	probe->semaphore = note->semaphore;
	nr_probes++;
}

static int find_probes(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END), at;
	const Elf64_Shdr *sections;
	const Elf64_Ehdr *elf;
	const char *names;
	u64 bias = 0;
	u8 *file;
	u32 i;

	(void)state;
	read_list();
	file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(file, MAP_FAILED);
	close(fd);
	dl_iterate_phdr(find_bias, &bias);
	elf = (const Elf64_Ehdr *)file;
	sections = (const Elf64_Shdr *)(file + elf->e_shoff);
	names = (const char *)file + sections[elf->e_shstrndx].sh_offset;
	for (i = 0; i < elf->e_shnum; i++) {
		if (strcmp(names + sections[i].sh_name, ".note.stapsdt"))
			continue;
		for (at = 0; at < (off_t)sections[i].sh_size;) {
			const struct note *note =
				(const struct note *)(file + sections[i].sh_offset + at);

			add_probe(note, bias);
			at += 12 + ALIGN(note->name_size, 4) + ALIGN(note->size, 4);
		}
	}
	munmap(file, size);
	return nr_probes ? 0 : -1;
}

/* ---- arguments, as a note describes them ---- */

static bool take(const char **text, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*text, word, len))
		return false;
	*text += len;
	return true;
}

/* Reads the register named at *text after a %; only its low bits may count. */
static bool take_register(const char **text, const greg_t *regs, u64 *value)
{
	static const struct {
		const char *names[4]; /* longer names first */
		int index;
	} table[] = {
		{ { "rax", "eax", "ax", "al" }, REG_RAX },
		{ { "rbx", "ebx", "bx", "bl" }, REG_RBX },
		{ { "rcx", "ecx", "cx", "cl" }, REG_RCX },
		{ { "rdx", "edx", "dx", "dl" }, REG_RDX },
		{ { "rsi", "esi", "sil", "si" }, REG_RSI },
		{ { "rdi", "edi", "dil", "di" }, REG_RDI },
		{ { "rbp", "ebp", "bpl", "bp" }, REG_RBP },
		{ { "rsp", "esp", "spl", "sp" }, REG_RSP },
		{ { "r8d", "r8w", "r8b", "r8" }, REG_R8 },
		{ { "r9d", "r9w", "r9b", "r9" }, REG_R9 },
		{ { "r10d", "r10w", "r10b", "r10" }, REG_R10 },
		{ { "r11d", "r11w", "r11b", "r11" }, REG_R11 },
		{ { "r12d", "r12w", "r12b", "r12" }, REG_R12 },
		{ { "r13d", "r13w", "r13b", "r13" }, REG_R13 },
		{ { "r14d", "r14w", "r14b", "r14" }, REG_R14 },
		{ { "r15d", "r15w", "r15b", "r15" }, REG_R15 },
	};
	size_t i, j;

	if (!take(text, "%"))
		return false;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		for (j = 0; j < ARRAY_SIZE(table[i].names); j++) {
			if (take(text, table[i].names[j])) {
				*value = (u64)regs[table[i].index];
				return true;
			}
		}
	}
	return false;
}

/* Reads one argument, SIZE@OPERAND: a register, $number, or OFFSET(base,index,scale). */
static bool take_argument(const char **text, const greg_t *regs, unsigned int *size, u64 *value)
{
	u64 base = 0, index = 0, scale = 1;
	long offset;
	char *end;

	*size = (unsigned int)labs(strtol(*text, &end, 10));
	*text = end;
	if (!take(text, "@"))
		return false;
	*value = 0;
	if (take(text, "$")) {
		*value = (u64)strtoll(*text, &end, 10);
		*text = end;
	} else if (!take_register(text, regs, value)) {
		offset = strtol(*text, &end, 10);
		*text = end;
		if (!take(text, "(") || !take_register(text, regs, &base))
			return false;
		if (take(text, ",") && !take_register(text, regs, &index))
			return false;
		if (take(text, ",")) {
			scale = (u64)strtol(*text, &end, 10);
			*text = end;
		}
		if (!take(text, ")"))
			return false;
		memcpy(value, (const void *)(base + index * scale + (u64)offset), *size);
	}
	if (*size < sizeof(*value))
		*value &= (1ull << *size * 8) - 1;
	return **text == '\0' || take(text, " ");
}

/* ---- breakpoints ---- */

struct seen {
	const char *event;
	char device[16];
	u64 value[MOST_ARGUMENTS]; /* [0]: the device, as a pointer */
};

static struct seen seen[MOST_EVENTS];
static unsigned int nr_seen;
static const char *trouble;

static void on_breakpoint(int signal, siginfo_t *info, void *context)
{
	const greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	const u8 *at = (const u8 *)regs[REG_RIP] - 1;
	unsigned int i, nr, size;
	const char *text;
	struct seen *s;

	(void)signal;
	(void)info;
	for (i = 0; i < nr_probes && probes[i].at != at; i++)
		;
	nr = __atomic_fetch_add(&nr_seen, 1, __ATOMIC_RELAXED);
	if (i == nr_probes || nr >= MOST_EVENTS) {
		trouble = "a breakpoint that nobody set, or too many events";
		return;
	}
	s = &seen[nr];
	s->event = probes[i].event->name;
	text = probes[i].arguments;
	for (nr = 0; *text; nr++) {
		if (nr == probes[i].event->nr || !take_argument(&text, regs, &size, &s->value[nr]))
			trouble = probes[i].arguments;
		else if (size != probes[i].event->size[nr])
			trouble = "an argument of a size that is not the list's";
		if (trouble)
			return;
	}
	if (nr != probes[i].event->nr)
		trouble = "fewer arguments than the list has";
	strscpy(s->device, (const char *)s->value[0], sizeof(s->device));
}

/* Replaces the nops by breakpoints, or back. */
static void arm(bool on)
{
	unsigned int i;

	for (i = 0; i < nr_probes; i++) {
		u8 *page = (u8 *)((unsigned long)probes[i].at & ~4095ul);

		assert_ok(mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
		/*
		 * By assembly, which TSan does not see: its shadow of constant memory is constant.
		 */
		asm volatile("movb %1, %0" : "=m"(*probes[i].at) : "q"((u8)(on ? 0xcc : 0x90)));
		assert_ok(mprotect(page, 4096, PROT_READ | PROT_EXEC));
	}
}

/* ---- one device under observation ---- */

static u64 begin; /* time before the first fault */

static void traced_open(struct way *w, void **state, u32 credits)
{
	struct sigaction action = { .sa_sigaction = on_breakpoint, .sa_flags = SA_SIGINFO };

	way_open_as(w, state, "tracee", credits);
	assert_int_equal(env_attach(w->idev, 3, w->hwpt), w->hwpt);
	begin = ktime_get_coarse_ns();
	nr_seen = 0;
	memset(seen, 0, sizeof(seen));
	assert_ok(sigaction(SIGTRAP, &action, NULL));
	arm(true);
}

static void traced_close(struct way *w)
{
	iof_device_detach(w->idev, 3);
	way_close(w);
	arm(false);
	signal(SIGTRAP, SIG_DFL);
	if (trouble)
		fail_msg("%s", trouble);
}

/* Checks that the next event is @event of group (@pasid, @grpid), and returns its values. */
static const u64 *next_event(unsigned int *at, const char *event, u32 pasid, u32 grpid)
{
	const struct seen *s = &seen[*at];

	if (trouble)
		fail_msg("%s", trouble);
	assert_true(*at < nr_seen);
	assert_string_equal(s->event, event);
	assert_string_equal(s->device, "tracee");
	assert_int_equal(s->value[1], pasid);
	assert_int_equal(s->value[2], grpid);
	(*at)++;
	return s->value;
}

static void expect_report(unsigned int *at, u32 pasid, u32 grpid, u64 addr, u32 perm, bool last)
{
	const u64 *value = next_event(at, "report", pasid, grpid);

	assert_int_equal(value[3], addr);
	assert_int_equal(value[4], perm);
	assert_int_equal(value[5], last);
}

static void expect_sweep(unsigned int *at, u32 pasid, u32 grpid, u32 cookie, enum iof_why why)
{
	const u64 *value = next_event(at, "sweep", pasid, grpid);

	assert_int_equal(value[3], cookie);
	assert_int_equal(value[4], why);
	assert_true(value[5] >= begin && value[5] <= ktime_get_ns());
}

static void expect_refuse(unsigned int *at, u32 pasid, u32 grpid, enum iof_why why)
{
	const u64 *value = next_event(at, "refuse", pasid, grpid);

	assert_int_equal(value[3], why);
	assert_true(value[4] >= begin && value[4] <= ktime_get_ns());
}

static void expect_end(unsigned int *at)
{
	assert_int_equal(*at, nr_seen);
}

/* ---- the tests ---- */

static void each_probe_is_a_nop_and_in_the_list(void **state)
{
	unsigned int i, j, found[MOST_KINDS] = {};

	(void)state;
	for (i = 0; i < nr_probes; i++) {
		assert_int_equal(*probes[i].at, 0x90);
		assert_int_equal(probes[i].semaphore, 0);
		found[probes[i].event - list]++;
	}
	for (j = 0; j < nr_listed; j++)
		assert_true(found[j]);
}

static void a_round_trip_is_told(void **state)
{
	u32 rw = IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE;
	struct iommu_hwpt_pgfault rec[3];
	unsigned int at = 0;
	const u64 *value;
	struct way w;
	u64 sent;

	traced_open(&w, state, 8);
	assert_ok(fake_report(&w.dev, 0, 3, 7, IOMMU_PGFAULT_PERM_READ, 0x1000));
	assert_ok(fake_report(&w.dev, 0, 3, 7, IOMMU_PGFAULT_PERM_WRITE, 0xfedcba9876543000));
	assert_ok(fake_report(&w.dev, LAST, 3, 7, rw, 0x3000));
	expect_report(&at, 3, 7, 0x1000, IOMMU_PGFAULT_PERM_READ, false);
	expect_report(&at, 3, 7, 0xfedcba9876543000, IOMMU_PGFAULT_PERM_WRITE, false);
	expect_report(&at, 3, 7, 0x3000, rw, true);
	expect_end(&at);
	assert_int_equal(env_read(w.q, rec, 3), 3);
	value = next_event(&at, "deliver", 3, 7);
	assert_int_equal(value[3], rec[0].cookie);
	assert_int_equal(value[4], 3);
	sent = value[5];
	assert_int_equal(value[6], w.queue);
	assert_int_equal(value[7], rec[0].dev_id);
	assert_true(sent >= begin && sent <= ktime_get_ns());
	expect_end(&at);
	assert_ok(env_answer(w.q, rec[0].cookie, IOMMUFD_PAGE_RESP_INVALID));
	value = next_event(&at, "respond", 3, 7);
	assert_int_equal(value[3], rec[0].cookie);
	assert_int_equal(value[4], IOF_PAGE_INVALID);
	assert_true(value[5] == sent);
	/* A response that is refused causes no event. */
	assert_err(env_answer(w.q, rec[0].cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	expect_end(&at);
	traced_close(&w);
}

static void a_devices_own_clock_is_kept(void **state)
{
	struct iof_page_req req = { .flags = LAST, .grpid = 1, .sent = 12345 };
	struct iommu_hwpt_pgfault rec;
	unsigned int at = 0;
	struct way w;

	traced_open(&w, state, 8);
	w.dev.unchecked = true;
	assert_ok(iof_report_page_req(&w.dev.hw, &req));
	expect_report(&at, 0, 1, 0, 0, true);
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	assert_int_equal(next_event(&at, "deliver", 0, 1)[5], 12345);
	assert_ok(env_answer(w.q, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(next_event(&at, "respond", 0, 1)[5], 12345);
	traced_close(&w);
}

static void a_batch_is_told_one_by_one(void **state)
{
	struct iof_page_req reqs[] = {
		{ .grpid = 1, .addr = 0x1000, .perm = 1 },
		{ .grpid = 2, .addr = 0x2000, .perm = 2, .flags = LAST },
		{ .grpid = 1, .addr = 0x3000, .perm = 1, .flags = LAST },
		{ .grpid = 3, .addr = 0x4000, .perm = 1, .flags = LAST },
		{ .grpid = 4, .addr = 0x5000, .perm = 1, .flags = LAST },
	};
	struct iommu_hwpt_page_response resp[3];
	struct iommu_hwpt_pgfault rec[4];
	unsigned int at = 0, i;
	struct way w;

	traced_open(&w, state, 4);
	w.dev.unchecked = true;
	iof_report_page_reqs(&w.dev.hw, reqs, ARRAY_SIZE(reqs));
	for (i = 0; i < ARRAY_SIZE(reqs); i++)
		expect_report(&at, 0, reqs[i].grpid, reqs[i].addr, reqs[i].perm, reqs[i].flags);
	expect_refuse(&at, 0, 4, IOF_WHY_CREDITS);
	assert_int_equal(env_read(w.q, rec, 4), 4);
	next_event(&at, "deliver", 0, 2);
	assert_int_equal(next_event(&at, "deliver", 0, 1)[4], 2);
	next_event(&at, "deliver", 0, 3);
	resp[0] = (struct iommu_hwpt_page_response){ .cookie = rec[0].cookie };
	resp[1] = (struct iommu_hwpt_page_response){ .cookie = rec[3].cookie };
	resp[2] = (struct iommu_hwpt_page_response){ .cookie = rec[1].cookie };
	assert_int_equal(iof_sys_write(w.q, resp, sizeof(resp)), sizeof(resp));
	assert_int_equal(next_event(&at, "respond", 0, 2)[3], rec[0].cookie);
	assert_int_equal(next_event(&at, "respond", 0, 3)[3], rec[3].cookie);
	assert_int_equal(next_event(&at, "respond", 0, 1)[3], rec[1].cookie);
	expect_end(&at);
	traced_close(&w);
}

static void a_failed_copy_is_delivered_again(void **state)
{
	struct iommu_hwpt_pgfault rec, *readonly;
	unsigned int at = 0;
	u32 first, second;
	struct way w;

	memset(&rec, 0, sizeof(rec));
	readonly = env_read_only(&rec, sizeof(rec));
	traced_open(&w, state, 8);
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	expect_report(&at, 0, 1, 0x1000, IOMMU_PGFAULT_PERM_READ, true);
	assert_err(env_read(w.q, readonly, 1), EFAULT);
	first = next_event(&at, "deliver", 0, 1)[3];
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	second = next_event(&at, "deliver", 0, 1)[3];
	assert_int_equal(second, rec.cookie);
	assert_int_not_equal(first, second);
	assert_ok(env_answer(w.q, rec.cookie, 0));
	next_event(&at, "respond", 0, 1);
	expect_end(&at);
	env_free_page(readonly);
	traced_close(&w);
}

static void sweeps_say_why(void **state)
{
	struct iommu_hwpt_pgfault rec;
	unsigned int at = 0;
	struct way w;
	int other;

	traced_open(&w, state, 2);
	other = env_hwpt(w.env->fd, iof_device_id(w.idev), w.ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(other);

	/* One group has been read, and one has not. */
	assert_ok(fake_fault(&w.dev, 3, 1, 0x1000));
	assert_ok(fake_fault(&w.dev, 3, 2, 0x2000));
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	at = nr_seen;
	assert_int_equal(env_replace(w.idev, 3, other), other);
	expect_sweep(&at, 3, 1, rec.cookie, IOF_WHY_REPLACE);
	expect_sweep(&at, 3, 2, 0, IOF_WHY_REPLACE);

	/* A group without a queue; and a group of a PASID that is not attached. */
	assert_err(fake_fault(&w.dev, 3, 3, 0x3000), EINVAL);
	expect_report(&at, 3, 3, 0x3000, IOMMU_PGFAULT_PERM_READ, true);
	expect_refuse(&at, 3, 3, IOF_WHY_NO_LISTENER);
	iof_device_detach(w.idev, 3);
	assert_err(fake_fault(&w.dev, 3, 4, 0x4000), EINVAL);
	expect_report(&at, 3, 4, 0x4000, IOMMU_PGFAULT_PERM_READ, true);
	expect_refuse(&at, 3, 4, IOF_WHY_NO_LISTENER);

	/* A page that was lost breaks its group. */
	assert_err(fake_report(&w.dev, 0, 3, 5, IOMMU_PGFAULT_PERM_READ, 0x5000), EINVAL);
	assert_err(fake_fault(&w.dev, 3, 5, 0x6000), EINVAL);
	at += 2;
	expect_refuse(&at, 3, 5, IOF_WHY_BROKEN);

	/* The device has fewer credits than pages; then there is no memory. */
	assert_int_equal(env_attach(w.idev, 3, w.hwpt), w.hwpt);
	assert_ok(fake_fault(&w.dev, 3, 6, 0x1000));
	assert_ok(fake_fault(&w.dev, 3, 7, 0x2000));
	assert_err(fake_fault(&w.dev, 0, 8, 0x3000), ENOSPC);
	at += 3;
	expect_refuse(&at, 0, 8, IOF_WHY_CREDITS);
	iof_device_detach(w.idev, 3);
	expect_sweep(&at, 3, 6, 0, IOF_WHY_DETACH);
	expect_sweep(&at, 3, 7, 0, IOF_WHY_DETACH);

	/*
	 * The last close sweeps a group that was read and one that was not; a later group is
	 * refused.
	 */
	assert_ok(fake_fault(&w.dev, 0, 1, 0x1000));
	assert_int_equal(env_read(w.q, &rec, 1), 1);
	assert_ok(fake_fault(&w.dev, 0, 2, 0x2000));
	at = nr_seen;
	env_close(w.q);
	w.q = -1;
	expect_sweep(&at, 0, 2, 0, IOF_WHY_CLOSE);
	expect_sweep(&at, 0, 1, rec.cookie, IOF_WHY_CLOSE);
	assert_err(fake_fault(&w.dev, 0, 3, 0x3000), EINVAL);
	at++;
	expect_refuse(&at, 0, 3, IOF_WHY_NO_LISTENER);
	expect_end(&at);
	traced_close(&w);
}

/* f4: a group without memory for its record is refused. */
static void without_memory_is_a_sweep_too(void **state)
{
	unsigned int at = 0;
	struct way w;

	traced_open(&w, state, 2);
	iof_fail_nth(IOF_FAIL_ALLOC, 1, true);
	assert_err(fake_fault(&w.dev, 0, 1, 0x1000), ENOMEM);
	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	expect_report(&at, 0, 1, 0x1000, IOMMU_PGFAULT_PERM_READ, true);
	expect_refuse(&at, 0, 1, IOF_WHY_MEMORY);
	traced_close(&w);
}

static void faults_that_the_core_resolves_are_responses(void **state)
{
	static char page[4096];
	unsigned int at = 0;
	const u64 *value;
	struct way w;

	traced_open(&w, state, 8);
	assert_ok(iof_device_sva_bind(w.idev, 5));
	assert_ok(fake_fault(&w.dev, 5, 1, (u64)page));
	fake_wait_all_answered(&w.dev);
	expect_report(&at, 5, 1, (u64)page, IOMMU_PGFAULT_PERM_READ, true);
	value = next_event(&at, "respond", 5, 1);
	assert_int_equal(value[3], 0);
	assert_int_equal(value[4], IOF_PAGE_SUCCESS);
	assert_ok(iof_device_sva_unbind(w.idev, 5));
	expect_end(&at);
	traced_close(&w);
}

/* The promise by which a tracer finds a lost fault: such a group has no last event. */
static void each_group_ends_in_one_respond_sweep_or_refuse(void **state)
{
	struct iommu_hwpt_pgfault rec[8];
	unsigned int i, grpid, seed = 1, ends[512] = {}, last[512] = {};
	struct way w;
	int got, j;

	traced_open(&w, state, 8);
	for (grpid = 0; grpid < 512; grpid++) {
		if (rand_r(&seed) % 4 == 0)
			(void)fake_report(&w.dev, 0, 3, grpid, 1, 0);
		(void)fake_fault(&w.dev, 3, grpid, (u64)grpid << 12);
		if (rand_r(&seed) % 8 == 0) {
			iof_device_detach(w.idev, 3);
			assert_int_equal(env_attach(w.idev, 3, w.hwpt), w.hwpt);
		}
		if (rand_r(&seed) % 2)
			continue;
		got = env_read(w.q, rec, 8);
		for (j = 0; j < got; j++) {
			if (rec[j].flags & LAST && rand_r(&seed) % 8)
				assert_ok(env_answer(w.q, rec[j].cookie, 0));
		}
	}
	iof_device_detach(w.idev, 3);
	assert_true(nr_seen <= MOST_EVENTS);
	for (i = 0; i < nr_seen; i++) {
		grpid = (u32)seen[i].value[2];
		assert_true(grpid < 512);
		if (!strcmp(seen[i].event, "report"))
			last[grpid] += seen[i].value[5];
		else if (strcmp(seen[i].event, "deliver"))
			ends[grpid]++;
	}
	for (grpid = 0; grpid < 512; grpid++) {
		assert_int_equal(last[grpid], 1);
		assert_int_equal(ends[grpid], 1);
	}
	traced_close(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_probe_is_a_nop_and_in_the_list),
		T(a_round_trip_is_told),
		T(a_devices_own_clock_is_kept),
		T(a_batch_is_told_one_by_one),
		T(a_failed_copy_is_delivered_again),
		T(sweeps_say_why),
		T(without_memory_is_a_sweep_too),
		T(faults_that_the_core_resolves_are_responses),
		T(each_group_ends_in_one_respond_sweep_or_refuse),
	};

	return cmocka_run_group_tests(tests, find_probes, NULL);
}

#else

int main(void)
{
	puts("1..0 # SKIP the arguments of probes are decoded for x86-64 only");
	return 77;
}

#endif
