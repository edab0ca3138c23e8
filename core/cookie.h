/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * cookie.h - the cookies of one fault queue: which open group a response names.
 *
 * A cookie is a slot index in its low bits and a generation above. The
 * generation counts the uses of the slot, so that a late or invented response
 * misses. Slots are reused first in, first out. Cookie 0 is never given. With N
 * index bits, a cookie is given again after 2^(32-N)-1 reuses of its slot.
 *
 * The table grows by whole segments that never move, ahead of the faults that
 * need them. So giving and taking a cookie allocates nothing and costs the same
 * at any fill. Cookies that were given before a growth keep their narrower
 * index: a look-up tries the present width first, then those of cookies that
 * are still given.
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
	/* number of index bits of @cookie; 0: it is the bare index */
	u8 bits;
	bool out;
};

struct iof_cookies {
	struct iof_cookie_slot *segment[IOF_COOKIE_SEGMENTS];
	u32 bits; /* there are 2^bits slots; 0: no slots yet */
	/* 2^bits: the difference between two generations of a slot */
	u32 step;
	/*
	 * Bit w: of the cookies with w index bits that were given before the
	 * table grew, some may still be given; @nr_narrower of all these are.
	 */
	u32 narrower;
	u32 nr_narrower;
	/* a new cookie may equal one of these: the generations came round */
	bool collide;
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
/* @nr_given: the number of cookies that are given. */
void iof_cookie_grow(struct iof_cookies *cookies,
		     struct iof_cookie_growth *growth, u32 nr_given);
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
 * Returns the slot's next cookie. Called if its last cookie has another width,
 * or if the generations come round.
 */
u32 iof_cookie_next_slow(struct iof_cookies *cookies,
			 const struct iof_cookie_slot *slot);
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
	cookie = slot->cookie + cookies->step;
	if (unlikely(slot->bits != cookies->bits || cookies->collide ||
		     cookie < cookies->step)) {
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
	/* One width only, unless the table grew since @cookie was given. */
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

/* The last cookie of another width came back. */
void iof_cookie_forget_narrower(struct iof_cookies *cookies);

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
	if (unlikely(slot->bits != cookies->bits) && !--cookies->nr_narrower)
		iof_cookie_forget_narrower(cookies);
	return owner;
}

/* The number of slots. */
static inline u32 iof_cookie_slots(const struct iof_cookies *cookies)
{
	return cookies->bits ? 1u << cookies->bits : 0;
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
