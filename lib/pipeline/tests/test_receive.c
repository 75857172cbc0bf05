/* Sources that hand on made packets, so that what a NIC would do can be right or wrong at will. */
#include <string.h>

#include "lj_packet_rss.h"
#include "lj_test.h"
#include "role.h"

#define PACKETS 512

static struct rte_mempool *pool;
static struct lj_rss rss;
static struct shared shared;
static struct lj_counters counters;
static struct receiver receiver;
static struct lj_packet packets[LJ_BURST_MAX];

/* A NIC with two queues and traffic both ways; with `swap` 1 each queue gets the other's. */
struct fake {
	struct lj_source head;
	uint32_t next[2];
	uint32_t swap;
	uint64_t time_ns;
};

static void fill(uint8_t frame[54], uint32_t i)
{
	static const uint8_t tcp[54] = {2, 0, 0,    0, 0, 1,  2,   0,	0, 0, 0,  2,
					8, 0, 0x45, 0, 0, 40, 0,   0,	0, 0, 64, 6,
					0, 0, 10,   0, 0, 0,  192, 168, 0, 0, 0,  80};
	bool back = i & 1;
	uint32_t flow = i / 2;

	memcpy(frame, tcp, sizeof(tcp));
	frame[46] = 0x50;
	for (int half = 0; half < 2; half++) {
		uint8_t *address = frame + 26 + 4 * (half ^ back);
		uint8_t *port = frame + 34 + 2 * (half ^ back);

		address[0] = half ? 192 : 10;
		address[3] = (uint8_t)(flow * 7 + half);
		port[0] = half ? 1 : (uint8_t)(flow >> 3);
		port[1] = half ? 187 : (uint8_t)(flow * 31);
	}
}

/* Where the NIC puts packet i: by its hash. */
static uint16_t queue_of(uint32_t i)
{
	uint8_t frame[54];

	fill(frame, i);
	return lj_rss_queue(&rss, lj_toeplitz_hash(&rss.toeplitz, frame + 26, 12));
}

static uint16_t fake_rx(struct lj_source *s, uint16_t queue, struct lj_burst *burst)
{
	struct fake *f = (struct fake *)s;
	uint16_t n = 0;

	for (uint32_t *i = &f->next[queue]; *i < PACKETS && n < 32; (*i)++) {
		struct rte_mbuf *m;

		if (queue_of(*i) != (queue ^ f->swap))
			continue;
		m = rte_pktmbuf_alloc(pool);
		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		fill((uint8_t *)rte_pktmbuf_append(m, 54), *i);
		burst->mbuf[n] = m;
		burst->time_ns[n] = ++f->time_ns;
		burst->wire_bytes[n] = 60;
		burst->leg[n++] = 0;
	}
	burst->count = n;
	if (n == 0)
		s->state = LJ_SOURCE_ENDED;
	return n;
}

static const struct lj_source_ops fake_ops = {.name = "fake", .rx = fake_rx};

static void open_fake(struct fake *f, uint32_t swap)
{
	memset(f, 0, sizeof(*f));
	f->head.ops = &fake_ops;
	f->head.rss = &rss;
	f->head.queues = 2;
	f->swap = swap;
}

static uint32_t receive_all(struct fake *f, uint16_t queue, uint32_t check_every)
{
	uint32_t all = 0;
	bool over = false;

	memset(&receiver, 0, sizeof(receiver));
	receiver.rx[0].queue = queue;
	receive_queue_give(&receiver.rx[0], &f->head);
	receiver.n_rx = 1;
	receiver.check_every = check_every;
	lj_parser_init(&receiver.parser, &counters, false, false);
	while (!over) {
		uint16_t n;

		receive(&receiver, &shared, &counters, packets, &n, &over);
		all += n;
	}
	CU_ASSERT_EQUAL(receiver.rx[0].packets, all);
	CU_ASSERT_EQUAL(receiver.rx[0].bytes, 60 * all);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rx_bytes], 60 * counters.value[LJ_C_rx_packets]);
	return all;
}

static uint32_t receive_both(uint32_t swap, uint32_t check_every)
{
	static struct fake f;
	uint32_t all;

	memset(&counters, 0, sizeof(counters));
	open_fake(&f, swap);
	all = receive_all(&f, 0, check_every);
	/* The first queue's; what a queue shows is what is counted. */
	CU_ASSERT_EQUAL(receiver.rx[0].checked, counters.value[LJ_C_rss_checked]);
	CU_ASSERT_EQUAL(receiver.rx[0].unexpected, counters.value[LJ_C_rss_unexpected]);
	CU_ASSERT_EQUAL(receiver.rx[0].parted, counters.value[LJ_C_rss_parted]);
	f.head.state = LJ_SOURCE_RUNNING;
	return all + receive_all(&f, 1, check_every);
}

static void a_nic_that_does_as_it_says_parts_nothing(void)
{
	lj_rss_init(&rss, LJ_RSS_5TUPLE, 2, 52, 512);
	CU_ASSERT_EQUAL(receive_both(0, 1), PACKETS);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_checked], PACKETS);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_unexpected], 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_parted], 0);
}

static void one_in_so_many_is_checked(void)
{
	lj_rss_init(&rss, LJ_RSS_5TUPLE, 2, 52, 512);
	receive_both(0, 16);
	CU_ASSERT(counters.value[LJ_C_rss_checked] >= PACKETS / 16);
	CU_ASSERT(counters.value[LJ_C_rss_checked] <= PACKETS / 16 + 2);
	receive_both(0, 0);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_checked], 0);
}

static void packets_by_the_wrong_queue_are_seen(void)
{
	lj_rss_init(&rss, LJ_RSS_5TUPLE, 2, 52, 512);
	CU_ASSERT_EQUAL(receive_both(1, 1), PACKETS);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_unexpected], PACKETS);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_parted], PACKETS);
}

static void an_asymmetric_key_is_seen_by_the_pairs_it_parts(void)
{
	uint8_t key[52];

	lj_rss_init(&rss, LJ_RSS_5TUPLE, 2, 52, 512);
	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(i * 73 + (i >> 1) * 11 + 5);
	lj_rss_set_key(&rss, key, sizeof(key));
	receive_both(0, 1);
	CU_ASSERT_EQUAL(counters.value[LJ_C_rss_unexpected], 0);
	CU_ASSERT(counters.value[LJ_C_rss_parted] > PACKETS / 8);
}

static void a_round_over_unstamped_legs_is_one_instant(void)
{
	static struct fake legs[2];
	uint64_t time_ns = 0;
	uint32_t all = 0;
	bool over = false;

	lj_rss_init(&rss, LJ_RSS_5TUPLE, 2, 52, 512);
	memset(&receiver, 0, sizeof(receiver));
	memset(&counters, 0, sizeof(counters));
	for (uint16_t i = 0; i < 2; i++) {
		open_fake(&legs[i], 0);
		receiver.rx[i].queue = i;
		receive_queue_give(&receiver.rx[i], &legs[i].head);
	}
	receiver.n_rx = 2;
	receiver.reorder = reorder_create(2, rte_get_tsc_hz());
	lj_parser_init(&receiver.parser, &counters, false, false);
	while (!over) {
		uint16_t n;

		receive(&receiver, &shared, &counters, packets, &n, &over);
		for (uint16_t i = 0; i < n; time_ns = packets[i++].time_ns)
			CU_ASSERT(packets[i].time_ns >= time_ns);
		all += n;
	}
	CU_ASSERT_EQUAL(all, PACKETS);
	CU_ASSERT(time_ns > 1000000000ULL * PACKETS); /* the clock's, not the fake's */
	CU_ASSERT_EQUAL(counters.value[LJ_C_reorder_late], 0);
	reorder_destroy(receiver.reorder);
}

/* A queue of a source that has PACKETS and then nothing, without end. */
static void give_live(struct fake *f)
{
	open_fake(f, 0);
	lj_rss_init(&rss, LJ_RSS_5TUPLE, 1, 52, 512);
	memset(&receiver, 0, sizeof(receiver));
	receiver.n_rx = 1;
	lj_parser_init(&receiver.parser, &counters, false, false);
	receive_queue_give(&receiver.rx[0], &f->head);
}

static uint16_t poll_once(bool *over)
{
	uint16_t n;

	receive(&receiver, &shared, &counters, packets, &n, over);
	return n;
}

static void a_queue_that_is_left_is_emptied_first_and_another_goes_on(void)
{
	static struct fake old, new;
	struct receive_queue *q = &receiver.rx[0];
	uint32_t all = 0;
	bool over;

	give_live(&old);
	open_fake(&new, 0);
	all += poll_once(&over);
	q->wanted = NULL; /* as main has it */
	for (int i = 0; i < 1000 && q->held != NULL; i++)
		all += poll_once(&over);
	CU_ASSERT_EQUAL(all, PACKETS);
	CU_ASSERT_PTR_NULL(q->held);
	CU_ASSERT_NOT_EQUAL(q->left_tsc, 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
	/* Nothing to poll is no end. */
	CU_ASSERT_EQUAL(poll_once(&over), 0);
	CU_ASSERT_FALSE(over);
	receive_queue_give(q, &new.head);
	for (int i = 0; i < 1000; i++)
		all += poll_once(&over);
	CU_ASSERT_EQUAL(all, 2 * PACKETS);
	CU_ASSERT_PTR_EQUAL(q->held, &new.head);
}

static uint16_t rx_for_ever(struct lj_source *s, uint16_t queue, struct lj_burst *burst)
{
	((struct fake *)s)->next[queue] = 0;
	return fake_rx(s, queue, burst);
}

static void what_never_ends_and_what_was_never_polled_is_let_go_of_too(void)
{
	static const struct lj_source_ops endless_ops = {.name = "endless", .rx = rx_for_ever};
	static struct fake f;
	struct receive_queue *q = &receiver.rx[0];
	bool over;
	int polls = 0;

	give_live(&f);
	f.head.ops = &endless_ops;
	CU_ASSERT(poll_once(&over) > 0);
	for (q->wanted = NULL; q->held != NULL && polls < 10000; polls++)
		poll_once(&over);
	CU_ASSERT(polls > 64 && polls < 10000);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pool), 0);
	/* Given and taken away before the role came to poll. */
	receive_queue_give(q, &f.head);
	q->wanted = NULL;
	CU_ASSERT_EQUAL(poll_once(&over), 0);
	CU_ASSERT_PTR_NULL(q->held);
	/* A paused capture takes nothing, and holds nothing back. */
	receive_queue_give(q, &f.head);
	CU_ASSERT(poll_once(&over) > 0);
	shared.command = COMMAND_PAUSE;
	q->wanted = NULL;
	CU_ASSERT_EQUAL(poll_once(&over), 0);
	CU_ASSERT_PTR_NULL(q->held);
	shared.command = COMMAND_RUN;
}

static uint16_t rx_nothing(struct lj_source *s, uint16_t queue, struct lj_burst *burst)
{
	RTE_SET_USED(s);
	RTE_SET_USED(queue);
	burst->count = 0;
	return 0;
}

/* What the spreader has given one of its workers; it is taken. */
static uint32_t take(struct lj_queue *q, enum lj_packet_kind kind, uint64_t *time_ns)
{
	struct lj_packet *packet;
	uint32_t n = 0;

	for (; (packet = lj_queue_at(q, 0)) != NULL; lj_queue_release(q, 1)) {
		n += packet->kind == kind;
		*time_ns = packet->time_ns;
	}
	return n;
}

/* Polls a spreader whose source is silent at a time; how many ticks each worker got. */
static uint32_t ticks_in_silence(struct spreader *s, uint64_t now_tsc, uint64_t *time_ns)
{
	uint32_t ticks = 0;

	for (int i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(spreader_poll(&s->role, now_tsc), 0);
	for (int i = 0; i < 2; i++)
		ticks += take(s->worker[i], LJ_PACKET_TICK, time_ns);
	return ticks / 2;
}

static void a_spreader_tells_the_time_in_silence(void)
{
	static const struct lj_source_ops silent_ops = {.name = "silent", .rx = rx_nothing};
	static struct spreader s;
	static struct fake f;
	uint64_t second = rte_get_tsc_hz(), now_tsc = rte_rdtsc() + second, time_ns = 0;

	memset(&s, 0, sizeof(s));
	s.shared = &shared;
	s.n_workers = 2;
	lj_rss_init(&s.rss, LJ_RSS_5TUPLE, 2, 52, 512);
	for (int i = 0; i < 2; i++)
		s.worker[i] = lj_queue_create("spread_worker", 64, sizeof(struct lj_packet),
					      SOCKET_ID_ANY);
	open_fake(&f, 0);
	f.head.ops = &silent_ops;
	receive_queue_give(&s.receiver.rx[0], &f.head);
	s.receiver.n_rx = 1;
	CU_ASSERT_EQUAL(ticks_in_silence(&s, now_tsc, &time_ns), 1);
	CU_ASSERT_EQUAL(ticks_in_silence(&s, now_tsc, &time_ns), 0);
	now_tsc += second;
	CU_ASSERT_EQUAL(ticks_in_silence(&s, now_tsc, &time_ns), 1);
	CU_ASSERT_EQUAL(time_ns, lj_clock_wall_ns(now_tsc) / LJ_FLOW_TICK_NS * LJ_FLOW_TICK_NS);
	/* Where packets bring their times, those alone tell it. */
	f.head.own_time = true;
	CU_ASSERT_EQUAL(ticks_in_silence(&s, now_tsc + second, &time_ns), 0);
	f.head.own_time = false;
	shared.replay = true;
	CU_ASSERT_EQUAL(ticks_in_silence(&s, now_tsc + second, &time_ns), 0);
	shared.replay = false;
	for (int i = 0; i < 2; i++)
		lj_queue_destroy(s.worker[i]);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a NIC that does as it says parts nothing",
		 a_nic_that_does_as_it_says_parts_nothing},
		{"one in so many is checked", one_in_so_many_is_checked},
		{"packets by the wrong queue are seen", packets_by_the_wrong_queue_are_seen},
		{"an asymmetric key is seen by the pairs it parts",
		 an_asymmetric_key_is_seen_by_the_pairs_it_parts},
		{"a round over unstamped legs is one instant",
		 a_round_over_unstamped_legs_is_one_instant},
		{"a queue that is left is emptied first, and another goes on",
		 a_queue_that_is_left_is_emptied_first_and_another_goes_on},
		{"what never ends, and what was never polled, is let go of, too",
		 what_never_ends_and_what_was_never_polled_is_let_go_of_too},
		{"a spreader tells the time in silence", a_spreader_tells_the_time_in_silence},
	};
	int ret;

	lj_test_eal("receive", NULL);
	lj_clock_init();
	pool = rte_pktmbuf_pool_create("receive", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	ret = pool != NULL ? lj_test_run("receive", tests, RTE_DIM(tests)) : EXIT_FAILURE;
	rte_mempool_free(pool);
	return ret;
}
