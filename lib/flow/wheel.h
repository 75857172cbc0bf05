/* Private: the lists of the timing wheel. Inlined into its callers. */
#ifndef WHEEL_H
#define WHEEL_H

#include "flow_table.h"

/* Starts the wheel with the first packet or tick. Once there are flows, 0 is a valid tick: a
 * capture may begin at the epoch. */
static inline void wheel_begin(struct lj_flow_table *t, uint64_t tick)
{
	if (t->tick == 0 && t->active == 0)
		t->tick = tick;
}

/* When the flow ends unless further packets arrive. */
static inline uint64_t over_ns(const struct lj_flow_table *t, const struct flow_slot *s)
{
	uint64_t idle_ns = s->last_ns + t->config.idle_timeout_ns;

	if (s->state != LJ_FLOW_CLOSING)
		return idle_ns;
	return RTE_MIN(idle_ns, closed_at(t, s) + t->config.tcp_linger_ns);
}

/* The earliest time at which the flow can be due. */
static inline uint64_t wheel_deadline(const struct lj_flow_table *t, const struct flow_slot *s)
{
	uint64_t deadline = over_ns(t, s);

	if (!s->early && t->config.classify_after_ns > 0)
		deadline = RTE_MIN(deadline, s->first_ns + t->config.classify_after_ns);
	return deadline;
}

/* The first tick after the flow's deadline. */
static inline uint64_t deadline_tick(const struct lj_flow_table *t, const struct flow_slot *s)
{
	return wheel_deadline(t, s) / LJ_FLOW_TICK_NS + 1;
}

/* Inserts the flow into the list of its deadline; `index` is its slot. */
static inline void wheel_file(struct lj_flow_table *t, const struct flow_slot *s, uint32_t index)
{
	struct flow_link *link = &t->links[index];
	uint64_t tick = deadline_tick(t, s);
	uint32_t slot, *first;

	if (tick <= t->tick)
		tick = t->tick + 1;
	if (tick >= t->tick + WHEEL_SLOTS)
		tick = t->tick + WHEEL_SLOTS - 1;
	slot = (uint32_t)(tick % WHEEL_SLOTS);
	first = &t->slot[slot];
	t->filed[slot / 64] |= 1ULL << slot % 64;
	t->filed_words |= 1ULL << slot / 64;
	link->wheel_slot = (uint16_t)slot;
	link->next = *first;
	link->prev = NONE;
	if (*first != NONE)
		t->links[*first].prev = index;
	*first = index;
}

static inline void note_empty(struct lj_flow_table *t, uint32_t slot)
{
	t->filed[slot / 64] &= ~(1ULL << slot % 64);
	if (t->filed[slot / 64] == 0)
		t->filed_words &= ~(1ULL << slot / 64);
}

static inline void wheel_remove(struct lj_flow_table *t, uint32_t index)
{
	const struct flow_link *link = &t->links[index];

	if (link->prev != NONE)
		t->links[link->prev].next = link->next;
	else
		t->slot[link->wheel_slot] = link->next;
	if (link->next != NONE)
		t->links[link->next].prev = link->prev;
	else if (link->prev == NONE)
		note_empty(t, link->wheel_slot);
}

#endif
