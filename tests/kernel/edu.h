/* SPDX-License-Identifier: MIT */
/*
 * edu.h - QEMU's edu device (docs/specs/edu.rst of QEMU): its numbers, and the registers of BAR 0.
 * It does one DMA at a time between its buffer and addresses below 256 MiB. A transfer of all 4096
 * bytes of the buffer aborts QEMU 7.2.
 */
#ifndef TESTS_KERNEL_EDU_H
#define TESTS_KERNEL_EDU_H

#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_ID	   0x00
#define EDU_LIVE   0x04
#define EDU_RAISE  0x60
#define EDU_ACK	   0x64
#define EDU_SOURCE 0x80
#define EDU_TARGET 0x88
#define EDU_COUNT  0x90
#define EDU_DMA	   0x98
#define EDU_BUFFER 0x40000ul
#define EDU_TO_RAM 2ull

#endif
