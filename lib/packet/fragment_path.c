/*
 * Finds the flow of fragments, since only the first one has the ports. A set-associative cache of
 * fixed size: a new datagram replaces the oldest of its set, so a flood of first fragments can only
 * cause later fragments not to be matched, which is counted.
 */
#include <string.h>

#include "parse.h"

static struct lj_fragments *set_of(struct lj_parser *p, const uint8_t *one, const uint8_t *other,
				   uint32_t id)
{
	/* Symmetric in the addresses: the key has them sorted, a later fragment as sent. */
	struct lj_flow_key key = {0};

	for (int i = 0; i < 16; i++)
		key.addr[0][i] = one[i] ^ other[i];
	memcpy(key.addr[1], &id, sizeof(id));
	return &p->fragments[lj_flow_key_hash(&key, p->seed) % LJ_FRAGMENT_SETS];
}

static bool is_same(const struct lj_fragment *g, const struct upper *u, uint32_t id)
{
	return g->id == id && (g->key.version == 6 || g->key.proto == u->proto) &&
	       memcmp(g->key.addr[g->side], u->src, 16) == 0 &&
	       memcmp(g->key.addr[!g->side], u->dst, 16) == 0;
}

void fragment_begin(struct lj_parser *p, const struct lj_packet *packet, uint32_t id)
{
	struct lj_fragments *set = set_of(p, packet->key.addr[0], packet->key.addr[1], id);
	struct lj_fragment *oldest = &set->way[0];

	for (int i = 1; i < LJ_FRAGMENT_WAYS; i++)
		if (set->way[i].time_ns < oldest->time_ns)
			oldest = &set->way[i];
	*oldest = (struct lj_fragment){
		.key = packet->key, .id = id, .side = packet->side, .time_ns = packet->time_ns};
}

bool fragment_join(struct lj_parser *p, struct lj_packet *packet, const struct upper *u,
		   uint32_t id)
{
	struct lj_fragments *set = set_of(p, u->src, u->dst, id);
	const struct lj_fragment *found = NULL;

	/* Identifications are reused: take the latest datagram. */
	for (int i = 0; i < LJ_FRAGMENT_WAYS; i++) {
		const struct lj_fragment *g = &set->way[i];

		if (is_same(g, u, id) && packet->time_ns <= g->time_ns + LJ_FRAGMENT_TIMEOUT_NS &&
		    (found == NULL || g->time_ns > found->time_ns))
			found = g;
	}
	if (found == NULL)
		return false;
	packet->key = found->key;
	packet->side = found->side;
	packet->payload_bytes = u->bytes;
	packet->fragment = LJ_FRAGMENT_LATER;
	lj_count(p->counters, LJ_C_parse_fragments_joined, 1);
	return true;
}
