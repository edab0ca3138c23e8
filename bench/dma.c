// SPDX-License-Identifier: MIT
/*
 * dma.c - the DMA engine's MEMMOVE over working sets of 4 KiB to 1 GiB, with 4 KiB translations and
 * a full queue, beside memcpy over the same set. Both are warm; half of the set is source, half is
 * destination. A descriptor copies 64 KiB, or half of a smaller set. As a program would that goes
 * on to use the copy, descriptors ask for it to be left in the cache (CC) where the set fits.
 */
#include "common.h"
#include "nested.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST	    (1ull << 30)
#define PIECE	    (64ull << 10)
#define CACHED	    (16ull << 20)
#define DESCRIPTORS 512u	  /* number submitted at once */
#define AT_LEAST    (16ull << 20) /* number of bytes that a run copies */

static struct dsa_hw_desc desc[DESCRIPTORS];

static uint64_t piece_of(uint64_t half)
{
	return half < PIECE ? half : PIECE;
}

/* The hint of a set that fits in the last cache. */
static uint32_t hint_of(uint64_t half)
{
	return 2 * half <= CACHED ? IDXD_OP_FLAG_CC : 0;
}

/* How often a run copies the set. */
static uint64_t passes(uint64_t half)
{
	return half < AT_LEAST ? AT_LEAST / half : 1;
}

/* Copies @nr pieces; the set begins again where it ends. */
static uint64_t our_run(struct nested *n, uint64_t half)
{
	const uint64_t piece = piece_of(half), nr = passes(half) * half / piece;
	uint64_t t0 = bench_now(), done;
	uint32_t i, now;

	for (done = 0; done < nr; done += now) {
		now = nr - done < DESCRIPTORS ? (uint32_t)(nr - done) : DESCRIPTORS;
		memset(n->records, 0, now * sizeof(*n->records));
		for (i = 0; i < now; i++) {
			uint64_t at = (done + i) * piece % half;

			desc[i] = (struct dsa_hw_desc){
				.opcode = DSA_OPCODE_MEMMOVE,
				.flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR |
					 IDXD_OP_FLAG_RCI | hint_of(half),
				.src_addr = NESTED_WINDOW + at,
				.dst_addr = NESTED_WINDOW + half + at,
				.xfer_size = (uint32_t)piece,
				.completion_addr = nested_record_iova(n, i),
			};
		}
		nested_submit(n, desc, now);
		nested_wait(n, now);
	}
	return bench_now() - t0;
}

static uint64_t peer_run(unsigned char *mem, uint64_t half)
{
	const uint64_t piece = piece_of(half), nr = passes(half) * half / piece;
	uint64_t t0 = bench_now(), i;

	for (i = 0; i < nr; i++) {
		unsigned char *at = mem + i * piece % half;

		memcpy(at + half, at, piece);
		__asm__ volatile("" : : "r"(mem) : "memory");
	}
	return bench_now() - t0;
}

static void measure(struct nested *n, const char *name, uint64_t set)
{
	const uint64_t half = set / 2;
	double ours[BENCH_RUNS], peer[BENCH_RUNS], bytes = (double)(passes(half) * half), our, like;
	char figure[80];
	int run;

	our_run(n, half);
	if (memcmp(n->frames, n->frames + half, half))
		bench_die("the copy is wrong");
	peer_run(n->frames, half);
	for (run = 0; run < BENCH_RUNS; run++) {
		ours[run] = bytes / (double)our_run(n, half);
		peer[run] = bytes / (double)peer_run(n->frames, half);
	}
	our = bench_median(ours, BENCH_RUNS);
	like = bench_median(peer, BENCH_RUNS);
	printf("MEMMOVE over %s\n", name);
	bench_row("iofault", our, "GB/s");
	bench_row("memcpy in the same pieces", like, "GB/s");
	snprintf(figure, sizeof(figure), "MEMMOVE over %s / memcpy", name);
	bench_at_least(figure, our / like, 0.9);
}

int main(void)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} sets[] = {
		{ "4 KiB", 4ull << 10 },     { "16 MiB", 16ull << 20 }, { "64 MiB", 64ull << 20 },
		{ "256 MiB", 256ull << 20 }, { "1 GiB", LARGEST },
	};
	const struct nested_config config = {
		.pages = LARGEST / NESTED_PAGE, .credits = 256, .engines = 1, .engine_cpu = 0
	};
	struct nested n;
	uint64_t i;

	nested_open(&n, &config);
	for (i = 0; i < n.pages; i++)
		nested_enter(&n, i);
	for (i = 0; i < LARGEST; i += 8)
		*(uint64_t *)(n.frames + i) = i * 2654435761u >> 13;
	bench_pin(0);
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		measure(&n, sets[i].name, sets[i].bytes);
	nested_close(&n);
	return 0;
}
