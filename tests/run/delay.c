// SPDX-License-Identifier: MIT
/*
 * delay.c - proves that a device with a delay waits between the answer to its page request and its
 * next attempt, for each descriptor by itself. It does not wait for a descriptor that was abandoned
 * meanwhile.
 */
#include "../kernel/dma.h"

#include <poll.h>

#define DELAY_MS 50 /* as in tests/run/meson.build */
#define AT	 0x20000000ul
#define NR	 4

struct late {
	struct dma d;
	struct pollfd pfd;
	char *memory;
	struct dsa_completion_record *records;
};

static int setup(void **state)
{
	static struct late late;
	uint32_t fault;
	int hwpt;

	late.d.fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	late.d.dev = open("/dev/vfio/devices/vfio0", O_RDWR | O_CLOEXEC);
	CHECK(late.d.fd >= 0 && late.d.dev >= 0);
	hwpt = abi_bind(late.d.dev, late.d.fd);
	CHECK(hwpt > 0);
	late.d.ioas = abi_ioas(late.d.fd);
	late.pfd.events = POLLIN;
	CHECK(!abi_fault_queue(late.d.fd, &fault, &late.pfd.fd));
	hwpt = abi_hwpt_fault(late.d.fd, (uint32_t)hwpt, (uint32_t)late.d.ioas, 0, fault);
	CHECK(hwpt > 0 && abi_attach(late.d.dev, (uint32_t)hwpt) > 0);
	late.records = dma_memory(PAGE, MAP_SHARED);
	CHECK(!dma_map(&late.d, late.records, PAGE, DMA_RECORD));
	late.memory = dma_memory(NR * PAGE, MAP_PRIVATE);
	*state = &late;
	return 0;
}

static int teardown(void **state)
{
	struct late *late = *state;

	close(late->pfd.fd);
	close(late->d.dev);
	close(late->d.fd);
	munmap(late->records, PAGE);
	munmap(late->memory, NR * PAGE);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void start(struct late *late, unsigned int i)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMFILL,
		.flags = IDXD_OP_FLAG_BOF,
		.dst_addr = AT + i * PAGE,
		.pattern = 0x0101010101010101ul * (i + 1),
		.xfer_size = PAGE,
	};

	dma_start(&late->d, desc, &late->records[i], DMA_RECORD + i * sizeof(late->records[0]));
}

static uint32_t next_cookie(struct late *late)
{
	struct iommu_hwpt_pgfault rec;

	assert_int_equal(poll(&late->pfd, 1, 10000), 1);
	assert_int_equal(read(late->pfd.fd, &rec, sizeof(rec)), sizeof(rec));
	assert_ok(dma_map(&late->d, late->memory + (rec.addr - AT), PAGE, rec.addr));
	return rec.cookie;
}

static void it_takes_its_time(void **state)
{
	struct late *late = *state;
	uint64_t begun[NR];

	for (unsigned int i = 0; i < NR; i++) {
		start(late, i);
		begun[i] = now_ms();
		assert_ok(abi_answer(late->pfd.fd, next_cookie(late), IOMMUFD_PAGE_RESP_SUCCESS));
	}
	for (unsigned int i = 0; i < NR; i++) {
		assert_int_equal(dma_wait(&late->records[i]), DSA_COMP_SUCCESS);
		assert_true(now_ms() - begun[i] >= DELAY_MS);
		assert_int_equal(late->memory[i * PAGE], i + 1);
	}
	/* A present page causes no delay, and a refused one ends the descriptor. */
	start(late, 0);
	assert_int_equal(dma_wait(&late->records[0]), DSA_COMP_SUCCESS);
}

static void what_is_reset_is_over(void **state)
{
	struct late *late = *state;

	for (unsigned int i = 0; i < NR; i++) {
		start(late, i);
		assert_ok(abi_answer(late->pfd.fd, next_cookie(late), IOMMUFD_PAGE_RESP_SUCCESS));
	}
	assert_ok(ioctl(late->d.dev, VFIO_DEVICE_RESET));
	start(late, 0);
	assert_int_equal(dma_wait(&late->records[0]), DSA_COMP_SUCCESS);
	for (unsigned int i = 1; i < NR; i++)
		assert_int_equal(late->records[i].status, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_takes_its_time),
		T(what_is_reset_is_over),
	};

	kernel_needed("run/delay");
	return cmocka_run_group_tests_name("delay", tests, NULL, NULL);
}
