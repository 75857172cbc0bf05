/*
 * Private: begins a flow with its first packet, which is written together with the flow's head and
 * identity. Inlined into lj_flow_update().
 */
#ifndef BEGIN_H
#define BEGIN_H

#include <netinet/in.h>
#include <string.h>

#include "bucket.h"
#include "flow_id.h"
#include "flow_log.h"
#include "flow_quick.h"
#include "wheel.h"

#define WELL_KNOWN_PORTS 1024

/* The initiator of a flow, and how it was determined. */
struct beginning {
	uint8_t initiator, flipped, midstream;
};

/*
 * The initiator is the sender, unless the packet is an answer: a SYN-ACK, or mid-stream from a
 * well-known port to a higher one.
 */
static inline struct beginning beginning_of(const struct lj_packet *p)
{
	uint8_t flipped, midstream = 0;

	if (p->key.proto != IPPROTO_TCP)
		return (struct beginning){p->side, 0, 0};
	if (p->tcp_flags & LJ_TCP_SYN) {
		flipped = (p->tcp_flags & LJ_TCP_ACK) != 0;
	} else {
		midstream = 1;
		flipped = p->key.port[p->side] < WELL_KNOWN_PORTS &&
			  p->key.port[!p->side] >= WELL_KNOWN_PORTS;
	}
	return (struct beginning){p->side ^ flipped, flipped, midstream};
}

/* Writes the head of a young flow with the packet `p`; `kept`: it is in the slot, and counted. */
static inline void write_head(struct flow_slot *s, const struct lj_packet *p, uint32_t initiator,
			      uint32_t early, bool kept)
{
	uint64_t tail = 0;

	if (kept)
		tail = 1ULL | (1ULL << (p->side ^ initiator)) << (TAIL_UPPER + TAIL_HEARD) |
		       1ULL << (TAIL_UPPER + TAIL_LEGS + RTE_MIN(p->leg, LEGS - 1));
	tail |= (uint64_t)(LJ_FLOW_OPEN | TAIL_YOUNG | initiator << TAIL_INITIATOR |
			   (early ? TAIL_EARLY : 0) | YOUNG_LOG << TAIL_PENDING)
		<< TAIL_UPPER;
	s->key = p->key;
	s->first_ns = p->time_ns;
	s->last_ns = p->time_ns;
	memcpy(&s->packets, &tail, sizeof(tail));
}

/* The earliest time at which a new flow can be due. */
static inline uint64_t first_deadline(const struct lj_flow_table *t, uint64_t time_ns, bool early)
{
	uint64_t deadline = time_ns + t->config.idle_timeout_ns;

	if (t->config.classify_after_ns > 0 && !early)
		deadline = RTE_MIN(deadline, time_ns + t->config.classify_after_ns);
	return deadline;
}

/* Begins a young flow in the free slot `index`; `before` is the record that it continues, or NULL.
 * True if the packet is kept in the slot; otherwise the caller must account it. */
static inline bool begin_flow(struct lj_flow_table *t, uint32_t index, const struct lj_packet *p,
			      const struct lj_flow *before)
{
	struct flow_slot *s = slot_at(t, index);
	struct beginning b = beginning_of(p);
	bool early = false, kept = can_keep(p);
	uint64_t flow_id;
	uint16_t part = 0;

	wheel_begin(t, p->time_ns / LJ_FLOW_TICK_NS);
	if (unlikely(before != NULL)) {
		flow_id = before->flow_id;
		part = (uint16_t)(before->part + 1);
		b = (struct beginning){before->initiator, before->flipped,
				       p->key.proto == IPPROTO_TCP};
		early = before->early;
		lj_count(t->counters, LJ_C_flow_hit, 1);
		lj_count(t->counters, LJ_C_flow_continued, 1);
	} else {
		flow_id = flow_id_of(&p->key, p->time_ns);
		lj_count(t->counters, LJ_C_flow_created, 1);
	}
	s->identity = (struct lj_flow_identity){
		.flow_id = flow_id,
		.hash = p->hash,
		.index = index,
		.vlan = p->vlan,
		.loss_epoch = t->loss_epoch,
		.flipped = b.flipped,
		.midstream = b.midstream,
		.tunnel = p->tunnel,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.part = part,
	};
	write_head(s, p, b.initiator, early, kept);
	if (likely(kept))
		put_first(&s->first[0], p, (p->side ^ b.initiator) & 1);
	bucket_insert(t, index, p->hash);
	wheel_insert(t, index, first_deadline(t, p->time_ns, early) / LJ_FLOW_TICK_NS + 1);
	t->active++;
	return kept;
}

#endif
