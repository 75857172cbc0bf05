#include <netinet/in.h>
#include <string.h>

#include <rte_prefetch.h>
#include <rte_vect.h>

#include "flow_table.h"

#define WELL_KNOWN_PORTS 1024

static inline struct bucket *home_of(const struct lj_flow_table *t, uint64_t hash)
{
	return &t->buckets[hash & t->bucket_mask];
}

static inline struct bucket *after(const struct lj_flow_table *t, struct bucket *b)
{
	return b == &t->buckets[t->bucket_mask] ? t->buckets : b + 1;
}

/* Low bits choose the bucket, the top ones the worker; these are neither. */
static inline uint16_t signature_of(uint64_t hash)
{
	return (uint16_t)(hash >> 32);
}

/* Slots whose signature is the same, as two bits each. */
static inline uint32_t matches(const struct bucket *b, uint16_t signature)
{
	__m128i all = _mm_load_si128((const __m128i *)b->signature);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(all, _mm_set1_epi16((short)signature)));
}

static inline bool same_key(const struct lj_flow_key *a, const struct lj_flow_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct lj_flow *find(const struct lj_flow_table *t, const struct lj_flow_key *key,
			    uint64_t hash)
{
	struct bucket *b = home_of(t, hash);

	for (;;) {
		for (uint32_t hit = matches(b, signature_of(hash)); hit != 0;) {
			uint32_t slot = (uint32_t)__builtin_ctz(hit) / 2;
			uint32_t record = b->record[slot];

			if (record != 0 && same_key(&record_at(t, record - 1)->key, key))
				return record_at(t, record - 1);
			hit &= ~(3u << (2 * slot));
		}
		if (b->overflow == 0)
			return NULL;
		b = after(t, b);
	}
}

static void insert(struct lj_flow_table *t, const struct lj_flow *f)
{
	struct bucket *b = home_of(t, f->hash);

	for (;; b = after(t, b)) {
		for (int slot = 0; slot < BUCKET_SLOTS; slot++)
			if (b->record[slot] == 0) {
				b->record[slot] = f->index + 1;
				b->signature[slot] = signature_of(f->hash);
				return;
			}
		b->overflow++;
	}
}

static void erase(struct lj_flow_table *t, const struct lj_flow *f)
{
	struct bucket *b = home_of(t, f->hash);

	for (;; b = after(t, b)) {
		for (int slot = 0; slot < BUCKET_SLOTS; slot++)
			if (b->record[slot] == f->index + 1) {
				b->record[slot] = 0;
				return;
			}
		b->overflow--;
	}
}

enum lj_due closing_reason(const struct lj_flow *f)
{
	return f->rst_side_plus1 != 0 ? LJ_DUE_RST : LJ_DUE_FIN;
}

void table_end(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason,
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

	erase(t, f);
	wheel_remove(t, f);
	f->state = LJ_FLOW_ENDED;
	f->due = (uint8_t)reason;
	f->order = order;
	t->active--;
	lj_count(t->counters, counter[reason], 1);
	lj_count(t->counters, LJ_C_flow_ended, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
}

void table_early(struct lj_flow_table *t, struct lj_flow *f, enum lj_due reason, uint64_t at_ns,
		 struct lj_order order)
{
	f->early = 1;
	f->early_ns = at_ns;
	f->due = (uint8_t)reason;
	f->order = order;
	lj_count(t->counters, LJ_C_flow_early, 1);
	lj_count(t->counters, LJ_C_flow_due, 1);
}

/* A free record, its parts cleared; NULL when all are in use or lent. */
static struct lj_flow *take_record(struct lj_flow_table *t)
{
	struct lj_flow *f;
	uint32_t index = t->free;

	if (index != NONE) {
		f = record_at(t, index);
		t->free = f->wheel_next;
		memset(f, 0, sizeof(*f));
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

/* Fills a new record for the packet; `before` is the part it goes on from, or NULL. */
static void begin_record(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
			 const struct lj_flow *before)
{
	f->key = p->key;
	f->hash = p->hash;
	f->first_ns = f->last_ns = p->time_ns;
	f->state = LJ_FLOW_OPEN;
	f->vlan = p->vlan;
	f->tunnel = p->tunnel;
	f->icmp_type = p->icmp_type;
	f->icmp_code = p->icmp_code;
	if (before != NULL) {
		f->flow_id = before->flow_id;
		f->initiator = before->initiator;
		f->flipped = before->flipped;
		f->midstream = p->key.proto == IPPROTO_TCP;
		f->part = (uint16_t)(before->part + 1);
		f->early = before->early;
		lj_count(t->counters, LJ_C_flow_continued, 1);
	} else {
		f->flow_id = lj_flow_id(&p->key, p->time_ns);
		f->initiator = initiator_of(p, f);
		lj_count(t->counters, LJ_C_flow_created, 1);
	}
	insert(t, f);
	wheel_file(t, f);
	t->active++;
}

/* Whether the packet comes too late for the record, and why the record ended then. */
static enum lj_due expired_before(const struct lj_flow_table *t, const struct lj_flow *f,
				  const struct lj_packet *p)
{
	if (f->state == LJ_FLOW_CLOSING) {
		bool reopened = (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_ACK)) == LJ_TCP_SYN;

		if (reopened || p->time_ns > f->closed_ns + t->config.tcp_linger_ns)
			return closing_reason(f);
	} else if (p->time_ns > f->last_ns + t->config.idle_timeout_ns) {
		return LJ_DUE_IDLE;
	} else if (p->time_ns > f->first_ns + t->config.active_timeout_ns) {
		return LJ_DUE_ACTIVE;
	}
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
	f->closed_ns = p->time_ns;
	wheel_remove(t, f);
	wheel_file(t, f);
}

static void account(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p)
{
	int side = p->side ^ f->initiator;

	if (f->side[side].packets == 0)
		f->tos[side] = p->tos;
	f->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	account_packet(f, p, side, t->config.keep);
	if (p->key.proto == IPPROTO_TCP && (p->tcp_flags & (LJ_TCP_FIN | LJ_TCP_RST)))
		follow_tcp(t, f, p, side);
}

/* The collecting of one update. */
struct collected {
	struct lj_flow **due;
	uint16_t n;
	uint64_t tie; /* n-th of the packet at hand */
};

static void collect(struct collected *c, struct lj_flow *f)
{
	c->due[c->n++] = f;
	c->tie++;
}

/*
 * A record for a packet that has none. When the table is full the record nearest its timeout is
 * evicted; it stays lent until it is settled, so the newcomer takes one of the spare records. NULL
 * when all are lent.
 */
static struct lj_flow *make_room(struct lj_flow_table *t, const struct lj_packet *p,
				 struct collected *c)
{
	if (t->active >= t->config.capacity) {
		struct lj_flow *nearest = wheel_nearest(t);

		if (nearest == NULL)
			return NULL;
		table_end(t, nearest, LJ_DUE_EVICTED, (struct lj_order){p->seq, c->tie});
		collect(c, nearest);
	}
	return take_record(t);
}

/* False when the packet has to wait until what is due has been settled. */
static bool update_one(struct lj_flow_table *t, const struct lj_packet *p, struct collected *c)
{
	struct lj_flow *f = find(t, &p->key, p->hash), *before = NULL;
	uint64_t early_after = t->config.classify_after_ns;

	c->tie = 0;
	if (f != NULL) {
		enum lj_due reason;

		if (f->due != LJ_DUE_NOT)
			return false;
		reason = expired_before(t, f, p);
		if (reason != LJ_DUE_NOT) {
			table_end(t, f, reason, (struct lj_order){p->seq, c->tie});
			collect(c, f);
			before = reason == LJ_DUE_ACTIVE ? f : NULL;
			f = NULL;
		} else if (early_after > 0 && !f->early && p->time_ns > f->first_ns + early_after) {
			table_early(t, f, LJ_DUE_EARLY_AGE, f->first_ns + early_after,
				    (struct lj_order){p->seq, c->tie});
			collect(c, f);
			return false;
		}
	}
	if (f != NULL || before != NULL)
		lj_count(t->counters, LJ_C_flow_hit, 1);
	if (f == NULL) {
		f = make_room(t, p, c);
		if (f == NULL) {
			lj_count(t->counters, LJ_C_flow_refused, 1);
			return true;
		}
		begin_record(t, f, p, before);
	}
	account(t, f, p);
	if (t->config.classify_at > 0 && f->packets == t->config.classify_at && !f->early) {
		table_early(t, f, LJ_DUE_EARLY_PACKETS, p->time_ns,
			    (struct lj_order){p->seq, c->tie});
		collect(c, f);
	}
	return true;
}

static void prefetch(const struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(home_of(t, packets[i].hash));
	for (uint16_t i = 0; i < n; i++) {
		const struct bucket *b = home_of(t, packets[i].hash);
		uint32_t hit = matches(b, signature_of(packets[i].hash));
		uint32_t record = hit != 0 ? b->record[__builtin_ctz(hit) / 2] : 0;
		const char *f;

		if (record == 0)
			continue;
		f = (const char *)record_at(t, record - 1);
		rte_prefetch0(f);
		rte_prefetch0(f + offsetof(struct lj_flow, side));
		rte_prefetch0(f + offsetof(struct lj_flow, side[1]));
		rte_prefetch0(f + offsetof(struct lj_flow, gap_sumsq));
	}
}

uint16_t lj_flow_update(struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
			struct lj_flow **due, uint16_t *n_due)
{
	struct collected c = {due, 0, 0};
	uint16_t i;

	prefetch(t, packets, n);
	for (i = 0; i < n && c.n < n; i++)
		if (!update_one(t, &packets[i], &c))
			break;
	*n_due = c.n;
	return i;
}

void lj_flow_settle(struct lj_flow_table *t, struct lj_flow **due, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct lj_flow *f = due[i];

		f->due = LJ_DUE_NOT;
		if (f->state != LJ_FLOW_ENDED)
			continue;
		f->state = LJ_FLOW_FREE;
		f->wheel_next = t->free;
		t->free = f->index;
	}
}
