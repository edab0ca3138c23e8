/* SPDX-License-Identifier: MIT */
/*
 * pci.h - real PCI functions, for the commands bind, unbind, info and doctor.
 *
 * - Paths begin at iof_sys.root, so that a test can have a machine of its own.
 * - A function that refuses writes one sentence with the reason, without a full stop.
 * - What cannot be read counts as an obstacle: a function is left alone in doubt.
 */
#ifndef IOF_TOOLS_PCI_H
#define IOF_TOOLS_PCI_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define IOF_PCI_DRIVER "iofault-pci"

enum {
	IOF_BDF = 24,  /* size of the buffers for "0000:03:00.0" */
	IOF_WHY = 512, /* and of those for a reason */
};

/* The machine, or a test's. */
struct iof_sys {
	const char *root; /* precedes each path; "" on the machine */
	/* Writes @text to the file @path, which includes the root. 0 or a negative errno. */
	int (*write)(const struct iof_sys *sys, const char *path, const char *text);
	/* Opens a block device for exclusive use. A descriptor, or a negative errno. */
	int (*claim)(const struct iof_sys *sys, const char *node);
	/* Loads iofault-pci.ko and what it needs. Writes the reason if that fails. */
	bool (*load)(const struct iof_sys *sys, char why[IOF_WHY]);
};

extern const struct iof_sys iof_machine;

/* ---- pci.c: reading ---- */

/* Writes the path with the root before it. 0 or -ENAMETOOLONG. */
int iof_sys_path(const struct iof_sys *sys, char path[PATH_MAX], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Reads the first line of a file, without its line feed. 0, -EOVERFLOW or another negative errno.
 */
int iof_sys_line(const struct iof_sys *sys, char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Reads the last name of a link's target. -ENOENT: there is no such link. */
int iof_sys_link(const struct iof_sys *sys, char name[NAME_MAX + 1], const char *format, ...)
	__attribute__((format(printf, 3, 4)));
bool iof_sys_exists(const struct iof_sys *sys, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/*
 * Calls @each for the names in a folder, until one call returns not 0. Returns that, or an errno.
 */
int iof_sys_each(const struct iof_sys *sys, const char *path,
		 int (*each)(const struct iof_sys *sys, const char *name, void *data), void *data);

/* Writes the full form of "0000:03:00.0" or "03:00.0". False: @text is no address. */
bool iof_pci_address(const char *text, char bdf[IOF_BDF]);
/* 1: the function has the extended capability; 0: not; -1: it cannot be read. */
int iof_pci_capability(const struct iof_sys *sys, const char *bdf, unsigned int id);
/* Writes why no IOMMU translates for the machine's functions, and the next step. */
void iof_pci_no_iommu(const struct iof_sys *sys, char what[IOF_WHY], char next[IOF_WHY]);

/*
 * Can functions be bound: there is an IOMMU, and iofault-pci is loaded? If not, writes why and the
 * next step.
 */
bool iof_pci_ready(const struct iof_sys *sys, char what[IOF_WHY], char next[IOF_WHY]);

/* ---- pci_use.c: what a function carries ---- */

/* Disks that this process has claimed, so that no file system is mounted from them meanwhile. */
struct iof_claims {
	int *fds;
	size_t nr;
};

/*
 * Claims the disks of a function. Refuses if a file system, swap space, md, LVM, dm or any other
 * holder uses one, and, without @force, if a network interface of it is up.
 */
bool iof_pci_claim(const struct iof_sys *sys, const char *bdf, bool force,
		   struct iof_claims *claims, char why[IOF_WHY]);
void iof_pci_release(struct iof_claims *claims);

/* ---- pci_bind.c: the switch between drivers ---- */

struct iof_pci_function {
	char bdf[IOF_BDF];
	char driver[NAME_MAX + 1];   /* that it had; "": none */
	char override[NAME_MAX + 1]; /* its driver_override before; "": none */
	bool had_it;		     /* iofault-pci has it already */
	struct iof_claims claims;
};

/*
 * Gives functions to iofault-pci: all, or none after a message in @why. The driver of each is kept
 * in /run/iofault for iof_pci_unbind().
 */
bool iof_pci_bind(const struct iof_sys *sys, struct iof_pci_function *functions, size_t nr,
		  bool force, char why[IOF_WHY]);
/* Gives a function back to the driver that it had, or to the one that the kernel chooses. */
bool iof_pci_unbind(const struct iof_sys *sys, const char *bdf, char why[IOF_WHY]);

#endif
