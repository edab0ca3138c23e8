// SPDX-License-Identifier: MIT
/*
 * keeper.c - process 1 of the program's PID namespace: starts the program, waits for everybody,
 * passes signals on, and ends when the program does, which ends whatever it left running.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "private.h"

static void send_fd(int socket, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&msg);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(socket, &msg, MSG_NOSIGNAL) != 1)
		_exit(IOF_RUN_EXIT_OURS);
}

static void __attribute__((noreturn)) become_program(struct iof_run *run, int listener_out)
{
	char **argv = run->config->argv;
	char go;
	int fd, saved;

	prctl(PR_SET_PDEATHSIG, 0);
	if (chdir(run->cwd))
		iof_run_die(run, "%s cannot be entered: %s", run->cwd, strerror(errno));
	fd = iof_run_trap();
	if (fd < 0)
		iof_run_die(run, "seccomp does not let calls be trapped (%s); it needs Linux "
			    "5.9 or later with CONFIG_SECCOMP_FILTER, and a container that allows "
			    "the system call seccomp", strerror(errno));
	send_fd(listener_out, fd);
	close(fd);
	/* the broker listens before the first call that it answers */
	if (read(listener_out, &go, 1) != 1)
		_exit(IOF_RUN_EXIT_OURS);
	close(listener_out);
	setrlimit(RLIMIT_NOFILE, &run->files);
	sigprocmask(SIG_SETMASK, &run->mask, NULL);
	execvp(argv[0], argv);
	saved = errno;
	iof_run_report(run, IOF_RUN_FAILED,
		       saved == ENOENT ? IOF_RUN_EXIT_NOT_FOUND : IOF_RUN_EXIT_NOT_RUN,
		       "%s cannot be started: %s", argv[0], strerror(saved));
	_exit(saved == ENOENT ? IOF_RUN_EXIT_NOT_FOUND : IOF_RUN_EXIT_NOT_RUN);
}

/* Everybody who has ended; true: the program was among them. */
static bool reap(struct iof_run *run, pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid != program)
			continue;
		if (WIFSTOPPED(status)) {
			iof_run_report(run, IOF_RUN_STOPPED, WSTOPSIG(status), NULL);
			continue;
		}
		iof_run_report(run, IOF_RUN_ENDED, status, NULL);
		return true;
	}
	return false;
}

static void obey(struct iof_run *run, pid_t program)
{
	int sig;

	if (recv(run->orders, &sig, sizeof(sig), MSG_DONTWAIT) == sizeof(sig))
		kill(program, sig);
}

void iof_run_keeper(struct iof_run *run, int listener_out)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t child;
	pid_t program;
	ssize_t got;

	iof_run_tie(run, 0);
	/* where that is forbidden the old one stays: right, but with other numbers */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		errno = 0;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	fds[0].fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	fds[1].fd = run->orders;
	program = fds[0].fd < 0 ? -1 : fork();
	if (program < 0)
		iof_run_die(run, "the program's process cannot be made: %s", strerror(errno));
	if (!program)
		become_program(run, listener_out);
	close(listener_out);
	while (!reap(run, program)) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents & POLLIN) {
			got = read(fds[0].fd, &info, sizeof(info));
			(void)got;
		}
		if (fds[1].revents & POLLIN)
			obey(run, program);
		else if (fds[1].revents)
			break;
	}
	_exit(0);
}
