// SPDX-License-Identifier: MIT
/*
 * hw_vtd.c - proves that a PCI function behind VT-d or AMD-Vi can be used through its node: its DMA
 * reaches mapped memory and no other, its interrupts arrive, it can be reset and unplugged in use,
 * and passes from one program to the next.
 *
 * The function is QEMU's edu device.
 */
#include "hw.h"
#include "edu.h"

#include <linux/pci_regs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define BYTES 2048
#define AT    0x200000ul

static char plain[16], gone[16]; /* gone is behind a root port, if it is there */

static void edu_set(struct hw *hw, unsigned int at, uint64_t value)
{
	*(volatile uint64_t *)(hw->bar + at) = value;
}

static void edu_dma(struct hw *hw, uint64_t from, uint64_t to, uint64_t direction)
{
	time_t end = time(NULL) + HW_SECONDS;

	edu_set(hw, EDU_SOURCE, from);
	edu_set(hw, EDU_TARGET, to);
	edu_set(hw, EDU_COUNT, BYTES);
	edu_set(hw, EDU_DMA, 1 | direction);
	while (*(volatile uint64_t *)(hw->bar + EDU_DMA) & 1) {
		assert_true(time(NULL) < end);
		sched_yield();
	}
}

static void edu_open(struct hw *hw, const char *name)
{
	hw_use(hw, name, true);
	hw_command(hw, 2 | 4);
	hw_map_bar(hw);
	assert_int_equal(*(volatile uint32_t *)(hw->bar + EDU_ID) & 0xffff, 0x00ed);
}

/* The kernel's log from now on. */
static int open_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * Waits until the log has VT-d's fault at @iova. Only the first fault of a boot is sure to be
 * there: QEMU drops others of the same function while one is pending. QEMU's AMD-Vi reports none.
 */
static void expect_dmar_fault(int fd, uint64_t iova)
{
	char line[1024], wanted[32];
	ssize_t n;

	if (access("/sys/class/iommu/dmar0", F_OK)) {
		close(fd);
		return;
	}
	snprintf(wanted, sizeof(wanted), "fault addr 0x%lx", (unsigned long)iova);
	for (;;) {
		hw_wait_readable(fd);
		n = read(fd, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		assert_true(n > 0);
		line[n] = '\0';
		if (strstr(line, "DMAR") && strstr(line, wanted))
			break;
	}
	close(fd);
}

static int setup(void **state)
{
	static struct hw hw;

	edu_open(&hw, plain);
	*state = &hw;
	return 0;
}

static void needs_root_port(void)
{
	if (!gone[0])
		skip_because("no edu device behind a root port");
}

static int teardown(void **state)
{
	hw_close(*state);
	return 0;
}

static void dma_compares_equal_and_ends_with_the_mapping(void **state)
{
	char *memory = abi_pages(2), *from = memory, *to = memory + PAGE;
	struct hw *hw = *state;
	int log;

	memset(from, 0x5a, BYTES);
	from[3] = 7;
	assert_ok(abi_map(hw->fd, hw->ioas, memory, 2 * PAGE, AT));
	edu_dma(hw, AT, EDU_BUFFER, 0);
	edu_dma(hw, EDU_BUFFER, AT + PAGE, EDU_TO_RAM);
	assert_memory_equal(from, to, BYTES);

	memset(to, 0, BYTES);
	assert_ok(abi_unmap(hw->fd, hw->ioas, AT, 2 * PAGE));
	log = open_log();
	edu_dma(hw, EDU_BUFFER, AT + PAGE, EDU_TO_RAM);
	expect_dmar_fault(log, AT + PAGE);
	assert_int_equal(to[3], 0);
	assert_memory_equal(to, to + 1, BYTES - 1);
	munmap(memory, 2 * PAGE);
}

static void a_detached_function_reaches_nothing(void **state)
{
	struct hw *hw = *state;
	char *memory = abi_pages(1);

	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, AT));
	assert_ok(abi_detach(hw->dev));
	edu_dma(hw, EDU_BUFFER, AT, EDU_TO_RAM);
	assert_int_equal(memory[0], 0);
	assert_memory_equal(memory, memory + 1, BYTES - 1);
	/* The same DMA reaches it when the mapping is in force again. */
	assert_id(abi_attach(hw->dev, hw->ioas));
	memset(memory, 0x66, BYTES);
	edu_dma(hw, AT, EDU_BUFFER, 0);
	memset(memory, 0, BYTES);
	edu_dma(hw, EDU_BUFFER, AT, EDU_TO_RAM);
	assert_int_equal(memory[0], 0x66);
	munmap(memory, PAGE);
}

/* Raises the interrupt of the function, and takes it. */
static void expect_interrupt(struct hw *hw, int event)
{
	uint64_t count;

	*(volatile uint32_t *)(hw->bar + EDU_RAISE) = 1;
	hw_wait_readable(event);
	assert_int_equal(read(event, &count, 8), 8);
	assert_int_equal(count, 1);
	*(volatile uint32_t *)(hw->bar + EDU_ACK) = 1;
}

/* Where a range ends, an IOMMU's page table ends. */
static void all_that_is_allowed_can_be_mapped(void **state)
{
	struct iommu_iova_range ranges[16] = {};
	struct iommu_ioas_iova_ranges ask = {
		.size = sizeof(ask),
		.num_iovas = 16,
		.allowed_iovas = (uintptr_t)ranges,
	};
	struct hw *hw = *state;
	char *memory = abi_pages(1);
	uint64_t beyond;
	unsigned int i;

	ask.ioas_id = hw->ioas;
	assert_ok(ioctl(hw->fd, IOMMU_IOAS_IOVA_RANGES, &ask));
	assert_in_range(ask.num_iovas, 1, 16);
	for (i = 0; i < ask.num_iovas; i++) {
		assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, ranges[i].start));
		assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, ranges[i].last + 1 - PAGE));
	}
	beyond = ranges[i - 1].last + 1;
	if (beyond) {
		assert_int_equal(abi_map(hw->fd, hw->ioas, memory, PAGE, beyond), -EINVAL);
		/* A mapping for which the page table has no room keeps the function out. */
		assert_ok(abi_detach(hw->dev));
		assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, beyond));
		assert_int_equal(abi_attach(hw->dev, hw->ioas), -EADDRINUSE);
	}
	munmap(memory, PAGE);
}

static void an_interrupt_reaches_its_eventfd(void **state)
{
	struct hw *hw = *state;
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), i;

	assert_ok(hw_irq(hw, VFIO_PCI_MSI_IRQ_INDEX, 0, event));
	for (i = 1; i <= 3; i++)
		expect_interrupt(hw, event);
	assert_ok(hw_irq(hw, VFIO_PCI_MSI_IRQ_INDEX, 0, -1));
	close(event);
}

static void a_second_user_has_to_wait_and_finds_nothing(void **state)
{
	struct hw *first = *state, second;
	char *memory = abi_pages(1);
	int dev = hw_open(plain), fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	assert_true(dev >= 0 && fd >= 0);
	/* As on Linux, where a node has one user at a time. */
	assert_err(abi_bind(dev, fd), EINVAL);
	assert_ok(abi_map(first->fd, first->ioas, memory, PAGE, AT));
	close(dev);
	close(fd);
	hw_close(first);
	edu_open(&second, plain);
	/* The mapping of the first user is gone with its context. */
	memset(memory, 0x11, BYTES);
	edu_dma(&second, EDU_BUFFER, AT, EDU_TO_RAM);
	assert_int_equal(memory[0], 0x11);
	assert_memory_equal(memory, memory + 1, BYTES - 1);
	hw_close(&second);
	munmap(memory, PAGE);
}

/* Reads a function's configuration space past its node. */
static uint16_t config_of(const char *name, unsigned int at)
{
	uint16_t value = 0;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &value, sizeof(value), at), sizeof(value));
	close(fd);
	return value;
}

static unsigned int msi_of(const char *name)
{
	unsigned int at = config_of(name, PCI_CAPABILITY_LIST) & 0xff;

	while (at && (config_of(name, at) & 0xff) != PCI_CAP_ID_MSI)
		at = config_of(name, at) >> 8;
	assert_int_not_equal(at, 0);
	return at;
}

/* After the last close the function does no DMA and raises no interrupt, until the next bind. */
static void a_close_makes_the_function_quiet(void **state)
{
	unsigned int msi = msi_of(plain) + PCI_MSI_FLAGS;
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct hw *hw = *state;

	assert_ok(hw_irq(hw, VFIO_PCI_MSI_IRQ_INDEX, 0, event));
	assert_true(config_of(plain, PCI_COMMAND) & PCI_COMMAND_MASTER);
	assert_true(config_of(plain, msi) & PCI_MSI_FLAGS_ENABLE);
	hw_close(hw);
	assert_false(config_of(plain, PCI_COMMAND) & PCI_COMMAND_MASTER);
	assert_false(config_of(plain, msi) & PCI_MSI_FLAGS_ENABLE);
	close(event);
}

static void a_reset_leaves_the_mappings(void **state)
{
	char *memory = abi_pages(1);
	struct hw hw;

	(void)state;
	needs_root_port();
	edu_open(&hw, gone);
	assert_ok(abi_map(hw.fd, hw.ioas, memory, PAGE, AT));
	assert_ok(ioctl(hw.dev, VFIO_DEVICE_RESET));
	hw_command(&hw, 2 | 4);
	memset(memory, 0x33, BYTES);
	edu_dma(&hw, AT, EDU_BUFFER, 0);
	memset(memory, 0, BYTES);
	edu_dma(&hw, EDU_BUFFER, AT, EDU_TO_RAM);
	assert_int_equal(memory[BYTES - 1], 0x33);
	hw_close(&hw);
	munmap(memory, PAGE);
}

/* ---- suspend ---- */

static int freeze(void)
{
	return hw_suspend("freeze", "devices");
}

/* The IOMMU goes off and on, too. */
static int suspend_up_to_the_core(void)
{
	return hw_suspend("mem", "core");
}

/* A mapping, an interrupt and the configuration space are as before, and so is an unmap. */
static void survives(struct hw *hw, int (*way)(void), char byte)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), rc;
	char *memory = abi_pages(1);

	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, AT));
	assert_ok(hw_irq(hw, VFIO_PCI_MSI_IRQ_INDEX, 0, event));
	expect_interrupt(hw, event);
	memset(memory, byte, BYTES);
	edu_dma(hw, AT, EDU_BUFFER, 0);
	rc = way();
	if (rc == -ENOENT || rc == -EINVAL)
		skip_because("no such suspend here, or HW_SLEEP is not set");
	assert_ok(rc);
	assert_int_equal(*(volatile uint32_t *)(hw->bar + EDU_ID) & 0xffff, 0x00ed);
	memset(memory, 0, BYTES);
	edu_dma(hw, EDU_BUFFER, AT, EDU_TO_RAM);
	assert_int_equal(memory[0], byte);
	assert_memory_equal(memory, memory + 1, BYTES - 1);
	expect_interrupt(hw, event);
	assert_ok(hw_irq(hw, VFIO_PCI_MSI_IRQ_INDEX, 0, -1));
	assert_ok(abi_unmap(hw->fd, hw->ioas, AT, PAGE));
	memset(memory, 0, BYTES);
	edu_dma(hw, EDU_BUFFER, AT, EDU_TO_RAM);
	assert_int_equal(memory[0], 0);
	munmap(memory, PAGE);
	close(event);
}

static void a_suspend_to_idle_is_survived(void **state)
{
	survives(*state, freeze, 0x41);
}

static void a_suspend_up_to_the_core_is_survived(void **state)
{
	survives(*state, suspend_up_to_the_core, 0x42);
}

static void a_suspend_to_memory_is_survived(void **state)
{
	survives(*state, hw_sleep, 0x43);
	/* Once more: the first one must leave the machine as it was. */
	survives(*state, hw_sleep, 0x44);
}

/* ---- unplugging ---- */

static sigjmp_buf back;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

/* Does reading the BAR end in SIGBUS? */
static bool bar_is_gone(struct hw *hw)
{
	struct sigaction act = { .sa_handler = on_sigbus }, old;
	volatile bool caught = true;

	sigaction(SIGBUS, &act, &old);
	if (!sigsetjmp(back, 1)) {
		(void)*(volatile uint32_t *)hw->bar;
		caught = false;
	}
	sigaction(SIGBUS, &old, NULL);
	return caught;
}

/* Removes the function in a child, since that waits for this program. */
static pid_t remove_in_child(const char *name)
{
	char path[128];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", name);
	_exit(hw_write(path, "1") ? 1 : 0);
}

static void a_user_who_does_not_leave_loses_the_function(void **state)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	char *memory = abi_pages(1);
	struct hw *hw = *state;
	pid_t pid;
	int fd;

	assert_ok(hw_write("/sys/module/iofault_pci/parameters/unplug_seconds", "1"));
	assert_ok(abi_map(hw->fd, hw->ioas, memory, PAGE, AT));
	/* The child must not keep the descriptors. */
	pid = remove_in_child(plain);
	assert_int_equal(exit_of(pid), 0);
	assert_false(hw_present(plain));
	assert_int_equal(ioctl(hw->dev, VFIO_DEVICE_GET_INFO, &info), -1);
	assert_int_equal(errno, ENODEV);
	assert_true(bar_is_gone(hw));
	assert_err(abi_attach(hw->dev, hw->ioas), ENODEV);
	/* The context works on. */
	assert_ok(abi_unmap(hw->fd, hw->ioas, AT, PAGE));
	hw_close(hw);
	assert_ok(hw_write("/sys/bus/pci/rescan", "1"));
	fd = hw_open(plain);
	assert_true(fd >= 0);
	close(fd);
	edu_open(hw, plain);
	munmap(memory, PAGE);
}

static void monitor(const char *command)
{
	int port = open("/dev/port", O_WRONLY | O_CLOEXEC);

	assert_true(port >= 0);
	for (; *command; command++)
		assert_int_equal(pwrite(port, command, 1, 0xe9), 1);
	close(port);
}

static void a_user_is_asked_to_leave_before_the_function_goes(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	time_t end = time(NULL) + HW_SECONDS;
	struct hw hw;

	(void)state;
	needs_root_port();
	assert_ok(hw_write("/sys/module/iofault_pci/parameters/unplug_seconds", "30"));
	edu_open(&hw, gone);
	assert_ok(hw_irq(&hw, VFIO_PCI_REQ_IRQ_INDEX, 0, event));
	monitor("device_del gone\n");
	hw_wait_readable(event);
	/* It still works. */
	assert_int_equal(*(volatile uint32_t *)(hw.bar + EDU_ID) & 0xffff, 0x00ed);
	hw_close(&hw);
	while (hw_present(gone)) {
		assert_true(time(NULL) < end);
		sched_yield();
	}
	assert_err(hw_open(gone), ENODEV);
	close(event);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(dma_compares_equal_and_ends_with_the_mapping),
		T(a_detached_function_reaches_nothing),
		T(all_that_is_allowed_can_be_mapped),
		T(an_interrupt_reaches_its_eventfd),
		T(a_second_user_has_to_wait_and_finds_nothing),
		T(a_close_makes_the_function_quiet),
		T(a_suspend_to_idle_is_survived),
		T(a_suspend_up_to_the_core_is_survived),
		T(a_suspend_to_memory_is_survived),
		cmocka_unit_test(a_reset_leaves_the_mappings),
		T(a_user_who_does_not_leave_loses_the_function),
		cmocka_unit_test(a_user_is_asked_to_leave_before_the_function_goes),
	};

	if (access("/sys/bus/pci/drivers/iofault-pci", F_OK) ||
	    !hw_find(EDU_VENDOR, EDU_DEVICE, 0, plain)) {
		printf("1..0 # SKIP kernel/hw_vtd: no iofault-pci.ko with an edu device\n");
		return 0;
	}
	hw_find(EDU_VENDOR, EDU_DEVICE, 1, gone);
	return cmocka_run_group_tests_name("hw_vtd", tests, NULL, NULL);
}
