/*
 * Private: adds one packet to the parts of a record that are not per side. Inlined into
 * account_path.c, which adds one packet, and fold_path.c, which adds a log of packets.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "flow_table.h"

#define SECOND_NS	    1000000000ULL
#define ACTIVITY_TIMEOUT_NS (5 * SECOND_NS)
#define SUBFLOW_GAP_NS	    SECOND_NS
#define BULK_GAP_NS	    SECOND_NS
#define BULK_PACKETS	    4

/* The state of the flow before the packet that is being accounted. */
struct before {
	uint32_t packets;
	uint64_t last_ns;
};

/* Adds logged packets one at a time: for short logs, and for times that do not fit in a lane. */
void account_singly(struct lj_flow *f, const struct logged *log, uint32_t n, struct before b,
		    bool tcp, uint32_t keep);

static inline uint64_t gap_between(uint64_t earlier_ns, uint64_t later_ns)
{
	return later_ns > earlier_ns ? later_ns - earlier_ns : 0;
}

static inline void account_rare_flags(struct lj_flow_side *s, uint8_t flags)
{
	s->flag_syn += (flags & LJ_TCP_SYN) != 0;
	s->flag_rst += (flags & LJ_TCP_RST) != 0;
	s->flag_urg += (flags & LJ_TCP_URG) != 0;
	s->flag_ece += (flags & LJ_TCP_ECE) != 0;
	s->flag_cwr += (flags & LJ_TCP_CWR) != 0;
}

/*
 * CICFlowMeter's activity and subflows, as its authors describe them (in its code a misplaced
 * division makes every packet a subflow). Called for the flow's first packet and after gaps of more
 * than a second: other packets only extend the active period, which ends at the flow's last_ns.
 */
static inline void account_activity(struct lj_flow_activity *a, const struct before *b,
				    uint64_t time_ns, uint64_t gap)
{
	uint64_t active = b->last_ns - a->active_start_ns;

	if (b->packets == 0) {
		a->active_start_ns = time_ns;
		a->active_min = a->idle_min = UINT64_MAX;
		return;
	}
	a->subflows++;
	if (gap <= ACTIVITY_TIMEOUT_NS)
		return;
	if (active > 0) {
		a->active_count++;
		a->active_sum += active;
		a->active_sumsq += (unsigned __int128)active * active;
		a->active_min = RTE_MIN(a->active_min, active);
		a->active_max = RTE_MAX(a->active_max, active);
	}
	a->idle_count++;
	a->idle_sum += gap;
	a->idle_sumsq += (unsigned __int128)gap * gap;
	a->idle_min = RTE_MIN(a->idle_min, gap);
	a->idle_max = RTE_MAX(a->idle_max, gap);
	a->active_start_ns = time_ns;
}

/*
 * CICFlowMeter's bulk, except that the side is taken from the record (its code compares addresses
 * by reference, so all bulk is backward: Engelen et al., 2021). A packet with payload ends the bulk
 * of the other side; one without changes nothing.
 */
static inline void account_bulk(struct lj_flow_bulk bulk[2], int side, uint64_t time_ns,
				uint32_t payload_bytes)
{
	struct lj_flow_bulk *b = &bulk[side], *other = &bulk[!side];

	other->pending_packets = 0;
	if (b->pending_packets == 0 || gap_between(b->last_ns, time_ns) > BULK_GAP_NS) {
		b->start_ns = time_ns;
		b->pending_packets = 1;
		b->pending_bytes = payload_bytes;
	} else {
		b->pending_packets++;
		b->pending_bytes += payload_bytes;
		if (b->pending_packets == BULK_PACKETS) {
			b->states++;
			b->packets += BULK_PACKETS;
			b->bytes += b->pending_bytes;
			b->duration_ns += gap_between(b->start_ns, time_ns);
		} else if (b->pending_packets > BULK_PACKETS) {
			b->packets++;
			b->bytes += payload_bytes;
			b->duration_ns += gap_between(b->last_ns, time_ns);
		}
	}
	b->last_ns = time_ns;
}

/* Adds packet `i` of the flow, counted from 0. */
static inline void account_splt(struct lj_flow *f, uint32_t i, int side, uint32_t l3_bytes,
				uint32_t payload_bytes, uint64_t gap_ns)
{
	f->splt.length[i] = (uint16_t)RTE_MIN(l3_bytes, (uint32_t)UINT16_MAX);
	f->splt.payload[i] = (uint16_t)RTE_MIN(payload_bytes, (uint32_t)UINT16_MAX);
	/* The first packet has no gap; not writing 0 saves clearing a cache line later. */
	if (i > 0)
		f->splt.gap_us[i] = (uint32_t)RTE_MIN(gap_ns / 1000, (uint64_t)UINT32_MAX);
	f->splt_sides |= (uint16_t)(side << i);
}

/* The histogram of the NetFlow v2 data sets; packets longer than 1514 bytes are in no bin. */
static inline void account_size(uint32_t sizes[LJ_SIZES], uint32_t l3_bytes)
{
	uint32_t bin = (l3_bytes > 128) + (l3_bytes > 256) + (l3_bytes > 512) + (l3_bytes > 1024);

	if (l3_bytes <= 1514)
		sizes[bin]++;
}

#endif
