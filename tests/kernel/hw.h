/* SPDX-License-Identifier: MIT */
/*
 * hw.h - what the tests of real PCI functions share (iofault-pci.ko): they look a function up in
 * sysfs, give it to the driver, and use it through its node as any program does.
 *
 * A function is named as in /sys/bus/pci/devices, "0000:00:01.0".
 */
#ifndef TESTS_KERNEL_HW_H
#define TESTS_KERNEL_HW_H

#include "kernel.h"

#include <dirent.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

/* Time limit of all that these tests wait for; it is long, since guests are slow. */
#define HW_SECONDS 30

/* Writes @text to a file; returns 0 or a negative errno. */
int hw_write(const char *path, const char *text);
/* Finds the @n-th function with these numbers. Returns false if there is none. */
bool hw_find(unsigned int vendor, unsigned int device, unsigned int n, char name[16]);
bool hw_present(const char *name);
/* Gives a function to iofault-pci by its driver_override, and takes it away. */
void hw_take(const char *name);
void hw_drop(const char *name);
/*
 * Suspends the machine to @state of /sys/power/state, up to @level of /sys/power/pm_test, and
 * resumes it a second later. Returns 0, -ENOENT if this kernel cannot, or a negative errno.
 */
int hw_suspend(const char *state, const char *level);
/*
 * Suspends the machine to memory, so that all but its memory loses power; its clock wakes it some
 * seconds later. Returns 0, -ENOENT if this kernel or machine cannot, or a negative errno.
 *
 * A guest of QEMU may lose a processor's timer some time after that. So it is asked for, by
 * $HW_SLEEP, and other tests run in other guests.
 */
int hw_sleep(void);
/* Finds the node of a function. Returns false if there is none. */
#define HW_NODE 48
bool hw_node(const char *name, char node[HW_NODE]);
/* Opens the node of a function. Returns the descriptor, or a negative errno. */
int hw_open(const char *name);
/* Waits until @fd is readable, and fails the test if it is not in time. */
void hw_wait_readable(int fd);

/* A function that a test uses: bound to a context, attached to an IOAS. */
struct hw {
	int fd, dev;
	uint32_t devid, ioas, hwpt;
	volatile uint8_t *bar; /* BAR 0, or NULL */
	size_t bar_bytes;
};
/* Binds; with @attach it also attaches to a new IOAS. */
void hw_use(struct hw *hw, const char *name, bool attach);
void hw_map_bar(struct hw *hw);
void hw_close(struct hw *hw);
/* Signals @event for vector @vector of an index; @event -1: disables the index. */
int hw_irq(struct hw *hw, unsigned int index, unsigned int vector, int event);
/* Sets bits of the command register: 2 memory, 4 bus master. */
void hw_command(struct hw *hw, uint16_t bits);

#endif
