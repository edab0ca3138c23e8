// SPDX-License-Identifier: MIT
/*
 * decode.c - ioctls by name for --trace: one table, which has for each command the fields of its
 * structure that are shown. Names are those of the ABI headers.
 */
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include <iofault/iommufd.h>
#include <iofault/iommufd_test.h>
#include <iofault/vfio.h>

#include "lines.h"
#include "shim/sys.h"

enum form {
	FORM_NONE,
	NUMBER,
	HEX,
	FLAGS, /* names of bits */
	NAMED, /* names of values */
};

struct field {
	const char *name;
	unsigned short offset;
	unsigned char size;
	unsigned char form;
	const char *const *names;
	unsigned char nr_names;
};

struct command {
	uint32_t cmd;
	unsigned short size; /* of the structure; 0: the argument is a number */
	const char *name;
	struct field fields[9]; /* those named out_... are shown after a success only */
};

#define F(type, name, form)                                                                       \
	{                                                                                         \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name), form, NULL, \
			0                                                                         \
	}
#define N(type, name, form, names)                                                                 \
	{                                                                                          \
#name, offsetof(struct type, name), sizeof(((struct type *)0)->name), form, names, \
			sizeof(names) / sizeof(names[0])                                           \
	}
#define C(cmd, type, name, ...)                 \
	{                                       \
		cmd, sizeof(struct type), name, \
		{                               \
			__VA_ARGS__             \
		}                               \
	}

static const char *const map_flags[] = { "FIXED_IOVA", "WRITEABLE", "READABLE" };
static const char *const hwpt_flags[] = { "NEST_PARENT", "DIRTY_TRACKING", "FAULT_ID_VALID",
					  "PASID" };
static const char *const hwpt_types[] = { "NONE", "VTD_S1", "ARM_SMMUV3", "AMD_GUEST" };
static const char *const info_types[] = { "NONE", "INTEL_VTD", "ARM_SMMUV3", "TEGRA241_CMDQV",
					  "AMD" };
static const char *const invalidate_types[] = { "VTD_S1", "ARM_SMMUV3" };
static const char *const options[] = { "RLIMIT_MODE", "HUGE_PAGES" };
static const char *const option_ops[] = { "SET", "GET" };
static const char *const vfio_ops[] = { "GET", "SET", "CLEAR" };
static const char *const dirty_flags[] = { "ENABLE" };
static const char *const bitmap_flags[] = { "NO_CLEAR" };
static const char *const pasid_flags[] = { "PASID" };
static const char *const group_flags[] = { "VIABLE", "CONTAINER_SET" };
static const char *const bind_flags[] = { "TOKEN" };
static const char *const device_flags[] = { "RESET", "PCI",    "PLATFORM", "AMBA", "CCW",
					    "AP",    "FSL_MC", "CAPS",	   "CDX" };
static const char *const region_flags[] = { "READ", "WRITE", "MMAP", "CAPS" };
static const char *const irq_flags[] = { "EVENTFD", "MASKABLE", "AUTOMASKED", "NORESIZE" };
static const char *const set_flags[] = { "DATA_NONE",	"DATA_BOOL",	 "DATA_EVENTFD",
					 "ACTION_MASK", "ACTION_UNMASK", "ACTION_TRIGGER" };
static const char *const dma_flags[] = { "READ", "WRITE", "VADDR" };

static const struct command commands[] = {
	C(IOMMU_DESTROY, iommu_destroy, "DESTROY", F(iommu_destroy, id, NUMBER)),
	C(IOMMU_IOAS_ALLOC, iommu_ioas_alloc, "IOAS_ALLOC", F(iommu_ioas_alloc, flags, HEX),
	  F(iommu_ioas_alloc, out_ioas_id, NUMBER)),
	C(IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, "IOAS_ALLOW_IOVAS",
	  F(iommu_ioas_allow_iovas, ioas_id, NUMBER), F(iommu_ioas_allow_iovas, num_iovas, NUMBER),
	  F(iommu_ioas_allow_iovas, allowed_iovas, HEX)),
	C(IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, "IOAS_IOVA_RANGES",
	  F(iommu_ioas_iova_ranges, ioas_id, NUMBER), F(iommu_ioas_iova_ranges, num_iovas, NUMBER),
	  F(iommu_ioas_iova_ranges, allowed_iovas, HEX),
	  F(iommu_ioas_iova_ranges, out_iova_alignment, HEX)),
	C(IOMMU_IOAS_MAP, iommu_ioas_map, "IOAS_MAP", N(iommu_ioas_map, flags, FLAGS, map_flags),
	  F(iommu_ioas_map, ioas_id, NUMBER), F(iommu_ioas_map, user_va, HEX),
	  F(iommu_ioas_map, length, HEX), F(iommu_ioas_map, iova, HEX)),
	C(IOMMU_IOAS_MAP_FILE, iommu_ioas_map_file, "IOAS_MAP_FILE",
	  N(iommu_ioas_map_file, flags, FLAGS, map_flags), F(iommu_ioas_map_file, ioas_id, NUMBER),
	  F(iommu_ioas_map_file, fd, NUMBER), F(iommu_ioas_map_file, start, HEX),
	  F(iommu_ioas_map_file, length, HEX), F(iommu_ioas_map_file, iova, HEX)),
	C(IOMMU_IOAS_COPY, iommu_ioas_copy, "IOAS_COPY",
	  N(iommu_ioas_copy, flags, FLAGS, map_flags), F(iommu_ioas_copy, dst_ioas_id, NUMBER),
	  F(iommu_ioas_copy, src_ioas_id, NUMBER), F(iommu_ioas_copy, length, HEX),
	  F(iommu_ioas_copy, dst_iova, HEX), F(iommu_ioas_copy, src_iova, HEX)),
	C(IOMMU_IOAS_UNMAP, iommu_ioas_unmap, "IOAS_UNMAP", F(iommu_ioas_unmap, ioas_id, NUMBER),
	  F(iommu_ioas_unmap, iova, HEX), F(iommu_ioas_unmap, length, HEX)),
	C(IOMMU_IOAS_NOIOMMU_GET_PA, iommu_ioas_noiommu_get_pa, "IOAS_NOIOMMU_GET_PA",
	  F(iommu_ioas_noiommu_get_pa, flags, HEX), F(iommu_ioas_noiommu_get_pa, ioas_id, NUMBER),
	  F(iommu_ioas_noiommu_get_pa, iova, HEX), F(iommu_ioas_noiommu_get_pa, length, HEX),
	  F(iommu_ioas_noiommu_get_pa, out_phys, HEX)),
	C(IOMMU_IOAS_CHANGE_PROCESS, iommu_ioas_change_process, "IOAS_CHANGE_PROCESS", { 0 }),
	C(IOMMU_OPTION, iommu_option, "OPTION", N(iommu_option, option_id, NAMED, options),
	  N(iommu_option, op, NAMED, option_ops), F(iommu_option, object_id, NUMBER),
	  F(iommu_option, val64, NUMBER)),
	C(IOMMU_VFIO_IOAS, iommu_vfio_ioas, "VFIO_IOAS", N(iommu_vfio_ioas, op, NAMED, vfio_ops),
	  F(iommu_vfio_ioas, ioas_id, NUMBER)),
	C(IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, "HWPT_ALLOC",
	  N(iommu_hwpt_alloc, flags, FLAGS, hwpt_flags), F(iommu_hwpt_alloc, dev_id, NUMBER),
	  F(iommu_hwpt_alloc, pt_id, NUMBER), N(iommu_hwpt_alloc, data_type, NAMED, hwpt_types),
	  F(iommu_hwpt_alloc, data_len, NUMBER), F(iommu_hwpt_alloc, data_uptr, HEX),
	  F(iommu_hwpt_alloc, fault_id, NUMBER), F(iommu_hwpt_alloc, out_hwpt_id, NUMBER)),
	C(IOMMU_GET_HW_INFO, iommu_hw_info, "GET_HW_INFO", F(iommu_hw_info, flags, HEX),
	  F(iommu_hw_info, dev_id, NUMBER), F(iommu_hw_info, data_len, NUMBER),
	  F(iommu_hw_info, data_uptr, HEX), N(iommu_hw_info, out_data_type, NAMED, info_types),
	  F(iommu_hw_info, out_max_pasid_log2, NUMBER), F(iommu_hw_info, out_capabilities, HEX)),
	C(IOMMU_HWPT_SET_DIRTY_TRACKING, iommu_hwpt_set_dirty_tracking, "HWPT_SET_DIRTY_TRACKING",
	  N(iommu_hwpt_set_dirty_tracking, flags, FLAGS, dirty_flags),
	  F(iommu_hwpt_set_dirty_tracking, hwpt_id, NUMBER)),
	C(IOMMU_HWPT_GET_DIRTY_BITMAP, iommu_hwpt_get_dirty_bitmap, "HWPT_GET_DIRTY_BITMAP",
	  F(iommu_hwpt_get_dirty_bitmap, hwpt_id, NUMBER),
	  N(iommu_hwpt_get_dirty_bitmap, flags, FLAGS, bitmap_flags),
	  F(iommu_hwpt_get_dirty_bitmap, iova, HEX), F(iommu_hwpt_get_dirty_bitmap, length, HEX),
	  F(iommu_hwpt_get_dirty_bitmap, page_size, HEX),
	  F(iommu_hwpt_get_dirty_bitmap, data, HEX)),
	C(IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, "HWPT_INVALIDATE",
	  F(iommu_hwpt_invalidate, hwpt_id, NUMBER),
	  N(iommu_hwpt_invalidate, data_type, NAMED, invalidate_types),
	  F(iommu_hwpt_invalidate, data_uptr, HEX), F(iommu_hwpt_invalidate, entry_len, NUMBER),
	  F(iommu_hwpt_invalidate, entry_num, NUMBER)),
	C(IOMMU_FAULT_QUEUE_ALLOC, iommu_fault_alloc, "FAULT_QUEUE_ALLOC",
	  F(iommu_fault_alloc, flags, HEX), F(iommu_fault_alloc, out_fault_id, NUMBER)),
	C(IOMMU_VIOMMU_ALLOC, iommu_viommu_alloc, "VIOMMU_ALLOC", F(iommu_viommu_alloc, flags, HEX),
	  F(iommu_viommu_alloc, type, NUMBER), F(iommu_viommu_alloc, dev_id, NUMBER),
	  F(iommu_viommu_alloc, hwpt_id, NUMBER), F(iommu_viommu_alloc, out_viommu_id, NUMBER)),
	C(IOMMU_VDEVICE_ALLOC, iommu_vdevice_alloc, "VDEVICE_ALLOC",
	  F(iommu_vdevice_alloc, viommu_id, NUMBER), F(iommu_vdevice_alloc, dev_id, NUMBER),
	  F(iommu_vdevice_alloc, virt_id, HEX), F(iommu_vdevice_alloc, out_vdevice_id, NUMBER)),
	C(IOMMU_VEVENTQ_ALLOC, iommu_veventq_alloc, "VEVENTQ_ALLOC",
	  F(iommu_veventq_alloc, viommu_id, NUMBER), F(iommu_veventq_alloc, type, NUMBER),
	  F(iommu_veventq_alloc, veventq_depth, NUMBER)),
	C(IOMMU_TEST_CMD, iommu_test_cmd, "TEST_CMD", F(iommu_test_cmd, op, NUMBER),
	  F(iommu_test_cmd, id, NUMBER)),
	C(VFIO_GROUP_GET_STATUS, vfio_group_status, "GROUP_GET_STATUS",
	  N(vfio_group_status, flags, FLAGS, group_flags)),
	{ VFIO_GROUP_SET_CONTAINER, 0, "GROUP_SET_CONTAINER", { { 0 } } },
	{ VFIO_GROUP_UNSET_CONTAINER, 0, "GROUP_UNSET_CONTAINER", { { 0 } } },
	{ VFIO_GROUP_GET_DEVICE_FD, 0, "GROUP_GET_DEVICE_FD", { { 0 } } },
	C(VFIO_DEVICE_BIND_IOMMUFD, vfio_device_bind_iommufd, "BIND_IOMMUFD",
	  N(vfio_device_bind_iommufd, flags, FLAGS, bind_flags),
	  F(vfio_device_bind_iommufd, iommufd, NUMBER),
	  F(vfio_device_bind_iommufd, out_devid, NUMBER)),
	C(VFIO_DEVICE_ATTACH_IOMMUFD_PT, vfio_device_attach_iommufd_pt, "ATTACH_IOMMUFD_PT",
	  N(vfio_device_attach_iommufd_pt, flags, FLAGS, pasid_flags),
	  F(vfio_device_attach_iommufd_pt, pt_id, NUMBER),
	  F(vfio_device_attach_iommufd_pt, pasid, NUMBER)),
	C(VFIO_DEVICE_DETACH_IOMMUFD_PT, vfio_device_detach_iommufd_pt, "DETACH_IOMMUFD_PT",
	  N(vfio_device_detach_iommufd_pt, flags, FLAGS, pasid_flags),
	  F(vfio_device_detach_iommufd_pt, pasid, NUMBER)),
	C(VFIO_DEVICE_GET_INFO, vfio_device_info, "GET_INFO",
	  N(vfio_device_info, flags, FLAGS, device_flags), F(vfio_device_info, num_regions, NUMBER),
	  F(vfio_device_info, num_irqs, NUMBER)),
	C(VFIO_DEVICE_GET_REGION_INFO, vfio_region_info, "GET_REGION_INFO",
	  F(vfio_region_info, index, NUMBER), N(vfio_region_info, flags, FLAGS, region_flags),
	  F(vfio_region_info, size, HEX), F(vfio_region_info, offset, HEX)),
	C(VFIO_DEVICE_GET_IRQ_INFO, vfio_irq_info, "GET_IRQ_INFO", F(vfio_irq_info, index, NUMBER),
	  N(vfio_irq_info, flags, FLAGS, irq_flags), F(vfio_irq_info, count, NUMBER)),
	C(VFIO_DEVICE_SET_IRQS, vfio_irq_set, "SET_IRQS", N(vfio_irq_set, flags, FLAGS, set_flags),
	  F(vfio_irq_set, index, NUMBER), F(vfio_irq_set, start, NUMBER),
	  F(vfio_irq_set, count, NUMBER)),
	{ VFIO_DEVICE_RESET, 0, "RESET", { { 0 } } },
	C(IOF_VFIO_DEVICE_SVA_BIND, iof_vfio_device_sva, "SVA_BIND",
	  F(iof_vfio_device_sva, flags, HEX), F(iof_vfio_device_sva, pasid, NUMBER)),
	C(IOF_VFIO_DEVICE_SVA_UNBIND, iof_vfio_device_sva, "SVA_UNBIND",
	  F(iof_vfio_device_sva, flags, HEX), F(iof_vfio_device_sva, pasid, NUMBER)),
	{ VFIO_GET_API_VERSION, 0, "GET_API_VERSION", { { 0 } } },
	{ VFIO_CHECK_EXTENSION, 0, "CHECK_EXTENSION", { { 0 } } },
	{ VFIO_SET_IOMMU, 0, "SET_IOMMU", { { 0 } } },
	C(VFIO_IOMMU_GET_INFO, vfio_iommu_type1_info, "IOMMU_GET_INFO",
	  F(vfio_iommu_type1_info, flags, HEX), F(vfio_iommu_type1_info, iova_pgsizes, HEX)),
	C(VFIO_IOMMU_MAP_DMA, vfio_iommu_type1_dma_map, "IOMMU_MAP_DMA",
	  N(vfio_iommu_type1_dma_map, flags, FLAGS, dma_flags),
	  F(vfio_iommu_type1_dma_map, vaddr, HEX), F(vfio_iommu_type1_dma_map, iova, HEX),
	  F(vfio_iommu_type1_dma_map, size, HEX)),
	C(VFIO_IOMMU_UNMAP_DMA, vfio_iommu_type1_dma_unmap, "IOMMU_UNMAP_DMA",
	  F(vfio_iommu_type1_dma_unmap, flags, HEX), F(vfio_iommu_type1_dma_unmap, iova, HEX),
	  F(vfio_iommu_type1_dma_unmap, size, HEX)),
	C(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, vfio_pci_hot_reset_info, "GET_PCI_HOT_RESET_INFO",
	  F(vfio_pci_hot_reset_info, flags, HEX), F(vfio_pci_hot_reset_info, count, NUMBER)),
	C(VFIO_DEVICE_PCI_HOT_RESET, vfio_pci_hot_reset, "PCI_HOT_RESET",
	  F(vfio_pci_hot_reset, flags, HEX), F(vfio_pci_hot_reset, count, NUMBER)),
	C(VFIO_DEVICE_FEATURE, vfio_device_feature, "DEVICE_FEATURE",
	  F(vfio_device_feature, flags, HEX)),
	{ FIONREAD, 0, "FIONREAD", { { 0 } } },
};

static const struct command *find(uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].cmd == cmd)
			return &commands[i];
	return NULL;
}

void iof_run_show(struct iof_run_shown *shown, uint32_t cmd, const void *user)
{
	const struct command *command = find(cmd);
	uint32_t size;

	/* what was read ahead is of a function that has returned */
	iof_sys_act_with(NULL, NULL, 0);
	shown->size = command ? command->size : 0;
	if (!shown->size || iof_sys_peek(&size, user, sizeof(size))) {
		shown->size = 0;
		return;
	}
	if (size < shown->size)
		shown->size = size < sizeof(size) ? sizeof(size) : size;
	if (shown->size > sizeof(shown->data))
		shown->size = sizeof(shown->data);
	if (iof_sys_peek(shown->data, user, shown->size))
		shown->size = 0;
}

void iof_run_line_flags(struct iof_run_line *line, const char *name, const char *const *names,
			unsigned int nr, uint64_t value)
{
	char text[160] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < nr && i < 64; i++) {
		if (!(value >> i & 1) || !names[i])
			continue;
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? "|" : "",
					names[i]);
		value &= ~(1ull << i);
	}
	if (value || !len)
		snprintf(text + len, sizeof(text) - len, len ? "|0x%llx" : "0x%llx",
			 (unsigned long long)value);
	iof_run_line_text(line, name, text);
}

static void add_field(struct iof_run_line *line, const struct field *field, const char *data)
{
	uint64_t value = 0;
	uint32_t word;
	uint16_t half;

	switch (field->size) {
	case 1:
		value = *(const uint8_t *)(data + field->offset);
		break;
	case 2:
		memcpy(&half, data + field->offset, sizeof(half));
		value = half;
		break;
	case 4:
		memcpy(&word, data + field->offset, sizeof(word));
		value = word;
		break;
	case 8:
		memcpy(&value, data + field->offset, sizeof(value));
		break;
	}
	switch (field->form) {
	case NUMBER:
		/* descriptors and ids: -1 reads better than 4294967295 */
		iof_run_line_number(line, field->name,
				    field->size == 4 && value == UINT32_MAX ? -1 : (int64_t)value);
		break;
	case HEX:
		iof_run_line_hex(line, field->name, value);
		break;
	case FLAGS:
		iof_run_line_flags(line, field->name, field->names, field->nr_names, value);
		break;
	case NAMED:
		if (value < field->nr_names)
			iof_run_line_text(line, field->name, field->names[value]);
		else
			iof_run_line_number(line, field->name, (int64_t)value);
		break;
	}
}

static void add_fields(struct iof_run_line *line, const struct command *command, const char *data,
		       size_t size, long result)
{
	uint32_t given;

	if (size < sizeof(given))
		return;
	memcpy(&given, data, sizeof(given));
	if (given != command->size)
		iof_run_line_number(line, "size", given);
	for (size_t i = 0; i < sizeof(command->fields) / sizeof(command->fields[0]); i++) {
		const struct field *field = &command->fields[i];

		if (!field->name)
			break;
		if (field->offset + (size_t)field->size > size ||
		    field->offset + (size_t)field->size > given ||
		    (result && !strncmp(field->name, "out_", 4)))
			continue;
		add_field(line, field, data);
	}
}

void iof_run_trace_command(uint32_t tid, const char *file, uint32_t cmd, uint64_t arg,
			   const void *data, size_t size, long result)
{
	const struct command *command = find(cmd);
	struct iof_run_line line;
	char number[32];

	if (!iof_run_tracing)
		return;
	snprintf(number, sizeof(number), "ioctl 0x%x", cmd);
	iof_run_line_begin(&line, tid, file, command ? command->name : number, false);
	if (command && command->size)
		add_fields(&line, command, data, size, result);
	else
		iof_run_line_hex(&line, "arg", arg);
	iof_run_line_result(&line, result);
}
