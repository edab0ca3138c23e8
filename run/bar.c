// SPDX-License-Identifier: MIT
/*
 * bar.c - registers in mapped memory: BAR 0 of the ATS test devices.
 *
 * A program maps a file of ours, and so does the broker: both map the same page of the page cache.
 * A store into it raises no event, so that a thread polls the page while a device is bound. It
 * polls at short intervals first, and at longer ones when nothing happens. It passes a started
 * transfer to the server, and clears the RUN bit when the transfer ends. The server never touches
 * the mapping: to touch a page of its own file system, it would have to wait for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "private.h"

#define BAR_SIZE 4096
#define RUN	 1u
#define QUICK_NS 20000
#define SLOW_NS	 500000
/* number of polls at the short interval, which last half a second or more */
#define QUICK_LOOKS 20000

struct mapped_bar {
	int fd;
	void *map;	      /* mapping of the page; NULL: not mapped yet */
	bool watched;	      /* a thread polls it */
	unsigned int binding; /* number of bindings so far */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapped_bar bars[IOF_RUN_MAX_DEVICES]; /* one for each device, under lock */

struct bar_watch {
	struct iof_run *run;
	struct mapped_bar *bar;
	struct iof_run_call call;
};

static uint32_t *command_of(const struct mapped_bar *bar)
{
	return (uint32_t *)((char *)bar->map + 8);
}

/*
 * Asks the server for the command register; with @start, starts a transfer. Returns 0, or -ENODEV.
 */
static int ask(struct bar_watch *watch, bool start, uint32_t *cmd)
{
	struct iof_run_bar bar = { .start = start, .cmd = *cmd };
	struct iof_run_call *call = &watch->call;

	memset(call, 0, offsetof(struct iof_run_call, data));
	bar.addr = __atomic_load_n((uint64_t *)watch->bar->map, __ATOMIC_RELAXED);
	call->token = watch->run->token;
	call->cmd = IOF_RUN_CMD_BAR;
	call->size = sizeof(bar);
	memcpy(call->data, &bar, sizeof(bar));
	if (ioctl(watch->bar->fd, IOF_RUN_CALL, call))
		return -errno;
	memcpy(&bar, call->data, sizeof(bar));
	*cmd = bar.cmd;
	return call->result;
}

static void pause_for(long ns)
{
	struct timespec time = { .tv_nsec = ns };

	nanosleep(&time, NULL);
}

/*
 * Runs one transfer, from the RUN bit in memory to its end. Returns false if the device is probably
 * no longer bound. A later bind clears the registers, and the old transfer is dropped.
 */
static bool transfer(struct bar_watch *watch)
{
	struct mapped_bar *bar = watch->bar;
	unsigned int looks = 0, binding;
	uint32_t cmd;
	int rc = 0;

	pthread_mutex_lock(&lock);
	binding = bar->binding;
	cmd = __atomic_load_n(command_of(bar), __ATOMIC_ACQUIRE);
	if (cmd & RUN)
		rc = ask(watch, true, &cmd);
	pthread_mutex_unlock(&lock);
	while (!rc && cmd & RUN) {
		pause_for(looks++ < 100 ? QUICK_NS : SLOW_NS);
		pthread_mutex_lock(&lock);
		rc = bar->binding == binding ? ask(watch, false, &cmd) : -EINTR;
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	if (bar->binding == binding)
		__atomic_fetch_and(command_of(bar), ~RUN, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return !rc;
}

/*
 * Is the device still bound, so that polling continues? If not, the next bind finds no polling
 * thread, and starts one.
 */
static bool still_bound(struct bar_watch *watch)
{
	uint32_t cmd = 0;
	bool bound;

	pthread_mutex_lock(&lock);
	bound = !ask(watch, false, &cmd);
	watch->bar->watched = bound;
	pthread_mutex_unlock(&lock);
	return bound;
}

static void *watch_bar(void *arg)
{
	struct bar_watch *watch = arg;
	unsigned int idle = 0;

	prctl(PR_SET_TIMERSLACK, 1000);
	for (;;) {
		bool asked = false;

		if (__atomic_load_n(command_of(watch->bar), __ATOMIC_ACQUIRE) & RUN) {
			idle = 0;
			asked = !transfer(watch);
		} else {
			pause_for(idle < QUICK_LOOKS ? QUICK_NS : SLOW_NS);
			asked = !(++idle % 1000);
		}
		if (asked && !still_bound(watch))
			break;
	}
	free(watch);
	return NULL;
}

/* The broker's own file must not keep the device from being unbound. */
static void disclaim(struct iof_run *run, int fd)
{
	struct iof_run_call *call = calloc(1, sizeof(*call));

	if (!call)
		return;
	call->token = run->token;
	call->cmd = IOF_RUN_CMD_MINE;
	ioctl(fd, IOF_RUN_CALL, call);
	free(call);
}

/* Maps the page of a device. Called with the lock held. */
static bool map_bar(struct iof_run *run, struct mapped_bar *bar, unsigned int device)
{
	char name[24];

	snprintf(name, sizeof(name), "vfio%u", device);
	bar->fd = openat(run->tree, name, O_RDWR | O_CLOEXEC);
	if (bar->fd < 0)
		return false;
	bar->map = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, bar->fd, 0);
	if (bar->map != MAP_FAILED) {
		disclaim(run, bar->fd);
		return true;
	}
	bar->map = NULL;
	close(bar->fd);
	return false;
}

static bool is_ours(struct iof_run *run, unsigned int device)
{
	return device < run->config->nr_devices &&
	       run->config->devices[device].kind == IOF_RUN_ATS_TEST;
}

void iof_run_bar_before_bind(struct iof_run *run, unsigned int device)
{
	struct mapped_bar *bar = &bars[device];
	struct bar_watch watch = { .run = run, .bar = bar };
	uint32_t cmd = 0;
	int i;

	if (!is_ours(run, device))
		return;
	pthread_mutex_lock(&lock);
	if (!bar->map && !map_bar(run, bar, device))
		return;
	/* another descriptor has bound the device: the call will fail */
	if (ask(&watch, false, &cmd) != -ENODEV)
		return;
	bar->binding++;
	/* The thread of the previous binding may still poll. */
	for (i = 0; i < 4; i++)
		__atomic_store_n((uint32_t *)bar->map + i, 0, __ATOMIC_RELEASE);
}

void iof_run_bar_after_bind(struct iof_run *run, unsigned int device, bool bound)
{
	struct mapped_bar *bar = &bars[device];
	struct bar_watch *watch;
	pthread_t thread;

	if (!is_ours(run, device))
		return;
	if (bound && bar->map && !bar->watched) {
		watch = calloc(1, sizeof(*watch));
		if (watch) {
			watch->run = run;
			watch->bar = bar;
			bar->watched = !pthread_create(&thread, NULL, watch_bar, watch);
			if (bar->watched)
				pthread_detach(thread);
			else
				free(watch);
		}
	}
	pthread_mutex_unlock(&lock);
}
