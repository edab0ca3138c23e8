// SPDX-License-Identifier: MIT
/*
 * hw_shared.c PROGRAM: runs a program of tests/abi/ on real functions in place of DMA engines. They
 * are behind the test IOMMU, two of them in one isolation group.
 */
#include "hw_iommu.h"

#include <sys/wait.h>

int main(int argc, char **argv)
{
	static const unsigned int used[] = { HWI_FIRST, HWI_SECOND, HWI_PLAIN };
	char nodes[3 * (HW_NODE + 1)] = "", node[HW_NODE];
	int status;
	pid_t pid;

	if (argc < 2)
		return 2;
	hwi_begin("kernel/hw_shared");
	for (unsigned int i = 0; i < 3; i++) {
		if (!hw_node(hwi_name[used[i]], node))
			return 1;
		snprintf(nodes + strlen(nodes), HW_NODE + 1, "%s%s", i ? " " : "", node);
	}
	setenv("IOFAULT_NODES", nodes, 1);
	pid = fork();
	if (!pid) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	hwi_end();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
