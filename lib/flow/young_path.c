/* Young flows: what becomes of them. */
#include <string.h>

#include "flow_table.h"

/* As it came, as far as it is accounted. */
static inline struct lj_packet packet_of(const struct lj_flow *f, const struct young_packet *y,
					 uint64_t time_ns)
{
	struct lj_packet p = {
		.time_ns = time_ns,
		.l3_bytes = y->l3_bytes,
		.payload_bytes = y->payload_bytes,
		.l4_header_bytes = (uint16_t)(4 * y->l4_header_units),
		.tcp_flags = y->tcp_flags,
		.tcp_wscale = y->tcp_wscale,
		.ttl = y->ttl,
		.leg = (uint8_t)__builtin_ctz(f->legs),
		.application = y->application,
	};

	if (y->application == LJ_APPLICATION_NONE) {
		p.tcp_seq = y->tcp_seq;
		p.tcp_window = y->tcp_window;
		p.tcp_mss = y->tcp_mss;
	} else {
		p.dns_ttl = y->dns_ttl;
		p.dns_id = y->dns_id;
		p.dns_type = y->dns_type;
	}
	return p;
}

void young_grow(struct lj_flow_table *t, struct lj_flow *f)
{
	struct young_packet young[YOUNG_PACKETS];
	uint64_t last_ns = f->last_ns;
	uint32_t n = f->packets;

	memcpy(young, young_packets(f), sizeof(young));
	memset((uint8_t *)f + IDENTITY_END - sizeof(young), 0, sizeof(young));
	slot_clean(t, f);
	if (f->state == LJ_FLOW_CLOSING)
		f->closed_ns = last_ns;
	f->packets = 0;
	f->last_ns = f->first_ns;
	for (uint32_t i = 0; i < n; i++) {
		struct lj_packet p = packet_of(f, &young[i], i == 0 ? f->first_ns : last_ns);

		account_packet(f, &p, young[i].side, t->config.keep);
	}
}

struct lj_flow *young_end(struct lj_flow_table *t, struct lj_flow *f)
{
	struct lj_flow *spare = f;

	if (t->n_spare > 0) {
		uint32_t index = t->spare[--t->n_spare];

		spare = record_at(t, index);
		memcpy(spare, f, IDENTITY_END);
		spare->index = index;
		slot_give(t, f);
	}
	young_grow(t, spare);
	return spare;
}
