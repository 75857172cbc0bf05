/*
 * Evaluates trees until the verdict is certain. After each stage, rows are dropped whose side of
 * the threshold and whose class no remaining tree can change. The reported margins of such a row
 * are the end of its bounds closest to the other verdict, so that deciding by them gives the same
 * verdict.
 */
#include <math.h>
#include <string.h>

#include "forest_parts.h"

/* The undecided rows of a block. */
struct live {
	enum forest_kernel kernel;
	uint64_t *ended; /* forest_slot.ended of the block's slot, or of the first of two */
	uint32_t rows;	 /* of the block, including decided ones */
	uint32_t n;
	uint64_t lanes;		  /* row-lane kernels: bit r is row r */
	uint8_t row[FOREST_ROWS]; /* other kernels: [n] row numbers, in their order */
};

static bool decide_side(const struct forest_bounds *b, uint32_t stage, float sum, float *margin)
{
	if (sum <= b->under[stage])
		*margin = sum + b->high[stage];
	else if (sum >= b->over[stage])
		*margin = sum + b->low[stage];
	else
		return false;
	return true;
}

/* Fills margins with output 0 at one end of its bounds and the others at the other end. Returns the
 * lead of the highest of the others over output 0. */
static float corner(const struct forest *f, const float *zero, const float *others,
		    const float *sums, uint32_t step, float *margins)
{
	float lead = -INFINITY;

	margins[0] = sums[0] + zero[0];
	for (uint32_t k = 1; k < f->outputs; k++) {
		margins[k] = sums[k * step] + others[k];
		lead = margins[k] - margins[0] > lead ? margins[k] - margins[0] : lead;
	}
	return lead;
}

/* 1 - the probability of output 0. */
static float others_share(const struct forest *f, const float *margins)
{
	float rest = 0;

	for (uint32_t k = 1; k < f->outputs; k++)
		rest += expf(margins[k] - margins[0]);
	return isinf(rest) ? 1 : rest / (1 + rest);
}

/*
 * Whether the likeliest class is certain: if its own upper bound is the only one that reaches the
 * greatest lower bound. Branch-free, because which class that is cannot be predicted.
 */
static bool has_winner(const struct forest *f, uint32_t stage, const float *sums, uint32_t step)
{
	const struct forest_bounds *b = f->bounds;
	const float *low = b->low + stage * f->outputs, *high = b->high + stage * f->outputs;
	float best = -INFINITY;
	uint32_t reach = 0;

	for (uint32_t k = 0; k < f->outputs; k++) {
		float least = sums[k * step] + low[k];

		best = least > best ? least : best;
	}
	for (uint32_t k = 0; k < f->outputs; k++)
		reach += sums[k * step] + high[k] + b->gap >= best;
	return reach == 1;
}

static bool decide_class(const struct forest *f, uint32_t stage, const float *sums, uint32_t step,
			 float *margins)
{
	const struct forest_bounds *b = f->bounds;
	const float *low = b->low + stage * f->outputs, *high = b->high + stage * f->outputs;

	float lead;

	if (!has_winner(f, stage, sums, step))
		return false;
	/* Comparing the highest alone with lead_spread often avoids the exponentials. Not decided
	 * while output 0 (benign) may lead: an alert would name the likeliest other class, which is
	 * not certain yet. */
	lead = corner(f, high, low, sums, step, margins);
	if (lead > 0 &&
	    (lead >= b->lead_over || (lead >= b->lead_over - b->lead_spread &&
				      others_share(f, margins) >= b->threshold + b->gap)))
		return true;
	lead = corner(f, low, high, sums, step, margins);
	return lead <= b->lead_under - b->lead_spread ||
	       (lead <= b->lead_under && others_share(f, margins) <= b->threshold - b->gap);
}

/* Moves the kernel's data of the j-th live row to the i-th. */
static void move(struct forest_slot *s, uint32_t j, uint32_t i)
{
	uint32_t outputs = s->forest->outputs;

	s->row[i] = s->row[j];
	memcpy(s->sums + i * outputs, s->sums + j * outputs, outputs * sizeof(*s->sums));
	if (!s->forest->ranked)
		return;
	memcpy(s->rows + i * FOREST_COLUMNS_MAX, s->rows + j * FOREST_COLUMNS_MAX,
	       FOREST_COLUMNS_MAX);
	memcpy(s->standing + i * FOREST_TREES, s->standing + j * FOREST_TREES, FOREST_TREES);
}

/* Whether the row with these sums is decided; if so, fills its margins. */
static bool decide_row(const struct forest *f, uint32_t stage, const float *sums, uint32_t step,
		       float *margins)
{
	return f->outputs == 1 ? decide_side(f->bounds, stage, *sums, margins)
			       : decide_class(f, stage, sums, step, margins);
}

/* Written by this lcore only, read by others. */
static void count_ended(struct live *live, uint32_t stage, uint32_t rows)
{
	__atomic_store_n(&live->ended[stage], live->ended[stage] + rows, __ATOMIC_RELAXED);
}

/* Drops decided rows of a kernel without row lanes. */
static void drop_in_turn(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
			 uint8_t *decided)
{
	uint32_t outputs = s->forest->outputs, kept = 0;

	for (uint32_t j = 0; j < live->n; j++) {
		uint32_t row = live->row[j];

		decided[row] = decide_row(s->forest, stage, s->sums + j * outputs, 1,
					  margins + row * outputs);
		if (decided[row])
			continue;
		if (kept != j)
			move(s, j, kept);
		live->row[kept++] = (uint8_t)row;
	}
	count_ended(live, stage, live->n - kept);
	live->n = kept;
}

/* Sets `sure` for rows that are decided, all lanes at once, by the comparisons of decide_side(). */
static void ask_sides(const struct forest_bounds *b, uint32_t stage, const float *sums,
		      uint32_t *sure)
{
	float under = b->under[stage], over = b->over[stage];

	for (uint32_t r = 0; r < FOREST_ROWS; r++)
		sure[r] = (uint32_t)(sums[r] <= under) | (uint32_t)(sums[r] >= over);
}

/* Vectors of 8 rows. Explicit, because compilers do not vectorize maxima of floats. */
typedef float floats __attribute__((vector_size(32), may_alias));
typedef int32_t masks __attribute__((vector_size(32), may_alias));

/* As has_winner(), for 8 rows. */
static masks ask_classes(const struct forest *f, uint32_t stage, const float *sums)
{
	const struct forest_bounds *b = f->bounds;
	const float *low = b->low + stage * f->outputs, *high = b->high + stage * f->outputs;
	floats best = *(const floats *)sums + low[0];
	masks reach = {0};

	for (uint32_t k = 1; k < f->outputs; k++) {
		floats least = *(const floats *)(sums + k * FOREST_ROWS) + low[k];
		masks more = least > best;

		best = (floats)((more & (masks)least) | (~more & (masks)best));
	}
	for (uint32_t k = 0; k < f->outputs; k++)
		reach += *(const floats *)(sums + k * FOREST_ROWS) + high[k] + b->gap >= best;
	return reach == -1;
}

static uint64_t ask_lanes(const struct forest_slot *s, uint32_t stage)
{
	const struct forest *f = s->forest;
	uint32_t sure[FOREST_ROWS] __rte_aligned(32), any = 0;
	uint64_t lanes = 0;

	if (f->outputs == 1)
		ask_sides(f->bounds, stage, s->sums, sure);
	else
		for (uint32_t r = 0; r < FOREST_ROWS; r += 8)
			*(masks *)(sure + r) = ask_classes(f, stage, s->sums + r) & 1;
	for (uint32_t r = 0; r < FOREST_ROWS; r++)
		any |= sure[r];
	for (uint32_t r = 0; r < FOREST_ROWS && any; r++)
		lanes |= (uint64_t)sure[r] << r;
	return lanes;
}

/* The lane stays, but NaN sums make all of its comparisons false. */
static void silence(const struct forest_slot *s, uint32_t row)
{
	for (uint32_t k = 0; k < s->forest->outputs; k++)
		s->sums[k * FOREST_ROWS + row] = NAN;
}

/* Drops decided rows of a row-lane kernel. */
static void drop_lanes(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
		       uint8_t *decided)
{
	uint32_t outputs = s->forest->outputs, before = live->n;

	for (uint64_t asked = ask_lanes(s, stage); asked != 0; asked &= asked - 1) {
		uint32_t row = (uint32_t)__builtin_ctzll(asked);

		decided[row] = decide_row(s->forest, stage, s->sums + row, FOREST_ROWS,
					  margins + row * outputs);
		if (!decided[row])
			continue;
		silence(s, row);
		live->lanes &= ~(1ULL << row);
		live->n--;
	}
	count_ended(live, stage, before - live->n);
}

/* No trees remain: the sums are the margins. */
static void take_rest(struct forest_slot *s, struct live *live, float *margins)
{
	uint32_t outputs = s->forest->outputs;

	for (uint64_t lanes = live->lanes; lanes != 0; lanes &= lanes - 1) {
		uint32_t row = (uint32_t)__builtin_ctzll(lanes);

		for (uint32_t k = 0; k < outputs; k++)
			margins[row * outputs + k] = s->sums[k * FOREST_ROWS + row];
	}
	for (uint32_t j = 0; j < live->n && !forest_is_row_lane(live->kernel); j++)
		memcpy(margins + live->row[j] * outputs, s->sums + j * outputs,
		       outputs * sizeof(*margins));
	count_ended(live, s->forest->bounds->stages, live->n);
	live->n = 0;
}

/* Switches from row lanes to the kernel for the few remaining rows: copies their counts and sums
 * row by row. */
static void leave_lanes(struct forest_slot *s, struct live *live)
{
	const struct forest *f = s->forest;
	float *sums = s->turned; /* free at this point */
	uint32_t j = 0;

	live->kernel = s->best[live->n];
	for (uint64_t lanes = live->lanes; lanes != 0; lanes &= lanes - 1, j++) {
		uint32_t row = (uint32_t)__builtin_ctzll(lanes);
		uint8_t *ranks = s->rows + j * FOREST_COLUMNS_MAX;

		live->row[j] = (uint8_t)row;
		for (uint32_t c = 0; c < f->columns; c++)
			ranks[c] = (uint8_t)s->columns[c * FOREST_ROWS + row] ^ 0x80U;
		for (uint32_t k = 0; k < f->outputs; k++)
			sums[j * f->outputs + k] = s->sums[k * FOREST_ROWS + row];
	}
	live->lanes = 0;
	memcpy(s->sums, sums, live->n * f->outputs * sizeof(*sums));
	s->stood = UINT32_MAX;
}

static void begin(struct forest_slot *s, struct live *live, enum forest_kernel kernel,
		  const float *matrix, uint32_t n, uint8_t *decided)
{
	bool lanes = forest_is_row_lane(kernel);

	live->kernel = kernel;
	live->rows = live->n = n;
	live->lanes = !lanes ? 0 : n == FOREST_ROWS ? UINT64_MAX : (1ULL << n) - 1;
	for (uint32_t r = 0; r < n && !lanes; r++)
		live->row[r] = (uint8_t)r;
	memset(decided, 0, n);
	forest_begin(s, kernel, matrix, n);
	for (uint32_t r = n; r < FOREST_ROWS && lanes; r++)
		silence(s, r);
}

/* The number of trees before a stage. */
static uint32_t trees_before(const struct forest *f, uint32_t stage)
{
	return RTE_MIN(stage * f->bounds->width, f->trees);
}

/* Drops the rows decided before `stage`. When so few remain that they would not be scored beside
 * another block, they leave the row lanes: switching has a cost, too. */
static void conclude(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
		     uint8_t *decided)
{
	bool lanes = forest_is_row_lane(live->kernel);

	if (stage == s->forest->bounds->stages) {
		take_rest(s, live, margins);
		return;
	}
	if (!lanes) {
		drop_in_turn(s, live, stage, margins, decided);
		return;
	}
	drop_lanes(s, live, stage, margins, decided);
	if (live->n > 0 && live->n <= s->beside && !forest_is_row_lane(s->best[live->n]))
		leave_lanes(s, live);
}

/* Continues until all rows are decided; the trees before `stage` have been added. */
static void go_on(struct forest_slot *s, struct live *live, uint32_t stage, float *margins,
		  uint8_t *decided)
{
	const struct forest *f = s->forest;

	while (live->n > 0) {
		uint32_t n = forest_is_row_lane(live->kernel) ? live->rows : live->n;

		forest_add(s, live->kernel, n, trees_before(f, stage), trees_before(f, stage + 1));
		conclude(s, live, ++stage, margins, decided);
	}
}

/* Adds all trees before the first stage at which anything can be decided, then goes on by
 * stages. */
static void decide_block(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
			 uint8_t *decided)
{
	const struct forest *f = s->forest;
	uint32_t stage = f->bounds->first;
	struct live live = {.ended = s->ended};

	begin(s, &live, s->best[n], matrix, n, decided);
	forest_add(s, live.kernel, n, 0, trees_before(f, stage));
	conclude(s, &live, stage, margins, decided);
	go_on(s, &live, stage, margins, decided);
}

/* Scores FOREST_ROWS rows and n more together, as long as both blocks are in row lanes. */
static void decide_pair(struct forest_slot *s, const float *matrix, uint32_t n, float *margins,
			uint8_t *decided)
{
	const struct forest *f = s->forest;
	float *more = margins + FOREST_ROWS * f->outputs;
	uint32_t stage = f->bounds->first, from = 0;
	struct live live[2] = {{.ended = s->ended}, {.ended = s->ended}};

	begin(s, &live[0], FOREST_ROWS_AVX512, matrix, FOREST_ROWS, decided);
	begin(s->second, &live[1], FOREST_ROWS_AVX512, matrix + (size_t)FOREST_ROWS * f->features,
	      n, decided + FOREST_ROWS);
	for (;; from = trees_before(f, stage++)) {
		forest_add_pair_avx512(s, from, trees_before(f, stage));
		conclude(s, &live[0], stage, margins, decided);
		conclude(s->second, &live[1], stage, more, decided + FOREST_ROWS);
		if (live[0].n == 0 || live[1].n == 0 || !forest_is_row_lane(live[0].kernel) ||
		    !forest_is_row_lane(live[1].kernel))
			break;
	}
	go_on(s, &live[0], stage, margins, decided);
	go_on(s->second, &live[1], stage, more, decided + FOREST_ROWS);
}

void forest_decide(struct forest_slot *s, const float *matrix, uint32_t n, float *probabilities,
		   uint8_t *decided)
{
	const struct forest *f = s->forest;

	for (uint32_t i = 0, rows; i < n; i += rows) {
		const float *from = matrix + (size_t)i * f->features;
		bool pair = forest_pairs(s, n - i);

		rows = RTE_MIN(n - i, (uint32_t)(pair ? 2 * FOREST_ROWS : FOREST_ROWS));
		if (pair)
			decide_pair(s, from, rows - FOREST_ROWS, s->margins, decided + i);
		else
			decide_block(s, from, rows, s->margins, decided + i);
		forest_transform(f, s->margins, rows, probabilities + i * f->outputs);
	}
}
