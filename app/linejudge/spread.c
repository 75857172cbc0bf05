#include "spread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 65536

int spread_init(struct spread *s, const struct lj_rss *rss)
{
	memset(s, 0, sizeof(*s));
	s->rss = rss;
	s->capacity = FIRST_CAPACITY;
	s->table = calloc(s->capacity, sizeof(*s->table));
	return s->table != NULL ? 0 : -ENOMEM;
}

void spread_free(struct spread *s)
{
	free(s->table);
}

/* The key's entry, or the free entry to insert it at. */
static struct spread_flow *find(struct spread_flow *table, uint64_t capacity,
				const struct lj_flow_key *key, uint64_t hash)
{
	uint64_t at = hash & (capacity - 1);

	while (table[at].used &&
	       (table[at].hash != hash || memcmp(&table[at].key, key, sizeof(*key)) != 0))
		at = (at + 1) & (capacity - 1);
	return &table[at];
}

static int grow(struct spread *s)
{
	struct spread_flow *larger = calloc(s->capacity * 2, sizeof(*larger));

	if (larger == NULL)
		return -ENOMEM;
	for (uint64_t i = 0; i < s->capacity; i++)
		if (s->table[i].used)
			*find(larger, s->capacity * 2, &s->table[i].key, s->table[i].hash) =
				s->table[i];
	free(s->table);
	s->table = larger;
	s->capacity *= 2;
	return 0;
}

/* Computes the queues of both directions, because the capture may hold only one of them. */
static int account_flow(struct spread *s, const struct lj_packet *packet, uint16_t queue,
			uint16_t reverse_queue)
{
	struct spread_flow *flow = find(s->table, s->capacity, &packet->key, packet->hash);

	if (!flow->used) {
		if ((s->flows + 1) * 4 > s->capacity * 3) {
			if (grow(s) != 0)
				return -ENOMEM;
			flow = find(s->table, s->capacity, &packet->key, packet->hash);
		}
		*flow = (struct spread_flow){packet->key, packet->hash, queue, true, false, false};
		s->flows++;
		s->queue[queue].flows++;
	}
	if (!flow->parted && queue != reverse_queue) {
		flow->parted = true;
		s->parted++;
	}
	if (!flow->fragmented && queue != flow->first_queue && reverse_queue == queue) {
		flow->fragmented = true;
		s->fragmented++;
	}
	return 0;
}

int spread_packet(struct spread *s, const struct lj_packet *packet)
{
	uint16_t queue = 0, reverse_queue = 0;
	uint32_t hash, reverse;

	if (lj_packet_rss_hash(s->rss, packet, false, &hash)) {
		lj_packet_rss_hash(s->rss, packet, true, &reverse);
		queue = lj_rss_queue(s->rss, hash);
		reverse_queue = lj_rss_queue(s->rss, reverse);
	} else {
		s->unhashed++;
	}
	s->queue[queue].packets++;
	s->queue[queue].bytes += packet->wire_bytes;
	return account_flow(s, packet, queue, reverse_queue);
}

void spread_unparsed(struct spread *s, uint64_t packets, uint64_t bytes)
{
	s->unhashed += packets;
	s->queue[0].packets += packets;
	s->queue[0].bytes += bytes;
}
