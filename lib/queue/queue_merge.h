/*
 * Private: the merge, shared by merge.c and merge_path.c.
 */
#ifndef QUEUE_MERGE_H
#define QUEUE_MERGE_H

#include "lj_queue.h"

struct input {
	struct lj_queue *queue;
	uint32_t given; /* records returned since the last lj_merge_done() */
};

struct lj_merge {
	uint16_t n;
	uint16_t turn;
	bool ordered;
	struct input input[];
};

#endif
