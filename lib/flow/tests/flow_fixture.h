/* Packets and tables for the tests of flow. */
#ifndef FLOW_FIXTURE_H
#define FLOW_FIXTURE_H

#include <string.h>

#include "lj_flow.h"
#include "lj_test.h"

#define SECOND 1000000000ULL
#define START  (1000 * SECOND)

static struct lj_counters counters;
static struct lj_flow *due[LJ_BURST_MAX + 2];
static uint16_t n_due;
static uint64_t seq;

static const struct lj_flow_config standard = {
	.capacity = 4096,
	.keep = LJ_KEEP_ALL,
	.idle_timeout_ns = 120 * SECOND,
	.active_timeout_ns = 1800 * SECOND,
	.tcp_linger_ns = SECOND,
	.ordered = true,
};

static inline struct lj_flow_table *table_with(struct lj_flow_config config)
{
	struct lj_flow_table *t;

	memset(&counters, 0, sizeof(counters));
	seq = 0;
	t = lj_flow_create("test", &config, &counters);
	CU_ASSERT_PTR_NOT_NULL_FATAL(t);
	/* The clock's first tick, as a replay gives before its first packet. */
	lj_flow_advance(t, START, ++seq, due, 1);
	return t;
}

/* From client `flow` (its port) to the server, or back. */
static inline struct lj_packet packet(uint16_t flow, bool back, uint64_t time_ns, uint8_t flags,
				      uint32_t payload)
{
	const uint64_t seed[4] = {1, 2, 3, 4};
	struct lj_packet p = {.time_ns = time_ns,
			      .seq = ++seq,
			      .wire_bytes = 54 + payload,
			      .l3_bytes = 40 + payload,
			      .payload_bytes = payload,
			      .l4_header_bytes = 20,
			      .tcp_window = 1000,
			      .tcp_flags = flags,
			      .ttl = 64,
			      .side = back};

	p.key = (struct lj_flow_key){
		.addr = {{[10] = 0xff, 0xff, 10, 0, 0, 1}, {[10] = 0xff, 0xff, 10, 0, 0, 2}},
		.port = {(uint16_t)(20000 + flow), 80},
		.proto = 6,
		.version = 4};
	p.hash = lj_flow_key_hash(&p.key, seed);
	lj_packet_tell_plain(&p);
	return p;
}

/* One packet in; what falls due is in due[0..n_due). Not settled. */
static inline uint16_t feed(struct lj_flow_table *t, struct lj_packet p)
{
	lj_packet_tell_plain(&p);
	lj_flow_ask(t, &p, 1);
	return lj_flow_update(t, &p, 1, due, &n_due);
}

/* The clock passes `time_ns`; what falls due (up to 64) is in due[0..n_due). Not settled. */
static inline void tick(struct lj_flow_table *t, uint64_t time_ns)
{
	n_due = lj_flow_advance(t, time_ns / LJ_FLOW_TICK_NS * LJ_FLOW_TICK_NS, ++seq, due,
				LJ_BURST_MAX);
}

#endif
