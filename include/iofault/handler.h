/* SPDX-License-Identifier: MIT */
/*
 * handler.h - reads page faults from a fault queue, calls your callback, writes the responses.
 *
 * A handler serves one fault descriptor (out_fault_fd of IOMMU_FAULT_QUEUE_ALLOC), of the embedded
 * world or of Linux. It reads many records at once, rebuilds the page-request groups, and calls
 * back once for each group (or once for each batch of groups). It writes all responses of a batch
 * with one write. It owns neither the descriptor nor any page table: the callback makes the pages
 * present.
 *
 * - Each group gets exactly one response: the result of the callback, or a later one from any
 *   thread.
 * - A handler has one thread, several, or none. Without threads, your event loop waits for
 *   iof_handler_fd() and calls iof_handler_run_once().
 * - If a callback fails, its group gets INVALID and the error is counted. The handler goes on.
 * - The handler waits by poll(2), with one eventfd to end the wait. It does not use io_uring.
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

/**
 * enum iof_response - the response to a page-request group
 * @IOF_SUCCESS: the pages are present; the device tries again
 * @IOF_INVALID: there are no such pages; the device gives up
 * @IOF_LATER: iof_handler_respond() will be called
 *
 * The first two are the codes of the ABI.
 */
enum iof_response {
	IOF_SUCCESS = IOMMUFD_PAGE_RESP_SUCCESS,
	IOF_INVALID = IOMMUFD_PAGE_RESP_INVALID,
	IOF_LATER = 2,
};

/**
 * struct iof_fault_group - a page-request group
 * @pages: its records in order of arrival; the last has LAST_PAGE
 * @nr_pages: at least 1
 * @cookie: names the group in iof_handler_respond()
 * @dev_id: the device that requests the pages
 * @pasid: its PASID; 0: a request without one
 * @response: set by the batch callback; preset to IOF_INVALID
 *
 * Group and records belong to the handler, until the callback returns. A callback that returns
 * IOF_LATER keeps the cookie, or a copy by iof_fault_group_copy().
 */
struct iof_fault_group {
	const struct iommu_hwpt_pgfault *pages;
	uint32_t nr_pages;
	uint32_t cookie;
	uint32_t dev_id;
	uint32_t pasid;
	int response;
};

/**
 * enum iof_handler_flags - options of a handler
 * @IOF_HANDLER_LEAVE_OPEN: iof_handler_close() leaves groups open for another reader of the
 *	descriptor: those with IOF_LATER and no response yet, and those not read. Without the flag
 *	they are answered INVALID.
 * @IOF_HANDLER_NO_LATENCY: no clock is read; the latency histogram stays empty
 */
enum iof_handler_flags {
	IOF_HANDLER_LEAVE_OPEN = 1 << 0,
	IOF_HANDLER_NO_LATENCY = 1 << 1,
};

/* As spin_us: never sleep. While such a handler runs, no other thread can poll the descriptor. */
#define IOF_HANDLER_BUSY UINT32_MAX

/**
 * struct iof_handler_config - how a handler works
 * @fault_fd: the fault queue's descriptor, used until iof_handler_close() has returned
 * @threads: threads that the handler starts, at most 256; 0: the caller runs it
 * @batch: groups of one page in a read; default 64, at most 65536
 * @spin_us: microseconds to poll an empty queue before sleeping; 0: threads of the handler and
 *	iof_handler_run() adapt: one of them polls for up to 50 us while faults come that fast, and
 *	hardly at all otherwise. The others sleep until there is a batch for them
 * @flags: enum iof_handler_flags
 * @fault: Decides a group. Returns an enum iof_response, or a negative errno, which answers
 *	INVALID, is remembered, and goes to @error. Called from all threads of the handler at once.
 *	It may take any time, and may call iof_handler_respond() and iof_handler_stop().
 * @faults: Used instead of @fault if it is not NULL. Decides all nr groups of a batch by setting
 *	@response of each. Returns 0 or a negative errno, which is remembered and goes to @error;
 *	the responses set by then are given.
 * @error: Called for each error, if it is not NULL. err is a negative errno. group is the group
 *	of a failed @fault, or the first group of a failed @faults. It is NULL when reading or
 *	writing the descriptor failed, which stops the handler, and with -ENOMEM when there is no
 *	memory to keep groups with IOF_LATER, which get INVALID then.
 * @arg: first argument of the callbacks
 *
 * The caller sets @fault_fd, and @fault or @faults. Zero is the default of all other members.
 */
struct iof_handler_config {
	int fault_fd;
	uint32_t threads;
	uint32_t batch;
	uint32_t spin_us;
	uint32_t flags;
	int (*fault)(void *arg, const struct iof_fault_group *group);
	int (*faults)(void *arg, struct iof_fault_group *groups, uint32_t nr);
	void (*error)(void *arg, int err, const struct iof_fault_group *group);
	void *arg;
};

/**
 * struct iof_handler_stats - counters of a handler
 * @faults: records read
 * @groups: groups read
 * @batches: reads that returned records
 * @success: groups answered SUCCESS
 * @invalid: groups answered INVALID, for any reason
 * @deferred: groups for which the callback returned IOF_LATER
 * @open: of those, groups without a response now
 * @late: responses rejected: the core was first, or no such cookie
 * @failed: callbacks that returned an error or an invalid value
 * @sleeps: times that a thread slept on an empty queue
 * @latency: nanoseconds from read to written response, without deferred groups
 */
struct iof_handler_stats {
	uint64_t faults;
	uint64_t groups;
	uint64_t batches;
	uint64_t success;
	uint64_t invalid;
	uint64_t deferred;
	uint64_t open;
	uint64_t late;
	uint64_t failed;
	uint64_t sleeps;
	struct iof_histogram latency;
};

/**
 * iof_handler_open() - open a handler and start its threads
 * @config: the fault queue, the callbacks and the threads
 * @out: set to the handler
 *
 * Signals are blocked in the threads of the handler.
 *
 * Return: 0; -EINVAL no callback, an unknown flag, a negative descriptor, or a number out of range;
 * -ENOMEM; -EAGAIN no thread can be created; or -EMFILE.
 */
int iof_handler_open(const struct iof_handler_config *config, struct iof_handler **out);

/**
 * iof_handler_stop() - ask a handler to end
 * @handler: the handler
 *
 * Returns at once. Each thread of the handler writes the responses of its batch and ends;
 * iof_handler_run() returns. The call may be repeated. A callback or a signal handler may make it,
 * too.
 */
void iof_handler_stop(struct iof_handler *handler);

/**
 * iof_handler_wait() - wait until a handler's threads have ended
 * @handler: the handler
 *
 * The threads end after iof_handler_stop(), or after an error of the descriptor.
 *
 * Return: 0, the first error of the descriptor, or -EDEADLK from a thread of the handler.
 */
int iof_handler_wait(struct iof_handler *handler);

/**
 * iof_handler_close() - end and free a handler
 * @handler: the handler
 *
 * Stops the handler, waits for its threads, responds INVALID to open groups (but see
 * IOF_HANDLER_LEAVE_OPEN) and frees the handler. No other call on the handler may run or follow.
 * The caller stops or detaches the device before, since later requests have no reader.
 *
 * Return: 0, or the first error of a callback or of the descriptor since iof_handler_open();
 * -EDEADLK in a thread of the handler, which frees nothing.
 */
int iof_handler_close(struct iof_handler *handler);

/**
 * iof_handler_respond() - respond to a group after IOF_LATER
 * @handler: the handler
 * @cookie: names the group, as in struct iof_fault_group
 * @response: IOF_SUCCESS or IOF_INVALID
 *
 * The callback of the group has returned IOF_LATER, or is about to. A response to a group that is
 * not open is refused and has no effect. A group is not open after its response, or after the core
 * has answered it because the device was detached.
 *
 * Return: 0; -EINVAL another value of @response, or a cookie that is not open; or an error of the
 * descriptor.
 */
int iof_handler_respond(struct iof_handler *handler, uint32_t cookie, int response);

/**
 * iof_handler_respond_many() - respond to several groups
 * @handler: the handler
 * @responses: the cookies and their responses
 * @nr: the number of responses
 *
 * Does iof_handler_respond() for @nr groups with as few writes as possible. Refused cookies are
 * skipped.
 *
 * Return: the number of accepted responses; -EINVAL a code is not valid, and no response is
 * written; or an error of the descriptor.
 */
long iof_handler_respond_many(struct iof_handler *handler,
			      const struct iommu_hwpt_page_response *responses, size_t nr);

/**
 * iof_fault_group_copy() - copy a group with its records
 * @group: the group; its records are copied too
 *
 * Return: the copy, which the caller frees by free(); NULL: no memory.
 */
struct iof_fault_group *iof_fault_group_copy(const struct iof_fault_group *group);

/**
 * iof_handler_fd() - the fault descriptor, to wait on
 * @handler: the handler
 *
 * An event loop waits for POLLIN on it.
 *
 * Return: the descriptor, which outlives the handler.
 */
int iof_handler_fd(const struct iof_handler *handler);

/**
 * iof_handler_run_once() - wait for faults and handle one batch
 * @handler: the handler
 * @timeout_ms: milliseconds to wait: 0 not at all, -1 for ever
 *
 * The calling thread handles the batch. Threads of the handler may run at the same time.
 *
 * Return: the number of groups handled; 0 no fault arrived, or the handler was stopped; -EINTR a
 * signal arrived during the wait; -ENOMEM there is no memory to read into, and nothing was read; or
 * an error of the descriptor.
 */
int iof_handler_run_once(struct iof_handler *handler, int timeout_ms);

/**
 * iof_handler_run() - make the calling thread one of the handler's
 * @handler: the handler
 *
 * Returns after iof_handler_stop() or an error of the descriptor.
 *
 * Return: 0; -ENOMEM there is no memory to read into, and nothing was read; or the error of the
 * descriptor.
 */
int iof_handler_run(struct iof_handler *handler);

/**
 * iof_handler_get_stats() - sum up the counters of all threads
 * @handler: the handler
 * @out: set to the result
 *
 * While threads run, the counters may change during the call.
 */
void iof_handler_get_stats(struct iof_handler *handler, struct iof_handler_stats *out);

#ifdef __cplusplus
}
#endif

#endif /* IOFAULT_HANDLER_H */
