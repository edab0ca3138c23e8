/* SPDX-License-Identifier: MIT */
/*
 * rbtree.h - red-black trees. The caller searches and links; libbsd's <bsd/sys/tree.h> balances.
 */
#ifndef IOF_SHIM_LINUX_RBTREE_H
#define IOF_SHIM_LINUX_RBTREE_H

#include <linux/container_of.h>
#include <linux/types.h>

struct rb_node {
	union {
		struct {
			struct rb_node *rb_left;
			struct rb_node *rb_right;
			struct rb_node *rb_up;
			int rb_colour;
		};
		/* the same fields, under the names that libbsd's macros use */
		struct {
			struct rb_node *rbe_left;
			struct rb_node *rbe_right;
			struct rb_node *rbe_parent;
			int rbe_color;
		} bsd;
	};
};

struct rb_root {
	union {
		struct rb_node *rb_node;
		struct rb_node *rbh_root;
	};
};

struct rb_root_cached {
	struct rb_root rb_root;
	struct rb_node *rb_leftmost;
};

#define RB_ROOT ((struct rb_root){ { NULL } })
#define RB_ROOT_CACHED ((struct rb_root_cached){ { { NULL } }, NULL })
#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_entry_safe(ptr, type, member) \
	({ \
		typeof(ptr) iof_rb = (ptr); \
		iof_rb ? rb_entry(iof_rb, type, member) : NULL; \
	})
#define RB_EMPTY_ROOT(root) (READ_ONCE((root)->rb_node) == NULL)
#define RB_EMPTY_NODE(node) ((node)->rb_up == (node))
#define RB_CLEAR_NODE(node) ((node)->rb_up = (node))
#define rb_parent(node) ((node)->rb_up)

void iof_shim_rb_insert(struct rb_node *node, struct rb_root *root);
void iof_shim_rb_erase(struct rb_node *node, struct rb_root *root);
struct rb_node *iof_shim_rb_next(const struct rb_node *node);
struct rb_node *iof_shim_rb_prev(const struct rb_node *node);
struct rb_node *iof_shim_rb_end(const struct rb_root *root, int side);
void iof_shim_rb_replace(struct rb_node *victim, struct rb_node *node, struct rb_root *root);
struct rb_node *iof_shim_rb_first_postorder(const struct rb_root *root);
struct rb_node *iof_shim_rb_next_postorder(const struct rb_node *node);

#define rb_insert_color(node, root) iof_shim_rb_insert(node, root)
#define rb_erase(node, root) iof_shim_rb_erase(node, root)
#define rb_next(node) iof_shim_rb_next(node)
#define rb_prev(node) iof_shim_rb_prev(node)
#define rb_first(root) iof_shim_rb_end(root, -1)
#define rb_last(root) iof_shim_rb_end(root, 1)
#define rb_replace_node(victim, node, root) iof_shim_rb_replace(victim, node, root)
#define rb_first_postorder(root) iof_shim_rb_first_postorder(root)
#define rb_next_postorder(node) iof_shim_rb_next_postorder(node)
#define rb_first_cached(root) ((root)->rb_leftmost)
#define rbtree_postorder_for_each_entry_safe(pos, n, root, field) \
	for ((pos) = rb_entry_safe(rb_first_postorder(root), typeof(*(pos)), field); \
	     (pos) && ({ \
		     (n) = rb_entry_safe(rb_next_postorder(&(pos)->field), typeof(*(pos)), field); \
		     1; \
	     }); \
	     (pos) = (n))

static inline void rb_link_node(struct rb_node *node, struct rb_node *parent, struct rb_node **link)
{
	node->rb_left = NULL;
	node->rb_right = NULL;
	node->rb_up = parent;
	*link = node;
}

static inline void rb_insert_color_cached(struct rb_node *node, struct rb_root_cached *root,
					  bool leftmost)
{
	if (leftmost)
		root->rb_leftmost = node;
	rb_insert_color(node, &root->rb_root);
}

static inline void rb_erase_cached(struct rb_node *node, struct rb_root_cached *root)
{
	if (root->rb_leftmost == node)
		root->rb_leftmost = rb_next(node);
	rb_erase(node, &root->rb_root);
}

static inline void rb_add(struct rb_node *node, struct rb_root *tree,
			  bool (*less)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &tree->rb_node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = less(node, parent) ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(node, parent, link);
	rb_insert_color(node, tree);
}

/* Inserts @node. Returns it if it became the leftmost node, else NULL. */
static inline struct rb_node *rb_add_cached(struct rb_node *node, struct rb_root_cached *tree,
					    bool (*less)(struct rb_node *, const struct rb_node *))
{
	struct rb_node **link = &tree->rb_root.rb_node, *parent = NULL;
	bool leftmost = true;

	while (*link) {
		parent = *link;
		if (less(node, parent)) {
			link = &parent->rb_left;
		} else {
			link = &parent->rb_right;
			leftmost = false;
		}
	}
	rb_link_node(node, parent, link);
	rb_insert_color_cached(node, tree, leftmost);
	return leftmost ? node : NULL;
}

static inline struct rb_node *rb_find(const void *key, const struct rb_root *tree,
				      int (*cmp)(const void *key, const struct rb_node *))
{
	struct rb_node *node = tree->rb_node;

	while (node) {
		int c = cmp(key, node);

		if (!c)
			return node;
		node = c < 0 ? node->rb_left : node->rb_right;
	}
	return NULL;
}

#endif
