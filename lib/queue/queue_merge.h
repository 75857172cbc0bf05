/*
 * Private: the merge both of its halves see.
 */
#ifndef QUEUE_MERGE_H
#define QUEUE_MERGE_H

#include "lj_queue.h"

struct input {
	struct lj_queue *queue;
	uint32_t given; /* records out since the latest done */
};

struct lj_merge {
	uint16_t n;
	uint16_t turn;
	bool ordered;
	struct input input[];
};

#endif
