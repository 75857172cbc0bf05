#include "batch.h"

#include <stdlib.h>

const char *const lj_shed_class_name[LJ_SHED_CLASSES] = {
	[LJ_SHED_EARLY] = "early", [LJ_SHED_UNANSWERED] = "unanswered", [LJ_SHED_DNS] = "dns",
	[LJ_SHED_UDP] = "udp",	   [LJ_SHED_OTHER] = "other",		[LJ_SHED_TCP] = "tcp",
};

const char *const lj_shed_name[] = {
	[LJ_SHED_NONE] = "none",
	[LJ_SHED_OLDEST] = "oldest",
	[LJ_SHED_NEWEST] = "newest",
	[LJ_SHED_SMALLEST] = "smallest",
};

void lj_batch_shed_by(struct lj_batch_tuning *tuning, enum lj_shed policy)
{
	for (int class = 0; class < LJ_SHED_CLASSES; class ++)
		tuning->shed[class] = policy;
}

struct lj_batcher *lj_batcher_create(struct lj_queue *const *worker_queues, uint16_t n,
				     bool ordered, const struct lj_batch_tuning *tuning,
				     struct lj_counters *counters)
{
	struct lj_batcher *b = calloc(1, sizeof(*b) + n * sizeof(b->queue[0]));

	if (b == NULL)
		return NULL;
	b->merge = lj_merge_create(worker_queues, n, ordered);
	if (b->merge == NULL) {
		free(b);
		return NULL;
	}
	b->ordered = ordered;
	b->tuning = tuning;
	b->counters = counters;
	b->n_queues = n;
	for (uint16_t i = 0; i < n; i++)
		b->queue[i] = worker_queues[i];
	return b;
}

void lj_batcher_destroy(struct lj_batcher *b)
{
	if (b == NULL)
		return;
	lj_merge_destroy(b->merge);
	free(b);
}

bool lj_batcher_finished(const struct lj_batcher *b)
{
	return b->n == 0 && lj_merge_finished(b->merge);
}

struct lj_order lj_batcher_watermark(const struct lj_batcher *b)
{
	if (b->n > 0)
		return *(const struct lj_order *)b->record[0];
	return lj_merge_watermark(b->merge);
}

uint32_t lj_batcher_waiting(const struct lj_batcher *b)
{
	return lj_merge_waiting(b->merge);
}
