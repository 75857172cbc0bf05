#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "begin.h"
#include "bucket.h"
#include "flow_log.h"
#include "flow_table.h"
#include "lookahead.h"
#include "slot.h"
#include "wheel.h"
#include "young.h"

/* An endpoint that acknowledges has received packets. If no packet of the other side was seen, that
 * direction does not reach us. Scans and floods have no third packet, and refusals have an RST. */
static __rte_noinline void count_half(struct lj_flow_table *t, const struct lj_flow *f)
{
	uint8_t flags;

	if (f->key.proto != IPPROTO_TCP)
		return;
	flags = f->tcp[0].flags_all | f->tcp[1].flags_all;
	if ((flags & LJ_TCP_RST) || !(flags & LJ_TCP_ACK))
		return;
	lj_count(t->counters, LJ_C_flow_conversed, 1);
	lj_count(t->counters, LJ_C_flow_half_heard, f->heard != 3);
}

/* Completes the record of an ended flow, except for its head. */
static __rte_noinline struct lj_flow *record_end(struct lj_flow_table *t, struct flow_slot *s)
{
	struct lj_flow *f;

	if (s->young)
		return young_end(t, s);
	f = record_of(t, s);
	account_log(&s->head, f, s->log, 0, s->pending, t->config.keep);
	return f;
}

/* Writes the head of a due record, and frees the slot. */
static inline void close_record(struct lj_flow_table *t, struct flow_slot *s, struct lj_flow *f,
				enum lj_due reason, struct lj_order order)
{
	const uint64_t cleared = (uint64_t)(TAIL_STATE | TAIL_YOUNG | TAIL_PENDINGS | TAIL_DUES)
				 << TAIL_UPPER;
	const uint64_t ended = (uint64_t)(LJ_FLOW_ENDED | (uint32_t)reason << TAIL_DUE)
			       << TAIL_UPPER;
	const uint64_t tail = (tail_of(s) & ~cleared) | ended;

	copy_half_line(f, s);
	copy_half_line((uint8_t *)f + 32, (const uint8_t *)s + 32);
	memcpy(&f->packets, &tail, sizeof(tail));
	s->state = LJ_FLOW_FREE;
	f->order = order;
	f->lossy = f->loss_epoch != t->loss_epoch;
}

/* See flow_end(). */
static __rte_always_inline struct lj_flow *end_flow(struct lj_flow_table *t, struct flow_slot *s,
						    enum lj_due reason, struct lj_order order)
{
	static const enum lj_counter counter[LJ_DUES] = {
		[LJ_DUE_IDLE] = LJ_C_flow_ended_idle,
		[LJ_DUE_ACTIVE] = LJ_C_flow_ended_active,
		[LJ_DUE_FIN] = LJ_C_flow_ended_fin,
		[LJ_DUE_RST] = LJ_C_flow_ended_rst,
		[LJ_DUE_FLUSHED] = LJ_C_flow_ended_flushed,
		[LJ_DUE_EVICTED] = LJ_C_flow_ended_evicted,
	};
	uint32_t index = index_of(t, s);
	struct lj_flow *f;

	bucket_erase(t, index);
	wheel_remove(t, index);
	/* As nearly all flows of a flood or a scan. */
	if (s->young && s->packets == 1) {
		f = record_for(t, index);
		write_single(t, s, f);
	} else {
		f = record_end(t, s);
	}
	close_record(t, s, f, reason, order);
	if (unlikely(f->packets > 2) && (t->config.keep & LJ_KEEP_TCP))
		count_half(t, f);
	t->active--;
	lj_count(t->counters, counter[reason], 1);
	lj_count(t->counters, LJ_C_flow_ended, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
	return f;
}

struct lj_flow *flow_end(struct lj_flow_table *t, struct flow_slot *s, enum lj_due reason,
			 struct lj_order order)
{
	return end_flow(t, s, reason, order);
}

struct lj_flow *flow_early(struct lj_flow_table *t, struct flow_slot *s, enum lj_due reason,
			   uint64_t at_ns, struct lj_order order)
{
	struct lj_flow *f = record_of(t, s);

	slot_fold(t, s, s->pending);
	s->early = 1;
	s->due = (uint8_t)reason;
	*head_of(f) = s->head;
	f->early_ns = at_ns;
	f->order = order;
	f->lossy = f->loss_epoch != t->loss_epoch;
	lj_count(t->counters, LJ_C_flow_early, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
	return f;
}

/*
 * Whether the flow ended before the packet, and for which reason. An active timeout is only noticed
 * when a packet arrives; a silent flow ends as idle.
 */
static inline enum lj_due over_before(const struct lj_flow_table *t, struct flow_slot *s,
				      const struct lj_packet *p)
{
	enum lj_due reason = over_at(t, s, p->time_ns);

	if (reason != LJ_DUE_NOT)
		return reason;
	if (s->state != LJ_FLOW_CLOSING)
		return p->time_ns > s->first_ns + t->config.active_timeout_ns ||
				       s->packets == UINT32_MAX
			       ? LJ_DUE_ACTIVE
			       : LJ_DUE_NOT;
	if ((p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_ACK)) == LJ_TCP_SYN)
		return closing_reason(identity_at(t, s));
	return LJ_DUE_NOT;
}

/* FIN both ways, or RST, closes the flow. */
static void follow_tcp(struct lj_flow_table *t, struct flow_slot *s, const struct lj_packet *p,
		       int side)
{
	struct lj_flow_identity *identity = identity_at(t, s);
	uint32_t index;

	if (p->tcp_flags & LJ_TCP_FIN)
		identity->fin_sides |= (uint8_t)(1 << side);
	if ((p->tcp_flags & LJ_TCP_RST) && identity->rst_side_plus1 == 0 &&
	    identity->fin_sides != 3)
		identity->rst_side_plus1 = (uint8_t)(side + 1);
	if (s->state == LJ_FLOW_CLOSING ||
	    (identity->fin_sides != 3 && identity->rst_side_plus1 == 0))
		return;
	s->state = LJ_FLOW_CLOSING;
	if (!s->young)
		record_of(t, s)->closed_ns = p->time_ns;
	index = index_of(t, s);
	wheel_remove(t, index);
	wheel_file(t, s, index);
}

/* The records that one update makes due. */
struct collected {
	struct lj_flow **due;
	uint16_t n;
	uint16_t others; /* packets that met no record of theirs */
	uint64_t tie;	 /* n-th of the packet at hand */
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
 * Makes room for one more record. An evicted record stays lent until it is settled; the new flow
 * gets a spare one. If the packet had to wait, the flow chosen before is evicted: choosing again
 * could give another, since the search moves flows on the wheel.
 */
static enum room make_room(struct lj_flow_table *t, const struct lj_packet *p, struct collected *c)
{
	uint32_t chosen = t->evict_next;
	struct flow_slot *s;

	t->evict_next = NONE;
	if (t->active < t->config.capacity)
		return ROOM;
	if (unlikely(chosen != NONE) && is_live(slot_at(t, chosen)))
		s = slot_at(t, chosen);
	else
		s = wheel_nearest(t);
	if (s == NULL)
		return ROOM_NONE;
	if (s->due == LJ_DUE_NOT) {
		collect(c, end_flow(t, s, LJ_DUE_EVICTED, (struct lj_order){p->seq, c->tie}));
		return ROOM;
	}
	if (c->n == 0)
		return ROOM_NONE;
	t->evict_next = index_of(t, s);
	return ROOM_LATER;
}

/*
 * Ends the packet's flow if that timed out before it, or makes it due for its early verdict by age.
 * False if the packet must wait until due records have been settled. `before` is set to the record
 * that this packet continues.
 */
static bool judge(struct lj_flow_table *t, struct flow_slot **s, const struct lj_packet *p,
		  struct collected *c, const struct lj_flow **before)
{
	const struct lj_order order = {p->seq, c->tie};
	uint64_t early_after = t->config.classify_after_ns;
	enum lj_due reason;

	if ((*s)->due != LJ_DUE_NOT)
		return false;
	reason = over_before(t, *s, p);
	if (unlikely(reason != LJ_DUE_NOT)) {
		struct lj_flow *ended = flow_end(t, *s, reason, order);

		collect(c, ended);
		*before = reason == LJ_DUE_ACTIVE ? ended : NULL;
		*s = NULL;
	} else if (early_after > 0 && !(*s)->early && p->time_ns > (*s)->first_ns + early_after) {
		collect(c,
			flow_early(t, *s, LJ_DUE_EARLY_AGE, (*s)->first_ns + early_after, order));
		return false;
	}
	return true;
}

static void tell_begun(struct lj_flow_table *t, const struct flow_slot *s,
		       const struct lj_packet *p, struct collected *c)
{
	t->begun[t->n_begun++] = (struct lj_flow_begun){
		.key = s->key,
		.first_ns = s->first_ns,
		.flow_id = s->identity.flow_id,
		.order = {p->seq, c->tie++},
		.initiator = s->initiator,
	};
}

/* The guess is valid unless the slot belongs to another flow, or its flow has ended. */
static inline struct flow_slot *slot_of(const struct lj_flow_table *t, const struct lj_packet *p,
					struct flow_slot *guess)
{
	if (likely(guess != NULL && same_key(&guess->key, &p->key) && is_live(guess)))
		return guess;
	return bucket_find(t, &p->key, p->hash);
}

/* Handles what a packet may cause after it is counted: it closes its flow, or makes it due. */
static inline void follow(struct lj_flow_table *t, struct flow_slot *s, const struct lj_packet *p,
			  struct collected *c)
{
	if (!p->plain && p->key.proto == IPPROTO_TCP && (p->tcp_flags & (LJ_TCP_FIN | LJ_TCP_RST)))
		follow_tcp(t, s, p, p->side ^ s->initiator);
	if (unlikely(s->packets > t->quick.packets && !s->early))
		collect(c, flow_early(t, s, LJ_DUE_EARLY_PACKETS, p->time_ns,
				      (struct lj_order){p->seq, c->tie}));
}

/* Begins a flow with a packet that belongs to none. False if it has to wait. */
static bool update_new(struct lj_flow_table *t, const struct lj_packet *p, struct collected *c,
		       const struct lj_flow *before)
{
	enum room room = make_room(t, p, c);
	struct flow_slot *s;
	uint32_t index;
	bool kept;

	if (room == ROOM_LATER)
		return false;
	c->others++;
	index = room == ROOM ? slot_take(t) : NONE;
	if (unlikely(index == NONE)) {
		lj_count(t->counters, LJ_C_flow_refused, 1);
		return true;
	}
	kept = begin_flow(t, index, p, before);
	s = slot_at(t, index);
	if (t->config.begun && before == NULL)
		tell_begun(t, s, p, c);
	if (unlikely(!kept))
		add_packet(t, s, p, p->side ^ s->initiator);
	follow(t, s, p, c);
	return true;
}

/* Accounts any packet; `guess` is the presumed slot. False if it must wait until due records have
 * been settled. Not inlined, so that the fast path has all registers. */
static __rte_noinline bool update_one(struct lj_flow_table *t, struct flow_slot *guess,
				      const struct lj_packet *p, struct collected *c)
{
	struct flow_slot *s = slot_of(t, p, guess);
	const struct lj_flow *before = NULL;

	c->tie = 0;
	if (s != NULL && !judge(t, &s, p, c, &before))
		return false;
	if (s == NULL)
		return update_new(t, p, c, before);
	add_packet(t, s, p, p->side ^ s->initiator);
	follow(t, s, p, c);
	return true;
}

void lj_flow_ask(const struct lj_flow_table *t, struct lj_packet *packets, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct bucket *b = home_of(t, packets[i].hash);
		uint32_t hit = matches(b, &packets[i].hash), record = 0;

		/* A match has two bits, so a bit's number is an index of 16-bit halves of records.
		 */
		if (hit != 0)
			memcpy(&record, (const uint16_t *)b->record + (uint32_t)__builtin_ctz(hit),
			       sizeof(record));
		packets[i].record = record;
		if (record != 0)
			rte_prefetch0(slot_of_record(t, record));
	}
}

uint16_t lj_flow_update(struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
			struct lj_flow **due, uint16_t *n_due)
{
	struct collected c = {.due = due};
	struct filled filled;
	struct lookahead l;
	int i;

	/* Not initialised as a whole: its guesses are set on the way. */
	l.packets = packets;
	l.n = n;
	l.begins = 0;
	l.evict = t->active + n > t->config.capacity ? wheel_first(t) : NONE;
	t->n_begun = 0;
	filled.n = 0;
	for (i = -AHEAD; i < 0; i++)
		lookahead_step(&l, t, i);
	for (i = 0; i < n; i++) {
		struct flow_slot *guess;

		lookahead_step(&l, t, i);
		guess = l.guess[i];
		if (likely(guess != NULL && same_key(&guess->key, &packets[i].key) &&
			   log_quickly(t, guess, &packets[i], &filled)))
			continue;
		if (filled.n > 0)
			fold_filled(t, &filled);
		/* Room for the records that the next packet may make due. */
		if (c.n >= n || !update_one(t, guess, &packets[i], &c))
			break;
		lookahead_pass(&l, i);
	}
	fold_filled(t, &filled);
	lj_count(t->counters, LJ_C_flow_hit, (uint64_t)(i - c.others));
	*n_due = c.n;
	return (uint16_t)i;
}

void lj_flow_settle(struct lj_flow_table *t, struct lj_flow **due, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (due[i]->state == LJ_FLOW_ENDED)
			record_give(t, due[i]);
		else
			slot_at(t, due[i]->index)->due = LJ_DUE_NOT;
	}
}
