/*
 * Holding the objective: feeds the controller (slo.h) with what the sink and the roles have
 * measured, and puts what it says into force.
 *
 * Parking an inference lcore moves its role to another one; who owns which initiator does not
 * change, nor do the role's queues, host stage or model slot, so no flow is lost and no context
 * cut. A role has one holder, who alone polls it. Main only asks: the holder lets go between two
 * polls (release), and the next one takes over when it sees that (acquire).
 */
#include "lj_log.h"
#include "pipeline.h"

/* Parking needs inference lcores that have nothing else to do, and an objective to judge it by. */
static bool can_park(const struct lj_pipeline *p)
{
	uint32_t n = p->config->lcores.infer;

	return n > 1 && p->config->lcores.count == 0 && !p->shared.replay &&
	       p->config->slo.decision_us > 0;
}

void hold_init(struct lj_pipeline *p)
{
	uint64_t target_ns = p->shared.replay ? 0 : p->config->slo.decision_us * 1000ULL;
	uint32_t lcores = p->config->lcores.infer;

	slo_init(&p->hold.slo, target_ns, p->config->batch.size, p->config->batch.deadline_us,
		 can_park(p) ? 1 : lcores, lcores);
	p->hold.state = p->hold.slo.state;
	p->hold.lcores = lcores;
	p->shared.batch.size = p->hold.slo.size;
	p->shared.batch.deadline_us = p->hold.slo.deadline_us;
}

void hold_limit(struct lj_pipeline *p, uint32_t size, uint32_t deadline_us)
{
	struct slo limited;

	/* Other settings come with those in force: they are no wish. */
	if (size == p->shared.batch.size && deadline_us == p->shared.batch.deadline_us)
		return;
	slo_init(&limited, p->hold.slo.target_ns, size, deadline_us, 1, 1);
	p->shared.batch.size = limited.size;
	p->shared.batch.deadline_us = limited.deadline_us;
	p->hold.wished_size = limited.size;
	p->hold.wished_deadline_us = limited.deadline_us;
	atomic_store_explicit(&p->hold.wished, true, memory_order_release);
}

static void take_up_wish(struct hold *h)
{
	if (!atomic_exchange_explicit(&h->wished, false, memory_order_acquire))
		return;
	h->slo.max_size = h->slo.size = h->wished_size;
	h->slo.max_deadline_us = h->slo.deadline_us = h->wished_deadline_us;
}

/* The 99th percentile of a stage since the latest look. */
static uint64_t latest_p99(const struct lj_pipeline *p, enum lj_stage stage,
			   struct lj_histogram *before, uint64_t *count)
{
	struct lj_histogram now, since;

	lj_pipeline_latency(p, stage, &now);
	lj_histogram_since(&since, &now, before);
	*before = now;
	*count = since.count;
	return lj_histogram_percentile(&since, 99);
}

static uint64_t latest(uint64_t *before, uint64_t now)
{
	uint64_t n = now - *before;

	*before = now;
	return n;
}

static void see(struct lj_pipeline *p, uint64_t now_ns, struct slo_seen *seen)
{
	struct hold *h = &p->hold;
	uint64_t busy = 0, lost = 0, count, elapsed;

	for (uint32_t i = 0; i < p->n_roles; i++) {
		const struct lj_counters *c = &p->role[i]->counters;

		lost += lj_counter_read(c, LJ_C_batch_shed) +
			lj_counter_read(c, LJ_C_batch_refused);
		if (p->role[i]->kind == LJ_ROLE_INFER)
			busy += lj_counter_read(c, LJ_C_cycles_busy);
	}
	elapsed = latest(&h->looked_tsc, rte_rdtsc());
	*seen = (struct slo_seen){.now_ns = now_ns};
	seen->lost = latest(&h->lost, lost);
	seen->busy = (double)latest(&h->busy_cycles, busy) / ((double)elapsed * h->slo.lcores);
	seen->inference_p99_ns = latest_p99(p, LJ_STAGE_WAIT, &h->wait, &count) +
				 latest_p99(p, LJ_STAGE_SCORE, &h->score, &count);
	seen->p99_ns = latest_p99(p, LJ_STAGE_DECISION, &h->decision, &seen->decisions);
}

/* Each role to one of the first lcores, in turn. */
static void ask_for_holders(struct lj_pipeline *p, uint32_t lcores)
{
	for (uint32_t i = 0; i < p->config->lcores.infer; i++) {
		const struct inferrer *to = p->inferrer[i % lcores];

		atomic_store_explicit(&p->inferrer[i]->role.wanted, to->role.lcore,
				      memory_order_relaxed);
	}
}

void hold_look(struct lj_pipeline *p, uint64_t now_ns)
{
	struct hold *h = &p->hold;
	uint32_t lcores = h->slo.lcores;
	struct slo_seen seen;

	if (h->slo.target_ns == 0)
		return;
	see(p, now_ns, &seen);
	if (!h->looked) {
		h->looked = true;
		return;
	}
	take_up_wish(h);
	if (slo_step(&h->slo, &seen)) {
		p->shared.batch.size = h->slo.size;
		p->shared.batch.deadline_us = h->slo.deadline_us;
	}
	if (h->slo.lcores != lcores) {
		lj_log(NOTICE, "slo: %u of %u inference lcores from now on\n", h->slo.lcores,
		       h->slo.max_lcores);
		ask_for_holders(p, h->slo.lcores);
	}
	h->p99_ns = seen.p99_ns;
	h->decisions = seen.decisions;
	h->state = h->slo.state;
	h->lcores = h->slo.lcores;
	h->held_s += h->slo.state == SLO_HELD;
	h->missed_s += h->slo.state == SLO_MISSED || h->slo.state == SLO_MISSED_SINK;
}

void lj_pipeline_slo(const struct lj_pipeline *p, struct lj_slo_info *info)
{
	static const char *const state[SLO_STATES] = {
		[SLO_NONE] = "none",
		[SLO_QUIET] = "quiet",
		[SLO_HELD] = "held",
		[SLO_MISSED] = "missed",
		[SLO_MISSED_SINK] = "missed after scoring",
	};
	const struct hold *h = &p->hold;

	*info = (struct lj_slo_info){
		.state = state[h->state],
		.target_ns = h->slo.target_ns,
		.p99_ns = h->p99_ns,
		.decisions = h->decisions,
		.held_s = h->held_s,
		.missed_s = h->missed_s,
		.batch_size = p->shared.batch.size,
		.batch_deadline_us = p->shared.batch.deadline_us,
		.lcores = h->lcores,
		.max_lcores = h->slo.max_lcores,
	};
}
