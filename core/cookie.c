// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cookie.c - the cookie table of a fault queue (cookie.h).
 *
 * Segment 0 holds slots 0 to 2^MIN_BITS - 1. Segment k holds the
 * 2^(MIN_BITS+k-1) slots that double the table. The index of a slot gives its
 * segment. No function here takes a lock, and only growth allocates.
 */
#include "cookie.h"

static u32 segment_slots(u32 k)
{
	return 1u << (IOF_COOKIE_MIN_BITS + (k ? k - 1 : 0));
}

static u32 segments_for(u32 bits)
{
	return bits ? bits - IOF_COOKIE_MIN_BITS + 1 : 0;
}

static u32 index_mask(u32 bits)
{
	return (1u << bits) - 1;
}

u32 iof_cookie_bits(u32 slots)
{
	return slots <= 1u << IOF_COOKIE_MIN_BITS ? IOF_COOKIE_MIN_BITS :
						    fls(slots - 1);
}

int iof_cookie_growth_alloc(struct iof_cookie_growth *growth,
			    const struct iof_cookies *now, u32 bits)
{
	u32 k;

	memset(growth, 0, sizeof(*growth));
	growth->bits = bits;
	for (k = segments_for(READ_ONCE(now->bits)); k < segments_for(bits);
	     k++) {
		growth->segment[k] = kvcalloc(
			segment_slots(k), sizeof(struct iof_cookie_slot),
			GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!growth->segment[k]) {
			iof_cookie_growth_free(growth);
			return -ENOMEM;
		}
	}
	/*
	 * Builds the free list of all new slots here, so that one step links it
	 * in.
	 */
	for (k = segments_for(READ_ONCE(now->bits)); k < segments_for(bits);
	     k++) {
		struct iof_cookie_slot *slot = growth->segment[k];
		u32 first = k ? segment_slots(k) : 0, i;

		for (i = 0; i < segment_slots(k); i++) {
			slot[i].cookie = first + i;
			/*
			 * The first slots begin with generation 1. Which one
			 * later slots begin with depends on the cookies given
			 * by then.
			 */
			slot[i].bits = k ? 0 : bits;
			slot[i].next = &slot[i + 1];
			if (i % 4096 == 0)
				cond_resched();
		}
		slot[i - 1].next = NULL;
	}
	return 0;
}

void iof_cookie_grow(struct iof_cookies *cookies,
		     struct iof_cookie_growth *growth, u32 nr_given)
{
	u32 k;

	for (k = segments_for(cookies->bits); k < segments_for(growth->bits);
	     k++) {
		struct iof_cookie_slot *slot = growth->segment[k];

		cookies->segment[k] = slot;
		growth->segment[k] = NULL;
		if (cookies->free_head)
			cookies->free_tail->next = slot;
		else
			cookies->free_head = slot;
		cookies->free_tail = &slot[segment_slots(k) - 1];
	}
	if (growth->bits <= cookies->bits)
		return;
	/*
	 * New cookies start above all cookies of other widths, if there is
	 * room.
	 */
	if (nr_given) {
		cookies->narrower |= BIT(cookies->bits);
		cookies->nr_narrower = nr_given;
	}
	cookies->bits = growth->bits;
	cookies->step = 1u << cookies->bits;
	cookies->base = (cookies->highest >> cookies->bits) + 1;
	if (cookies->base > U32_MAX >> cookies->bits) {
		cookies->base = 1;
		cookies->collide = cookies->narrower;
	}
}

void iof_cookie_forget_narrower(struct iof_cookies *cookies)
{
	cookies->narrower = 0;
	cookies->collide = false;
}

void iof_cookie_growth_free(struct iof_cookie_growth *growth)
{
	u32 k;

	for (k = 0; k < IOF_COOKIE_SEGMENTS; k++)
		kvfree(growth->segment[k]);
}

void *iof_cookie_owner_at(const struct iof_cookies *cookies, u32 index)
{
	struct iof_cookie_slot *slot = iof_cookie_slot_at(cookies, index);

	return slot->out ? slot->owner : NULL;
}

struct iof_cookie_slot *
iof_cookie_find_narrower(const struct iof_cookies *cookies, u32 cookie)
{
	u32 widths = cookies->narrower;

	while (widths) {
		u32 bits = fls(widths) - 1;
		struct iof_cookie_slot *slot;

		slot = iof_cookie_slot_at(cookies, cookie & index_mask(bits));
		if (slot->out && slot->cookie == cookie)
			return slot;
		widths &= ~BIT(bits);
	}
	return NULL;
}

u32 iof_cookie_next_slow(struct iof_cookies *cookies,
			 const struct iof_cookie_slot *slot)
{
	u32 cookie = slot->cookie;

	if (slot->bits == cookies->bits) {
		cookie += cookies->step;
		/* Skip generation 0, so that no cookie is 0. */
		if (cookie < cookies->step) {
			cookie += cookies->step;
			cookies->collide = cookies->narrower;
		}
	} else {
		if (slot->bits)
			cookie &= index_mask(slot->bits);
		cookie |= cookies->base << cookies->bits;
	}
	/*
	 * Only a cookie that was given before a growth can be equal to this
	 * one; the next one is free.
	 */
	while (iof_cookie_find_narrower(cookies, cookie)) {
		cookie += cookies->step;
		if (cookie < cookies->step)
			cookie += cookies->step;
	}
	return cookie;
}

void iof_cookies_free(struct iof_cookies *cookies)
{
	u32 k;

	for (k = 0; k < IOF_COOKIE_SEGMENTS; k++)
		kvfree(cookies->segment[k]);
	memset(cookies, 0, sizeof(*cookies));
}
