/*
 * The RSS hash that a NIC computes for a packet.
 * Thread: any; reads only.
 */
#ifndef LJ_PACKET_RSS_H
#define LJ_PACKET_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_packet.h"
#include "lj_rss.h"

/*
 * Stores in *hash the hash of the packet, or with `reverse` that of a packet in the other
 * direction. False if the packet is not hashed, or the hash cannot be known: SCTP if the NIC does
 * not hash it, and tunnelled packets (MPLS, PPPoE ...). Fragments and protocols without ports are
 * hashed by their addresses in either mode, as NICs do it.
 */
bool lj_packet_rss_hash(const struct lj_rss *rss, const struct lj_packet *packet, bool reverse,
			uint32_t *hash);

#endif
