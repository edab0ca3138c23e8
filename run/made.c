// SPDX-License-Identifier: MIT
/*
 * made.c - files that calls of the program have made: fault queues, and accesses of the test
 * commands. Each has a number, which is its name in the file system until it is opened, once.
 *
 * Locks: made.lock over the table. It is held while the fdinfo of a queue is read, so that a close
 * of the program is the last one of its file, and has happened when close() returns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "server.h"
#include "shim/sys.h"

#define NR_MADE 256 /* number of hash buckets */

static struct {
	pthread_mutex_t lock;
	struct iof_run_made *hash[NR_MADE];
	unsigned int last; /* atomic: number of the last file */
} made_files = { .lock = PTHREAD_MUTEX_INITIALIZER };

void iof_run_made_name(unsigned int number, char name[24])
{
	snprintf(name, 24, "queue %u", number);
}

static struct iof_run_made **find_made(unsigned int name)
{
	struct iof_run_made **at = &made_files.hash[name % NR_MADE];

	while (*at && (*at)->name != name)
		at = &(*at)->next;
	return at;
}

unsigned int iof_run_made_add(int fd, enum iof_run_file_kind kind, uint32_t fault_id)
{
	struct iof_run_made *made = calloc(1, sizeof(*made)), **at;
	unsigned int number = __atomic_add_fetch(&made_files.last, 1, __ATOMIC_RELAXED);
	char name[24];

	if (!made)
		return 0;
	made->fd = fd;
	made->kind = kind;
	made->users = 1;
	made->name = number;
	made->fault_id = fault_id;
	iof_run_made_name(number, name);
	made->latency = kind == IOF_RUN_KIND_QUEUE ? iof_run_queue_opened(name) : NULL;
	if (kind == IOF_RUN_KIND_QUEUE && !made->latency) {
		free(made);
		return 0;
	}
	pthread_mutex_lock(&made_files.lock);
	at = find_made(made->name);
	*at = made;
	pthread_mutex_unlock(&made_files.lock);
	return made->name;
}

struct iof_run_made *iof_run_made_take(unsigned int name)
{
	struct iof_run_made *made;

	pthread_mutex_lock(&made_files.lock);
	made = *find_made(name);
	if (made && made->opened)
		made = NULL;
	if (made)
		made->opened = true;
	pthread_mutex_unlock(&made_files.lock);
	return made;
}

struct iof_run_made *iof_run_made_hold(unsigned int name)
{
	struct iof_run_made *made;

	pthread_mutex_lock(&made_files.lock);
	made = *find_made(name);
	if (made && (!made->opened || made->closed))
		made = NULL;
	if (made)
		made->users++;
	pthread_mutex_unlock(&made_files.lock);
	return made;
}

void iof_run_made_put(struct iof_run_made *made, bool closed)
{
	bool last;

	pthread_mutex_lock(&made_files.lock);
	made->closed |= closed;
	last = !--made->users;
	if (last)
		*find_made(made->name) = made->next;
	pthread_mutex_unlock(&made_files.lock);
	if (!last)
		return;
	iof_sys_close(made->fd);
	if (made->latency)
		iof_run_queue_closed(made->latency);
	free(made);
}

struct list {
	struct text {
		unsigned int name;
		char text[640];
	} * texts;
	size_t nr, room;
};

static int by_name(const void *a, const void *b)
{
	const struct text *x = a, *y = b;

	return x->name < y->name ? -1 : x->name > y->name;
}

/* Prints the lines of an fdinfo as members: "queued:\t5\n" becomes ", "queued": 5". */
static void put_fdinfo(FILE *out, const char *info)
{
	unsigned long long value;
	char name[32];
	int n;

	for (; sscanf(info, "%31[a-z_]: %llu\n%n", name, &value, &n) == 2; info += n)
		fprintf(out, ", \"%s\": %llu", name, value);
}

/* Adds a queue to the list. Returns false if there is no memory. */
static bool add_queue(struct list *list, const struct iof_run_made *made)
{
	struct text *text;
	char info[512] = "";
	FILE *out;

	if (list->nr == list->room) {
		size_t room = list->room ? 2 * list->room : 64;

		text = realloc(list->texts, room * sizeof(*text));
		if (!text)
			return false;
		list->texts = text;
		list->room = room;
	}
	text = &list->texts[list->nr];
	out = fmemopen(text->text, sizeof(text->text), "w");
	if (!out)
		return false;
	iof_sys_fdinfo(made->fd, info, sizeof(info));
	text->name = made->name;
	fprintf(out, "{\"name\": \"queue %u\", \"fault_id\": %u", made->name, made->fault_id);
	put_fdinfo(out, info);
	fputs(", \"latency\": ", out);
	iof_run_put_latency(out, made->latency, true);
	fputc('}', out);
	if (!fclose(out))
		list->nr++;
	return true;
}

void iof_run_put_open_queues(FILE *out)
{
	struct list list = { 0 };
	bool ok = true;

	for (unsigned int i = 0; i < NR_MADE && ok; i++) {
		pthread_mutex_lock(&made_files.lock);
		for (struct iof_run_made *made = made_files.hash[i]; made && ok; made = made->next)
			if (made->kind == IOF_RUN_KIND_QUEUE && !made->closed)
				ok = add_queue(&list, made);
		pthread_mutex_unlock(&made_files.lock);
	}
	if (list.nr)
		qsort(list.texts, list.nr, sizeof(*list.texts), by_name);
	for (size_t i = 0; i < list.nr; i++)
		fprintf(out, "%s%s", i ? ", " : "", list.texts[i].text);
	free(list.texts);
}
