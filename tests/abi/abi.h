/* SPDX-License-Identifier: MIT */
/*
 * abi.h - what the ABI tests share: a world to test, and each command as a function.
 *
 * The tests run on the embedded world. With IOFAULT_WORLD=kernel in the environment, they run on
 * the /dev/iommu of the running kernel, which must have its test ioctls. Each wrapper returns 0 (or
 * an id, a descriptor, a count) or a negative errno, and fills the structs in completely. A test
 * that needs a field of its own calls iof_ioctl().
 */
#ifndef TESTS_ABI_H
#define TESTS_ABI_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#include <iofault/iofault.h>
#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#define PAGE 4096ul
/* Tests map at this address, which is inside the aperture of mock devices. */
#define IOVA 0x10000000ul

#define assert_ok(call)	      assert_int_equal(call, 0)
#define assert_err(call, err) assert_int_equal(call, -(err))
#define assert_id(call)	      assert_true((call) > 0)

/*
 * Returns a world with mock devices and @dsa DMA engines. Skips the test if there is none. A
 * kernel's devices are fixed: this chooses matching neighbours of one group.
 */
struct iof_world *abi_world(const struct iof_dsa_config *dsa, unsigned int nr_dsa);
/* Closes the world, and asserts that its descriptors are closed. */
void abi_world_close(struct iof_world *world);
/* Is the world one of iofault's, with our own promises and test ops? */
bool abi_ours(void);
/*
 * Are real functions tested in place of DMA engines? $IOFAULT_NODES has their nodes: two of one
 * isolation group, and one that is alone.
 */
bool abi_real_functions(void);
/* Is the world the embedded one? There can be many of those, with any devices. */
bool abi_embedded(void);

int abi_iommu(struct iof_world *world); /* returns a descriptor of /dev/iommu */

/* Create objects. Return the id, or a negative errno. */
int abi_ioas(int fd);
int abi_destroy(int fd, uint32_t id);
/* maps at @iova, readable and writable */
int abi_map(int fd, uint32_t ioas, void *memory, size_t length, uint64_t iova);
int abi_unmap(int fd, uint32_t ioas, uint64_t iova, uint64_t length);
int abi_hwpt(int fd, uint32_t dev, uint32_t pt, uint32_t flags);
int abi_hwpt_fault(int fd, uint32_t dev, uint32_t pt, uint32_t flags, uint32_t fault_id);
/* Allocates a nested HWPT with selftest data; @fault_id 0: without a queue. */
int abi_hwpt_nested(int fd, uint32_t dev, uint32_t parent, uint32_t flags, uint32_t fault_id,
		    uint32_t iotlb);
int abi_fault_queue(int fd, uint32_t *id, int *fault_fd); /* returns 0 or a negative errno */

/* A mock device and the ids of its objects. */
struct abi_mock {
	uint32_t stdev, hwpt, idev;
};
int abi_mock(int fd, uint32_t pt, uint32_t flags, struct abi_mock *mock);
int abi_mock_replace(int fd, const struct abi_mock *mock, uint32_t pt);
int abi_trigger(int fd, uint32_t idev, uint32_t pasid, uint32_t grpid, uint32_t perm,
		uint64_t addr);
/* iofault's own ops; they return -EOPNOTSUPP on other kernels. */
int abi_page_req(int fd, uint32_t idev, uint32_t flags, uint32_t pasid, uint32_t grpid,
		 uint64_t addr);
int abi_stats(int fd, uint32_t idev, struct iof_test_stats *stats);
int abi_pasid_attach(int fd, const struct abi_mock *mock, uint32_t pasid, uint32_t pt);
int abi_pasid_replace(int fd, const struct abi_mock *mock, uint32_t pasid, uint32_t pt);
int abi_pasid_detach(int fd, const struct abi_mock *mock, uint32_t pasid);
int abi_pasid_check(int fd, const struct abi_mock *mock, uint32_t pasid, uint32_t hwpt);
int abi_check_map(int fd, uint32_t hwpt, uint64_t iova, uint64_t length, void *memory);
int abi_check_iotlb(int fd, uint32_t hwpt, uint32_t id, uint32_t iotlb);
/* Checks that each page at @memory is pinned @refs times. Returns 0, or -EIO if not. */
int abi_check_refs(int fd, const void *memory, size_t length, uint32_t refs);

/*
 * Creates an access of an emulated device. @pages: it will pin. Returns the descriptor, or a
 * negative errno.
 */
int abi_access(int fd, uint32_t ioas, bool pages);
int abi_access_replace(int fd, int access, uint32_t ioas);
/* Pins a range. Returns the item; @memory NULL: any memory is right. */
int abi_access_pin(int fd, int access, uint64_t iova, uint64_t length, const void *memory,
		   uint32_t flags);
int abi_access_unpin(int fd, int access, uint32_t item);
int abi_access_read(int fd, int access, uint64_t iova, void *to, size_t length);
int abi_access_write(int fd, int access, uint64_t iova, const void *from, size_t length);

/* Dirty tracking: bit i of @bits stands for page i of @page_size bytes. */
int abi_dirty_tracking(int fd, uint32_t hwpt, bool on);
/* Makes the device write to each page with its bit set. Returns the number that it reports. */
int abi_make_dirty(int fd, uint32_t hwpt, uint64_t iova, uint64_t length, uint64_t page_size,
		   const void *bits);
int abi_get_dirty(int fd, uint32_t hwpt, uint32_t flags, uint64_t iova, uint64_t length,
		  uint64_t page_size, void *bits);

/* Functions on a fault queue. */
int abi_readable(int fault_fd); /* returns 1 or 0, by poll() without waiting */
/* Is FUSE between the caller and the queue, as under `iofault run`? */
bool abi_through_fuse(int fault_fd);
ssize_t abi_read_one(int fault_fd, struct iommu_hwpt_pgfault *rec);
int abi_answer(int fault_fd, uint32_t cookie, uint32_t code);

/* Functions on VFIO nodes. */
/*
 * Indexes are in the order in which the test asked for the devices. The path lies in static memory.
 */
int abi_vfio(struct iof_world *world, unsigned int index);
const char *abi_vfio_path(unsigned int index);
int abi_bind(int dev_fd, int iommufd);	 /* returns the id of the device */
int abi_attach(int dev_fd, uint32_t pt); /* returns the HWPT in force */
int abi_detach(int dev_fd);
int abi_attach_pasid(int dev_fd, uint32_t pasid, uint32_t pt); /* returns the HWPT in force */
int abi_detach_pasid(int dev_fd, uint32_t pasid);

/* Number of addresses at which no program has memory. */
#define ABI_NR_NOWHERE 16
extern const uint64_t abi_nowhere[ABI_NR_NOWHERE];
/* Maps @n pages of zeroes, which the caller unmaps. */
char *abi_pages(size_t n);

#endif
