#include <rte_prefetch.h>

#include "host_table.h"

/* How many facts ahead of the current one directory sets are prefetched, and items are found and
 * prefetched. */
#define SETS_AHEAD   8
#define THINGS_AHEAD 4
#define RING	     16

static inline void ask_begin(const struct lj_host *h, const struct things *t)
{
	const struct host *src = t->src, *dst = t->dst;

	rte_prefetch0(&src->out.flows_peers);
	rte_prefetch0(&src->out.ports_pairs);
	rte_prefetch0(&dst->in.flows_peers);
	rte_prefetch0(&dst->in.ports_ended);
	if (h->counts & SERVICE_BEGUN)
		rte_prefetch0(&t->service->flows_peers);
	if (h->counts & PAIR_BEGUN)
		rte_prefetch0(&t->conversation->pair.flows_ended);
	if (h->wanted & (LJ_HOST_PART_GAPS | LJ_HOST_PART_EPISODES))
		rte_prefetch0(&t->conversation->rhythm);
	rte_prefetch0(t->opening);
	if (!(h->wanted & LJ_HOST_PART_OPENING_OUTCOMES))
		return;
	rte_prefetch0(&src->out.sizes_ended);
	rte_prefetch0(&src->out.outcomes[0]);
	rte_prefetch0(&src->out.outcomes[1]);
}

/* Prefetches what an end updates and a look reads: most of a host. */
static inline void ask_src(const struct lj_host *h, const struct host *src, bool failed, bool look)
{
	rte_prefetch0(&src->out.flows_peers);
	if (h->counts & OUT_ENDED)
		rte_prefetch0(&src->out.sizes_ended);
	if (h->counts & BYTES)
		rte_prefetch0(&src->out.bytes);
	if (h->counts & OUT_OUTCOMES && (failed || look)) {
		rte_prefetch0(&src->out.outcomes[0]);
		rte_prefetch0(&src->out.outcomes[1]);
		rte_prefetch0(&src->out.failed);
	}
	if (!look)
		return;
	rte_prefetch0(&src->out.ports_pairs);
	if (h->wanted & (LJ_HOST_PART_SRC_IN_BEGUN | LJ_HOST_PART_SRC_BYTES))
		rte_prefetch0(&src->in.flows_peers);
	if (h->wanted & LJ_HOST_PART_SRC_BYTES)
		rte_prefetch0(&src->in.bytes);
}

static inline void ask_dst(const struct lj_host *h, const struct host *dst, bool failed, bool look)
{
	rte_prefetch0(&dst->in.flows_peers);
	rte_prefetch0(&dst->in.ports_ended);
	if (h->counts & BYTES)
		rte_prefetch0(&dst->in.bytes);
	if (h->counts & IN_OUTCOMES && (failed || look)) {
		rte_prefetch0(&dst->in.outcomes[0]);
		rte_prefetch0(&dst->in.outcomes[1]);
	}
	if (!look)
		return;
	if (h->wanted & (LJ_HOST_PART_DST_OUT_BEGUN | LJ_HOST_PART_DST_BYTES))
		rte_prefetch0(&dst->out.flows_peers);
	if (h->wanted & LJ_HOST_PART_DST_BYTES)
		rte_prefetch0(&dst->out.bytes);
}

static inline void ask_service(const struct lj_host *h, const struct service *s, bool failed)
{
	if (h->counts & SERVICE_BEGUN)
		rte_prefetch0(&s->flows_peers);
	if (h->counts & SERVICE_ENDED)
		rte_prefetch0(&s->sizes_ended);
	if (h->counts & SERVICE_OUTCOMES && failed) {
		rte_prefetch0(&s->outcomes[0]);
		rte_prefetch0(&s->outcomes[1]);
	}
}

static inline void ask_conversation(const struct lj_host *h, const struct conversation *c,
				    bool failed)
{
	if (h->wanted & (LJ_HOST_PART_GAPS | LJ_HOST_PART_EPISODES))
		rte_prefetch0(&c->rhythm);
	if (h->counts & PAIR_BEGUN)
		rte_prefetch0(&c->pair.flows_ended);
	if (h->counts & PAIR_OUTCOMES && failed) {
		rte_prefetch0(&c->pair.outcomes[0]);
		rte_prefetch0(&c->pair.outcomes[1]);
	}
	if (h->wanted & LJ_HOST_PART_EPISODES)
		rte_prefetch0(&c->episode[0]);
}

static inline void ask_things(const struct lj_host *h, const struct things *t,
			      const struct lj_host_step *step)
{
	bool look = step->context != NULL, failed = step->fact->outcome != LJ_HOST_ANSWERED;

	if (step->fact->event == LJ_HOST_BEGIN)
		ask_begin(h, t);
	if (step->fact->event == LJ_HOST_BEGIN && !look)
		return;
	if (t->src != NULL)
		ask_src(h, t->src, failed, look);
	if (t->dst != NULL)
		ask_dst(h, t->dst, failed, look);
	if (t->service != NULL)
		ask_service(h, t->service, failed || look);
	if (t->conversation != NULL)
		ask_conversation(h, t->conversation, failed || look);
	rte_prefetch0(t->opening);
}

static inline void follow(struct lj_host *h, const struct lj_host_step *step, struct things *t)
{
	const struct lj_host_fact *fact = step->fact;

	if (t->beat != h->clock.beat)
		host_set_clock(&h->clock, t->beat);
	if (fact->event == LJ_HOST_BEGIN) {
		lj_count(h->counters, LJ_C_host_begun, 1);
		host_begin(h, fact, t);
	} else if (fact->event == LJ_HOST_END) {
		lj_count(h->counters, LJ_C_host_ended, 1);
		host_end(h, fact, t);
	}
	if (step->context != NULL)
		host_view(h, t, step->context);
	else if (fact->event != LJ_HOST_BEGIN)
		host_touch(h, t);
}

/* A software pipeline: iteration i hashes fact i, finds the items of an earlier one, and counts one
 * earlier still. */
void lj_host_follow(struct lj_host *h, const struct lj_host_step *steps, uint32_t n)
{
	struct keys keys[RING];
	struct things things[RING];

	for (uint32_t i = 0; i < n + SETS_AHEAD; i++) {
		uint32_t found = i - (SETS_AHEAD - THINGS_AHEAD);
		uint32_t hand = i - SETS_AHEAD;

		if (i < n)
			host_ask_sets(h, &keys[i % RING], steps[i].fact);
		if (found < n) {
			host_find(h, &things[found % RING], &keys[found % RING], &steps[found]);
			ask_things(h, &things[found % RING], &steps[found]);
		}
		if (hand < n)
			follow(h, &steps[hand], &things[hand % RING]);
	}
}
