// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * assert.c - assertions and threads: the half of contract.h that both worlds share.
 */
#include "tests/contract/contract.h"

static DEFINE_SPINLOCK(said_lock);
static char first_said[CONTRACT_SAID]; /* first failed assertion, under said_lock */

static void note(const char *what, const char *file, int line, const char *more)
{
	const char *base = strrchr(file, '/');

	spin_lock(&said_lock);
	if (!first_said[0])
		snprintf(first_said, sizeof(first_said), "%s:%d: %s%s", base ? base + 1 : file,
			 line, what, more);
	spin_unlock(&said_lock);
}

bool contract_expect(bool ok, const char *what, const char *file, int line)
{
	if (!ok)
		note(what, file, line, "");
	return ok;
}

bool contract_equal(long long a, long long b, const char *what, const char *file, int line)
{
	char values[64];

	if (a == b)
		return true;
	snprintf(values, sizeof(values), ", but %lld, %lld", a, b);
	note(what, file, line, values);
	return false;
}

bool contract_run(const struct contract_case *c, char said[CONTRACT_SAID])
{
	first_said[0] = '\0';
	c->run();
	strscpy(said, first_said, CONTRACT_SAID);
	return !said[0];
}

struct contract_thread {
	void (*fn)(void *arg);
	void *arg;
	struct completion done;
	struct task_struct *task;
};

/*
 * Main function of a thread. A thread that has ended must not be stopped; so it waits for the stop.
 */
static int thread_main(void *data)
{
	struct contract_thread *thread = data;

	thread->fn(thread->arg);
	complete(&thread->done);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* Starts a thread. Returns NULL only if there is no memory, which fails the case. */
struct contract_thread *contract_start(void (*fn)(void *arg), void *arg)
{
	struct contract_thread *thread = kzalloc(sizeof(*thread), GFP_KERNEL);

	if (!expect(thread))
		return NULL;
	thread->fn = fn;
	thread->arg = arg;
	init_completion(&thread->done);
	thread->task = kthread_run(thread_main, thread, "contract");
	if (!expect(!IS_ERR(thread->task))) {
		kfree(thread);
		return NULL;
	}
	return thread;
}

void contract_join(struct contract_thread *thread)
{
	if (!thread)
		return;
	wait_for_completion(&thread->done);
	kthread_stop(thread->task);
	kfree(thread);
}
