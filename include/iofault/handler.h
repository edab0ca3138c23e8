/* SPDX-License-Identifier: MIT */
/*
 * handler.h - reads page faults from a fault queue, asks your callback, writes the answers.
 *
 * A handler serves one fault descriptor (out_fault_fd of IOMMU_FAULT_QUEUE_ALLOC), of the embedded
 * world or of Linux. It reads many records at once, rebuilds the page-request groups, calls back
 * once for each group (or once for each batch of groups) and writes all answers of a batch with one
 * write. It owns neither the descriptor nor any page table: making the pages present is the
 * callback's part.
 *
 * - Exactly one answer for each group: now, by what the callback returns, or later, from any
 *   thread.
 * - One thread, several, or none: then your event loop waits for iof_handler_fd() and calls
 *   iof_handler_run_once().
 * - A callback that fails answers INVALID and is counted; it never stops the handler.
 * - Waiting is poll(2) with one eventfd to end it; no io_uring is involved.
 *
 * All functions may be called from any thread and return a negative errno on failure, unless they
 * say otherwise. In a child of the process that opened the handler (fork(2), daemon(3)) each fails
 * with -ECHILD: its threads are the parent's.
 */
#ifndef IOFAULT_HANDLER_H
#define IOFAULT_HANDLER_H

#include <stddef.h>
#include <stdint.h>

#include <iofault/histogram.h>
#include <iofault/iommufd.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iof_handler;

/* What becomes of a group. The first two are the codes that travel to the device. */
enum iof_response {
	IOF_SUCCESS = IOMMUFD_PAGE_RESP_SUCCESS, /* the pages are there: the device tries again */
	IOF_INVALID = IOMMUFD_PAGE_RESP_INVALID, /* there are no such pages: the device gives up */
	IOF_LATER = 2,				 /* iof_handler_respond() will be called */
};

/*
 * One page-request group. It and its records belong to the handler and are gone when the callback
 * returns; who answers later keeps the cookie, or a copy by iof_fault_group_copy().
 */
struct iof_fault_group {
	const struct iommu_hwpt_pgfault *pages;	/* in order of arrival; the last has LAST_PAGE */
	uint32_t nr_pages;			/* at least 1 */
	uint32_t cookie;			/* names the group in iof_handler_respond() */
	uint32_t dev_id;			/* the device that asks */
	uint32_t pasid;				/* and its PASID; 0: a request without one */
	int response;				/* of the batch callback; preset to IOF_INVALID */
};

enum iof_handler_flags {
	/*
	 * What iof_handler_close() leaves open. Without this flag, groups answered LATER and not
	 * yet answered, and groups that wait unread, are answered INVALID. With it they stay open,
	 * for another reader of the same descriptor.
	 */
	IOF_HANDLER_LEAVE_OPEN = 1 << 0,
	/* No clock is read: the latency histogram stays empty. */
	IOF_HANDLER_NO_LATENCY = 1 << 1,
};

/* Of spin_us: never sleep. While such a handler runs nobody else can wait on the descriptor. */
#define IOF_HANDLER_BUSY UINT32_MAX

/* Zero is the default of every member but the callbacks, one of which must be there. */
struct iof_handler_config {
	int fault_fd;		/* borrowed until iof_handler_close() has returned */
	uint32_t threads;	/* that the handler starts, at most 256; 0: the caller runs it */
	uint32_t batch;		/* groups of one page for one read; default 64, at most 65536 */
	uint32_t spin_us;	/* go on reading an empty queue for so long before sleeping */
	uint32_t flags;		/* enum iof_handler_flags */

	/*
	 * Decides one group: an enum iof_response, or a negative errno, which answers INVALID, is
	 * remembered, and goes to @error. Called from all of the handler's threads at once. It may
	 * take as long as it wants, and may call iof_handler_respond() and iof_handler_stop().
	 */
	int (*fault)(void *arg, const struct iof_fault_group *group);

	/*
	 * Instead of @fault, if not NULL: decides all @nr groups of a batch by setting @response of
	 * each.
	 * 0, or a negative errno, which is remembered and goes to @error; the answers set by then
	 * stand.
	 */
	int (*faults)(void *arg, struct iof_fault_group *groups, uint32_t nr);

	/*
	 * If there, told of each error: @err is a negative errno; @group is the group whose
	 * callback failed, or NULL when reading or writing the descriptor failed, which stops the
	 * handler.
	 */
	void (*error)(void *arg, int err, const struct iof_fault_group *group);

	void *arg;		/* first argument of all three */
};

struct iof_handler_stats {
	uint64_t faults;	/* records read */
	uint64_t groups;	/* groups read */
	uint64_t batches;	/* reads that brought something */
	uint64_t success;	/* groups answered SUCCESS */
	uint64_t invalid;	/* groups answered INVALID, for whatever reason */
	uint64_t deferred;	/* groups whose callback said LATER */
	uint64_t open;		/* of those, not answered now */
	uint64_t late;		/* answers refused: the core was first, or no such cookie */
	uint64_t failed;	/* callbacks that returned an error or nonsense */
	uint64_t sleeps;	/* times that a thread went to sleep on an empty queue */
	struct iof_histogram latency;	/* ns from read to written answer; without the LATER ones */
};

/**
 * iof_handler_open() - open a handler and start its threads
 * @config: what it serves, and how
 * @out: set to the result
 *
 * Opens a handler on @config->fault_fd and starts its threads, if any. Signals are blocked in them.
 *
 * -EINVAL: no callback, an unknown flag, a negative descriptor, a number out of range
 *
 * -ENOMEM, -EAGAIN, -EMFILE: memory, threads, descriptors
 *
 * Return: 0 or a negative errno.
 */
int iof_handler_open(const struct iof_handler_config *config, struct iof_handler **out);

/**
 * iof_handler_stop() - ask a handler to end
 * @handler: the handler
 *
 * Asks the handler to end, and returns at once: threads finish the batch they hold (its answers are
 * written) and go; iof_handler_run() returns. May be called as often as one likes, from a callback
 * and from a signal handler too.
 */
void iof_handler_stop(struct iof_handler *handler);

/**
 * iof_handler_wait() - wait until a handler's threads have ended
 * @handler: the handler
 *
 * Waits until the handler's threads have ended, after iof_handler_stop() or after an error of the
 * descriptor. 0 or the first error of the descriptor; -EDEADLK from a thread of the handler.
 *
 * Return: 0, the first error of the descriptor, or -EDEADLK from a thread of the handler.
 */
int iof_handler_wait(struct iof_handler *handler);

/**
 * iof_handler_close() - end and free a handler
 * @handler: the handler
 *
 * Stops, waits, answers INVALID what is open (but see IOF_HANDLER_LEAVE_OPEN) and frees. No other
 * call on the handler may be under way or follow. Stop the device, or detach it, before: what it
 * asks after this is read by nobody. Returns the first error since iof_handler_open(), of a
 * callback or of the descriptor, or 0; -EDEADLK from a thread of the handler, and nothing is freed.
 *
 * Return: 0, the first error since iof_handler_open(), or -EDEADLK from a thread of the handler.
 */
int iof_handler_close(struct iof_handler *handler);

/**
 * iof_handler_respond() - respond to a group whose callback returned IOF_LATER
 * @handler: the handler
 * @cookie: names the group, as in struct iof_fault_group
 * @response: IOF_SUCCESS or IOF_INVALID
 *
 * Answers a group whose callback said IOF_LATER (or is about to). @response is IOF_SUCCESS or
 * IOF_INVALID.
 *
 * -EINVAL: another value; or the cookie is not open: it was answered before, or by the core
 * when the device was detached, or never given out. Nothing else is harmed by it.
 *
 * Anything else is an error of the descriptor.
 *
 * Return: 0 or a negative errno.
 */
int iof_handler_respond(struct iof_handler *handler, uint32_t cookie, int response);

/**
 * iof_handler_respond_many() - respond to several groups
 * @handler: the handler
 * @responses: the cookies and their responses
 * @nr: how many there are
 *
 * The same for @nr groups with as few writes as possible. Refused cookies are passed over. Returns
 * how many were taken, or a negative errno if the descriptor failed or a code is wrong (then none
 * is).
 *
 * Return: how many were taken, or a negative errno.
 */
long iof_handler_respond_many(struct iof_handler *handler,
			     const struct iommu_hwpt_page_response *responses, size_t nr);

/**
 * iof_fault_group_copy() - copy a group with its records
 * @group: the group; its records are copied too
 *
 * A copy of @group with its records, for free(); NULL: out of memory.
 *
 * Return: the copy, for free(), or NULL without memory.
 */
struct iof_fault_group *iof_fault_group_copy(const struct iof_fault_group *group);

/**
 * iof_handler_fd() - the fault descriptor, to wait on
 * @handler: the handler
 *
 * The fault descriptor, to wait for POLLIN in an event loop. It outlives the handler.
 *
 * Return: the descriptor, which outlives the handler.
 */
int iof_handler_fd(const struct iof_handler *handler);

/**
 * iof_handler_run_once() - wait for faults and handle one batch
 * @handler: the handler
 * @timeout_ms: for how long to wait: 0 not at all, -1 for ever
 *
 * Waits up to @timeout_ms milliseconds (0: not at all, -1: for ever) for faults, handles one batch
 * in this thread, and returns the number of its groups. 0: none came, or the handler was stopped.
 *
 * -EINTR: a signal came while waiting
 *
 * -ENOMEM: the first call of a thread found no memory to read into; nothing was read
 *
 * Anything else is an error of the descriptor. Also possible beside threads of the handler.
 *
 * Return: the number of groups handled, or a negative errno.
 */
int iof_handler_run_once(struct iof_handler *handler, int timeout_ms);

/**
 * iof_handler_run() - make the calling thread one of the handler's
 * @handler: the handler
 *
 * Makes the calling thread one of the handler's until iof_handler_stop(). 0, -ENOMEM before
 * anything was read, or the error of the descriptor that ended it.
 *
 * Return: 0 or a negative errno.
 */
int iof_handler_run(struct iof_handler *handler);

/**
 * iof_handler_get_stats() - sum up the counters of all threads
 * @handler: the handler
 * @out: set to the result
 *
 * Sums up all threads; a moment's picture while they run.
 */
void iof_handler_get_stats(struct iof_handler *handler, struct iof_handler_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* IOFAULT_HANDLER_H */
