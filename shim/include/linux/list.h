/* SPDX-License-Identifier: MIT */
/*
 * list.h - circular doubly linked lists with an embedded head.
 *
 * A removed entry has pointers that fault when used. In builds with checks each insertion and
 * removal checks that the neighbours point to each other. list_empty() and list_empty_careful() may
 * be called without the lock, as in the kernel.
 */
#ifndef IOF_SHIM_LINUX_LIST_H
#define IOF_SHIM_LINUX_LIST_H

#include <linux/types.h>
#include <linux/container_of.h>
#include <linux/bug.h>

#define LIST_POISON1 ((void *)0xdead000000000100ul)
#define LIST_POISON2 ((void *)0xdead000000000122ul)

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	WRITE_ONCE(list->next, list);
	list->prev = list;
}

static __always_inline void iof_shim_list_link(struct list_head *entry, struct list_head *before,
					       struct list_head *after)
{
#if IOF_SHIM_CHECKS
	if (unlikely(before->next != after || after->prev != before || entry == before ||
		     entry == after))
		iof_shim_complain("list insertion between what are no neighbours, or twice");
#endif
	entry->prev = before;
	entry->next = after;
	after->prev = entry;
	WRITE_ONCE(before->next, entry);
}

static __always_inline void iof_shim_list_join(struct list_head *before, struct list_head *after)
{
	after->prev = before;
	WRITE_ONCE(before->next, after);
}

static __always_inline void iof_shim_list_unlink(struct list_head *entry)
{
#if IOF_SHIM_CHECKS
	if (unlikely(entry->next == LIST_POISON1 || entry->prev->next != entry ||
		     entry->next->prev != entry)) {
		iof_shim_complain("removal of an entry that is not on a list");
		return;
	}
#endif
	iof_shim_list_join(entry->prev, entry->next);
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
	iof_shim_list_link(entry, head, head->next);
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	iof_shim_list_link(entry, head->prev, head);
}

/* Links @before and @after, and so removes the entries between them. */
static inline void __list_del(struct list_head *before, struct list_head *after)
{
	iof_shim_list_join(before, after);
}

static inline void list_del(struct list_head *entry)
{
	iof_shim_list_unlink(entry);
	entry->next = LIST_POISON1;
	entry->prev = LIST_POISON2;
}

static inline void list_del_init(struct list_head *entry)
{
	iof_shim_list_unlink(entry);
	INIT_LIST_HEAD(entry);
}

static inline void list_del_init_careful(struct list_head *entry)
{
	iof_shim_list_unlink(entry);
	WRITE_ONCE(entry->prev, entry);
	__atomic_store_n(&entry->next, entry, __ATOMIC_RELEASE);
}

static inline void list_replace(struct list_head *old, struct list_head *entry)
{
	entry->next = old->next;
	entry->next->prev = entry;
	entry->prev = old->prev;
	entry->prev->next = entry;
}

static inline void list_replace_init(struct list_head *old, struct list_head *entry)
{
	list_replace(old, entry);
	INIT_LIST_HEAD(old);
}

static inline void list_move(struct list_head *entry, struct list_head *head)
{
	iof_shim_list_unlink(entry);
	list_add(entry, head);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *head)
{
	iof_shim_list_unlink(entry);
	list_add_tail(entry, head);
}

static inline bool list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

static inline bool list_empty_careful(const struct list_head *head)
{
	const struct list_head *next = __atomic_load_n(&head->next, __ATOMIC_ACQUIRE);

	return next == head && next == READ_ONCE(head->prev);
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

/* Inserts the run [first, last] between two neighbours. */
static inline void iof_shim_list_insert_run(struct list_head *first, struct list_head *last,
					    struct list_head *before, struct list_head *after)
{
	first->prev = before;
	last->next = after;
	after->prev = last;
	WRITE_ONCE(before->next, first);
}

static inline void list_splice(const struct list_head *list, struct list_head *head)
{
	if (!list_empty(list))
		iof_shim_list_insert_run(list->next, list->prev, head, head->next);
}

static inline void list_splice_tail(const struct list_head *list, struct list_head *head)
{
	if (!list_empty(list))
		iof_shim_list_insert_run(list->next, list->prev, head->prev, head);
}

static inline void list_splice_init(struct list_head *list, struct list_head *head)
{
	list_splice(list, head);
	INIT_LIST_HEAD(list);
}

static inline void list_splice_tail_init(struct list_head *list, struct list_head *head)
{
	list_splice_tail(list, head);
	INIT_LIST_HEAD(list);
}

/* Moves the run [first, last] of some list to the end of @head. */
static inline void list_bulk_move_tail(struct list_head *head, struct list_head *first,
				       struct list_head *last)
{
	iof_shim_list_join(first->prev, last->next);
	iof_shim_list_insert_run(first, last, head->prev, head);
}

/* Moves the entries before @entry (if @entry == @head, all) to @list. */
static inline void list_cut_before(struct list_head *list, struct list_head *head,
				   struct list_head *entry)
{
	if (head->next == entry) {
		INIT_LIST_HEAD(list);
		return;
	}
	list->next = head->next;
	list->prev = entry->prev;
	list->next->prev = list;
	list->prev->next = list;
	iof_shim_list_join(head, entry);
}

/* Moves the entries of @head up to and including @entry to @list. */
static inline void list_cut_position(struct list_head *list, struct list_head *head,
				     struct list_head *entry)
{
	if (list_empty(head))
		return;
	if (entry == head)
		INIT_LIST_HEAD(list);
	else
		list_cut_before(list, head, entry->next);
}

static inline void list_rotate_left(struct list_head *head)
{
	if (!list_empty(head))
		list_move_tail(head->next, head);
}

static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *pos;
	size_t count = 0;

	for (pos = head->next; pos != head; pos = pos->next)
		count++;
	return count;
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) \
	({ \
		struct list_head *iof_head = (head); \
		struct list_head *iof_first = READ_ONCE(iof_head->next); \
		iof_first != iof_head ? list_entry(iof_first, type, member) : NULL; \
	})
/*
 * Computes the node of @pos by arithmetic. At the end of a walk @pos is no object but the head,
 * seen as if it were inside one. Naming a member of it would be undefined, since it may not even be
 * aligned for the type.
 */
#define iof_shim_list_node(pos, member) \
	((struct list_head *)((uintptr_t)(pos) + offsetof(typeof(*(pos)), member)))
#define list_next_entry(pos, member) \
	list_entry(iof_shim_list_node(pos, member)->next, typeof(*(pos)), member)
#define list_prev_entry(pos, member) \
	list_entry(iof_shim_list_node(pos, member)->prev, typeof(*(pos)), member)
#define list_entry_is_head(pos, head, member) (iof_shim_list_node(pos, member) == (head))
#define list_for_each(pos, head) \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
#define list_for_each_entry(pos, head, member) \
	for ((pos) = list_first_entry(head, typeof(*(pos)), member); \
	     !list_entry_is_head(pos, head, member); (pos) = list_next_entry(pos, member))
#define list_for_each_entry_reverse(pos, head, member) \
	for ((pos) = list_last_entry(head, typeof(*(pos)), member); \
	     !list_entry_is_head(pos, head, member); (pos) = list_prev_entry(pos, member))
#define list_for_each_entry_continue_reverse(pos, head, member) \
	for ((pos) = list_prev_entry(pos, member); !list_entry_is_head(pos, head, member); \
	     (pos) = list_prev_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member) \
	for ((pos) = list_first_entry(head, typeof(*(pos)), member), \
	     (n) = list_next_entry(pos, member); \
	     !list_entry_is_head(pos, head, member); \
	     (pos) = (n), (n) = list_next_entry(n, member))

#endif
