// SPDX-License-Identifier: MIT
/*
 * turn.c - which thread of the server listens for requests, and on which processor.
 *
 * One thread at a time has the turn: it reads requests and executes them. It keeps the turn
 * meanwhile, so that a request wakes no second thread. But a request may wait for the program, as
 * for a page that the program itself provides, and the program may need another request for that.
 * So a watcher takes the turn from a request that lasts, and gives it to an idle thread. It looks
 * by a timer, which the first request sets that finds it off: it never wakes while nothing calls.
 *
 * The turn is given away before a request is executed, if an earlier one of its caller lasted, or
 * while requests of several callers meet. Callers that take turns themselves, as a handler and a
 * device's thread do, are served by one thread.
 *
 * The thread that has the turn follows the processor of a steady caller. Then the kernel switches
 * from the caller to the server and back on one processor. To wake a thread on a processor that
 * sleeps takes several times as long as a request.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "private.h"
#include "shim/sys.h"
#include "turn.h"

#define MAX_THREADS 128
#define PATIENCE_NS 1000000 /* the watcher takes the turn after one to two of these */
/* Number of requests of a caller that give the turn away after one of them lasted. */
#define LASTING	   255
#define NR_LASTING 64
/*
 * After a change of the caller this number of requests gives the turn away. If none of them met
 * another, the number of requests for which a change does not matter.
 */
#define APART 64
#define CALM  1024
/* Number of requests in a row that make a caller steady, and a followed one forgotten. */
#define STEADY	  8
#define STRANGERS 4
#define LOOK_NS	  1000000 /* time between two looks at the processor of a steady caller */

static struct {
	int fd; /* can be polled for requests */
	bool follows;
	void *(*listen)(void *);
	sem_t free;  /* 1: no thread has the turn */
	int idle;    /* atomic: number of threads that wait for it, or are about to have it */
	int threads; /* atomic: number of threads */
	int timer;
	bool looks; /* atomic: the timer is set, or the watcher looks */
	/* atomic: the request that is executed by the thread that has the turn, or 0 */
	uint64_t serving;
	pid_t holder; /* atomic: that thread, and the clock of its processor time */
	clockid_t clock;
	/* atomic: number of requests to come that give the turn away, by thread id of the caller */
	uint8_t lasting[NR_LASTING];
	int running;	   /* atomic: number of requests executed without the turn */
	cpu_set_t allowed; /* the processors of this process */
	/* the rest belongs to the thread that has the turn */
	uint64_t serial;
	uint32_t last;	    /* caller of the last request */
	unsigned int apart; /* number of requests to come that give the turn away */
	unsigned int calm;  /* number of requests to come for which a change does not matter */
	bool met;	    /* a request began while another was executed */
	bool changed;	    /* the caller changed */
} turn;

/* The processor of the calling thread, while it has the turn. */
static __thread struct {
	bool pinned;
	int cpu;
	uint32_t tid;	      /* the caller that it may follow */
	int stat;	      /* file of that caller in /proc, or -1 */
	unsigned int steady;  /* number of requests of that caller in a row, up to STEADY */
	unsigned int strange; /* number of requests of others in a row */
	uint64_t looked;
} follow = { .stat = -1 };

static __thread struct {
	pid_t tid;
	clockid_t clock;
} self;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- processors ---- */

static void forget_caller(void)
{
	if (follow.stat >= 0)
		close(follow.stat);
	follow.stat = -1;
	follow.steady = follow.strange = 0;
	follow.looked = 0;
	if (follow.pinned)
		sched_setaffinity(0, sizeof(turn.allowed), &turn.allowed);
	follow.pinned = false;
}

/* Returns the processor that the caller ran on last, or -1. */
static int processor_of_caller(void)
{
	char text[1024], *at;
	ssize_t got = pread(follow.stat, text, sizeof(text) - 1, 0);

	if (got <= 0) {
		/* another thread has the id by now */
		close(follow.stat);
		follow.stat = -1;
		return -1;
	}
	text[got] = 0;
	/* field 39; the name, which is field 2, may have spaces and parentheses */
	at = strrchr(text, ')');
	for (int i = 2; at && i < 39; i++)
		at = strchr(at + 1, ' ');
	return at ? atoi(at + 1) : -1;
}

static void follow_processor(void)
{
	int cpu = processor_of_caller();
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &turn.allowed) ||
	    (follow.pinned && follow.cpu == cpu))
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return;
	follow.pinned = true;
	follow.cpu = cpu;
}

/* A request of @tid has been answered, and this thread has the turn. */
static void follow_caller(uint32_t tid)
{
	char path[48];
	uint64_t at;

	if (tid != follow.tid) {
		follow.steady = 0;
		if (follow.pinned && ++follow.strange < STRANGERS)
			return;
		forget_caller();
		follow.tid = tid;
		return;
	}
	follow.strange = 0;
	if (follow.steady < STEADY && ++follow.steady < STEADY)
		return;
	at = now();
	if (at - follow.looked < LOOK_NS)
		return;
	follow.looked = at;
	if (follow.stat < 0) {
		snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", tid, tid);
		follow.stat = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (follow.stat >= 0)
		follow_processor();
}

/* ---- the turn ---- */

static void *start(void *arg)
{
	/* the thread has the processors of the thread that started it */
	sched_setaffinity(0, sizeof(turn.allowed), &turn.allowed);
	return turn.listen(arg);
}

static void start_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, start, NULL))
		__atomic_fetch_sub(&turn.threads, 1, __ATOMIC_RELAXED);
	pthread_attr_destroy(&attr);
}

void iof_run_turn_give(void)
{
	if (!__atomic_load_n(&turn.idle, __ATOMIC_ACQUIRE)) {
		if (__atomic_add_fetch(&turn.threads, 1, __ATOMIC_RELAXED) <= MAX_THREADS)
			start_thread();
		else
			__atomic_fetch_sub(&turn.threads, 1, __ATOMIC_RELAXED);
	}
	sem_post(&turn.free);
}

void iof_run_turn_take(void)
{
	if (!self.tid) {
		self.tid = gettid();
		pthread_getcpuclockid(pthread_self(), &self.clock);
	}
	forget_caller();
	__atomic_fetch_add(&turn.idle, 1, __ATOMIC_ACQ_REL);
	while (sem_wait(&turn.free))
		;
	__atomic_fetch_sub(&turn.idle, 1, __ATOMIC_ACQ_REL);
	__atomic_store_n(&turn.holder, self.tid, __ATOMIC_RELAXED);
	__atomic_store_n(&turn.clock, self.clock, __ATOMIC_RELAXED);
}

static void set_timer(void)
{
	static const struct itimerspec patience = { .it_value.tv_nsec = PATIENCE_NS };

	timerfd_settime(turn.timer, 0, &patience, NULL);
}

static void keep_apart(void)
{
	turn.apart = APART;
	turn.met = turn.changed = false;
}

/*
 * Does a request of @tid give the turn away, since requests of several callers may meet? @other:
 * the request before was another caller's.
 */
static bool is_crowd(bool other)
{
	if (!turn.apart) {
		if (turn.calm)
			turn.calm--;
		else if (other && CPU_COUNT(&turn.allowed) > 1)
			keep_apart();
		return turn.apart;
	}
	turn.changed |= other;
	turn.met |= __atomic_load_n(&turn.running, __ATOMIC_RELAXED) > 0;
	if (!--turn.apart) {
		if (!turn.met)
			turn.calm = CALM;
		else if (turn.changed)
			keep_apart();
	}
	return true;
}

/* Did an earlier request of the caller last? */
static bool may_last(uint32_t tid)
{
	uint8_t *lasting = &turn.lasting[tid % NR_LASTING];
	uint8_t left = __atomic_load_n(lasting, __ATOMIC_RELAXED);

	if (left)
		__atomic_store_n(lasting, left - 1, __ATOMIC_RELAXED);
	return left;
}

void iof_run_turn_begin(struct iof_run_turn *mine, uint32_t tid)
{
	bool crowd, lasts;

	*mine = (struct iof_run_turn){ .tid = tid };
	if (tid) {
		mine->other = tid != turn.last;
		turn.last = tid;
		/* both count calls */
		crowd = is_crowd(mine->other);
		lasts = may_last(tid);
		if (crowd || lasts) {
			__atomic_fetch_add(&turn.running, 1, __ATOMIC_RELAXED);
			mine->apart = true;
			iof_run_turn_give();
			return;
		}
	}
	mine->serial = ++turn.serial;
	__atomic_store_n(&turn.serving, mine->serial, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&turn.looks, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&turn.looks, true, __ATOMIC_SEQ_CST);
		set_timer();
	}
}

void iof_run_turn_lasts(struct iof_run_turn *mine)
{
	uint64_t serial = mine->serial;

	mine->serial = 0;
	if (serial && __atomic_compare_exchange_n(&turn.serving, &serial, 0, false,
						  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		iof_run_turn_give();
}

/* Has another request come already? */
static bool is_pending(void)
{
	struct pollfd some = { .fd = turn.fd, .events = POLLIN };

	return poll(&some, 1, 0) > 0;
}

bool iof_run_turn_end(struct iof_run_turn *mine)
{
	uint64_t serial = mine->serial;

	if (mine->apart)
		__atomic_fetch_sub(&turn.running, 1, __ATOMIC_RELAXED);
	if (!serial)
		return false;
	if (!__atomic_compare_exchange_n(&turn.serving, &serial, 0, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST)) {
		if (mine->tid)
			__atomic_store_n(&turn.lasting[mine->tid % NR_LASTING], LASTING,
					 __ATOMIC_RELAXED);
		return false;
	}
	if (!mine->tid)
		return true;
	if (mine->other && CPU_COUNT(&turn.allowed) > 1 && is_pending())
		keep_apart();
	if (turn.follows)
		follow_caller(mine->tid);
	return true;
}

/* ---- the watcher ---- */

/* Returns the processor time of the thread that has the turn. */
static uint64_t time_of_holder(void)
{
	struct timespec ts = { 0 };

	clock_gettime(__atomic_load_n(&turn.clock, __ATOMIC_RELAXED), &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * Does the thread that has the turn wait for a processor, which others use? No other thread would
 * execute the request sooner. @used: processor time since the last look.
 */
static bool is_preempted(uint64_t used)
{
	char path[48], text[256], *at;
	ssize_t got;
	int fd;

	if (used > PATIENCE_NS / 2)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat",
		 __atomic_load_n(&turn.holder, __ATOMIC_RELAXED));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = 0;
	at = strrchr(text, ')');
	return at && !strncmp(at, ") R", 3);
}

/* Takes the turn from a request that lasts. Returns false if it does not last, or has ended. */
static bool take_away(uint64_t serving, uint64_t used)
{
	return !is_preempted(used) &&
	       __atomic_compare_exchange_n(&turn.serving, &serving, 0, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static void *watch(void *arg)
{
	uint64_t times, seen = 0, serving, at_seen = 0, used;

	(void)arg;
	for (;;) {
		if (read(turn.timer, &times, sizeof(times)) != sizeof(times))
			continue;
		__atomic_store_n(&turn.looks, false, __ATOMIC_SEQ_CST);
		/* a request that begins now finds the timer off, or is seen here */
		serving = __atomic_load_n(&turn.serving, __ATOMIC_SEQ_CST);
		if (!serving)
			continue;
		used = time_of_holder() - at_seen;
		if (serving == seen && take_away(serving, used)) {
			iof_run_turn_give();
			continue;
		}
		seen = serving;
		at_seen += used;
		__atomic_store_n(&turn.looks, true, __ATOMIC_SEQ_CST);
		set_timer();
	}
	return NULL;
}

void iof_run_turn_start(struct iof_run *run, int fd, void *(*listen)(void *), bool follows)
{
	pthread_t thread;

	turn.fd = fd;
	turn.follows = follows;
	turn.listen = listen;
	turn.threads = 1;
	sem_init(&turn.free, 0, 1);
	turn.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (!sched_getaffinity(0, sizeof(turn.allowed), &turn.allowed))
		iof_sys_set_processors(&turn.allowed);
	if (turn.timer < 0 || pthread_create(&thread, NULL, watch, NULL) || pthread_detach(thread))
		iof_run_die(run, "a thread cannot be started");
}
