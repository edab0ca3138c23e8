// SPDX-License-Identifier: MIT
/*
 * plain.c - calls that FUSE would answer as for a regular file of a file system, answered as a
 * kernel does for a character device, with their lines of --trace.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"
#include "server.h"
#include "shim/sys.h"

#define BAR_SIZE 4096 /* size of BAR 0, the beginning of the file */

/* Is the mapping one that vfio-pci accepts: shared, and within a BAR that can be mapped? */
static bool maps_bar(const struct iof_run_plain *plain)
{
	return (plain->args[3] & MAP_TYPE) != MAP_PRIVATE && plain->args[5] < BAR_SIZE &&
	       plain->args[1] <= BAR_SIZE - plain->args[5];
}

static long answer(const struct iof_run_plain *plain, int fd, enum iof_run_plain_kind kind,
		   const struct iof_run_call *call)
{
	char nothing = 0;
	long rc;

	if (plain->early)
		return plain->early;
	switch (plain->nr) {
	case SYS_readahead:
		return -EINVAL;
	case SYS_lseek:
	case SYS_sync_file_range:
		return -ESPIPE;
	case SYS_read:
		return iof_sys_read(fd, &nothing, 0);
	case SYS_write:
		return iof_sys_write(fd, &nothing, 0);
	case SYS_epoll_ctl:
		return kind == IOF_RUN_PLAIN_NO_POLL ? -EPERM : IOF_RUN_CONTINUE;
	case SYS_mmap:
		if (kind != IOF_RUN_PLAIN_MAPS)
			return -ENODEV;
		return maps_bar(plain) ? IOF_RUN_CONTINUE : -EINVAL;
	case SYS_ioctl:
		/* the only trapped command that the kernel answers without the driver */
		if ((uint32_t)plain->args[1] == FIOQSIZE)
			return -ENOTTY;
		rc = iof_sys_act_for(call->tid);
		if (!rc)
			rc = iof_sys_ioctl(fd, (uint32_t)plain->args[1],
					   (void *)(uintptr_t)call->arg);
		iof_sys_act_for(0);
		return rc;
	}
	return IOF_RUN_CONTINUE;
}

static const char *const whences[] = { "SEEK_SET", "SEEK_CUR", "SEEK_END", "SEEK_DATA",
				       "SEEK_HOLE" };

static void add_args(struct iof_run_line *line, const struct iof_run_plain *plain)
{
	static const char *const prots[] = { "READ", "WRITE", "EXEC" };
	static const char *const maps[] = { "SHARED", "PRIVATE", NULL, NULL, "FIXED" };

	switch (plain->nr) {
	case SYS_read:
	case SYS_write:
		iof_run_line_number(line, "size", 0);
		return;
	case SYS_readahead:
	case SYS_sync_file_range:
		iof_run_line_number(line, "offset", (int64_t)plain->args[1]);
		iof_run_line_number(line, "size", (int64_t)plain->args[2]);
		return;
	case SYS_lseek:
		iof_run_line_number(line, "offset", (int64_t)plain->args[1]);
		if (plain->args[2] < sizeof(whences) / sizeof(whences[0]))
			iof_run_line_text(line, "whence", whences[plain->args[2]]);
		return;
	case SYS_epoll_ctl:
		iof_run_line_number(line, "epfd", (int)plain->args[0]);
		iof_run_line_text(line, "op", "EPOLL_CTL_ADD");
		return;
	case SYS_mmap:
		iof_run_line_number(line, "length", (int64_t)plain->args[1]);
		iof_run_line_flags(line, "prot", prots, 3, plain->args[2]);
		iof_run_line_flags(line, "flags", maps, 5, plain->args[3]);
		iof_run_line_hex(line, "offset", plain->args[5]);
		return;
	}
}

static const char *name_of(int nr)
{
	static const struct {
		int nr;
		const char *name;
	} names[] = {
		{ SYS_read, "read" },
		{ SYS_write, "write" },
		{ SYS_lseek, "lseek" },
		{ SYS_mmap, "mmap" },
		{ SYS_epoll_ctl, "epoll_ctl" },
		{ SYS_readahead, "readahead" },
		{ SYS_sync_file_range, "sync_file_range" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].nr == nr)
			return names[i].name;
	return "system call";
}

long iof_run_plain_call(const char *name, int fd, enum iof_run_plain_kind kind,
			const struct iof_run_call *call)
{
	struct iof_run_plain plain;
	struct iof_run_line line;
	long rc;

	memcpy(&plain, call->data, sizeof(plain));
	rc = answer(&plain, fd, kind, call);
	iof_run_count(IOF_RUN_COUNT_OTHER, 1);
	if (!iof_run_tracing)
		return rc;
	if (plain.nr == SYS_ioctl) {
		iof_run_trace_command((uint32_t)call->tid, name, (uint32_t)plain.args[1],
				      plain.args[2], NULL, 0, rc);
		return rc;
	}
	iof_run_line_begin(&line, (uint32_t)call->tid, name, name_of(plain.nr), false);
	add_args(&line, &plain);
	if (rc == IOF_RUN_CONTINUE)
		iof_run_line_end(&line);
	else
		iof_run_line_result(&line, rc);
	return rc;
}

void iof_run_plain_done(const char *name, const char *what, uint32_t pid, long rc)
{
	iof_run_count(IOF_RUN_COUNT_OTHER, 1);
	iof_run_trace_call(pid, name, what, rc);
}

/* ---- calls that the broker answers ---- */

static pthread_t noting;

static void name_node(uint64_t node, char name[24])
{
	if (node == IOF_RUN_NODE_IOMMU)
		snprintf(name, 24, "iommu");
	else if (node == IOF_RUN_NODE_CONTAINER)
		snprintf(name, 24, "container");
	else if (node >= IOF_RUN_NODE_GROUP)
		snprintf(name, 24, "group %u", (unsigned int)(node - IOF_RUN_NODE_GROUP));
	else
		snprintf(name, 24, "vfio%u", (unsigned int)(node - IOF_RUN_NODE_VFIO));
}

static void *take_notes(void *arg)
{
	const struct iof_run *run = arg;
	struct iof_run_note note;
	char name[24];

	while (read(run->notes[0], &note, sizeof(note)) == sizeof(note)) {
		name_node(note.node, name);
		iof_run_plain_done(name, note.extended ? "statx" : "stat", note.tid, note.result);
	}
	return NULL;
}

void iof_run_notes_start(struct iof_run *run)
{
	if (pthread_create(&noting, NULL, take_notes, run))
		iof_run_die(run, "a thread cannot be started");
}

void iof_run_notes_finish(void)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec++;
	pthread_timedjoin_np(noting, NULL, &end);
}

void iof_run_trace_poll(const char *name, uint32_t events, uint32_t ready)
{
	static const char *const names[] = { "IN", "PRI", "OUT", "ERR", "HUP", "NVAL", "RDNORM" };
	struct iof_run_line line;

	iof_run_line_begin(&line, 0, name, "poll", false);
	iof_run_line_flags(&line, "events", names, 7, events);
	iof_run_line_flags(&line, "revents", names, 7, ready);
	iof_run_line_end(&line);
}
