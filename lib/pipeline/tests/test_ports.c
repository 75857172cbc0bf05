/* Ports as a live pipeline sees them, stepped by hand, on DPDK's null and ring drivers. */
#include <string.h>

#include "lj_clock.h"
#include "lj_test.h"
#include "pipeline.h"

#define SECOND 1000000000ULL

static struct lj_pipeline *open_ports(struct lj_config *c, const char *const *settings)
{
	struct lj_error err = {0};
	struct lj_pipeline *p;

	lj_config_init(c);
	for (; *settings != NULL; settings++)
		CU_ASSERT_EQUAL_FATAL(lj_config_set(c, *settings, &err), 0);
	p = lj_pipeline_create(c, &err);
	if (p == NULL)
		fprintf(stderr, "%s: %s\n", err.where, err.what);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	for (uint32_t i = 0; i < lj_pipeline_sources(p); i++)
		CU_ASSERT_EQUAL(lj_source_start(lj_pipeline_source(p, i), &err), 0);
	return p;
}

static void both_legs_queue_q_is_polled_by_worker_q(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c,
		(const char *const[]){
			"capture.ports=[{\"name\":\"net_null0\",\"queues\":3,\"mbufs\":2048,"
			"\"descriptors\":64},{\"name\":\"net_null1\",\"queues\":3,\"mbufs\":2048,"
			"\"descriptors\":64,\"leg\":1}]",
			"lcores.workers=3", "flow.capacity=1024", NULL});

	for (int i = 0; i < 10; i++)
		lj_pipeline_step(p);
	for (uint32_t source = 0; source < 2; source++)
		for (uint16_t q = 0; q < 3; q++) {
			struct lj_queue_info info;
			char worker[16];

			snprintf(worker, sizeof(worker), "worker%u", q);
			lj_pipeline_queue(p, source, q, &info);
			CU_ASSERT_STRING_EQUAL(info.role, worker);
			CU_ASSERT(info.packets >= 5 * LJ_BURST_MAX);
		}
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static bool silent(const struct lj_pipeline *p, uint32_t source, uint64_t alarms)
{
	struct lj_leg_info info;

	lj_pipeline_leg(p, source, &info);
	CU_ASSERT(info.watched);
	CU_ASSERT_EQUAL(info.alarms, alarms);
	return info.silent;
}

static void a_silent_leg_raises_one_alarm(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){
			    "capture.ports=[{\"name\":\"net_null2\",\"mbufs\":2048},{\"name\":"
			    "\"net_ring0\",\"mbufs\":2048,\"leg\":1}]",
			    "flow.capacity=1024", "capture.leg_silence_s=10", NULL});
	uint64_t now = 1000 * SECOND;

	for (int i = 0; i < 30; i++, now += SECOND) {
		lj_pipeline_step(p);
		lj_pipeline_watch(p, now);
		lj_pipeline_watch(p, now + SECOND / 2); /* too soon: nothing is looked at */
		CU_ASSERT_EQUAL(silent(p, 0, 0), false);
		CU_ASSERT_EQUAL(silent(p, 1, i >= 10), i >= 10);
	}
	/* When the other is silent, too, the link is idle, not half. */
	lj_pipeline_pause(p, true);
	for (int i = 0; i < 15; i++, now += SECOND)
		lj_pipeline_watch(p, now);
	CU_ASSERT_FALSE(silent(p, 0, 0));
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* Who is to poll the second inference lcore's role, and what is told. */
static bool lcores_in_force(const struct lj_pipeline *p, uint32_t n)
{
	const struct role *first = &p->inferrer[0]->role, *second = &p->inferrer[1]->role;
	struct lj_slo_info info;

	lj_pipeline_slo(p, &info);
	return info.lcores == n && info.max_lcores == 2 &&
	       second->wanted == (n == 2 ? second : first)->lcore && first->wanted == first->lcore;
}

static void an_inference_lcore_is_parked_and_woken(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){"capture.ports=[{\"name\":\"net_null6\",\"mbufs\":2048}]",
					  "lcores.infer=2", "slo.decision_us=100000",
					  "flow.capacity=1024", NULL});
	uint64_t now = 1000 * SECOND;

	hold_look(p, now);
	for (int s = 0; s <= 300; s++, now += SECOND) {
		CU_ASSERT(lcores_in_force(p, 2));
		hold_look(p, now);
	}
	CU_ASSERT(lcores_in_force(p, 1));
	/* Busy, and flows are shed. */
	for (int s = 0; s <= 60; s++, now += SECOND) {
		CU_ASSERT(lcores_in_force(p, 1));
		lj_count(&p->inferrer[0]->role.counters, LJ_C_cycles_busy, rte_get_tsc_hz());
		lj_count(&p->inferrer[0]->role.counters, LJ_C_batch_shed, 1);
		hold_look(p, now);
	}
	CU_ASSERT(lcores_in_force(p, 2));
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static const struct lj_drop *drop(const struct lj_pipeline *p, const char *name)
{
	static struct lj_drop drops[LJ_DROPS_MAX];
	uint32_t n = lj_pipeline_drops(p, drops);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(drops[i].name, name) == 0)
			return &drops[i];
	return NULL;
}

static void the_worst_second_is_remembered(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){"capture.ports=[{\"name\":\"net_null3\",\"mbufs\":2048}]",
					  "flow.capacity=1024", NULL});
	struct lj_role_info role;
	struct lj_counters *worker;

	lj_pipeline_role(p, 0, &role);
	worker = (struct lj_counters *)(uintptr_t)role.counters;
	lj_pipeline_watch(p, 100 * SECOND);
	lj_count(worker, LJ_C_batch_refused, 70);
	lj_pipeline_watch(p, 101 * SECOND);
	lj_count(worker, LJ_C_batch_refused, 20);
	lj_pipeline_watch(p, 102 * SECOND);
	CU_ASSERT_PTR_NOT_NULL_FATAL(drop(p, "batch_refused"));
	CU_ASSERT_EQUAL(drop(p, "batch_refused")->total, 90);
	CU_ASSERT_EQUAL(drop(p, "batch_refused")->latest, 20);
	CU_ASSERT_EQUAL(drop(p, "batch_refused")->worst, 70);
	CU_ASSERT_EQUAL(drop(p, "batch_refused")->worst_at_ns, 101 * SECOND);
	CU_ASSERT_EQUAL(drop(p, "imissed")->worst, 0);
	CU_ASSERT_EQUAL(drop(p, "imissed")->worst_at_ns, 0);
	/* main looks late: 120 in 2 s are no more than 60 a second. */
	lj_count(worker, LJ_C_batch_refused, 120);
	lj_pipeline_watch(p, 104 * SECOND);
	CU_ASSERT_EQUAL(drop(p, "batch_refused")->latest, 60);
	CU_ASSERT_EQUAL(drop(p, "batch_refused")->worst, 70);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* The lcore that holds the role. */
static struct lcore *lcore_of(struct lj_pipeline *p, const struct role *role)
{
	return &p->lcore[role->holder - 1];
}

static void who_was_late_in_the_worst_second_is_remembered(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){"capture.ports=[{\"name\":\"net_null7\",\"mbufs\":2048}]",
					  "lcores.infer=2", "flow.capacity=1024", NULL});
	struct lcore *first = lcore_of(p, &p->inferrer[0]->role);
	struct lcore *second = lcore_of(p, &p->inferrer[1]->role);
	struct lj_loop_info loop;
	struct lj_late late;

	lj_pipeline_watch(p, 100 * SECOND);
	/* A worker that stalls longer has nothing to do with flows that inference did not take. */
	lj_histogram_record(&lcore_of(p, &p->worker[0]->role)->loop_ns, 90000000);
	lj_histogram_record(&first->loop_ns, 50000);
	lj_histogram_record(&second->loop_ns, 8000000);
	second->involuntary_switches = 3;
	lj_count(&p->inferrer[1]->role.counters, LJ_C_cycles_busy, UINT32_MAX);
	lj_count(&p->worker[0]->role.counters, LJ_C_batch_refused, 70);
	lj_pipeline_watch(p, 101 * SECOND);
	/* In a better second another one is the latest. */
	lj_histogram_record(&first->loop_ns, 7000000);
	lj_histogram_record(&second->loop_ns, 10);
	lj_count(&p->worker[0]->role.counters, LJ_C_batch_refused, 20);
	lj_pipeline_watch(p, 102 * SECOND);
	late = drop(p, "batch_refused")->worst_late;
	CU_ASSERT_EQUAL(late.lcore, second->id);
	CU_ASSERT_EQUAL(late.away_ns, 8000000);
	CU_ASSERT_EQUAL(late.switches, 3);
	CU_ASSERT_EQUAL(late.busy_percent, 100);
	CU_ASSERT_EQUAL(drop(p, "ierrors")->worst_late.lcore, 0);
	lj_pipeline_loop(p, second->id - 1, &loop);
	CU_ASSERT_EQUAL(loop.longest_at_ns, 101 * SECOND);
	CU_ASSERT_EQUAL(loop.latest->away_ns, 10);
	CU_ASSERT_EQUAL(loop.latest->switches, 0);
	lj_pipeline_loop(p, first->id - 1, &loop);
	CU_ASSERT_EQUAL(loop.longest_at_ns, 102 * SECOND);
	/* One that hangs ends no loop at all. */
	lj_count(&p->worker[0]->role.counters, LJ_C_batch_refused, 100);
	lj_histogram_record(&first->loop_ns, 7000000);
	lj_pipeline_watch(p, 103 * SECOND);
	lj_count(&p->worker[0]->role.counters, LJ_C_batch_refused, 110);
	lj_histogram_record(&first->loop_ns, 7000000);
	lj_pipeline_watch(p, 104 * SECOND);
	late = drop(p, "batch_refused")->worst_late;
	CU_ASSERT_EQUAL(late.lcore, second->id);
	CU_ASSERT_EQUAL(late.away_ns, 2 * SECOND);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* Steps until the fail-over that was begun is done; false when it never is. */
static bool done_within(struct lj_pipeline *p, int steps)
{
	for (int i = 0; i < steps; i++) {
		lj_pipeline_step(p);
		if (!lj_pipeline_failover_due(p, lj_clock_wall_ns(rte_rdtsc())))
			continue;
		lj_pipeline_failover(p);
		return true;
	}
	return false;
}

/* net_null never runs dry, so each role takes what a ring could hold and then lets go. */
static void every_queue_of_a_port_that_fails_over_is_accounted_for(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){
			    "capture.ports=[{\"name\":\"net_null4\",\"queues\":2,\"mbufs\":4096,"
			    "\"descriptors\":64}]",
			    "lcores.workers=2", "flow.capacity=1024", NULL});
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	struct lj_failover_info info;
	struct lj_counters total;
	struct lj_error err = {0};
	uint64_t taken;

	lj_pipeline_step(p);
	lj_pipeline_failover_info(p, 0, &info);
	CU_ASSERT_STRING_EQUAL(info.state, "well");
	CU_ASSERT_EQUAL(lj_pipeline_ask_failover(p, 0, NULL, &err), 0);
	CU_ASSERT_FALSE(lj_pipeline_failover_due(p, SECOND));
	lj_pipeline_failover_info(p, 0, &info);
	CU_ASSERT_STRING_EQUAL(info.state, "letting go");
	CU_ASSERT_TRUE(done_within(p, 5000));
	lj_pipeline_failover_info(p, 0, &info);
	CU_ASSERT_STRING_EQUAL(info.state, "well");
	CU_ASSERT_STRING_EQUAL(info.way, "configured");
	CU_ASSERT_STRING_EQUAL(info.why, "by command");
	CU_ASSERT_EQUAL(info.count, 1);
	CU_ASSERT(info.blind_ns > 0 && info.blind_ns == info.worst_blind_ns);
	lj_pipeline_total(p, &total);
	taken = total.value[LJ_C_rx_packets];
	CU_ASSERT_EQUAL(total.value[LJ_C_port_received], taken);
	lj_pipeline_step(p);
	lj_pipeline_total(p, &total);
	CU_ASSERT_EQUAL(total.value[LJ_C_rx_packets], taken + 2 * LJ_BURST_MAX);
	CU_ASSERT_EQUAL(total.value[LJ_C_port_received], total.value[LJ_C_rx_packets]);
	CU_ASSERT_EQUAL(lj_ledger_check(&total, lines), 0);
	/* Nobody fails over at the end. */
	lj_pipeline_end(p);
	CU_ASSERT_NOT_EQUAL(lj_pipeline_ask_failover(p, 0, NULL, &err), 0);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* No interface is its own, and its name is taken meanwhile: nothing is left to open. */
static void a_port_that_nothing_can_watch_is_vacant_until_the_end(void)
{
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){"capture.ports=[{\"name\":\"net_ring1\",\"mbufs\":2048,"
					  "\"failover\":\"nosuch0\"}]",
					  "flow.capacity=1024", "lcores.workers=1", NULL});
	struct lj_failover_info info;
	struct lj_error err = {0};
	struct lj_source_stats stats;

	strcpy(c.capture.port[0].name, "net_nothing0"); /* the driver is no more, say */
	CU_ASSERT_EQUAL(lj_pipeline_ask_failover(p, 0, "xdp", &err), 0);
	CU_ASSERT_TRUE(done_within(p, 100));
	lj_pipeline_failover_info(p, 0, &info);
	CU_ASSERT_STRING_EQUAL(info.state, "blind");
	CU_ASSERT_STRING_EQUAL(info.way, "none");
	CU_ASSERT_EQUAL(info.count, 0);
	CU_ASSERT_EQUAL(lj_pipeline_port_stats(p, 0, &stats), 0);
	for (int i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(lj_pipeline_step(p), 0);
	CU_ASSERT_FALSE(lj_pipeline_finished(p));
	lj_pipeline_end(p);
	for (int i = 0; i < 1000 && !lj_pipeline_finished(p); i++)
		lj_pipeline_step(p);
	CU_ASSERT_TRUE(lj_pipeline_finished(p));
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

/* Some of the flows that ended had both sides heard, some but one. */
static void watch_window(struct lj_pipeline *p, uint64_t *now, uint64_t conversed, uint64_t half)
{
	struct lj_role_info role;
	struct lj_counters *worker;

	lj_pipeline_role(p, 0, &role);
	worker = (struct lj_counters *)(uintptr_t)role.counters;
	lj_count(worker, LJ_C_flow_conversed, conversed);
	lj_count(worker, LJ_C_flow_half_heard, half);
	*now += 10 * SECOND;
	lj_pipeline_watch(p, *now);
}

static void one_direction_of_conversations_raises_one_alarm(void)
{
	static const struct {
		uint64_t conversed, half;
		bool alarm;
		uint64_t alarms;
	} windows[] = {
		{100, 50, false, 0},   {19, 19, false, 0}, /* too few: they wait for more */
		{1, 1, true, 1},       {1000, 900, true, 1}, {1000, 300, true, 1},
		{1000, 200, false, 1}, {0, 0, false, 1},     {40, 40, true, 2},
	};
	struct lj_config c;
	struct lj_pipeline *p = open_ports(
		&c, (const char *const[]){"capture.ports=[{\"name\":\"net_null5\",\"mbufs\":2048}]",
					  "flow.capacity=1024", "capture.leg_silence_s=10", NULL});
	uint64_t now = 1000 * SECOND;

	lj_pipeline_watch(p, now);
	for (size_t i = 0; i < RTE_DIM(windows); i++) {
		struct lj_half_info info;

		watch_window(p, &now, windows[i].conversed, windows[i].half);
		lj_pipeline_half(p, &info);
		CU_ASSERT_EQUAL(info.half, windows[i].alarm);
		CU_ASSERT_EQUAL(info.alarms, windows[i].alarms);
	}
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"both legs' queue q is polled by worker q",
		 both_legs_queue_q_is_polled_by_worker_q},
		{"a silent leg raises one alarm", a_silent_leg_raises_one_alarm},
		{"the worst second is remembered", the_worst_second_is_remembered},
		{"who was late in the worst second is remembered",
		 who_was_late_in_the_worst_second_is_remembered},
		{"every queue of a port that fails over is accounted for",
		 every_queue_of_a_port_that_fails_over_is_accounted_for},
		{"a port that nothing can watch is vacant until the end",
		 a_port_that_nothing_can_watch_is_vacant_until_the_end},
		{"one direction of conversations raises one alarm",
		 one_direction_of_conversations_raises_one_alarm},
		{"an inference lcore is parked after 300 s and woken after 60 s",
		 an_inference_lcore_is_parked_and_woken},
	};
	static const char *const vdevs[] = {"net_null0", "net_null1", "net_null2", "net_null3",
					    "net_null4", "net_null5", "net_null6", "net_null7",
					    "net_ring0", "net_ring1", NULL};
	char path[512];

	snprintf(path, sizeof(path), "%s/drivers-config", getenv("LJ_SOURCE_ROOT"));
	setenv("LINEJUDGE_DRIVERS", path, 1);
	lj_test_eal("ports", vdevs);
	lj_clock_init();
	return lj_test_run("ports", tests, RTE_DIM(tests));
}
