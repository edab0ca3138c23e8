// SPDX-License-Identifier: MIT
/*
 * page_queue.c - one pass over the work: submits descriptors to the portal, reaps completion
 * records.
 *
 * All of it runs on the main thread, which sleeps while the device has enough work. Each descriptor
 * requests an interrupt, which is an eventfd. poll(2) waits for that eventfd, for a signal, and for
 * the next update of the progress bar if there is one. The eventfd is read before the records, so
 * that no completion is missed.
 */
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/idxd.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT_ONCE	 32   /* maximum number of descriptors in one write to the portal */
#define WATCH_MS 1000 /* how often a real device is watched */

/* Descriptors that are filled in and that the portal has not taken yet. */
struct pending {
	struct dsa_hw_desc descs[AT_ONCE];
	uint32_t nr;
};

static struct dsa_completion_record *record_of(const struct iof_page_run *run, uint32_t slot)
{
	return (struct dsa_completion_record *)run->records + slot;
}

/* Takes the next chunk of @lane. Returns false if no chunk is left. */
static bool next_chunk(struct iof_page_run *run, struct iof_page_lane *lane,
		       struct iof_page_slot *slot)
{
	while (lane->chunk == lane->end) {
		if (lane->strand + 1 >= run->nr_strands)
			return false;
		lane->strand++;
		iof_page_lane_begin(run, lane);
	}
	slot->strand = &run->strands[lane->strand];
	slot->chunk = lane->chunk++;
	slot->lane = (uint32_t)(lane - run->lanes);
	slot->length = (uint32_t)run->chunk;
	if (slot->strand->size - slot->chunk * run->chunk < run->chunk)
		slot->length = (uint32_t)(slot->strand->size - slot->chunk * run->chunk);
	return true;
}

static void fill_descriptor(const struct iof_page_run *run, uint32_t index,
			    struct dsa_hw_desc *desc)
{
	const struct iof_page_slot *slot = &run->slots[index];
	uint64_t offset = slot->chunk * run->chunk;
	uint64_t source = slot->strand->source ? slot->strand->source->address + offset : 0;
	uint64_t other = slot->strand->other ? slot->strand->other->address + offset : 0;

	memset(desc, 0, sizeof(*desc));
	desc->pasid = run->lanes[slot->lane].pasid;
	desc->flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_RCI;
	desc->completion_addr = run->records_address + index * sizeof(struct dsa_completion_record);
	desc->xfer_size = slot->length;
	switch (run->options.op) {
	case IOF_PAGE_CRC32C:
		desc->opcode = DSA_OPCODE_CRCGEN;
		desc->src_addr = source;
		break;
	case IOF_PAGE_COPY:
		desc->opcode = DSA_OPCODE_MEMMOVE;
		desc->src_addr = source;
		desc->dst_addr = other;
		break;
	case IOF_PAGE_COMPARE:
		desc->opcode = DSA_OPCODE_COMPARE;
		desc->src_addr = source;
		desc->src2_addr = other;
		break;
	case IOF_PAGE_FILL:
		desc->opcode = DSA_OPCODE_MEMFILL;
		desc->pattern = run->options.pattern;
		desc->dst_addr = other;
		break;
	}
	/* The device overwrites this status when the descriptor completes. */
	__atomic_store_n(&record_of(run, index)->status, DSA_COMP_NONE, __ATOMIC_RELAXED);
}

/* Fills descriptors with chunks from the lanes in turn, while there are free slots and room. */
static void prepare(struct iof_page_run *run, struct pending *pending, uint32_t *free_slot)
{
	uint32_t idle = 0, slot;

	while (pending->nr < AT_ONCE && run->in_flight < run->nr_slots &&
	       idle < run->options.pasids) {
		struct iof_page_lane *lane = &run->lanes[run->turn];

		for (slot = *free_slot; run->slots[slot].strand; slot = (slot + 1) % run->nr_slots)
			;
		run->turn = (run->turn + 1) % run->options.pasids;
		if (!next_chunk(run, lane, &run->slots[slot])) {
			idle++;
			continue;
		}
		idle = 0;
		*free_slot = (slot + 1) % run->nr_slots;
		fill_descriptor(run, slot, &pending->descs[pending->nr++]);
		run->in_flight++;
	}
}

/* Submits the pending descriptors. Returns how many were taken, or -1. */
static int submit(struct iof_page_run *run, struct pending *pending)
{
	int taken;

	if (!pending->nr)
		return 0;
	taken = iof_engine_submit(&run->engine, pending->descs, pending->nr);
	if (taken < 0)
		return -1;
	run->portal_full += !taken;
	pending->nr -= (uint32_t)taken;
	memmove(pending->descs, pending->descs + taken, pending->nr * sizeof(pending->descs[0]));
	return taken;
}

static const char *status_text(uint8_t status)
{
	switch (status) {
	case DSA_COMP_PAGE_FAULT_NOBOF:
	case DSA_COMP_PAGE_FAULT_IR:
		return "a page could not be had";
	case DSA_COMP_CRA_XLAT:
		return "the completion record's address is not mapped";
	case DSA_COMP_XFER_ERANGE:
		return "the descriptor is too large";
	case DSA_COMP_HW_ERR1:
	case DSA_COMP_HW_ERR_DRB:
	case DSA_COMP_TRANSLATION_FAIL:
		return "its access to memory failed";
	default:
		return "the descriptor was not accepted";
	}
}

static int say_failure(struct iof_page_run *run, const struct iof_page_slot *slot,
		       const struct dsa_completion_record *record)
{
	const struct iof_page_strand *strand = slot->strand;
	const struct iof_page_file *file = strand->source ? strand->source : strand->other;
	uint8_t status = record->status & DSA_COMP_STATUS_MASK;
	uint64_t at = slot->chunk * run->chunk + record->bytes_completed;

	if (iof_page_files_changed(run, true))
		return -1;
	pthread_mutex_lock(&run->lock);
	if (run->sentence[0])
		iof_say("%s: %s", file->name, run->sentence);
	else
		iof_say("%s: the device stopped at byte %" PRIu64
			": %s (status 0x%02x, address 0x%" PRIx64 ")",
			file->name, at, status_text(status), status, (uint64_t)record->fault_addr);
	pthread_mutex_unlock(&run->lock);
	return -1;
}

/* Stores the result of a complete descriptor and frees its slot. */
static int retire(struct iof_page_run *run, struct iof_page_slot *slot,
		  const struct dsa_completion_record *record)
{
	struct iof_page_strand *strand = slot->strand;
	uint64_t offset = slot->chunk * run->chunk, at;

	if ((record->status & DSA_COMP_STATUS_MASK) != DSA_COMP_SUCCESS)
		return say_failure(run, slot, record);
	switch (run->options.op) {
	case IOF_PAGE_CRC32C:
		strand->chunk_crcs[slot->chunk] = (uint32_t)record->crc_val;
		break;
	case IOF_PAGE_COMPARE:
		at = offset + record->bytes_completed;
		if (record->result && at < strand->differs_at)
			strand->differs_at = at;
		break;
	default:
		break;
	}
	if (run->options.sva) {
		/* Processed pages need not stay mapped; the page cache has them anyway. */
		if (strand->source)
			madvise((char *)strand->source->memory + offset, slot->length,
				MADV_DONTNEED);
		if (strand->other)
			madvise((char *)strand->other->memory + offset, slot->length,
				MADV_DONTNEED);
	}
	run->done += slot->length;
	iof_page_sample(run, slot);
	slot->strand = NULL;
	run->in_flight--;
	return 0;
}

/* Retires each descriptor with a complete record. Returns how many there were, or -1. */
static int reap(struct iof_page_run *run)
{
	int found = 0;
	uint32_t i;

	for (i = 0; i < run->nr_slots; i++) {
		struct dsa_completion_record *record = record_of(run, i);

		if (!run->slots[i].strand || !__atomic_load_n(&record->status, __ATOMIC_ACQUIRE))
			continue;
		if (retire(run, &run->slots[i], record))
			return -1;
		found++;
	}
	return found;
}

static void show(struct iof_page_run *run)
{
	char note[64], count[IOF_TEXT];
	struct iof_vfio_dsa_state state;

	if (!run->progress.on || iof_now() - run->progress.last < IOF_PROGRESS_MS * 1000000ull)
		return;
	if (iof_page_read_state(run, &state))
		return;
	snprintf(note, sizeof(note), "%s faults",
		 iof_count_text(count, state.page_requests - run->before.page_requests));
	iof_progress_show(&run->progress, run->done, note);
}

/*
 * Is a real device still at work? It may fail without an interrupt. While the handler has page
 * requests open, the files are waited for, not the device.
 */
static int watch(struct iof_page_run *run)
{
	struct iof_handler_stats stats = { .groups = 0 };
	uint64_t now = iof_now();

	if (!run->engine.is_real)
		return 0;
	if (iof_engine_check(&run->engine))
		return -1;
	if (run->pager)
		iof_handler_get_stats(iof_pager_handler(run->pager), &stats);
	if (!run->moved || stats.open || stats.groups != run->moved_groups ||
	    run->done != run->moved_done) {
		run->moved = now;
		run->moved_groups = stats.groups;
		run->moved_done = run->done;
	} else if (now - run->moved >= iof_engine_machine->silence_ms * 1000000ull) {
		return iof_fail(-1, "%s has completed nothing for %" PRIu64 " s",
				run->options.device, (now - run->moved) / 1000000000);
	}
	return 0;
}

/*
 * Returns how long rest() may sleep, in milliseconds. A shared queue that is full for other reasons
 * raises no interrupt when it has room.
 */
static int nap(const struct iof_page_run *run, bool refused)
{
	if (refused && run->engine.is_real)
		return 1;
	if (run->progress.on)
		return IOF_PROGRESS_MS;
	return run->engine.is_real ? WATCH_MS : -1;
}

/*
 * Sleeps until a completion, a signal or a progress update; not for long if descriptors were
 * @refused. Returns -1 on a signal or an error of the pager.
 */
static int rest(struct iof_page_run *run, bool refused)
{
	struct pollfd fds[2] = {
		{ .fd = run->interrupt, .events = POLLIN },
		{ .fd = iof_signals_fd(), .events = POLLIN },
	};
	uint64_t count;
	int rc = 0;

	rc = poll(fds, 2, nap(run, refused));
	if (rc < 0 && errno != EINTR)
		return iof_fail(-1, "waiting for the device failed: %s", iof_reason(errno));
	if (!rc && watch(run))
		return -1;
	rc = 0;
	if (read(run->interrupt, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return iof_fail(-1, "waiting for the device failed: %s", iof_reason(errno));
	run->signal = iof_signals_came();
	if (run->signal)
		return -1;
	if (!run->pager)
		return 0;
	pthread_mutex_lock(&run->lock);
	if (run->sentence[0]) {
		rc = -1;
		if (!iof_page_files_changed(run, true))
			iof_say("%s", run->sentence);
	}
	pthread_mutex_unlock(&run->lock);
	return rc;
}

int iof_page_work(struct iof_page_run *run)
{
	struct pending pending = { .nr = 0 };
	uint32_t free_slot = 0, i;
	int taken, done;

	run->done = 0;
	run->moved = 0;
	run->turn = 0;
	for (i = 0; run->nr_strands && i < run->options.pasids; i++) {
		run->lanes[i].strand = 0;
		iof_page_lane_begin(run, &run->lanes[i]);
	}
	iof_progress_begin(&run->progress, run->options.op_name, run->bytes, run->options.quiet);
	for (;;) {
		prepare(run, &pending, &free_slot);
		/* Nothing is in flight, and the lanes have no more chunks. */
		if (!run->in_flight)
			return 0;
		taken = submit(run, &pending);
		if (taken < 0)
			break;
		done = reap(run);
		if (done < 0)
			break;
		show(run);
		if (done)
			continue;
		if (rest(run, pending.nr))
			break;
	}
	return -1;
}
