// SPDX-License-Identifier: MIT
/*
 * pci.c - proves that a machine tells the configuration space of its functions as their nodes do,
 * before and after writes; and that functions differ where they should: PASIDs, credits, the pin.
 */
#include "env.h"

#include <linux/pci_regs.h>

#include "model/machine.h"
#include "vfio/portal.h"
#include "vfio/portal_ats.h"

static const struct iof_machine_device devices[] = {
	{ .kind = IOF_MACHINE_DSA, .group_with = -1, .max_pasids = 1 },
	{ .kind = IOF_MACHINE_DSA, .group_with = -1, .max_pasids = 1000, .credits = 5 },
	{ .kind = IOF_MACHINE_ATS, .group_with = -1, .credits = 4 },
};
#define NR 3

struct fix {
	struct iof_plat_space *space;
	struct iof_machine *machine;
	int fd, dev[NR];
};

static int setup(void **state)
{
	static struct fix f;
	const struct iof_machine_config config = { .devices = devices, .nr_devices = NR };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	char path[40];

	*state = &f;
	f.space = iof_sys_space_create();
	if (!f.space || iof_machine_create(&config, f.space, &f.machine))
		return -1;
	f.fd = iof_sys_open(f.space, "/dev/iommu", O_RDWR);
	bind.iommufd = f.fd;
	for (int i = 0; i < NR; i++) {
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%d", i);
		f.dev[i] = iof_sys_open(f.space, path, O_RDWR);
		if (env_ioctl(f.dev[i], VFIO_DEVICE_BIND_IOMMUFD, &bind))
			return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	for (int i = 0; i < NR; i++)
		if (iof_sys_close(f->dev[i]))
			return -1;
	return iof_sys_close(f->fd) || iof_machine_destroy(f->machine) ||
	       iof_sys_space_destroy(f->space);
}

static off_t config_at(unsigned int at)
{
	return (off_t)IOF_VFIO_REGION_OFFSET(VFIO_PCI_CONFIG_REGION_INDEX) + at;
}

static void a_machine_tells_what_nodes_tell(void **state)
{
	struct fix *f = *state;
	unsigned char told[IOF_MACHINE_CONFIG], read[IOF_MACHINE_CONFIG];
	uint16_t command = PCI_COMMAND_MASTER, now;

	for (unsigned int i = 0; i < NR; i++) {
		iof_machine_pci_config(&devices[i], told);
		assert_int_equal(iof_sys_pread(f->dev[i], read, sizeof(read), config_at(0)),
				 sizeof(read));
		assert_memory_equal(told, read, sizeof(read));
		assert_int_equal(iof_sys_pwrite(f->dev[i], &command, 2, config_at(PCI_COMMAND)), 2);
		assert_ok(iof_machine_read_config(f->machine, i, PCI_COMMAND, &now, 2));
		assert_int_equal(now, command);
		assert_ok(iof_machine_read_config(f->machine, i, 0, told, sizeof(told)));
		assert_int_equal(iof_sys_pread(f->dev[i], read, sizeof(read), config_at(0)),
				 sizeof(read));
		assert_memory_equal(told, read, sizeof(read));
	}
}

static void functions_differ_where_they_should(void **state)
{
	unsigned char config[NR][IOF_MACHINE_CONFIG];

	(void)state;
	for (unsigned int i = 0; i < NR; i++)
		iof_machine_pci_config(&devices[i], config[i]);
	/* page requests: the last capability where there are no PASIDs; its credits */
	assert_int_equal(config[0][0x112] >> 4 | config[0][0x113] << 4, 0);
	assert_int_equal(config[1][0x112] >> 4 | config[1][0x113] << 4, 0x120);
	assert_int_equal(config[1][0x118], 5);
	assert_int_equal(config[2][0x118], 4);
	/* PASIDs: the bits that 1000 of them need */
	assert_int_equal(config[1][0x125], 10);
	assert_int_equal(config[2][0x125], 20);
	assert_int_equal(config[0][PCI_INTERRUPT_PIN], 1);
	assert_int_equal(config[2][PCI_INTERRUPT_PIN], 0);
	/* bases of the BARs are aligned to their sizes and do not overlap */
	for (unsigned int i = 0; i < NR; i++) {
		const struct iof_pci_function *fn = i == 2 ? &iof_portal_ats_function :
							     &iof_portal_function;
		u32 end = 0;

		for (unsigned int bar = 0; bar < 6; bar++) {
			u32 base, size = iof_pci_bar_size(fn, bar);

			memcpy(&base, &config[i][PCI_BASE_ADDRESS_0 + 4 * bar], sizeof(base));
			assert_int_equal(!base, !size);
			if (!size)
				continue;
			assert_int_equal(base & (size - 1), 0);
			assert_true(base >= end);
			end = base + size;
		}
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_machine_tells_what_nodes_tell),
		T(functions_differ_where_they_should),
	};

	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
