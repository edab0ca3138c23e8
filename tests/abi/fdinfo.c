// SPDX-License-Identifier: MIT
/*
 * fdinfo.c - proves that the text about a fault queue's descriptor is right in every state of a
 * fault. iof_fdinfo() returns the text; in the kernel it is /proc/PID/fdinfo.
 */
#include "abi.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct numbers {
	unsigned long long queued, delivered, responded, rejected, swept, oldest_ms;
};

static unsigned long long number(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *line;

	for (line = text; line && *line; line = strchr(line, '\n'), line += !!line)
		if (!strncmp(line, name, len) && !strncmp(line + len, ":\t", 2))
			return strtoull(line + len + 2, NULL, 10);
	fail_msg("no %s in:\n%s", name, text);
	return 0;
}

static struct numbers look(int ffd)
{
	char text[512];
	ssize_t len = iof_fdinfo(ffd, text, sizeof(text));

	assert_true(len > 0);
	assert_int_equal(len, strlen(text));
	/* The lines that each descriptor has are not in the text. */
	assert_null(strstr(text, "pos:"));
	assert_null(strstr(text, "flags:"));
	return (struct numbers){
		.queued = number(text, "queued"),
		.delivered = number(text, "delivered"),
		.responded = number(text, "responded"),
		.rejected = number(text, "rejected"),
		.swept = number(text, "swept"),
		.oldest_ms = number(text, "oldest_ms"),
	};
}

/* Checks all lines except the age. */
static void expect(int ffd, unsigned int queued, unsigned int delivered, unsigned int responded,
		   unsigned int rejected, unsigned int swept)
{
	struct numbers now = look(ffd);

	assert_int_equal(now.queued, queued);
	assert_int_equal(now.delivered, delivered);
	assert_int_equal(now.responded, responded);
	assert_int_equal(now.rejected, rejected);
	assert_int_equal(now.swept, swept);
	if (!queued && !delivered)
		assert_int_equal(now.oldest_ms, 0);
}

static unsigned long long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

struct way {
	struct iof_world *world;
	struct abi_mock mock;
	int fd, ioas, hwpt, plain, ffd;
	uint32_t fault;
};

static void way_open(struct way *w)
{
	w->world = abi_world(NULL, 0);
	if (!abi_ours()) {
		abi_world_close(w->world);
		print_message("a Linux with its own /dev/iommu says nothing there\n");
		skip();
	}
	w->fd = abi_iommu(w->world);
	w->ioas = abi_ioas(w->fd);
	assert_id(w->ioas);
	assert_ok(abi_mock(w->fd, w->ioas, 0, &w->mock));
	assert_ok(abi_fault_queue(w->fd, &w->fault, &w->ffd));
	w->plain = abi_hwpt(w->fd, w->mock.idev, w->ioas, 0);
	assert_id(w->plain);
	w->hwpt = abi_hwpt_fault(w->fd, w->mock.idev, w->ioas, 0, w->fault);
	assert_id(w->hwpt);
	assert_ok(abi_mock_replace(w->fd, &w->mock, w->hwpt));
}

static void way_close(struct way *w)
{
	assert_ok(abi_destroy(w->fd, w->mock.stdev));
	assert_ok(iof_close(w->ffd));
	assert_ok(iof_close(w->fd));
	abi_world_close(w->world);
}

static void trigger(struct way *w, unsigned int grpid)
{
	assert_ok(abi_trigger(w->fd, w->mock.idev, 0, grpid, IOMMU_PGFAULT_PERM_READ,
			      IOVA + grpid * PAGE));
}

static void counters_follow_each_state(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct way w;

	(void)state;
	way_open(&w);
	expect(w.ffd, 0, 0, 0, 0, 0);
	trigger(&w, 1);
	trigger(&w, 2);
	trigger(&w, 3);
	expect(w.ffd, 3, 0, 0, 0, 0);
	assert_int_equal(abi_read_one(w.ffd, &rec), sizeof(rec));
	expect(w.ffd, 2, 1, 0, 0, 0);
	assert_ok(abi_answer(w.ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	expect(w.ffd, 2, 0, 1, 0, 0);
	/* Responses: late; with a code that does not exist; with an invented cookie. */
	assert_err(abi_answer(w.ffd, rec.cookie, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	assert_int_equal(abi_read_one(w.ffd, &rec), sizeof(rec));
	assert_err(abi_answer(w.ffd, rec.cookie, 77), EINVAL);
	assert_err(abi_answer(w.ffd, 0, IOMMUFD_PAGE_RESP_SUCCESS), EINVAL);
	expect(w.ffd, 1, 1, 1, 3, 0);
	/* INVALID counts as a response. */
	assert_ok(abi_answer(w.ffd, rec.cookie, IOMMUFD_PAGE_RESP_INVALID));
	expect(w.ffd, 1, 0, 2, 3, 0);
	/* A replace answers queued and delivered groups. */
	trigger(&w, 4);
	assert_int_equal(abi_read_one(w.ffd, &rec), sizeof(rec));
	expect(w.ffd, 1, 1, 2, 3, 0);
	assert_ok(abi_mock_replace(w.fd, &w.mock, w.plain));
	expect(w.ffd, 0, 0, 2, 3, 2);
	/* Requests without a listener do not count for this queue. */
	trigger(&w, 5);
	expect(w.ffd, 0, 0, 2, 3, 2);
	way_close(&w);
}

static void the_oldest_open_group_counts(void **state)
{
	struct iommu_hwpt_pgfault first, second;
	unsigned long long begin, sent, end, between, age;
	struct way w;

	(void)state;
	way_open(&w);
	begin = ms_now();
	trigger(&w, 1);
	sent = ms_now();
	/* The age grows while the group is queued, and while it is delivered. */
	while (look(w.ffd).oldest_ms < 5)
		;
	assert_int_equal(abi_read_one(w.ffd, &first), sizeof(first));
	age = look(w.ffd).oldest_ms;
	assert_true(age >= 5);
	while (look(w.ffd).oldest_ms < age + 5)
		;
	between = ms_now();
	trigger(&w, 2);
	age = look(w.ffd).oldest_ms;
	end = ms_now();
	/* The age is in whole milliseconds. */
	assert_true(age + 1 >= between - sent);
	/* The clock of the queue may be coarse. */
	assert_true(age <= end - begin + 25);
	/*
	 * After the response to the oldest group, the age is that of the next one, which is
	 * younger.
	 */
	assert_int_equal(abi_read_one(w.ffd, &second), sizeof(second));
	assert_ok(abi_answer(w.ffd, first.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	age = look(w.ffd).oldest_ms;
	assert_true(age <= ms_now() - between + 25);
	assert_ok(abi_answer(w.ffd, second.cookie, IOMMUFD_PAGE_RESP_SUCCESS));
	assert_int_equal(look(w.ffd).oldest_ms, 0);
	way_close(&w);
}

static void the_text_is_cut_off_at_the_room_there_is(void **state)
{
	char text[32];
	struct way w;

	(void)state;
	way_open(&w);
	memset(text, 'x', sizeof(text));
	assert_int_equal(iof_fdinfo(w.ffd, text, 5), 4);
	assert_string_equal(text, "queu");
	assert_int_equal(text[5], 'x');
	assert_int_equal(iof_fdinfo(w.ffd, text, 1), 0);
	assert_string_equal(text, "");
	assert_int_equal(iof_fdinfo(w.ffd, NULL, 0), 0);
	way_close(&w);
}

static void other_descriptors_say_what_the_system_says(void **state)
{
	int fd = eventfd(3, EFD_CLOEXEC);
	char text[512];

	(void)state;
	assert_true(fd >= 0);
	errno = 99;
	assert_true(iof_fdinfo(fd, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "eventfd-count:"));
	assert_null(strstr(text, "pos:"));
	assert_int_equal(iof_fdinfo(fd, text, 4), 3);
	assert_string_equal(text, "eve");
	assert_int_equal(iof_fdinfo(fd, NULL, 0), 0);
	close(fd);
	assert_err(iof_fdinfo(fd, text, sizeof(text)), EBADF);
	assert_err(iof_fdinfo(-1, text, sizeof(text)), EBADF);
	assert_int_equal(errno, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_follow_each_state),
		cmocka_unit_test(the_oldest_open_group_counts),
		cmocka_unit_test(the_text_is_cut_off_at_the_room_there_is),
		cmocka_unit_test(other_descriptors_say_what_the_system_says),
	};

	return cmocka_run_group_tests_name("fdinfo", tests, NULL, NULL);
}
