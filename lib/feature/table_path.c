#include <math.h>

#include "feature_table.h"

/* --- what the expressions of features.def are made of --- */

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

/* Population standard deviation from exact sums: the difference is taken before anything is
 * rounded. */
static inline double std(unsigned __int128 sumsq, uint64_t sum, uint64_t n)
{
	unsigned __int128 difference = sumsq * n - (unsigned __int128)sum * sum;

	return n > 0 ? sqrt((double)difference) / (double)n : NAN;
}

static inline double per_second(uint64_t count, uint64_t ns)
{
	return ns > 0 ? (double)count * 1e9 / (double)ns : NAN;
}

static inline double gap_mean(uint64_t span_ns, uint64_t packets)
{
	return packets > 1 ? us(span_ns) / (double)(packets - 1) : NAN;
}

static inline double gap_std(unsigned __int128 sumsq, uint64_t span_ns, uint64_t packets)
{
	double n, variance;

	if (packets < 2)
		return NAN;
	/* Squares of ns over days times n pass 128 bits; in double the variance keeps 50 bits, and
	 * time no more. */
	n = (double)(packets - 1);
	variance = (double)sumsq / n - ((double)span_ns / n) * ((double)span_ns / n);
	return variance > 0 ? sqrt(variance) / 1e3 : 0;
}

static inline double side_gap_mean(const struct lj_flow_side *s)
{
	return gap_mean(s->last_ns - s->first_ns, s->packets);
}

static inline double side_gap_std(const struct lj_flow_side *s)
{
	return gap_std(s->gap_sumsq, s->last_ns - s->first_ns, s->packets);
}

static inline double between(uint64_t from_ns, uint64_t to_ns)
{
	return from_ns != 0 && to_ns >= from_ns ? us(to_ns - from_ns) : NAN;
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

static inline double splt_length(const struct lj_flow_splt *s, uint32_t i)
{
	if (i >= s->count)
		return NAN;
	return (s->sides >> i) & 1 ? -(double)s->length[i] : (double)s->length[i];
}

static inline double splt_gap(const struct lj_flow_splt *s, uint32_t i)
{
	return i < s->count ? s->gap_us[i] : NAN;
}

/* --- the table --- */

#define LJ_FEATURE(set, name, unit, keep, expression, help)                                        \
	static double name##_of(const struct lj_flow *f)                                           \
	{                                                                                          \
		return (double)(expression);                                                       \
	}
#include "features.def"
#undef LJ_FEATURE

const struct lj_feature_info feature_info[] = {
#define LJ_FEATURE(set, name, unit, keep, expression, help)                                        \
	{#name, #set, unit, #expression, help, keep},
#include "features.def"
#undef LJ_FEATURE
};

feature_value *const feature_values[] = {
#define LJ_FEATURE(set, name, unit, keep, expression, help) name##_of,
#include "features.def"
#undef LJ_FEATURE
};

const size_t n_features = RTE_DIM(feature_info);

void lj_feature_values(const struct lj_feature_plan *plan, const struct lj_flow *flow,
		       double *values)
{
	for (size_t i = 0; i < plan->size; i++)
		values[i] = plan->value[i](flow);
}

void lj_feature_extract(const struct lj_feature_plan *plan, const struct lj_flow *const *flows,
			uint16_t n, float *matrix)
{
	for (uint16_t row = 0; row < n; row++)
		for (size_t i = 0; i < plan->size; i++)
			*matrix++ = (float)plan->value[i](flows[row]);
}
