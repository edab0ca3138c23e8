// SPDX-License-Identifier: MIT
/*
 * cross.c - the cost of a fault on the module's /dev/iommu across two processors.
 *
 * One thread reports faults of a mock device on one processor until a window of them is open, then
 * sleeps until some have a response. A handler on the other processor waits in poll(), and reads
 * and responds to all that are queued. The figure is the instructions of both processors for each
 * fault. It holds in a guest with two processors where an instruction takes one nanosecond (`make
 * vm-bench`), which --instructions selects: QEMU runs the processors in turns, so that the handler
 * finds nearly a whole window at each read.
 */
#include "common.h"
#include "module.h"

#include <iofault/iommufd_test.h>

#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WINDOW MODULE_BATCH
#define FAULTS 20000u /* number of faults that are measured, after WARM others */
#define WARM   2000u

static unsigned int responded; /* number of faults; a futex */
static bool asleep;	       /* the reporting thread waits for @responded to change */
static unsigned int reads;

static void futex(int op, unsigned int value)
{
	syscall(SYS_futex, &responded, op, value, NULL, NULL, 0);
}

static void *handler(void *arg)
{
	unsigned int done = 0;
	ssize_t got;

	(void)arg;
	bench_pin(1);
	while (done < WARM + FAULTS) {
		module_wait_readable(module_fault_fd);
		got = read(module_fault_fd, module_faults, sizeof(module_faults));
		module_need(got, "read");
		reads++;
		got /= sizeof(module_faults[0]);
		module_answer_faults((unsigned int)got);
		done += (unsigned int)got;
		__atomic_store_n(&responded, done, __ATOMIC_SEQ_CST);
		if (__atomic_exchange_n(&asleep, false, __ATOMIC_SEQ_CST))
			futex(FUTEX_WAKE_PRIVATE, 1);
	}
	return NULL;
}

/* Waits until fewer than a window of the @sent faults are open. */
static void wait_for_room(unsigned int sent)
{
	unsigned int done;

	while (sent - (done = __atomic_load_n(&responded, __ATOMIC_SEQ_CST)) >= WINDOW) {
		__atomic_store_n(&asleep, true, __ATOMIC_SEQ_CST);
		futex(FUTEX_WAIT_PRIVATE, done);
	}
}

static double floor_ioctl(void)
{
	struct iommu_test_cmd cmd;
	uint64_t t0 = bench_now();

	for (unsigned int i = 0; i < FAULTS; i++)
		module_expect(ioctl(module_floor_fd, IOMMU_TEST_CMD, &cmd), 0, "the floor");
	return (double)(bench_now() - t0) / FAULTS;
}

int main(int argc, char **argv)
{
	bool instructions = argc > 1 && !strcmp(argv[1], "--instructions");
	const char *unit = instructions ? "instructions" : "ns";
	pthread_t thread;
	uint64_t t0 = 0;
	double cost;

	module_open_device();
	bench_pin(0);
	if (pthread_create(&thread, NULL, handler, NULL))
		bench_die("no thread");
	for (unsigned int i = 0; i < WARM + FAULTS; i++) {
		wait_for_room(i);
		if (i == WARM) {
			reads = 0;
			t0 = bench_now();
		}
		module_trigger();
	}
	pthread_join(thread, NULL);
	cost = (double)(bench_now() - t0) / FAULTS;
	puts("faults across two processors, at most 64 open");
	bench_row("faults in each read", (double)FAULTS / reads, "faults");
	bench_row("of one fault, the ioctl of a module that does nothing", floor_ioctl(), unit);
	if (instructions)
		/* Linux 7.2's own iommufd: 3,133. */
		bench_at_most("instructions of a fault across two processors", cost, 1500);
	else
		bench_row("a fault", cost, unit);
	return 0;
}
