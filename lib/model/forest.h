/*
 * Private: the forest engine. The model's own trees in our layout, walked by SIMD.
 *
 * Margins are bitwise XGBoost's: every output starts at the base margin and takes the leaves in the
 * order of the trees, in float32. What a node asks, `x < threshold`, is asked of ranks: a column is
 * a feature's values as the count of the model's own thresholds that are at or below them, in one
 * byte, so 64 rows (or 64 trees) are asked at once and nothing is rounded.
 *
 * Thread: a forest is immutable once made and may be shared; a forest_slot belongs to one lcore.
 */
#ifndef FOREST_H
#define FOREST_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>
#include <rte_common.h>

#include "lj_base.h"

#define FOREST_ROWS	   64 /* of a block; the lanes of an AVX-512 register of bytes */
#define FOREST_ROWS_LOG2   6
#define FOREST_TREES	   64  /* of a group, likewise */
#define FOREST_DEPTH_MAX   8   /* of a ranked tree: its table is complete, 2^depth leaves */
#define FOREST_COLUMNS_MAX 256 /* of ranks: a column's number fits a byte */
#define FOREST_NARROW	   128 /* columns that two registers hold, for a tree in a lane to pick */
#define FOREST_CHUNK	   255 /* thresholds that a column's ranks can tell apart */

/* How a block of rows is scored. Each gives the same bits. */
enum forest_kernel {
	FOREST_BEST,	     /* the fastest for the number of rows, of those below */
	FOREST_WALK,	     /* scalar, thresholds compared as floats: takes every forest */
	FOREST_RANKS,	     /* scalar, on ranks */
	FOREST_ROWS_AVX2,    /* a lane a row, 32 rows */
	FOREST_ROWS_AVX512,  /* a lane a row, 64 rows */
	FOREST_TREES_AVX512, /* a lane a tree, one row: for few rows */
	FOREST_KERNELS
};

/* A node as it is walked by float. A leaf leads to itself whatever it is asked. */
struct forest_node {
	float threshold; /* right when x >= threshold; NaN in a leaf */
	float leaf;
	uint32_t left; /* within the tree; right is the next one */
	uint16_t feature;
	uint16_t missing_right;
};

struct forest_tree {
	uint32_t node;	/* its root, in forest.node */
	uint32_t table; /* its complete table, in forest.rank, .column and .leaf */
	uint32_t depth; /* edges to the deepest leaf */
	uint16_t output;
	uint16_t levels; /* of the complete table: the depth, at least 1 */
};

/* Up to FOREST_CHUNK thresholds of one feature, ascending, and the columns ranked by them. */
struct forest_search {
	uint16_t feature;
	uint16_t n;
	uint16_t levels;    /* of the binary search: 2^levels > n */
	int16_t column[2];  /* missing goes left, missing goes right; -1: no node asks so */
	float *threshold;   /* [256], ascending, NaN behind the last */
	float *splitter;    /* [16] every 16th threshold, for a search in two steps */
	float *level_table; /* thresholds in the order of a binary search, see rank_avx512 */
};

/*
 * FOREST_TREES trees side by side, a lane each. forest.lanes has the first levels of all (as many
 * as the group says, at most FOREST_LANE_LEVELS): of each node the 64 columns, then the 64 ranks
 * less 128.
 */
#define FOREST_LANE_LEVELS 6
#define FOREST_LANE_NODES  (1 << FOREST_LANE_LEVELS)

/*
 * Where a tree goes on below those levels: a slot for each node there, with all that a walk from it
 * reads side by side (of `below` levels: 2^below leaves as float, then as many ranks, then as many
 * columns in heap order, root 1; of none the leaf), for it is seldom in the cache.
 */
#define FOREST_SLOT_BYTES(below) ((below) == 0 ? sizeof(float) : (size_t)6 << (below))

struct forest_group {
	uint32_t first, n; /* trees, in the model's order */
	uint32_t levels;   /* in lanes: one fewer where no tree is so deep, or a node costs more */
	uint32_t below;	   /* levels of its deepest tree below those */
	uint32_t lanes;	   /* its place in forest.lanes */
	uint32_t slots;	   /* in forest.slots: 2^levels slots a tree */
};

/* The levels of a tree that the row-lane kernels ask whole, in heap order. */
struct forest_top {
	uint32_t *rank4;  /* the rank less 128, four times */
	uint16_t *offset; /* the column's place in a block: FOREST_ROWS bytes a column */
};

/* A node asked by itself: those who stand on `code` and go right take the next fresh code. */
struct forest_single {
	uint32_t code4, rank4, offset;
};

/*
 * A level of which each lane picks the node it stands on, 2^level of them, and asks that alone: its
 * value is fetched row by row. That costs a bushy tree less than to ask all of the level.
 */
struct forest_pick {
	int8_t *rank; /* less 128 */
	uint8_t *column;
};

#define FOREST_PICK_LEVEL 6 /* the first, of 64 nodes; the whole levels are above */
#define FOREST_PICKS	  (FOREST_DEPTH_MAX - FOREST_PICK_LEVEL)

/*
 * A tree for the row-lane kernels. The whole levels give each lane a code, 0 .. 2^whole - 1. Either
 * each further level's single nodes change the codes of those that go right, or each lane picks its
 * node in each further level and its code is doubled, one more for those that go right. The last
 * code names the leaf.
 */
struct forest_program {
	struct forest_top top;
	struct forest_single *single;
	struct forest_pick pick[FOREST_PICKS];
	uint8_t *planes; /* [4][width]: byte b of the leaf of each code */
	float *leaf;	 /* [width] */
	uint16_t width;	 /* 64, 128 or 256 */
	uint8_t whole, levels;
	uint8_t picks;			    /* levels; then there are no singles */
	uint16_t singles[FOREST_DEPTH_MAX]; /* of each further level */
};

#define FOREST_STAGE                                                                               \
	16 /* trees a stage of one output; then rows are asked whether they are decided */
#define FOREST_DECIDED_OUTPUTS 16 /* at most, for decisions */

/* Before tree `stage` * width (of the last stage: behind the last tree), by what is left: */
struct forest_bounds {
	uint32_t width;		/* trees a stage */
	uint32_t stages, first; /* no row is decided before `first` */
	float threshold;
	float gap; /* of a margin or probability: far over what rounding does to it */
	/* More outputs: how far one over output 0 makes their share surely over the threshold; how
	 * far it may be for that to be under it; and how far all may be over the highest. */
	float lead_over, lead_under, lead_spread;
	float *low, *high;   /* [stages + 1][outputs]: the least and the most it adds to a sum */
	float *under, *over; /* [stages + 1], one output: a sum that stays so */
};

enum forest_transform { FOREST_SIGMOID, FOREST_SOFTMAX };

struct forest {
	uint32_t features, outputs, trees, nodes, depth;
	float base_margin;
	enum forest_transform transform;
	struct forest_node *node;
	struct forest_tree *tree;
	struct forest_bounds *bounds; /* NULL: every row sees every tree */

	/* What follows is there when `ranked`: trees not too deep, columns not too many. */
	bool ranked;
	uint32_t searches, columns;
	struct forest_search *search;
	float *search_memory;
	/* Complete tables in heap order, root 1: go right when rank[h] < the row's count in
	 * column[h]. */
	uint8_t *rank;
	uint8_t *column;
	float *leaf;
	struct forest_program *program; /* [trees], in the model's order */
	bool picks;			/* any of them */
	uint8_t *program_memory;
	float *program_leaves;
	struct forest_group *group;
	uint32_t groups;
	uint8_t *lanes;
	uint8_t *slots;
};

/* Where a block's lanes stand in so many trees at a time. */
#define FOREST_WINDOW 16
struct forest_window {
	uint8_t code[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
	/* Of a level that is picked: of each lane's node, where its column is in a block, and the
	 * row's count there. */
	int8_t rank[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
	uint16_t offset[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
	int8_t count[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
};

/* What scoring writes: one per lcore. */
struct forest_slot {
	const struct forest *forest;
	uint8_t best[FOREST_ROWS + 1]; /* kernel of a block of so many rows */
	/* Ranks n rows into `columns`. */
	void (*rank_columns)(struct forest_slot *s, const float *matrix, uint32_t n);
	int8_t *columns; /* [columns][FOREST_ROWS], counts less 128 */
	uint8_t *rows;	 /* [FOREST_ROWS + 1][FOREST_COLUMNS_MAX], counts */
	float *turned;	 /* [2][4][FOREST_ROWS]: a few features of the block's rows */
	float *sums;	 /* [outputs][FOREST_ROWS] of a row-lane kernel, else [rows][outputs] */
	float *margins;	 /* [2 * FOREST_ROWS][outputs], where the caller wants none */
	const float *row[FOREST_ROWS]; /* what the walk by floats walks */
	uint8_t *standing; /* [FOREST_ROWS + 1][FOREST_TREES]: where a row stands in the trees */
	uint32_t stood;	   /* the group that `standing` is of */
	/* [bounds->stages + 1] rows that ended at a stage. This lcore: rw, control: ro. */
	uint64_t *ended;
	struct forest_window *window;
	uint32_t n; /* rows of the block that began last */
	/* For a second block, scored beside the first by FOREST_ROWS_AVX512; NULL: never. Owned. */
	struct forest_slot *second;
	uint32_t beside; /* rows, from which that is better than by themselves */
};

/*
 * From a document that booster_read() passed. `base_score` as XGBoost reads it. NULL and `err`:
 * not enough memory, or a forest larger than `max_bytes` in our layout (0: no limit).
 */
struct forest *forest_create(const json_t *root, float base_score, uint64_t max_bytes,
			     struct lj_error *err);
void forest_destroy(struct forest *f);

const char *forest_kernel_name(enum forest_kernel kernel);
/* Whether this processor and this forest allow it. */
bool forest_kernel_runs(const struct forest *f, enum forest_kernel kernel);

/* The fastest kernel for a block of so many rows, of those that run. */
enum forest_kernel forest_kernel_for(const struct forest *f, uint32_t rows);

/* How much of a forest is held against XGBoost. */
enum forest_proof {
	/* The kernels that will be chosen here, up to 1,024 rows at nodes; probabilities, which
	 * are a function of the margins, of LJ_MODEL_BATCH rows. */
	FOREST_PROOF_START,
	FOREST_PROOF_WHOLE, /* every kernel that runs here, up to 16,384 of them */
};

/*
 * Whether the kernels give XGBoost's bits (`xgboost`: a handle of the XGBoost engine) on rows
 * around each threshold, rows that come to each node or, where those are too many, to nodes by
 * chance, and random ones; `rows` says how many. 0 or -errno.
 */
int forest_prove(const struct forest *f, void *xgboost, enum forest_proof proof, uint32_t *rows,
		 struct lj_error *err);

/* The forest is borrowed. NULL: not enough memory. */
struct forest_slot *forest_slot_create(const struct forest *f, enum forest_kernel kernel);
void forest_slot_destroy(struct forest_slot *s);

/* Path. margins[n][outputs], probabilities[n][outputs]; either may be NULL. */
void forest_score(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		  float *probabilities);

/*
 * What a decision by `threshold` needs to know of the forest; belongs into forest.bounds before a
 * slot is made for forest_decide(). NULL: not enough memory, or a forest of which nothing can be
 * said (sums beyond what float32 keeps apart).
 */
struct forest_bounds *forest_bound(const struct forest *f, float threshold);
void forest_unbound(struct forest_bounds *b);

/*
 * Path. As forest_score(), of a forest with bounds, but stops at what decides: where decided[n] is
 * 1 the probabilities are a bound, on the same side of the threshold and with the same likeliest
 * class as the exact ones; where it is 0 they are exact.
 */
void forest_decide(struct forest_slot *s, const float *matrix, uint32_t n, float *probabilities,
		   uint8_t *decided);

#endif
