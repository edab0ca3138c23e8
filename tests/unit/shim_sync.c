// SPDX-License-Identifier: MIT
/*
 * shim_sync.c - the stand-ins that order threads behave as the kernel's: deferred frees wait for
 * readers, a work item never runs twice at once though two items do, wake functions are called,
 * nothing is lost. Also what the sanitizers watch: every test here is meant to run under TSan.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/kapi.h"
#include <linux/cleanup.h>
#include "shim/fault.h"
#include "shim/sys.h"

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, arg), 0);
	return thread;
}

/* ---- RCU ---- */

struct deferred {
	struct rcu_head rcu;
	int value;
	bool *freed;
};

static void set_freed(struct rcu_head *head)
{
	struct deferred *d = container_of(head, struct deferred, rcu);

	WRITE_ONCE(*d->freed, true);
	kfree(d);
}

struct reader {
	struct completion inside, leave;
	struct deferred **where;
	int seen;
};

static void *read_for_long(void *arg)
{
	struct reader *reader = arg;
	struct deferred *d;

	rcu_read_lock();
	d = rcu_dereference(*reader->where);
	complete(&reader->inside);
	/* waiting inside a reader is not for kernel code: plain polling */
	while (!completion_done(&reader->leave))
		cpu_relax();
	reader->seen = d->value;
	rcu_read_unlock();
	return NULL;
}

static void deferred_free_waits_for_the_reader_inside(void **state)
{
	struct deferred *d = kzalloc(sizeof(*d), GFP_KERNEL), *shared = d;
	struct reader reader = { .where = &shared };
	bool freed = false;
	pthread_t thread;

	(void)state;
	init_completion(&reader.inside);
	init_completion(&reader.leave);
	d->value = 42;
	d->freed = &freed;
	thread = start(read_for_long, &reader);
	wait_for_completion(&reader.inside);
	rcu_assign_pointer(shared, NULL);
	call_rcu(&d->rcu, set_freed);
	/* not at once, and not after some time either */
	for (int i = 0; i < 20; i++) {
		assert_false(READ_ONCE(freed));
		yield();
	}
	complete(&reader.leave);
	pthread_join(thread, NULL);
	assert_int_equal(reader.seen, 42);
	rcu_barrier();
	assert_true(READ_ONCE(freed));
}

static void grace_periods_and_kfree_rcu_free_everything(void **state)
{
	struct iof_live before, after;

	(void)state;
	rcu_barrier();
	iof_shim_live(&before);
	for (int i = 0; i < 1000; i++) {
		struct deferred *d = kmalloc(sizeof(*d), GFP_KERNEL);

		kfree_rcu(d, rcu);
	}
	synchronize_rcu();
	rcu_barrier();
	iof_shim_live(&after);
	assert_int_equal(before.objects, after.objects);
}

/* ---- reference counts ---- */

static void reference_counts_reach_zero_once(void **state)
{
	refcount_t r = REFCOUNT_INIT(1);
	DEFINE_MUTEX(m);
	DEFINE_SPINLOCK(l);

	(void)state;
	refcount_inc(&r);
	assert_true(refcount_inc_not_zero(&r));
	assert_int_equal(refcount_read(&r), 3);
	assert_false(refcount_dec_and_test(&r));
	assert_false(refcount_dec_and_mutex_lock(&r, &m));
	assert_false(mutex_is_locked(&m));
	assert_true(refcount_dec_and_mutex_lock(&r, &m));
	assert_true(mutex_is_locked(&m));
	mutex_unlock(&m);
	assert_int_equal(refcount_read(&r), 0);
	assert_false(refcount_inc_not_zero(&r));
	refcount_set(&r, 1);
	assert_true(refcount_dec_and_lock(&r, &l));
	spin_unlock(&l);
}

static int released;

static void kref_release(struct kref *kref)
{
	(void)kref;
	released++;
}

static void kref_releases_at_the_last_put(void **state)
{
	struct kref kref;

	(void)state;
	kref_init(&kref);
	kref_get(&kref);
	assert_int_equal(kref_put(&kref, kref_release), 0);
	assert_int_equal(released, 0);
	assert_int_equal(kref_put(&kref, kref_release), 1);
	assert_int_equal(released, 1);
	assert_false(kref_get_unless_zero(&kref));
}

/* ---- work ---- */

struct busy {
	struct work_struct work;
	atomic_t inside, runs, overlaps, bad;
	struct busy *other;
	struct completion both;
};

static void run_busy(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	if (atomic_inc_return(&busy->inside) > 1)
		atomic_inc(&busy->bad);
	for (int i = 0; i < 50; i++) {
		if (busy->other && atomic_read(&busy->other->inside))
			atomic_inc(&busy->overlaps);
		yield();
	}
	atomic_inc(&busy->runs);
	atomic_dec(&busy->inside);
}

static void one_item_never_runs_twice_at_once(void **state)
{
	struct workqueue_struct *wq = alloc_workqueue("busy", WQ_UNBOUND, 0);
	struct busy busy = { 0 };
	int queued = 0;

	(void)state;
	INIT_WORK(&busy.work, run_busy);
	for (int i = 0; i < 3000; i++) {
		queued += queue_work(wq, &busy.work);
		if (i % 64 == 0)
			yield();
	}
	flush_workqueue(wq);
	assert_int_equal(atomic_read(&busy.bad), 0);
	assert_int_equal(atomic_read(&busy.runs), queued);
	destroy_workqueue(wq);
}

static void meet(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	/* ends only if the other one runs too */
	complete(&busy->other->both);
	wait_for_completion(&busy->both);
	atomic_inc(&busy->runs);
}

static void two_items_do_run_in_parallel(void **state)
{
	struct busy a = { 0 }, b = { 0 };

	(void)state;
	a.other = &b;
	b.other = &a;
	init_completion(&a.both);
	init_completion(&b.both);
	INIT_WORK(&a.work, meet);
	INIT_WORK(&b.work, meet);
	assert_true(queue_work(system_unbound_wq, &a.work));
	assert_true(queue_work(system_unbound_wq, &b.work));
	flush_work(&a.work);
	flush_work(&b.work);
	assert_int_equal(atomic_read(&a.runs) + atomic_read(&b.runs), 2);
}

static void ordered_queues_run_one_at_a_time_in_order(void **state)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("ordered-%d", 0, 7);
	struct busy a = { 0 }, b = { 0 };

	(void)state;
	a.other = &b;
	b.other = &a;
	INIT_WORK(&a.work, run_busy);
	INIT_WORK(&b.work, run_busy);
	for (int i = 0; i < 20; i++) {
		queue_work(wq, &a.work);
		queue_work(wq, &b.work);
	}
	flush_workqueue(wq);
	assert_int_equal(atomic_read(&a.overlaps) + atomic_read(&b.overlaps), 0);
	destroy_workqueue(wq);
}

static void free_self(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	atomic_inc(&busy->other->runs);
	kfree(busy);
}

static void a_work_item_may_free_itself(void **state)
{
	struct workqueue_struct *wq = alloc_workqueue("free", 0, 0);
	struct busy counter = { 0 };

	(void)state;
	for (int i = 0; i < 100; i++) {
		struct busy *busy = kzalloc(sizeof(*busy), GFP_KERNEL);

		busy->other = &counter;
		INIT_WORK(&busy->work, free_self);
		queue_work(wq, &busy->work);
	}
	destroy_workqueue(wq);
	assert_int_equal(atomic_read(&counter.runs), 100);
}

static void again(struct work_struct *work)
{
	struct busy *busy = container_of(work, struct busy, work);

	atomic_inc(&busy->runs);
	complete(&busy->both);
	queue_work(work->wq, work);
	yield();
}

static void cancelling_stops_an_item_that_queues_itself(void **state)
{
	struct workqueue_struct *wq = alloc_workqueue("again", 0, 0);
	struct busy busy = { 0 };
	int runs;

	(void)state;
	init_completion(&busy.both);
	INIT_WORK(&busy.work, again);
	queue_work(wq, &busy.work);
	wait_for_completion(&busy.both);
	cancel_work_sync(&busy.work);
	runs = atomic_read(&busy.runs);
	assert_false(work_pending(&busy.work));
	flush_workqueue(wq);
	assert_int_equal(atomic_read(&busy.runs), runs);
	assert_false(cancel_work_sync(&busy.work));
	destroy_workqueue(wq);
}

/* ---- waiting ---- */

struct custom {
	struct wait_queue_entry entry;
	__poll_t key;
	int calls, answer;
};

static int custom_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct custom *custom = container_of(entry, struct custom, entry);

	(void)mode;
	(void)flags;
	custom->key = key_to_poll(key);
	custom->calls++;
	return custom->answer;
}

static void wake_functions_are_called_with_the_key(void **state)
{
	struct custom a = { .answer = 1 }, b = { .answer = 1 }, c = { .answer = 1 };
	wait_queue_head_t wq;

	(void)state;
	init_waitqueue_head(&wq);
	assert_false(wq_has_sleeper(&wq));
	init_waitqueue_func_entry(&a.entry, custom_wake);
	init_waitqueue_func_entry(&b.entry, custom_wake);
	init_waitqueue_func_entry(&c.entry, custom_wake);
	add_wait_queue_exclusive(&wq, &b.entry);
	add_wait_queue_exclusive(&wq, &c.entry);
	add_wait_queue(&wq, &a.entry);
	assert_true(wq_has_sleeper(&wq));
	/* all that are not exclusive, and one that is: the first that takes it */
	wake_up_interruptible_poll(&wq, EPOLLIN);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	assert_int_equal(c.calls, 0);
	assert_int_equal(a.key, EPOLLIN);
	b.answer = 0;
	wake_up(&wq);
	assert_int_equal(b.calls, 2);
	assert_int_equal(c.calls, 1);
	wake_up_all(&wq);
	assert_int_equal(a.calls + b.calls + c.calls, 8);
	remove_wait_queue(&wq, &a.entry);
	remove_wait_queue(&wq, &b.entry);
	remove_wait_queue(&wq, &c.entry);
	assert_false(waitqueue_active(&wq));
}

struct ball {
	wait_queue_head_t wq;
	spinlock_t lock;
	int at, rounds;
};

struct player {
	struct ball *ball;
	int side;
};

static void *play(void *arg)
{
	struct player *player = arg;
	struct ball *ball = player->ball;

	for (int i = 0; i < ball->rounds; i++) {
		wait_event(ball->wq, READ_ONCE(ball->at) == player->side);
		spin_lock(&ball->lock);
		WRITE_ONCE(ball->at, !player->side);
		spin_unlock(&ball->lock);
		if (wq_has_sleeper(&ball->wq))
			wake_up(&ball->wq);
	}
	return NULL;
}

static void no_wake_up_is_lost(void **state)
{
	struct ball ball = { .rounds = 5000 };
	struct player one = { &ball, 1 }, zero = { &ball, 0 };
	pthread_t thread;

	(void)state;
	init_waitqueue_head(&ball.wq);
	spin_lock_init(&ball.lock);
	thread = start(play, &one);
	play(&zero);
	pthread_join(thread, NULL);
	assert_int_equal(ball.at, 0);
}

static void *wake_var_later(void *arg)
{
	atomic_t *var = arg;

	atomic_set_release(var, 1);
	smp_mb();
	wake_up_var(var);
	return NULL;
}

static void variables_are_waited_for_by_address(void **state)
{
	unsigned long bits = 1;
	atomic_t var = ATOMIC_INIT(0);
	pthread_t thread;

	(void)state;
	thread = start(wake_var_later, &var);
	wait_var_event(&var, atomic_read_acquire(&var));
	pthread_join(thread, NULL);
	clear_and_wake_up_bit(0, &bits);
	assert_int_equal(wait_on_bit(&bits, 0, TASK_UNINTERRUPTIBLE), 0);
}

static void timeouts_say_what_is_left(void **state)
{
	struct completion done;
	wait_queue_head_t wq;

	(void)state;
	init_waitqueue_head(&wq);
	init_completion(&done);
	assert_int_equal(wait_event_timeout(wq, false, 2), 0);
	assert_true(wait_event_timeout(wq, true, 1000) > 0);
	assert_int_equal(wait_event_timeout(wq, true, 0), 1);
	assert_int_equal(wait_event_interruptible_timeout(wq, false, 2), 0);
	assert_int_equal(wait_for_completion_timeout(&done, 2), 0);
	complete(&done);
	assert_true(wait_for_completion_timeout(&done, 1000) > 0);
	assert_false(try_wait_for_completion(&done));
	complete_all(&done);
	wait_for_completion(&done);
	wait_for_completion(&done);
	assert_true(completion_done(&done));
	reinit_completion(&done);
	assert_false(completion_done(&done));
}

static pthread_t main_thread;
static wait_queue_head_t never;

static void on_signal(int sig)
{
	(void)sig;
}

static void *send_until_gone(void *arg)
{
	while (!READ_ONCE(*(bool *)arg)) {
		if (waitqueue_active(&never))
			pthread_kill(main_thread, SIGUSR1);
		yield();
	}
	return NULL;
}

static void a_signal_ends_an_interruptible_sleep(void **state)
{
	struct sigaction action = { .sa_handler = on_signal }, old;
	bool gone = false;
	pthread_t thread;

	(void)state;
	init_waitqueue_head(&never);
	main_thread = pthread_self();
	sigaction(SIGUSR1, &action, &old);
	thread = start(send_until_gone, &gone);
	assert_int_equal(wait_event_interruptible(never, false), -ERESTARTSYS);
	WRITE_ONCE(gone, true);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
	current->iof_signalled = false;
}

/* ---- locks ---- */

struct shared {
	spinlock_t spin;
	struct mutex mutex;
	struct rw_semaphore rwsem;
	long under_spin, under_mutex, a, b;
	atomic_t readers, bad;
};

static void *hammer(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < 3000; i++) {
		spin_lock(&s->spin);
		s->under_spin++;
		spin_unlock(&s->spin);
		scoped_guard(mutex, &s->mutex)
			s->under_mutex++;
		if (i % 7 == 0) {
			down_write(&s->rwsem);
			if (atomic_read(&s->readers))
				atomic_inc(&s->bad);
			s->a++;
			s->b++;
			downgrade_write(&s->rwsem);
			if (s->a != s->b)
				atomic_inc(&s->bad);
			up_read(&s->rwsem);
		} else {
			guard(rwsem_read)(&s->rwsem);
			atomic_inc(&s->readers);
			if (s->a != s->b)
				atomic_inc(&s->bad);
			atomic_dec(&s->readers);
		}
		if (down_write_trylock(&s->rwsem)) {
			s->a++;
			s->b++;
			up_write(&s->rwsem);
		}
	}
	return NULL;
}

static void locks_exclude(void **state)
{
	struct shared s = { 0 };
	pthread_t threads[3];

	(void)state;
	spin_lock_init(&s.spin);
	mutex_init(&s.mutex);
	init_rwsem(&s.rwsem);
	for (int i = 0; i < 3; i++)
		threads[i] = start(hammer, &s);
	hammer(&s);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(s.under_spin, 12000);
	assert_int_equal(s.under_mutex, 12000);
	assert_int_equal(atomic_read(&s.bad), 0);
	assert_false(rwsem_is_locked(&s.rwsem));
	mutex_destroy(&s.mutex);
}

static void *try_locks(void *arg)
{
	struct shared *s = arg;

	assert_false(mutex_trylock(&s->mutex));
	assert_false(spin_trylock(&s->spin));
	assert_false(down_read_trylock(&s->rwsem));
	return NULL;
}

static void trylocks_fail_while_somebody_holds(void **state)
{
	struct shared s = { 0 };
	pthread_t thread;

	(void)state;
	spin_lock_init(&s.spin);
	mutex_init(&s.mutex);
	init_rwsem(&s.rwsem);
	mutex_lock(&s.mutex);
	down_write(&s.rwsem);
	spin_lock(&s.spin);
	lockdep_assert_held(&s.mutex);
	lockdep_assert_held(&s.spin);
	lockdep_assert_held_write(&s.rwsem);
	thread = start(try_locks, &s);
	spin_unlock(&s.spin);
	spin_lock(&s.spin);
	pthread_join(thread, NULL);
	spin_unlock(&s.spin);
	up_write(&s.rwsem);
	mutex_unlock(&s.mutex);
	assert_true(mutex_trylock(&s.mutex));
	mutex_unlock(&s.mutex);
}

/* ---- threads ---- */

static int thread_fn(void *data)
{
	bool *seen = data;

	WRITE_ONCE(*seen, current->mm == NULL && current->flags & PF_KTHREAD);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 17;
}

static void kernel_threads_stop_when_told(void **state)
{
	bool seen = false;
	struct task_struct *task = kthread_run(thread_fn, &seen, "iof-test/%d", 1);

	(void)state;
	assert_false(IS_ERR(task));
	while (!READ_ONCE(seen))
		yield();
	assert_string_equal(task->comm, "iof-test/1");
	assert_int_equal(kthread_stop(task), 17);
	/* stopped before it ran: its function is not called */
	seen = false;
	task = kthread_create(thread_fn, &seen, "never");
	assert_int_equal(kthread_stop(task), -EINTR);
	assert_false(seen);
}

static void the_current_task_is_this_process(void **state)
{
	(void)state;
	assert_int_equal(current->tgid, getpid());
	assert_non_null(current->mm);
	assert_ptr_equal(current->group_leader->mm, current->mm);
	assert_int_equal(current->group_leader->pid, getpid());
}

static int setup(void **state)
{
	(void)state;
	return iof_sys_init();
}

static int teardown(void **state)
{
	(void)state;
	iof_sys_settle();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deferred_free_waits_for_the_reader_inside),
		cmocka_unit_test(grace_periods_and_kfree_rcu_free_everything),
		cmocka_unit_test(reference_counts_reach_zero_once),
		cmocka_unit_test(kref_releases_at_the_last_put),
		cmocka_unit_test(one_item_never_runs_twice_at_once),
		cmocka_unit_test(two_items_do_run_in_parallel),
		cmocka_unit_test(ordered_queues_run_one_at_a_time_in_order),
		cmocka_unit_test(a_work_item_may_free_itself),
		cmocka_unit_test(cancelling_stops_an_item_that_queues_itself),
		cmocka_unit_test(wake_functions_are_called_with_the_key),
		cmocka_unit_test(no_wake_up_is_lost),
		cmocka_unit_test(variables_are_waited_for_by_address),
		cmocka_unit_test(timeouts_say_what_is_left),
		cmocka_unit_test(a_signal_ends_an_interruptible_sleep),
		cmocka_unit_test(locks_exclude),
		cmocka_unit_test(trylocks_fail_while_somebody_holds),
		cmocka_unit_test(kernel_threads_stop_when_told),
		cmocka_unit_test(the_current_task_is_this_process),
	};

	return cmocka_run_group_tests_name("shim_sync", tests, setup, teardown);
}
