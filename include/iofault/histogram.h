/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - a small latency histogram: 16 buckets for each power of two of nanoseconds.
 *
 * A value is kept with an error of at most 1/16; above 2^40 ns (18 minutes) values share the last
 * bucket. Everything is inline and plain: zero the struct to begin, give it to one thread at a
 * time, merge those of several threads at the end.
 */
#ifndef IOFAULT_HISTOGRAM_H
#define IOFAULT_HISTOGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOF_HISTOGRAM_TOP     40u /* bits of the largest value that has a bucket of its own */
#define IOF_HISTOGRAM_BUCKETS ((IOF_HISTOGRAM_TOP - 3) * 16)

/**
 * struct iof_histogram - a histogram; zeroes are an empty one
 * @count: number of values
 * @sum: sum of the values
 * @max: largest value, exact
 * @buckets: number of values in each bucket
 */
struct iof_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[IOF_HISTOGRAM_BUCKETS];
};

/**
 * iof_histogram_bucket() - the bucket of a value
 * @value: the value
 *
 * Return: index in @buckets.
 */
static inline uint32_t iof_histogram_bucket(uint64_t value)
{
	uint32_t top;

	if (value < 16)
		return (uint32_t)value;
	if (value >> IOF_HISTOGRAM_TOP)
		return IOF_HISTOGRAM_BUCKETS - 1;
	top = 63u - (uint32_t)__builtin_clzll(value);
	return (top - 3) * 16 + (uint32_t)((value >> (top - 4)) & 15);
}

/**
 * iof_histogram_floor() - the smallest value of a bucket
 * @bucket: index in @buckets
 *
 * Return: the value.
 */
static inline uint64_t iof_histogram_floor(uint32_t bucket)
{
	if (bucket < 32)
		return bucket;
	return (uint64_t)(16 + bucket % 16) << (bucket / 16 - 1);
}

/**
 * iof_histogram_add() - add a value
 * @histogram: the histogram
 * @value: the value
 * @times: how often
 */
static inline void iof_histogram_add(struct iof_histogram *histogram, uint64_t value,
				     uint64_t times)
{
	histogram->count += times;
	histogram->sum += value * times;
	if (times && value > histogram->max)
		histogram->max = value;
	histogram->buckets[iof_histogram_bucket(value)] += times;
}

/**
 * iof_histogram_merge() - add all values of a histogram to another
 * @to: the other
 * @from: the histogram
 */
static inline void iof_histogram_merge(struct iof_histogram *to, const struct iof_histogram *from)
{
	uint32_t i;

	to->count += from->count;
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
	for (i = 0; i < IOF_HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

/**
 * iof_histogram_quantile() - the value below which a share of all values lies
 * @histogram: the histogram
 * @share: 0 to 1
 *
 * Return: the value; 0 if the histogram is empty.
 */
static inline uint64_t iof_histogram_quantile(const struct iof_histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count;
	uint64_t seen = 0;
	uint32_t i;

	if (!histogram->count)
		return 0;
	for (i = 0; i < IOF_HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen && (double)seen >= wanted) {
			uint64_t value = i + 1 < IOF_HISTOGRAM_BUCKETS ?
						 iof_histogram_floor(i + 1) - 1 :
						 histogram->max;

			return value < histogram->max ? value : histogram->max;
		}
	}
	return histogram->max;
}

#ifdef __cplusplus
}
#endif

#endif /* IOFAULT_HISTOGRAM_H */
