// SPDX-License-Identifier: MIT
/*
 * hw_races.c - proves that modules, functions and descriptors can go in any order while programs
 * use them: unloading, unbinding and removal against binds, attaches, mappings and page requests.
 *
 * Behind the test IOMMU every group must have had exactly one response whenever no program has a
 * function, and unloading must leave nothing. HW_ROUNDS in the environment sets the rounds, and an
 * argument chooses tests ("two_*"). What two functions do at once is in hw_races_two.c.
 */
#include "edu.h"
#include "hw_races.h"

#include <sched.h>
#include <string.h>

#define PCI_KO	   "iofault_pci"
#define PARAMETERS "allow_unsafe_interrupts=1 unplug_seconds=0"
#define DEVICES	   "/sys/bus/pci/devices/"

/* ---- for racers ---- */

int races_flood(uint32_t dev, uint32_t pasid, uint32_t nr)
{
	struct ti_flood flood = {
		.first = { .dev = dev, .pasid = pasid, .perm = 1, .addr = IOVA },
		.nr = nr,
		.grpids = 8,
	};

	return ioctl(hwi_fd, TI_FLOOD, &flood) ? -errno : 0;
}

void races_settled(struct racer *me, uint32_t dev)
{
	struct ti_stats stats = { .dev = dev };

	if (ioctl(hwi_fd, TI_STATS, &stats)) {
		race_wrong(me, "TI_STATS: %s", strerror(errno));
		return;
	}
	if (stats.open || stats.unexpected || stats.responses != stats.groups)
		race_wrong(me, "function %u: %lu groups, %lu responses, %lu open, %lu unexpected",
			   dev, (unsigned long)stats.groups, (unsigned long)stats.responses,
			   (unsigned long)stats.open, (unsigned long)stats.unexpected);
}

void races_handle(int ffd)
{
	struct iommu_hwpt_page_response response = { .code = SUCCESS };
	struct iommu_hwpt_pgfault rec;

	struct pollfd wait = { .fd = ffd, .events = POLLIN };

	if (poll(&wait, 1, 1) != 1 || read(ffd, &rec, sizeof(rec)) != sizeof(rec))
		return;
	response.cookie = rec.cookie;
	(void)!write(ffd, &response, sizeof(response));
}

int races_unbind(const char *name)
{
	return hw_write("/sys/bus/pci/drivers/iofault-pci/unbind", name);
}

int races_bind(const char *name)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), DEVICES "%s/driver_override", name);
	rc = hw_write(path, "iofault-pci");
	return rc ?: hw_write("/sys/bus/pci/drivers_probe", name);
}

int races_remove(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), DEVICES "%s/remove", name);
	return hw_write(path, "1");
}

int races_rescan(const char *name)
{
	int rc = hw_write("/sys/bus/pci/rescan", "1");

	return rc ?: hw_present(name) ? 0 : -ENODEV;
}

int races_iommu(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int fault_queue(int fd, uint32_t *id, int *ffd)
{
	int rc = abi_fault_queue(fd, id, ffd);

	if (!rc)
		fcntl(*ffd, F_SETFL, O_NONBLOCK);
	return rc;
}

/* A program uses the function from open to close, as if nothing had raced. */
static void works(uint32_t dev, uint32_t pasid)
{
	struct iommu_hwpt_pgfault rec;
	char *memory = abi_pages(1), byte = 9;
	struct hwi_bed bed;

	hwi_open(&bed, dev, pasid);
	assert_ok(abi_map(bed.hw.fd, bed.hw.ioas, memory, PAGE, IOVA));
	assert_int_equal(hwi_dma(dev, pasid, IOVA, &byte, 1, true), 1);
	assert_int_equal(memory[0], 9);
	hwi_page(&bed, 1);
	assert_ok(abi_answer(bed.ffd, hwi_take(&bed, &rec), SUCCESS));
	hwi_response(dev, pasid, 1, SUCCESS);
	assert_ok(abi_unmap(bed.hw.fd, bed.hw.ioas, IOVA, PAGE));
	assert_int_equal(hwi_dma(dev, pasid, IOVA, &byte, 1, true), 0);
	hwi_close(&bed);
	munmap(memory, PAGE);
}

/* ---- unloading ---- */

#define USERS 3

/* A program that uses a function again and again. */
static struct user {
	uint32_t dev, pasid;
	/* Odd while it holds a reference to the module: one value, one hold. */
	atomic_ulong hold;
} users[USERS] = {
	{ .dev = HWI_PLAIN, .pasid = TI_NO_PASID },
	{ .dev = HWI_FIRST, .pasid = TI_NO_PASID },
	{ .dev = HWI_PLAIN, .pasid = HWI_PASID },
};
static atomic_uint uses, unloads, refusals;
static long iofault_refs; /* of iofault.ko, while iofault-pci.ko is not there */

/* What bind may return while functions go and others have them. */
#define AWAY_OR_OWNED ENODEV, EINVAL, EPERM, EBUSY

/* Returns whether there is a page table now, which also holds the module. */
static bool use_bound(struct racer *me, struct user *user, int dev, int fd, uint32_t devid,
		      int *ffd)
{
	uint32_t fault;
	unsigned int i;
	int rc, ioas, table;

	ioas = DO(me, abi_ioas(fd), 0);
	if (ioas < 0 || DO(me, fault_queue(fd, &fault, ffd), 0))
		return false;
	table = DO(me, abi_hwpt_fault(fd, devid, (uint32_t)ioas, IOMMU_HWPT_ALLOC_PASID, fault),
		   ENOENT, ENODEV);
	if (table < 0)
		return false;
	rc = DO(me, abi_attach(dev, (uint32_t)table), ENODEV);
	if (rc > 0 && user->pasid != TI_NO_PASID)
		DO(me, abi_attach_pasid(dev, user->pasid, (uint32_t)table), ENODEV);
	for (i = race_random(me, 10); i; i--)
		races_handle(*ffd);
	if (race_random(me, 2)) {
		if (user->pasid != TI_NO_PASID)
			DO(me, abi_detach_pasid(dev, user->pasid), ENODEV);
		DO(me, abi_detach(dev), ENODEV);
	}
	return true;
}

static void use(struct racer *me)
{
	struct user *user = me->arg;
	int dev, fd, devid, ffd = -1;
	bool table = false;

	pthread_rwlock_rdlock(&me->race->quiet);
	dev = DO(me, hw_open(hwi_name[user->dev]), ENODEV, ENOENT, ENXIO);
	if (dev < 0)
		goto out;
	atomic_fetch_add(&user->hold, 1);
	fd = DO(me, races_iommu(), 0);
	devid = DO(me, abi_bind(dev, fd), AWAY_OR_OWNED);
	if (devid > 0)
		atomic_fetch_add(&uses, 1);
	if (devid > 0)
		table = use_bound(me, user, dev, fd, (uint32_t)devid, &ffd);
	if (ffd >= 0 && race_random(me, 2)) {
		close(ffd);
		ffd = -1;
	}
	race_at(me, "close");
	/* Without a page table the node alone holds the module. */
	if (!table || race_random(me, 2)) {
		atomic_fetch_add(&user->hold, 1);
		close(fd);
		close(dev);
	} else {
		close(dev);
		sched_yield();
		atomic_fetch_add(&user->hold, 1);
		close(fd);
	}
	if (ffd >= 0)
		close(ffd);
out:
	pthread_rwlock_unlock(&me->race->quiet);
}

static void flood(struct racer *me)
{
	static const uint32_t devs[] = { HWI_PLAIN, HWI_FIRST, HWI_NO_PRI };

	pthread_rwlock_rdlock(&me->race->quiet);
	DO(me,
	   races_flood(devs[race_random(me, 3)], race_random(me, 2) ? HWI_PASID : TI_NO_PASID, 20),
	   ENODEV);
	pthread_rwlock_unlock(&me->race->quiet);
}

static void unbind_and_bind(struct racer *me)
{
	const char *name = hwi_name[race_random(me, 2) ? HWI_PLAIN : HWI_SECOND];

	pthread_rwlock_rdlock(&me->race->quiet);
	DO(me, races_unbind(name), ENODEV, ENOENT);
	DO(me, races_bind(name), 0);
	pthread_rwlock_unlock(&me->race->quiet);
}

static void remove_and_rescan(struct racer *me)
{
	const char *name = hwi_name[HWI_NO_PRI];

	pthread_rwlock_rdlock(&me->race->quiet);
	DO(me, races_remove(name), 0);
	DO(me, races_rescan(name), 0);
	DO(me, races_bind(name), 0);
	pthread_rwlock_unlock(&me->race->quiet);
}

/* Nodes of real functions have numbers below 4096. */
static unsigned int count_nodes(void)
{
	DIR *dir = opendir("/dev/vfio/devices");
	struct dirent *entry;
	unsigned int nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += !strncmp(entry->d_name, "vfio", 4) && atoi(entry->d_name + 4) < 4096;
	if (dir)
		closedir(dir);
	return nr;
}

static bool listed(const char *path, const char *word)
{
	char line[256];
	bool found = false;
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, word) != NULL;
	if (f)
		fclose(f);
	return found;
}

static void expect_loaded(struct racer *me)
{
	unsigned int i;
	int dev;

	for (i = 0; i < HWI_DEVICES; i++) {
		dev = hw_open(hwi_name[i]);
		if (dev < 0)
			race_wrong(me, "function %u has no node: %s", i, strerror(-dev));
		else
			close(dev);
		races_settled(me, i);
	}
	if (count_nodes() != HWI_DEVICES)
		race_wrong(me, "%u nodes, not %u", count_nodes(), HWI_DEVICES);
	if (race_refs(PCI_KO))
		race_wrong(me, "%ld references to the module are left", race_refs(PCI_KO));
}

static void expect_unloaded(struct racer *me)
{
	unsigned int i;
	char path[128];
	long refs = race_refs("iofault");

	for (i = 0; i < HWI_DEVICES; i++) {
		snprintf(path, sizeof(path), DEVICES "%s/vfio-dev", hwi_name[i]);
		if (!access(path, F_OK))
			race_wrong(me, "%s is left", path);
	}
	if (count_nodes())
		race_wrong(me, "%u nodes are left", count_nodes());
	if (!access("/sys/module/" PCI_KO, F_OK) || !access("/sys/class/" PCI_KO, F_OK) ||
	    !access("/sys/bus/pci/drivers/iofault-pci", F_OK) || listed("/proc/devices", PCI_KO))
		race_wrong(me, "the module, its class, driver or numbers are left");
	if (refs != iofault_refs)
		race_wrong(me, "iofault.ko had %ld references, now %ld", iofault_refs, refs);
}

/* Every program is between two uses: unloading must succeed. */
static void reload_alone(struct racer *me, unsigned int flags)
{
	pthread_rwlock_wrlock(&me->race->quiet);
	/* It could not join its group while the other one was attached. */
	DO(me, races_bind(hwi_name[HWI_SECOND]), 0);
	expect_loaded(me);
	if (!DO(me, race_rmmod(PCI_KO, flags), 0)) {
		if (iofault_refs < 0)
			iofault_refs = race_refs("iofault");
		expect_unloaded(me);
		DO(me, race_insmod(PARAMETERS), 0);
	}
	expect_loaded(me);
	pthread_rwlock_unlock(&me->race->quiet);
}

static void reload(struct racer *me)
{
	unsigned int i, flags = me->round & 1 ? O_NONBLOCK : 0;
	unsigned long held[USERS];
	int rc;

	if (me->round % 4 == 0) {
		reload_alone(me, flags);
		return;
	}
	for (i = 0; i < USERS; i++)
		held[i] = atomic_load(&users[i].hold);
	/* Some calls find it in use, and some find it free. */
	poll(NULL, 0, (int)race_random(me, 100));
	rc = DO(me, race_rmmod(PCI_KO, flags), EAGAIN, EBUSY);
	atomic_fetch_add(rc ? &refusals : &unloads, 1);
	for (i = 0; i < USERS && !rc; i++) {
		if (held[i] & 1 && held[i] == atomic_load(&users[i].hold))
			race_wrong(me, "unloaded while a program held function %u", users[i].dev);
	}
	if (!rc)
		DO(me, race_insmod(PARAMETERS), 0);
	if (access("/sys/bus/pci/drivers/iofault-pci", F_OK))
		race_wrong(me, "the driver is gone");
}

static void unloading_races_with_programs(void **state)
{
	struct racer racers[] = {
		{ .name = "reloads", .step = reload, .rounds = race_rounds(12) },
		{ .name = "uses the first", .step = use, .arg = &users[0] },
		{ .name = "uses the second", .step = use, .arg = &users[1] },
		{ .name = "uses a PASID", .step = use, .arg = &users[2] },
		{ .name = "floods", .step = flood },
		{ .name = "unbinds", .step = unbind_and_bind },
		{ .name = "rescans", .step = remove_and_rescan },
	};

	(void)state;
	iofault_refs = -1;
	assert_ok(hw_write("/sys/module/" PCI_KO "/parameters/unplug_seconds", "0"));
	race_run(racers, sizeof(racers) / sizeof(racers[0]));
	print_message("# %u uses; %u unloads and %u refusals beside them\n", uses, unloads,
		      refusals);
	works(HWI_PLAIN, TI_NO_PASID);
	works(HWI_PLAIN, HWI_PASID);
	works(HWI_FIRST, TI_NO_PASID);
}

static void expect_in_use(const char *name)
{
	static const unsigned int flags[] = { 0, O_NONBLOCK };
	unsigned int i;
	int rc;

	for (i = 0; i < 2; i++) {
		rc = race_rmmod(name, flags[i]);
		if (rc != -EAGAIN && rc != -EBUSY)
			fail_msg("unloading %s (flags %#x): %d", name, flags[i], rc);
	}
}

static void a_module_in_use_is_not_unloaded(void **state)
{
	struct hwi_bed bed;
	int dev;

	(void)state;
	/* iofault-pci.ko needs it; and its functions are those of the test IOMMU. */
	expect_in_use("iofault");
	expect_in_use("testiommu");
	/* A node that is only open. */
	dev = hw_open(hwi_name[HWI_PLAIN]);
	assert_true(dev >= 0);
	expect_in_use(PCI_KO);
	close(dev);
	/* A page table whose function is closed. */
	hwi_open(&bed, HWI_PLAIN, HWI_PASID);
	expect_in_use(PCI_KO);
	close(bed.hw.dev);
	bed.hw.dev = -1;
	expect_in_use(PCI_KO);
	hwi_close(&bed);
	works(HWI_PLAIN, HWI_PASID);
	assert_int_equal(race_refs(PCI_KO), 0);
	assert_ok(race_rmmod(PCI_KO, O_NONBLOCK));
	/* Now only the descriptor of the test IOMMU and the kernel hold that. */
	expect_in_use("testiommu");
	assert_ok(race_insmod(PARAMETERS));
	works(HWI_PLAIN, HWI_PASID);
}

/* ---- unbinding ---- */

/*
 * A program with several threads. Its descriptors have fixed numbers: a new session takes the
 * number over, so that the old descriptor is closed while others may be in calls on it. Between
 * two sessions they name the parked ones, of a function that is not bound and a context without
 * objects.
 */
static struct {
	int fd, dev, ffd, request;
	int parked_fd, parked_dev, parked_ffd;
	_Atomic uint32_t ioas, plain, faulting, other;
	/* Begun and ended sessions, and binds of the function. */
	atomic_ulong begun, ended, bound;
	bool polite;
} shared;

#define NAME hwi_name[HWI_PLAIN]
/* The ids and descriptors of two sessions may be mixed. */
#define MIXED ENODEV, EINVAL, ENOENT

static void park(void)
{
	dup2(shared.parked_ffd, shared.ffd);
	dup2(shared.parked_dev, shared.dev);
	dup2(shared.parked_fd, shared.fd);
}

void races_take_number(int new, int number)
{
	dup2(new, number);
	close(new);
}

static bool asked_to_leave(void)
{
	return shared.polite && abi_readable(shared.request);
}

static uint32_t table_of(struct racer *me, uint32_t devid, uint32_t fault)
{
	int rc;

	if (fault)
		rc = DO(me,
			abi_hwpt_fault(shared.fd, devid, shared.ioas, IOMMU_HWPT_ALLOC_PASID,
				       fault),
			ENODEV, ENOENT);
	else
		rc = DO(me, abi_hwpt(shared.fd, devid, shared.ioas, IOMMU_HWPT_ALLOC_PASID), ENODEV,
			ENOENT);
	return rc < 0 ? 0 : (uint32_t)rc;
}

/* Opens all of a session; returns whether it is attached. @bound: the binds so far. */
static bool begin_session(struct racer *me, unsigned long bound)
{
	uint32_t fault;
	int dev, fd, ffd, devid, rc;

	dev = DO(me, hw_open(NAME), ENODEV, ENOENT, ENXIO);
	if (dev < 0) {
		race_await(me, &shared.bound, bound);
		return false;
	}
	races_take_number(dev, shared.dev);
	fd = DO(me, races_iommu(), 0);
	races_take_number(fd, shared.fd);
	devid = DO(me, abi_bind(shared.dev, shared.fd), AWAY_OR_OWNED);
	if (devid < 0)
		return false;
	if (shared.polite) {
		struct hw hw = { .dev = shared.dev };

		DO(me, hw_irq(&hw, VFIO_PCI_REQ_IRQ_INDEX, 0, shared.request), ENODEV);
	}
	rc = DO(me, abi_ioas(shared.fd), 0);
	shared.ioas = (uint32_t)rc;
	if (rc < 0 || DO(me, fault_queue(shared.fd, &fault, &ffd), 0))
		return false;
	races_take_number(ffd, shared.ffd);
	shared.plain = table_of(me, (uint32_t)devid, 0);
	shared.faulting = table_of(me, (uint32_t)devid, fault);
	shared.other = table_of(me, (uint32_t)devid, fault);
	return shared.other && DO(me, abi_attach(shared.dev, shared.faulting), ENODEV) > 0;
}

static void session(struct racer *me)
{
	unsigned long bound = atomic_load(&shared.bound);
	bool stays = race_random(me, 4), leaves = race_random(me, 8);
	uint64_t count;

	if (!begin_session(me, bound)) {
		park();
		return;
	}
	race_tell(me, &shared.begun);
	/* Until the function is taken, or is asked for, or earlier. */
	while (bound == atomic_load(&shared.bound) && !atomic_load(&me->race->end) &&
	       (stays || race_random(me, 20)) && !(leaves && asked_to_leave())) {
		race_at(me, "read");
		races_handle(shared.ffd);
	}
	atomic_fetch_add(&shared.ended, 1);
	race_at(me, "close");
	if (shared.polite)
		(void)!read(shared.request, &count, sizeof(count));
	park();
}

/* Between two sessions the others rest. */
static void await_session(struct racer *me)
{
	unsigned long begun = atomic_load(&shared.begun);

	if (begun == atomic_load(&shared.ended))
		race_await(me, &shared.begun, begun);
}

static void attach_and_detach(struct racer *me)
{
	await_session(me);
	switch (race_random(me, 5)) {
	case 0:
		DO(me, abi_attach(shared.dev, shared.plain), MIXED);
		break;
	case 1:
		DO(me, abi_attach(shared.dev, shared.faulting), MIXED);
		break;
	case 2:
		DO(me, abi_attach(shared.dev, shared.other), MIXED);
		break;
	case 3:
		DO(me, abi_attach(shared.dev, shared.ioas), MIXED);
		break;
	case 4:
		DO(me, abi_detach(shared.dev), MIXED);
		break;
	}
}

static void attach_pasids(struct racer *me)
{
	uint32_t pasid = HWI_PASID + race_random(me, 2);

	await_session(me);
	if (race_random(me, 3))
		DO(me,
		   abi_attach_pasid(shared.dev, pasid,
				    race_random(me, 2) ? shared.faulting : shared.other),
		   MIXED);
	else
		DO(me, abi_detach_pasid(shared.dev, pasid), MIXED);
}

static void map_and_unmap(struct racer *me)
{
	uint64_t iova = IOVA + race_random(me, 8) * 64 * PAGE;

	await_session(me);
	DO(me, abi_map(shared.fd, shared.ioas, me->arg, 64 * PAGE, iova), ENOENT, EEXIST);
	DO(me, abi_unmap(shared.fd, shared.ioas, iova, 64 * PAGE), ENOENT);
}

static void flood_plain(struct racer *me)
{
	await_session(me);
	DO(me, races_flood(HWI_PLAIN, race_random(me, 2) ? HWI_PASID : TI_NO_PASID, 20), ENODEV);
}

static void expect_nothing_reached(struct racer *me)
{
	static const uint32_t pasids[] = { TI_NO_PASID, HWI_PASID, HWI_PASID + 1 };
	unsigned int i;
	uint8_t byte;
	int rc;

	for (i = 0; i < 3; i++) {
		rc = hwi_try_dma(HWI_PLAIN, pasids[i], IOVA, &byte, 1, false);
		if (rc > 0)
			race_wrong(me, "PASID %#x of an unbound function reaches memory",
				   pasids[i]);
	}
}

static void take_from_program(struct racer *me)
{
	unsigned long begun = atomic_load(&shared.begun);
	bool rescan = race_random(me, 8) == 0;

	/* Most rounds have something to take. */
	if (begun == atomic_load(&shared.ended) && race_random(me, 8))
		race_await(me, &shared.begun, begun);
	if (rescan)
		DO(me, races_remove(NAME), 0);
	else
		DO(me, races_unbind(NAME), 0);
	expect_nothing_reached(me);
	races_settled(me, HWI_PLAIN);
	if (rescan)
		DO(me, races_rescan(NAME), 0);
	DO(me, races_bind(NAME), 0);
	race_tell(me, &shared.bound);
}

static void unbinding_races(const char *unplug_seconds, unsigned int rounds)
{
	char *memory = abi_pages(64);
	struct racer racers[] = {
		{ .name = "unbinds", .step = take_from_program, .rounds = rounds },
		{ .name = "opens", .step = session },
		{ .name = "attaches", .step = attach_and_detach },
		{ .name = "attaches PASIDs", .step = attach_pasids },
		{ .name = "maps", .step = map_and_unmap, .arg = memory },
		{ .name = "floods", .step = flood_plain },
	};
	uint32_t fault;

	assert_ok(hw_write("/sys/module/" PCI_KO "/parameters/unplug_seconds", unplug_seconds));
	memset(&shared, 0, sizeof(shared));
	shared.polite = strcmp(unplug_seconds, "0") != 0;
	shared.request = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared.parked_dev = hw_open(hwi_name[HWI_NO_PRI]);
	shared.parked_fd = races_iommu();
	assert_true(shared.request >= 0 && shared.parked_dev >= 0 && shared.parked_fd >= 0);
	assert_ok(fault_queue(shared.parked_fd, &fault, &shared.parked_ffd));
	shared.dev = dup(shared.parked_dev);
	shared.fd = dup(shared.parked_fd);
	shared.ffd = dup(shared.parked_ffd);
	race_run(racers, sizeof(racers) / sizeof(racers[0]));
	print_message("# %lu sessions\n", atomic_load(&shared.begun));
	assert_true(atomic_load(&shared.begun) > 0);
	close(shared.dev);
	close(shared.fd);
	close(shared.ffd);
	close(shared.parked_dev);
	close(shared.parked_fd);
	close(shared.parked_ffd);
	close(shared.request);
	hwi_drain();
	works(HWI_PLAIN, TI_NO_PASID);
	works(HWI_PLAIN, HWI_PASID);
	munmap(memory, 64 * PAGE);
}

static void unbinding_races_with_calls(void **state)
{
	(void)state;
	unbinding_races("0", race_rounds(10));
}

static void unbinding_races_with_programs_that_leave(void **state)
{
	(void)state;
	unbinding_races("1", race_rounds(10) / 4 + 1);
}

/* ---- groups ---- */

/* The members of a group leave one after the other, each with open requests. */
static void a_group_that_leaves_is_swept(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed bed;
	unsigned int i;

	(void)state;
	hwi_open(&bed, HWI_FIRST, TI_NO_PASID);
	for (i = 1; i <= 8; i++)
		hwi_page(&bed, i);
	hwi_take(&bed, &rec);
	assert_ok(hwi_detach(&bed));
	assert_int_equal(hwi_drain(), 8);
	hwi_settled(HWI_FIRST);
	assert_true(abi_answer(bed.ffd, rec.cookie, SUCCESS) < 0);
	assert_id(hwi_attach(&bed));
	hwi_page(&bed, 9);
	assert_ok(abi_answer(bed.ffd, hwi_take(&bed, &rec), SUCCESS));
	hwi_response(HWI_FIRST, TI_NO_PASID, 9, SUCCESS);
	hwi_close(&bed);
}

/* ---- replacing ---- */

/* The page tables of a bed, of which each round puts the other one in force. */
struct replaced {
	const struct hwi_bed *bed;
	uint32_t tables[2];
};

static void replace(struct racer *me)
{
	const struct replaced *replaced = me->arg;
	uint32_t table = replaced->tables[me->round & 1];
	const struct hwi_bed *bed = replaced->bed;
	unsigned int i;

	/* The rounds of this race are short. */
	for (i = 0; i < 20; i++) {
		if (bed->pasid == TI_NO_PASID)
			DO(me, abi_attach(bed->hw.dev, table), 0);
		else
			DO(me, abi_attach_pasid(bed->hw.dev, bed->pasid, table), 0);
		table = replaced->tables[(me->round + i) & 1];
	}
}

static void flood_bed(struct racer *me)
{
	const struct hwi_bed *bed = me->arg;

	DO(me, races_flood(bed->dev, bed->pasid, 20), 0);
}

static void handle_bed(struct racer *me)
{
	const struct hwi_bed *bed = me->arg;

	race_at(me, "read");
	races_handle(bed->ffd);
}

static void replacing_races(uint32_t pasid)
{
	struct replaced replaced;
	struct hwi_bed bed;
	struct racer racers[] = {
		{ .name = "replaces", .step = replace, .arg = &replaced },
		{ .name = "floods", .step = flood_bed, .arg = &bed },
		{ .name = "floods, too", .step = flood_bed, .arg = &bed },
		{ .name = "handles", .step = handle_bed, .arg = &bed },
	};
	int rc;

	racers[0].rounds = race_rounds(20);
	hwi_open(&bed, HWI_PLAIN, pasid);
	fcntl(bed.ffd, F_SETFL, O_NONBLOCK);
	rc = abi_hwpt_fault(bed.hw.fd, bed.hw.devid, bed.hw.ioas, IOMMU_HWPT_ALLOC_PASID,
			    bed.fault);
	assert_id(rc);
	replaced.bed = &bed;
	replaced.tables[0] = bed.hwpt;
	replaced.tables[1] = (uint32_t)rc;
	race_run(racers, sizeof(racers) / sizeof(racers[0]));
	hwi_close(&bed);
	works(HWI_PLAIN, pasid);
}

static void replacing_races_with_page_requests(void **state)
{
	(void)state;
	replacing_races(TI_NO_PASID);
}

static void replacing_races_with_page_requests_of_a_pasid(void **state)
{
	(void)state;
	replacing_races(HWI_PASID);
}

/* ---- all ---- */

/* Gives all functions to the driver, also after a race that failed in the middle. */
static int bind_all(void **state)
{
	unsigned int i;

	(void)state;
	if (access("/sys/module/" PCI_KO, F_OK))
		assert_ok(race_insmod(PARAMETERS));
	assert_ok(hw_write("/sys/module/" PCI_KO "/parameters/unplug_seconds", "0"));
	assert_ok(hw_write("/sys/bus/pci/rescan", "1"));
	for (i = 0; i < HWI_DEVICES && hwi_name[i][0]; i++)
		assert_ok(races_bind(hwi_name[i]));
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, bind_all, bind_all)

int main(int argc, char **argv)
{
	const struct CMUnitTest behind_testiommu[] = {
		T(a_module_in_use_is_not_unloaded),
		T(a_group_that_leaves_is_swept),
		T(unloading_races_with_programs),
		T(unbinding_races_with_calls),
		T(unbinding_races_with_programs_that_leave),
		T(replacing_races_with_page_requests),
		T(replacing_races_with_page_requests_of_a_pasid),
		T(two_functions_race),
		T(two_functions_race_in_two_contexts),
		T(two_functions_of_a_group_race),
		T(two_functions_of_a_group_race_in_two_contexts),
		T(attaching_races_with_maps),
		T(bars_race_with_removal),
	};
	const struct CMUnitTest behind_another[] = {
		T(two_functions_race),
		T(two_functions_race_in_two_contexts),
		T(attaching_races_with_maps),
		T(bars_race_with_removal),
	};
	int failed;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (!access("/dev/testiommu", F_OK)) {
		hwi_begin("kernel/hw_races");
		failed = cmocka_run_group_tests_name("hw_races", behind_testiommu, NULL, NULL);
		hwi_end();
		return failed;
	}
	if (access("/sys/bus/pci/drivers/iofault-pci", F_OK) ||
	    !hw_find(EDU_VENDOR, EDU_DEVICE, 1, hwi_name[1]) ||
	    !hw_find(EDU_VENDOR, EDU_DEVICE, 0, hwi_name[0])) {
		printf("1..0 # SKIP kernel/hw_races: no iofault-pci.ko with two edu devices\n");
		return 0;
	}
	return cmocka_run_group_tests_name("hw_races", behind_another, NULL, NULL);
}
