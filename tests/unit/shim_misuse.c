// SPDX-License-Identifier: MIT
/*
 * shim_misuse.c - tests the detectors. A child commits each misuse that the checks promise to
 * catch. It must end by SIGABRT after a message with the right words. Skipped in builds without
 * checks.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/kapi.h"
#include "shim/fault.h"

static DEFINE_SPINLOCK(spin);
static DEFINE_SPINLOCK(other_spin);
static DEFINE_MUTEX(mutex);
static DECLARE_RWSEM(rwsem);
static int word;

static void mutex_under_spinlock(void)
{
	spin_lock(&spin);
	mutex_lock(&mutex);
}

static void sleeping_allocation_under_spinlock(void)
{
	spin_lock(&spin);
	kfree(kmalloc(8, GFP_KERNEL));
}

static void user_copy_under_spinlock(void)
{
	int x;

	spin_lock(&spin);
	word = (int)copy_from_user(&x, &word, sizeof(x));
}

static void iterator_under_spinlock(void)
{
	struct iov_iter iter;

	if (import_ubuf(ITER_DEST, &word, sizeof(word), &iter))
		return;
	spin_lock(&spin);
	copy_to_iter(&iter, 4, &iter);
}

static void wait_under_spinlock(void)
{
	DECLARE_WAIT_QUEUE_HEAD(wq);

	spin_lock(&spin);
	wait_event(wq, word == 0);
}

static void mutex_locked_behind_our_back(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&mutex.lock, &attr);
	pthread_mutex_lock(&mutex.lock);
	mutex_lock(&mutex);
}

static void spinlock_twice(void)
{
	spin_lock(&spin);
	spin_lock(&spin);
}

static void mutex_twice(void)
{
	mutex_lock(&mutex);
	mutex_lock(&mutex);
}

static void unlock_of_a_free_mutex(void)
{
	mutex_unlock(&mutex);
}

static void unlock_of_a_free_spinlock(void)
{
	spin_unlock(&spin);
}

static void *lock_it(void *arg)
{
	mutex_lock(arg);
	pause();
	return NULL;
}

static void unlock_of_anothers_mutex(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, lock_it, &mutex);
	while (!mutex_is_locked(&mutex))
		sched_yield();
	mutex_unlock(&mutex);
}

static void destroying_a_held_mutex(void)
{
	mutex_lock(&mutex);
	mutex_destroy(&mutex);
}

static void lock_never_initialised(void)
{
	spinlock_t *lock = kzalloc(sizeof(*lock), GFP_KERNEL);

	spin_lock(lock);
}

static void lock_order_inversion(void)
{
	spin_lock(&spin);
	spin_lock(&other_spin);
	spin_unlock(&other_spin);
	spin_unlock(&spin);
	/* the two orders never meet at the same time, so that this cannot deadlock today */
	spin_lock(&other_spin);
	spin_lock(&spin);
}

static void lock_order_inversion_over_three(void)
{
	down_read(&rwsem);
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
	up_read(&rwsem);
	mutex_lock(&mutex);
	spin_lock(&spin);
	spin_unlock(&spin);
	mutex_unlock(&mutex);
	spin_lock(&spin);
	down_write_trylock(&rwsem);
	up_write(&rwsem);
	spin_unlock(&spin);
	/* the trylock made no order; this lock does */
	spin_lock(&spin);
	iof_shim_down_read(&rwsem, 0);
}

static void same_class_nested(void)
{
	struct mutex two[2];

	for (int i = 0; i < 2; i++)
		mutex_init(&two[i]);
	mutex_lock(&two[0]);
	mutex_lock_nested(&two[1], SINGLE_DEPTH_NESTING);
	mutex_unlock(&two[1]);
	mutex_lock(&two[1]);
}

static void assertion_of_a_lock_not_held(void)
{
	lockdep_assert_held(&mutex);
}

static void assertion_of_a_write_lock_held_for_reading(void)
{
	down_read(&rwsem);
	lockdep_assert_held_write(&rwsem);
}

static void reference_count_below_zero(void)
{
	refcount_t r = REFCOUNT_INIT(1);

	if (refcount_dec_and_test(&r) && refcount_dec_and_test(&r))
		return;
}

static void reference_taken_after_zero(void)
{
	refcount_t r = REFCOUNT_INIT(0);

	refcount_inc(&r);
}

static void list_entry_deleted_twice(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

static void list_entry_added_twice(void)
{
	LIST_HEAD(head);
	struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
}

static void cache_destroyed_with_objects(void)
{
	struct kmem_cache *cache = kmem_cache_create("leaky", 8, 0, 0, NULL);

	word = kmem_cache_alloc(cache, GFP_KERNEL) != NULL;
	kmem_cache_destroy(cache);
}

static void unpinning_what_is_not_pinned(void)
{
	unpin_user_page(virt_to_page(&word));
}

static void a_file_put_once_too_often(void)
{
	static const struct file_operations fops;
	struct file *file = anon_inode_getfile("x", &fops, NULL, O_RDWR);

	atomic_long_set(&file->iof_ref->count, 0);
	fput(file);
}

static void take_the_mutex(struct work_struct *work)
{
	(void)work;
	mutex_lock(&mutex);
	mutex_unlock(&mutex);
}

static void flushing_work_that_takes_what_is_held(void)
{
	struct workqueue_struct *wq = alloc_workqueue("flush", 0, 0);
	DECLARE_WORK(work, take_the_mutex);

	queue_work(wq, &work);
	flush_workqueue(wq);
	/* no item is queued now, so that this cannot deadlock today */
	mutex_lock(&mutex);
	flush_workqueue(wq);
}

static int stop_itself(void *task)
{
	kthread_stop(*(struct task_struct **)task);
	_exit(0);
}

/* The host's pthread_join() notices the misuse: a thread cannot wait for its own end. */
static void a_kernel_thread_stopped_by_itself(void)
{
	struct task_struct *task;

	task = kthread_create(stop_itself, &task, "itself");
	if (IS_ERR(task))
		return;
	wake_up_process(task);
	pause();
}

static void xarray_written_without_its_lock(void)
{
	DEFINE_XARRAY(xa);

	__xa_store(&xa, 1, xa_mk_value(1), GFP_KERNEL);
}

static void warning(void)
{
	WARN_ON(word == 0);
}

static void bug(void)
{
	iof_shim_panic_on_warn = 0;
	BUG_ON(word == 0);
}

static const struct misuse {
	const char *name;
	void (*commit)(void);
	const char *words;
} misuses[] = {
#define M(name, words)             \
	{                          \
#name, name, words \
	}
	M(mutex_under_spinlock, "may sleep while a spinlock is held"),
	M(sleeping_allocation_under_spinlock, "may sleep while a spinlock is held"),
	M(user_copy_under_spinlock, "may sleep while a spinlock is held"),
	M(iterator_under_spinlock, "may sleep while a spinlock is held"),
	M(wait_under_spinlock, "may sleep while a spinlock is held"),
	M(mutex_locked_behind_our_back, "the host's error 35"),
	M(spinlock_twice, "taken twice by the same thread"),
	M(mutex_twice, "taken twice by the same thread"),
	M(unlock_of_a_free_mutex, "unlocked by a thread that does not hold it"),
	M(unlock_of_a_free_spinlock, "released by a thread that does not hold it"),
	M(unlock_of_anothers_mutex, "unlocked by a thread that does not hold it"),
	M(destroying_a_held_mutex, "destroyed while it is held"),
	M(lock_never_initialised, "never initialised"),
	M(lock_order_inversion, "lock order"),
	M(lock_order_inversion_over_three, "lock order"),
	M(same_class_nested, "nested without a subclass"),
	M(assertion_of_a_lock_not_held, "WARN_ON"),
	M(assertion_of_a_write_lock_held_for_reading, "WARN_ON"),
	M(reference_count_below_zero, "put without a reference"),
	M(reference_taken_after_zero, "increment from zero"),
	M(list_entry_deleted_twice, "not on a list"),
	M(list_entry_added_twice, "no neighbours"),
	M(cache_destroyed_with_objects, "destroyed with 1 objects"),
	M(unpinning_what_is_not_pinned, "WARN_ON"),
	M(a_file_put_once_too_often, "BUG"),
	M(flushing_work_that_takes_what_is_held, "lock order"),
	M(a_kernel_thread_stopped_by_itself, "the host's error 35"),
	M(xarray_written_without_its_lock, "WARN_ON"),
	M(warning, "WARN_ON(word == 0)"),
	M(bug, "BUG_ON(word == 0)"),
};

static void is_caught(void **state)
{
	const struct misuse *misuse = *state;
	const struct rlimit no_core = { 0, 0 };
	char said[8192];
	size_t len = 0;
	ssize_t got;
	int fds[2], status;
	pid_t pid;

	if (!IOF_SHIM_CHECKS)
		skip();
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		misuse->commit();
		_exit(0);
	}
	close(fds[1]);
	do {
		got = read(fds[0], said + len, sizeof(said) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 && len < sizeof(said) - 1);
	said[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(said, misuse->words))
		print_error("%s ended with status %x and said:\n%s\n", misuse->name,
			    (unsigned int)status, said);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(said, misuse->words));
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(misuses)];

	for (size_t i = 0; i < ARRAY_SIZE(misuses); i++)
		tests[i] = (struct CMUnitTest){ .name = misuses[i].name,
						.test_func = is_caught,
						.initial_state = (void *)&misuses[i] };
	return cmocka_run_group_tests_name("shim_misuse", tests, NULL, NULL);
}
