#include "host_table.h"

#define RHYTHM_NS (600ULL * 1000000000)

/* A one for each of the windows, in lane `lane` of four counts of 16 bits. */
static inline uint64_t ones(uint32_t windows, uint32_t lane)
{
	return (uint64_t)windows << 16 * lane;
}

/* Window `w`'s of those. */
static inline __m128i ones_of(uint64_t all, enum lj_host_window w)
{
	return _mm_cvtsi64_si128((long long)(all >> w * SUBWINDOWS & 0x0001000100010001));
}

#define FLOW ones(ALL_WINDOWS, LJ_HOST_FLOWS)

static void begin_at_service(struct service *s, const struct clock *clock, bool new,
			     const struct seen *pair)
{
	uint32_t peers;

	if (new)
		s->tally.beat = 0;
	turned_service(s, clock);
	peers = tally_distinct(&s->tally, s->past, LJ_HOST_PEERS, pair);
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(&s->tally, w, ones_of(FLOW | ones(peers, LJ_HOST_PEERS), w));
}

/* Numbers of gaps and ends go on in the second eight. */
static inline uint32_t count_on(uint8_t *n)
{
	uint32_t at = *n % LJ_HOST_RHYTHM;

	*n = (uint8_t)(*n < 2 * LJ_HOST_RHYTHM - 1 ? *n + 1 : LJ_HOST_RHYTHM);
	return at;
}

static void begin_at_conversation(struct conversation *c, const struct clock *clock, bool new,
				  uint64_t now_ns)
{
	struct tally *t = &c->tally;
	uint64_t gap_ns;

	if (new)
		t->beat = 0, t->begun_ns = 0;
	turned_conversation(c, clock);
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(t, w, ones_of(FLOW, w));
	gap_ns = now_ns > t->begun_ns ? now_ns - t->begun_ns : 0;
	if (t->begun_ns != 0 && gap_ns <= RHYTHM_NS)
		c->gap_us[count_on(&t->gaps)] = (uint32_t)(gap_ns / 1000);
	else
		t->gaps = t->ends = 0;
	t->begun_ns = now_ns;
}

static void begin_at_initiator(struct host *src, const struct clock *clock, const struct seen *peer,
			       const struct seen *port, const struct seen *pair)
{
	struct tally *t = &turned_out(src, clock)->out;
	uint32_t peers = tally_distinct(t, src->out_past, LJ_HOST_PEERS, peer);
	uint32_t ports = tally_distinct(t, src->out_past, LJ_HOST_PORTS, port);
	uint32_t pairs = trials_distinct(t, src->trials_past, LJ_HOST_PAIRS, pair);

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		tally_add(
			t, w,
			ones_of(FLOW | ones(peers, LJ_HOST_PEERS) | ones(ports, LJ_HOST_PORTS), w));
		add_trials(&src->trials[w],
			   ones_of(ones(pairs, LJ_HOST_PAIRS - LJ_HOST_COMMON), w));
	}
}

static void begin_at_responder(struct host *dst, const struct clock *clock, const struct seen *peer,
			       const struct seen *service)
{
	struct tally *t = &turned_in(dst, clock)->in;
	uint32_t peers = tally_distinct(t, dst->in_past, LJ_HOST_PEERS, peer);
	uint32_t ports = tally_distinct(t, dst->in_past, LJ_HOST_PORTS, service);

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(
			t, w,
			ones_of(FLOW | ones(peers, LJ_HOST_PEERS) | ones(ports, LJ_HOST_PORTS), w));
}

/* Sums as 16 bits, stopped at the top. */
static inline __m128i stopped(__m256i sums)
{
	return _mm_packus_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

static inline uint16_t stop(uint32_t sum)
{
	return (uint16_t)RTE_MIN(sum, (uint32_t)UINT16_MAX);
}

static inline uint16_t flows(const struct tally *t, const struct past *past, enum lj_host_window w)
{
	return stop((uint32_t)_mm256_cvtsi256_si32(tally_sums(t, past, w)));
}

/* What is stored four at a time lies in the order of the counts; a fourth that is not asked for
 * lies where something else is stored after it. */
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

static inline void open_initiator(uint16_t *count, const struct host *src)
{
	__m256i sums_60s = tally_sums(&src->out, src->out_past, LJ_HOST_60S);
	__m256i sums_600s = tally_sums(&src->out, src->out_past, LJ_HOST_600S);
	__m128i outcomes = _mm256_extracti128_si256(sums_60s, 1);
	int failed = _mm_extract_epi32(outcomes, LJ_HOST_UNANSWEREDS - 4) +
		     _mm_extract_epi32(outcomes, LJ_HOST_HALF_OPENS - 4) +
		     _mm_extract_epi32(outcomes, LJ_HOST_REJECTEDS - 4);

	_mm_storel_epi64((__m128i *)&count[LJ_HOST_OPENING_SRC_FLOWS_60S], stopped(sums_60s));
	_mm_storel_epi64((__m128i *)&count[LJ_HOST_OPENING_SRC_FLOWS_600S], stopped(sums_600s));
	count[LJ_HOST_OPENING_SRC_FAILED_60S] = stop((uint32_t)failed);
	count[LJ_HOST_OPENING_SRC_FLOWS_5S] = flows(&src->out, src->out_past, LJ_HOST_5S);
}

/* An initiator that had to make room for its responder. */
static inline void open_nobody(uint16_t *count)
{
	memset(&count[LJ_HOST_OPENING_SRC_FLOWS_60S], 0, 4 * sizeof(*count));
	memset(&count[LJ_HOST_OPENING_SRC_FLOWS_600S], 0, 4 * sizeof(*count));
	count[LJ_HOST_OPENING_SRC_FLOWS_5S] = 0;
}

static inline void open_responder(uint16_t *count, const struct host *dst)
{
	__m256i sums_60s = tally_sums(&dst->in, dst->in_past, LJ_HOST_60S);

	_mm_storel_epi64((__m128i *)&count[LJ_HOST_OPENING_DST_FLOWS_60S], stopped(sums_60s));
	count[LJ_HOST_OPENING_DST_FLOWS_5S] = flows(&dst->in, dst->in_past, LJ_HOST_5S);
}

/* What stands beside the flow as it begins, kept for when it is due. */
static inline void keep_opening(const struct things *t)
{
	uint16_t *count = t->opening->count;
	const struct service *s = t->service;
	const struct conversation *c = t->conversation;

	open_responder(count, t->dst);
	if (t->src != NULL)
		open_initiator(count, t->src);
	else
		open_nobody(count);
	count[LJ_HOST_OPENING_SERVICE_FLOWS_60S] = flows(&s->tally, s->past, LJ_HOST_60S);
	count[LJ_HOST_OPENING_PAIR_FLOWS_60S] = flows(&c->tally, c->past, LJ_HOST_60S);
	count[LJ_HOST_OPENING_PAIR_FLOWS_600S] = flows(&c->tally, c->past, LJ_HOST_600S);
}

static inline void clear_host(struct host *h)
{
	h->out.beat = h->in.beat = 0;
}

/*
 * The four things that a flow begins at, one after the other: to make room for a later one may cost
 * the earlier one its place, but never mixes them.
 */
void host_begin(const struct clock *clock, const struct lj_host_fact *fact, struct things *t)
{
	struct seen peer = seen_at(t->seen[PEER], clock), port = seen_at(t->seen[PORT], clock);
	struct seen service = seen_at(t->service_seen, clock);
	struct seen pair = seen_at(t->conversation_seen, clock);

	begin_at_service(t->service, clock, t->service_seen == 0, &pair);
	begin_at_conversation(t->conversation, clock, t->conversation_seen == 0, fact->time_ns);
	if (t->src_seen == 0)
		clear_host(t->src);
	begin_at_initiator(t->src, clock, &peer, &port, &pair);
	if (t->dst_seen == 0)
		clear_host(t->dst);
	begin_at_responder(t->dst, clock, &peer, &service);
	if (t->src_lost)
		t->src = NULL;
	keep_opening(t);
}

/* A flow over, by how it went: what all four things count of it. */
static inline __m128i ended(const struct lj_host_fact *fact)
{
	static const struct counts by_outcome[] __rte_aligned(16) = {
		[LJ_HOST_ANSWERED] = {{[LJ_HOST_ENDED] = 1}},
		[LJ_HOST_UNANSWERED] = {{[LJ_HOST_ENDED] = 1, [LJ_HOST_UNANSWEREDS] = 1}},
		[LJ_HOST_HALF_OPEN] = {{[LJ_HOST_ENDED] = 1, [LJ_HOST_HALF_OPENS] = 1}},
		[LJ_HOST_REJECTED] = {{[LJ_HOST_ENDED] = 1, [LJ_HOST_REJECTEDS] = 1}},
		[LJ_HOST_SILENT] = {{[LJ_HOST_ENDED] = 1, [LJ_HOST_SILENTS] = 1}},
	};

	return _mm_load_si128((const __m128i *)&by_outcome[fact->outcome]);
}

static inline uint32_t units(uint32_t bytes)
{
	return (uint32_t)(((uint64_t)bytes + LJ_HOST_BYTES - 1) / LJ_HOST_BYTES);
}

/* Of an initiator: what it tried, and how alike. */
static void count_trials(struct host *src, const struct clock *clock, const struct things *t)
{
	struct seen size = seen_at(t->seen[SIZE], clock);
	uint64_t all = ones(trials_distinct(&src->out, src->trials_past, LJ_HOST_SIZES, &size),
			    LJ_HOST_SIZES - LJ_HOST_COMMON);

	if (t->failed) {
		struct seen peer = seen_at(t->seen[PEER], clock);
		struct seen port = seen_at(t->seen[PORT], clock);

		all |= ones(
			trials_distinct(&src->out, src->trials_past, LJ_HOST_FAILED_PEERS, &peer),
			LJ_HOST_FAILED_PEERS - LJ_HOST_COMMON);
		all |= ones(
			trials_distinct(&src->out, src->trials_past, LJ_HOST_FAILED_PORTS, &port),
			LJ_HOST_FAILED_PORTS - LJ_HOST_COMMON);
	}
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		add_trials(&src->trials[w], ones_of(all, w));
}

static void end_at_initiator(const struct clock *clock, const struct lj_host_fact *fact,
			     const struct things *t)
{
	struct host *src = turned_out(t->src, clock);

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(&src->out, w, ended(fact));
	add_bytes(src->out_bytes, units(fact->bytes[0]), units(fact->bytes[1]));
	count_trials(src, clock, t);
}

static void end_at_responder(struct host *dst, const struct lj_host_fact *fact)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(&dst->in, w, ended(fact));
	add_bytes(dst->in_bytes, units(fact->bytes[1]), units(fact->bytes[0]));
}

static void end_at_service(struct service *s, const struct clock *clock,
			   const struct lj_host_fact *fact, uint32_t size_seen)
{
	struct seen size = seen_at(size_seen, clock);
	uint32_t sizes = tally_distinct(&s->tally, s->past, SERVICE_SIZES, &size);

	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(&s->tally, w,
			  _mm_or_si128(ended(fact), ones_of(ones(sizes, SERVICE_SIZES), w)));
}

static void end_at_conversation(struct conversation *c, const struct lj_host_fact *fact)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		tally_add(&c->tally, w, ended(fact));
	c->episode[count_on(&c->tally.ends)] =
		(struct episode){{fact->bytes[0], fact->bytes[1]}, fact->duration_ms, fact->size};
}

void host_end(const struct clock *clock, const struct lj_host_fact *fact, const struct things *t)
{
	if (t->src != NULL)
		end_at_initiator(clock, fact, t);
	if (t->dst != NULL)
		end_at_responder(turned_in(t->dst, clock), fact);
	if (t->service != NULL)
		end_at_service(turned_service(t->service, clock), clock, fact,
			       t->seen[SERVICE_SIZE]);
	if (t->conversation != NULL)
		end_at_conversation(turned_conversation(t->conversation, clock), fact);
}
