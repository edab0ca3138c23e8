// SPDX-License-Identifier: MIT
/*
 * view.c - the namespaces, and /dev as the program sees it: the existing entries, plus our nodes.
 *
 * A small tmpfs covers each folder that gets a new entry. Each entry of the old folder is bound
 * into it again; the old folder stays reachable by a descriptor. All mounts are in a mount
 * namespace of our own, so that none remains when its last process exits, in whatever way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "view.h"

#define TREE "/dev/.iofault"

/* ---- what may be missing ---- */

static long setting(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return got > 0 ? strtol(text, NULL, 10) : -1;
}

/* Is the root folder no mount point? This is usual in a chroot. */
static bool root_is_no_mount(void)
{
	struct statx st;

	return !statx(AT_FDCWD, "/", 0, 0, &st) &&
	       (st.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
	       !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/*
 * Returns what would allow namespaces and mounts that were refused with @err, as far as that can be
 * determined.
 */
static const char *why_no_namespace(int err)
{
	if (root_is_no_mount())
		return "/ is no mount point, as in a chroot: use `mount --bind DIR DIR` before "
		       "`chroot DIR`, and run as root";
	if (!setting("/proc/sys/kernel/unprivileged_userns_clone"))
		return "allow it with `sysctl kernel.unprivileged_userns_clone=1`, or run as root";
	if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") > 0)
		return "allow it with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or "
		       "run as root";
	if (err == ENOSPC || !setting("/proc/sys/user/max_user_namespaces"))
		return "allow it with `sysctl user.max_user_namespaces=10000`, or run as root";
	if (err == EINVAL || err == ENOSYS)
		return "it needs a kernel with CONFIG_USER_NS, or root";
	return "in a container, allow it there (docker: --security-opt seccomp=unconfined, or "
	       "--privileged)";
}

/* Returns why no user can be mapped in the user namespace, which exists. */
static const char *why_no_mapping(const struct iof_run *run, int err)
{
	if (!run->uid && err == EPERM)
		return "root needs CAP_SETFCAP for it: allow that (docker: --cap-add SETFCAP), or "
		       "run as another user";
	return why_no_namespace(err);
}

static const char *why_no_fuse(int err)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		return "load it with `modprobe fuse`, or give the container the device "
		       "(docker: --device /dev/fuse)";
	if (err == EACCES)
		return "allow it with `chmod 666 /dev/fuse`";
	return "in a container, give it the device (docker: --device /dev/fuse)";
}

/*
 * Reports why @what failed and what would allow it. The caller reads errno before it determines
 * @why.
 */
static void die_for(struct iof_run *run, const char *what, int err, const char *why)
{
	iof_run_die(run, "%s (%s): %s", what, strerror(err), why);
}

static void die_of_namespaces(struct iof_run *run, const char *what)
{
	int err = errno;

	die_for(run, what, err, why_no_namespace(err));
}

/* ---- namespaces ---- */

static bool put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);
	bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Maps one user and one group, each to its number outside. */
static void user_namespace(struct iof_run *run)
{
	char map[64];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		die_of_namespaces(run, "a user namespace cannot be created");
	snprintf(map, sizeof(map), "%u %u 1\n", run->uid, run->uid);
	if (!put_text("/proc/self/uid_map", map)) {
		int err = errno;

		die_for(run, "the user ID cannot be mapped", err, why_no_mapping(run, err));
	}
	put_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1\n", run->gid, run->gid);
	if (!put_text("/proc/self/gid_map", map))
		iof_run_die(run, "the group ID cannot be mapped: %s", strerror(errno));
}

void iof_run_enter(struct iof_run *run)
{
	pid_t parent = getppid();
	char options[160];
	struct statx st;

	run->privileged = !unshare(CLONE_NEWNS);
	if (!run->privileged)
		user_namespace(run);
	/* the kernel clears the parent-death signal when credentials change */
	iof_run_tie(run, parent);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die_of_namespaces(run, "mounts cannot be made private");
	run->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (run->fuse < 0) {
		int err = errno;

		iof_run_die(run, "/dev/fuse cannot be opened (%s): %s", strerror(err),
			    why_no_fuse(err));
	}
	run->old_dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (run->old_dev < 0 || mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755,size=1m"))
		die_of_namespaces(run, "a tmpfs cannot be mounted on /dev");
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,max_read=%u", run->fuse,
		 geteuid(), getegid(), 1u << 20);
	if (mkdir(TREE, 0755) ||
	    mount("iofault", TREE, "fuse", MS_NOSUID | MS_NODEV | MS_NOATIME, options))
		die_of_namespaces(run, "FUSE cannot be mounted");
	/* answered without the server */
	if (!statx(AT_FDCWD, TREE, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &st))
		run->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
}

/* ---- adding to a folder ---- */

static bool is_one_of(const char *name, const char *const *names)
{
	for (; names && *names; names++)
		if (!strcmp(name, *names))
			return true;
	return false;
}

static int bind_one(const char *from, const char *to, bool folder, bool device)
{
	int fd;

	if (folder) {
		if (mkdir(to, 0755))
			return -1;
	} else {
		/* readdir(2) calls it a character device; the number 0 needs no privilege */
		if (device && !mknod(to, S_IFCHR | 0644, 0))
			return mount(from, to, NULL, MS_BIND, NULL);
		fd = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			return -1;
		close(fd);
	}
	return mount(from, to, NULL, MS_BIND | (folder ? MS_REC : 0), NULL);
}

/* Binds each entry of @old except @except into @target; omits entries that cannot be bound. */
static void bind_all(int old, const char *target, const char *const *except)
{
	char from[PATH_MAX], to[PATH_MAX], link[PATH_MAX];
	int fd = openat(old, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, "..") || is_one_of(name, except) ||
		    fstatat(old, name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		snprintf(from, sizeof(from), "/proc/self/fd/%d/%s", old, name);
		snprintf(to, sizeof(to), "%s/%s", target, name);
		if (S_ISLNK(st.st_mode)) {
			ssize_t len = readlinkat(old, name, link, sizeof(link) - 1);

			if (len < 0)
				continue;
			link[len] = 0;
			if (symlink(link, to))
				continue;
		} else {
			bind_one(from, to, S_ISDIR(st.st_mode), S_ISCHR(st.st_mode));
		}
	}
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

bool iof_run_open_folder(struct iof_run *run, const char *path)
{
	int old = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return false;
	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=4m"))
		iof_run_die(run, "a tmpfs cannot be mounted on %s: %s", path, strerror(errno));
	bind_all(old, path, NULL);
	close(old);
	return true;
}

void iof_run_seal_folder(const char *path)
{
	mount(NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
	      NULL);
}

/* ---- /dev ---- */

static void bind_node(struct iof_run *run, const char *name, const char *path)
{
	char from[64];

	snprintf(from, sizeof(from), TREE "/%s", name);
	if (bind_one(from, path, false, !run->config->plain_stat))
		iof_run_die(run, "%s cannot be bound: %s", path, strerror(errno));
}

void iof_run_bind_folder(struct iof_run *run, const char *name, const char *path)
{
	char from[64];

	snprintf(from, sizeof(from), TREE "/%s", name);
	mkdir(path, 0755);
	if (mount(from, path, NULL, MS_BIND, NULL))
		iof_run_die(run, "%s cannot be bound: %s", path, strerror(errno));
}

void iof_run_bind_file(struct iof_run *run, const char *name, const char *path)
{
	char from[64];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
	snprintf(from, sizeof(from), TREE "/%s", name);
	if (mount(from, path, NULL, MS_BIND, NULL))
		iof_run_die(run, "%s cannot be bound: %s", path, strerror(errno));
}

static void link_number(uint64_t node, const char *target)
{
	unsigned int major, minor;
	char path[48];
	int rc;

	if (!iof_run_node_number(node, &major, &minor))
		return;
	snprintf(path, sizeof(path), "/dev/char/%u:%u", major, minor);
	rc = symlink(target, path);
	(void)rc;
}

/* /dev/char, in which programs look for a node by its number. */
static void link_numbers(struct iof_run *run)
{
	unsigned int group = 0;
	char target[48];

	if (run->config->plain_stat)
		return;
	if (!iof_run_open_folder(run, "/dev/char"))
		mkdir("/dev/char", 0755);
	link_number(IOF_RUN_NODE_IOMMU, "../iommu");
	link_number(IOF_RUN_NODE_CONTAINER, "../vfio/vfio");
	for (unsigned int i = 0; i < run->config->nr_devices; i++) {
		snprintf(target, sizeof(target), "../vfio/devices/vfio%u", i);
		link_number(IOF_RUN_NODE_VFIO + (uint64_t)i, target);
		if (run->config->devices[i].share_group)
			continue;
		group += i ? 1 : 0;
		snprintf(target, sizeof(target), "../vfio/%u", run->first_group + group);
		if (!run->config->devices[i].no_iommu)
			link_number(IOF_RUN_NODE_GROUP + (uint64_t)group, target);
	}
}

void iof_run_build_dev(struct iof_run *run)
{
	static const char *const ours[] = { "iommu", "vfio", ".iofault", NULL };

	bind_all(run->old_dev, "/dev", ours);
	close(run->old_dev);
	run->tree = open(TREE, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (run->tree < 0)
		iof_run_die(run, "the FUSE file system cannot be reached: %s", strerror(errno));
	bind_node(run, "iommu", "/dev/iommu");
	iof_run_bind_folder(run, "vfio", "/dev/vfio");
	link_numbers(run);
}

void iof_run_hide_tree(void)
{
	umount2(TREE, MNT_DETACH);
	rmdir(TREE);
}
