/*
 * libFuzzer: a capture of a few packets through parser and table. The input is records of two bytes
 * of length, two of time (ms), and a frame. Every packet is counted once, every record comes out
 * once, and what comes out keeps its own rules.
 */
#include <stdlib.h>
#include <string.h>

#include "lj_flow.h"

#define FRAME_MAX 2048
#define CAPACITY  1024

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static const struct lj_flow_config config = {
	.capacity = CAPACITY,
	.keep = LJ_KEEP_ALL,
	.classify_at = 3,
	.idle_timeout_ns = 5000000000,
	.active_timeout_ns = 20000000000,
	.tcp_linger_ns = 1000000000,
	.ordered = true,
};

struct run {
	struct lj_counters counters;
	struct lj_parser parser;
	struct lj_flow_table *table;
	struct lj_flow *due[LJ_BURST_MAX + 2];
	uint64_t time_ns, seq, ended, packets;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check_record(const struct lj_flow *f)
{
	uint32_t sizes = 0;

	require(f->packets == f->side[0].packets + f->side[1].packets);
	require(f->first_ns <= f->last_ns && f->packets > 0);
	require(memchr(f->history, '\0', sizeof(f->history)) != NULL);
	for (uint32_t i = f->packets; i < LJ_SPLT_MAX; i++)
		require(f->splt.length[i] == 0 && f->splt.gap_us[i] == 0);
	for (int i = 0; i < LJ_SIZES; i++)
		sizes += f->sizes[i];
	require(sizes <= f->packets);
	for (int i = 0; i < 2; i++) {
		const struct lj_flow_side *s = &f->side[i];

		require(s->packets == 0 || s->length_min <= s->length_max);
		require(s->payload_sum <= s->length_sum);
		require(s->payload_packets <= s->packets);
	}
	require(lj_flow_conn_state(f)[0] != '\0' && f->flow_id != 0);
}

static void settle(struct run *r, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		check_record(r->due[i]);
		if (r->due[i]->state != LJ_FLOW_ENDED)
			continue;
		r->ended++;
		r->packets += r->due[i]->packets;
	}
	lj_flow_settle(r->table, r->due, n);
}

static void one_packet(struct run *r, const uint8_t *frame, uint16_t n)
{
	struct rte_mbuf mbuf = {
		.buf_addr = (void *)(uintptr_t)frame, .data_len = n, .pkt_len = n, .nb_segs = 1};
	struct lj_burst burst = {
		.count = 1, .mbuf = {&mbuf}, .time_ns = {r->time_ns}, .wire_bytes = {n}};
	struct lj_packet packet;
	uint16_t n_due, consumed;

	if (lj_packet_parse_burst(&r->parser, &burst, &packet) == 0)
		return;
	packet.seq = ++r->seq;
	do {
		consumed = lj_flow_update(r->table, &packet, 1, r->due, &n_due);
		settle(r, n_due);
	} while (consumed == 0);
}

static void tick(struct run *r, uint64_t to_ns)
{
	uint16_t n;

	r->time_ns = RTE_MAX(r->time_ns, to_ns);
	r->seq++;
	while ((n = lj_flow_advance(r->table, to_ns, r->seq, r->due, LJ_BURST_MAX)) > 0)
		settle(r, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct run *r = calloc(1, sizeof(*r));
	const uint8_t *end = bytes + n;
	uint8_t *frame;
	uint16_t left;

	r->table = lj_flow_create("fuzz", &config, &r->counters);
	lj_parser_init(&r->parser, &r->counters, false, false);
	r->time_ns = 1000000000000;
	while (end - bytes >= 4) {
		uint16_t length = (uint16_t)((bytes[0] | bytes[1] << 8) % FRAME_MAX);
		uint64_t ms = (uint64_t)(bytes[2] | bytes[3] << 8);

		bytes += 4;
		length = (uint16_t)RTE_MIN((ptrdiff_t)length, end - bytes);
		/* On the heap, so that the sanitizer sees a read too far. */
		frame = malloc(length + (length == 0));
		memcpy(frame, bytes, length);
		tick(r, (r->time_ns + ms * 1000000) / LJ_FLOW_TICK_NS * LJ_FLOW_TICK_NS);
		one_packet(r, frame, length);
		free(frame);
		bytes += length;
	}
	while ((left = lj_flow_flush(r->table, ++r->seq, r->due, LJ_BURST_MAX)) > 0)
		settle(r, left);
	require(lj_flow_active(r->table) == 0);
	require(r->packets == lj_counter_read(&r->counters, LJ_C_parse_accepted));
	require(r->ended == lj_counter_read(&r->counters, LJ_C_flow_ended));
	lj_flow_destroy(r->table);
	free(r);
	return 0;
}
