// SPDX-License-Identifier: MIT
/*
 * worker.c - workers of a handler: their buffers, reading a batch, errors and stopping.
 *
 * A worker belongs to one thread at a time. Its buffers grow when a group does not fit.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <iofault/iofault.h>

#include "handler_private.h"

#define RECORDS_MAX (1u << 20) /* a device cannot have more page requests open */

bool iof_handler_stopping(const struct iof_handler *handler)
{
	return __atomic_load_n(&handler->stopping, __ATOMIC_SEQ_CST);
}

static void error_once(int *where, int err)
{
	int none = 0;

	__atomic_compare_exchange_n(where, &none, err, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Stores the first error, and calls config.error. */
void iof_handler_note(struct iof_handler *handler, int err, const struct iof_fault_group *group)
{
	error_once(&handler->first_error, err);
	if (handler->config.error)
		handler->config.error(handler->config.arg, err, group);
}

void iof_handler_stop(struct iof_handler *handler)
{
	struct iof_worker *worker = __atomic_load_n(&handler->workers, __ATOMIC_ACQUIRE);
	uint64_t one = 1;
	int kept = errno;
	ssize_t wrote;

	/* A child shares the eventfd with its parent: it must not write to it. */
	if (iof_forked(handler->forks))
		return;
	/* Pairs with worker_run(), which stores its sleeper and then checks whether to stop. */
	__atomic_store_n(&handler->stopping, 1, __ATOMIC_SEQ_CST);
	for (; worker; worker = worker->next) {
		struct iof_thread *sleeper = __atomic_load_n(&worker->sleeper, __ATOMIC_SEQ_CST);

		if (sleeper)
			iof_thread_interrupt(sleeper);
		sem_post(&worker->park);
	}
	/*
	 * write() fails only if the counter is at its maximum, and then the eventfd is readable
	 * already.
	 */
	wrote = write(handler->stop_fd, &one, sizeof(one));
	(void)wrote;
	errno = kept;
}

/* Stops the handler, because its descriptor failed. */
void iof_handler_fatal(struct iof_handler *handler, int err)
{
	error_once(&handler->fatal, err);
	iof_handler_note(handler, err, NULL);
	iof_handler_stop(handler);
}

static int worker_room(struct iof_worker *worker, uint32_t room)
{
	struct iommu_hwpt_pgfault *records = malloc(room * sizeof(*records));
	struct iof_fault_group *groups = malloc(room * sizeof(*groups));
	struct iommu_hwpt_page_response *answers = malloc(room * sizeof(*answers));
	uint32_t *later = malloc(room * sizeof(*later));

	if (!records || !groups || !answers || !later) {
		free(records);
		free(groups);
		free(answers);
		free(later);
		return -ENOMEM;
	}
	free(worker->records);
	free(worker->groups);
	free(worker->answers);
	free(worker->later);
	worker->records = records;
	worker->groups = groups;
	worker->answers = answers;
	worker->later = later;
	worker->room = room;
	return 0;
}

void iof_worker_free(struct iof_worker *worker)
{
	if (worker->sleeper)
		iof_thread_release(worker->sleeper);
	sem_destroy(&worker->park);
	pthread_mutex_destroy(&worker->stats_lock);
	free(worker->records);
	free(worker->groups);
	free(worker->answers);
	free(worker->later);
	free(worker);
}

struct iof_worker *iof_worker_new(struct iof_handler *handler)
{
	struct iof_worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return NULL;
	worker->handler = handler;
	pthread_mutex_init(&worker->stats_lock, NULL);
	sem_init(&worker->park, 0, 0);
	if (worker_room(worker, handler->config.batch)) {
		iof_worker_free(worker);
		return NULL;
	}
	pthread_mutex_lock(&handler->lock);
	worker->number = handler->workers ? handler->workers->number + 1 : 1;
	worker->next = handler->workers;
	__atomic_store_n(&handler->workers, worker, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&handler->lock);
	return worker;
}

/* Returns an idle or new worker for a thread of the caller. */
struct iof_worker *iof_worker_take(struct iof_handler *handler)
{
	struct iof_worker *worker;

	pthread_mutex_lock(&handler->lock);
	worker = handler->idle;
	if (worker)
		handler->idle = worker->next_idle;
	pthread_mutex_unlock(&handler->lock);
	return worker ? worker : iof_worker_new(handler);
}

void iof_worker_give(struct iof_worker *worker)
{
	struct iof_handler *handler = worker->handler;

	pthread_mutex_lock(&handler->lock);
	worker->next_idle = handler->idle;
	handler->idle = worker;
	pthread_mutex_unlock(&handler->lock);
}

/*
 * Rebuilds groups: the records of a group stand together. LAST_PAGE or another cookie ends a group.
 */
static int worker_group(struct iof_worker *worker, uint32_t nr)
{
	const struct iommu_hwpt_pgfault *record = worker->records;
	const struct iommu_hwpt_pgfault *end = record + nr;
	struct iof_fault_group *group = worker->groups;

	while (record < end) {
		group->pages = record;
		group->cookie = record->cookie;
		group->dev_id = record->dev_id;
		group->pasid = record->flags & IOMMU_PGFAULT_FLAGS_PASID_VALID ? record->pasid : 0;
		group->response = IOF_INVALID;
		do {
			record++;
		} while (!(record[-1].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE) && record < end &&
			 record->cookie == group->cookie);
		group->nr_pages = (uint32_t)(record - group->pages);
		group++;
	}
	return (int)(group - worker->groups);
}

/*
 * Reads a batch and rebuilds its groups. Returns their number, 0 if the queue is empty, or an
 * error.
 */
int iof_worker_read(struct iof_worker *worker)
{
	int fd = worker->handler->config.fault_fd;

	for (;;) {
		size_t bytes = worker->room * sizeof(*worker->records);
		ssize_t got = iof_read(fd, worker->records, bytes);

		if (got > 0) {
			if (got % sizeof(*worker->records))
				return -EPROTO;
			return worker_group(worker, got / sizeof(*worker->records));
		}
		if (!got || got == -EAGAIN)
			return 0;
		if (got == -EINVAL && worker->room < RECORDS_MAX) {
			/* The buffer is too small for the first group. */
			if (worker_room(worker, worker->room * 2))
				return -ENOMEM;
		} else if (got != -EINTR) {
			return (int)got;
		}
	}
}
