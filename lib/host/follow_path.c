#include <rte_prefetch.h>

#include "host_table.h"

/* Facts ahead of the one at hand of which the sets of places are asked for, then the things found,
 * and at last what those hold of the past. */
#define SETS_AHEAD   12
#define THINGS_AHEAD 8
#define PAST_AHEAD   4
#define RING	     16

/* Lines that hold what is counted at the moment. */
static inline void ask_now(const struct things *t, const struct lj_host_step *step)
{
	bool begin = step->fact->event == LJ_HOST_BEGIN, look = step->context != NULL;

	if (t->src != NULL) {
		rte_prefetch0(&t->src->out);
		rte_prefetch0(t->src->trials);
		if (look)
			rte_prefetch0(&t->src->in);
	}
	if (t->dst != NULL) {
		rte_prefetch0(&t->dst->in);
		if (!begin)
			rte_prefetch0(t->dst->trials);
		if (look)
			rte_prefetch0(&t->dst->out);
	}
	rte_prefetch0(&t->service->tally);
	rte_prefetch0(&t->conversation->tally);
	rte_prefetch0(t->opening);
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
static inline void ask_begin(const struct things *t)
{
	ask_live(&t->src->out, t->src->out_past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&t->dst->in, t->dst->in_past, IN(5S) | IN(60S));
	ask_live(&t->service->tally, t->service->past, IN(60S));
	ask_live(&t->conversation->tally, t->conversation->past, IN(60S) | IN(600S));
}

static inline void ask_src(const struct host *src)
{
	ask_live(&src->out, src->out_past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&src->in, src->in_past, IN(60S) | IN(600S));
	if (src->out.live & (IN(5S) | IN(60S)))
		rte_prefetch0(&src->trials_past[LJ_HOST_5S]);
	if (src->out.live & IN(600S))
		rte_prefetch0(&src->trials_past[LJ_HOST_600S]);
	if (src->out.live & (IN(60S) | IN(600S)))
		rte_prefetch0(src->out_bytes_past);
	if (src->in.live & (IN(60S) | IN(600S)))
		rte_prefetch0(src->in_bytes_past);
}

static inline void ask_dst(const struct host *dst)
{
	ask_live(&dst->in, dst->in_past, IN(5S) | IN(60S) | IN(600S));
	ask_live(&dst->out, dst->out_past, IN(60S) | IN(600S));
	if (dst->in.live & (IN(60S) | IN(600S)))
		rte_prefetch0(dst->in_bytes_past);
	if (dst->out.live & (IN(60S) | IN(600S)))
		rte_prefetch0(dst->out_bytes_past);
}

static inline void ask_rhythm(const struct conversation *c)
{
	rte_prefetch0(&c->episode[0]);
	if (c->tally.ends >= LJ_HOST_RHYTHM / 2)
		rte_prefetch0(&c->episode[LJ_HOST_RHYTHM / 2]);
	if (c->tally.gaps > 0)
		rte_prefetch0(c->gap_us);
}

/* All that a look reads. */
static inline void ask_look(const struct things *t)
{
	if (t->src != NULL)
		ask_src(t->src);
	if (t->dst != NULL)
		ask_dst(t->dst);
	if (t->service != NULL)
		ask_live(&t->service->tally, t->service->past, IN(5S) | IN(60S) | IN(600S));
	if (t->conversation == NULL)
		return;
	ask_live(&t->conversation->tally, t->conversation->past, IN(5S) | IN(60S) | IN(600S));
	ask_rhythm(t->conversation);
}

/* Lines that are read beside those, where there is anything. */
static inline void ask_past(const struct things *t, const struct lj_host_step *step)
{
	const struct conversation *c = t->conversation;

	if (step->fact->event == LJ_HOST_BEGIN)
		ask_begin(t);
	else if (step->context != NULL)
		ask_look(t);
	else if (c != NULL)
		rte_prefetch0(&c->episode[c->tally.ends % LJ_HOST_RHYTHM]);
}

static void set_clock(struct clock *c, uint32_t beat)
{
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

static inline void follow(struct lj_host *h, const struct lj_host_step *step, struct things *t)
{
	const struct lj_host_fact *fact = step->fact;

	if (t->beat != h->clock.beat)
		set_clock(&h->clock, t->beat);
	if (fact->event == LJ_HOST_BEGIN) {
		lj_count(h->counters, LJ_C_host_begun, 1);
		host_begin(&h->clock, fact, t);
	} else if (fact->event == LJ_HOST_END) {
		lj_count(h->counters, LJ_C_host_ended, 1);
		host_end(&h->clock, fact, t);
	}
	if (step->context != NULL)
		host_view(&h->clock, t, step->context);
}

/* In each turn one fact comes into sight, and the one at hand is that far behind it. */
void lj_host_follow(struct lj_host *h, const struct lj_host_step *steps, uint32_t n)
{
	struct keys keys[RING];
	struct things things[RING];

	for (uint32_t i = 0; i < n + SETS_AHEAD; i++) {
		uint32_t found = i - (SETS_AHEAD - THINGS_AHEAD);
		uint32_t past = i - (SETS_AHEAD - PAST_AHEAD), hand = i - SETS_AHEAD;

		if (i < n)
			host_ask_sets(h, &keys[i % RING], steps[i].fact);
		if (found < n) {
			host_find(h, &things[found % RING], &keys[found % RING], &steps[found]);
			ask_now(&things[found % RING], &steps[found]);
		}
		if (past < n)
			ask_past(&things[past % RING], &steps[past]);
		if (hand < n)
			follow(h, &steps[hand], &things[hand % RING]);
	}
}
