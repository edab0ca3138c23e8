// SPDX-License-Identifier: MIT
/*
 * pager_base.c - what all parts of the pager use: errors, waiting, the arrays of a batch, and
 * mappings in the parent IOAS.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager_private.h"

#define WORK_LEAST 64u
#define WORK_MAX   65536u

static void pager_say(struct iof_pager *pager, const char *sentence)
{
	pthread_mutex_lock(&pager->error_lock);
	snprintf(pager->sentence, sizeof(pager->sentence), "%s", sentence);
	pthread_mutex_unlock(&pager->error_lock);
}

/* Stores an error text and returns @err. Callers may hold any of the pager's other locks. */
int iof_pager_fail(struct iof_pager *pager, int err, const char *format, ...)
{
	char sentence[IOF_SENTENCE];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	pager_say(pager, sentence);
	return err;
}

/*
 * Stores an error text and calls config.error, for errors that no call returns. Called without
 * locks.
 */
void iof_pager_report(struct iof_pager *pager, int err, const char *format, ...)
{
	char sentence[IOF_SENTENCE];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	pager_say(pager, sentence);
	__atomic_add_fetch(&pager->errors, 1, __ATOMIC_RELAXED);
	if (pager->config.error)
		pager->config.error(pager->config.arg, err, sentence);
}

/* Waits until a frame or an entry changes. Drops the lock meanwhile. */
void iof_pager_wait(struct iof_pager *pager)
{
	pager->waiters++;
	pthread_cond_wait(&pager->changed, &pager->lock);
	pager->waiters--;
}

void iof_pager_wake(struct iof_pager *pager)
{
	if (pager->waiters)
		pthread_cond_broadcast(&pager->changed);
}

void iof_work_free(struct iof_work *work)
{
	free(work->items);
	free(work->loads);
	free(work->ahead);
	free(work);
}

/* Gives the arrays @room entries each; their contents are lost. */
int iof_work_reserve(struct iof_work *work, uint32_t room)
{
	struct iof_item *items = calloc(room, sizeof(*items));
	struct iof_frame **loads = calloc(room, sizeof(struct iof_frame *));
	struct iof_ahead *ahead = calloc(room, sizeof(*ahead));

	if (!items || !loads || !ahead) {
		free(items);
		free(loads);
		free(ahead);
		return -ENOMEM;
	}
	free(work->items);
	free(work->loads);
	free(work->ahead);
	work->items = items;
	work->loads = loads;
	work->ahead = ahead;
	work->room = room;
	return 0;
}

struct iof_work *iof_work_new(struct iof_pager *pager)
{
	const struct iof_pager_config *config = &pager->config;
	uint64_t room = (uint64_t)config->batch * (config->group_pages + config->prefetch);
	struct iof_work *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	if (room > pager->nr_frames)
		room = pager->nr_frames;
	if (room < WORK_LEAST)
		room = WORK_LEAST;
	if (room > WORK_MAX)
		room = WORK_MAX;
	if (iof_work_reserve(work, (uint32_t)room)) {
		free(work);
		return NULL;
	}
	return work;
}

struct iof_work *iof_work_take(struct iof_pager *pager)
{
	struct iof_work *work = pager->idle;

	if (!work)
		return iof_work_new(pager);
	pager->idle = work->next;
	return work;
}

void iof_work_give(struct iof_pager *pager, struct iof_work *work)
{
	work->next = pager->idle;
	pager->idle = work;
}

/* Maps program memory in the parent IOAS. *@iova: the address, which /dev/iommu chooses. */
int iof_pager_parent_map(struct iof_pager *pager, void *addr, uint64_t length, bool writable,
			 uint64_t *iova)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | (writable ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = pager->ioas_id,
		.user_va = (uintptr_t)addr,
		.length = length,
	};
	int ret = iof_ioctl(pager->iommufd, IOMMU_IOAS_MAP, &map);

	if (ret < 0)
		return ret;
	*iova = map.iova;
	return 0;
}

int iof_pager_parent_unmap(struct iof_pager *pager, uint64_t iova, uint64_t length)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = pager->ioas_id,
		.iova = iova,
		.length = length,
	};
	int ret = iof_ioctl(pager->iommufd, IOMMU_IOAS_UNMAP, &unmap);

	return ret < 0 ? ret : 0;
}
