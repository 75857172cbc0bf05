/* A record's life: it begins, closes, and becomes due. */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "flow_table.h"

#define WELL_KNOWN_PORTS 1024

/* Who acknowledges has heard the other end: when we have not, a direction does not reach us. A scan
 * or a flood has no third packet, and a refusal is an RST. */
static void count_half(struct lj_flow_table *t, const struct lj_flow *f)
{
	uint8_t flags = f->tcp[0].flags_all | f->tcp[1].flags_all;

	if (f->key.proto != IPPROTO_TCP || f->packets < 3 || (flags & LJ_TCP_RST) ||
	    !(flags & LJ_TCP_ACK))
		return;
	lj_count(t->counters, LJ_C_flow_conversed, 1);
	lj_count(t->counters, LJ_C_flow_half_heard, f->heard != 3);
}

void record_end(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason,
		struct lj_order order)
{
	static const enum lj_counter counter[LJ_DUES] = {
		[LJ_DUE_IDLE] = LJ_C_flow_ended_idle,
		[LJ_DUE_ACTIVE] = LJ_C_flow_ended_active,
		[LJ_DUE_FIN] = LJ_C_flow_ended_fin,
		[LJ_DUE_RST] = LJ_C_flow_ended_rst,
		[LJ_DUE_FLUSHED] = LJ_C_flow_ended_flushed,
		[LJ_DUE_EVICTED] = LJ_C_flow_ended_evicted,
	};

	bucket_erase(t, f);
	wheel_remove(t, f);
	account_log(f, log_of(f), t->config.keep);
	if (t->config.keep & LJ_KEEP_TCP)
		count_half(t, f);
	f->state = LJ_FLOW_ENDED;
	f->due = (uint8_t)reason;
	f->order = order;
	f->lossy = f->loss_epoch != t->loss_epoch;
	t->active--;
	lj_count(t->counters, counter[reason], 1);
	lj_count(t->counters, LJ_C_flow_ended, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
}

void record_early(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason, uint64_t at_ns,
		  struct lj_order order)
{
	account_log(f, log_of(f), t->config.keep);
	f->early = 1;
	f->early_ns = at_ns;
	f->due = (uint8_t)reason;
	f->order = order;
	f->lossy = f->loss_epoch != t->loss_epoch;
	lj_count(t->counters, LJ_C_flow_early, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
}

/* Clears what will be read: parts that are not kept are left as they are, zeros from the start. */
static void clear_record(struct lj_flow *f, uint32_t keep)
{
	memset(f, 0, offsetof(struct lj_flow, tcp));
	if (keep & LJ_KEEP_TCP)
		memset(f->tcp, 0, sizeof(f->tcp));
	if (keep & LJ_KEEP_ACTIVITY)
		memset(&f->activity, 0, sizeof(f->activity));
	if (keep & LJ_KEEP_BULK)
		memset(f->bulk, 0, sizeof(f->bulk));
	if (keep & LJ_KEEP_SPLT)
		memset(&f->splt, 0, sizeof(f->splt));
	memset(f->history, 0, sizeof(*f) - offsetof(struct lj_flow, history));
}

/* A free record, cleared; NULL when all are in use or lent. */
static struct lj_flow *take_record(struct lj_flow_table *t)
{
	struct lj_flow *f;
	uint32_t index = t->free;

	if (index != NONE) {
		f = record_at(t, index);
		t->free = f->wheel_next;
		clear_record(f, t->config.keep);
	} else if (t->high_water < t->capacity) {
		/* Never used: the memory came zeroed. */
		index = t->high_water++;
		f = record_at(t, index);
	} else {
		return NULL;
	}
	f->index = index;
	return f;
}

/*
 * Who began: the sender, unless this is an answer: a SYN-ACK, or from a well-known port to a high
 * one in the middle of a connection.
 */
static uint8_t initiator_of(const struct lj_packet *p, struct lj_flow *f)
{
	uint16_t from = p->key.port[p->side], to = p->key.port[!p->side];

	if (p->key.proto != IPPROTO_TCP)
		return p->side;
	if (p->tcp_flags & LJ_TCP_SYN) {
		f->flipped = (p->tcp_flags & LJ_TCP_ACK) != 0;
	} else {
		f->midstream = 1;
		f->flipped = from < WELL_KNOWN_PORTS && to >= WELL_KNOWN_PORTS;
	}
	return f->flipped ? !p->side : p->side;
}

struct lj_flow *record_begin(struct lj_flow_table *t, const struct lj_packet *p,
			     const struct lj_flow *before)
{
	struct lj_flow *f = take_record(t);

	if (f == NULL)
		return NULL;
	f->key = p->key;
	f->hash = p->hash;
	f->first_ns = f->last_ns = p->time_ns;
	f->state = LJ_FLOW_OPEN;
	f->loss_epoch = t->loss_epoch;
	f->vlan = p->vlan;
	f->tunnel = p->tunnel;
	f->icmp_type = p->icmp_type;
	f->icmp_code = p->icmp_code;
	/* The wheel begins to turn with the first packet, or the first tick before it. */
	if (t->tick == 0)
		t->tick = p->time_ns / LJ_FLOW_TICK_NS;
	if (before != NULL) {
		f->flow_id = before->flow_id;
		f->initiator = before->initiator;
		f->flipped = before->flipped;
		f->midstream = p->key.proto == IPPROTO_TCP;
		f->part = (uint16_t)(before->part + 1);
		f->early = before->early;
		lj_count(t->counters, LJ_C_flow_hit, 1);
		lj_count(t->counters, LJ_C_flow_continued, 1);
	} else {
		f->flow_id = lj_flow_id(&p->key, p->time_ns);
		f->initiator = initiator_of(p, f);
		lj_count(t->counters, LJ_C_flow_created, 1);
	}
	bucket_insert(t, f);
	wheel_file(t, f);
	t->active++;
	return f;
}

void record_close(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p, int side)
{
	if (p->tcp_flags & LJ_TCP_FIN)
		f->fin_sides |= (uint8_t)(1 << side);
	if ((p->tcp_flags & LJ_TCP_RST) && f->rst_side_plus1 == 0 && f->fin_sides != 3)
		f->rst_side_plus1 = (uint8_t)(side + 1);
	if (f->state == LJ_FLOW_CLOSING || (f->fin_sides != 3 && f->rst_side_plus1 == 0))
		return;
	f->state = LJ_FLOW_CLOSING;
	f->closed_ns = p->time_ns;
	wheel_remove(t, f);
	wheel_file(t, f);
}
