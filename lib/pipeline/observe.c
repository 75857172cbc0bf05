#include "pipeline.h"

const char *const lj_stage_name[LJ_STAGES] = {
	[LJ_STAGE_OFFER] = "offer", [LJ_STAGE_WAIT] = "wait",	      [LJ_STAGE_SCORE] = "score",
	[LJ_STAGE_WRITE] = "write", [LJ_STAGE_DECISION] = "decision",
};

uint32_t lj_pipeline_roles(const struct lj_pipeline *p)
{
	return p->n_roles;
}

void lj_pipeline_role(const struct lj_pipeline *p, uint32_t i, struct lj_role_info *info)
{
	const struct role *role = p->role[i];

	*info = (struct lj_role_info){
		.name = role->name,
		.kind = role->kind,
		.lcore = role->holder,
		.node = role->node,
		.route =
			role->kind == LJ_ROLE_WORKER ? &((const struct worker *)role)->route : NULL,
		.finished = role->finished,
		.counters = &role->counters,
	};
}

uint32_t lj_pipeline_sources(const struct lj_pipeline *p)
{
	return p->n_sources;
}

struct lj_source *lj_pipeline_source(const struct lj_pipeline *p, uint32_t i)
{
	return p->source[i];
}

void lj_pipeline_queue(const struct lj_pipeline *p, uint32_t source, uint16_t queue,
		       struct lj_queue_info *info)
{
	const struct receiver *r =
		p->spreader != NULL ? &p->spreader->receiver : &p->worker[queue]->receiver;
	const struct receive_queue *q = &r->rx[source];

	info->role = p->spreader != NULL ? p->spreader->role.name : p->worker[queue]->role.name;
	info->packets = __atomic_load_n(&q->packets, __ATOMIC_RELAXED);
	info->bytes = __atomic_load_n(&q->bytes, __ATOMIC_RELAXED);
	info->checked = __atomic_load_n(&q->checked, __ATOMIC_RELAXED);
	info->unexpected = __atomic_load_n(&q->unexpected, __ATOMIC_RELAXED);
	info->parted = __atomic_load_n(&q->parted, __ATOMIC_RELAXED);
}

const struct lj_rss *lj_pipeline_spread(const struct lj_pipeline *p)
{
	return p->spreader != NULL ? &p->spreader->rss : NULL;
}

uint32_t lj_pipeline_loops(const struct lj_pipeline *p)
{
	return p->n_lcores;
}

void lj_pipeline_loop(const struct lj_pipeline *p, uint32_t i, struct lj_loop_info *info)
{
	const struct lcore *l = &p->lcore[i];

	*info = (struct lj_loop_info){
		.lcore = l->id,
		.loop_ns = &l->loop_ns,
		.involuntary_switches = __atomic_load_n(&l->involuntary_switches, __ATOMIC_RELAXED),
		.voluntary_switches = __atomic_load_n(&l->voluntary_switches, __ATOMIC_RELAXED),
		.latest = &l->lateness.latest,
		.longest_at_ns = __atomic_load_n(&l->lateness.longest_at_ns, __ATOMIC_RELAXED),
	};
}

uint32_t lj_pipeline_sinks(const struct lj_pipeline *p)
{
	return p->sink->n_sinks;
}

const struct lj_sink *lj_pipeline_sink(const struct lj_pipeline *p, uint32_t i)
{
	return p->sink->sink[i];
}

const struct lj_model_set *lj_pipeline_models(const struct lj_pipeline *p)
{
	return &((const struct panel *)p->shared.panel)->set;
}

void lj_pipeline_shed(const struct lj_pipeline *p, enum lj_shed policy[LJ_SHED_CLASSES])
{
	for (int class = 0; class < LJ_SHED_CLASSES; class ++)
		policy[class] = (enum lj_shed)p->shared.batch.shed[class];
}

uint64_t lj_pipeline_host_memory(const struct lj_pipeline *p)
{
	const struct lj_host_config config = {.hosts = LJ_HOST_HOSTS};

	return p->shared.hosts ? lj_host_memory(&config) * p->config->lcores.infer : 0;
}

void lj_pipeline_total(const struct lj_pipeline *p, struct lj_counters *total)
{
	*total = (struct lj_counters){0};
	for (uint32_t i = 0; i < p->n_roles; i++)
		lj_counters_add(total, &p->role[i]->counters);
	for (uint32_t i = 0; i < p->n_sources; i++) {
		struct lj_source_stats stats;

		if (lj_pipeline_port_stats(p, i, &stats) != 0)
			continue;
		total->value[LJ_C_port_received] += stats.received;
		total->value[LJ_C_port_imissed] += stats.imissed;
		total->value[LJ_C_port_ierrors] += stats.ierrors;
		total->value[LJ_C_port_rx_nombuf] += stats.rx_nombuf;
	}
}

void lj_pipeline_latency(const struct lj_pipeline *p, enum lj_stage stage, struct lj_histogram *h)
{
	lj_histogram_init(h);
	for (uint16_t m = 0; m < RTE_MAX(p->config->models.n, 1u); m++)
		lj_histogram_add(h, &p->sink->stage[m][stage]);
}

const struct lj_histogram *lj_pipeline_model_latency(const struct lj_pipeline *p, uint16_t model,
						     enum lj_stage stage)
{
	return &p->sink->stage[model][stage];
}

const struct lj_tally *lj_pipeline_tally(const struct lj_pipeline *p)
{
	return &p->sink->tally;
}

const struct lj_drift *lj_pipeline_drift(const struct lj_pipeline *p)
{
	return ((const struct panel *)p->shared.panel)->drift;
}

double lj_pipeline_elapsed_s(const struct lj_pipeline *p)
{
	uint64_t end = p->sink->role.finished ? p->sink->flushed_tsc : rte_rdtsc();

	return (double)lj_cycles_to_ns(end - p->started_tsc) / 1e9;
}

void lj_pipeline_tuning(const struct lj_pipeline *p, struct lj_tuning *tuning)
{
	*tuning = (struct lj_tuning){
		.batch_size = p->shared.batch.size,
		.batch_deadline_us = p->shared.batch.deadline_us,
		.classify_at = p->shared.flow.classify_at,
		.classify_after_ns = p->shared.flow.classify_after_ns,
		.idle_timeout_ns = p->shared.flow.idle_timeout_ns,
		.active_timeout_ns = p->shared.flow.active_timeout_ns,
		.tcp_linger_ns = p->shared.flow.tcp_linger_ns,
	};
}

void lj_pipeline_tune(struct lj_pipeline *p, const struct lj_tuning *tuning)
{
	struct flow_tuning *t = &p->shared.flow;

	hold_limit(p, tuning->batch_size, tuning->batch_deadline_us);
	t->classify_at = tuning->classify_at;
	t->classify_after_ns = tuning->classify_after_ns;
	t->idle_timeout_ns = tuning->idle_timeout_ns;
	t->active_timeout_ns = tuning->active_timeout_ns;
	t->tcp_linger_ns = tuning->tcp_linger_ns;
	atomic_fetch_add_explicit(&t->generation, 1, memory_order_release);
}
