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

	return (bits | bits >> SUBWINDOWS) & LIVE_BITS;
}

/* Writes one sub-window of a window's ring: what is counted now, or nothing. */
static inline void put(struct tally *t, struct past *past, const struct column *columns, uint32_t n,
		       enum lj_host_window w, uint32_t slot, bool now)
{
	__m128i counts = _mm_load_si128((const __m128i *)&t->now[w]);

	_mm_store_si128((__m128i *)&past[w].sub[slot], now ? counts : _mm_setzero_si128());
	for (uint32_t i = 0; i < n; i++) {
		const struct column *c = &columns[i];

		if (w >= c->first)
			c->past[w - c->first].sub[slot].all = now ? c->now[w - c->first].all : 0;
	}
}

/* Of a window that `steps` sub-windows have begun in: which of its past ones are live now. */
static inline uint32_t shelve(struct tally *t, struct past *past, const struct column *columns,
			      uint32_t n, enum lj_host_window w, uint32_t then, uint32_t steps)
{
	uint32_t was = live_of(t, w), slot = then % SUBWINDOWS, gone = ring_bits(then, steps);
	bool some = !is_zero(&t->now[w]);
	uint32_t live = (was & ~gone) | (uint32_t)some << slot;
	/* Sub-windows of a ring that was read until now are zero already. */
	uint32_t clear = was != 0 ? was & gone : LIVE_BITS & ~(1u << slot);

	if (live == 0)
		return 0;
	for (; clear != 0; clear &= clear - 1)
		put(t, past, columns, n, w, (uint32_t)__builtin_ctz(clear), false);
	if (some)
		put(t, past, columns, n, w, slot, true);
	return live;
}

static inline void turn_window(struct tally *t, struct past *past, const struct column *columns,
			       uint32_t n, enum lj_host_window w, const struct clock *clock)
{
	uint32_t then = subwindow(w, t->beat), steps = clock->sub[w] - then, live = 0;

	if (steps == 0)
		return;
	/* A clock that has gone back gives a huge number of steps: all is forgotten. */
	if (steps < SUBWINDOWS)
		live = shelve(t, past, columns, n, w, then, steps);
	memset(&t->now[w], 0, sizeof(t->now[w]));
	for (uint32_t i = 0; i < n; i++)
		if (w >= columns[i].first)
			columns[i].now[w - columns[i].first].all = 0;
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

void host_turn_out(struct host *h, const struct clock *clock)
{
	const struct column columns[] = {{h->trials, h->trials_past, LJ_HOST_5S},
					 {h->out_bytes, h->out_bytes_past, BYTES_FROM}};

	date(&h->out, clock);
	turn(&h->out, h->out_past, columns, RTE_DIM(columns), clock);
}

void host_turn_in(struct host *h, const struct clock *clock)
{
	const struct column columns[] = {{h->in_bytes, h->in_bytes_past, BYTES_FROM}};

	date(&h->in, clock);
	turn(&h->in, h->in_past, columns, RTE_DIM(columns), clock);
}

void host_turn_service(struct service *s, const struct clock *clock)
{
	date(&s->tally, clock);
	turn(&s->tally, s->past, NULL, 0, clock);
}

void host_turn_conversation(struct conversation *c, const struct clock *clock)
{
	turn(&c->tally, c->past, NULL, 0, clock);
}
