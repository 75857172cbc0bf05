#include <netinet/in.h>
#include <string.h>

#include "host_table.h"

static uint64_t hash_address(const uint8_t *address, uint64_t seed)
{
	uint64_t high, low;

	memcpy(&high, address, 8);
	memcpy(&low, address + 8, 8);
	return fold(fold(high, seed), low);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* Sets initiator, responder and service; the rest of the fact is zero. */
static void name_ends(struct lj_host_fact *fact, const struct lj_flow_key *key, uint8_t initiator,
		      uint64_t seed)
{
	memset(fact, 0, sizeof(*fact));
	fact->initiator = hash_address(key->addr[initiator], seed);
	fact->responder = hash_address(key->addr[!initiator], seed);
	fact->protocol = key->proto;
	fact->port = has_ports(key->proto) ? key->port[!initiator] : 0;
}

void lj_host_fact_begin(struct lj_host_fact *fact, const struct lj_flow_begun *begun, uint64_t seed)
{
	name_ends(fact, &begun->key, begun->initiator, seed);
	fact->event = LJ_HOST_BEGIN;
	fact->time_ns = begun->first_ns;
	fact->flow_id = begun->flow_id;
}

static enum lj_host_outcome tcp_outcome(const struct lj_flow *f)
{
	bool payload = f->side[0].payload_sum + f->side[1].payload_sum > 0;
	bool reset = f->tcp[1].flags_all & LJ_TCP_RST;

	if (f->synack_ns != 0) {
		if (f->ack_ns == 0 && f->side[1].payload_sum == 0)
			return LJ_HOST_HALF_OPEN;
		return payload ? LJ_HOST_ANSWERED : LJ_HOST_SILENT;
	}
	if (f->side[1].packets == 0)
		return LJ_HOST_UNANSWERED;
	if (reset && (!f->midstream || f->side[1].payload_sum == 0))
		return LJ_HOST_REJECTED;
	return payload ? LJ_HOST_ANSWERED : LJ_HOST_SILENT;
}

static enum lj_host_outcome outcome_of(const struct lj_flow *f)
{
	if (f->key.proto == IPPROTO_TCP)
		return tcp_outcome(f);
	if (f->side[1].packets == 0)
		return LJ_HOST_UNANSWERED;
	return f->side[0].payload_sum + f->side[1].payload_sum > 0 ? LJ_HOST_ANSWERED
								   : LJ_HOST_SILENT;
}

/* A logarithmic scale: 0..15 exactly, then eight steps per doubling. */
static uint32_t step_of(uint64_t n)
{
	uint32_t top;

	if (n < 16)
		return (uint32_t)n;
	top = 63 - (uint32_t)__builtin_clzll(n);
	return 16 + (top - 4) * 8 + (uint32_t)(n >> (top - 3) & 7);
}

static uint32_t size_of(const struct lj_flow *f)
{
	return step_of(f->side[0].payload_sum) | step_of(f->side[1].payload_sum) << 10 |
	       RTE_MIN(f->side[0].packets, 255u) << 20;
}

/* The end of the flow by packet time. */
static uint64_t over_ns(const struct lj_flow *f, uint64_t idle_timeout_ns, uint64_t tcp_linger_ns)
{
	uint64_t idle_ns = f->last_ns + idle_timeout_ns;

	switch (f->due) {
	case LJ_DUE_IDLE:
	case LJ_DUE_FLUSHED:
		return idle_ns;
	case LJ_DUE_FIN:
	case LJ_DUE_RST:
		return RTE_MIN(idle_ns, f->closed_ns + tcp_linger_ns);
	default:
		return f->last_ns;
	}
}

void lj_host_fact_due(struct lj_host_fact *fact, const struct lj_flow *f, uint64_t idle_timeout_ns,
		      uint64_t tcp_linger_ns, uint64_t seed)
{
	bool early = f->due == LJ_DUE_EARLY_PACKETS || f->due == LJ_DUE_EARLY_AGE;

	name_ends(fact, &f->key, f->initiator, seed);
	fact->event = early || f->part > 0 ? LJ_HOST_LOOK : LJ_HOST_END;
	fact->time_ns = early ? f->early_ns : over_ns(f, idle_timeout_ns, tcp_linger_ns);
	fact->flow_id = f->flow_id;
	for (int side = 0; side < 2; side++)
		fact->bytes[side] =
			(uint32_t)RTE_MIN(f->side[side].length_sum, (uint64_t)UINT32_MAX);
	fact->duration_ms =
		(uint32_t)RTE_MIN((f->last_ns - f->first_ns) / 1000000, (uint64_t)UINT32_MAX);
	fact->size = size_of(f);
	fact->outcome = (uint8_t)outcome_of(f);
}
