// SPDX-License-Identifier: MIT
/*
 * events.c - writes the events that the core reports (page requests, their delivery and their end)
 * as lines of --trace; and keeps the latency of each device and fault queue.
 *
 * The listener runs under spinlocks of the embedded system. It takes only locks of this file and
 * trace.c's, under which nothing waits: table.lock (open groups), queues.lock (the list), and the
 * lock of each latency.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <iofault/histogram.h>

#include "lines.h"
#include "private.h"
#include "shim/sys.h"

#define MAX_KEPT  256 /* maximum number of closed queues with a line of their own in --stats */
#define NR_GROUPS 4096

struct iof_run_latency {
	struct iof_run_latency *next; /* next entry of queues.first */
	pthread_mutex_t lock;
	char name[24];
	uint64_t read;			 /* number of records read from the queue */
	struct iof_histogram *histogram; /* NULL: it has no value yet */
};

/* A page-request group between its first page and its end, for --trace. */
struct group {
	struct group *next;
	char device[24];
	uint32_t pasid, grpid, pages, perm;
	uint64_t addr;
};

static struct {
	pthread_mutex_t lock;
	struct group *hash[NR_GROUPS];
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct {
	pthread_mutex_t lock;
	struct iof_run_latency *first;
	unsigned int kept, dropped;
	uint64_t dropped_read;
	struct iof_histogram others; /* latencies of the queues that were dropped */
} queues = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct iof_run *run;
/* latency of each device; the last entry is for mock devices */
static struct iof_run_latency devices[IOF_RUN_MAX_DEVICES + 1];
static __thread uint32_t working_for;
static __thread struct iof_run_latency *working_on;

/* ---- names ---- */

/*
 * Returns the number of the machine's device, or that of the last entry, and its name for programs.
 */
static unsigned int name_device(const char *device, char name[24])
{
	unsigned int number;
	char end;

	if ((sscanf(device, "dsa%u%c", &number, &end) == 1 ||
	     sscanf(device, "ats%u%c", &number, &end) == 1) &&
	    number < run->config->nr_devices) {
		snprintf(name, 24, "vfio%u", number);
		return number;
	}
	snprintf(name, 24, "%s", device);
	return IOF_RUN_MAX_DEVICES;
}

/* ---- latency ---- */

static void add_value(struct iof_run_latency *latency, uint64_t ns)
{
	pthread_mutex_lock(&latency->lock);
	if (!latency->histogram)
		latency->histogram = calloc(1, sizeof(*latency->histogram));
	if (latency->histogram)
		iof_histogram_add(latency->histogram, ns, 1);
	pthread_mutex_unlock(&latency->lock);
}

/* Returns 0 if the device did not say when it sent the group. */
static uint64_t age_of(uint64_t sent)
{
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return sent && sent < ns ? ns - sent : 0;
}

static void put_values(FILE *out, const struct iof_histogram *histogram, bool json)
{
	static const struct iof_histogram none;
	uint64_t p50, p99;

	histogram = histogram ?: &none;
	p50 = iof_histogram_quantile(histogram, 0.5);
	p99 = iof_histogram_quantile(histogram, 0.99);
	if (json)
		fprintf(out,
			"{\"responses\": %llu, \"p50_ns\": %llu, \"p99_ns\": %llu, "
			"\"max_ns\": %llu}",
			(unsigned long long)histogram->count, (unsigned long long)p50,
			(unsigned long long)p99, (unsigned long long)histogram->max);
	else
		fprintf(out, "latency of %llu responses: p50 %.1f us, p99 %.1f us, max %.1f us",
			(unsigned long long)histogram->count, (double)p50 / 1000,
			(double)p99 / 1000, (double)histogram->max / 1000);
}

void iof_run_put_latency(FILE *out, struct iof_run_latency *latency, bool json)
{
	pthread_mutex_lock(&latency->lock);
	put_values(out, latency->histogram, json);
	pthread_mutex_unlock(&latency->lock);
}

struct iof_run_latency *iof_run_device_latency(unsigned int device)
{
	return &devices[device];
}

/* ---- fault queues ---- */

void iof_run_work_for(uint32_t tid, struct iof_run_latency *queue)
{
	working_for = tid;
	working_on = queue;
}

struct iof_run_latency *iof_run_queue_opened(const char *name)
{
	struct iof_run_latency *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	pthread_mutex_init(&queue->lock, NULL);
	snprintf(queue->name, sizeof(queue->name), "%s", name);
	pthread_mutex_lock(&queues.lock);
	queue->next = queues.first;
	queues.first = queue;
	pthread_mutex_unlock(&queues.lock);
	return queue;
}

void iof_run_queue_read(struct iof_run_latency *queue, uint64_t records)
{
	__atomic_fetch_add(&queue->read, records, __ATOMIC_RELAXED);
}

void iof_run_queue_closed(struct iof_run_latency *queue)
{
	struct iof_run_latency **at;

	pthread_mutex_lock(&queues.lock);
	if ((queue->read || queue->histogram) && queues.kept < MAX_KEPT) {
		queues.kept++;
		pthread_mutex_unlock(&queues.lock);
		return;
	}
	for (at = &queues.first; *at != queue; at = &(*at)->next)
		;
	*at = queue->next;
	if (queue->read || queue->histogram) {
		queues.dropped++;
		queues.dropped_read += queue->read;
		if (queue->histogram)
			iof_histogram_merge(&queues.others, queue->histogram);
	}
	pthread_mutex_unlock(&queues.lock);
	pthread_mutex_destroy(&queue->lock);
	free(queue->histogram);
	free(queue);
}

void iof_run_put_queues(FILE *out)
{
	unsigned int shown = 0, more = 0;
	struct iof_run_latency *queue;

	pthread_mutex_lock(&queues.lock);
	for (queue = queues.first; queue; queue = queue->next) {
		if (shown++ >= MAX_KEPT) {
			more++;
			continue;
		}
		fprintf(out, "iofault: run: %s: %llu faults read; ", queue->name,
			(unsigned long long)__atomic_load_n(&queue->read, __ATOMIC_RELAXED));
		iof_run_put_latency(out, queue, false);
		fputc('\n', out);
	}
	if (queues.dropped) {
		fprintf(out, "iofault: run: %u more queues: %llu faults read; ", queues.dropped,
			(unsigned long long)queues.dropped_read);
		put_values(out, &queues.others, false);
		fputc('\n', out);
	}
	if (more)
		fprintf(out, "iofault: run: %u open queues are not shown\n", more);
	pthread_mutex_unlock(&queues.lock);
}

/* ---- open groups, while there is a trace ---- */

static struct group **find_group(const char *device, uint32_t pasid, uint32_t grpid)
{
	uint32_t at = grpid * 31 + pasid * 7;
	struct group **group;

	for (const char *c = device; *c; c++)
		at = at * 33 + (unsigned char)*c;
	group = &table.hash[at % NR_GROUPS];
	while (*group && ((*group)->grpid != grpid || (*group)->pasid != pasid ||
			  strcmp((*group)->device, device)))
		group = &(*group)->next;
	return group;
}

static void note_page(const char *device, uint32_t pasid, uint32_t grpid, uint64_t addr,
		      uint32_t perm)
{
	struct group **at, *group;

	pthread_mutex_lock(&table.lock);
	at = find_group(device, pasid, grpid);
	group = *at;
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (group) {
			snprintf(group->device, sizeof(group->device), "%s", device);
			group->pasid = pasid;
			group->grpid = grpid;
			group->addr = addr;
			*at = group;
		}
	}
	if (group) {
		group->perm |= perm;
		group->pages++;
	}
	pthread_mutex_unlock(&table.lock);
}

/* Returns false if the pages of the group were not seen. */
static bool take_group(const char *device, uint32_t pasid, uint32_t grpid, struct group *out)
{
	struct group **at, *group;

	pthread_mutex_lock(&table.lock);
	at = find_group(device, pasid, grpid);
	group = *at;
	if (group)
		*at = group->next;
	pthread_mutex_unlock(&table.lock);
	if (!group)
		return false;
	*out = *group;
	free(group);
	return true;
}

/* ---- lines ---- */

static void line_perm(struct iof_run_line *line, uint32_t perm)
{
	static const char *const names[] = { "read", "write", "exec", "priv" };

	iof_run_line_flags(line, "perm", names, 4, perm);
}

static void line_begin(struct iof_run_line *line, const char *name, const char *event,
		       uint32_t pasid, uint32_t grpid)
{
	iof_run_line_begin(line, working_for, name, event, true);
	iof_run_line_number(line, "pasid", pasid);
	iof_run_line_number(line, "grpid", grpid);
}

static void heard_report(const char *device, va_list args)
{
	uint32_t pasid = va_arg(args, uint32_t), grpid = va_arg(args, uint32_t);
	uint64_t addr = va_arg(args, uint64_t);
	uint32_t perm = va_arg(args, uint32_t), last = va_arg(args, uint32_t);
	struct iof_run_line line;
	char name[24];

	if (!iof_run_tracing)
		return;
	name_device(device, name);
	note_page(name, pasid, grpid, addr, perm);
	line_begin(&line, name, "report", pasid, grpid);
	iof_run_line_hex(&line, "addr", addr);
	line_perm(&line, perm);
	iof_run_line_number(&line, "last", last);
	iof_run_line_end(&line);
}

static void heard_deliver(const char *device, va_list args)
{
	uint32_t pasid = va_arg(args, uint32_t), grpid = va_arg(args, uint32_t);
	uint32_t cookie = va_arg(args, uint32_t), pages = va_arg(args, uint32_t);
	uint64_t sent = va_arg(args, uint64_t);
	uint32_t queue = va_arg(args, uint32_t), dev_id = va_arg(args, uint32_t);
	struct iof_run_line line;
	char name[24];

	if (!iof_run_tracing)
		return;
	name_device(device, name);
	line_begin(&line, name, "deliver", pasid, grpid);
	iof_run_line_hex(&line, "cookie", cookie);
	iof_run_line_number(&line, "pages", pages);
	iof_run_line_number(&line, "fault_id", queue);
	iof_run_line_number(&line, "dev_id", dev_id);
	iof_run_line_number(&line, "waited_us", (int64_t)(age_of(sent) / 1000));
	iof_run_line_end(&line);
}

/*
 * Writes the line of the end of a group. @key says how it ended: the code of a response, or a
 * reason.
 */
static void line_of_end(const char *name, const char *event, uint32_t pasid, uint32_t grpid,
			uint32_t cookie, const char *key, const char *value, uint64_t ns)
{
	struct iof_run_line line;
	struct group group;

	line_begin(&line, name, event, pasid, grpid);
	if (take_group(name, pasid, grpid, &group)) {
		iof_run_line_hex(&line, "addr", group.addr);
		line_perm(&line, group.perm);
		iof_run_line_number(&line, "pages", group.pages);
	}
	if (cookie)
		iof_run_line_hex(&line, "cookie", cookie);
	iof_run_line_text(&line, key, value);
	iof_run_line_number(&line, "latency_us", (int64_t)(ns / 1000));
	iof_run_line_end(&line);
}

static void heard_respond(const char *device, va_list args)
{
	static const char *const codes[] = { "success", "invalid", "failure" };
	uint32_t pasid = va_arg(args, uint32_t), grpid = va_arg(args, uint32_t);
	uint32_t cookie = va_arg(args, uint32_t), code = va_arg(args, uint32_t);
	uint64_t ns = age_of(va_arg(args, uint64_t));
	char name[24];
	unsigned int number = name_device(device, name);

	add_value(&devices[number], ns);
	if (cookie && working_on)
		add_value(working_on, ns);
	if (iof_run_tracing)
		line_of_end(name, "respond", pasid, grpid, cookie, "code",
			    code < 3 ? codes[code] : "unknown", ns);
}

static const char *why_name(uint32_t why)
{
	static const char *const names[] = { "response",    "detach", "replace", "close",
					     "no-listener", "broken", "credits", "memory" };

	return why < sizeof(names) / sizeof(names[0]) ? names[why] : "unknown";
}

static void heard_end(const char *event, const char *device, va_list args)
{
	uint32_t pasid = va_arg(args, uint32_t), grpid = va_arg(args, uint32_t), cookie = 0, why;
	char name[24];

	if (!iof_run_tracing)
		return;
	if (!strcmp(event, "sweep"))
		cookie = va_arg(args, uint32_t);
	why = va_arg(args, uint32_t);
	name_device(device, name);
	line_of_end(name, event, pasid, grpid, cookie, "why", why_name(why),
		    age_of(va_arg(args, uint64_t)));
}

static void hear(const char *event, ...)
{
	const char *device;
	va_list args;

	va_start(args, event);
	device = va_arg(args, const char *);
	if (!strcmp(event, "report"))
		heard_report(device, args);
	else if (!strcmp(event, "deliver"))
		heard_deliver(device, args);
	else if (!strcmp(event, "respond"))
		heard_respond(device, args);
	else
		heard_end(event, device, args);
	va_end(args);
}

void iof_run_events_init(struct iof_run *the_run)
{
	run = the_run;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		pthread_mutex_init(&devices[i].lock, NULL);
	iof_sys_set_listener(hear);
}
