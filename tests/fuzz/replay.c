// SPDX-License-Identifier: MIT
/*
 * replay.c - runs inputs without a fuzzer: those written by hand, and the files and folders given.
 *
 *	fuzz-replay [FILE | FOLDER]...	runs them all; any finding ends the program
 *	fuzz-replay --verbose FILE...	runs only those, and prints each action
 *	fuzz-replay --write FOLDER	writes the inputs written by hand, one file for each
 */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

static unsigned int runs;

static int run_file(const char *path)
{
	/* One action more than are run, as in a longer input. */
	static u8 data[FUZZ_MOST_ACTIONS * FUZZ_RECORD + 1];
	FILE *in = fopen(path, "re");
	size_t size;

	if (!in) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	size = fread(data, 1, sizeof(data), in);
	fclose(in);
	if (fuzz_verbose)
		fprintf(stderr, "%s\n", path);
	fuzz_run(data, size);
	runs++;
	return 0;
}

static int run_path(const char *path)
{
	struct dirent **entries;
	struct stat st;
	int n, i, bad = 0;

	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return run_file(path);
	n = scandir(path, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		char inner[PATH_MAX];

		snprintf(inner, sizeof(inner), "%s/%s", path, entries[i]->d_name);
		/* A text file about the folder is no input. */
		if (entries[i]->d_name[0] != '.' && !strstr(entries[i]->d_name, ".md"))
			bad |= run_file(inner);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return bad || n < 0;
}

static int write_seeds(const char *folder)
{
	unsigned int i;

	for (i = 0; i < fuzz_nr_seeds; i++) {
		const struct fuzz_seed *seed = &fuzz_seeds[i];
		char path[PATH_MAX];
		FILE *out;
		bool good;

		snprintf(path, sizeof(path), "%s/seed-%s", folder, seed->name);
		out = fopen(path, "we");
		good = out && fwrite(seed->acts, FUZZ_RECORD, seed->nr, out) == seed->nr;
		if (out && fclose(out))
			good = false;
		if (!good) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int i;
	int bad = 0;

	if (argc == 3 && !strcmp(argv[1], "--write"))
		return write_seeds(argv[2]);
	/*
	 * Print the action before it runs, so that the last line names the one that ended the
	 * program.
	 */
	fuzz_verbose = argc > 1 && !strcmp(argv[1], "--verbose");
	for (i = 0; !fuzz_verbose && i < fuzz_nr_seeds; i++) {
		fuzz_run((const u8 *)fuzz_seeds[i].acts, fuzz_seeds[i].nr * FUZZ_RECORD);
		runs++;
	}
	for (i = 1 + fuzz_verbose; i < (unsigned int)argc; i++)
		bad |= run_path(argv[i]);
	fuzz_end();
	printf("%u inputs\n", runs);
	return bad;
}
