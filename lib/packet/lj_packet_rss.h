/*
 * Where a NIC that hashes as `rss` says would have put a packet.
 * Thread: any; reads only.
 */
#ifndef LJ_PACKET_RSS_H
#define LJ_PACKET_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_packet.h"
#include "lj_rss.h"

/*
 * The hash of the packet, or with `reverse` of the same packet sent the other way, in *hash. False
 * for what has none, or none that we know: SCTP where the NIC leaves it out, and the inside of a
 * tunnel (MPLS, PPPoE ...). Fragments are hashed by their addresses in either mode, as NICs do it,
 * and so are ICMP and all without ports.
 */
bool lj_packet_rss_hash(const struct lj_rss *rss, const struct lj_packet *packet, bool reverse,
			uint32_t *hash);

#endif
