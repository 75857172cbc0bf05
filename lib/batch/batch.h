/* Private: an inference lcore's end of the queues. */
#ifndef BATCH_H
#define BATCH_H

#include "lj_batch.h"

struct lj_batcher {
	struct lj_merge *merge;
	bool ordered;
	const struct lj_batch_tuning *tuning;
	struct lj_counters *counters;
	void *record[LJ_BATCH_RECORDS];
	uint32_t n_due; /* of them due flows */
	uint32_t n;	/* taken from the merge and not yet done: they wait to become a batch */
	uint64_t oldest_tsc; /* the earliest queued_tsc among them */
	uint16_t n_queues;
	struct lj_queue *queue[];
};

#endif
