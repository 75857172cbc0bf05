/*
 * Private: the forest engine, which evaluates XGBoost's trees with SIMD.
 *
 * In: a row-major float32 matrix [n][features]; NaN is a missing value. Out: margins and
 * probabilities, [n][outputs]. Margins are bit-identical to XGBoost's: each output starts at the
 * base margin and adds its leaves in the order of the trees, in float32.
 *
 * Float layout, of every forest: node[], a row goes right if its value is >= the node's threshold.
 *
 * Ranked layout, of forests that are not too deep and not too wide (forest_rank()). Comparing a
 * value with a threshold is replaced by comparing two bytes, without any rounding:
 *
 *   thresholds of a feature   t[0] < t[1] < ... < t[n - 1]       (at most 255 a column)
 *   count of a value          number of t[i] <= value            (computed once a row)
 *   node (column, rank)       right if rank < count              (rank = index of its threshold)
 *
 * So 64 rows, or 64 trees, are compared in one AVX-512 instruction. A feature with more thresholds,
 * or whose missing values go left in some nodes and right in others, has several columns. The same
 * trees are kept in three forms:
 *
 *   rank[], column[], leaf[]  complete trees in heap order (root 1, children 2h and 2h + 1), for
 *                             the scalar kernel
 *   program[]                 for the row-lane kernels: a lane a row, a block of 64 rows descends
 *                             one tree
 *   group[], lanes[], slots[] for the tree-lane kernel: a lane a tree, one row descends 64 trees
 *
 * forest_kernel_for() chooses the kernel of a block by its number of rows: tree lanes for few rows,
 * row lanes for more, each if the CPU has AVX-512; else row lanes by AVX2, else scalar.
 *
 * Before it is used, forest_prove() compares its scores with XGBoost's, bit for bit: on rows just
 * below, at and just above all thresholds, on rows directed to inner nodes and on random rows.
 * Early decisions (forest_decide()) rest on bounds and are not part of that proof.
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

#define FOREST_ROWS	   64 /* rows of a block: the bytes of an AVX-512 register */
#define FOREST_ROWS_LOG2   6
#define FOREST_TREES	   64  /* trees of a group, likewise */
#define FOREST_DEPTH_MAX   8   /* of a ranked tree, whose complete table has 2^depth leaves */
#define FOREST_COLUMNS_MAX 256 /* a column's number fits a byte */
#define FOREST_NARROW	   128 /* columns that fit two registers, from which tree lanes select */
#define FOREST_CHUNK	   255 /* thresholds of a column: a count fits a byte */

/* How a block of rows is scored; all give the same bits. */
enum forest_kernel {
	FOREST_BEST,	     /* whichever of the following forest_kernel_for() chooses */
	FOREST_WALK,	     /* scalar, compares floats: for every forest */
	FOREST_RANKS,	     /* scalar, compares ranks */
	FOREST_ROWS_AVX2,    /* one lane per row, 32 rows */
	FOREST_ROWS_AVX512,  /* one lane per row, 64 rows, or 32 in half a register */
	FOREST_TREES_AVX512, /* one lane per tree: for few rows */
	FOREST_KERNELS
};

/* A node of the float layout. A leaf's left child is itself, and its comparison is never true. */
struct forest_node {
	float threshold; /* right when x >= threshold; NaN in a leaf */
	float leaf;
	uint32_t left; /* index within the tree; the right child is the next one */
	uint16_t feature;
	uint16_t missing_right;
};

struct forest_tree {
	uint32_t node;	/* its root, in forest.node */
	uint32_t table; /* its complete table in forest.rank, .column and .leaf */
	uint32_t depth; /* edges from the root to the deepest leaf */
	uint16_t output;
	uint16_t levels; /* of the complete table: the depth, but at least 1 */
};

/* Up to FOREST_CHUNK thresholds of one feature, and the columns that count them. */
struct forest_search {
	uint16_t feature;
	uint16_t n;
	uint16_t levels;    /* steps of the binary search: 2^levels > n */
	int16_t column[2];  /* for nodes where missing goes left, right; -1: there are none */
	float *threshold;   /* [256] ascending, padded with NaN */
	float *splitter;    /* [16] every 16th threshold, for a search in two steps */
	float *level_table; /* thresholds in the order of a binary search, see rank_avx512 */
};

/*
 * FOREST_TREES trees side by side, one lane each. forest.lanes has the first levels of all of them
 * (forest_group.levels, at most FOREST_LANE_LEVELS): for each node in heap order the 64 trees'
 * columns, then their 64 ranks minus 128.
 */
#define FOREST_LANE_LEVELS 6
#define FOREST_LANE_NODES  (1 << FOREST_LANE_LEVELS)

/*
 * The rest of a tree below those levels: one slot for each node there. A slot is seldom in the
 * cache, so all that a descent from it reads is adjacent: with `below` levels 2^below leaves as
 * float, then as many ranks, then as many columns, in heap order with root 1; with none, the leaf.
 */
#define FOREST_SLOT_BYTES(below) ((below) == 0 ? sizeof(float) : (size_t)6 << (below))

struct forest_group {
	uint32_t first, n; /* trees, in the model's order */
	uint32_t levels;   /* in lanes[]: fewer if no tree is deeper, or if a node costs more */
	uint32_t below;	   /* further levels of its deepest tree */
	uint32_t lanes;	   /* its offset in forest.lanes */
	uint32_t slots;	   /* its offset in forest.slots: 2^levels slots per tree */
};

/* The first levels of a tree, whose nodes the row-lane kernels all evaluate; in heap order. */
struct forest_top {
	uint32_t *rank4;  /* the rank minus 128, in all four bytes */
	uint16_t *offset; /* of the column in a block: FOREST_ROWS bytes per column */
};

/* A node evaluated by itself: lanes whose code is `code` and that go right get the next unused
 * code. */
struct forest_single {
	uint32_t code4, rank4, offset;
};

/*
 * A level of 2^level nodes of which each lane evaluates only the one it is at; the value is fetched
 * row by row. For a bushy tree that costs less than evaluating all nodes of the level.
 */
struct forest_pick {
	int8_t *rank; /* minus 128 */
	uint8_t *column;
};

#define FOREST_PICK_LEVEL 6 /* the first such level, of 64 nodes; those above are whole */
#define FOREST_PICKS	  (FOREST_DEPTH_MAX - FOREST_PICK_LEVEL)

/*
 * A tree for the row-lane kernels. After the whole levels each lane has a code, 0 .. 2^whole - 1.
 * In the further levels either single nodes give new codes to the lanes that go right, or each lane
 * picks its node, doubles its code and adds one if it goes right. The final code is the index of
 * the leaf.
 */
struct forest_program {
	struct forest_top top;
	struct forest_single *single;
	struct forest_pick pick[FOREST_PICKS];
	uint8_t *planes; /* [4][width]: byte b of each code's leaf */
	float *leaf;	 /* [width] */
	uint16_t width;	 /* 64, 128 or 256 */
	uint8_t whole, levels;
	uint8_t picks;			    /* picked levels; if any, there are no singles */
	uint16_t singles[FOREST_DEPTH_MAX]; /* number of single nodes of each further level */
};

#define FOREST_STAGE	       16 /* trees per stage and output; then rows are checked */
#define FOREST_DECIDED_OUTPUTS 16 /* most outputs for early decisions */

/* What the trees from `stage` * width on can still add (the last stage: none are left). */
struct forest_bounds {
	uint32_t width;		/* trees per stage */
	uint32_t stages, first; /* no row is decided before `first` */
	float threshold;
	float gap; /* much more than the rounding errors of margins and probabilities */
	/* Several outputs: the lead of one over output 0 from which their share surely reaches the
	 * threshold; the lead up to which it surely does not; and how far all together may exceed
	 * the highest. */
	float lead_over, lead_under, lead_spread;
	float *low, *high; /* [stages + 1][outputs]: least and most that is still added to a sum */
	float *under, *over; /* [stages + 1], one output: sums that stay below, above */
};

enum forest_transform { FOREST_SIGMOID, FOREST_SOFTMAX };

struct forest {
	uint32_t features, outputs, trees, nodes, depth;
	float base_margin;
	enum forest_transform transform;
	struct forest_node *node;
	struct forest_tree *tree;
	struct forest_bounds *bounds; /* NULL: no early decisions */

	/* The rest only if `ranked`. */
	bool ranked;
	uint32_t searches, columns;
	struct forest_search *search;
	float *search_memory;
	/* Complete tables in heap order, root 1: right if rank[h] < the row's count in
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

/* The state of a block's lanes in up to FOREST_WINDOW trees at a time. */
#define FOREST_WINDOW 16
struct forest_window {
	uint8_t code[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
	/* In a picked level, for each lane's node: its rank, the offset of its column in a block,
	 * and the row's count there. */
	int8_t rank[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
	uint16_t offset[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
	int8_t count[FOREST_WINDOW][FOREST_ROWS] __rte_aligned(64);
};

/* All that scoring writes: one per lcore. */
struct forest_slot {
	const struct forest *forest;
	uint8_t best[FOREST_ROWS + 1]; /* kernel for a block, by its number of rows */
	/* Fills `columns` for n rows. */
	void (*rank_columns)(struct forest_slot *s, const float *matrix, uint32_t n);
	int8_t *columns; /* [columns][FOREST_ROWS], counts minus 128 */
	uint8_t *rows;	 /* [FOREST_ROWS + 1][FOREST_COLUMNS_MAX], counts */
	float *turned;	 /* [2][4][FOREST_ROWS]: a few features of the block's rows */
	float *sums;	 /* [outputs][FOREST_ROWS] of a row-lane kernel, else [rows][outputs] */
	float *margins;	 /* [2 * FOREST_ROWS][outputs], used if the caller wants none */
	const float *row[FOREST_ROWS]; /* the rows, for FOREST_WALK */
	uint8_t *standing; /* [FOREST_ROWS + 1][FOREST_TREES]: a row's node in each tree */
	uint32_t stood;	   /* the group that `standing` refers to */
	/* [bounds->stages + 1] rows decided at each stage. This lcore: rw, control: ro. */
	uint64_t *ended;
	struct forest_window *window;
	uint32_t n; /* rows of the current block */
	/* For a second block, scored together with the first by FOREST_ROWS_AVX512; NULL: never.
	 * Owned. */
	struct forest_slot *second;
	uint32_t beside; /* least rows of the second block for which that is faster */
};

/*
 * Builds a forest from a document that booster_read() has validated. `base_score` is the value that
 * XGBoost uses. NULL with `err` if out of memory, or if the forest takes more than `max_bytes` (0:
 * no limit).
 */
struct forest *forest_create(const json_t *root, float base_score, uint64_t max_bytes,
			     struct lj_error *err);
void forest_destroy(struct forest *f);

const char *forest_kernel_name(enum forest_kernel kernel);
/* Whether this CPU and this forest support the kernel. */
bool forest_kernel_runs(const struct forest *f, enum forest_kernel kernel);

/* The fastest supported kernel for a block of `rows` rows. */
enum forest_kernel forest_kernel_for(const struct forest *f, uint32_t rows);

/* How thoroughly a forest is compared with XGBoost. */
enum forest_proof {
	/* The kernels that will be used, up to 1,024 rows directed to nodes; probabilities, which
	 * are a function of the margins, of LJ_MODEL_BATCH rows. */
	FOREST_PROOF_START,
	FOREST_PROOF_WHOLE, /* every kernel supported here, up to 16,384 directed rows */
};

/*
 * Compares the kernels' results with those of `xgboost`, a handle of the XGBoost engine, bit for
 * bit: on rows around each threshold, on rows directed to each node, or to randomly chosen nodes if
 * there are too many, and on random rows. *rows is their number. 0 or -errno.
 */
int forest_prove(const struct forest *f, void *xgboost, enum forest_proof proof, uint32_t *rows,
		 struct lj_error *err);

/* The forest is borrowed. NULL if out of memory. */
struct forest_slot *forest_slot_create(const struct forest *f, enum forest_kernel kernel);
void forest_slot_destroy(struct forest_slot *s);

/* Path. margins[n][outputs], probabilities[n][outputs]; either may be NULL. */
void forest_score(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
		  float *probabilities);

/*
 * Computes the bounds for early decisions by `threshold`; assign them to forest.bounds before
 * creating a slot for forest_decide(). NULL if out of memory, or if the forest has no usable bounds
 * (more than FOREST_DECIDED_OUTPUTS outputs, or sums too large for the precision of float32).
 */
struct forest_bounds *forest_bound(const struct forest *f, float threshold);
void forest_unbound(struct forest_bounds *b);

/*
 * Path. As forest_score() for a forest with bounds, but stops as soon as the verdict is certain.
 * Where decided[i] is 1 the probabilities are bounds, on the same side of the threshold and with
 * the same likeliest class as the exact ones; where it is 0 they are exact.
 */
void forest_decide(struct forest_slot *s, const float *matrix, uint32_t n, float *probabilities,
		   uint8_t *decided);

#endif
