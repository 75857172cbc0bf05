/* Private: an inference lcore's side of the queues. */
#ifndef BATCH_H
#define BATCH_H

#include "lj_batch.h"

struct lj_batcher {
	struct lj_merge *merge;
	bool ordered;
	const struct lj_batch_tuning *tuning;
	struct lj_counters *counters;
	void *record[LJ_BATCH_RECORDS];
	uint32_t n;	/* records of the current batch: taken and not yet done */
	uint32_t n_due; /* of them due flows to be scored; the others are facts and shed flows */
	/* Recent cost of a due flow and of a fact, in TSC cycles; 0: not yet known. */
	double row_cycles, fact_cycles;
	uint64_t taken_tsc; /* when the current batch was taken */
	uint16_t n_queues;
	struct lj_queue *queue[];
};

/* Marks `n` of the due flows taken as shed, and counts them; there must be at least `n`. */
void shed_flows(struct lj_batcher *b, uint32_t n);

#endif
