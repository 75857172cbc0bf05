/*
 * The table against a twin that is obviously right: a list of records, all looked at for each
 * packet and each tick. And the table against itself: bursts of any size, one table or four, must
 * give the same due records in the same order.
 */
#include <stdlib.h>

#include "flow_fixture.h"

#define PACKETS	  60000
#define FLOWS	  300
#define EVENTS	  (2 * PACKETS)
#define DUE_MAX	  (2 * PACKETS)
#define IDLE_NS	  (2 * SECOND)
#define ACTIVE_NS (9 * SECOND)
#define LINGER_NS (SECOND / 4)

/* What is compared of a due record. */
struct outcome {
	struct lj_order order;
	uint64_t flow_id, first_ns, last_ns, bytes[2];
	uint32_t packets;
	uint8_t due, part, initiator;
};

static struct lj_packet event[EVENTS]; /* packets and ticks */
static uint32_t n_events;

static const struct lj_flow_config config = {.capacity = 4096,
					     .keep = LJ_KEEP_ALL,
					     .classify_at = 5,
					     .idle_timeout_ns = IDLE_NS,
					     .active_timeout_ns = ACTIVE_NS,
					     .tcp_linger_ns = LINGER_NS,
					     .ordered = true};

static void make_traffic(void)
{
	static const uint8_t flags[] = {0x10, 0x10, 0x18, 0x10, 0x18, 0x10, 0x02, 0x12, 0x11, 0x14};
	uint64_t now = START, clock = START, tick = START / LJ_FLOW_TICK_NS;

	seq = 0;
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct lj_packet p;

		now += lj_test_below(4) == 0 ? 0 : lj_test_below(4000000);
		if (lj_test_below(3000) == 0)
			now += 5 * SECOND;
		/* Some packets come a little late. */
		p = packet((uint16_t)lj_test_below(1 + lj_test_below(FLOWS)), lj_test_below(2),
			   now - (lj_test_below(50) == 0 ? 1000000 : 0),
			   flags[lj_test_below(RTE_DIM(flags))], lj_test_below(1400));
		clock = RTE_MAX(clock, p.time_ns);
		if (clock / LJ_FLOW_TICK_NS > tick || i == 0) {
			tick = clock / LJ_FLOW_TICK_NS;
			event[n_events++] = (struct lj_packet){.kind = LJ_PACKET_TICK,
							       .time_ns = tick * LJ_FLOW_TICK_NS,
							       .seq = p.seq};
			p.seq = ++seq;
		}
		event[n_events++] = p;
	}
	event[n_events++] = (struct lj_packet){.kind = LJ_PACKET_END, .seq = ++seq};
}

static struct outcome outcome_of(const struct lj_flow *f)
{
	struct outcome o;

	memset(&o, 0, sizeof(o));
	o.order = f->order;
	o.flow_id = f->flow_id;
	o.first_ns = f->first_ns;
	o.last_ns = f->last_ns;
	o.bytes[0] = f->side[0].length_sum;
	o.bytes[1] = f->side[1].length_sum;
	o.packets = f->packets;
	o.due = f->due;
	o.part = (uint8_t)f->part;
	o.initiator = f->initiator;
	return o;
}

static int by_order(const void *a, const void *b)
{
	const struct outcome *x = a, *y = b;

	return lj_order_before(x->order, y->order) ? -1 : lj_order_before(y->order, x->order);
}

/* --- the table --- */

static void collect(struct lj_flow_table *t, struct outcome *out, uint32_t *n)
{
	for (uint16_t i = 0; i < n_due; i++)
		out[(*n)++] = outcome_of(due[i]);
	lj_flow_settle(t, due, n_due);
}

/* Runs the events of one share (hash modulo) through a table in bursts. */
static uint32_t run_table(uint16_t burst, uint32_t shares, uint32_t share, struct outcome *out)
{
	static struct lj_packet mine[LJ_BURST_MAX];
	struct lj_flow_table *t = table_with(config);
	uint32_t n = 0, at = 0;

	while (at < n_events) {
		uint16_t run = 0, done = 0;

		while (at < n_events && event[at].kind == LJ_PACKET_DATA && run < burst) {
			if (event[at].hash % shares == share)
				mine[run++] = event[at];
			at++;
		}
		/* Of some bursts; what was noted need not hold any more when its packet comes. */
		if (run % 3 != 1)
			lj_flow_ask(t, mine, run);
		while (done < run) {
			done += lj_flow_update(t, mine + done, run - done, due, &n_due);
			collect(t, out, &n);
		}
		if (at == n_events || event[at].kind == LJ_PACKET_DATA)
			continue;
		do {
			n_due = event[at].kind == LJ_PACKET_TICK
					? lj_flow_advance(t, event[at].time_ns, event[at].seq, due,
							  64)
					: lj_flow_flush(t, event[at].seq, due, 64);
			collect(t, out, &n);
		} while (n_due > 0);
		at++;
	}
	CU_ASSERT_EQUAL(lj_flow_active(t), 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_created] + counters.value[LJ_C_flow_continued],
			counters.value[LJ_C_flow_ended]);
	CU_ASSERT_EQUAL(counters.value[LJ_C_flow_due], n);
	lj_flow_destroy(t);
	return n;
}

/* --- the twin --- */

struct twin {
	bool live;
	struct lj_flow_key key;
	struct outcome o;
	uint64_t closed_ns;
	uint8_t fins;
	bool reset, early;
};

static struct twin twins[2 * FLOWS];

static void twin_due(struct twin *w, uint8_t reason, struct lj_order order, struct outcome *out,
		     uint32_t *n)
{
	out[*n] = w->o;
	out[*n].due = reason;
	out[(*n)++].order = order;
	if (reason != LJ_DUE_EARLY_PACKETS)
		w->live = false;
}

static uint8_t twin_closing(const struct twin *w)
{
	return w->reset ? LJ_DUE_RST : LJ_DUE_FIN;
}

static struct twin *twin_find(const struct lj_flow_key *key)
{
	for (size_t i = 0; i < RTE_DIM(twins); i++)
		if (twins[i].live && memcmp(&twins[i].key, key, sizeof(*key)) == 0)
			return &twins[i];
	return NULL;
}

static struct twin *twin_begin(const struct lj_packet *p, const struct outcome *before)
{
	bool flip = (p->tcp_flags & LJ_TCP_SYN) ? (p->tcp_flags & LJ_TCP_ACK) : p->side == 1;

	for (size_t i = 0; i < RTE_DIM(twins); i++) {
		struct twin *w = &twins[i];

		if (w->live)
			continue;
		memset(w, 0, sizeof(*w));
		w->live = true;
		w->key = p->key;
		w->o.first_ns = w->o.last_ns = p->time_ns;
		w->o.flow_id = before ? before->flow_id : lj_flow_id(&p->key, p->time_ns);
		w->o.part = before ? before->part + 1 : 0;
		w->o.initiator = before ? before->initiator : flip ? !p->side : p->side;
		return w;
	}
	CU_FAIL_FATAL("the twin is full");
	return NULL;
}

static void twin_packet(const struct lj_packet *p, struct outcome *out, uint32_t *n)
{
	struct twin *w = twin_find(&p->key);
	struct outcome before;
	uint8_t reason = LJ_DUE_NOT;
	uint64_t tie = 0;
	bool early = false;

	if (w != NULL && w->closed_ns != 0) {
		if ((p->tcp_flags & 0x12) == 0x02 || p->time_ns > w->closed_ns + LINGER_NS)
			reason = twin_closing(w);
	} else if (w != NULL && p->time_ns > w->o.last_ns + IDLE_NS) {
		reason = LJ_DUE_IDLE;
	} else if (w != NULL && p->time_ns > w->o.first_ns + ACTIVE_NS) {
		reason = LJ_DUE_ACTIVE;
	}
	if (reason != LJ_DUE_NOT) {
		before = w->o;
		early = w->early;
		twin_due(w, reason, (struct lj_order){p->seq, tie++}, out, n);
		w = NULL;
	}
	if (w == NULL) {
		w = twin_begin(p, reason == LJ_DUE_ACTIVE ? &before : NULL);
		w->early = reason == LJ_DUE_ACTIVE && early;
	}
	w->o.packets++;
	w->o.bytes[p->side ^ w->o.initiator] += p->l3_bytes;
	w->o.first_ns = RTE_MIN(w->o.first_ns, p->time_ns);
	w->o.last_ns = RTE_MAX(w->o.last_ns, p->time_ns);
	if (p->tcp_flags & LJ_TCP_FIN)
		w->fins |= (uint8_t)(1 << (p->side ^ w->o.initiator));
	if ((p->tcp_flags & LJ_TCP_RST) && w->fins != 3)
		w->reset = true;
	if (w->closed_ns == 0 && (w->fins == 3 || w->reset))
		w->closed_ns = p->time_ns;
	if (w->o.packets == config.classify_at && !w->early) {
		w->early = true;
		twin_due(w, LJ_DUE_EARLY_PACKETS, (struct lj_order){p->seq, tie}, out, n);
	}
}

static void twin_tick(const struct lj_packet *mark, struct outcome *out, uint32_t *n)
{
	for (size_t i = 0; i < RTE_DIM(twins); i++) {
		struct twin *w = &twins[i];
		struct lj_order order = {mark->seq, w->o.flow_id};
		bool idle = mark->time_ns > w->o.last_ns + IDLE_NS;
		bool lingered = w->closed_ns != 0 && mark->time_ns > w->closed_ns + LINGER_NS;

		if (!w->live)
			continue;
		/* The end lets the clock run on, to when each would have expired. */
		if (mark->kind == LJ_PACKET_END)
			order.seq +=
				RTE_MIN(w->o.last_ns + IDLE_NS,
					w->closed_ns != 0 ? w->closed_ns + LINGER_NS : UINT64_MAX);
		if (mark->kind == LJ_PACKET_END)
			twin_due(w, w->closed_ns != 0 ? twin_closing(w) : LJ_DUE_FLUSHED, order,
				 out, n);
		else if (idle || lingered)
			twin_due(w, w->closed_ns != 0 ? twin_closing(w) : LJ_DUE_IDLE, order, out,
				 n);
	}
}

static struct outcome expected[DUE_MAX], got[DUE_MAX];
static uint32_t n_expected;

static void the_table_does_what_its_twin_does(void)
{
	uint32_t n;

	for (uint32_t i = 0; i < n_events; i++)
		if (event[i].kind == LJ_PACKET_DATA)
			twin_packet(&event[i], expected, &n_expected);
		else
			twin_tick(&event[i], expected, &n_expected);
	qsort(expected, n_expected, sizeof(expected[0]), by_order);
	CU_ASSERT(n_expected > 5000);
	n = run_table(64, 1, 0, got);
	CU_ASSERT_EQUAL_FATAL(n, n_expected);
	CU_ASSERT_EQUAL(memcmp(got, expected, n * sizeof(got[0])), 0);
}

static void bursts_of_any_size_give_the_same_records(void)
{
	CU_ASSERT_EQUAL(run_table(1, 1, 0, got), n_expected);
	CU_ASSERT_EQUAL(memcmp(got, expected, n_expected * sizeof(got[0])), 0);
	CU_ASSERT_EQUAL(run_table(7, 1, 0, got), n_expected);
	CU_ASSERT_EQUAL(memcmp(got, expected, n_expected * sizeof(got[0])), 0);
}

static void any_number_of_tables_gives_the_same_records(void)
{
	for (uint32_t shares = 2; shares <= 4; shares++) {
		uint32_t n = 0;

		for (uint32_t share = 0; share < shares; share++)
			n += run_table(64, shares, share, got + n);
		qsort(got, n, sizeof(got[0]), by_order);
		CU_ASSERT_EQUAL_FATAL(n, n_expected);
		CU_ASSERT_EQUAL(memcmp(got, expected, n * sizeof(got[0])), 0);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the table does what its twin does", the_table_does_what_its_twin_does},
		{"bursts of any size give the same records",
		 bursts_of_any_size_give_the_same_records},
		{"any number of tables gives the same records",
		 any_number_of_tables_gives_the_same_records},
	};

	make_traffic();
	return lj_test_run("flow twin", tests, RTE_DIM(tests));
}
