// SPDX-License-Identifier: MIT
/*
 * vfio_races.c - proves that a working DMA engine can be attached elsewhere, detached, reset,
 * closed and bound again at any moment, while a handler responds. No call hangs, every page-request
 * group gets exactly one answer, and no object is left.
 *
 * A generator with a seed draws actions from a table; SEED in the environment replays a run.
 */
#include "abi.h"

#include <linux/idxd.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define ROUNDS	60  /* number of rounds, from bind to close */
#define ACTIONS 150 /* number of actions in a round */
#define PASIDS	4   /* number of PASIDs; 0 is the RID */
#define MISSING 0x7000000000ul

static const struct iof_dsa_config dsa = {
	.engines = 2,
	.queue_depth = 32,
	.credits = 8,
	.pages_per_group = 4,
};

struct rig {
	struct iof_world *world;
	int fd, ioas, ffd;
	uint32_t fault;
	char *memory;
	/* Descriptors and ids of this round: */
	int dev, id;
	int hwpt[2];
	bool stop; /* atomic: tells the submitters to end */
	bool done; /* atomic: tells the handler to end */
};

static unsigned int draw(unsigned long *seed, unsigned int n)
{
	*seed = *seed * 6364136223846793005ul + 1442695040888963407ul;
	return (*seed >> 33) % n;
}

static void *handle(void *arg)
{
	struct rig *r = arg;
	struct iommu_hwpt_pgfault rec[16];
	unsigned long seed = 1;

	while (!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE)) {
		struct pollfd p = { .fd = r->ffd, .events = POLLIN };
		ssize_t n;

		iof_poll(&p, 1, 1);
		n = iof_read(r->ffd, rec, sizeof(rec));
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(*rec); i++) {
			int rc;

			if (!(rec[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
				continue;
			/*
			 * Mostly INVALID: after SUCCESS, a page that is never mapped is requested
			 * again.
			 */
			rc = abi_answer(r->ffd, rec[i].cookie,
					draw(&seed, 4) ? IOMMUFD_PAGE_RESP_INVALID :
							 IOMMUFD_PAGE_RESP_SUCCESS);
			/* -EINVAL: the core has answered already. */
			assert_true(!rc || rc == -EINVAL);
		}
	}
	return NULL;
}

static void *submit(void *arg)
{
	struct rig *r = arg;
	unsigned long seed = (uintptr_t)&seed;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		struct dsa_hw_desc desc[4];
		ssize_t n;

		memset(desc, 0, sizeof(desc));
		for (int i = 0; i < 4; i++) {
			desc[i].pasid = draw(&seed, PASIDS);
			desc[i].flags = draw(&seed, 2) ? IDXD_OP_FLAG_BOF : 0;
			desc[i].opcode = draw(&seed, 3) ? DSA_OPCODE_MEMMOVE : DSA_OPCODE_NOOP;
			desc[i].src_addr = draw(&seed, 2) ? IOVA : MISSING;
			desc[i].dst_addr = (draw(&seed, 2) ? IOVA : MISSING) + PAGE;
			if (desc[i].opcode == DSA_OPCODE_MEMMOVE)
				desc[i].xfer_size = PAGE;
		}
		n = iof_write(r->dev, desc, sizeof(desc));
		assert_true(n == -EAGAIN || (n > 0 && n % 64 == 0));
		if (n < 0)
			sched_yield();
	}
	return NULL;
}

/* ---- what happens to the device meanwhile ---- */

static void act_attach(struct rig *r, unsigned long *seed)
{
	int hwpt = r->hwpt[draw(seed, 2)], rc;
	unsigned int pasid = draw(seed, PASIDS);

	rc = pasid ? abi_attach_pasid(r->dev, pasid, hwpt) : abi_attach(r->dev, hwpt);
	assert_true(rc == hwpt || rc == -EBUSY);
}

static void act_detach(struct rig *r, unsigned long *seed)
{
	unsigned int pasid = draw(seed, PASIDS);

	assert_ok(pasid ? abi_detach_pasid(r->dev, pasid) : abi_detach(r->dev));
}

static void act_sva(struct rig *r, unsigned long *seed)
{
	struct iof_vfio_device_sva sva = { .argsz = sizeof(sva), .pasid = 1 + draw(seed, 3) };
	int rc = iof_ioctl(r->dev,
			   draw(seed, 2) ? IOF_VFIO_DEVICE_SVA_BIND : IOF_VFIO_DEVICE_SVA_UNBIND,
			   &sva);

	assert_true(!rc || rc == -EBUSY || rc == -ENOENT);
}

static void act_reset(struct rig *r, unsigned long *seed)
{
	(void)seed;
	assert_ok(iof_ioctl(r->dev, VFIO_DEVICE_RESET, NULL));
}

static void act_remap(struct rig *r, unsigned long *seed)
{
	(void)seed;
	assert_ok(abi_unmap(r->fd, r->ioas, IOVA, 2 * PAGE));
	assert_ok(abi_map(r->fd, r->ioas, r->memory, 2 * PAGE, IOVA));
}

static void act_yield(struct rig *r, unsigned long *seed)
{
	(void)r;
	(void)seed;
	sched_yield();
}

static const struct {
	unsigned int weight;
	void (*act)(struct rig *r, unsigned long *seed);
} actions[] = {
	{ 8, act_attach }, { 4, act_detach }, { 2, act_sva },
	{ 1, act_reset },  { 2, act_remap },  { 6, act_yield },
};

static void act(struct rig *r, unsigned long *seed)
{
	unsigned int n, i, sum = 0;

	for (i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		sum += actions[i].weight;
	n = draw(seed, sum);
	for (i = 0; n >= actions[i].weight; i++)
		n -= actions[i].weight;
	actions[i].act(r, seed);
}

static void begin(struct rig *r)
{
	r->dev = abi_vfio(r->world, 0);
	r->id = abi_bind(r->dev, r->fd);
	assert_id(r->id);
	for (int i = 0; i < 2; i++) {
		r->hwpt[i] =
			abi_hwpt_fault(r->fd, r->id, r->ioas, IOMMU_HWPT_ALLOC_PASID, r->fault);
		assert_id(r->hwpt[i]);
	}
}

/* Checks that each group that the device ever sent had exactly one answer. */
static void check(struct rig *r)
{
	struct iof_vfio_dsa_state st;
	int dev = abi_vfio(r->world, 0);

	assert_id(abi_bind(dev, r->fd));
	assert_int_equal(iof_pread(dev, &st, sizeof(st),
				   IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE)),
			 sizeof(st));
	assert_int_equal(st.page_requests, st.resumed + st.refused);
	assert_ok(iof_close(dev));
}

static void devices_survive_everything(void **state)
{
	const char *given = getenv("SEED");
	unsigned long seed = given ? strtoul(given, NULL, 0) : (unsigned long)getpid();
	struct rig r = { .world = abi_world(&dsa, 1) };
	pthread_t handler, submitter[2];

	(void)state;
	print_message("# SEED=%lu\n", seed);
	r.fd = abi_iommu(r.world);
	r.ioas = abi_ioas(r.fd);
	r.memory = aligned_alloc(PAGE, 2 * PAGE);
	memset(r.memory, 1, 2 * PAGE);
	assert_ok(abi_map(r.fd, r.ioas, r.memory, 2 * PAGE, IOVA));
	assert_ok(abi_fault_queue(r.fd, &r.fault, &r.ffd));
	assert_int_equal(pthread_create(&handler, NULL, handle, &r), 0);

	for (int round = 0; round < ROUNDS; round++) {
		begin(&r);
		__atomic_store_n(&r.stop, false, __ATOMIC_RELEASE);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&submitter[i], NULL, submit, &r), 0);
		for (int i = 0; i < ACTIONS; i++)
			act(&r, &seed);
		__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
		for (int i = 0; i < 2; i++)
			pthread_join(submitter[i], NULL);
		/* Close in the midst of the submitted work. */
		assert_ok(iof_close(r.dev));
		for (int i = 0; i < 2; i++)
			assert_ok(abi_destroy(r.fd, r.hwpt[i]));
		check(&r);
	}

	__atomic_store_n(&r.done, true, __ATOMIC_RELEASE);
	pthread_join(handler, NULL);
	assert_int_equal(abi_readable(r.ffd), 0);
	assert_ok(iof_close(r.ffd));
	assert_ok(iof_close(r.fd));
	abi_world_close(r.world);
	free(r.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_survive_everything),
	};

	return cmocka_run_group_tests_name("vfio_races", tests, NULL, NULL);
}
