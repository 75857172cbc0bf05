#include "host_table.h"

/* What is counted beside a tally, in the windows from `first` on. */
struct column {
	union aside *now;
	struct aside_past *past;
	enum lj_host_window first;
};

static inline bool is_zero(const struct counts *c)
{
	__m128i all = _mm_load_si128((const __m128i *)c);

	return _mm_testz_si128(all, all);
}

/* Bits of the sub-windows after `then` until `steps` later, in their ring. */
static inline uint32_t ring_bits(uint32_t then, uint32_t steps)
{
	uint32_t bits = ((1u << steps) - 1) << (then + 1) % SUBWINDOWS;

	return bits | bits >> SUBWINDOWS;
}

static inline void turn_columns(const struct column *columns, uint32_t n, enum lj_host_window w,
				bool keep, uint32_t slot)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct column *c = &columns[i];

		if (w < c->first)
			continue;
		if (keep)
			c->past[w - c->first].sub[slot] = c->now[w - c->first];
		c->now[w - c->first].all = 0;
	}
}

static inline void turn_window(struct tally *t, struct past *past, const struct column *columns,
			       uint32_t n, enum lj_host_window w, const struct clock *clock)
{
	uint32_t then = subwindow(w, t->beat), steps = clock->sub[w] - then;
	uint32_t slot = then % SUBWINDOWS, live = 0;
	bool keep;

	if (steps == 0)
		return;
	/* A clock that has gone back gives a huge number of steps: all is forgotten. */
	keep = steps < SUBWINDOWS && !is_zero(&t->now[w]);
	if (steps < SUBWINDOWS)
		live = (live_of(t, w) | (uint32_t)keep << slot) & ~ring_bits(then, steps);
	if (keep)
		past[w].sub[slot] = t->now[w];
	turn_columns(columns, n, w, keep, slot);
	memset(&t->now[w], 0, sizeof(t->now[w]));
	t->live = (uint16_t)((t->live & ~(LIVE_BITS << w * SUBWINDOWS)) | live << w * SUBWINDOWS);
}

static inline void turn(struct tally *t, struct past *past, const struct column *columns,
			uint32_t n, const struct clock *clock)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		turn_window(t, past, columns, n, w, clock);
	t->beat = clock->beat;
}

/* Of one that counts distinct things, before it is turned. */
static inline void date(struct tally *t, const struct clock *clock)
{
	if (t->beat == 0 || clock->beat < t->beat)
		t->since = clock->beat;
}

void turn_out(struct host *h, const struct clock *clock)
{
	const struct column columns[] = {{h->trials, h->trials_past, LJ_HOST_5S},
					 {h->out_bytes, h->out_bytes_past, BYTES_FROM}};

	date(&h->out, clock);
	turn(&h->out, h->out_past, columns, RTE_DIM(columns), clock);
}

void turn_in(struct host *h, const struct clock *clock)
{
	const struct column columns[] = {{h->in_bytes, h->in_bytes_past, BYTES_FROM}};

	date(&h->in, clock);
	turn(&h->in, h->in_past, columns, RTE_DIM(columns), clock);
}

void turn_service(struct service *s, const struct clock *clock)
{
	date(&s->tally, clock);
	turn(&s->tally, s->past, NULL, 0, clock);
}

void turn_conversation(struct conversation *c, const struct clock *clock)
{
	turn(&c->tally, c->past, NULL, 0, clock);
}
