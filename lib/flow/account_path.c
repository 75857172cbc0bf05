#include <netinet/in.h>

#include "account.h"
#include "account_tcp.h"
#include "flow_table.h"

/* Updates the side's first line, which every packet touches. */
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

/* Updates the side's second line. */
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
	s->ttl_min = RTE_MIN(s->ttl_min, p->ttl);
	s->ttl_max = RTE_MAX(s->ttl_max, p->ttl);
	s->ttl_last = p->ttl;
	s->flag_fin += (p->tcp_flags & LJ_TCP_FIN) != 0;
	s->flag_psh += (p->tcp_flags & LJ_TCP_PSH) != 0;
	if ((p->tcp_flags & ~(LJ_TCP_FIN | LJ_TCP_PSH | LJ_TCP_ACK)) != 0)
		account_rare_flags(s, p->tcp_flags);
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

static inline void account(struct lj_flow *f, const struct lj_packet *p, int side,
			   const struct before *b, bool tcp, uint32_t keep)
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
	if ((keep & LJ_KEEP_TCP) && tcp && likely(p->fragment != LJ_FRAGMENT_LATER))
		account_tcp(f, p, side);
	if ((keep & LJ_KEEP_ACTIVITY) && (gap > SUBFLOW_GAP_NS || b->packets == 0))
		account_activity(&f->activity, b, p->time_ns, gap);
	if ((keep & LJ_KEEP_BULK) && p->payload_bytes > 0)
		account_bulk(f->bulk, side, p->time_ns, p->payload_bytes);
	if ((keep & LJ_KEEP_SPLT) && b->packets < LJ_SPLT_MAX)
		account_splt(f, b->packets, side, p->l3_bytes, p->payload_bytes, gap);
	if (keep & LJ_KEEP_SIZES)
		account_size(f->sizes, p->l3_bytes);
	if ((keep & LJ_KEEP_APP) && unlikely(p->application != LJ_APPLICATION_NONE))
		account_application(f, p);
	if (unlikely(p->fragment != LJ_FRAGMENT_NONE))
		f->fragments += f->fragments != UINT16_MAX;
}

void account_packet(struct lj_flow_head *head, struct lj_flow *f, const struct lj_packet *p,
		    int side, uint32_t keep)
{
	struct before b = {.packets = head->packets, .last_ns = head->last_ns};

	account(f, p, side, &b, head->key.proto == IPPROTO_TCP, keep);
	head->heard |= (uint8_t)(1u << side) & 3;
	head->legs |= (uint8_t)(1u << RTE_MIN(p->leg, 7));
	head->packets++;
	head->first_ns = RTE_MIN(head->first_ns, p->time_ns);
	head->last_ns = RTE_MAX(head->last_ns, p->time_ns);
}

void account_singly(struct lj_flow *f, const struct logged *log, uint32_t n, struct before b,
		    bool tcp, uint32_t keep)
{
	for (const struct logged *l = log; l < log + n; l++) {
		const struct lj_packet p = {
			.time_ns = b.last_ns + l->gap_ns,
			.l3_bytes = l->l3_bytes,
			.payload_bytes = (uint32_t)l->l3_bytes - l->header_bytes,
			.l4_header_bytes = (uint16_t)(4 * (l->l4_header_and_side & 0xf)),
			.tcp_seq = l->tcp_seq,
			.tcp_window = l->tcp_window,
			.tcp_flags = l->tcp_flags,
			.ttl = l->ttl,
		};

		/* Logged packets are plain; this lets the compiler drop the check. */
		if ((p.tcp_flags & (LJ_TCP_SYN | LJ_TCP_FIN | LJ_TCP_RST)) != 0)
			__builtin_unreachable();
		account(f, &p, l->l4_header_and_side >> 7, &b, tcp, keep);
		b.last_ns = p.time_ns;
		b.packets++;
	}
}
