#include <string.h>

#include "host_table.h"

static inline struct subcounts *sub_at(struct tally *t, enum lj_host_window w, uint32_t beat)
{
	return &t->sub[w][subwindow(w, beat) % SUBWINDOWS];
}

static inline void bump(uint16_t *count)
{
	*count = (uint16_t)(*count + (*count != UINT16_MAX));
}

static inline uint32_t units(uint32_t bytes)
{
	return bytes / LJ_HOST_BYTES + (bytes % LJ_HOST_BYTES != 0);
}

static inline void add_stopping(uint32_t *sum, uint32_t more)
{
	*sum = *sum > UINT32_MAX - more ? UINT32_MAX : *sum + more;
}

static void turn_window(struct tally *t, enum lj_host_window w, uint32_t beat)
{
	uint32_t then = subwindow(w, t->beat), steps = subwindow(w, beat) - then;

	/* A clock that has gone back gives a huge number of steps: all is forgotten. */
	if (steps >= SUBWINDOWS) {
		memset(t->sub[w], 0, sizeof(t->sub[w]));
		return;
	}
	for (uint32_t i = 1; i <= steps; i++)
		memset(&t->sub[w][(then + i) % SUBWINDOWS], 0, sizeof(t->sub[w][0]));
}

void tally_turn(struct tally *t, uint32_t beat)
{
	if (t->beat == beat)
		return;
	if (t->since == 0 || beat < t->beat)
		t->since = beat;
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		turn_window(t, w, beat);
	t->beat = beat;
}

void tally_add(struct tally *t, enum lj_host_count what)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++)
		bump(&sub_at(t, w, t->beat)->count[what]);
}

void tally_add_bytes(struct tally *t, uint32_t sent, uint32_t received)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		struct subcounts *s = sub_at(t, w, t->beat);

		add_stopping(&s->sent, units(sent));
		add_stopping(&s->received, units(received));
	}
}

void tally_distinct(struct tally *t, enum lj_host_count what, uint32_t before)
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		uint32_t age = subwindow(w, t->beat) - subwindow(w, before);

		/* Marked before this tally began, or out of the window: as good as new. */
		if (before >= t->since && age < SUBWINDOWS) {
			uint16_t *old = &sub_at(t, w, before)->count[what];

			if (age == 0)
				continue;
			*old = (uint16_t)(*old - (*old > 0));
		}
		bump(&sub_at(t, w, t->beat)->count[what]);
	}
}

uint32_t tally_sum(const struct tally *t, enum lj_host_window w, enum lj_host_count what)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < SUBWINDOWS; i++)
		sum += t->sub[w][i].count[what];
	return sum;
}

void tally_view(const struct tally *t, struct lj_host_view views[LJ_HOST_WINDOWS])
{
	for (enum lj_host_window w = 0; w < LJ_HOST_WINDOWS; w++) {
		const struct subcounts *s = t->sub[w];

		for (uint32_t i = 0; i < LJ_HOST_COUNTS; i++)
			views[w].count[i] = (uint32_t)s[0].count[i] + s[1].count[i] +
					    s[2].count[i] + s[3].count[i];
		views[w].sent = (uint64_t)s[0].sent + s[1].sent + s[2].sent + s[3].sent;
		views[w].received =
			(uint64_t)s[0].received + s[1].received + s[2].received + s[3].received;
	}
}
