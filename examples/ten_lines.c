// SPDX-License-Identifier: MIT
/*
 * ten_lines FILE: a DMA engine computes the CRC32C of a file through an address space in which
 * nothing is mapped, and never more than 1 MiB of the file is in memory.
 */
#include <fcntl.h>
#include <linux/idxd.h>
#include <stdio.h>

#include <iofault/pager.h>

#define FILE_AT 0x40000000ul
#define RECORD_AT 0x1000ul

static char record_page[4096] __attribute__((aligned(4096)));

int main(int argc, char **argv)
{
	struct iof_pager_config config = { .resident = 1 << 20, .prefetch = 16 };
	struct dsa_hw_desc crc = {
		.opcode = DSA_OPCODE_CRCGEN,
		.flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR,
		.completion_addr = RECORD_AT,
		.src_addr = FILE_AT,
	};
	struct dsa_completion_record *record = (void *)record_page;
	struct iof_pager_stats stats;
	struct iof_world *world;
	struct iof_pager *pager;
	struct iof_source *file;

	if (argc != 2 || iof_source_file(open(argv[1], O_RDONLY), &file))
		return fprintf(stderr, "usage: ten_lines FILE\n"), 2;
	crc.xfer_size = iof_source_size(file);
	if (iof_world_open(NULL, &world) || iof_pager_open(world, NULL, &config, &pager))
		return fprintf(stderr, "ten_lines: %s\n", iof_pager_error(NULL)), 1;
	if (iof_pager_map(pager, 0, FILE_AT, crc.xfer_size, file, 0, IOF_PAGER_READ) ||
	    iof_pager_map_memory(pager, 0, RECORD_AT, record, 4096, IOF_PAGER_WRITE))
		return fprintf(stderr, "ten_lines: %s\n", iof_pager_error(pager)), 1;

	iof_pwrite(iof_pager_device_fd(pager), &crc, sizeof(crc), 0);
	while (!__atomic_load_n(&record->status, __ATOMIC_ACQUIRE))
		;
	iof_pager_stats(pager, &stats);
	printf("crc32c %08x of %u bytes after %lu page faults, at most %lu pages in memory\n",
	       (unsigned int)record->crc_val, crc.xfer_size, stats.faults, stats.resident_peak);

	iof_source_free(file);
	return iof_pager_close(pager) || iof_world_close(world) ||
	       record->status != DSA_COMP_SUCCESS;
}
