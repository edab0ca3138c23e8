/* SPDX-License-Identifier: MIT */
/*
 * private.h - shared by the files of run/.
 *
 * Each process is the child of the one before it, and the kernel kills it when that one exits:
 *
 *   front    the process that the user started (front.c): waits, passes signals on, ends,
 *            stops and continues as the program does. It has no namespace of its own and
 *            no second thread.
 *   server   holds the machine and the FUSE connection (server.c, fuse.c, turn.c,
 *            files.c, wake.c); in a user namespace if it needs one, and a mount namespace in which
 *            view.c builds /dev and /sys. The embedded system lives in its memory.
 *   broker   handles the calls that seccomp traps (trap.c, broker.c), which make or take
 *            descriptors, and the registers in mapped memory (bar.c). It does not hold the
 *            FUSE connection, so that it can exit whatever state the server is in.
 *   keeper   process 1 of the program's PID namespace (keeper.c): its exit kills the
 *            others in it.
 *   PROGRAM
 *
 * A process that fails sends one sentence to the report socket and exits; front prints the
 * sentence.
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
	IOF_RUN_FAILED = 1, /* status and sentence: no further report follows */
	IOF_RUN_BORN,	    /* the program blocks all signals and waits for an order */
	IOF_RUN_ENDED,	    /* status: as of wait(2) */
};

struct iof_run_report {
	int kind;
	int status;
	char text[400];
};

/* An order from front to the keeper: a signal was received. Number 0: the program may start. */
struct iof_run_order {
	int sig;
	bool typed; /* the terminal sent the signal, to the whole process group */
};

/* State of all processes; made by front, inherited by fork. */
struct iof_run {
	const struct iof_run_config *config;
	int report;    /* sending end of a SOCK_SEQPACKET pair */
	int orders;    /* keeper's end; messages are struct iof_run_order */
	int states[2]; /* pipe from the keeper to the server: SIGSTOP or SIGCONT */
	int notes[2];  /* pipe from the broker to the server: struct iof_run_note */
	int asked;     /* the server's end: connections of processes that ask about the run */
	pid_t front;
	sigset_t mask; /* signal mask of the user, for the program */
	struct rlimit files;
	uid_t uid;
	gid_t gid;
	bool privileged; /* no user namespace is needed */
	char cwd[PATH_MAX];

	uint64_t token;		  /* authenticates calls from the broker */
	int fuse;		  /* FUSE connection; in the server only */
	int old_dev;		  /* O_PATH descriptor of the machine's own /dev */
	int tree;		  /* O_PATH descriptor of the root of our file system */
	unsigned int first_group; /* number of the first isolation group, as programs see it */
	dev_t dev;		  /* device number of our file system */
};

/* ---- report.c ---- */

void iof_run_report(struct iof_run *run, int kind, int status, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Replaces control characters, which names of the user may contain. */
void iof_run_tame(char *text);
/* Reports failure and ends the process. */
void iof_run_die(struct iof_run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* Makes the kernel kill this process when its parent exits. */
void iof_run_tie(struct iof_run *run, pid_t parent);

/* ---- view.c: the namespaces and what is seen in them ---- */

void iof_run_enter(struct iof_run *run);     /* enters the namespaces, mounts the connection */
void iof_run_build_dev(struct iof_run *run); /* called while the server serves requests */
void iof_run_build_sys(struct iof_run *run);
void iof_run_hide_tree(void); /* our file system is no longer seen at a place of its own */
/* The lowest number above those of the isolation groups that /sys shows. */
unsigned int iof_run_first_group(void);

/* ---- ask.c: `iofault info --run` ---- */

/* Returns a socket on which others ask, or -1: they cannot. Front only, as iof_run_ask_accept(). */
int iof_run_ask_listen(void);
/* Passes one connection to the server by socket @server, if its user may ask. */
void iof_run_ask_accept(int listener, int server);

/* ---- server.c, files.c ---- */

int iof_run_serve(struct iof_run *run) __attribute__((noreturn));

/* ---- broker.c, keeper.c ---- */

void iof_run_broker(struct iof_run *run) __attribute__((noreturn));
void iof_run_keeper(struct iof_run *run, int listener_out) __attribute__((noreturn));
/*
 * Called before and after a call that binds @device (bar.c). After a successful bind, a thread
 * polls BAR 0.
 */
void iof_run_bar_before_bind(struct iof_run *run, unsigned int device);
void iof_run_bar_after_bind(struct iof_run *run, unsigned int device, bool bound);
/*
 * trap.c: installs the filter in the program's process; with @stat it traps stat(2) and its family.
 * Returns the descriptor of its notifications.
 */
int iof_run_trap(bool stat);

/* Nodes of the file system: FUSE node ids. */
enum {
	IOF_RUN_NODE_ROOT = 1,
	IOF_RUN_NODE_IOMMU = 2,
	IOF_RUN_NODE_CONTAINER = 3,  /* /dev/vfio/vfio */
	IOF_RUN_NODE_VFIO = 16,	     /* plus the device's number */
	IOF_RUN_NODE_GROUP = 256,    /* plus the number of the isolation group in the machine */
	IOF_RUN_NODE_TREE = 4096,    /* plus the number of an entry (tree.c) */
	IOF_RUN_NODE_MADE = 1 << 20, /* plus the number in the name; files that calls made */
};

/* ---- between broker and server: ioctls on our files that only the broker knows ---- */

#define IOF_RUN_DATA 3968 /* maximum number of bytes of a caller's structure */

struct iof_run_call {
	uint64_t token;
	uint64_t arg; /* address of the structure in the caller */
	int32_t tid;  /* thread id of the caller */
	uint32_t cmd;
	uint32_t size;	  /* number of valid bytes of data */
	int32_t result;	  /* out: result of the call */
	uint32_t file;	  /* out: the server's number for this file */
	uint32_t made;	  /* out: name of a new file, "qN"; 0: none */
	uint32_t made_at; /* in: offset in data of the new file's number; 0: the call makes none */
	uint32_t nr_fds;  /* in: number of descriptors of the broker in data */
	uint32_t fds_at;  /* in: offset in data of the first of them */
	int32_t given;	  /* in: descriptor that the caller gave, of which data has the number */
	uint8_t data[IOF_RUN_DATA]; /* in, out: the structure */
};

/* Values of `cmd` in the broker's own calls: below all numbers of ioctls. */
enum {
	IOF_RUN_CMD_WHICH = 0, /* returns `file` only */
	IOF_RUN_CMD_BAR = 1,   /* struct iof_run_bar, for the device of this node */
	IOF_RUN_CMD_DROP = 2,  /* drops the file `made`, which will not be opened */
	IOF_RUN_CMD_PLAIN = 3, /* struct iof_run_plain */
	/*
	 * puts the device descriptor `made`, which a group has made, in the place of that which
	 * this file is
	 */
	IOF_RUN_CMD_BECOME = 4,
	IOF_RUN_CMD_MINE = 5, /* only the broker has this file open, which keeps no driver */
};

/*
 * A call that FUSE would answer as for a regular file of a file system. The result is a negative
 * errno, 0, or IOF_RUN_CONTINUE: FUSE has the right answer.
 */
struct iof_run_plain {
	int32_t nr;    /* of the system call, in the numbers of this architecture */
	int32_t early; /* IOF_RUN_CONTINUE: the kernel has an error that comes first; or 0 */
	uint64_t args[6];
};

/* A call that the broker has answered without the server; for --trace and --stats. */
struct iof_run_note {
	uint64_t node;
	uint32_t tid;
	int32_t result;
	bool extended; /* statx, not one of its older family */
};

#define IOF_RUN_CONTINUE 1 /* the kernel executes the call unchanged */

/* Argument of IOF_RUN_CMD_BAR. -ENODEV: the device is not bound. */
struct iof_run_bar {
	uint32_t start; /* in: cmd and addr are valid, and start a transfer */
	uint32_t cmd;	/* in, out: the command register */
	uint64_t addr;
};

#define IOF_RUN_CALL _IOWR('i', 0xf0, struct iof_run_call)

/* Domain, bus, slot and function of device @n, as programs see it. */
#define IOF_RUN_BDF "f000:00:%02x.0"
/* Numbers of device nodes, for stat(2) and sysfs; no device of the host has them. */
#define IOF_RUN_DEV_MAJOR   511
#define IOF_RUN_MISC_MAJOR  10
#define IOF_RUN_IOMMU_MINOR 1023
#define IOF_RUN_VFIO_MINOR  196
#define IOF_RUN_GROUP_MAJOR 510

/* Sets the device number of a node. Returns false if the node is no device. */
bool iof_run_node_number(uint64_t node, unsigned int *major, unsigned int *minor);

/* ---- pass.c ---- */

/* Sends @fd with a message of one byte. @flags: those of sendmsg(2) beside MSG_NOSIGNAL. */
bool iof_run_pass(int socket, int fd, int flags);
/*
 * Receives such a message. Returns 1, or what recvmsg(2) returned. *fd is the descriptor, which is
 * close-on-exec, or -1 if there is none.
 */
ssize_t iof_run_receive(int socket, int *fd);

#endif
