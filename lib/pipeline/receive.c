#include "receive.h"

#include "lj_packet_rss.h"
#include "role.h"

/* Maximum number of further polls of a queue that is being released, enough for what its ring
 * holds. If packets arrive faster than they are polled, the queue is released all the same. */
#define LEAVING_POLLS 1024

/* Packets parsed at a time, while the flow records of the previous ones are being prefetched. */
#define PART (LJ_BURST_MAX / 2)

/* Whether the source has ended. A port without a source, during fail-over, has not. */
static bool has_ended(const struct receive_queue *q)
{
	return q->source != NULL && lj_source_state(q->source) != LJ_SOURCE_RUNNING;
}

static void count_word(uint64_t *word, uint64_t n)
{
	__atomic_store_n(word, *word + n, __ATOMIC_RELAXED);
}

/* Releases the source to main. All of its mbufs must have been freed. */
static void let_go(struct receive_queue *q)
{
	if (atomic_load_explicit(&q->held, memory_order_relaxed) == NULL)
		return;
	q->source = NULL;
	atomic_store_explicit(&q->left_tsc, rte_rdtsc(), memory_order_relaxed);
	atomic_store_explicit(&q->held, NULL, memory_order_release);
}

/* Updates q->source: the one that main wants, or the previous one while it may still have packets.
 * False if there is none. */
static inline bool has_source(struct receive_queue *q)
{
	struct lj_source *wanted = atomic_load_explicit(&q->wanted, memory_order_acquire);

	if (likely(wanted == q->source && wanted != NULL))
		return true;
	if (wanted != NULL) {
		q->source = wanted;
		q->leaving = 0;
		return true;
	}
	if (q->source == NULL || ++q->leaving > LEAVING_POLLS)
		let_go(q);
	return q->source != NULL;
}

/* Receives one burst from a queue into r->burst. */
static uint16_t poll_queue(struct receiver *r, struct receive_queue *q,
			   struct lj_counters *counters)
{
	uint64_t bytes = 0;

	if (unlikely(!has_source(q)))
		return 0;
	if (lj_source_rx(q->source, q->queue, &r->burst) == 0) {
		if (unlikely(q->leaving > 0))
			let_go(q);
		return 0;
	}
	for (uint16_t i = 0; i < r->burst.count; i++)
		bytes += r->burst.wire_bytes[i];
	count_word(&q->packets, r->burst.count);
	count_word(&q->bytes, bytes);
	lj_count(counters, LJ_C_rx_packets, r->burst.count);
	lj_count(counters, LJ_C_rx_bytes, bytes);
	return r->burst.count;
}

/*
 * For one in check_every packets, computes the NIC's RSS hash of the packet's tuple and of the
 * reverse tuple, and compares the queues that they lead to with the one that the packet came by.
 */
static void check_spread(struct receiver *r, struct receive_queue *q, struct lj_counters *counters,
			 const struct lj_packet *packets, uint16_t n)
{
	const struct lj_rss *rss = q->source->rss;

	if (r->check_every == 0 || rss == NULL)
		return;
	for (; r->check_in < n; r->check_in += r->check_every) {
		const struct lj_packet *p = &packets[r->check_in];
		bool unexpected, parted;
		uint32_t hash, reverse;

		if (!lj_packet_rss_hash(rss, p, false, &hash))
			continue;
		lj_packet_rss_hash(rss, p, true, &reverse);
		unexpected = lj_rss_queue(rss, hash) != q->queue;
		parted = lj_rss_queue(rss, reverse) != q->queue;
		count_word(&q->checked, 1);
		if (q->bucket != NULL)
			count_word(&q->bucket[lj_rss_bucket(rss, hash)], 1);
		count_word(&q->unexpected, unexpected);
		count_word(&q->parted, parted);
		lj_count(counters, LJ_C_rss_checked, 1);
		lj_count(counters, LJ_C_rss_unexpected, unexpected);
		lj_count(counters, LJ_C_rss_parted, parted);
	}
	r->check_in -= n;
}

static uint16_t parse(struct receiver *r, struct receive_queue *q, struct lj_counters *counters,
		      struct lj_packet *packets)
{
	uint16_t n = 0;

	for (uint16_t from = 0; from < r->burst.count; from += PART) {
		uint16_t to = RTE_MIN(from + PART, r->burst.count), got;

		got = lj_packet_parse_part(&r->parser, &r->burst, from, to, packets + n);
		if (r->table != NULL)
			lj_flow_ask(r->table, packets + n, got);
		n += got;
	}
	lj_burst_free(&r->burst);
	check_spread(r, q, counters, packets, n);
	return n;
}

/* Polls the queues round robin until one has packets. */
static uint16_t receive_polled(struct receiver *r, struct lj_counters *counters,
			       struct lj_packet *packets, uint16_t *n, bool *over)
{
	*over = true;
	for (uint16_t turn = 0; turn < r->n_rx; turn++) {
		struct receive_queue *q = &r->rx[r->next_rx];
		uint16_t received;

		r->next_rx = r->next_rx + 1 == r->n_rx ? 0 : r->next_rx + 1;
		received = poll_queue(r, q, counters);
		if (received > 0) {
			*over = false;
			*n = parse(r, q, counters, packets);
			return received;
		}
		*over = *over && has_ended(q);
	}
	return 0;
}

/* Polls all legs once into the reorderer, then returns the packets that it releases. */
static uint16_t receive_ordered(struct receiver *r, bool running, struct lj_counters *counters,
				struct lj_packet *packets, uint16_t *n, bool *over)
{
	uint64_t now_tsc = rte_rdtsc(), round_ns = lj_clock_wall_ns(now_tsc);
	uint16_t received = 0, late;

	for (uint16_t i = 0; i < r->n_rx && running; i++) {
		struct receive_queue *q = &r->rx[i];
		uint16_t got = 0, parsed;

		if (!reorder_has_room(r->reorder, i)) {
			*over = false;
			continue;
		}
		got = poll_queue(r, q, counters);
		*over = *over && got == 0 && has_ended(q);
		if (got == 0)
			continue;
		received += got;
		parsed = parse(r, q, counters, r->parsed);
		for (uint16_t k = 0; k < parsed && !q->source->own_time; k++)
			r->parsed[k].time_ns = round_ns;
		reorder_put(r->reorder, i, r->parsed, parsed, now_tsc);
	}
	*n = reorder_take(r->reorder, packets, LJ_BURST_MAX, now_tsc, *over, &late);
	lj_count(counters, LJ_C_reorder_late, late);
	return received > 0 ? received : *n;
}

/* Capture is paused or ending: nothing is received, so queues to be released are so at once. */
static void let_go_unpolled(struct receiver *r)
{
	for (uint16_t i = 0; i < r->n_rx; i++)
		if (atomic_load_explicit(&r->rx[i].wanted, memory_order_acquire) == NULL)
			let_go(&r->rx[i]);
}

uint16_t receive(struct receiver *r, struct shared *shared, struct lj_counters *counters,
		 struct lj_packet *packets, uint16_t *n, bool *over)
{
	int command = atomic_load_explicit(&shared->command, memory_order_relaxed);

	*n = 0;
	*over = command == COMMAND_END;
	if (unlikely(command != COMMAND_RUN))
		let_go_unpolled(r);
	if (r->reorder != NULL) {
		*over = command != COMMAND_PAUSE;
		return receive_ordered(r, command == COMMAND_RUN, counters, packets, n, over);
	}
	if (command != COMMAND_RUN)
		return 0;
	return receive_polled(r, counters, packets, n, over);
}
