#include "reorder.h"

static uint32_t held(const struct reorder_leg *leg)
{
	return leg->tail - leg->head;
}

bool reorder_has_room(const struct reorder *r, uint16_t leg)
{
	return held(&r->leg[leg]) + LJ_BURST_MAX <= REORDER_HELD;
}

void reorder_put(struct reorder *r, uint16_t leg, const struct lj_packet *packets, uint16_t n,
		 uint64_t now_tsc)
{
	struct reorder_leg *l = &r->leg[leg];

	for (uint16_t i = 0; i < n; i++, l->tail++) {
		l->arrived_tsc[l->tail % REORDER_HELD] = now_tsc;
		l->packet[l->tail % REORDER_HELD] = packets[i];
	}
}

static const struct lj_packet *first(const struct reorder_leg *leg)
{
	return &leg->packet[leg->head % REORDER_HELD];
}

static bool opens(const struct lj_packet *p)
{
	return (p->tcp_flags & (LJ_TCP_SYN | LJ_TCP_ACK)) == LJ_TCP_SYN;
}

static bool before(const struct lj_packet *a, const struct lj_packet *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return opens(a) && !opens(b);
}

/* The leg whose first packet is the earliest, and whether all legs or the clock agree. */
static struct reorder_leg *next_leg(struct reorder *r, uint64_t now_tsc, bool all, bool *may_go)
{
	struct reorder_leg *earliest = NULL;
	bool complete = true, full = false;

	for (uint16_t i = 0; i < r->n_legs; i++) {
		struct reorder_leg *leg = &r->leg[i];

		if (held(leg) == 0) {
			complete = false;
			continue;
		}
		full = full || !reorder_has_room(r, i);
		if (earliest == NULL || before(first(leg), first(earliest)))
			earliest = leg;
	}
	*may_go = earliest != NULL &&
		  (complete || all || full ||
		   now_tsc - earliest->arrived_tsc[earliest->head % REORDER_HELD] >=
			   r->window_cycles);
	return earliest;
}

uint16_t reorder_take(struct reorder *r, struct lj_packet *out, uint16_t max, uint64_t now_tsc,
		      bool all, uint16_t *late)
{
	uint16_t n = 0;

	*late = 0;
	while (n < max) {
		bool may_go;
		struct reorder_leg *leg = next_leg(r, now_tsc, all, &may_go);

		if (!may_go)
			break;
		out[n] = *first(leg);
		leg->head++;
		*late += out[n].time_ns < r->latest_ns;
		r->latest_ns = RTE_MAX(r->latest_ns, out[n].time_ns);
		n++;
	}
	return n;
}
