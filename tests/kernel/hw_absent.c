// SPDX-License-Identifier: MIT
/*
 * hw_absent.c - proves that a function can be removed while calls on its node wait for memory of
 * their program. Such a call fails when the memory is there, and changes nothing.
 * Without a removal it does what it does with other memory.
 *
 * The program has two pages. The first is there, and the second comes in when the test says so.
 */
#include "hw_iommu.h"
#include "filler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#define UNBIND "/sys/bus/pci/drivers/iofault-pci/unbind"
#define WAIT   "/sys/module/iofault_pci/parameters/unplug_seconds"

struct call {
	struct hw hw;
	struct filler f;
	off_t config; /* offset of the configuration space in the node */
	long (*make)(struct call *call, char *at);
	size_t before; /* number of its bytes in the first page */
	long rc;
};

/* ---- the calls: each returns a negative errno on failure ---- */

static long attach(struct call *call, char *at)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.ioas_id = call->hw.ioas,
		.user_va = (uintptr_t)at,
		.length = PAGE,
		.iova = IOVA,
	};
	int rc;

	assert_ok(ioctl(call->hw.fd, IOMMU_IOAS_MAP, &map));
	rc = abi_attach(call->hw.dev, call->hw.ioas);
	return rc > 0 ? 1 : rc;
}

static long replace(struct call *call, char *at)
{
	int empty = abi_ioas(call->hw.fd);

	assert_id(empty);
	assert_id(abi_attach(call->hw.dev, (uint32_t)empty));
	return attach(call, at);
}

static long result(ssize_t n)
{
	return n < 0 ? -errno : n;
}

static long read_config(struct call *call, char *at)
{
	return result(pread(call->hw.dev, at, 64, call->config));
}

/* A nested page table, with its data in the memory that is absent. */
static long alloc_nested(struct call *call, char *at)
{
	int parent =
		abi_hwpt(call->hw.fd, call->hw.devid, call->hw.ioas, IOMMU_HWPT_ALLOC_NEST_PARENT);
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = call->hw.devid,
		.pt_id = (uint32_t)parent,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(struct iommu_hwpt_selftest),
		.data_uptr = (uintptr_t)at,
	};

	assert_id(parent);
	return result(ioctl(call->hw.fd, IOMMU_HWPT_ALLOC, &cmd));
}

/* The vendor and the device cannot be changed. */
static long write_config(struct call *call, char *at)
{
	return result(pwrite(call->hw.dev, at, 4, call->config));
}

static long get_info(struct call *call, char *at)
{
	*(uint32_t *)at = sizeof(struct vfio_device_info);
	return result(ioctl(call->hw.dev, VFIO_DEVICE_GET_INFO, at));
}

static long set_irqs(struct call *call, char *at)
{
	struct vfio_irq_set *set = (void *)at;

	set->argsz = sizeof(*set);
	set->flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	return result(ioctl(call->hw.dev, VFIO_DEVICE_SET_IRQS, set));
}

/* ---- the bed ---- */

static void *run(void *arg)
{
	struct call *call = arg;

	call->rc = call->make(call, call->f.memory + PAGE - call->before);
	return NULL;
}

static void begin(struct call *call)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};

	hw_use(&call->hw, hwi_name[HWI_PLAIN], false);
	assert_ok(ioctl(call->hw.dev, VFIO_DEVICE_GET_REGION_INFO, &info));
	call->config = (off_t)info.offset;
	filler_open(&call->f, 2);
	assert_ok(fcntl(call->f.ufd, F_SETFL, O_NONBLOCK));
	filler_fill(&call->f, call->f.memory);
}

static void end(struct call *call)
{
	hw_close(&call->hw);
	filler_close(&call->f);
}

/* Makes the call with memory that is there. */
static long expected(const struct call *call)
{
	_Alignas(8) char memory[256] = {};
	static struct call other;
	char *page = abi_pages(1);
	long rc;

	other = *call;
	begin(&other);
	/* What is mapped has to be a page. */
	rc = other.make(&other, other.before ? memory : page);
	end(&other);
	munmap(page, PAGE);
	return rc;
}

/* Unbinds the function in a child. False: that waits. */
static bool unbinds(void)
{
	time_t last = time(NULL) + HW_SECONDS;
	int status;
	pid_t pid = fork(), done;

	assert_true(pid >= 0);
	if (!pid)
		_exit(hw_write(UNBIND, hwi_name[HWI_PLAIN]) ? 1 : 0);
	do {
		sched_yield();
		done = waitpid(pid, &status, WNOHANG);
	} while (!done && time(NULL) < last);
	if (!done)
		kill(pid, SIGKILL);
	return done == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* @gone: what the call says of a function that was removed meanwhile. */
static void in_absent_memory(long (*make)(struct call *call, char *at), size_t before, int gone)
{
	static struct call call;
	pthread_t thread;
	bool unbound;
	char *page;
	int removed;
	long rc;

	call = (struct call){ .make = make, .before = before };
	rc = expected(&call);
	for (removed = 0; removed < 2; removed++) {
		begin(&call);
		assert_ok(pthread_create(&thread, NULL, run, &call));
		hw_wait_readable(call.f.ufd);
		page = filler_asked(&call.f);
		assert_ptr_equal(page, call.f.memory + PAGE);
		unbound = removed && unbinds();
		filler_fill(&call.f, page);
		pthread_join(thread, NULL);
		if (removed && !unbound)
			fail_msg("the removal waits for user memory");
		if (call.rc != (removed ? -gone : rc))
			fail_msg("%ld, not %ld, %s a removal", call.rc, removed ? -gone : rc,
				 removed ? "with" : "without");
		end(&call);
	}
	hw_take(hwi_name[HWI_PLAIN]);
}

/* ---- tests ---- */

static void an_attach(void **state)
{
	(void)state;
	in_absent_memory(attach, 0, ENODEV);
}

static void a_replace(void **state)
{
	(void)state;
	in_absent_memory(replace, 0, ENODEV);
}

static void a_nested_page_table(void **state)
{
	(void)state;
	in_absent_memory(alloc_nested, 0, ENOENT);
}

static void a_read_of_a_region(void **state)
{
	(void)state;
	in_absent_memory(read_config, 0, ENODEV);
	in_absent_memory(read_config, 32, ENODEV);
}

static void a_write_of_a_region(void **state)
{
	(void)state;
	in_absent_memory(write_config, 0, ENODEV);
}

static void an_ioctl_of_the_function(void **state)
{
	(void)state;
	in_absent_memory(get_info, sizeof(uint32_t), ENODEV);
	in_absent_memory(set_irqs, offsetof(struct vfio_irq_set, index), ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attach),	       cmocka_unit_test(a_replace),
		cmocka_unit_test(a_nested_page_table), cmocka_unit_test(a_read_of_a_region),
		cmocka_unit_test(a_write_of_a_region), cmocka_unit_test(an_ioctl_of_the_function),
	};
	int failed;

	hwi_begin("kernel/hw_absent");
	assert_ok(hw_write(WAIT, "0"));
	failed = cmocka_run_group_tests_name("hw_absent", tests, NULL, NULL);
	hwi_end();
	return failed;
}
