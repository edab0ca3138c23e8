// SPDX-License-Identifier: MIT
/*
 * trace.c - the output of --trace, one line for each call as it ends and for each event, and the
 * counters of --stats.
 *
 * Lines go into a buffer, in the order of their times. A thread writes them. A reader that is
 * slower than the program loses lines instead of stopping it, and a line says how many; the first
 * error of the file ends the trace. Locks: buffer.lock, which is never held across a write.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"
#include "server.h"

#define BUFFER	   (16u << 20)
#define RESERVE	   128 /* number of bytes of a line that are kept for its end */
#define PATIENCE_S 2   /* number of seconds at the end for a reader that takes nothing */
#define FIFO_MS	   5000

bool iof_run_tracing;
static bool json;
static int out = -1;
static struct timespec begun;
static uint64_t counts[IOF_RUN_NR_COUNTS];

/* `filling` gets lines while the thread writes the other one. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more, drained;
	char *filling, *writing;
	size_t len;
	size_t lost; /* number of lines that found no room since the last one that did */
	size_t lost_all;
	uint64_t written; /* number of bytes written */
	int error;	  /* errno that ended the trace */
	bool busy;	  /* the thread is writing */
} buffer = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

/* ---- a line ---- */

static void add(struct iof_run_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds the whole text or nothing, so that a line stays valid. */
static void add(struct iof_run_line *line, const char *format, ...)
{
	size_t room = sizeof(line->text) - RESERVE - line->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		line->len += (size_t)n;
}

static void add_end(struct iof_run_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_end(struct iof_run_line *line, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, sizeof(line->text) - line->len, format, args);
	va_end(args);
	if (n > 0)
		line->len += (size_t)n;
}

void iof_run_line_begin(struct iof_run_line *line, uint32_t tid, const char *file, const char *what,
			bool event)
{
	line->json = json;
	line->args = 0;
	line->len = 0;
	if (json)
		add(line, "\"thread\": %u, \"%s\": \"%s\", \"%s\": \"%s\"", tid,
		    event ? "device" : "file", file, event ? "event" : "call", what);
	else
		add(line, " %u %s: %s", tid, file, what);
}

static const char *before_arg(struct iof_run_line *line)
{
	if (line->args++)
		return ", ";
	return line->json ? ", \"args\": {" : "(";
}

void iof_run_line_number(struct iof_run_line *line, const char *name, int64_t value)
{
	add(line, line->json ? "%s\"%s\": %lld" : "%s%s=%lld", before_arg(line), name,
	    (long long)value);
}

void iof_run_line_hex(struct iof_run_line *line, const char *name, uint64_t value)
{
	add(line, line->json ? "%s\"%s\": \"0x%llx\"" : "%s%s=0x%llx", before_arg(line), name,
	    (unsigned long long)value);
}

void iof_run_line_text(struct iof_run_line *line, const char *name, const char *text)
{
	add(line, line->json ? "%s\"%s\": \"%s\"" : "%s%s=%s", before_arg(line), name, text);
}

static void append(const char *text, size_t len)
{
	memcpy(buffer.filling + buffer.len, text, len);
	buffer.len += len;
}

/* Appends a line with its time. The caller holds the buffer's lock. */
static void append_line(const char *text, size_t len)
{
	struct timespec now;
	char time[40];
	long us;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - begun.tv_sec) * 1000000 + (now.tv_nsec - begun.tv_nsec) / 1000;
	n = snprintf(time, sizeof(time), json ? "{\"time\": %ld.%06ld, " : "%ld.%06ld",
		     us / 1000000, us % 1000000);
	append(time, (size_t)n);
	append(text, len);
	append(json ? "}\n" : "\n", json ? 2 : 1);
}

static void append_lost(void)
{
	char text[80];
	int n;

	if (!buffer.lost)
		return;
	n = snprintf(text, sizeof(text),
		     json ? "\"event\": \"lost\", \"lines\": %zu" : " 0 -: lost(lines=%zu)",
		     buffer.lost);
	append_line(text, (size_t)n);
	buffer.lost = 0;
}

static void send_line(struct iof_run_line *line)
{
	/* room for the line, its time and end, and a line about lost ones */
	const size_t room = line->len + 256;

	pthread_mutex_lock(&buffer.lock);
	if (buffer.error) {
		;
	} else if (buffer.len + room > BUFFER) {
		buffer.lost++;
		buffer.lost_all++;
	} else {
		append_lost();
		append_line(line->text, line->len);
		if (!buffer.busy)
			pthread_cond_signal(&buffer.more);
	}
	pthread_mutex_unlock(&buffer.lock);
}

void iof_run_line_end(struct iof_run_line *line)
{
	if (line->args)
		add_end(line, line->json ? "}" : ")");
	send_line(line);
}

void iof_run_line_result(struct iof_run_line *line, long result)
{
	const char *name = result < 0 ? strerrorname_np((int)-result) : NULL;

	if (line->args)
		add_end(line, line->json ? "}" : ")");
	if (!line->json && name)
		add_end(line, " = -1 %s", name);
	else
		add_end(line, line->json ? ", \"result\": %ld" : " = %ld", result);
	if (line->json && name)
		add_end(line, ", \"error\": \"%s\"", name);
	send_line(line);
}

void iof_run_trace_call(uint32_t tid, const char *file, const char *what, long result)
{
	struct iof_run_line line;

	if (!iof_run_tracing)
		return;
	iof_run_line_begin(&line, tid, file, what, false);
	iof_run_line_result(&line, result);
}

void iof_run_trace_close(const char *file)
{
	struct iof_run_line line;

	if (!iof_run_tracing)
		return;
	iof_run_line_begin(&line, 0, file, "close", false);
	iof_run_line_end(&line);
}

void iof_run_trace_move(uint32_t tid, const char *file, const char *what, size_t size, uint64_t pos,
			long result)
{
	struct iof_run_line line;

	if (!iof_run_tracing)
		return;
	iof_run_line_begin(&line, tid, file, what, false);
	iof_run_line_number(&line, "size", (int64_t)size);
	iof_run_line_hex(&line, "pos", pos);
	iof_run_line_result(&line, result);
}

void iof_run_trace_transfer(const char *file, uint64_t addr, long result)
{
	struct iof_run_line line;

	if (!iof_run_tracing)
		return;
	iof_run_line_begin(&line, 0, file, "transfer", false);
	iof_run_line_hex(&line, "addr", addr);
	iof_run_line_result(&line, result);
}

/* ---- the file ---- */

/* Removes the beginning of a line that an error has cut off. */
static void end_at_line(const char *done, size_t len)
{
	struct stat st;
	size_t tail = 0;
	off_t pos;

	while (tail < len && done[len - tail - 1] != '\n')
		tail++;
	pos = lseek(out, 0, SEEK_CUR);
	if (!tail || fstat(out, &st) || !S_ISREG(st.st_mode) || pos != st.st_size)
		return;
	if (!ftruncate(out, pos - (off_t)tail))
		lseek(out, pos - (off_t)tail, SEEK_SET);
}

/* Returns 0, or the errno of the file. */
static int write_all(const char *text, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += (size_t)n) {
		do {
			n = write(out, text + done, len - done);
		} while (n < 0 && errno == EINTR);
		if (n <= 0) {
			int error = n ? errno : EIO;

			end_at_line(text, done);
			return error;
		}
		__atomic_fetch_add(&buffer.written, (uint64_t)n, __ATOMIC_RELAXED);
	}
	return 0;
}

static void *write_out(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&buffer.lock);
	for (;;) {
		char *text = buffer.filling;
		size_t len;
		int error;

		append_lost();
		len = buffer.len;
		if (!len) {
			buffer.busy = false;
			pthread_cond_broadcast(&buffer.drained);
			pthread_cond_wait(&buffer.more, &buffer.lock);
			continue;
		}
		buffer.busy = true;
		buffer.filling = buffer.writing;
		buffer.writing = text;
		buffer.len = 0;
		pthread_mutex_unlock(&buffer.lock);
		error = write_all(text, len);
		pthread_mutex_lock(&buffer.lock);
		if (error) {
			buffer.error = error;
			buffer.len = 0;
			buffer.lost = 0;
		}
	}
	return NULL;
}

/* A FIFO gets some time for its reader, so that the two can be started in any order. */
static int open_trace(const char *path)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	int fd, left = FIFO_MS / 10;

	if (!strcmp(path, "-"))
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	for (;;) {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			  0666);
		if (fd >= 0)
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
		if (fd >= 0 || errno != ENXIO || !left--)
			return fd;
		nanosleep(&pause, NULL);
	}
}

void iof_run_trace_init(struct iof_run *run)
{
	const char *path = run->config->trace;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (!path)
		return;
	out = open_trace(path);
	if (out < 0)
		iof_run_die(run, "%s cannot be written: %s", path,
			    errno == ENXIO ? "the FIFO has no reader" : strerror(errno));
	json = run->config->trace_json;
}

void iof_run_trace_start(struct iof_run *run)
{
	pthread_condattr_t attr;
	pthread_t thread;

	if (out < 0)
		return;
	buffer.filling = malloc(BUFFER);
	buffer.writing = malloc(BUFFER);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!buffer.filling || !buffer.writing)
		iof_run_die(run, "out of memory");
	if (pthread_cond_init(&buffer.drained, &attr) ||
	    pthread_create(&thread, NULL, write_out, NULL) || pthread_detach(thread))
		iof_run_die(run, "a thread cannot be started");
	iof_run_tracing = true;
}

void iof_run_trace_finish(struct iof_run *run)
{
	char path[PATH_MAX];
	uint64_t seen = 0;
	struct timespec end;
	bool stuck = false;

	if (!iof_run_tracing)
		return;
	snprintf(path, sizeof(path), "%s", run->config->trace);
	iof_run_tame(path);
	pthread_mutex_lock(&buffer.lock);
	while (!buffer.error && !stuck && (buffer.len || buffer.busy)) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += PATIENCE_S;
		seen = __atomic_load_n(&buffer.written, __ATOMIC_RELAXED);
		pthread_cond_signal(&buffer.more);
		stuck = pthread_cond_timedwait(&buffer.drained, &buffer.lock, &end) == ETIMEDOUT &&
			seen == __atomic_load_n(&buffer.written, __ATOMIC_RELAXED);
	}
	if (buffer.error)
		fprintf(stderr, "iofault: run: %s is not complete: %s\n", path,
			strerror(buffer.error));
	else if (stuck)
		fprintf(stderr, "iofault: run: %s is not complete: its reader does not read\n",
			path);
	else if (buffer.lost_all)
		fprintf(stderr,
			"iofault: run: %s is not complete: its reader was too slow for %zu lines\n",
			path, buffer.lost_all);
	pthread_mutex_unlock(&buffer.lock);
}

/* Returns the number of bytes of the UTF-8 character at @text; 0: it is none. */
static size_t utf8_length(const unsigned char *text)
{
	size_t len = *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < len; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] > 0x9f) ||
	    (*text == 0xf0 && text[1] < 0x90) || (*text == 0xf4 && text[1] > 0x8f))
		return 0;
	return len;
}

void iof_run_put_json(FILE *file, const char *text)
{
	fputc('"', file);
	for (size_t len; *text; text += len) {
		unsigned char c = (unsigned char)*text;

		len = c < 0x80 ? 1 : utf8_length((const unsigned char *)text);
		if (!len)
			fputs("\\ufffd", file);
		else if (c < 0x20 || c == 0x7f)
			fprintf(file, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			fprintf(file, "\\%c", c);
		else
			fwrite(text, 1, len, file);
		len = len ?: 1;
	}
	fputc('"', file);
}

/* ---- counters ---- */

void iof_run_count(enum iof_run_count what, uint64_t n)
{
	__atomic_fetch_add(&counts[what], n, __ATOMIC_RELAXED);
}

static const char *const names[IOF_RUN_NR_COUNTS] = {
	[IOF_RUN_COUNT_OPEN] = "opens",
	[IOF_RUN_COUNT_IOCTL] = "ioctls",
	[IOF_RUN_COUNT_READ] = "reads",
	[IOF_RUN_COUNT_WRITE] = "writes",
	[IOF_RUN_COUNT_POLL] = "polls",
	[IOF_RUN_COUNT_TRAPPED] = "calls with descriptors",
	[IOF_RUN_COUNT_OTHER] = "other calls",
	[IOF_RUN_COUNT_FAULTS] = "faults read",
	[IOF_RUN_COUNT_ANSWERS] = "responses written",
	[IOF_RUN_COUNT_DESCRIPTORS] = "descriptors submitted",
};

void iof_run_stats(struct iof_run *run)
{
	if (!run->config->stats)
		return;
	for (int i = 0; i < IOF_RUN_NR_COUNTS; i++)
		fprintf(stderr, "iofault: run: %12llu %s\n",
			(unsigned long long)__atomic_load_n(&counts[i], __ATOMIC_RELAXED),
			names[i]);
}

void iof_run_put_counts(FILE *file)
{
	for (int i = 0; i < IOF_RUN_NR_COUNTS; i++)
		fprintf(file, "%s\"%s\": %llu", i ? ", " : "", names[i],
			(unsigned long long)__atomic_load_n(&counts[i], __ATOMIC_RELAXED));
}

void iof_run_explain(uint32_t pid, long rc)
{
	static bool explained;
	char path[40];
	int fd;

	if (rc != -EACCES && rc != -EFAULT)
		return;
	snprintf(path, sizeof(path), "/proc/%u/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return;
	}
	if (errno == EACCES && !__atomic_exchange_n(&explained, true, __ATOMIC_RELAXED))
		fprintf(stderr,
			"iofault: run: process %u is not dumpable (PR_SET_DUMPABLE of "
			"prctl(2), or an executable that its user cannot read) or has changed its "
			"user, so its calls fail; it needs iofault run as root%s\n",
			pid, geteuid() ? "" : ", with CAP_SYS_PTRACE");
}
