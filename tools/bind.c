// SPDX-License-Identifier: MIT
/*
 * bind.c - `iofault bind` and `iofault unbind`: PCI functions and the driver iofault-pci.
 */
#include "tool.h"

#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "pci.h"

static const char bind_usage[] =
	"Usage: iofault bind [OPTION]... ADDRESS...\n"
	"Gives PCI functions to iofault-pci, so that each has a node /dev/vfio/devices/vfioN.\n"
	"All functions are bound, or none.\n"
	"\n"
	"  --force        also a function whose network interface is up\n"
	"  -h, --help     print this text\n"
	"\n"
	"A function whose disk is mounted, swap space, or part of RAID or LVM is refused.\n"
	"\n"
	"Example: iofault bind 0000:03:00.0\n";

static const char unbind_usage[] =
	"Usage: iofault unbind [OPTION]... ADDRESS...\n"
	"Gives PCI functions back from iofault-pci to the drivers that they had.\n"
	"\n"
	"  -h, --help     print this text\n"
	"\n"
	"Example: iofault unbind 0000:03:00.0\n";

#define MAX_FUNCTIONS 64

struct command {
	const char *name, *usage;
	const struct option *options;
};

/* Reads the options. -1: go on; otherwise the exit status. */
static int read_options(const struct command *command, int argc, char **argv, bool *force)
{
	int which;

	optind = 1;
	opterr = 0;
	while ((which = getopt_long(argc, argv, "h", command->options, NULL)) != -1) {
		switch (which) {
		case 'f':
			*force = true;
			break;
		case 'h':
			fputs(command->usage, stdout);
			return iof_flush_stdout(IOF_EXIT_OK);
		default:
			return iof_fail(IOF_EXIT_USAGE,
					"unknown option %s; see `iofault %s --help`",
					argv[optind - 1], command->name);
		}
	}
	if (optind == argc)
		return iof_fail(IOF_EXIT_USAGE,
				"%s: which function? `lspci -D` lists their addresses",
				command->name);
	return -1;
}

/* Reads the addresses, each once. -1: go on; otherwise the exit status. */
static int read_functions(const struct command *command, int argc, char **argv,
			  struct iof_pci_function *functions, size_t *nr)
{
	char bdf[IOF_BDF];
	size_t i;

	for (*nr = 0; optind < argc; optind++) {
		if (!iof_pci_address(argv[optind], bdf))
			return iof_fail(IOF_EXIT_USAGE,
					"%s: '%.64s' is no address of a PCI function, such as "
					"0000:03:00.0",
					command->name, argv[optind]);
		for (i = 0; i < *nr && strcmp(functions[i].bdf, bdf); i++)
			;
		if (i < *nr)
			continue;
		if (*nr == MAX_FUNCTIONS)
			return iof_fail(IOF_EXIT_USAGE, "%s: more than %d functions", command->name,
					MAX_FUNCTIONS);
		strcpy(functions[(*nr)++].bdf, bdf);
	}
	if (geteuid())
		return iof_fail(IOF_EXIT_WRONG, "only root can %s a function: sudo iofault %s ...",
				command->name, command->name);
	return -1;
}

/* A signal between two drivers would leave a function without one. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int take_node(const struct iof_sys *sys, const char *name, void *data)
{
	(void)sys;
	snprintf(data, NAME_MAX + 1, "%s", name);
	return 1;
}

static void print_node(const char *bdf)
{
	char folder[64], node[NAME_MAX + 1] = "", group[NAME_MAX + 1];

	snprintf(folder, sizeof(folder), "/sys/bus/pci/devices/%.23s/vfio-dev", bdf);
	(void)iof_sys_each(&iof_machine, folder, take_node, node);
	(void)iof_sys_link(&iof_machine, group, "/sys/bus/pci/devices/%s/iommu_group", bdf);
	printf("%s: /dev/vfio/devices/%s, isolation group %s\n", bdf, node, group);
}

int iof_cmd_bind(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static const struct command command = { "bind", bind_usage, options };
	static struct iof_pci_function functions[MAX_FUNCTIONS];
	char why[IOF_WHY];
	bool force = false;
	int status;
	size_t nr, i;

	status = read_options(&command, argc, argv, &force);
	if (status < 0)
		status = read_functions(&command, argc, argv, functions, &nr);
	if (status >= 0)
		return status;
	block_signals();
	if (!iof_pci_bind(&iof_machine, functions, nr, force, why))
		return iof_fail(IOF_EXIT_WRONG, "%s", why);
	for (i = 0; i < nr; i++)
		print_node(functions[i].bdf);
	return iof_flush_stdout(IOF_EXIT_OK);
}

int iof_cmd_unbind(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	static const struct command command = { "unbind", unbind_usage, options };
	static struct iof_pci_function functions[MAX_FUNCTIONS];
	char why[IOF_WHY], driver[NAME_MAX + 1];
	int status;
	size_t nr, i;
	bool force;

	status = read_options(&command, argc, argv, &force);
	if (status < 0)
		status = read_functions(&command, argc, argv, functions, &nr);
	if (status >= 0)
		return status;
	block_signals();
	status = IOF_EXIT_OK;
	for (i = 0; i < nr; i++) {
		if (!iof_pci_unbind(&iof_machine, functions[i].bdf, why)) {
			status = iof_fail(IOF_EXIT_WRONG, "%s", why);
			continue;
		}
		(void)iof_sys_link(&iof_machine, driver, "/sys/bus/pci/devices/%s/driver",
				   functions[i].bdf);
		printf("%s: %s\n", functions[i].bdf, driver[0] ? driver : "no driver");
	}
	return iof_flush_stdout(status);
}
