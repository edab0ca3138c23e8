// SPDX-License-Identifier: MIT
/*
 * page.c - `iofault page`: the steps of a run in order, and the cleanup.
 *
 * On every path the device is stopped and each of its faults has a response before the files are
 * closed. An output gets its name only after the CPU check found its content right.
 */
#include "page.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/*
 * Loads pages until the memory is full. Loads them in pieces, so that a signal ends the loop early.
 */
static int populate(struct iof_page_run *run)
{
	const uint64_t piece = 4 << 20;
	uint64_t begun = iof_now(), offset, length;
	struct iof_pager_stats stats;
	uint32_t i, lane;
	long got;

	iof_progress_begin(&run->progress, "loading", run->bytes, run->options.quiet);
	run->done = 0;
	for (i = 0; i < run->nr_strands; i++) {
		struct iof_page_strand *strand = &run->strands[i];
		struct iof_page_file *sides[2] = { strand->source, strand->other };
		unsigned int side;

		for (side = 0; side < 2; side++) {
			if (!sides[side])
				continue;
			for (lane = 0; lane < run->options.pasids; lane++) {
				struct iof_page_lane *at = &run->lanes[lane];
				uint64_t end;

				at->strand = i;
				iof_page_lane_begin(run, at);
				offset = at->chunk * run->chunk;
				end = at->end * run->chunk;
				if (end > strand->size)
					end = strand->size;
				for (; offset < end; offset += length) {
					length = end - offset < piece ? end - offset : piece;
					run->signal = iof_signals_came();
					if (run->signal)
						return -1;
					got = iof_pager_populate(run->pager, at->pasid,
								 sides[side]->address + offset,
								 length);
					if (got < 0)
						return iof_fail(-1, "%s: cannot be loaded: %s",
								sides[side]->name,
								iof_pager_error(run->pager));
					run->done += length;
					iof_pager_get_stats(run->pager, &stats);
					if (stats.resident == stats.frames)
						goto full;
					iof_progress_show(&run->progress, run->done, "");
				}
			}
		}
	}
full:
	run->populate_seconds = (double)(iof_now() - begun) / 1e9;
	return 0;
}

/* Writes the output's pages to the file now, so that an error is reported as one of writing. */
static int write_back(struct iof_page_run *run)
{
	uint64_t begun = iof_now();
	uint32_t lane;
	int rc;

	for (lane = 0; run->pager && run->output->size && lane < run->options.pasids; lane++) {
		rc = iof_pager_sync(run->pager, run->lanes[lane].pasid, run->output->address,
				    (run->output->size + 4095) & ~4095ull);
		/* The pager has no mapping for a lane that has no chunk. */
		if (rc && rc != -ENOENT)
			return iof_fail(-1, "%s: cannot be written: %s", run->output->name,
					iof_pager_error(run->pager));
	}
	run->sync_seconds += (double)(iof_now() - begun) / 1e9;
	return 0;
}

static int one_pass(struct iof_page_run *run)
{
	struct iof_page_pass *pass = &run->passes[run->passes_done];
	struct iof_vfio_dsa_state before, after;
	uint64_t begun;

	if (iof_page_read_state(run, &before))
		return -1;
	begun = iof_now();
	if (iof_page_work(run))
		return -1;
	if (run->output && write_back(run))
		return -1;
	pass->seconds = (double)(iof_now() - begun) / 1e9;
	if (iof_page_read_state(run, &after))
		return -1;
	pass->page_requests = after.page_requests - before.page_requests;
	run->seconds += pass->seconds;
	run->passes_done++;
	return 0;
}

static int work(struct iof_page_run *run)
{
	if (iof_page_open_files(run) || iof_page_open_device(run))
		return -1;
	if (run->options.populate && populate(run))
		return -1;
	while (run->passes_done < run->options.passes)
		if (one_pass(run))
			return -1;
	return 0;
}

static void end_badly(struct iof_page_run *run)
{
	if (run->outcome == IOF_PAGE_UNFINISHED)
		run->outcome = run->signal ? IOF_PAGE_INTERRUPTED : IOF_PAGE_FAILED;
}

static int status_of(const struct iof_page_run *run)
{
	switch (run->outcome) {
	case IOF_PAGE_OK:
		return IOF_EXIT_OK;
	case IOF_PAGE_INTERRUPTED:
		return IOF_EXIT_SIGNAL + run->signal;
	default:
		return IOF_EXIT_WRONG;
	}
}

int iof_cmd_page(int argc, char **argv)
{
	struct iof_page_run run = { .iommufd = -1, .device = -1, .interrupt = -1 };
	struct iof_page_json json = { 0 };
	int rc = iof_page_parse(argc, argv, &run.options);
	int status;

	if (rc)
		return rc - 1;
	/* Threads inherit the signal mask, so block the signals before the first is created. */
	rc = iof_signals_take();
	if (rc)
		return iof_fail(IOF_EXIT_WRONG, "a signalfd cannot be created: %s", iof_reason(rc));
	if (run.options.json && iof_page_json_open(&json, run.options.json))
		return IOF_EXIT_WRONG;
	pthread_mutex_init(&run.lock, NULL);

	if (work(&run))
		end_badly(&run);
	iof_progress_end(&run.progress);
	if (iof_page_close_device(&run))
		end_badly(&run);
	if (run.outcome == IOF_PAGE_UNFINISHED && iof_page_verify(&run))
		end_badly(&run);
	if (run.outcome == IOF_PAGE_OK && run.output && iof_page_keep_output(&run))
		run.outcome = IOF_PAGE_FAILED;
	if (run.outcome == IOF_PAGE_INTERRUPTED)
		iof_say("ended by SIG%s; %s", sigabbrev_np(run.signal),
			run.output ? "the unfinished output is deleted" :
				     "each fault has a response");

	iof_page_print(&run);
	status = iof_flush_stdout(status_of(&run));
	if (json.out && iof_page_json_write(&json, &run) && !status)
		status = IOF_EXIT_WRONG;
	iof_page_close_files(&run);
	free(run.passes);
	pthread_mutex_destroy(&run.lock);
	return status;
}
