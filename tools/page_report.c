// SPDX-License-Identifier: MIT
/*
 * page_report.c - the report at the end of a run: the table, and the same as JSON.
 *
 * The results of crc32c go to standard output as "CRC  FILE", one line each, before the table. The
 * device measures the latencies, from sending a page request to its response.
 */
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

/* Figures that the table and the JSON share. */
struct figures {
	uint64_t bytes, requests, answered, refused, stalls, descriptors, tlb_hits, tlb_misses;
	uint64_t p50, p99, max;
	uint64_t peak;
	double seconds, rate, cpu_rate;
};

static void figure(const struct iof_page_run *run, struct figures *out)
{
	const struct iof_vfio_dsa_state *from = &run->before, *to = &run->after;
	struct iof_histogram latency = run->latency_after;
	uint32_t i;

	*out = (struct figures){
		.bytes = run->bytes * run->passes_done,
		.requests = to->page_requests - from->page_requests,
		.answered = to->resumed - from->resumed,
		.refused = to->refused - from->refused,
		.stalls = to->stalls - from->stalls,
		.descriptors = to->descriptors - from->descriptors,
		.tlb_hits = to->tlb_hits - from->tlb_hits,
		.tlb_misses = to->tlb_misses - from->tlb_misses,
		.peak = iof_peak_memory(),
		.seconds = run->seconds,
	};
	/* The maximum cannot be limited to this run if the device had faults before it. */
	latency.count -= run->latency_before.count;
	for (i = 0; i < IOF_HISTOGRAM_BUCKETS; i++)
		latency.buckets[i] -= run->latency_before.buckets[i];
	out->p50 = iof_histogram_quantile(&latency, 0.5);
	out->p99 = iof_histogram_quantile(&latency, 0.99);
	out->max = latency.count ? latency.max : 0;
	if (out->seconds > 0)
		out->rate = (double)out->bytes / out->seconds / 1e9;
	if (run->verify_seconds > 0)
		out->cpu_rate = (double)run->verify_bytes / run->verify_seconds / 1e9;
}

static const char *outcome_word(enum iof_page_outcome outcome)
{
	static const char *const words[] = {
		[IOF_PAGE_UNFINISHED] = "unfinished", [IOF_PAGE_OK] = "ok",
		[IOF_PAGE_DIFFERENT] = "different",   [IOF_PAGE_WRONG] = "wrong",
		[IOF_PAGE_FAILED] = "failed",	      [IOF_PAGE_INTERRUPTED] = "interrupted",
	};

	return words[outcome];
}

/* ---- the table ---- */

static void row(FILE *out, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void row(FILE *out, const char *name, const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(out, "  %-15s %s\n", name, iof_tame(line));
}

static void verdict(FILE *out, const struct iof_page_run *run)
{
	const struct iof_page_strand *strand = run->strands;

	switch (run->outcome) {
	case IOF_PAGE_OK:
		if (run->options.op == IOF_PAGE_COMPARE)
			row(out, "result", "ok: the files are equal, and the CPU finds the same");
		else if (run->output)
			row(out, "result", "ok: %s is complete, and its content is right",
			    run->output->name);
		else
			row(out, "result", "ok: the CPU computes the same");
		break;
	case IOF_PAGE_DIFFERENT:
		row(out, "result",
		    "the files differ from byte %" PRIu64 " on, and the CPU finds the same",
		    strand->differs_at);
		break;
	case IOF_PAGE_WRONG:
		row(out, "result", "WRONG: the CPU computes another result");
		break;
	case IOF_PAGE_INTERRUPTED:
		row(out, "result", "none: ended by SIG%s", sigabbrev_np(run->signal));
		break;
	default:
		row(out, "result", "none: the run failed");
		break;
	}
}

static void print_pager(FILE *out, const struct iof_page_run *run, const struct figures *figures)
{
	const struct iof_pager_stats *pager = &run->pager_stats;
	char text[6][IOF_TEXT];

	if (!run->pager_stats.frames) {
		row(out, "memory", "process peak %s; faults resolved by its own page tables",
		    iof_size_text(text[0], figures->peak));
		return;
	}
	row(out, "pages", "%s loaded on demand, %s prefetched (%s of them used)",
	    iof_count_text(text[0], pager->loaded), iof_count_text(text[1], pager->prefetched),
	    iof_count_text(text[2], pager->prefetch_used));
	row(out, "evictions", "%s, write-backs %s", iof_count_text(text[0], pager->evictions),
	    iof_count_text(text[1], pager->writebacks));
	row(out, "memory", "budget %s, at most %s of it in use; process peak %s",
	    iof_size_text(text[0], pager->frames * 4096),
	    iof_size_text(text[1], pager->resident_peak * 4096),
	    iof_size_text(text[2], figures->peak));
	row(out, "where time goes", "loading %s, writing back %s, invalidating %s",
	    iof_time_text(text[3], pager->load_ns), iof_time_text(text[4], pager->store_ns),
	    iof_time_text(text[5], pager->invalidate_ns));
}

void iof_page_print(struct iof_page_run *run)
{
	FILE *out = run->options.json && !strcmp(run->options.json, "-") ? stderr : stdout;
	char text[4][IOF_TEXT];
	/* compare has two files and one strand; fill may have no input. */
	uint32_t files = run->options.nr_files > run->nr_strands ? run->options.nr_files :
								   run->nr_strands;
	struct figures figures;
	uint32_t i;

	/* Without a device there are no figures. */
	if (!run->before.version)
		return;
	/* The CRCs are the result itself. --quiet keeps them, unless the JSON has them. */
	if (run->options.op == IOF_PAGE_CRC32C && run->outcome == IOF_PAGE_OK &&
	    !(run->options.quiet && run->options.json))
		for (i = 0; i < run->nr_strands; i++)
			fprintf(out, "%08x  %s\n", run->strands[i].crc,
				run->strands[i].source->name);
	if (run->options.quiet)
		return;
	figure(run, &figures);
	fprintf(out, "%s by a DMA engine%s\n", run->options.op_name,
		run->options.sva ? " in the address space of this process" :
				   ", page by page on demand");
	row(out, "files", "%u, %s%s%s", files, iof_size_text(text[0], run->bytes),
	    run->passes_done > 1 ? ", passes " : "",
	    run->passes_done > 1 ? iof_count_text(text[1], run->passes_done) : "");
	row(out, "device", "%u engine%s, %u PASID%s, %s descriptors of %s", run->options.engines,
	    run->options.engines == 1 ? "" : "s", run->options.pasids,
	    run->options.pasids == 1 ? "" : "s", iof_count_text(text[0], figures.descriptors),
	    iof_size_text(text[1], run->chunk));
	if (run->pager_stats.frames)
		row(out, "faults", "%s in %s groups: %s answered with success, %s refused",
		    iof_count_text(text[0], run->handler_stats.faults),
		    iof_count_text(text[1], figures.requests),
		    iof_count_text(text[2], figures.answered),
		    iof_count_text(text[3], figures.refused));
	else
		row(out, "faults", "%s groups: %s answered with success, %s refused",
		    iof_count_text(text[1], figures.requests),
		    iof_count_text(text[2], figures.answered),
		    iof_count_text(text[3], figures.refused));
	print_pager(out, run, &figures);
	/* A real device does not measure it. */
	if (!run->engine.is_real)
		row(out, "latency", "from request to resume: p50 %s, p99 %s, max %s",
		    iof_time_text(text[0], figures.p50), iof_time_text(text[1], figures.p99),
		    iof_time_text(text[2], figures.max));
	if (figures.seconds > 0)
		row(out, "speed", "%.2f GB/s (%.3f s)%s", figures.rate, figures.seconds,
		    run->populate_seconds > 0 ? ", after loading" : "");
	if (run->verify_seconds > 0)
		row(out, "CPU check", "%.2f GB/s (%.3f s), read again from the files",
		    figures.cpu_rate, run->verify_seconds);
	verdict(out, run);
}

/* ---- JSON ---- */

int iof_page_json_open(struct iof_page_json *json, const char *name)
{
	json->name = name;
	json->shared = !strcmp(name, "-");
	/* Append mode: the file is truncated only when the JSON is written. */
	json->out = json->shared ? stdout : fopen(name, "ae");
	if (!json->out)
		return iof_fail(-1, "%s: the file cannot be opened for the JSON: %s", name,
				iof_reason(errno));
	return 0;
}

static void add(struct json_object *to, const char *name, uint64_t value)
{
	json_object_object_add(to, name, json_object_new_uint64(value));
}

static void add_real(struct json_object *to, const char *name, double value)
{
	json_object_object_add(to, name, json_object_new_double(value));
}

static void add_text(struct json_object *to, const char *name, const char *value)
{
	json_object_object_add(to, name, json_object_new_string(value));
}

static struct json_object *files_json(const struct iof_page_run *run)
{
	struct json_object *list = json_object_new_array();
	uint32_t i;

	for (i = 0; i < run->nr_strands; i++) {
		const struct iof_page_strand *strand = &run->strands[i];
		struct json_object *one = json_object_new_object();
		char crc[16];

		if (strand->source)
			add_text(one, "name", strand->source->name);
		if (strand->other)
			add_text(one, run->output ? "out" : "other", strand->other->name);
		add(one, "bytes", strand->size);
		if (run->options.op == IOF_PAGE_CRC32C && run->outcome <= IOF_PAGE_WRONG) {
			snprintf(crc, sizeof(crc), "%08x", strand->crc);
			add_text(one, "crc32c", crc);
			snprintf(crc, sizeof(crc), "%08x", strand->crc_cpu);
			add_text(one, "crc32c_cpu", crc);
		}
		if (strand->differs_at != UINT64_MAX)
			add(one, "differs_at", strand->differs_at);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *passes_json(const struct iof_page_run *run)
{
	struct json_object *list = json_object_new_array();
	uint32_t i;

	for (i = 0; i < run->passes_done; i++) {
		struct json_object *one = json_object_new_object();
		double seconds = run->passes[i].seconds;

		add_real(one, "seconds", seconds);
		add_real(one, "gb_per_s", seconds > 0 ? (double)run->bytes / seconds / 1e9 : 0);
		add(one, "groups", run->passes[i].page_requests);
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *pager_json(const struct iof_page_run *run)
{
	const struct iof_pager_stats *stats = &run->pager_stats;
	struct json_object *pager = json_object_new_object();

	add(pager, "budget_bytes", stats->frames * 4096);
	add(pager, "resident_peak_bytes", stats->resident_peak * 4096);
	add(pager, "table_bytes", stats->table_pages * 4096);
	add(pager, "loaded", stats->loaded);
	add(pager, "present", stats->present);
	add(pager, "prefetched", stats->prefetched);
	add(pager, "prefetch_used", stats->prefetch_used);
	add(pager, "evictions", stats->evictions);
	add(pager, "writebacks", stats->writebacks);
	add(pager, "errors", stats->errors);
	add(pager, "invalidations", stats->invalidations);
	add(pager, "load_ns", stats->load_ns);
	add(pager, "store_ns", stats->store_ns);
	add(pager, "invalidate_ns", stats->invalidate_ns);
	add(pager, "handler_batches", run->handler_stats.batches);
	add(pager, "handler_sleeps", run->handler_stats.sleeps);
	add(pager, "handler_p50_ns", iof_histogram_quantile(&run->handler_stats.latency, 0.5));
	add(pager, "handler_p99_ns", iof_histogram_quantile(&run->handler_stats.latency, 0.99));
	return pager;
}

/* The buckets that are not empty: from how many nanoseconds on, and how many responses. */
static struct json_object *histogram_json(const struct iof_page_run *run)
{
	struct json_object *list = json_object_new_array();
	uint32_t i;

	for (i = 0; i < IOF_HISTOGRAM_BUCKETS; i++) {
		uint64_t count = run->latency_after.buckets[i] - run->latency_before.buckets[i];
		struct json_object *one;

		if (!count)
			continue;
		one = json_object_new_array();
		json_object_array_add(one, json_object_new_uint64(iof_histogram_floor(i)));
		json_object_array_add(one, json_object_new_uint64(count));
		json_object_array_add(list, one);
	}
	return list;
}

static struct json_object *run_json(const struct iof_page_run *run)
{
	struct json_object *top = json_object_new_object(), *latency = json_object_new_object();
	struct figures figures;

	figure(run, &figures);
	add_text(top, "op", run->options.op_name);
	add_text(top, "result", outcome_word(run->outcome));
	if (run->signal)
		add(top, "signal", (uint64_t)run->signal);
	json_object_object_add(top, "files", files_json(run));
	add(top, "bytes", figures.bytes);
	add(top, "chunk_bytes", run->chunk);
	add(top, "engines", run->options.engines);
	add(top, "depth", run->nr_slots);
	add(top, "pasids", run->options.pasids);
	add(top, "handlers", run->options.handlers);
	add(top, "prefetch", run->options.prefetch);
	json_object_object_add(top, "sva", json_object_new_boolean(run->options.sva));
	add(top, "descriptors", figures.descriptors);
	add(top, "faults", run->pager_stats.frames ? run->handler_stats.faults : figures.requests);
	add(top, "groups", figures.requests);
	add(top, "resumed", figures.answered);
	add(top, "refused", figures.refused);
	add(top, "unanswered", figures.requests - figures.answered - figures.refused);
	add(top, "stalls", figures.stalls);
	add(top, "portal_full", run->portal_full);
	add(top, "tlb_hits", figures.tlb_hits);
	add(top, "tlb_misses", figures.tlb_misses);
	add(latency, "p50", figures.p50);
	add(latency, "p99", figures.p99);
	add(latency, "max", figures.max);
	json_object_object_add(latency, "buckets", histogram_json(run));
	json_object_object_add(top, "request_to_resume_ns", latency);
	json_object_object_add(top, "samples", iof_page_samples_json(run));
	if (run->pager_stats.frames)
		json_object_object_add(top, "pager", pager_json(run));
	json_object_object_add(top, "passes", passes_json(run));
	add_real(top, "seconds", figures.seconds);
	add_real(top, "write_back_seconds", run->sync_seconds);
	add_real(top, "populate_seconds", run->populate_seconds);
	add_real(top, "gb_per_s", figures.rate);
	add_real(top, "cpu_seconds", run->verify_seconds);
	add_real(top, "cpu_gb_per_s", figures.cpu_rate);
	add(top, "peak_memory_bytes", figures.peak);
	return top;
}

int iof_page_json_write(struct iof_page_json *json, struct iof_page_run *run)
{
	struct json_object *top = run_json(run);
	const char *text = json_object_to_json_string_ext(
		top, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool bad = !text;

	/* Truncate a file; a pipe or a terminal has EINVAL here and is appended to. */
	if (!json->shared && ftruncate(fileno(json->out), 0) && errno != EINVAL)
		bad = true;
	if (!bad)
		bad = fprintf(json->out, "%s\n", text) < 0;
	bad |= json->shared ? fflush(json->out) : fclose(json->out);
	json_object_put(top);
	return bad ? iof_fail(-1, "%s: the JSON cannot be written: %s", json->name,
			      iof_reason(errno)) :
		     0;
}
