// SPDX-License-Identifier: MIT
/*
 * page_options.c - the command line of `iofault page`: its options and which of them exclude each
 * other.
 *
 * The table `numbers` has every option that takes a number: name, range, default.
 */
#include "page.h"

#include <getopt.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	OPT_OP = 256,
	OPT_OUT,
	OPT_JSON,
	OPT_WORLD,
	OPT_DEVICE,
	OPT_POPULATE,
	OPT_DIRECT,
	OPT_SVA,
	OPT_NUMBERS, /* first of the options in the table; the last in this list */
};

struct number {
	const char *name;
	size_t offset;
	bool wide; /* the value is a 64-bit size, else a 32-bit number */
	uint64_t least, most, preset;
};

#define WIDE(name, field, least, most, preset)                                            \
	{                                                                                 \
		name, offsetof(struct iof_page_options, field), true, least, most, preset \
	}
#define NARROW(name, field, least, most, preset)                                           \
	{                                                                                  \
		name, offsetof(struct iof_page_options, field), false, least, most, preset \
	}

static const struct number numbers[] = {
	WIDE("resident", resident, 1, 1ull << 46, 64 << 20),
	WIDE("chunk", chunk, 4096, 1 << 30, 0),
	WIDE("size", size, 0, 1ull << 46, UINT64_MAX),
	WIDE("pattern", pattern, 0, UINT64_MAX, 0x0123456789abcdef),
	NARROW("prefetch", prefetch, 0, 1 << 20, 32),
	NARROW("engines", engines, 1, 16, 1),
	NARROW("pasids", pasids, 1, IOF_PAGE_MAX_PASIDS, 1),
	NARROW("handlers", handlers, 1, 64, 1),
	NARROW("group", group, 1, 32, 1),
	NARROW("credits", credits, 1, 1 << 20, 256),
	NARROW("depth", depth, 1, 4096, 0),
	NARROW("passes", passes, 1, IOF_PAGE_MAX_PASSES, 1),
	NARROW("spin", spin_us, 0, 1000000, 0),
};

#define NR_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static const struct {
	const char *name;
	enum iof_page_op op;
} ops[] = {
	{ "crc32c", IOF_PAGE_CRC32C },
	{ "copy", IOF_PAGE_COPY },
	{ "compare", IOF_PAGE_COMPARE },
	{ "fill", IOF_PAGE_FILL },
};

static const char usage[] =
	"Usage: iofault page --op OP [OPTION]... [FILE]...\n"
	"A DMA engine processes files of which no page is mapped. Each page that it misses is an\n"
	"I/O page fault, which a handler resolves. At the end the CPU checks the result.\n"
	"  --op OP            crc32c FILE..., copy FILE, compare FILE FILE, or fill\n"
	"  --out TARGET       the file that copy or fill writes\n"
	"  --size SIZE        bytes that fill writes\n"
	"  --pattern NUMBER   64-bit pattern that fill repeats\n"
	"  --resident SIZE    limit of the memory for pages of files (64M)\n"
	"  --prefetch N       pages loaded ahead of sequential faults (32; 0: none)\n"
	"  --engines N        engines of the device (1; up to 16)\n"
	"  --depth N          descriptors in its queue (8 for each engine; up to 4096)\n"
	"  --pasids N         address spaces that share the work (1; up to 256)\n"
	"  --handlers N       threads that handle faults (1; up to 64)\n"
	"  --spin USEC        time that a handler polls for the next fault before it sleeps (0)\n"
	"  --group N          most pages in one page-request group of the device (1; up to 32)\n"
	"  --credits N        page requests that the device may have open (256)\n"
	"  --chunk SIZE       bytes of one descriptor (64K to 1M, by the amount of work)\n"
	"  --populate         load what fits first;   --direct: no page cache (O_DIRECT)\n"
	"  --passes N         do the work N times (1)\n"
	"  --sva              share the page tables of this process with the device; no handler\n"
	"  --world WORLD      embedded (the default), kernel, or any: the kernel's, else embedded\n"
	"  --device PATH      node of the device (the first in software)\n"
	"  --json FILE        write the summary as JSON; - is standard output\n"
	"  -q, --quiet        print no progress bar and no table;   -h, --help: print this text\n"
	"Example: iofault page --op crc32c --resident 16M disk.img\n";

static const char short_options[] = ":hq";

/* Fills the array for getopt_long() from the table and the other options. */
static void long_options(struct option *out)
{
	static const struct option others[] = {
		{ "op", required_argument, NULL, OPT_OP },
		{ "out", required_argument, NULL, OPT_OUT },
		{ "json", required_argument, NULL, OPT_JSON },
		{ "world", required_argument, NULL, OPT_WORLD },
		{ "device", required_argument, NULL, OPT_DEVICE },
		{ "populate", no_argument, NULL, OPT_POPULATE },
		{ "direct", no_argument, NULL, OPT_DIRECT },
		{ "sva", no_argument, NULL, OPT_SVA },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
	};
	size_t i;

	for (i = 0; i < NR_NUMBERS; i++)
		*out++ = (struct option){ numbers[i].name, required_argument, NULL,
					  OPT_NUMBERS + (int)i };
	memcpy(out, others, sizeof(others));
	out[sizeof(others) / sizeof(others[0])] = (struct option){ 0 };
}

static void store(struct iof_page_options *options, const struct number *number, uint64_t value)
{
	char *field = (char *)options + number->offset;

	if (number->wide)
		*(uint64_t *)field = value;
	else
		*(uint32_t *)field = (uint32_t)value;
}

static int wrong_usage(const char *what, const char *which)
{
	return iof_fail(IOF_EXIT_USAGE, "%s%s; see `iofault page --help`", what, which) + 1;
}

static int take_number(struct iof_page_options *options, const struct number *number,
		       const char *text)
{
	char least[IOF_TEXT], most[IOF_TEXT];
	uint64_t value;

	if (iof_number(text, number->wide, number->least, number->most, &value)) {
		store(options, number, value);
		return 0;
	}
	if (number->most == UINT64_MAX)
		return iof_fail(IOF_EXIT_USAGE, "--%s takes a number of at most 64 bits, not '%s'",
				number->name, text) +
		       1;
	if (number->wide) {
		iof_size_option(least, number->least);
		iof_size_option(most, number->most);
	} else {
		snprintf(least, sizeof(least), "%" PRIu64, number->least);
		snprintf(most, sizeof(most), "%" PRIu64, number->most);
	}
	return iof_fail(IOF_EXIT_USAGE, "--%s takes a %s from %s to %s, not '%s'", number->name,
			number->wide ? "size" : "number", least, most, text) +
	       1;
}

static int take_op(struct iof_page_options *options, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		if (!strcmp(ops[i].name, name)) {
			options->op = ops[i].op;
			options->op_name = ops[i].name;
			return 0;
		}
	}
	return iof_fail(IOF_EXIT_USAGE,
			"there is no operation '%s'; there are crc32c, copy, compare and fill",
			name) +
	       1;
}

static int take_world(struct iof_page_options *options, const char *name)
{
	if (!strcmp(name, "embedded"))
		options->world = IOF_WORLD_EMBEDDED;
	else if (!strcmp(name, "kernel"))
		options->world = IOF_WORLD_KERNEL;
	else if (!strcmp(name, "any"))
		options->world = IOF_WORLD_ANY;
	else
		return iof_fail(IOF_EXIT_USAGE,
				"there is no world '%s'; there are embedded, kernel and any",
				name) +
		       1;
	return 0;
}

/* Checks the combination, after each option by itself was valid. */
static int check(struct iof_page_options *options)
{
	bool writes = options->op == IOF_PAGE_COPY || options->op == IOF_PAGE_FILL;
	/*
	 * An engine that waits for a page works on the next descriptor: each in flight needs pages.
	 */
	struct iof_pager_config config = {
		.engines = options->depth ? options->depth : options->engines,
		.group_pages = options->group,
	};
	char least[IOF_TEXT];

	if (!options->op_name)
		return wrong_usage("--op is missing: crc32c, copy, compare or fill", "");
	if (writes && !options->out)
		return wrong_usage("--out is missing, the file to write by --op ",
				   options->op_name);
	if (options->op == IOF_PAGE_CRC32C && options->out)
		return wrong_usage("--op crc32c writes nothing, so it takes no --out", "");
	if (options->op == IOF_PAGE_FILL) {
		if (options->size == UINT64_MAX)
			return wrong_usage("--size is missing, the bytes of --op fill", "");
		if (options->nr_files)
			return wrong_usage("--op fill reads no file, so it cannot take ",
					   options->files[0]);
	} else if (options->size != UINT64_MAX) {
		return wrong_usage("--size is for --op fill alone", "");
	}
	if (options->op == IOF_PAGE_COPY && options->nr_files != 1)
		return wrong_usage("--op copy takes one FILE", "");
	if (options->op == IOF_PAGE_COMPARE && options->nr_files + !!options->out != 2)
		return wrong_usage("--op compare takes two files", "");
	if (options->op == IOF_PAGE_CRC32C && !options->nr_files)
		return wrong_usage("--op crc32c takes at least one FILE", "");
	if (options->credits < options->group)
		return iof_fail(IOF_EXIT_USAGE,
				"--credits %u is too small: each page of a group of %u needs one",
				options->credits, options->group) +
		       1;
	if (options->chunk % 4096)
		return wrong_usage("--chunk must be a multiple of 4096", "");
	if (!options->sva && options->resident < iof_pager_least(&config))
		return iof_fail(IOF_EXIT_USAGE,
				"--resident is too small for the device to make progress: "
				"with --%s %u and --group %u the least is %s",
				options->depth ? "depth" : "engines", config.engines,
				options->group, iof_size_option(least, iof_pager_least(&config))) +
		       1;
	if (options->sva && options->populate)
		return wrong_usage("--populate fills the pager's memory, and --sva has no pager",
				   "");
	if (options->sva && options->direct)
		return wrong_usage("--direct is for the pager, and --sva has none", "");
	return 0;
}

int iof_page_parse(int argc, char **argv, struct iof_page_options *options)
{
	struct option list[NR_NUMBERS + 16];
	char letter[] = "-?";
	int which, rc = 0;
	size_t i;

	*options = (struct iof_page_options){
		.world = IOF_WORLD_EMBEDDED,
	};
	for (i = 0; i < NR_NUMBERS; i++)
		store(options, &numbers[i], numbers[i].preset);
	long_options(list);

	optind = 1;
	opterr = 0;
	while (!rc && (which = getopt_long(argc, argv, short_options, list, NULL)) != -1) {
		switch (which) {
		case OPT_OP:
			rc = take_op(options, optarg);
			break;
		case OPT_OUT:
			options->out = optarg;
			break;
		case OPT_JSON:
			options->json = optarg;
			break;
		case OPT_WORLD:
			rc = take_world(options, optarg);
			break;
		case OPT_DEVICE:
			options->device = optarg;
			break;
		case OPT_POPULATE:
			options->populate = true;
			break;
		case OPT_DIRECT:
			options->direct = true;
			break;
		case OPT_SVA:
			options->sva = true;
			break;
		case 'q':
			options->quiet = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return iof_flush_stdout(IOF_EXIT_OK) + 1;
		case ':':
			rc = wrong_usage("there is no value after ", argv[optind - 1]);
			break;
		case '?':
			/* In the middle of -abc, optind has not moved past it. */
			letter[1] = (char)optopt;
			rc = wrong_usage("unknown or ambiguous option ",
					 optopt && optopt < OPT_OP ? letter : argv[optind - 1]);
			break;
		default:
			rc = take_number(options, &numbers[which - OPT_NUMBERS], optarg);
			break;
		}
	}
	if (rc)
		return rc;
	options->files = argv + optind;
	options->nr_files = (uint32_t)(argc - optind);
	if (!options->device)
		options->device = options->world == IOF_WORLD_EMBEDDED ? "/dev/vfio/devices/vfio0" :
									 iof_kernel_node();
	return check(options);
}
