/* SPDX-License-Identifier: MIT */
/* rculist.h - lists whose readers hold no lock; writers exclude each other. */
#ifndef IOF_SHIM_LINUX_RCULIST_H
#define IOF_SHIM_LINUX_RCULIST_H

#include <linux/list.h>
#include <linux/rcupdate.h>

static inline void list_add_rcu(struct list_head *entry, struct list_head *head)
{
	entry->next = head->next;
	entry->prev = head;
	head->next->prev = entry;
	rcu_assign_pointer(head->next, entry);
}

static inline void list_add_tail_rcu(struct list_head *entry, struct list_head *head)
{
	struct list_head *last = head->prev;

	entry->next = head;
	entry->prev = last;
	head->prev = entry;
	rcu_assign_pointer(last->next, entry);
}

/* The entry's own next stays, for the readers that stand on it. */
static inline void list_del_rcu(struct list_head *entry)
{
	iof_shim_list_unlink(entry);
	entry->prev = LIST_POISON2;
}

static inline void hlist_add_head_rcu(struct hlist_node *node, struct hlist_head *head)
{
	struct hlist_node *first = head->first;

	node->next = first;
	WRITE_ONCE(node->pprev, &head->first);
	if (first)
		WRITE_ONCE(first->pprev, &node->next);
	rcu_assign_pointer(head->first, node);
}

static inline void hlist_del_rcu(struct hlist_node *node)
{
	__hlist_del(node);
	WRITE_ONCE(node->pprev, LIST_POISON2);
}

static inline void hlist_del_init_rcu(struct hlist_node *node)
{
	if (!hlist_unhashed(node)) {
		__hlist_del(node);
		WRITE_ONCE(node->pprev, NULL);
	}
}

#define list_for_each_entry_rcu(pos, head, member, ...) \
	for ((pos) = list_entry(rcu_dereference((head)->next), typeof(*(pos)), member); \
	     !list_entry_is_head(pos, head, member); \
	     (pos) = list_entry(rcu_dereference((pos)->member.next), typeof(*(pos)), member))
#define list_first_or_null_rcu(head, type, member) \
	({ \
		struct list_head *iof_head = (head); \
		struct list_head *iof_first = rcu_dereference(iof_head->next); \
		iof_first != iof_head ? list_entry(iof_first, type, member) : NULL; \
	})
#define hlist_for_each_entry_rcu(pos, head, member, ...) \
	for ((pos) = hlist_entry_safe(rcu_dereference((head)->first), typeof(*(pos)), member); \
	     (pos); \
	     (pos) = hlist_entry_safe(rcu_dereference((pos)->member.next), typeof(*(pos)), member))

#endif
