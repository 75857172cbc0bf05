/*
 * Private: how a role gets packets from receive queues: poll, parse, and where they are the legs of
 * a tap, order.
 */
#ifndef RECEIVE_H
#define RECEIVE_H

#include <stdatomic.h>

#include "lj_capture.h"
#include "lj_config.h"
#include "lj_packet.h"
#include "reorder.h"

struct shared;

struct receive_queue {
	struct lj_source *source; /* NULL: none just now. role */
	uint16_t queue;
	uint16_t leaving; /* polls since main has wanted it let go */
	/* What it is given to poll; NULL: to let go of what it has. main: wo; role: ro */
	_Atomic(struct lj_source *) wanted;
	/* What it has, or is about to take: main may not stop that. main: gives; role: lets go */
	_Atomic(struct lj_source *) held;
	_Atomic uint64_t left_tsc; /* when it let go. role: wo; main: ro */
	/* Taken from it, and what samples of them showed. role: wo, control: ro */
	uint64_t packets, bytes, checked, unexpected, parted;
	/* Of those checked, by entry of the RETA; [LJ_RETA_MAX], or NULL. role: wo, control: ro */
	uint64_t *bucket;
};

struct receiver {
	struct receive_queue rx[LJ_CONFIG_PORTS];
	uint16_t n_rx, next_rx;
	struct lj_parser parser;
	const struct lj_flow_table *table; /* the role's own, which takes the packets; or NULL */
	struct reorder *reorder;	   /* NULL: packets go on as they are polled */
	uint32_t check_every;		   /* packets; 0: none is checked */
	uint32_t check_in;		   /* packets until the next is */
	struct lj_burst burst;
	struct lj_packet parsed[LJ_BURST_MAX]; /* of the reordered, before they are held */
};

/* Gives a queue to its role, which has none or has let go of the one before. main */
static inline void receive_queue_give(struct receive_queue *q, struct lj_source *source)
{
	atomic_store_explicit(&q->held, source, memory_order_relaxed);
	atomic_store_explicit(&q->wanted, source, memory_order_release);
}

/* Whether packets bring times of their own rather than the clock's. */
static inline bool receiver_own_time(const struct receiver *r)
{
	return r->rx[0].source != NULL && r->rx[0].source->own_time;
}

/*
 * Facts of what came, in `packets` (room for LJ_BURST_MAX), *n of them. Returns how much work it
 * was: packets received or handed on. When it was none, *over says whether none will ever come:
 * all sources have ended, or the end was asked for.
 */
uint16_t receive(struct receiver *r, struct shared *shared, struct lj_counters *counters,
		 struct lj_packet *packets, uint16_t *n, bool *over);

#endif
