/*
 * A histogram of 64-bit values, such as nanoseconds, with a resolution of 1/32 (about 3 %): 32
 * linear buckets per power of two, as in HdrHistogram.
 *
 * Thread: one writer, any number of readers. A concurrent reader never sees a torn word, but may
 * see the latest records in some words and not yet in others.
 */
#ifndef LJ_HISTOGRAM_H
#define LJ_HISTOGRAM_H

#include <stdint.h>

#include <rte_common.h>

#define LJ_HISTOGRAM_BUCKETS (32 * 60)

struct lj_histogram {
	uint64_t count, sum, min, max; /* min is UINT64_MAX while count is 0 */
	uint64_t bucket[LJ_HISTOGRAM_BUCKETS];
} __rte_aligned(128);

void lj_histogram_init(struct lj_histogram *h);
void lj_histogram_record(struct lj_histogram *h, uint64_t value);
/* to += from. `to` is private to the caller. `from` may be being written: what is added to the
 * count is the sum of what is added to the buckets. */
void lj_histogram_add(struct lj_histogram *to, const struct lj_histogram *from);
/* The value at or below which `percent` (0..100) of the records lie, limited to the recorded
 * min..max; 0 if empty. */
uint64_t lj_histogram_percentile(const struct lj_histogram *h, double percent);
/* The number of records in the buckets that lie entirely at or below `value`. */
uint64_t lj_histogram_below(const struct lj_histogram *h, uint64_t value);
/* since = now - before, where `before` is an earlier copy of `now`. Min and max are those of the
 * buckets. `since` is private to the caller. */
void lj_histogram_since(struct lj_histogram *since, const struct lj_histogram *now,
			const struct lj_histogram *before);
double lj_histogram_mean(const struct lj_histogram *h);

#endif
