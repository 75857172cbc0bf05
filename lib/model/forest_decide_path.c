/*
 * Scores until the verdict is certain. Stage by stage, rows are dropped whose side of the threshold
 * and whose class no tree that is left can change; what is given for them is the end of their
 * bounds that is nearest to the other verdict, so whoever decides by it decides the same.
 */
#include <math.h>
#include <string.h>

#include "forest_parts.h"

/* The rows of a block that are not decided. */
struct live {
	enum forest_kernel kernel;
	uint32_t n;
	uint8_t row[FOREST_ROWS];
};

static bool decide_side(const struct forest_bounds *b, uint32_t stage, float sum, float *margin)
{
	if (sum <= b->under[stage])
		*margin = sum + b->high[stage];
	else if (sum >= b->over[stage])
		*margin = sum + b->low[stage];
	else
		return false;
	return true;
}

/* The margins with output 0 at one end of its bounds and the others at the other; 1 - its
 * probability. */
static float corner(const struct forest *f, const float *zero, const float *others,
		    const float *sums, uint32_t step, float *margins)
{
	float rest = 0;

	margins[0] = sums[0] + zero[0];
	for (uint32_t k = 1; k < f->outputs; k++) {
		margins[k] = sums[k * step] + others[k];
		rest += expf(margins[k] - margins[0]);
	}
	return isinf(rest) ? 1 : rest / (1 + rest);
}

/* Whether one class stays the likeliest, whatever comes. */
static bool has_winner(const struct forest *f, uint32_t stage, const float *sums, uint32_t step)
{
	const struct forest_bounds *b = f->bounds;
	const float *low = b->low + stage * f->outputs, *high = b->high + stage * f->outputs;
	uint32_t best = 0;

	for (uint32_t k = 1; k < f->outputs; k++)
		if (sums[k * step] + low[k] > sums[best * step] + low[best])
			best = k;
	for (uint32_t k = 0; k < f->outputs; k++)
		if (k != best &&
		    !(sums[best * step] + low[best] > sums[k * step] + high[k] + b->gap))
			return false;
	return true;
}

static bool decide_class(const struct forest *f, uint32_t stage, const float *sums, uint32_t step,
			 float *margins)
{
	const struct forest_bounds *b = f->bounds;
	const float *low = b->low + stage * f->outputs, *high = b->high + stage * f->outputs;

	if (!has_winner(f, stage, sums, step))
		return false;
	return corner(f, high, low, sums, step, margins) >= b->threshold + b->gap ||
	       corner(f, low, high, sums, step, margins) <= b->threshold - b->gap;
}

/* The j-th live row becomes the i-th: what its kernel holds of it. */
static void move(struct forest_slot *s, uint32_t j, uint32_t i)
{
	uint32_t outputs = s->forest->outputs;

	s->row[i] = s->row[j];
	memcpy(s->sums + i * outputs, s->sums + j * outputs, outputs * sizeof(*s->sums));
	if (!s->forest->ranked)
		return;
	memcpy(s->rows + i * FOREST_COLUMNS_MAX, s->rows + j * FOREST_COLUMNS_MAX,
	       FOREST_COLUMNS_MAX);
	memcpy(s->standing + i * FOREST_TREES, s->standing + j * FOREST_TREES, FOREST_TREES);
}

/* Gives the margins of rows that are decided, or of all when no tree is left; drops those. */
static void drop_decided(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
			 uint8_t *decided)
{
	const struct forest *f = s->forest;
	bool columns = forest_is_row_lane(live->kernel), last = stage == f->bounds->stages;
	uint32_t kept = 0, step;

	for (uint32_t j = 0; j < live->n; j++) {
		uint32_t row = live->row[j];
		const float *sums = forest_sums(s, live->kernel, columns ? row : j, &step);
		float *out = margins + row * f->outputs;
		bool sure = !last && (f->outputs == 1 ? decide_side(f->bounds, stage, *sums, out)
						      : decide_class(f, stage, sums, step, out));

		decided[row] = sure;
		if (sure)
			continue;
		for (uint32_t k = 0; last && k < f->outputs; k++)
			out[k] = sums[k * step];
		if (kept != j && !columns)
			move(s, j, kept);
		live->row[kept++] = (uint8_t)row;
	}
	/* This lcore's own count, which others may read. */
	__atomic_store_n(&s->ended[stage], s->ended[stage] + live->n - (last ? 0 : kept),
			 __ATOMIC_RELAXED);
	live->n = last ? 0 : kept;
}

/* From a lane a row to what suits the few that are left: their ranks and sums, row by row. */
static void leave_lanes(struct forest_slot *s, struct live *live)
{
	const struct forest *f = s->forest;
	float *sums = s->turned; /* has served its turn */

	live->kernel = s->best[live->n];
	for (uint32_t j = 0; j < live->n; j++) {
		uint8_t *row = s->rows + j * FOREST_COLUMNS_MAX;

		for (uint32_t c = 0; c < f->columns; c++)
			row[c] = (uint8_t)s->columns[c * FOREST_ROWS + live->row[j]] ^ 0x80U;
		for (uint32_t k = 0; k < f->outputs; k++)
			sums[j * f->outputs + k] = s->sums[k * FOREST_ROWS + live->row[j]];
	}
	memcpy(s->sums, sums, live->n * f->outputs * sizeof(*sums));
	s->stood = UINT32_MAX;
}

static void decide_block(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
			 uint8_t *decided)
{
	const struct forest *f = s->forest;
	struct live live = {.kernel = s->best[n], .n = n};
	uint32_t from = 0;

	for (uint32_t r = 0; r < n; r++)
		live.row[r] = (uint8_t)r;
	forest_begin(s, live.kernel, matrix, n);
	for (uint32_t stage = f->bounds->first; live.n > 0; stage++) {
		uint32_t to = RTE_MIN(stage * FOREST_STAGE, f->trees);

		forest_add(s, live.kernel, forest_is_row_lane(live.kernel) ? n : live.n, from, to);
		from = to;
		drop_decided(s, &live, stage, margins, decided);
		if (live.n > 0 && forest_is_row_lane(live.kernel) &&
		    !forest_is_row_lane(s->best[live.n]))
			leave_lanes(s, &live);
	}
}

void forest_decide(struct forest_slot *s, const float *matrix, uint32_t n, float *probabilities,
		   uint8_t *decided)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0, rows; i < n; i += rows) {
		rows = RTE_MIN(n - i, (uint32_t)FOREST_ROWS);
		decide_block(s, matrix + (size_t)i * f->features, rows, s->margins, decided + i);
		forest_transform(f, s->margins, rows, probabilities + i * f->outputs);
	}
}
