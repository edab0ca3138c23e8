// SPDX-License-Identifier: MIT
/*
 * real_dsa.c - proves that the driver of a real DSA configures and uses a good device as the
 * specification says, and that a broken or hostile one ends each call in time, with one reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <iofault/iofault.h>
#include <iofault/vfio.h>

#include "fake_dsa.h"
#include "tools/real_guard.h"

#define NODE 1000 /* a descriptor that only the fake knows */

static struct iof_real_machine machine;
static struct iof_real_dsa dsa;
static const uint32_t pasids[] = { 5, 6, 7, 8, 9, 10, 11, 12, 13 };

static int create(void **state)
{
	(void)state;
	fake_create();
	machine = fake_machine;
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	iof_real_dsa_close(&dsa);
	fake_destroy();
	return 0;
}

static int open_it(void)
{
	fake_power_on();
	return iof_real_dsa_open(&dsa, &machine, NODE);
}

static int start(uint32_t nr)
{
	struct iof_real_config config = {
		.pasids = pasids,
		.nr_pasids = nr,
		.engines = 1,
		.depth = 16,
		.interrupt = 77,
	};

	return iof_real_dsa_start(&dsa, &config);
}

static void open_and_start(uint32_t nr)
{
	assert_int_equal(open_it(), 0);
	assert_int_equal(start(nr), 0);
}

static void expect_why(const char *text)
{
	if (!strstr(dsa.why, text))
		fail_msg("the reason is: %s", dsa.why);
}

/* Opening fails with @rc and @text, and nothing stays mapped. */
static void expect_no_open(int rc, const char *text)
{
	assert_int_equal(open_it(), rc);
	expect_why(text);
	assert_null(dsa.regs);
	assert_null(dsa.portals);
}

static void expect_no_start(int rc, const char *text)
{
	assert_int_equal(open_it(), 0);
	assert_int_equal(start(1), rc);
	expect_why(text);
}

static struct dsa_hw_desc noop(uint32_t pasid)
{
	return (struct dsa_hw_desc){
		.pasid = pasid,
		.flags = IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR | IDXD_OP_FLAG_RCI,
		.completion_addr = 0x1000,
	};
}

static void wait_arrived(uint64_t nr)
{
	while (__atomic_load_n(&fake->arrived, __ATOMIC_ACQUIRE) < nr) {
		assert_int_equal(__atomic_load_n(&fake->lost, __ATOMIC_RELAXED), 0);
		sched_yield();
	}
}

/* ---- a good device ---- */

static void a_real_one_is_told_from_one_in_software(void **state)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iof_world_config config = { .kind = IOF_WORLD_EMBEDDED };
	struct iof_world *world;
	int iommufd, device;

	(void)state;
	assert_int_equal(iof_real_dsa_is(&machine, NODE), 1);
	fake->bar1 = true;
	assert_int_equal(iof_real_dsa_is(&machine, NODE), 0);

	assert_int_equal(iof_world_open(&config, &world), 0);
	iommufd = iof_open(world, "/dev/iommu", O_RDWR);
	device = iof_open(world, "/dev/vfio/devices/vfio0", O_RDWR);
	bind.iommufd = iommufd;
	assert_int_equal(iof_ioctl(device, VFIO_DEVICE_BIND_IOMMUFD, &bind), 0);
	assert_int_equal(iof_real_dsa_is(&iof_real_machine, device), 0);
	assert_int_equal(iof_real_dsa_is(&iof_real_machine, iommufd), -ENOTTY);
	iof_close(device);
	iof_close(iommufd);
	assert_int_equal(iof_world_close(world), 0);
}

static void its_capabilities_are_read(void **state)
{
	(void)state;
	assert_int_equal(open_it(), 0);
	assert_int_equal(dsa.version, 0x100);
	assert_int_equal(dsa.nr_queues, FAKE_QUEUES);
	assert_int_equal(dsa.nr_engines, 4);
	assert_int_equal(dsa.entries, FAKE_ENTRIES);
	assert_int_equal(dsa.max_transfer, 1ull << 31);
	assert_int_equal(dsa.max_batch, 1024);
	assert_int_equal(fake->control, 6); /* memory and bus mastering */
	assert_int_equal(fake->nr_commands, 0);
}

static void it_is_configured_as_the_specification_says(void **state)
{
	const uint32_t commands[] = {
		DSA_CMD(DSA_CMD_RESET_DEVICE, 0),      DSA_CMD(DSA_CMD_ENABLE_DEVICE, 0),
		DSA_CMD(DSA_CMD_REQUEST_INTERRUPT, 1), DSA_CMD(DSA_CMD_ENABLE_QUEUE, 0),
		DSA_CMD(DSA_CMD_REQUEST_INTERRUPT, 2), DSA_CMD(DSA_CMD_ENABLE_QUEUE, 1),
	};
	uint32_t at = FAKE_QUEUES_AT;

	(void)state;
	open_and_start(2);
	assert_int_equal(fake->nr_commands, 6);
	assert_memory_equal(fake->commands, commands, sizeof(commands));
	assert_int_equal(fake_read32(at), FAKE_ENTRIES / 2);
	/* dedicated, blocks on faults, priority 8, PASID 5 */
	assert_int_equal(fake_read32(at + 8), 0x10000583);
	assert_int_equal(fake_read32(at + 12), 31 | 10 << 5);
	assert_int_equal(fake_read32(at + 32), 0x000303ff); /* all operations */
	assert_int_equal(fake_read32(at + 36), 1);
	assert_int_equal(fake_read32(at + 64 + 8), 0x10000683);
	assert_int_equal(fake_read32(at + 128), 0); /* the third queue has no entries */
	assert_int_equal(fake_read64(FAKE_GROUPS_AT), 3);
	assert_int_equal(fake_read64(FAKE_GROUPS_AT + 32), 1);
	assert_int_equal(fake_read32(FAKE_GROUPS_AT + 40), 96 << 20 | 0x9);
	assert_int_equal(fake_read32(FAKE_RIGHTS_AT), 0);
	assert_int_equal(fake_read32(FAKE_RIGHTS_AT + 8), 5 << 12 | 8);
	assert_int_equal(fake_read32(FAKE_RIGHTS_AT + 16), 6 << 12 | 8);
	assert_int_equal(fake->interrupts[0], 77);
	assert_int_equal(fake->interrupts[1], 77);
	assert_int_equal(iof_real_dsa_check(&dsa), 0);
}

static void descriptors_go_to_the_queue_of_their_pasid(void **state)
{
	struct dsa_hw_desc descs[3] = { noop(5), noop(6), noop(5) };
	struct dsa_hw_desc stray = noop(4);

	(void)state;
	open_and_start(2);
	assert_int_equal(iof_real_dsa_submit(&dsa, descs, 3), 3);
	wait_arrived(3);
	assert_int_equal(iof_real_dsa_submit(&dsa, &stray, 1), -EINVAL);
	expect_why("PASID 4 has no work queue");
	assert_int_equal(fake->lost, 0);
	/* The device looks into one portal after the other. */
	assert_int_equal(fake->kept_queue[0] + fake->kept_queue[1] + fake->kept_queue[2], 1);
	assert_int_equal(iof_real_dsa_check(&dsa), 0);
}

/* A portal has 64 places; more descriptors than that go round. */
static void many_descriptors_arrive_whole_and_in_order(void **state)
{
	uint32_t i;

	(void)state;
	open_and_start(1);
	for (i = 0; i < FAKE_KEPT; i++) {
		struct dsa_hw_desc desc = noop(5);

		desc.xfer_size = i;
		desc.op_specific[23] = (uint8_t)i;
		assert_int_equal(iof_real_dsa_submit(&dsa, &desc, 1), 1);
		wait_arrived(i + 1);
	}
	for (i = 0; i < FAKE_KEPT; i++) {
		assert_int_equal(fake->kept[i].xfer_size, i);
		assert_int_equal(fake->kept[i].op_specific[23], (uint8_t)i);
	}
	assert_int_equal(fake->lost, 0);
}

static void depth_and_engines_are_lowered_to_what_it_has(void **state)
{
	struct iof_real_config config = {
		.pasids = pasids, .nr_pasids = 8, .engines = 16, .depth = 1000, .interrupt = 77
	};

	(void)state;
	assert_int_equal(open_it(), 0);
	assert_int_equal(iof_real_dsa_start(&dsa, &config), 0);
	assert_int_equal(config.depth, FAKE_ENTRIES / 8);
	assert_int_equal(config.engines, 4);
	assert_int_equal(fake_read64(FAKE_GROUPS_AT + 32), 0xf);
}

static void without_handles_the_vector_is_named(void **state)
{
	struct dsa_hw_desc desc = noop(5);

	(void)state;
	fake_write64(DSA_REG_GENCAP, fake_read64(DSA_REG_GENCAP) & ~DSA_GENCAP_CMDCAP);
	open_and_start(1);
	assert_int_equal(fake->nr_commands, 3);
	assert_int_equal(iof_real_dsa_submit(&dsa, &desc, 1), 1);
	wait_arrived(1);
	assert_int_equal(fake->kept[0].int_handle, 1);
}

static void it_is_disabled_and_reset_at_the_end(void **state)
{
	(void)state;
	open_and_start(1);
	assert_int_equal(iof_real_dsa_stop(&dsa, true), 0);
	assert_int_equal(fake->commands[4], DSA_CMD(DSA_CMD_DISABLE_DEVICE, 0));
	assert_int_equal(fake->commands[5], DSA_CMD(DSA_CMD_RESET_DEVICE, 0));
	assert_int_equal(fake->nr_commands, 6);
	assert_int_equal(iof_real_dsa_stop(&dsa, true), 0); /* nothing more */
	assert_int_equal(fake->nr_commands, 6);
	assert_int_equal(fake->function_resets, 0);
	assert_int_equal(start(3), 0); /* and can be used again */
	assert_int_equal(iof_real_dsa_stop(&dsa, false), 0);
}

/* ---- the CPU ---- */

static void without_either_instruction_it_is_refused(void **state)
{
	(void)state;
	fake->no_movdir64b = true;
	expect_no_start(-EOPNOTSUPP, "this CPU has neither movdir64b nor enqcmd");
	assert_int_equal(fake->nr_commands, 0);
	assert_int_equal(iof_real_dsa_stop(&dsa, false), 0);
}

static void an_instruction_without_its_queue_is_refused(void **state)
{
	(void)state;
	fake_write64(DSA_REG_WQCAP, fake_read64(DSA_REG_WQCAP) & ~DSA_WQCAP_DEDICATED);
	expect_no_start(-EOPNOTSUPP, "no queue for the instruction that this CPU has: movdir64b");
}

static void a_shared_queue_is_used_by_enqcmd(void **state)
{
	struct dsa_hw_desc descs[2] = { noop(5), noop(5) };

	(void)state;
	fake->no_movdir64b = true;
	fake->enqcmd = true;
	open_and_start(1);
	assert_int_equal(fake_read32(FAKE_QUEUES_AT + 4), FAKE_ENTRIES);
	assert_int_equal(fake_read32(FAKE_QUEUES_AT + 8), 0x10000582); /* not dedicated */
	fake->enqcmd_fails = 1;
	assert_int_equal(iof_real_dsa_submit(&dsa, descs, 2), -EAGAIN);
	assert_int_equal(iof_real_dsa_submit(&dsa, descs, 2), 2);
	wait_arrived(2);
	fake->enqcmd_fails = UINT32_MAX;
	assert_int_equal(iof_real_dsa_submit(&dsa, descs, 2), -EACCES);
	expect_why("no PASID for enqcmd");
}

static void a_shared_queue_has_one_pasid(void **state)
{
	(void)state;
	fake->no_movdir64b = true;
	fake->enqcmd = true;
	assert_int_equal(open_it(), 0);
	assert_int_equal(start(2), -EOPNOTSUPP);
	expect_why("the PASID of the process, and no other");
}

/* The instructions themselves, where the CPU has them; memory takes them as a portal does. */
static void movdir64b_writes_64_bytes(void **state)
{
	struct dsa_hw_desc desc = noop(0);
	char *page;

	(void)state;
	if (!iof_real_machine.has_movdir64b())
		skip();
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	iof_real_machine.movdir64b(page + 64, &desc);
	assert_memory_equal(page + 64, &desc, sizeof(desc));
	assert_int_equal(page[63], 0);
	assert_int_equal(page[128], 0);
	munmap(page, 4096);
}

static void the_cpu_is_asked_as_the_kernel_was(void **state)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[8192];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "flags", 5))
			break;
	fclose(file);
	assert_int_equal(iof_real_machine.has_movdir64b(), !!strstr(line, " movdir64b"));
	/* The kernel may have switched ENQCMD off, which CPUID does not tell. */
	if (strstr(line, " enqcmd"))
		assert_true(iof_real_machine.has_enqcmd());
}

/* ---- what it tells ---- */

static void without_mapping_it_is_refused(void **state)
{
	(void)state;
	fake->no_map = true;
	expect_no_open(-EOPNOTSUPP, "its BAR 0 cannot be mapped");
}

static void small_portals_are_refused(void **state)
{
	(void)state;
	fake->portals_size = FAKE_PORTALS - 4096;
	expect_no_open(-EPROTO, "its BAR 2 has 126976 bytes, not 131072 or more");
}

static void huge_portals_are_mapped_in_part(void **state)
{
	(void)state;
	fake->portals_size = 1ull << 60;
	assert_int_equal(open_it(), 0);
	assert_int_equal(dsa.portals_size, 256 * DSA_PORTAL_STRIDE);
}

static void an_unknown_version_is_refused(void **state)
{
	(void)state;
	fake_write32(DSA_REG_VERSION, 0x402);
	expect_no_open(-EOPNOTSUPP, "version 4.2");
}

static void ones_are_a_device_that_is_gone(void **state)
{
	uint32_t at;

	(void)state;
	for (at = 0; at < FAKE_REGS_SIZE; at += 8)
		fake_write64(at, UINT64_MAX);
	expect_no_open(-ENODEV, "does not respond any more");
}

static void zeros_are_refused(void **state)
{
	uint32_t at;

	(void)state;
	for (at = 0; at < FAKE_REGS_SIZE; at += 8)
		fake_write64(at, 0);
	expect_no_open(-EOPNOTSUPP, "version 0.0");
}

static void counts_of_zero_are_refused(void **state)
{
	static const struct {
		uint32_t at;
		uint64_t clear;
		const char *why;
	} cases[] = {
		{ DSA_REG_WQCAP, 0xffff, "8 work queues of 0 entries" },
		{ DSA_REG_WQCAP, 0xff0000, "0 work queues of 128 entries" },
		{ DSA_REG_ENGCAP, 0xff, "0 engines and 4 groups" },
		{ DSA_REG_GRPCAP, 0xff, "4 engines and 0 groups" },
		{ DSA_REG_WQCAP, DSA_WQCAP_DEDICATED | DSA_WQCAP_SHARED, "neither dedicated" },
		{ DSA_REG_WQCAP, 0xf000000, "masks of operations, in 32 bytes" },
	};
	size_t i;

	(void)state;
	fake_power_on();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t good = fake_read64(cases[i].at);

		fake_write64(cases[i].at, good & ~cases[i].clear);
		assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), -EPROTO);
		expect_why(cases[i].why);
		fake_write64(cases[i].at, good);
	}
	assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), 0);
}

static void what_it_lacks_is_named(void **state)
{
	static const struct {
		uint32_t at;
		uint64_t clear;
		const char *why;
	} cases[] = {
		{ DSA_REG_GENCAP, DSA_GENCAP_BLOCK_ON_FAULT, "cannot block on page faults" },
		{ DSA_REG_GENCAP, DSA_GENCAP_CONFIGURABLE, "configuration is read-only" },
		{ DSA_REG_OPCAP, 1 << DSA_OPCODE_CRCGEN, "lacks the operation 0x10" },
	};
	size_t i;

	(void)state;
	fake_power_on();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t good = fake_read64(cases[i].at);

		fake_write64(cases[i].at, good & ~cases[i].clear);
		assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), -EOPNOTSUPP);
		expect_why(cases[i].why);
		fake_write64(cases[i].at, good);
	}
}

/* The last entry of each table must be in the BAR, and the first behind the registers. */
static void tables_outside_of_the_bar_are_refused(void **state)
{
	static const char *const names[] = { "groups", "queues", "interrupts" };
	static const uint64_t places[] = { 0, 0xffff, FAKE_REGS_SIZE >> 8 };
	uint64_t good, cap;
	unsigned int i, k;

	(void)state;
	fake_power_on();
	good = fake_read64(DSA_REG_TABLE_OFFSETS);
	for (i = 0; i < 3; i++) {
		for (k = 0; k < 3; k++) {
			fake_write64(DSA_REG_TABLE_OFFSETS,
				     (good & ~(0xffffull << 16 * i)) | places[k] << 16 * i);
			assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), -EPROTO);
			expect_why(names[i]);
			assert_null(dsa.regs);
		}
	}
	/* A table that begins in the BAR and does not end there, by count or by stride. */
	fake_write64(DSA_REG_TABLE_OFFSETS, (good & ~0xffff0000ull) | ((FAKE_REGS_SIZE >> 8) - 1)
									      << 16);
	assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), -EPROTO);
	fake_write64(DSA_REG_TABLE_OFFSETS, good);
	cap = fake_read64(DSA_REG_WQCAP);
	fake_write64(DSA_REG_WQCAP, cap | 0xf000000);
	assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), -EPROTO);
	expect_why("queues");
	fake_write64(DSA_REG_WQCAP, cap);
	assert_int_equal(iof_real_dsa_open(&dsa, &machine, NODE), 0);
}

/*
 * Whatever the capabilities are, opening ends, and a device that was opened can be used in bounds.
 */
static void random_capabilities_do_no_harm(void **state)
{
	static const uint32_t registers[] = { DSA_REG_GENCAP, DSA_REG_WQCAP, DSA_REG_GRPCAP,
					      DSA_REG_ENGCAP, DSA_REG_TABLE_OFFSETS };
	uint64_t good[5], seed = 1;
	uint32_t i, k, opened = 0;

	(void)state;
	machine.command_ms = 0;
	fake_power_on();
	for (k = 0; k < 5; k++)
		good[k] = fake_read64(registers[k]);
	for (i = 0; i < 2000; i++) {
		for (k = 0; k < 5; k++) {
			uint64_t flips = ~0ull;
			int nr;

			/* about two bits of each register differ from a good one */
			for (nr = 0; nr < 5; nr++) {
				seed = seed * 6364136223846793005ull + 1442695040888963407ull;
				flips &= seed ^ seed >> 29;
			}
			fake_write64(registers[k], good[k] ^ flips);
		}
		if (iof_real_dsa_open(&dsa, &machine, NODE))
			continue;
		opened++;
		(void)start(1 + i % 9);
		(void)iof_real_dsa_check(&dsa);
		(void)iof_real_dsa_stop(&dsa, i & 1);
		iof_real_dsa_close(&dsa);
	}
	assert_in_range(opened, 1, 1999);
}

/* ---- what it does ---- */

static void a_command_that_never_ends_is_given_up(void **state)
{
	(void)state;
	machine.command_ms = 20;
	fake->stuck = DSA_CMD_RESET_DEVICE;
	expect_no_start(-ETIMEDOUT, "resetting it has not ended after 20 ms");
	/* Its own reset is stuck, so the function is reset. */
	assert_int_equal(iof_real_dsa_stop(&dsa, false), 0);
	assert_int_equal(fake->function_resets, 1);
}

static void without_any_reset_that_is_said(void **state)
{
	(void)state;
	machine.command_ms = 20;
	fake->stuck = DSA_CMD_RESET_DEVICE;
	fake->reset_fails = true;
	expect_no_start(-ETIMEDOUT, "resetting it");
	assert_int_equal(iof_real_dsa_stop(&dsa, false), -EIO);
	expect_why("resetting it has not ended after 20 ms; the reset of the function failed");
}

static void each_command_may_be_stuck_or_refused(void **state)
{
	static const uint32_t commands[] = { DSA_CMD_RESET_DEVICE, DSA_CMD_ENABLE_DEVICE,
					     DSA_CMD_REQUEST_INTERRUPT, DSA_CMD_ENABLE_QUEUE };
	static const char *const names[] = { "resetting it", "enabling it",
					     "requesting an interrupt", "enabling a work queue" };
	size_t i;

	(void)state;
	fake->error = 0x7f;
	assert_int_equal(open_it(), 0);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		__atomic_store_n(&fake->refused, commands[i], __ATOMIC_RELEASE);
		assert_int_equal(start(1), -EIO);
		expect_why(names[i]);
		expect_why("failed: its specification has the reason (CMDSTS 0x7f)");
		__atomic_store_n(&fake->refused, 0, __ATOMIC_RELEASE);
	}
	assert_int_equal(start(1), 0);
}

static void errors_of_commands_have_words(void **state)
{
	(void)state;
	fake->refused = DSA_CMD_ENABLE_DEVICE;
	fake->error = 0x13;
	expect_no_start(-EIO, "enabling it failed: the IOMMU or the kernel has not enabled PASIDs");
}

static void a_command_without_effect_is_noticed(void **state)
{
	(void)state;
	fake->ignored = DSA_CMD_ENABLE_DEVICE;
	expect_no_start(-EIO, "after it was enabled it is disabled, not enabled");
}

static void a_queue_that_stays_disabled_is_noticed(void **state)
{
	(void)state;
	fake->ignored = DSA_CMD_ENABLE_QUEUE;
	expect_no_start(-EIO, "its work queue 0 stays disabled");
}

static void tables_that_take_nothing_are_noticed(void **state)
{
	(void)state;
	fake->writes_lost = true;
	expect_no_start(-EIO, "the size of a queue cannot be set: 0x80 was written, 0x0 is read");
}

static void too_few_interrupts_are_refused(void **state)
{
	(void)state;
	fake->nr_irqs = 1;
	expect_no_start(-EOPNOTSUPP, "it has 1 interrupts for 1 queues");
}

static void more_queues_than_it_has_are_refused(void **state)
{
	(void)state;
	assert_int_equal(open_it(), 0);
	assert_int_equal(start(9), -EOPNOTSUPP);
	expect_why("it has 8 work queues, not 9");
}

/* The device works well, and then it does not. */
static void expect_end(enum fake_end how, int rc, const char *text)
{
	struct dsa_hw_desc desc = noop(5);

	fake->end = how;
	fake->after = 1;
	open_and_start(1);
	assert_int_equal(iof_real_dsa_submit(&dsa, &desc, 1), 1);
	wait_arrived(1);
	assert_int_equal(iof_real_dsa_check(&dsa), 0);
	assert_int_equal(iof_real_dsa_submit(&dsa, &desc, 1), 1);
	wait_arrived(2);
	assert_int_equal(iof_real_dsa_check(&dsa), rc);
	expect_why(text);
}

static void an_unplugged_device_is_noticed(void **state)
{
	struct dsa_hw_desc desc = noop(5);

	(void)state;
	expect_end(FAKE_UNPLUGGED, -ENODEV, "does not respond any more");
	assert_int_equal(iof_real_dsa_check(&dsa), -ENODEV);
	assert_int_equal(iof_real_dsa_submit(&dsa, &desc, 1), -ENODEV);
	assert_int_equal(iof_real_dsa_stop(&dsa, false), -ENODEV);
}

static void a_bar_that_vanishes_is_an_unplugged_device(void **state)
{
	struct dsa_hw_desc desc = noop(5);
	struct sigaction before, after;

	(void)state;
	sigaction(SIGBUS, NULL, &before);
	expect_end(FAKE_TRUNCATED, -ENODEV, "does not respond any more");
	/* The portal is gone, too, and a write to it does no harm. */
	dsa.gone = false;
	assert_int_equal(iof_real_dsa_submit(&dsa, &desc, 1), 1);
	assert_int_equal(iof_real_dsa_stop(&dsa, false), -ENODEV);
	iof_real_dsa_close(&dsa);
	sigaction(SIGBUS, NULL, &after);
	assert_ptr_equal(before.sa_sigaction, after.sa_sigaction);
}

static void a_disabled_device_is_noticed(void **state)
{
	(void)state;
	expect_end(FAKE_DISABLED, -EIO, "in the middle of its work it is disabled, not enabled");
	assert_int_equal(iof_real_dsa_stop(&dsa, false), 0);
}

static void a_halted_device_is_noticed(void **state)
{
	(void)state;
	expect_end(FAKE_HALTED, -EIO, "in the middle of its work it is halted");
	assert_int_equal(iof_real_dsa_stop(&dsa, false), 0);
}

static void an_error_is_reported_once(void **state)
{
	(void)state;
	expect_end(FAKE_COMPLAINS, -EIO,
		   "reports an error of its hardware in queue 0 (SWERR 0x20, operation 0x00, "
		   "address 0x1234000)");
	assert_int_equal(iof_real_dsa_check(&dsa), 0);
	assert_int_equal(iof_real_dsa_stop(&dsa, true), 0);
}

/* ---- signals ---- */

/*
 * What ENQCMD raises in a process without a PASID. This is the last test: after a jump out of a
 * handler, TSan holds signals back.
 */
static void a_protection_fault_comes_back(void **state)
{
	static char page[1]; /* only for a mapping to be guarded */
	volatile int tries = 0;
	sigjmp_buf back;

	(void)state;
	assert_int_equal(iof_real_guard(page, 1), 0);
	while (tries < 3) {
		if (!sigsetjmp(back, 0)) {
			iof_real_guard_faults(&back);
			raise(SIGSEGV);
			fail();
		}
		tries++;
	}
	iof_real_unguard(page);
}

static volatile sig_atomic_t nr_passed;

static void count(int number)
{
	(void)number;
	nr_passed++;
}

static void signals_of_others_are_passed_on(void **state)
{
	struct sigaction action = { .sa_handler = count }, old_bus, old_segv;

	(void)state;
	sigaction(SIGBUS, &action, &old_bus);
	sigaction(SIGSEGV, &action, &old_segv);
	assert_int_equal(open_it(), 0);
	raise(SIGBUS);
	raise(SIGSEGV);
	iof_real_dsa_close(&dsa);
	raise(SIGBUS);
	assert_int_equal(nr_passed, 3);
	sigaction(SIGBUS, &old_bus, NULL);
	sigaction(SIGSEGV, &old_segv, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_real_one_is_told_from_one_in_software),
		CASE(its_capabilities_are_read),
		CASE(it_is_configured_as_the_specification_says),
		CASE(descriptors_go_to_the_queue_of_their_pasid),
		CASE(many_descriptors_arrive_whole_and_in_order),
		CASE(depth_and_engines_are_lowered_to_what_it_has),
		CASE(without_handles_the_vector_is_named),
		CASE(it_is_disabled_and_reset_at_the_end),
		CASE(without_either_instruction_it_is_refused),
		CASE(an_instruction_without_its_queue_is_refused),
		CASE(a_shared_queue_is_used_by_enqcmd),
		CASE(a_shared_queue_has_one_pasid),
		CASE(movdir64b_writes_64_bytes),
		CASE(the_cpu_is_asked_as_the_kernel_was),
		CASE(without_mapping_it_is_refused),
		CASE(small_portals_are_refused),
		CASE(huge_portals_are_mapped_in_part),
		CASE(an_unknown_version_is_refused),
		CASE(ones_are_a_device_that_is_gone),
		CASE(zeros_are_refused),
		CASE(counts_of_zero_are_refused),
		CASE(what_it_lacks_is_named),
		CASE(tables_outside_of_the_bar_are_refused),
		CASE(random_capabilities_do_no_harm),
		CASE(a_command_that_never_ends_is_given_up),
		CASE(without_any_reset_that_is_said),
		CASE(each_command_may_be_stuck_or_refused),
		CASE(errors_of_commands_have_words),
		CASE(a_command_without_effect_is_noticed),
		CASE(a_queue_that_stays_disabled_is_noticed),
		CASE(tables_that_take_nothing_are_noticed),
		CASE(too_few_interrupts_are_refused),
		CASE(more_queues_than_it_has_are_refused),
		CASE(an_unplugged_device_is_noticed),
		CASE(a_bar_that_vanishes_is_an_unplugged_device),
		CASE(a_disabled_device_is_noticed),
		CASE(a_halted_device_is_noticed),
		CASE(an_error_is_reported_once),
		CASE(signals_of_others_are_passed_on),
		CASE(a_protection_fault_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
