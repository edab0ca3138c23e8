// SPDX-License-Identifier: MIT
/*
 * conformance.c - iofault-conformance: all tests of the ABI in one program, with KTAP output.
 *
 * Each group of tests is a program of its own in tests/abi/, compiled in here under another name
 * for its main(). The build generates GROUPS(X), the list of them. Each group runs in a child
 * process. Its TAP output becomes the subtests of one test, all other output diagnostics. The exit
 * status is as in the kernel's own tests: 0, 1 failed, 4 no test can run here.
 */
#include "abi.h"

#include <getopt.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define DECLARE(name) int conformance_##name(void);
GROUPS(DECLARE)

static const struct group {
	const char *name;
	int (*run)(void);
} groups[] = {
#define ENTRY(name) { #name, conformance_##name },
	GROUPS(ENTRY)
};

#define NR_GROUPS (sizeof(groups) / sizeof(groups[0]))

enum {
	STATUS_OK,
	STATUS_FAILED,
	STATUS_SKIPPED = 4
};

/* ---- telling ---- */

struct tally {
	unsigned int passed, failed, skipped;
};

/*
 * Prints a result of cmocka: "ok 1 - name", "not ok 1 - name ...", "not ok 1 # SKIP name". Returns
 * false if the line is none.
 */
static bool tell_result(const char *line, struct tally *tally)
{
	bool ok = !strncmp(line, "ok ", 3);
	const char *name, *skip;
	unsigned int number;
	int used = 0;

	if (sscanf(line + (ok ? 0 : 4), "ok %u %n", &number, &used) != 1 || !used ||
	    (!ok && strncmp(line, "not ok ", 7)))
		return false;
	name = line + (ok ? 0 : 4) + used;
	if (!strncmp(name, "- ", 2))
		name += 2;
	skip = strstr(name, "# SKIP");
	if (skip) {
		name = skip == name ? name + 6 : name;
		name += strspn(name, " ");
		printf("    ok %u %.*s # SKIP\n", number, (int)strcspn(name, " #"), name);
		tally->skipped++;
	} else {
		printf("    %s %u %.*s\n", ok ? "ok" : "not ok", number, (int)strcspn(name, " "),
		       name);
		if (!ok && strchr(name, ' '))
			printf("    # %s\n", strchr(name, ' ') + 1);
		if (ok)
			tally->passed++;
		else
			tally->failed++;
	}
	return true;
}

static void tell_line(char *line, struct tally *tally)
{
	line[strcspn(line, "\n")] = 0;
	if (!strncmp(line, "1..", 3))
		printf("    %s\n", line);
	else if (*line && strncmp(line, "# ok - ", 7) && strncmp(line, "# not ok - ", 11) &&
		 !tell_result(line, tally))
		printf("    # %s\n", line + (line[0] == '#' ? strspn(line, "# ") : 0));
	fflush(stdout);
}

/* ---- running ---- */

/* Runs a group in a child, with its output into @fd. */
static void run_group(const struct group *group, int fd)
{
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	setenv("CMOCKA_MESSAGE_OUTPUT", "TAP", 1);
	exit(group->run() ? STATUS_FAILED : STATUS_OK);
}

static int test_group(const struct group *group, unsigned int number)
{
	struct tally tally = { 0, 0, 0 };
	char line[1024];
	int fds[2], status = 0;
	FILE *output;
	pid_t child;
	bool ok;

	printf("    KTAP version 1\n    # Subtest: %s\n", group->name);
	fflush(stdout);
	if (pipe(fds) || (child = fork()) < 0) {
		perror("iofault-conformance");
		exit(STATUS_FAILED);
	}
	if (!child) {
		close(fds[0]);
		run_group(group, fds[1]);
	}
	close(fds[1]);
	output = fdopen(fds[0], "r");
	while (output && fgets(line, sizeof(line), output))
		tell_line(line, &tally);
	if (output)
		fclose(output);
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status))
		printf("    # died of signal %d\n", WTERMSIG(status));
	ok = !tally.failed && WIFEXITED(status) && WEXITSTATUS(status) == STATUS_OK;
	printf("%s %u %s%s\n", ok ? "ok" : "not ok", number, group->name,
	       ok && !tally.passed ? " # SKIP" : "");
	fflush(stdout);
	return ok ? STATUS_OK : STATUS_FAILED;
}

/* Returns the reason why no test can run here, or NULL. */
static const char *nothing_to_test(void)
{
	struct iof_world_config config = {
		.kind = abi_embedded() ? IOF_WORLD_EMBEDDED : IOF_WORLD_KERNEL,
		.no_devices = 1,
		.test_ioctls = 1,
	};
	struct iommu_test_cmd cmd = { .size = sizeof(cmd) };
	const char *why = NULL;
	struct iof_world *world;
	int fd;

	if (iof_world_open(&config, &world))
		return "there is no /dev/iommu that can be opened";
	fd = iof_open(world, "/dev/iommu", O_RDWR);
	if (fd < 0)
		why = "/dev/iommu cannot be opened";
	else if (iof_ioctl(fd, IOMMU_TEST_CMD, &cmd) == -ENOTTY)
		why = "this /dev/iommu has no test ioctls (iofault: mock=1; Linux: IOMMUFD_TEST)";
	if (fd >= 0)
		iof_close(fd);
	iof_world_close(world);
	return why;
}

static const struct group *find_group(const char *name)
{
	size_t i;

	for (i = 0; i < NR_GROUPS; i++)
		if (!strcmp(groups[i].name, name))
			return &groups[i];
	fprintf(stderr, "iofault-conformance: there is no group %s: see --list\n", name);
	exit(2);
}

static void usage(void)
{
	fputs("usage: iofault-conformance [--world kernel|embedded] [GROUP...]\n"
	      "       iofault-conformance --list | --help\n"
	      "Tests a /dev/iommu with test ioctls against the interface of Linux's iommufd: the\n"
	      "kernel's (the default), or the one that lives in this process. The result is KTAP;\n"
	      "the exit status is 0, 1 if a test failed, 4 if there is nothing to test.\n"
	      "Example: iofault-conformance --world embedded one_fault faults\n",
	      stdout);
}

static void list_groups(void)
{
	size_t i;

	for (i = 0; i < NR_GROUPS; i++)
		puts(groups[i].name);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "world", required_argument, NULL, 'w' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *world = "kernel", *why;
	int option, status = STATUS_OK;
	size_t i, nr;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'h' || option == 'l') {
			if (option == 'h')
				usage();
			else
				list_groups();
			return fflush(stdout) || ferror(stdout) ? STATUS_FAILED : STATUS_OK;
		}
		if (option != 'w') {
			fprintf(stderr,
				"iofault-conformance: %s: no option, or no value: see --help\n",
				argv[optind - 1]);
			return 2;
		}
		if (strcmp(optarg, "kernel") && strcmp(optarg, "embedded")) {
			fprintf(stderr, "iofault-conformance: no world '%s': kernel or embedded\n",
				optarg);
			return 2;
		}
		world = optarg;
	}
	setenv("IOFAULT_WORLD", world, 1);
	nr = argc > optind ? (size_t)(argc - optind) : NR_GROUPS;
	for (i = 0; argc > optind && i < nr; i++)
		find_group(argv[optind + (int)i]);
	why = nothing_to_test();
	if (why) {
		printf("KTAP version 1\n1..0 # SKIP %s\n", why);
		return STATUS_SKIPPED;
	}
	printf("KTAP version 1\n1..%zu\n", nr);
	for (i = 0; i < nr; i++) {
		const struct group *group = argc > optind ? find_group(argv[optind + (int)i]) :
							    &groups[i];

		if (test_group(group, (unsigned int)i + 1))
			status = STATUS_FAILED;
	}
	return status;
}
