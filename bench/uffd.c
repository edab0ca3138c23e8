// SPDX-License-Identifier: MIT
/*
 * uffd.c - the peer of uffd.h. Each toucher thread writes every byte of its pages, as the DMA
 * engine does. The handler fills a page from a template by UFFDIO_COPY.
 */
#include "uffd.h"
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	   4096ull
#define MOST_BATCH 64

struct run {
	const struct uffd_config *config;
	int fd, stop_fd;
	unsigned char *mem;
	pthread_barrier_t start;
	bool stop;
};

struct toucher {
	struct run *run;
	uint64_t first, count;
	uint64_t began;
	pthread_t thread;
};

static void fill(struct run *run, const struct uffd_msg *msgs, int nr)
{
	static const unsigned char template[PAGE] __attribute__((aligned(4096))) = { 1 };
	struct uffdio_range all = { (uintptr_t)run->mem, run->config->pages * PAGE };
	int i;

	for (i = 0; i < nr; i++) {
		struct uffdio_copy copy = {
			.dst = msgs[i].arg.pagefault.address & ~(PAGE - 1),
			.src = (uintptr_t) template,
			.len = PAGE,
			.mode = run->config->wake_once ? UFFDIO_COPY_MODE_DONTWAKE : 0,
		};

		if (ioctl(run->fd, UFFDIO_COPY, &copy) && errno != EEXIST)
			bench_die("UFFDIO_COPY: %s", strerror(errno));
	}
	if (run->config->wake_once)
		ioctl(run->fd, UFFDIO_WAKE, &all);
}

static void *handle(void *arg)
{
	struct run *run = arg;
	struct pollfd fds[2] = { { run->fd, POLLIN, 0 }, { run->stop_fd, POLLIN, 0 } };
	struct uffd_msg msgs[MOST_BATCH];
	ssize_t n;

	bench_pin(run->config->handler_cpu);
	while (!__atomic_load_n(&run->stop, __ATOMIC_ACQUIRE)) {
		if (!run->config->poll_busily)
			poll(fds, 2, -1);
		n = read(run->fd, msgs, run->config->batch * sizeof(msgs[0]));
		if (n > 0)
			fill(run, msgs, (int)(n / (ssize_t)sizeof(msgs[0])));
	}
	return NULL;
}

static void *touch(void *arg)
{
	struct toucher *t = arg;
	uint64_t i;

	bench_pin(t->run->config->toucher_cpu);
	pthread_barrier_wait(&t->run->start);
	t->began = bench_now();
	for (i = 0; i < t->count; i++)
		memset(t->run->mem + (t->first + i) * PAGE, 0x5a, PAGE);
	return NULL;
}

static int open_uffd(struct run *run)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	const uint64_t bytes = run->config->pages * PAGE;

	run->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (run->fd < 0)
		run->fd =
			(int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (run->fd < 0)
		return -1;
	run->mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Both sides use pages of 4 KiB. */
	madvise(run->mem, bytes, MADV_NOHUGEPAGE);
	reg.range.start = (uintptr_t)run->mem;
	reg.range.len = bytes;
	if (run->mem == MAP_FAILED || ioctl(run->fd, UFFDIO_API, &api) ||
	    ioctl(run->fd, UFFDIO_REGISTER, &reg)) {
		close(run->fd);
		return -1;
	}
	return 0;
}

uint64_t uffd_run(const struct uffd_config *config)
{
	struct run run = { .config = config };
	struct toucher touchers[config->touchers];
	const uint64_t one = 1, share = config->pages / config->touchers;
	pthread_t handler;
	uint64_t t0, ns;
	uint32_t i;

	if (open_uffd(&run))
		return 0;
	run.stop_fd = eventfd(0, EFD_CLOEXEC);
	pthread_barrier_init(&run.start, NULL, config->touchers + 1);
	pthread_create(&handler, NULL, handle, &run);
	for (i = 0; i < config->touchers; i++) {
		touchers[i] = (struct toucher){ .run = &run, .first = i * share, .count = share };
		pthread_create(&touchers[i].thread, NULL, touch, &touchers[i]);
	}
	pthread_barrier_wait(&run.start);
	for (i = 0; i < config->touchers; i++)
		pthread_join(touchers[i].thread, NULL);
	ns = bench_now();
	/* The touchers may start before this thread runs again, so each records its start. */
	t0 = touchers[0].began;
	for (i = 1; i < config->touchers; i++)
		t0 = touchers[i].began < t0 ? touchers[i].began : t0;
	ns -= t0;

	__atomic_store_n(&run.stop, true, __ATOMIC_RELEASE);
	if (write(run.stop_fd, &one, sizeof(one)) < 0)
		bench_die("eventfd: %s", strerror(errno));
	pthread_join(handler, NULL);
	pthread_barrier_destroy(&run.start);
	close(run.stop_fd);
	close(run.fd);
	munmap(run.mem, config->pages * PAGE);
	return ns;
}
