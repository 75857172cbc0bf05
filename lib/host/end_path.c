#include "host_table.h"

/* Counts a flow in one of the two leaves of outcomes. */
static inline void count_outcome(struct leaf outcomes[2], uint64_t stamp,
				 enum lj_host_outcome outcome, const struct clock *clock)
{
	uint32_t which = (uint32_t)outcome - LJ_HOST_UNANSWERED;
	__m256i second = _mm256_set1_epi32(-(int)(which % 2)), now = lanes_of(clock->now);
	struct leaf *l = &outcomes[which / 2];
	struct rings r = leaf_read(l, stamp, clock);

	/* No branch, since outcomes are unpredictable. */
	r.a = _mm256_adds_epu16(r.a, _mm256_andnot_si256(second, now));
	r.b = _mm256_adds_epu16(r.b, _mm256_and_si256(second, now));
	leaf_write(l, r, stamp);
}

static inline uint32_t units(uint32_t bytes)
{
	return (uint32_t)(((uint64_t)bytes + LJ_HOST_BYTES - 1) / LJ_HOST_BYTES);
}

/* Adds the bytes that each side sent in an ended flow, from the view of `side`. */
static inline void count_bytes(struct bytes *b, struct leaf *first, const struct lj_host_fact *fact,
			       int side, const struct clock *clock)
{
	bytes_add(b, first, units(fact->bytes[side]), units(fact->bytes[!side]), clock);
}

/* Counts an ended flow. */
static inline void count_ended(struct leaf *l, uint64_t stamp, const struct clock *clock)
{
	struct rings r = leaf_read(l, stamp, clock);

	r.b = count(r.b, clock);
	leaf_write(l, r, stamp);
}

/* Counts an ended flow and its size. */
static inline void count_ended_size(struct leaf *l, uint64_t stamp, uint32_t size_seen,
				    uint32_t since, const struct clock *clock)
{
	struct rings r = leaf_read(l, stamp, clock);

	r.a = count_distinct(r.a, size_seen, since, clock);
	r.b = count(r.b, clock);
	leaf_write(l, r, stamp);
}

static inline void count_failed(struct host *src, uint64_t stamp, const struct things *t,
				const struct clock *clock)
{
	uint32_t since = src->out.flows_peers.since;
	struct rings r = leaf_read(&src->out.failed, stamp, clock);

	r.a = count_distinct(r.a, t->seen[PEER], since, clock);
	r.b = count_distinct(r.b, t->seen[PORT], since, clock);
	leaf_write(&src->out.failed, r, stamp);
}

static inline void end_at_initiator(const struct lj_host *h, const struct lj_host_fact *fact,
				    const struct things *t)
{
	const struct clock *clock = &h->clock;
	struct host *src = t->src;
	struct leaf *first = &src->out.flows_peers;
	uint64_t stamp = check_out(src, clock);

	if (h->counts & OUT_ENDED)
		count_ended_size(&src->out.sizes_ended, stamp, t->seen[SIZE], first->since, clock);
	if (h->counts & BYTES)
		count_bytes(&src->out.bytes, first, fact, 0, clock);
	if (!(h->counts & OUT_OUTCOMES) || fact->outcome == LJ_HOST_ANSWERED)
		return;
	count_outcome(src->out.outcomes, stamp, fact->outcome, clock);
	if (t->failed)
		count_failed(src, stamp, t, clock);
}

static inline void end_at_responder(const struct lj_host *h, const struct lj_host_fact *fact,
				    struct host *dst)
{
	const struct clock *clock = &h->clock;
	struct leaf *first = &dst->in.flows_peers;
	uint64_t stamp = check_in(dst, clock);

	if (h->counts & IN_ENDED)
		count_ended(&dst->in.ports_ended, stamp, clock);
	if (h->counts & BYTES)
		count_bytes(&dst->in.bytes, first, fact, 1, clock);
	if (h->counts & IN_OUTCOMES && fact->outcome != LJ_HOST_ANSWERED)
		count_outcome(dst->in.outcomes, stamp, fact->outcome, clock);
}

static inline void end_at_service(const struct lj_host *h, const struct lj_host_fact *fact,
				  const struct things *t)
{
	const struct clock *clock = &h->clock;
	struct leaf *first = &t->service->flows_peers;
	uint64_t stamp = check_service(t->service, clock);

	if (h->counts & SERVICE_ENDED)
		count_ended_size(&t->service->sizes_ended, stamp, t->seen[SERVICE_SIZE],
				 first->since, clock);
	if (h->counts & SERVICE_OUTCOMES && fact->outcome != LJ_HOST_ANSWERED)
		count_outcome(t->service->outcomes, stamp, fact->outcome, clock);
}

static inline void keep_episode(struct conversation *c, const struct lj_host_fact *fact)
{
	struct episode *e = &c->episode[rhythm_next(&c->rhythm.ends)];

	*e = (struct episode){{fact->bytes[0], fact->bytes[1]}, fact->duration_ms, fact->size};
}

static inline void end_at_conversation(const struct lj_host *h, const struct lj_host_fact *fact,
				       struct conversation *c)
{
	const struct clock *clock = &h->clock;

	if (h->counts & PAIR_BEGUN) {
		uint64_t stamp = check_pair(c, clock);

		count_ended(&c->pair.flows_ended, stamp, clock);
		if (h->counts & PAIR_OUTCOMES && fact->outcome != LJ_HOST_ANSWERED)
			count_outcome(c->pair.outcomes, stamp, fact->outcome, clock);
	}
	if (h->wanted & LJ_HOST_PART_EPISODES)
		keep_episode(c, fact);
}

void host_end(const struct lj_host *h, const struct lj_host_fact *fact, const struct things *t)
{
	if (t->src != NULL)
		end_at_initiator(h, fact, t);
	if (t->dst != NULL)
		end_at_responder(h, fact, t->dst);
	if (t->service != NULL && h->counts & SERVICE_BEGUN)
		end_at_service(h, fact, t);
	if (t->conversation != NULL)
		end_at_conversation(h, fact, t->conversation);
}
