// SPDX-License-Identifier: MIT
/*
 * page_files.c - the files of a run: inputs, and an output that is either complete or absent.
 *
 * The size of an input is its size when it was opened. The output is written to a nameless file
 * (O_TMPFILE). On a file system without these its temporary name begins with ".iofault-", in the
 * same directory. When the output is complete and right, one rename(2) gives it its own name.
 */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static int open_input(struct iof_page_file *file)
{
	off_t end;

	/* O_NONBLOCK: open() of a pipe that has no writer would block forever. */
	file->fd = open(file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return iof_fail(-1, "%s: cannot be read: %s", file->name, iof_reason(errno));
	if (fstat(file->fd, &file->stat))
		return iof_fail(-1, "%s: %s", file->name, iof_reason(errno));
	if (S_ISDIR(file->stat.st_mode))
		return iof_fail(-1, "%s: is a directory; name the files in it", file->name);
	if (!S_ISREG(file->stat.st_mode) && !S_ISBLK(file->stat.st_mode))
		return iof_fail(
			-1, "%s: has no size and cannot be read at an offset; copy it to a file",
			file->name);
	end = lseek(file->fd, 0, SEEK_END);
	if (end < 0)
		return iof_fail(-1, "%s: its size cannot be determined: %s", file->name,
				iof_reason(errno));
	file->size = (uint64_t)end;
	return 0;
}

/* Returns an unused name in the output's directory, for O_EXCL and linkat() to try. */
static char *temporary_name(const char *final)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	char *copy = strdup(final), *name = NULL;
	unsigned char dice[12];
	size_t i;

	if (copy && getrandom(dice, sizeof(dice), 0) == sizeof(dice)) {
		char tail[sizeof(dice) + 1] = "";

		for (i = 0; i < sizeof(dice); i++)
			tail[i] = letters[dice[i] % 32];
		if (asprintf(&name, "%s/.iofault-%s", dirname(copy), tail) < 0)
			name = NULL;
	}
	free(copy);
	return name;
}

/*
 * Returns the mode of the output: that of the file that it replaces, or of the source of a copy, or
 * the usual one under the umask.
 */
static mode_t output_mode(const struct iof_page_run *run, bool replaces)
{
	mode_t mask = umask(0);

	umask(mask);
	if (replaces)
		return run->output->stat.st_mode & 07777;
	if (run->options.op == IOF_PAGE_COPY && S_ISREG(run->files[0].stat.st_mode))
		return run->files[0].stat.st_mode & 0777 & ~mask;
	return 0666 & ~mask;
}

/*
 * Allocates the output's blocks now, so that a full disk fails here and not in mid-work. A file
 * system without fallocate() only gets the size.
 */
static int reserve(const struct iof_page_file *file)
{
	char size[IOF_TEXT];

	if (!file->size)
		return 0;
	if (!fallocate(file->fd, 0, 0, (off_t)file->size))
		return 0;
	if (errno == EOPNOTSUPP || errno == ENOSYS) {
		if (!ftruncate(file->fd, (off_t)file->size))
			return 0;
	}
	iof_size_text(size, file->size);
	if (errno == ENOSPC || errno == EDQUOT)
		return iof_fail(-1, "%s: there is no room for %s in its directory: %s", file->name,
				size, iof_reason(errno));
	if (errno == EFBIG)
		return iof_fail(-1, "%s: %s is more than the size limit of a file here: %s",
				file->name, size, iof_reason(errno));
	return iof_fail(-1, "%s: cannot be extended to %s: %s", file->name, size,
			iof_reason(errno));
}

static int open_output(struct iof_page_run *run)
{
	struct iof_page_file *file = run->output;
	bool replaces = !stat(file->name, &file->stat);
	char *copy, *folder;
	int tries;

	if (!replaces && errno != ENOENT)
		return iof_fail(-1, "%s: cannot be written: %s", file->name, iof_reason(errno));
	if (replaces && S_ISDIR(file->stat.st_mode))
		return iof_fail(-1, "%s: is a directory; --out takes a file name", file->name);
	if (replaces && !S_ISREG(file->stat.st_mode))
		return iof_fail(-1, "%s: is no regular file; --out writes no other", file->name);
	if (replaces && faccessat(AT_FDCWD, file->name, W_OK, AT_EACCESS))
		return iof_fail(-1, "%s: cannot be written: %s", file->name, iof_reason(errno));
	/* The output replaces the target of a symbolic link, not the link. */
	file->final = replaces ? realpath(file->name, NULL) : strdup(file->name);
	copy = file->final ? strdup(file->final) : NULL;
	if (!copy) {
		free(copy);
		return iof_fail(-1, "%s: %s", file->name, iof_reason(errno));
	}
	if (!*file->name || file->name[strlen(file->name) - 1] == '/') {
		free(copy);
		return iof_fail(-1, "'%s' is not the name of a file", file->name);
	}
	folder = dirname(copy);
	file->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
		for (tries = 0; tries < 100 && file->fd < 0; tries++) {
			free(file->temporary);
			file->temporary = temporary_name(file->final);
			if (!file->temporary)
				break;
			file->fd =
				open(file->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
			if (file->fd < 0 && errno != EEXIST)
				break;
		}
	}
	if (file->fd < 0) {
		free(file->temporary);
		file->temporary = NULL;
		iof_fail(-1, "%s: cannot be written in the directory %s: %s", file->name, folder,
			 iof_reason(errno));
		free(copy);
		return -1;
	}
	free(copy);
	file->written = true;
	if (fchmod(file->fd, output_mode(run, replaces)))
		return iof_fail(-1, "%s: its mode cannot be set: %s", file->name,
				iof_reason(errno));
	return reserve(file);
}

int iof_page_keep_output(struct iof_page_run *run)
{
	struct iof_page_file *file = run->output;
	char link[64];
	int tries;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", file->fd);
	for (tries = 0; tries < 100 && !file->temporary; tries++) {
		char *name = temporary_name(file->final);

		if (!name)
			break;
		if (!linkat(AT_FDCWD, link, AT_FDCWD, name, AT_SYMLINK_FOLLOW)) {
			file->temporary = name;
			break;
		}
		free(name);
		if (errno != EEXIST)
			break;
	}
	if (!file->temporary || rename(file->temporary, file->final))
		return iof_fail(-1, "%s: the finished file cannot be renamed: %s", file->name,
				iof_reason(errno));
	free(file->temporary);
	file->temporary = NULL;
	return 0;
}

static void add_strand(struct iof_page_run *run, struct iof_page_file *source,
		       struct iof_page_file *other, uint64_t size)
{
	run->strands[run->nr_strands++] = (struct iof_page_strand){
		.source = source,
		.other = other,
		.size = size,
		.differs_at = UINT64_MAX,
	};
	run->bytes += size;
}

static int compare_sizes(const struct iof_page_file *a, const struct iof_page_file *b)
{
	if (a->size == b->size)
		return 0;
	return iof_fail(-1, "%s has %" PRIu64 " bytes and %s has %" PRIu64 ": they differ", a->name,
			a->size, b->name, b->size);
}

int iof_page_open_files(struct iof_page_run *run)
{
	const struct iof_page_options *options = &run->options;
	bool writes = options->op == IOF_PAGE_COPY || options->op == IOF_PAGE_FILL;
	uint32_t i, inputs = options->nr_files;

	run->files = calloc(inputs + 1, sizeof(*run->files));
	run->strands = calloc(inputs + 1, sizeof(*run->strands));
	if (!run->files || !run->strands)
		return iof_fail(-1, "there is not enough memory");
	for (i = 0; i <= inputs; i++)
		run->files[i].fd = -1;
	for (i = 0; i < inputs; i++)
		run->files[i].name = options->files[i];
	if (options->out) {
		run->files[i].name = options->out;
		if (writes)
			run->output = &run->files[i];
		else
			inputs++;
	}
	run->nr_files = inputs + writes;
	for (i = 0; i < inputs; i++)
		if (open_input(&run->files[i]))
			return -1;

	switch (options->op) {
	case IOF_PAGE_CRC32C:
		for (i = 0; i < inputs; i++)
			add_strand(run, &run->files[i], NULL, run->files[i].size);
		break;
	case IOF_PAGE_COMPARE:
		add_strand(run, &run->files[0], &run->files[1], run->files[0].size);
		return compare_sizes(&run->files[0], &run->files[1]);
	case IOF_PAGE_COPY:
		run->output->size = run->files[0].size;
		add_strand(run, &run->files[0], run->output, run->output->size);
		return open_output(run);
	case IOF_PAGE_FILL:
		run->output->size = options->size;
		add_strand(run, NULL, run->output, run->output->size);
		return open_output(run);
	}
	return 0;
}

bool iof_page_files_changed(struct iof_page_run *run, bool failed)
{
	bool shorter = false;
	struct stat now;
	uint32_t i;

	for (i = 0; i < run->nr_files; i++) {
		const struct iof_page_file *file = &run->files[i];

		if (file->written || !S_ISREG(file->stat.st_mode) || fstat(file->fd, &now))
			continue;
		if ((uint64_t)now.st_size < file->size) {
			iof_say("%s: became shorter during the run, from %" PRIu64 " to %" PRIu64
				" bytes; run it again when no process writes the file",
				file->name, file->size, (uint64_t)now.st_size);
			shorter = true;
		} else if ((uint64_t)now.st_size > file->size) {
			iof_say("%s: grew during the run; only the %" PRIu64
				" bytes that it had at the beginning count",
				file->name, file->size);
		} else if (failed && (now.st_mtim.tv_sec != file->stat.st_mtim.tv_sec ||
				      now.st_mtim.tv_nsec != file->stat.st_mtim.tv_nsec)) {
			iof_say("%s: was written to during the run; run it again when no "
				"process writes it",
				file->name);
		}
	}
	return shorter;
}

void iof_page_close_files(struct iof_page_run *run)
{
	uint32_t i;

	for (i = 0; run->files && i < run->nr_files; i++) {
		struct iof_page_file *file = &run->files[i];

		if (file->temporary)
			unlink(file->temporary);
		if (file->fd >= 0)
			close(file->fd);
		free(file->temporary);
		free(file->final);
	}
	for (i = 0; run->strands && i < run->nr_strands; i++)
		free(run->strands[i].chunk_crcs);
	free(run->files);
	free(run->strands);
	run->files = NULL;
	run->strands = NULL;
}
