/*
 * Builds the columns: which thresholds of which feature, and where missing values go.
 *
 * A column holds the number of its thresholds at or below the value: 0..255. A node that compares
 * with the column's i-th threshold goes right if i < count. A missing value counts as 0 where it
 * goes left, and as 255, which is above every i, where it goes right.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest_parts.h"

static int compare_uses(const void *a, const void *b)
{
	const struct forest_use *x = a, *y = b;

	if (x->feature != y->feature)
		return x->feature < y->feature ? -1 : 1;
	return (x->threshold > y->threshold) - (x->threshold < y->threshold);
}

struct forest_use *forest_uses(const struct forest *f, size_t *n)
{
	struct forest_use *uses = malloc(RTE_MAX(f->nodes, 1U) * sizeof(*uses));

	*n = 0;
	for (uint32_t i = 0; uses != NULL && i < f->nodes; i++)
		if (!isnan(f->node[i].threshold))
			uses[(*n)++] = (struct forest_use){f->node[i].threshold, f->node[i].feature,
							   f->node[i].missing_right};
	if (uses != NULL)
		qsort(uses, *n, sizeof(*uses), compare_uses);
	return uses;
}

/* Counts searches and columns; the distinct thresholds of a feature are divided into chunks. */
static void count_columns(const struct forest_use *uses, size_t n, uint32_t *searches,
			  uint32_t *columns)
{
	*searches = *columns = 0;
	for (size_t i = 0; i < n;) {
		uint16_t feature = uses[i].feature;
		uint32_t distinct = 0, directions = 0;

		for (size_t first = i; i < n && uses[i].feature == feature; i++) {
			distinct += i == first || uses[i].threshold != uses[i - 1].threshold;
			directions |= 1U << uses[i].missing_right;
		}
		distinct = (distinct + FOREST_CHUNK - 1) / FOREST_CHUNK;
		*searches += distinct;
		*columns += distinct * (uint32_t)__builtin_popcount(directions);
	}
}

static void begin_search(struct forest *f, uint16_t feature)
{
	struct forest_search *s = &f->search[f->searches];

	*s = (struct forest_search){.feature = feature, .column = {-1, -1}};
	s->threshold = f->search_memory + (size_t)f->searches * FOREST_SEARCH_FLOATS;
	s->splitter = s->threshold + 256;
	s->level_table = s->splitter + 16;
	for (uint32_t i = 0; i < FOREST_SEARCH_FLOATS; i++)
		s->threshold[i] = NAN;
	f->searches++;
}

/* Fills the thresholds, ascending, in searches of up to FOREST_CHUNK. */
static void fill_thresholds(struct forest *f, const struct forest_use *uses, size_t n)
{
	f->searches = 0;
	for (size_t i = 0; i < n; i++) {
		bool fresh = i == 0 || uses[i].feature != uses[i - 1].feature;
		struct forest_search *s;

		if (!fresh && uses[i].threshold == uses[i - 1].threshold)
			continue;
		if (fresh || f->search[f->searches - 1].n == FOREST_CHUNK)
			begin_search(f, uses[i].feature);
		s = &f->search[f->searches - 1];
		/* -0.0 and 0.0 compare equal, so either will do. */
		s->threshold[s->n++] = uses[i].threshold;
	}
}

/*
 * The position in level k's table after the answers `i` of a binary search. The answers of the
 * first two levels are stored as a number in the lowest two bits, each later one in the next bit,
 * so that adding an answer does not shift the others.
 */
static uint32_t place(uint32_t i, uint32_t k)
{
	uint32_t at = k < 2 ? i : i >> (k - 2);

	for (uint32_t level = 2; level < k; level++)
		at |= (i >> (k - 1 - level) & 1) << level;
	return at;
}

/*
 * level_table holds the thresholds in the order of a binary search: level k has 2^k of them. From
 * level 4 on these are whole registers of 16; before them are levels 2, 0, 1 and 3, in this order.
 */
static void fill_tables(struct forest_search *s)
{
	static const uint32_t first[] = {5, 6, 0, 8, 16, 32, 64, 128};

	while (1U << s->levels <= s->n)
		s->levels++;
	for (uint32_t k = 0; k < s->levels; k++)
		for (uint32_t i = 0; i < 1U << k; i++)
			s->level_table[first[k] + place(i, k)] =
				s->threshold[(2 * i + 1) * (1U << (s->levels - 1 - k)) - 1];
	for (uint32_t i = 0; i < 15; i++)
		s->splitter[i] = s->threshold[16 * i + 15];
}

/* The feature's search that contains this threshold. */
static struct forest_search *find_search(const struct forest *f, const struct forest_node *node)
{
	uint32_t low = 0, high = f->searches - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		const struct forest_search *s = &f->search[middle];

		if (s->feature < node->feature ||
		    (s->feature == node->feature && s->threshold[s->n - 1] < node->threshold))
			low = middle + 1;
		else
			high = middle;
	}
	return &f->search[low];
}

uint8_t forest_column_of(const struct forest *f, const struct forest_node *node, uint8_t *rank)
{
	const struct forest_search *s = find_search(f, node);
	int32_t low = 0, high = s->n - 1;

	while (low < high) {
		int32_t middle = (low + high) / 2;

		if (s->threshold[middle] < node->threshold)
			low = middle + 1;
		else
			high = middle;
	}
	*rank = (uint8_t)low;
	return (uint8_t)s->column[node->missing_right];
}

static void number_columns(struct forest *f)
{
	for (uint32_t i = 0; i < f->nodes; i++)
		if (!isnan(f->node[i].threshold))
			find_search(f, &f->node[i])->column[f->node[i].missing_right] = 0;
	f->columns = 0;
	for (uint32_t i = 0; i < f->searches; i++)
		for (int side = 0; side < 2; side++)
			if (f->search[i].column[side] == 0)
				f->search[i].column[side] = (int16_t)f->columns++;
}

bool forest_rank(struct forest *f)
{
	uint32_t searches, columns;
	struct forest_use *uses;
	size_t n;

	if (f->depth > FOREST_DEPTH_MAX)
		return false;
	uses = forest_uses(f, &n);
	if (uses == NULL)
		return false;
	count_columns(uses, n, &searches, &columns);
	if (columns <= FOREST_COLUMNS_MAX) {
		f->search = calloc(searches + 1, sizeof(*f->search));
		f->search_memory = aligned_alloc(64, (searches + 1) * FOREST_SEARCH_FLOATS *
							     sizeof(*f->search_memory));
	}
	if (f->search != NULL && f->search_memory != NULL) {
		fill_thresholds(f, uses, n);
		for (uint32_t i = 0; i < f->searches; i++)
			fill_tables(&f->search[i]);
		number_columns(f);
	}
	free(uses);
	return f->search != NULL && f->search_memory != NULL;
}

void forest_unrank(struct forest *f)
{
	free(f->search);
	free(f->search_memory);
	f->search = NULL;
	f->search_memory = NULL;
}
