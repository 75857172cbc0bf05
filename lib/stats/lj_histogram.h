/*
 * A histogram of nanoseconds (or any u64) with a resolution of 1/32, about 3 %: 32 linear steps to
 * a power of two (HdrHistogram's layout). One writer; any reader; a reader beside the writer may
 * see the latest records in some words and not yet in others, never a torn word.
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
/* to += from. `to` is the caller's own. */
void lj_histogram_add(struct lj_histogram *to, const struct lj_histogram *from);
/* The value at or below which `percent` (0..100) of the records lie, within the recorded min..max;
 * 0 when empty. */
uint64_t lj_histogram_percentile(const struct lj_histogram *h, double percent);
/* How many records are at or below `value`, as far as the resolution tells: those of the buckets
 * that end there. */
uint64_t lj_histogram_below(const struct lj_histogram *h, uint64_t value);
/* Fills the caller's `since` with what `now` has more than `before`, an earlier copy of it. Of
 * min and max the resolution's ends are known. */
void lj_histogram_since(struct lj_histogram *since, const struct lj_histogram *now,
			const struct lj_histogram *before);
double lj_histogram_mean(const struct lj_histogram *h);

#endif
