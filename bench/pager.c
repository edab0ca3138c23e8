// SPDX-License-Identifier: MIT
/*
 * pager.c - the pager's input: pages of a file on a disk, of which the page cache has nothing.
 *
 * Sequential: an engine computes CRC32C over the file in descriptors of 1 MiB, with 64 MiB of
 * memory. Its peers are a plain pass of pread(2) in pieces of 1 MiB (what dd does) and a mapping
 * with MADV_SEQUENTIAL. Random: descriptors of 4 KiB, 64 at a time, beside io_uring with depth 64.
 * All run alternately, each after the file was dropped from the page cache. The file lies in
 * $TMPDIR, or /var/tmp. bench-pager [MIB] takes its size.
 */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <iofault/iofault.h>
#include <iofault/pager.h>
#include <iofault/vfio.h>
#include <isa-l/crc.h>
#include <liburing.h>
#include <linux/idxd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGE	   4096ull
#define PIECE	   (1ull << 20)
#define FILE_AT	   (1ull << 32)
#define RECORDS_AT (1ull << 40)
#define DEPTH	   64u
#define RANDOM	   16384u

static char path[64]; /* the file again, for descriptors without the read-ahead state of others */
static uint64_t bytes;
static char *buf;
static uint64_t pages[RANDOM];

static int open_cold(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		bench_die("%s: %s", path, strerror(errno));
	return fd;
}

static void make_file(void)
{
	const char *folder = getenv("TMPDIR");
	uint64_t at, i;
	int fd = open(folder ? folder : "/var/tmp", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0)
		bench_die("no file for the pager: %s", strerror(errno));
	for (at = 0; at < bytes; at += PIECE) {
		for (i = 0; i < PIECE; i += 256)
			if (getrandom(buf + i, 256, 0) != 256)
				bench_die("getrandom: %s", strerror(errno));
		if (write(fd, buf, PIECE) != (ssize_t)PIECE)
			bench_die("write: %s", strerror(errno));
	}
	if (fsync(fd))
		bench_die("fsync: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (i = 0; i < RANDOM; i++)
		pages[i] = i * (bytes / PAGE / RANDOM);
	for (i = RANDOM; i-- > 1;) {
		uint64_t other = (uint64_t)random() % (i + 1), page = pages[i];

		pages[i] = pages[other];
		pages[other] = page;
	}
}

/* ---- the peers ---- */

static double by_pread(void)
{
	int fd = open_cold();
	uint64_t start = bench_now(), at;

	for (at = 0; at < bytes; at += PIECE)
		if (pread(fd, buf, PIECE, (off_t)at) != (ssize_t)PIECE)
			bench_die("pread: %s", strerror(errno));
	close(fd);
	return (double)bytes / (double)(bench_now() - start);
}

static double by_mmap(void)
{
	int fd = open_cold();
	uint64_t start = bench_now(), at;
	unsigned char *memory = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	unsigned int crc = 0;
	double speed;

	if (memory == MAP_FAILED || madvise(memory, bytes, MADV_SEQUENTIAL))
		bench_die("mmap: %s", strerror(errno));
	for (at = 0; at < bytes; at += PIECE)
		crc = crc32_iscsi(memory + at, (int)PIECE, crc);
	speed = (double)bytes / (double)(bench_now() - start);
	munmap(memory, bytes);
	close(fd);
	return speed;
}

static double by_uring(void)
{
	uint32_t sent = 0, got = 0;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int fd = open_cold();
	uint64_t start;

	if (io_uring_queue_init(DEPTH, &ring, 0))
		return 0;
	start = bench_now();
	while (got < RANDOM) {
		for (; sent < RANDOM && sent - got < DEPTH; sent++)
			io_uring_prep_read(io_uring_get_sqe(&ring), fd, buf + (sent % DEPTH) * PAGE,
					   PAGE, pages[sent] * PAGE);
		io_uring_submit_and_wait(&ring, 1);
		for (; !io_uring_peek_cqe(&ring, &cqe); got++) {
			if (cqe->res != (int)PAGE)
				bench_die("io_uring: %s", strerror(-cqe->res));
			io_uring_cqe_seen(&ring, cqe);
		}
	}
	start = bench_now() - start;
	io_uring_queue_exit(&ring);
	close(fd);
	return RANDOM * 1e6 / (double)start;
}

/* ---- the pager ---- */

struct device {
	struct iof_world *world;
	struct iof_pager *pager;
	struct dsa_completion_record *records;
	int irq, fd;
};

static void must(int ret, const char *what)
{
	if (ret < 0)
		bench_die("%s: %s (%s)", what, strerror(-ret), iof_pager_error(NULL));
}

static void device_open(struct device *d, uint32_t depth)
{
	struct iof_world_config world = { .kind = IOF_WORLD_EMBEDDED };
	struct iof_pager_config config = {
		.resident = 64 << 20,
		.prefetch = 32,
		.engines = depth,
	};
	char irq_buf[sizeof(struct vfio_irq_set) + sizeof(int32_t)] __attribute__((aligned(8)));
	struct vfio_irq_set *irq = (void *)irq_buf;
	struct iof_source *file;

	must(iof_world_open(&world, &d->world), "world");
	must(iof_pager_open(d->world, NULL, &config, &d->pager), "pager");
	d->records = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	d->irq = eventfd(0, EFD_CLOEXEC);
	*irq = (struct vfio_irq_set){
		.argsz = sizeof(irq_buf),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = IOF_VFIO_IRQ_COMPLETION,
		.count = 1,
	};
	memcpy(irq->data, &d->irq, sizeof(int32_t));
	must(iof_ioctl(iof_pager_device_fd(d->pager), VFIO_DEVICE_SET_IRQS, irq), "interrupt");
	d->fd = open_cold();
	must(iof_source_file(d->fd, &file), "file");
	must(iof_pager_map(d->pager, 0, FILE_AT, bytes, file, 0, IOF_PAGER_READ), "map");
	must(iof_pager_map_memory(d->pager, 0, RECORDS_AT, d->records, PAGE, IOF_PAGER_WRITE),
	     "records");
	iof_source_free(file);
}

static void device_close(struct device *d)
{
	must(iof_pager_close(d->pager), "close");
	must(iof_world_close(d->world), "close");
	munmap(d->records, PAGE);
	close(d->irq);
	close(d->fd);
}

/* Processes @nr pieces of @length bytes, up to @depth at a time. Returns the time in ns. */
static uint64_t by_device(uint32_t depth, uint32_t nr, uint32_t length, uint64_t (*where)(uint32_t))
{
	uint32_t sent = 0, done = 0, taken, i;
	struct dsa_hw_desc descs[DEPTH];
	bool busy[DEPTH] = { false };
	struct device d;
	uint64_t start, count;
	ssize_t ret;

	device_open(&d, depth);
	start = bench_now();
	while (done < nr) {
		taken = 0;
		for (i = 0; i < depth && sent < nr; i++) {
			if (busy[i])
				continue;
			busy[i] = true;
			d.records[i].status = 0;
			descs[taken++] = (struct dsa_hw_desc){
				.opcode = DSA_OPCODE_CRCGEN,
				.flags = IDXD_OP_FLAG_BOF | IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR |
					 IDXD_OP_FLAG_RCI,
				.completion_addr = RECORDS_AT + i * sizeof(*d.records),
				.src_addr = FILE_AT + where(sent++),
				.xfer_size = length,
			};
		}
		for (i = 0; i < taken; i += (uint32_t)ret / sizeof(descs[0])) {
			ret = iof_pwrite(iof_pager_device_fd(d.pager), &descs[i],
					 (taken - i) * sizeof(descs[0]),
					 IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL));
			must((int)ret, "portal");
		}
		if (read(d.irq, &count, sizeof(count)) != sizeof(count))
			bench_die("interrupt: %s", strerror(errno));
		for (i = 0; i < depth; i++) {
			uint8_t status = __atomic_load_n(&d.records[i].status, __ATOMIC_ACQUIRE);

			if (!busy[i] || !status)
				continue;
			if (status != DSA_COMP_SUCCESS)
				bench_die("a descriptor ended with status %u", status);
			busy[i] = false;
			done++;
		}
	}
	start = bench_now() - start;
	device_close(&d);
	return start;
}

static uint64_t in_order(uint32_t nr)
{
	return nr * PIECE;
}

static uint64_t at_random(uint32_t nr)
{
	return pages[nr] * PAGE;
}

static double by_pager(uint32_t depth)
{
	uint32_t nr = (uint32_t)(bytes / PIECE);

	return (double)bytes / (double)by_device(depth, nr, (uint32_t)PIECE, in_order);
}

static double spread(const double *sorted)
{
	return (sorted[BENCH_RUNS - 1] - sorted[0]) / sorted[BENCH_RUNS / 2];
}

int main(int argc, char **argv)
{
	double plain[BENCH_RUNS], mapped[BENCH_RUNS], one[BENCH_RUNS], eight[BENCH_RUNS];
	double uring[BENCH_RUNS], jumps[BENCH_RUNS];
	int i;

	bytes = (argc > 1 ? strtoull(argv[1], NULL, 0) : 256) << 20;
	if (bytes < RANDOM * PAGE)
		bench_die("the size must be 64 MiB at least");
	buf = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	make_file();
	for (i = 0; i < BENCH_RUNS; i++) {
		plain[i] = by_pread();
		eight[i] = by_pager(8);
		mapped[i] = by_mmap();
		one[i] = by_pager(1);
		uring[i] = by_uring();
		jumps[i] = RANDOM * 1e6 / (double)by_device(DEPTH, RANDOM, PAGE, at_random);
	}
	printf("a cold file of %llu MiB, median of %d (spread: largest less smallest, by median)\n",
	       (unsigned long long)(bytes >> 20), BENCH_RUNS);
	bench_row("pread in pieces of 1 MiB", bench_median(plain, BENCH_RUNS), "GB/s");
	bench_row("  spread", spread(plain), "");
	bench_row("mapping with MADV_SEQUENTIAL", bench_median(mapped, BENCH_RUNS), "GB/s");
	bench_row("pager, 8 descriptors of 1 MiB", bench_median(eight, BENCH_RUNS), "GB/s");
	bench_row("  spread", spread(eight), "");
	bench_row("pager, one descriptor of 1 MiB", bench_median(one, BENCH_RUNS), "GB/s");
	bench_row("io_uring, random 4 KiB, depth 64", bench_median(uring, BENCH_RUNS), "k/s");
	bench_row("  spread", spread(uring), "");
	bench_row("pager, random 4 KiB, 64 descriptors", bench_median(jumps, BENCH_RUNS), "k/s");
	bench_row("  spread", spread(jumps), "");
	bench_at_least("pager, cold file / pread", eight[BENCH_RUNS / 2] / plain[BENCH_RUNS / 2],
		       0.95);
	bench_at_least("pager, cold file / mapping", eight[BENCH_RUNS / 2] / mapped[BENCH_RUNS / 2],
		       0.9);
	bench_at_least("pager, cold random pages / io_uring",
		       uring[0] ? jumps[BENCH_RUNS / 2] / uring[BENCH_RUNS / 2] : 1, 0.9);
	return 0;
}
