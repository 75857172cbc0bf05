/* A batch in blocks of rows, each by the kernel that suits it. */
#include "forest_parts.h"

#define HALF (FOREST_ROWS / 2)
#define FEW  8

typedef void kernel_function(struct forest_slot *s, const float *matrix, uint32_t n,
			     float *margins);

static kernel_function *const kernels[FOREST_KERNELS] = {
	[FOREST_WALK] = forest_walk,
	[FOREST_RANKS] = forest_ranks,
	[FOREST_ROWS_AVX2] = forest_rows_avx2,
	[FOREST_ROWS_AVX512] = forest_rows_avx512,
	[FOREST_TREES_AVX512] = forest_trees_avx512,
};

/*
 * Rows of the next block. A register's worth where there is as much; what is left of a batch goes
 * in one more block, unless two of half the lanes and few rows cost less than one of all lanes.
 */
static uint32_t block_of(uint32_t left)
{
	if (left >= FOREST_ROWS)
		return FOREST_ROWS;
	return left > HALF && left <= HALF + FEW ? HALF : left;
}

void forest_score(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		  float *probabilities)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0, rows; i < n; i += rows) {
		float *out = margins != NULL ? margins + i * f->outputs : s->margins;

		rows = block_of(n - i);
		kernels[s->best[rows]](s, matrix + (size_t)i * f->features, rows, out);
		if (probabilities != NULL)
			forest_transform(f, out, rows, probabilities + i * f->outputs);
	}
}
