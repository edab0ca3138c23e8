/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie.h - the cookies of one fault queue: who answers what.
 *
 * A cookie is a slot index in its low bits and a generation above; the generation counts how often
 * the slot has been used, so that a late or invented response misses. Slots are reused first in,
 * first out. Cookie 0 is never given. With N index bits a cookie comes back after 2^(32-N)-1 reuses
 * of its slot.
 *
 * The table grows by whole segments that never move, before the faults that need them can arrive;
 * so giving and taking a cookie allocates nothing and costs the same however many are out. When it
 * grows, cookies already given keep their narrower index: look-ups try each width that was ever in
 * use.
 *
 * The caller's spinlock guards everything, except that growing allocates outside of it.
 */
#ifndef IOF_CORE_COOKIE_H
#define IOF_CORE_COOKIE_H

#include "kapi.h"

#define IOF_COOKIE_MIN_BITS	6
#define IOF_COOKIE_MAX_BITS	24
#define IOF_COOKIE_SEGMENTS	(IOF_COOKIE_MAX_BITS - IOF_COOKIE_MIN_BITS + 1)

struct iof_cookie_slot {
	union {
		void *owner;			/* out */
		struct iof_cookie_slot *next;	/* free */
	};
	u32 cookie;		/* given now, or last; generation 0 if never */
	u8 bits;		/* index bits of @cookie */
	bool out;
};

struct iof_cookies {
	struct iof_cookie_slot *segment[IOF_COOKIE_SEGMENTS];
	u32 bits;		/* slots are 2^bits; 0: none yet */
	u32 step;		/* 2^bits: from one generation of a slot to the next */
	u32 narrower;		/* bit w: cookies with w index bits, fewer than now, were given */
	u32 base;		/* first generation at the present width */
	u32 highest;		/* highest cookie given since the table last grew */
	struct iof_cookie_slot *free_head;
	struct iof_cookie_slot *free_tail;	/* means something while there is a head */
};

/* How many bits are needed for @slots slots; above IOF_COOKIE_MAX_BITS: too many. */
u32 iof_cookie_bits(u32 slots);

/*
 * Growing in three steps: the memory is allocated without the lock, linked in under it, and what
 * the caller did not need (somebody else grew meanwhile) is freed afterwards.
 */
struct iof_cookie_growth {
	u32 bits;
	struct iof_cookie_slot *segment[IOF_COOKIE_SEGMENTS];
};
int iof_cookie_growth_alloc(struct iof_cookie_growth *growth, const struct iof_cookies *now,
			    u32 bits);
void iof_cookie_grow(struct iof_cookies *cookies, struct iof_cookie_growth *growth);
void iof_cookie_growth_free(struct iof_cookie_growth *growth);

static inline struct iof_cookie_slot *iof_cookie_slot_at(const struct iof_cookies *cookies,
							 u32 index)
{
	u32 k = fls(index >> IOF_COOKIE_MIN_BITS);
	/* 2^(MIN_BITS+k-1), but 0 for the first segment, where that is not even its size */
	u32 first = 1u << (IOF_COOKIE_MIN_BITS + k - 1) & ~((1u << IOF_COOKIE_MIN_BITS) - 1);

	return &cookies->segment[k][index - first];
}

/* The slot's next cookie when its last, or those of others, were given at another width. */
u32 iof_cookie_next_slow(const struct iof_cookies *cookies, struct iof_cookie_slot *slot);
/* The slot of a cookie given while the table was narrower, or NULL. */
struct iof_cookie_slot *iof_cookie_find_narrower(const struct iof_cookies *cookies, u32 cookie);

/* Gives a cookie to @owner, or 0 if every slot is taken. */
static inline u32 iof_cookie_give(struct iof_cookies *cookies, void *owner)
{
	struct iof_cookie_slot *slot = cookies->free_head;
	u32 cookie;

	if (unlikely(!slot))
		return 0;
	cookies->free_head = slot->next;
	if (likely(slot->bits == cookies->bits && !cookies->narrower)) {
		cookie = slot->cookie + cookies->step;
		/* Generation 0 is left out, so that no cookie is 0. */
		if (unlikely(cookie < cookies->step))
			cookie += cookies->step;
	} else {
		cookie = iof_cookie_next_slow(cookies, slot);
		slot->bits = cookies->bits;
	}
	slot->cookie = cookie;
	slot->owner = owner;
	slot->out = true;
	if (cookie > cookies->highest)
		cookies->highest = cookie;
	return cookie;
}

static inline struct iof_cookie_slot *iof_cookie_find(const struct iof_cookies *cookies, u32 cookie)
{
	struct iof_cookie_slot *slot;

	if (unlikely(!cookies->bits))
		return NULL;
	slot = iof_cookie_slot_at(cookies, cookie & (cookies->step - 1));
	if (likely(slot->cookie == cookie && slot->out))
		return slot;
	/* One width, unless a device joined a queue that was already in use. */
	return cookies->narrower ? iof_cookie_find_narrower(cookies, cookie) : NULL;
}

/* The owner of a cookie that is out, or NULL. */
static inline void *iof_cookie_owner(const struct iof_cookies *cookies, u32 cookie)
{
	struct iof_cookie_slot *slot = iof_cookie_find(cookies, cookie);

	return slot ? slot->owner : NULL;
}

/* Takes back a cookie: whose it was, or NULL if it is not out. */
static inline void *iof_cookie_take(struct iof_cookies *cookies, u32 cookie)
{
	struct iof_cookie_slot *slot = iof_cookie_find(cookies, cookie);
	void *owner;

	if (unlikely(!slot))
		return NULL;
	owner = slot->owner;
	slot->out = false;
	slot->next = NULL;
	if (likely(cookies->free_head))
		cookies->free_tail->next = slot;
	else
		cookies->free_head = slot;
	cookies->free_tail = slot;
	return owner;
}

/* Fetches the slot of a cookie into the cache, whether or not it is out. */
static inline void iof_cookie_prefetch(const struct iof_cookies *cookies, u32 cookie)
{
	if (cookies->bits)
		prefetchw(iof_cookie_slot_at(cookies, cookie & (cookies->step - 1)));
}

/* The owner in slot @index, or NULL; for a walk over all that are out. */
void *iof_cookie_owner_at(const struct iof_cookies *cookies, u32 index);
/* Requires that no cookie is out. */
void iof_cookies_free(struct iof_cookies *cookies);

#endif
