#include <netinet/in.h>
#include <string.h>

#include "lj_packet_rss.h"

static bool hashes_ports(const struct lj_rss *rss, const struct lj_packet *packet)
{
	if (rss->mode != LJ_RSS_5TUPLE || packet->fragment)
		return false;
	switch (packet->key.proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return true;
	case IPPROTO_SCTP:
		return rss->sctp == LJ_RSS_SCTP_PORTS;
	default:
		return false;
	}
}

bool lj_packet_rss_hash(const struct lj_rss *rss, const struct lj_packet *packet, bool reverse,
			uint32_t *hash)
{
	uint32_t src = packet->side ^ reverse, dst = !src;
	const struct lj_flow_key *key = &packet->key;
	uint32_t bytes = key->version == 4 ? 4 : 16, n = 2 * bytes;
	uint8_t tuple[LJ_RSS_TUPLE_MAX];

	if (packet->tunnel != LJ_TUNNEL_NONE)
		return false;
	if (key->proto == IPPROTO_SCTP && rss->sctp == LJ_RSS_SCTP_UNHASHED && !packet->fragment)
		return false;
	memcpy(tuple, key->addr[src] + 16 - bytes, bytes);
	memcpy(tuple + bytes, key->addr[dst] + 16 - bytes, bytes);
	if (hashes_ports(rss, packet)) {
		tuple[n++] = (uint8_t)(key->port[src] >> 8);
		tuple[n++] = (uint8_t)key->port[src];
		tuple[n++] = (uint8_t)(key->port[dst] >> 8);
		tuple[n++] = (uint8_t)key->port[dst];
	}
	*hash = lj_toeplitz_hash(&rss->toeplitz, tuple, n);
	return true;
}
