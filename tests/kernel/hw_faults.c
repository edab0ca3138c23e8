// SPDX-License-Identifier: MIT
/*
 * hw_faults.c - proves that page requests of a real function keep the promises of the fault path,
 * against an IOMMU driver that raises them at the wrong time and counts the responses.
 *
 * Each test runs for requester ids and for a PASID. HW_ROUNDS in the environment sets the rounds of
 * the races.
 */
#include "hw_iommu.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum {
	SUCCESS = IOMMUFD_PAGE_RESP_SUCCESS,
	INVALID = IOMMUFD_PAGE_RESP_INVALID,
};

static unsigned int rounds(void)
{
	const char *given = getenv("HW_ROUNDS");

	return given ? (unsigned int)strtoul(given, NULL, 10) : 20;
}

static int setup_rid(void **state)
{
	static struct hwi_bed bed;

	hwi_open(&bed, HWI_PLAIN, TI_NO_PASID);
	*state = &bed;
	return 0;
}

static int setup_pasid(void **state)
{
	static struct hwi_bed bed;

	hwi_open(&bed, HWI_PLAIN, HWI_PASID);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	hwi_close(*state);
	return 0;
}

static void a_response_reaches_the_function(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	bool pasid = bed->pasid != TI_NO_PASID;

	hwi_page(bed, 5);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	assert_int_equal(rec.addr, IOVA + 5 * PAGE);
	assert_int_equal(rec.perm, IOMMU_PGFAULT_PERM_READ);
	assert_int_equal(rec.grpid, 5);
	assert_int_equal(rec.flags & IOMMU_PGFAULT_FLAGS_PASID_VALID,
			 pasid ? IOMMU_PGFAULT_FLAGS_PASID_VALID : 0);
	assert_int_equal(rec.pasid, pasid ? bed->pasid : 0);
	hwi_response(bed->dev, bed->pasid, 5, SUCCESS);
	hwi_page(bed, 6);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), INVALID));
	hwi_response(bed->dev, bed->pasid, 6, INVALID);
}

/* Pages of two groups arrive mixed; the group that ends first is delivered first, whole. */
static void a_group_of_several_pages_is_one_report(void **state)
{
	struct iommu_hwpt_pgfault rec[3];
	struct hwi_bed *bed = *state;
	unsigned int i;

	hwi_request(bed->dev, bed->pasid, 1, 0, IOVA);
	hwi_request(bed->dev, bed->pasid, 2, 0, IOVA + 16 * PAGE);
	hwi_request(bed->dev, bed->pasid, 2, 0, IOVA + 17 * PAGE);
	hwi_request(bed->dev, bed->pasid, 2, TI_REQ_LAST, IOVA + 18 * PAGE);
	hwi_request(bed->dev, bed->pasid, 1, TI_REQ_LAST, IOVA + PAGE);
	hw_wait_readable(bed->ffd);
	assert_int_equal(read(bed->ffd, rec, sizeof(rec)), sizeof(rec));
	for (i = 0; i < 3; i++) {
		assert_int_equal(rec[i].grpid, 2);
		assert_int_equal(rec[i].cookie, rec[0].cookie);
		assert_int_equal(!!(rec[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE), i == 2);
	}
	assert_int_equal(rec[2].addr, IOVA + 18 * PAGE);
	assert_int_equal(rec[0].addr + rec[1].addr, 2 * IOVA + 33 * PAGE);
	assert_ok(abi_answer(bed->ffd, rec[0].cookie, SUCCESS));
	hwi_response(bed->dev, bed->pasid, 2, SUCCESS);
	assert_int_equal(read(bed->ffd, rec, sizeof(rec)), 2 * sizeof(rec[0]));
	assert_ok(abi_answer(bed->ffd, rec[0].cookie, SUCCESS));
	hwi_response(bed->dev, bed->pasid, 1, SUCCESS);
}

static void groups_with_one_number_each_get_their_response(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	uint32_t first, second;

	hwi_page(bed, 3);
	hwi_page(bed, 3);
	first = hwi_take(bed, &rec);
	second = hwi_take(bed, &rec);
	assert_ok(abi_answer(bed->ffd, second, INVALID));
	hwi_response(bed->dev, bed->pasid, 3, INVALID);
	assert_ok(abi_answer(bed->ffd, first, SUCCESS));
	hwi_response(bed->dev, bed->pasid, 3, SUCCESS);
}

static void the_last_close_sweeps(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;

	hwi_page(bed, 1);
	hwi_page(bed, 2);
	hwi_take(bed, &rec);
	close(bed->ffd);
	bed->ffd = -1;
	assert_int_equal(hwi_drain(), 2);
	/* Nothing listens any more. */
	hwi_page(bed, 3);
	hwi_response(bed->dev, bed->pasid, 3, INVALID);
}

static void a_detach_sweeps_and_a_late_response_is_refused(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	uint32_t cookie;

	hwi_page(bed, 1);
	hwi_page(bed, 2);
	cookie = hwi_take(bed, &rec);
	hwi_request(bed->dev, bed->pasid, 9, 0, IOVA); /* never ends */
	assert_ok(hwi_detach(bed));
	assert_int_equal(hwi_drain(), 2);
	assert_true(abi_answer(bed->ffd, cookie, SUCCESS) < 0);
	assert_int_equal(hwi_drain(), 0);
	assert_false(abi_readable(bed->ffd));
	hwi_settled(bed->dev);
	/* After it, and after the next attach, all is as at first. */
	hwi_page(bed, 4);
	hwi_drain();
	assert_false(abi_readable(bed->ffd));
	assert_id(hwi_attach(bed));
	hwi_page(bed, 5);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	hwi_response(bed->dev, bed->pasid, 5, SUCCESS);
}

/* Requests come from the IOMMU's driver while it detaches: one before, one after, one late. */
static void requests_during_a_detach_are_refused(void **state)
{
	struct hwi_bed *bed = *state;
	struct ti_stats before, after;

	hwi_stats(bed->dev, &before);
	hwi_hook(TI_HOOK_BEFORE_LEAVE, bed->dev, bed->pasid, 11);
	hwi_hook(TI_HOOK_AFTER_LEAVE, bed->dev, bed->pasid, 12);
	hwi_hook(TI_HOOK_BEFORE_FEATURE_OFF, bed->dev, bed->pasid, 13);
	assert_ok(hwi_detach(bed));
	hwi_stats(bed->dev, &after);
	assert_int_equal(after.code[SUCCESS], before.code[SUCCESS]);
	assert_int_equal(after.groups + after.own, before.groups + before.own + 3);
	hwi_settled(bed->dev);
	assert_false(abi_readable(bed->ffd));
}

static void a_flood_is_bounded_by_credits(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	struct ti_stats stats;

	hwi_flood(bed->dev, bed->pasid, 1000, 0);
	hwi_stats(bed->dev, &stats);
	assert_int_equal(stats.open, HWI_CREDITS);
	assert_int_equal(hwi_drain(), 1000 - HWI_CREDITS);
	/* A response gives its credit back. */
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	hwi_response(bed->dev, bed->pasid, 0, SUCCESS);
	hwi_page(bed, 2000);
	hwi_stats(bed->dev, &stats);
	assert_int_equal(stats.open, HWI_CREDITS);
	assert_int_equal(hwi_drain(), 0);
}

static void replacing_the_page_table_sweeps(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	int other;

	other = abi_hwpt_fault(bed->hw.fd, bed->hw.devid, bed->hw.ioas, IOMMU_HWPT_ALLOC_PASID,
			       bed->fault);
	assert_id(other);
	hwi_page(bed, 1);
	hwi_take(bed, &rec);
	hwi_page(bed, 2);
	bed->hwpt = (uint32_t)other;
	assert_id(hwi_attach(bed));
	assert_int_equal(hwi_drain(), 2);
	hwi_settled(bed->dev);
	hwi_page(bed, 3);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	hwi_response(bed->dev, bed->pasid, 3, SUCCESS);
}

static void closing_everything_with_faults_open_sweeps(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;

	hwi_page(bed, 1);
	hwi_page(bed, 2);
	hwi_take(bed, &rec);
	close(bed->hw.fd);
	bed->hw.fd = -1;
	close(bed->hw.dev);
	bed->hw.dev = -1;
	assert_int_equal(hwi_drain(), 2);
}

/* Reads a counter of the function beside its node. */
static unsigned long counter(uint32_t dev, const char *name)
{
	char path[320], line[32] = "";
	struct dirent *entry;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", hwi_name[dev]);
	dir = opendir(path);
	assert_non_null(dir);
	do {
		entry = readdir(dir);
		assert_non_null(entry);
	} while (strncmp(entry->d_name, "vfio", 4));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%.16s/page_requests/%s",
		 hwi_name[dev], entry->d_name, name);
	closedir(dir);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	return strtoul(line, NULL, 10);
}

static void each_outcome_is_counted(void **state)
{
	static const char *const names[] = { "requests", "groups",  "succeeded", "invalid",
					     "failed",	 "refused", "swept" };
	static const unsigned int wanted[] = { 6, 5, 1, 4, 0, 1, 2 };
	unsigned long before[7];
	struct hwi_bed *bed = *state;
	struct iommu_hwpt_pgfault rec[2];
	unsigned int i;

	for (i = 0; i < 7; i++)
		before[i] = counter(bed->dev, names[i]);
	/* Two pages that succeed, one that does not. */
	hwi_request(bed->dev, bed->pasid, 1, 0, IOVA);
	hwi_page(bed, 1);
	hw_wait_readable(bed->ffd);
	assert_int_equal(read(bed->ffd, rec, sizeof(rec)), sizeof(rec));
	assert_ok(abi_answer(bed->ffd, rec[0].cookie, SUCCESS));
	hwi_page(bed, 2);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, rec), INVALID));
	/* Two that are swept, and one without a reader. */
	hwi_page(bed, 3);
	hwi_page(bed, 4);
	hwi_take(bed, rec);
	close(bed->ffd);
	bed->ffd = -1;
	hwi_page(bed, 5);
	assert_int_equal(hwi_drain(), 5);
	for (i = 0; i < 7; i++) {
		if (counter(bed->dev, names[i]) - before[i] != wanted[i])
			fail_msg("%s: %lu, then %lu, not %u more", names[i], before[i],
				 counter(bed->dev, names[i]), wanted[i]);
	}
}

static void each_permission_is_delivered(void **state)
{
	static const struct {
		uint32_t asked, told;
	} cases[] = {
		{ 1, IOMMU_PGFAULT_PERM_READ },
		{ 2, IOMMU_PGFAULT_PERM_WRITE },
		{ 4, IOMMU_PGFAULT_PERM_EXEC },
		{ 8, IOMMU_PGFAULT_PERM_PRIV },
		{ 1 | 2 | 8,
		  IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE | IOMMU_PGFAULT_PERM_PRIV },
	};
	struct ti_request request = { .flags = TI_REQ_LAST, .addr = IOVA };
	struct ti_requests all = { .requests = (uintptr_t)&request, .nr = 1 };
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	unsigned int i;

	request.dev = bed->dev;
	request.pasid = bed->pasid;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request.perm = cases[i].asked;
		assert_ok(ioctl(hwi_fd, TI_REQUESTS, &all));
		assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
		assert_int_equal(rec.perm, cases[i].told);
		hwi_response(bed->dev, bed->pasid, 0, SUCCESS);
	}
}

static void a_long_group_is_one_report(void **state)
{
	enum {
		PAGES = 20
	}; /* fewer than the function has credits */
	struct iommu_hwpt_pgfault rec[PAGES];
	struct hwi_bed *bed = *state;
	unsigned int nr, i;
	uint64_t seen;

	for (nr = 2; nr <= PAGES; nr++) {
		for (i = 0; i < nr; i++)
			hwi_request(bed->dev, bed->pasid, 1, i == nr - 1 ? TI_REQ_LAST : 0,
				    IOVA + i * PAGE);
		hw_wait_readable(bed->ffd);
		assert_int_equal(read(bed->ffd, rec, sizeof(rec)), nr * sizeof(rec[0]));
		for (i = 0, seen = 0; i < nr; i++)
			seen |= 1ull << (rec[i].addr - IOVA) / PAGE;
		assert_int_equal(seen, (1ull << nr) - 1);
		assert_int_equal(rec[nr - 1].addr, IOVA + (nr - 1) * PAGE);
		assert_ok(abi_answer(bed->ffd, rec[0].cookie, SUCCESS));
		hwi_response(bed->dev, bed->pasid, 1, SUCCESS);
	}
}

static void one_write_carries_several_responses(void **state)
{
	struct iommu_hwpt_page_response answers[3];
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		hwi_page(bed, i + 1);
		answers[i].cookie = hwi_take(bed, &rec);
		answers[i].code = i == 1 ? INVALID : SUCCESS;
	}
	assert_int_equal(write(bed->ffd, answers, sizeof(answers)), sizeof(answers));
	for (i = 0; i < 3; i++)
		hwi_response(bed->dev, bed->pasid, i + 1, i == 1 ? INVALID : SUCCESS);
}

/* The page table stays, and so does what it does with faults. */
static void a_replace_that_fails_leaves_the_faults_on(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	uint32_t kept = bed->hwpt;
	int other;

	other = abi_hwpt_fault(bed->hw.fd, bed->hw.devid, bed->hw.ioas, IOMMU_HWPT_ALLOC_PASID,
			       bed->fault);
	assert_id(other);
	bed->hwpt = (uint32_t)other;
	hwi_page(bed, 2);
	hwi_page(bed, 3);
	hwi_take(bed, &rec);
	hwi_take(bed, &rec);
	hwi_fail(bed->pasid == TI_NO_PASID ? TI_POINT_ATTACH : TI_POINT_PASID, 1, ENOMEM);
	assert_err(hwi_attach(bed), ENOMEM);
	bed->hwpt = kept;
	/* What was open had its response before the switch was tried. */
	assert_int_equal(hwi_drain(), 2);
	hwi_page(bed, 1);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	hwi_response(bed->dev, bed->pasid, 1, SUCCESS);
}

/* ---- a response that is on its way ---- */

static void *respond(void *arg)
{
	struct hwi_bed *bed = arg;
	struct iommu_hwpt_pgfault rec;

	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	return NULL;
}

struct detach {
	struct hwi_bed *bed;
	atomic_int tid;
	int rc;
};

static void *detach(void *arg)
{
	struct detach *detach = arg;

	atomic_store(&detach->tid, (int)gettid());
	detach->rc = hwi_detach(detach->bed);
	return NULL;
}

/* Waits until a thread of this process sleeps in the kernel, or has ended. */
static void wait_until_it_sleeps(const struct detach *detach)
{
	time_t end = time(NULL) + HW_SECONDS;
	char path[64], line[64], state;
	FILE *f;

	do {
		assert_true(time(NULL) < end);
		sched_yield();
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&detach->tid));
		f = fopen(path, "re");
		if (!f)
			return;
		state = 'Z';
		if (fgets(line, sizeof(line), f))
			(void)sscanf(line, "%*d (%*[^)]) %c", &state);
		fclose(f);
	} while (state != 'D' && state != 'Z' && state != 'X');
}

/* The kernel may free its requests once the page table has left. */
static void a_detach_waits_for_a_response_on_its_way(void **state)
{
	struct hwi_bed *bed = *state;
	struct detach leaving = { .bed = bed, .rc = 1 };
	pthread_t threads[2];
	uint64_t left;

	hwi_page(bed, 1);
	left = hwi_calls(TI_POINT_LEAVE);
	hwi_hold(true);
	assert_ok(pthread_create(&threads[0], NULL, respond, bed));
	hwi_held();
	assert_ok(pthread_create(&threads[1], NULL, detach, &leaving));
	while (!atomic_load(&leaving.tid))
		sched_yield();
	wait_until_it_sleeps(&leaving);
	left = hwi_calls(TI_POINT_LEAVE) - left;
	hwi_hold(false);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	assert_ok(leaving.rc);
	assert_int_equal(left, 0);
	hwi_response(bed->dev, bed->pasid, 1, SUCCESS);
	hwi_settled(bed->dev);
}

/* ---- only one of both ---- */

/* Two PASIDs have a group with one number; each response is for its own. */
static void groups_of_two_pasids_are_told_apart(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	struct hwi_bed *bed = *state;
	unsigned int first;

	assert_id(abi_attach_pasid(bed->hw.dev, HWI_PASID + 1, bed->hwpt));
	hwi_request(bed->dev, HWI_PASID, 3, TI_REQ_LAST, IOVA);
	hwi_request(bed->dev, HWI_PASID + 1, 3, TI_REQ_LAST, IOVA);
	hwi_take(bed, &rec[0]);
	hwi_take(bed, &rec[1]);
	first = rec[0].pasid == HWI_PASID ? 0 : 1;
	assert_int_equal(rec[first].pasid, HWI_PASID);
	assert_int_equal(rec[!first].pasid, HWI_PASID + 1);
	assert_ok(abi_answer(bed->ffd, rec[!first].cookie, INVALID));
	hwi_response(bed->dev, HWI_PASID + 1, 3, INVALID);
	/* One of them leaves, and the other keeps its group. */
	assert_ok(abi_detach_pasid(bed->hw.dev, HWI_PASID + 1));
	assert_int_equal(hwi_drain(), 0);
	assert_ok(abi_answer(bed->ffd, rec[first].cookie, SUCCESS));
	hwi_response(bed->dev, HWI_PASID, 3, SUCCESS);
}

/* Members of an isolation group share what they are attached to; each counts its own requests. */
static void requests_of_a_group_count_for_their_function(void **state)
{
	unsigned long before[2], after[2];
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed bed;
	uint32_t i;
	int dev;

	(void)state;
	hwi_open(&bed, HWI_FIRST, TI_NO_PASID);
	dev = hw_open(hwi_name[HWI_SECOND]);
	assert_true(dev >= 0);
	assert_id(abi_bind(dev, bed.hw.fd));
	assert_id(abi_attach(dev, bed.hwpt));
	for (i = 0; i < 2; i++)
		before[i] = counter(HWI_FIRST + i, "requests");
	for (i = 0; i < 3; i++) {
		hwi_request(i ? HWI_SECOND : HWI_FIRST, TI_NO_PASID, 5, TI_REQ_LAST, IOVA);
		assert_ok(abi_answer(bed.ffd, hwi_take(&bed, &rec), SUCCESS));
		hwi_response(i ? HWI_SECOND : HWI_FIRST, TI_NO_PASID, 5, SUCCESS);
	}
	for (i = 0; i < 2; i++)
		after[i] = counter(HWI_FIRST + i, "requests");
	assert_int_equal(after[0] - before[0], 1);
	assert_int_equal(after[1] - before[1], 2);
	close(dev);
	hwi_settled(HWI_SECOND);
	hwi_close(&bed);
}

/* The kernel merges pages by group index alone; the report must not mix the PASIDs up. */
static void pages_of_another_pasid_do_not_end_in_a_group(void **state)
{
	struct iommu_hwpt_pgfault rec[2];
	struct hwi_bed *bed = *state;
	ssize_t n;

	hwi_request(bed->dev, TI_NO_PASID, 4, 0, IOVA);
	hwi_request(bed->dev, HWI_PASID, 4, TI_REQ_LAST, IOVA + PAGE);
	hw_wait_readable(bed->ffd);
	n = read(bed->ffd, rec, sizeof(rec));
	assert_int_equal(n, sizeof(rec[0]));
	assert_int_equal(rec[0].addr, IOVA + PAGE);
	assert_ok(abi_answer(bed->ffd, rec[0].cookie, SUCCESS));
	hwi_response(bed->dev, HWI_PASID, 4, SUCCESS);
}

static void a_function_without_page_requests_is_refused(void **state)
{
	uint32_t fault, plain, faulting;
	struct hw hw;
	int rc, ffd;

	(void)state;
	hw_use(&hw, hwi_name[HWI_NO_PRI], false);
	rc = abi_hwpt(hw.fd, hw.devid, hw.ioas, IOMMU_HWPT_ALLOC_PASID);
	assert_id(rc);
	plain = (uint32_t)rc;
	assert_id(abi_attach(hw.dev, plain));
	assert_id(abi_attach_pasid(hw.dev, HWI_PASID, plain));
	assert_ok(abi_fault_queue(hw.fd, &fault, &ffd));
	rc = abi_hwpt_fault(hw.fd, hw.devid, hw.ioas, IOMMU_HWPT_ALLOC_PASID, fault);
	if (rc > 0) {
		faulting = (uint32_t)rc;
		assert_true(abi_attach_pasid(hw.dev, HWI_PASID + 1, faulting) < 0);
		assert_true(abi_attach(hw.dev, faulting) < 0);
	}
	/* What was attached still is. */
	assert_ok(abi_detach_pasid(hw.dev, HWI_PASID));
	close(ffd);
	hw_close(&hw);
	hwi_settled(HWI_NO_PRI);
}

/* ---- suspend ---- */

static struct iommu_hwpt_pgfault late;

static void *read_late(void *arg)
{
	struct hwi_bed *bed = arg;
	struct pollfd wait = { .fd = bed->ffd, .events = POLLIN };

	if (poll(&wait, 1, HW_SECONDS * 1000) != 1)
		return NULL;
	return read(bed->ffd, &late, sizeof(late)) == sizeof(late) ? bed : NULL;
}

static int freeze(void)
{
	return hw_suspend("freeze", "devices");
}

/* One fault is taken, and one is not, when the machine suspends; then a thread waits. */
static void survives(struct hwi_bed *bed, int (*way)(void))
{
	struct iommu_hwpt_pgfault rec;
	pthread_t reader;
	uint32_t cookie;
	void *read;
	int rc;

	hwi_page(bed, 1);
	cookie = hwi_take(bed, &rec);
	hwi_page(bed, 2);
	rc = way();
	if (rc == -ENOENT)
		skip_because("no such suspend here, or HW_SLEEP is not set");
	assert_ok(rc);
	assert_ok(abi_answer(bed->ffd, cookie, SUCCESS));
	hwi_response(bed->dev, bed->pasid, 1, SUCCESS);
	assert_ok(abi_answer(bed->ffd, hwi_take(bed, &rec), SUCCESS));
	hwi_response(bed->dev, bed->pasid, 2, SUCCESS);

	assert_ok(pthread_create(&reader, NULL, read_late, bed));
	assert_ok(way());
	hwi_page(bed, 3);
	pthread_join(reader, &read);
	assert_ptr_equal(read, bed);
	assert_ok(abi_answer(bed->ffd, late.cookie, SUCCESS));
	hwi_response(bed->dev, bed->pasid, 3, SUCCESS);
}

static void open_faults_survive_a_suspend_to_idle(void **state)
{
	survives(*state, freeze);
}

static void open_faults_survive_a_suspend_to_memory(void **state)
{
	survives(*state, hw_sleep);
}

/* ---- unbinding ---- */

static void *unbind(void *name)
{
	return (void *)(intptr_t)hw_write("/sys/bus/pci/drivers/iofault-pci/unbind", name);
}

static void unbinding_in_use_sweeps(void **state)
{
	struct iommu_hwpt_pgfault rec;
	struct hwi_bed *bed = *state;
	pthread_t thread;
	void *rc;

	assert_ok(hw_write("/sys/module/iofault_pci/parameters/unplug_seconds", "1"));
	hwi_page(bed, 1);
	hwi_page(bed, 2);
	hwi_take(bed, &rec);
	assert_ok(pthread_create(&thread, NULL, unbind, hwi_name[bed->dev]));
	assert_ok(pthread_join(thread, &rc));
	assert_ptr_equal(rc, NULL);
	assert_int_equal(hwi_drain(), 2);
	hwi_settled(bed->dev);
	assert_err(hwi_attach(bed), ENODEV);
	close(bed->ffd);
	hw_close(&bed->hw);
	hw_take(hwi_name[bed->dev]);
	hwi_open(bed, bed->dev, bed->pasid);
}

/* ---- races ---- */

struct race {
	struct hwi_bed *bed;
	uint32_t dev, pasid;
	atomic_bool end;
};

static void *flooding(void *arg)
{
	struct race *race = arg;

	while (!atomic_load(&race->end))
		hwi_flood(race->dev, race->pasid, 20, 8);
	return NULL;
}

/* Reads and responds, with whatever it finds. */
static void *handling(void *arg)
{
	struct iommu_hwpt_page_response response = { .code = SUCCESS };
	struct iommu_hwpt_pgfault rec;
	struct race *race = arg;

	while (!atomic_load(&race->end)) {
		if (!abi_readable(race->bed->ffd) ||
		    read(race->bed->ffd, &rec, sizeof(rec)) != sizeof(rec)) {
			sched_yield();
			continue;
		}
		response.cookie = rec.cookie;
		(void)!write(race->bed->ffd, &response, sizeof(response));
	}
	return NULL;
}

static void detaches_race_with_requests_and_responses(void **state)
{
	struct hwi_bed *bed = *state;
	struct race race = { .bed = bed, .dev = bed->dev, .pasid = bed->pasid };
	pthread_t threads[3];
	unsigned int i;

	fcntl(race.bed->ffd, F_SETFL, O_NONBLOCK);
	assert_ok(pthread_create(&threads[0], NULL, flooding, &race));
	assert_ok(pthread_create(&threads[1], NULL, flooding, &race));
	assert_ok(pthread_create(&threads[2], NULL, handling, &race));
	for (i = 0; i < rounds(); i++) {
		assert_ok(hwi_detach(race.bed));
		hwi_drain();
		assert_id(hwi_attach(race.bed));
		sched_yield();
	}
	atomic_store(&race.end, true);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_ok(hwi_detach(race.bed));
	hwi_settled(race.bed->dev);
}

static void closes_race_with_requests(void **state)
{
	struct hwi_bed *bed = *state;
	struct race race = { .bed = bed, .dev = bed->dev, .pasid = bed->pasid };
	pthread_t thread;
	unsigned int i;

	assert_ok(pthread_create(&thread, NULL, flooding, &race));
	for (i = 0; i < rounds() / 4; i++) {
		close(bed->ffd);
		hw_close(&bed->hw);
		hwi_open(bed, bed->dev, bed->pasid);
	}
	atomic_store(&race.end, true);
	pthread_join(thread, NULL);
}

#define RID(name)                                             \
	{                                                     \
#name "_rid", name, setup_rid, teardown, NULL \
	}
#define PASID(name)                                               \
	{                                                         \
#name "_pasid", name, setup_pasid, teardown, NULL \
	}
#define BOTH(name) RID(name), PASID(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(a_response_reaches_the_function),
		BOTH(a_group_of_several_pages_is_one_report),
		BOTH(groups_with_one_number_each_get_their_response),
		BOTH(the_last_close_sweeps),
		BOTH(a_detach_sweeps_and_a_late_response_is_refused),
		BOTH(requests_during_a_detach_are_refused),
		BOTH(a_flood_is_bounded_by_credits),
		BOTH(replacing_the_page_table_sweeps),
		BOTH(closing_everything_with_faults_open_sweeps),
		BOTH(each_outcome_is_counted),
		BOTH(each_permission_is_delivered),
		BOTH(a_long_group_is_one_report),
		BOTH(one_write_carries_several_responses),
		BOTH(a_replace_that_fails_leaves_the_faults_on),
		BOTH(a_detach_waits_for_a_response_on_its_way),
		cmocka_unit_test(requests_of_a_group_count_for_their_function),
		cmocka_unit_test(a_function_without_page_requests_is_refused),
		BOTH(open_faults_survive_a_suspend_to_idle),
		PASID(open_faults_survive_a_suspend_to_memory),
		BOTH(unbinding_in_use_sweeps),
		BOTH(detaches_race_with_requests_and_responses),
		BOTH(closes_race_with_requests),
		PASID(groups_of_two_pasids_are_told_apart),
		PASID(pages_of_another_pasid_do_not_end_in_a_group),
	};
	int failed;

	hwi_begin("kernel/hw_faults");
	failed = cmocka_run_group_tests_name("hw_faults", tests, NULL, NULL);
	hwi_end();
	return failed;
}
