// SPDX-License-Identifier: MIT
/*
 * peak.c - peak FILE PROGRAM ARG...: runs a program and writes its peak resident KiB and its number
 * of page faults into FILE.
 *
 * The program is as small as possible, because the resident pages of the parent count for the
 * child.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t pid;
	FILE *out;

	if (argc < 3)
		return 2;
	pid = fork();
	if (!pid) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid)
		return 2;
	out = fopen(argv[1], "w");
	if (!out || fprintf(out, "%ld %ld\n", usage.ru_maxrss, usage.ru_minflt) < 0 || fclose(out))
		return 2;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
