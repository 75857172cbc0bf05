#include <netinet/in.h>
#include <string.h>

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
	/* Digits of e; never changed: ids are to be the same in every run and version. */
	const uint64_t seed[4] = {0xb7e151628aed2a6a ^ first_ns, 0xbf7158809cf4f3c7,
				  0x62e7160f38b4da56 ^ (first_ns << 32 | first_ns >> 32),
				  0xa784d9045190cfef};
	/* 63 bits: what reads EVE keeps integers signed. */
	uint64_t id = lj_flow_key_hash(key, seed) >> 1;

	return id != 0 ? id : 1;
}

static bool has(const struct lj_flow *f, int side, uint8_t flag)
{
	return (f->tcp[side].flags_all & flag) != 0;
}

/* docs.zeek.org, base/protocols/conn: in the order in which Zeek asks. */
static const char *tcp_state(const struct lj_flow *f)
{
	bool syn = f->syn_ns != 0, synack = f->synack_ns != 0;
	bool rst0 = has(f, 0, LJ_TCP_RST), rst1 = has(f, 1, LJ_TCP_RST);
	bool fin0 = f->fin_sides & 1, fin1 = f->fin_sides & 2;

	if (!syn && !synack)
		return rst1 && f->side[0].packets == 0 ? "RSTRH" : "OTH";
	if (!syn)
		return rst1 ? "RSTRH" : fin1 ? "SHR" : "OTH";
	if (!synack) {
		if (rst1)
			return "REJ";
		if (rst0)
			return "RSTOS0";
		return f->side[1].packets > 0 ? "OTH" : fin0 ? "SH" : "S0";
	}
	if (rst0 || rst1)
		return f->rst_side_plus1 == 2 || !rst0 ? "RSTR" : "RSTO";
	if (fin0 && fin1)
		return "SF";
	return fin0 ? "S2" : fin1 ? "S3" : "S1";
}

const char *lj_flow_conn_state(const struct lj_flow *flow)
{
	if (flow->key.proto == IPPROTO_TCP)
		return tcp_state(flow);
	/* Of what has no connections Zeek asks only whether both sides spoke. */
	return flow->side[0].packets == 0 ? "SHR" : flow->side[1].packets > 0 ? "SF" : "S0";
}

const char *lj_flow_eve_state(const struct lj_flow *flow)
{
	if (flow->state == LJ_FLOW_CLOSING || flow->due == LJ_DUE_FIN || flow->due == LJ_DUE_RST)
		return "closed";
	return flow->side[0].packets > 0 && flow->side[1].packets > 0 ? "established" : "new";
}
