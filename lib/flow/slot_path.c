/* Writes the records of slots. */
#include <netinet/in.h>
#include <string.h>

#include "account.h"
#include "flow_table.h"
#include "slot.h"
#include "young.h"

/* The packet, as far as its fields are accounted. */
static inline struct lj_packet packet_of(const struct first_packet *y, uint64_t time_ns)
{
	struct lj_packet p = {
		.time_ns = time_ns,
		.l3_bytes = y->l3_bytes,
		.payload_bytes = y->payload_bytes,
		.l4_header_bytes = (uint16_t)(4 * y->l4_header_units),
		.tcp_flags = y->tcp_flags,
		.tcp_wscale = y->tcp_wscale,
		.ttl = y->ttl,
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

/* Adds the second packet, which is of the other side. */
static void write_second(const struct flow_slot *s, struct lj_flow *f, uint64_t time_ns,
			 uint32_t keep)
{
	const struct first_packet *y = &s->first[1];
	const uint64_t gap = time_ns - s->first_ns;
	const struct before before = {1, s->first_ns};

	f->gap_sumsq = (unsigned __int128)gap * gap;
	f->gap_min = f->gap_max = gap;
	write_side(&f->side[y->side], y, time_ns, keep);
	if ((keep & LJ_KEEP_TCP) && s->key.proto == IPPROTO_TCP) {
		uint32_t kinds = write_tcp(&f->tcp[y->side], y);

		account_handshake(f, time_ns, y->tcp_flags, y->side);
		put_letters(f, y->side, kinds,
			    f->flipped + (uint32_t)__builtin_popcount(f->tcp[!y->side].history));
	}
	if ((keep & LJ_KEEP_ACTIVITY) && gap > SUBFLOW_GAP_NS)
		account_activity(&f->activity, &before, time_ns, gap);
	if (keep & LJ_KEEP_SPLT)
		account_splt(f, 1, y->side, y->l3_bytes, y->payload_bytes, gap);
	account_rest(f, y, time_ns, keep);
}

/* Adds the first packets one by one; none if the flow's first packet did not fit in the slot. */
static __rte_noinline void account_first(struct lj_flow_table *t, const struct flow_slot *s,
					 struct lj_flow *f, uint32_t n, uint64_t second_ns)
{
	struct lj_flow_head counted = s->head;

	record_clean(t, f, UINT32_MAX);
	counted.packets = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct lj_packet p = packet_of(&s->first[i], i == 0 ? s->first_ns : second_ns);

		counted.last_ns = s->first_ns;
		account_packet(&counted, f, &p, s->first[i].side, t->config.keep);
	}
}

/* Writes the record of a young flow, except for its head. */
static void write_young(struct lj_flow_table *t, const struct flow_slot *s, struct lj_flow *f,
			uint32_t to)
{
	const uint32_t n = s->packets - (to - YOUNG_LOG);
	const uint64_t second_ns = s->last_ns - span_of(s->log, YOUNG_LOG, to);

	if (n == 1) {
		write_single(t, s, f);
	} else {
		write_identity(s, f);
		if (s->state == LJ_FLOW_CLOSING)
			f->closed_ns = s->last_ns;
		if (n == 2 && s->first[0].side != s->first[1].side) {
			clean_others(t, f, dirt_of_first(s, 3));
			write_first(s, f, t->config.keep);
			write_second(s, f, second_ns, t->config.keep);
		} else {
			account_first(t, s, f, n, second_ns);
		}
	}
	account_log(&s->head, f, s->log, YOUNG_LOG, to, t->config.keep);
}

void slot_fold(struct lj_flow_table *t, struct flow_slot *s, uint32_t to)
{
	struct lj_flow *f = record_of(t, s);

	if (s->young) {
		f->index = index_of(t, s);
		write_young(t, s, f, to);
	} else {
		account_log(&s->head, f, s->log, 0, to, t->config.keep);
	}
	s->young = 0;
	s->pending = 0;
}

struct lj_flow *young_end(struct lj_flow_table *t, struct flow_slot *s)
{
	struct lj_flow *f = record_for(t, index_of(t, s));

	write_young(t, s, f, s->pending);
	return f;
}
