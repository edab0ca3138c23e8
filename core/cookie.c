// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * cookie.c - the table behind cookie.h.
 *
 * Segment 0 holds slots 0 to 2^MIN_BITS - 1, segment k the 2^(MIN_BITS+k-1) slots that double the
 * table; a slot's segment follows from its index alone. Nothing here locks or, but for growth,
 * allocates.
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

static struct iof_cookie_slot *slot_at(const struct iof_cookies *cookies, u32 index)
{
	u32 k = 0, first = 0;

	if (index >> IOF_COOKIE_MIN_BITS) {
		k = fls(index) - IOF_COOKIE_MIN_BITS;
		first = 1u << (fls(index) - 1);
	}
	return &cookies->segment[k][index - first];
}

static u32 index_mask(u32 bits)
{
	return (1u << bits) - 1;
}

u32 iof_cookie_bits(u32 slots)
{
	return slots <= 1u << IOF_COOKIE_MIN_BITS ? IOF_COOKIE_MIN_BITS : fls(slots - 1);
}

int iof_cookie_growth_alloc(struct iof_cookie_growth *growth, const struct iof_cookies *now,
			    u32 bits)
{
	u32 k;

	memset(growth, 0, sizeof(*growth));
	growth->bits = bits;
	for (k = segments_for(READ_ONCE(now->bits)); k < segments_for(bits); k++) {
		growth->segment[k] = kvcalloc(segment_slots(k), sizeof(struct iof_cookie_slot),
					      GFP_KERNEL_ACCOUNT);
		if (!growth->segment[k]) {
			iof_cookie_growth_free(growth);
			return -ENOMEM;
		}
	}
	/* The free list through all new slots is made here, so that linking it in is one step. */
	for (k = segments_for(READ_ONCE(now->bits)); k < segments_for(bits); k++) {
		u32 first = k ? segment_slots(k) : 0, i;

		for (i = 0; i < segment_slots(k); i++) {
			growth->segment[k][i].next = first + i + 2;
			if (i % 4096 == 0)
				cond_resched();
		}
		growth->segment[k][i - 1].next = 0;
	}
	return 0;
}

void iof_cookie_grow(struct iof_cookies *cookies, struct iof_cookie_growth *growth)
{
	u32 k;

	for (k = segments_for(cookies->bits); k < segments_for(growth->bits); k++) {
		u32 first = k ? segment_slots(k) : 0;

		cookies->segment[k] = growth->segment[k];
		growth->segment[k] = NULL;
		if (cookies->free_tail)
			slot_at(cookies, cookies->free_tail - 1)->next = first + 1;
		else
			cookies->free_head = first + 1;
		cookies->free_tail = first + segment_slots(k);
	}
	if (growth->bits <= cookies->bits)
		return;
	/* New cookies start above all that were given at other widths, as long as there is room. */
	cookies->bits = growth->bits;
	cookies->base = (cookies->highest >> cookies->bits) + 1;
	if (cookies->base > U32_MAX >> cookies->bits)
		cookies->base = 1;
}

void iof_cookie_growth_free(struct iof_cookie_growth *growth)
{
	u32 k;

	for (k = 0; k < IOF_COOKIE_SEGMENTS; k++)
		kvfree(growth->segment[k]);
}

void *iof_cookie_owner_at(const struct iof_cookies *cookies, u32 index)
{
	return slot_at(cookies, index)->owner;
}

static struct iof_cookie_slot *find_slot(const struct iof_cookies *cookies, u32 cookie)
{
	u32 widths = cookies->widths;

	/* One width, unless a device joined a queue that was already in use. */
	while (widths) {
		u32 bits = fls(widths) - 1;
		struct iof_cookie_slot *slot = slot_at(cookies, cookie & index_mask(bits));

		if (slot->owner && slot->cookie == cookie)
			return slot;
		widths &= ~BIT(bits);
	}
	return NULL;
}

void *iof_cookie_owner(const struct iof_cookies *cookies, u32 cookie)
{
	struct iof_cookie_slot *slot = find_slot(cookies, cookie);

	return slot ? slot->owner : NULL;
}

void iof_cookie_prefetch(const struct iof_cookies *cookies, u32 cookie)
{
	if (cookies->bits)
		prefetchw(slot_at(cookies, cookie & index_mask(cookies->bits)));
}

static u32 next_generation(const struct iof_cookies *cookies, const struct iof_cookie_slot *slot)
{
	if (slot->bits != cookies->bits)
		return cookies->base;
	if (slot->cookie >> cookies->bits == U32_MAX >> cookies->bits)
		return 1;
	return (slot->cookie >> cookies->bits) + 1;
}

u32 iof_cookie_give(struct iof_cookies *cookies, void *owner)
{
	struct iof_cookie_slot *slot;
	u32 index, cookie;

	if (!cookies->free_head)
		return 0;
	index = cookies->free_head - 1;
	slot = slot_at(cookies, index);
	cookies->free_head = slot->next;
	if (!cookies->free_head)
		cookies->free_tail = 0;

	/*
	 * Only a cookie still out from a narrower table can stand in the way; the next one is free.
	 */
	do {
		cookie = next_generation(cookies, slot) << cookies->bits | index;
		slot->cookie = cookie;
		slot->bits = cookies->bits;
	} while (find_slot(cookies, cookie));

	slot->owner = owner;
	cookies->widths |= BIT(cookies->bits);
	cookies->highest = max(cookies->highest, cookie);
	return cookie;
}

void iof_cookie_take(struct iof_cookies *cookies, u32 cookie)
{
	struct iof_cookie_slot *slot = find_slot(cookies, cookie);
	u32 index;

	if (WARN_ON_ONCE(!slot))
		return;
	index = cookie & index_mask(slot->bits);
	slot->owner = NULL;
	slot->next = 0;
	if (cookies->free_tail)
		slot_at(cookies, cookies->free_tail - 1)->next = index + 1;
	else
		cookies->free_head = index + 1;
	cookies->free_tail = index + 1;
}

void iof_cookies_free(struct iof_cookies *cookies)
{
	u32 k;

	for (k = 0; k < IOF_COOKIE_SEGMENTS; k++)
		kvfree(cookies->segment[k]);
	memset(cookies, 0, sizeof(*cookies));
}
