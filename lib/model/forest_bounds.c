/*
 * Bounds of what the remaining trees can add to a sum, and so when a row's side of the threshold
 * and its class are certain. All are computed in double and rounded outward: a bound that is too
 * wide costs a few trees, one that is too narrow gives a wrong verdict.
 */
#include <math.h>
#include <stdlib.h>

#include "forest_parts.h"

#define MAGNITUDE_MAX 1e5   /* of a margin; above, float32 is too coarse for MARGIN_SLACK */
#define THRESHOLD_MIN 1e-30 /* below, the sigmoid's rounding error is no longer relative */

/*
 * Much larger than the float32 rounding errors of the transforms: relative and absolute for a
 * probability, relative for a margin.
 */
#define PROBABILITY_SLACK 1e-5
#define MARGIN_SLACK	  1e-5

/* Fills the least and the greatest leaf of each tree, [trees]. Returns an upper bound of the
 * absolute value of any partial sum. */
static double fill_extremes(const struct forest *f, float *least, float *most)
{
	double magnitude = fabs((double)f->base_margin);

	for (uint32_t t = 0; t < f->trees; t++) {
		uint32_t end = t + 1 < f->trees ? f->tree[t + 1].node : f->nodes;

		least[t] = INFINITY;
		most[t] = -INFINITY;
		for (uint32_t i = f->tree[t].node; i < end; i++)
			if (isnan(f->node[i].threshold)) {
				least[t] = fminf(least[t], f->node[i].leaf);
				most[t] = fmaxf(most[t], f->node[i].leaf);
			}
		magnitude += fmax(fabs((double)least[t]), fabs((double)most[t]));
	}
	return magnitude;
}

/* Rounds to float towards minus infinity; up() towards plus infinity. */
static float down(double x)
{
	float y = (float)x;

	return (double)y > x ? nextafterf(y, -INFINITY) : y;
}

static float up(double x)
{
	return -down(-x);
}

/* Fills low and high: for each stage and output the bounds of what the trees from there on add to a
 * float32 sum. */
static void fill_rest(const struct forest *f, struct forest_bounds *b, const float *least,
		      const float *most, double magnitude)
{
	double low[FOREST_DECIDED_OUTPUTS] = {0}, high[FOREST_DECIDED_OUTPUTS] = {0};
	uint32_t t = f->trees;

	for (uint32_t stage = b->stages + 1; stage-- > 0;) {
		uint32_t from = RTE_MIN(stage * b->width, f->trees);
		double rounded;

		while (t > from) {
			t--;
			low[f->tree[t].output] += (double)least[t];
			high[f->tree[t].output] += (double)most[t];
		}
		/* Rounding: half an ulp per tree, doubled to cover the additions of this bound,
		 * too. */
		rounded = (f->trees - from + 16) * magnitude * 0x1p-23;
		for (uint32_t k = 0; k < f->outputs; k++) {
			b->low[stage * f->outputs + k] = down(low[k] - rounded);
			b->high[stage * f->outputs + k] = up(high[k] + rounded);
		}
	}
}

static double logit(double p)
{
	return log(p / (1 - p));
}

/* One output: the sums from which a row certainly stays below or above the threshold. */
static void fill_sides(struct forest_bounds *b, float threshold)
{
	double surely_under = (double)threshold * (1 - PROBABILITY_SLACK);
	double surely_over = (double)threshold * (1 + PROBABILITY_SLACK);
	double under = -INFINITY, over = INFINITY;

	if ((double)threshold > THRESHOLD_MIN)
		under = logit(surely_under);
	if ((double)threshold > THRESHOLD_MIN && surely_over < 1)
		over = logit(surely_over);
	under -= MARGIN_SLACK * (1 + fabs(under));
	over += MARGIN_SLACK * (1 + fabs(over));
	for (uint32_t stage = 0; stage <= b->stages; stage++) {
		b->under[stage] = down(under - (double)b->high[stage]);
		b->over[stage] = up(over - (double)b->low[stage]);
	}
}

/* Several outputs: the same for the lead of the highest of the others over output 0. */
static void fill_leads(const struct forest *f, struct forest_bounds *b)
{
	double over = (double)b->threshold + (double)b->gap;
	double under = (double)b->threshold - (double)b->gap;

	b->lead_over = over < 1 ? up(logit(over)) : INFINITY;
	b->lead_under = under > 0 ? down(logit(under)) : -INFINITY;
	b->lead_spread = up(log(f->outputs - 1));
}

/* Whether the extreme sums at `stage` allow any class to lead so far that no other can overtake
 * it. */
static bool could_lead(const struct forest *f, const struct forest_bounds *b, uint32_t stage,
		       const double *low, const double *high)
{
	const float *rest_low = b->low + stage * f->outputs,
		    *rest_high = b->high + stage * f->outputs;

	for (uint32_t k = 0; k < f->outputs; k++) {
		bool leads = true;

		for (uint32_t j = 0; j < f->outputs; j++)
			leads = leads && (j == k || high[k] + (double)rest_low[k] >=
							    low[j] + (double)rest_high[j]);
		if (leads)
			return true;
	}
	return false;
}

/* The first stage at which any row could be decided, given the most extreme sums possible. */
static uint32_t first_stage(const struct forest *f, const struct forest_bounds *b,
			    const float *least, const float *most)
{
	double low[FOREST_DECIDED_OUTPUTS] = {0}, high[FOREST_DECIDED_OUTPUTS] = {0};
	double base = (double)f->base_margin;

	for (uint32_t t = 0; t < f->trees; t++) {
		uint32_t stage = (t + 1) / b->width;

		low[f->tree[t].output] += (double)least[t];
		high[f->tree[t].output] += (double)most[t];
		if ((t + 1) % b->width != 0)
			continue;
		if (f->outputs > 1 ? could_lead(f, b, stage, low, high)
				   : base + low[0] <= (double)b->under[stage] ||
					     base + high[0] >= (double)b->over[stage])
			return stage;
	}
	return b->stages;
}

static struct forest_bounds *allocate(const struct forest *f)
{
	struct forest_bounds *b = calloc(1, sizeof(*b));
	/* With several outputs the check costs more, and each output is changed by only some of the
	 * trees. */
	uint32_t width = FOREST_STAGE * f->outputs / (f->outputs > 1 ? 2 : 1);
	uint32_t stages = (f->trees + width - 1) / width;

	if (b == NULL)
		return NULL;
	b->width = width;
	b->stages = stages;
	b->low = calloc((stages + 1) * f->outputs, sizeof(*b->low));
	b->high = calloc((stages + 1) * f->outputs, sizeof(*b->high));
	b->under = calloc(stages + 1, sizeof(*b->under));
	b->over = calloc(stages + 1, sizeof(*b->over));
	if (b->low != NULL && b->high != NULL && b->under != NULL && b->over != NULL)
		return b;
	forest_unbound(b);
	return NULL;
}

struct forest_bounds *forest_bound(const struct forest *f, float threshold)
{
	float *least = malloc(f->trees * sizeof(*least)), *most = malloc(f->trees * sizeof(*most));
	struct forest_bounds *b = NULL;
	double magnitude;

	if (least == NULL || most == NULL || f->outputs > FOREST_DECIDED_OUTPUTS ||
	    (f->outputs > 1) != (f->transform == FOREST_SOFTMAX))
		goto out;
	magnitude = fill_extremes(f, least, most);
	if (!(magnitude <= MAGNITUDE_MAX))
		goto out;
	b = allocate(f);
	if (b == NULL)
		goto out;
	b->threshold = threshold;
	b->gap = (float)(PROBABILITY_SLACK + 1e-6 * magnitude);
	fill_rest(f, b, least, most, magnitude);
	if (f->outputs == 1)
		fill_sides(b, threshold);
	else
		fill_leads(f, b);
	b->first = first_stage(f, b, least, most);
out:
	free(least);
	free(most);
	return b;
}

void forest_unbound(struct forest_bounds *b)
{
	if (b == NULL)
		return;
	free(b->low);
	free(b->high);
	free(b->under);
	free(b->over);
	free(b);
}
