// SPDX-License-Identifier: MIT
/*
 * hw_iommu.c - the test IOMMU for the tests of hw/ (hw_iommu.h).
 */
#include "hw_iommu.h"
#include "edu.h"

char hwi_name[HWI_DEVICES][16];
int hwi_fd = -1;

void hwi_begin(const char *program)
{
	struct ti_start start = { .nr = HWI_DEVICES };
	unsigned int i, domain, bus, slot, function;

	hwi_fd = open("/dev/testiommu", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (hwi_fd < 0 || access("/sys/bus/pci/drivers/iofault-pci", F_OK) ||
	    !hw_find(EDU_VENDOR, EDU_DEVICE, HWI_DEVICES - 1, hwi_name[0])) {
		printf("1..0 # SKIP %s: no test IOMMU, no iofault-pci.ko or no edu devices\n",
		       program);
		exit(0);
	}
	for (i = 0; i < HWI_DEVICES; i++) {
		hw_find(EDU_VENDOR, EDU_DEVICE, i, hwi_name[i]);
		sscanf(hwi_name[i], "%x:%x:%x.%x", &domain, &bus, &slot, &function);
		start.dev[i].bdf = domain << 16 | bus << 8 | slot << 3 | function;
		start.dev[i].group = i == HWI_SECOND ? HWI_FIRST : i;
		start.dev[i].max_pasids = 1 << 16;
		start.dev[i].flags = i == HWI_NO_PRI ? TI_DEV_NO_PRI | TI_DEV_MSI : 0;
	}
	if (ioctl(hwi_fd, TI_START, &start)) {
		perror("TI_START");
		exit(1);
	}
	for (i = 0; i < HWI_DEVICES; i++)
		hw_take(hwi_name[i]);
}

void hwi_end(void)
{
	unsigned int i;

	for (i = 0; i < HWI_DEVICES; i++)
		hw_drop(hwi_name[i]);
	if (ioctl(hwi_fd, TI_STOP)) {
		perror("TI_STOP");
		exit(1);
	}
	close(hwi_fd);
}

void hwi_request(uint32_t dev, uint32_t pasid, uint32_t grpid, uint32_t flags, uint64_t addr)
{
	struct ti_request request = {
		.dev = dev,
		.pasid = pasid,
		.grpid = grpid,
		.flags = flags,
		.perm = 1,
		.addr = addr,
	};
	struct ti_requests all = { .requests = (uintptr_t)&request, .nr = 1 };

	assert_ok(ioctl(hwi_fd, TI_REQUESTS, &all));
}

void hwi_flood(uint32_t dev, uint32_t pasid, uint32_t nr, uint32_t grpids)
{
	struct ti_flood flood = {
		.first = { .dev = dev, .pasid = pasid, .perm = 1, .addr = IOVA },
		.nr = nr,
		.grpids = grpids,
	};

	assert_ok(ioctl(hwi_fd, TI_FLOOD, &flood));
}

void hwi_hook(uint32_t when, uint32_t dev, uint32_t pasid, uint32_t grpid)
{
	struct ti_hook hook = {
		.when = when,
		.request = {
			.dev = dev,
			.pasid = pasid,
			.grpid = grpid,
			.flags = TI_REQ_LAST,
			.perm = 1,
			.addr = IOVA,
		},
	};

	assert_ok(ioctl(hwi_fd, TI_HOOK, &hook));
}

void hwi_fail(uint32_t point, uint32_t nth, uint32_t error)
{
	struct ti_fail fail = { .point = point, .nth = nth, .times = 1, .error = error };

	assert_ok(ioctl(hwi_fd, TI_FAIL, &fail));
}

void hwi_fail_times(uint32_t point, uint32_t times, uint32_t error)
{
	struct ti_fail fail = { .point = point, .nth = 1, .times = times, .error = error };

	assert_ok(ioctl(hwi_fd, TI_FAIL, &fail));
}

void hwi_hold(bool on)
{
	uint32_t value = on;

	assert_ok(ioctl(hwi_fd, TI_HOLD, &value));
}

void hwi_held(void)
{
	assert_ok(ioctl(hwi_fd, TI_HELD));
}

uint64_t hwi_calls(uint32_t point)
{
	struct ti_calls calls;

	assert_ok(ioctl(hwi_fd, TI_CALLS, &calls));
	return calls.calls[point];
}

void hwi_stats(uint32_t dev, struct ti_stats *stats)
{
	*stats = (struct ti_stats){ .dev = dev };
	assert_ok(ioctl(hwi_fd, TI_STATS, stats));
}

int hwi_try_dma(uint32_t dev, uint32_t pasid, uint64_t iova, void *data, uint32_t length,
		bool write)
{
	struct ti_dma dma = {
		.dev = dev,
		.pasid = pasid,
		.iova = iova,
		.buffer = (uintptr_t)data,
		.length = length,
		.flags = write ? TI_DMA_WRITE : 0,
	};

	return ioctl(hwi_fd, TI_DMA, &dma) ? -errno : (int)dma.out_done;
}

uint32_t hwi_dma(uint32_t dev, uint32_t pasid, uint64_t iova, void *data, uint32_t length,
		 bool write)
{
	int rc = hwi_try_dma(dev, pasid, iova, data, length, write);

	assert_true(rc >= 0);
	return (uint32_t)rc;
}

int hwi_lookup(uint32_t dev, uint32_t pasid, uint64_t iova, struct ti_lookup *look)
{
	*look = (struct ti_lookup){ .dev = dev, .pasid = pasid, .iova = iova };
	return ioctl(hwi_fd, TI_LOOKUP, look) ? -errno : 0;
}

void hwi_response(uint32_t dev, uint32_t pasid, uint32_t grpid, uint32_t code)
{
	struct ti_response record;

	hw_wait_readable(hwi_fd);
	assert_int_equal(read(hwi_fd, &record, sizeof(record)), sizeof(record));
	assert_int_equal(record.dev, dev);
	assert_int_equal(record.pasid, pasid);
	assert_int_equal(record.grpid, grpid);
	assert_int_equal(record.code, code);
}

unsigned int hwi_drain(void)
{
	struct ti_response records[256];
	unsigned int nr = 0;
	ssize_t n;

	while ((n = read(hwi_fd, records, sizeof(records))) > 0)
		nr += (unsigned int)((size_t)n / sizeof(records[0]));
	assert_int_equal(errno, EAGAIN);
	return nr;
}

void hwi_settled(uint32_t dev)
{
	struct ti_stats stats;

	hwi_stats(dev, &stats);
	assert_int_equal(stats.open, 0);
	assert_int_equal(stats.unexpected, 0);
	assert_int_equal(stats.responses, stats.groups);
}

/* ---- the bed ---- */

int hwi_attach(struct hwi_bed *bed)
{
	return bed->pasid == TI_NO_PASID ? abi_attach(bed->hw.dev, bed->hwpt) :
					   abi_attach_pasid(bed->hw.dev, bed->pasid, bed->hwpt);
}

int hwi_detach(struct hwi_bed *bed)
{
	return bed->pasid == TI_NO_PASID ? abi_detach(bed->hw.dev) :
					   abi_detach_pasid(bed->hw.dev, bed->pasid);
}

void hwi_open(struct hwi_bed *bed, uint32_t dev, uint32_t pasid)
{
	int rc;

	memset(bed, 0, sizeof(*bed));
	bed->dev = dev;
	bed->pasid = pasid;
	hwi_drain();
	hw_use(&bed->hw, hwi_name[dev], false);
	/* A PASID needs a page table for requester ids first. */
	if (pasid != TI_NO_PASID) {
		rc = abi_hwpt(bed->hw.fd, bed->hw.devid, bed->hw.ioas, IOMMU_HWPT_ALLOC_PASID);
		assert_id(rc);
		assert_id(abi_attach(bed->hw.dev, (uint32_t)rc));
	}
	assert_ok(abi_fault_queue(bed->hw.fd, &bed->fault, &bed->ffd));
	rc = abi_hwpt_fault(bed->hw.fd, bed->hw.devid, bed->hw.ioas, IOMMU_HWPT_ALLOC_PASID,
			    bed->fault);
	assert_id(rc);
	bed->hwpt = (uint32_t)rc;
	assert_id(hwi_attach(bed));
}

void hwi_close(struct hwi_bed *bed)
{
	if (bed->ffd >= 0)
		close(bed->ffd);
	hw_close(&bed->hw);
	hwi_settled(bed->dev);
	hwi_drain();
}

void hwi_page(const struct hwi_bed *bed, uint32_t grpid)
{
	hwi_request(bed->dev, bed->pasid, grpid, TI_REQ_LAST, IOVA + grpid * PAGE);
}

uint32_t hwi_take(const struct hwi_bed *bed, struct iommu_hwpt_pgfault *rec)
{
	hw_wait_readable(bed->ffd);
	assert_int_equal(read(bed->ffd, rec, sizeof(*rec)), sizeof(*rec));
	assert_int_equal(rec->dev_id, bed->hw.devid);
	return rec->cookie;
}

int hwi_setup(void **state)
{
	static struct hw hw;

	hw_use(&hw, hwi_name[HWI_PLAIN], false);
	*state = &hw;
	return 0;
}

int hwi_teardown(void **state)
{
	hw_close(*state);
	return 0;
}
