// SPDX-License-Identifier: MIT
/*
 * ioas_sweep.c - runs each command of an IOAS with its n-th allocation, user copy or pin failing,
 * and with its thread killed at the n-th check, until no failure is left.
 *
 * The errno tells which of them failed. Nothing leaks, nothing is half done, and the same command
 * works afterwards.
 */
#include "env.h"

#include <iofault/vfio.h>
#include <sys/resource.h>
#include <unistd.h>

#define IOVA 0x10000000ul
#define LEN  (8 * PAGE_SIZE)

struct fixture {
	struct env *env;
	struct fake_dev dev;
	struct iof_device *idev;
	int ioas, hwpt, other;
	unsigned char *buf;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_ok(env_setup((void **)&f->env));
	fake_dev_add(&f->dev, "fake", 16, 0, NULL);
	f->idev = env_bind(f->env, &f->dev);
	f->ioas = env_ioas(f->env->fd);
	f->other = env_ioas(f->env->fd);
	f->hwpt = env_hwpt(f->env->fd, iof_device_id(f->idev), (u32)f->ioas, 0);
	assert_id(f->hwpt);
	f->buf = aligned_alloc(PAGE_SIZE, LEN);
	assert_non_null(f->buf);
	memset(f->buf, 1, LEN);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_ok(env_destroy(f->env->fd, (u32)f->hwpt));
	iof_device_unbind(f->idev);
	fake_dev_remove(&f->dev);
	assert_ok(env_teardown((void **)&f->env));
	free(f->buf);
	free(f);
	return 0;
}

static int unmap(struct fixture *f, int ioas, u64 iova, u64 len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = (u32)ioas,
		.iova = iova,
		.length = len,
	};

	return env_ioctl(f->env->fd, IOMMU_IOAS_UNMAP, &cmd);
}

static int pins(struct fixture *f)
{
	int sum = 0;

	for (size_t i = 0; i < LEN; i += PAGE_SIZE)
		sum += iof_shim_pin_count(f->buf + i);
	return sum;
}

/* Returns the address that the domain shows at @iova; 0: none. */
static unsigned long shown(struct fixture *f, unsigned long iova)
{
	struct iof_domain *domain = env_domain(f->env, (u32)f->hwpt);
	phys_addr_t pa = domain->ops->iova_to_phys(domain, iova);

	return pa == (phys_addr_t)-1 ? 0 : (unsigned long)pa;
}

/*
 * ---- the commands: each may fail; then the test checks and undoes its effect, without failures
 * ----
 */

struct command {
	int (*run)(struct fixture *f); /* returns 0 or an id, or a negative errno */
	void (*undo)(struct fixture *f, bool done);
	bool keeps; /* the command keeps the pin counts of memory mapped before */
};

static void sweep(struct fixture *f, const struct command *command, enum iof_fail_kind kind,
		  int meant)
{
	unsigned long n, fired;

	for (n = 1;; n++) {
		struct iof_live before, after;
		int rc;

		iof_shim_live(&before);
		/* A killed thread stays killed: all later checks fail, too. */
		iof_fail_nth_thread(kind, n, kind == IOF_FAIL_KILL);
		rc = command->run(f);
		fired = iof_fail_fired(kind);
		iof_fail_nth_thread(kind, 0, false);
		assert_int_equal(rc < 0 ? -rc : 0, fired ? meant : 0);
		/*
		 * If a copy failed, it may have been the copy of the reply, which undoes nothing.
		 */
		if (fired && kind != IOF_FAIL_COPY) {
			iof_shim_live(&after);
			if (!command->keeps)
				assert_int_equal(after.objects, before.objects);
			assert_int_equal(after.pins, before.pins);
		}
		command->undo(f, rc >= 0);
		if (!fired)
			break;
		assert_true(n < 1000);
	}
}

static void sweep_all(struct fixture *f, const struct command *command)
{
	sweep(f, command, IOF_FAIL_ALLOC, ENOMEM);
	sweep(f, command, IOF_FAIL_COPY, EFAULT);
	sweep(f, command, IOF_FAIL_PIN, EFAULT);
	sweep(f, command, IOF_FAIL_KILL, EINTR);
}

/* Returns how often the command checks whether its thread was killed. */
static unsigned long looks(struct fixture *f, const struct command *command)
{
	unsigned long n;

	for (n = 1;; n++) {
		bool fired;
		int rc;

		iof_fail_nth_thread(IOF_FAIL_KILL, n, true);
		rc = command->run(f);
		fired = iof_fail_fired(IOF_FAIL_KILL);
		iof_fail_nth_thread(IOF_FAIL_KILL, 0, false);
		command->undo(f, rc >= 0);
		if (!fired)
			return n - 1;
	}
}

static void undo_nothing(struct fixture *f, bool done)
{
	(void)done;
	assert_int_equal(pins(f), 0);
}

static int run_alloc(struct fixture *f)
{
	return env_ioas(f->env->fd);
}

static void undo_alloc(struct fixture *f, bool done)
{
	/* Ids are given lowest first: the id of a failed command is free again. */
	int expected = f->hwpt + 1, id = env_ioas(f->env->fd);

	assert_int_equal(id, expected + done);
	assert_ok(env_destroy(f->env->fd, (u32)id));
	if (done)
		assert_ok(env_destroy(f->env->fd, (u32)expected));
}

static void alloc(void **state)
{
	sweep_all(*state, &(struct command){ run_alloc, undo_alloc, false });
}

static int run_map(struct fixture *f)
{
	return env_map(f->env->fd, (u32)f->ioas, f->buf, LEN, IOVA);
}

static void undo_map(struct fixture *f, bool done)
{
	int rc = unmap(f, f->ioas, IOVA, LEN);

	/* a3: a reply that could not be copied leaves the mapping in place. */
	if (done)
		assert_ok(rc);
	else
		assert_true(!rc || rc == -ENOENT);
	assert_int_equal(pins(f), 0);
	assert_int_equal(shown(f, IOVA), 0);
	assert_int_equal(shown(f, IOVA + LEN - PAGE_SIZE), 0);
}

static void map(void **state)
{
	sweep_all(*state, &(struct command){ run_map, undo_map, false });
}

static int file;

static int run_map_file(struct fixture *f)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.ioas_id = (u32)f->ioas,
		.fd = file,
		.length = LEN,
		.iova = IOVA,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
	};

	return env_ioctl(f->env->fd, IOMMU_IOAS_MAP_FILE, &cmd);
}

static void map_file(void **state)
{
	struct rlimit limit;

	file = memfd_create("ioas_sweep", MFD_CLOEXEC);
	assert_ok(ftruncate(file, LEN));
	sweep_all(*state, &(struct command){ run_map_file, undo_map, false });
	/*
	 * Leave no room for another descriptor, which a kernel would not need: the error must not
	 * be one of the file.
	 */
	assert_ok(getrlimit(RLIMIT_NOFILE, &limit));
	assert_ok(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1, limit.rlim_max }));
	assert_err(run_map_file(*state), ENOMEM);
	assert_ok(setrlimit(RLIMIT_NOFILE, &limit));
	assert_ok(close(file));
}

static void use_vfio(struct fixture *f, int ioas)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.ioas_id = (u32)ioas,
		.op = IOMMU_VFIO_IOAS_SET,
	};

	assert_ok(env_ioctl(f->env->fd, IOMMU_VFIO_IOAS, &cmd));
}

static int run_vfio_map(struct fixture *f)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ,
		.iova = IOVA,
		.size = LEN,
		.vaddr = (uintptr_t)f->buf,
	};

	return env_ioctl(f->env->fd, VFIO_IOMMU_MAP_DMA, &cmd);
}

static int run_vfio_info(struct fixture *f)
{
	struct vfio_iommu_type1_info cmd = { .argsz = sizeof(cmd) };

	return env_ioctl(f->env->fd, VFIO_IOMMU_GET_INFO, &cmd);
}

/* Unmaps two pages in the middle of an area, so that both ends are cut. */
static int run_vfio_cut(struct fixture *f)
{
	struct vfio_iommu_type1_dma_unmap cmd = {
		.argsz = sizeof(cmd),
		.iova = IOVA + 3 * PAGE_SIZE,
		.size = 2 * PAGE_SIZE,
	};

	return env_ioctl(f->env->fd, VFIO_IOMMU_UNMAP_DMA, &cmd);
}

/* Checks that the rest is mapped, and nothing else, however far the cut came. */
static void undo_vfio_cut(struct fixture *f, bool done)
{
	int rc = unmap(f, f->other, IOVA + 3 * PAGE_SIZE, 2 * PAGE_SIZE);

	if (done)
		assert_err(rc, ENOENT);
	assert_ok(unmap(f, f->other, IOVA, LEN));
	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf, LEN, IOVA));
}

static void vfio_type1(void **state)
{
	struct fixture *f = *state;

	use_vfio(f, f->ioas);
	sweep_all(f, &(struct command){ run_vfio_map, undo_map, false });
	sweep_all(f, &(struct command){ run_vfio_info, undo_nothing, false });
	use_vfio(f, f->other);
	assert_ok(env_ioctl(f->env->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU));
	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf, LEN, IOVA));
	sweep_all(f, &(struct command){ run_vfio_cut, undo_vfio_cut, true });
	assert_ok(unmap(f, f->other, IOVA, LEN));
}

static int run_copy(struct fixture *f)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE,
		.dst_ioas_id = (u32)f->ioas,
		.src_ioas_id = (u32)f->other,
		.length = LEN,
		.dst_iova = IOVA,
		.src_iova = 2 * IOVA,
	};

	return env_ioctl(f->env->fd, IOMMU_IOAS_COPY, &cmd);
}

static void copy(void **state)
{
	struct fixture *f = *state;

	/* The range has three areas. */
	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf, 2 * PAGE_SIZE, 2 * IOVA));
	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf + 2 * PAGE_SIZE, 3 * PAGE_SIZE,
			  2 * IOVA + 2 * PAGE_SIZE));
	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf + 5 * PAGE_SIZE, 3 * PAGE_SIZE,
			  2 * IOVA + 5 * PAGE_SIZE));
	sweep_all(f, &(struct command){ run_copy, undo_map, true });
	assert_ok(unmap(f, f->other, 2 * IOVA, LEN));
}

static void unmap_command(void **state)
{
	struct fixture *f = *state;
	unsigned long n, fired;

	/* There is no room for any allocation, not even for the reply. */
	assert_ok(run_map(f));
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 1, true);
	assert_ok(unmap(f, f->ioas, IOVA, LEN));
	assert_int_equal(iof_fail_fired(IOF_FAIL_ALLOC), 0);
	iof_fail_nth_thread(IOF_FAIL_ALLOC, 0, false);
	assert_int_equal(shown(f, IOVA), 0);
	/* The thread was killed before the first area: all of them stay. */
	assert_ok(env_map(f->env->fd, (u32)f->ioas, f->buf, 4 * PAGE_SIZE, IOVA));
	assert_ok(env_map(f->env->fd, (u32)f->ioas, f->buf + 4 * PAGE_SIZE, 4 * PAGE_SIZE,
			  IOVA + 4 * PAGE_SIZE));
	for (n = 1;; n++) {
		int rc;

		iof_fail_nth_thread(IOF_FAIL_KILL, n, true);
		rc = unmap(f, f->ioas, IOVA, LEN);
		fired = iof_fail_fired(IOF_FAIL_KILL);
		iof_fail_nth_thread(IOF_FAIL_KILL, 0, false);
		if (rc != -EINTR)
			break;
		assert_int_equal(pins(f), LEN / PAGE_SIZE);
		assert_int_equal(shown(f, IOVA), f->buf);
		assert_int_equal(shown(f, IOVA + 4 * PAGE_SIZE), f->buf + 4 * PAGE_SIZE);
	}
	/* Two locks and two areas are checks. */
	assert_true(n > 4);
	undo_map(f, false);
	for (n = 1; n < 10; n++) {
		int rc;

		assert_ok(run_map(f));
		iof_fail_nth_thread(IOF_FAIL_COPY, n, false);
		rc = unmap(f, f->ioas, IOVA, LEN);
		fired = iof_fail_fired(IOF_FAIL_COPY);
		iof_fail_nth_thread(IOF_FAIL_COPY, 0, false);
		assert_int_equal(rc, fired ? -EFAULT : 0);
		undo_map(f, false);
		if (!fired)
			break;
	}
}

/* Returns an automatic IOVA, which shows the list in force. */
static u64 automatic(struct fixture *f)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE,
		.ioas_id = (u32)f->other,
		.user_va = (uintptr_t)f->buf,
		.length = PAGE_SIZE,
	};

	assert_ok(env_ioctl(f->env->fd, IOMMU_IOAS_MAP, &cmd));
	assert_ok(unmap(f, f->other, cmd.iova, PAGE_SIZE));
	return cmd.iova;
}

static int allow(struct fixture *f, u64 first, u32 num)
{
	struct iommu_iova_range ranges[40];
	struct iommu_ioas_allow_iovas cmd = {
		.size = sizeof(cmd),
		.ioas_id = (u32)f->other,
		.num_iovas = num,
		.allowed_iovas = (uintptr_t)ranges,
	};

	for (u64 i = 0; i < num; i++)
		ranges[i] = (struct iommu_iova_range){ first + i * IOVA,
						       first + i * IOVA + PAGE_SIZE - 1 };
	return env_ioctl(f->env->fd, IOMMU_IOAS_ALLOW_IOVAS, &cmd);
}

static int run_allow(struct fixture *f)
{
	return allow(f, 2 * IOVA, 40);
}

static void undo_allow(struct fixture *f, bool done)
{
	assert_int_equal(automatic(f), done ? 2 * IOVA : IOVA);
	assert_ok(allow(f, IOVA, 1));
}

static void allow_list(void **state)
{
	struct fixture *f = *state;

	assert_ok(allow(f, IOVA, 1));
	sweep_all(f, &(struct command){ run_allow, undo_allow, false });
}

static int run_ranges(struct fixture *f)
{
	struct iommu_iova_range ranges[4];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = (u32)f->other,
		.num_iovas = 4,
		.allowed_iovas = (uintptr_t)ranges,
	};

	return env_ioctl(f->env->fd, IOMMU_IOAS_IOVA_RANGES, &cmd);
}

static void ranges(void **state)
{
	struct fixture *f = *state;

	assert_ok(iof_ioas_reserve(f->env->ctx, (u32)f->other, IOVA, 2 * IOVA));
	assert_ok(iof_ioas_reserve(f->env->ctx, (u32)f->other, 3 * IOVA, 4 * IOVA));
	sweep_all(f, &(struct command){ run_ranges, undo_nothing, false });
}

/* The user chooses the number of areas; so a walk over them checks for a kill at each area. */
static void each_area_is_a_look(void **state)
{
	const struct command copying = { run_copy, undo_map, true };
	struct fixture *f = *state;
	unsigned long few;

	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf, LEN, 2 * IOVA));
	few = looks(f, &copying);
	assert_ok(unmap(f, f->other, 2 * IOVA, LEN));
	for (u64 i = 0; i < LEN; i += PAGE_SIZE)
		assert_ok(env_map(f->env->fd, (u32)f->other, f->buf + i, PAGE_SIZE, 2 * IOVA + i));
	/* The checks are in the source, at the place, in the tree and in the domain. */
	assert_true(looks(f, &copying) >= few + 4 * (LEN / PAGE_SIZE - 1));
	assert_ok(unmap(f, f->other, 2 * IOVA, LEN));
}

static int run_option(struct fixture *f)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = (u32)f->other,
	};

	return env_ioctl(f->env->fd, IOMMU_OPTION, &cmd);
}

/* With the option mappings may have any alignment; without it they are pages. */
static void undo_option(struct fixture *f, bool done)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = (u32)f->other,
		.val64 = 1,
	};
	int rc = env_map(f->env->fd, (u32)f->other, f->buf, 16, 3 * IOVA);

	assert_int_equal(rc, done ? -EINVAL : 0);
	if (!rc)
		assert_ok(unmap(f, f->other, 3 * IOVA, 16));
	assert_ok(env_ioctl(f->env->fd, IOMMU_OPTION, &cmd));
}

static void option(void **state)
{
	struct fixture *f = *state;
	u64 i;

	sweep_all(f, &(struct command){ run_option, undo_nothing, false });
	undo_option(f, true);
	for (i = 0; i < 4; i++)
		assert_ok(env_map(f->env->fd, (u32)f->other, f->buf, PAGE_SIZE,
				  2 * IOVA + i * PAGE_SIZE));
	sweep(f, &(struct command){ run_option, undo_option, false }, IOF_FAIL_KILL, EINTR);
	assert_true(looks(f, &(struct command){ run_option, undo_option, false }) >= 4);
	assert_ok(unmap(f, f->other, 2 * IOVA, 4 * PAGE_SIZE));
}

/* Allocates an HWPT on an IOAS that has mappings already. */
static int run_hwpt(struct fixture *f)
{
	return env_hwpt(f->env->fd, iof_device_id(f->idev), (u32)f->other, 0);
}

static void undo_hwpt(struct fixture *f, bool done)
{
	assert_int_equal(pins(f), done ? LEN / PAGE_SIZE : 0);
	if (done)
		assert_ok(env_destroy(f->env->fd, (u32)f->hwpt + 1));
	assert_int_equal(pins(f), 0);
}

static void hwpt(void **state)
{
	struct fixture *f = *state;

	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf, 2 * PAGE_SIZE, 2 * IOVA));
	assert_ok(env_map(f->env->fd, (u32)f->other, f->buf + 2 * PAGE_SIZE, 6 * PAGE_SIZE,
			  3 * IOVA));
	sweep_all(f, &(struct command){ run_hwpt, undo_hwpt, true });
	assert_ok(unmap(f, f->other, 0, U64_MAX));
}

int main(void)
{
#define SWEEP(name, function)                         \
	{                                             \
		name, function, setup, teardown, NULL \
	}
	static const struct CMUnitTest tests[] = {
		SWEEP("sweep IOAS_ALLOC", alloc),
		SWEEP("sweep IOAS_MAP with an HWPT", map),
		SWEEP("sweep IOAS_MAP_FILE with an HWPT", map_file),
		SWEEP("sweep VFIO's type-1 commands", vfio_type1),
		SWEEP("sweep IOAS_COPY with an HWPT", copy),
		SWEEP("each area is a look at whether the caller was killed", each_area_is_a_look),
		SWEEP("sweep IOAS_UNMAP: never allocates", unmap_command),
		SWEEP("sweep IOAS_ALLOW_IOVAS", allow_list),
		SWEEP("sweep IOAS_IOVA_RANGES", ranges),
		SWEEP("sweep HUGE_PAGES", option),
		SWEEP("sweep HWPT_ALLOC on an IOAS with mappings", hwpt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
