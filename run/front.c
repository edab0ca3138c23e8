// SPDX-License-Identifier: MIT
/*
 * front.c - the process that the user started: starts the others, waits, and ends, stops and
 * continues as the program does.
 *
 * Front blocks all signals, reads them from a signalfd, and sends them to the keeper. The keeper is
 * in the same process group as the program, and so knows whether the program has received them,
 * too. When the program stops, the server stops this process, so that the shell notices, and
 * continues it with the program.
 *
 * When the terminal or the parent of this process is gone, the program gets SIGHUP and 2 seconds to
 * end by itself; then all processes are killed. With SIGHUP ignored, as by nohup(1), it continues.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "private.h"

/* ---- waiting ---- */

struct front {
	void (*complain)(const char *sentence);
	int signals;
	int reports;
	int orders;
	int listener; /* for processes that ask about the run, or -1 */
	int asked;    /* the server's end of it is run.asked */
	int parent;   /* pidfd of the parent, or -1: its end does not matter */
	int terminal; /* descriptor of the terminal, or -1 */
	pid_t server;
	bool hung_up; /* SIGHUP was received */
	/* the program runs, and gets the terminal's signals itself */
	bool born;
	bool ended;
	bool by_itself; /* the program ended; the machine did not fail */
	int status;	/* exit status of the command */
};

static void say_on_stderr(const char *sentence)
{
	fprintf(stderr, "iofault: run: %s\n", sentence);
}

static void send_order(struct front *front, int sig, bool typed)
{
	struct iof_run_order order = { .sig = sig, .typed = typed };
	ssize_t sent = send(front->orders, &order, sizeof(order), MSG_NOSIGNAL);

	(void)sent;
}

/* Handles a pending signal. Returns false if there was none. */
static bool take_signal(struct front *front)
{
	struct signalfd_siginfo info;

	if (read(front->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	front->hung_up |= info.ssi_signo == SIGHUP;
	/* the server sent the signal: the program runs already */
	if (info.ssi_signo != SIGCHLD &&
	    (info.ssi_signo != SIGCONT || info.ssi_pid != (uint32_t)front->server))
		send_order(front, (int)info.ssi_signo, front->born && info.ssi_code == SI_KERNEL);
	return true;
}

/* Handles a report. Returns false if all senders of reports have exited. */
static bool take_report(struct front *front)
{
	struct iof_run_report report;
	ssize_t got = recv(front->reports, &report, sizeof(report), 0);

	if (got < 0 && errno == EINTR)
		return true;
	if (got != sizeof(report))
		return false;
	switch (report.kind) {
	case IOF_RUN_FAILED:
		report.text[sizeof(report.text) - 1] = 0;
		if (!front->ended)
			front->complain(report.text);
		front->ended = true;
		front->status = report.status;
		return true;
	case IOF_RUN_BORN:
		/*
		 * the signals that the program has, too, are among these, and it still blocks all
		 * signals
		 */
		while (take_signal(front))
			;
		front->born = true;
		send_order(front, 0, false);
		return true;
	case IOF_RUN_ENDED:
		if (front->ended)
			return true;
		front->ended = true;
		front->by_itself = true;
		front->status = WIFSIGNALED(report.status) ? 128 + WTERMSIG(report.status) :
							     WEXITSTATUS(report.status);
		return true;
	}
	return true;
}

/* Time for the program to end by itself after its parent or terminal is gone. */
#define ALONE_MS 2000

static void close_watched(struct front *front)
{
	if (front->parent >= 0)
		close(front->parent);
	if (front->terminal >= 0)
		close(front->terminal);
	front->parent = front->terminal = -1;
}

/* Begins to watch the parent and the terminal. @parent: getppid() before the first fork. */
static void watch_others(struct front *front, pid_t parent)
{
	struct sigaction hup;

	front->parent = front->terminal = -1;
	if (sigaction(SIGHUP, NULL, &hup) || hup.sa_handler == SIG_IGN)
		return;
	front->terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	/* parent is 0 in another PID namespace; before Linux 5.3 there are no pidfds */
	if (parent)
		front->parent = (int)syscall(SYS_pidfd_open, parent, 0);
}

static bool is_alone(struct front *front, pid_t parent, const struct pollfd *fds)
{
	if (!fds[2].revents && !(fds[3].revents & (POLLHUP | POLLERR | POLLNVAL)) &&
	    (front->parent < 0 || getppid() == parent))
		return false;
	close_watched(front);
	/* the SIGHUP of a terminal may have arrived before its hang-up */
	while (take_signal(front))
		;
	if (!front->hung_up)
		send_order(front, SIGHUP, false);
	send_order(front, SIGCONT, false);
	return true;
}

static int wait_for_all(struct front *front, pid_t parent)
{
	int status = 0, patience = -1, ready;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = front->reports, .events = POLLIN },
			{ .fd = front->signals, .events = POLLIN },
			{ .fd = front->parent, .events = POLLIN },
			{ .fd = front->terminal },
			{ .fd = front->listener, .events = POLLIN },
		};

		ready = poll(fds, 5, patience);
		if (ready < 0 && errno != EINTR)
			break;
		if (!ready) {
			kill(front->server, SIGKILL);
			front->ended = true;
			front->by_itself = false;
			front->status = 128 + SIGHUP;
			break;
		}
		if (fds[0].revents && !take_report(front))
			break;
		if (fds[1].revents & POLLIN)
			take_signal(front);
		if (fds[4].revents)
			iof_run_ask_accept(front->listener, front->asked);
		if (is_alone(front, parent, fds))
			patience = ALONE_MS;
	}
	while (waitpid(front->server, &status, 0) < 0 && errno == EINTR)
		;
	if (!front->ended || (front->by_itself && status)) {
		front->complain("a process of the machine was killed, and so the program is ended");
		return IOF_RUN_EXIT_OURS;
	}
	return front->status;
}

/* ---- starting ---- */

static int say(const struct front *front, const char *what)
{
	char line[160];

	snprintf(line, sizeof(line), "%s: %s", what, strerror(errno));
	front->complain(line);
	return IOF_RUN_EXIT_OURS;
}

static int prepare(struct iof_run *run, struct front *front, int keeper_orders[2])
{
	int reports[2], orders[2], asked[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, reports) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, orders) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, asked) ||
	    pipe2(run->states, O_CLOEXEC) || pipe2(run->notes, O_CLOEXEC))
		return say(front, "a socket or pipe cannot be created");
	front->reports = reports[0];
	run->report = reports[1];
	front->orders = orders[0];
	run->orders = orders[1];
	front->asked = asked[0];
	run->asked = asked[1];
	front->listener = iof_run_ask_listen();
	keeper_orders[0] = orders[0];
	keeper_orders[1] = reports[0];
	if (getrandom(&run->token, sizeof(run->token), 0) != sizeof(run->token))
		return say(front, "random bytes cannot be read");
	if (getrlimit(RLIMIT_NOFILE, &run->files))
		return say(front, "the limit of open files cannot be read");
	if (!getcwd(run->cwd, sizeof(run->cwd)))
		return say(front, "the working directory cannot be determined");
	run->uid = getuid();
	run->gid = getgid();
	return 0;
}

int iof_run(const struct iof_run_config *config)
{
	struct iof_run run = {
		.config = config,
		.front = getpid(),
		.fuse = -1,
		.old_dev = -1,
		.tree = -1,
	};
	struct front front = {
		.status = IOF_RUN_EXIT_OURS,
		.complain = config->complain ?: say_on_stderr,
	};
	pid_t parent = getppid();
	int theirs[2], rc;
	sigset_t all;

	rc = prepare(&run, &front, theirs);
	if (rc)
		return rc;
	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	sigprocmask(SIG_BLOCK, &all, &run.mask);
	front.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (front.signals < 0)
		return say(&front, "a signalfd cannot be created");
	fflush(NULL);
	front.server = fork();
	if (front.server < 0)
		return say(&front, "a process cannot be started");
	if (!front.server) {
		close(front.signals);
		close(front.asked);
		if (front.listener >= 0)
			close(front.listener);
		close(theirs[0]);
		close(theirs[1]);
		iof_run_tie(&run, run.front);
		iof_run_serve(&run);
	}
	close(run.report);
	close(run.orders);
	close(run.asked);
	close(run.states[0]);
	close(run.states[1]);
	close(run.notes[0]);
	close(run.notes[1]);
	watch_others(&front, parent);
	rc = wait_for_all(&front, parent);
	close_watched(&front);
	sigprocmask(SIG_SETMASK, &run.mask, NULL);
	close(front.signals);
	close(front.reports);
	close(front.orders);
	close(front.asked);
	if (front.listener >= 0)
		close(front.listener);
	return rc;
}

int iof_run_check(void (*print)(const char *sentence))
{
	const struct iof_run_config config = { .nr_devices = 1, .complain = print };

	return iof_run(&config);
}
