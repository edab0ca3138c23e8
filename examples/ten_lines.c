// SPDX-License-Identifier: MIT
/*
 * ten_lines FILE: a DMA engine computes the CRC32C of a file through an address space in which no
 * page is mapped at first. At most 1 MiB of the file is in memory.
 */
#include "common.h"

#include <iofault/pager.h>

#define TRY(call)                                                                             \
	do {                                                                                  \
		if ((call) < 0)                                                               \
			return fprintf(stderr, "ten_lines: %s\n", iof_pager_error(pager)), 1; \
	} while (0)

int main(int argc, char **argv)
{
	struct iof_pager_config config = { .resident = 1 << 20, .prefetch = 16 };
	struct dsa_completion_record *record = memory_new(PAGE);
	struct dsa_hw_desc crc = { .opcode = DSA_OPCODE_CRCGEN,
				   .src_addr = START,
				   .completion_addr = PAGE,
				   .flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV |
					    IDXD_OP_FLAG_RCR };
	struct iof_pager_stats stats;
	struct iof_source *file;
	struct iof_pager *pager = NULL;
	struct iof_world *world;

	if (argc != 2 || iof_source_file(open(argv[1], O_RDONLY), &file))
		return fprintf(stderr, "usage: ten_lines FILE\n"), 2;
	crc.xfer_size = iof_source_size(file);
	TRY(iof_world_open(NULL, &world));
	TRY(iof_pager_open(world, NULL, &config, &pager));
	TRY(iof_pager_map(pager, 0, START, crc.xfer_size, file, 0, IOF_PAGER_READ));
	TRY(iof_pager_map_memory(pager, 0, PAGE, record, PAGE, IOF_PAGER_WRITE));
	TRY(iof_pwrite(iof_pager_device_fd(pager), &crc, sizeof(crc), 0));
	if (record_wait(record) != DSA_COMP_SUCCESS)
		return fprintf(stderr, "ten_lines: the engine says 0x%x\n", record->status), 1;
	iof_pager_get_stats(pager, &stats);
	printf("crc32c %08x of %u bytes after %lu page faults, at most %lu pages in memory\n",
	       (unsigned int)record->crc_val, crc.xfer_size, stats.faults, stats.resident_peak);
	iof_source_free(file);
	return iof_pager_close(pager) || iof_world_close(world);
}
