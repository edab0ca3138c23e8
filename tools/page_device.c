// SPDX-License-Identifier: MIT
/*
 * page_device.c - opens the device and everything that it needs, and closes both.
 *
 * The command opens /dev/iommu and the device itself, and the pager borrows both. So the device's
 * statistics can be read after the pager is closed. With --sva there is no pager: the process is
 * bound to each PASID, and mmap() maps the files.
 */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/idxd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iofault/iommufd.h>

#define PAGE 4096ull
/* addresses below are not mapped: a stray small address faults */
#define FIRST_ADDRESS (1ull << 32)
/* gap between files: an access past the end of one hits no other */
#define GAP	     (2ull << 20)
#define LAST_ADDRESS (1ull << 47)

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/*
 * Returns the bytes of one descriptor: few enough that all engines and lanes have work, but not
 * tiny. All descriptors in flight together span at most what the pager loads ahead, an eighth of
 * its memory: so it reads the file in order for all of them.
 */
static uint64_t choose_chunk(const struct iof_page_run *run)
{
	const struct iof_page_options *options = &run->options;
	uint64_t parts = 8ull * options->engines * options->pasids, chunk = options->chunk;
	uint64_t depth = options->depth ? options->depth : 8ull * options->engines;

	if (!chunk) {
		chunk = round_up(run->bytes / parts, 64 << 10);
		if (!options->sva && chunk > options->resident / 8 / depth)
			chunk = options->resident / 8 / depth / (64 << 10) * (64 << 10);
		if (chunk < 64 << 10)
			chunk = 64 << 10;
		if (chunk > 1 << 20)
			chunk = 1 << 20;
	}
	/* With --sva, the chunk of each engine counts as resident until it is complete. */
	while (options->sva && chunk > PAGE && chunk * 2 * options->engines > options->resident)
		chunk = round_up(chunk / 2, PAGE);
	return chunk;
}

/*
 * Returns how many descriptors the device holds. An engine that waits for a page works on the next
 * descriptor meanwhile. So each descriptor in flight moves through the files by itself and needs
 * pages at the same time. Without --depth, the number leaves each of them twice the pages that it
 * needs, for prefetch.
 */
static uint32_t choose_depth(const struct iof_page_run *run)
{
	const struct iof_page_options *options = &run->options;
	struct iof_pager_config one = { .engines = 1, .group_pages = options->group };
	uint64_t depth = options->depth ? options->depth : 8ull * options->engines;
	uint64_t fits = depth;

	if (options->sva)
		fits = options->resident / run->chunk;
	else if (!options->depth)
		fits = options->resident / (2 * iof_pager_least(&one));
	if (fits < options->engines && !options->depth)
		fits = options->engines;
	if (!fits)
		fits = 1;
	return (uint32_t)(depth < fits ? depth : fits);
}

static int cut(struct iof_page_run *run)
{
	const struct iof_page_options *options = &run->options;
	uint32_t i;

	run->chunk = choose_chunk(run);
	run->nr_slots = choose_depth(run);
	for (i = 0; i < run->nr_strands; i++) {
		struct iof_page_strand *strand = &run->strands[i];

		strand->nr_chunks = (strand->size + run->chunk - 1) / run->chunk;
		if (options->op != IOF_PAGE_CRC32C || !strand->nr_chunks)
			continue;
		strand->chunk_crcs = calloc(strand->nr_chunks, sizeof(*strand->chunk_crcs));
		if (!strand->chunk_crcs)
			return iof_fail(-1,
					"there is not enough memory for the results of %" PRIu64
					" chunks; a larger --chunk needs less",
					strand->nr_chunks);
	}
	run->slots = calloc(run->nr_slots, sizeof(*run->slots));
	run->passes = calloc(options->passes, sizeof(*run->passes));
	if (!run->slots || !run->passes)
		return iof_fail(-1, "there is not enough memory");
	run->records_bytes = round_up(run->nr_slots * 32ull, PAGE);
	run->records = mmap(NULL, run->records_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run->records == MAP_FAILED) {
		run->records = NULL;
		return iof_fail(-1, "there is not enough memory");
	}
	run->interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (run->interrupt < 0)
		return iof_fail(-1, "an eventfd cannot be created: %s", iof_reason(errno));
	return 0;
}

/* A real device does not count its page requests, so the pager's counters stand for them. */
int iof_page_read_state(struct iof_page_run *run, struct iof_vfio_dsa_state *state)
{
	struct iof_pager_stats stats = run->pager_stats;

	if (iof_engine_read_state(&run->engine, state))
		return -1;
	if (!run->engine.is_real)
		return 0;
	if (run->pager)
		iof_pager_get_stats(run->pager, &stats);
	state->page_requests = stats.groups;
	state->refused = stats.refused;
	state->resumed = stats.groups - stats.refused;
	return 0;
}

/* Reads what the device is, before any work. */
static int open_engine(struct iof_page_run *run)
{
	if (iof_engine_open(&run->engine, run->device, run->options.device) ||
	    iof_page_read_state(run, &run->before) ||
	    iof_engine_read_latency(&run->engine, &run->latency_before))
		return -1;
	if (run->chunk > run->before.max_transfer) {
		char text[IOF_TEXT];

		return iof_fail(-1, "%s takes descriptors of %s; --chunk must not be larger",
				run->options.device, iof_size_text(text, run->before.max_transfer));
	}
	return 0;
}

static int start_engine(struct iof_page_run *run)
{
	uint32_t pasids[IOF_PAGE_MAX_PASIDS], i;
	struct iof_real_config config = {
		.pasids = pasids,
		.nr_pasids = run->options.pasids,
		.engines = run->options.engines,
		.depth = run->nr_slots,
		.interrupt = run->interrupt,
	};

	for (i = 0; i < run->options.pasids; i++)
		pasids[i] = run->lanes[i].pasid;
	if (iof_engine_start(&run->engine, &config))
		return -1;
	run->nr_slots = config.depth;
	run->options.engines = config.engines;
	return 0;
}

static int open_world(struct iof_page_run *run)
{
	const struct iof_page_options *options = &run->options;
	struct iof_dsa_config dsa = {
		.credits = options->credits,
		.engines = options->engines,
		.queue_depth = run->nr_slots,
		.pages_per_group = options->group,
	};
	struct iof_world_config config = { .kind = options->world, .dsa = &dsa, .nr_dsa = 1 };
	int rc = iof_world_open(&config, &run->world);

	if (rc) {
		run->world = NULL;
		if (options->world == IOF_WORLD_KERNEL)
			return iof_fail(
				-1, "/dev/iommu cannot be opened: %s; --world embedded needs none",
				iof_reason(rc));
		return iof_fail(-1, "the world cannot be opened: %s", iof_reason(rc));
	}
	run->iommufd = iof_open(run->world, "/dev/iommu", O_RDWR);
	if (run->iommufd < 0)
		return iof_fail(-1, "/dev/iommu cannot be opened: %s", iof_reason(run->iommufd));
	run->device = iof_open(run->world, options->device, O_RDWR);
	if (run->device < 0)
		return iof_fail(-1, "%s cannot be opened: %s", options->device,
				iof_reason(run->device));
	return 0;
}

/* Returns the run of a strand's chunks that belongs to one lane. */
static void lane_run(const struct iof_page_run *run, const struct iof_page_strand *strand,
		     uint32_t lane, uint64_t *first, uint64_t *end)
{
	uint64_t lanes = run->options.pasids;
	uint64_t each = strand->nr_chunks / lanes, rest = strand->nr_chunks % lanes;

	*first = each * lane + (lane < rest ? lane : rest);
	*end = *first + each + (lane < rest);
}

void iof_page_lane_begin(const struct iof_page_run *run, struct iof_page_lane *lane)
{
	uint32_t index = (uint32_t)(lane - run->lanes);

	lane_run(run, &run->strands[lane->strand], index, &lane->chunk, &lane->end);
}

/* ---- with a pager ---- */

static void pager_error(void *arg, int err, const char *sentence)
{
	struct iof_page_run *run = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&run->lock);
	if (!run->sentence[0])
		snprintf(run->sentence, sizeof(run->sentence), "%s",
			 *sentence ? sentence : iof_reason(err));
	pthread_mutex_unlock(&run->lock);
	/* This fault may never get a response: the main thread must not wait for its completion. */
	if (write(run->interrupt, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}

static int map_run(struct iof_page_run *run, struct iof_page_lane *lane, struct iof_page_file *file,
		   struct iof_source *source, uint64_t from, uint64_t to)
{
	int rc = iof_pager_map(run->pager, lane->pasid, file->address + from, to - from, source,
			       from, file->written ? IOF_PAGER_WRITE : IOF_PAGER_READ);

	if (rc)
		return iof_fail(-1, "%s: cannot be mapped for the device: %s", file->name,
				iof_pager_error(run->pager));
	return 0;
}

/* Maps each lane's part of @file, one side of @strand, into the lane's address space. */
static int map_file(struct iof_page_run *run, const struct iof_page_strand *strand,
		    struct iof_page_file *file)
{
	uint64_t first, end, from, to;
	struct iof_source *source;
	uint32_t i;
	int rc;

	if (!strand->nr_chunks)
		return 0;
	rc = iof_source_file(file->fd, &source);
	if (rc)
		return iof_fail(-1, "%s: cannot be paged: %s", file->name, iof_reason(rc));
	if (iof_source_size(source) < strand->size) {
		iof_source_free(source);
		iof_page_files_changed(run, false);
		return -1;
	}
	for (i = 0; i < run->options.pasids && !rc; i++) {
		lane_run(run, strand, i, &first, &end);
		from = first * run->chunk;
		to = end * run->chunk;
		if (from == to)
			continue;
		rc = map_run(run, &run->lanes[i], file, source, from,
			     to < strand->size ? to : strand->size);
	}
	iof_source_free(source);
	return rc;
}

/*
 * The pager allocates the page tables of all mappings in advance, about 1/384 of their size, so
 * that no fault allocates. If memory is too short for them, fail here: Linux would not refuse it,
 * but kill a process.
 */
static int room_for_tables(const struct iof_page_run *run)
{
	uint64_t bytes = 0, need, have = iof_available_memory();
	char text[3][IOF_TEXT];
	uint32_t i;

	for (i = 0; i < run->nr_files; i++)
		bytes += run->files[i].size;
	need = bytes / 384;
	if (!have || need <= have)
		return 0;
	return iof_fail(
		-1,
		"there is not enough memory: the page tables of %s need %s, and %s is free; "
		"--sva needs none",
		iof_size_text(text[0], bytes), iof_size_text(text[1], need),
		iof_size_text(text[2], have));
}

static int open_pager(struct iof_page_run *run)
{
	const struct iof_page_options *options = &run->options;
	struct iof_pager_config config = {
		.resident = options->resident,
		.threads = options->handlers,
		.spin_us = options->spin_us,
		.prefetch = options->prefetch,
		.engines = run->nr_slots,
		.group_pages = options->group,
		.flags = options->direct ? IOF_PAGER_DIRECT : 0,
		.error = pager_error,
		.arg = run,
	};
	uint64_t address = FIRST_ADDRESS;
	uint32_t i;
	int rc;

	rc = iof_pager_open_on(run->iommufd, run->device, 0, &config, &run->pager);
	if (rc) {
		run->pager = NULL;
		return iof_fail(-1, "a pager cannot be opened for %s: %s", options->device,
				iof_pager_error(NULL));
	}
	if (open_engine(run))
		return -1;
	if (options->pasids >= run->before.max_pasids && options->pasids > 1)
		return iof_fail(-1, "%s has %u PASIDs, fewer than --pasids needs", options->device,
				run->before.max_pasids - 1);
	for (i = 0; i < options->pasids; i++)
		run->lanes[i].pasid = run->before.max_pasids > 1 ? i + 1 : 0;

	run->records_address = address;
	for (i = 0; i < options->pasids; i++) {
		rc = iof_pager_map_memory(run->pager, run->lanes[i].pasid, address, run->records,
					  run->records_bytes, IOF_PAGER_WRITE);
		if (rc)
			return iof_fail(-1, "PASID %u of %s cannot be used: %s",
					run->lanes[i].pasid, options->device,
					iof_pager_error(run->pager));
	}
	address += GAP;
	for (i = 0; i < run->nr_files; i++) {
		if (run->files[i].size > LAST_ADDRESS - address - 2 * GAP)
			return iof_fail(-1, "%s: does not fit into the device's addresses any more",
					run->files[i].name);
		run->files[i].address = address;
		address += round_up(run->files[i].size, GAP) + GAP;
	}
	if (room_for_tables(run))
		return -1;
	for (i = 0; i < run->nr_strands; i++) {
		struct iof_page_strand *strand = &run->strands[i];

		if ((strand->source && map_file(run, strand, strand->source)) ||
		    (strand->other && map_file(run, strand, strand->other)))
			return -1;
	}
	return 0;
}

/* ---- with the page tables of this process ---- */

static int open_sva(struct iof_page_run *run)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = run->iommufd };
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva) };
	uint32_t i;
	int rc;

	rc = iof_ioctl(run->device, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (rc)
		return iof_fail(-1, "%s cannot be bound: %s", run->options.device, iof_reason(rc));
	if (open_engine(run))
		return -1;
	for (i = 0; i < run->options.pasids; i++) {
		sva.pasid = run->lanes[i].pasid = i + 1;
		rc = iof_ioctl(run->device, IOF_VFIO_DEVICE_SVA_BIND, &sva);
		if (rc)
			return iof_fail(-1, "%s cannot share this process's page tables: %s",
					run->options.device, iof_reason(rc));
		run->lanes[i].attached = true;
	}
	run->records_address = (uintptr_t)run->records;
	for (i = 0; i < run->nr_files; i++) {
		struct iof_page_file *file = &run->files[i];
		void *memory;

		if (!file->size)
			continue;
		memory = mmap(NULL, file->size, PROT_READ | (file->written ? PROT_WRITE : 0),
			      MAP_SHARED, file->fd, 0);
		if (memory == MAP_FAILED)
			return iof_fail(-1, "%s: cannot be mapped: %s", file->name,
					iof_reason(errno));
		file->memory = memory;
		file->address = (uintptr_t)memory;
	}
	return 0;
}

int iof_page_open_device(struct iof_page_run *run)
{
	if (cut(run) || open_world(run))
		return -1;
	if (run->options.sva ? open_sva(run) : open_pager(run))
		return -1;
	return start_engine(run);
}

/* Discards the output; an output that is not kept needs no write-back. */
static void discard_output(struct iof_page_run *run)
{
	uint32_t i;

	if (!run->pager || !run->output || !run->output->address || !run->output->size)
		return;
	for (i = 0; i < run->options.pasids; i++)
		iof_pager_unmap(run->pager, run->lanes[i].pasid, run->output->address,
				round_up(run->output->size, PAGE), IOF_PAGER_DISCARD);
}

int iof_page_close_device(struct iof_page_run *run)
{
	bool good = run->outcome == IOF_PAGE_UNFINISHED && !run->in_flight;
	bool known = run->before.version;
	int rc = 0, err;
	uint32_t i;

	if (known && iof_engine_stop(&run->engine, good))
		rc = -1;
	if (known && !good) {
		run->in_flight = 0;
		discard_output(run);
	}
	if (run->pager) {
		/*
		 * A handler thread counts a batch after it has responded, so the last batch may not
		 * be counted yet.
		 */
		if (good) {
			iof_handler_stop(iof_pager_handler(run->pager));
			iof_handler_wait(iof_pager_handler(run->pager));
		}
		iof_handler_get_stats(iof_pager_handler(run->pager), &run->handler_stats);
		iof_pager_get_stats(run->pager, &run->pager_stats);
		err = iof_pager_close(run->pager);
		run->pager = NULL;
		if (err && good)
			rc = iof_fail(-1, "%s", run->sentence[0] ? run->sentence : iof_reason(err));
	}
	for (i = 0; i < run->options.pasids; i++) {
		struct iof_vfio_device_sva sva = { .argsz = sizeof(sva),
						   .pasid = run->lanes[i].pasid };

		if (run->lanes[i].attached)
			iof_ioctl(run->device, IOF_VFIO_DEVICE_SVA_UNBIND, &sva);
	}
	/* The pager is closed, so every fault has its response and both sums are final. */
	if (known && !iof_page_read_state(run, &run->after) &&
	    run->after.page_requests - run->before.page_requests !=
		    run->after.resumed + run->after.refused - run->before.resumed -
			    run->before.refused)
		rc = iof_fail(-1,
			      "%s has page requests without a response: this is a bug in iofault",
			      run->options.device);
	if (known)
		iof_engine_read_latency(&run->engine, &run->latency_after);
	iof_engine_close(&run->engine);
	if (run->device >= 0)
		iof_close(run->device);
	if (run->iommufd >= 0)
		iof_close(run->iommufd);
	if (run->world) {
		err = iof_world_close(run->world);
		if (err)
			rc = iof_fail(-1, "the world cannot be closed: %s", iof_reason(err));
	}
	for (i = 0; i < run->nr_files; i++)
		if (run->files[i].memory)
			munmap(run->files[i].memory, run->files[i].size);
	if (run->records)
		munmap(run->records, run->records_bytes);
	if (run->interrupt >= 0)
		close(run->interrupt);
	free(run->slots);
	run->slots = NULL;
	return rc;
}
