#include <rte_prefetch.h>

#include "host_table.h"

#define CLOCK_BACK_NS (600ULL * 1000000000) /* no window reaches further */
#define FIRST_BEAT    1200 /* of the epoch: 0 is never; whole sub-windows of any length */
#define BEAT_MASK     0x7fffffffu

/* Facts ahead of the one at hand of which the places, then the things there, and at last what
 * those hold of the past are asked for. */
#define PLACES_AHEAD 12
#define THINGS_AHEAD 8
#define PAST_AHEAD   4
#define RING	     16

/* What a mark or a key is of. */
enum mark {
	MARK_PEER = 1,
	MARK_PORT,
	MARK_FAILED_PEER,
	MARK_FAILED_PORT,
	MARK_SIZE,
	KEY_SERVICE,
	KEY_CONVERSATION,
	KEY_OPENING,
};

static inline uint64_t key_of(enum mark kind, uint64_t a, uint64_t b)
{
	return fold(a ^ kind * 0xd6e8feb86659fd93, b);
}

static inline bool failed(const struct lj_host_fact *fact)
{
	return fact->outcome != LJ_HOST_ANSWERED && fact->outcome != LJ_HOST_SILENT;
}

static inline void make_places(const struct lj_host *h, struct places *p,
			       const struct lj_host_step *step)
{
	const struct lj_host_fact *f = step->fact;
	uint64_t port = (uint64_t)f->protocol << 16 | f->port;
	uint64_t size = (uint64_t)f->protocol << 32 | f->size;
	uint64_t service = key_of(KEY_SERVICE, f->responder, port);
	const struct directory *marks = &h->marks;

	p->src = spot_of(&h->hosts, f->initiator);
	p->dst = spot_of(&h->hosts, f->responder);
	p->service = spot_of(&h->services, service);
	p->conversation =
		spot_of(&h->conversations, key_of(KEY_CONVERSATION, f->initiator, service));
	p->opening = spot_of(&h->openings, key_of(KEY_OPENING, f->flow_id, 0));
	p->begin = f->event == LJ_HOST_BEGIN;
	p->look = step->context != NULL;
	p->marks = 0;
	if (p->begin) {
		p->mark[0] = spot_of(marks, key_of(MARK_PEER, f->initiator, f->responder));
		p->mark[1] = spot_of(marks, key_of(MARK_PORT, f->initiator, port));
		p->marks = 2;
	} else if (f->event == LJ_HOST_END) {
		p->mark[0] = spot_of(marks, key_of(MARK_SIZE, f->initiator, size));
		p->mark[1] = spot_of(marks, key_of(MARK_SIZE, service, size));
		p->marks = 2;
		if (!failed(f))
			return;
		p->mark[2] = spot_of(marks, key_of(MARK_FAILED_PEER, f->initiator, f->responder));
		p->mark[3] = spot_of(marks, key_of(MARK_FAILED_PORT, f->initiator, port));
		p->marks = 4;
	}
}

static inline void ask_places(const struct lj_host *h, const struct places *p)
{
	rte_prefetch0(set_of(&h->hosts, p->src));
	rte_prefetch0(set_of(&h->hosts, p->dst));
	rte_prefetch0(set_of(&h->services, p->service));
	rte_prefetch0(set_of(&h->conversations, p->conversation));
	rte_prefetch0(set_of(&h->openings, p->opening));
	for (uint32_t i = 0; i < p->marks; i++)
		rte_prefetch0(set_of(&h->marks, p->mark[i]));
}

/* Lines that hold what is counted at the moment. */
static inline void ask_things(const struct lj_host *h, struct places *p)
{
	uint32_t beat = h->clock.beat;
	const struct host *src, *dst;

	p->src_at = directory_expect(&h->hosts, p->src, beat);
	p->dst_at = directory_expect(&h->hosts, p->dst, beat);
	p->service_at = directory_expect(&h->services, p->service, beat);
	p->conversation_at = directory_expect(&h->conversations, p->conversation, beat);
	p->opening_at = directory_expect(&h->openings, p->opening, beat);
	src = &h->host[p->src_at];
	dst = &h->host[p->dst_at];
	rte_prefetch0(&src->out);
	rte_prefetch0(src->trials);
	rte_prefetch0(&dst->in);
	rte_prefetch0(&h->service[p->service_at].tally);
	rte_prefetch0(&h->conversation[p->conversation_at].tally);
	rte_prefetch0(&h->opening[p->opening_at]);
	if (p->begin)
		return;
	rte_prefetch0(dst->trials);
	if (!p->look)
		return;
	rte_prefetch0(&src->in);
	rte_prefetch0(&dst->out);
}

/* What a window has in tally.live. */
#define IN(window) (LIVE_BITS << LJ_HOST_##window * SUBWINDOWS)

static inline void ask_live(const struct tally *t, const struct past *past, uint32_t wanted)
{
	uint32_t live = t->live & wanted;

	if (live & IN(5S))
		rte_prefetch0(&past[LJ_HOST_5S]);
	if (live & IN(60S))
		rte_prefetch0(&past[LJ_HOST_60S]);
	if (live & IN(600S))
		rte_prefetch0(&past[LJ_HOST_600S]);
}

/* Of a begin, what its opening is made of. */
static inline void ask_begin(const struct host *src, const struct host *dst,
			     const struct service *s, const struct conversation *c)
{
	ask_live(&src->out, src->out_past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&dst->in, dst->in_past, IN(5S) | IN(60S));
	ask_live(&s->tally, s->past, IN(60S));
	ask_live(&c->tally, c->past, IN(60S) | IN(600S));
}

/* All that a look reads. */
static inline void ask_look(const struct host *src, const struct host *dst, const struct service *s,
			    const struct conversation *c)
{
	ask_live(&src->out, src->out_past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&src->in, src->in_past, IN(60S) | IN(600S));
	ask_live(&dst->in, dst->in_past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&dst->out, dst->out_past, IN(60S) | IN(600S));
	ask_live(&s->tally, s->past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&c->tally, c->past, IN(5S) | IN(60S) | IN(600S));
	if (src->out.live & (IN(5S) | IN(60S)))
		rte_prefetch0(&src->trials_past[LJ_HOST_5S]);
	if (src->out.live & IN(600S))
		rte_prefetch0(&src->trials_past[LJ_HOST_600S]);
	if (src->out.live & (IN(60S) | IN(600S)))
		rte_prefetch0(src->out_bytes_past);
	if (src->in.live & (IN(60S) | IN(600S)))
		rte_prefetch0(src->in_bytes_past);
	if (dst->in.live & (IN(60S) | IN(600S)))
		rte_prefetch0(dst->in_bytes_past);
	if (dst->out.live & (IN(60S) | IN(600S)))
		rte_prefetch0(dst->out_bytes_past);
	rte_prefetch0(&c->episode[0]);
	if (c->tally.ends >= LJ_HOST_RHYTHM / 2)
		rte_prefetch0(&c->episode[LJ_HOST_RHYTHM / 2]);
	if (c->tally.gaps > 0)
		rte_prefetch0(c->gap_us);
}

/* Lines that are read beside those, where there is anything. */
static inline void ask_past(const struct lj_host *h, const struct places *p)
{
	const struct host *src = &h->host[p->src_at], *dst = &h->host[p->dst_at];
	const struct service *s = &h->service[p->service_at];
	const struct conversation *c = &h->conversation[p->conversation_at];

	if (p->begin)
		ask_begin(src, dst, s, c);
	else if (p->look)
		ask_look(src, dst, s, c);
	else
		rte_prefetch0(&c->episode[c->tally.ends % LJ_HOST_RHYTHM]);
}

static void set_clock(struct clock *c, uint64_t ns)
{
	uint32_t beat = (uint32_t)(ns / BEAT_NS + FIRST_BEAT) & BEAT_MASK;

	c->ns = ns;
	if (beat == c->beat)
		return;
	c->beat = beat;
	c->now = 0;
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		uint32_t *from = &c->from[w * SUBWINDOWS], sub = subwindow(w, beat);
		uint32_t length = subwindow_beats(w);

		c->sub[w] = sub;
		c->now |= 1u << (w * SUBWINDOWS + sub % SUBWINDOWS);
		for (uint32_t back = 0; back < SUBWINDOWS; back++)
			from[(sub - back) % SUBWINDOWS] = (sub - back) * length;
	}
}

static inline void follow_clock(struct lj_host *h, const struct lj_host_fact *fact)
{
	uint64_t now_ns = h->clock.ns;

	if (fact->event == LJ_HOST_LOOK)
		return;
	if (fact->time_ns < now_ns &&
	    (fact->event != LJ_HOST_BEGIN || now_ns - fact->time_ns <= CLOCK_BACK_NS))
		return;
	set_clock(&h->clock, fact->time_ns);
}

static inline void follow(struct lj_host *h, const struct lj_host_fact *fact,
			  const struct places *p, struct lj_host_context *context)
{
	struct things things;

	follow_clock(h, fact);
	if (fact->event == LJ_HOST_BEGIN) {
		lj_count(h->counters, LJ_C_host_begun, 1);
		host_begin(h, fact, p);
		if (context == NULL)
			return;
	}
	things = host_find(h, p);
	if (fact->event == LJ_HOST_END) {
		lj_count(h->counters, LJ_C_host_ended, 1);
		host_end(h, fact, p, &things);
	}
	if (context != NULL)
		host_view(h, p, &things, context);
}

/* In each turn one fact comes into sight, and the one at hand is that far behind it. */
void lj_host_follow(struct lj_host *h, const struct lj_host_step *steps, uint32_t n)
{
	struct places ring[RING];

	for (uint32_t i = 0; i < n + PLACES_AHEAD; i++) {
		uint32_t things = i - (PLACES_AHEAD - THINGS_AHEAD);
		uint32_t past = i - (PLACES_AHEAD - PAST_AHEAD), hand = i - PLACES_AHEAD;

		if (i < n) {
			make_places(h, &ring[i % RING], &steps[i]);
			ask_places(h, &ring[i % RING]);
		}
		if (things < n)
			ask_things(h, &ring[things % RING]);
		if (past < n)
			ask_past(h, &ring[past % RING]);
		if (hand < n)
			follow(h, steps[hand].fact, &ring[hand % RING], steps[hand].context);
	}
}
