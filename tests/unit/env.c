// SPDX-License-Identifier: MIT
/*
 * env.c - the functions of env.h.
 */
#include "env.h"

int env_open(struct env *env)
{
	return iof_sys_open(env->space, "/dev/iommu", O_RDWR);
}

void env_close(int fd)
{
	assert_ok(iof_sys_close(fd));
}

struct iof_ctx *env_ctx(int fd)
{
	struct iof_ctx *ctx = iof_ctx_from_fd(fd);

	assert_false(IS_ERR(ctx));
	iof_ctx_put(ctx);
	return ctx;
}

int env_setup(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	if (!env || iof_core_get())
		return -1;
	env->space = iof_sys_space_create();
	env->node = iof_plat_add_node(env->space, "iommu", &iof_ctx_fops, NULL);
	if (IS_ERR_OR_NULL(env->node))
		return -1;
	env->fd = env_open(env);
	if (env->fd < 0)
		return -1;
	env->ctx = env_ctx(env->fd);
	*state = env;
	return 0;
}

/* A test that closes env->fd itself sets it to -1. */
int env_teardown(void **state)
{
	struct env *env = *state;
	unsigned long warnings;
	struct iof_live live;
	int panic;

	iof_fail_nth(IOF_FAIL_ALLOC, 0, false);
	iof_fail_nth(IOF_FAIL_COPY, 0, false);
	if (env->fd >= 0 && iof_sys_close(env->fd))
		return -1;
	/*
	 * A failed test has left files open: report them after the test's own message, and do not
	 * abort.
	 */
	panic = iof_shim_panic_on_warn;
	warnings = iof_shim_warnings();
	iof_shim_panic_on_warn = 0;
	iof_plat_remove_node(env->node);
	iof_shim_panic_on_warn = panic;
	if (iof_shim_warnings() != warnings || iof_sys_space_destroy(env->space))
		return -1;
	iof_sys_settle();
	iof_core_put();
	free(env);
	iof_shim_live(&live);
	if (fake_live_domains() || live.objects || live.pins) {
		fprintf(stderr, "left: %d domains, %ld objects, %ld pins\n", fake_live_domains(),
			live.objects, live.pins);
		return -1;
	}
	return 0;
}

int env_ioctl(int fd, unsigned long cmd, void *arg)
{
	return iof_sys_ioctl(fd, cmd, arg);
}

int env_ioas(int fd)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = env_ioctl(fd, IOMMU_IOAS_ALLOC, &cmd);

	return rc ?: (int)cmd.out_ioas_id;
}

int env_destroy(int fd, u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return env_ioctl(fd, IOMMU_DESTROY, &cmd);
}

int env_map(int fd, u32 ioas, void *memory, size_t length, u64 iova)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = ioas,
		.user_va = (uintptr_t)memory,
		.length = length,
		.iova = iova,
	};

	return env_ioctl(fd, IOMMU_IOAS_MAP, &cmd);
}

int env_hwpt_fault(int fd, u32 dev, u32 pt, u32 flags, u32 fault_id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev,
		.pt_id = pt,
		.fault_id = fault_id,
	};
	int rc = env_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ?: (int)cmd.out_hwpt_id;
}

int env_hwpt(int fd, u32 dev, u32 pt, u32 flags)
{
	return env_hwpt_fault(fd, dev, pt, flags, 0);
}

int env_nested(int fd, u32 dev, u32 parent, u32 flags, u32 fault_id)
{
	struct iommu_hwpt_vtd_s1 s1 = { .addr_width = 48 };
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags | (fault_id ? IOMMU_HWPT_FAULT_ID_VALID : 0),
		.dev_id = dev,
		.pt_id = parent,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
		.fault_id = fault_id,
	};
	int rc = env_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	return rc ?: (int)cmd.out_hwpt_id;
}

int env_queue(int fd, u32 *id, int *fault_fd)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = env_ioctl(fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	*id = cmd.out_fault_id;
	*fault_fd = cmd.out_fault_fd;
	return rc;
}

struct iof_device *env_bind(struct env *env, struct fake_dev *dev)
{
	struct iof_device *idev = iof_device_bind(env->ctx, &dev->hw, false);

	assert_false(IS_ERR(idev));
	return idev;
}

int env_attach(struct iof_device *idev, u32 pasid, u32 pt)
{
	return iof_device_attach(idev, pasid, &pt) ?: (int)pt;
}

int env_replace(struct iof_device *idev, u32 pasid, u32 pt)
{
	return iof_device_replace(idev, pasid, &pt) ?: (int)pt;
}

struct iof_domain *env_domain(struct env *env, u32 hwpt)
{
	struct iof_domain *domain;
	void *hold;

	domain = iof_hwpt_domain_get(env->ctx, hwpt, IOF_DOMAIN_PAGING, &hold);
	if (IS_ERR(domain))
		domain = iof_hwpt_domain_get(env->ctx, hwpt, IOF_DOMAIN_NESTED, &hold);
	assert_false(IS_ERR(domain));
	iof_hwpt_domain_put(env->ctx, hold);
	return domain;
}

int env_read(int fault_fd, struct iommu_hwpt_pgfault *recs, unsigned int n)
{
	ssize_t got = iof_sys_read(fault_fd, recs, n * sizeof(*recs));

	return got < 0 ? got : got / (ssize_t)sizeof(*recs);
}

int env_answer(int fault_fd, u32 cookie, u32 code)
{
	struct iommu_hwpt_page_response resp = { .cookie = cookie, .code = code };
	ssize_t wrote = iof_sys_write(fault_fd, &resp, sizeof(resp));

	return wrote == sizeof(resp) ? 0 : (int)wrote;
}

void *env_read_only(const void *data, size_t len)
{
	void *page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(page != MAP_FAILED);
	memcpy(page, data, len);
	assert_ok(mprotect(page, PAGE_SIZE, PROT_READ));
	return page;
}

void env_free_page(void *page)
{
	assert_ok(munmap(page, PAGE_SIZE));
}
