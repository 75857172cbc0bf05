/* A batch in blocks of rows, each by the kernel that suits it. */
#include "forest_parts.h"

typedef void kernel_function(struct forest_slot *s, const float *matrix, uint32_t n,
			     float *margins);

static enum forest_kernel best_for(const struct forest *f, uint32_t n)
{
	return f->ranked ? FOREST_RANKS : FOREST_WALK;
}

static void score_block(struct forest_slot *s, const float *matrix, uint32_t n, float *margins)
{
	static kernel_function *const kernels[FOREST_KERNELS] = {
		[FOREST_WALK] = forest_walk,
		[FOREST_RANKS] = forest_ranks,
		[FOREST_ROWS_AVX512] = forest_rows_avx512,
		[FOREST_TREES_AVX512] = forest_trees_avx512,
	};
	enum forest_kernel kernel = s->kernel;

	kernels[kernel != FOREST_BEST ? kernel : best_for(s->forest, n)](s, matrix, n, margins);
}

void forest_score(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		  float *probabilities)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0; i < n; i += FOREST_ROWS) {
		uint32_t rows = RTE_MIN(n - i, (uint32_t)FOREST_ROWS);
		float *out = margins != NULL ? margins + i * f->outputs : s->margins;

		score_block(s, matrix + (size_t)i * f->features, rows, out);
		if (probabilities != NULL)
			forest_transform(f, out, rows, probabilities + i * f->outputs);
	}
}
