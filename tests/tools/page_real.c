// SPDX-License-Identifier: MIT
/*
 * page_real.c - proves that `iofault page` does its work on a real DSA, which here is made of
 * shared memory and gives its descriptors to the engine in software; and that a device that fails
 * in the middle ends the command with one message, in time.
 *
 * Each run is a process of its own, which becomes the command.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_dsa.h"
#include "tools/engine.h"
#include "tools/info.h"
#include "tools/tool.h"

#define FILE_BYTES (4u << 20)

static char folder[] = "/tmp/iofault-real-XXXXXX";
static char said[4096], json[65536];

static void fill(const char *name)
{
	static char bytes[FILE_BYTES];
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t i;

	assert_true(fd >= 0);
	for (i = 0; i < sizeof(bytes); i += 256)
		assert_int_equal(getrandom(bytes + i, 256, 0), 256);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	close(fd);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chdir(folder))
		return -1;
	fill("a");
	return 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "a", "b", "said", "json" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(names[i]);
	return chdir("/") || rmdir(folder);
}

static int create(void **state)
{
	(void)state;
	fake_create();
	fake->forward = true;
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	fake_destroy();
	return 0;
}

static void read_all(const char *name, char *text, size_t size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? 0 : read(fd, text, size - 1);

	assert_true(got >= 0);
	text[got] = 0;
	if (fd >= 0)
		close(fd);
}

/* Runs the command with @options, up to NULL, on the device. Returns its exit status. */
static int page(const char *const *options)
{
	static const char *const always[] = { "page", "--quiet", "--json", "json" };
	char *argv[32];
	int argc = 0, status;
	pid_t child;

	for (; argc < 4; argc++)
		argv[argc] = (char *)always[argc];
	while (*options)
		argv[argc++] = (char *)*options++;
	argv[argc] = NULL;
	fflush(stdout);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (!freopen("said", "we", stderr))
			_exit(98);
		iof_engine_machine = &fake_machine;
		fake_power_on();
		status = iof_cmd_page(argc, argv);
		/* The thread must end before the world that it uses. */
		__atomic_store_n(&fake->stop, true, __ATOMIC_RELEASE);
		sem_post(&fake->work);
		pthread_join(fake->thread, NULL);
		fake->thread = 0;
		exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	read_all("said", said, sizeof(said));
	read_all("json", json, sizeof(json));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define PAGE(...) page((const char *const[]){ __VA_ARGS__, NULL })

static uint64_t figure(const char *name)
{
	const char *at = strstr(json, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 10);
}

static void expect_ok(int status)
{
	if (status || said[0])
		fail_msg("status %d: %s", status, said);
	assert_int_equal(fake->lost, 0);
	assert_int_equal(figure("\"descriptors\":"), fake->arrived);
	assert_true(figure("\"groups\":") > 0);
	assert_int_equal(figure("\"unanswered\":"), 0);
	/* The last two commands. */
	assert_true(fake->nr_commands >= 6);
	assert_int_equal(fake->commands[fake->nr_commands - 2], DSA_CMD(DSA_CMD_DISABLE_DEVICE, 0));
	assert_int_equal(fake->commands[fake->nr_commands - 1], DSA_CMD(DSA_CMD_RESET_DEVICE, 0));
}

/* The command failed with @text, and said nothing else. */
static void expect_failure(int status, const char *text)
{
	const char *first = strstr(said, "iofault: ");

	if (status != 1 || !first || strstr(first + 1, "iofault: ") || !strstr(said, text))
		fail_msg("status %d: %s", status, said);
}

static void crc32c_is_that_of_the_cpu(void **state)
{
	(void)state;
	expect_ok(PAGE("--op", "crc32c", "--resident", "1M", "--chunk", "64K", "a"));
	assert_int_equal(fake->arrived, FILE_BYTES / 65536);
}

static void each_address_space_has_a_queue(void **state)
{
	(void)state;
	expect_ok(PAGE("--op", "crc32c", "--resident", "1M", "--chunk", "64K", "--pasids", "4",
		       "--engines", "2", "--passes", "2", "a"));
	assert_int_equal(fake->arrived, 2 * FILE_BYTES / 65536);
}

static void copy_and_compare_work(void **state)
{
	(void)state;
	expect_ok(PAGE("--op", "copy", "--resident", "1M", "--out", "b", "a"));
	destroy(state);
	create(state);
	expect_ok(PAGE("--op", "compare", "--resident", "1M", "a", "b"));
}

static void fill_works(void **state)
{
	(void)state;
	expect_ok(PAGE("--op", "fill", "--resident", "1M", "--size", "3M", "--out", "b"));
}

static void enqcmd_works(void **state)
{
	(void)state;
	fake->no_movdir64b = true;
	fake->enqcmd = true;
	fake->enqcmd_fails = 3;
	expect_ok(PAGE("--op", "crc32c", "--resident", "1M", "a"));
}

static void no_more_descriptors_are_open_than_its_queue_holds(void **state)
{
	(void)state;
	fake_write64(DSA_REG_WQCAP, (fake_read64(DSA_REG_WQCAP) & ~0xffffull) | 3);
	expect_ok(
		PAGE("--op", "crc32c", "--resident", "1M", "--chunk", "64K", "--depth", "16", "a"));
	assert_int_equal(figure("\"depth\":"), 3);
}

static void info_tells_what_it_has(void **state)
{
	(void)state;
	iof_info_dsa("good", &fake_machine, 1000);
	fake->no_movdir64b = true;
	iof_info_dsa("slow", &fake_machine, 1000);
	fake->enqcmd = true;
	iof_info_dsa("shared", &fake_machine, 1000);
	fake_write64(DSA_REG_WQCAP, 0);
	iof_info_dsa("empty", &fake_machine, 1000);
	fake->bar1 = true;
	iof_info_dsa("other", &fake_machine, 1000);
	assert_int_equal(iof_info_write_json("json"), 0);
	read_all("json", json, sizeof(json));
	assert_non_null(strstr(json, "\"version 1.0, 8 work queues with 128 entries, 4 engines\""));
	assert_non_null(strstr(json, "\"up to 2 GiB, batches of up to 1024\""));
	assert_non_null(strstr(json, "\"movdir64b, to dedicated queues\""));
	assert_non_null(strstr(json, "\"enqcmd, to a shared queue\""));
	assert_non_null(strstr(json, "\"no: this CPU has neither movdir64b nor enqcmd"));
	assert_non_null(strstr(json, "\"cannot be used: it has 0 work queues"));
	assert_null(strstr(json, "other"));
	assert_int_equal(fake->nr_commands, 0);
}

static void small_transfers_are_said(void **state)
{
	(void)state;
	fake_write64(DSA_REG_GENCAP,
		     (fake_read64(DSA_REG_GENCAP) & ~(0x1full << 16)) | 15ull << 16);
	expect_failure(PAGE("--op", "crc32c", "--chunk", "64K", "a"),
		       "takes descriptors of 32 KiB; --chunk must not be larger");
}

static void more_address_spaces_than_queues_are_refused(void **state)
{
	(void)state;
	expect_failure(PAGE("--op", "crc32c", "--pasids", "9", "a"), "has 8 PASIDs");
}

static void without_the_instructions_it_is_said(void **state)
{
	(void)state;
	fake->no_movdir64b = true;
	expect_failure(PAGE("--op", "crc32c", "a"), "neither movdir64b nor enqcmd");
}

static void without_a_pasid_of_the_process_it_is_said(void **state)
{
	(void)state;
	fake->no_movdir64b = true;
	fake->enqcmd = true;
	fake->enqcmd_fails = UINT32_MAX;
	expect_failure(PAGE("--op", "crc32c", "a"), "given this process no PASID");
}

static void a_lying_device_is_refused(void **state)
{
	(void)state;
	fake_write64(DSA_REG_TABLE_OFFSETS, UINT64_MAX >> 1);
	expect_failure(PAGE("--op", "crc32c", "a"), "is not in BAR 0");
}

static void a_reset_that_fails_is_said_once(void **state)
{
	(void)state;
	fake->refused = DSA_CMD_RESET_DEVICE;
	fake->error = 0x03;
	expect_failure(PAGE("--op", "crc32c", "a"),
		       "resetting it failed: its hardware failed (CMDSTS 0x03)");
}

static void expect_end(enum fake_end how, const char *text)
{
	fake->end = how;
	fake->after = 5;
	expect_failure(PAGE("--op", "copy", "--resident", "1M", "--chunk", "64K", "--out", "c",
			    "a"),
		       text);
	assert_int_equal(access("c", F_OK), -1);
}

static void unplugged_in_the_middle(void **state)
{
	(void)state;
	expect_end(FAKE_UNPLUGGED, "vfio0: it does not respond any more");
}

static void its_bars_vanish_in_the_middle(void **state)
{
	(void)state;
	expect_end(FAKE_TRUNCATED, "vfio0: it does not respond any more");
}

static void disabled_in_the_middle(void **state)
{
	(void)state;
	expect_end(FAKE_DISABLED, "in the middle of its work it is disabled");
}

static void halted_in_the_middle(void **state)
{
	(void)state;
	expect_end(FAKE_HALTED, "in the middle of its work it is halted");
}

static void an_error_in_the_middle(void **state)
{
	(void)state;
	expect_end(FAKE_COMPLAINS, "it reports an error of its hardware in queue 0");
}

static void silent_in_the_middle(void **state)
{
	(void)state;
	expect_end(FAKE_SILENT, "has completed nothing for");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(crc32c_is_that_of_the_cpu),
		CASE(each_address_space_has_a_queue),
		CASE(copy_and_compare_work),
		CASE(fill_works),
		CASE(enqcmd_works),
		CASE(no_more_descriptors_are_open_than_its_queue_holds),
		CASE(info_tells_what_it_has),
		CASE(small_transfers_are_said),
		CASE(more_address_spaces_than_queues_are_refused),
		CASE(without_the_instructions_it_is_said),
		CASE(without_a_pasid_of_the_process_it_is_said),
		CASE(a_lying_device_is_refused),
		CASE(a_reset_that_fails_is_said_once),
		CASE(unplugged_in_the_middle),
		CASE(its_bars_vanish_in_the_middle),
		CASE(disabled_in_the_middle),
		CASE(halted_in_the_middle),
		CASE(an_error_in_the_middle),
		CASE(silent_in_the_middle),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
