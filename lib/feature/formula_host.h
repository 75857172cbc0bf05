/*
 * Private: functions on the host context for the expressions of features_host.def.
 */
#ifndef FORMULA_HOST_H
#define FORMULA_HOST_H

#include "formula.h"

/* For a row that reads that part of the context; includes what the outcome of a flow depends on. */
#define LJ_KEEP_CONTEXT(part)                                                                      \
	(LJ_KEEP_HOST | LJ_KEEP_TCP | LJ_KEEP_PAYLOAD |                                            \
	 (uint64_t)LJ_HOST_PART_##part << CONTEXT_SHIFT)
#define CONTEXT_SHIFT 32

static inline uint32_t host_failed(const struct lj_host_view *v)
{
	return v->count[LJ_HOST_UNANSWEREDS] + v->count[LJ_HOST_HALF_OPENS] +
	       v->count[LJ_HOST_REJECTEDS];
}

/* The share of flows whose size had been seen before: flows minus distinct sizes. */
static inline double host_alike(const struct lj_host_view *v)
{
	uint32_t ended = v->count[LJ_HOST_ENDED], sizes = v->count[LJ_HOST_SIZES];

	return ratio(ended > sizes ? ended - sizes : 0, ended);
}

/* The share sent, of all bytes of a host's flows in both roles. */
static inline double host_sent_share(const struct lj_host_view *a, const struct lj_host_view *b)
{
	uint64_t sent = a->sent + b->sent;

	return ratio(sent, sent + a->received + b->received);
}

static inline double host_mean(const uint32_t *values, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += values[i];
	return mean(sum, n);
}

/* Coefficient of variation: population standard deviation by mean. */
static inline double host_cv(const uint32_t *values, uint32_t n)
{
	unsigned __int128 sumsq = 0;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		sum += values[i];
		sumsq += (uint64_t)values[i] * values[i];
	}
	return n > 1 && sum > 0 ? std(sumsq, sum, n) * n / (double)sum : NAN;
}

/* Mean distance from the (upper) median, by the median. */
static inline double host_scatter(const uint32_t *values, uint32_t n)
{
	uint32_t sorted[LJ_HOST_RHYTHM];
	uint64_t distance = 0, middle;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = i;

		for (; at > 0 && sorted[at - 1] > values[i]; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = values[i];
	}
	if (n < 3 || sorted[n / 2] == 0)
		return NAN;
	middle = sorted[n / 2];
	for (uint32_t i = 0; i < n; i++)
		distance += sorted[i] > middle ? sorted[i] - middle : middle - sorted[i];
	return (double)distance / n / (double)middle;
}

static inline double host_rhythm_alike(const struct lj_host_rhythm *r)
{
	uint32_t repeated = 0;

	for (uint32_t i = 1; i < r->ends; i++)
		for (uint32_t earlier = 0; earlier < i; earlier++)
			if (r->size[earlier] == r->size[i]) {
				repeated++;
				break;
			}
	return ratio(repeated, r->ends);
}

static inline double host_opening(const struct lj_host_context *h, enum lj_host_opening which)
{
	return h->opened ? h->opening[which] : NAN;
}

static inline double host_opening_failed(const struct lj_host_context *h)
{
	return h->opened ? ratio(h->opening[LJ_HOST_OPENING_SRC_FAILED_60S],
				 h->opening[LJ_HOST_OPENING_SRC_ENDED_60S])
			 : NAN;
}

#endif
