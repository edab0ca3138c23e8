// SPDX-License-Identifier: MIT
/*
 * driver.c - the machine's PCI bus as /sys shows it: the folders of its functions, and the driver
 * vfio-pci, from which a function can be unbound and to which it can be bound again.
 *
 * Only the functions of this machine exist here, so that a write never concerns one of the host. A
 * function without the driver has no VFIO node. Unlike a kernel, which waits until the node is
 * closed, unbinding one that is in use fails with EBUSY.
 *
 * Lock: driver.lock, over the fields of `driver`; no other is taken under it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/machine.h"
#include "pci.h"
#include "server.h"
#include "tree.h"

#define NAME	"vfio-pci"
#define HOME	"pcif000:00"
#define MAX_IDS 1024 /* a kernel has no limit */
#define ANY	UINT32_MAX

struct id {
	unsigned int vendor, device, subvendor, subdevice, class, mask;
};

struct function {
	bool bound;
	bool enabled;
	unsigned int users;
	char *override; /* or NULL */
	/* BARs at power-on; a program that asks a BAR for its size does not change these */
	uint32_t bars[6];
};

static struct {
	struct iof_run *run;
	struct iof_machine *machine;
	pthread_mutex_t lock;
	struct function function[IOF_RUN_MAX_DEVICES];
	struct id ids[MAX_IDS];
	unsigned int nr_ids;
	bool no_autoprobe;
} driver = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct iof_run_pci *pci_of(unsigned int device)
{
	return &iof_run_pci[driver.run->config->devices[device].kind];
}

/* ---- the state of a function ---- */

static bool has_driver(unsigned int device)
{
	bool bound;

	pthread_mutex_lock(&driver.lock);
	bound = driver.function[device].bound;
	pthread_mutex_unlock(&driver.lock);
	return bound;
}

int iof_run_driver_hold(unsigned int device)
{
	int rc = -ENODEV;

	pthread_mutex_lock(&driver.lock);
	if (driver.function[device].bound) {
		driver.function[device].users++;
		rc = 0;
	}
	pthread_mutex_unlock(&driver.lock);
	return rc;
}

void iof_run_driver_put(unsigned int device)
{
	pthread_mutex_lock(&driver.lock);
	if (driver.function[device].users)
		driver.function[device].users--;
	pthread_mutex_unlock(&driver.lock);
}

/* ---- under the lock ---- */

static bool id_matches(const struct id *id, unsigned int device)
{
	const struct iof_run_pci *pci = pci_of(device);

	return (id->vendor == ANY || id->vendor == pci->vendor) &&
	       (id->device == ANY || id->device == pci->device) &&
	       (id->subvendor == ANY || id->subvendor == pci->vendor) &&
	       (id->subdevice == ANY || id->subdevice == pci->device) &&
	       !((id->class ^ pci->class) & id->mask);
}

/* Does the driver take the function? An override decides alone. */
static bool driver_matches(unsigned int device)
{
	if (driver.function[device].override)
		return !strcmp(driver.function[device].override, NAME);
	for (unsigned int i = 0; i < driver.nr_ids; i++)
		if (id_matches(&driver.ids[i], device))
			return true;
	return false;
}

static void probe(unsigned int device)
{
	if (!driver.function[device].bound && driver_matches(device))
		driver.function[device].bound = true;
}

/* ---- what is written ---- */

/* Returns the number of the function with this name, after which a newline may follow, or -1. */
static int function_named(const char *text)
{
	char bdf[24];
	size_t len;

	for (unsigned int i = 0; i < driver.run->config->nr_devices; i++) {
		len = (size_t)snprintf(bdf, sizeof(bdf), IOF_RUN_BDF, i + 1);
		if (!strncmp(text, bdf, len) && (!text[len] || !strcmp(text + len, "\n")))
			return (int)i;
	}
	return -1;
}

static int store_bind(unsigned int unused, const char *text)
{
	int device = function_named(text), rc = 0;

	(void)unused;
	if (device < 0)
		return -ENODEV;
	pthread_mutex_lock(&driver.lock);
	if (!driver_matches((unsigned int)device))
		rc = -ENODEV;
	else if (driver.function[device].bound)
		rc = -EBUSY;
	else
		driver.function[device].bound = true;
	pthread_mutex_unlock(&driver.lock);
	return rc;
}

static int store_unbind(unsigned int unused, const char *text)
{
	int device = function_named(text), rc = 0;

	(void)unused;
	if (device < 0)
		return -ENODEV;
	pthread_mutex_lock(&driver.lock);
	if (!driver.function[device].bound)
		rc = -ENODEV;
	else if (driver.function[device].users)
		rc = -EBUSY;
	else
		driver.function[device].bound = false;
	pthread_mutex_unlock(&driver.lock);
	return rc;
}

static int store_probe(unsigned int unused, const char *text)
{
	int device = function_named(text);

	(void)unused;
	if (device < 0)
		return -ENODEV;
	pthread_mutex_lock(&driver.lock);
	probe((unsigned int)device);
	pthread_mutex_unlock(&driver.lock);
	return 0;
}

/* Vendor and device at least. */
static bool read_id(const char *text, struct id *id)
{
	*id = (struct id){ .subvendor = ANY, .subdevice = ANY };
	return sscanf(text, "%x %x %x %x %x %x", &id->vendor, &id->device, &id->subvendor,
		      &id->subdevice, &id->class, &id->mask) >= 2;
}

static int store_new_id(unsigned int unused, const char *text)
{
	struct id id;
	int rc = 0;

	(void)unused;
	if (!read_id(text, &id))
		return -EINVAL;
	pthread_mutex_lock(&driver.lock);
	for (unsigned int i = 0; i < driver.nr_ids; i++)
		if (!memcmp(&driver.ids[i], &id, sizeof(id)))
			rc = -EEXIST;
	if (!rc && driver.nr_ids == MAX_IDS)
		rc = -ENOMEM;
	if (!rc) {
		driver.ids[driver.nr_ids++] = id;
		for (unsigned int i = 0; i < driver.run->config->nr_devices; i++)
			probe(i);
	}
	pthread_mutex_unlock(&driver.lock);
	return rc;
}

static int store_remove_id(unsigned int unused, const char *text)
{
	int rc = -ENODEV;
	struct id id;

	(void)unused;
	if (!read_id(text, &id))
		return -EINVAL;
	pthread_mutex_lock(&driver.lock);
	for (unsigned int i = 0; rc && i < driver.nr_ids; i++) {
		const struct id *old = &driver.ids[i];

		if (old->vendor != id.vendor || old->device != id.device ||
		    (id.subvendor != ANY && old->subvendor != id.subvendor) ||
		    (id.subdevice != ANY && old->subdevice != id.subdevice) ||
		    (old->class ^ id.class) & id.mask)
			continue;
		driver.ids[i] = driver.ids[--driver.nr_ids];
		rc = 0;
	}
	pthread_mutex_unlock(&driver.lock);
	return rc;
}

static int store_override(unsigned int device, const char *text)
{
	char *name, *old;

	if (strlen(text) >= IOF_RUN_PAGE - 1)
		return -EINVAL;
	name = strndup(text, strcspn(text, "\n"));
	if (!name)
		return -ENOMEM;
	if (!*name) {
		free(name);
		name = NULL;
	}
	pthread_mutex_lock(&driver.lock);
	old = driver.function[device].override;
	driver.function[device].override = name;
	pthread_mutex_unlock(&driver.lock);
	free(old);
	return 0;
}

static int read_number(const char *text, unsigned long *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	*number = strtoul(text, &end, 0);
	return !*end || (*end == '\n' && !end[1]) ? 0 : -EINVAL;
}

static int store_enable(unsigned int device, const char *text)
{
	unsigned long number;
	int rc = read_number(text, &number);

	if (rc)
		return rc;
	pthread_mutex_lock(&driver.lock);
	if (driver.function[device].bound && number)
		rc = -EBUSY;
	else
		driver.function[device].enabled = !!number;
	pthread_mutex_unlock(&driver.lock);
	return rc;
}

/* There is nothing to be found. */
static int store_rescan(unsigned int unused, const char *text)
{
	unsigned long number;

	(void)unused;
	return read_number(text, &number);
}

static int store_autoprobe(unsigned int unused, const char *text)
{
	(void)unused;
	pthread_mutex_lock(&driver.lock);
	driver.no_autoprobe = *text == '0';
	pthread_mutex_unlock(&driver.lock);
	return 0;
}

/* No events are sent; udevadm trigger asks for some. */
static int store_uevent(unsigned int unused, const char *text)
{
	static const char *const actions[] = { "add",	 "remove",  "change", "move",
					       "online", "offline", "bind",   "unbind" };
	size_t len = strcspn(text, " \n");

	(void)unused;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i]) == len && !strncmp(text, actions[i], len))
			return 0;
	return -EINVAL;
}

/* ---- what is read ---- */

static size_t show_override(unsigned int device, char text[IOF_RUN_PAGE])
{
	size_t n;

	pthread_mutex_lock(&driver.lock);
	n = (size_t)snprintf(text, IOF_RUN_PAGE, "%s\n",
			     driver.function[device].override ?: "(null)");
	pthread_mutex_unlock(&driver.lock);
	return n;
}

static size_t show_enable(unsigned int device, char text[IOF_RUN_PAGE])
{
	pthread_mutex_lock(&driver.lock);
	text[0] = driver.function[device].bound || driver.function[device].enabled ? '1' : '0';
	pthread_mutex_unlock(&driver.lock);
	text[1] = '\n';
	return 2;
}

static size_t show_autoprobe(unsigned int unused, char text[IOF_RUN_PAGE])
{
	(void)unused;
	pthread_mutex_lock(&driver.lock);
	text[0] = driver.no_autoprobe ? '0' : '1';
	pthread_mutex_unlock(&driver.lock);
	text[1] = '\n';
	return 2;
}

#define MODALIAS "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X"

static size_t show_modalias(unsigned int device, char text[IOF_RUN_PAGE])
{
	const struct iof_run_pci *pci = pci_of(device);

	return (size_t)snprintf(text, IOF_RUN_PAGE, MODALIAS "\n", pci->vendor, pci->device,
				pci->vendor, pci->device, pci->class >> 16, pci->class >> 8 & 0xff,
				pci->class & 0xff);
}

static size_t show_uevent(unsigned int device, char text[IOF_RUN_PAGE])
{
	const struct iof_run_pci *pci = pci_of(device);
	char modalias[IOF_RUN_PAGE];

	modalias[show_modalias(device, modalias)] = 0;
	return (size_t)snprintf(text, IOF_RUN_PAGE,
				"%sPCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
				"PCI_SLOT_NAME=" IOF_RUN_BDF "\nMODALIAS=%.128s",
				has_driver(device) ? "DRIVER=" NAME "\n" : "", pci->class,
				pci->vendor, pci->device, pci->vendor, pci->device, device + 1,
				modalias);
}

static size_t show_node_uevent(unsigned int device, char text[IOF_RUN_PAGE])
{
	return (size_t)snprintf(text, IOF_RUN_PAGE,
				"MAJOR=%u\nMINOR=%u\nDEVNAME=vfio/devices/vfio%u\n",
				IOF_RUN_DEV_MAJOR, device, device);
}

/*
 * A line for each resource that a kernel counts: six BARs, the ROM, and six of a bridge. lspci and
 * DPDK give up a device with fewer.
 */
static size_t show_resource(unsigned int device, char text[IOF_RUN_PAGE])
{
	enum iof_run_kind kind = driver.run->config->devices[device].kind;
	const uint32_t *bars = driver.function[device].bars;
	size_t n = 0;

	for (unsigned int i = 0; i < 13; i++) {
		unsigned int size = i < 6 ? iof_run_pci_bar_size(kind, i) : 0;
		uint32_t at = size ? bars[i] & ~0xfu : 0;

		n += (size_t)snprintf(text + n, IOF_RUN_PAGE - n, "0x%016x 0x%016x 0x%016x\n", at,
				      size ? at + size - 1 : 0, size ? 0x40200 : 0);
	}
	return n;
}

static size_t show_config(unsigned int device, char text[IOF_RUN_PAGE])
{
	_Static_assert(IOF_MACHINE_CONFIG == IOF_RUN_PAGE, "all of it at once");
	if (iof_machine_read_config(driver.machine, device, 0, text, IOF_MACHINE_CONFIG))
		return 0;
	return IOF_RUN_PAGE;
}

/* ---- the folders ---- */

/* Where groups are shown: in /dev/vfio, /sys/devices/virtual/vfio and /sys/class/vfio. */
struct group_folders {
	struct iof_run_entry *nodes, *devices, *class;
};

/* A group exists while one of its members has the driver. Members follow one another. */
static void add_group(const struct group_folders *folders, unsigned int group, unsigned int first)
{
	unsigned int nr = 1, minor = group - driver.run->first_group;
	struct iof_run_entry *home;
	char name[24];

	while (first + nr < driver.run->config->nr_devices &&
	       driver.run->config->devices[first + nr].share_group)
		nr++;
	snprintf(name, sizeof(name), "%u", group);
	iof_run_tree_needs_driver(iof_run_tree_node(folders->nodes, name,
						    IOF_RUN_NODE_GROUP + (uint64_t)minor),
				  first, nr);
	home = iof_run_tree_folder(folders->devices, name);
	iof_run_tree_needs_driver(home, first, nr);
	iof_run_tree_text(home, "dev", "%u:%u\n", IOF_RUN_GROUP_MAJOR, minor);
	iof_run_tree_text(home, "uevent", "MAJOR=%u\nMINOR=%u\nDEVNAME=vfio/%u\n",
			  IOF_RUN_GROUP_MAJOR, minor, group);
	iof_run_tree_link(home, "subsystem", "../../../../class/vfio");
	iof_run_tree_needs_driver(iof_run_tree_link(folders->class, name,
						    "../../devices/virtual/vfio/%s", name),
				  first, nr);
}

static void add_function(struct iof_run_entry *bus, unsigned int device, unsigned int group)
{
	const struct iof_run_pci *pci = pci_of(device);
	struct iof_run_entry *home, *node;
	char name[24];

	snprintf(name, sizeof(name), IOF_RUN_BDF, device + 1);
	home = iof_run_tree_folder(bus, name);
	iof_run_tree_text(home, "vendor", "0x%04x\n", pci->vendor);
	iof_run_tree_text(home, "device", "0x%04x\n", pci->device);
	iof_run_tree_text(home, "subsystem_vendor", "0x%04x\n", pci->vendor);
	iof_run_tree_text(home, "subsystem_device", "0x%04x\n", pci->device);
	iof_run_tree_text(home, "class", "0x%06x\n", pci->class);
	iof_run_tree_text(home, "revision", "0x%02x\n", 0);
	iof_run_tree_text(home, "irq", "0\n");
	iof_run_tree_text(home, "numa_node", "-1\n");
	iof_run_tree_text(home, "local_cpulist", "0\n");
	iof_run_tree_text(home, "local_cpus", "1\n");
	iof_run_tree_text(home, "dma_mask_bits", "64\n");
	iof_run_tree_text(home, "consistent_dma_mask_bits", "64\n");
	iof_run_tree_file(home, "enable", device, show_enable, store_enable);
	iof_run_tree_file(home, "driver_override", device, show_override, store_override);
	iof_run_tree_file(home, "modalias", device, show_modalias, NULL);
	iof_run_tree_file(home, "uevent", device, show_uevent, store_uevent);
	iof_run_tree_file(home, "resource", device, show_resource, NULL);
	iof_run_tree_file(home, "config", device, show_config, NULL);
	iof_run_tree_link(home, "subsystem", "../../../bus/pci");
	if (!driver.run->config->devices[device].no_iommu) {
		iof_run_tree_link(home, "iommu_group", "../../../kernel/iommu_groups/%u", group);
		iof_run_tree_link(home, "iommu", "../../virtual/iommu/iofault");
	}
	iof_run_tree_needs_driver(
		iof_run_tree_link(home, "driver", "../../../bus/pci/drivers/" NAME), device, 1);

	home = iof_run_tree_folder(home, "vfio-dev");
	iof_run_tree_needs_driver(home, device, 1);
	snprintf(name, sizeof(name), "vfio%u", device);
	node = iof_run_tree_folder(home, name);
	iof_run_tree_needs_driver(node, device, 1);
	iof_run_tree_text(node, "dev", "%u:%u\n", IOF_RUN_DEV_MAJOR, device);
	iof_run_tree_file(node, "uevent", device, show_node_uevent, store_uevent);
	iof_run_tree_link(node, "device", "../../../" IOF_RUN_BDF, device + 1);
	iof_run_tree_link(node, "subsystem", "../../../../../class/vfio-dev");
}

void iof_run_driver_init(struct iof_run *run, struct iof_machine *machine)
{
	struct iof_run_entry *bus, *self, *class, *nodes;
	struct group_folders groups;
	unsigned int group = run->first_group;
	char name[24];

	driver.run = run;
	driver.machine = machine;
	iof_run_tree_init(has_driver);
	bus = iof_run_tree_folder(NULL, HOME);
	self = iof_run_tree_folder(NULL, NAME);
	class = iof_run_tree_folder(NULL, "vfio-dev");
	groups.nodes = iof_run_tree_folder(NULL, "vfio");
	groups.devices = iof_run_tree_folder(NULL, "vfio-groups");
	groups.class = iof_run_tree_folder(NULL, "vfio-class");
	nodes = iof_run_tree_folder(groups.nodes, "devices");
	iof_run_tree_node(groups.nodes, "vfio", IOF_RUN_NODE_CONTAINER);
	iof_run_tree_file(NULL, "drivers_probe", 0, NULL, store_probe);
	iof_run_tree_file(NULL, "drivers_autoprobe", 0, show_autoprobe, store_autoprobe);
	iof_run_tree_file(NULL, "rescan", 0, NULL, store_rescan);
	iof_run_tree_file(self, "bind", 0, NULL, store_bind);
	iof_run_tree_file(self, "unbind", 0, NULL, store_unbind);
	iof_run_tree_file(self, "new_id", 0, NULL, store_new_id);
	iof_run_tree_file(self, "remove_id", 0, NULL, store_remove_id);
	iof_run_tree_file(self, "uevent", 0, NULL, store_uevent);
	iof_run_tree_link(self, "module", "../../../../module/vfio_pci");
	for (unsigned int i = 0; i < run->config->nr_devices; i++) {
		driver.function[i].bound = true;
		iof_machine_read_config(machine, i, 0x10, driver.function[i].bars,
					sizeof(driver.function[i].bars));
		driver.function[i].override = strdup(NAME);
		if (i && !run->config->devices[i].share_group)
			group++;
		if (!run->config->devices[i].share_group && !run->config->devices[i].no_iommu)
			add_group(&groups, group, i);
		add_function(bus, i, group);
		snprintf(name, sizeof(name), IOF_RUN_BDF, i + 1);
		iof_run_tree_needs_driver(
			iof_run_tree_link(self, name, "../../../../devices/" HOME "/%s", name), i,
			1);
		snprintf(name, sizeof(name), "vfio%u", i);
		iof_run_tree_needs_driver(iof_run_tree_link(class, name,
							    "../../devices/" HOME "/" IOF_RUN_BDF
							    "/vfio-dev/%s",
							    i + 1, name),
					  i, 1);
		iof_run_tree_needs_driver(
			iof_run_tree_node(nodes, name, IOF_RUN_NODE_VFIO + (uint64_t)i), i, 1);
	}
}
