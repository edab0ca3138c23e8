/* SPDX-License-Identifier: MIT */
/*
 * private.h - what the files of run/ share.
 *
 * The processes, each the child of the one before it, each killed by the kernel when that one goes:
 *
 *   front    what the user started (front.c): waits, passes signals on, is ended as the program is,
 *            and stopped and continued as it is, by the server. No namespace of its own, no thread.
 *   server   holds the machine and the FUSE connection (server.c, fuse.c, files.c, wake.c); in a
 *            user namespace if it needs one, and a mount namespace in which view.c builds /dev and
 *            /sys. Its memory is the embedded system's.
 *   broker   answers what seccomp traps (trap.c, broker.c): calls that make or take descriptors;
 *            and looks after registers in mapped memory (bar.c). It does not hold the FUSE
 *            connection, so that it dies whatever becomes of the server.
 *   keeper   process 1 of the program's PID namespace (keeper.c): its end is everybody's end.
 *   PROGRAM
 *
 * Whoever cannot go on says so in one sentence on the report socket and exits; front prints it.
 */
#ifndef IOF_RUN_PRIVATE_H
#define IOF_RUN_PRIVATE_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "run.h"

/* ---- reports to front ---- */

enum iof_run_report_kind {
	IOF_RUN_FAILED = 1,	/* status and sentence: nothing more will come */
	IOF_RUN_BORN,		/* the program, with all signals blocked; it waits for an order */
	IOF_RUN_ENDED,		/* status: as of wait(2) */
};

struct iof_run_report {
	int kind;
	int status;
	char text[400];
};

/* Of front for the keeper: a signal has come. Number 0: the program may begin. */
struct iof_run_order {
	int sig;
	bool typed;		/* the terminal sent it, to the whole process group */
};

/* What all processes know; made by front, inherited by fork. */
struct iof_run {
	const struct iof_run_config *config;
	int report;			/* the end for reports of a SOCK_SEQPACKET pair */
	int orders;			/* the keeper's end: struct iof_run_order */
	int states[2];			/* from the keeper to the server: SIGSTOP or SIGCONT */
	pid_t front;
	sigset_t mask;			/* the user's, for the program */
	struct rlimit files;
	uid_t uid;
	gid_t gid;
	bool privileged;		/* no user namespace is needed */
	char cwd[PATH_MAX];

	uint64_t token;			/* proves that a call comes from the broker */
	int fuse;			/* the connection; the server only */
	int old_dev;			/* the machine's own /dev, O_PATH */
	int tree;			/* root of our file system, O_PATH */
	dev_t dev;			/* its number */
};

/* ---- report.c ---- */

void iof_run_report(struct iof_run *run, int kind, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Reports failure and ends the process. */
void iof_run_die(struct iof_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* This process is killed when its parent is. */
void iof_run_tie(struct iof_run *run, pid_t parent);

/* ---- view.c: the namespaces and what is seen in them ---- */

void iof_run_enter(struct iof_run *run);		/* user and mount namespace, connection */
void iof_run_build_dev(struct iof_run *run);		/* while the server answers */
void iof_run_build_sys(struct iof_run *run);

/* ---- server.c, files.c ---- */

int iof_run_serve(struct iof_run *run) __attribute__((noreturn));

/* ---- broker.c, keeper.c ---- */

void iof_run_broker(struct iof_run *run) __attribute__((noreturn));
void iof_run_keeper(struct iof_run *run, int listener_out) __attribute__((noreturn));
/* bar.c, around a call that binds @device: if it does, BAR 0 is looked after from then on. */
void iof_run_bar_before_bind(struct iof_run *run, unsigned int device);
void iof_run_bar_after_bind(struct iof_run *run, unsigned int device, bool bound);
/* trap.c, in the program's process before it: the descriptor of what is trapped. */
int iof_run_trap(void);

/* Nodes of the file system: NodeIDs. */
enum {
	IOF_RUN_NODE_ROOT = 1,
	IOF_RUN_NODE_IOMMU = 2,
	IOF_RUN_NODE_VFIO = 16,			/* plus the device's number */
	IOF_RUN_NODE_MADE = 1 << 20,		/* plus the name's number: files that calls made */
};

/* ---- between broker and server: ioctls on our files that only the broker knows ---- */

#define IOF_RUN_DATA 3968	/* most of a caller's structure */

struct iof_run_call {
	uint64_t token;
	uint64_t arg;			/* the structure's address at the caller */
	int32_t tid;			/* the caller */
	uint32_t cmd;
	uint32_t size;			/* of the structure: bytes of data that count */
	int32_t result;			/* out */
	uint32_t file;			/* out: the server's own number for this file */
	uint32_t made;			/* out: name of a new file, "qN"; 0: none */
	uint32_t made_at;		/* in: where in data its number is, 0: makes none */
	uint32_t nr_fds;		/* in: so many descriptors of the broker are in data */
	uint32_t fds_at;		/* in: from there on */
	uint32_t pad;
	uint8_t data[IOF_RUN_DATA];	/* in, out */
};

/* `cmd` of calls that are none of a program's: below all numbers of ioctls. */
enum {
	IOF_RUN_CMD_WHICH = 0,		/* only `file` is asked for */
	IOF_RUN_CMD_BAR = 1,		/* struct iof_run_bar, about the device whose node it is */
	IOF_RUN_CMD_DROP = 2,		/* `made` as it came: nobody will open that */
};

/* -ENODEV: nobody has bound the device. */
struct iof_run_bar {
	uint32_t start;			/* in: the two below count, and begin a transfer */
	uint32_t cmd;			/* in, out: the register */
	uint64_t addr;
};

#define IOF_RUN_CALL _IOWR('i', 0xf0, struct iof_run_call)

/* The devices as programs see them: domain, bus, slot and function of device @n. */
#define IOF_RUN_BDF "f000:00:%02x.0"
#define IOF_RUN_DEV_MAJOR 511	/* what sysfs says; there is no device of that number */

#endif
