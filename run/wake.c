// SPDX-License-Identifier: MIT
/*
 * wake.c - notifies the kernel when a polled file has become ready.
 *
 * Readable: each event writes the eventfd behind a descriptor of ours: the file became readable, or
 * another record arrived. One thread waits for all of them, edge-triggered. It sends as many
 * wake-ups as there were events, so that as many of the program's exclusive waiters wake. A call
 * that makes a file ready sends the wake-ups before it returns (iof_run_wake_settle()), as in a
 * kernel. Writable: an eventfd cannot signal it; a second thread sleeps in the system's own poll
 * for the pollers of writable files.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "server.h"
#include "shim/sys.h"

#define MAX_WRITABLE 256

static struct {
	struct iof_run *run;
	int epoll;
	bool watched; /* atomic: at least one file was added */
	/* held from an event to the notification of the kernel */
	pthread_mutex_t telling;
	struct watch {
		uint64_t kh;
		uint64_t told; /* number of events notified so far, of iof_sys_events() */
	} * readable;	       /* indexed by descriptor, under telling */
	size_t nr_readable;    /* number of entries, under telling */
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct iof_sys_thread *sleeper; /* thread that polls, under lock */
	unsigned int nr;		/* number of entries, under lock */
	struct {
		int fd;
		uint64_t kh;
	} writable[MAX_WRITABLE]; /* polled files that wait to be writable, under lock */
} wake = { .telling = PTHREAD_MUTEX_INITIALIZER,
	   .lock = PTHREAD_MUTEX_INITIALIZER,
	   .some = PTHREAD_COND_INITIALIZER };

/* Wakes the pollers of the file with this kernel handle. */
static void wake_pollers(uint64_t kh)
{
	struct fuse_notify_poll_wakeup_out out = { .kh = kh };
	struct fuse_out_header head = {
		.len = sizeof(head) + sizeof(out),
		.error = FUSE_NOTIFY_POLL,
	};
	struct iovec iov[] = { { &head, sizeof(head) }, { &out, sizeof(out) } };
	ssize_t done = writev(wake.run->fuse, iov, 2);

	(void)done;
}

/* Sends one wake-up for each event not notified yet. Called with telling held. */
static void tell_events(int fd)
{
	struct watch *watch = &wake.readable[fd];
	uint64_t events = iof_sys_events(fd);

	for (; watch->told < events; watch->told++)
		wake_pollers(watch->kh);
}

static void tell_readable(void)
{
	struct epoll_event events[64];
	int n;

	pthread_mutex_lock(&wake.telling);
	do {
		n = epoll_wait(wake.epoll, events, 64, 0);
		for (int i = 0; i < n; i++)
			tell_events(events[i].data.fd);
	} while (n == 64);
	pthread_mutex_unlock(&wake.telling);
}

void iof_run_wake_settle(void)
{
	if (__atomic_load_n(&wake.watched, __ATOMIC_RELAXED))
		tell_readable();
}

static void *watch_readable(void *arg)
{
	struct pollfd some = { .fd = wake.epoll, .events = POLLIN };

	(void)arg;
	for (;;)
		if (poll(&some, 1, -1) > 0)
			tell_readable();
	return NULL;
}

/*
 * Removes the entries that are ready or gone, and wakes their pollers. Called with the lock held.
 */
static void tell_writable(const struct pollfd *fds, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (!fds[i].revents)
			continue;
		for (unsigned int j = 0; j < wake.nr; j++) {
			if (wake.writable[j].fd != fds[i].fd)
				continue;
			wake_pollers(wake.writable[j].kh);
			wake.writable[j--] = wake.writable[--wake.nr];
		}
	}
}

static void *watch_writable(void *arg)
{
	struct pollfd fds[MAX_WRITABLE];
	unsigned int nr;
	int rc;

	(void)arg;
	pthread_mutex_lock(&wake.lock);
	wake.sleeper = iof_sys_thread_hold();
	for (;;) {
		while (!wake.nr)
			pthread_cond_wait(&wake.some, &wake.lock);
		nr = wake.nr;
		for (unsigned int i = 0; i < nr; i++)
			fds[i] = (struct pollfd){ .fd = wake.writable[i].fd, .events = POLLOUT };
		pthread_mutex_unlock(&wake.lock);
		rc = iof_sys_pollv(fds, nr, -1);
		pthread_mutex_lock(&wake.lock);
		if (rc > 0)
			tell_writable(fds, nr);
		else if (rc == -EBADF)
			for (unsigned int i = 0; i < wake.nr; i++)
				if (!iof_sys_owns(wake.writable[i].fd))
					wake.writable[i--] = wake.writable[--wake.nr];
	}
	return NULL;
}

void iof_run_wake_init(struct iof_run *run)
{
	pthread_t thread;

	wake.run = run;
	wake.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (wake.epoll < 0 || pthread_create(&thread, NULL, watch_readable, NULL) ||
	    pthread_create(&thread, NULL, watch_writable, NULL))
		iof_run_die(run, "a thread cannot be started");
}

/* Makes room for descriptor @fd in the array. Called with telling held. */
static bool make_room(int fd)
{
	size_t nr = (size_t)fd + 64;
	struct watch *more;

	if ((size_t)fd < wake.nr_readable)
		return true;
	more = realloc(wake.readable, nr * sizeof(*more));
	if (!more)
		return false;
	wake.readable = more;
	wake.nr_readable = nr;
	return true;
}

void iof_run_wake_on_readable(int fd, uint64_t kh)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	iof_sys_set_readiness(fd, true);
	__atomic_store_n(&wake.watched, true, __ATOMIC_RELAXED);
	pthread_mutex_lock(&wake.telling);
	/*
	 * EEXIST: an earlier poll of the same file added it. The first poll itself reports whether
	 * it is readable.
	 */
	if (make_room(fd) && !epoll_ctl(wake.epoll, EPOLL_CTL_ADD, fd, &event))
		wake.readable[fd] = (struct watch){ .kh = kh, .told = iof_sys_events(fd) };
	pthread_mutex_unlock(&wake.telling);
}

void iof_run_wake_on_writable(int fd, uint64_t kh)
{
	unsigned int i;

	pthread_mutex_lock(&wake.lock);
	for (i = 0; i < wake.nr && wake.writable[i].fd != fd; i++)
		;
	if (i == wake.nr && i < MAX_WRITABLE) {
		wake.writable[i].fd = fd;
		wake.writable[i].kh = kh;
		wake.nr++;
		pthread_cond_signal(&wake.some);
		if (wake.sleeper)
			iof_sys_thread_interrupt(wake.sleeper);
	}
	pthread_mutex_unlock(&wake.lock);
}

void iof_run_wake_forget(int fd)
{
	epoll_ctl(wake.epoll, EPOLL_CTL_DEL, fd, NULL);
	pthread_mutex_lock(&wake.lock);
	for (unsigned int i = 0; i < wake.nr; i++) {
		if (wake.writable[i].fd != fd)
			continue;
		wake.writable[i--] = wake.writable[--wake.nr];
		if (wake.sleeper)
			iof_sys_thread_interrupt(wake.sleeper);
	}
	pthread_mutex_unlock(&wake.lock);
}
