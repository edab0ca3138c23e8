// SPDX-License-Identifier: MIT
/*
 * faults.c - the latency of a device's page fault and the faults handled per second, beside
 * userfaultfd.
 *
 * Both sides fault in the same number of pages, each page once. A handler on one CPU fills each
 * page with 4 KiB from a template; then the faulting engine or thread, on another CPU, writes all
 * of it. Our side is a DMA engine (MEMFILL) and <iofault/handler.h>; with k descriptors, k faults
 * are outstanding. The peer has threads that touch memory. It is also measured in its other
 * configurations, and its best one is its row.
 */
#include "common.h"
#include "nested.h"
#include "uffd.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PAGES 16384u
#define BATCH 64u

static int engine_cpu = 0, handler_cpu = 1;

static void fill_and_enter_one(struct nested *n, uint64_t addr)
{
	static const unsigned char template[NESTED_PAGE] __attribute__((aligned(4096))) = { 1 };
	uint64_t page = (addr - NESTED_WINDOW) / NESTED_PAGE;

	memcpy(n->frames + page * NESTED_PAGE, template, NESTED_PAGE);
	nested_enter(n, page);
}

static int fill_and_enter(void *arg, struct iof_fault_group *groups, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		fill_and_enter_one(arg, groups[i].pages->addr);
		groups[i].response = IOF_SUCCESS;
	}
	return 0;
}

/* ---- a client of the ABI alone, in an event loop ---- */

struct raw {
	struct nested *n;
	int over; /* eventfd; a write ends the handler thread */
};

static void serve_all(struct nested *n)
{
	struct iommu_hwpt_page_response resp[BATCH];
	struct iommu_hwpt_pgfault rec[BATCH];
	ssize_t got;

	while ((got = iof_read(n->fault_fd, rec, sizeof(rec))) > 0) {
		uint32_t nr = got / sizeof(rec[0]);

		for (uint32_t i = 0; i < nr; i++) {
			fill_and_enter_one(n, rec[i].addr);
			resp[i] = (struct iommu_hwpt_page_response){
				.cookie = rec[i].cookie,
				.code = IOMMUFD_PAGE_RESP_SUCCESS,
			};
		}
		if (iof_write(n->fault_fd, resp, nr * sizeof(resp[0])) < 0)
			bench_die("a response was rejected");
	}
}

static void *raw_client(void *arg)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = 1 };
	struct epoll_event end = { .events = EPOLLIN };
	struct raw *raw = arg;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, raw->n->fault_fd, &event) ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, raw->over, &end))
		bench_die("epoll: %s", strerror(errno));
	while (epoll_wait(ep, &event, 1, -1) < 1 || event.data.fd)
		serve_all(raw->n);
	close(ep);
	return NULL;
}

/* @outstanding descriptors share the window; returns the time until all are complete. */
static uint64_t our_run(struct nested *n, uint32_t outstanding)
{
	struct dsa_hw_desc *desc = calloc(outstanding, sizeof(*desc));
	const uint32_t share = PAGES / outstanding;
	uint64_t t0, ns;
	uint32_t i;

	nested_clear(n);
	memset(n->records, 0, outstanding * sizeof(*n->records));
	for (i = 0; i < outstanding; i++) {
		desc[i].opcode = DSA_OPCODE_MEMFILL;
		desc[i].flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR |
				IDXD_OP_FLAG_RCI;
		desc[i].pattern = 0x5a5a5a5a5a5a5a5aull;
		desc[i].dst_addr = NESTED_WINDOW + i * share * NESTED_PAGE;
		desc[i].xfer_size = share * NESTED_PAGE;
		desc[i].completion_addr = nested_record_iova(n, i);
	}
	t0 = bench_now();
	nested_submit(n, desc, outstanding);
	nested_wait(n, outstanding);
	ns = bench_now() - t0;
	free(desc);
	return ns;
}

static double median_run(struct nested *n, uint32_t outstanding)
{
	double ns[BENCH_RUNS];
	int i;

	our_run(n, outstanding); /* warm-up run */
	for (i = 0; i < BENCH_RUNS; i++)
		ns[i] = (double)our_run(n, outstanding) / PAGES;
	return bench_median(ns, BENCH_RUNS);
}

/* Returns the median ns of a fault with a client that waits in epoll and uses no library. */
static double ours_raw(uint32_t outstanding)
{
	const struct nested_config config = {
		.pages = PAGES, .credits = 2 * BATCH, .engines = 1, .engine_cpu = engine_cpu
	};
	struct nested n;
	struct raw raw = { .n = &n, .over = eventfd(0, EFD_CLOEXEC) };
	uint64_t one = 1;
	pthread_t thread;
	double ns;

	nested_open(&n, &config);
	bench_pin(handler_cpu);
	if (raw.over < 0 || pthread_create(&thread, NULL, raw_client, &raw))
		bench_die("a thread cannot be created");
	bench_pin(engine_cpu);
	ns = median_run(&n, outstanding);
	if (write(raw.over, &one, sizeof(one)) != sizeof(one))
		bench_die("eventfd: %s", strerror(errno));
	pthread_join(thread, NULL);
	close(raw.over);
	nested_close(&n);
	bench_pin(-1);
	return ns;
}

/* Returns the processor time of this process in ns. */
static double processor_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/*
 * Returns the median ns of a fault of our side. *@processor, if not NULL: the processor time of a
 * fault in ns, of device and handler together.
 */
static double ours_threads(uint32_t threads, uint32_t outstanding, uint32_t spin_us, bool pinned,
			   double *processor)
{
	const struct nested_config config = { .pages = PAGES,
					      .credits = 2 * BATCH,
					      .engines = 1,
					      .engine_cpu = pinned ? engine_cpu : -1 };
	struct iof_handler_config hc = { .threads = threads,
					 .batch = BATCH,
					 .spin_us = spin_us,
					 .flags = IOF_HANDLER_NO_LATENCY,
					 .faults = fill_and_enter };
	struct iof_handler *handler;
	struct nested n;
	double ns, spent;
	int rc;

	nested_open(&n, &config);
	hc.fault_fd = n.fault_fd;
	hc.arg = &n;
	bench_pin(pinned ? handler_cpu : -1);
	rc = iof_handler_open(&hc, &handler);
	bench_pin(pinned ? engine_cpu : -1);
	if (rc)
		bench_die("iof_handler_open: %s", strerror(-rc));
	spent = processor_ns();
	ns = median_run(&n, outstanding);
	if (processor)
		*processor = (processor_ns() - spent) / ((BENCH_RUNS + 1) * (double)PAGES);
	iof_handler_stop(handler);
	iof_handler_wait(handler);
	iof_handler_close(handler);
	nested_close(&n);
	bench_pin(-1);
	return ns;
}

static double ours(uint32_t outstanding, uint32_t spin_us, bool pinned)
{
	return ours_threads(1, outstanding, spin_us, pinned, NULL);
}

static double peer(const struct uffd_config *config)
{
	double ns[BENCH_RUNS];
	int i;

	for (i = 0; i < BENCH_RUNS; i++) {
		ns[i] = (double)uffd_run(config) / PAGES;
		if (!ns[i])
			bench_die("userfaultfd is not available (%s); without the peer there is "
				  "no figure: run as root, or set vm.unprivileged_userfaultfd=1",
				  strerror(errno));
	}
	return bench_median(ns, BENCH_RUNS);
}

/* Measures one placement: the handler and the faulting thread on two CPUs, or both on one. */
static void sleeping_round_trip(const char *where, int cpu, double limit)
{
	const struct uffd_config config = { .pages = PAGES,
					    .touchers = 1,
					    .batch = 1,
					    .toucher_cpu = engine_cpu,
					    .handler_cpu = cpu };
	double our, uffd;
	char name[80];

	handler_cpu = cpu;
	uffd = peer(&config);
	our = ours(1, 0, true);
	snprintf(name, sizeof(name), "iofault, handler sleeps, %s", where);
	bench_row(name, our, "ns");
	snprintf(name, sizeof(name), "userfaultfd, handler sleeps, %s", where);
	bench_row(name, uffd, "ns");
	snprintf(name, sizeof(name), "round trip, sleeping handlers, %s, / userfaultfd", where);
	bench_at_most(name, our / uffd, limit);
}

static void round_trips(void)
{
	struct uffd_config busy = { .pages = PAGES,
				    .touchers = 1,
				    .batch = 1,
				    .poll_busily = true,
				    .toucher_cpu = engine_cpu,
				    .handler_cpu = 1 };
	double our, uffd;

	puts("round trip of one fault: request, handler fills 4 KiB, resume");
	sleeping_round_trip("two processors", 1, 0.06);
	sleeping_round_trip("one processor", engine_cpu, 1.0);
	handler_cpu = 1;
	uffd = peer(&busy);
	our = ours(1, IOF_HANDLER_BUSY, true);
	bench_row("iofault, handler polls", our, "ns");
	bench_row("userfaultfd, handler polls", uffd, "ns");
	bench_at_most("round trip, polling handlers, / userfaultfd", our / uffd, 0.5);
}

static void throughput(void)
{
	static const struct {
		const char *name;
		uint32_t touchers;
		bool busy, wake_once, spread;
	} rows[] = {
		{ "userfaultfd, 64 threads, like ours", 64, true, false, false },
		{ "userfaultfd, 64 threads, one wake per batch", 64, true, true, false },
		{ "userfaultfd, 64 threads, sleeping handler", 64, false, false, false },
		{ "userfaultfd, 64 threads, on any processor", 64, true, false, true },
		{ "userfaultfd, 4 threads", 4, true, false, false },
		{ "userfaultfd, 1 thread", 1, true, false, false },
		{ "userfaultfd, 64 threads, sleeping, one processor for all", 64, false, true,
		  false },
	};
	double our, best = 0, like = 0, rate;
	size_t i;

	puts("faults per second, 64 outstanding, read and answered in batches of 64");
	our = 1e9 / ours(BATCH, IOF_HANDLER_BUSY, true);
	bench_row("iofault, 64 descriptors", our / 1e6, "M/s");
	bench_row("the same, epoll client without the library", 1e3 / ours_raw(BATCH), "M/s");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uffd_config config = {
			.pages = PAGES,
			.touchers = rows[i].touchers,
			.batch = rows[i].touchers,
			.poll_busily = rows[i].busy,
			.wake_once = rows[i].wake_once,
			.toucher_cpu = rows[i].spread ? -1 : engine_cpu,
			.handler_cpu = rows[i].spread ? -1 : handler_cpu,
		};

		if (i == sizeof(rows) / sizeof(rows[0]) - 1)
			config.handler_cpu = engine_cpu;
		rate = 1e9 / peer(&config);
		bench_row(rows[i].name, rate / 1e6, "M/s");
		if (!i)
			like = rate;
		if (rate > best)
			best = rate;
	}
	bench_at_least("faults per second, / userfaultfd like ours", our / like, 10.0);
	bench_at_least("faults per second, / userfaultfd's best row", our / best, 10.0);
}

/* More threads than faults need must not be in each other's way. */
static void many_handlers(void)
{
	double rate[2][BENCH_RUNS], spent[2][BENCH_RUNS], r[2], p[2];
	int i, k;

	for (i = 0; i < BENCH_RUNS; i++) {
		for (k = 0; k < 2; k++)
			rate[k][i] = 1e3 / ours_threads(k ? 8 : 1, BATCH, 0, false, &spent[k][i]);
	}
	for (k = 0; k < 2; k++) {
		r[k] = bench_median(rate[k], BENCH_RUNS);
		p[k] = bench_median(spent[k], BENCH_RUNS);
	}
	puts("faults per second, 64 outstanding, handlers that sleep, on any processor");
	bench_row("1 thread", r[0], "M/s");
	bench_row("8 threads on one queue", r[1], "M/s");
	bench_row("processor time of a fault, 1 thread", p[0], "ns");
	bench_row("processor time of a fault, 8 threads on one queue", p[1], "ns");
	bench_at_least("faults per second, 8 handler threads / 1", r[1] / r[0], 0.95);
	bench_at_most("processor time of a fault, 8 handler threads / 1", p[1] / p[0], 1.1);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "ours")) {
		bench_row("iofault, 64 descriptors", 1e3 / ours(BATCH, IOF_HANDLER_BUSY, true),
			  "M/s");
		bench_row("the same, epoll client without the library", 1e3 / ours_raw(BATCH),
			  "M/s");
		return 0;
	}
	if (bench_cpus() < 2)
		bench_die("these figures need two processors");
	if (argc > 1 && !strcmp(argv[1], "many")) {
		many_handlers();
		return 0;
	}
	round_trips();
	throughput();
	many_handlers();
	return 0;
}
