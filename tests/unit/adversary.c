// SPDX-License-Identifier: MIT
/*
 * The device as an adversary: pages of many groups interleaved, the same index on PASIDs and
 * devices, duplicates, groups that never end, more pages than there are credits, resets in the
 * midst of groups, and switches between any two pages. A model predicts what each call returns,
 * what the reader gets and which answer each group has. The test has one thread; fault_races.c has
 * several. IOFAULT_SEED replays a run.
 */
#include "env.h"

#define LAST	IOMMU_PGFAULT_FLAGS_LAST_PAGE
#define CREDITS 40
#define DEVICES 2
#define PASIDS	3
#define INDEXES 8 /* so that all groups that can collect at a time are fewer than the credits */
#define STEPS	30000

/* A page-request group, collecting or complete. */
struct group {
	int dev;
	u32 pasid, index;
	bool begun, broken;
	u32 attached;	   /* number of the attachment that its first page went to */
	u32 cookie;	   /* valid after the read */
	int pages;	   /* number of pages without the last one */
	u64 addr[CREDITS]; /* addresses; that of the last page is behind the others */
};

static struct {
	struct env *env;
	struct fake_dev dev[DEVICES];
	struct iof_device *idev[DEVICES];
	int hwpt[2], q;
	u32 seq;		       /* last number given to an attachment or page */
	u32 attached[DEVICES][PASIDS]; /* number of the attachment; 0: not attached */
	int in_use[DEVICES];
	struct group collecting[DEVICES][PASIDS][INDEXES];
	/* complete groups: those read first, then the others in order of arrival */
	struct group open[DEVICES * CREDITS];
	int nr_open, nr_read;
	unsigned int seed;
} m;

static unsigned int pick(unsigned int n)
{
	return (unsigned int)rand_r(&m.seed) % n;
}

static void forget(struct group *g)
{
	m.in_use[g->dev] -= g->pages;
	g->pages = 0;
	g->begun = g->broken = false;
}

static void break_group(struct group *g)
{
	m.in_use[g->dev] -= g->pages;
	g->pages = 0;
	g->broken = true;
}

static void expect_answer(int dev, u64 addr, enum iof_page_code code)
{
	assert_int_equal(fake_take_answer(&m.dev[dev], addr), code);
}

/* Chooses the next page of the device. Returns its group in the model. */
static struct group *draw(int dev, u64 *addr)
{
	u32 pasid = pick(PASIDS), index = pick(INDEXES);
	struct group *g = &m.collecting[dev][pasid][index];

	*addr = (u64)++m.seq << 12;
	if (!g->begun)
		*g = (struct group){ dev, pasid, index, .attached = m.attached[dev][pasid] };
	return g;
}

static bool has_listener(const struct group *g)
{
	u32 attached = m.attached[g->dev][g->pasid];

	return attached && !g->broken && g->attached == attached;
}

/*
 * Tells the model that a page of @g was sent. @credit: the device had a credit for it. Returns the
 * result that the report must have.
 */
static int page_sent(struct group *g, u64 addr, bool credit)
{
	g->begun = true;
	if (credit && has_listener(g)) {
		g->addr[g->pages++] = addr;
		m.in_use[g->dev]++;
		return 0;
	}
	break_group(g);
	return credit ? -EINVAL : -ENOSPC;
}

/* Does page_sent() for a LAST page. */
static int last_sent(struct group *g, u64 addr, bool credit)
{
	if (credit && has_listener(g)) {
		g->addr[g->pages] = addr;
		m.open[m.nr_open++] = *g;
		m.in_use[g->dev]++;
		g->begun = false;
		g->pages = 0;
		return 0;
	}
	expect_answer(g->dev, addr, IOF_PAGE_INVALID);
	forget(g);
	return credit ? -EINVAL : -ENOSPC;
}

static void send_one(bool last)
{
	int dev = pick(DEVICES), rc;
	bool credit = m.in_use[dev] < CREDITS;
	struct group *g;
	u64 addr;

	g = draw(dev, &addr);
	rc = fake_report(&m.dev[dev], last ? LAST : 0, g->pasid, g->index, 1, addr);
	assert_int_equal(rc, last ? last_sent(g, addr, credit) : page_sent(g, addr, credit));
}

/*
 * Sends consecutive LAST pages, which take their credits together: their number needs as many
 * credits at once.
 */
static void send_burst(void)
{
	struct fake_burst burst = { .dev = &m.dev[pick(DEVICES)] };
	int dev = (int)(burst.dev - m.dev);
	struct {
		u32 pasid, index;
		u64 addr;
		bool last;
	} sent[ARRAY_SIZE(burst.reqs)];
	u32 n = 1 + pick(ARRAY_SIZE(sent)), run = 0, i;
	int left = 0;

	for (i = 0; i < n; i++) {
		sent[i].pasid = pick(PASIDS);
		sent[i].index = pick(INDEXES);
		sent[i].addr = (u64)++m.seq << 12;
		sent[i].last = pick(4);
		fake_burst_add(&burst, sent[i].last ? LAST : 0, sent[i].pasid, sent[i].index, 1,
			       sent[i].addr);
	}
	fake_burst_send(&burst);
	for (i = 0; i < n; i++) {
		struct group *g = &m.collecting[dev][sent[i].pasid][sent[i].index];

		run = i && sent[i].last && sent[i - 1].last ? run + 1 : 0;
		if (!g->begun)
			*g = (struct group){ dev, sent[i].pasid, sent[i].index,
					     .attached = m.attached[dev][sent[i].pasid] };
		if (run % IOF_ANSWERS_MAX == 0)
			left = CREDITS - m.in_use[dev];
		if (sent[i].last)
			last_sent(g, sent[i].addr, left-- > 0);
		else
			page_sent(g, sent[i].addr, left > 0);
	}
}

static void remove_open(int i)
{
	m.in_use[m.open[i].dev] -= m.open[i].pages + 1;
	memmove(&m.open[i], &m.open[i + 1], (size_t)(m.nr_open - i - 1) * sizeof(m.open[0]));
	m.nr_open--;
	m.nr_read -= i < m.nr_read;
}

static void read_some(void)
{
	struct iommu_hwpt_pgfault rec[DEVICES * CREDITS];
	unsigned int room = 1 + pick(ARRAY_SIZE(rec));
	int got = env_read(m.q, rec, room), n = 0, i;

	if (m.nr_read < m.nr_open && (unsigned int)m.open[m.nr_read].pages + 1 > room) {
		assert_int_equal(got, -EINVAL);
		return;
	}
	assert_true(got >= 0);
	while (n < got) {
		struct group *g = &m.open[m.nr_read++];

		assert_true(m.nr_read <= m.nr_open && n + g->pages < got);
		g->cookie = rec[n].cookie;
		for (i = 0; i <= g->pages; i++, n++) {
			assert_int_equal(rec[n].dev_id, iof_device_id(m.idev[g->dev]));
			assert_int_equal(rec[n].pasid, g->pasid);
			assert_int_equal(rec[n].grpid, g->index);
			assert_int_equal(rec[n].addr, g->addr[i]);
			assert_int_equal(rec[n].cookie, g->cookie);
			assert_int_equal(!!(rec[n].flags & LAST), i == g->pages);
		}
	}
	/* The read ends before a group that does not fit, or when no group is queued. */
	if (m.nr_read < m.nr_open)
		assert_true((unsigned int)(n + m.open[m.nr_read].pages) >= room);
}

static void answer_one(void)
{
	enum iof_page_code code = pick(2) ? IOF_PAGE_INVALID : IOF_PAGE_SUCCESS;
	struct group g;
	int i;

	if (!m.nr_read)
		return;
	i = (int)pick((unsigned int)m.nr_read);
	g = m.open[i];
	assert_ok(env_answer(m.q, g.cookie, code));
	expect_answer(g.dev, g.addr[g.pages], code);
	assert_err(env_answer(m.q, g.cookie, code), EINVAL);
	remove_open(i);
}

static void switch_one(void)
{
	int dev = pick(DEVICES), i;
	u32 pasid = pick(PASIDS), old = m.attached[dev][pasid];
	bool replace = old && pick(2);

	if (!old) {
		assert_id(env_attach(m.idev[dev], pasid, m.hwpt[old & 1]));
	} else if (replace) {
		assert_id(env_replace(m.idev[dev], pasid, m.hwpt[!(old & 1)]));
	} else {
		iof_device_detach(m.idev[dev], pasid);
	}
	/* The low bit tells the HWPT. */
	m.seq += 2;
	m.attached[dev][pasid] = old && !replace ? 0 : (m.seq << 1) | (replace ? !(old & 1) : 0);
	if (!old)
		return;
	for (i = 0; i < INDEXES; i++) {
		struct group *g = &m.collecting[dev][pasid][i];

		if (g->begun && !g->broken)
			break_group(g);
	}
	for (i = m.nr_open - 1; i >= 0; i--) {
		struct group g = m.open[i];

		if (g.dev != dev || g.pasid != pasid)
			continue;
		expect_answer(dev, g.addr[g.pages], IOF_PAGE_INVALID);
		if (i < m.nr_read)
			assert_err(env_answer(m.q, g.cookie, 0), EINVAL);
		remove_open(i);
	}
}

static void reset_one(void)
{
	int dev = pick(DEVICES);
	u32 pasid, i;

	iof_report_reset(&m.dev[dev].hw);
	for (pasid = 0; pasid < PASIDS; pasid++)
		for (i = 0; i < INDEXES; i++)
			if (m.collecting[dev][pasid][i].begun)
				forget(&m.collecting[dev][pasid][i]);
}

static void every_group_gets_its_one_right_answer(void **state)
{
	const char *seed = getenv("IOFAULT_SEED");
	u32 pasid, queue;
	int ioas, i;

	memset(&m, 0, sizeof(m));
	m.env = *state;
	m.seed = seed ? (unsigned int)atoi(seed) : 1;
	ioas = env_ioas(m.env->fd);
	assert_ok(env_queue(m.env->fd, &queue, &m.q));
	for (i = 0; i < DEVICES; i++) {
		fake_dev_add(&m.dev[i], "adversary", CREDITS, FAKE_PASIDS, NULL);
		m.idev[i] = env_bind(m.env, &m.dev[i]);
	}
	for (i = 0; i < 2; i++)
		m.hwpt[i] = env_hwpt_fault(m.env->fd, iof_device_id(m.idev[0]), ioas,
					   IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID,
					   queue);
	for (i = 0; i < STEPS; i++) {
		unsigned int what = pick(200);

		if (what < 90)
			send_one(false);
		else if (what < 140)
			send_one(true);
		else if (what < 142)
			send_burst();
		else if (what < 165)
			read_some();
		else if (what < 195)
			answer_one();
		else if (what < 199)
			switch_one();
		else
			reset_one();
	}
	/* Each device is detached in the midst of its groups. */
	for (i = 0; i < DEVICES; i++) {
		assert_true(fake_answered(&m.dev[i], IOF_PAGE_SUCCESS) > STEPS / 100);
		assert_true(fake_answered(&m.dev[i], IOF_PAGE_INVALID) > STEPS / 100);
		for (pasid = 0; pasid < PASIDS; pasid++)
			iof_device_detach(m.idev[i], pasid);
		iof_device_unbind(m.idev[i]);
		assert_int_equal(fake_open(&m.dev[i]), 0);
		fake_dev_remove(&m.dev[i]);
	}
	env_close(m.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_group_gets_its_one_right_answer, env_setup,
						env_teardown),
	};

	return cmocka_run_group_tests_name("adversary", tests, NULL, NULL);
}
