// SPDX-License-Identifier: MIT
/*
 * setup.c - devices and waiting for the tests of handler and pager (setup.h).
 */
#include "setup.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

void queue_open(struct queue *q)
{
	memset(q, 0, sizeof(*q));
	q->world = abi_world(NULL, 0);
	q->iommu = abi_iommu(q->world);
	q->ioas = abi_ioas(q->iommu);
	assert_id(q->ioas);
	assert_ok(abi_mock(q->iommu, q->ioas, 0, &q->mock));
	assert_ok(abi_fault_queue(q->iommu, &q->fault_id, &q->fault_fd));
	q->hwpt = abi_hwpt_fault(q->iommu, q->mock.idev, q->ioas, 0, q->fault_id);
	assert_id(q->hwpt);
	assert_ok(abi_mock_replace(q->iommu, &q->mock, q->hwpt));
}

void queue_close(struct queue *q)
{
	assert_ok(abi_destroy(q->iommu, q->mock.stdev));
	assert_ok(abi_destroy(q->iommu, q->hwpt));
	assert_ok(iof_close(q->fault_fd));
	assert_ok(abi_destroy(q->iommu, q->fault_id));
	assert_ok(abi_destroy(q->iommu, q->ioas));
	assert_ok(iof_close(q->iommu));
	abi_world_close(q->world);
}

void queue_fault(struct queue *q, uint32_t grpid, uint64_t addr)
{
	assert_ok(abi_trigger(q->iommu, q->mock.idev, 0, grpid, IOMMU_PGFAULT_PERM_READ, addr));
}

void queue_page(struct queue *q, uint32_t grpid, uint64_t addr, bool last)
{
	int ret = abi_page_req(q->iommu, q->mock.idev, last ? IOMMU_PGFAULT_FLAGS_LAST_PAGE : 0, 0,
			       grpid, addr);

	if (ret == -EOPNOTSUPP && !abi_ours())
		skip();
	assert_ok(ret);
}

struct iof_test_stats queue_stats(struct queue *q)
{
	struct iof_test_stats stats;
	int ret = abi_stats(q->iommu, q->mock.idev, &stats);

	if (ret == -EOPNOTSUPP && !abi_ours())
		skip();
	assert_ok(ret);
	return stats;
}

void queue_answered(struct queue *q, uint64_t nr)
{
	struct iof_test_stats stats;

	do {
		sched_yield();
		stats = queue_stats(q);
	} while (stats.success + stats.invalid < nr);
}

static void engine_error(void *arg, int err, const char *sentence)
{
	struct engine *e = arg;

	if (!sentence[0])
		abort();
	store(e->last_error, err);
	add(e->errors, 1);
}

void engine_open(struct engine *e, const struct iof_dsa_config *dsa,
		 struct iof_pager_config *config)
{
	static const struct iof_dsa_config plain;
	int ret;

	memset(e, 0, sizeof(*e));
	e->world = abi_world(dsa ? dsa : &plain, 1);
	config->error = engine_error;
	config->arg = e;
	ret = iof_pager_open(e->world, abi_vfio_path(0), config, &e->pager);
	if (ret)
		print_error("%s\n", iof_pager_error(NULL));
	assert_ok(ret);
	e->records = mmap(NULL, RECORDS * RECORD, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(e->records, MAP_FAILED);
	engine_records(e, 0);
}

void engine_records(struct engine *e, uint32_t pasid)
{
	assert_ok(iof_pager_map_memory(e->pager, pasid, COMPLETIONS, e->records, RECORDS * RECORD,
				       IOF_PAGER_WRITE));
}

void engine_close(struct engine *e)
{
	assert_ok(iof_pager_close(e->pager));
	munmap(e->records, RECORDS * RECORD);
	abi_world_close(e->world);
}

volatile struct dsa_completion_record *engine_record(struct engine *e, uint32_t number)
{
	return (volatile struct dsa_completion_record *)(e->records + number % RECORDS * RECORD);
}

uint32_t engine_start(struct engine *e, struct dsa_hw_desc desc)
{
	uint32_t number = e->submitted++;
	ssize_t ret;

	memset(e->records + number % RECORDS * RECORD, 0, RECORD);
	desc.flags |= IDXD_OP_FLAG_CRAV | IDXD_OP_FLAG_RCR;
	desc.completion_addr = COMPLETIONS + number % RECORDS * RECORD;
	do {
		ret = iof_pwrite(iof_pager_device_fd(e->pager), &desc, sizeof(desc),
				 IOF_VFIO_REGION_OFFSET(IOF_VFIO_REGION_PORTAL));
		if (ret == -EAGAIN)
			sched_yield();
	} while (ret == -EAGAIN);
	assert_int_equal(ret, sizeof(desc));
	return number;
}

uint8_t engine_wait(struct engine *e, uint32_t number)
{
	volatile struct dsa_completion_record *record = engine_record(e, number);

	until(__atomic_load_n(&record->status, __ATOMIC_ACQUIRE));
	return record->status & DSA_COMP_STATUS_MASK;
}

uint8_t engine_copy(struct engine *e, uint32_t pasid, uint64_t to, uint64_t from, uint32_t bytes)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMMOVE,
		.flags = IDXD_OP_FLAG_BOF,
		.pasid = pasid,
		.src_addr = from,
		.dst_addr = to,
		.xfer_size = bytes,
	};

	return engine_wait(e, engine_start(e, desc));
}

uint8_t engine_fill(struct engine *e, uint32_t pasid, uint64_t to, uint64_t pattern, uint32_t bytes)
{
	struct dsa_hw_desc desc = {
		.opcode = DSA_OPCODE_MEMFILL,
		.flags = IDXD_OP_FLAG_BOF,
		.pasid = pasid,
		.pattern = pattern,
		.dst_addr = to,
		.xfer_size = bytes,
	};

	return engine_wait(e, engine_start(e, desc));
}

struct iof_pager_stats engine_stats(struct engine *e)
{
	struct iof_pager_stats stats;

	iof_pager_get_stats(e->pager, &stats);
	return stats;
}

int file_new(size_t bytes, bool pattern)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint32_t *words;
	size_t i;

	assert_true(fd >= 0);
	assert_ok(ftruncate(fd, (off_t)bytes));
	if (!pattern)
		return fd;
	words = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(words, MAP_FAILED);
	for (i = 0; i < bytes / sizeof(*words); i++)
		words[i] = (uint32_t)i * 2654435761u;
	munmap(words, bytes);
	return fd;
}

void file_read(int fd, size_t offset, void *memory, size_t bytes)
{
	assert_int_equal(pread(fd, memory, bytes, (off_t)offset), (ssize_t)bytes);
}

void io_uring_is_refused(void **state)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* seccomp_data.nr */),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = 4, .filter = code };

	(void)state;
	assert_ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	assert_ok(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
	assert_int_equal(syscall(__NR_io_uring_setup, 1, NULL), -1);
	assert_int_equal(errno, EPERM);
}
