// SPDX-License-Identifier: MIT
/*
 * handler.c - the fault handler: threads, reading, groups, callbacks.
 *
 * In one round, a worker reads a batch, rebuilds its groups, calls back, writes the responses, and
 * enters the groups with LATER in the table. After a round it reads the queue again at once. When
 * the queue is empty, it spins for spin_us, or adaptively (worker_doze()), and then sleeps in
 * poll(2) on the queue and on an eventfd; stopping makes the eventfd readable for ever. Of the
 * threads that spin adaptively one watches the queue; the others are parked (watch.c). The
 * handler's own threads in an embedded world sleep on the queue alone, which saves two system calls
 * a fault; iof_handler_stop() interrupts them. A round allocates memory only if a group does not
 * fit the buffer.
 */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <iofault/iofault.h>

#include "handler_private.h"
#include "signals.h"

#define BATCH_DEFAULT 64u
#define BATCH_MAX     65536u
#define THREADS_MAX   256u
#define SPIN_CHECK    32u /* number of empty reads between two readings of the clock */

/* Adaptive spinning: its bounds, empty reads between two yields, and sleeps without a spin. */
#define SPIN_MIN_NS  1000u
#define SPIN_MAX_NS  50000u
#define SPIN_YIELD   8u
#define LEFT_OUT_MAX 1023u

/* The handler that this thread is running in, or NULL. */
static __thread const struct iof_handler *iof_inside;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void relax_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

/* Handling one batch */

static void worker_ask(struct iof_worker *worker, uint32_t nr)
{
	const struct iof_handler_config *config = &worker->handler->config;
	uint32_t i;
	int err;

	if (config->faults) {
		err = config->faults(config->arg, worker->groups, nr);
		if (err < 0) {
			iof_handler_note(worker->handler, err, worker->groups);
			worker->failed++;
		}
		return;
	}
	for (i = 0; i < nr; i++)
		worker->groups[i].response = config->fault(config->arg, &worker->groups[i]);
}

/*
 * Turns the results of callbacks into responses and returns their number. *@later: groups with
 * LATER.
 */
static uint32_t worker_collect(struct iof_worker *worker, uint32_t nr, uint32_t *later)
{
	uint32_t answers = 0;
	uint32_t i;

	*later = 0;
	for (i = 0; i < nr; i++) {
		struct iof_fault_group *group = &worker->groups[i];

		if (group->response == IOF_LATER) {
			worker->later[(*later)++] = group->cookie;
			continue;
		}
		if (group->response != IOF_SUCCESS && group->response != IOF_INVALID) {
			iof_handler_note(worker->handler,
					 group->response < 0 ? group->response : -EINVAL, group);
			worker->failed++;
			group->response = IOF_INVALID;
		}
		worker->answers[answers].cookie = group->cookie;
		worker->answers[answers++].code = (uint32_t)group->response;
	}
	return answers;
}

/*
 * Enters the groups with LATER in the table. A group gets INVALID if there is no memory for its
 * entry.
 */
static uint32_t worker_later(struct iof_worker *worker, uint32_t later, uint32_t answers)
{
	struct iof_handler *handler = worker->handler;
	uint32_t lost = 0;
	uint32_t i;

	pthread_mutex_lock(&handler->lock);
	for (i = 0; i < later; i++) {
		if (!iof_open_add(&handler->open, worker->later[i]))
			continue;
		worker->answers[answers + lost].cookie = worker->later[i];
		worker->answers[answers + lost].code = IOMMUFD_PAGE_RESP_INVALID;
		lost++;
	}
	pthread_mutex_unlock(&handler->lock);
	if (lost)
		iof_handler_note(handler, -ENOMEM, NULL);
	return lost;
}

/*
 * Ends the callbacks of a batch. If no other batch is in its callbacks, removes the EARLY cookies.
 */
static void worker_callbacks_done(struct iof_handler *handler)
{
	if (__atomic_sub_fetch(&handler->running, 1, __ATOMIC_ACQ_REL) ||
	    !__atomic_load_n(&handler->open.early, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&handler->lock);
	if (!__atomic_load_n(&handler->running, __ATOMIC_ACQUIRE))
		iof_open_forget_early(&handler->open);
	pthread_mutex_unlock(&handler->lock);
}

/*
 * Handles one batch. Returns the number of groups, 0 if the queue is empty, or the descriptor's
 * error.
 */
static int worker_round(struct iof_worker *worker)
{
	struct iof_handler *handler = worker->handler;
	bool timed = !(handler->config.flags & IOF_HANDLER_NO_LATENCY);
	struct iof_tally tally = { 0 };
	uint32_t answers, later, i;
	uint64_t faults = 0;
	uint64_t start = 0;
	int nr = iof_worker_read(worker);
	long wrote;

	if (nr <= 0)
		return nr;
	if (timed)
		start = now_ns();
	for (i = 0; i < (uint32_t)nr; i++)
		faults += worker->groups[i].nr_pages;
	/*
	 * Count before writing: a program that sees the effect of a response finds the fault
	 * counted.
	 */
	pthread_mutex_lock(&worker->stats_lock);
	worker->stats.faults += faults;
	worker->stats.groups += (uint32_t)nr;
	worker->stats.batches++;
	pthread_mutex_unlock(&worker->stats_lock);

	iof_watch_begin(worker, (uint32_t)nr);
	__atomic_add_fetch(&handler->running, 1, __ATOMIC_ACQ_REL);
	worker->failed = 0;
	worker_ask(worker, (uint32_t)nr);
	answers = worker_collect(worker, (uint32_t)nr, &later);
	if (later)
		answers += worker_later(worker, later, answers);
	worker_callbacks_done(handler);
	wrote = iof_answers_write(handler, worker->answers, answers, &tally);
	iof_watch_end(worker);

	pthread_mutex_lock(&worker->stats_lock);
	worker->stats.failed += worker->failed;
	worker->stats.success += tally.success;
	worker->stats.invalid += tally.invalid;
	worker->stats.late += tally.late;
	worker->stats.deferred += later;
	if (timed && answers)
		iof_histogram_add(&worker->stats.latency, now_ns() - start, answers);
	pthread_mutex_unlock(&worker->stats_lock);
	return wrote < 0 ? (int)wrote : nr;
}

/* Waiting for faults */

/* Reads an empty queue again and again, for spin_us. Returns the number of groups handled, or 0. */
static int worker_spin(struct iof_worker *worker)
{
	struct iof_handler *handler = worker->handler;
	uint32_t spin_us = handler->config.spin_us;
	uint32_t tries = 0;
	uint64_t end = 0;

	while (!iof_handler_stopping(handler)) {
		int nr = worker_round(worker);

		if (nr)
			return nr;
		relax_cpu();
		if (spin_us == IOF_HANDLER_BUSY || ++tries % SPIN_CHECK)
			continue;
		if (!end)
			end = now_ns() + spin_us * 1000ull;
		else if (now_ns() >= end)
			break;
	}
	return 0;
}

/* Sleeps. Returns 1: read the queue again; 0: the time is up, or the handler stops; or an error. */
static int worker_sleep(struct iof_worker *worker, int timeout_ms)
{
	struct iof_handler *handler = worker->handler;
	struct pollfd fds[2] = {
		{ .fd = handler->config.fault_fd, .events = POLLIN },
		{ .fd = handler->stop_fd, .events = POLLIN },
	};
	int ready;

	pthread_mutex_lock(&worker->stats_lock);
	worker->stats.sleeps++;
	pthread_mutex_unlock(&worker->stats_lock);
	if (worker->sleeper) {
		ready = iof_poll(fds, 1, timeout_ms);
		if (ready == -EINTR)
			return 1;
	} else {
		/*
		 * poll(2) needs readiness, which a spinning thread of this handler may have turned
		 * off.
		 */
		iof_set_readiness(fds[0].fd, 1);
		ready = iof_poll(fds, 2, timeout_ms);
	}
	if (ready < 0)
		return ready;
	if (!ready || fds[1].revents)
		return 0;
	if (fds[0].revents & POLLNVAL)
		return -EBADF;
	if (!(fds[0].revents & POLLIN) && fds[0].revents & (POLLERR | POLLHUP))
		return -EIO;
	return 1;
}

static uint64_t spin_between(uint64_t ns)
{
	return ns < SPIN_MIN_NS ? SPIN_MIN_NS : ns > SPIN_MAX_NS ? SPIN_MAX_NS : ns;
}

/*
 * Reads an empty queue for up to spin_ns from @start on, and lets other threads of this processor
 * run in between. Returns the number of groups handled, or 0.
 */
static int worker_spin_adaptive(struct iof_worker *worker, uint64_t start)
{
	uint32_t tries = 0;

	while (!iof_handler_stopping(worker->handler)) {
		int nr = worker_round(worker);

		if (nr)
			return nr;
		relax_cpu();
		if (++tries % SPIN_YIELD)
			continue;
		sched_yield();
		if (now_ns() - start >= worker->spin_ns)
			break;
	}
	return 0;
}

/*
 * Adaptive spinning: spins up to spin_ns before sleeping, since a fault often comes sooner than a
 * wake-up would take. A device on this CPU may come to run only once this thread sleeps: where
 * spinning failed for that reason, the next sleeps skip it, ever more of them until spinning
 * succeeds again. Returns the number of groups handled, 0 to read again, or an error. *go_on is
 * false when the handler stops.
 */
static int worker_doze(struct iof_worker *worker, bool *go_on)
{
	bool spun = !worker->spins_left_out;
	uint64_t start = 0, asleep = 0, now;
	int ret;

	if (spun) {
		start = now_ns();
		ret = worker_spin_adaptive(worker, start);
		now = now_ns();
		if (ret > 0) {
			worker->spins_in_vain = 0;
			worker->spin_ns = spin_between(2 * (now - start));
		}
		if (ret)
			return ret;
		asleep = now;
	} else {
		worker->spins_left_out--;
	}
	ret = worker_sleep(worker, -1);
	*go_on = ret > 0;
	if (!spun)
		return ret > 0 ? 0 : ret;
	now = now_ns();
	if (now - asleep < worker->spin_ns) {
		worker->spins_in_vain = 2 * worker->spins_in_vain + 1;
		if (worker->spins_in_vain > LEFT_OUT_MAX)
			worker->spins_in_vain = LEFT_OUT_MAX;
		worker->spins_left_out = worker->spins_in_vain;
	}
	worker->spin_ns =
		spin_between(now - start > SPIN_MAX_NS ? worker->spin_ns / 2 : 2 * (now - start));
	return ret > 0 ? 0 : ret;
}

/* Handles one batch, and waits for it up to @timeout_ms. */
static int worker_wait_round(struct iof_worker *worker, int timeout_ms)
{
	struct iof_handler *handler = worker->handler;
	uint64_t end = timeout_ms > 0 ? now_ns() + timeout_ms * 1000000ull : 0;

	while (!iof_handler_stopping(handler)) {
		int left_ms = timeout_ms;
		int ret = worker_round(worker);

		if (!ret && timeout_ms && handler->config.spin_us)
			ret = worker_spin(worker);
		if (ret || !timeout_ms)
			return ret;
		if (timeout_ms > 0) {
			uint64_t now = now_ns();

			if (now >= end)
				return 0;
			left_ms = (int)((end - now + 999999) / 1000000);
		}
		ret = worker_sleep(worker, left_ms);
		if (ret <= 0)
			return ret;
	}
	return 0;
}

/* Handles one batch, and waits for it as long as it takes. Only the watcher spins and sleeps. */
static int worker_wait_adaptive(struct iof_worker *worker)
{
	bool go_on = true;
	int ret = 0;

	while (!ret && go_on && !iof_handler_stopping(worker->handler)) {
		ret = worker_round(worker);
		if (!ret && iof_watch_mine(worker))
			ret = worker_doze(worker, &go_on);
		else if (!ret)
			iof_watch_park(worker);
	}
	return ret;
}

static int worker_run(struct iof_worker *worker, bool own_thread)
{
	struct iof_handler *handler = worker->handler;
	const struct iof_handler *outside = iof_inside;
	bool busy = handler->config.spin_us == IOF_HANDLER_BUSY, spared = false;

	iof_inside = handler;
	__atomic_add_fetch(&handler->runners, 1, __ATOMIC_SEQ_CST);
	/* Turning readiness off fails on a descriptor of a kernel, where it would save nothing. */
	if (busy || own_thread)
		spared = !iof_set_readiness(handler->config.fault_fd, 0);
	if (spared && own_thread)
		__atomic_store_n(&worker->sleeper, iof_thread_hold(), __ATOMIC_SEQ_CST);
	while (!iof_handler_stopping(handler)) {
		int ret = handler->config.spin_us ? worker_wait_round(worker, -1) :
						    worker_wait_adaptive(worker);

		if (ret < 0 && ret != -EINTR) {
			iof_handler_fatal(handler, ret);
			break;
		}
	}
	if (spared)
		iof_set_readiness(handler->config.fault_fd, 1);
	iof_inside = outside;
	return __atomic_load_n(&handler->fatal, __ATOMIC_ACQUIRE);
}

static void *worker_thread(void *arg)
{
	pthread_setname_np(pthread_self(), "iof-handler");
	worker_run(arg, true);
	return NULL;
}

/*
 * The public calls
 */

static int handler_check(struct iof_handler_config *config)
{
	if (config->fault_fd < 0 || (!config->fault && !config->faults) ||
	    config->threads > THREADS_MAX || config->batch > BATCH_MAX ||
	    config->flags & ~(uint32_t)(IOF_HANDLER_LEAVE_OPEN | IOF_HANDLER_NO_LATENCY))
		return -EINVAL;
	if (!config->batch)
		config->batch = BATCH_DEFAULT;
	return 0;
}

static int handler_start(struct iof_handler *handler)
{
	sigset_t before;
	int err = 0;

	iof_signals_block(&before);
	while (handler->started < handler->config.threads) {
		struct iof_worker *worker = iof_worker_new(handler);

		if (!worker) {
			err = -ENOMEM;
			break;
		}
		err = -pthread_create(&worker->thread, NULL, worker_thread, worker);
		if (err)
			break;
		handler->threads[handler->started++] = worker;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void handler_free(struct iof_handler *handler)
{
	while (handler->workers) {
		struct iof_worker *worker = handler->workers;

		handler->workers = worker->next;
		iof_worker_free(worker);
	}
	if (handler->stop_fd >= 0)
		close(handler->stop_fd);
	pthread_mutex_destroy(&handler->join_lock);
	pthread_mutex_destroy(&handler->park_lock);
	pthread_mutex_destroy(&handler->lock);
	free(handler->open.entries);
	free(handler->threads);
	free(handler);
}

int iof_handler_open(const struct iof_handler_config *config, struct iof_handler **out)
{
	struct iof_handler_config checked = *config;
	struct iof_handler *handler;
	int err = handler_check(&checked);

	if (err)
		return err;
	handler = calloc(1, sizeof(*handler));
	if (!handler)
		return -ENOMEM;
	handler->config = checked;
	iof_forks_watch();
	handler->forks = iof_forks;
	pthread_mutex_init(&handler->lock, NULL);
	pthread_mutex_init(&handler->join_lock, NULL);
	pthread_mutex_init(&handler->park_lock, NULL);
	handler->threads = calloc(checked.threads + 1, sizeof(struct iof_worker *));
	handler->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (handler->stop_fd < 0)
		err = -errno;
	else if (!handler->threads)
		err = -ENOMEM;
	else
		err = handler_start(handler);
	if (err) {
		iof_handler_stop(handler);
		iof_handler_wait(handler);
		handler_free(handler);
		return err;
	}
	*out = handler;
	return 0;
}

int iof_handler_wait(struct iof_handler *handler)
{
	if (iof_forked(handler->forks))
		return -ECHILD;
	if (iof_inside == handler)
		return -EDEADLK;
	pthread_mutex_lock(&handler->join_lock);
	while (handler->joined < handler->started)
		pthread_join(handler->threads[handler->joined++]->thread, NULL);
	pthread_mutex_unlock(&handler->join_lock);
	return __atomic_load_n(&handler->fatal, __ATOMIC_ACQUIRE);
}

int iof_handler_close(struct iof_handler *handler)
{
	int err;

	if (iof_forked(handler->forks))
		return -ECHILD;
	if (iof_inside == handler)
		return -EDEADLK;
	iof_handler_stop(handler);
	iof_handler_wait(handler);
	if (!(handler->config.flags & IOF_HANDLER_LEAVE_OPEN) && !handler->fatal) {
		/* A handler without workers has no buffers for reading yet. */
		if (!handler->workers)
			iof_worker_new(handler);
		iof_answers_close(handler);
	}
	err = handler->first_error;
	handler_free(handler);
	return err;
}

int iof_handler_fd(const struct iof_handler *handler)
{
	return handler->config.fault_fd;
}

int iof_handler_run_once(struct iof_handler *handler, int timeout_ms)
{
	const struct iof_handler *outside = iof_inside;
	struct iof_worker *worker;
	int ret;

	if (iof_forked(handler->forks))
		return -ECHILD;
	worker = iof_worker_take(handler);
	if (!worker)
		return -ENOMEM;
	iof_inside = handler;
	ret = worker_wait_round(worker, timeout_ms);
	iof_worker_give(worker);
	if (ret < 0 && ret != -EINTR)
		iof_handler_fatal(handler, ret);
	iof_inside = outside;
	return ret;
}

int iof_handler_run(struct iof_handler *handler)
{
	struct iof_worker *worker;
	int ret;

	if (iof_forked(handler->forks))
		return -ECHILD;
	worker = iof_worker_take(handler);
	if (!worker)
		return -ENOMEM;
	ret = worker_run(worker, false);
	iof_worker_give(worker);
	return ret;
}

static void stats_add(struct iof_handler_stats *to, const struct iof_handler_stats *from)
{
	to->faults += from->faults;
	to->groups += from->groups;
	to->batches += from->batches;
	to->success += from->success;
	to->invalid += from->invalid;
	to->deferred += from->deferred;
	to->late += from->late;
	to->failed += from->failed;
	to->sleeps += from->sleeps;
	iof_histogram_merge(&to->latency, &from->latency);
}

void iof_handler_get_stats(struct iof_handler *handler, struct iof_handler_stats *out)
{
	struct iof_worker *worker;

	if (iof_forked(handler->forks)) {
		memset(out, 0, sizeof(*out));
		return;
	}
	pthread_mutex_lock(&handler->lock);
	*out = handler->later_stats;
	out->open = handler->open.waiting;
	for (worker = handler->workers; worker; worker = worker->next) {
		pthread_mutex_lock(&worker->stats_lock);
		stats_add(out, &worker->stats);
		pthread_mutex_unlock(&worker->stats_lock);
	}
	pthread_mutex_unlock(&handler->lock);
}
