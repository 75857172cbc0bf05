#include <netinet/in.h>
#include <string.h>

#include "flow_id.h"
#include "lj_record.h"

static const struct {
	const char *name;
	uint8_t ipfix;
} dues[LJ_DUES] = {
	[LJ_DUE_NOT] = {"not_due", 0},
	[LJ_DUE_EARLY_PACKETS] = {"early_packets", 0},
	[LJ_DUE_EARLY_AGE] = {"early_age", 0},
	[LJ_DUE_IDLE] = {"idle", 1},
	[LJ_DUE_ACTIVE] = {"active", 2},
	[LJ_DUE_FIN] = {"fin", 3},
	[LJ_DUE_RST] = {"rst", 3},
	[LJ_DUE_FLUSHED] = {"flushed", 4},
	[LJ_DUE_EVICTED] = {"evicted", 5},
};

const char *lj_due_name(enum lj_due due)
{
	return dues[due].name;
}

uint8_t lj_due_ipfix(enum lj_due due)
{
	return dues[due].ipfix;
}

uint64_t lj_flow_id(const struct lj_flow_key *key, uint64_t first_ns)
{
	return flow_id_of(key, first_ns);
}

/* Zeek's state of an endpoint; its "partial" (mid-stream) counts as inactive here. */
enum endpoint {
	ENDPOINT_INACTIVE,
	ENDPOINT_SYN_SENT,
	ENDPOINT_ESTABLISHED,
	ENDPOINT_CLOSED,
	ENDPOINT_RESET,
};

static enum endpoint endpoint_of(const struct lj_flow *f, int side)
{
	if ((f->tcp[side].flags_all & LJ_TCP_RST) || f->rst_side_plus1 == side + 1)
		return ENDPOINT_RESET;
	if (f->fin_sides & (1 << side))
		return ENDPOINT_CLOSED;
	if (f->syn_ns != 0 && f->synack_ns != 0)
		return ENDPOINT_ESTABLISHED;
	return side == 0 && f->syn_ns != 0 ? ENDPOINT_SYN_SENT : ENDPOINT_INACTIVE;
}

/* A SYN, then a RST before anything else of the initiator: Zeek's S[^HAFGIQ]*R. */
static bool reset_after_syn(const char *history)
{
	if (*history == '^')
		history++;
	return *history == 'S' && history[strcspn(history, "HAFR")] == 'R';
}

/* Follows determine_conn_state() in Zeek's base/protocols/conn/main.zeek. */
static const char *tcp_state(const struct lj_flow *f)
{
	enum endpoint o = endpoint_of(f, 0), r = endpoint_of(f, 1);
	bool data = strpbrk(f->history, "Dd") != NULL;

	if (r == ENDPOINT_RESET) {
		if (o == ENDPOINT_SYN_SENT || (o == ENDPOINT_RESET && !data))
			return "REJ";
		return o == ENDPOINT_INACTIVE ? "RSTRH" : "RSTR";
	}
	if (o == ENDPOINT_RESET) {
		if (r == ENDPOINT_INACTIVE)
			return reset_after_syn(f->history) ? "RSTOS0" : "OTH";
		return "RSTO";
	}
	if (o == ENDPOINT_CLOSED && r == ENDPOINT_CLOSED)
		return "SF";
	if (o == ENDPOINT_CLOSED)
		return r == ENDPOINT_INACTIVE ? "SH" : "S2";
	if (r == ENDPOINT_CLOSED)
		return o == ENDPOINT_INACTIVE ? "SHR" : "S3";
	if (o == ENDPOINT_SYN_SENT && f->side[1].packets == 0)
		return "S0";
	return o == ENDPOINT_ESTABLISHED && r == ENDPOINT_ESTABLISHED ? "S1" : "OTH";
}

const char *lj_flow_conn_state(const struct lj_flow *flow)
{
	if (flow->key.proto == IPPROTO_TCP)
		return tcp_state(flow);
	if (flow->key.proto != IPPROTO_UDP)
		return "OTH";
	/* For UDP it depends only on which sides sent packets. */
	if (flow->side[0].packets == 0)
		return "SHR";
	return flow->side[1].packets > 0 ? "SF" : "S0";
}

const char *lj_flow_eve_state(const struct lj_flow *flow)
{
	if (flow->state == LJ_FLOW_CLOSING || flow->due == LJ_DUE_FIN || flow->due == LJ_DUE_RST)
		return "closed";
	return flow->side[0].packets > 0 && flow->side[1].packets > 0 ? "established" : "new";
}
