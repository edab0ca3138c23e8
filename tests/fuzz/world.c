// SPDX-License-Identifier: MIT
/*
 * world.c - the world in which an input runs, and the checks after it.
 *
 * The world is made once and used again. After each input all that it opened is closed. Then there
 * must be no object, no file, no pin, no charge for memory, no page request without its answer, and
 * no descriptor. After a number of inputs the world is destroyed and made anew.
 */
#include "fuzz.h"
#include "arena.h"
#include "devices.h"

#include <sys/eventfd.h>

#include "model/machine.h"
#include "shim/internal.h"
#include "shim/mapping.h"

#include <linux/sched/user.h>

#define INPUTS_OF_A_WORLD 5000
#define MEMFD_PAGES	  16

struct fuzz_world fuzz;

static struct {
	struct iof_plat_space *space;
	struct iof_machine *machine;
	struct iof_live before; /* counts while nothing is open */
	unsigned int inputs;
	unsigned int descriptors; /* number of descriptors open before the input */
} world;

#define MUST(what)                                 \
	do {                                       \
		if (!(what))                       \
			fuzz_bad(#what, __LINE__); \
	} while (0)

static void fuzz_bad(const char *what, int line)
{
	fprintf(stderr, "world.c:%d: must be so after an input: %s\n", line, what);
	abort();
}

/* ---- descriptors ---- */

struct fuzz_ctx *fuzz_ctx(const struct fuzz_act *a)
{
	return &fuzz.ctx[a->where % FUZZ_CONTEXTS];
}

int fuzz_iommu(const struct fuzz_act *a)
{
	struct fuzz_ctx *ctx = fuzz_ctx(a);

	if (ctx->fd < 0)
		ctx->fd = iof_sys_open(world.space, "/dev/iommu", O_RDWR);
	return ctx->fd;
}

int fuzz_node(const struct fuzz_act *a)
{
	unsigned int i = a->where / 2 % FUZZ_NODES;
	char path[32];

	if (fuzz.nodes[i] < 0) {
		snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%u",
			 i == FUZZ_BARE_NODE ? FUZZ_DEVICES - 1 : i % (FUZZ_DEVICES - 1));
		fuzz.nodes[i] = iof_sys_open(world.space, path, O_RDWR);
	}
	return fuzz.nodes[i];
}

int fuzz_open_group(unsigned int number)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/vfio/%u", number);
	return iof_sys_open(world.space, path, O_RDWR);
}

struct fuzz_queue *fuzz_queue(const struct fuzz_act *a)
{
	/* Counts from the last one backwards. */
	return fuzz.nr_queues ? &fuzz.queues[fuzz.nr_queues - 1 - a->where / 2 % fuzz.nr_queues] :
				NULL;
}

int fuzz_access_fd(const struct fuzz_act *a)
{
	return fuzz.nr_accesses ?
		       fuzz.accesses[fuzz.nr_accesses - 1 - a->where / 2 % fuzz.nr_accesses] :
		       -1;
}

static void close_queue(unsigned int i)
{
	iof_close(fuzz.queues[i].fd);
	memmove(&fuzz.queues[i], &fuzz.queues[i + 1],
		(--fuzz.nr_queues - i) * sizeof(fuzz.queues[0]));
}

static void close_access(unsigned int i)
{
	iof_close(fuzz.accesses[i]);
	memmove(&fuzz.accesses[i], &fuzz.accesses[i + 1],
		(--fuzz.nr_accesses - i) * sizeof(fuzz.accesses[0]));
}

void fuzz_note_queue(int fd)
{
	if (fuzz.nr_queues == FUZZ_MOST_FDS)
		close_queue(0);
	fuzz.queues[fuzz.nr_queues++] = (struct fuzz_queue){ .fd = fd };
}

void fuzz_note_access(int fd)
{
	if (fuzz.nr_accesses == FUZZ_MOST_FDS)
		close_access(0);
	fuzz.accesses[fuzz.nr_accesses++] = fd;
}

static void close_ctx(struct fuzz_ctx *ctx)
{
	if (ctx->fd >= 0)
		iof_close(ctx->fd);
	memset(ctx, 0, sizeof(*ctx));
	ctx->fd = -1;
}

static void close_node(unsigned int i)
{
	if (fuzz.nodes[i] >= 0)
		iof_close(fuzz.nodes[i]);
	fuzz.nodes[i] = -1;
}

void fuzz_do_CLOSE(const struct fuzz_act *a)
{
	unsigned int i = a->where / 2;

	switch (a->small % 4) {
	case 0:
		close_ctx(fuzz_ctx(a));
		break;
	case 1:
		if (fuzz.nr_queues)
			close_queue(fuzz.nr_queues - 1 - i % fuzz.nr_queues);
		break;
	case 2:
		if (fuzz.nr_accesses)
			close_access(fuzz.nr_accesses - 1 - i % fuzz.nr_accesses);
		break;
	default:
		close_node(i % FUZZ_NODES);
	}
}

void fuzz_do_FINISH(const struct fuzz_act *a)
{
	fuzz.finish = a->small;
}

/* ---- memory ---- */

/* Writes an entry of a first-stage table: the address of an IOVA's table, or a number. */
void fuzz_do_TABLE(const struct fuzz_act *a)
{
	u64 entry = fuzz_iova(a->iova[0]) & GENMASK_ULL(51, 12);

	/* x86 bits: present, writeable, user, accessed, dirty, large */
	entry |= a->flags & 0xfff;
	if (a->flags >> 31)
		entry |= 1ull << 63;
	arena_put(ARENA + a->ptr % ARENA_PAGES * PAGE_SIZE + a->extra % 512 * 8, &entry, 8);
}

void fuzz_do_POKE(const struct fuzz_act *a)
{
	u64 value = a->extra;

	/* The index is a small number, or that of an address. */
	if (a->small & 1)
		value = fuzz_iova(a->iova[0]);
	arena_put(fuzz_ptr(a->ptr) & ~7ull, &value, a->small & 2 ? 4 : 8);
}

void fuzz_do_PROTECT(const struct fuzz_act *a)
{
	fuzz.protected = true;
	arena_protect(a->ptr);
}

static void lift_limits(void)
{
	iof_sys_set_memlock(U64_MAX - 1);
	iof_shim_set_capable(CAP_SYS_RESOURCE, 1);
}

void fuzz_do_LIMIT(const struct fuzz_act *a)
{
	fuzz.limited = true;
	iof_sys_set_memlock(fuzz_len(a->len));
	iof_shim_set_capable(CAP_SYS_RESOURCE, !(a->small & 1));
}

/* ---- devices ---- */

static bool ats_rests(struct iof_hwdev *hw)
{
	struct pollfd pfd = { .fd = fuzz.nodes[FUZZ_ATS_NODE], .events = POLLIN };

	return device_ats_waits(hw) || pfd.fd < 0 || iof_poll(&pfd, 1, 0) != 0;
}

static bool all_rest(void)
{
	unsigned int i;

	for (i = 0; i < FUZZ_DEVICES; i++)
		if (i == FUZZ_ATS_NODE ? !ats_rests(fuzz.hw[i]) : !device_dsa_rests(fuzz.hw[i]))
			return false;
	return true;
}

void fuzz_devices_rest(void)
{
	do {
		while (!all_rest())
			sched_yield();
		/* Threads of the core answer faults on this process's page tables. */
		if (fuzz.sva)
			iof_shim_work_settle();
	} while (!all_rest());
}

/* Checks that a mock device has had all its answers, when no queue is open any more. */
static void check_mocks(struct fuzz_ctx *ctx)
{
	unsigned int i, nr = min(ctx->nr_ids[FUZZ_DEV], FUZZ_MOST_IDS);
	struct iof_test_stats stats;

	for (i = 0; i < nr; i++) {
		struct iommu_test_cmd cmd = {
			.size = sizeof(cmd),
			.op = IOF_TEST_OP_STATS,
			.iof_stats = {
				.dev_id = ctx->ids[FUZZ_DEV][i],
				.len = sizeof(stats),
				.uptr = (uintptr_t)&stats,
			},
		};

		if (iof_ioctl(ctx->fd, IOMMU_TEST_CMD, &cmd))
			continue;
		MUST(stats.groups == stats.success + stats.invalid + stats.failure);
		MUST(stats.refused + stats.swept <= stats.invalid);
	}
}

/* ---- making and unmaking ---- */

#define MOST_DESCRIPTORS 128

/* Counts open descriptors among those that an input could have got. */
static unsigned int open_descriptors(void)
{
	struct pollfd fds[MOST_DESCRIPTORS];
	unsigned int i, nr = 0;

	for (i = 0; i < MOST_DESCRIPTORS; i++)
		fds[i] = (struct pollfd){ .fd = (int)i };
	poll(fds, MOST_DESCRIPTORS, 0);
	for (i = 0; i < MOST_DESCRIPTORS; i++)
		nr += !(fds[i].revents & POLLNVAL);
	return nr;
}

static void make_world(void)
{
	static const struct iof_machine_device devices[FUZZ_DEVICES] = {
		{ .kind = IOF_MACHINE_DSA,
		  .credits = 4,
		  .queue_depth = 4,
		  .pages_per_group = 3,
		  .group_with = -1 },
		{ .kind = IOF_MACHINE_DSA,
		  .credits = 2,
		  .engines = 2,
		  .max_pasids = 1,
		  .group_with = 0 },
		{ .kind = IOF_MACHINE_ATS, .credits = 1, .group_with = -1 },
		{ .kind = IOF_MACHINE_DSA, .group_with = -1, .no_iommu = 1 },
	};
	static const struct iof_machine_config config = {
		.devices = devices,
		.nr_devices = FUZZ_DEVICES,
		.test_ioctls = 1,
		.groups = 1,
		.mock_credits = 40, /* with two devices, more than a queue has slots for at first */
	};

	world.space = iof_sys_space_create();
	MUST(world.space && !iof_machine_create(&config, world.space, &world.machine));
}

static void unmake_world(void)
{
	MUST(!iof_machine_destroy(world.machine));
	MUST(!iof_sys_space_destroy(world.space));
	memset(fuzz.hw, 0, sizeof(fuzz.hw));
}

static void begin(void)
{
	struct iof_shim_area area;
	unsigned int i;

	MUST(arena_make());
	fuzz.memfd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	MUST(fuzz.memfd >= 0 && !ftruncate(fuzz.memfd, MEMFD_PAGES * PAGE_SIZE));
	fuzz.eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (i = 0; i < FUZZ_CONTEXTS; i++)
		fuzz.ctx[i].fd = -1;
	for (i = 0; i < FUZZ_NODES; i++)
		fuzz.nodes[i] = -1;
	for (i = 0; i < FUZZ_GROUPS; i++)
		fuzz.groups[i] = fuzz.group_devs[i] = -1;
	/* Results must not depend on the user that runs the fuzzer. */
	iof_shim_set_capable(CAP_SYS_RAWIO, 1);
	iof_shim_set_capable(CAP_IPC_LOCK, 0);
	lift_limits();
	/* The first call of each leaves a descriptor open for later calls. */
	iof_shim_page_present(0, ARENA);
	iof_shim_own_area(ARENA, &area);
}

/* Closes all that is open, in one of several orders. */
static void close_all(void)
{
	unsigned int i, turn;

	for (turn = 0; turn < 4; turn++) {
		switch ((turn + fuzz.finish) % 4) {
		case 0:
			while (fuzz.nr_queues)
				close_queue(fuzz.finish / 4 % fuzz.nr_queues);
			break;
		case 1:
			while (fuzz.nr_accesses)
				close_access(0);
			break;
		case 2:
			for (i = 0; i < FUZZ_NODES; i++)
				close_node(i);
			fuzz_close_groups();
			break;
		default:
			for (i = 0; i < FUZZ_CONTEXTS; i++) {
				if (!fuzz.nr_queues && fuzz.ctx[i].fd >= 0)
					check_mocks(&fuzz.ctx[i]);
				close_ctx(&fuzz.ctx[i]);
			}
		}
	}
}

/*
 * Returns the number of live objects beyond those from before the first input. Other builds do not
 * count them.
 */
static long objects_left(void)
{
	struct iof_live now;
	unsigned int i;

	if (!IOF_SHIM_CHECKS)
		return 0;
	iof_shim_live(&now);
	for (i = 0; i < FUZZ_DEVICES; i++)
		now.objects -= device_records(fuzz.hw[i]);
	return now.objects - world.before.objects;
}

#define MOST_LOOKS 100000

static void check_all(void)
{
	unsigned int i, looks;
	struct iof_live now;

	/* After a reset, engines free the abandoned jobs in their own time. */
	fuzz_devices_rest();
	iof_sys_settle();
	for (i = 0; i < FUZZ_DEVICES; i++) {
		const char *owed = device_owes(fuzz.hw[i]);

		if (owed)
			fprintf(stderr, "device %u: %s\n", i, owed);
		MUST(!owed);
	}
	/* A thread that made a descriptor readable drops its reference when it next sleeps. */
	for (looks = 0; objects_left() && looks < MOST_LOOKS; looks++)
		sched_yield();
	if (objects_left())
		fprintf(stderr, "%ld objects more than before are alive\n", objects_left());
	MUST(!objects_left());
	iof_shim_live(&now);
	MUST(now.pages == world.before.pages);
	MUST(now.files == 0);
	MUST(now.pins == 0);
	MUST(!iof_shim_warnings());
	MUST(!atomic_long_read(&iof_shim_user.locked_vm));
	MUST(!iof_shim_mm.locked_vm && !atomic64_read(&iof_shim_mm.pinned_vm));
	MUST(open_descriptors() == world.descriptors);
}

/*
 * Waits until the ATS device has noticed a reset. The reset does not wait for its thread, which may
 * be about to send one more request. So the fuzzer starts another transfer, which ends at once
 * since nothing is attached.
 */
static void ats_notices(void)
{
	struct {
		u64 addr;
		u32 cmd, rest;
	} regs = { 0, 1, 0 };
	struct fuzz_act a = { .where = FUZZ_ATS_NODE << 1 };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct pollfd pfd = { .events = POLLIN };

	bind.iommufd = fuzz_iommu(&a);
	pfd.fd = fuzz_node(&a);
	MUST(!iof_ioctl(pfd.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	MUST(iof_pwrite(pfd.fd, &regs, sizeof(regs), 0) == sizeof(regs));
	while (!iof_poll(&pfd, 1, 0))
		sched_yield();
	close_all();
}

/* Learns the devices behind the nodes, which only a bind tells. */
static void learn_devices(void)
{
	struct fuzz_act a = { 0 };
	unsigned int i;

	for (i = 0; i < FUZZ_DEVICES; i++) {
		struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
		struct iof_device *idev;
		struct iof_ctx *ctx;

		a.where = (i == FUZZ_DEVICES - 1 ? FUZZ_BARE_NODE : i) * 2;
		bind.iommufd = fuzz_iommu(&a);
		MUST(!iof_ioctl(fuzz_node(&a), VFIO_DEVICE_BIND_IOMMUFD, &bind));
		ctx = iof_ctx_from_fd(bind.iommufd);
		idev = iof_device_get_by_id(ctx, bind.out_devid);
		fuzz.hw[i] = iof_device_hwdev(idev);
		iof_device_put(idev);
		iof_ctx_put(ctx);
	}
	close_all();
}

static void renew_world(void)
{
	if (world.machine)
		unmake_world();
	else
		begin();
	make_world();
	learn_devices();
	iof_sys_settle();
	iof_shim_live(&world.before);
}

/* ---- one input ---- */

static const fuzz_fn actions[FUZZ_NR_OPS] = {
#define FUZZ_FN(name) fuzz_do_##name,
	FUZZ_ACTIONS(FUZZ_FN)
#undef FUZZ_FN
};

bool fuzz_verbose;

static void tell(const struct fuzz_act *a)
{
	static const char *const names[] = {
#define FUZZ_NAME(name) #name,
		FUZZ_ACTIONS(FUZZ_NAME)
#undef FUZZ_NAME
	};

	fprintf(stderr,
		"  %-20s where %02x damage %02x@%02x id %02x %02x %02x small %02x "
		"flags %08x ptr %04x iova %04x %04x len %04x extra %08x\n",
		names[a->op % FUZZ_NR_OPS], a->where, a->damage, a->at, a->id[0], a->id[1],
		a->id[2], a->small, a->flags, a->ptr, a->iova[0], a->iova[1], a->len, a->extra);
}

void fuzz_run(const u8 *data, size_t size)
{
	struct fuzz_act a;
	size_t at;

	if (world.inputs++ % INPUTS_OF_A_WORLD == 0)
		renew_world();
	/* The fuzzer itself may have opened descriptors, too. */
	world.descriptors = open_descriptors();
	arena_reset(fuzz.protected);
	if (fuzz.limited)
		lift_limits();
	fuzz.protected = fuzz.limited = fuzz.sva = fuzz.bound = fuzz.ats_used = false;
	fuzz.finish = 0;

	size = min(size, (size_t)FUZZ_MOST_ACTIONS * FUZZ_RECORD);
	for (at = 0; at < size; at += FUZZ_RECORD) {
		memset(&a, 0, sizeof(a));
		memcpy(&a, data + at, min(size - at, (size_t)FUZZ_RECORD));
		if (fuzz_verbose)
			tell(&a);
		fuzz_arm(&a);
		actions[a.op % FUZZ_NR_OPS](&a);
		fuzz_disarm();
		if (fuzz.bound)
			fuzz_devices_rest();
	}
	close_all();
	if (fuzz.ats_used)
		ats_notices();
	check_all();
}

void fuzz_end(void)
{
	if (!world.machine)
		return;
	unmake_world();
	iof_sys_settle();
	world.machine = NULL;
	world.inputs = 0;
}
