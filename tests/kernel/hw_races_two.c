// SPDX-License-Identifier: MIT
/*
 * hw_races_two.c - proves that two functions do not disturb each other when programs use both at
 * once, and that BARs show a function or nothing while it goes.
 *
 * Each function is used, bound and unbound by one thread alone. So each of its calls has one right
 * result, whatever the other thread does, and its DMA reaches exactly what is mapped. The functions
 * are behind the test IOMMU, or edu devices of QEMU behind another one.
 */
#include "edu.h"
#include "hw_races.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#define BYTES 2048u

/*
 * An edu device takes 0.1 s for a transfer: in the long form one round in so many has some, in the
 * short form only what follows the race.
 */
#define EDU_ROUNDS 4

static bool behind_testiommu(void)
{
	return hwi_fd >= 0;
}

/* ---- a function, and the thread that uses it ---- */

struct pair {
	bool group; /* both are in one isolation group */
	int fd;	    /* the context of both; -1: each has its own */
	uint32_t ioas;
	char *more; /* memory that a third thread maps in it */
};

struct side {
	struct pair *pair;
	unsigned int index; /* of hwi_name, and of the test IOMMU's devices */
	uint64_t iova;
	char *memory; /* a page */

	/* while it is open */
	int dev, fd;
	uint32_t devid, own;
	volatile uint8_t *bar;
	size_t bar_bytes;
};

static volatile uint64_t *edu_register(struct side *side, unsigned int at)
{
	return (volatile uint64_t *)(side->bar + at);
}

static void edu_dma(struct racer *me, struct side *side, uint64_t from, uint64_t to,
		    uint64_t direction)
{
	race_at(me, "DMA of edu");
	*edu_register(side, EDU_SOURCE) = from;
	*edu_register(side, EDU_TARGET) = to;
	*edu_register(side, EDU_COUNT) = BYTES;
	*edu_register(side, EDU_DMA) = 1 | direction;
	while (*edu_register(side, EDU_DMA) & 1)
		sched_yield();
}

/* Lets the function write to its page. Returns how many bytes arrived, or -1: others changed. */
static int write_by_dma(struct racer *me, struct side *side, uint32_t pasid)
{
	uint8_t data[BYTES];
	unsigned int i, arrived;

	memset(data, (int)(me->round % 250) + 1, BYTES);
	memset(side->memory, 0, PAGE);
	if (behind_testiommu()) {
		DO(me, hwi_try_dma(side->index, pasid, side->iova, data, BYTES, true), 0);
	} else {
		/* It fills its buffer from memory first, which fails without a mapping, too. */
		memcpy(side->memory, data, BYTES);
		edu_dma(me, side, side->iova, EDU_BUFFER, 0);
		memset(side->memory, 0, PAGE);
		edu_dma(me, side, EDU_BUFFER, side->iova, EDU_TO_RAM);
	}
	for (arrived = 0; arrived < BYTES; arrived++) {
		if ((uint8_t)side->memory[arrived] != data[0])
			break;
	}
	for (i = arrived; i < PAGE; i++) {
		if (side->memory[i])
			return -1;
	}
	return (int)arrived;
}

static bool has_dma(const struct racer *me)
{
	if (behind_testiommu() || me->rounds == 1)
		return true;
	return getenv("HW_ROUNDS") && me->round % EDU_ROUNDS == 0;
}

static void expect_dma(struct racer *me, struct side *side, uint32_t pasid, unsigned int bytes)
{
	uint16_t command = 0;
	int arrived;

	if (!has_dma(me))
		return;
	arrived = write_by_dma(me, side, pasid);
	if (arrived == (int)bytes)
		return;
	(void)!pread(side->dev, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4);
	race_wrong(
		me,
		"function %u, PASID %#x: %d bytes arrived, not %u; command register %#x; then %d",
		side->index, pasid, arrived, bytes, command, write_by_dma(me, side, pasid));
}

/* Maps BAR 0, for DMA of an edu device. */
static void open_bar(struct racer *me, struct side *side)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	uint64_t config = (uint64_t)VFIO_PCI_CONFIG_REGION_INDEX << 40;
	uint16_t command = 6; /* memory, bus master */
	void *bar;

	side->bar = NULL;
	if (behind_testiommu() || !has_dma(me))
		return;
	race_at(me, "mmap");
	if (pwrite(side->dev, &command, 2, (off_t)config + 4) != 2 ||
	    ioctl(side->dev, VFIO_DEVICE_GET_REGION_INFO, &info)) {
		race_wrong(me, "function %u: its command register: %s", side->index,
			   strerror(errno));
		return;
	}
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, side->dev,
		   (off_t)info.offset);
	if (bar == MAP_FAILED) {
		race_wrong(me, "function %u: mmap: %s", side->index, strerror(errno));
		return;
	}
	side->bar = bar;
	side->bar_bytes = info.size;
}

static void try_pasid(struct racer *me, struct side *side, uint32_t table)
{
	DO(me, abi_attach_pasid(side->dev, HWI_PASID, table), 0);
	expect_dma(me, side, HWI_PASID, BYTES);
	if (race_random(me, 2))
		return; /* the close detaches it */
	DO(me, abi_detach_pasid(side->dev, HWI_PASID), 0);
	expect_dma(me, side, HWI_PASID, 0);
}

/* Maps, does DMA, and unmaps, in @ioas, to which the function is attached by @table. */
static void use_mapping(struct racer *me, struct side *side, uint32_t ioas, uint32_t table)
{
	DO(me, abi_map(side->fd, ioas, side->memory, PAGE, side->iova), 0);
	expect_dma(me, side, TI_NO_PASID, BYTES);
	if (table)
		try_pasid(me, side, table);
	DO(me, abi_unmap(side->fd, ioas, side->iova, PAGE), 0);
	expect_dma(me, side, TI_NO_PASID, 0);
	expect_dma(me, side, HWI_PASID, 0);
}

static void close_side(struct racer *me, struct side *side)
{
	race_at(me, "close");
	if (side->bar)
		munmap((void *)side->bar, side->bar_bytes);
	side->bar = NULL;
	close(side->dev);
}

static bool has_driver(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", name);
	return !access(path, F_OK);
}

/* A function cannot join its group while a program has the other one attached. */
static void bind_again(struct racer *me, struct side *side)
{
	const char *name = hwi_name[side->index];

	do {
		DO(me, races_bind(name), 0);
		if (has_driver(name))
			return;
		if (!side->pair->group)
			race_wrong(me, "function %u has no driver after a bind", side->index);
		sched_yield();
	} while (!atomic_load(&me->race->end));
}

/* The function is taken from its program. */
static void lose_function(struct racer *me, struct side *side)
{
	int rc;

	DO(me, races_unbind(hwi_name[side->index]), 0);
	rc = abi_attach(side->dev, side->own);
	if (rc != -ENODEV)
		race_wrong(me, "attach of a function that is gone: %d", rc);
	/* The context works on. */
	DO(me, abi_map(side->fd, side->own, side->memory, PAGE, side->iova), 0);
	if (behind_testiommu() && !side->pair->group)
		expect_dma(me, side, TI_NO_PASID, 0);
	close_side(me, side);
	DO(me, abi_unmap(side->fd, side->own, side->iova, PAGE), 0);
	bind_again(me, side);
}

static void leave_function(struct racer *me, struct side *side)
{
	unsigned int way = race_random(me, 3);

	if (way == 0) {
		lose_function(me, side);
		return;
	}
	if (way == 1) {
		DO(me, abi_detach(side->dev), 0);
		/* The page table of a group stays while the other is attached. */
		if (!side->pair->group)
			expect_dma(me, side, TI_NO_PASID, 0);
	}
	close_side(me, side);
}

/* Attaches the bound function to an IOAS and uses it. */
static void use_attached(struct racer *me, struct side *side)
{
	struct pair *pair = side->pair;
	bool common = pair->fd >= 0 && race_random(me, 2);
	uint32_t ioas = common ? pair->ioas : side->own;
	bool by_table = behind_testiommu() && !pair->group && race_random(me, 2);
	int rc, table = 0;

	if (by_table)
		table = DO(me, abi_hwpt(side->fd, side->devid, ioas, IOMMU_HWPT_ALLOC_PASID), 0);
	/* A group has one page table. */
	rc = DO(me, abi_attach(side->dev, by_table ? (uint32_t)table : ioas),
		pair->group ? EINVAL : 0);
	if (rc > 0) {
		use_mapping(me, side, ioas, by_table ? (uint32_t)table : 0);
		/* While a PASID is attached, not each page table will do. */
		if (common && !pair->group && !by_table) {
			DO(me, abi_attach(side->dev, side->own), 0);
			use_mapping(me, side, side->own, 0);
		}
	}
	leave_function(me, side);
	if (by_table)
		DO(me, abi_destroy(side->fd, (uint32_t)table), 0);
}

static void use_function(struct racer *me)
{
	struct side *side = me->arg;
	bool together = side->pair->fd >= 0;
	int rc;

	side->dev = DO(me, hw_open(hwi_name[side->index]), 0);
	side->fd = together ? side->pair->fd : DO(me, races_iommu(), 0);
	if (side->dev < 0 || side->fd < 0)
		return;
	/* A group belongs to one context. */
	rc = DO(me, abi_bind(side->dev, side->fd), side->pair->group && !together ? EPERM : 0);
	if (rc > 0) {
		side->devid = (uint32_t)rc;
		side->own = (uint32_t)DO(me, abi_ioas(side->fd), 0);
		open_bar(me, side);
		use_attached(me, side);
		DO(me, abi_destroy(side->fd, side->own), 0);
	} else {
		close(side->dev);
	}
	if (!together)
		close(side->fd);
}

/* A third thread changes the IOAS that both use. */
static void map_more(struct racer *me)
{
	struct pair *pair = me->arg;
	uint64_t iova = 8 * IOVA + race_random(me, 4) * 64 * PAGE;

	DO(me, abi_map(pair->fd, pair->ioas, pair->more, 64 * PAGE, iova), 0);
	DO(me, abi_unmap(pair->fd, pair->ioas, iova, 64 * PAGE), 0);
	/* The guest has few CPUs. */
	poll(NULL, 0, 1);
}

/* Both functions in one IOAS, as if nothing had raced. */
static void both_work(struct racer *me)
{
	struct side *sides = me->arg;
	unsigned int i;
	int fd = DO(me, races_iommu(), 0), ioas = DO(me, abi_ioas(fd), 0);

	for (i = 0; i < 2; i++) {
		sides[i].fd = fd;
		sides[i].dev = DO(me, hw_open(hwi_name[sides[i].index]), 0);
		DO(me, abi_bind(sides[i].dev, fd), 0);
		open_bar(me, &sides[i]);
		DO(me, abi_attach(sides[i].dev, (uint32_t)ioas), 0);
	}
	for (i = 0; i < 2; i++) {
		DO(me, abi_map(fd, (uint32_t)ioas, sides[i].memory, PAGE, sides[i].iova), 0);
		expect_dma(me, &sides[i], TI_NO_PASID, BYTES);
	}
	DO(me, abi_unmap(fd, (uint32_t)ioas, sides[0].iova, PAGE), 0);
	expect_dma(me, &sides[0], TI_NO_PASID, 0);
	expect_dma(me, &sides[1], TI_NO_PASID, BYTES);
	for (i = 0; i < 2; i++)
		DO(me, abi_detach(sides[i].dev), 0);
	for (i = 0; i < 2; i++) {
		expect_dma(me, &sides[i], TI_NO_PASID, 0);
		close_side(me, &sides[i]);
		if (behind_testiommu())
			races_settled(me, sides[i].index);
	}
	close(fd);
}

static void race_two(unsigned int first, unsigned int second, bool together)
{
	unsigned int rounds = race_rounds(6), i;
	struct pair pair = {
		.group = behind_testiommu() && first == HWI_FIRST,
		.fd = -1,
		.more = abi_pages(64),
	};
	struct side sides[2] = {
		{ .pair = &pair, .index = first, .iova = 0x200000 },
		{ .pair = &pair, .index = second, .iova = 0x400000 },
	};
	struct racer racers[] = {
		{ .name = "the first", .step = use_function, .rounds = rounds, .arg = &sides[0] },
		{ .name = "the second", .step = use_function, .rounds = rounds, .arg = &sides[1] },
		{ .name = "maps more", .step = map_more, .arg = &pair },
	};
	struct racer after = { .name = "both", .step = both_work, .rounds = 1, .arg = sides };
	int rc;

	assert_ok(hw_write("/sys/module/iofault_pci/parameters/unplug_seconds", "0"));
	for (i = 0; i < 2; i++)
		sides[i].memory = abi_pages(1);
	if (together) {
		pair.fd = races_iommu();
		assert_true(pair.fd >= 0);
		rc = abi_ioas(pair.fd);
		assert_id(rc);
		pair.ioas = (uint32_t)rc;
	}
	race_run(racers, together ? 3 : 2);
	race_run(&after, 1);
	/* Each round has undone all that it made. */
	if (together) {
		assert_ok(abi_destroy(pair.fd, pair.ioas));
		close(pair.fd);
	}
	for (i = 0; i < 2; i++)
		munmap(sides[i].memory, PAGE);
	munmap(pair.more, 64 * PAGE);
}

void two_functions_race(void **state)
{
	(void)state;
	race_two(0, behind_testiommu() ? HWI_FIRST : 1, true);
}

void two_functions_race_in_two_contexts(void **state)
{
	(void)state;
	race_two(0, behind_testiommu() ? HWI_FIRST : 1, false);
}

void two_functions_of_a_group_race(void **state)
{
	(void)state;
	race_two(HWI_FIRST, HWI_SECOND, true);
}

void two_functions_of_a_group_race_in_two_contexts(void **state)
{
	(void)state;
	race_two(HWI_FIRST, HWI_SECOND, false);
}

/* ---- attaching ---- */

/* A function with an IOAS whose page table is made by each attach, and removed by each detach. */
struct attached {
	int dev, fd;
	uint32_t ioas;
	char *memory; /* a page */
};

/* One page, in a table of its own at each level. */
struct mapped {
	const struct attached *attached;
	uint64_t iova;
};

static void make_and_remove_table(struct racer *me)
{
	const struct attached *attached = me->arg;
	unsigned int i;

	for (i = 0; i < 20; i++) {
		DO(me, abi_attach(attached->dev, attached->ioas), 0);
		DO(me, abi_detach(attached->dev), 0);
	}
}

static void map_one(struct racer *me)
{
	const struct mapped *mapped = me->arg;
	const struct attached *attached = mapped->attached;

	DO(me, abi_map(attached->fd, attached->ioas, attached->memory, PAGE, mapped->iova), 0);
	DO(me, abi_unmap(attached->fd, attached->ioas, mapped->iova, PAGE), 0);
}

/* If page tables are not what they should be, the kernel says so in its log. */
void attaching_races_with_maps(void **state)
{
	struct attached attached = { .memory = abi_pages(1) };
	struct mapped low = { .attached = &attached, .iova = 0x400000 };
	struct mapped high = { .attached = &attached, .iova = 8 * IOVA };
	struct racer racers[] = {
		{ .name = "attaches", .step = make_and_remove_table, .arg = &attached },
		{ .name = "maps", .step = map_one, .arg = &low },
		{ .name = "maps above", .step = map_one, .arg = &high },
	};
	struct hw hw;

	(void)state;
	/* The test IOMMU lets others run in each attach. */
	racers[0].rounds = race_rounds(behind_testiommu() ? 20 : 200);
	hw_use(&hw, hwi_name[0], false);
	attached.dev = hw.dev;
	attached.fd = hw.fd;
	attached.ioas = hw.ioas;
	race_run(racers, sizeof(racers) / sizeof(racers[0]));
	hw_close(&hw);
	munmap(attached.memory, PAGE);
}

/* ---- BARs ---- */

#define ID	 0x010000edu
#define SESSIONS 16 /* before a removal */

/*
 * The descriptor has one number, as in hw_races.c: each session takes it over, and between them it
 * is a node that is not bound.
 */
static struct {
	int dev, parked;
	/* Begun and ended sessions, and binds of the function. */
	atomic_ulong begun, ended, bound;
	atomic_ulong seen, gone; /* values, and SIGBUS */
	/* A session goes on until the function is taken. */
	atomic_bool stays;
} bars;

static _Thread_local sigjmp_buf back;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static void open_and_close(struct racer *me)
{
	unsigned long bound = atomic_load(&bars.bound), seen;
	uint16_t command = 2;
	int dev, fd;

	dev = DO(me, hw_open(hwi_name[0]), ENODEV, ENOENT, ENXIO);
	if (dev < 0) {
		race_await(me, &bars.bound, bound);
		return;
	}
	fd = DO(me, races_iommu(), 0);
	races_take_number(dev, bars.dev);
	/* EINVAL: a call on the descriptor before is not over. */
	if (DO(me, abi_bind(bars.dev, fd), ENODEV, EINVAL) > 0 &&
	    pwrite(bars.dev, &command, 2, ((off_t)VFIO_PCI_CONFIG_REGION_INDEX << 40) + 4) == 2) {
		seen = atomic_load(&bars.seen);
		race_tell(me, &bars.begun);
		while (bound == atomic_load(&bars.bound) && !atomic_load(&me->race->end) &&
		       (atomic_load(&bars.stays) || atomic_load(&bars.seen) - seen < 100)) {
			race_at(me, "poll");
			poll(NULL, 0, 1);
		}
		atomic_fetch_add(&bars.ended, 1);
	}
	race_at(me, "close");
	dup2(bars.parked, bars.dev);
	close(fd);
}

/* Between two sessions the readers rest. */
static void await_user(struct racer *me)
{
	unsigned long begun = atomic_load(&bars.begun);

	if (begun == atomic_load(&bars.ended))
		race_await(me, &bars.begun, begun);
}

/* A region's offset; false: the function is away. */
static bool find_region(struct racer *me, uint32_t index, struct vfio_region_info *info)
{
	int rc;

	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	rc = DO(me, ioctl(bars.dev, VFIO_DEVICE_GET_REGION_INFO, info) ? -errno : 0, ENODEV,
		EINVAL);
	return !rc;
}

static void check_value(struct racer *me, const char *what, uint32_t value, uint32_t wanted)
{
	atomic_fetch_add(&bars.seen, 1);
	if (value != wanted)
		race_wrong(me, "%s: %#x, not %#x", what, value, wanted);
}

static int read_at(uint64_t offset, uint32_t *value)
{
	ssize_t n = pread(bars.dev, value, sizeof(*value), (off_t)offset);

	return n < 0 ? -errno : n == sizeof(*value) ? 0 : -ERANGE;
}

static int write_at(uint64_t offset, uint32_t value)
{
	ssize_t n = pwrite(bars.dev, &value, sizeof(value), (off_t)offset);

	return n < 0 ? -errno : n == sizeof(value) ? 0 : -ERANGE;
}

/* EINVAL: no owner; EIO: its memory is off; ENODEV: it is gone. */
#define ABSENT EINVAL, EIO, ENODEV

static void read_and_write(struct racer *me)
{
	struct vfio_region_info info;
	uint32_t value = 0;

	await_user(me);
	if (!find_region(me, VFIO_PCI_BAR0_REGION_INDEX, &info))
		return;
	if (!DO(me, read_at(info.offset + EDU_ID, &value), ABSENT))
		check_value(me, "BAR 0", value, ID);
	DO(me, write_at(info.offset + EDU_LIVE, me->round), ABSENT);
	if (find_region(me, VFIO_PCI_CONFIG_REGION_INDEX, &info) &&
	    !DO(me, read_at(info.offset, &value), ABSENT))
		check_value(me, "configuration space", value, 0x11e81234);
}

static void map_and_touch(struct racer *me)
{
	volatile struct vfio_region_info info;
	volatile unsigned int i;
	void *volatile bar;

	await_user(me);
	if (!find_region(me, VFIO_PCI_BAR0_REGION_INDEX, (struct vfio_region_info *)&info))
		return;
	race_at(me, "mmap");
	bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED, bars.dev,
		   (off_t)info.offset);
	if (bar == MAP_FAILED) {
		if (errno != ENODEV && errno != EINVAL)
			race_wrong(me, "mmap: %s", strerror(errno));
		return;
	}
	race_at(me, "touch");
	if (sigsetjmp(back, 1)) {
		atomic_fetch_add(&bars.gone, 1);
	} else {
		for (i = 0; i < 50; i++) {
			check_value(me, "mapped BAR 0",
				    *(volatile uint32_t *)((char *)bar + EDU_ID), ID);
			*(volatile uint32_t *)((char *)bar + EDU_LIVE) = i;
		}
	}
	race_at(me, "munmap");
	munmap(bar, info.size);
}

static void remove_and_rescan(struct racer *me)
{
	const char *name = hwi_name[0];
	unsigned int sessions = race_random(me, 2 * SESSIONS);

	/* What is first in a session races, too. Most rounds have a user. */
	while (sessions--)
		race_await(me, &bars.begun, atomic_load(&bars.begun));
	atomic_store(&bars.stays, race_random(me, 4));
	DO(me, races_remove(name), 0);
	DO(me, races_rescan(name), 0);
	DO(me, races_bind(name), 0);
	atomic_store(&bars.stays, false);
	race_tell(me, &bars.bound);
}

void bars_race_with_removal(void **state)
{
	struct sigaction act = { .sa_handler = on_sigbus }, old;
	struct racer racers[] = {
		{ .name = "removes", .step = remove_and_rescan, .rounds = race_rounds(6) },
		{ .name = "opens", .step = open_and_close },
		{ .name = "reads and writes", .step = read_and_write },
		{ .name = "maps", .step = map_and_touch },
		{ .name = "maps, too", .step = map_and_touch },
	};
	uint32_t value = 0;
	struct hw hw;

	(void)state;
	memset(&bars, 0, sizeof(bars));
	assert_ok(hw_write("/sys/module/iofault_pci/parameters/unplug_seconds", "0"));
	bars.parked = hw_open(hwi_name[1]);
	assert_true(bars.parked >= 0);
	bars.dev = dup(bars.parked);
	sigaction(SIGBUS, &act, &old);
	race_run(racers, sizeof(racers) / sizeof(racers[0]));
	sigaction(SIGBUS, &old, NULL);
	print_message("# %lu sessions, %lu values, %lu times SIGBUS\n", atomic_load(&bars.begun),
		      atomic_load(&bars.seen), atomic_load(&bars.gone));
	assert_true(atomic_load(&bars.begun) > 0 && atomic_load(&bars.seen) > 0);
	close(bars.dev);
	close(bars.parked);

	hw_use(&hw, hwi_name[0], true);
	hw_command(&hw, 2);
	hw_map_bar(&hw);
	value = *(volatile uint32_t *)(hw.bar + EDU_ID);
	assert_int_equal(value, ID);
	hw_close(&hw);
}
