// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * sync.c - contracts of calls that order threads: locks exclude, counts reach zero once, atomic
 * operations return the old value.
 */
#include "tests/contract/contract.h"

/* ---- counts ---- */

static void reference_counts_reach_zero_once(void)
{
	refcount_t r = REFCOUNT_INIT(1);
	spinlock_t l;
	struct mutex m;

	mutex_init(&m);
	spin_lock_init(&l);
	refcount_inc(&r);
	expect(refcount_inc_not_zero(&r));
	expect_eq(refcount_read(&r), 3);
	refcount_dec(&r);
	expect_eq(refcount_read(&r), 2);
	expect(!refcount_dec_if_one(&r));
	expect(!refcount_dec_and_mutex_lock(&r, &m));
	expect(!mutex_is_locked(&m));
	expect(refcount_dec_and_mutex_lock(&r, &m));
	expect(mutex_is_locked(&m));
	mutex_unlock(&m);
	expect_eq(refcount_read(&r), 0);
	expect(!refcount_inc_not_zero(&r));
	expect_eq(refcount_read(&r), 0);
	refcount_set(&r, 1);
	expect(!refcount_dec_not_one(&r));
	expect(refcount_dec_and_lock(&r, &l));
	spin_unlock(&l);
	refcount_set(&r, 2);
	expect(!refcount_dec_and_test(&r));
	expect(refcount_dec_and_test(&r));
	mutex_destroy(&m);
}

struct counted {
	refcount_t refs;
	atomic_t ends, refused, go;
};

static void get_and_put(void *arg)
{
	struct counted *counted = arg;
	unsigned int rounds = contract_rounds(4000);

	while (!atomic_read_acquire(&counted->go))
		cpu_relax();
	for (unsigned int i = 0; i < rounds; i++) {
		if (!refcount_inc_not_zero(&counted->refs)) {
			atomic_inc(&counted->refused);
			break;
		}
		if (refcount_dec_and_test(&counted->refs))
			atomic_inc(&counted->ends);
	}
}

static void whoever_drops_the_last_reference_is_one(void)
{
	struct contract_thread *threads[2];

	for (int round = 0; round < 10; round++) {
		struct counted counted = { .refs = REFCOUNT_INIT(1) };

		for (int i = 0; i < 2; i++)
			threads[i] = contract_start(get_and_put, &counted);
		atomic_set_release(&counted.go, 1);
		for (int i = 0; i < round * 50; i++)
			cpu_relax();
		if (refcount_dec_and_test(&counted.refs))
			atomic_inc(&counted.ends);
		for (int i = 0; i < 2; i++)
			contract_join(threads[i]);
		expect_eq(atomic_read(&counted.ends), 1);
		expect_eq(refcount_read(&counted.refs), 0);
	}
}

static int released;

static void kref_release(struct kref *kref)
{
	released++;
}

static void kref_releases_at_the_last_put(void)
{
	struct kref kref;

	released = 0;
	kref_init(&kref);
	kref_get(&kref);
	expect_eq(kref_read(&kref), 2);
	expect_eq(kref_put(&kref, kref_release), 0);
	expect_eq(released, 0);
	expect_eq(kref_put(&kref, kref_release), 1);
	expect_eq(released, 1);
	expect(!kref_get_unless_zero(&kref));
}

static void atomic_operations_tell_what_was_there(void)
{
	atomic_t a = ATOMIC_INIT(5);
	atomic64_t b = ATOMIC64_INIT(1ll << 40);
	atomic_long_t c = ATOMIC_LONG_INIT(7);
	u64 word = 3;
	long seven = 7;
	int old = 4;
	s64 wide = 0;

	/* a comparison that fails returns the value found */
	expect(!atomic_try_cmpxchg(&a, &old, 9));
	expect_eq(old, 5);
	expect(atomic_try_cmpxchg(&a, &old, 9));
	expect_eq(atomic_read(&a), 9);
	expect_eq(atomic_cmpxchg(&a, 1, 2), 9);
	expect_eq(atomic_xchg(&a, 1), 9);
	expect_eq(atomic_inc_return(&a), 2);
	expect_eq(atomic_add_return(3, &a), 5);
	expect_eq(atomic_fetch_add(3, &a), 5);
	expect_eq(atomic_sub_return(6, &a), 2);
	expect_eq(atomic_dec_return(&a), 1);
	expect(!atomic_sub_and_test(2, &a));
	expect(atomic_inc_and_test(&a));
	expect(!atomic_inc_not_zero(&a));
	expect(!atomic_add_unless(&a, 5, 0));
	expect(atomic_add_unless(&a, 5, 1));
	atomic_set(&a, 1);
	expect(atomic_dec_and_test(&a));
	expect(!atomic64_try_cmpxchg(&b, &wide, 1));
	expect_eq(wide, 1ll << 40);
	expect_eq(atomic64_inc_return(&b), (1ll << 40) + 1);
	expect_eq(atomic64_xchg(&b, -1), (1ll << 40) + 1);
	atomic64_sub(1, &b);
	expect_eq(atomic64_read(&b), -2);
	expect(atomic_long_try_cmpxchg(&c, &seven, 8));
	expect_eq(atomic_long_read(&c), 8);
	expect_eq(cmpxchg(&word, 4, 5), 3);
	expect_eq(cmpxchg(&word, 3, 5), 3);
	expect_eq(xchg(&word, 6), 5);
	expect_eq(smp_load_acquire(&word), 6);
	smp_store_release(&word, 7);
	expect_eq(READ_ONCE(word), 7);
}

/* ---- locks ---- */

struct shared {
	spinlock_t spin;
	struct mutex mutex;
	struct rw_semaphore rwsem;
	long under_spin, under_mutex, a, b;
	atomic_t readers, bad;
	bool tried[3];
	struct completion taken, leave;
};

static void shared_init(struct shared *s)
{
	*s = (struct shared){ .under_spin = 0 };
	spin_lock_init(&s->spin);
	mutex_init(&s->mutex);
	init_rwsem(&s->rwsem);
	init_completion(&s->taken);
	init_completion(&s->leave);
}

static void hammer(void *arg)
{
	unsigned int rounds = contract_rounds(3000);
	struct shared *s = arg;

	for (unsigned int i = 0; i < rounds; i++) {
		unsigned long flags;

		spin_lock(&s->spin);
		s->under_spin++;
		spin_unlock(&s->spin);
		spin_lock_irqsave(&s->spin, flags);
		s->under_spin++;
		spin_unlock_irqrestore(&s->spin, flags);
		mutex_lock(&s->mutex);
		s->under_mutex++;
		mutex_unlock(&s->mutex);
		if (i % 7 == 0) {
			down_write(&s->rwsem);
			if (atomic_read(&s->readers))
				atomic_inc(&s->bad);
			s->a++;
			s->b++;
			/* no writer gets the lock in between */
			downgrade_write(&s->rwsem);
			if (s->a != s->b)
				atomic_inc(&s->bad);
			up_read(&s->rwsem);
		} else {
			down_read(&s->rwsem);
			atomic_inc(&s->readers);
			if (s->a != s->b)
				atomic_inc(&s->bad);
			atomic_dec(&s->readers);
			up_read(&s->rwsem);
		}
		if (down_write_trylock(&s->rwsem)) {
			s->a++;
			s->b++;
			up_write(&s->rwsem);
		}
	}
}

static struct shared shared;

static void locks_exclude(void)
{
	struct contract_thread *threads[3];
	long all = 4l * contract_rounds(3000);

	shared_init(&shared);
	for (int i = 0; i < 3; i++)
		threads[i] = contract_start(hammer, &shared);
	hammer(&shared);
	for (int i = 0; i < 3; i++)
		contract_join(threads[i]);
	expect_eq(shared.under_spin, 2 * all);
	expect_eq(shared.under_mutex, all);
	expect_eq(atomic_read(&shared.bad), 0);
	expect(!rwsem_is_locked(&shared.rwsem));
	expect(!mutex_is_locked(&shared.mutex));
	mutex_destroy(&shared.mutex);
}

static void try_locks(void *arg)
{
	struct shared *s = arg;

	s->tried[0] = mutex_trylock(&s->mutex);
	s->tried[1] = down_read_trylock(&s->rwsem);
	s->tried[2] = down_write_trylock(&s->rwsem);
}

static void read_only(void *arg)
{
	struct shared *s = arg;

	down_read(&s->rwsem);
	complete(&s->taken);
	wait_for_completion(&s->leave);
	up_read(&s->rwsem);
}

static void trylocks_fail_while_somebody_holds(void)
{
	struct contract_thread *thread;

	shared_init(&shared);
	mutex_lock(&shared.mutex);
	down_write(&shared.rwsem);
	lockdep_assert_held(&shared.mutex);
	lockdep_assert_held_write(&shared.rwsem);
	contract_join(contract_start(try_locks, &shared));
	for (int i = 0; i < 3; i++)
		expect(!shared.tried[i]);
	up_write(&shared.rwsem);
	mutex_unlock(&shared.mutex);
	/* readers share the lock, and no writer has it */
	thread = contract_start(read_only, &shared);
	wait_for_completion(&shared.taken);
	expect(!down_write_trylock(&shared.rwsem));
	expect(down_read_trylock(&shared.rwsem));
	up_read(&shared.rwsem);
	complete(&shared.leave);
	contract_join(thread);
	spin_lock(&shared.spin);
	lockdep_assert_held(&shared.spin);
	spin_unlock(&shared.spin);
	expect(mutex_trylock(&shared.mutex));
	mutex_unlock(&shared.mutex);
	expect(spin_trylock(&shared.spin));
	spin_unlock(&shared.spin);
	expect(down_write_trylock(&shared.rwsem));
	up_write(&shared.rwsem);
	mutex_destroy(&shared.mutex);
}

/* ---- threads ---- */

static int thread_fn(void *data)
{
	bool *seen = data;

	WRITE_ONCE(*seen, !current->mm && current->flags & PF_KTHREAD);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 17;
}

static void kernel_threads_stop_when_told(void)
{
	struct task_struct *task;
	bool seen = false;

	task = kthread_run(thread_fn, &seen, "contract/%d", 1);
	require(!IS_ERR(task));
	while (!READ_ONCE(seen))
		yield();
	expect(!strcmp(task->comm, "contract/1"));
	expect_eq(kthread_stop(task), 17);
	/* the thread was stopped before it ran: its function is not called */
	seen = false;
	task = kthread_create(thread_fn, &seen, "never");
	require(!IS_ERR(task));
	expect_eq(kthread_stop(task), -EINTR);
	expect(!seen);
}

CONTRACT(sync, CASE(reference_counts_reach_zero_once),
	 CASE(whoever_drops_the_last_reference_is_one), CASE(kref_releases_at_the_last_put),
	 CASE(atomic_operations_tell_what_was_there), CASE(locks_exclude),
	 CASE(trylocks_fail_while_somebody_holds), CASE(kernel_threads_stop_when_told));
