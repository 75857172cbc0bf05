/*
 * Private: functions for the expressions of features*.def.
 *
 * Variances are computed from exact integer sums, without rounding before the difference is taken.
 * Values that do not exist are NaN in our own sets, and 0 in those of other tools (CICFlowMeter,
 * nProbe, argus), whose functions are in formula_other.h.
 */
#ifndef FORMULA_H
#define FORMULA_H

#include <math.h>
#include <netinet/in.h>

#include "feature_table.h"

static inline double us(uint64_t ns)
{
	return (double)ns / 1e3;
}

static inline double ratio(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : NAN;
}

static inline double mean(uint64_t sum, uint64_t n)
{
	return ratio(sum, n);
}

static inline double mean_us(uint64_t sum_ns, uint64_t n)
{
	return n > 0 ? us(sum_ns) / (double)n : NAN;
}

/*
 * n * sum of squares - square of the sum, which is n^2 times the population variance. Exact while
 * the sum of squares is below 2^96 (gaps of 78 hours in ns, since n has 32 bits); beyond that in
 * double. Can be negative if time goes back within the capture: then 0.
 */
static inline double spread(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	unsigned __int128 squares = sumsq * n, square = (unsigned __int128)sum * sum;

	if (sumsq >> 96 != 0) {
		double difference = (double)sumsq * n - (double)sum * (double)sum;

		return difference > 0 ? difference : 0;
	}
	return squares > square ? (double)(squares - square) : 0;
}

/* Population standard deviation. */
static inline double std(unsigned __int128 sumsq, uint64_t sum, uint32_t n)
{
	return n > 0 ? sqrt(spread(sumsq, sum, n)) / n : NAN;
}

static inline double per_second(uint64_t count, uint64_t ns)
{
	return ns > 0 ? (double)count * 1e9 / (double)ns : NAN;
}

static inline double gap_mean(uint64_t span_ns, uint32_t packets)
{
	return packets > 1 ? us(span_ns) / (packets - 1) : NAN;
}

static inline double gap_std(unsigned __int128 sumsq, uint64_t span_ns, uint32_t packets)
{
	return packets > 1 ? std(sumsq, span_ns, packets - 1) / 1e3 : NAN;
}

static inline uint64_t span(const struct lj_flow *f)
{
	return f->last_ns - f->first_ns;
}

static inline uint64_t side_span(const struct lj_flow_side *s)
{
	return s->last_ns - s->first_ns;
}

static inline double side_gap_mean(const struct lj_flow_side *s)
{
	return gap_mean(side_span(s), s->packets);
}

static inline double side_gap_std(const struct lj_flow_side *s)
{
	return gap_std(s->gap_sumsq, side_span(s), s->packets);
}

static inline double between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns != 0 && to_ns >= from_ns ? us(to_ns - from_ns) : NAN;
}

/* Bytes of IP and L4 headers. */
static inline uint64_t header_sum(const struct lj_flow_side *s)
{
	return s->length_sum - s->payload_sum;
}

static inline uint64_t both_length_sum(const struct lj_flow *f)
{
	return f->side[0].length_sum + f->side[1].length_sum;
}

static inline double both_length_std(const struct lj_flow *f)
{
	return std((unsigned __int128)f->side[0].length_sumsq + f->side[1].length_sumsq,
		   both_length_sum(f), f->packets);
}

static inline double both_length_min(const struct lj_flow *f)
{
	const struct lj_flow_side *a = &f->side[0], *b = &f->side[1];

	if (a->packets == 0 || b->packets == 0)
		return a->packets > 0 ? a->length_min : b->length_min;
	return RTE_MIN(a->length_min, b->length_min);
}

static inline double splt_length(const struct lj_flow *f, uint32_t i)
{
	double length = f->splt.length[i];

	if (i >= f->packets)
		return NAN;
	return (f->splt_sides >> i) & 1 ? -length : length;
}

static inline double splt_gap(const struct lj_flow *f, uint32_t i)
{
	/* NAN is a float: without the casts a long gap would be rounded to float. */
	return i < f->packets ? (double)f->splt.gap_us[i] : (double)NAN;
}

static inline bool sent_tcp(const struct lj_flow *f, int side)
{
	return f->key.proto == IPPROTO_TCP && f->side[side].packets > 0;
}

#endif
