/* A batch in blocks of rows, each by the kernel that suits it. */
#include "forest_parts.h"

typedef void kernel_function(struct forest_slot *s, const float *matrix, uint32_t n,
			     float *margins);

static kernel_function *const kernels[FOREST_KERNELS] = {
	[FOREST_WALK] = forest_walk,
	[FOREST_RANKS] = forest_ranks,
	[FOREST_ROWS_AVX2] = forest_rows_avx2,
	[FOREST_ROWS_AVX512] = forest_rows_avx512,
	[FOREST_TREES_AVX512] = forest_trees_avx512,
};

void forest_score(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		  float *probabilities)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0, rows; i < n; i += rows) {
		float *out = margins != NULL ? margins + i * f->outputs : s->margins;

		rows = RTE_MIN(n - i, (uint32_t)FOREST_ROWS);
		kernels[s->best[rows]](s, matrix + (size_t)i * f->features, rows, out);
		if (probabilities != NULL)
			forest_transform(f, out, rows, probabilities + i * f->outputs);
	}
}
