#include "host_table.h"

#define RHYTHM_NS (600ULL * 1000000000)

/* The rings of a role that an opening is computed from. */
struct begun {
	__m256i flows, peers, ports;
};

/* Counts a flow and its peer. */
static inline struct rings begin_flow(struct leaf *first, uint64_t stamp, uint32_t peer_seen,
				      const struct clock *clock)
{
	struct rings r = leaf_read(first, stamp, clock);

	r.a = count(r.a, clock);
	r.b = count_distinct(r.b, peer_seen, first->since, clock);
	leaf_write(first, r, stamp);
	return r;
}

static inline struct begun begin_at_initiator(struct host *src, const struct things *t,
					      const struct clock *clock)
{
	uint64_t stamp = check_out(src, clock);
	uint32_t since = src->out.flows_peers.since;
	struct rings first = begin_flow(&src->out.flows_peers, stamp, t->seen[PEER], clock);
	struct rings more = leaf_read(&src->out.ports_pairs, stamp, clock);

	more.a = count_distinct(more.a, t->seen[PORT], since, clock);
	more.b = count_distinct(more.b, t->conversation_seen, since, clock);
	leaf_write(&src->out.ports_pairs, more, stamp);
	return (struct begun){first.a, first.b, more.a};
}

static inline struct begun begin_at_responder(struct host *dst, const struct things *t,
					      const struct clock *clock)
{
	uint64_t stamp = check_in(dst, clock);
	uint32_t since = dst->in.flows_peers.since;
	struct rings first = begin_flow(&dst->in.flows_peers, stamp, t->seen[PEER], clock);
	struct rings more = leaf_read(&dst->in.ports_ended, stamp, clock);

	more.a = count_distinct(more.a, t->service_seen, since, clock);
	leaf_write(&dst->in.ports_ended, more, stamp);
	return (struct begun){first.a, first.b, more.a};
}

static inline __m256i begin_at_service(struct service *s, const struct things *t,
				       const struct clock *clock)
{
	if (t->service_seen == 0)
		tally_renew(&s->flows_peers, clock);
	return begin_flow(&s->flows_peers, check_service(s, clock), t->conversation_seen, clock).a;
}

static inline __m256i begin_at_conversation(struct conversation *c, const struct things *t,
					    const struct clock *clock)
{
	struct leaf *first = &c->pair.flows_ended;
	struct rings r;
	uint64_t stamp;

	if (t->conversation_seen == 0)
		tally_renew(first, clock);
	stamp = check_pair(c, clock);
	r = leaf_read(first, stamp, clock);
	r.a = count(r.a, clock);
	leaf_write(first, r, stamp);
	return r.a;
}

static inline void keep_gap(struct rhythm *r, bool new, uint64_t now_ns)
{
	uint64_t begun_ns = new ? 0 : r->begun_ns;
	uint64_t gap_ns = now_ns > begun_ns ? now_ns - begun_ns : 0;

	if (begun_ns != 0 && gap_ns <= RHYTHM_NS)
		r->gap_us[rhythm_next(&r->gaps)] = (uint32_t)(gap_ns / 1000);
	else
		r->gaps = r->ends = 0;
	r->begun_ns = now_ns;
}

/* Stores four sums as 16 bits, saturated. */
static inline void keep_sums(uint16_t *count, __m128i sums)
{
	_mm_storel_epi64((__m128i *)count, _mm_packus_epi32(sums, sums));
}

static inline uint16_t stop(uint32_t sum)
{
	return (uint16_t)RTE_MIN(sum, (uint32_t)UINT16_MAX);
}

/* The counts that are stored four at a time are adjacent, in this order. An unwanted fourth one is
 * overwritten by what is stored there afterwards. */
#define FOLLOWS(a, b, n) (LJ_HOST_OPENING_##a == LJ_HOST_OPENING_##b + (int)LJ_HOST_##n)
_Static_assert(LJ_HOST_FLOWS == 0 && LJ_HOST_PEERS == 1 && LJ_HOST_PORTS == 2 && LJ_HOST_ENDED == 3,
	       "counts");
_Static_assert(FOLLOWS(SRC_PEERS_60S, SRC_FLOWS_60S, PEERS) &&
		       FOLLOWS(SRC_PORTS_60S, SRC_FLOWS_60S, PORTS) &&
		       FOLLOWS(SRC_ENDED_60S, SRC_FLOWS_60S, ENDED) &&
		       FOLLOWS(SRC_PEERS_600S, SRC_FLOWS_600S, PEERS) &&
		       FOLLOWS(SRC_PORTS_600S, SRC_FLOWS_600S, PORTS) &&
		       FOLLOWS(SRC_FAILED_60S, SRC_FLOWS_600S, ENDED) &&
		       FOLLOWS(DST_PEERS_60S, DST_FLOWS_60S, PEERS) &&
		       FOLLOWS(DST_PORTS_60S, DST_FLOWS_60S, PORTS) &&
		       FOLLOWS(DST_FLOWS_5S, DST_FLOWS_60S, ENDED),
	       "openings");

static inline void open_initiator(uint16_t *count, const struct begun *b)
{
	struct sums s = sums_of(b->flows, b->peers, b->ports, _mm256_setzero_si256());
	__m128i shortest = sums_5s(&s);

	keep_sums(&count[LJ_HOST_OPENING_SRC_FLOWS_60S], sums_60s(&s));
	keep_sums(&count[LJ_HOST_OPENING_SRC_FLOWS_600S], sums_600s(&s));
	count[LJ_HOST_OPENING_SRC_FLOWS_5S] = stop((uint32_t)_mm_cvtsi128_si32(shortest));
}

/* The outcomes of the initiator's flows until now. */
static inline void open_outcomes(uint16_t *count, const struct host *src, const struct clock *clock)
{
	uint64_t stamp = stamp_of(src->out.flows_peers.owner, clock);
	__m256i ended = leaf_read(&src->out.sizes_ended, stamp, clock).b;
	struct rings some = leaf_read(&src->out.outcomes[0], stamp, clock);
	__m256i rejected = leaf_read(&src->out.outcomes[1], stamp, clock).a;
	struct sums s = sums_of(some.a, some.b, rejected, ended);
	__m128i sums = sums_60s(&s);

	count[LJ_HOST_OPENING_SRC_ENDED_60S] = stop((uint32_t)_mm_extract_epi32(sums, 3));
	count[LJ_HOST_OPENING_SRC_FAILED_60S] =
		stop((uint32_t)(_mm_extract_epi32(sums, 0) + _mm_extract_epi32(sums, 1) +
				_mm_extract_epi32(sums, 2)));
}

static inline void open_responder(uint16_t *count, const struct begun *b)
{
	struct sums s = sums_of(b->flows, b->peers, b->ports, _mm256_setzero_si256());
	__m128i shortest = sums_5s(&s);

	keep_sums(&count[LJ_HOST_OPENING_DST_FLOWS_60S], sums_60s(&s));
	count[LJ_HOST_OPENING_DST_FLOWS_5S] = stop((uint32_t)_mm_cvtsi128_si32(shortest));
}

static inline void open_conversation(uint16_t *count, __m256i service, __m256i conversation)
{
	__m256i none = _mm256_setzero_si256();
	struct sums s = sums_of(service, conversation, none, none);
	__m128i sums = sums_60s(&s);

	count[LJ_HOST_OPENING_SERVICE_FLOWS_60S] = stop((uint32_t)_mm_extract_epi32(sums, 0));
	count[LJ_HOST_OPENING_PAIR_FLOWS_60S] = stop((uint32_t)_mm_extract_epi32(sums, 1));
	count[LJ_HOST_OPENING_PAIR_FLOWS_600S] =
		stop((uint32_t)_mm_extract_epi32(sums_600s(&s), 1));
}

/* Empties a new host's tallies: `role` at once, `other` when it is first used. */
static inline void begin_anew(struct leaf *role, struct leaf *other, const struct clock *clock)
{
	tally_renew(role, clock);
	tally_leave(other);
}

static inline void begin_at_hosts(const struct lj_host *h, struct things *t)
{
	uint16_t *count = t->opening->count;
	bool open = h->wanted & (LJ_HOST_PART_OPENING_HOSTS | LJ_HOST_PART_OPENING_OUTCOMES);
	struct begun begun;

	if (t->src_seen == 0)
		begin_anew(&t->src->out.flows_peers, &t->src->in.flows_peers, &h->clock);
	begun = begin_at_initiator(t->src, t, &h->clock);
	if (t->dst_seen == 0)
		begin_anew(&t->dst->in.flows_peers, &t->dst->out.flows_peers, &h->clock);
	if (t->src_lost) {
		t->src = NULL;
		memset(&begun, 0, sizeof(begun));
	}
	if (open)
		open_initiator(count, &begun);
	if (t->src != NULL && h->wanted & LJ_HOST_PART_OPENING_OUTCOMES)
		open_outcomes(count, t->src, &h->clock);
	begun = begin_at_responder(t->dst, t, &h->clock);
	if (open)
		open_responder(count, &begun);
}

/*
 * Counts the begin in the flow's four items, one after the other. Allocating a later one may evict
 * an earlier one, but their counts are never mixed.
 */
void host_begin(const struct lj_host *h, const struct lj_host_fact *fact, struct things *t)
{
	__m256i service = _mm256_setzero_si256(), conversation = service;

	if (h->counts & SERVICE_BEGUN)
		service = begin_at_service(t->service, t, &h->clock);
	if (h->counts & PAIR_BEGUN)
		conversation = begin_at_conversation(t->conversation, t, &h->clock);
	if (h->wanted & (LJ_HOST_PART_GAPS | LJ_HOST_PART_EPISODES))
		keep_gap(&t->conversation->rhythm, t->conversation_seen == 0, fact->time_ns);
	begin_at_hosts(h, t);
	if (h->wanted & (LJ_HOST_PART_OPENING_SERVICE | LJ_HOST_PART_OPENING_PAIR))
		open_conversation(t->opening->count, service, conversation);
}
