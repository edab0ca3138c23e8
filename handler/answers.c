// SPDX-License-Identifier: MIT
/*
 * answers.c - writes responses to the fault queue, and keeps a table of the groups without one.
 *
 * The queue stops at the first response that it rejects: the core has responded to that group
 * already, or the device of the group is gone. iof_answers_write() counts such a response as late,
 * skips it and writes those behind it.
 *
 * The table has the open groups: their callback returned LATER. Another thread may respond to a
 * group before its callback has returned. The table then keeps the cookie as EARLY until no
 * callback is running, so that LATER does not enter a group that gets no further response. A cookie
 * leaves the table before its response is written, because Linux may reuse the cookie at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <iofault/iofault.h>

#include "handler_private.h"

#define IOF_OPEN_FIRST	 64u	    /* number of entries of a new table */
#define IOF_CLOSE_GROUPS (1u << 20) /* maximum number of groups that closing reads */
#define IOF_CLOSE_CHUNK	 64u

static uint32_t open_home(const struct iof_open_table *table, uint32_t cookie)
{
	return (cookie * 2654435761u) & (table->size - 1);
}

/* Returns the entry of @cookie, or the empty entry where it would go. */
static struct iof_open_entry *open_find(const struct iof_open_table *table, uint32_t cookie)
{
	uint32_t at = open_home(table, cookie);

	while (table->entries[at].state != IOF_OPEN_NONE && table->entries[at].cookie != cookie)
		at = (at + 1) & (table->size - 1);
	return &table->entries[at];
}

static int open_grow(struct iof_open_table *table)
{
	struct iof_open_table bigger = *table;
	uint32_t i;

	bigger.size = table->size ? table->size * 2 : IOF_OPEN_FIRST;
	bigger.entries = calloc(bigger.size, sizeof(*bigger.entries));
	if (!bigger.entries)
		return -ENOMEM;
	for (i = 0; i < table->size; i++) {
		if (table->entries[i].state != IOF_OPEN_NONE)
			*open_find(&bigger, table->entries[i].cookie) = table->entries[i];
	}
	free(table->entries);
	*table = bigger;
	return 0;
}

static int open_room(struct iof_open_table *table)
{
	if (table->size && (table->waiting + table->early + 1) * 2 <= table->size)
		return 0;
	return open_grow(table);
}

/* Empties an entry, and moves entries back that linear probing had placed behind it. */
static void open_remove(struct iof_open_table *table, struct iof_open_entry *entry)
{
	uint32_t mask = table->size - 1;
	uint32_t hole = (uint32_t)(entry - table->entries);
	uint32_t at = hole;

	for (;;) {
		uint32_t home;

		at = (at + 1) & mask;
		if (table->entries[at].state == IOF_OPEN_NONE)
			break;
		home = open_home(table, table->entries[at].cookie);
		if (((at - home) & mask) >= ((at - hole) & mask)) {
			table->entries[hole] = table->entries[at];
			hole = at;
		}
	}
	table->entries[hole].state = IOF_OPEN_NONE;
}

static void open_set_early(struct iof_open_table *table, uint32_t early)
{
	__atomic_store_n(&table->early, early, __ATOMIC_RELAXED);
}

/* Enters a group after its callback returned LATER. Returns -ENOMEM if the table cannot grow. */
int iof_open_add(struct iof_open_table *table, uint32_t cookie)
{
	struct iof_open_entry *entry;

	if (open_room(table))
		return -ENOMEM;
	entry = open_find(table, cookie);
	if (entry->state == IOF_OPEN_EARLY) {
		open_remove(table, entry);
		open_set_early(table, table->early - 1);
	} else if (entry->state == IOF_OPEN_NONE) {
		entry->cookie = cookie;
		entry->state = IOF_OPEN_WAITS;
		table->waiting++;
	}
	return 0;
}

/* Notes that a thread responds to @cookie. @may_be_early: its callback may still be running. */
void iof_open_answered(struct iof_open_table *table, uint32_t cookie, bool may_be_early)
{
	struct iof_open_entry *entry;

	if (table->size) {
		entry = open_find(table, cookie);
		if (entry->state == IOF_OPEN_WAITS) {
			open_remove(table, entry);
			table->waiting--;
			return;
		}
		if (entry->state == IOF_OPEN_EARLY)
			return;
	}
	/*
	 * Without memory, LATER enters the group as open. A second response to it is rejected as
	 * late: no harm.
	 */
	if (!may_be_early || open_room(table))
		return;
	entry = open_find(table, cookie);
	entry->cookie = cookie;
	entry->state = IOF_OPEN_EARLY;
	open_set_early(table, table->early + 1);
}

/* Removes the EARLY entries. No callback is running, so that none of them can meet its LATER. */
void iof_open_forget_early(struct iof_open_table *table)
{
	uint32_t i = 0;

	while (i < table->size && table->early) {
		if (table->entries[i].state == IOF_OPEN_EARLY) {
			open_remove(table, &table->entries[i]);
			open_set_early(table, table->early - 1);
			/* open_remove() may have moved entries across the end of the array */
			i = 0;
		} else {
			i++;
		}
	}
}

static void tally_add(struct iof_tally *tally, const struct iommu_hwpt_page_response *answers,
		      size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (answers[i].code == IOMMUFD_PAGE_RESP_SUCCESS)
			tally->success++;
		else
			tally->invalid++;
	}
}

/*
 * Writes all of @answers; their codes are valid. Returns the number of accepted responses, or the
 * error of the descriptor. In both cases @tally counts the accepted responses by code, and the late
 * ones.
 */
long iof_answers_write(struct iof_handler *handler, const struct iommu_hwpt_page_response *answers,
		       size_t nr, struct iof_tally *tally)
{
	int fd = handler->config.fault_fd;
	size_t done = 0;
	long taken = 0;

	while (done < nr) {
		ssize_t wrote = iof_write(fd, answers + done, (nr - done) * sizeof(*answers));

		if (wrote > 0 && wrote % sizeof(*answers) == 0 &&
		    (size_t)wrote <= (nr - done) * sizeof(*answers)) {
			size_t good = wrote / sizeof(*answers);

			tally_add(tally, answers + done, good);
			done += good;
			taken += good;
		} else if (wrote == -EINVAL) {
			tally->late++;
			done++;
		} else if (wrote == -EAGAIN) {
			struct pollfd writable = { .fd = fd, .events = POLLOUT };

			iof_poll(&writable, 1, -1);
		} else if (wrote != -EINTR) {
			return wrote < 0 ? (long)wrote : -EPROTO;
		}
	}
	return taken;
}

long iof_handler_respond_many(struct iof_handler *handler,
			      const struct iommu_hwpt_page_response *answers, size_t nr)
{
	bool callbacks = __atomic_load_n(&handler->running, __ATOMIC_ACQUIRE) > 0;
	struct iof_tally tally = { 0 };
	long taken;
	size_t i;

	if (iof_forked(handler->forks))
		return -ECHILD;
	for (i = 0; i < nr; i++) {
		if (answers[i].code != IOF_SUCCESS && answers[i].code != IOF_INVALID)
			return -EINVAL;
	}
	pthread_mutex_lock(&handler->lock);
	for (i = 0; i < nr; i++)
		iof_open_answered(&handler->open, answers[i].cookie, callbacks);
	pthread_mutex_unlock(&handler->lock);

	taken = iof_answers_write(handler, answers, nr, &tally);

	pthread_mutex_lock(&handler->lock);
	handler->later_stats.success += tally.success;
	handler->later_stats.invalid += tally.invalid;
	handler->later_stats.late += tally.late;
	pthread_mutex_unlock(&handler->lock);
	if (taken < 0)
		iof_handler_fatal(handler, (int)taken);
	return taken;
}

int iof_handler_respond(struct iof_handler *handler, uint32_t cookie, int answer)
{
	struct iommu_hwpt_page_response response = { .cookie = cookie, .code = (uint32_t)answer };
	long taken;

	if (answer != IOF_SUCCESS && answer != IOF_INVALID)
		return -EINVAL;
	taken = iof_handler_respond_many(handler, &response, 1);
	if (taken < 0)
		return (int)taken;
	return taken ? 0 : -EINVAL;
}

struct iof_fault_group *iof_fault_group_copy(const struct iof_fault_group *group)
{
	size_t bytes = group->nr_pages * sizeof(*group->pages);
	struct iof_fault_group *copy = malloc(sizeof(*copy) + bytes);

	if (!copy)
		return NULL;
	*copy = *group;
	copy->pages = memcpy(copy + 1, group->pages, bytes);
	return copy;
}

/* Responds INVALID to the groups in the table. Allocates nothing. */
static void answers_close_later(struct iof_handler *handler)
{
	struct iommu_hwpt_page_response answers[IOF_CLOSE_CHUNK];
	struct iof_open_table *table = &handler->open;
	struct iof_tally *tally = &(struct iof_tally){ 0 };
	uint32_t nr = 0;
	uint32_t i;

	for (i = 0; i < table->size; i++) {
		if (table->entries[i].state != IOF_OPEN_WAITS)
			continue;
		answers[nr].cookie = table->entries[i].cookie;
		answers[nr].code = IOMMUFD_PAGE_RESP_INVALID;
		if (++nr == IOF_CLOSE_CHUNK) {
			if (iof_answers_write(handler, answers, nr, tally) < 0)
				return;
			nr = 0;
		}
	}
	iof_answers_write(handler, answers, nr, tally);
}

/* Responds INVALID to the open groups and to those not read yet. All handler threads have ended. */
void iof_answers_close(struct iof_handler *handler)
{
	struct iof_worker *worker = handler->workers;
	uint32_t left = IOF_CLOSE_GROUPS;

	answers_close_later(handler);
	while (worker && left) {
		struct iof_tally tally = { 0 };
		int nr = iof_worker_read(worker);
		int i;

		if (nr <= 0)
			break;
		for (i = 0; i < nr; i++) {
			worker->answers[i].cookie = worker->groups[i].cookie;
			worker->answers[i].code = IOMMUFD_PAGE_RESP_INVALID;
		}
		if (iof_answers_write(handler, worker->answers, nr, &tally) < 0)
			break;
		left -= (uint32_t)nr < left ? (uint32_t)nr : left;
	}
}
