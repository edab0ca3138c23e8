/* SPDX-License-Identifier: MIT */
/*
 * llist.h - a lock-free stack: several threads push, and one takes all entries.
 */
#ifndef IOF_SHIM_LINUX_LLIST_H
#define IOF_SHIM_LINUX_LLIST_H

#include <linux/atomic.h>
#include <linux/container_of.h>
#include <linux/types.h>

struct llist_node {
	struct llist_node *next;
};

struct llist_head {
	struct llist_node *first;
};

#define LLIST_HEAD_INIT(name) { NULL }
#define LLIST_HEAD(name) struct llist_head name = LLIST_HEAD_INIT(name)
#define llist_entry(ptr, type, member) container_of(ptr, type, member)
#define iof_shim_llist_obj(node, type, member) \
	((type *)((uintptr_t)(node) - offsetof(type, member)))
#define iof_shim_llist_end(pos, member) \
	((uintptr_t)(pos) + offsetof(typeof(*(pos)), member) == 0)
#define llist_for_each_entry(pos, node, member) \
	for ((pos) = iof_shim_llist_obj((node), typeof(*(pos)), member); \
	     !iof_shim_llist_end(pos, member); \
	     (pos) = iof_shim_llist_obj((pos)->member.next, typeof(*(pos)), member))

static inline void init_llist_head(struct llist_head *list)
{
	WRITE_ONCE(list->first, NULL);
}

static inline bool llist_empty(const struct llist_head *list)
{
	return !READ_ONCE(list->first);
}

/* Pushes a chain. Returns true if the list was empty before. */
static inline bool llist_add_batch(struct llist_node *first, struct llist_node *last,
				   struct llist_head *list)
{
	struct llist_node *old = READ_ONCE(list->first);

	do {
		WRITE_ONCE(last->next, old);
	} while (!try_cmpxchg(&list->first, &old, first));
	return !old;
}

static inline bool llist_add(struct llist_node *node, struct llist_head *list)
{
	return llist_add_batch(node, node, list);
}

static inline struct llist_node *llist_del_all(struct llist_head *list)
{
	return xchg(&list->first, NULL);
}

static inline struct llist_node *llist_reverse_order(struct llist_node *node)
{
	struct llist_node *reversed = NULL;

	while (node) {
		struct llist_node *next = node->next;

		node->next = reversed;
		reversed = node;
		node = next;
	}
	return reversed;
}

#endif
