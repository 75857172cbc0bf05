/*
 * Private: receiving packets: polling the receive queues, parsing, and, for the legs of a tap,
 * reordering.
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
	struct lj_source *source; /* NULL: none at present. Used by the role only */
	uint16_t queue;
	uint16_t leaving; /* polls since main requested its release */
	/* The source to be polled; NULL: release the current one. main: wo; role: ro */
	_Atomic(struct lj_source *) wanted;
	/* The source in use, which main must not stop. main: sets; role: clears */
	_Atomic(struct lj_source *) held;
	_Atomic uint64_t left_tsc; /* when it was released. role: wo; main: ro */
	/* Packets received, and the results of sampling them. role: wo, control: ro */
	uint64_t packets, bytes, checked, unexpected, parted;
	/* Samples by RETA entry; [LJ_RETA_MAX], or NULL. role: wo, control: ro */
	uint64_t *bucket;
};

struct receiver {
	struct receive_queue rx[LJ_CONFIG_PORTS];
	uint16_t n_rx, next_rx;
	struct lj_parser parser;
	const struct lj_flow_table *table; /* of the same role, for lj_flow_ask(); or NULL */
	struct reorder *reorder;	   /* NULL: no reordering */
	uint32_t check_every;		   /* sample one in so many packets; 0: none */
	uint32_t check_in;		   /* packets until the next sample */
	struct lj_burst burst;
	struct lj_packet parsed[LJ_BURST_MAX]; /* before reordering */
};

/* Passes a source to the role, which must not hold one. main */
static inline void receive_queue_give(struct receive_queue *q, struct lj_source *source)
{
	atomic_store_explicit(&q->held, source, memory_order_relaxed);
	atomic_store_explicit(&q->wanted, source, memory_order_release);
}

/* Whether the packets have timestamps of their own. */
static inline bool receiver_own_time(const struct receiver *r)
{
	return r->rx[0].source != NULL && r->rx[0].source->own_time;
}

/*
 * Receives and parses packets: *n facts in `packets` (room for LJ_BURST_MAX). Returns the amount of
 * work: packets received or passed on. If 0, *over tells whether no more packets will come: all
 * sources have ended, or the end was requested.
 */
uint16_t receive(struct receiver *r, struct shared *shared, struct lj_counters *counters,
		 struct lj_packet *packets, uint16_t *n, bool *over);

#endif
