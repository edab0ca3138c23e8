/* SPDX-License-Identifier: MIT */
/*
 * real_dsa_regs.h - registers of Intel's Data Streaming Accelerator, as its Architecture
 * Specification (document 341204) has them, revisions 1.x to 3.0.
 *
 * - BAR 0 has the registers: chapter "Register Descriptions", section "Configuration and Control
 *   Registers". Bit positions are those of its tables.
 * - BAR 2 has the portals: section "Portals" of the chapter on work queues. Each work queue has
 *   four pages. The first is the unlimited portal whose interrupts are those of MSI-X. The low 12
 *   bits of an address in a portal do not matter.
 */
#ifndef IOF_TOOLS_REAL_DSA_REGS_H
#define IOF_TOOLS_REAL_DSA_REGS_H

/* Offsets in BAR 0. */
enum {
	DSA_REG_VERSION = 0x00, /* 32 bits: minor 7:0, major 15:8 */
	DSA_REG_GENCAP = 0x10,	/* 64 bits */
	DSA_REG_WQCAP = 0x20,	/* 64 bits */
	DSA_REG_GRPCAP = 0x30,	/* 64 bits: groups 7:0, read buffers 15:8, their control 16 */
	DSA_REG_ENGCAP = 0x38,	/* 64 bits: engines 7:0 */
	DSA_REG_OPCAP = 0x40,	/* 256 bits: one for each opcode */
	/*
	 * 128 bits: groups, queues, MSI-X permissions; in 256 bytes
	 */
	DSA_REG_TABLE_OFFSETS = 0x60,
	DSA_REG_GENSTS = 0x90, /* 32 bits: state 1:0 */
	DSA_REG_CMD = 0xa0,    /* 32 bits: operand 19:0, command 24:20 */
	DSA_REG_CMDSTS = 0xa8, /* 32 bits: error 7:0, result 23:8, active 31 */
	DSA_REG_CMDCAP = 0xb0, /* 32 bits: one for each command */
	DSA_REG_SWERR = 0xc0,  /* 256 bits */
	DSA_REGS_END = 0x100,  /* tables begin behind */
};

/* GENCAP */
#define DSA_GENCAP_BLOCK_ON_FAULT (1ull << 0)
#define DSA_GENCAP_CMDCAP	  (1ull << 4)
#define DSA_GENCAP_CONFIGURABLE	  (1ull << 31)
#define DSA_GENCAP_XFER_SHIFT(v)  ((unsigned int)((v) >> 16) & 0x1f)
#define DSA_GENCAP_BATCH_SHIFT(v) ((unsigned int)((v) >> 21) & 0xf)

/* WQCAP */
#define DSA_WQCAP_ENTRIES(v) ((uint32_t)(v)&0xffff)
#define DSA_WQCAP_QUEUES(v)  ((uint32_t)((v) >> 16) & 0xff)
#define DSA_WQCAP_STRIDE(v)  (32u << ((uint32_t)((v) >> 24) & 0xf))
#define DSA_WQCAP_SHARED     (1ull << 48)
#define DSA_WQCAP_DEDICATED  (1ull << 49)
#define DSA_WQCAP_OPERATIONS (1ull << 54) /* each queue has a mask of operations */

#define DSA_GRPCAP_GROUPS(v)	   ((uint32_t)(v)&0xff)
#define DSA_GRPCAP_READ_BUFFERS(v) ((uint32_t)((v) >> 8) & 0xff)
#define DSA_GRPCAP_CONTROL	   (1ull << 16)
#define DSA_ENGCAP_ENGINES(v)	   ((uint32_t)(v)&0xff)

/* GENSTS */
#define DSA_GENSTS_STATE(v) ((v)&3)
enum {
	DSA_STATE_DISABLED,
	DSA_STATE_ENABLED,
	DSA_STATE_DRAINING,
	DSA_STATE_HALTED,
};

/* CMD and CMDSTS */
enum {
	DSA_CMD_ENABLE_DEVICE = 1,
	DSA_CMD_DISABLE_DEVICE = 2,
	DSA_CMD_RESET_DEVICE = 5,
	DSA_CMD_ENABLE_QUEUE = 6, /* operand: its index */
	/*
	 * operand: index in the table of MSI-X; result: the handle
	 */
	DSA_CMD_REQUEST_INTERRUPT = 13,
};
#define DSA_CMD(command, operand) ((uint32_t)(command) << 20 | (operand))
#define DSA_CMDSTS_ERROR(v)	  ((v)&0xff)
#define DSA_CMDSTS_RESULT(v)	  ((v) >> 8 & 0xffff)
#define DSA_CMDSTS_ACTIVE	  (1u << 31)

/* SWERR, its first two words of 64 bits; the third is an address. */
#define DSA_SWERR_VALID	       (1ull << 0)
#define DSA_SWERR_OVERFLOW     (1ull << 1)
#define DSA_SWERR_QUEUE_VALID  (1ull << 3)
#define DSA_SWERR_ERROR(v)     ((unsigned int)((v) >> 8) & 0xff)
#define DSA_SWERR_QUEUE(v)     ((unsigned int)((v) >> 16) & 0xff)
#define DSA_SWERR_OPERATION(v) ((unsigned int)((v) >> 32) & 0xff)

/* An entry of the table of groups: 64 bytes. */
enum {
	DSA_GROUP_QUEUES = 0,	/* 256 bits */
	DSA_GROUP_ENGINES = 32, /* 64 bits */
	DSA_GROUP_FLAGS = 40,	/* 32 bits: traffic classes 5:0, read buffers allowed 27:20 */
	DSA_GROUP_BYTES = 64,
};
#define DSA_GROUP_CLASSES	  0x3fu
#define DSA_GROUP_READ_BUFFERS(n) ((uint32_t)(n) << 20)

/* An entry of the table of work queues: DSA_WQCAP_STRIDE() bytes, in words of 32 bits. */
enum {
	DSA_QUEUE_SIZE = 0x00,	     /* number of entries 15:0 */
	DSA_QUEUE_THRESHOLD = 0x04,  /* of the limited portal 15:0 */
	DSA_QUEUE_MODE = 0x08,	     /* see below */
	DSA_QUEUE_LIMITS = 0x0c,     /* shifts of transfer 4:0 and batch 8:5 */
	DSA_QUEUE_STATE = 0x18,	     /* state 31:30 */
	DSA_QUEUE_OPERATIONS = 0x20, /* 256 bits, as OPCAP */
	DSA_QUEUE_BYTES = 0x20,	     /* without operations */
	DSA_QUEUE_ALL_BYTES = 0x40,
};
#define DSA_QUEUE_DEDICATED	 (1u << 0)
#define DSA_QUEUE_BLOCK_ON_FAULT (1u << 1)
#define DSA_QUEUE_PRIORITY(n)	 ((uint32_t)(n) << 4) /* 1 to 15 */
#define DSA_QUEUE_PASID(pasid)	 ((uint32_t)(pasid) << 8 | 1u << 28)
#define DSA_QUEUE_STATE_OF(v)	 ((v) >> 30)
#define DSA_QUEUE_ENABLED	 1u

/* An entry of the table of MSI-X permissions: 8 bytes, of which 32 bits are in use. */
#define DSA_PERMISSION_BYTES	    8u
#define DSA_PERMISSION_PASID(pasid) ((uint32_t)(pasid) << 12 | 1u << 3)

/* BAR 2 */
#define DSA_PORTAL_BYTES  4096u
#define DSA_PORTAL_STRIDE (4u * DSA_PORTAL_BYTES)

#endif
