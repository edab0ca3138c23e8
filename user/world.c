// SPDX-License-Identifier: MIT
/*
 * world.c - opening and closing a world, and opening paths in it.
 *
 * An embedded world is a node space of the shim with one machine in it. The kernel's world is only
 * the decision to use its /dev/iommu. A world does not track its descriptors; the machine knows
 * which are still open.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <iofault/iofault.h>

#include "forked.h"
#include "model/machine.h"
#include "shim/sys.h"

#define MAX_DEVICES 256

bool iof_user_forked;
static unsigned int nr_open; /* atomic: number of open embedded worlds */

static void in_child(void)
{
	if (__atomic_load_n(&nr_open, __ATOMIC_RELAXED))
		iof_user_forked = true;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

static void watch_forks_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, watch_forks);
}

struct iof_world {
	enum iof_world_kind kind;
	struct iof_plat_space *space; /* set only in an embedded world, as the machine */
	struct iof_machine *machine;
};

/* ---- embedded ---- */

static unsigned int nr_devices(const struct iof_world_config *config)
{
	if (config->no_devices)
		return 0;
	return config->nr_dsa || config->dsa ? config->nr_dsa : 1;
}

/*
 * Translates the devices; @devices has room for nr_devices(). -EINVAL: the first device shares a
 * group, but has no device before it.
 */
static int translate_devices(const struct iof_world_config *config,
			     struct iof_machine_device *devices)
{
	static const struct iof_dsa_config defaults;

	for (unsigned int i = 0; i < nr_devices(config); i++) {
		const struct iof_dsa_config *dsa = config->dsa ? &config->dsa[i] : &defaults;

		bool bare = dsa->share_group == IOF_DSA_NO_IOMMU;

		if (dsa->share_group && !bare && !i)
			return -EINVAL;
		devices[i] = (struct iof_machine_device){
			.kind = IOF_MACHINE_DSA,
			.credits = dsa->credits,
			.engines = dsa->engines,
			.queue_depth = dsa->queue_depth,
			.max_pasids = dsa->max_pasids,
			.pages_per_group = dsa->pages_per_group,
			.group_with = dsa->share_group && !bare ? (int)i - 1 : -1,
			.no_iommu = bare,
		};
	}
	return 0;
}

static int create_machine(struct iof_world *world, const struct iof_world_config *config)
{
	unsigned int nr = nr_devices(config);
	struct iof_machine_config machine = {
		.nr_devices = nr,
		.test_ioctls = !!config->test_ioctls,
		.mock_credits = config->mock_credits,
		.groups = 1,
	};
	struct iof_machine_device *devices;
	int rc;

	if (nr > MAX_DEVICES)
		return -EINVAL;
	devices = calloc(nr ? nr : 1, sizeof(*devices));
	if (!devices)
		return -ENOMEM;
	machine.devices = devices;
	rc = translate_devices(config, devices);
	if (!rc)
		rc = iof_machine_create(&machine, world->space, &world->machine);
	free(devices);
	return rc;
}

static int open_embedded(struct iof_world *world, const struct iof_world_config *config)
{
	int rc;

	if (iof_user_forked)
		return -ECHILD;
	watch_forks_once();
	rc = iof_sys_init();
	if (rc)
		return rc;
	/*
	 * The process's own limit is meant for memory that cannot be swapped; pins here can be
	 * swapped.
	 */
	iof_sys_set_memlock(config->memlock ? config->memlock : UINT64_MAX - 1);
	world->kind = IOF_WORLD_EMBEDDED;
	world->space = iof_sys_space_create();
	if (!world->space)
		return -ENOMEM;
	rc = create_machine(world, config);
	if (rc)
		iof_sys_space_destroy(world->space);
	else
		__atomic_add_fetch(&nr_open, 1, __ATOMIC_RELAXED);
	return rc;
}

/* ---- the kernel's ---- */

static int open_kernel(struct iof_world *world)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	world->kind = IOF_WORLD_KERNEL;
	return 0;
}

/* ---- exported ---- */

int iof_world_open(const struct iof_world_config *config, struct iof_world **out)
{
	static const struct iof_world_config defaults;
	struct iof_world *world;
	int saved = errno;
	int rc;

	if (!out)
		return -EINVAL;
	if (!config)
		config = &defaults;
	world = calloc(1, sizeof(*world));
	if (!world)
		return -ENOMEM;

	switch (config->kind) {
	case IOF_WORLD_EMBEDDED:
		rc = open_embedded(world, config);
		break;
	case IOF_WORLD_KERNEL:
		rc = open_kernel(world);
		break;
	case IOF_WORLD_ANY:
		rc = open_kernel(world);
		if (rc)
			rc = open_embedded(world, config);
		break;
	default:
		rc = -EINVAL;
	}
	errno = saved;
	if (rc) {
		free(world);
		return rc;
	}
	*out = world;
	return 0;
}

int iof_world_close(struct iof_world *world)
{
	int rc;

	if (!world)
		return -EINVAL;
	if (world->kind == IOF_WORLD_EMBEDDED && iof_user_forked)
		return -ECHILD;
	if (world->kind == IOF_WORLD_EMBEDDED) {
		rc = iof_machine_destroy(world->machine);
		if (rc)
			return rc;
		rc = iof_sys_space_destroy(world->space);
		if (rc)
			return rc;
		__atomic_sub_fetch(&nr_open, 1, __ATOMIC_RELAXED);
	}
	free(world);
	return 0;
}

enum iof_world_kind iof_world_kind(const struct iof_world *world)
{
	return world->kind;
}

int iof_open(struct iof_world *world, const char *path, int flags)
{
	int saved = errno;
	int fd;

	if (!world || !path)
		return -EINVAL;
	if (world->kind == IOF_WORLD_EMBEDDED && iof_user_forked)
		return -ECHILD;
	if (world->kind == IOF_WORLD_EMBEDDED)
		return iof_sys_open(world->space, path, flags);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}
