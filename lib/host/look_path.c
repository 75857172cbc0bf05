#include "host_table.h"

static const struct rings nothing;

/* Returns zeros for a part that is not wanted. */
static inline struct rings read_if(bool wanted, const struct leaf *l, uint64_t stamp,
				   const struct clock *clock)
{
	return wanted ? leaf_read(l, stamp, clock) : nothing;
}

/* Stores four counts, starting at `at`, in each window from `first` on. */
static inline void view_sums(struct lj_host_view *v, enum lj_host_window first,
			     enum lj_host_count at, struct sums s)
{
	if (first == LJ_HOST_5S)
		_mm_storeu_si128((__m128i *)&v[LJ_HOST_5S].count[at], sums_5s(&s));
	_mm_storeu_si128((__m128i *)&v[LJ_HOST_60S].count[at], sums_60s(&s));
	_mm_storeu_si128((__m128i *)&v[LJ_HOST_600S].count[at], sums_600s(&s));
}

static inline void view_outcomes(struct lj_host_view *v, const struct leaf outcomes[2],
				 uint64_t stamp, const struct clock *clock)
{
	struct rings first = leaf_read(&outcomes[0], stamp, clock);
	struct rings second = leaf_read(&outcomes[1], stamp, clock);

	view_sums(v, LJ_HOST_5S, LJ_HOST_UNANSWEREDS,
		  sums_of(first.a, first.b, second.a, second.b));
}

static inline void view_bytes(struct lj_host_view *v, const struct bytes *b,
			      const struct leaf *first, const struct clock *clock)
{
	for (uint32_t w = 0; w < BYTES_WINDOWS; w++)
		_mm_storeu_si128((__m128i *)&v[BYTES_FROM + w].sent,
				 bytes_sums(bytes_read(b, first, w, clock)));
}

static inline void view_src(const struct lj_host *h, struct host *src, struct lj_host_view *v)
{
	const struct clock *clock = &h->clock;
	struct leaf *first = &src->out.flows_peers;
	uint64_t stamp = check_out(src, clock);
	struct rings flows = tally_touch(first, stamp, clock);
	bool outcomes = h->wanted & LJ_HOST_PART_SRC_OUTCOMES;
	struct rings ports =
		read_if(h->wanted & LJ_HOST_PART_SRC_BEGUN, &src->out.ports_pairs, stamp, clock);
	struct rings ended = read_if(h->counts & OUT_ENDED, &src->out.sizes_ended, stamp, clock);
	struct rings failed = read_if(outcomes, &src->out.failed, stamp, clock);

	view_sums(v, LJ_HOST_5S, LJ_HOST_FLOWS, sums_of(flows.a, flows.b, ports.a, ended.b));
	view_sums(v, LJ_HOST_5S, LJ_HOST_PAIRS, sums_of(ports.b, failed.a, failed.b, ended.a));
	if (outcomes)
		view_outcomes(v, src->out.outcomes, stamp, clock);
	if (h->wanted & LJ_HOST_PART_SRC_BYTES)
		view_bytes(v, &src->out.bytes, first, clock);
}

static inline void view_dst(const struct lj_host *h, struct host *dst, struct lj_host_view *v)
{
	const struct clock *clock = &h->clock;
	struct leaf *first = &dst->in.flows_peers;
	uint64_t stamp = check_in(dst, clock);
	struct rings flows = tally_touch(first, stamp, clock);
	struct rings ports = read_if(h->wanted & LJ_HOST_PART_DST_BEGUN || h->counts & IN_ENDED,
				     &dst->in.ports_ended, stamp, clock);

	view_sums(v, LJ_HOST_5S, LJ_HOST_FLOWS, sums_of(flows.a, flows.b, ports.a, ports.b));
	if (h->wanted & LJ_HOST_PART_DST_OUTCOMES)
		view_outcomes(v, dst->in.outcomes, stamp, clock);
	if (h->wanted & LJ_HOST_PART_DST_BYTES)
		view_bytes(v, &dst->in.bytes, first, clock);
}

/* A host in the role that it does not have in this flow. */
static inline void view_reversed(const struct clock *clock, struct leaf *first, uint64_t stamp,
				 const struct bytes *bytes, struct lj_host_view *v)
{
	struct rings flows = tally_touch(first, stamp, clock);

	view_sums(v, LJ_HOST_60S, LJ_HOST_FLOWS, sums_of(flows.a, flows.b, nothing.a, nothing.a));
	if (bytes != NULL)
		view_bytes(v, bytes, first, clock);
}

static inline void view_src_in(const struct lj_host *h, struct host *src, struct lj_host_view *v)
{
	bool bytes = h->wanted & LJ_HOST_PART_SRC_BYTES;

	if (bytes || h->wanted & LJ_HOST_PART_SRC_IN_BEGUN)
		view_reversed(&h->clock, &src->in.flows_peers, check_in(src, &h->clock),
			      bytes ? &src->in.bytes : NULL, v);
}

static inline void view_dst_out(const struct lj_host *h, struct host *dst, struct lj_host_view *v)
{
	bool bytes = h->wanted & LJ_HOST_PART_DST_BYTES;

	if (bytes || h->wanted & LJ_HOST_PART_DST_OUT_BEGUN)
		view_reversed(&h->clock, &dst->out.flows_peers, check_out(dst, &h->clock),
			      bytes ? &dst->out.bytes : NULL, v);
}

static inline void view_service(const struct lj_host *h, struct service *s, struct lj_host_view *v)
{
	const struct clock *clock = &h->clock;
	struct leaf *first = &s->flows_peers;
	uint64_t stamp = check_service(s, clock);
	struct rings flows = tally_touch(first, stamp, clock);
	bool ended_too = h->counts & SERVICE_ENDED;
	struct rings ended = read_if(ended_too, &s->sizes_ended, stamp, clock);

	view_sums(v, LJ_HOST_5S, LJ_HOST_FLOWS, sums_of(flows.a, flows.b, nothing.a, ended.b));
	if (ended_too)
		view_sums(v, LJ_HOST_5S, LJ_HOST_PAIRS,
			  sums_of(nothing.a, nothing.a, nothing.a, ended.a));
	if (h->wanted & LJ_HOST_PART_SERVICE_OUTCOMES)
		view_outcomes(v, s->outcomes, stamp, clock);
}

static inline void view_pair(const struct lj_host *h, struct conversation *c,
			     struct lj_host_view *v)
{
	struct leaf *first = &c->pair.flows_ended;
	uint64_t stamp = check_pair(c, &h->clock);
	struct rings flows = tally_touch(first, stamp, &h->clock);

	view_sums(v, LJ_HOST_5S, LJ_HOST_FLOWS, sums_of(flows.a, nothing.a, nothing.a, flows.b));
	if (h->wanted & LJ_HOST_PART_PAIR_OUTCOMES)
		view_outcomes(v, c->pair.outcomes, stamp, &h->clock);
}

static void view_episodes(const struct conversation *c, struct lj_host_rhythm *r)
{
	r->ends = RTE_MIN(c->rhythm.ends, LJ_HOST_RHYTHM);
	for (uint32_t i = 0; i < r->ends; i++) {
		r->bytes[0][i] = c->episode[i].bytes[0];
		r->bytes[1][i] = c->episode[i].bytes[1];
		r->duration_ms[i] = c->episode[i].duration_ms;
		r->size[i] = c->episode[i].size;
	}
}

static inline void view_rhythm(const struct lj_host *h, const struct conversation *c,
			       struct lj_host_rhythm *r)
{
	if (h->wanted & LJ_HOST_PART_GAPS) {
		r->gaps = RTE_MIN(c->rhythm.gaps, LJ_HOST_RHYTHM);
		memcpy(r->gap_us, c->rhythm.gap_us, sizeof(r->gap_us));
	}
	if (h->wanted & LJ_HOST_PART_EPISODES)
		view_episodes(c, r);
}

static void forget(struct lj_host_view views[LJ_HOST_WINDOWS])
{
	memset(views, 0, LJ_HOST_WINDOWS * sizeof(*views));
}

static inline void view_hosts(const struct lj_host *h, const struct things *t,
			      struct lj_host_context *context)
{
	if (t->src != NULL) {
		view_src(h, t->src, context->src);
		view_src_in(h, t->src, context->src_in);
	} else {
		forget(context->src);
		forget(context->src_in);
	}
	if (t->dst != NULL) {
		view_dst(h, t->dst, context->dst);
		view_dst_out(h, t->dst, context->dst_out);
	} else {
		forget(context->dst);
		forget(context->dst_out);
	}
}

void host_view(const struct lj_host *h, const struct things *t, struct lj_host_context *context)
{
	view_hosts(h, t, context);
	if (t->service == NULL)
		forget(context->service);
	else if (h->counts & SERVICE_BEGUN)
		view_service(h, t->service, context->service);
	if (t->conversation != NULL) {
		if (h->counts & PAIR_BEGUN)
			view_pair(h, t->conversation, context->pair);
		view_rhythm(h, t->conversation, &context->rhythm);
	} else {
		forget(context->pair);
		context->rhythm.gaps = context->rhythm.ends = 0;
	}
	context->opened = t->opening != NULL;
	if (context->opened)
		memcpy(context->opening, t->opening->count, sizeof(context->opening));
}

void host_touch(const struct lj_host *h, const struct things *t)
{
	const struct clock *clock = &h->clock;

	if (t->src != NULL)
		tally_touch(&t->src->out.flows_peers, check_out(t->src, clock), clock);
	if (t->dst != NULL)
		tally_touch(&t->dst->in.flows_peers, check_in(t->dst, clock), clock);
	if (t->service != NULL && h->counts & SERVICE_BEGUN)
		tally_touch(&t->service->flows_peers, check_service(t->service, clock), clock);
	if (t->conversation != NULL && h->counts & PAIR_BEGUN)
		tally_touch(&t->conversation->pair.flows_ended, check_pair(t->conversation, clock),
			    clock);
}
