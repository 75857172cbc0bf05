/* Creation of forests and slots, and the choice of the kernel. */
#include "forest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "forest_parts.h"
#include "model.h"

/* Upper bound of the bytes of one tree in all tables of the ranked kernels. */
#define RANKED_BYTES 9000ULL

#define FEW_FOR_AVX2 8 /* rows; with fewer, most AVX2 lanes would be idle */

/*
 * The least number of rows after a full block for which both blocks are scored together: when
 * scoring the rows by the tree-lane kernel would cost BESIDE_PERCENT of a block by instruction
 * count. It is at most BESIDE_MOST, because the other kernel's tables would not be in the cache (12
 * to 16 in all four cases of bench_infer).
 */
#define BESIDE_PERCENT 60
#define BESIDE_MOST    16

struct forest *forest_create(const json_t *root, float base_score, uint64_t max_bytes,
			     struct lj_error *err)
{
	struct forest *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		lj_error_set(err, ENOMEM, "", "not enough memory");
		return NULL;
	}
	forest_load_head(f, root, base_score);
	if (forest_load(f, root, max_bytes, err) != 0) {
		forest_destroy(f);
		return NULL;
	}
	f->ranked = (max_bytes == 0 || f->trees * RANKED_BYTES <= max_bytes) && forest_rank(f) &&
		    forest_pack(f) && forest_program(f);
	return f;
}

void forest_destroy(struct forest *f)
{
	if (f == NULL)
		return;
	forest_unprogram(f);
	forest_unpack(f);
	forest_unrank(f);
	forest_unbound(f->bounds);
	free(f->node);
	free(f->tree);
	free(f);
}

const char *forest_kernel_name(enum forest_kernel kernel)
{
	static const char *const names[FOREST_KERNELS] = {
		"best", "walk", "ranks", "rows-avx2", "rows-avx512", "trees-avx512"};

	return names[kernel];
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("gfni");
}

bool forest_kernel_runs(const struct forest *f, enum forest_kernel kernel)
{
	switch (kernel) {
	case FOREST_BEST:
	case FOREST_WALK:
		return true;
	case FOREST_RANKS:
		return f->ranked;
	case FOREST_ROWS_AVX2:
		return f->ranked && __builtin_cpu_supports("avx2");
	case FOREST_TREES_AVX512:
	case FOREST_ROWS_AVX512:
		return f->ranked && has_avx512();
	default:
		return false;
	}
}

/*
 * The largest number of rows for which the tree-lane kernel is cheaper than a block of the row-lane
 * kernel. The unit is the time of one node of a whole level (0.5 ns on AMD Zen 4, medians of the
 * four cases of bench_infer). Row lanes: a single node 1.8, a picked level 16 and 0.35 per row, the
 * leaves of a tree 20. Tree lanes: one row in one tree 3.1, and 0.65 for each level below the
 * lanes.
 */
static uint32_t few_rows(const struct forest *f)
{
	double block = 0, row = 0;

	for (uint32_t t = 0; t < f->trees; t++) {
		const struct forest_program *p = &f->program[t];

		block += 20 + (1U << p->whole) + 16 * p->picks;
		for (uint32_t i = 0; i < p->levels; i++)
			block += 1.8 * p->singles[i];
		row += 3.1 + 0.65 * f->group[t / FOREST_TREES].below - 0.35 * p->picks;
	}
	return (uint32_t)(block / row);
}

enum forest_kernel forest_kernel_for(const struct forest *f, uint32_t rows)
{
	uint32_t few;

	if (!f->ranked)
		return FOREST_WALK;
	/* Half a block costs 4/5 of a block. */
	few = rows <= FOREST_ROWS / 2 ? few_rows(f) * 4 / 5 : few_rows(f);
	if (forest_kernel_runs(f, FOREST_TREES_AVX512) && rows <= few)
		return FOREST_TREES_AVX512;
	if (forest_kernel_runs(f, FOREST_ROWS_AVX512))
		return FOREST_ROWS_AVX512;
	if (rows > FEW_FOR_AVX2 && forest_kernel_runs(f, FOREST_ROWS_AVX2))
		return FOREST_ROWS_AVX2;
	return FOREST_RANKS;
}

static struct forest_slot *create_slot(const struct forest *f, enum forest_kernel kernel,
				       bool is_second)
{
	struct forest_slot *s = calloc(1, sizeof(*s));
	size_t rows = (FOREST_ROWS + 1) * FOREST_COLUMNS_MAX;
	size_t turned = (size_t)FOREST_ROWS * RTE_MAX(f->outputs, 8U) * sizeof(float);

	if (s == NULL)
		return NULL;
	s->forest = f;
	/* A slot for the AVX2 kernel alone also uses the AVX2 ranks, so that the proof covers
	 * them. */
	s->rank_columns = has_avx512() && kernel != FOREST_ROWS_AVX2 ? forest_rank_columns_avx512
								     : forest_rank_columns_avx2;
	s->rows = aligned_alloc(64, rows);
	s->columns = aligned_alloc(64, rows);
	s->turned = aligned_alloc(64, turned);
	s->sums = aligned_alloc(64, FOREST_ROWS * 2 * f->outputs * sizeof(float));
	s->standing = aligned_alloc(64, (FOREST_ROWS + 1) * FOREST_TREES);
	s->window = aligned_alloc(64, sizeof(*s->window));
	s->margins = aligned_alloc(64, 2 * FOREST_ROWS * f->outputs * sizeof(float));
	s->ended = calloc(f->bounds != NULL ? f->bounds->stages + 1 : 1, sizeof(*s->ended));
	if (s->ended == NULL || s->rows == NULL || s->columns == NULL || s->turned == NULL ||
	    s->sums == NULL || s->standing == NULL || s->window == NULL || s->margins == NULL) {
		forest_slot_destroy(s);
		return NULL;
	}
	if (!is_second && (kernel == FOREST_BEST || kernel == FOREST_ROWS_AVX512) &&
	    forest_kernel_runs(f, FOREST_ROWS_AVX512)) {
		s->second = create_slot(f, kernel, true);
		if (s->second == NULL) {
			forest_slot_destroy(s);
			return NULL;
		}
	}
	s->beside = 1;
	if (kernel == FOREST_BEST && f->ranked)
		s->beside = RTE_MIN(1 + few_rows(f) * BESIDE_PERCENT / 100, (uint32_t)BESIDE_MOST);
	for (uint32_t n = 1; n <= FOREST_ROWS; n++)
		s->best[n] = (uint8_t)(kernel != FOREST_BEST ? kernel : forest_kernel_for(f, n));
	memset(s->rows, 0, rows);
	memset(s->columns, 0, rows);
	memset(s->window, 0, sizeof(*s->window));
	return s;
}

struct forest_slot *forest_slot_create(const struct forest *f, enum forest_kernel kernel)
{
	return create_slot(f, kernel, false);
}

void forest_slot_destroy(struct forest_slot *s)
{
	if (s == NULL)
		return;
	free(s->rows);
	free(s->columns);
	free(s->turned);
	free(s->sums);
	free(s->standing);
	free(s->window);
	free(s->ended);
	forest_slot_destroy(s->second);
	free(s->margins);
	free(s);
}
