// SPDX-License-Identifier: MIT
/*
 * pager.c - opening and closing a pager, its errors and statistics.
 *
 * Opening sets up, in this order: descriptors, binding, the parent IOAS and its HWPT, the pool of
 * frames in it, the fault queue, the handler. Closing goes in reverse and never stops half way. A
 * member that was not set up is 0 or -1. Spaces come and go while the pager is open (space.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <iofault/vfio.h>

#include "pager_private.h"

#define BATCH_DEFAULT 64u

/*
 * Per thread: why the last open failed, and a copy of the text that iof_pager_error() returned
 * last.
 */
static __thread char iof_open_sentence[IOF_SENTENCE];
static __thread char iof_told_sentence[IOF_SENTENCE];

/* Error texts */

const char *iof_pager_error(struct iof_pager *pager)
{
	if (!pager)
		return iof_open_sentence;
	if (iof_forked(pager->forks))
		return "a child of the process that opened the pager cannot use it";
	pthread_mutex_lock(&pager->error_lock);
	memcpy(iof_told_sentence, pager->sentence, sizeof(iof_told_sentence));
	pthread_mutex_unlock(&pager->error_lock);
	return iof_told_sentence;
}

/* Allocates a work for each handler thread, and one for teardown, which must not allocate. */
static int works_create(struct iof_pager *pager)
{
	uint32_t i;

	pager->own = iof_work_new(pager);
	for (i = 0; pager->own && i < pager->config.threads; i++) {
		struct iof_work *work = iof_work_new(pager);

		if (!work)
			break;
		iof_work_give(pager, work);
	}
	if (!pager->own || i < pager->config.threads)
		return iof_pager_fail(pager, -ENOMEM, "no memory for %u handler threads",
				      pager->config.threads);
	return 0;
}

/* Opening a pager */

uint64_t iof_pager_least(const struct iof_pager_config *config)
{
	uint64_t engines = config->engines ? config->engines : 1;
	uint64_t group = config->group_pages ? config->group_pages : 1;

	return engines * (2 * group + 2) * IOF_PAGER_PAGE;
}

static int pager_check(struct iof_pager *pager)
{
	struct iof_pager_config *config = &pager->config;
	uint64_t most;

	if (config->threads > 64 || config->batch > 65536 || config->prefetch > 65536 ||
	    config->engines > 4096 || config->group_pages > 65536 ||
	    config->prefetch_policy > IOF_PREFETCH_ALWAYS ||
	    config->flags & ~(uint32_t)IOF_PAGER_DIRECT)
		return iof_pager_fail(pager, -EINVAL,
				      "a number in the configuration is out of range");
	pager->least = iof_pager_least(config) >> IOF_PAGE_SHIFT;
	pager->nr_frames = config->resident >> IOF_PAGE_SHIFT;
	if (pager->nr_frames < pager->least)
		return iof_pager_fail(pager, -EINVAL,
				      "a budget of %llu bytes is too small: the device needs at "
				      "least %llu bytes",
				      (unsigned long long)config->resident,
				      (unsigned long long)pager->least << IOF_PAGE_SHIFT);
	if (!config->threads)
		config->threads = 1;
	if (!config->batch)
		config->batch = BATCH_DEFAULT;
	if (!config->group_pages)
		config->group_pages = 1;
	/*
	 * A batch holds its frames until its responses are set, so that it may use only a part of
	 * the pool.
	 */
	most = pager->nr_frames / (4ull * config->threads * config->group_pages);
	if (config->batch > most)
		config->batch = most ? (uint32_t)most : 1;
	if (config->prefetch > pager->nr_frames / 8)
		config->prefetch = (uint32_t)(pager->nr_frames / 8);
	return 0;
}

static int pager_bind(struct iof_pager *pager)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = offsetof(struct vfio_device_bind_iommufd, token_uuid_ptr),
		.iommufd = pager->iommufd,
	};
	int ret;

	if (pager->dev_id)
		return 0;
	ret = iof_ioctl(pager->device_fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (ret < 0)
		return iof_pager_fail(pager, ret, "cannot bind the device to /dev/iommu: %s",
				      strerror(-ret));
	pager->dev_id = bind.out_devid;
	return 0;
}

static int pager_hw_info(struct iof_pager *pager)
{
	struct iommu_hw_info_vtd vtd;
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.dev_id = pager->dev_id,
		.data_len = sizeof(vtd),
		.data_uptr = (uintptr_t)&vtd,
	};
	int ret = iof_ioctl(pager->iommufd, IOMMU_GET_HW_INFO, &info);

	if (ret < 0)
		return iof_pager_fail(pager, ret, "cannot read the abilities of the IOMMU: %s",
				      strerror(-ret));
	if (info.out_data_type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		return iof_pager_fail(pager, -EOPNOTSUPP,
				      "the device's IOMMU has no VT-d first stage");
	pager->pasid_bits = info.out_max_pasid_log2;
	return 0;
}

static int pager_parent(struct iof_pager *pager)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_hwpt_alloc hwpt = {
		.size = sizeof(hwpt),
		.flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
		.dev_id = pager->dev_id,
	};
	int ret = iof_ioctl(pager->iommufd, IOMMU_IOAS_ALLOC, &ioas);

	if (ret < 0)
		return iof_pager_fail(pager, ret, "cannot allocate an I/O address space: %s",
				      strerror(-ret));
	pager->ioas_id = ioas.out_ioas_id;
	hwpt.pt_id = pager->ioas_id;
	ret = iof_ioctl(pager->iommufd, IOMMU_HWPT_ALLOC, &hwpt);
	if (ret < 0)
		return iof_pager_fail(pager, ret, "the device cannot do nested translation: %s",
				      strerror(-ret));
	pager->parent_id = hwpt.out_hwpt_id;
	return 0;
}

static int pager_faults(void *arg, struct iof_fault_group *groups, uint32_t nr)
{
	int err = iof_resolve(arg, groups, nr, IOF_RESOLVE_LATER);

	/*
	 * Refused pages and errors of sources are no errors of the handler: the pager counts and
	 * reports them.
	 */
	return err == -ENOMEM ? err : 0;
}

static int pager_queue(struct iof_pager *pager)
{
	struct iommu_fault_alloc queue = { .size = sizeof(queue) };
	struct iof_handler_config config = {
		.threads = pager->config.threads,
		.batch = pager->config.batch,
		.spin_us = pager->config.spin_us,
		.faults = pager_faults,
		.arg = pager,
	};
	int ret = iof_ioctl(pager->iommufd, IOMMU_FAULT_QUEUE_ALLOC, &queue);

	if (ret < 0)
		return iof_pager_fail(pager, ret, "this /dev/iommu has no fault queues: %s",
				      strerror(-ret));
	pager->fault_id = queue.out_fault_id;
	pager->fault_fd = (int)queue.out_fault_fd;
	config.fault_fd = pager->fault_fd;
	ret = iof_handler_open(&config, &pager->handler);
	if (ret < 0)
		return iof_pager_fail(pager, ret, "cannot start the fault handler: %s",
				      strerror(-ret));
	return 0;
}

static void pager_free(struct iof_pager *pager)
{
	while (pager->idle) {
		struct iof_work *work = pager->idle;

		pager->idle = work->next;
		iof_work_free(work);
	}
	if (pager->own)
		iof_work_free(pager->own);
	iof_waiting_destroy(pager);
	free(pager->spaces);
	pthread_cond_destroy(&pager->loader.work);
	pthread_cond_destroy(&pager->loader.ring_work);
	pthread_cond_destroy(&pager->changed);
	pthread_mutex_destroy(&pager->error_lock);
	pthread_mutex_destroy(&pager->lock);
	pthread_mutex_destroy(&pager->map_lock);
	free(pager);
}

static struct iof_pager *pager_new(const struct iof_pager_config *config)
{
	struct iof_pager *pager = calloc(1, sizeof(*pager));
	pthread_mutexattr_t adaptive;

	if (!pager)
		return NULL;
	pager->config = *config;
	iof_forks_watch();
	pager->forks = iof_forks;
	pager->iommufd = pager->device_fd = pager->fault_fd = -1;
	pthread_mutex_init(&pager->map_lock, NULL);
	/* It is held for microseconds: threads spin for it before they sleep. */
	pthread_mutexattr_init(&adaptive);
	pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&pager->lock, &adaptive);
	pthread_mutexattr_destroy(&adaptive);
	pthread_mutex_init(&pager->error_lock, NULL);
	pthread_cond_init(&pager->changed, NULL);
	pthread_cond_init(&pager->loader.work, NULL);
	pthread_cond_init(&pager->loader.ring_work, NULL);
	pager->loader.kick_fd = -1;
	pager->loader.store = iof_evict_load;
	return pager;
}

/*
 * Opens everything behind the descriptors, unless @err is set already. Closes the pager on an
 * error.
 */
static int pager_start(struct iof_pager *pager, int err, struct iof_pager **out)
{
	if (!err)
		err = pager_bind(pager);
	if (!err)
		err = pager_hw_info(pager);
	if (!err)
		err = pager_parent(pager);
	if (!err)
		err = iof_frames_create(pager);
	if (!err)
		err = works_create(pager);
	if (!err)
		err = iof_loader_start(pager, iof_ring_thread);
	if (!err)
		err = pager_queue(pager);
	if (err) {
		memcpy(iof_open_sentence, pager->sentence, sizeof(iof_open_sentence));
		iof_pager_close(pager);
		return err;
	}
	*out = pager;
	return 0;
}

static int pager_open_node(struct iof_pager *pager, struct iof_world *world, const char *path,
			   int *fd)
{
	int ret = iof_open(world, path, O_RDWR | O_CLOEXEC);

	if (ret < 0)
		return iof_pager_fail(pager, ret, "cannot open %s: %s", path, strerror(-ret));
	*fd = ret;
	return 0;
}

int iof_pager_open(struct iof_world *world, const char *device,
		   const struct iof_pager_config *config, struct iof_pager **out)
{
	struct iof_pager *pager = pager_new(config);
	int err;

	if (!pager) {
		snprintf(iof_open_sentence, sizeof(iof_open_sentence), "no memory for a pager");
		return -ENOMEM;
	}
	pager->owns = true;
	err = pager_check(pager);
	if (!err)
		err = pager_open_node(pager, world, "/dev/iommu", &pager->iommufd);
	if (!err)
		err = pager_open_node(pager, world, device ? device : "/dev/vfio/devices/vfio0",
				      &pager->device_fd);
	return pager_start(pager, err, out);
}

int iof_pager_open_on(int iommufd, int device_fd, uint32_t dev_id,
		      const struct iof_pager_config *config, struct iof_pager **out)
{
	struct iof_pager *pager = pager_new(config);

	if (!pager) {
		snprintf(iof_open_sentence, sizeof(iof_open_sentence), "no memory for a pager");
		return -ENOMEM;
	}
	pager->iommufd = iommufd;
	pager->device_fd = device_fd;
	pager->dev_id = dev_id;
	return pager_start(pager, pager_check(pager), out);
}

static void pager_destroy_object(struct iof_pager *pager, uint32_t id)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy), .id = id };

	if (id)
		iof_ioctl(pager->iommufd, IOMMU_DESTROY, &destroy);
}

int iof_pager_close(struct iof_pager *pager)
{
	int result = 0;
	uint32_t i;

	if (iof_forked(pager->forks))
		return -ECHILD;
	/* Detach all spaces first, so that no DMA waits for the handler. */
	pthread_mutex_lock(&pager->map_lock);
	for (i = 0; i < pager->nr_spaces; i++)
		iof_space_detach(pager->spaces[i]);
	if (pager->handler) {
		iof_handler_stop(pager->handler);
		iof_handler_wait(pager->handler);
		/* Loads in flight answer their groups through the handler. */
		iof_loader_drain(pager);
		iof_handler_close(pager->handler);
	}
	while (pager->nr_spaces) {
		int err = iof_space_remove(pager->spaces[pager->nr_spaces - 1]);

		if (err && !result)
			result = err;
	}
	iof_table_release(pager);
	pthread_mutex_unlock(&pager->map_lock);
	iof_loader_stop(pager);

	if (pager->fault_fd >= 0)
		iof_close(pager->fault_fd);
	pager_destroy_object(pager, pager->fault_id);
	pager_destroy_object(pager, pager->parent_id);
	iof_frames_destroy(pager);
	pager_destroy_object(pager, pager->ioas_id);
	if (pager->owns && pager->device_fd >= 0)
		iof_close(pager->device_fd);
	if (pager->owns && pager->iommufd >= 0)
		iof_close(pager->iommufd);
	pager_free(pager);
	return result;
}

/* Queries of a pager's objects */

int iof_pager_iommufd(const struct iof_pager *pager)
{
	return pager->iommufd;
}

int iof_pager_device_fd(const struct iof_pager *pager)
{
	return pager->device_fd;
}

uint32_t iof_pager_dev_id(const struct iof_pager *pager)
{
	return pager->dev_id;
}

uint32_t iof_pager_parent_ioas(const struct iof_pager *pager)
{
	return pager->ioas_id;
}

struct iof_handler *iof_pager_handler(struct iof_pager *pager)
{
	return pager->handler;
}

void iof_pager_get_stats(struct iof_pager *pager, struct iof_pager_stats *out)
{
	if (iof_forked(pager->forks)) {
		memset(out, 0, sizeof(*out));
		return;
	}
	pthread_mutex_lock(&pager->lock);
	*out = pager->stats;
	out->errors = __atomic_load_n(&pager->errors, __ATOMIC_RELAXED);
	out->frames = pager->nr_frames;
	out->resident = pager->nr_frames - pager->nr_free;
	out->table_pages = __atomic_load_n(&pager->table_pages, __ATOMIC_RELAXED);
	out->prefetch_used += iof_prefetch_used_now(pager);
	pthread_mutex_unlock(&pager->lock);
}
