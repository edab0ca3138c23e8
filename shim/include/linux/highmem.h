/* SPDX-License-Identifier: MIT */
/*
 * highmem.h - the address at which a page can be touched: its own. Only through the platform's
 * copies, for the process may have unmapped it. The number of mappings in force is checked against
 * nothing.
 */
#ifndef IOF_SHIM_LINUX_HIGHMEM_H
#define IOF_SHIM_LINUX_HIGHMEM_H

#include <linux/mm.h>

#define kmap_local_page(page) page_address(page)
#define kunmap_local(addr) ((void)(addr))

#endif
