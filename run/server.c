// SPDX-License-Identifier: MIT
/*
 * server.c - the process that holds the machine.
 *
 * It makes the machine, starts the process that builds the program's view, serves requests, and
 * prints the figures at the end.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lines.h"
#include "model/machine.h"
#include "server.h"
#include "shim/sys.h"
#include "tree.h"

static struct iof_machine *make_machine(struct iof_run *run, struct iof_plat_space *space)
{
	struct iof_machine_device devices[IOF_RUN_MAX_DEVICES];
	struct iof_machine_config config = {
		.devices = devices,
		.nr_devices = run->config->nr_devices,
		.test_ioctls = run->config->mock,
		.groups = 1,
	};
	struct iof_machine *machine;
	int rc;

	for (unsigned int i = 0; i < config.nr_devices; i++) {
		const struct iof_run_device *dev = &run->config->devices[i];

		devices[i] = (struct iof_machine_device){
			.kind = dev->kind == IOF_RUN_ATS_TEST ? IOF_MACHINE_ATS : IOF_MACHINE_DSA,
			.delay_us = dev->delay_us,
			.credits = dev->credits,
			.engines = dev->engines,
			.queue_depth = dev->queue_depth,
			.max_pasids = dev->max_pasids,
			.pages_per_group = dev->pages_per_group,
			.group_with = dev->share_group && i ? (int)i - 1 : -1,
			.no_iommu = dev->no_iommu,
		};
	}
	rc = iof_machine_create(&config, space, &machine);
	if (rc)
		iof_run_die(run, "the machine cannot be set up: %s", strerror(-rc));
	return machine;
}

static void device_stats(struct iof_run *run, struct iof_machine *machine)
{
	struct iof_machine_stats st;

	for (unsigned int i = 0; run->config->stats && i < run->config->nr_devices; i++) {
		bool dsa = run->config->devices[i].kind == IOF_RUN_DSA;

		iof_machine_get_stats(machine, i, &st);
		fprintf(stderr,
			"iofault: run: vfio%u: %llu pages requested in %llu groups; "
			"responses: %llu success, %llu invalid, %llu failure; %llu groups refused "
			"without a fault queue, %llu swept at a detach or close\n",
			i, st.pages, st.groups, st.success, st.invalid, st.failure, st.refused,
			st.swept);
		if (dsa)
			fprintf(stderr,
				"iofault: run: vfio%u: %llu descriptors completed, %llu "
				"of them with errors; %llu waits for a credit\n",
				i, st.descriptors, st.errors, st.stalls);
		fprintf(stderr, "iofault: run: vfio%u: %llu transfers, %llu of them incomplete\n",
			i, st.descriptors, st.errors);
		fprintf(stderr, "iofault: run: vfio%u: ", i);
		iof_run_put_latency(stderr, iof_run_device_latency(i), false);
		fputc('\n', stderr);
	}
}

/*
 * Raises RLIMIT_NOFILE to its maximum: each open file of the program needs an open file of the
 * server.
 */
static void raise_limits(struct iof_run *run)
{
	struct rlimit limit = run->files;

	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * Sets which limits of locked memory count. A limit that a process sets itself counts. A limit that
 * it inherited from outside counts only if the user is exempt from it: other users have a small
 * limit, meant for memory that cannot be swapped, and pins here can be swapped.
 */
static void limit_memory(struct iof_run *run)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	bool exempt = run->privileged && !syscall(SYS_capget, &header, data) &&
		      data[0].effective & 1u << CAP_IPC_LOCK;
	struct rlimit limit;

	if (run->config->memlock)
		iof_sys_set_memlock(run->config->memlock == UINT64_MAX ? UINT64_MAX - 1 :
									 run->config->memlock);
	else if (!exempt && !getrlimit(RLIMIT_MEMLOCK, &limit))
		iof_sys_set_inherited_memlock(limit.rlim_cur);
}

static void *serve(void *arg)
{
	iof_run_fuse_loop(arg);
	return NULL;
}

/*
 * Main function of a thread that stops and continues the front process, in the order in which the
 * program stops and continues.
 */
static void *follow(void *arg)
{
	struct iof_run *run = arg;
	int sig;

	while (read(run->states[0], &sig, sizeof(sig)) == sizeof(sig))
		if (getppid() == run->front)
			kill(run->front, sig);
	return NULL;
}

int iof_run_serve(struct iof_run *run)
{
	struct iof_plat_space *space;
	struct iof_machine *machine;
	pid_t self, child;
	pthread_t thread;
	int status = 0;

	raise_limits(run);
	iof_run_trace_init(run); /* opens a file of the user's view, not of the program's */
	run->first_group = iof_run_first_group();
	iof_run_enter(run);
	self = getpid();
	child = fork();
	if (child < 0)
		iof_run_die(run, "a process cannot be started: %s", strerror(errno));
	if (!child) {
		close(run->fuse);
		close(run->states[0]);
		close(run->notes[0]);
		iof_run_tie(run, self);
		iof_run_build_dev(run);
		iof_run_build_sys(run);
		iof_run_hide_tree();
		iof_run_broker(run);
	}
	/* signals of a terminal go to the program */
	setsid();
	close(run->orders);
	space = iof_sys_space_create();
	if (!space)
		iof_run_die(run, "out of memory");
	iof_sys_set_registers(run->dev);
	limit_memory(run);
	iof_run_trace_start(run);
	iof_run_events_init(run);
	machine = make_machine(run, space);
	iof_run_files_init(run, space, child);
	iof_run_driver_init(run, machine);
	iof_run_wake_init(run);
	iof_run_ask_start(run, machine);
	close(run->states[1]);
	close(run->notes[1]);
	iof_run_notes_start(run);
	if (pthread_create(&thread, NULL, serve, run) || pthread_detach(thread) ||
	    pthread_create(&thread, NULL, follow, run) || pthread_detach(thread))
		iof_run_die(run, "a thread cannot be started");
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	iof_run_notes_finish();
	iof_run_trace_finish(run);
	iof_run_stats(run);
	device_stats(run, machine);
	if (run->config->stats)
		iof_run_put_queues(stderr);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : IOF_RUN_EXIT_OURS);
}
