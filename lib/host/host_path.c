#include <string.h>

#include <rte_prefetch.h>

#include "host_table.h"

#define CLOCK_BACK_NS (600ULL * 1000000000) /* no window reaches further */
#define RHYTHM_NS     (600ULL * 1000000000)
#define FIRST_BEAT    1200 /* of the epoch: 0 is never; whole sub-windows of any length */
#define BEAT_MASK     0x7fffffffu

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

/* The keys of what a fact is about. */
struct keys {
	uint64_t service, conversation, opening, port;
};

static inline struct keys keys_of(const struct lj_host_fact *fact)
{
	struct keys k;

	k.port = (uint64_t)fact->protocol << 16 | fact->port;
	k.service = key_of(KEY_SERVICE, fact->responder, k.port);
	k.conversation = key_of(KEY_CONVERSATION, fact->initiator, k.service);
	k.opening = key_of(KEY_OPENING, fact->flow_id, 0);
	return k;
}

static inline const struct place_set *mark_set(const struct lj_host *h, enum mark kind, uint64_t a,
					       uint64_t b)
{
	return set_of(&h->marks, key_of(kind, a, b));
}

static inline uint64_t size_key(const struct lj_host_fact *fact)
{
	return (uint64_t)fact->protocol << 32 | fact->size;
}

/* Beat of this thing's latest mark, 0 when it is none that is remembered; and marks it. */
static inline uint32_t mark(struct lj_host *h, enum mark kind, uint64_t a, uint64_t b)
{
	return directory_claim(&h->marks, key_of(kind, a, b), h->beat).before;
}

static void follow_clock(struct lj_host *h, const struct lj_host_fact *fact)
{
	if (fact->event == LJ_HOST_LOOK)
		return;
	if (fact->time_ns < h->clock_ns &&
	    (fact->event != LJ_HOST_BEGIN || h->clock_ns - fact->time_ns <= CLOCK_BACK_NS))
		return;
	h->clock_ns = fact->time_ns;
	h->beat = (uint32_t)(h->clock_ns / BEAT_NS + FIRST_BEAT) & BEAT_MASK;
}

/* A place by key, and whether what is there has to be cleared first. */
static struct place claim(struct lj_host *h, struct directory *d, uint64_t key)
{
	struct place p = directory_claim(d, key, h->beat);

	if (p.taken)
		lj_gauge(h->counters, LJ_C_host_held, ++h->held);
	if (p.evicted)
		lj_count(h->counters, LJ_C_host_evicted, 1);
	return p;
}

static struct host *claim_host(struct lj_host *h, uint64_t key)
{
	struct place p = claim(h, &h->hosts, key);
	struct host *host = &h->host[p.index];

	if (p.before == 0)
		memset(host, 0, sizeof(*host));
	return host;
}

/* These are NULL when they are not remembered; tallies found are turned, a host's are not. */
static struct host *find_host(struct lj_host *h, uint64_t key)
{
	uint32_t at = directory_find(&h->hosts, key, h->beat);

	return at != NONE ? &h->host[at] : NULL;
}

static struct tally *find_service(struct lj_host *h, uint64_t key)
{
	uint32_t at = directory_find(&h->services, key, h->beat);

	if (at == NONE)
		return NULL;
	tally_turn(&h->service[at], h->beat);
	return &h->service[at];
}

static struct conversation *find_conversation(struct lj_host *h, uint64_t key)
{
	uint32_t at = directory_find(&h->conversations, key, h->beat);

	if (at == NONE)
		return NULL;
	tally_turn(&h->conversation[at].tally, h->beat);
	return &h->conversation[at];
}

static void begin_rhythm(struct conversation *c, uint64_t now_ns)
{
	struct lj_host_rhythm *r = &c->rhythm;
	uint64_t gap_ns = now_ns > c->begun_ns ? now_ns - c->begun_ns : 0;

	if (c->begun_ns != 0 && gap_ns <= RHYTHM_NS) {
		r->gap_us[c->next_gap++ % LJ_HOST_RHYTHM] = (uint32_t)(gap_ns / 1000);
		r->gaps = RTE_MIN(r->gaps + 1, (uint32_t)LJ_HOST_RHYTHM);
	} else {
		r->gaps = r->ends = c->next_gap = c->next_end = 0;
	}
	c->begun_ns = now_ns;
}

/*
 * The four things that a flow begins at, one after the other: to make room for a later one may cost
 * the earlier one its place, but never mixes them.
 */
static void count_begin(struct lj_host *h, const struct lj_host_fact *fact, const struct keys *k)
{
	uint32_t peer = mark(h, MARK_PEER, fact->initiator, fact->responder);
	uint32_t port = mark(h, MARK_PORT, fact->initiator, k->port);
	struct place service = claim(h, &h->services, k->service);
	struct place pair = claim(h, &h->conversations, k->conversation);
	struct conversation *c = &h->conversation[pair.index];
	struct tally *s = &h->service[service.index], *t;

	if (service.before == 0)
		memset(s, 0, sizeof(*s));
	tally_turn(s, h->beat);
	tally_add(s, LJ_HOST_FLOWS);
	tally_distinct(s, LJ_HOST_PEERS, pair.before);

	if (pair.before == 0)
		memset(c, 0, sizeof(*c));
	tally_turn(&c->tally, h->beat);
	tally_add(&c->tally, LJ_HOST_FLOWS);
	begin_rhythm(c, fact->time_ns);

	t = &claim_host(h, fact->initiator)->out;
	tally_turn(t, h->beat);
	tally_add(t, LJ_HOST_FLOWS);
	tally_distinct(t, LJ_HOST_PEERS, peer);
	tally_distinct(t, LJ_HOST_PORTS, port);
	tally_distinct(t, LJ_HOST_PAIRS, pair.before);

	t = &claim_host(h, fact->responder)->in;
	tally_turn(t, h->beat);
	tally_add(t, LJ_HOST_FLOWS);
	tally_distinct(t, LJ_HOST_PEERS, peer);
	tally_distinct(t, LJ_HOST_PORTS, service.before);
}

static inline uint16_t stop(uint32_t n)
{
	return (uint16_t)RTE_MIN(n, (uint32_t)UINT16_MAX);
}

static void open_initiator(struct opening *o, const struct tally *t)
{
	uint32_t failed = tally_sum(t, LJ_HOST_60S, LJ_HOST_UNANSWEREDS) +
			  tally_sum(t, LJ_HOST_60S, LJ_HOST_HALF_OPENS) +
			  tally_sum(t, LJ_HOST_60S, LJ_HOST_REJECTEDS);

	o->count[LJ_HOST_OPENING_SRC_FLOWS_5S] = stop(tally_sum(t, LJ_HOST_5S, LJ_HOST_FLOWS));
	o->count[LJ_HOST_OPENING_SRC_FLOWS_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_FLOWS));
	o->count[LJ_HOST_OPENING_SRC_FLOWS_600S] = stop(tally_sum(t, LJ_HOST_600S, LJ_HOST_FLOWS));
	o->count[LJ_HOST_OPENING_SRC_PEERS_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_PEERS));
	o->count[LJ_HOST_OPENING_SRC_PEERS_600S] = stop(tally_sum(t, LJ_HOST_600S, LJ_HOST_PEERS));
	o->count[LJ_HOST_OPENING_SRC_PORTS_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_PORTS));
	o->count[LJ_HOST_OPENING_SRC_PORTS_600S] = stop(tally_sum(t, LJ_HOST_600S, LJ_HOST_PORTS));
	o->count[LJ_HOST_OPENING_SRC_FAILED_60S] = stop(failed);
	o->count[LJ_HOST_OPENING_SRC_ENDED_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_ENDED));
}

static void open_responder(struct opening *o, const struct tally *t)
{
	o->count[LJ_HOST_OPENING_DST_FLOWS_5S] = stop(tally_sum(t, LJ_HOST_5S, LJ_HOST_FLOWS));
	o->count[LJ_HOST_OPENING_DST_FLOWS_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_FLOWS));
	o->count[LJ_HOST_OPENING_DST_PEERS_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_PEERS));
	o->count[LJ_HOST_OPENING_DST_PORTS_60S] = stop(tally_sum(t, LJ_HOST_60S, LJ_HOST_PORTS));
}

/* What stands beside the flow as it begins, kept for when it is due. */
static void keep_opening(struct lj_host *h, const struct lj_host_fact *fact, const struct keys *k)
{
	struct place p = directory_claim(&h->openings, k->opening, h->beat);
	struct opening *o = &h->opening[p.index];
	const struct host *src = find_host(h, fact->initiator);
	const struct host *dst = find_host(h, fact->responder);
	const struct tally *service = find_service(h, k->service);
	const struct conversation *c = find_conversation(h, k->conversation);

	memset(o, 0, sizeof(*o));
	if (src != NULL)
		open_initiator(o, &src->out);
	if (dst != NULL)
		open_responder(o, &dst->in);
	if (service != NULL)
		o->count[LJ_HOST_OPENING_SERVICE_FLOWS_60S] =
			stop(tally_sum(service, LJ_HOST_60S, LJ_HOST_FLOWS));
	if (c == NULL)
		return;
	o->count[LJ_HOST_OPENING_PAIR_FLOWS_60S] =
		stop(tally_sum(&c->tally, LJ_HOST_60S, LJ_HOST_FLOWS));
	o->count[LJ_HOST_OPENING_PAIR_FLOWS_600S] =
		stop(tally_sum(&c->tally, LJ_HOST_600S, LJ_HOST_FLOWS));
}

/* What every one of the four counts of a flow that is over. `sent` is what the thing itself sent.
 */
static void count_outcome(struct tally *t, const struct lj_host_fact *fact, int sent)
{
	static const enum lj_host_count counter[] = {
		[LJ_HOST_UNANSWERED] = LJ_HOST_UNANSWEREDS,
		[LJ_HOST_HALF_OPEN] = LJ_HOST_HALF_OPENS,
		[LJ_HOST_REJECTED] = LJ_HOST_REJECTEDS,
		[LJ_HOST_SILENT] = LJ_HOST_SILENTS,
	};

	tally_add(t, LJ_HOST_ENDED);
	if (fact->outcome != LJ_HOST_ANSWERED)
		tally_add(t, counter[fact->outcome]);
	tally_add_bytes(t, fact->bytes[sent], fact->bytes[!sent]);
}

/* Of an initiator: what it tried, and how alike. */
static void count_trials(struct lj_host *h, struct tally *t, const struct lj_host_fact *fact,
			 const struct keys *k)
{
	tally_distinct(t, LJ_HOST_SIZES, mark(h, MARK_SIZE, fact->initiator, size_key(fact)));
	if (fact->outcome == LJ_HOST_ANSWERED || fact->outcome == LJ_HOST_SILENT)
		return;
	tally_distinct(t, LJ_HOST_FAILED_PEERS,
		       mark(h, MARK_FAILED_PEER, fact->initiator, fact->responder));
	tally_distinct(t, LJ_HOST_FAILED_PORTS,
		       mark(h, MARK_FAILED_PORT, fact->initiator, k->port));
}

static void end_rhythm(struct conversation *c, const struct lj_host_fact *fact)
{
	struct lj_host_rhythm *r = &c->rhythm;
	uint32_t at = c->next_end++ % LJ_HOST_RHYTHM;

	r->bytes[0][at] = fact->bytes[0];
	r->bytes[1][at] = fact->bytes[1];
	r->duration_ms[at] = fact->duration_ms;
	r->size[at] = fact->size;
	r->ends = RTE_MIN(r->ends + 1, (uint32_t)LJ_HOST_RHYTHM);
}

/* Only where the begin is remembered: an end makes nobody known. */
static void count_end(struct lj_host *h, const struct lj_host_fact *fact, const struct keys *k)
{
	struct host *src = find_host(h, fact->initiator), *dst = find_host(h, fact->responder);
	struct tally *service = find_service(h, k->service);
	struct conversation *c = find_conversation(h, k->conversation);

	if (src != NULL) {
		tally_turn(&src->out, h->beat);
		count_outcome(&src->out, fact, 0);
		count_trials(h, &src->out, fact, k);
	}
	if (dst != NULL) {
		tally_turn(&dst->in, h->beat);
		count_outcome(&dst->in, fact, 1);
	}
	if (service != NULL) {
		count_outcome(service, fact, 1);
		tally_distinct(service, LJ_HOST_SIZES,
			       mark(h, MARK_SIZE, k->service, size_key(fact)));
	}
	if (c != NULL) {
		count_outcome(&c->tally, fact, 0);
		end_rhythm(c, fact);
	}
}

void lj_host_observe(struct lj_host *h, const struct lj_host_fact *fact)
{
	struct keys k = keys_of(fact);

	follow_clock(h, fact);
	switch (fact->event) {
	case LJ_HOST_BEGIN:
		lj_count(h->counters, LJ_C_host_begun, 1);
		count_begin(h, fact, &k);
		keep_opening(h, fact, &k);
		break;
	case LJ_HOST_END:
		lj_count(h->counters, LJ_C_host_ended, 1);
		count_end(h, fact, &k);
		break;
	default:
		break;
	}
}

static void view_host(struct lj_host *h, struct host *host, struct lj_host_view *out,
		      struct lj_host_view *in)
{
	tally_turn(&host->out, h->beat);
	tally_turn(&host->in, h->beat);
	tally_view(&host->out, out);
	tally_view(&host->in, in);
}

void lj_host_look(struct lj_host *h, const struct lj_host_fact *fact,
		  struct lj_host_context *context)
{
	struct keys k = keys_of(fact);
	struct host *src = find_host(h, fact->initiator), *dst = find_host(h, fact->responder);
	struct tally *service = find_service(h, k.service);
	struct conversation *c = find_conversation(h, k.conversation);
	uint32_t opening = directory_find(&h->openings, k.opening, h->beat);

	memset(context, 0, sizeof(*context));
	if (src != NULL)
		view_host(h, src, context->src, context->src_in);
	if (dst != NULL)
		view_host(h, dst, context->dst_out, context->dst);
	if (service != NULL)
		tally_view(service, context->service);
	if (c != NULL) {
		tally_view(&c->tally, context->pair);
		context->rhythm = c->rhythm;
	}
	context->opened = opening != NONE;
	if (context->opened)
		memcpy(context->opening, h->opening[opening].count, sizeof(context->opening));
}

void lj_host_prefetch_places(const struct lj_host *h, const struct lj_host_fact *fact)
{
	struct keys k = keys_of(fact);

	rte_prefetch0(set_of(&h->hosts, fact->initiator));
	rte_prefetch0(set_of(&h->hosts, fact->responder));
	rte_prefetch0(set_of(&h->services, k.service));
	rte_prefetch0(set_of(&h->conversations, k.conversation));
	rte_prefetch0(set_of(&h->openings, k.opening));
	if (fact->event == LJ_HOST_BEGIN) {
		rte_prefetch0(mark_set(h, MARK_PEER, fact->initiator, fact->responder));
		rte_prefetch0(mark_set(h, MARK_PORT, fact->initiator, k.port));
	} else {
		rte_prefetch0(mark_set(h, MARK_SIZE, fact->initiator, size_key(fact)));
		rte_prefetch0(mark_set(h, MARK_SIZE, k.service, size_key(fact)));
		rte_prefetch0(mark_set(h, MARK_FAILED_PEER, fact->initiator, fact->responder));
		rte_prefetch0(mark_set(h, MARK_FAILED_PORT, fact->initiator, k.port));
	}
}

static inline void prefetch_lines(const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const char *)at + i);
}

void lj_host_prefetch(const struct lj_host *h, const struct lj_host_fact *fact)
{
	struct keys k = keys_of(fact);
	uint32_t src = directory_find(&h->hosts, fact->initiator, h->beat);
	uint32_t dst = directory_find(&h->hosts, fact->responder, h->beat);
	uint32_t service = directory_find(&h->services, k.service, h->beat);
	uint32_t pair = directory_find(&h->conversations, k.conversation, h->beat);

	if (src != NONE)
		prefetch_lines(&h->host[src], sizeof(h->host[0]));
	if (dst != NONE)
		prefetch_lines(&h->host[dst], sizeof(h->host[0]));
	if (service != NONE)
		prefetch_lines(&h->service[service], sizeof(h->service[0]));
	if (pair != NONE)
		prefetch_lines(&h->conversation[pair], sizeof(h->conversation[0]));
}
