// SPDX-License-Identifier: MIT
/*
 * poll.c - poll(2) over descriptors of both kinds.
 *
 * If all descriptors are of the world, or none, the call goes directly to the world's own poll, or
 * the system's. A mixed set is checked entry by entry. If none is ready, the system's poll sleeps
 * on all, since the eventfd behind a descriptor of the world is readable exactly while the
 * descriptor is. An eventfd cannot signal "writable" in the same way: a mixed poll for that checks
 * at intervals (WRITABLE_LOOK_MS).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iofault/iofault.h>

#include "forked.h"
#include "shim/sys.h"

#define FEW		 16 /* number of entries that need no allocation */
#define WRITABLE_LOOK_MS 1
#define IN		 (POLLIN | POLLRDNORM)
#define OUT		 (POLLOUT | POLLWRNORM)

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static int system_poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	int saved = errno;
	int rc = poll(fds, nfds, timeout);

	if (rc < 0)
		rc = -errno;
	errno = saved;
	return rc;
}

/* Checks each descriptor of the world. Returns the number of ready ones. */
static int ask_ours(struct pollfd *fds, const char *ours, nfds_t nfds)
{
	int ready = 0;

	for (nfds_t i = 0; i < nfds; i++) {
		int revents;

		if (!ours[i])
			continue;
		revents = iof_sys_poll(fds[i].fd, fds[i].events);
		fds[i].revents = revents < 0 ? POLLNVAL : revents;
		ready += !!fds[i].revents;
	}
	return ready;
}

/*
 * One iteration: checks readiness, or else sleeps at most @timeout. @sys is scratch space. Returns
 * the number of ready entries; 0 may also mean "check again".
 */
static int turn(struct pollfd *fds, struct pollfd *sys, const char *ours, nfds_t nfds, int timeout)
{
	int ready = ask_ours(fds, ours, nfds);
	int rc;

	for (nfds_t i = 0; i < nfds; i++) {
		sys[i] = fds[i];
		if (!ours[i])
			continue;
		sys[i].events = fds[i].events & IN;
		if (fds[i].events & OUT && (timeout < 0 || timeout > WRITABLE_LOOK_MS))
			timeout = WRITABLE_LOOK_MS;
	}
	rc = system_poll(sys, nfds, ready ? 0 : timeout);
	if (rc < 0)
		return rc;
	for (nfds_t i = 0; i < nfds; i++) {
		if (ours[i])
			continue;
		fds[i].revents = sys[i].revents;
		ready += !!fds[i].revents;
	}
	return ready;
}

static int poll_mixed(struct pollfd *fds, struct pollfd *sys, const char *ours, nfds_t nfds,
		      int timeout)
{
	long long end = timeout > 0 ? now_ms() + timeout : 0;
	int left = timeout;

	for (;;) {
		int rc = turn(fds, sys, ours, nfds, left);

		if (rc || !timeout)
			return rc;
		if (timeout > 0) {
			long long rest = end - now_ms();

			if (rest <= 0)
				return turn(fds, sys, ours, nfds, 0);
			left = (int)rest;
		}
	}
}

int iof_poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	struct pollfd few_sys[FEW], *sys = few_sys;
	char few_ours[FEW], *ours = few_ours;
	nfds_t nr_ours = 0, nr_valid = 0;
	bool left = false;
	int rc;

	if (nfds > FEW) {
		/* poll(2) returns the error for a number above any limit of open files. */
		if (nfds > 1u << 20)
			return -EINVAL;
		sys = malloc(nfds * (sizeof(*sys) + 1));
		if (!sys)
			return -ENOMEM;
		ours = (char *)(sys + nfds);
	}
	for (nfds_t i = 0; i < nfds; i++) {
		if (iof_user_left(fds[i].fd))
			left = true;
		ours[i] = fds[i].fd >= 0 && iof_sys_owns(fds[i].fd);
		nr_ours += ours[i];
		nr_valid += fds[i].fd >= 0;
	}
	if (left)
		rc = -ECHILD;
	else if (!nr_ours)
		rc = system_poll(fds, nfds, timeout);
	else if (nr_ours == nr_valid)
		rc = iof_sys_pollv(fds, nfds, timeout);
	else
		rc = -EBADF;
	/* The set is mixed, or another thread has just closed one of its descriptors. */
	if (rc == -EBADF)
		rc = poll_mixed(fds, sys, ours, nfds, timeout);
	if (sys != few_sys)
		free(sys);
	return rc;
}
