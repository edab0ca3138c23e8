// SPDX-License-Identifier: MIT
/*
 * page_samples.c - how a run went over time, for the JSON: at completions of descriptors, the time,
 * the address, and the counters of device and pager.
 *
 * Samples are a millisecond apart at least: the pager counts used pages for each, under its lock.
 * The list has a fixed size. When it is full, each second sample goes, and from then on half as
 * many are taken. Only the main thread is here.
 */
#include "page.h"

#include <json-c/json.h>

#define APART 1000000u /* ns */

void iof_page_sample(struct iof_page_run *run, const struct iof_page_slot *slot)
{
	struct iof_page_samples *samples = &run->samples;
	const struct iof_page_strand *strand = slot->strand;
	const struct iof_page_file *file = strand->source ? strand->source : strand->other;
	struct iof_pager_stats stats = { 0 };
	struct iof_vfio_dsa_state state;
	uint64_t now;
	uint32_t i;

	if (!run->options.json)
		return;
	if (!samples->stride) {
		samples->stride = 1;
		samples->begun = iof_now();
	}
	now = iof_now() - samples->begun;
	if (samples->nr && now - samples->list[samples->nr - 1].ns < APART)
		return;
	if (samples->seen++ % samples->stride)
		return;
	if (samples->nr == IOF_PAGE_MAX_SAMPLES) {
		samples->nr /= 2;
		samples->stride *= 2;
		for (i = 0; i < samples->nr; i++)
			samples->list[i] = samples->list[2 * i];
	}
	if (run->pager) {
		iof_pager_get_stats(run->pager, &stats);
	} else {
		if (iof_page_read_state(run, &state))
			return;
		stats.faults = state.page_requests - run->before.page_requests;
	}
	samples->list[samples->nr++] = (struct iof_page_sample){
		.ns = now,
		.address = file->address + slot->chunk * run->chunk,
		.lane = slot->lane,
		.faults = stats.faults,
		.resident = stats.resident * 4096,
		.evictions = stats.evictions,
	};
}

struct json_object *iof_page_samples_json(const struct iof_page_run *run)
{
	static const char *const columns[] = { "ns",	 "address",	   "pasid_index",
					       "faults", "resident_bytes", "evictions" };
	struct json_object *top = json_object_new_object(), *names = json_object_new_array();
	struct json_object *rows = json_object_new_array();
	uint32_t i, k;

	for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		json_object_array_add(names, json_object_new_string(columns[i]));
	for (i = 0; i < run->samples.nr; i++) {
		const struct iof_page_sample *sample = &run->samples.list[i];
		const uint64_t values[] = { sample->ns,	    sample->address,  sample->lane,
					    sample->faults, sample->resident, sample->evictions };
		struct json_object *row = json_object_new_array();

		for (k = 0; k < sizeof(values) / sizeof(values[0]); k++)
			json_object_array_add(row, json_object_new_uint64(values[k]));
		json_object_array_add(rows, row);
	}
	json_object_object_add(top, "columns", names);
	json_object_object_add(top, "rows", rows);
	return top;
}
