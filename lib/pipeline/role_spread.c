#include <netinet/in.h>
#include <string.h>

#include "role.h"

static bool has_ports(const struct lj_rss *rss, const struct lj_flow_key *key)
{
	return rss->mode == LJ_RSS_5TUPLE &&
	       (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP ||
		key->proto == IPPROTO_SCTP);
}

/*
 * The hash that a NIC would compute, so that rss-predict is valid for the spreader, too; but
 * computed over the flow key, so that later fragments and tunnelled packets go with their flow.
 */
uint32_t spread_hash(const struct lj_rss *rss, const struct lj_flow_key *key)
{
	uint32_t bytes = key->version == 4 ? 4 : 16, n = 2 * bytes;
	uint8_t tuple[LJ_RSS_TUPLE_MAX];

	memcpy(tuple, key->addr[0] + 16 - bytes, bytes);
	memcpy(tuple + bytes, key->addr[1] + 16 - bytes, bytes);
	for (int end = 0; end < 2 && has_ports(rss, key); end++) {
		tuple[n++] = (uint8_t)(key->port[end] >> 8);
		tuple[n++] = (uint8_t)key->port[end];
	}
	return lj_toeplitz_hash(&rss->toeplitz, tuple, n);
}

static bool put(struct lj_queue *q, const struct lj_packet *packet)
{
	struct lj_packet *slot = lj_queue_reserve(q);

	if (slot == NULL)
		return false;
	*slot = *packet;
	lj_queue_commit(q);
	return true;
}

/* Queues a packet for its worker. If the queue is full, a replay waits, live capture counts it. */
static bool spread_packet(struct spreader *s, const struct lj_packet *packet)
{
	uint16_t bucket = lj_rss_bucket(&s->rss, spread_hash(&s->rss, &packet->key));
	bool dealt = put(s->worker[lj_rss_entry(&s->rss, bucket)], packet);

	if (!dealt && s->shared->replay)
		return false;
	/* Once per packet, even if it waits several times. */
	__atomic_store_n(&s->bucket[bucket], s->bucket[bucket] + 1, __ATOMIC_RELAXED);
	if (dealt) {
		lj_count(&s->role.counters, LJ_C_spread_packets, 1);
		return true;
	}
	lj_count(&s->role.counters, LJ_C_spread_refused, 1);
	atomic_fetch_add_explicit(&s->shared->losses, 1, memory_order_relaxed);
	return true;
}

/* Queues a tick or the end for every worker. They wait for room even live, or a worker would never
 * finish. */
static bool spread_mark(struct spreader *s, const struct lj_packet *mark)
{
	for (; s->next_worker < s->n_workers; s->next_worker++)
		if (!put(s->worker[s->next_worker], mark))
			return false;
	s->next_worker = 0;
	return true;
}

static bool spread_items(struct spreader *s)
{
	for (; s->next_item < s->n_items; s->next_item++) {
		const struct lj_packet *item = &s->sequencer.item[s->next_item];

		if (item->kind == LJ_PACKET_DATA ? !spread_packet(s, item) : !spread_mark(s, item))
			return false;
		if (item->kind == LJ_PACKET_END) {
			for (uint16_t i = 0; i < s->n_workers; i++)
				lj_queue_close(s->worker[i]);
			atomic_store_explicit(&s->role.finished, true, memory_order_release);
		}
	}
	s->n_items = s->next_item = 0;
	return true;
}

/* Live, sends ticks even without packets: workers behind a spreader have no other clock. */
static uint16_t tell_time(struct spreader *s, uint64_t now_tsc)
{
	if (s->shared->replay || receiver_own_time(&s->receiver))
		return 0;
	/* Not beyond the packets that the reorderer may still hold. */
	return sequence_clock(&s->sequencer, lj_clock_wall_ns(now_tsc) - s->shared->reorder_ns);
}

int spreader_poll(struct role *role, uint64_t now_tsc)
{
	struct spreader *s = (struct spreader *)role;
	uint16_t received, parsed;
	bool over;

	if (!spread_items(s))
		return POLL_REFUSED;
	if (s->ended)
		return 0;
	received = receive(&s->receiver, s->shared, &role->counters, s->sequencer.parsed, &parsed,
			   &over);
	if (received == 0 && over) {
		s->ended = true;
		s->n_items = sequence_end(&s->sequencer);
	} else {
		/* Live ticks tell the workers the time when they get no packets themselves. */
		s->n_items = parsed > 0 ? sequence_burst(&s->sequencer, parsed, true)
					: tell_time(s, now_tsc);
	}
	return spread_items(s) ? received : POLL_REFUSED;
}
