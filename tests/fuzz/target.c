// SPDX-License-Identifier: MIT
/*
 * target.c - the functions that libFuzzer calls: one runs an input, others mutate it. Mutations
 * keep records whole, so that an input still reaches the same state after an insertion or a removal
 * before it.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const u8 *one, size_t one_size, const u8 *two, size_t two_size,
				 u8 *out, size_t max, unsigned int seed);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	atexit(fuzz_end);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	fuzz_run(data, size);
	return 0;
}

static u32 next(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static struct fuzz_act from_seed(u64 *state)
{
	const struct fuzz_seed *seed = &fuzz_seeds[next(state) % fuzz_nr_seeds];

	return seed->acts[next(state) % seed->nr];
}

/* Changes one field of a record to a value that is near. */
static void change_field(struct fuzz_act *a, u64 *state)
{
	u32 value = next(state);

	switch (next(state) % 14) {
	case 0:
		a->op = value % FUZZ_NR_OPS;
		break;
	case 1:
		a->where ^= value & 1;
		break;
	case 2:
		a->where = value & 15;
		break;
	case 3:
		a->damage = FUZZ_DAMAGED + value % FUZZ_NR_DAMAGES;
		a->at = value >> 8 & 31;
		break;
	case 4:
		a->damage = 0;
		break;
	case 5:
		a->id[value % 3] = value >> 8 & 3;
		break;
	case 6:
		a->id[value % 3] = 0x80 | (value >> 8 & 0x3f);
		break;
	case 7:
		a->small = value & 7;
		break;
	case 8:
		a->flags ^= 1u << value % 20;
		break;
	case 9:
		a->ptr = value & 1 ? value >> 8 & 0x1f : value >> 8;
		break;
	case 10:
		a->iova[value & 1] = value & 2 ? value >> 8 & 0x1f : value >> 8;
		break;
	case 11:
		a->len = value & 1 ? value >> 8 & 0x1f : value >> 8;
		break;
	case 12:
		a->extra = value & 15;
		break;
	default:
		a->extra = value << (value & 1);
	}
}

static size_t mutate_once(u8 *data, size_t size, size_t max, u64 *state)
{
	size_t nr = size / FUZZ_RECORD, i = nr ? next(state) % nr : 0;
	struct fuzz_act *acts = (struct fuzz_act *)data, one;
	bool room = size + FUZZ_RECORD <= max;

	switch (next(state) % 10) {
	case 0:
		if (nr)
			LLVMFuzzerMutate(data + i * FUZZ_RECORD, FUZZ_RECORD, FUZZ_RECORD);
		return size;
	case 1: /* insert an action: of another input, or of this one */
	case 2:
		one = nr && next(state) % 2 ? acts[next(state) % nr] : from_seed(state);
		if (!room)
			return size;
		memmove(&acts[i + 1], &acts[i], (nr - i) * FUZZ_RECORD);
		acts[i] = one;
		return size + FUZZ_RECORD;
	case 3: /* remove an action */
		if (nr < 2)
			return size;
		memmove(&acts[i], &acts[i + 1], (nr - i - 1) * FUZZ_RECORD);
		return size - FUZZ_RECORD;
	case 4: /* move an action */
		if (nr < 2)
			return size;
		one = acts[i];
		acts[i] = acts[(i + 1) % nr];
		acts[(i + 1) % nr] = one;
		return size;
	case 5: /* append an action */
		if (!room)
			return size;
		acts[nr] = from_seed(state);
		return size + FUZZ_RECORD;
	default:
		if (nr)
			change_field(&acts[i], state);
		return size;
	}
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	static struct fuzz_act buf[FUZZ_MOST_ACTIONS];
	size_t most = min(max, sizeof(buf)) / FUZZ_RECORD * FUZZ_RECORD;
	u64 state = seed;
	unsigned int n;

	if (!most)
		return LLVMFuzzerMutate(data, size, max);
	size = min(size, most) / FUZZ_RECORD * FUZZ_RECORD;
	memcpy(buf, data, size);
	for (n = 1 + next(&state) % 4; n; n--)
		size = mutate_once((u8 *)buf, size, most, &state);
	memcpy(data, buf, size);
	return size;
}

/*
 * Joins the beginning of one input, a piece of the other, and the rest of the first or a part of
 * it.
 */
size_t LLVMFuzzerCustomCrossOver(const u8 *one, size_t one_size, const u8 *two, size_t two_size,
				 u8 *out, size_t max, unsigned int seed)
{
	size_t n1 = one_size / FUZZ_RECORD, n2 = two_size / FUZZ_RECORD, most = max / FUZZ_RECORD;
	size_t at, from, nr, skip, rest;
	u64 state = seed;

	most = min(most, (size_t)FUZZ_MOST_ACTIONS);
	at = min((size_t)next(&state) % (n1 + 1), most);
	from = n2 ? next(&state) % n2 : 0;
	nr = n2 ? 1 + next(&state) % (n2 - from) : 0;
	nr = min(nr, most - at);
	skip = next(&state) % 2 ? min(nr, n1 - at) : 0;
	rest = min(n1 - at - skip, most - at - nr);
	memcpy(out, one, at * FUZZ_RECORD);
	memcpy(out + at * FUZZ_RECORD, two + from * FUZZ_RECORD, nr * FUZZ_RECORD);
	memcpy(out + (at + nr) * FUZZ_RECORD, one + (at + skip) * FUZZ_RECORD, rest * FUZZ_RECORD);
	return (at + nr + rest) * FUZZ_RECORD;
}
