// SPDX-License-Identifier: MIT
/*
 * engine.c - one way to use a DMA engine, of software or of silicon.
 *
 * The engine in software takes descriptors by pwrite() to its portal, and has regions for its
 * state. A real one is driven by real_dsa.c.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

#include <iofault/iofault.h>

#include "tool.h"

const struct iof_real_machine *iof_engine_machine = &iof_real_machine;

/* Prints the reason of a real device's failure. A device that is gone was reported before. */
static int fail_real(const struct iof_engine *engine)
{
	return iof_fail(-1, "%s: %s", engine->name, engine->real.why);
}

int iof_engine_open(struct iof_engine *engine, int fd, const char *name)
{
	struct iof_vfio_dsa_state state;
	int rc;

	*engine = (struct iof_engine){ .fd = fd, .name = name };
	rc = iof_real_dsa_is(iof_engine_machine, fd);
	if (rc < 0)
		return iof_fail(-1, "%s cannot be recognised: %s", name, iof_reason(rc));
	engine->is_real = rc;
	if (rc && iof_real_dsa_open(&engine->real, iof_engine_machine, fd))
		return fail_real(engine);
	if (iof_engine_read_state(engine, &state))
		return -1;
	engine->open = true;
	return 0;
}

static void fill_state(const struct iof_engine *engine, struct iof_vfio_dsa_state *state)
{
	const struct iof_real_dsa *real = &engine->real;

	*state = (struct iof_vfio_dsa_state){
		.version = IOF_VFIO_DSA_STATE_VERSION,
		.engines = real->nr_engines,
		.queue_depth = real->entries,
		/* One for each queue, and 0. */
		.max_pasids = real->nr_queues + 1,
		.pages_per_group = 1,
		.max_transfer = (uint32_t)(real->max_transfer > UINT32_MAX ? UINT32_MAX :
									     real->max_transfer),
		.max_batch = real->max_batch,
		.descriptors = engine->nr_taken,
	};
}

int iof_engine_read_state(struct iof_engine *engine, struct iof_vfio_dsa_state *state)
{
	ssize_t got;

	memset(state, 0, sizeof(*state));
	if (engine->is_real) {
		fill_state(engine, state);
		return 0;
	}
	got = iof_pread(engine->fd, state, sizeof(*state),
			(off_t)IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_STATE));
	if (got < 0 || !state->version)
		return iof_fail(-1,
				"the state of %s cannot be read, so it is neither an engine of "
				"iofault nor an Intel DSA: %s",
				engine->name, iof_reason(got < 0 ? (int)got : -ENODATA));
	return 0;
}

int iof_engine_read_latency(struct iof_engine *engine, struct iof_histogram *latency)
{
	ssize_t got;

	memset(latency, 0, sizeof(*latency));
	if (engine->is_real)
		return 0;
	got = iof_pread(engine->fd, latency, sizeof(*latency),
			(off_t)IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_LATENCY));
	return got < 0 ? iof_fail(-1, "the fault latencies of %s cannot be read: %s", engine->name,
				  iof_reason((int)got)) :
			 0;
}

static int connect_interrupt(const struct iof_engine *engine, int32_t fd)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
	} irq = {
		.set = {
			.argsz = sizeof(irq),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = IOF_VFIO_IRQ_COMPLETION,
			.count = 1,
		},
	};
	int rc;

	memcpy(irq.set.data, &fd, sizeof(fd));
	rc = iof_ioctl(engine->fd, VFIO_DEVICE_SET_IRQS, &irq);
	if (rc)
		return iof_fail(-1, "the completion interrupt of %s cannot be enabled: %s",
				engine->name, iof_reason(rc));
	return 0;
}

int iof_engine_start(struct iof_engine *engine, struct iof_real_config *config)
{
	if (!engine->is_real)
		return connect_interrupt(engine, config->interrupt);
	return iof_real_dsa_start(&engine->real, config) ? fail_real(engine) : 0;
}

int iof_engine_submit(struct iof_engine *engine, const struct dsa_hw_desc *descs, uint32_t nr)
{
	ssize_t taken;

	if (engine->is_real) {
		taken = iof_real_dsa_submit(&engine->real, descs, nr);
		if (taken < 0 && taken != -EAGAIN)
			return fail_real(engine);
		engine->nr_taken += taken > 0 ? (uint64_t)taken : 0;
		return taken > 0 ? (int)taken : 0;
	}
	taken = iof_pwrite(engine->fd, descs, nr * sizeof(*descs),
			   (off_t)IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL));
	if (taken == -EAGAIN)
		return 0;
	if (taken < 0)
		return iof_fail(-1, "%s rejects descriptors: %s", engine->name,
				iof_reason((int)taken));
	return (int)(taken / (ssize_t)sizeof(*descs));
}

int iof_engine_check(struct iof_engine *engine)
{
	return engine->is_real && iof_real_dsa_check(&engine->real) ? fail_real(engine) : 0;
}

int iof_engine_stop(struct iof_engine *engine, bool idle)
{
	bool gone = engine->real.gone;
	int rc;

	if (engine->is_real)
		return iof_real_dsa_stop(&engine->real, idle) && !gone ? fail_real(engine) : 0;
	rc = idle ? 0 : iof_ioctl(engine->fd, VFIO_DEVICE_RESET, NULL);
	return rc ? iof_fail(-1, "%s cannot be reset: %s", engine->name, iof_reason(rc)) : 0;
}

void iof_engine_close(struct iof_engine *engine)
{
	if (engine->is_real && engine->open)
		iof_real_dsa_close(&engine->real);
	engine->open = false;
}
