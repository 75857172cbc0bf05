#include "host_table.h"

/* Stores a window's common counts; what only some things have is 0 for now. */
static inline void view_common(struct lj_host_view *v, const struct tally *t,
			       const struct past *past, enum lj_host_window w)
{
	_mm256_storeu_si256((__m256i *)&v->count[0], tally_sums(t, past, w));
	_mm256_storeu_si256((__m256i *)&v->count[LJ_HOST_COMMON], _mm256_setzero_si256());
}

static inline void view_bytes(struct lj_host_view *v, const union aside *now,
			      const struct aside_past *past, bool live)
{
	_mm_storeu_si128((__m128i *)&v->sent, bytes_sums(now, past, live));
}

static inline void view_out(const struct host *h, enum lj_host_window w, struct lj_host_view *v)
{
	view_common(v, &h->out, h->out_past, w);
	if (w >= BYTES_FROM)
		view_bytes(v, &h->out_bytes[w - BYTES_FROM], &h->out_bytes_past[w - BYTES_FROM],
			   any_live(&h->out, w));
}

static inline void view_trials(const struct host *h, enum lj_host_window w, struct lj_host_view *v)
{
	_mm_storeu_si128((__m128i *)&v->count[LJ_HOST_COMMON],
			 trials_sums(&h->trials[w], &h->trials_past[w], any_live(&h->out, w)));
}

static inline void view_in(const struct host *h, enum lj_host_window w, struct lj_host_view *v)
{
	view_common(v, &h->in, h->in_past, w);
	if (w >= BYTES_FROM)
		view_bytes(v, &h->in_bytes[w - BYTES_FROM], &h->in_bytes_past[w - BYTES_FROM],
			   any_live(&h->in, w));
}

static void view_initiator(struct host *src, const struct clock *clock,
			   struct lj_host_context *context)
{
	turned_in(turned_out(src, clock), clock);
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		view_out(src, w, &context->src[w]);
		view_trials(src, w, &context->src[w]);
	}
	for (enum lj_host_window w = REVERSED_FROM; w < LJ_HOST_WINDOWS; w++)
		view_in(src, w, &context->src_in[w]);
}

static void view_responder(struct host *dst, const struct clock *clock,
			   struct lj_host_context *context)
{
	turned_in(turned_out(dst, clock), clock);
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		view_in(dst, w, &context->dst[w]);
	for (enum lj_host_window w = REVERSED_FROM; w < LJ_HOST_WINDOWS; w++)
		view_out(dst, w, &context->dst_out[w]);
}

static void view_service(struct service *s, const struct clock *clock,
			 struct lj_host_view views[LJ_HOST_WINDOWS])
{
	turned_service(s, clock);
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		view_common(&views[w], &s->tally, s->past, w);
		views[w].count[LJ_HOST_SIZES] = views[w].count[SERVICE_SIZES];
		views[w].count[SERVICE_SIZES] = 0;
	}
}

static void view_rhythm(const struct conversation *c, struct lj_host_rhythm *r)
{
	r->gaps = RTE_MIN(c->tally.gaps, LJ_HOST_RHYTHM);
	r->ends = RTE_MIN(c->tally.ends, LJ_HOST_RHYTHM);
	if (r->gaps > 0)
		memcpy(r->gap_us, c->gap_us, sizeof(r->gap_us));
	for (uint32_t i = 0; i < r->ends; i++) {
		r->bytes[0][i] = c->episode[i].bytes[0];
		r->bytes[1][i] = c->episode[i].bytes[1];
		r->duration_ms[i] = c->episode[i].duration_ms;
		r->size[i] = c->episode[i].size;
	}
}

static void view_conversation(struct conversation *c, const struct clock *clock,
			      struct lj_host_context *context)
{
	turned_conversation(c, clock);
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		view_common(&context->pair[w], &c->tally, c->past, w);
	view_rhythm(c, &context->rhythm);
}

static void forget(struct lj_host_view views[LJ_HOST_WINDOWS])
{
	memset(views, 0, LJ_HOST_WINDOWS * sizeof(*views));
}

static void view_hosts(const struct clock *clock, const struct things *t,
		       struct lj_host_context *context)
{
	forget(context->src_in);
	forget(context->dst_out);
	if (t->src != NULL)
		view_initiator(t->src, clock, context);
	else
		forget(context->src);
	if (t->dst != NULL)
		view_responder(t->dst, clock, context);
	else
		forget(context->dst);
}

void host_view(const struct clock *clock, const struct things *t, struct lj_host_context *context)
{
	view_hosts(clock, t, context);
	if (t->service != NULL)
		view_service(t->service, clock, context->service);
	else
		forget(context->service);
	if (t->conversation != NULL) {
		view_conversation(t->conversation, clock, context);
	} else {
		forget(context->pair);
		context->rhythm.gaps = context->rhythm.ends = 0;
	}
	context->opened = t->opening != NULL;
	if (context->opened)
		memcpy(context->opening, t->opening->count, sizeof(context->opening));
}
