#include "lj_histogram.h"

#include <math.h>
#include <string.h>

#define STEPS_LOG2 5
#define STEPS	   (1u << STEPS_LOG2)

/* Values below 32 have a bucket each; above, each power of two has 32. */
static uint32_t bucket_of(uint64_t value)
{
	uint32_t power;

	if (value < STEPS)
		return (uint32_t)value;
	power = 63 - (uint32_t)__builtin_clzll(value) - STEPS_LOG2;
	return RTE_MIN((power + 1) * STEPS + (uint32_t)((value >> power) - STEPS),
		       (uint32_t)LJ_HISTOGRAM_BUCKETS - 1);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(uint32_t bucket)
{
	uint32_t power = bucket / STEPS;

	if (power == 0)
		return bucket;
	return ((uint64_t)(STEPS + bucket % STEPS + 1) << (power - 1)) - 1;
}

void lj_histogram_init(struct lj_histogram *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void lj_histogram_record(struct lj_histogram *h, uint64_t value)
{
	uint64_t *bucket = &h->bucket[bucket_of(value)];

	__atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->count, h->count + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&h->sum, h->sum + value, __ATOMIC_RELAXED);
	if (value < h->min)
		__atomic_store_n(&h->min, value, __ATOMIC_RELAXED);
	if (value > h->max)
		__atomic_store_n(&h->max, value, __ATOMIC_RELAXED);
}

void lj_histogram_add(struct lj_histogram *to, const struct lj_histogram *from)
{
	for (int i = 0; i < LJ_HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += __atomic_load_n(&from->bucket[i], __ATOMIC_RELAXED);
	to->count += from->count;
	to->sum += from->sum;
	to->min = RTE_MIN(to->min, from->min);
	to->max = RTE_MAX(to->max, from->max);
}

uint64_t lj_histogram_percentile(const struct lj_histogram *h, double percent)
{
	uint64_t rank = (uint64_t)ceil(percent / 100 * (double)h->count), seen = 0;

	if (h->count == 0)
		return 0;
	for (uint32_t i = 0; i < LJ_HISTOGRAM_BUCKETS; i++) {
		seen += __atomic_load_n(&h->bucket[i], __ATOMIC_RELAXED);
		if (seen >= RTE_MAX(rank, 1ULL))
			return bucket_end(i) < h->min ? h->min : RTE_MIN(bucket_end(i), h->max);
	}
	return h->max;
}

double lj_histogram_mean(const struct lj_histogram *h)
{
	return h->count > 0 ? (double)h->sum / (double)h->count : 0;
}
