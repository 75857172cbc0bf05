/* Lost packets: which losses are noticed, and which records they mark as lossy. */
#include "demo.h"
#include "lj_clock.h"

#define SECOND 1000000000ULL

/* The inference lcore takes nothing: what falls due stays to be looked at. */
static void what_lived_when_packets_were_lost_is_marked(void)
{
	uint64_t loss_ns, n_before, n, lossy = 0, wrong = 0;
	struct lj_pipeline *p;
	struct lj_queue *infer;
	struct lj_config c;

	p = demo_open(&c, "", (const char *const[]){"flow.capacity=65536", NULL});
	for (int i = 0; i < 20; i++)
		worker_poll(&p->worker[0]->role, rte_rdtsc());
	infer = p->worker[0]->infer[0];
	n_before = lj_queue_count(infer);
	loss_ns = p->worker[0]->clock_ns;
	p->shared.losses++;
	for (int i = 0; i < 2000; i++)
		worker_poll(&p->worker[0]->role, rte_rdtsc());
	n = lj_queue_count(infer);
	for (uint32_t i = 0; i < n; i++) {
		const struct lj_due_flow *due = lj_queue_at(infer, i);

		if (due->fact_alone)
			continue;
		lossy += due->flow.lossy;
		wrong += due->flow.lossy != (i >= n_before && due->flow.first_ns <= loss_ns);
	}
	CU_ASSERT(lossy > 0 && lossy < n);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static void what_the_spreader_has_no_room_for_is_a_loss(void)
{
	struct spreader *s;
	struct lj_pipeline *p;
	struct lj_config c;

	p = demo_open(&c, "",
		      (const char *const[]){"flow.capacity=65536", "queue.spread=64",
					    "lcores.workers=2", NULL});
	lj_pipeline_pause(p, true);
	p->shared.replay = false;
	s = p->spreader;
	for (uint16_t i = 0; i < s->n_workers; i++)
		while (lj_queue_reserve(s->worker[i]) != NULL)
			lj_queue_commit(s->worker[i]);
	s->sequencer.item[0] = (struct lj_packet){.kind = LJ_PACKET_DATA, .key.version = 4};
	s->n_items = 1;
	spreader_poll(&s->role, rte_rdtsc());
	CU_ASSERT_EQUAL(s->role.counters.value[LJ_C_spread_refused], 1);
	CU_ASSERT_EQUAL(s->role.counters.value[LJ_C_spread_packets], 0);
	CU_ASSERT_EQUAL(p->shared.losses, 1);
	p->shared.replay = true;
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

static struct lj_source_stats told;

static int tell(struct lj_source *source, struct lj_source_stats *stats)
{
	(void)source;
	*stats = told;
	return 0;
}

/* Whatever the port counts as lost. Looked at every tenth of a second. */
static void every_kind_of_a_ports_loss_is_noticed(void)
{
	static uint64_t *const kinds[] = {&told.imissed, &told.ierrors, &told.rx_nombuf};
	uint64_t now_ns = 100 * SECOND;
	const struct lj_source_ops *own;
	struct lj_source_ops ops;
	struct lj_pipeline *p;
	struct lj_config c;

	p = demo_open(&c, "", (const char *const[]){"flow.capacity=65536", NULL});
	p->shared.replay = false;
	own = p->source[0]->ops;
	ops = *own;
	ops.stats = tell;
	p->source[0]->ops = &ops;
	lj_pipeline_watch(p, now_ns);
	for (uint32_t i = 0; i < RTE_DIM(kinds); i++) {
		*kinds[i] += 7;
		lj_pipeline_watch(p, now_ns += SECOND);
		CU_ASSERT_EQUAL(p->shared.losses, i + 1);
		told.received += 7;
		lj_pipeline_watch(p, now_ns += SECOND);
		CU_ASSERT_EQUAL(p->shared.losses, i + 1);
	}
	told.imissed++;
	lj_pipeline_watch(p, now_ns + SECOND / 20); /* too soon */
	CU_ASSERT_EQUAL(p->shared.losses, RTE_DIM(kinds));
	p->source[0]->ops = own;
	p->shared.replay = true;
	CU_ASSERT_EQUAL(lj_pipeline_destroy(p, NULL), 0);
	lj_config_free(&c);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"what lived when packets were lost is marked",
		 what_lived_when_packets_were_lost_is_marked},
		{"what the spreader has no room for is a loss",
		 what_the_spreader_has_no_room_for_is_a_loss},
		{"every kind of a port's loss is noticed", every_kind_of_a_ports_loss_is_noticed},
	};

	lj_test_eal("losses", (const char *const[]){"net_null0", NULL});
	lj_clock_init();
	return lj_test_run("losses", tests, RTE_DIM(tests));
}
