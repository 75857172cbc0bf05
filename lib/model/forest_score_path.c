/* Scores a batch in blocks of rows, each with the kernel for its size. */
#include "forest_parts.h"

static void begin_columns(struct forest_slot *s, const float *matrix, uint32_t n)
{
	s->rank_columns(s, matrix, n);
}

static const struct {
	void (*begin)(struct forest_slot *s, const float *matrix, uint32_t n);
	void (*add)(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to);
} kernels[FOREST_KERNELS] = {
	[FOREST_WALK] = {forest_begin_walk, forest_add_walk},
	[FOREST_RANKS] = {forest_begin_ranks, forest_add_ranks},
	[FOREST_ROWS_AVX2] = {begin_columns, forest_add_rows_avx2},
	[FOREST_ROWS_AVX512] = {begin_columns, forest_add_rows_avx512},
	[FOREST_TREES_AVX512] = {forest_begin_trees_avx512, forest_add_trees_avx512},
};

void forest_begin(struct forest_slot *s, enum forest_kernel kernel, const float *matrix, uint32_t n)
{
	const struct forest *f = s->forest;
	/* All lanes of a row-lane kernel; one more for the tree-lane kernel, which takes rows in
	 * pairs. */
	uint32_t rows = forest_is_row_lane(kernel) ? FOREST_ROWS : n + 1;

	s->n = n;
	kernels[kernel].begin(s, matrix, n);
	for (uint32_t i = 0; i < rows * f->outputs; i++)
		s->sums[i] = f->base_margin;
}

void forest_add(struct forest_slot *s, enum forest_kernel kernel, uint32_t n, uint32_t from,
		uint32_t to)
{
	kernels[kernel].add(s, n, from, to);
}

static void take_sums(const struct forest_slot *s, enum forest_kernel kernel, uint32_t n,
		      float *margins)
{
	for (uint32_t r = 0; r < n; r++) {
		uint32_t step, outputs = s->forest->outputs;
		const float *sums = forest_sums(s, kernel, r, &step);

		for (uint32_t k = 0; k < outputs; k++)
			margins[r * outputs + k] = sums[k * step];
	}
}

/* Scores up to FOREST_ROWS rows as one block. */
static void score_block(struct forest_slot *s, const float *matrix, uint32_t n, float *margins)
{
	enum forest_kernel kernel = s->best[n];

	forest_begin(s, kernel, matrix, n);
	forest_add(s, kernel, n, 0, s->forest->trees);
	take_sums(s, kernel, n, margins);
}

/* Scores FOREST_ROWS rows and n more together, so that each tree is loaded once for both. */
static void score_pair(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		       float *more)
{
	const struct forest *f = s->forest;

	forest_begin(s, FOREST_ROWS_AVX512, matrix, FOREST_ROWS);
	forest_begin(s->second, FOREST_ROWS_AVX512, matrix + (size_t)FOREST_ROWS * f->features, n);
	forest_add_pair_avx512(s, 0, f->trees);
	take_sums(s, FOREST_ROWS_AVX512, FOREST_ROWS, margins);
	take_sums(s->second, FOREST_ROWS_AVX512, n, more);
}

void forest_score(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		  float *probabilities)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0, rows; i < n; i += rows) {
		bool pair = forest_pairs(s, n - i);
		float *out = margins != NULL ? margins + i * f->outputs : s->margins;
		const float *from = matrix + (size_t)i * f->features;

		rows = RTE_MIN(n - i, (uint32_t)(pair ? 2 * FOREST_ROWS : FOREST_ROWS));
		if (pair)
			score_pair(s, from, rows - FOREST_ROWS, out,
				   out + FOREST_ROWS * f->outputs);
		else
			score_block(s, from, rows, out);
		if (probabilities != NULL)
			forest_transform(f, out, rows, probabilities + i * f->outputs);
	}
}
