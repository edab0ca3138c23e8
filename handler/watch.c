// SPDX-License-Identifier: MIT
/*
 * watch.c - one thread of a handler watches the queue, the others are parked.
 *
 * The watcher alone spins on the empty queue and sleeps on it. A thread that finds no batch and is
 * not the watcher parks on its own semaphore, so an arrival wakes one thread. Each batch that the
 * watcher reads leaves the queue without a watcher for as long as the callbacks take. Three cases:
 *
 * - More groups are queued than fit a batch, or callbacks take long: the watcher wakes a parked
 *   thread before the callbacks, and that thread is the watcher from then on.
 * - Callbacks are short: a wake-up would take longer than they do. The watcher marks itself busy,
 *   and continues to watch afterwards.
 * - A callback takes longer than callbacks did so far, perhaps because it waits for another fault.
 *   One parked thread, the deputy, looks each DEPUTY_NS while batches are read. It takes the watch
 *   over when it finds the watcher busy with the same batch as before.
 *
 * handler.watch names the watcher. It changes by compare-and-swap, except that the watcher itself
 * stores it while it is not busy. The sequence number in it counts batches and watchers.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include <iofault/iofault.h>

#include "handler_private.h"

#define DEPUTY_NS 1000000u /* interval of the deputy's looks */
#define LONG_NS	  200000u  /* callbacks of a batch that take longer let another thread watch */

/* Parts of handler.watch: flags, the number of a worker (0: there is no watcher), a sequence. */
#define BUSY	     1ull /* the watcher is in the callbacks of a batch */
#define SLOW	     2ull /* BUSY, and they are expected to take long */
#define NUMBER_SHIFT 2
#define NUMBER_MASK  0x3fffffffull
#define SEQ	     (1ull << 32)

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t word_of(uint64_t before, const struct iof_worker *worker, uint64_t flags)
{
	return ((before & ~(SEQ - 1)) + SEQ) | (uint64_t)worker->number << NUMBER_SHIFT | flags;
}

static bool is_watcher(uint64_t word, const struct iof_worker *worker)
{
	return (word >> NUMBER_SHIFT & NUMBER_MASK) == worker->number;
}

static bool take_watch(struct iof_worker *worker, uint64_t word)
{
	return __atomic_compare_exchange_n(&worker->handler->watch, &word, word_of(word, worker, 0),
					   false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

bool iof_watch_mine(struct iof_worker *worker)
{
	uint64_t word = __atomic_load_n(&worker->handler->watch, __ATOMIC_SEQ_CST);

	if (is_watcher(word, worker))
		return true;
	return (!(word >> NUMBER_SHIFT & NUMBER_MASK) || word & SLOW) && take_watch(worker, word);
}

/* ---- parked threads ---- */

/* Takes @worker off the parked ones. Called with park_lock held. */
static void unpark(struct iof_worker *worker)
{
	struct iof_handler *handler = worker->handler;
	struct iof_worker **at = &handler->parked;

	while (*at && *at != worker)
		at = &(*at)->next_parked;
	if (*at)
		*at = worker->next_parked;
	if (handler->deputy != worker)
		return;
	/* The next deputy begins with a look. */
	worker = handler->parked;
	if (worker)
		handler->parked = worker->next_parked;
	__atomic_store_n(&handler->deputy, worker, __ATOMIC_SEQ_CST);
	if (!worker)
		return;
	__atomic_store_n(&handler->deputy_looks, true, __ATOMIC_SEQ_CST);
	sem_post(&worker->park);
}

/* Makes a parked thread the watcher. Returns false if none is parked. The watcher calls this. */
static bool hand_over(struct iof_handler *handler, uint64_t word)
{
	struct iof_worker *next;

	pthread_mutex_lock(&handler->park_lock);
	next = handler->parked ? handler->parked : handler->deputy;
	if (next) {
		unpark(next);
		__atomic_store_n(&handler->watch, word_of(word, next, 0), __ATOMIC_SEQ_CST);
		sem_post(&next->park);
	}
	pthread_mutex_unlock(&handler->park_lock);
	return next;
}

static void wait_until_posted(struct iof_worker *worker)
{
	while (sem_wait(&worker->park) && errno == EINTR && !iof_handler_stopping(worker->handler))
		;
}

/* Returns true if the interval passed without a post. */
static bool wait_interval(struct iof_worker *worker)
{
	uint64_t end = now_ns() + DEPUTY_NS;
	struct timespec until = { .tv_sec = (time_t)(end / 1000000000u),
				  .tv_nsec = (long)(end % 1000000000u) };

	return sem_clockwait(&worker->park, CLOCK_MONOTONIC, &until) && errno == ETIMEDOUT;
}

/*
 * One look of the deputy, and the wait for the next. *@seen is handler.watch at the last look, an
 * interval ago, or 0. Returns true when the deputy became the watcher.
 */
static bool deputy_look(struct iof_worker *worker, uint64_t *seen)
{
	struct iof_handler *handler = worker->handler;
	uint64_t word = __atomic_load_n(&handler->watch, __ATOMIC_SEQ_CST);

	if (word & SLOW || (word & BUSY && word == *seen)) {
		if (take_watch(worker, word))
			return true;
		*seen = 0;
		return false;
	}
	if (word != *seen || word & BUSY) {
		*seen = wait_interval(worker) ? word : 0;
		return false;
	}
	/* An interval without a batch. The watcher posts before the callbacks of the next one. */
	*seen = 0;
	__atomic_store_n(&handler->deputy_looks, false, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&handler->watch, __ATOMIC_SEQ_CST) == word)
		wait_until_posted(worker);
	__atomic_store_n(&handler->deputy_looks, true, __ATOMIC_SEQ_CST);
	return false;
}

void iof_watch_park(struct iof_worker *worker)
{
	struct iof_handler *handler = worker->handler;
	uint64_t seen = 0;
	bool watcher = false;

	pthread_mutex_lock(&handler->park_lock);
	if (handler->deputy) {
		worker->next_parked = handler->parked;
		handler->parked = worker;
	} else {
		__atomic_store_n(&handler->deputy_looks, true, __ATOMIC_SEQ_CST);
		__atomic_store_n(&handler->deputy, worker, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&handler->park_lock);

	while (!watcher && !iof_handler_stopping(handler)) {
		if (is_watcher(__atomic_load_n(&handler->watch, __ATOMIC_SEQ_CST), worker))
			watcher = true;
		else if (__atomic_load_n(&handler->deputy, __ATOMIC_SEQ_CST) == worker)
			watcher = deputy_look(worker, &seen);
		else
			wait_until_posted(worker);
	}

	pthread_mutex_lock(&handler->park_lock);
	unpark(worker);
	pthread_mutex_unlock(&handler->park_lock);
}

/* ---- the callbacks of a batch ---- */

static bool more_queued(const struct iof_worker *worker)
{
	struct pollfd queue = { .fd = worker->handler->config.fault_fd, .events = POLLIN };

	return iof_poll(&queue, 1, 0) > 0;
}

void iof_watch_begin(struct iof_worker *worker, uint32_t nr)
{
	struct iof_handler *handler = worker->handler;
	uint64_t word = __atomic_load_n(&handler->watch, __ATOMIC_RELAXED);
	struct iof_worker *deputy;
	bool slow;

	worker->began = 0;
	if (__atomic_load_n(&handler->runners, __ATOMIC_RELAXED) > 1)
		worker->began = now_ns();
	if (!is_watcher(word, worker))
		return;
	slow = __atomic_load_n(&handler->callbacks_ns, __ATOMIC_RELAXED) > LONG_NS;
	deputy = __atomic_load_n(&handler->deputy, __ATOMIC_RELAXED);
	if (deputy && (slow || (nr == worker->room && more_queued(worker))) &&
	    hand_over(handler, word))
		return;
	word = word_of(word, worker, slow ? BUSY | SLOW : BUSY);
	/* Pairs with deputy_look() and iof_watch_park(): store, then look at the other side. */
	__atomic_store_n(&handler->watch, word, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&handler->deputy, __ATOMIC_SEQ_CST) ||
	    (!slow && __atomic_load_n(&handler->deputy_looks, __ATOMIC_SEQ_CST)))
		return;
	pthread_mutex_lock(&handler->park_lock);
	if (handler->deputy) {
		__atomic_store_n(&handler->deputy_looks, true, __ATOMIC_SEQ_CST);
		sem_post(&handler->deputy->park);
	}
	pthread_mutex_unlock(&handler->park_lock);
}

void iof_watch_end(struct iof_worker *worker)
{
	struct iof_handler *handler = worker->handler;
	uint64_t word = __atomic_load_n(&handler->watch, __ATOMIC_RELAXED);
	uint64_t mean, took;

	if (worker->began) {
		/* Clamped, so that a thread that was preempted once is not taken for a slow one. */
		took = now_ns() - worker->began;
		if (took > 2 * LONG_NS)
			took = 2 * LONG_NS;
		mean = __atomic_load_n(&handler->callbacks_ns, __ATOMIC_RELAXED);
		__atomic_store_n(&handler->callbacks_ns, (3 * mean + took) / 4, __ATOMIC_RELAXED);
	}
	if (is_watcher(word, worker) && word & BUSY)
		__atomic_compare_exchange_n(&handler->watch, &word, word & ~(BUSY | SLOW), false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}
