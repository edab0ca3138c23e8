// SPDX-License-Identifier: MIT
/*
 * crc.c - the peer of `iofault page`: bench-crc FILE prints the GB/s at which the CPU passes over a
 * file, by pread(2) and ISA-L's CRC32C in blocks of 1 MiB. A first pass warms the page cache.
 */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE (1u << 20)

static unsigned char buf[PIECE] __attribute__((aligned(4096)));

/* Reads the whole file; returns its size in bytes. */
static uint64_t pass(int fd, unsigned int *crc)
{
	uint64_t at = 0;
	ssize_t n;

	*crc = ~0u;
	while ((n = pread(fd, buf, PIECE, (off_t)at)) > 0) {
		*crc = crc32_iscsi(buf, (int)n, *crc);
		at += (uint64_t)n;
	}
	if (n < 0)
		bench_die("pread: %s", strerror(errno));
	return at;
}

int main(int argc, char **argv)
{
	unsigned int crc, again;
	uint64_t t0, bytes;
	int fd;

	if (argc != 2)
		bench_die("usage: bench-crc FILE");
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_die("%s: %s", argv[1], strerror(errno));
	pass(fd, &crc);
	t0 = bench_now();
	bytes = pass(fd, &again);
	printf("%.6f\n", (double)bytes / (double)(bench_now() - t0));
	if (crc != again)
		bench_die("%s changed", argv[1]);
	close(fd);
	return 0;
}
