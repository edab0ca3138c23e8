/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie.h - the cookies of one fault queue: which open group a response names.
 *
 * A cookie is a slot index in its low bits and a generation above. The
 * generation counts the uses of the slot, so that a late or invented response
 * misses. Slots are reused first in, first out. Cookie 0 is never given. With N
 * index bits, a cookie is given again after 2^(32-N)-1 reuses of its slot.
 *
 * The table grows by whole segments that never move, before the faults that
 * need them can arrive. So giving and taking a cookie allocates nothing and
 * costs the same at any fill. Cookies that were given before a growth keep
 * their narrower index: a look-up tries each width that was ever used.
 *
 * The caller's spinlock guards everything. Growing allocates outside of it.
 */
#ifndef IOF_CORE_COOKIE_H
#define IOF_CORE_COOKIE_H

#include "kapi.h"

#define IOF_COOKIE_MIN_BITS 6
#define IOF_COOKIE_MAX_BITS 24
#define IOF_COOKIE_SEGMENTS (IOF_COOKIE_MAX_BITS - IOF_COOKIE_MIN_BITS + 1)

struct iof_cookie_slot {
	union {
		/* set while the cookie is given */
		void *owner;
		struct iof_cookie_slot *next; /* set while the slot is free */
	};
	/* the present cookie, or the last one; generation 0: none yet */
	u32 cookie;
	u8 bits; /* number of index bits of @cookie */
	bool out;
};

struct iof_cookies {
	struct iof_cookie_slot *segment[IOF_COOKIE_SEGMENTS];
	u32 bits; /* there are 2^bits slots; 0: no slots yet */
	/* 2^bits: the difference between two generations of a slot */
	u32 step;
	/* bit w: cookies with w index bits were given before the table grew */
	u32 narrower;
	/* first generation at the present number of index bits */
	u32 base;
	u32 highest; /* highest cookie given since the table last grew */
	struct iof_cookie_slot *free_head;
	/* valid if the free list is not empty */
	struct iof_cookie_slot *free_tail;
};

/*
 * Returns the number of index bits for @slots slots. Above IOF_COOKIE_MAX_BITS:
 * too many slots.
 */
u32 iof_cookie_bits(u32 slots);

/*
 * The table grows in three steps: allocate without the lock, link in under the
 * lock, and free what was not needed because another thread grew the table
 * first.
 */
struct iof_cookie_growth {
	u32 bits;
	struct iof_cookie_slot *segment[IOF_COOKIE_SEGMENTS];
};
int iof_cookie_growth_alloc(struct iof_cookie_growth *growth,
			    const struct iof_cookies *now, u32 bits);
void iof_cookie_grow(struct iof_cookies *cookies,
		     struct iof_cookie_growth *growth);
void iof_cookie_growth_free(struct iof_cookie_growth *growth);

static inline struct iof_cookie_slot *
iof_cookie_slot_at(const struct iof_cookies *cookies, u32 index)
{
	u32 k = fls(index >> IOF_COOKIE_MIN_BITS);
	/* 2^(MIN_BITS+k-1); 0 for segment 0, although that is not its size */
	u32 first = 1u << (IOF_COOKIE_MIN_BITS + k - 1) &
		    ~((1u << IOF_COOKIE_MIN_BITS) - 1);

	return &cookies->segment[k][index - first];
}

/*
 * Returns the slot's next cookie. Called if its last cookie, or those of other
 * slots, have another width.
 */
u32 iof_cookie_next_slow(const struct iof_cookies *cookies,
			 struct iof_cookie_slot *slot);
/*
 * Returns the slot of a cookie that was given before the table grew, or NULL.
 */
struct iof_cookie_slot *
iof_cookie_find_narrower(const struct iof_cookies *cookies, u32 cookie);

/* Returns a cookie for @owner, or 0 if every slot is taken. */
static inline u32 iof_cookie_give(struct iof_cookies *cookies, void *owner)
{
	struct iof_cookie_slot *slot = cookies->free_head;
	u32 cookie;

	if (unlikely(!slot))
		return 0;
	cookies->free_head = slot->next;
	if (likely(slot->bits == cookies->bits && !cookies->narrower)) {
		cookie = slot->cookie + cookies->step;
		/* Skip generation 0, so that no cookie is 0. */
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

static inline struct iof_cookie_slot *
iof_cookie_find(const struct iof_cookies *cookies, u32 cookie)
{
	struct iof_cookie_slot *slot;

	if (unlikely(!cookies->bits))
		return NULL;
	slot = iof_cookie_slot_at(cookies, cookie & (cookies->step - 1));
	if (likely(slot->cookie == cookie && slot->out))
		return slot;
	/*
	 * One width only, unless a device was attached after cookies had been
	 * given.
	 */
	return cookies->narrower ? iof_cookie_find_narrower(cookies, cookie) :
				   NULL;
}

/* Returns the owner of a given cookie, or NULL. */
static inline void *iof_cookie_owner(const struct iof_cookies *cookies,
				     u32 cookie)
{
	struct iof_cookie_slot *slot = iof_cookie_find(cookies, cookie);

	return slot ? slot->owner : NULL;
}

/* Takes a cookie back. Returns its owner, or NULL if it is not given. */
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

/* Prefetches the slot of a cookie, whether or not the cookie is given. */
static inline void iof_cookie_prefetch(const struct iof_cookies *cookies,
				       u32 cookie)
{
	if (cookies->bits)
		prefetchw(iof_cookie_slot_at(cookies,
					     cookie & (cookies->step - 1)));
}

/*
 * Returns the owner in slot @index, or NULL. For a walk over all given cookies.
 */
void *iof_cookie_owner_at(const struct iof_cookies *cookies, u32 index);
/* Frees the table. No cookie may be given after this. */
void iof_cookies_free(struct iof_cookies *cookies);

#endif
