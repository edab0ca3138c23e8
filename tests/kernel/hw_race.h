/* SPDX-License-Identifier: MIT */
/*
 * hw_race.h - what the races of real PCI functions share: threads that repeat a step against each
 * other, a watch over them, and what a step may return meanwhile.
 *
 * cmocka's assertions work in the main thread alone. A racer reports what is wrong by race_wrong(),
 * which ends the race; race_run() fails the test then. A racer that makes no progress for
 * RACE_SECONDS ends the program, after it was printed where each thread is.
 */
#ifndef TESTS_KERNEL_HW_RACE_H
#define TESTS_KERNEL_HW_RACE_H

#include "hw.h"

#include <pthread.h>
#include <stdatomic.h>

#define RACE_SECONDS 60
#define RACE_MAX     10

struct race;

struct racer {
	const char *name;
	/* One round. */
	void (*step)(struct racer *me);
	/* After so many rounds it ends; 0: it goes on while the others have rounds left. */
	unsigned int rounds;
	void *arg;

	/* The rest belongs to hw_race.c. */
	struct race *race;
	unsigned int round; /* how many it has done; the racer's own */
	unsigned int seed;
	_Atomic(const char *) at; /* the call that it is in */
	atomic_ulong calls;
	unsigned long seen; /* calls at the watch's last look */
	unsigned int still; /* seconds without a call since */
	atomic_int tid;
	bool ended; /* race->lock */
	pthread_t thread;
};

struct race {
	struct racer *racers;
	unsigned int nr;
	atomic_bool end;
	/* The steps of all are between locks of this: its writer is alone. */
	pthread_rwlock_t quiet;

	pthread_mutex_t lock;
	pthread_cond_t done, told;
	unsigned int left;    /* racers that have rounds left; lock */
	unsigned int running; /* racers that have not ended; lock */
	char wrong[512];      /* what was wrong first; lock */
};

/* HW_ROUNDS of the environment, or @otherwise. */
unsigned int race_rounds(unsigned int otherwise);
/* Runs the racers, and fails the test if something was wrong. */
void race_run(struct racer *racers, unsigned int nr);
void race_wrong(struct racer *me, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number below @n. */
unsigned int race_random(struct racer *me, unsigned int n);
/*
 * An event that racers wait for, counted. race_tell() raises it; race_await() returns when it is
 * not @seen any more, or the race ends.
 */
void race_tell(struct racer *me, atomic_ulong *event);
void race_await(struct racer *me, atomic_ulong *event, unsigned long seen);
void race_at(struct racer *me, const char *call);
/* Returns @rc; a negative one that is not among @errors is wrong. */
int race_checked(struct racer *me, int rc, const int *errors);
/*
 * A call that returns a negative errno when it fails, and the errnos with which it may fail in
 * this race; 0: none.
 */
#define DO(me, call, ...) \
	race_checked((me), (race_at((me), #call), (call)), (const int[]){ __VA_ARGS__, 0 })

/* ---- modules ---- */

/* Take a module out, and put iofault-pci.ko in. Return 0 or a negative errno. */
int race_rmmod(const char *name, unsigned int flags);
int race_insmod(const char *parameters);
/* References to a module; -1: it is not there. */
long race_refs(const char *name);

#endif
