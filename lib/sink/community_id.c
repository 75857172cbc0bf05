#include <netinet/in.h>
#include <string.h>

#include "lj_digest.h"
#include "lj_sink.h"

/* Request and reply types of ICMP, as in the Community ID specification (and Zeek). */
static const uint8_t icmp_pairs[][2] = {{8, 0}, {13, 14}, {15, 16}, {10, 9}, {17, 18}};
static const uint8_t icmp6_pairs[][2] = {{128, 129}, {133, 134}, {135, 136},
					 {130, 131}, {144, 145}, {139, 140}};

/* The type that answers `type`, or -1. Without one, type and code replace the ports, and the
 * endpoints are not ordered. */
static int answer_to(const uint8_t pairs[][2], size_t n, uint8_t type)
{
	for (size_t i = 0; i < n; i++) {
		if (pairs[i][0] == type)
			return pairs[i][1];
		if (pairs[i][1] == type)
			return pairs[i][0];
	}
	return -1;
}

struct endpoints {
	const uint8_t *addr[2];
	uint16_t port[2];
	bool one_way;
};

static void set_ports(const struct lj_flow *f, struct endpoints *e)
{
	int initiator = f->initiator, answer;

	e->port[0] = f->key.port[initiator];
	e->port[1] = f->key.port[!initiator];
	if (f->key.proto != IPPROTO_ICMP && f->key.proto != IPPROTO_ICMPV6)
		return;
	answer = f->key.proto == IPPROTO_ICMP
			 ? answer_to(icmp_pairs, RTE_DIM(icmp_pairs), f->icmp_type)
			 : answer_to(icmp6_pairs, RTE_DIM(icmp6_pairs), f->icmp_type);
	e->port[0] = f->icmp_type;
	e->port[1] = answer >= 0 ? (uint16_t)answer : f->icmp_code;
	e->one_way = answer < 0;
}

static size_t put16(uint8_t *out, uint16_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
	return 2;
}

void lj_community_id(const struct lj_flow *flow, char *out)
{
	bool ports = flow->key.proto == IPPROTO_TCP || flow->key.proto == IPPROTO_UDP ||
		     flow->key.proto == IPPROTO_SCTP || flow->key.proto == IPPROTO_ICMP ||
		     flow->key.proto == IPPROTO_ICMPV6;
	size_t addr_bytes = flow->key.version == 4 ? 4 : 16, at = 0;
	uint8_t message[2 + 16 + 16 + 2 + 2 + 2], digest[LJ_SHA1_BYTES];
	struct endpoints e = {.addr = {flow->key.addr[flow->initiator] + 16 - addr_bytes,
				       flow->key.addr[!flow->initiator] + 16 - addr_bytes}};
	int order = memcmp(e.addr[0], e.addr[1], addr_bytes), first;

	if (ports)
		set_ports(flow, &e);
	first = !e.one_way && (order > 0 || (order == 0 && e.port[0] > e.port[1]));
	at += put16(message, 0);
	memcpy(message + at, e.addr[first], addr_bytes);
	at += addr_bytes;
	memcpy(message + at, e.addr[!first], addr_bytes);
	at += addr_bytes;
	message[at++] = flow->key.proto;
	message[at++] = 0;
	if (ports) {
		at += put16(message + at, e.port[first]);
		at += put16(message + at, e.port[!first]);
	}
	lj_sha1(message, at, digest);
	memcpy(out, "1:", 2);
	lj_base64(digest, sizeof(digest), out + 2);
}
