/* The whole, stepped by hand on one thread: a capture in, verdicts out, the ledger balances. */
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "lj_clock.h"

static struct lj_pipeline *open_demo(struct lj_config *c, const char *const *settings)
{
	char models[600];

	snprintf(models, sizeof(models), "%s/models/default", getenv("LJ_SOURCE_ROOT"));
	return demo_open(c, models, settings);
}

/* Steps until all roles are finished; whether they came to an end, with a ledger that balances. */
static bool run(struct lj_pipeline *p, struct lj_counters *total)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];

	for (uint32_t i = 0; i < 1000000 && !lj_pipeline_finished(p); i++)
		lj_pipeline_step(p);
	lj_pipeline_total(p, total);
	return lj_pipeline_finished(p) && lj_ledger_check(total, lines) == 0;
}

/* Of all decisions and of the first model's, which are the same here. */
static bool stages_add_up(const struct lj_pipeline *p, uint64_t decisions)
{
	static struct lj_histogram stage, whole;
	uint64_t sum = 0;

	for (int i = 0; i < LJ_STAGE_DECISION; i++) {
		lj_pipeline_latency(p, i, &stage);
		CU_ASSERT_EQUAL(stage.count, decisions);
		CU_ASSERT_EQUAL(stage.sum, lj_pipeline_model_latency(p, 0, i)->sum);
		sum += stage.sum;
	}
	lj_pipeline_latency(p, LJ_STAGE_DECISION, &whole);
	return whole.count == decisions && whole.sum == sum && sum > 0;
}

static void a_capture_is_classified_whole(void)
{
	struct lj_pipeline *p;
	struct lj_counters total;
	struct lj_config c;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", NULL});
	CU_ASSERT(run(p, &total));
	CU_ASSERT_EQUAL(total.value[LJ_C_rx_packets], 12124);
	CU_ASSERT_EQUAL(total.value[LJ_C_flow_ended], 2062);
	CU_ASSERT_EQUAL(total.value[LJ_C_verdict_taken], 2062);
	CU_ASSERT_EQUAL(lj_pipeline_tally(p)->records, 2062);
	CU_ASSERT_EQUAL(lj_pipeline_tally(p)->alerts, total.value[LJ_C_verdict_alerts]);
	CU_ASSERT_EQUAL(total.value[LJ_C_host_begun], 2062);
	CU_ASSERT_EQUAL(total.value[LJ_C_host_ended], 2062);
	CU_ASSERT(stages_add_up(p, 2062));
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void the_smallest_queues_lose_nothing(void)
{
	struct lj_pipeline *p;
	struct lj_counters total;
	struct lj_config c;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", "queue.spread=64",
						"queue.infer=64", "queue.sink=64",
						"lcores.workers=3", "lcores.infer=2", NULL});
	CU_ASSERT_EQUAL(lj_pipeline_roles(p), 7);
	CU_ASSERT(run(p, &total));
	CU_ASSERT_EQUAL(total.value[LJ_C_spread_packets], 12124);
	CU_ASSERT_EQUAL(total.value[LJ_C_flow_ended], 2062);
	CU_ASSERT_EQUAL(total.value[LJ_C_spread_refused] + total.value[LJ_C_batch_refused] +
				total.value[LJ_C_verdict_refused],
			0);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* Flows by worker are those by queue of `linejudge rss-predict --pcap demo.pcap --queues 4`. */
static void the_spreader_deals_as_a_nic_would(void)
{
	static const uint64_t flows[2][4] = {{517, 539, 484, 522}, {263, 1172, 233, 394}};
	static const char *const mode[] = {"capture.rss_mode=5tuple", "capture.rss_mode=ip"};

	for (int m = 0; m < 2; m++) {
		struct lj_counters total;
		struct lj_pipeline *p;
		struct lj_config c;

		p = open_demo(&c, (const char *const[]){"flow.capacity=65536", "lcores.workers=4",
							mode[m], NULL});
		CU_ASSERT(run(p, &total));
		for (int w = 0; w < 4; w++)
			CU_ASSERT_EQUAL(p->worker[w]->role.counters.value[LJ_C_flow_created],
					flows[m][w]);
		CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
		lj_config_free(&c);
	}
}

static void an_end_in_the_middle_drains_what_was_accepted(void)
{
	struct lj_pipeline *p;
	struct lj_counters total;
	struct lj_config c;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", NULL});
	for (int i = 0; i < 20; i++)
		lj_pipeline_step(p);
	lj_pipeline_end(p);
	CU_ASSERT(run(p, &total));
	CU_ASSERT(total.value[LJ_C_rx_packets] < 12124);
	CU_ASSERT(total.value[LJ_C_rx_packets] > 0);
	CU_ASSERT_EQUAL(total.value[LJ_C_flow_active], 0);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* As live, with a sink that takes nothing. */
static void what_is_shed_leaves_room_for_what_is_scored(void)
{
	uint32_t shed = 0, waiting;
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	struct lj_counters total;
	struct lj_pipeline *p;
	struct lj_queue *sink;
	struct lj_config c;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", "queue.infer=64",
						"queue.sink=64", "batch.size=1", NULL});
	p->shared.replay = false;
	lj_batch_shed_by(&p->shared.batch, LJ_SHED_SMALLEST);
	sink = p->inferrer[0]->sink;
	for (int i = 0; i < 2000; i++) {
		worker_poll(&p->worker[0]->role, rte_rdtsc());
		if (i % 8 == 0)
			inferrer_poll(&p->inferrer[0]->role, rte_rdtsc());
	}
	waiting = lj_queue_count(sink);
	for (uint32_t i = 0; i < waiting; i++)
		shed += ((const struct lj_verdict *)lj_queue_at(sink, i))->shed;
	CU_ASSERT_EQUAL(waiting, lj_queue_capacity(sink));
	CU_ASSERT(shed > 0 && shed <= lj_queue_capacity(sink) / 2);
	lj_pipeline_total(p, &total);
	lj_ledger_check(&total, lines);
	/* The sink has not been asked for what waits there. */
	for (int i = 0; i < LJ_LEDGER_LINES; i++)
		CU_ASSERT_EQUAL(lines[i].difference,
				strncmp(lines[i].text, "verdict_queued =", 16) == 0 ? waiting : 0);
	CU_ASSERT(total.value[LJ_C_batch_refused] > 0 && total.value[LJ_C_verdict_refused] > 0);
	p->shared.replay = true;
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void what_every_sink_has_lost_is_counted(void)
{
	struct lj_pipeline *p;
	struct lj_counters total;
	struct lj_config c;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", "eve.target=/dev/full",
						"features.csv=/dev/null", NULL});
	CU_ASSERT(run(p, &total));
	CU_ASSERT_EQUAL(total.value[LJ_C_sink_lost], 2062 + lj_pipeline_tally(p)->alerts);
	CU_ASSERT_EQUAL(total.value[LJ_C_sink_written], 2062);
	CU_ASSERT_NOT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void a_pause_takes_no_packets_and_keeps_the_flows(void)
{
	struct lj_pipeline *p;
	struct lj_counters total;
	struct lj_config c;
	uint64_t before;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", NULL});
	for (int i = 0; i < 20; i++)
		lj_pipeline_step(p);
	lj_pipeline_pause(p, true);
	lj_pipeline_total(p, &total);
	before = total.value[LJ_C_rx_packets];
	for (int i = 0; i < 50; i++)
		lj_pipeline_step(p);
	lj_pipeline_total(p, &total);
	CU_ASSERT_EQUAL(total.value[LJ_C_rx_packets], before);
	lj_pipeline_pause(p, false);
	CU_ASSERT(run(p, &total));
	CU_ASSERT_EQUAL(total.value[LJ_C_rx_packets], 12124);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void tuning_reaches_the_workers(void)
{
	const struct lj_flow_config *flow;
	struct lj_pipeline *p;
	struct lj_counters total;
	struct lj_tuning tuning;
	struct lj_config c;

	p = open_demo(&c, (const char *const[]){"flow.capacity=65536", NULL});
	lj_pipeline_tuning(p, &tuning);
	CU_ASSERT_EQUAL(tuning.idle_timeout_ns, 120000000000);
	tuning.classify_at = 2;
	tuning.classify_after_ns = 3;
	tuning.idle_timeout_ns = 119000000000;
	tuning.active_timeout_ns = 1700000000000;
	tuning.tcp_linger_ns = 4;
	lj_pipeline_tune(p, &tuning);
	lj_pipeline_step(p);
	flow = &p->worker[0]->flow_config;
	CU_ASSERT_EQUAL(flow->classify_at, 2);
	CU_ASSERT_EQUAL(flow->classify_after_ns, 3);
	CU_ASSERT_EQUAL(flow->idle_timeout_ns, 119000000000);
	CU_ASSERT_EQUAL(flow->active_timeout_ns, 1700000000000);
	CU_ASSERT_EQUAL(flow->tcp_linger_ns, 4);
	CU_ASSERT(run(p, &total));
	CU_ASSERT(total.value[LJ_C_flow_early] > 100);
	CU_ASSERT_EQUAL(lj_pipeline_tally(p)->early, total.value[LJ_C_flow_early]);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void what_cannot_be_opened_leaves_nothing_open(void)
{
	static const char *const bad[] = {"models=/nonexistent", "capture.files=/nonexistent",
					  "eve.target=/nonexistent/eve.json",
					  "features.csv=/nonexistent/table.csv"};

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct lj_error err = {0};
		struct lj_config c;
		char set[600];

		lj_config_init(&c);
		snprintf(set, sizeof(set), "capture.files=%s/tools/data/demo.pcap",
			 getenv("LJ_SOURCE_ROOT"));
		lj_config_set(&c, set, &err);
		lj_config_set(&c, bad[i], &err);
		CU_ASSERT_PTR_NULL(lj_pipeline_create(&c, &err));
		CU_ASSERT_PTR_NOT_NULL(strstr(err.where, "/nonexistent"));
		lj_config_free(&c);
	}
}

/* Stepping counts no polls, as an lcore that is stuck does not. */
static void silence_is_a_stall_until_progress_is_seen(void)
{
	struct lj_error err = {0};
	struct lj_health health;
	struct lj_pipeline *p;
	struct lj_config c;

	lj_config_init(&c);
	CU_ASSERT_EQUAL(
		lj_config_set(&c, "capture.ports=[{\"name\":\"net_null0\",\"mbufs\":1024}]", &err),
		0);
	CU_ASSERT_EQUAL(lj_config_set(&c, "flow.capacity=1024", &err), 0);
	CU_ASSERT_EQUAL(lj_config_set(&c, "lcores.count=1", &err), 0);
	CU_ASSERT_EQUAL(lj_config_set(&c, "keepalive.stall_ms=50", &err), 0);
	p = lj_pipeline_create(&c, &err);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(lj_pipeline_keepalive(p), 0);
	for (int i = 0; i < 10000 && lj_pipeline_keepalive(p) == 0; i++)
		usleep(1000);
	lj_pipeline_health(p, 0, &health);
	CU_ASSERT(health.stalled && !health.finished);
	CU_ASSERT_EQUAL(health.stalls, 1);
	CU_ASSERT(health.silent_ns >= 50000000 && health.longest_ns >= 50000000);
	CU_ASSERT_STRING_EQUAL(health.roles, "worker0 infer0 sink");
	lj_pipeline_end(p);
	while (!lj_pipeline_finished(p))
		lj_pipeline_step(p);
	CU_ASSERT_EQUAL(lj_pipeline_keepalive(p), 0);
	lj_pipeline_health(p, 0, &health);
	CU_ASSERT(!health.stalled && health.finished);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void a_replay_may_be_silent(void)
{
	struct lj_pipeline *p;
	struct lj_config c;

	p = open_demo(&c,
		      (const char *const[]){"flow.capacity=1024", "keepalive.stall_ms=1", NULL});
	for (int i = 0; i < 5; i++) {
		CU_ASSERT_EQUAL(lj_pipeline_keepalive(p), 0);
		usleep(1000);
	}
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a capture is classified whole", a_capture_is_classified_whole},
		{"the smallest queues lose nothing", the_smallest_queues_lose_nothing},
		{"the spreader deals as a NIC would", the_spreader_deals_as_a_nic_would},
		{"an end in the middle drains what was accepted",
		 an_end_in_the_middle_drains_what_was_accepted},
		{"what is shed leaves room for what is scored",
		 what_is_shed_leaves_room_for_what_is_scored},
		{"what every sink has lost is counted", what_every_sink_has_lost_is_counted},
		{"a pause takes no packets and keeps the flows",
		 a_pause_takes_no_packets_and_keeps_the_flows},
		{"tuning reaches the workers", tuning_reaches_the_workers},
		{"what cannot be opened leaves nothing open",
		 what_cannot_be_opened_leaves_nothing_open},
		{"silence is a stall until progress is seen",
		 silence_is_a_stall_until_progress_is_seen},
		{"a replay may be silent", a_replay_may_be_silent},
	};

	lj_test_eal("pipeline", (const char *const[]){"net_null0", NULL});
	lj_clock_init();
	return lj_test_run("pipeline", tests, RTE_DIM(tests));
}
