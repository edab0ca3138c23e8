// SPDX-License-Identifier: MIT
/*
 * page_verify.c - does the same work again, by the CPU alone.
 *
 * The functions read the files with pread(2) into two small buffers. Neither the device nor the
 * pager nor the device's view of the files takes part, and memory use does not grow with the files.
 * ISA-L computes the CRC32C of the whole file in one chain. The device's CRCs are of chunks; this
 * file combines them. The caller has closed the device, so that all pages are written back.
 */
#include "page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <isa-l/crc.h>

#define BUFFER (256u << 10)

/*
 * A matrix that joins CRCs. The CRC of A followed by B is the CRC of A, advanced over as many zero
 * bytes as B is long, xor the CRC of B. (The inversions at both ends cancel out.) Advancing is
 * linear: one 32 x 32 matrix of bits for each length, computed here from the matrix of one page.
 */
struct push {
	uint32_t column[32];
};

static uint32_t push_apply(const struct push *push, uint32_t crc)
{
	uint32_t out = 0;

	for (; crc; crc &= crc - 1)
		out ^= push->column[__builtin_ctz(crc)];
	return out;
}

static void push_by_pages(struct push *out, uint64_t pages)
{
	static const unsigned char zeros[4096];
	struct push power, next;
	unsigned int i;

	for (i = 0; i < 32; i++) {
		out->column[i] = 1u << i;
		/* The library's parameter is not const, but the function only reads. */
		power.column[i] = crc32_iscsi((unsigned char *)zeros, sizeof(zeros), 1u << i);
	}
	for (; pages; pages >>= 1) {
		if (pages & 1)
			for (i = 0; i < 32; i++)
				out->column[i] = push_apply(&power, out->column[i]);
		for (i = 0; i < 32; i++)
			next.column[i] = push_apply(&power, power.column[i]);
		power = next;
	}
}

static uint32_t push_by_bytes(uint32_t crc, uint64_t bytes)
{
	static const unsigned char zeros[4096];
	struct push push;

	push_by_pages(&push, bytes / sizeof(zeros));
	return crc32_iscsi((unsigned char *)zeros, (int)(bytes % sizeof(zeros)),
			   push_apply(&push, crc));
}

static uint32_t join_chunks(const struct iof_page_run *run, const struct iof_page_strand *strand)
{
	uint64_t last = strand->nr_chunks ? strand->nr_chunks - 1 : 0, i;
	struct push push;
	uint32_t crc = 0;

	push_by_pages(&push, run->chunk / 4096);
	for (i = 0; i < last; i++)
		crc = push_apply(&push, crc) ^ strand->chunk_crcs[i];
	if (strand->nr_chunks)
		crc = push_by_bytes(crc, strand->size - last * run->chunk) ^
		      strand->chunk_crcs[last];
	return crc;
}

/* Reads @length bytes of @file at @offset. */
static int read_all(struct iof_page_run *run, const struct iof_page_file *file,
		    unsigned char *buffer, uint64_t offset, size_t length)
{
	size_t have = 0;
	ssize_t got;

	while (have < length) {
		got = pread(file->fd, buffer + have, length - have, (off_t)(offset + have));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return iof_fail(-1, "%s: cannot be read at byte %" PRIu64 ": %s",
					file->name, offset + have, iof_reason(errno));
		if (!got && iof_page_files_changed(run, true))
			return -1;
		if (!got)
			return iof_fail(-1, "%s: ends at byte %" PRIu64 ", before it should",
					file->name, offset + have);
		have += (size_t)got;
	}
	return 0;
}

struct check {
	struct iof_page_run *run;
	unsigned char *a, *b;
	uint64_t done;
	uint64_t differs_at; /* first byte that differs between the sides, or UINT64_MAX */
	uint32_t crc;
};

/* Reads one buffer of both sides of a strand, and continues the CRC or the comparison. */
static int check_part(struct check *check, const struct iof_page_strand *strand, uint64_t offset,
		      size_t length)
{
	const struct iof_page_file *first = strand->source ? strand->source : strand->other;
	size_t i;

	if (read_all(check->run, first, check->a, offset, length))
		return -1;
	check->run->verify_bytes += length;
	if (check->run->options.op == IOF_PAGE_CRC32C) {
		check->crc = crc32_iscsi(check->a, (int)length, check->crc);
		return 0;
	}
	/* With fill, @check->b holds the pattern already. */
	if (strand->source && read_all(check->run, strand->other, check->b, offset, length))
		return -1;
	if (!memcmp(check->a, check->b, length))
		return 0;
	for (i = 0; check->a[i] == check->b[i]; i++)
		;
	check->differs_at = offset + i;
	return 0;
}

static enum iof_page_outcome judge(struct check *check, struct iof_page_strand *strand)
{
	struct iof_page_run *run = check->run;
	const struct iof_page_file *file = strand->source ? strand->source : strand->other;

	switch (run->options.op) {
	case IOF_PAGE_CRC32C:
		strand->crc = join_chunks(run, strand);
		strand->crc_cpu = ~check->crc;
		if (strand->crc == strand->crc_cpu)
			return IOF_PAGE_OK;
		iof_page_files_changed(run, true);
		iof_say("%s: wrong: the device computes %08x, the CPU %08x", file->name,
			strand->crc, strand->crc_cpu);
		return IOF_PAGE_WRONG;
	case IOF_PAGE_COMPARE:
		if (check->differs_at == strand->differs_at)
			return check->differs_at == UINT64_MAX ? IOF_PAGE_OK : IOF_PAGE_DIFFERENT;
		iof_page_files_changed(run, true);
		iof_say("%s: wrong: device and CPU find different first bytes that differ from %s",
			file->name, strand->other->name);
		return IOF_PAGE_WRONG;
	case IOF_PAGE_COPY:
	case IOF_PAGE_FILL:
		if (check->differs_at == UINT64_MAX)
			return IOF_PAGE_OK;
		iof_page_files_changed(run, true);
		iof_say("%s: wrong: byte %" PRIu64 " has another value than expected",
			strand->other->name, check->differs_at);
		return IOF_PAGE_WRONG;
	}
	return IOF_PAGE_WRONG;
}

static int check_strand(struct check *check, struct iof_page_strand *strand)
{
	struct iof_page_run *run = check->run;
	enum iof_page_outcome outcome;
	uint64_t offset;
	size_t length;

	check->crc = ~0u;
	check->differs_at = UINT64_MAX;
	for (offset = 0; offset < strand->size && check->differs_at == UINT64_MAX;
	     offset += length) {
		length = strand->size - offset < BUFFER ? (size_t)(strand->size - offset) : BUFFER;
		if (check_part(check, strand, offset, length))
			return -1;
		check->done += length;
		run->signal = iof_signals_came();
		if (run->signal)
			return -1;
		iof_progress_show(&run->progress, check->done, "");
	}
	outcome = judge(check, strand);
	if (run->outcome == IOF_PAGE_UNFINISHED || outcome != IOF_PAGE_OK)
		run->outcome = outcome;
	return 0;
}

int iof_page_verify(struct iof_page_run *run)
{
	struct check check = { .run = run };
	uint64_t begun = iof_now();
	unsigned char *buffers = NULL;
	uint32_t i;
	int rc = 0;

	if (posix_memalign((void **)&buffers, 4096, 2 * BUFFER))
		return iof_fail(-1, "there is not enough memory");
	check.a = buffers;
	check.b = buffers + BUFFER;
	if (run->options.op == IOF_PAGE_FILL)
		for (i = 0; i < BUFFER; i += sizeof(run->options.pattern))
			memcpy(check.b + i, &run->options.pattern, sizeof(run->options.pattern));
	iof_progress_begin(&run->progress, "checking", run->bytes, run->options.quiet);
	for (i = 0; i < run->nr_strands && !rc; i++)
		rc = check_strand(&check, &run->strands[i]);
	iof_progress_end(&run->progress);
	if (rc)
		run->outcome = IOF_PAGE_UNFINISHED;
	else if (run->outcome == IOF_PAGE_OK && iof_page_files_changed(run, false))
		run->outcome = IOF_PAGE_FAILED;
	run->verify_seconds = (double)(iof_now() - begun) / 1e9;
	free(buffers);
	return rc;
}
