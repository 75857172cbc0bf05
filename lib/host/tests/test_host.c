#include <stdlib.h>

#include "host_fixture.h"

static void a_window_covers_its_four_subwindows_and_no_more(void)
{
	static const struct {
		int window;
		uint64_t grain_ns;
	} cases[] = {{LJ_HOST_5S, SECOND * 5 / 4},
		     {LJ_HOST_60S, 15 * SECOND},
		     {LJ_HOST_600S, 150 * SECOND}};

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct lj_host *h = stage_of(1024);
		uint64_t begin_ns = START / cases[i].grain_ns * cases[i].grain_ns;
		int w = cases[i].window;

		begin(h, 1, 2, 80, begin_ns);
		CU_ASSERT_EQUAL(look(h, 1, 2, 80, begin_ns)->src[w].count[LJ_HOST_FLOWS], 1);
		CU_ASSERT_EQUAL(look(h, 1, 2, 80, begin_ns + 4 * cases[i].grain_ns - 1)
					->src[w]
					.count[LJ_HOST_FLOWS],
				1);
		CU_ASSERT_EQUAL(look(h, 1, 2, 80, begin_ns + 4 * cases[i].grain_ns)
					->src[w]
					.count[LJ_HOST_FLOWS],
				0);
		lj_host_destroy(h);
	}
}

static void a_peer_seen_again_counts_once_and_as_late_as_it_was_seen(void)
{
	struct lj_host *h = stage_of(1024);
	const struct lj_host_context *c;

	begin(h, 1, 2, 80, START);
	begin(h, 1, 2, 80, START + 2 * SECOND);
	begin(h, 1, 3, 80, START + 2 * SECOND);
	c = look(h, 1, 2, 80, START + 2 * SECOND);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_5S].count[LJ_HOST_FLOWS], 3);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_5S].count[LJ_HOST_PEERS], 2);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_5S].count[LJ_HOST_PORTS], 1);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_5S].count[LJ_HOST_PAIRS], 2);
	/* The first flow has left the window, the peer has not. */
	c = look(h, 1, 2, 80, START + 5 * SECOND);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_5S].count[LJ_HOST_FLOWS], 2);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_5S].count[LJ_HOST_PEERS], 2);
	lj_host_destroy(h);
}

static void the_responder_knows_all_who_came(void)
{
	struct lj_host *h = stage_of(1024);
	const struct lj_host_context *c;

	for (uint32_t i = 0; i < 50; i++)
		begin(h, 100 + i, 2, (uint16_t)(80 + i % 2), START);
	c = look(h, 100, 2, 80, START);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_60S].count[LJ_HOST_FLOWS], 1);
	CU_ASSERT_EQUAL(c->dst[LJ_HOST_60S].count[LJ_HOST_FLOWS], 50);
	CU_ASSERT_EQUAL(c->dst[LJ_HOST_60S].count[LJ_HOST_PEERS], 50);
	CU_ASSERT_EQUAL(c->dst[LJ_HOST_60S].count[LJ_HOST_PORTS], 2);
	CU_ASSERT_EQUAL(c->service[LJ_HOST_60S].count[LJ_HOST_PEERS], 25);
	lj_host_destroy(h);
}

static void a_look_counts_nothing(void)
{
	struct lj_host *h = stage_of(1024);

	begin(h, 1, 2, 80, START);
	for (int i = 0; i < 5; i++)
		look(h, 1, 2, 80, START + SECOND);
	end(h, 1, 2, 80, START + SECOND, LJ_HOST_HALF_OPEN);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START + SECOND)->src[0].count[LJ_HOST_FLOWS], 1);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START + SECOND)->src[0].count[LJ_HOST_ENDED], 1);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START + SECOND)->src[0].count[LJ_HOST_HALF_OPENS], 1);
	lj_host_destroy(h);
}

static void the_opening_is_what_stood_beside_the_flow_as_it_began(void)
{
	struct lj_host *h = stage_of(1024);
	struct lj_host_fact f = fact(LJ_HOST_BEGIN, 1, 2, 80, START + SECOND);
	struct lj_host_context c;
	struct lj_host_step step = {&f, &c};

	/* More peers than ports, of both. */
	begin(h, 1, 3, 81, START);
	begin(h, 1, 4, 81, START);
	begin(h, 8, 2, 443, START);
	begin(h, 9, 2, 443, START);
	f.flow_id = 77;
	observe(h, &f);
	for (uint32_t i = 0; i < 20; i++)
		begin(h, 1, 4 + i, 80, START + 2 * SECOND);
	f.event = LJ_HOST_END;
	lj_host_follow(h, &step, 1);
	CU_ASSERT_TRUE(c.opened);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_SRC_FLOWS_60S], 3);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_SRC_PEERS_60S], 3);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_SRC_PORTS_60S], 2);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_SRC_PEERS_600S], 3);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_SRC_PORTS_600S], 2);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_DST_FLOWS_60S], 3);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_DST_PEERS_60S], 3);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_DST_PORTS_60S], 2);
	CU_ASSERT_EQUAL(c.opening[LJ_HOST_OPENING_PAIR_FLOWS_60S], 1);
	CU_ASSERT_EQUAL(c.src[LJ_HOST_60S].count[LJ_HOST_FLOWS], 23);
	f.flow_id = 78;
	f.event = LJ_HOST_LOOK;
	lj_host_follow(h, &step, 1);
	CU_ASSERT_FALSE(c.opened);
	lj_host_destroy(h);
}

static void an_end_makes_nobody_known(void)
{
	struct lj_host *h = stage_of(1024);

	end(h, 1, 2, 80, START, LJ_HOST_UNANSWERED);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START)->src[0].count[LJ_HOST_ENDED], 0);
	CU_ASSERT_EQUAL(lj_counter_read(&counters, LJ_C_host_held), 0);
	lj_host_destroy(h);
}

static void one_wrong_time_does_not_stop_the_clock(void)
{
	struct lj_host *h = stage_of(1024);
	uint64_t year = 365 * 24 * 3600 * SECOND;

	begin(h, 1, 2, 80, START);
	begin(h, 1, 2, 80, START + year);
	for (int i = 0; i < 10; i++)
		begin(h, 1, 2, 80, START + (uint64_t)i * SECOND);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START + 9 * SECOND)->src[0].count[LJ_HOST_FLOWS], 5);
	lj_host_destroy(h);
}

static void a_clock_that_goes_back_forgets_what_is_later(void)
{
	struct lj_host *h = stage_of(1024);
	const struct lj_host_context *c;

	begin(h, 1, 2, 80, START);
	end(h, 1, 2, 80, START + 590 * SECOND, LJ_HOST_REJECTED);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START + 590 * SECOND)->src[2].count[LJ_HOST_ENDED], 1);
	begin(h, 8, 9, 80, START + 620 * SECOND);
	begin(h, 8, 9, 80, START + 10 * SECOND);
	c = look(h, 1, 2, 80, START + 10 * SECOND);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].count[LJ_HOST_FLOWS], 0);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].count[LJ_HOST_ENDED], 0);
	CU_ASSERT_EQUAL(c->service[LJ_HOST_600S].count[LJ_HOST_REJECTEDS], 0);
	begin(h, 1, 2, 80, START + 11 * SECOND);
	c = look(h, 1, 2, 80, START + 11 * SECOND);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].count[LJ_HOST_FLOWS], 1);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].count[LJ_HOST_PEERS], 1);
	lj_host_destroy(h);
}

static void counts_stop_at_the_top(void)
{
	struct lj_host *h = stage_of(1024);

	for (uint32_t i = 0; i < 70000; i++)
		begin(h, 1, 2, 80, START);
	CU_ASSERT_EQUAL(look(h, 1, 2, 80, START)->src[0].count[LJ_HOST_FLOWS], UINT16_MAX);
	lj_host_destroy(h);
}

static void bytes_stop_at_the_top(void)
{
	struct lj_host *h = stage_of(1024);
	struct lj_host_fact f = fact(LJ_HOST_END, 1, 2, 80, START);
	const struct lj_host_context *c;

	f.bytes[0] = UINT32_MAX;
	f.bytes[1] = 17;
	begin(h, 1, 2, 80, START);
	for (uint32_t i = 0; i < 15; i++)
		observe(h, &f);
	c = look(h, 1, 2, 80, START);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_60S].sent, 15ULL << 28);
	CU_ASSERT_EQUAL(c->dst[LJ_HOST_60S].received, 15ULL << 28);
	for (uint32_t i = 0; i < 15; i++)
		observe(h, &f);
	c = look(h, 1, 2, 80, START);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].sent, UINT32_MAX);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].received, 60);
	CU_ASSERT_EQUAL(c->dst[LJ_HOST_600S].received, UINT32_MAX);
	CU_ASSERT_EQUAL(c->dst[LJ_HOST_600S].sent, 60);
	/* A sub-window later it begins anew beside it. */
	f.time_ns = START + 150 * SECOND;
	observe(h, &f);
	c = look(h, 1, 2, 80, f.time_ns);
	CU_ASSERT_EQUAL(c->src[LJ_HOST_600S].sent, UINT32_MAX + (1ULL << 28));
	lj_host_destroy(h);
}

/* More hosts than there is room for, and a clock that now and then is far off. */
static void random_facts(struct lj_host_fact *facts, uint32_t n)
{
	static const uint8_t events[] = {LJ_HOST_BEGIN, LJ_HOST_BEGIN, LJ_HOST_END, LJ_HOST_LOOK};
	uint64_t now = START;

	srandom(7);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t r = (uint32_t)random(), flow = (uint32_t)random() % 64;

		now += r % 1000 == 0 ? 200 * SECOND : r % 97 * SECOND / 1000;
		facts[i] = fact(events[r % 4], r >> 4 & (r & 16 ? 4095 : 7), r >> 8 & 63,
				(uint16_t)(r >> 16 & 7), now);
		if (r % 1013 == 0)
			facts[i].time_ns += (r & 32 ? 1 : -1) * 1000 * SECOND;
		facts[i].flow_id = flow;
		facts[i].outcome = (uint8_t)(r % 5);
		facts[i].size = r >> 20 & 3;
		facts[i].bytes[0] = r;
		facts[i].bytes[1] = flow;
	}
}

static void a_burst_counts_as_its_facts_one_by_one(void)
{
	enum { N = 1000, ROUNDS = 40 };
	static struct lj_host_fact facts[N * ROUNDS];
	static struct lj_host_context burst[N], single[N];
	struct lj_host_step steps[N];
	struct lj_host *a = stage_of(1024), *b = stage_of(1024);
	uint32_t differ = 0;

	random_facts(facts, RTE_DIM(facts));
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t n = 1 + (uint32_t)random() % N;

		for (uint32_t i = 0; i < n; i++) {
			const struct lj_host_fact *f = &facts[round * N + i];
			struct lj_host_step one = {f, &single[i]};

			steps[i] = (struct lj_host_step){f, &burst[i]};
			lj_host_follow(b, &one, 1);
		}
		lj_host_follow(a, steps, n);
		differ += memcmp(burst, single, n * sizeof(*burst)) != 0;
	}
	CU_ASSERT_EQUAL(differ, 0);
	CU_ASSERT_TRUE(lj_counter_read(&counters, LJ_C_host_evicted) > 1000);
	lj_host_destroy(a);
	lj_host_destroy(b);
}

/* 200 hosts have talked to servers for two minutes; then a million spoofed sources come by. */
static void a_spoofed_flood_wears_out_newcomers_and_not_the_established(void)
{
	struct lj_host *h = stage_of(4096);
	uint32_t spoofed = 1000000, kept = 0;
	uint64_t held;

	for (uint32_t s = 0; s < 120; s++)
		for (uint32_t host = 0; host < 200; host++)
			begin(h, host, 200 + host % 8, 443, START + s * SECOND);
	for (uint32_t i = 0; i < 500; i++)
		for (uint32_t k = 0; k < 2000; k++)
			begin(h, spoofed++, 200, 80, START + 120 * SECOND + i * SECOND / 10);
	for (uint32_t host = 0; host < 200; host++)
		kept += look(h, host, 200 + host % 8, 443, START + 170 * SECOND)
				->src[LJ_HOST_600S]
				.count[LJ_HOST_FLOWS] == 120;
	CU_ASSERT_TRUE(kept >= 196);
	CU_ASSERT_EQUAL(
		look(h, 1, 200, 80, START + 170 * SECOND)->dst[LJ_HOST_5S].count[LJ_HOST_PEERS],
		74000);
	held = lj_counter_read(&counters, LJ_C_host_held);
	CU_ASSERT_TRUE(held <= 4096 + 4096 + 2048);
	CU_ASSERT_TRUE(lj_counter_read(&counters, LJ_C_host_evicted) > 1900000);
	lj_host_destroy(h);
}

static void memory_is_what_was_said_whatever_comes(void)
{
	struct lj_host_config small = {.hosts = 1024}, large = {.hosts = 65536};

	CU_ASSERT_TRUE(lj_host_memory(&small) < 4u << 20);
	CU_ASSERT_TRUE(lj_host_memory(&large) < 160u << 20);
	CU_ASSERT_TRUE(lj_host_memory(&large) > 60 * lj_host_memory(&small));
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a window covers its four sub-windows and no more",
		 a_window_covers_its_four_subwindows_and_no_more},
		{"a peer seen again counts once, and as late as it was seen",
		 a_peer_seen_again_counts_once_and_as_late_as_it_was_seen},
		{"the responder knows all who came", the_responder_knows_all_who_came},
		{"a look counts nothing", a_look_counts_nothing},
		{"the opening is what stood beside the flow as it began",
		 the_opening_is_what_stood_beside_the_flow_as_it_began},
		{"an end makes nobody known", an_end_makes_nobody_known},
		{"one wrong time does not stop the clock", one_wrong_time_does_not_stop_the_clock},
		{"a clock that goes back forgets what is later",
		 a_clock_that_goes_back_forgets_what_is_later},
		{"counts stop at the top", counts_stop_at_the_top},
		{"bytes stop at the top", bytes_stop_at_the_top},
		{"a burst counts as its facts one by one", a_burst_counts_as_its_facts_one_by_one},
		{"a spoofed flood wears out newcomers and not the established",
		 a_spoofed_flood_wears_out_newcomers_and_not_the_established},
		{"memory is what was said", memory_is_what_was_said_whatever_comes},
	};

	return lj_test_run("host", tests, RTE_DIM(tests));
}
