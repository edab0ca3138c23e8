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
	void *owner;		/* NULL: free */
	u32 cookie;		/* given now, or last */
	u32 next : 26;		/* free list: index + 1 of the next, 0 ends it */
	u32 bits : 6;		/* index bits of @cookie; 0: never given */
};

struct iof_cookies {
	struct iof_cookie_slot *segment[IOF_COOKIE_SEGMENTS];
	u32 bits;		/* slots are 2^bits; 0: none yet */
	u32 widths;		/* bit w: cookies with w index bits were given */
	u32 base;		/* first generation at the present width */
	u32 highest;		/* highest cookie given since the table last grew */
	u32 free_head;		/* index + 1 */
	u32 free_tail;
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

/* Gives a cookie to @owner, or 0 if every slot is taken. */
u32 iof_cookie_give(struct iof_cookies *cookies, void *owner);
/* The owner of a cookie that is out, or NULL. */
void *iof_cookie_owner(const struct iof_cookies *cookies, u32 cookie);
/* Fetches the slot of a cookie into the cache, whether or not it is out. */
void iof_cookie_prefetch(const struct iof_cookies *cookies, u32 cookie);
/* Takes back a cookie that is out. */
void iof_cookie_take(struct iof_cookies *cookies, u32 cookie);
/* The owner in slot @index, or NULL; for a walk over all that are out. */
void *iof_cookie_owner_at(const struct iof_cookies *cookies, u32 index);
/* Requires that no cookie is out. */
void iof_cookies_free(struct iof_cookies *cookies);

#endif
