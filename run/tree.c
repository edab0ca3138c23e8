// SPDX-License-Identifier: MIT
/*
 * tree.c - folders, links and small files of our file system, which view.c and sysfs.c bind into
 * /dev and /sys where what is there changes while the program runs.
 *
 * Entries are made before the first request and never freed, so that reading the tree takes no
 * lock. Whether an entry that depends on a driver exists is decided anew for each request.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tree.h"

#define MAX_ENTRIES 8192
#define MAX_NAME    48

struct iof_run_entry {
	struct iof_run_entry *parent, *children, *next;
	char name[MAX_NAME];
	uint64_t node;
	mode_t mode;
	unsigned int device;
	/*
	 * number of devices from `device` on, one of which must have it
	 */
	unsigned int needs_driver;
	char *text; /* content that does not change, or the target of a link */
	iof_run_entry_show *show;
	iof_run_entry_store *store;
};

static struct {
	struct iof_run_entry *entry[MAX_ENTRIES];
	unsigned int nr;
	struct iof_run_entry *top; /* entries of the root */
	bool (*has_driver)(unsigned int device);
} tree;

/* ---- making entries ---- */

void iof_run_tree_init(bool (*has_driver)(unsigned int device))
{
	tree.has_driver = has_driver;
}

static struct iof_run_entry *add(struct iof_run_entry *parent, const char *name, mode_t mode)
{
	struct iof_run_entry *entry = calloc(1, sizeof(*entry)), **at;

	/* the limit of devices is far below that of entries */
	if (!entry || tree.nr == MAX_ENTRIES)
		abort();
	entry->parent = parent;
	entry->mode = mode;
	entry->node = IOF_RUN_NODE_TREE + (uint64_t)tree.nr;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	tree.entry[tree.nr++] = entry;
	for (at = parent ? &parent->children : &tree.top; *at; at = &(*at)->next)
		;
	*at = entry;
	return entry;
}

static char *make_text(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		abort();
	return text;
}

struct iof_run_entry *iof_run_tree_folder(struct iof_run_entry *parent, const char *name)
{
	return add(parent, name, S_IFDIR | 0755);
}

struct iof_run_entry *iof_run_tree_file(struct iof_run_entry *parent, const char *name,
					unsigned int device, iof_run_entry_show *show,
					iof_run_entry_store *store)
{
	struct iof_run_entry *entry =
		add(parent, name, S_IFREG | (mode_t)(show ? 0444 : 0) | (mode_t)(store ? 0200 : 0));

	entry->device = device;
	entry->show = show;
	entry->store = store;
	return entry;
}

struct iof_run_entry *iof_run_tree_text(struct iof_run_entry *parent, const char *name,
					const char *format, ...)
{
	struct iof_run_entry *entry = add(parent, name, S_IFREG | 0444);
	va_list args;

	va_start(args, format);
	entry->text = make_text(format, args);
	va_end(args);
	return entry;
}

struct iof_run_entry *iof_run_tree_link(struct iof_run_entry *parent, const char *name,
					const char *format, ...)
{
	struct iof_run_entry *entry = add(parent, name, S_IFLNK | 0777);
	va_list args;

	va_start(args, format);
	entry->text = make_text(format, args);
	va_end(args);
	return entry;
}

struct iof_run_entry *iof_run_tree_node(struct iof_run_entry *parent, const char *name,
					uint64_t node)
{
	struct iof_run_entry *entry = add(parent, name, S_IFCHR);

	entry->node = node;
	return entry;
}

void iof_run_tree_needs_driver(struct iof_run_entry *entry, unsigned int device, unsigned int nr)
{
	entry->needs_driver = nr;
	entry->device = device;
}

/* ---- finding entries ---- */

bool iof_run_tree_has(uint64_t node)
{
	return node >= IOF_RUN_NODE_TREE && node < IOF_RUN_NODE_MADE;
}

static const struct iof_run_entry *entry_of(uint64_t node)
{
	return node - IOF_RUN_NODE_TREE < tree.nr ? tree.entry[node - IOF_RUN_NODE_TREE] : NULL;
}

static bool exists(const struct iof_run_entry *entry)
{
	for (unsigned int i = 0; i < entry->needs_driver; i++)
		if (tree.has_driver(entry->device + i))
			return true;
	return !entry->needs_driver;
}

int iof_run_tree_find(uint64_t parent, const char *name, uint64_t *node, bool *stays)
{
	const struct iof_run_entry *folder = entry_of(parent), *entry;

	if (parent != IOF_RUN_NODE_ROOT && (!folder || !S_ISDIR(folder->mode)))
		return -ENOTDIR;
	for (entry = folder ? folder->children : tree.top; entry; entry = entry->next)
		if (!strcmp(entry->name, name))
			break;
	if (!entry || !exists(entry))
		return -ENOENT;
	*node = entry->node;
	*stays = !entry->needs_driver;
	return 0;
}

/* ---- requests ---- */

void iof_run_tree_attr(uint64_t node, struct fuse_attr *attr)
{
	const struct iof_run_entry *entry = entry_of(node);

	if (!entry)
		return;
	attr->mode = entry->mode;
	attr->nlink = S_ISDIR(entry->mode) ? 2 : 1;
	attr->size = S_ISLNK(entry->mode) ? strlen(entry->text) :
		     S_ISREG(entry->mode) ? IOF_RUN_PAGE :
					    0;
}

const char *iof_run_tree_target(uint64_t node)
{
	const struct iof_run_entry *entry = entry_of(node);

	return entry && S_ISLNK(entry->mode) ? entry->text : NULL;
}

/* Adds a record. Returns its size, 0: there is no room for it. */
static size_t list_one(char *out, size_t size, const char *name, uint64_t node, mode_t mode,
		       uint64_t next)
{
	struct fuse_dirent *record = (struct fuse_dirent *)out;
	size_t len = strlen(name), need = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + len);

	if (need > size)
		return 0;
	memset(out, 0, need);
	record->ino = node;
	record->off = next;
	record->namelen = (uint32_t)len;
	record->type = IFTODT(mode);
	memcpy(record->name, name, len);
	return need;
}

size_t iof_run_tree_list(uint64_t node, uint64_t from, char *out, size_t size)
{
	const struct iof_run_entry *folder = entry_of(node), *entry;
	size_t done = 0, more;
	uint64_t at = 0;

	if (!folder || !S_ISDIR(folder->mode))
		return 0;
	for (int i = 0; i < 2; i++)
		if (at++ >= from) {
			more = list_one(out + done, size - done, i ? ".." : ".", node, S_IFDIR, at);
			if (!more)
				return done;
			done += more;
		}
	for (entry = folder->children; entry; entry = entry->next) {
		if (at++ < from || !exists(entry))
			continue;
		more = list_one(out + done, size - done, entry->name, entry->node, entry->mode, at);
		if (!more)
			break;
		done += more;
	}
	return done;
}

int iof_run_tree_open(uint64_t node, int flags, bool owner)
{
	const struct iof_run_entry *entry = entry_of(node);
	int mode = flags & O_ACCMODE;

	if (!entry || !S_ISREG(entry->mode))
		return -ENXIO;
	/* as in sysfs, for root too */
	if ((mode != O_WRONLY && !entry->show && !entry->text) ||
	    (mode != O_RDONLY && (!entry->store || !owner)))
		return -EACCES;
	return 0;
}

ssize_t iof_run_tree_read(uint64_t node, char *out, size_t size, uint64_t pos)
{
	const struct iof_run_entry *entry = entry_of(node);
	char text[IOF_RUN_PAGE];
	const char *from = text;
	size_t len;

	if (!entry)
		return -EIO;
	if (entry->text) {
		from = entry->text;
		len = strlen(from);
	} else if (!exists(entry)) {
		return -ENODEV;
	} else {
		len = entry->show ? entry->show(entry->device, text) : 0;
	}
	if (pos >= len)
		return 0;
	if (size > len - pos)
		size = len - pos;
	memcpy(out, from + pos, size);
	return (ssize_t)size;
}

ssize_t iof_run_tree_write(uint64_t node, const char *in, size_t size)
{
	const struct iof_run_entry *entry = entry_of(node);
	char text[IOF_RUN_PAGE + 1];
	int rc;

	if (!entry || !entry->store)
		return -EIO;
	if (size > IOF_RUN_PAGE)
		size = IOF_RUN_PAGE;
	memcpy(text, in, size);
	text[size] = 0;
	rc = entry->store(entry->device, text);
	return rc ? rc : (ssize_t)size;
}
