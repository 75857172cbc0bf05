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
	uint32_t n;	/* taken from the merge and not yet done: the batch under way */
	uint32_t n_due; /* of them due flows to be scored; the others are facts and shed flows */
	/* What a due flow and a fact alone have cost of late, in TSC cycles; 0: not yet known. */
	double row_cycles, fact_cycles;
	uint64_t taken_tsc; /* when the batch under way was taken */
	uint16_t n_queues;
	struct lj_queue *queue[];
};

/* Marks and counts `n` of the due flows taken as shed; there are as many. */
void shed_flows(struct lj_batcher *b, uint32_t n);

#endif
