/* SPDX-License-Identifier: MIT */
/*
 * engine.h - a DMA engine behind a VFIO node: iofault's own in software, or an Intel DSA.
 *
 * Both take the same descriptors and write the same completion records. The functions return 0 or
 * -1 after a message, unless they say otherwise.
 */
#ifndef IOF_TOOLS_ENGINE_H
#define IOF_TOOLS_ENGINE_H

#include <iofault/histogram.h>
#include <iofault/vfio.h>

#include "real_dsa.h"

/**
 * struct iof_engine - a DMA engine
 * @name: its node, for messages
 * @fd: its node, the caller's
 * @open: iof_engine_open() has succeeded
 * @is_real: it is an Intel DSA
 * @real: it
 * @nr_taken: descriptors that @real has taken
 */
struct iof_engine {
	const char *name;
	int fd;
	bool open;
	bool is_real;
	struct iof_real_dsa real;
	uint64_t nr_taken;
};

/* How real devices are reached; tests replace it. */
extern const struct iof_real_machine *iof_engine_machine;

/**
 * iof_engine_open() - recognise an engine
 * @engine: the engine
 * @fd: its node, bound
 * @name: the node's name
 */
int iof_engine_open(struct iof_engine *engine, int fd, const char *name);

/**
 * iof_engine_read_state() - read limits and counters
 * @engine: the engine
 * @state: those of a real device have the limits, and descriptors that it has taken
 */
int iof_engine_read_state(struct iof_engine *engine, struct iof_vfio_dsa_state *state);

/**
 * iof_engine_read_latency() - read how long page requests took
 * @engine: the engine
 * @latency: empty for a real device, which does not measure that
 */
int iof_engine_read_latency(struct iof_engine *engine, struct iof_histogram *latency);

/**
 * iof_engine_start() - make an engine ready for descriptors
 * @engine: the engine
 * @config: how it is to work; a real device may lower @engines and @depth
 */
int iof_engine_start(struct iof_engine *engine, struct iof_real_config *config);

/**
 * iof_engine_submit() - submit descriptors
 * @engine: the engine
 * @descs: descriptors
 * @nr: their number
 *
 * Return: how many were taken, 0 also if the queue is full, or -1 after a message.
 */
int iof_engine_submit(struct iof_engine *engine, const struct dsa_hw_desc *descs, uint32_t nr);

/**
 * iof_engine_check() - is a real device in working order?
 * @engine: the engine
 */
int iof_engine_check(struct iof_engine *engine);

/**
 * iof_engine_stop() - end the work of an engine
 * @engine: the engine
 * @idle: no descriptor is open; otherwise they are abandoned
 */
int iof_engine_stop(struct iof_engine *engine, bool idle);

/**
 * iof_engine_close() - forget an engine
 * @engine: the engine, stopped or never started
 */
void iof_engine_close(struct iof_engine *engine);

#endif
