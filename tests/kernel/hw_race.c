// SPDX-License-Identifier: MIT
/*
 * hw_race.c - threads that race, and the watch over them (hw_race.h).
 */
#include "hw_race.h"

#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>

unsigned int race_rounds(unsigned int otherwise)
{
	const char *given = getenv("HW_ROUNDS");

	return given ? (unsigned int)strtoul(given, NULL, 10) : otherwise;
}

unsigned int race_random(struct racer *me, unsigned int n)
{
	return (unsigned int)rand_r(&me->seed) / 7 % n;
}

/* Under race->lock. */
static void end(struct race *race)
{
	atomic_store(&race->end, true);
	pthread_cond_broadcast(&race->told);
}

void race_tell(struct racer *me, atomic_ulong *event)
{
	pthread_mutex_lock(&me->race->lock);
	atomic_fetch_add(event, 1);
	pthread_cond_broadcast(&me->race->told);
	pthread_mutex_unlock(&me->race->lock);
}

void race_await(struct racer *me, atomic_ulong *event, unsigned long seen)
{
	race_at(me, "waiting for another thread");
	pthread_mutex_lock(&me->race->lock);
	while (atomic_load(event) == seen && !atomic_load(&me->race->end))
		pthread_cond_wait(&me->race->told, &me->race->lock);
	pthread_mutex_unlock(&me->race->lock);
}

void race_wrong(struct racer *me, const char *format, ...)
{
	struct race *race = me->race;
	va_list arguments;
	int n;

	va_start(arguments, format);
	pthread_mutex_lock(&race->lock);
	if (!race->wrong[0]) {
		n = snprintf(race->wrong, sizeof(race->wrong), "%s, round %u: ", me->name,
			     me->round);
		vsnprintf(race->wrong + n, sizeof(race->wrong) - (size_t)n, format, arguments);
	}
	va_end(arguments);
	end(race);
	pthread_mutex_unlock(&race->lock);
}

void race_at(struct racer *me, const char *call)
{
	atomic_store(&me->at, call);
	atomic_fetch_add(&me->calls, 1);
}

int race_checked(struct racer *me, int rc, const int *errors)
{
	if (rc >= 0)
		return rc;
	for (; *errors; errors++) {
		if (*errors == -rc)
			return rc;
	}
	race_wrong(me, "%s: %s", atomic_load(&me->at), strerror(-rc));
	return rc;
}

/* ---- the threads ---- */

static void *run(void *arg)
{
	struct racer *me = arg;
	struct race *race = me->race;

	atomic_store(&me->tid, (int)gettid());
	while (!atomic_load(&race->end) && (!me->rounds || me->round < me->rounds)) {
		me->step(me);
		me->round++;
	}
	race_at(me, "its end");
	pthread_mutex_lock(&race->lock);
	if (me->rounds && !--race->left)
		end(race);
	race->running--;
	me->ended = true;
	pthread_cond_signal(&race->done);
	pthread_mutex_unlock(&race->lock);
	return NULL;
}

static void print_file(const char *path)
{
	char line[256];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		print_message("#     %s", line);
	if (f)
		fclose(f);
}

static void print_places(const struct race *race)
{
	char path[64];
	unsigned int i;

	for (i = 0; i < race->nr; i++) {
		struct racer *racer = &race->racers[i];

		print_message("# %s, round %u: at %s\n", racer->name, racer->round,
			      atomic_load(&racer->at));
		snprintf(path, sizeof(path), "/proc/self/task/%d/stack", atomic_load(&racer->tid));
		print_file(path);
	}
	fflush(NULL);
}

/* Under race->lock. Returns a racer that has made no call for too long. */
static struct racer *find_stuck(struct race *race)
{
	unsigned int i;

	for (i = 0; i < race->nr; i++) {
		struct racer *racer = &race->racers[i];
		unsigned long calls = atomic_load(&racer->calls);

		racer->still = calls == racer->seen && !racer->ended ? racer->still + 1 : 0;
		racer->seen = calls;
		if (racer->still >= RACE_SECONDS)
			return racer;
	}
	return NULL;
}

/* Returns when all have ended, or ends the program. */
static void watch(struct race *race)
{
	struct timespec until;
	struct racer *stuck;

	clock_gettime(CLOCK_REALTIME, &until);
	pthread_mutex_lock(&race->lock);
	while (race->running) {
		until.tv_sec++;
		while (race->running && !pthread_cond_timedwait(&race->done, &race->lock, &until))
			;
		stuck = find_stuck(race);
		if (!stuck)
			continue;
		print_message("# %s: no progress for %d s\n", stuck->name, RACE_SECONDS);
		if (race->wrong[0])
			print_message("# %s\n", race->wrong);
		print_places(race);
		_exit(1);
	}
	pthread_mutex_unlock(&race->lock);
}

void race_run(struct racer *racers, unsigned int nr)
{
	static struct race race;
	pthread_rwlockattr_t writers_first;
	time_t begin = time(NULL);
	unsigned int i, started;

	memset(&race, 0, sizeof(race));
	race.racers = racers;
	race.nr = nr;
	pthread_mutex_init(&race.lock, NULL);
	pthread_cond_init(&race.done, NULL);
	pthread_cond_init(&race.told, NULL);
	pthread_rwlockattr_init(&writers_first);
	pthread_rwlockattr_setkind_np(&writers_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&race.quiet, &writers_first);
	for (i = 0; i < nr; i++) {
		racers[i].race = &race;
		racers[i].seed = i + 1;
		atomic_store(&racers[i].at, "the start");
		race.left += !!racers[i].rounds;
	}
	race.running = nr;
	for (started = 0; started < nr; started++)
		assert_ok(pthread_create(&racers[started].thread, NULL, run, &racers[started]));
	watch(&race);
	for (i = 0; i < nr; i++)
		pthread_join(racers[i].thread, NULL);
	for (i = 0; i < nr; i++)
		print_message("# %s: %u rounds\n", racers[i].name, racers[i].round);
	print_message("# %ld s\n", (long)(time(NULL) - begin));
	pthread_rwlock_destroy(&race.quiet);
	if (race.wrong[0])
		fail_msg("%s", race.wrong);
}

/* ---- modules ---- */

int race_rmmod(const char *name, unsigned int flags)
{
	return syscall(SYS_delete_module, name, flags) ? -errno : 0;
}

int race_insmod(const char *parameters)
{
	int fd = open("/vm/iofault-pci.ko", O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return rc;
}

long race_refs(const char *name)
{
	char path[64], line[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", name);
	f = fopen(path, "re");
	if (!f)
		return -1;
	(void)!fgets(line, sizeof(line), f);
	fclose(f);
	return strtol(line, NULL, 10);
}
