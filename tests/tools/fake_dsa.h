/* SPDX-License-Identifier: MIT */
/*
 * fake_dsa.h - an Intel DSA made of shared memory, which may be broken or hostile.
 *
 * Its BARs are files of memory, which the driver maps. A thread is the device: it executes
 * commands, and takes descriptors out of the portals. It gives them to an engine in software, or
 * keeps them. Only writes go through functions of the fake, since memory cannot act on them.
 */
#ifndef TESTS_FAKE_DSA_H
#define TESTS_FAKE_DSA_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/real_dsa.h"
#include "tools/real_dsa_regs.h"

#define FAKE_QUEUES    8u
#define FAKE_ENTRIES   128u
#define FAKE_REGS_SIZE 0x10000u
#define FAKE_PORTALS   (FAKE_QUEUES * DSA_PORTAL_STRIDE)
#define FAKE_GROUPS_AT 0x400u
#define FAKE_QUEUES_AT 0x500u
#define FAKE_RIGHTS_AT 0x900u
#define FAKE_HANDLE    0x40u /* the first of its interrupt handles */
#define FAKE_KEPT      256u

/* What happens when the descriptor of number fake_dsa.after arrives. */
enum fake_end {
	FAKE_LIVES,
	FAKE_UNPLUGGED, /* its registers read as ones */
	FAKE_TRUNCATED, /* its BARs raise SIGBUS */
	FAKE_DISABLED,	/* it is disabled, and takes nothing */
	FAKE_HALTED,	/* its hardware has failed */
	FAKE_COMPLAINS, /* it reports an error, and drops the descriptor */
	FAKE_SILENT,	/* it drops all descriptors */
};

struct fake_dsa {
	/* What the test wants; zero: a good device. */
	uint32_t stuck;	  /* the command that never ends */
	uint32_t refused; /* the command that fails with @error */
	uint32_t error;
	uint32_t ignored; /* the command that has no effect */
	enum fake_end end;
	uint64_t after;
	bool reset_fails; /* that of the function */
	bool writes_lost; /* tables keep their content */
	bool no_map;
	bool bar1;
	bool no_movdir64b, enqcmd;
	uint32_t enqcmd_fails; /* -EAGAIN that often; UINT32_MAX: -EACCES */
	uint32_t nr_irqs;      /* 0: 9 */
	uint64_t portals_size; /* 0: FAKE_PORTALS */
	bool forward;	       /* descriptors go to the engine in software behind the descriptor */

	/* The device. */
	int regs_fd, portals_fd, node;
	char *regs, *portals;
	uint16_t control;
	uint32_t function_resets;
	int32_t interrupts[FAKE_QUEUES];
	bool gone; /* atomic */
	bool stop; /* atomic */
	sem_t work;
	pthread_t thread;
	uint64_t arrived; /* atomic: descriptors taken out of portals */
	uint64_t lost;	  /* atomic: descriptors that a real device would lose */
	uint32_t nr_commands;
	uint32_t commands[64]; /* as written to CMD */
	struct dsa_hw_desc kept[FAKE_KEPT];
	uint32_t kept_queue[FAKE_KEPT];
};

extern const struct iof_real_machine fake_machine;
/* The only one; in memory that a child shares with its parent. */
extern struct fake_dsa *fake;

/* Makes a good device. The test then changes it, also its registers, and powers it on. */
void fake_create(void);
void fake_power_on(void);
void fake_destroy(void);

uint32_t fake_read32(uint32_t at);
uint64_t fake_read64(uint32_t at);
void fake_write32(uint32_t at, uint32_t value);
void fake_write64(uint32_t at, uint64_t value);

#endif
