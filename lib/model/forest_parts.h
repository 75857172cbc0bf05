/* Private: what the files of the forest engine do for each other. */
#ifndef FOREST_PARTS_H
#define FOREST_PARTS_H

#include "forest.h"

/*
 * Of kernels that are thousands of instructions without a branch: checked by sanitizers, each of
 * their loads twice, one file takes minutes to compile. What they load is at places known when
 * compiled, or built by forest_program.c, and a test asserts of it what a sanitizer would.
 */
#if defined(__clang__)
#define FOREST_UNCHECKED __attribute__((no_sanitize("address", "undefined", "coverage")))
#else
#define FOREST_UNCHECKED __attribute__((no_sanitize("address", "undefined")))
#endif

/* Of one search: thresholds, splitters, and the eight levels of its binary search. */
#define FOREST_SEARCH_FLOATS (256 + 16 + 256)

/* Fills features, outputs, transform, base_margin. */
void forest_load_head(struct forest *f, const json_t *root, float base_score);
/* Fills node and tree. 0 or -errno with `err`. */
int forest_load(struct forest *f, const json_t *root, uint64_t max_bytes, struct lj_error *err);

/* What an inner node asks. */
struct forest_use {
	float threshold;
	uint16_t feature;
	uint16_t missing_right;
};

/* All inner nodes' questions by feature and threshold; the caller frees. NULL: no memory. */
struct forest_use *forest_uses(const struct forest *f, size_t *n);

/*
 * Fills search and columns. False, and nothing is filled, when the ranked kernels do not take the
 * forest, or memory is short. forest_unrank() in any case.
 */
bool forest_rank(struct forest *f);
void forest_unrank(struct forest *f);
/* The column and rank that a node asks by. */
uint8_t forest_column_of(const struct forest *f, const struct forest_node *node, uint8_t *rank);

/* The count of a missing value where it goes right; and the rank of a padded node, where none does.
 */
#define FOREST_MISSING_RIGHT 255
#define FOREST_NEVER_RIGHT   255

/*
 * One level down from h: 2 * h, and one more when rank[h] < count. Written out because compilers
 * spend seven instructions on what carry and adc do in two.
 */
static inline uint64_t forest_step(uint64_t h, const uint8_t *rank, uint8_t count)
{
	__asm__("cmpb %[count], %[rank]\n\tadcq %[h], %[h]"
		: [h] "+&r"(h)
		: [count] "q"(count), [rank] "m"(rank[h])
		: "cc");
	return h;
}

/* Fills the tables of the ranked kernels. False as forest_rank(). forest_unpack() in any case. */
bool forest_pack(struct forest *f);
void forest_unpack(struct forest *f);

/* Fills program, from the tables. False: not enough memory. forest_unprogram() in any case. */
bool forest_program(struct forest *f);
void forest_unprogram(struct forest *f);

/*
 * Path: a kernel takes up to FOREST_ROWS rows of the matrix, as ranks where it is by ranks; then
 * adds the leaves of trees [from, to), in order, to s->sums. The matrix has to stay until then.
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

/* Path: the same for up to 32 rows that began as row-lane AVX-512. */
void forest_add_32_avx512(struct forest_slot *s, uint32_t from, uint32_t to);
/* Path: the same for two blocks at once, `s` and s->second, that began as row-lane AVX-512. */
void forest_add_pair_avx512(struct forest_slot *s, uint32_t from, uint32_t to);

/* Path: begins by the kernel, the sums at the base margin. */
void forest_begin(struct forest_slot *s, enum forest_kernel kernel, const float *matrix,
		  uint32_t n);
void forest_add(struct forest_slot *s, enum forest_kernel kernel, uint32_t n, uint32_t from,
		uint32_t to);

static inline bool forest_is_row_lane(enum forest_kernel kernel)
{
	return kernel == FOREST_ROWS_AVX2 || kernel == FOREST_ROWS_AVX512;
}

/* The sums of row r, `step` apart from output to output. */
static inline float *forest_sums(const struct forest_slot *s, enum forest_kernel kernel, uint32_t r,
				 uint32_t *step)
{
	bool columns = forest_is_row_lane(kernel);

	*step = columns ? FOREST_ROWS : 1;
	return s->sums + (columns ? r : r * s->forest->outputs);
}

/* Whether, of n rows, those behind the first block are best scored beside it. */
static inline bool forest_pairs(const struct forest_slot *s, uint32_t n)
{
	return s->second != NULL && n >= FOREST_ROWS + s->beside &&
	       s->best[FOREST_ROWS] == FOREST_ROWS_AVX512;
}

/* Path: XGBoost's own transforms of n rows. */
void forest_transform(const struct forest *f, const float *margins, uint32_t n,
		      float *probabilities);

#endif
