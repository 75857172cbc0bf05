#include <netinet/in.h>

#include "account_tcp.h"
#include "flow_table.h"

#define SECOND_NS	    1000000000ULL
#define ACTIVITY_TIMEOUT_NS (5 * SECOND_NS)
#define SUBFLOW_GAP_NS	    SECOND_NS
#define BULK_GAP_NS	    SECOND_NS
#define BULK_PACKETS	    4
/* What our own features need. */
#define KEEP_OWN (LJ_KEEP_TCP | LJ_KEEP_PAYLOAD | LJ_KEEP_ACTIVITY | LJ_KEEP_SPLT)

/* The flow before the packet that is being accounted. */
struct before {
	uint32_t packets;
	uint64_t last_ns;
};

static inline uint64_t gap_between(uint64_t earlier_ns, uint64_t later_ns)
{
	return later_ns > earlier_ns ? later_ns - earlier_ns : 0;
}

static inline void bump16(uint16_t *counter, int by)
{
	*counter = (uint16_t)(*counter + (by && *counter != UINT16_MAX));
}

/* The line of the side that every packet touches. */
static inline void account_side(struct lj_flow_side *s, uint64_t time_ns, uint32_t l3_bytes)
{
	uint16_t length = (uint16_t)RTE_MIN(l3_bytes, (uint32_t)UINT16_MAX);

	if (s->packets == 0) {
		s->length_min = s->length_max = length;
		s->gap_min = UINT64_MAX;
		s->last_ns = time_ns;
	} else {
		uint64_t gap = gap_between(s->last_ns, time_ns);

		s->length_min = RTE_MIN(s->length_min, length);
		s->length_max = RTE_MAX(s->length_max, length);
		s->gap_min = RTE_MIN(s->gap_min, gap);
		s->gap_max = RTE_MAX(s->gap_max, gap);
		s->gap_sumsq += (unsigned __int128)gap * gap;
		s->last_ns = RTE_MAX(s->last_ns, time_ns);
	}
	s->packets++;
	s->length_sum += l3_bytes;
	s->length_sumsq += (uint64_t)l3_bytes * l3_bytes;
}

/* The side's second line. */
static inline void account_payload(struct lj_flow_side *s, const struct lj_packet *p)
{
	uint16_t payload = (uint16_t)RTE_MIN(p->payload_bytes, (uint32_t)UINT16_MAX);

	if (s->packets == 1) {
		s->payload_min = s->payload_max = payload;
		s->ttl_min = s->ttl_max = p->ttl;
	}
	s->payload_min = RTE_MIN(s->payload_min, payload);
	s->payload_max = RTE_MAX(s->payload_max, payload);
	s->payload_sum += p->payload_bytes;
	s->payload_sumsq += (uint64_t)p->payload_bytes * p->payload_bytes;
	s->payload_packets += payload > 0;
	s->header_sum += p->l3_bytes - p->payload_bytes;
	s->ttl_min = RTE_MIN(s->ttl_min, p->ttl);
	s->ttl_max = RTE_MAX(s->ttl_max, p->ttl);
	s->ttl_last = p->ttl;
	s->flag_fin += (p->tcp_flags & LJ_TCP_FIN) != 0;
	s->flag_psh += (p->tcp_flags & LJ_TCP_PSH) != 0;
	if ((p->tcp_flags & ~(LJ_TCP_FIN | LJ_TCP_PSH | LJ_TCP_ACK)) == 0)
		return;
	bump16(&s->flag_syn, p->tcp_flags & LJ_TCP_SYN);
	bump16(&s->flag_rst, p->tcp_flags & LJ_TCP_RST);
	bump16(&s->flag_urg, p->tcp_flags & LJ_TCP_URG);
	bump16(&s->flag_ece, p->tcp_flags & LJ_TCP_ECE);
	bump16(&s->flag_cwr, p->tcp_flags & LJ_TCP_CWR);
}

/*
 * CICFlowMeter's activity and subflows, as its authors describe them: there, a misplaced division
 * makes every packet a subflow. Called for the flow's first packet and after gaps of more than a
 * second: other packets only lengthen the open span, which ends at the flow's last_ns.
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
 * CICFlowMeter's bulk, with the side told by the record: there, addresses are compared as
 * references, which makes all bulk backward (Engelen et al., 2021). A packet with payload breaks
 * off the bulk of the other side; one without changes nothing.
 */
static inline void account_bulk(struct lj_flow_bulk bulk[2], int side, const struct lj_packet *p)
{
	struct lj_flow_bulk *b = &bulk[side], *other = &bulk[!side];

	other->pending_packets = 0;
	if (b->pending_packets == 0 || gap_between(b->last_ns, p->time_ns) > BULK_GAP_NS) {
		b->start_ns = p->time_ns;
		b->pending_packets = 1;
		b->pending_bytes = p->payload_bytes;
	} else {
		b->pending_packets++;
		b->pending_bytes += p->payload_bytes;
		if (b->pending_packets == BULK_PACKETS) {
			b->states++;
			b->packets += BULK_PACKETS;
			b->bytes += b->pending_bytes;
			b->duration_ns += gap_between(b->start_ns, p->time_ns);
		} else if (b->pending_packets > BULK_PACKETS) {
			b->packets++;
			b->bytes += p->payload_bytes;
			b->duration_ns += gap_between(b->last_ns, p->time_ns);
		}
	}
	b->last_ns = p->time_ns;
}

static inline void account_splt(struct lj_flow_splt *s, const struct lj_packet *p, int side,
				uint64_t gap_ns)
{
	uint32_t i = s->count++;

	s->length[i] = (uint16_t)RTE_MIN(p->l3_bytes, (uint32_t)UINT16_MAX);
	s->payload[i] = (uint16_t)RTE_MIN(p->payload_bytes, (uint32_t)UINT16_MAX);
	s->gap_us[i] = (uint32_t)RTE_MIN(gap_ns / 1000, (uint64_t)UINT32_MAX);
	s->sides |= (uint16_t)(side << i);
}

/* NetFlow v2's histogram; what is longer than 1514 is in none. */
static inline void account_size(uint32_t sizes[LJ_SIZES], uint32_t l3_bytes)
{
	uint32_t bin = (l3_bytes > 128) + (l3_bytes > 256) + (l3_bytes > 512) + (l3_bytes > 1024);

	if (l3_bytes <= 1514)
		sizes[bin]++;
}

static void account_application(struct lj_flow *f, const struct lj_packet *p)
{
	if (p->application == LJ_APPLICATION_FTP_REPLY) {
		f->ftp_code = p->ftp_code;
		return;
	}
	if (f->dns_id == 0 && f->dns_type == 0) {
		f->dns_id = p->dns_id;
		f->dns_type = p->dns_type;
	}
	if (f->dns_ttl == 0)
		f->dns_ttl = p->dns_ttl;
}

/* `keep` is a constant where this is inlined: parts that are not kept are not even asked for. */
static __rte_always_inline void account(struct lj_flow *f, const struct lj_packet *p, int side,
					const struct before *b, uint32_t keep)
{
	struct lj_flow_side *s = &f->side[side];
	uint64_t gap = 0;

	if (b->packets > 0) {
		gap = gap_between(b->last_ns, p->time_ns);
		f->gap_sumsq += (unsigned __int128)gap * gap;
		f->gap_min = RTE_MIN(f->gap_min, gap);
		f->gap_max = RTE_MAX(f->gap_max, gap);
	} else {
		f->gap_min = UINT64_MAX;
	}
	account_side(s, p->time_ns, p->l3_bytes);
	if (s->packets == 1)
		s->first_ns = p->time_ns;
	if (keep & LJ_KEEP_PAYLOAD)
		account_payload(s, p);
	if ((keep & LJ_KEEP_TCP) && f->key.proto == IPPROTO_TCP &&
	    likely(p->fragment != LJ_FRAGMENT_LATER))
		account_tcp(f, p, side);
	if ((keep & LJ_KEEP_ACTIVITY) && (gap > SUBFLOW_GAP_NS || b->packets == 0))
		account_activity(&f->activity, b, p->time_ns, gap);
	if ((keep & LJ_KEEP_BULK) && p->payload_bytes > 0)
		account_bulk(f->bulk, side, p);
	if ((keep & LJ_KEEP_SPLT) && b->packets < LJ_SPLT_MAX)
		account_splt(&f->splt, p, side, gap);
	if (keep & LJ_KEEP_SIZES)
		account_size(f->sizes, p->l3_bytes);
	if ((keep & LJ_KEEP_APP) && unlikely(p->application != LJ_APPLICATION_NONE))
		account_application(f, p);
	if (unlikely(p->fragment != LJ_FRAGMENT_NONE))
		bump16(&f->fragments, true);
}

/* The packet as the log has it: what account() looks at, and nothing else. */
static inline void from_log(const struct logged *l, struct lj_packet *p)
{
	p->time_ns += l->gap_ns;
	p->l3_bytes = l->l3_bytes;
	p->payload_bytes = l->l3_bytes - l->header_bytes;
	p->l4_header_bytes = (l->l4_header_and_side & 0x0f) * 4;
	p->tcp_seq = l->tcp_seq;
	p->tcp_window = l->tcp_window;
	p->tcp_flags = l->tcp_flags;
	p->ttl = l->ttl;
}

static __rte_always_inline void fold(struct lj_flow *f, const struct flow_log *log, uint32_t keep)
{
	uint32_t pending = f->pending;
	struct before b = {.packets = f->packets - pending, .last_ns = f->last_ns};
	struct lj_packet p = {.kind = LJ_PACKET_DATA};

	for (uint32_t i = 0; i < pending; i++)
		b.last_ns -= log->packet[i].gap_ns;
	p.time_ns = b.last_ns;
	for (uint32_t i = 0; i < pending; i++) {
		int side = log->packet[i].l4_header_and_side >> 7;

		from_log(&log->packet[i], &p);
		/* What is_loggable() asked for, told to the compiler: it leaves out what cannot be.
		 */
		if (f->side[side].packets == 0 || b.packets == 0 ||
		    (p.tcp_flags & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) != 0 ||
		    p.time_ns < b.last_ns || p.l3_bytes > UINT16_MAX)
			__builtin_unreachable();
		account(f, &p, side, &b, keep);
		b.packets++;
		b.last_ns = p.time_ns;
	}
	f->pending = 0;
}

void account_log(struct lj_flow *f, const struct flow_log *log, uint32_t keep)
{
	switch (keep) {
	case 0:
		fold(f, log, 0);
		break;
	case LJ_KEEP_ALL:
		fold(f, log, LJ_KEEP_ALL);
		break;
	case KEEP_OWN:
		fold(f, log, KEEP_OWN);
		break;
	default:
		fold(f, log, keep);
	}
}

void account_packet(struct lj_flow *f, const struct lj_packet *p, int side, uint32_t keep)
{
	struct before b = {.packets = f->packets, .last_ns = f->last_ns};

	account(f, p, side, &b, keep);
	f->heard |= (uint8_t)(1u << side) & 3;
	f->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	f->packets++;
	f->first_ns = RTE_MIN(f->first_ns, p->time_ns);
	f->last_ns = RTE_MAX(f->last_ns, p->time_ns);
}
