/*
 * Private: how a role gets packets from receive queues: poll, parse, and where they are the legs of
 * a tap, order.
 */
#ifndef RECEIVE_H
#define RECEIVE_H

#include "lj_config.h"
#include "lj_packet.h"
#include "reorder.h"

struct shared;

struct receive_queue {
	struct lj_source *source;
	uint16_t queue;
	/* Taken from it, and what samples of them showed. role: wo, control: ro */
	uint64_t packets, bytes, checked, unexpected, parted;
	/* Of those checked, by entry of the RETA; [LJ_RETA_MAX], or NULL. role: wo, control: ro */
	uint64_t *bucket;
};

struct receiver {
	struct receive_queue rx[LJ_CONFIG_PORTS];
	uint16_t n_rx, next_rx;
	struct lj_parser parser;
	struct reorder *reorder; /* NULL: packets go on as they are polled */
	uint32_t check_every;	 /* packets; 0: none is checked */
	uint32_t check_in;	 /* packets until the next is */
	struct lj_burst burst;
	struct lj_packet parsed[LJ_BURST_MAX]; /* of the reordered, before they are held */
};

/*
 * Facts of what came, in `packets` (room for LJ_BURST_MAX), *n of them. Returns how much work it
 * was: packets received or handed on. When it was none, *over says whether none will ever come:
 * all sources have ended, or the end was asked for.
 */
uint16_t receive(struct receiver *r, struct shared *shared, struct lj_counters *counters,
		 struct lj_packet *packets, uint16_t *n, bool *over);

#endif
