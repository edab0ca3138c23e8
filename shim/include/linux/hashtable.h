/* SPDX-License-Identifier: MIT */
/*
 * hashtable.h - arrays of hash lists; the size is a power of two known at compile time.
 */
#ifndef IOF_SHIM_LINUX_HASHTABLE_H
#define IOF_SHIM_LINUX_HASHTABLE_H

#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/list.h>

#define DEFINE_HASHTABLE(name, bits) struct hlist_head name[1 << (bits)] = { HLIST_HEAD_INIT }
#define HASH_SIZE(name) (ARRAY_SIZE(name))
#define HASH_BITS(name) ((unsigned int)ilog2(HASH_SIZE(name)))
#define iof_shim_bucket(table, key) \
	(sizeof(key) <= 4 ? hash_32((u32)(key), HASH_BITS(table)) : \
			    hash_64((u64)(key), HASH_BITS(table)))
#define hash_add(table, node, key) hlist_add_head(node, &(table)[iof_shim_bucket(table, key)])
#define hash_hashed(node) (!hlist_unhashed(node))
#define hash_del(node) hlist_del_init(node)
#define hash_for_each_safe(table, bkt, tmp, obj, member) \
	for ((bkt) = 0, (obj) = NULL; !(obj) && (size_t)(bkt) < HASH_SIZE(table); (bkt)++) \
		hlist_for_each_entry_safe(obj, tmp, &(table)[bkt], member)
#define hash_for_each_possible(table, obj, member, key) \
	hlist_for_each_entry(obj, &(table)[iof_shim_bucket(table, key)], member)

static inline bool iof_shim_hash_empty(const struct hlist_head *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!hlist_empty(&table[i]))
			return false;
	return true;
}
#define hash_empty(table) iof_shim_hash_empty(table, HASH_SIZE(table))

#endif
