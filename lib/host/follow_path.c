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
#define AHEAD_MASK   15

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

static void make_keys(struct keys *k, const struct lj_host_fact *f)
{
	uint64_t port = (uint64_t)f->protocol << 16 | f->port;
	uint64_t size = (uint64_t)f->protocol << 32 | f->size;

	k->service = key_of(KEY_SERVICE, f->responder, port);
	k->conversation = key_of(KEY_CONVERSATION, f->initiator, k->service);
	k->opening = key_of(KEY_OPENING, f->flow_id, 0);
	k->marks = 0;
	switch (f->event) {
	case LJ_HOST_BEGIN:
		k->mark[k->marks++] = key_of(MARK_PEER, f->initiator, f->responder);
		k->mark[k->marks++] = key_of(MARK_PORT, f->initiator, port);
		break;
	case LJ_HOST_END:
		k->mark[k->marks++] = key_of(MARK_SIZE, f->initiator, size);
		k->mark[k->marks++] = key_of(MARK_SIZE, k->service, size);
		if (!failed(f))
			break;
		k->mark[k->marks++] = key_of(MARK_FAILED_PEER, f->initiator, f->responder);
		k->mark[k->marks++] = key_of(MARK_FAILED_PORT, f->initiator, port);
		break;
	default:
		break;
	}
}

static inline void ask_places(const struct lj_host *h, const struct lj_host_fact *f,
			      const struct keys *k)
{
	rte_prefetch0(set_of(&h->hosts, f->initiator));
	rte_prefetch0(set_of(&h->hosts, f->responder));
	rte_prefetch0(set_of(&h->services, k->service));
	rte_prefetch0(set_of(&h->conversations, k->conversation));
	rte_prefetch0(set_of(&h->openings, k->opening));
	for (uint32_t i = 0; i < k->marks; i++)
		rte_prefetch0(set_of(&h->marks, k->mark[i]));
}

/* Lines that hold what is counted at the moment. */
static inline void ask_things(const struct lj_host *h, const struct lj_host_fact *f,
			      const struct keys *k)
{
	uint32_t beat = h->clock.beat;
	const struct host *src = &h->host[directory_expect(&h->hosts, f->initiator, beat)];
	const struct host *dst = &h->host[directory_expect(&h->hosts, f->responder, beat)];

	rte_prefetch0(&src->out);
	rte_prefetch0(src->trials);
	rte_prefetch0(&dst->in);
	if (f->event != LJ_HOST_BEGIN) {
		rte_prefetch0(&src->in);
		rte_prefetch0(&dst->out);
		rte_prefetch0(dst->trials);
	}
	rte_prefetch0(&h->service[directory_expect(&h->services, k->service, beat)]);
	rte_prefetch0(&h->conversation[directory_expect(&h->conversations, k->conversation, beat)]);
	rte_prefetch0(&h->opening[directory_expect(&h->openings, k->opening, beat)]);
}

static inline void ask_live(const struct tally *t, const struct past *past)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		if (live_of(t, w) != 0)
			rte_prefetch0(&past[w]);
}

/* Lines that are read beside those, where there is anything. */
static inline void ask_past(const struct lj_host *h, const struct lj_host_fact *f,
			    const struct keys *k)
{
	uint32_t beat = h->clock.beat;
	const struct host *src = &h->host[directory_expect(&h->hosts, f->initiator, beat)];
	const struct host *dst = &h->host[directory_expect(&h->hosts, f->responder, beat)];
	const struct service *s = &h->service[directory_expect(&h->services, k->service, beat)];
	const struct conversation *c =
		&h->conversation[directory_expect(&h->conversations, k->conversation, beat)];

	ask_live(&src->out, src->out_past);
	ask_live(&dst->in, dst->in_past);
	ask_live(&s->tally, s->past);
	ask_live(&c->tally, c->past);
	if (f->event == LJ_HOST_BEGIN)
		return;
	ask_live(&src->in, src->in_past);
	ask_live(&dst->out, dst->out_past);
	rte_prefetch0(&c->episode[0]);
	rte_prefetch0(&c->episode[4]);
	if (c->tally.gaps > 0)
		rte_prefetch0(c->gap_us);
}

static inline void follow_clock(struct lj_host *h, const struct lj_host_fact *fact)
{
	struct clock *c = &h->clock;

	if (fact->event == LJ_HOST_LOOK)
		return;
	if (fact->time_ns < c->ns &&
	    (fact->event != LJ_HOST_BEGIN || c->ns - fact->time_ns <= CLOCK_BACK_NS))
		return;
	c->ns = fact->time_ns;
	c->beat = (uint32_t)(c->ns / BEAT_NS + FIRST_BEAT) & BEAT_MASK;
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		c->sub[w] = subwindow(w, c->beat);
}

static void follow(struct lj_host *h, const struct lj_host_fact *fact, const struct keys *k,
		   struct lj_host_context *context)
{
	struct things things;

	follow_clock(h, fact);
	if (fact->event == LJ_HOST_BEGIN) {
		lj_count(h->counters, LJ_C_host_begun, 1);
		count_begin(h, fact, k);
		if (context == NULL)
			return;
	}
	things = find_things(h, fact, k);
	if (fact->event == LJ_HOST_END) {
		lj_count(h->counters, LJ_C_host_ended, 1);
		count_end(h, fact, k, &things);
	}
	if (context != NULL)
		view_things(h, k, &things, context);
}

void lj_host_follow(struct lj_host *h, const struct lj_host_step *steps, uint32_t n)
{
	struct keys keys[AHEAD_MASK + 1];

	/* In step `i` the fact at hand is that many behind the one that comes into sight. */
	for (uint32_t i = 0; i < n + PLACES_AHEAD; i++) {
		if (i < n) {
			make_keys(&keys[i & AHEAD_MASK], steps[i].fact);
			ask_places(h, steps[i].fact, &keys[i & AHEAD_MASK]);
		}
		if (i - (PLACES_AHEAD - THINGS_AHEAD) < n)
			ask_things(h, steps[i - (PLACES_AHEAD - THINGS_AHEAD)].fact,
				   &keys[(i - (PLACES_AHEAD - THINGS_AHEAD)) & AHEAD_MASK]);
		if (i - (PLACES_AHEAD - PAST_AHEAD) < n)
			ask_past(h, steps[i - (PLACES_AHEAD - PAST_AHEAD)].fact,
				 &keys[(i - (PLACES_AHEAD - PAST_AHEAD)) & AHEAD_MASK]);
		if (i - PLACES_AHEAD < n)
			follow(h, steps[i - PLACES_AHEAD].fact,
			       &keys[(i - PLACES_AHEAD) & AHEAD_MASK],
			       steps[i - PLACES_AHEAD].context);
	}
}
