// SPDX-License-Identifier: MIT
/*
 * main.c - the `iofault` command: finds the subcommand and calls its function.
 *
 * A new subcommand is one line in the table and a function iof_cmd_NAME().
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "page", iof_cmd_page, "let a DMA engine work through files that are not in memory" },
	{ "run", iof_cmd_run, "run a program, unchanged, on a machine with /dev/iommu" },
	{ "doctor", iof_cmd_doctor, "try what this machine can do, and name the next step" },
	{ "info", iof_cmd_info, "print what this machine and this build offer" },
	{ "bind", iof_cmd_bind, "give PCI functions to the driver iofault-pci" },
	{ "unbind", iof_cmd_unbind, "give PCI functions back to the drivers that they had" },
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void usage(FILE *out)
{
	size_t i;

	fputs("Usage: iofault COMMAND [OPTION]... [FILE]...\n"
	      "I/O page faults of a device, handled in user space.\n\n"
	      "Commands:\n",
	      out);
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].what);
	fputs("  help      print this text, or the options of a command: iofault help COMMAND\n\n"
	      "  iofault --version   print the version\n\n"
	      "Example: iofault page --op crc32c --resident 16M disk.img\n",
	      out);
}

static int help(int argc, char **argv)
{
	char option[] = "--help", *args[] = { NULL, option, NULL };
	const struct command *command;

	if (argc < 2) {
		usage(stdout);
		return iof_flush_stdout(IOF_EXIT_OK);
	}
	command = find(argv[1]);
	if (!command)
		return iof_fail(IOF_EXIT_USAGE,
				"there is no command '%s'; `iofault help` lists them", argv[1]);
	args[0] = argv[1];
	return command->run(2, args);
}

/*
 * Opens /dev/null for each of the descriptors 0 to 2 that the parent closed. Otherwise a file could
 * get one of these numbers, and messages would be written into that file.
 */
static bool fill_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (!fill_descriptors())
		return iof_fail(IOF_EXIT_WRONG, "/dev/null cannot be opened: %s",
				iof_reason(errno));
	if (argc < 2) {
		usage(stderr);
		return IOF_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("iofault %s\n", IOFAULT_VERSION);
		return iof_flush_stdout(IOF_EXIT_OK);
	}
	command = find(argv[1]);
	if (!command)
		return iof_fail(IOF_EXIT_USAGE,
				"there is no command '%s'; `iofault help` lists them", argv[1]);
	return command->run(argc - 1, argv + 1);
}
