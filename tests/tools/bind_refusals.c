// SPDX-License-Identifier: MIT
/*
 * bind_refusals.c - proves that bind takes a PCI function only if nothing uses it, and that a bind
 * that fails leaves each function with its driver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_pci.h"
#include "tools/pci.h"
#include "tools/tool.h"

/* ---- bind, with one function or two ---- */

static char why[IOF_WHY];

static bool bind_two(const char *first, const char *second, bool force)
{
	struct iof_pci_function functions[2];

	memset(functions, 0, sizeof(functions));
	strcpy(functions[0].bdf, first);
	strcpy(functions[1].bdf, second ? second : "");
	why[0] = 0;
	return iof_pci_bind(&machine, functions, second ? 2 : 1, force, why);
}

static unsigned int nr_descriptors(void)
{
	unsigned int fd, nr = 0;

	for (fd = 0; fd < 256; fd++)
		nr += fcntl((int)fd, F_GETFD) >= 0;
	return nr;
}

static void has(const char *text)
{
	if (!strstr(why, text))
		fail_msg("no '%s' in '%s'", text, why);
	assert_null(strchr(why, '\n'));
}

/* The bind is refused with that text, and nothing was written. */
static void refused(const char *bdf, bool force, const char *text)
{
	char driver[NAME_MAX + 1];
	unsigned int before = nr_descriptors(), writes = fake.nr_writes;

	strcpy(driver, driver_of(bdf));
	assert_false(bind_two(bdf, NULL, force));
	has(text);
	assert_int_equal(fake.nr_writes, writes);
	assert_string_equal(driver_of(bdf), driver);
	assert_int_equal(nr_descriptors(), before);
}

static void addresses_are_checked(void **state)
{
	static const char *const wrong[] = {
		"",
		"0000:03:00",
		"03.0",
		"0000:03:00.8",
		"0000:03:20.0",
		"0000:03:0.",
		":03:00.0",
		"0000:03:00.0 ",
		" 03:00.0",
		"../../0000:03:00.0",
		"0x0:3:0.0",
		"-1:03:00.0",
		"0000:100:00.0",
		"03:00.0/..",
		"123456789:03:00.0",
		"03:00.00",
		"0000:0000:03:00.0",
		"03:00.0\n",
	};
	char bdf[IOF_BDF], long_one[70000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (iof_pci_address(wrong[i], bdf))
			fail_msg("'%s' became %s", wrong[i], bdf);
	memset(long_one, '0', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = 0;
	assert_false(iof_pci_address(long_one, bdf));
	long_one[4] = ':';
	assert_false(iof_pci_address(long_one, bdf));
	assert_true(iof_pci_address("3:0.1", bdf));
	assert_string_equal(bdf, "0000:03:00.1");
	assert_true(iof_pci_address("0000:AB:1F.7", bdf));
	assert_string_equal(bdf, "0000:ab:1f.7");
	assert_true(iof_pci_address("ffffffff:ff:1f.7", bdf));
	assert_string_equal(bdf, "ffffffff:ff:1f.7");
}

static void bound_and_back(void **state)
{
	unsigned int before = nr_descriptors();

	(void)state;
	assert_true(bind_two(DISK, NULL, false));
	assert_string_equal(driver_of(DISK), IOF_PCI_DRIVER);
	assert_string_equal(override_of(DISK), IOF_PCI_DRIVER);
	assert_int_equal(fake.nr_claims, 1);
	assert_int_equal(fake.nr_loads, 0);
	assert_int_equal(nr_descriptors(), before);
	/* Again: nothing to do. */
	fake.nr_writes = 0;
	assert_true(bind_two(DISK, NULL, false));
	assert_int_equal(fake.nr_writes, 0);
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_string_equal(driver_of(DISK), "nvme");
	assert_string_equal(override_of(DISK), "(null)");
	assert_int_not_equal(access(at("/run/iofault/" DISK), F_OK), 0);
	assert_int_equal(nr_descriptors(), before);
}

static void driver_and_override_come_back(void **state)
{
	(void)state;
	/* A driver that the kernel would not choose. */
	folder(at("/sys/bus/pci/drivers/vfio-pci"));
	bind_to(DISK, "vfio-pci");
	put(at(SYS DISK "/driver_override"), "vfio-pci\n");
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_string_equal(driver_of(DISK), "vfio-pci");
	assert_string_equal(override_of(DISK), "vfio-pci");
	/* None before: none afterwards. */
	assert_true(bind_two(OTHER, DISK, false));
	assert_true(iof_pci_unbind(&machine, OTHER, why));
	assert_string_equal(driver_of(OTHER), "");
}

static void unbind_without_a_record(void **state)
{
	static const char *const damaged[] = {
		"", "nvme", "../../x\n\n", "nvme\nx/y\n", "\n",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(damaged) / sizeof(damaged[0]) + 1; i++) {
		assert_true(bind_two(DISK, NULL, false));
		assert_int_equal(unlink(at("/run/iofault/" DISK)), 0);
		if (i < sizeof(damaged) / sizeof(damaged[0]))
			put(at("/run/iofault/" DISK), damaged[i]);
		assert_true(iof_pci_unbind(&machine, DISK, why));
		assert_string_equal(driver_of(DISK), "nvme");
		assert_string_equal(override_of(DISK), "(null)");
	}
	/* The driver in the record is gone. */
	assert_true(bind_two(DISK, NULL, false));
	put(at("/run/iofault/" DISK), "no-such-driver\n\n");
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_string_equal(driver_of(DISK), "nvme");
}

static void unbind_refuses(void **state)
{
	(void)state;
	assert_false(iof_pci_unbind(&machine, DISK, why));
	has("its driver is nvme");
	assert_false(iof_pci_unbind(&machine, OTHER, why));
	has("no driver has it");
	assert_false(iof_pci_unbind(&machine, "0000:77:00.0", why));
	has("no such PCI function");
	assert_int_equal(fake.nr_writes, 0);
	/* Left behind by a bind that was killed. */
	put(at(SYS OTHER "/driver_override"), IOF_PCI_DRIVER "\n");
	assert_true(iof_pci_unbind(&machine, OTHER, why));
	assert_string_equal(override_of(OTHER), "(null)");
	assert_int_equal(unlink(at(SYS OTHER "/driver")), 0);
	/* The driver takes it by its ids. */
	assert_true(bind_two(DISK, NULL, false));
	assert_int_equal(unlink(at("/run/iofault/" DISK)), 0);
	fake.takes_by_id = true;
	assert_false(iof_pci_unbind(&machine, DISK, why));
	has("remove_id");
}

static void functions_are_refused(void **state)
{
	static const char *const bridges[] = { "0x060000\n", "0x060100\n", "0x060400\n" };
	size_t i;

	(void)state;
	refused("0000:77:00.0", false, "no such PCI function");
	for (i = 0; i < sizeof(bridges) / sizeof(bridges[0]); i++) {
		put(at(SYS NET "/class"), bridges[i]);
		refused(NET, true, "it is a bridge");
	}
	/* A bridge to another machine is an end point. */
	put(at(SYS NET "/class"), "0x068000\n");
	assert_true(bind_two(NET, NULL, true));
	assert_true(iof_pci_unbind(&machine, NET, why));
	put(at(SYS NET "/class"), "0x020000\n");
	put(at(SYS NET "/sriov_numvfs"), "4\n");
	refused(NET, true, "4 virtual functions");
	assert_int_equal(unlink(at(SYS NET "/sriov_numvfs")), 0);
	assert_int_equal(unlink(at(SYS NET "/driver_override")), 0);
	refused(NET, true, "driver_override cannot be read");
}

static void no_iommu_is_explained(void **state)
{
	(void)state;
	assert_int_equal(unlink(at(SYS DISK "/iommu_group")), 0);
	refused(DISK, true, "enable the IOMMU in the firmware");
	put(at("/proc/cpuinfo"), "processor\t: 0\nvendor_id\t: GenuineIntel\n");
	refused(DISK, true, "intel_iommu=on is missing");
	has("enable VT-d in the firmware, add intel_iommu=on");
	put(at("/proc/cmdline"), "quiet xintel_iommu=on intel_iommu=off\n");
	refused(DISK, true, "intel_iommu=on is missing");
	put(at("/proc/cmdline"), "quiet intel_iommu=on,sm_on\n");
	refused(DISK, true, "enable VT-d");
	put(at("/proc/cpuinfo"), "vendor_id\t: AuthenticAMD\n");
	put(at("/proc/cmdline"), "amd_iommu=off\n");
	refused(DISK, true, "amd_iommu=off");
	/* There is one, and it does not have this function. */
	folder(at("/sys/class/iommu/dmar0"));
	refused(DISK, true, "no IOMMU of this machine translates for it");
	link_to(at("/sys/kernel/iommu_groups/7"), at(SYS DISK "/iommu_group"));
	put(at("/sys/kernel/iommu_groups/7/name"), "vfio-noiommu\n");
	refused(DISK, true, "without an IOMMU");
}

static void groups_are_shared(void **state)
{
	char name[IOF_BDF];
	int i;

	(void)state;
	folder(at("/sys/bus/pci/drivers/idxd"));
	bind_to(OTHER, "idxd");
	refused(DISK, true, "isolation group 7 is shared with " OTHER " (idxd)");
	/* Drivers that leave the DMA to others. */
	folder(at("/sys/bus/pci/drivers/pcieport"));
	bind_to(OTHER, "pcieport");
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	folder(at("/sys/bus/pci/drivers/mlx5_vfio_pci"));
	folder(at(SYS OTHER "/vfio-dev/vfio3"));
	bind_to(OTHER, "mlx5_vfio_pci");
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_int_equal(nftw(at(SYS OTHER "/vfio-dev"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	/* Both at once. */
	bind_to(OTHER, "idxd");
	assert_true(bind_two(DISK, OTHER, false));
	assert_string_equal(driver_of(OTHER), IOF_PCI_DRIVER);
	assert_true(iof_pci_unbind(&machine, OTHER, why));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_string_equal(driver_of(OTHER), "idxd");
	/* More than a line has room for. */
	for (i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "0000:05:%02x.0", i);
		add_function(name, "0x020000\n", 7, "idxd");
	}
	refused(DISK, true, " more: name them");
}

static void disks_in_use_are_refused(void **state)
{
	(void)state;
	put(at("/proc/self/mountinfo"),
	    "30 1 259:1 / /srv/data rw shared:7 master:2 - xfs /dev/nvme0n1p1 rw\n");
	refused(DISK, true, "/dev/nvme0n1p1, which is mounted on /srv/data");
	/* Btrfs has a number of its own. */
	put(at("/proc/self/mountinfo"), "30 1 0:40 /@ / rw - btrfs /dev/nvme0n1 rw\n");
	refused(DISK, true, "/dev/nvme0n1, which is mounted on /");
	put(at("/proc/self/mountinfo"), "nonsense\n\n- - - -\n1 2 3\n1 2 259:0 / /x rw\n");
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	put(at("/proc/swaps"), "Filename\n/dev/nvme0n1p1\tpartition\t1\t0\t-2\n");
	refused(DISK, true, "/dev/nvme0n1p1, which is swap space");
	put(at("/proc/swaps"), "Filename\n");
	folder(at("/sys/class/block/nvme0n1p1/holders/md127"));
	refused(DISK, true, "/dev/nvme0n1p1, on which the RAID md127 is built");
	assert_int_equal(rmdir(at("/sys/class/block/nvme0n1p1/holders/md127")), 0);
	folder(at("/sys/class/block/nvme0n1/holders/dm-3"));
	refused(DISK, true, "/dev/nvme0n1, on which the device-mapper device dm-3 is built");
	put(at("/sys/class/block/dm-3/dm/uuid"), "LVM-abcdef\n");
	put(at("/sys/class/block/dm-3/dm/name"), "vg-home\n");
	refused(DISK, true, "the LVM volume dm-3, vg-home is built");
	assert_int_equal(rmdir(at("/sys/class/block/nvme0n1/holders/dm-3")), 0);
	/* What cannot be seen: another namespace, a pool. */
	fake.claim = -EBUSY;
	refused(DISK, true, "/dev/nvme0n1, which is in use");
	fake.claim = -EACCES;
	refused(DISK, true, "unknown: Permission denied");
	fake.claim = -ENOMEDIUM;
	assert_true(bind_two(DISK, NULL, false));
}

static void disks_with_several_paths(void **state)
{
	const char *head = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";

	(void)state;
	/* The disk is the subsystem's; the path below the function is hidden. */
	put(at("/sys/class/block/nvme0n1/hidden"), "1\n");
	link_to(at(SYS DISK "/nvme/nvme0"), at("%s/nvme0", head));
	put(at("%s/nvme0n2/dev", head), "259:7\n");
	folder(at("%s/nvme0n2/holders", head));
	link_to(at("%s/nvme0n2", head), at("/sys/class/block/nvme0n2"));
	put(at("/proc/self/mountinfo"), "30 1 259:7 / /srv rw - xfs /dev/nvme0n2 rw\n");
	refused(DISK, true, "/dev/nvme0n2, which is mounted on /srv");
	/* It is not the network interface's. */
	assert_true(bind_two(NET, NULL, false));
	put(at("/proc/self/mountinfo"), "\n");
	fake.nr_claims = 0;
	assert_true(bind_two(DISK, NULL, false));
	assert_int_equal(fake.nr_claims, 1);
}

static void slash_in_a_name(void **state)
{
	(void)state;
	add_disk(DISK "/host0/block", "cciss!c0d0", "104:0\n");
	put(at("/proc/swaps"), "Filename\n/dev/cciss/c0d0\tpartition\t1\t0\t-2\n");
	refused(DISK, true, "/dev/cciss/c0d0, which is swap space");
}

static void interfaces_that_are_up(void **state)
{
	(void)state;
	put(at(SYS NET "/net/enp4s0/flags"), "0x1003\n");
	refused(NET, false, "its network interface enp4s0 is up");
	put(at(SYS NET "/net/enp4s0/flags"), "0x1002\n");
	put(at(SYS NET "/net/enp4s0/operstate"), "up\n");
	refused(NET, false, "its network interface enp4s0 is up");
	assert_true(bind_two(NET, NULL, true));
	assert_true(iof_pci_unbind(&machine, NET, why));
	assert_int_equal(unlink(at(SYS NET "/net/enp4s0/operstate")), 0);
	assert_true(bind_two(NET, NULL, false));
	assert_true(iof_pci_unbind(&machine, NET, why));
	assert_int_equal(unlink(at(SYS NET "/net/enp4s0/flags")), 0);
	refused(NET, false, "whether its interface enp4s0 is up cannot be read");
}

/* A disk whose folder is gone is no obstacle; what cannot be read is one. */
static void files_that_vanish(void **state)
{
	(void)state;
	link_to(at(SYS "gone"), at("/sys/class/block/sdz"));
	link_to(at(SYS "gone"), at("/sys/class/net/eth9"));
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	link_to("sdy", at("/sys/class/block/sdy"));
	refused(DISK, true, "cannot be read: Too many levels of symbolic links");
	assert_int_equal(unlink(at("/sys/class/block/sdy")), 0);
	assert_int_equal(unlink(at("/sys/class/block/nvme0n1/dev")), 0);
	refused(DISK, true, "number cannot be read");
	put(at("/sys/class/block/nvme0n1/dev"), "259:0\n");
	assert_int_equal(unlink(at("/proc/self/mountinfo")), 0);
	refused(DISK, true, "mountinfo cannot be read");
	put(at("/proc/self/mountinfo"), "\n");
	/* No swap space and no disks in this kernel. */
	assert_int_equal(unlink(at("/proc/swaps")), 0);
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_int_equal(nftw(at("/sys/class/block"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(nftw(at("/sys/class/net"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_true(bind_two(DISK, NULL, false));
}

static void huge_names(void **state)
{
	char name[NAME_MAX + 1], line[9000];

	(void)state;
	memset(name, 'a', NAME_MAX);
	name[NAME_MAX] = 0;
	add_disk(DISK "/block", name, "7:7\n");
	put(at("/sys/class/net/%s", name), "\n");
	folder(at("/sys/class/block/%s/holders/%s", name, name));
	refused(DISK, true, "on which another device");
	assert_int_equal(rmdir(at("/sys/class/block/%s/holders/%s", name, name)), 0);
	memset(line, 'b', sizeof(line) - 1);
	memcpy(line, "1 2 7:7 / /", 11);
	memcpy(line + 8000, " rw - x y z\n", 12);
	line[8012] = 0;
	put(at("/proc/self/mountinfo"), line);
	refused(DISK, true, "which is mounted on /bbb");
	put(at("/proc/self/mountinfo"), "\n");
	put(at("/sys/class/block/%s/dev", name), line);
	refused(DISK, true, "number cannot be read: Value too large");
	put(at("/sys/class/block/%s/dev", name), "7:7\n");
	put(at(SYS DISK "/driver_override"), line);
	refused(DISK, true, "driver_override cannot be read");
	put(at(SYS DISK "/driver_override"), "(null)\n");
	folder(at("/sys/bus/pci/drivers/%s", name));
	bind_to(OTHER, name);
	refused(DISK, true, "is shared with " OTHER " (aaaa");
	bind_to(OTHER, "nvme");
	assert_true(bind_two(OTHER, DISK, false));
}

static void module_is_loaded(void **state)
{
	(void)state;
	assert_int_equal(rmdir(at("/sys/bus/pci/drivers/" IOF_PCI_DRIVER)), 0);
	fake.no_module = true;
	refused(DISK, true, "not found");
	assert_int_equal(fake.nr_loads, 1);
	fake.no_module = false;
	assert_true(bind_two(DISK, NULL, false));
	assert_int_equal(fake.nr_loads, 2);
}

static void probe_fails(void **state)
{
	static const struct {
		int rc;
		const char *text;
	} cases[] = {
		{ -EPERM, "allow_unsafe_interrupts" },
		{ -EBUSY, "its isolation group is in use" },
		{ -ENODEV, "no IOMMU translates for it" },
		{ -ENOMEM, "Cannot allocate memory" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.probe = cases[i].rc;
		assert_false(bind_two(DISK, NULL, false));
		has(cases[i].text);
		assert_string_equal(driver_of(DISK), "nvme");
		assert_string_equal(override_of(DISK), "(null)");
		assert_int_not_equal(access(at("/run/iofault/" DISK), F_OK), 0);
	}
	/* The numbers of software devices, from 4096 and from 0. */
	fake.probe = -EBUSY;
	folder(at("/sys/class/iofault-vfio/vfio4096"));
	assert_false(bind_two(DISK, NULL, false));
	has("its isolation group is in use");
	folder(at("/sys/class/iofault-vfio/vfio0"));
	assert_false(bind_two(DISK, NULL, false));
	has("modprobe -a vfio iofault-pci");
	/* The second of two: the first one goes back, too. */
	folder(at("/sys/bus/pci/drivers/idxd"));
	bind_to(OTHER, "idxd");
	fake.probe_fails_for = OTHER;
	assert_false(bind_two(DISK, OTHER, false));
	assert_string_equal(driver_of(DISK), "nvme");
	assert_string_equal(driver_of(OTHER), "idxd");
	assert_string_equal(override_of(DISK), "(null)");
	assert_int_not_equal(access(at("/run/iofault/" DISK), F_OK), 0);
	/* One that iofault-pci had before stays there. */
	assert_int_equal(unlink(at(SYS OTHER "/driver")), 0);
	assert_true(bind_two(DISK, NULL, false));
	bind_to(OTHER, "idxd");
	assert_false(bind_two(DISK, OTHER, false));
	assert_string_equal(driver_of(DISK), "iofault-pci");
	assert_string_equal(driver_of(OTHER), "idxd");
	assert_true(iof_pci_unbind(&machine, DISK, why));
	/* Its driver is gone meanwhile. */
	assert_int_equal(rmdir(at("/sys/bus/pci/drivers/idxd")), 0);
	assert_false(bind_two(DISK, OTHER, false));
	has("no driver has it now");
}

/* The n-th write to /sys fails, once: a function has its driver again, or iofault-pci has both. */
static void each_write_fails(void **state)
{
	unsigned int n;
	bool ok = false;

	(void)state;
	folder(at("/sys/bus/pci/drivers/idxd"));
	bind_to(OTHER, "idxd");
	for (n = 1; !ok; n++) {
		fake.nr_writes = 0;
		fake.fail_at = n;
		ok = bind_two(DISK, OTHER, false);
		if (!ok) {
			has("0000:03:00.");
			assert_string_equal(driver_of(DISK), "nvme");
			assert_string_equal(driver_of(OTHER), "idxd");
			assert_string_equal(override_of(DISK), "(null)");
			assert_string_equal(override_of(OTHER), "(null)");
		}
	}
	assert_int_equal(n - 2, 6);
	fake.fail_at = 0;
	assert_true(iof_pci_unbind(&machine, OTHER, why));
	assert_int_equal(unlink(at(SYS OTHER "/driver")), 0);
	/* The way back: what fails can be done again. */
	for (n = 1; n <= 4; n++) {
		fake.nr_writes = 0;
		fake.fail_at = n;
		ok = iof_pci_unbind(&machine, DISK, why);
		fake.fail_at = 0;
		if (!ok && !driver_of(DISK)[0])
			has("it has no driver now");
		if (strcmp(driver_of(DISK), "nvme")) {
			assert_false(ok);
			assert_true(iof_pci_unbind(&machine, DISK, why));
		}
		assert_string_equal(driver_of(DISK), "nvme");
		assert_true(bind_two(DISK, NULL, false));
	}
}

/* Runs a bind or an unbind that dies before its n-th write. False: it had fewer. */
static bool killed(bool bind, unsigned int n)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		fake.nr_writes = 0;
		fake.killed_at = n;
		if (bind)
			(void)bind_two(DISK, OTHER, false);
		else
			(void)iof_pci_unbind(&machine, DISK, why);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return !WEXITSTATUS(status);
}

static void expect_first_drivers(void)
{
	assert_string_equal(driver_of(DISK), "nvme");
	assert_string_equal(driver_of(OTHER), "vfio-pci");
	assert_string_equal(override_of(DISK), "(null)");
	assert_string_equal(override_of(OTHER), "vfio-pci");
}

/* Whatever a killed command leaves, unbind mends it, and so does another bind before it. */
static void a_killed_command_can_be_mended(void **state)
{
	unsigned int n;

	(void)state;
	folder(at("/sys/bus/pci/drivers/vfio-pci"));
	bind_to(OTHER, "vfio-pci");
	put(at(SYS OTHER "/driver_override"), "vfio-pci\n");
	for (n = 1; killed(true, n); n++) {
		(void)iof_pci_unbind(&machine, DISK, why);
		(void)iof_pci_unbind(&machine, OTHER, why);
		expect_first_drivers();
		assert_true(killed(true, n));
		assert_true(bind_two(DISK, OTHER, false));
		assert_true(iof_pci_unbind(&machine, DISK, why));
		assert_true(iof_pci_unbind(&machine, OTHER, why));
		expect_first_drivers();
	}
	assert_int_equal(n, 7);
	for (n = 1; killed(false, n); n++) {
		assert_true(iof_pci_unbind(&machine, DISK, why));
		assert_true(iof_pci_unbind(&machine, OTHER, why));
		expect_first_drivers();
		assert_true(bind_two(DISK, OTHER, false));
		assert_true(killed(false, n));
		assert_true(bind_two(DISK, OTHER, false));
	}
	assert_int_equal(n, 4);
}

/* A record of another time does not count: the function was given another driver_override. */
static void an_old_record_is_not_used(void **state)
{
	(void)state;
	assert_true(bind_two(DISK, NULL, false));
	assert_int_equal(unlink(at(SYS DISK "/driver")), 0);
	put(at(SYS DISK "/driver_override"), "pci-stub\n");
	assert_false(iof_pci_unbind(&machine, DISK, why));
	has("no driver has it");
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_string_equal(driver_of(DISK), "");
	assert_string_equal(override_of(DISK), "pci-stub");
}

static void record_cannot_be_written(void **state)
{
	struct rlimit limit, none;
	bool ok;

	(void)state;
	/* Another file stands in the place of the folder, or of the record. */
	put(at("/run"), "x");
	refused(DISK, true, "/run/iofault cannot be used: Not a directory");
	assert_int_equal(unlink(at("/run")), 0);
	put(at("/run/iofault"), "x");
	refused(DISK, true, "/run/iofault cannot be used");
	assert_int_equal(unlink(at("/run/iofault")), 0);
	link_to("/nowhere", at("/run/iofault"));
	refused(DISK, true, "/run/iofault cannot be used");
	assert_int_equal(unlink(at("/run/iofault")), 0);
	folder(at("/run/iofault/" DISK));
	refused(DISK, true, "its driver cannot be recorded in /run/iofault");
	assert_int_equal(rmdir(at("/run/iofault/" DISK)), 0);
	/* No room for it. */
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 0, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	ok = bind_two(DISK, NULL, true);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_false(ok);
	has("its driver cannot be recorded in /run/iofault: File too large");
	assert_int_equal(fake.nr_writes, 0);
	assert_string_equal(driver_of(DISK), "nvme");
	/* A link in its place is replaced, and not followed. */
	link_to(at("/proc/swaps"), at("/run/iofault/" DISK));
	assert_true(bind_two(DISK, NULL, false));
	assert_true(iof_pci_unbind(&machine, DISK, why));
	assert_int_equal(access(at("/proc/swaps"), F_OK), 0);
}

/* Why there can be no real devices, from the farthest reason to the nearest. */
static void readiness(void **state)
{
	char next[IOF_WHY];

	(void)state;
	assert_false(iof_pci_ready(&machine, why, next));
	has("no IOMMU is in use");
	folder(at("/sys/class/iommu/dmar0"));
	assert_true(iof_pci_ready(&machine, why, next));
	assert_int_equal(rmdir(at("/sys/bus/pci/drivers/" IOF_PCI_DRIVER)), 0);
	put(at("/proc/sys/kernel/osrelease"), "6.12\n");
	assert_false(iof_pci_ready(&machine, why, next));
	has("has no modules of its kernel");
	put(at("/lib/modules/6.12/modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
	assert_false(iof_pci_ready(&machine, why, next));
	has("CONFIG_VFIO_PCI_CORE");
	put(at("/lib/modules/6.12/kernel/drivers/vfio/pci/vfio-pci-core.ko.xz"), "");
	assert_false(iof_pci_ready(&machine, why, next));
	has("not installed");
	put(at("/lib/modules/6.12/updates/dkms/iofault-pci.ko.xz"), "");
	assert_false(iof_pci_ready(&machine, why, next));
	has("not loaded");
	assert_string_equal(next, "sudo modprobe -a vfio iofault-pci");
}

static void write_config(size_t size, const uint32_t *words, size_t nr)
{
	char config[4096] = { 0 };
	FILE *file;

	memcpy(config + 0x100, words, nr * sizeof(*words));
	file = fopen(at(SYS DISK "/config"), "we");
	assert_non_null(file);
	assert_int_equal(fwrite(config, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void capabilities(void **state)
{
	/* 0x13 at 0x100, then 0x1b at 0x110, which is its own next one */
	const uint32_t words[] = { 0x11010013, 0, 0, 0, 0x1101001b };

	(void)state;
	assert_int_equal(iof_pci_capability(&machine, DISK, 0x13), -1);
	write_config(4096, words, 5);
	assert_int_equal(iof_pci_capability(&machine, DISK, 0x13), 1);
	assert_int_equal(iof_pci_capability(&machine, DISK, 0x1b), 1);
	assert_int_equal(iof_pci_capability(&machine, DISK, 0x0f), 0);
	/* What a user sees, and conventional PCI. */
	write_config(64, words, 0);
	assert_int_equal(iof_pci_capability(&machine, DISK, 0x13), -1);
	write_config(256, words, 0);
	assert_int_equal(iof_pci_capability(&machine, DISK, 0x13), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(addresses_are_checked),
		TEST(bound_and_back),
		TEST(driver_and_override_come_back),
		TEST(unbind_without_a_record),
		TEST(unbind_refuses),
		TEST(functions_are_refused),
		TEST(no_iommu_is_explained),
		TEST(groups_are_shared),
		TEST(disks_in_use_are_refused),
		TEST(disks_with_several_paths),
		TEST(slash_in_a_name),
		TEST(interfaces_that_are_up),
		TEST(files_that_vanish),
		TEST(huge_names),
		TEST(module_is_loaded),
		TEST(probe_fails),
		TEST(each_write_fails),
		TEST(a_killed_command_can_be_mended),
		TEST(an_old_record_is_not_used),
		TEST(record_cannot_be_written),
		TEST(readiness),
		TEST(capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
