/* SPDX-License-Identifier: MIT */
/*
 * highmem.h - the address at which a page can be touched, which is its own address.
 *
 * Only the platform's copies may use it, because the process may have unmapped the page. The shim
 * does not check the number of mappings in force.
 */
#ifndef IOF_SHIM_LINUX_HIGHMEM_H
#define IOF_SHIM_LINUX_HIGHMEM_H

#include <linux/mm.h>

#define kmap_local_page(page) page_address(page)
#define kunmap_local(addr) ((void)(addr))

#endif
