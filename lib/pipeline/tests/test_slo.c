/* The controller by made inputs, a second a step; and lcores that hand a role to each other. */
#include <pthread.h>
#include <string.h>

#include "lj_clock.h"
#include "lj_test.h"
#include "pipeline.h"

#define TARGET_NS 100000

static struct slo slo;
static uint64_t now_s;

static void begin(uint32_t min_lcores, uint32_t max_lcores)
{
	now_s = 1000;
	slo_init(&slo, TARGET_NS, 64, 50, min_lcores, max_lcores);
}

/* Seconds of which all see the same; whether anything changed. */
static bool see(uint32_t seconds, uint64_t p99_ns, double busy)
{
	bool changed = false;

	for (uint32_t i = 0; i < seconds; i++) {
		const struct slo_seen seen = {
			.now_ns = now_s++ * 1000000000ULL,
			.decisions = 10000,
			.p99_ns = p99_ns,
			.inference_p99_ns = p99_ns,
			.busy = busy,
		};

		changed = slo_step(&slo, &seen) || changed;
	}
	return changed;
}

static void without_an_objective_nothing_changes(void)
{
	slo_init(&slo, 0, 64, 0, 1, 4);
	CU_ASSERT_FALSE(see(1000, 1000000000, 1));
	CU_ASSERT_EQUAL(slo.state, SLO_NONE);
	CU_ASSERT_EQUAL(slo.deadline_us, 0);
}

static void a_deadline_is_never_over_half_the_objective(void)
{
	slo_init(&slo, TARGET_NS, 64, 5000, 1, 1);
	CU_ASSERT_EQUAL(slo.deadline_us, 50);
	slo_init(&slo, TARGET_NS, 64, 0, 1, 1);
	CU_ASSERT_EQUAL(slo.deadline_us, 50);
	slo_init(&slo, TARGET_NS, 64, 20, 1, 1);
	CU_ASSERT_EQUAL(slo.deadline_us, 20);
}

static void late_with_time_to_spare_makes_batches_smaller(void)
{
	begin(1, 1);
	CU_ASSERT(see(1, 120000, 0.3));
	CU_ASSERT_EQUAL(slo.state, SLO_MISSED);
	CU_ASSERT_EQUAL(slo.size, 32);
	CU_ASSERT_EQUAL(slo.deadline_us, 25);
	see(20, 120000, 0.3);
	CU_ASSERT_EQUAL(slo.size, 1);
	CU_ASSERT_EQUAL(slo.deadline_us, 1);
	/* Just held: so it stays. */
	CU_ASSERT_FALSE(see(100, 90000, 0.3));
	CU_ASSERT_EQUAL(slo.state, SLO_HELD);
	CU_ASSERT_FALSE(see(1, TARGET_NS, 0.3));
	CU_ASSERT_EQUAL(slo.state, SLO_HELD);
	/* Half to spare: back to what is configured, and no further. */
	see(60, 40000, 0.3);
	CU_ASSERT_EQUAL(slo.size, 64);
	CU_ASSERT_EQUAL(slo.deadline_us, 50);
	CU_ASSERT_FALSE(see(10, 40000, 0.3));
}

static void late_and_busy_needs_full_batches(void)
{
	begin(1, 1);
	see(3, 120000, 0.3);
	CU_ASSERT_EQUAL(slo.size, 8);
	see(1, 500000, 0.95);
	CU_ASSERT_EQUAL(slo.size, 64);
	CU_ASSERT_EQUAL(slo.deadline_us, 50);
	/* No lcore is there to be woken. */
	see(1000, 500000, 0.95);
	CU_ASSERT_EQUAL(slo.lcores, 1);
}

static void an_lcore_is_woken_after_60_s_and_parked_after_300_s(void)
{
	begin(1, 4);
	see(300, 20000, 0.1);
	CU_ASSERT_EQUAL(slo.lcores, 4);
	see(1, 20000, 0.1);
	CU_ASSERT_EQUAL(slo.lcores, 3);
	see(2000, 20000, 0.1);
	CU_ASSERT_EQUAL(slo.lcores, 1);
	see(60, 200000, 0.9);
	CU_ASSERT_EQUAL(slo.lcores, 1);
	see(1, 200000, 0.9);
	CU_ASSERT_EQUAL(slo.lcores, 2);
	see(60, 200000, 0.9);
	CU_ASSERT_EQUAL(slo.lcores, 2);
	see(1, 200000, 0.9);
	CU_ASSERT_EQUAL(slo.lcores, 3);
}

static void a_break_begins_the_time_anew(void)
{
	begin(1, 2);
	see(300, 20000, 0.1);
	see(1, 20000, 0.5);
	see(300, 20000, 0.1);
	CU_ASSERT_EQUAL(slo.lcores, 2);
	see(1, 20000, 0.1);
	CU_ASSERT_EQUAL(slo.lcores, 1);
	see(60, 200000, 0.9);
	see(1, 20000, 0.5);
	see(60, 200000, 0.9);
	CU_ASSERT_EQUAL(slo.lcores, 1);
}

/* A load of `work` lcores' time: whatever it is, the number of lcores comes to rest. */
static void no_load_makes_it_swing(void)
{
	for (double work = 0.05; work < 3.9; work += 0.05) {
		uint32_t changes = 0, lcores;

		begin(1, 4);
		for (uint32_t minute = 0; minute < 120; minute++) {
			double busy = RTE_MIN(work / slo.lcores, 1.0);

			lcores = slo.lcores;
			see(60, busy >= 0.8 ? 300000 : 30000, busy);
			changes += lcores != slo.lcores;
		}
		CU_ASSERT(changes <= 3);
		CU_ASSERT(slo.lcores == 4 || work / slo.lcores < 0.8);
	}
}

static void flows_lost_wake_a_lcore_too(void)
{
	begin(1, 2);
	see(301, 20000, 0.1);
	CU_ASSERT_EQUAL(slo.lcores, 1);
	for (uint32_t i = 0; i <= 60; i++) {
		const struct slo_seen seen = {
			.now_ns = now_s++ * 1000000000ULL, .decisions = 10, .lost = 5, .busy = 0.9};

		slo_step(&slo, &seen);
	}
	CU_ASSERT_EQUAL(slo.state, SLO_QUIET);
	CU_ASSERT_EQUAL(slo.lcores, 2);
}

static void a_late_sink_is_not_mended_by_smaller_batches(void)
{
	const struct slo_seen seen = {.now_ns = 1000000000,
				      .decisions = 1000,
				      .p99_ns = 900000,
				      .inference_p99_ns = 20000,
				      .busy = 0.3};

	begin(1, 1);
	CU_ASSERT_FALSE(slo_step(&slo, &seen));
	CU_ASSERT_EQUAL(slo.state, SLO_MISSED_SINK);
}

static void few_decisions_have_no_percentile(void)
{
	const struct slo_seen seen = {
		.now_ns = 1, .decisions = 99, .p99_ns = 900000, .inference_p99_ns = 900000};

	begin(1, 1);
	CU_ASSERT_FALSE(slo_step(&slo, &seen));
	CU_ASSERT_EQUAL(slo.state, SLO_QUIET);
}

/* --- handing over --- */

#define LCORES 3
#define POLLS  20000

/* A role that is nobody's at two times, and sees its own work in order. */
struct watched_role {
	struct role role;
	_Atomic int inside;
	uint64_t polls; /* not atomic on purpose: the hand-over has to make it visible */
	_Atomic uint64_t told;
	_Atomic uint32_t clashes;
};

static int watched_poll(struct role *role, uint64_t now_tsc)
{
	struct watched_role *r = (struct watched_role *)role;

	RTE_SET_USED(now_tsc);
	if (atomic_fetch_add(&r->inside, 1) != 0)
		atomic_fetch_add(&r->clashes, 1);
	r->polls++;
	if (atomic_fetch_add(&r->told, 1) + 1 != r->polls)
		atomic_fetch_add(&r->clashes, 1);
	atomic_fetch_sub(&r->inside, 1);
	if (r->polls == POLLS)
		atomic_store_explicit(&role->finished, true, memory_order_release);
	return 1;
}

static void *run_lcore(void *lcore)
{
	lcore_main(lcore);
	return NULL;
}

static void a_role_handed_over_has_one_holder_and_loses_nothing(void)
{
	static struct watched_role role[LCORES];
	static struct lcore lcore[LCORES];
	pthread_t thread[LCORES];
	bool finished = false;

	for (uint32_t i = 0; i < LCORES; i++) {
		struct lcore *l = &lcore[i];

		l->id = i + 1;
		l->max_sleep_ns = 1000;
		lj_histogram_init(&l->loop_ns);
		role[i].role.poll = watched_poll;
		role[i].role.wanted = l->id;
		role[i].role.holder = l->id;
		l->role[l->n_roles++] = &role[i].role;
		for (uint32_t k = 0; k < LCORES; k++)
			if (k != i)
				l->role[l->n_roles + l->n_guests++] = &role[k].role;
	}
	for (uint32_t i = 0; i < LCORES; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, run_lcore, &lcore[i]), 0);
	for (uint32_t turn = 0; !finished; turn++) {
		finished = true;
		for (uint32_t i = 0; i < LCORES; i++) {
			role[i].role.wanted = 1 + (i + turn / 3) % (1 + turn % LCORES);
			finished = finished && role[i].role.finished;
		}
		sched_yield();
	}
	for (uint32_t i = 0; i < LCORES; i++) {
		pthread_join(thread[i], NULL);
		CU_ASSERT_EQUAL(role[i].clashes, 0);
		CU_ASSERT_EQUAL(role[i].polls, POLLS);
		CU_ASSERT_EQUAL(lj_counter_read(&role[i].role.counters, LJ_C_polls), POLLS);
	}
}

/* --- loops --- */

#define IDLE_POLLS 300
#define SLEEP_NS   1000000

static int idle_poll(struct role *role, uint64_t now_tsc)
{
	struct watched_role *r = (struct watched_role *)role;

	RTE_SET_USED(now_tsc);
	if (++r->polls == IDLE_POLLS)
		atomic_store_explicit(&role->finished, true, memory_order_release);
	return 0;
}

/* What the scheduler, or a sleep, does between two polls is not lost on whoever asks for stalls. */
static void a_loop_lasts_from_poll_to_poll(void)
{
	static struct watched_role role;
	static struct lcore lcore;

	role.role.poll = idle_poll;
	role.role.wanted = role.role.holder = lcore.id = 1;
	lcore.max_sleep_ns = SLEEP_NS;
	lj_histogram_init(&lcore.loop_ns);
	lcore.role[lcore.n_roles++] = &role.role;
	lcore_main(&lcore);
	CU_ASSERT_EQUAL(lcore.loop_ns.count, IDLE_POLLS + 1);
	/* The sleep comes to its most before the end; the resolution is 1/32. */
	CU_ASSERT(lcore.loop_ns.max >= SLEEP_NS);
	CU_ASSERT(lj_histogram_percentile(&lcore.loop_ns, 90) >= SLEEP_NS);
	CU_ASSERT(lj_counter_read(&role.role.counters, LJ_C_cycles_idle) >=
		  100 * rte_get_tsc_hz() / 1000);
}

static const struct lj_test tests[] = {
	{"without an objective nothing changes", without_an_objective_nothing_changes},
	{"a deadline is never over half of the objective",
	 a_deadline_is_never_over_half_the_objective},
	{"late with time to spare makes batches smaller at once, and they grow again slowly",
	 late_with_time_to_spare_makes_batches_smaller},
	{"late and busy needs full batches", late_and_busy_needs_full_batches},
	{"an lcore is woken after 60 s and parked after 300 s",
	 an_lcore_is_woken_after_60_s_and_parked_after_300_s},
	{"a break begins the time anew", a_break_begins_the_time_anew},
	{"no load makes the number of lcores swing", no_load_makes_it_swing},
	{"flows that are lost wake an lcore, too", flows_lost_wake_a_lcore_too},
	{"a late sink is not mended by smaller batches",
	 a_late_sink_is_not_mended_by_smaller_batches},
	{"few decisions have no percentile", few_decisions_have_no_percentile},
	{"a role that is handed over has one holder and loses nothing",
	 a_role_handed_over_has_one_holder_and_loses_nothing},
	{"a loop lasts from poll to poll", a_loop_lasts_from_poll_to_poll},
};

int main(void)
{
	lj_test_eal("slo", NULL);
	lj_clock_init();
	return lj_test_run("slo", tests, RTE_DIM(tests));
}
