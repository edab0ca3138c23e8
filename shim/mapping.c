/* SPDX-License-Identifier: MIT */
/*
 * mapping.c - the kind of memory at an address: permissions, and whether a kernel pins it for long.
 *
 * A kernel refuses long-term pins of two kinds of memory that are otherwise readable and writable.
 * One is a shared, writable mapping of a file whose file system writes pages back, because the
 * device's stores would escape it. The other is registers of a device. The kernel itself refuses
 * all other memory that cannot be pinned (vvar, memfd_secret, registers of real devices) when the
 * shim makes the pages present. The shim asks for the kind at each pin and never keeps it, because
 * mappings change without notice. Since Linux 6.11, one call answers for one address
 * (PROCMAP_QUERY). On older kernels the shim reads the text of /proc/PID/maps. For its own process
 * it does so only if the pagemap shows a page that belongs to a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <linux/mm.h>
#include "core/kapi.h"
#include "internal.h"
#include "mapping.h"
#include "sys.h"

/* The argument of PROCMAP_QUERY (Linux 6.11), which asks for one mapping. */
struct mapping_query {
	u64 size, query_flags, query_addr;
	u64 vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	u32 dev_major, dev_minor, vma_name_size, build_id_size;
	u64 vma_name_addr, build_id_addr;
};
#define MAPPING_QUERY _IOWR('f', 17, struct mapping_query)
#define MAPPING_READABLE 0x1u
#define MAPPING_WRITABLE 0x2u
#define MAPPING_SHARED 0x8u

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_FILE (1ull << 61)	/* the page belongs to a file, or is anonymous and shared */

struct mapping {
	unsigned long start, end;
	u64 flags, offset, inode;
	dev_t dev;			/* 0: the mapping has no file */
	bool sysv;
};

/* a text has one position, which rewind() resets */
static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static dev_t registers;			/* files of this file system are device registers */

void iof_sys_set_registers(dev_t dev)
{
	__atomic_store_n(&registers, dev, __ATOMIC_RELAXED);
}

/* ---- our own files of /proc ---- */

/*
 * Files of /proc/self that stay open, since each pin or page reads them. A child made by fork()
 * opens its own. The program may have closed them behind our back; so text is read only from a file
 * that was opened for that call.
 */
static int own_pagemap = -1, own_maps = -1;

static void forget_own(void)
{
	int *const all[] = { &own_pagemap, &own_maps };

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		int fd = __atomic_exchange_n(all[i], -1, __ATOMIC_RELAXED);

		if (fd >= 0)
			close(fd);
	}
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_own);
}

static int open_own(int *kept, const char *path)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int fd = __atomic_load_n(kept, __ATOMIC_ACQUIRE), none = -1;

	if (likely(fd >= 0))
		return fd;
	pthread_once(&once, watch_forks);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !__atomic_compare_exchange_n(kept, &none, fd, false, __ATOMIC_ACQ_REL,
						    __ATOMIC_ACQUIRE)) {
		close(fd);
		fd = none;
	}
	return fd;
}

int iof_shim_own_pagemap(void)
{
	return open_own(&own_pagemap, "/proc/self/pagemap");
}

/* ---- one mapping ---- */

/*
 * Is it a segment of System V? Segments have numbers of their own, on the device of other shared
 * memory.
 */
static bool is_sysv(const char *name)
{
	return !strncmp(name, "/SYSV", 5);
}

/*
 * Asks the kernel for the mapping at @addr. *@known: the kernel answered; it may have said that
 * there is none.
 */
static bool ask(int maps, unsigned long addr, struct mapping *mapping, bool *known)
{
	struct mapping_query query = { .size = sizeof(query), .query_addr = addr };

	if (ioctl(maps, MAPPING_QUERY, &query)) {
		*known = errno != ENOTTY && errno != EINVAL && errno != EBADF;
		return false;
	}
	*known = true;
	*mapping = (struct mapping){
		.start = query.vma_start, .end = query.vma_end, .flags = query.vma_flags,
		.offset = query.vma_offset, .inode = query.inode,
		.dev = makedev(query.dev_major, query.dev_minor),
	};
	return true;
}

/* Asks for the name, which takes a second ioctl. Only shared memory needs it. */
static bool ask_sysv(int maps, unsigned long addr)
{
	char name[64] = "";
	struct mapping_query query = {
		.size = sizeof(query), .query_addr = addr, .vma_name_size = sizeof(name),
		.vma_name_addr = (u64)(uintptr_t)name,
	};

	/* the kernel refuses a longer name; no segment has one */
	return !ioctl(maps, MAPPING_QUERY, &query) && is_sysv(name);
}

static bool parse(const char *line, struct mapping *mapping)
{
	unsigned int major, minor;
	char perms[8];
	int name = 0;

	if (sscanf(line, "%lx-%lx %7s %llx %x:%x %llu %n", &mapping->start, &mapping->end, perms,
		   (unsigned long long *)&mapping->offset, &major, &minor,
		   (unsigned long long *)&mapping->inode, &name) != 7)
		return false;
	mapping->sysv = is_sysv(line + name);
	mapping->flags = (perms[0] == 'r' ? MAPPING_READABLE : 0) |
			 (perms[1] == 'w' ? MAPPING_WRITABLE : 0) |
			 (perms[3] == 's' ? MAPPING_SHARED : 0);
	mapping->dev = makedev(major, minor);
	return true;
}

/* ---- what can be pinned ---- */

/*
 * Is memory the only store of this file system's files? memfd and shared anonymous memory are of
 * this kind.
 */
static bool is_memory(const char *type)
{
	static const char *const types[] = { "tmpfs", "devtmpfs", "ramfs", "rootfs", "hugetlbfs" };

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/*
 * Returns the device number of memory files that no program mounted. The kernel has one for all of
 * them.
 */
static dev_t shared_memory(void)
{
	static dev_t known;
	dev_t dev = __atomic_load_n(&known, __ATOMIC_RELAXED);
	struct stat st;
	int fd;

	if (dev)
		return dev;
	fd = memfd_create("iofault", MFD_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st))
		dev = st.st_dev;
	if (fd >= 0)
		close(fd);
	__atomic_store_n(&known, dev, __ATOMIC_RELAXED);
	return dev;
}

/*
 * Are pages of files of @dev written back? A file system that is mounted nowhere writes none back.
 */
static bool writes_back(const struct iof_shim_maps *space, dev_t dev)
{
	int fd = space->process < 0 ? open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC) :
				      openat(space->process, "mountinfo", O_RDONLY | O_CLOEXEC);
	FILE *text = fd < 0 ? NULL : fdopen(fd, "r");
	unsigned int major, minor;
	char *line = NULL, *rest;
	bool found = false;
	size_t room = 0;
	char type[32];

	if (!text && fd >= 0)
		close(fd);
	while (text && !found && getline(&line, &room, text) > 0) {
		if (sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2 ||
		    makedev(major, minor) != dev)
			continue;
		rest = strstr(line, " - ");
		found = rest && sscanf(rest, " - %31s", type) == 1;
	}
	free(line);
	if (text)
		fclose(text);
	return found && !is_memory(type);
}

static bool can_pin(const struct iof_shim_maps *space, const struct mapping *mapping, bool write)
{
	if (!mapping->dev)
		return true;
	if (mapping->dev == __atomic_load_n(&registers, __ATOMIC_RELAXED))
		return false;
	if (!write || !(mapping->flags & MAPPING_SHARED) || mapping->dev == shared_memory())
		return true;
	/* a file system on a disk writes back; one without a disk has no major number */
	return !major(mapping->dev) && !writes_back(space, mapping->dev);
}

static bool allows(const struct iof_shim_maps *space, const struct mapping *mapping, bool write,
		   bool longterm)
{
	if (!(mapping->flags & (write ? MAPPING_WRITABLE : MAPPING_READABLE)))
		return false;
	return !longterm || can_pin(space, mapping, write);
}

/* Opens the text of all mappings. The caller reads it from its start, under maps_lock. */
static FILE *open_text(const struct iof_shim_maps *space)
{
	int fd = space->process < 0 ? open("/proc/self/maps", O_RDONLY | O_CLOEXEC) :
				      dup(space->maps);
	FILE *text = fd < 0 ? NULL : fdopen(fd, "r");

	if (!text && fd >= 0)
		close(fd);
	return text;
}

/*
 * Reads the text of all mappings up to @end. Returns the first address from @at on at which no
 * mapping allows the access; it may lie above @end.
 */
static unsigned long read_mappings(const struct iof_shim_maps *space, unsigned long at,
				   unsigned long end, bool write, bool longterm)
{
	FILE *text = open_text(space);
	struct mapping mapping;
	char *line = NULL;
	size_t room = 0;

	if (!text)
		return at;
	must(pthread_mutex_lock(&maps_lock));
	rewind(text);
	while (at < end && getline(&line, &room, text) > 0) {
		if (!parse(line, &mapping) || mapping.end <= at)
			continue;
		if (mapping.start > at || !allows(space, &mapping, write, longterm))
			break;
		at = mapping.end;
	}
	must(pthread_mutex_unlock(&maps_lock));
	free(line);
	fclose(text);
	return at;
}

unsigned long iof_shim_mapped(const struct iof_shim_maps *space, unsigned long start,
			      unsigned long n, bool write, bool longterm)
{
	unsigned long at = start, end = start + n * PAGE_SIZE;
	struct mapping mapping;
	bool known = true;

	while (at < end) {
		bool found = ask(space->maps, at, &mapping, &known);

		if (!known) {
			at = read_mappings(space, at, end, write, longterm);
			break;
		}
		if (!found || !allows(space, &mapping, write, longterm))
			break;
		at = mapping.end;
	}
	return (min(at, end) - start) / PAGE_SIZE;
}

/* Does one of the pages belong to a file, or is one not present? Then the text must be read. */
static bool has_file_pages(int pagemap, unsigned long start, unsigned long n)
{
	u64 entry[512];

	while (n) {
		unsigned long part = min(n, (unsigned long)ARRAY_SIZE(entry));
		ssize_t size = (ssize_t)(part * sizeof(entry[0]));

		if (pread(pagemap, entry, (size_t)size,
			  (off_t)(start / PAGE_SIZE * sizeof(entry[0]))) != size)
			return true;
		for (unsigned long i = 0; i < part; i++)
			if (!(entry[i] & PAGEMAP_PRESENT) || entry[i] & PAGEMAP_FILE)
				return true;
		start += part * PAGE_SIZE;
		n -= part;
	}
	return false;
}

static struct iof_shim_area area_of(const struct iof_shim_maps *space,
				    const struct mapping *mapping)
{
	return (struct iof_shim_area){
		.start = mapping->start, .end = mapping->end, .offset = mapping->offset,
		.inode = mapping->inode, .dev = mapping->dev, .sysv = mapping->sysv,
		.writable = mapping->flags & MAPPING_WRITABLE,
		.identified = mapping->dev && mapping->flags & MAPPING_SHARED &&
			      can_pin(space, mapping, true),
	};
}

/* Searches the text for the mapping at @at. */
static bool find_mapping(const struct iof_shim_maps *space, unsigned long at,
			 struct mapping *mapping)
{
	FILE *text = open_text(space);
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	if (!text)
		return false;
	must(pthread_mutex_lock(&maps_lock));
	rewind(text);
	while (!found && getline(&line, &room, text) > 0)
		found = parse(line, mapping) && mapping->start <= at && at < mapping->end;
	must(pthread_mutex_unlock(&maps_lock));
	free(line);
	fclose(text);
	return found;
}

/* As ask(), and also finds out whether shared memory is a segment of System V. */
static bool ask_identity(int maps, unsigned long addr, struct mapping *mapping, bool *known)
{
	bool found = ask(maps, addr, mapping, known);

	if (found && mapping->flags & MAPPING_SHARED && mapping->dev == shared_memory())
		mapping->sysv = ask_sysv(maps, addr);
	return found;
}

bool iof_shim_area_at(const struct iof_shim_maps *space, int pagemap, unsigned long at,
		      unsigned long n, struct iof_shim_area *area)
{
	struct mapping mapping;
	bool known, found;

	found = ask_identity(space->maps, at, &mapping, &known);
	if (!known && n && !has_file_pages(pagemap, at, n)) {
		*area = (struct iof_shim_area){ .start = at, .end = at + n * PAGE_SIZE };
		return true;
	}
	if (!known)
		found = find_mapping(space, at, &mapping);
	if (found)
		*area = area_of(space, &mapping);
	return found;
}

bool iof_shim_own_area(unsigned long at, struct iof_shim_area *area)
{
	struct iof_shim_maps space = { open_own(&own_maps, "/proc/self/maps"), -1 };

	return space.maps >= 0 && iof_shim_area_at(&space, -1, at, 0, area);
}

unsigned long iof_shim_own_pinnable(unsigned long start, unsigned long n, bool longterm,
				    struct iof_shim_area *area)
{
	struct iof_shim_maps space = { open_own(&own_maps, "/proc/self/maps"), -1 };
	struct mapping mapping;
	bool known, found;

	area->end = 0;
	/* without /proc the kinds are unknown: refuse nothing */
	if (!n || space.maps < 0)
		return n;
	found = ask_identity(space.maps, start, &mapping, &known);
	if (!known && !has_file_pages(iof_shim_own_pagemap(), start, n)) {
		*area = (struct iof_shim_area){ .start = start, .end = start + n * PAGE_SIZE };
		return n;
	}
	if (known && found)
		*area = area_of(&space, &mapping);
	if (!longterm)
		return n;
	if (known && found && mapping.end - start >= n * PAGE_SIZE)
		return can_pin(&space, &mapping, true) ? n : 0;
	return iof_shim_mapped(&space, start, n, true, true);
}
