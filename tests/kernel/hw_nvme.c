// SPDX-License-Identifier: MIT
/*
 * hw_nvme.c - proves that a driver in user space can use an NVMe drive through the node of
 * iofault-pci.ko: it identifies the controller, writes and reads blocks, and completions of the I/O
 * queue raise an MSI-X interrupt.
 *
 * Sections cite the NVM Express Base Specification 1.4, which QEMU's drive follows.
 */
#include "hw.h"

#include <sched.h>
#include <string.h>

/* 3.1 Register Definition */
#define NVME_CAP  0x00
#define NVME_CC	  0x14
#define NVME_CSTS 0x1c
#define NVME_AQA  0x24
#define NVME_ASQ  0x28
#define NVME_ACQ  0x30
#define NVME_BELL 0x1000

/* 5 Admin Command Set, 6 NVM Command Set */
enum {
	ADMIN_CREATE_SQ = 0x01, /* 5.4 */
	ADMIN_CREATE_CQ = 0x05, /* 5.3 */
	ADMIN_IDENTIFY = 0x06,	/* 5.15 */
	NVM_WRITE = 0x01,	/* 6.15 */
	NVM_READ = 0x02,	/* 6.9 */
};

#define DEPTH 8

/* 4.2 Submission Queue Entry */
struct sqe {
	uint8_t opcode, flags;
	uint16_t cid;
	uint32_t nsid;
	uint64_t reserved, metadata;
	uint64_t prp[2];
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

/* 4.6 Completion Queue Entry */
struct cqe {
	uint32_t result, reserved;
	uint16_t sq_head, sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: phase */
};

struct queue {
	struct sqe *sq;
	volatile struct cqe *cq;
	unsigned int id, tail, head, phase;
};

/* Memory by page: queues first, then data. */
enum {
	ADMIN_SQ,
	ADMIN_CQ,
	IO_SQ,
	IO_CQ,
	DATA,
	MORE,
	PAGES
};

static struct hw hw;
static char *memory;
static char name[16];
static unsigned int stride;
static struct queue admin, io;

static uint64_t address(unsigned int page)
{
	return IOVA + page * PAGE;
}

static volatile uint32_t *reg(unsigned int at)
{
	return (volatile uint32_t *)(hw.bar + at);
}

static void wait_ready(uint32_t wanted)
{
	time_t end = time(NULL) + HW_SECONDS;

	while ((*reg(NVME_CSTS) & 1) != wanted) {
		assert_true(time(NULL) < end);
		sched_yield();
	}
}

static struct queue queue_at(unsigned int id, unsigned int sq, unsigned int cq)
{
	return (struct queue){
		.sq = (void *)(memory + sq * PAGE),
		.cq = (void *)(memory + cq * PAGE),
		.id = id,
		.phase = 1,
	};
}

/* 4.1: tells the controller about a new tail or head. */
static void ring(unsigned int id, bool completion, unsigned int value)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	*reg(NVME_BELL + (2 * id + completion) * stride) = value;
}

static void submit(struct queue *q, struct sqe entry)
{
	entry.cid = (uint16_t)q->tail;
	q->sq[q->tail] = entry;
	q->tail = (q->tail + 1) % DEPTH;
	ring(q->id, false, q->tail);
}

/* Waits for the next completion, and returns its status without the phase. */
static unsigned int complete(struct queue *q)
{
	volatile struct cqe *entry = &q->cq[q->head];
	time_t end = time(NULL) + HW_SECONDS;
	unsigned int status;

	while ((__atomic_load_n(&entry->status, __ATOMIC_ACQUIRE) & 1) != q->phase) {
		assert_true(time(NULL) < end);
		sched_yield();
	}
	status = entry->status >> 1;
	q->head = (q->head + 1) % DEPTH;
	if (!q->head)
		q->phase ^= 1;
	ring(q->id, true, q->head);
	return status;
}

static void order(struct queue *q, struct sqe entry)
{
	submit(q, entry);
	assert_int_equal(complete(q), 0);
}

/* 7.6.1 Initialization */
static void start(void)
{
	*reg(NVME_CC) = 0;
	wait_ready(0);
	stride = 4u << (*(volatile uint64_t *)(hw.bar + NVME_CAP) >> 32 & 15);
	admin = queue_at(0, ADMIN_SQ, ADMIN_CQ);
	io = queue_at(1, IO_SQ, IO_CQ);
	*reg(NVME_AQA) = (DEPTH - 1) << 16 | (DEPTH - 1);
	*(volatile uint64_t *)(hw.bar + NVME_ASQ) = address(ADMIN_SQ);
	*(volatile uint64_t *)(hw.bar + NVME_ACQ) = address(ADMIN_CQ);
	/* 64-byte and 16-byte entries, pages of 4 KiB, enabled */
	*reg(NVME_CC) = 4 << 20 | 6 << 16 | 1;
	wait_ready(1);
}

static int setup(void **state)
{
	(void)state;
	hw_use(&hw, name, true);
	hw_command(&hw, 2 | 4);
	hw_map_bar(&hw);
	memory = abi_pages(PAGES);
	assert_ok(abi_map(hw.fd, hw.ioas, memory, PAGES * PAGE, IOVA));
	start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hw_close(&hw);
	munmap(memory, PAGES * PAGE);
	return 0;
}

static void identify(unsigned int cns, uint32_t nsid)
{
	order(&admin, (struct sqe){
			      .opcode = ADMIN_IDENTIFY,
			      .nsid = nsid,
			      .prp = { address(DATA) },
			      .cdw10 = cns,
		      });
}

static void the_controller_identifies_itself(void **state)
{
	const char *data = memory + DATA * PAGE;
	uint64_t blocks;

	(void)state;
	identify(1, 0);
	/* Figure 247: the serial number, filled up with blanks */
	assert_memory_equal(data + 4, "iofault             ", 20);
	identify(0, 1);
	memcpy(&blocks, data, sizeof(blocks));
	assert_int_equal(blocks, (16 << 20) / 512);
}

/* Creates the I/O queues; with @interrupts, completions raise vector 1. */
static void create_queues(bool interrupts)
{
	order(&admin, (struct sqe){
			      .opcode = ADMIN_CREATE_CQ,
			      .prp = { address(IO_CQ) },
			      .cdw10 = (DEPTH - 1) << 16 | 1,
			      .cdw11 = (interrupts ? 1 << 16 | 2 : 0) | 1,
		      });
	order(&admin, (struct sqe){
			      .opcode = ADMIN_CREATE_SQ,
			      .prp = { address(IO_SQ) },
			      .cdw10 = (DEPTH - 1) << 16 | 1,
			      .cdw11 = 1 << 16 | 1,
		      });
}

static struct sqe transfer(uint8_t opcode, unsigned int block, unsigned int page)
{
	/* two pages of 512-byte blocks */
	return (struct sqe){
		.opcode = opcode,
		.nsid = 1,
		.prp = { address(page), address(page + 1) },
		.cdw10 = block,
		.cdw12 = 2 * PAGE / 512 - 1,
	};
}

static void blocks_are_written_and_read_by_interrupt(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char *data = memory + DATA * PAGE;
	uint64_t count;
	unsigned int i;

	(void)state;
	assert_ok(hw_irq(&hw, VFIO_PCI_MSIX_IRQ_INDEX, 1, event));
	create_queues(true);
	for (i = 0; i < 2 * PAGE; i++)
		data[i] = (char)(i * 7 + i / 512);
	submit(&io, transfer(NVM_WRITE, 64, DATA));
	hw_wait_readable(event);
	assert_int_equal(read(event, &count, 8), 8);
	assert_int_equal(complete(&io), 0);

	memset(data, 0, 2 * PAGE);
	submit(&io, transfer(NVM_READ, 64, DATA));
	hw_wait_readable(event);
	assert_int_equal(read(event, &count, 8), 8);
	assert_int_equal(complete(&io), 0);
	for (i = 0; i < 2 * PAGE; i++)
		assert_int_equal(data[i], (char)(i * 7 + i / 512));
	assert_ok(hw_irq(&hw, VFIO_PCI_MSIX_IRQ_INDEX, 0, -1));
	close(event);
}

/* QEMU 7.2 reports success of a transfer that its IOMMU has stopped, so only memory is checked. */
static void unmapped_memory_is_not_reached(void **state)
{
	char *data = memory + DATA * PAGE;

	(void)state;
	create_queues(false);
	memset(data, 0x11, 2 * PAGE);
	assert_ok(abi_unmap(hw.fd, hw.ioas, IOVA, PAGES * PAGE));
	assert_ok(abi_map(hw.fd, hw.ioas, memory, DATA * PAGE, IOVA));
	submit(&io, transfer(NVM_READ, 0, DATA));
	(void)complete(&io);
	assert_int_equal(data[0], 0x11);
	assert_memory_equal(data, data + 1, 2 * PAGE - 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_controller_identifies_itself),
		T(blocks_are_written_and_read_by_interrupt),
		T(unmapped_memory_is_not_reached),
	};

	if (access("/sys/bus/pci/drivers/iofault-pci", F_OK) || !hw_find(0x1b36, 0x0010, 0, name)) {
		printf("1..0 # SKIP kernel/hw_nvme: no iofault-pci.ko with an NVMe drive\n");
		return 0;
	}
	return cmocka_run_group_tests_name("hw_nvme", tests, NULL, NULL);
}
