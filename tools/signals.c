// SPDX-License-Identifier: MIT
/*
 * signals.c - INT, TERM and HUP as a descriptor to poll and a flag to test.
 *
 * Only the main thread calls these functions. A signal that the parent ignores (nohup) stays
 * ignored.
 */
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t taken;
static int descriptor = -1;
static int came;

int iof_signals_take(void)
{
	static const int wanted[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction now;
	size_t i;

	sigemptyset(&taken);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (!sigaction(wanted[i], NULL, &now) && now.sa_handler != SIG_IGN)
			sigaddset(&taken, wanted[i]);
	/* write() past the file size limit returns EFBIG instead of raising SIGXFSZ. */
	signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &taken, NULL))
		return -errno;
	descriptor = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
	return descriptor < 0 ? -errno : 0;
}

int iof_signals_fd(void)
{
	return descriptor;
}

int iof_signals_came(void)
{
	struct signalfd_siginfo info;

	if (descriptor >= 0 && read(descriptor, &info, sizeof(info)) == sizeof(info)) {
		came = (int)info.ssi_signo;
		close(descriptor);
		descriptor = -1;
		sigprocmask(SIG_UNBLOCK, &taken, NULL);
	}
	return came;
}
