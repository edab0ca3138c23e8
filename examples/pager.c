// SPDX-License-Identifier: MIT
/*
 * pager FROM TO: a DMA engine copies one file into another with 1 MiB of memory. The pager loads
 * pages of both files when the engine requests them. It writes changed pages back to TO when it
 * needs their memory, and at the end.
 */
#include <fcntl.h>
#include <linux/idxd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iofault/pager.h>

#define RECORD_AT 0x1000ul
#define FROM_AT	  0x100000000ul
#define TO_AT	  0x200000000ul
#define PIECE	  (1u << 20)

static struct iof_pager *pager;

static void must(int ret)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "pager: %s\n", iof_pager_error(pager));
	exit(1);
}

static struct iof_source *file_open(const char *path, int flags, uint64_t size)
{
	int fd = open(path, flags, 0644);
	struct iof_source *source;

	if (fd < 0 || (size && ftruncate(fd, (off_t)size)) || iof_source_file(fd, &source)) {
		perror(path);
		exit(1);
	}
	close(fd);
	return source;
}

int main(int argc, char **argv)
{
	struct iof_pager_config config = { .resident = 1 << 20, .prefetch = 32 };
	struct dsa_completion_record *record;
	struct iof_source *from, *to;
	struct iof_pager_stats stats;
	struct iof_world *world;
	uint64_t size, at;

	if (argc != 3 || iof_world_open(NULL, &world)) {
		fprintf(stderr, "usage: pager FROM TO\n");
		return 2;
	}
	from = file_open(argv[1], O_RDONLY, 0);
	size = iof_source_size(from);
	to = file_open(argv[2], O_RDWR | O_CREAT | O_TRUNC, size);
	record = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (record == MAP_FAILED)
		return 1;

	must(iof_pager_open(world, NULL, &config, &pager));
	must(iof_pager_map(pager, 0, FROM_AT, size, from, 0, IOF_PAGER_READ));
	must(iof_pager_map(pager, 0, TO_AT, size, to, 0, IOF_PAGER_WRITE));
	must(iof_pager_map_memory(pager, 0, RECORD_AT, record, 4096, IOF_PAGER_WRITE));

	for (at = 0; at < size; at += PIECE) {
		struct dsa_hw_desc copy = {
			.opcode = DSA_OPCODE_MEMMOVE,
			.flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
			.completion_addr = RECORD_AT,
			.src_addr = FROM_AT + at,
			.dst_addr = TO_AT + at,
			.xfer_size = size - at < PIECE ? (uint32_t)(size - at) : PIECE,
		};

		record->status = 0;
		iof_pwrite(iof_pager_device_fd(pager), &copy, sizeof(copy), 0);
		while (!__atomic_load_n(&record->status, __ATOMIC_ACQUIRE))
			;
		if (record->status != DSA_COMP_SUCCESS) {
			fprintf(stderr, "pager: %s\n", iof_pager_error(pager));
			return 1;
		}
	}
	must(iof_pager_sync(pager, 0, TO_AT, size));
	iof_pager_get_stats(pager, &stats);
	printf("%lu bytes: %lu faults, %lu pages loaded ahead, %lu evicted, %lu written back, "
	       "at most %lu in memory\n",
	       size, stats.faults, stats.prefetched, stats.evictions, stats.writebacks,
	       stats.resident_peak);
	must(iof_pager_close(pager));
	iof_source_free(from);
	iof_source_free(to);
	return iof_world_close(world) != 0;
}
