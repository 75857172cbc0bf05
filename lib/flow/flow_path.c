#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <rte_prefetch.h>

#include "flow_table.h"

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
	struct lj_flow *nearest;

	if (t->active < t->config.capacity)
		return ROOM;
	nearest = wheel_nearest(t);
	if (nearest == NULL || nearest->due != LJ_DUE_NOT)
		return c->n > 0 ? ROOM_LATER : ROOM_NONE;
	record_end(t, nearest, LJ_DUE_EVICTED, (struct lj_order){p->seq, c->tie});
	collect(c, nearest);
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
		record_end(t, *f, reason, (struct lj_order){p->seq, c->tie});
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

/* Whether the log can hold all that is to be known of the packet. */
static inline bool is_loggable(const struct lj_flow *f, const struct lj_packet *p, int side)
{
	return (f->heard & (1 << side)) != 0 &&
	       (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) == 0 &&
	       (p->fragment | p->application) == 0 && p->time_ns >= f->last_ns &&
	       p->time_ns - f->last_ns <= UINT32_MAX && p->l3_bytes <= UINT16_MAX &&
	       p->l3_bytes - p->payload_bytes <= UINT8_MAX;
}

static inline void log_packet(struct lj_flow *f, const struct lj_packet *p, int side)
{
	struct logged *l = &log_of(f)->packet[f->pending];

	f->pending++;
	l->gap_ns = (uint32_t)(p->time_ns - f->last_ns);
	l->tcp_seq = p->tcp_seq;
	l->l3_bytes = (uint16_t)p->l3_bytes;
	l->tcp_window = p->tcp_window;
	l->tcp_flags = p->tcp_flags;
	l->ttl = p->ttl;
	l->header_bytes = (uint8_t)(p->l3_bytes - p->payload_bytes);
	l->l4_header_and_side = (uint8_t)(p->l4_header_bytes / 4 | side << 7);
	f->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	f->packets++;
	f->last_ns = p->time_ns;
}

static inline void add_packet(struct lj_flow_table *t, struct lj_flow *f, const struct lj_packet *p,
			      int side)
{
	if (likely(is_loggable(f, p, side))) {
		log_packet(f, p, side);
		if (f->pending == FLOW_LOG)
			account_log(f, log_of(f), t->config.keep);
		return;
	}
	if (f->pending > 0)
		account_log(f, log_of(f), t->config.keep);
	account_packet(f, p, side, t->config.keep);
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
		f = room == ROOM ? record_begin(t, p, before) : NULL;
		if (f == NULL) {
			lj_count(t->counters, LJ_C_flow_refused, 1);
			return true;
		}
		if (t->config.begun && before == NULL)
			tell_begun(t, f, p, c);
	} else {
		c->hits++;
	}
	side = p->side ^ f->initiator;
	add_packet(t, f, p, side);
	if (p->key.proto == IPPROTO_TCP && (p->tcp_flags & (LJ_TCP_FIN | LJ_TCP_RST)))
		record_close(t, f, p, side);
	if (unlikely(f->packets >= t->config.classify_at && !f->early &&
		     t->config.classify_at > 0)) {
		record_early(t, f, LJ_DUE_EARLY_PACKETS, p->time_ns,
			     (struct lj_order){p->seq, c->tie});
		collect(c, f);
	}
	return true;
}

static inline void prefetch_side(const struct lj_flow *f, int side, uint32_t keep)
{
	rte_prefetch0(&f->side[side]);
	if (keep & LJ_KEEP_PAYLOAD)
		rte_prefetch0(&f->side[side].first_ns);
	if ((keep & LJ_KEEP_TCP) && f->key.proto == IPPROTO_TCP)
		rte_prefetch0(&f->tcp[side]);
	if (keep & LJ_KEEP_BULK)
		rte_prefetch0(&f->bulk[side]);
}

/* The lines that the packet will touch beside the first: the log's, or the record's, too. */
static inline void prefetch_rest(struct lj_flow *f, const struct lj_packet *p, uint32_t keep)
{
	int side = p->side ^ f->initiator;

	/* As is_loggable() will find it, nearly always. */
	if ((f->heard & (1 << side)) != 0 &&
	    (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) == 0) {
		rte_prefetch0(&log_of(f)->packet[f->pending]);
		if (f->pending + 1 < FLOW_LOG)
			return;
	}
	rte_prefetch0(&f->gap_sumsq);
	prefetch_side(f, side, keep);
	if (f->pending > 0) {
		prefetch_side(f, !side, keep);
		rte_prefetch0(&log_of(f)->packet[0]);
	}
	if (keep & LJ_KEEP_SIZES)
		rte_prefetch0(&f->sizes);
	if ((keep & LJ_KEEP_SPLT) && f->packets - f->pending < LJ_SPLT_MAX) {
		rte_prefetch0(&f->splt.length);
		rte_prefetch0(&f->splt.gap_us);
		rte_prefetch0(&f->splt.sides);
	}
}

/*
 * In stages over the burst, so that the misses of one stage overlap: buckets; the records' first
 * lines; their logs, or where that will be folded, the lines it goes to. `guess` is the record each
 * packet seems to have, or NULL.
 */
static void prefetch(const struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
		     struct lj_flow **guess)
{
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(home_of(t, packets[i].hash));
	for (uint16_t i = 0; i < n; i++) {
		const struct bucket *b = home_of(t, packets[i].hash);
		uint32_t hit = matches(b, signature_of(packets[i].hash));
		uint32_t record = hit != 0 ? b->record[__builtin_ctz(hit) / 2] : 0;

		guess[i] = NULL;
		if (record == 0)
			continue;
		guess[i] = record_at(t, record - 1);
		rte_prefetch0(guess[i]);
	}
	for (uint16_t i = 0; i < n; i++)
		if (guess[i] != NULL)
			prefetch_rest(guess[i], &packets[i], t->config.keep);
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

uint16_t lj_flow_update(struct lj_flow_table *t, const struct lj_packet *packets, uint16_t n,
			struct lj_flow **due, uint16_t *n_due)
{
	struct lj_flow *guess[LJ_BURST_MAX];
	struct collected c = {.due = due};
	uint16_t i;

	t->n_begun = 0;
	prefetch(t, packets, n, guess);
	for (i = 0; i < n && c.n < n; i++)
		if (!update_one(t, record_of(t, &packets[i], guess[i]), &packets[i], &c))
			break;
	lj_count(t->counters, LJ_C_flow_hit, c.hits);
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
