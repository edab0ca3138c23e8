// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * wait.c - contracts of sleeping and waking: wake functions are called in order and with the key,
 * no wake-up is lost, time-outs return the rest, a signal ends interruptible waits.
 */
#include "tests/contract/contract.h"

struct custom {
	struct wait_queue_entry entry;
	__poll_t key;
	int calls, answer, turn;
};

static int turns;

static int custom_wake(struct wait_queue_entry *entry, unsigned int mode, int flags, void *key)
{
	struct custom *custom = container_of(entry, struct custom, entry);

	custom->key = key_to_poll(key);
	custom->turn = ++turns;
	custom->calls++;
	return custom->answer;
}

static void wake_functions_are_called_with_the_key(void)
{
	struct custom a = { .answer = 1 }, b = { .answer = 1 }, c = { .answer = 1 };
	wait_queue_head_t wq;

	init_waitqueue_head(&wq);
	expect(!wq_has_sleeper(&wq));
	init_waitqueue_func_entry(&a.entry, custom_wake);
	init_waitqueue_func_entry(&b.entry, custom_wake);
	init_waitqueue_func_entry(&c.entry, custom_wake);
	add_wait_queue_exclusive(&wq, &b.entry);
	add_wait_queue_exclusive(&wq, &c.entry);
	add_wait_queue(&wq, &a.entry);
	expect(wq_has_sleeper(&wq));
	/* wakes all non-exclusive waiters, and the first exclusive one that accepts */
	wake_up_interruptible_poll(&wq, EPOLLIN);
	expect_eq(a.calls, 1);
	expect_eq(b.calls, 1);
	expect_eq(c.calls, 0);
	expect_eq(a.key, EPOLLIN);
	b.answer = 0;
	wake_up(&wq);
	expect_eq(b.calls, 2);
	expect_eq(c.calls, 1);
	wake_up_all(&wq);
	expect_eq(a.calls + b.calls + c.calls, 8);
	/* no waiter is called after one whose function returns less than 0 */
	a.answer = -1;
	wake_up_all(&wq);
	expect_eq(a.calls + b.calls + c.calls, 9);
	remove_wait_queue(&wq, &a.entry);
	remove_wait_queue(&wq, &b.entry);
	remove_wait_queue(&wq, &c.entry);
	expect(!waitqueue_active(&wq));
}

static void wake_functions_are_called_in_order(void)
{
	struct custom plain[2] = { { .answer = 1 }, { .answer = 1 } };
	struct custom exclusive[3] = { { .answer = 1 }, { .answer = 1 }, { .answer = 1 } };
	wait_queue_head_t wq;

	init_waitqueue_head(&wq);
	for (int i = 0; i < 3; i++) {
		init_waitqueue_func_entry(&exclusive[i].entry, custom_wake);
		add_wait_queue_exclusive(&wq, &exclusive[i].entry);
	}
	for (int i = 0; i < 2; i++) {
		init_waitqueue_func_entry(&plain[i].entry, custom_wake);
		add_wait_queue(&wq, &plain[i].entry);
	}
	turns = 0;
	wake_up_nr(&wq, 2);
	/*
	 * the latest non-exclusive waiter comes first, then exclusive ones in order, up to the
	 * number
	 */
	expect_eq(plain[1].turn, 1);
	expect_eq(plain[0].turn, 2);
	expect_eq(exclusive[0].turn, 3);
	expect_eq(exclusive[1].turn, 4);
	expect_eq(exclusive[2].turn, 0);
	for (int i = 0; i < 3; i++)
		remove_wait_queue(&wq, &exclusive[i].entry);
	for (int i = 0; i < 2; i++)
		remove_wait_queue(&wq, &plain[i].entry);
}

struct ball {
	wait_queue_head_t wq;
	spinlock_t lock;
	int at;
	unsigned int rounds;
	bool interruptible;
};

struct player {
	struct ball *ball;
	int side;
};

static void play(void *arg)
{
	struct player *player = arg;
	struct ball *ball = player->ball;

	for (unsigned int i = 0; i < ball->rounds; i++) {
		if (ball->interruptible)
			expect_eq(wait_event_interruptible(ball->wq,
							   READ_ONCE(ball->at) == player->side),
				  0);
		else
			wait_event(ball->wq, READ_ONCE(ball->at) == player->side);
		spin_lock(&ball->lock);
		WRITE_ONCE(ball->at, !player->side);
		spin_unlock(&ball->lock);
		if (wq_has_sleeper(&ball->wq))
			wake_up_interruptible_all(&ball->wq);
		if (!ball->interruptible)
			wake_up(&ball->wq);
	}
}

static void no_wake_up_is_lost(void)
{
	for (int i = 0; i < 2; i++) {
		struct ball ball = { .rounds = contract_rounds(5000), .interruptible = i };
		struct player one = { &ball, 1 }, zero = { &ball, 0 };
		struct contract_thread *thread;

		init_waitqueue_head(&ball.wq);
		spin_lock_init(&ball.lock);
		thread = contract_start(play, &one);
		play(&zero);
		contract_join(thread);
		expect_eq(ball.at, 0);
		expect(!waitqueue_active(&ball.wq));
	}
}

static void a_waker_does_not_wake_those_who_wait_otherwise(void)
{
	struct wait_queue_entry entry;
	wait_queue_head_t wq;

	init_waitqueue_head(&wq);
	init_wait_entry(&entry, 0);
	expect_eq(prepare_to_wait_event(&wq, &entry, TASK_UNINTERRUPTIBLE), 0);
	expect(waitqueue_active(&wq));
	wake_up_interruptible_all(&wq);
	/* the waiter still waits, and is still in the queue */
	expect(waitqueue_active(&wq));
	wake_up_all(&wq);
	expect(!waitqueue_active(&wq));
	finish_wait(&wq, &entry);
	/* a waiter that gave up is off the queue, and may not have been woken */
	expect_eq(prepare_to_wait_event(&wq, &entry, TASK_INTERRUPTIBLE), 0);
	finish_wait(&wq, &entry);
	expect(!waitqueue_active(&wq));
}

static void wake_var_later(void *arg)
{
	atomic_t *var = arg;

	atomic_set_release(var, 1);
	smp_mb();
	wake_up_var(var);
}

static void variables_are_waited_for_by_address(void)
{
	unsigned long bits = 1;
	atomic_t var = ATOMIC_INIT(0);
	struct contract_thread *thread;

	thread = contract_start(wake_var_later, &var);
	wait_var_event(&var, atomic_read_acquire(&var));
	contract_join(thread);
	atomic_set(&var, 0);
	thread = contract_start(wake_var_later, &var);
	expect_eq(wait_var_event_killable(&var, atomic_read_acquire(&var)), 0);
	contract_join(thread);
	clear_and_wake_up_bit(0, &bits);
	expect_eq(wait_on_bit(&bits, 0, TASK_UNINTERRUPTIBLE), 0);
	expect_eq(bits, 0);
}

static void timeouts_say_what_is_left(void)
{
	struct completion done;
	wait_queue_head_t wq;
	unsigned long left;

	init_waitqueue_head(&wq);
	init_completion(&done);
	expect_eq(wait_event_timeout(wq, false, 2), 0);
	left = wait_event_timeout(wq, true, 1000);
	expect(left > 0 && left <= 1000);
	expect_eq(wait_event_timeout(wq, true, 0), 1);
	expect_eq(wait_event_interruptible_timeout(wq, false, 2), 0);
	expect_eq(wait_event_interruptible_timeout(wq, true, 0), 1);
	expect_eq(wait_for_completion_timeout(&done, 2), 0);
	complete(&done);
	left = wait_for_completion_timeout(&done, 1000);
	expect(left > 0 && left <= 1000);
	__set_current_state(TASK_UNINTERRUPTIBLE);
	expect_eq(schedule_timeout(1), 0);
	expect_eq(get_current_state(), TASK_RUNNING);
}

static void completions_count(void)
{
	struct completion done;

	init_completion(&done);
	expect(!try_wait_for_completion(&done));
	complete(&done);
	complete(&done);
	expect(completion_done(&done));
	wait_for_completion(&done);
	expect(try_wait_for_completion(&done));
	expect(!try_wait_for_completion(&done));
	complete_all(&done);
	wait_for_completion(&done);
	wait_for_completion(&done);
	expect(completion_done(&done));
	reinit_completion(&done);
	expect(!completion_done(&done));
}

struct interruption {
	wait_queue_head_t wq;
	struct task_struct *sleeper;
	bool gone;
};

static void send_when_asleep(void *arg)
{
	struct interruption *it = arg;

	while (!READ_ONCE(it->gone)) {
		if (waitqueue_active(&it->wq))
			contract_signal(it->sleeper);
		yield();
	}
}

static void a_signal_ends_an_interruptible_sleep(void)
{
	struct interruption it = { .sleeper = current };
	struct contract_thread *thread;

	init_waitqueue_head(&it.wq);
	contract_signals_begin();
	expect(!signal_pending(current));
	thread = contract_start(send_when_asleep, &it);
	if (thread)
		expect_eq(wait_event_interruptible(it.wq, false), -ERESTARTSYS);
	expect(!waitqueue_active(&it.wq));
	WRITE_ONCE(it.gone, true);
	contract_join(thread);
	/* a true condition does not wait, even if the thread is interrupted */
	expect_eq(wait_event_interruptible(it.wq, true), 0);
	expect(!fatal_signal_pending(current));
	contract_signals_end();
	expect(!signal_pending(current));
}

CONTRACT(wait, CASE(wake_functions_are_called_with_the_key),
	 CASE(wake_functions_are_called_in_order), CASE(no_wake_up_is_lost),
	 CASE(a_waker_does_not_wake_those_who_wait_otherwise),
	 CASE(variables_are_waited_for_by_address), CASE(timeouts_say_what_is_left),
	 CASE(completions_count), CASE(a_signal_ends_an_interruptible_sleep));
