#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "bucket.h"
#include "flow_log.h"
#include "flow_prefetch.h"
#include "flow_quick.h"
#include "flow_table.h"
#include "slot.h"
#include "wheel.h"

#define WELL_KNOWN_PORTS 1024

/* Who acknowledges has heard the other end: when we have not, a direction does not reach us. A scan
 * or a flood has no third packet, and a refusal is an RST. */
static void count_half(struct lj_flow_table *t, const struct lj_flow *f)
{
	uint8_t flags;

	/* First what needs no line more: a flood ends flows of one packet. */
	if (f->key.proto != IPPROTO_TCP || f->packets < 3)
		return;
	flags = f->tcp[0].flags_all | f->tcp[1].flags_all;
	if ((flags & LJ_TCP_RST) || !(flags & LJ_TCP_ACK))
		return;
	lj_count(t->counters, LJ_C_flow_conversed, 1);
	lj_count(t->counters, LJ_C_flow_half_heard, f->heard != 3);
}

struct lj_flow *record_end(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason,
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
	if (is_young(f))
		f = young_end(t, f);
	else
		account_log(f, log_of(f), f->pending, t->config.keep);
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
	return f;
}

void record_early(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason, uint64_t at_ns,
		  struct lj_order order)
{
	if (is_young(f))
		young_grow(t, f);
	account_log(f, log_of(f), f->pending, t->config.keep);
	f->early = 1;
	f->early_ns = at_ns;
	f->due = (uint8_t)reason;
	f->order = order;
	f->lossy = f->loss_epoch != t->loss_epoch;
	lj_count(t->counters, LJ_C_flow_early, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
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

/* Fills a new record for the packet; `before` is the part it goes on from, or NULL. */
static void begin_record(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
			 const struct lj_flow *before)
{
	uint32_t index = f->index;

	memset(f, 0, IDENTITY_END);
	f->index = index;
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
}

/*
 * Whether the packet comes too late for the record, and why the record ended then. Only a packet
 * notices an active timeout: silence ends the record as idle.
 */
static inline enum lj_due over_before(const struct lj_flow_table *t, const struct lj_flow *f,
				      const struct lj_packet *p)
{
	enum lj_due reason = over_at(t, f, p->time_ns);

	if (reason != LJ_DUE_NOT)
		return reason;
	if (f->state != LJ_FLOW_CLOSING)
		return p->time_ns > f->first_ns + t->config.active_timeout_ns ? LJ_DUE_ACTIVE
									      : LJ_DUE_NOT;
	if ((p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_ACK)) == LJ_TCP_SYN)
		return closing_reason(f);
	return LJ_DUE_NOT;
}

/* FIN both ways, or RST, closes the flow. */
static void follow_tcp(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
		       int side)
{
	if (p->tcp_flags & LJ_TCP_FIN)
		f->fin_sides |= (uint8_t)(1 << side);
	if ((p->tcp_flags & LJ_TCP_RST) && f->rst_side_plus1 == 0 && f->fin_sides != 3)
		f->rst_side_plus1 = (uint8_t)(side + 1);
	if (f->state == LJ_FLOW_CLOSING || (f->fin_sides != 3 && f->rst_side_plus1 == 0))
		return;
	f->state = LJ_FLOW_CLOSING;
	if (!is_young(f))
		f->closed_ns = p->time_ns;
	wheel_remove(t, f);
	wheel_file(t, f);
}

/* The collecting of one update. */
struct collected {
	struct lj_flow **due;
	uint16_t n;
	uint16_t hits; /* packets that met their record: counted once an update */
	uint64_t tie;  /* n-th of the packet at hand */
};

static void collect(struct collected *c, struct lj_flow *f)
{
	c->due[c->n++] = f;
	c->tie++;
}

enum room {
	ROOM,
	ROOM_LATER, /* when what is lent has been settled */
	ROOM_NONE,
};

/*
 * Makes room for one record more. What is evicted stays lent until it is settled; the newcomer
 * takes one of the spare records.
 */
static enum room make_room(struct lj_flow_table *t, const struct lj_packet *p, struct collected *c)
{
	struct lj_flow *nearest, *ended;

	if (t->active < t->config.capacity)
		return ROOM;
	nearest = wheel_nearest(t);
	if (nearest == NULL || nearest->due != LJ_DUE_NOT)
		return c->n > 0 ? ROOM_LATER : ROOM_NONE;
	ended = record_end(t, nearest, LJ_DUE_EVICTED, (struct lj_order){p->seq, c->tie});
	collect(c, ended);
	return ROOM;
}

/*
 * Ends the packet's record if it came too late for it, or asks for its early verdict by age. False
 * when the packet has to wait until what is due has been settled. `before` is set to the record
 * that this packet goes on from.
 */
static bool judge(struct lj_flow_table *t, struct lj_flow **f, const struct lj_packet *p,
		  struct collected *c, struct lj_flow **before)
{
	uint64_t early_after = t->config.classify_after_ns;
	enum lj_due reason;

	if ((*f)->due != LJ_DUE_NOT)
		return false;
	reason = over_before(t, *f, p);
	if (unlikely(reason != LJ_DUE_NOT)) {
		*f = record_end(t, *f, reason, (struct lj_order){p->seq, c->tie});
		collect(c, *f);
		*before = reason == LJ_DUE_ACTIVE ? *f : NULL;
		*f = NULL;
	} else if (early_after > 0 && !(*f)->early && p->time_ns > (*f)->first_ns + early_after) {
		record_early(t, *f, LJ_DUE_EARLY_AGE, (*f)->first_ns + early_after,
			     (struct lj_order){p->seq, c->tie});
		collect(c, *f);
		return false;
	}
	return true;
}

static void tell_begun(struct lj_flow_table *t, const struct lj_flow *f, const struct lj_packet *p,
		       struct collected *c)
{
	t->begun[t->n_begun++] = (struct lj_flow_begun){
		.key = f->key,
		.first_ns = f->first_ns,
		.flow_id = f->flow_id,
		.order = {p->seq, c->tie++},
		.initiator = f->initiator,
	};
}

/* False when the packet has to wait until what is due has been settled. */
static inline bool update_one(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
			      struct collected *c)
{
	struct lj_flow *before = NULL;
	int side;

	c->tie = 0;
	if (f != NULL && !judge(t, &f, p, c, &before))
		return false;
	if (unlikely(f == NULL)) {
		enum room room = make_room(t, p, c);

		if (room == ROOM_LATER)
			return false;
		f = room == ROOM ? slot_take(t) : NULL;
		if (f == NULL) {
			lj_count(t->counters, LJ_C_flow_refused, 1);
			return true;
		}
		begin_record(t, f, p, before);
		if (t->config.begun && before == NULL)
			tell_begun(t, f, p, c);
	} else {
		c->hits++;
	}
	side = p->side ^ f->initiator;
	add_packet(t, f, p, side);
	if (!p->plain && p->key.proto == IPPROTO_TCP && (p->tcp_flags & (LJ_TCP_FIN | LJ_TCP_RST)))
		follow_tcp(t, f, p, side);
	if (unlikely(f->packets >= t->config.classify_at && !f->early &&
		     t->config.classify_at > 0)) {
		record_early(t, f, LJ_DUE_EARLY_PACKETS, p->time_ns,
			     (struct lj_order){p->seq, c->tie});
		collect(c, f);
	}
	return true;
}

/* The guess holds unless the record is another's, or has ended meanwhile. */
static inline struct lj_flow *record_of(const struct lj_flow_table *t, const struct lj_packet *p,
					struct lj_flow *guess)
{
	if (likely(guess != NULL && same_key(&guess->key, &p->key) &&
		   (guess->state == LJ_FLOW_OPEN || guess->state == LJ_FLOW_CLOSING)))
		return guess;
	return bucket_find(t, &p->key, p->hash);
}

void lj_flow_ask(const struct lj_flow_table *t, struct lj_packet *packets, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct bucket *b = home_of(t, packets[i].hash);
		uint32_t hit = matches(b, signature_of(packets[i].hash));
		uint32_t record = hit != 0 ? b->record[__builtin_ctz(hit) / 2] : 0;

		packets[i].record = record;
		if (record != 0)
			rte_prefetch0(record_at(t, record - 1));
	}
}

uint16_t lj_flow_update(struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
			struct lj_flow **due, uint16_t *n_due)
{
	struct lookahead l = {
		.packets = packets,
		.n = n,
		.evict = t->active + n > t->config.capacity ? wheel_first(t) : NONE,
	};
	struct collected c = {.due = due};
	int i;

	t->n_begun = 0;
	for (i = -AHEAD; i < 0; i++)
		lookahead_step(&l, t, i);
	for (i = 0; i < n && c.n < n; i++) {
		struct lj_flow *guess;

		lookahead_step(&l, t, i);
		guess = l.guess[i];
		if (likely(guess != NULL && same_key(&guess->key, &packets[i].key) &&
			   log_quickly(t, guess, &packets[i]))) {
			c.hits++;
			continue;
		}
		if (!update_one(t, record_of(t, &packets[i], guess), &packets[i], &c))
			break;
		lookahead_pass(&l, i);
	}
	lj_count(t->counters, LJ_C_flow_hit, c.hits);
	*n_due = c.n;
	return (uint16_t)i;
}

void lj_flow_settle(struct lj_flow_table *t, struct lj_flow **due, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct lj_flow *f = due[i];

		f->due = LJ_DUE_NOT;
		if (f->state == LJ_FLOW_ENDED)
			slot_give(t, f);
	}
}
