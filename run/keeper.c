// SPDX-License-Identifier: MIT
/*
 * keeper.c - process 1 of the program's PID namespace: starts the program, reaps all processes,
 * passes signals on, and exits when the program does, which kills the processes that the program
 * left.
 *
 * A signal reaches the program once. Front reports each signal that it gets. The program receives
 * by itself what a terminal sends, and what a process sends to the whole process group: then this
 * process has the signal too, blocked and pending until front reports it. Signals from before the
 * program's start are sent to it while it has all signals blocked, so that none counts twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iofault/iommufd.h"
#include "private.h"

/* Uses each node, and makes one trapped call, as a program would. */
static int try_nodes(struct iof_run *run)
{
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	int device = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);

	if (iommu >= 0 && device >= 0 && !ioctl(iommu, IOMMU_IOAS_ALLOC, &alloc))
		return 0;
	iof_run_report(run, IOF_RUN_FAILED, IOF_RUN_EXIT_OURS, "%s does not work: %s",
		       iommu >= 0 && device < 0 ? "/dev/vfio/devices/vfio0" : "/dev/iommu",
		       strerror(errno));
	return IOF_RUN_EXIT_OURS;
}

static void __attribute__((noreturn))
become_program(struct iof_run *run, int listener_out, int born)
{
	char **argv = run->config->argv;
	char go;
	int fd, saved;

	prctl(PR_SET_PDEATHSIG, 0);
	if (chdir(run->cwd))
		iof_run_die(run, "%s cannot be entered: %s", run->cwd, strerror(errno));
	fd = iof_run_trap(!run->config->plain_stat);
	if (fd < 0 && errno == EBUSY)
		iof_run_die(run, "a run cannot be started inside a run, nor below another program "
				 "that listens to seccomp's notifications");
	if (fd < 0)
		iof_run_die(run,
			    "seccomp cannot trap system calls (%s); it needs Linux "
			    "5.9 or later with CONFIG_SECCOMP_FILTER, and a container that allows "
			    "the system call seccomp",
			    strerror(errno));
	if (!iof_run_pass(listener_out, fd, 0))
		_exit(IOF_RUN_EXIT_OURS);
	close(fd);
	/* wait until the broker listens: it must answer the first trapped call */
	if (read(listener_out, &go, 1) != 1)
		_exit(IOF_RUN_EXIT_OURS);
	close(listener_out);
	iof_run_report(run, IOF_RUN_BORN, 0, NULL);
	if (read(born, &go, 1) != 1)
		_exit(IOF_RUN_EXIT_OURS);
	setrlimit(RLIMIT_NOFILE, &run->files);
	sigprocmask(SIG_SETMASK, &run->mask, NULL);
	if (!argv)
		_exit(try_nodes(run));
	/* libudev would refuse devices whose files are not on a sysfs */
	setenv("SYSTEMD_DEVICE_VERIFY_SYSFS", "0", 1);
	execvp(argv[0], argv);
	saved = errno;
	iof_run_report(run, IOF_RUN_FAILED,
		       saved == ENOENT ? IOF_RUN_EXIT_NOT_FOUND : IOF_RUN_EXIT_NOT_RUN,
		       "%s cannot be started: %s", argv[0], strerror(saved));
	_exit(saved == ENOENT ? IOF_RUN_EXIT_NOT_FOUND : IOF_RUN_EXIT_NOT_RUN);
}

static void tell_state(const struct iof_run *run, int sig)
{
	ssize_t done = write(run->states[1], &sig, sizeof(sig));

	(void)done;
}

/* Reaps all exited processes. Returns true if the program was one of them. */
static bool reap(struct iof_run *run, pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
		if (pid != program)
			continue;
		if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
			tell_state(run, WIFSTOPPED(status) ? SIGSTOP : SIGCONT);
			continue;
		}
		iof_run_report(run, IOF_RUN_ENDED, status, NULL);
		return true;
	}
	return false;
}

/* Has the program received the signal, too? It is in the same process group as this process. */
static bool has_it(pid_t program, int sig)
{
	static const struct timespec now;
	bool ours = getpgid(program) == getpgrp();
	sigset_t pending, one;

	sigpending(&pending);
	/* the program continued, and stopped again since then: a signal to stop cancels SIGCONT */
	if (sig == SIGCONT && ours && !sigismember(&pending, SIGCONT))
		return sigismember(&pending, SIGTSTP) || sigismember(&pending, SIGTTIN) ||
		       sigismember(&pending, SIGTTOU);
	if (!sigismember(&pending, sig))
		return false;
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigtimedwait(&one, NULL, &now);
	return ours;
}

/*
 * Handles an order of front. @born: pipe from which the program reads one byte before it takes its
 * signals; -1: it has read it.
 */
static void obey(struct iof_run *run, pid_t program, int *born)
{
	struct iof_run_order order;

	if (recv(run->orders, &order, sizeof(order), MSG_DONTWAIT) != sizeof(order))
		return;
	if (!order.sig) {
		ssize_t done = write(*born, "", 1);

		(void)done;
		close(*born);
		*born = -1;
	} else if ((!has_it(program, order.sig) && !order.typed) || *born >= 0) {
		kill(program, order.sig);
	}
}

void iof_run_keeper(struct iof_run *run, int listener_out)
{
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t child;
	pid_t program;
	ssize_t got;
	int born[2];

	iof_run_tie(run, 0);
	/* if a mount is forbidden, the old /proc stays, with the PIDs of the outer namespace */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
		errno = 0;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	fds[0].fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	fds[1].fd = run->orders;
	program = fds[0].fd < 0 || pipe2(born, O_CLOEXEC) ? -1 : fork();
	if (program < 0)
		iof_run_die(run, "the program cannot be forked: %s", strerror(errno));
	if (!program) {
		close(born[1]);
		become_program(run, listener_out, born[0]);
	}
	close(listener_out);
	close(born[0]);
	while (!reap(run, program)) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents & POLLIN) {
			got = read(fds[0].fd, &info, sizeof(info));
			(void)got;
		}
		if (fds[1].revents & POLLIN)
			obey(run, program, &born[1]);
		else if (fds[1].revents)
			break;
	}
	_exit(0);
}
