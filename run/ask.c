// SPDX-License-Identifier: MIT
/*
 * ask.c - `iofault info --run PID`: what a run says of itself to another process.
 *
 * Front listens on a socket with an abstract name that has its PID. It is the process whose user
 * namespace shows who asks, so it checks the caller (SO_PEERCRED): the same user, or root. It
 * passes the connection to the server, of which a thread writes one JSON object and closes. A
 * caller that does not read is dropped after a second.
 *
 * The caller of iof_run_ask() takes an answer only from the process that it asks (SO_PEERCRED
 * again: the PID of the listener), in the time and of the size below.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"
#include "model/machine.h"
#include "server.h"

#define ANSWER_MS 5000	      /* until the answer is complete */
#define STUCK_MS  1000	      /* a caller that takes nothing */
#define ANSWER	  (64u << 20) /* bytes at most */
#define PARENTS	  64

static socklen_t name_of(pid_t pid, struct sockaddr_un *name)
{
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1, "iofault-run-%d", (int)pid);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name->sun_path + 1));
}

/* ---- front ---- */

int iof_run_ask_listen(void)
{
	struct sockaddr_un name;
	socklen_t len = name_of(getpid(), &name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* a run that cannot be asked still runs */
	if (fd >= 0 && (bind(fd, (struct sockaddr *)&name, len) || listen(fd, 16))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void iof_run_ask_accept(int listener, int server)
{
	static const char refusal[] =
		"{\"iofault_run\": 1, \"error\": \"only its user and root may ask it\"}\n";
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred cred;
	socklen_t len = sizeof(cred);
	ssize_t sent;

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
		;
	} else if (cred.uid && cred.uid != getuid()) {
		sent = send(fd, refusal, sizeof(refusal) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)sent;
	} else {
		/* a server that is busy with other callers: this one gets no answer */
		(void)iof_run_pass(server, fd, MSG_DONTWAIT);
	}
	close(fd);
}

/* ---- the server ---- */

static struct {
	struct iof_run *run;
	struct iof_machine *machine;
	struct timespec begun;
} asked;

static void put_device(FILE *out, unsigned int i)
{
	struct iof_machine_stats st;

	iof_machine_get_stats(asked.machine, i, &st);
	fprintf(out,
		"%s{\"name\": \"vfio%u\", \"kind\": \"%s\", \"pages\": %llu, \"groups\": %llu, "
		"\"success\": %llu, \"invalid\": %llu, \"failure\": %llu, \"refused\": %llu, "
		"\"swept\": %llu, \"transfers\": %llu, \"errors\": %llu, \"stalls\": %llu, "
		"\"latency\": ",
		i ? ", " : "", i,
		asked.run->config->devices[i].kind == IOF_RUN_DSA ? "dsa" : "ats-test", st.pages,
		st.groups, st.success, st.invalid, st.failure, st.refused, st.swept, st.descriptors,
		st.errors, st.stalls);
	iof_run_put_latency(out, iof_run_device_latency(i), true);
	fputc('}', out);
}

static void put_all(FILE *out)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(out, "{\"iofault_run\": 1, \"pid\": %d, \"program\": ", (int)asked.run->front);
	iof_run_put_json(out, asked.run->config->argv ? asked.run->config->argv[0] : "");
	fprintf(out, ", \"seconds\": %lld, \"calls\": {",
		(long long)(now.tv_sec - asked.begun.tv_sec));
	iof_run_put_counts(out);
	fputs("}, \"devices\": [", out);
	for (unsigned int i = 0; i < asked.run->config->nr_devices; i++)
		put_device(out, i);
	fputs("], \"queues\": [", out);
	iof_run_put_open_queues(out);
	fputs("]}\n", out);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void answer(int fd)
{
	int64_t end = now_ms() + ANSWER_MS;
	char *text = NULL;
	size_t len = 0, done = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	put_all(out);
	if (fclose(out))
		len = 0;
	while (done < len) {
		ssize_t n = send(fd, text + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
		struct pollfd full = { .fd = fd, .events = POLLOUT };

		if (n > 0)
			done += (size_t)n;
		else if (errno != EAGAIN || now_ms() > end || poll(&full, 1, STUCK_MS) <= 0)
			break;
	}
	free(text);
}

static void *serve(void *arg)
{
	const struct iof_run *run = arg;

	for (;;) {
		int fd;
		ssize_t got = iof_run_receive(run->asked, &fd);

		if (got < 0 && errno == EINTR)
			continue;
		if (got != 1)
			return NULL;
		if (fd < 0)
			continue;
		answer(fd);
		close(fd);
	}
}

void iof_run_ask_start(struct iof_run *run, struct iof_machine *machine)
{
	pthread_t thread;

	asked.run = run;
	asked.machine = machine;
	clock_gettime(CLOCK_MONOTONIC, &asked.begun);
	if (pthread_create(&thread, NULL, serve, run) || pthread_detach(thread))
		iof_run_die(run, "a thread cannot be started");
}

/* ---- the caller ---- */

static pid_t parent_of(pid_t pid)
{
	char path[40], text[512], *end;
	FILE *file;
	size_t len;
	int parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = 0;
	/* the name in brackets may contain anything */
	end = strrchr(text, ')');
	return end && sscanf(end, ") %*c %d", &parent) == 1 ? parent : -1;
}

/* Returns a connection to the run of @pid, or a negative errno. */
static int connect_to(pid_t pid)
{
	struct sockaddr_un name;
	socklen_t len = name_of(pid, &name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), rc;
	struct ucred cred = { 0 };
	socklen_t size = sizeof(cred);

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&name, len) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size)) {
		rc = -errno;
	} else if (cred.pid != pid) {
		rc = -ECONNREFUSED; /* another process took the name */
	} else {
		return fd;
	}
	close(fd);
	return rc;
}

/* Returns the bytes of the answer, 0 at its end, or a negative errno. */
static ssize_t take_some(int fd, char *room, size_t size, int64_t end)
{
	for (;;) {
		struct pollfd more = { .fd = fd, .events = POLLIN };
		int64_t left = end - now_ms();
		ssize_t got;

		if (left <= 0 || poll(&more, 1, (int)left) == 0)
			return -ETIMEDOUT;
		got = recv(fd, room, size, MSG_DONTWAIT);
		if (got >= 0)
			return got;
		if (errno != EAGAIN && errno != EINTR)
			return errno == ECONNRESET ? 0 : -errno;
	}
}

static int take_answer(int fd, char **out)
{
	int64_t end = now_ms() + ANSWER_MS;
	size_t len = 0, room = 0;
	char *text = NULL, *more;
	ssize_t got;

	for (;;) {
		if (room - len < 2) {
			room = room ? 2 * room : 65536;
			more = room > ANSWER ? NULL : realloc(text, room);
			if (!more) {
				free(text);
				return room > ANSWER ? -EMSGSIZE : -ENOMEM;
			}
			text = more;
		}
		got = take_some(fd, text + len, room - len - 1, end);
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	text[len] = 0;
	if (!got && len && strlen(text) == len) {
		*out = text;
		return 0;
	}
	free(text);
	return got ? (int)got : len ? -EBADMSG : -ECONNRESET;
}

static int say_no(char why[IOF_RUN_WHY], pid_t pid, int rc)
{
	switch (rc) {
	case -ESRCH:
		snprintf(why, IOF_RUN_WHY, "there is no process %d", (int)pid);
		break;
	case -ECONNREFUSED:
		snprintf(why, IOF_RUN_WHY, "process %d belongs to no run of iofault", (int)pid);
		break;
	case -ECONNRESET:
		snprintf(why, IOF_RUN_WHY, "the run of process %d ended before it answered",
			 (int)pid);
		break;
	case -EAGAIN:
	case -ETIMEDOUT:
		snprintf(why, IOF_RUN_WHY,
			 "the run of process %d does not answer for %d seconds; it may be stopped",
			 (int)pid, ANSWER_MS / 1000);
		break;
	case -EBADMSG:
	case -EMSGSIZE:
		snprintf(why, IOF_RUN_WHY, "process %d does not answer as a run of iofault does",
			 (int)pid);
		break;
	default:
		snprintf(why, IOF_RUN_WHY, "process %d cannot be asked: %s", (int)pid,
			 strerror(-rc));
	}
	return rc;
}

int iof_run_ask(pid_t pid, char **text, char why[IOF_RUN_WHY])
{
	pid_t at = pid;
	int fd, rc;

	if (parent_of(pid) < 0)
		return say_no(why, pid, -ESRCH);
	for (int i = 0;; i++) {
		fd = connect_to(at);
		if (fd != -ECONNREFUSED)
			break;
		at = parent_of(at);
		if (at <= 0 || i == PARENTS)
			return say_no(why, pid, -ECONNREFUSED);
	}
	if (fd < 0)
		return say_no(why, pid, fd);
	rc = take_answer(fd, text);
	close(fd);
	return rc ? say_no(why, pid, rc) : 0;
}
