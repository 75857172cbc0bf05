/*
 * Compares the forest with XGBoost, bit for bit, on these rows, in this order:
 *
 *  - every threshold of the model, for all features in parallel: just below, at, just above;
 *  - every inner node, or a sample, by rows that reach it: below, at, above, value missing;
 *  - random values: next to thresholds, far from them, infinite and missing.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest_parts.h"
#include "model.h"

#define RANDOM_ROWS 512
/* Rows directed to nodes: for the whole proof, and at start. XGBoost takes up to 20 us per row. */
#define DIRECTED_WHOLE 16384
#define DIRECTED_START 1024
#define WAYS	       4		 /* below, at, above, missing */
#define DIRECTED_DEPTH 1000		 /* limits the recursion along a path */
#define SMALL_BATCH    27		 /* uses the kernel of half a block: up to 32 rows */
#define LARGE_BATCH    (3 * FOREST_ROWS) /* two blocks together, and one alone */
#define PROOF_SEED     20260101

/* The position of a feature's thresholds in `uses`. */
struct span {
	uint32_t first, n;
};

struct proof {
	const struct forest *forest;
	struct forest_use *uses;
	struct span *spans; /* [features] */
	uint32_t edge_rows, directed_rows, directed_most;
	bool all_probabilities;	  /* false: of the first piece only */
	uint32_t *inner, n_inner; /* indexes of inner nodes in forest.node */
	uint32_t *tree_of;	  /* [nodes] the tree of each node */
	uint32_t *parent;	  /* [nodes] index within the tree */
	uint64_t seed;
	float *matrix;		    /* [LJ_MODEL_BATCH][features] */
	float *wanted[2], *have[2]; /* margins, probabilities: [LJ_MODEL_BATCH][outputs] */
};

static uint32_t draw(struct proof *p)
{
	p->seed = p->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(p->seed >> 33);
}

/* The threshold, or the adjacent float below or above it. */
static float beside(float threshold, uint32_t which)
{
	if (which == 0)
		return nextafterf(threshold, -INFINITY);
	return which == 1 ? threshold : nextafterf(threshold, INFINITY);
}

static float edge_value(struct proof *p, uint32_t feature, uint32_t row)
{
	const struct span *s = &p->spans[feature];
	/* Offset per feature, so that not all features are at their lowest thresholds at once. */
	uint32_t at;

	if (s->n == 0)
		return 0;
	at = (row + feature * 7919U) % (3 * s->n);
	return beside(p->uses[s->first + at / 3].threshold, at % 3);
}

static float random_value(struct proof *p, uint32_t feature)
{
	static const float odd[] = {0.0f, -0.0f, 1e-45f, -1e-39f, INFINITY, -INFINITY, 3.4e38f, -1};
	const struct span *s = &p->spans[feature];
	uint32_t how = draw(p) % 8;

	if (how < 2)
		return NAN;
	if (how == 2 || s->n == 0)
		return odd[draw(p) % RTE_DIM(odd)];
	return beside(p->uses[s->first + draw(p) % s->n].threshold, draw(p) % 3);
}

/* Changes the row so that it reaches node `at` of a tree, if any row can. */
static void direct(const struct proof *p, const struct forest_tree *tree, uint32_t at, float *row)
{
	const struct forest_node *node;
	uint32_t parent;

	if (at == 0)
		return;
	parent = p->parent[tree->node + at];
	direct(p, tree, parent, row);
	node = &p->forest->node[tree->node + parent];
	if (at == node->left && !(row[node->feature] < node->threshold))
		row[node->feature] = nextafterf(node->threshold, -INFINITY);
	if (at != node->left && !(row[node->feature] >= node->threshold))
		row[node->feature] = node->threshold;
}

/* A random row that reaches the inner node of test i, with the value below, at, above or
 * missing. */
static void fill_directed(struct proof *p, uint32_t i, float *row)
{
	bool all = p->n_inner * WAYS <= p->directed_most;
	uint32_t place = p->inner[all ? i / WAYS : draw(p) % p->n_inner];
	const struct forest_tree *tree = &p->forest->tree[p->tree_of[place]];
	const struct forest_node *node = &p->forest->node[place];

	for (uint32_t f = 0; f < p->forest->features; f++)
		row[f] = random_value(p, f);
	if (tree->depth <= DIRECTED_DEPTH)
		direct(p, tree, place - tree->node, row);
	row[node->feature] = i % WAYS == WAYS - 1 ? NAN : beside(node->threshold, i % WAYS);
}

static void fill_row(struct proof *p, uint32_t i, float *row)
{
	if (i >= p->edge_rows && i - p->edge_rows < p->directed_rows) {
		fill_directed(p, i - p->edge_rows, row);
		return;
	}
	for (uint32_t f = 0; f < p->forest->features; f++)
		row[f] = i < p->edge_rows ? edge_value(p, f, i) : random_value(p, f);
}

static void fill_rows(struct proof *p, uint32_t first, uint32_t n)
{
	for (uint32_t r = 0; r < n; r++)
		fill_row(p, first + r, p->matrix + (size_t)r * p->forest->features);
}

static void fill_paths(struct proof *p)
{
	const struct forest *f = p->forest;

	for (uint32_t t = 0; t < f->trees; t++) {
		uint32_t end = t + 1 < f->trees ? f->tree[t + 1].node : f->nodes;

		for (uint32_t i = f->tree[t].node; i < end; i++) {
			uint32_t left = f->node[i].left, at = i - f->tree[t].node;

			p->tree_of[i] = t;
			if (left == at)
				continue;
			p->inner[p->n_inner++] = i;
			p->parent[f->tree[t].node + left] = at;
			p->parent[f->tree[t].node + left + 1] = at;
		}
	}
	p->directed_rows = RTE_MIN(p->n_inner, p->directed_most / WAYS) * WAYS;
}

/* Fills one span of distinct thresholds per feature, and the number of rows that test each of them
 * three times. */
static void fill_spans(struct proof *p, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct span *s = &p->spans[p->uses[i].feature];

		if (s->n > 0 && p->uses[kept - 1].threshold == p->uses[i].threshold)
			continue;
		if (s->n == 0)
			s->first = (uint32_t)kept;
		p->uses[kept++] = p->uses[i];
		s->n++;
		p->edge_rows = RTE_MAX(p->edge_rows, 3 * s->n);
	}
}

/* Compares the margins of `n` rows, and their probabilities if requested. */
static int compare(const struct proof *p, enum forest_kernel kernel, uint32_t first, uint32_t n,
		   bool probabilities, struct lj_error *err)
{
	static const char *const what[] = {"margin", "probability"};

	for (uint32_t k = 0; k < (probabilities ? 2 : 1); k++)
		for (uint32_t i = 0; i < n * p->forest->outputs; i++)
			if (memcmp(&p->have[k][i], &p->wanted[k][i], sizeof(float)) != 0)
				return lj_error_set(err, EILSEQ, "",
						    "kernel %s, row %u of the proof: %s is %.9g, "
						    "XGBoost says %.9g",
						    forest_kernel_name(kernel),
						    first + i / p->forest->outputs, what[k],
						    p->have[k][i], p->wanted[k][i]);
	return 0;
}

/* Scores alternately `large` rows and SMALL_BATCH rows. */
static void score_in_pieces(struct proof *p, struct forest_slot *slot, uint32_t n, uint32_t large)
{
	uint32_t features = p->forest->features, outputs = p->forest->outputs;
	uint32_t piece = large;

	for (uint32_t i = 0; i < n; i += piece, piece = piece == large ? SMALL_BATCH : large)
		forest_score(slot, p->matrix + (size_t)i * features, RTE_MIN(n - i, piece),
			     p->have[0] + (size_t)i * outputs, p->have[1] + (size_t)i * outputs);
}

static int prove_rows(struct proof *p, void *xgboost, struct forest_slot *const *slots,
		      uint32_t first, uint32_t n, struct lj_error *err)
{
	/* Probabilities are a function of the margins, and XGBoost evaluates the trees again for
	 * them. */
	bool probabilities = p->all_probabilities || first == 0;
	int ret = 0;

	fill_rows(p, first, n);
	if (lj_engine_xgboost.score(xgboost, p->matrix, n, p->wanted[0],
				    probabilities ? p->wanted[1] : NULL) != 0)
		return lj_error_set(err, EIO, "", "XGBoost does not score the rows of the proof");
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS && ret == 0; k++) {
		if (slots[k] == NULL)
			continue;
		score_in_pieces(p, slots[k], n, k == FOREST_BEST ? SMALL_BATCH : LARGE_BATCH);
		ret = compare(p, k, first, n, probabilities, err);
	}
	return ret;
}

/* Whether the kernel is chosen for any number of rows. */
static bool is_chosen(const struct forest *f, enum forest_kernel kernel)
{
	for (uint32_t rows = 1; rows <= FOREST_ROWS; rows++)
		if (forest_kernel_for(f, rows) == kernel)
			return true;
	return false;
}

static int open_slots(const struct forest *f, enum forest_proof proof, struct forest_slot **slots)
{
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++) {
		if (!forest_kernel_runs(f, k) ||
		    (proof == FOREST_PROOF_START && k != FOREST_BEST && !is_chosen(f, k)))
			continue;
		slots[k] = forest_slot_create(f, k);
		if (slots[k] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int prepare(struct proof *p, size_t *n)
{
	size_t outputs = (size_t)LJ_MODEL_BATCH * p->forest->outputs * sizeof(float);

	p->uses = forest_uses(p->forest, n);
	p->spans = calloc(p->forest->features, sizeof(*p->spans));
	p->matrix = malloc((size_t)LJ_MODEL_BATCH * p->forest->features * sizeof(float));
	for (uint32_t k = 0; k < 2; k++) {
		p->wanted[k] = malloc(outputs);
		p->have[k] = malloc(outputs);
		if (p->wanted[k] == NULL || p->have[k] == NULL)
			return -ENOMEM;
	}
	p->inner = malloc(p->forest->nodes * sizeof(*p->inner));
	p->tree_of = malloc(p->forest->nodes * sizeof(*p->tree_of));
	p->parent = malloc(p->forest->nodes * sizeof(*p->parent));
	return p->uses != NULL && p->spans != NULL && p->matrix != NULL && p->inner != NULL &&
			       p->tree_of != NULL && p->parent != NULL
		       ? 0
		       : -ENOMEM;
}

static void release(struct proof *p)
{
	for (uint32_t k = 0; k < 2; k++) {
		free(p->wanted[k]);
		free(p->have[k]);
	}
	free(p->matrix);
	free(p->spans);
	free(p->uses);
	free(p->inner);
	free(p->tree_of);
	free(p->parent);
}

int forest_prove(const struct forest *f, void *xgboost, enum forest_proof proof, uint32_t *rows,
		 struct lj_error *err)
{
	struct proof p = {.forest = f,
			  .seed = PROOF_SEED,
			  .directed_most =
				  proof == FOREST_PROOF_START ? DIRECTED_START : DIRECTED_WHOLE,
			  .all_probabilities = proof == FOREST_PROOF_WHOLE};
	struct forest_slot *slots[FOREST_KERNELS] = {NULL};
	size_t n = 0;
	int ret = 0;

	if (prepare(&p, &n) != 0 || open_slots(f, proof, slots) != 0)
		ret = lj_error_set(err, ENOMEM, "", "not enough memory for the proof");
	if (ret == 0) {
		fill_spans(&p, n);
		fill_paths(&p);
	}
	*rows = p.edge_rows + p.directed_rows + RANDOM_ROWS;
	for (uint32_t i = 0; i < *rows && ret == 0; i += LJ_MODEL_BATCH)
		ret = prove_rows(&p, xgboost, slots, i,
				 RTE_MIN(*rows - i, (uint32_t)LJ_MODEL_BATCH), err);
	for (enum forest_kernel k = FOREST_BEST; k < FOREST_KERNELS; k++)
		forest_slot_destroy(slots[k]);
	release(&p);
	return ret;
}
