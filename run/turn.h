/* SPDX-License-Identifier: MIT */
/*
 * turn.h - which thread of a process receives requests (turn.c): in the server those of FUSE, in
 * the broker the calls that seccomp traps.
 */
#ifndef IOF_RUN_TURN_H
#define IOF_RUN_TURN_H

#include <stdbool.h>
#include <stdint.h>

struct iof_run;

/* A request that the calling thread executes. */
struct iof_run_turn {
	uint64_t serial; /* 0: the thread does not have the turn */
	uint32_t tid;
	bool other; /* the request before was another caller's */
	bool apart; /* the thread gave the turn away before it executed the request */
};

/*
 * Called once, before the first request. @fd: can be polled for requests. @listen: main function of
 * the threads; the caller starts the first. @follows: the thread that has the turn runs on the
 * processor of its caller.
 */
void iof_run_turn_start(struct iof_run *run, int fd, void *(*listen)(void *), bool follows);
/* Waits until the calling thread has the turn to receive requests. */
void iof_run_turn_take(void);
void iof_run_turn_give(void);
/* A request of thread @tid was received and is executed now; 0: the request has no caller. */
void iof_run_turn_begin(struct iof_run_turn *mine, uint32_t tid);
/* The request is about to wait for another request. */
void iof_run_turn_lasts(struct iof_run_turn *mine);
/* The request was answered. Returns false if the thread does not have the turn any more. */
bool iof_run_turn_end(struct iof_run_turn *mine);

#endif
