// SPDX-License-Identifier: MIT
/*
 * run.c - the cost of a call under `iofault run`, beside the cheapest system call of the kernel.
 * The calls are an ioctl that changes nothing, a map and its unmap, a read of an empty queue, a
 * poll, a whole fault, a call that returns a descriptor (which seccomp traps), and stat(2) of files
 * that are none of iofault's (trapped as well), with and without --no-device-stat.
 *
 * The ioctl, the read and the fault are judged by their ratio to a bare seccomp notification, the
 * fastest way in which the kernel lets another process answer a system call. Both are measured in
 * turns, each as the median of short batches: on a busy machine a turn of another process in
 * between would decide a mean. Rows "from each processor" have a caller on each at the same time.
 * The judged rows come a second time, with a process that computes on each processor.
 *
 * The program executes itself again under `iofault run`, and measures what it is told through
 * pipes; the command is iofault beside the build's bench/, or $IOFAULT.
 */
#include "common.h"

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1UL
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS	   SECCOMP_IOW(4, __u64)
#endif

#define RUNS   11      /* of each row, and of the peer beside it */
#define RUN_NS 8000000 /* of one run: all get their turns of a busy processor alike */
#define BATCH  5       /* calls */
#define NR     1000    /* batches of a run at most */
#define PAGE   4096

static int fd, queue, foreign;
static uint32_t ioas, idev;
static void *memory;

static void must(int rc, const char *what)
{
	if (rc < 0)
		bench_die("%s: %s", what, strerror(errno));
}

/* ---- the calls ---- */

static void floor_call(void)
{
	syscall(SYS_getppid);
}

static void nothing(void)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd) };

	ioctl(fd, IOMMU_DESTROY, &cmd);
}

static void map_unmap(void)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.ioas_id = ioas,
		.length = PAGE,
		.iova = 0x10000000,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)memory,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas,
		.iova = 0x10000000,
		.length = PAGE,
	};

	must(ioctl(fd, IOMMU_IOAS_MAP, &map), "IOAS_MAP");
	must(ioctl(fd, IOMMU_IOAS_UNMAP, &unmap), "IOAS_UNMAP");
}

static void read_empty(void)
{
	struct iommu_hwpt_pgfault rec;

	must((int)read(queue, &rec, sizeof(rec)), "read");
}

static void look(void)
{
	struct pollfd pfd = { .fd = queue, .events = POLLIN };

	must(poll(&pfd, 1, 0), "poll");
}

static void trigger(void)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_TRIGGER_IOPF,
		.trigger_iopf = { .dev_id = idev, .perm = 1, .addr = 0x20000000 },
	};

	must(ioctl(fd, IOMMU_TEST_CMD, &cmd), "TRIGGER_IOPF");
}

/* Does one fault: report, read, respond. */
static void whole_fault(void)
{
	struct iommu_hwpt_page_response answer = { .code = IOMMUFD_PAGE_RESP_SUCCESS };
	struct iommu_hwpt_pgfault rec;

	trigger();
	if (read(queue, &rec, sizeof(rec)) != sizeof(rec))
		bench_die("no fault came");
	answer.cookie = rec.cookie;
	if (write(queue, &answer, sizeof(answer)) != sizeof(answer))
		bench_die("the response was rejected");
}

static void make_queue(void)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	struct iommu_destroy destroy = { .size = sizeof(destroy) };

	must(ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd), "FAULT_QUEUE_ALLOC");
	close((int)cmd.out_fault_fd);
	destroy.id = cmd.out_fault_id;
	must(ioctl(fd, IOMMU_DESTROY, &destroy), "DESTROY");
}

static void stat_foreign_fd(void)
{
	struct stat st;

	must(fstat(foreign, &st), "fstat");
}

static void stat_foreign_path(void)
{
	struct stat st;

	must(stat("/usr/bin", &st), "/usr/bin");
}

static void stat_node(void)
{
	struct stat st;

	must(fstat(fd, &st), "fstat");
}

/* The call of the peer, which a supervisor answers: it is trapped in the peer's process only. */
static void trapped_call(void)
{
	syscall(SYS_getpgid, 0);
}

/* ---- rows ---- */

/* A process in which calls are measured, by commands through two pipes. */
enum where {
	INSIDE, /* under `iofault run` */
	PLAIN,	/* the same with --no-device-stat */
	PEER,	/* a bare seccomp notification */
	NR_WHERE,
};

static const struct row {
	const char *name;
	enum where where;
	bool all; /* also from each processor at once */
	void (*call)(void);
	const char *figure; /* the row is judged as a ratio to the peer's, or NULL */
	double limit;
} rows[] = {
	{ .name = "a bare seccomp notification", .where = PEER, .call = trapped_call },
	{ .name = "a system call of the kernel's", .where = INSIDE, .call = floor_call },
	{ .name = "an ioctl that changes nothing",
	  .where = INSIDE,
	  .all = true,
	  .call = nothing,
	  .figure = "an ioctl under iofault run / a seccomp notification",
	  .limit = 3 },
	{ .name = "map a page and unmap it", .where = INSIDE, .call = map_unmap },
	{ .name = "read an empty queue",
	  .where = INSIDE,
	  .all = true,
	  .call = read_empty,
	  .figure = "a read under iofault run / a seccomp notification",
	  .limit = 3 },
	{ .name = "poll", .where = INSIDE, .call = look },
	{ .name = "a fault: trigger (trapped), read, answer",
	  .where = INSIDE,
	  .call = whole_fault,
	  .figure = "a fault under iofault run / a seccomp notification",
	  .limit = 11 },
	{ .name = "make a queue (trapped), close, destroy", .where = INSIDE, .call = make_queue },
	{ .name = "fstat of a node (trapped)", .where = INSIDE, .call = stat_node },
	{ .name = "fstat of another descriptor (trapped)",
	  .where = INSIDE,
	  .all = true,
	  .call = stat_foreign_fd },
	{ .name = "stat of another path (trapped)", .where = INSIDE, .call = stat_foreign_path },
	{ .name = "fstat of it with --no-device-stat", .where = PLAIN, .call = stat_foreign_fd },
	{ .name = "stat of it with --no-device-stat", .where = PLAIN, .call = stat_foreign_path },
};

#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

/*
 * Returns the time of one call in microseconds: the median of batches, which hides the turns of
 * other processes.
 */
static double measure(void (*call)(void))
{
	uint64_t begun = bench_now(), from = begun, to;
	double us[NR];
	int nr = 0;

	do {
		for (int i = 0; i < BATCH; i++)
			call();
		to = bench_now();
		us[nr++] = (double)(to - from) / BATCH / 1000;
		from = to;
	} while (nr < NR && to - begun < RUN_NS);
	return bench_median(us, (size_t)nr);
}

#define CALLS 500 /* of each caller */

/* The same with a caller on each processor: the time of all, divided by the number of calls. */
static double measure_all(void (*call)(void))
{
	int cpus = bench_cpus(), start[2], status;
	uint64_t begun;
	char go;

	must(pipe(start), "pipe");
	for (int i = 0; i < cpus; i++) {
		pid_t pid = fork();

		must(pid, "fork");
		if (pid)
			continue;
		bench_pin(i);
		close(start[1]);
		must((int)read(start[0], &go, 1), "read");
		for (int j = 0; j < CALLS; j++)
			call();
		_exit(0);
	}
	close(start[0]);
	begun = bench_now();
	close(start[1]);
	for (int i = 0; i < cpus; i++)
		if (wait(&status) < 0 || status)
			bench_die("a caller failed");
	return (double)(bench_now() - begun) / (CALLS * cpus) / 1000;
}

struct command {
	unsigned int row;
	bool all; /* a caller on each processor */
};

/* Executes commands until the other end closes. */
static void obey(void)
{
	struct command command;
	double us;

	while (read(STDIN_FILENO, &command, sizeof(command)) == sizeof(command)) {
		us = (command.all ? measure_all : measure)(rows[command.row].call);
		must((int)write(STDOUT_FILENO, &us, sizeof(us)), "write");
	}
}

static void prepare(void)
{
	struct iommu_ioas_alloc space = { .size = sizeof(space) };
	struct iommu_test_cmd mock = { .size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iommu_fault_alloc fault = { .size = sizeof(fault) };
	struct iommu_hwpt_alloc table = { .size = sizeof(table),
					  .flags = IOMMU_HWPT_FAULT_ID_VALID };

	must(ioctl(fd, IOMMU_IOAS_ALLOC, &space), "IOAS_ALLOC");
	ioas = space.out_ioas_id;
	mock.id = ioas;
	must(ioctl(fd, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN");
	idev = mock.mock_domain.out_idev_id;
	must(ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &fault), "FAULT_QUEUE_ALLOC");
	queue = (int)fault.out_fault_fd;
	table.dev_id = idev;
	table.pt_id = ioas;
	table.fault_id = fault.out_fault_id;
	must(ioctl(fd, IOMMU_HWPT_ALLOC, &table), "HWPT_ALLOC");
	mock.op = IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE;
	mock.id = mock.mock_domain.out_stdev_id;
	mock.mock_domain_replace.pt_id = table.out_hwpt_id;
	must(ioctl(fd, IOMMU_TEST_CMD, &mock), "MOCK_DOMAIN_REPLACE");
	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		bench_die("no memory");
}

static void inside(void)
{
	fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	must(fd, "/dev/iommu");
	prepare();
}

/* ---- the peer ---- */

/* Answers each trapped call with 0, as directly as the kernel allows. */
static void supervise(int listener)
{
	struct seccomp_notif_resp answer;
	struct seccomp_notif notif;

	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
	for (;;) {
		memset(&notif, 0, sizeof(notif));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif)) {
			if (errno == EINTR)
				continue;
			_exit(0);
		}
		answer = (struct seccomp_notif_resp){ .id = notif.id };
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
}

/* Traps trapped_call() of this process. */
static void become_peer(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	pid_t self = getpid(), pid;
	int listener, ready[2];

	must(pipe2(ready, O_CLOEXEC), "pipe");
	pid = fork();
	must(pid, "fork");
	if (!pid) {
		int there, pidfd = (int)syscall(SYS_pidfd_open, self, 0);

		close(ready[1]);
		close(STDIN_FILENO);
		close(STDOUT_FILENO);
		must(pidfd, "pidfd_open");
		if (read(ready[0], &there, sizeof(there)) != sizeof(there))
			_exit(0);
		listener = (int)syscall(SYS_pidfd_getfd, pidfd, there, 0);
		must(listener, "pidfd_getfd");
		supervise(listener);
	}
	close(ready[0]);
	/* the supervisor may be kept from the descriptors of a process that is not its own child */
	prctl(PR_SET_PTRACER, pid);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	must(listener, "seccomp");
	must((int)write(ready[1], &listener, sizeof(listener)), "write");
	close(ready[1]);
}

/* ---- the measuring process ---- */

static struct worker {
	pid_t pid;
	int to, from;
} workers[NR_WHERE];

/* Starts this program again, for @where. */
static void start(enum where where, const char *command, const char *self)
{
	static const char *const names[] = { "inside", "plain", "peer" };
	const char *option = where == INSIDE ? "--mock" : "--no-device-stat";
	struct worker *worker = &workers[where];
	int to[2], from[2];

	must(pipe2(to, O_CLOEXEC), "pipe");
	must(pipe2(from, O_CLOEXEC), "pipe");
	worker->pid = fork();
	must(worker->pid, "fork");
	if (!worker->pid) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		if (where == PEER)
			command = self, execl(self, self, names[where], NULL);
		else
			execl(command, command, "run", "--no-device", option, "--", self,
			      names[where], NULL);
		bench_die("%s: %s", command, strerror(errno));
	}
	close(to[0]);
	close(from[1]);
	worker->to = to[1];
	worker->from = from[0];
}

static double ask(unsigned int row, bool all)
{
	const struct command command = { .row = row, .all = all };
	struct worker *worker = &workers[rows[row].where];
	double us;

	if (write(worker->to, &command, sizeof(command)) != sizeof(command) ||
	    read(worker->from, &us, sizeof(us)) != sizeof(us))
		bench_die("%s: no result", rows[row].name);
	return us;
}

/*
 * Prints a row and, if it is judged, its ratio to the peer, which is measured beside each run.
 * @state: of the processors, after the names.
 */
static void show(unsigned int row, const char *state)
{
	double us[RUNS], ratio[RUNS];
	char text[128];

	for (int run = 0; run < RUNS; run++) {
		double peer = rows[row].figure ? ask(0, false) : 1;

		us[run] = ask(row, false);
		ratio[run] = us[run] / peer;
	}
	snprintf(text, sizeof(text), "%s%s", rows[row].name, state);
	bench_row(text, bench_median(us, RUNS), "us");
	if (!rows[row].figure)
		return;
	bench_median(ratio, RUNS); /* sorts them */
	snprintf(text, sizeof(text), "  / the notification, %.1f to %.1f", ratio[0],
		 ratio[RUNS - 1]);
	bench_row(text, ratio[RUNS / 2], "");
	snprintf(text, sizeof(text), "%s%s", rows[row].figure, state);
	bench_at_most(text, ratio[RUNS / 2], rows[row].limit);
}

/* Keeps each processor busy with a process that computes, and shows the judged rows again. */
static void show_busy(void)
{
	int cpus = bench_cpus();
	pid_t busy[cpus];

	for (int i = 0; i < cpus; i++) {
		busy[i] = fork();
		must(busy[i], "fork");
		if (busy[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		bench_pin(i);
		for (volatile unsigned int n = 0;; n++)
			;
	}
	for (unsigned int row = 0; row < NR_ROWS; row++)
		if (rows[row].figure)
			show(row, ", busy processors");
	for (int i = 0; i < cpus; i++) {
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
}

static void show_all_callers(unsigned int row)
{
	double us[RUNS];
	char text[128];

	for (int run = 0; run < RUNS; run++)
		us[run] = ask(row, true);
	snprintf(text, sizeof(text), "%s, from each processor, per call", rows[row].name);
	bench_row(text, bench_median(us, RUNS), "us");
}

/* Returns the processor time of a process and of all that it has started, in nanoseconds. */
static uint64_t time_of(pid_t pid)
{
	unsigned long long ran;
	uint64_t sum = 0;
	char path[64];
	struct dirent *entry;
	DIR *tasks;
	FILE *file;
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		int tid = atoi(entry->d_name);

		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
		file = tid ? fopen(path, "re") : NULL;
		if (file && fscanf(file, "%llu", &ran) == 1)
			sum += ran;
		if (file)
			fclose(file);
		snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
		file = tid ? fopen(path, "re") : NULL;
		while (file && fscanf(file, "%d", &child) == 1)
			sum += time_of(child);
		if (file)
			fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

/* Prints the processor time of a run while its program calls nothing. */
static void show_idle(void)
{
	const struct timespec settle = { .tv_nsec = 50000000 }, wait = { .tv_nsec = 500000000 };
	uint64_t before;

	nanosleep(&settle, NULL);
	before = time_of(workers[INSIDE].pid);
	nanosleep(&wait, NULL);
	bench_at_most("processor us of iofault run in half a second without calls",
		      (double)(time_of(workers[INSIDE].pid) - before) / 1000, 0);
}

int main(int argc, char **argv)
{
	char self[4096], beside[4200], *command = getenv("IOFAULT");
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int status, rc = 0;

	foreign = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	must(foreign, "/proc/self/exe");
	if (argc > 1) {
		if (!strcmp(argv[1], "inside"))
			inside();
		else if (!strcmp(argv[1], "peer"))
			become_peer();
		obey();
		return 0;
	}
	if (len < 0)
		bench_die("/proc/self/exe: %s", strerror(errno));
	self[len] = 0;
	if (!command) {
		char folder[4096];

		memcpy(folder, self, (size_t)len + 1);
		snprintf(beside, sizeof(beside), "%s/../iofault", dirname(folder));
		command = beside;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < NR_WHERE; i++)
		start(i, command, self);
	for (unsigned int row = 0; row < NR_ROWS; row++) {
		show(row, "");
		if (rows[row].all)
			show_all_callers(row);
	}
	show_idle();
	show_busy();
	for (int i = 0; i < NR_WHERE; i++)
		close(workers[i].to);
	while (wait(&status) > 0)
		rc |= status;
	return rc ? 1 : 0;
}
