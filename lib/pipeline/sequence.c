#include "sequence.h"

#include <string.h>

static void put_mark(struct sequencer *s, struct lj_packet *item, enum lj_packet_kind kind,
		     uint64_t time_ns)
{
	memset(item, 0, sizeof(*item));
	item->kind = kind;
	item->time_ns = time_ns;
	item->seq = ++s->seq;
}

uint16_t sequence_burst(struct sequencer *s, uint16_t n, bool ticks)
{
	uint16_t items = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t tick = s->parsed[i].time_ns / LJ_FLOW_TICK_NS;

		if (ticks && tick > s->tick) {
			s->tick = tick;
			put_mark(s, &s->item[items++], LJ_PACKET_TICK, tick * LJ_FLOW_TICK_NS);
		}
		s->item[items] = s->parsed[i];
		s->item[items++].seq = ++s->seq;
	}
	return items;
}

uint16_t sequence_clock(struct sequencer *s, uint64_t clock_ns)
{
	uint64_t tick = clock_ns / LJ_FLOW_TICK_NS;

	if (tick <= s->tick)
		return 0;
	s->tick = tick;
	put_mark(s, &s->item[0], LJ_PACKET_TICK, tick * LJ_FLOW_TICK_NS);
	return 1;
}

uint16_t sequence_end(struct sequencer *s)
{
	put_mark(s, &s->item[0], LJ_PACKET_END, (s->tick + 1) * LJ_FLOW_TICK_NS);
	return 1;
}
