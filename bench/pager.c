// SPDX-License-Identifier: MIT
/*
 * pager.c - the pager's input: pages of a file on a disk, of which the page cache has nothing.
 *
 * Sequential: an engine computes CRC32C over the file in descriptors of 1 MiB, with 64 MiB of
 * memory; four engines in descriptors of 256 KiB, as `iofault page --engines 4` does. Its peers are
 * a plain pass of pread(2) in pieces of 1 MiB (what dd does) and a mapping with MADV_SEQUENTIAL.
 * All this with the read-ahead of the disk as it is, and, if the program may change it, with 128
 * KiB and 8 MiB; at the end it is as before. Random: descriptors of 4 KiB, 64 at a time, beside
 * io_uring with depth 64. All run alternately, each after the file was dropped from the page cache.
 * The file lies in $TMPDIR, or /var/tmp. bench-pager [MIB] takes its size.
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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

static void device_open(struct device *d, uint32_t engines, uint32_t depth)
{
	struct iof_dsa_config dsa = { .engines = engines };
	struct iof_world_config world = { .kind = IOF_WORLD_EMBEDDED, .dsa = &dsa, .nr_dsa = 1 };
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
static uint64_t by_device(uint32_t engines, uint32_t depth, uint32_t nr, uint32_t length,
			  uint64_t (*where)(uint32_t nr, uint32_t length))
{
	uint32_t sent = 0, done = 0, taken, i;
	struct dsa_hw_desc descs[DEPTH];
	bool busy[DEPTH] = { false };
	struct device d;
	uint64_t start, count;
	ssize_t ret;

	device_open(&d, engines, depth);
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
				.src_addr = FILE_AT + where(sent++, length),
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

static uint64_t in_order(uint32_t nr, uint32_t length)
{
	return (uint64_t)nr * length;
}

static uint64_t at_random(uint32_t nr, uint32_t length)
{
	(void)length;
	return pages[nr] * PAGE;
}

static double by_pager(uint32_t engines, uint32_t depth, uint64_t piece)
{
	uint32_t nr = (uint32_t)(bytes / piece);

	return (double)bytes / (double)by_device(engines, depth, nr, (uint32_t)piece, in_order);
}

static double spread(const double *sorted)
{
	return (sorted[BENCH_RUNS - 1] - sorted[0]) / sorted[BENCH_RUNS / 2];
}

/* ---- the read-ahead of the disk ---- */

static char ahead_path[64]; /* its file; empty: none that this program may change */
static unsigned long ahead_before;

static bool ahead_write(unsigned long kib)
{
	FILE *file = fopen(ahead_path, "we");
	bool good = file && fprintf(file, "%lu\n", kib) > 0;

	return file && !fclose(file) && good;
}

static void ahead_restore(void)
{
	if (ahead_path[0] && !ahead_write(ahead_before))
		fprintf(stderr, "cannot write %lu to %s\n", ahead_before, ahead_path);
}

static void ahead_stop(int signal)
{
	exit(128 + signal);
}

/* Finds the read-ahead of the file's disk, or prints why there is none to change. */
static void ahead_find(void)
{
	static const char *const forms[] = {
		"/sys/dev/block/%u:%u/queue/read_ahead_kb",
		"/sys/dev/block/%u:%u/../queue/read_ahead_kb", /* of a partition */
	};
	struct stat status;
	FILE *file = NULL;
	size_t i;

	if (stat(path, &status))
		bench_die("%s: %s", path, strerror(errno));
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]) && !file; i++) {
		snprintf(ahead_path, sizeof(ahead_path), forms[i], major(status.st_dev),
			 minor(status.st_dev));
		file = fopen(ahead_path, "re");
	}
	if (!file || fscanf(file, "%lu", &ahead_before) != 1 || access(ahead_path, W_OK)) {
		printf("read-ahead of 128 KiB and 8 MiB: skipped, %s\n",
		       file ? "only root may change it" : "the file's disk has no read_ahead_kb");
		ahead_path[0] = '\0';
	}
	if (file)
		fclose(file);
	if (!ahead_path[0])
		return;
	atexit(ahead_restore);
	signal(SIGINT, ahead_stop);
	signal(SIGTERM, ahead_stop);
}

/* ---- the rows ---- */

static void row(const char *name, double *values, const char *unit)
{
	bench_row(name, bench_median(values, BENCH_RUNS), unit);
	bench_row("  spread", spread(values), "");
}

static void figure(const char *name, const char *with, const double *one, const double *other,
		   double limit)
{
	char text[96];

	snprintf(text, sizeof(text), "pager, cold file%s / %s", with, name);
	bench_at_least(text, one[BENCH_RUNS / 2] / other[BENCH_RUNS / 2], limit);
}

static void sequential(const char *with)
{
	double plain[BENCH_RUNS], mapped[BENCH_RUNS], one[BENCH_RUNS], eight[BENCH_RUNS];
	double four[BENCH_RUNS];
	int i;

	for (i = 0; i < BENCH_RUNS; i++) {
		plain[i] = by_pread();
		eight[i] = by_pager(1, 8, PIECE);
		mapped[i] = by_mmap();
		four[i] = by_pager(4, 32, PIECE / 4);
		one[i] = by_pager(1, 1, PIECE);
	}
	printf("a cold file of %llu MiB%s, median of %d (spread: largest less smallest, by it)\n",
	       (unsigned long long)(bytes >> 20), with, BENCH_RUNS);
	row("pread in pieces of 1 MiB", plain, "GB/s");
	row("mapping with MADV_SEQUENTIAL", mapped, "GB/s");
	row("pager, 8 descriptors of 1 MiB", eight, "GB/s");
	row("pager, 4 engines, 32 descriptors of 256 KiB", four, "GB/s");
	row("pager, one descriptor of 1 MiB", one, "GB/s");
	figure("pread", with, eight, plain, 0.95);
	figure("mapping", with, eight, mapped, 0.9);
	figure("one engine, with 4 engines", with, four, eight, 1);
}

static void at_jumps(void)
{
	double uring[BENCH_RUNS], jumps[BENCH_RUNS];
	int i;

	for (i = 0; i < BENCH_RUNS; i++) {
		uring[i] = by_uring();
		jumps[i] = RANDOM * 1e6 / (double)by_device(1, DEPTH, RANDOM, PAGE, at_random);
	}
	printf("the same, random pages\n");
	row("io_uring, random 4 KiB, depth 64", uring, "k/s");
	row("pager, random 4 KiB, 64 descriptors", jumps, "k/s");
	bench_at_least("pager, cold random pages / io_uring",
		       uring[0] ? jumps[BENCH_RUNS / 2] / uring[BENCH_RUNS / 2] : 1, 0.9);
}

int main(int argc, char **argv)
{
	bytes = (argc > 1 ? strtoull(argv[1], NULL, 0) : 256) << 20;
	if (bytes < RANDOM * PAGE)
		bench_die("the size must be 64 MiB at least");
	buf = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	make_file();
	sequential("");
	at_jumps();
	ahead_find();
	if (ahead_path[0] && ahead_write(128))
		sequential(", read-ahead 128 KiB");
	if (ahead_path[0] && ahead_write(8192))
		sequential(", read-ahead 8 MiB");
	return 0;
}
