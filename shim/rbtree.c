/* SPDX-License-Identifier: MIT */
/*
 * rbtree.c - the kernel's calls on trees, with the balancing of libbsd.
 *
 * libbsd's macros generate the functions for struct rb_node itself. The caller has searched and
 * linked already, so that only the colouring functions are called.
 */
#include <bsd/sys/tree.h>

/*
 * RB_ROOT is the kernel's name for an empty tree, and libbsd's for the root of a tree, which only
 * libbsd's own code needs.
 */
#define iof_bsd_root(head) ((head)->rbh_root)
#undef RB_ROOT
#define RB_ROOT(head) iof_bsd_root(head)

#pragma push_macro("RB_ROOT")
#undef RB_ROOT
#include <linux/rbtree.h>
#pragma pop_macro("RB_ROOT")

static int no_compare(struct rb_node *a, struct rb_node *b)
{
	return a < b ? -1 : a > b;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_INTERNAL(rb_root, rb_node, bsd, no_compare, static)
#pragma GCC diagnostic pop

void iof_shim_rb_insert(struct rb_node *node, struct rb_root *root)
{
	RB_COLOR(node, bsd) = RB_RED;
	rb_root_RB_INSERT_COLOR(root, node);
}

void iof_shim_rb_erase(struct rb_node *node, struct rb_root *root)
{
	rb_root_RB_REMOVE(root, node);
}

struct rb_node *iof_shim_rb_next(const struct rb_node *node)
{
	return RB_EMPTY_NODE(node) ? NULL : rb_root_RB_NEXT((struct rb_node *)node);
}

struct rb_node *iof_shim_rb_prev(const struct rb_node *node)
{
	return RB_EMPTY_NODE(node) ? NULL : rb_root_RB_PREV((struct rb_node *)node);
}

struct rb_node *iof_shim_rb_end(const struct rb_root *root, int side)
{
	return rb_root_RB_MINMAX((struct rb_root *)root, side);
}

void iof_shim_rb_replace(struct rb_node *victim, struct rb_node *node, struct rb_root *root)
{
	struct rb_node *up = victim->rb_up;

	*node = *victim;
	if (!up)
		root->rb_node = node;
	else if (up->rb_left == victim)
		up->rb_left = node;
	else
		up->rb_right = node;
	if (node->rb_left)
		node->rb_left->rb_up = node;
	if (node->rb_right)
		node->rb_right->rb_up = node;
}

static struct rb_node *deepest_left(struct rb_node *node)
{
	while (node->rb_left || node->rb_right)
		node = node->rb_left ? node->rb_left : node->rb_right;
	return node;
}

struct rb_node *iof_shim_rb_first_postorder(const struct rb_root *root)
{
	return root->rb_node ? deepest_left(root->rb_node) : NULL;
}

struct rb_node *iof_shim_rb_next_postorder(const struct rb_node *node)
{
	struct rb_node *up;

	if (!node)
		return NULL;
	up = node->rb_up;
	if (up && node == up->rb_left && up->rb_right)
		return deepest_left(up->rb_right);
	return up;
}
