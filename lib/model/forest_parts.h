/* Private: interfaces between the files of the forest engine. */
#ifndef FOREST_PARTS_H
#define FOREST_PARTS_H

#include "forest.h"

/*
 * For kernels of thousands of instructions without a branch: with sanitizers, which check each load
 * twice, one file takes minutes to compile. Their addresses are compile-time constants or come from
 * forest_program.c, whose output a test checks for what a sanitizer would check.
 */
#if defined(__clang__)
#define FOREST_UNCHECKED __attribute__((no_sanitize("address", "undefined", "coverage")))
#else
#define FOREST_UNCHECKED __attribute__((no_sanitize("address", "undefined")))
#endif

/* Floats of one search: thresholds, splitters, and the eight levels of its binary search. */
#define FOREST_SEARCH_FLOATS (256 + 16 + 256)

/* Fills features, outputs, transform, base_margin. */
void forest_load_head(struct forest *f, const json_t *root, float base_score);
/* Fills node and tree. 0 or -errno with `err`. */
int forest_load(struct forest *f, const json_t *root, uint64_t max_bytes, struct lj_error *err);

/* The comparison of an inner node. */
struct forest_use {
	float threshold;
	uint16_t feature;
	uint16_t missing_right;
};

/* The comparisons of all inner nodes, sorted by feature and threshold; the caller frees them. NULL
 * if out of memory. */
struct forest_use *forest_uses(const struct forest *f, size_t *n);

/*
 * Fills search and columns. False, with nothing filled, if the forest is too deep or too wide for
 * the ranked kernels, or if out of memory. Call forest_unrank() in any case.
 */
bool forest_rank(struct forest *f);
void forest_unrank(struct forest *f);
/* The column of a node and its rank there. */
uint8_t forest_column_of(const struct forest *f, const struct forest_node *node, uint8_t *rank);

/* The count of a missing value that goes right, and the rank of a padding node, which no count
 * exceeds. */
#define FOREST_MISSING_RIGHT 255
#define FOREST_NEVER_RIGHT   255

/*
 * Descends one level from h: 2 * h, plus one if rank[h] < count. In assembly, because compilers
 * need seven instructions for what the carry flag and adc do in two.
 */
static inline uint64_t forest_step(uint64_t h, const uint8_t *rank, uint8_t count)
{
	__asm__("cmpb %[count], %[rank]\n\tadcq %[h], %[h]"
		: [h] "+&r"(h)
		: [count] "q"(count), [rank] "m"(rank[h])
		: "cc");
	return h;
}

/* Fills the tables of the ranked kernels. False as in forest_rank(). Call forest_unpack() in any
 * case. */
bool forest_pack(struct forest *f);
void forest_unpack(struct forest *f);

/* Fills program from the tables. False if out of memory. Call forest_unprogram() in any case. */
bool forest_program(struct forest *f);
void forest_unprogram(struct forest *f);

/*
 * Path. forest_begin_*() loads up to FOREST_ROWS rows of the matrix, converted to ranks for ranked
 * kernels; forest_add_*() then adds the leaves of trees [from, to), in order, to s->sums. The
 * matrix must stay valid until then.
 */
void forest_begin_walk(struct forest_slot *s, const float *matrix, uint32_t n);
void forest_begin_ranks(struct forest_slot *s, const float *matrix, uint32_t n);
void forest_begin_trees_avx512(struct forest_slot *s, const float *matrix, uint32_t n);
void forest_rank_columns_avx2(struct forest_slot *s, const float *matrix, uint32_t n);
void forest_rank_columns_avx512(struct forest_slot *s, const float *matrix, uint32_t n);
void forest_add_walk(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to);
void forest_add_ranks(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to);
void forest_add_rows_avx2(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to);
void forest_add_rows_avx512(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to);
void forest_add_trees_avx512(struct forest_slot *s, uint32_t n, uint32_t from, uint32_t to);

/* Path. The same for up to 32 rows, after the begin of row-lane AVX-512. */
void forest_add_32_avx512(struct forest_slot *s, uint32_t from, uint32_t to);
/* Path. The same for two blocks at once, `s` and s->second, after the begin of row-lane AVX-512. */
void forest_add_pair_avx512(struct forest_slot *s, uint32_t from, uint32_t to);

/* Path. Loads rows for the kernel and sets the sums to the base margin. */
void forest_begin(struct forest_slot *s, enum forest_kernel kernel, const float *matrix,
		  uint32_t n);
void forest_add(struct forest_slot *s, enum forest_kernel kernel, uint32_t n, uint32_t from,
		uint32_t to);

static inline bool forest_is_row_lane(enum forest_kernel kernel)
{
	return kernel == FOREST_ROWS_AVX2 || kernel == FOREST_ROWS_AVX512;
}

/* The sums of row r; those of successive outputs are `step` apart. */
static inline float *forest_sums(const struct forest_slot *s, enum forest_kernel kernel, uint32_t r,
				 uint32_t *step)
{
	bool columns = forest_is_row_lane(kernel);

	*step = columns ? FOREST_ROWS : 1;
	return s->sums + (columns ? r : r * s->forest->outputs);
}

/* Whether, of n rows, those after the first block are scored together with it. */
static inline bool forest_pairs(const struct forest_slot *s, uint32_t n)
{
	return s->second != NULL && n >= FOREST_ROWS + s->beside &&
	       s->best[FOREST_ROWS] == FOREST_ROWS_AVX512;
}

/* Path. XGBoost's transform of the margins of n rows. */
void forest_transform(const struct forest *f, const float *margins, uint32_t n,
		      float *probabilities);

#endif
