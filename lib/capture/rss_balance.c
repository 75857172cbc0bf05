#include <string.h>

#include "lj_capture.h"

struct queues {
	uint64_t load[LJ_SOURCE_QUEUES], sum;
	uint16_t n, fullest, emptiest;
};

static void weigh(struct queues *q)
{
	q->fullest = q->emptiest = 0;
	for (uint16_t i = 1; i < q->n; i++) {
		if (q->load[i] > q->load[q->fullest])
			q->fullest = i;
		if (q->load[i] < q->load[q->emptiest])
			q->emptiest = i;
	}
}

static double imbalance(const struct queues *q)
{
	return q->sum > 0 ? (double)q->load[q->fullest] * q->n / (double)q->sum : 1;
}

/* The entry of the fullest queue whose move to the emptiest makes the two most equal; -1 if every
 * move would only swap them. */
static int choose(const struct queues *q, const uint16_t *reta, uint16_t entries,
		  const uint64_t *load)
{
	uint64_t gap = q->load[q->fullest] - q->load[q->emptiest], least = UINT64_MAX;
	int best = -1;

	for (uint16_t i = 0; i < entries; i++) {
		uint64_t off = load[i] > gap / 2 ? load[i] - gap / 2 : gap / 2 - load[i];

		if (reta[i] != q->fullest || load[i] == 0 || load[i] >= gap || off >= least)
			continue;
		least = off;
		best = i;
	}
	return best;
}

void lj_rss_balance(const struct lj_rss *rss, const uint64_t *load, uint16_t *reta,
		    struct lj_rss_balance *result)
{
	struct queues q = {.n = rss->queues};
	int entry;

	for (uint16_t i = 0; i < rss->reta_entries; i++) {
		reta[i] = lj_rss_entry(rss, i);
		q.load[reta[i]] += load[i];
		q.sum += load[i];
	}
	weigh(&q);
	*result = (struct lj_rss_balance){.before = imbalance(&q)};
	while (imbalance(&q) > LJ_RSS_EVEN &&
	       (entry = choose(&q, reta, rss->reta_entries, load)) >= 0) {
		q.load[q.fullest] -= load[entry];
		q.load[q.emptiest] += load[entry];
		reta[entry] = q.emptiest;
		weigh(&q);
	}
	result->after = imbalance(&q);
	for (uint16_t i = 0; i < rss->reta_entries; i++)
		result->moved += reta[i] != lj_rss_entry(rss, i);
}
