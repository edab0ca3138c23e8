/* SPDX-License-Identifier: MIT */
/*
 * tree.h - shared by the files of the server that serve folders: tree.c (entries), driver.c (what
 * the entries of /sys say and do) and fuse.c (the protocol).
 */
#ifndef IOF_RUN_TREE_H
#define IOF_RUN_TREE_H

#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "private.h"

#define IOF_RUN_PAGE 4096 /* bytes of a file at most, and of a write that counts */

struct iof_run_entry;
struct iof_machine;

/* Returns the length of the content. */
typedef size_t iof_run_entry_show(unsigned int device, char text[IOF_RUN_PAGE]);
/* Returns 0 or a negative errno. @text ends with a NUL. */
typedef int iof_run_entry_store(unsigned int device, const char *text);

/* ---- tree.c: entries are made before requests are served, and stay ---- */

/* The root has no parent. @device: what show and store get. */
struct iof_run_entry *iof_run_tree_folder(struct iof_run_entry *parent, const char *name);
struct iof_run_entry *iof_run_tree_file(struct iof_run_entry *parent, const char *name,
					unsigned int device, iof_run_entry_show *show,
					iof_run_entry_store *store);
struct iof_run_entry *iof_run_tree_text(struct iof_run_entry *parent, const char *name,
					const char *format, ...)
	__attribute__((format(printf, 3, 4)));
struct iof_run_entry *iof_run_tree_link(struct iof_run_entry *parent, const char *name,
					const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A device node. */
struct iof_run_entry *iof_run_tree_node(struct iof_run_entry *parent, const char *name,
					uint64_t node);
/* Tells how to ask whether a device has a driver. Called before a request is served. */
void iof_run_tree_init(bool (*has_driver)(unsigned int device));
/* From now on the entry exists only while one of @nr devices, from @device on, has a driver. */
void iof_run_tree_needs_driver(struct iof_run_entry *entry, unsigned int device, unsigned int nr);

/* Requests. @node is one for which iof_run_tree_has() is true. */
bool iof_run_tree_has(uint64_t node);
/* @parent may be IOF_RUN_NODE_ROOT. @stays: the entry always exists. */
int iof_run_tree_find(uint64_t parent, const char *name, uint64_t *node, bool *stays);
void iof_run_tree_attr(uint64_t node, struct fuse_attr *attr);
const char *iof_run_tree_target(uint64_t node); /* of a link, or NULL */
size_t iof_run_tree_list(uint64_t node, uint64_t from, char *out, size_t size);
int iof_run_tree_open(uint64_t node, int flags, bool owner);
ssize_t iof_run_tree_read(uint64_t node, char *out, size_t size, uint64_t pos);
ssize_t iof_run_tree_write(uint64_t node, const char *in, size_t size);

/* ---- driver.c ---- */

void iof_run_driver_init(struct iof_run *run, struct iof_machine *machine);
/* Each open node of a device holds it: 0, or -ENODEV if it has no driver. */
int iof_run_driver_hold(unsigned int device);
void iof_run_driver_put(unsigned int device);

#endif
