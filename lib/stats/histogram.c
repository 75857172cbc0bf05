#include "lj_histogram.h"

#include <math.h>
#include <string.h>

#define STEPS_LOG2 5
#define STEPS	   (1u << STEPS_LOG2)

/* Values below 32 have a bucket each; above, there are 32 buckets per power of two. */
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

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/*
 * Min and max are written before the bucket, and the count last: a reader that reads the count, or
 * a bucket, before the others sees in them at least these records.
 */
void lj_histogram_record(struct lj_histogram *h, uint64_t value)
{
	uint64_t *bucket = &h->bucket[bucket_of(value)];

	if (value < h->min)
		store(&h->min, value);
	if (value > h->max)
		store(&h->max, value);
	store(&h->sum, h->sum + value);
	__atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&h->count, h->count + 1, __ATOMIC_RELEASE);
}

void lj_histogram_add(struct lj_histogram *to, const struct lj_histogram *from)
{
	/* Not from->count: a writer may be ahead of it in the buckets. */
	for (int i = 0; i < LJ_HISTOGRAM_BUCKETS; i++) {
		uint64_t n = __atomic_load_n(&from->bucket[i], __ATOMIC_ACQUIRE);

		to->bucket[i] += n;
		to->count += n;
	}
	to->sum += load(&from->sum);
	to->min = RTE_MIN(to->min, load(&from->min));
	to->max = RTE_MAX(to->max, load(&from->max));
}

uint64_t lj_histogram_percentile(const struct lj_histogram *h, double percent)
{
	uint64_t count = __atomic_load_n(&h->count, __ATOMIC_ACQUIRE);
	/* Multiply first: 99.9 / 100 * 1000 is a little more than 999. */
	uint64_t rank = (uint64_t)ceil(percent * (double)count / 100);
	uint64_t seen = 0, value;

	if (count == 0)
		return 0;
	rank = RTE_MAX(rank, (uint64_t)1);
	rank = RTE_MIN(rank, count);
	for (uint32_t i = 0; i < LJ_HISTOGRAM_BUCKETS; i++) {
		seen += load(&h->bucket[i]);
		if (seen >= rank) {
			value = RTE_MIN(bucket_end(i), load(&h->max));
			return RTE_MAX(value, load(&h->min));
		}
	}
	return load(&h->max);
}

uint64_t lj_histogram_below(const struct lj_histogram *h, uint64_t value)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < LJ_HISTOGRAM_BUCKETS && bucket_end(i) <= value; i++)
		n += load(&h->bucket[i]);
	return n;
}

void lj_histogram_since(struct lj_histogram *since, const struct lj_histogram *now,
			const struct lj_histogram *before)
{
	lj_histogram_init(since);
	for (uint32_t i = 0; i < LJ_HISTOGRAM_BUCKETS; i++) {
		since->bucket[i] = now->bucket[i] - before->bucket[i];
		if (since->bucket[i] == 0)
			continue;
		since->count += since->bucket[i];
		since->min = RTE_MIN(since->min, i > 0 ? bucket_end(i - 1) + 1 : 0);
		since->max = bucket_end(i);
	}
	since->sum = now->sum - before->sum;
}

double lj_histogram_mean(const struct lj_histogram *h)
{
	uint64_t count = __atomic_load_n(&h->count, __ATOMIC_ACQUIRE);

	return count > 0 ? (double)load(&h->sum) / (double)count : 0;
}
