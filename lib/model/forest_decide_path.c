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
	uint64_t *ended; /* forest_slot.ended of the block's slot, or of the first of two */
	uint32_t rows;	 /* of the block, decided ones included */
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
	__atomic_store_n(&live->ended[stage], live->ended[stage] + live->n - (last ? 0 : kept),
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

static void begin(struct forest_slot *s, struct live *live, enum forest_kernel kernel,
		  const float *matrix, uint32_t n)
{
	live->kernel = kernel;
	live->rows = live->n = n;
	for (uint32_t r = 0; r < n; r++)
		live->row[r] = (uint8_t)r;
	forest_begin(s, kernel, matrix, n);
}

/* Trees before stage `stage`. */
static uint32_t trees_before(const struct forest *f, uint32_t stage)
{
	return RTE_MIN(stage * FOREST_STAGE, f->trees);
}

/* What is decided before `stage` goes; few that are left leave their lanes. */
static void conclude(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
		     uint8_t *decided)
{
	drop_decided(s, live, stage, margins, decided);
	if (live->n > 0 && forest_is_row_lane(live->kernel) &&
	    !forest_is_row_lane(s->best[live->n]))
		leave_lanes(s, live);
}

/* From the trees before `stage` on, which have been added, to the end. */
static void go_on(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
		  uint8_t *decided)
{
	const struct forest *f = s->forest;

	while (live->n > 0) {
		uint32_t n = forest_is_row_lane(live->kernel) ? live->rows : live->n;

		forest_add(s, live->kernel, n, trees_before(f, stage), trees_before(f, stage + 1));
		conclude(s, live, ++stage, margins, decided);
	}
}

/* Up to the first stage where anything is decided at all: all the trees before it. */
static void decide_block(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
			 uint8_t *decided)
{
	const struct forest *f = s->forest;
	uint32_t stage = f->bounds->first;
	struct live live = {.ended = s->ended};

	begin(s, &live, s->best[n], matrix, n);
	forest_add(s, live.kernel, n, 0, trees_before(f, stage));
	conclude(s, &live, stage, margins, decided);
	go_on(s, &live, stage, margins, decided);
}

/* FOREST_ROWS rows and n more, side by side for as long as both are in lanes. */
static void decide_pair(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
			uint8_t *decided)
{
	const struct forest *f = s->forest;
	float *more = margins + FOREST_ROWS * f->outputs;
	uint32_t stage = f->bounds->first, from = 0;
	struct live live[2] = {{.ended = s->ended}, {.ended = s->ended}};

	begin(s, &live[0], FOREST_ROWS_AVX512, matrix, FOREST_ROWS);
	begin(s->second, &live[1], FOREST_ROWS_AVX512, matrix + (size_t)FOREST_ROWS * f->features,
	      n);
	for (;; from = trees_before(f, stage++)) {
		forest_add_pair_avx512(s, from, trees_before(f, stage));
		conclude(s, &live[0], stage, margins, decided);
		conclude(s->second, &live[1], stage, more, decided + FOREST_ROWS);
		if (live[0].n == 0 || live[1].n == 0 || !forest_is_row_lane(live[0].kernel) ||
		    !forest_is_row_lane(live[1].kernel))
			break;
	}
	go_on(s, &live[0], stage, margins, decided);
	go_on(s->second, &live[1], stage, more, decided + FOREST_ROWS);
}

void forest_decide(struct forest_slot *s, const float *matrix, uint32_t n, float *probabilities,
		   uint8_t *decided)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0, rows; i < n; i += rows) {
		const float *from = matrix + (size_t)i * f->features;
		bool pair = forest_pairs(s, n - i);

		rows = RTE_MIN(n - i, (uint32_t)(pair ? 2 * FOREST_ROWS : FOREST_ROWS));
		if (pair)
			decide_pair(s, from, rows - FOREST_ROWS, s->margins, decided + i);
		else
			decide_block(s, from, rows, s->margins, decided + i);
		forest_transform(f, s->margins, rows, probabilities + i * f->outputs);
	}
}
