// SPDX-License-Identifier: MIT
/*
 * fail_nth.c - proves that a lack of memory, or of readable user memory, at any one point of a
 * program's calls gives an errno and leaves nothing behind. The n-th allocation or copy of a whole
 * session fails, for each n until no failure is left. Needs a kernel with fault injection; exits
 * with 77 on others.
 *
 *	kernel-fail_nth				runs sessions; the module is loaded, with mock=1
 *	kernel-fail_nth --load KO PARAMETERS	loads KO, which is not loaded yet
 */
#include "dma.h"

#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MOST 5000 /* maximum of failure points; there are far fewer */

static int nth_fd;

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

static bool injection_there(void)
{
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	return nth_fd >= 0 && write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
	       write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N") &&
	       write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0") &&
	       write_file("/sys/kernel/debug/failslab/verbose", "0") &&
	       write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0") &&
	       write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");
}

static void arm(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	CHECK(pwrite(nth_fd, text, strlen(text), 0) == (ssize_t)strlen(text));
}

/* Disarms the failure. Returns true if it has happened. */
static bool disarm(void)
{
	char text[16] = "";
	ssize_t got = pread(nth_fd, text, sizeof(text) - 1, 0);

	/* This read was the next failure point. */
	if (got < 0) {
		CHECK(errno == EFAULT);
		return false;
	}
	CHECK(got > 0);
	if (!strcmp(text, "0\n"))
		return true;
	while (pwrite(nth_fd, "0", 1, 0) != 1)
		CHECK(errno == EFAULT);
	return false;
}

/* ---- a session ---- */

struct session {
	char *memory;
	int fd, dev, ffd, ioas;
};

/*
 * Runs a step; a failed step ends the session. The error of a lack of memory is -ENOMEM or -EFAULT,
 * and never another.
 */
#define STEP(call)                                                                 \
	do {                                                                       \
		int rc_ = (call);                                                  \
		if (rc_ < 0) {                                                     \
			if (rc_ != -ENOMEM && rc_ != -EFAULT)                      \
				fprintf(stderr, "# line %d: %d\n", __LINE__, rc_); \
			return rc_ == -ENOMEM || rc_ == -EFAULT ? rc_ : -EPROTO;   \
		}                                                                  \
	} while (0)

static int opened(const char *path, int *fd)
{
	*fd = open(path, O_RDWR | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

static int answer_all(int ffd)
{
	struct iommu_hwpt_pgfault rec[4];
	ssize_t got = read(ffd, rec, sizeof(rec)), i;

	if (got < 0)
		return -errno;
	for (i = 0; i < got / (ssize_t)sizeof(rec[0]); i++) {
		int rc;

		if (!(rec[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
			continue;
		rc = abi_answer(ffd, rec[i].cookie, IOMMUFD_PAGE_RESP_SUCCESS);
		if (rc)
			return rc;
	}
	return 0;
}

static int allow_and_ask(struct session *s)
{
	struct iommu_iova_range range[4] = { { 0x1000000, 0x70000000 } };
	struct iommu_ioas_allow_iovas allow = {
		.size = sizeof(allow),
		.ioas_id = (uint32_t)s->ioas,
		.num_iovas = 1,
		.allowed_iovas = (uintptr_t)range,
	};
	struct iommu_ioas_iova_ranges ask = {
		.size = sizeof(ask),
		.ioas_id = (uint32_t)s->ioas,
		.num_iovas = 4,
		.allowed_iovas = (uintptr_t)range,
	};

	if (ioctl(s->fd, IOMMU_IOAS_ALLOW_IOVAS, &allow))
		return -errno;
	return ioctl(s->fd, IOMMU_IOAS_IOVA_RANGES, &ask) ? -errno : 0;
}

static int copy_mapping(struct session *s)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA,
		.src_ioas_id = (uint32_t)s->ioas,
		.dst_ioas_id = (uint32_t)s->ioas,
		.length = 4 * PAGE,
		.src_iova = IOVA,
		.dst_iova = IOVA + 64 * PAGE,
	};

	return ioctl(s->fd, IOMMU_IOAS_COPY, &cmd) ? -errno : 0;
}

/* Makes all calls that allocate: objects, mappings, faults, devices, PASIDs, a process's tables. */
static int session(struct session *s)
{
	struct abi_mock mock;
	uint32_t fault;
	int hwpt, nested, parent;

	STEP(opened("/dev/iommu", &s->fd));
	STEP(s->ioas = abi_ioas(s->fd));
	STEP(allow_and_ask(s));
	STEP(abi_map(s->fd, (uint32_t)s->ioas, s->memory, 16 * PAGE, IOVA));
	STEP(copy_mapping(s));
	STEP(abi_mock(s->fd, (uint32_t)s->ioas, MOCK_FLAGS_DEVICE_PASID, &mock));
	STEP(abi_map(s->fd, (uint32_t)s->ioas, s->memory + 16 * PAGE, 16 * PAGE, IOVA + 32 * PAGE));
	STEP(abi_fault_queue(s->fd, &fault, &s->ffd));
	STEP(hwpt = abi_hwpt_fault(s->fd, mock.idev, (uint32_t)s->ioas, IOMMU_HWPT_ALLOC_PASID,
				   fault));
	STEP(abi_mock_replace(s->fd, &mock, (uint32_t)hwpt));
	STEP(abi_pasid_attach(s->fd, &mock, 7, (uint32_t)hwpt));
	STEP(parent = abi_hwpt(s->fd, mock.idev, (uint32_t)s->ioas, IOMMU_HWPT_ALLOC_NEST_PARENT));
	STEP(nested = abi_hwpt_nested(s->fd, mock.idev, (uint32_t)parent, 0, fault, 1));
	STEP(abi_trigger(s->fd, mock.idev, 0, 1, 1, IOVA));
	STEP(abi_trigger(s->fd, mock.idev, 7, 2, 1, IOVA));
	STEP(answer_all(s->ffd));
	STEP(abi_trigger(s->fd, mock.idev, 0, 3, 1, IOVA));
	STEP(abi_unmap(s->fd, (uint32_t)s->ioas, IOVA + 64 * PAGE, 4 * PAGE));

	STEP(opened("/dev/vfio/devices/vfio0", &s->dev));
	STEP(abi_bind(s->dev, s->fd));
	STEP(abi_attach(s->dev, (uint32_t)s->ioas));
	STEP(dma_sva(&(struct dma){ .dev = s->dev }, 3, 1));
	STEP(dma_sva(&(struct dma){ .dev = s->dev }, 3, 0));
	STEP(abi_destroy(s->fd, mock.stdev));
	return 0;
}

static void session_end(struct session *s)
{
	if (s->dev >= 0)
		close(s->dev);
	if (s->ffd >= 0)
		close(s->ffd);
	if (s->fd >= 0)
		close(s->fd);
}

static int one_session(unsigned int n, char *memory, bool *failed)
{
	struct session s = { .memory = memory, .fd = -1, .dev = -1, .ffd = -1 };
	int rc;

	arm(n);
	rc = session(&s);
	*failed = disarm();
	session_end(&s);
	return rc;
}

static int sessions(void)
{
	char *memory = dma_memory(32 * PAGE, MAP_PRIVATE);
	struct holdings before;
	bool failed = true;
	unsigned int n;

	memset(memory, 1, 32 * PAGE);
	/* Run a session first, so that one-time allocations exist. */
	CHECK(!one_session(0, memory, &failed));
	holdings_now(&before);
	for (n = 1, failed = true; failed; n++) {
		int rc = one_session(n, memory, &failed);

		CHECK(n < MOST);
		if (rc == -EPROTO || (!failed && rc)) {
			fprintf(stderr, "# with point %u failing: %d\n", n, rc);
			return 1;
		}
	}
	printf("# %u points of failure\n", n - 2);
	holdings_back(&before);
	return n < 100;
}

/* ---- loading ---- */

static int load(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc, tries = 0;
	bool failed = true;
	unsigned int n;

	CHECK(fd >= 0);
	for (n = 1; failed; n++) {
		CHECK(n < MOST);
		arm(n);
		rc = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
		failed = disarm();
		CHECK(!rc || failed);
		if (!rc) {
			/*
			 * Some failures do no harm: those of names for users, and of folders in
			 * debugfs.
			 */
			CHECK(!access("/dev/iommu", F_OK));
			CHECK(!syscall(SYS_delete_module, "iofault", O_NONBLOCK));
		} else if (access("/sys/bus/iofault", F_OK) == 0 || !access("/dev/iommu", F_OK)) {
			fprintf(stderr, "# with point %u failing something is left\n", n);
			return 1;
		} else {
			tries++;
		}
	}
	printf("# %u points of failure, of which %d end the loading\n", n - 2, tries);
	return n < 100;
}

int main(int argc, char **argv)
{
	if (!injection_there()) {
		printf("# skipped: this kernel does not inject faults\n");
		return 77;
	}
	if (argc == 4 && !strcmp(argv[1], "--load"))
		return load(argv[2], argv[3]);
	setenv("IOFAULT_WORLD", "kernel", 1);
	return sessions();
}
