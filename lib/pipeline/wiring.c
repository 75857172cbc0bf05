#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include <rte_malloc.h>

#include "lj_log.h"
#include "pipeline.h"

#define SHORT_QUEUE    128 /* two bursts */
#define SPREAD_ENTRIES 512 /* of the spreader's RETA: as many as rss-predict takes by default */

static int no_memory(const char *what, struct lj_error *err)
{
	return lj_error_set(err, ENOMEM, what,
			    "not enough memory (see --dry-run; eal.memory_mb, flow.capacity)");
}

void lj_pipeline_routes(const struct lj_config *c, bool hosts, struct lj_route *routes)
{
	uint32_t workers = lj_config_spreads(c), infers = workers + c->lcores.workers;
	int worker_node[LJ_ROUTE_MAX], infer_node[LJ_ROUTE_MAX];

	for (uint32_t i = 0; i < c->lcores.workers; i++)
		worker_node[i] = lj_config_lcore_node(c, lj_config_role_lcore(c, workers + i));
	for (uint32_t i = 0; i < c->lcores.infer; i++)
		infer_node[i] = lj_config_lcore_node(c, lj_config_role_lcore(c, infers + i));
	lj_route_assign(worker_node, (uint16_t)c->lcores.workers, infer_node,
			(uint16_t)c->lcores.infer, hosts, routes);
}

/* A role's struct: on cache lines of its own, zeroed. */
static void *role_alloc(struct lj_pipeline *p, size_t size, enum lj_role_kind kind,
			const char *name, uint32_t index, int (*poll)(struct role *, uint64_t))
{
	struct role *role = NULL;

	if (posix_memalign((void **)&role, 128, RTE_ALIGN_CEIL(size, 128)) != 0)
		return NULL;
	memset(role, 0, size);
	role->poll = poll;
	role->kind = kind;
	if (kind == LJ_ROLE_WORKER || kind == LJ_ROLE_INFER)
		snprintf(role->name, sizeof(role->name), "%s%u", name, index);
	else
		snprintf(role->name, sizeof(role->name), "%s", name);
	role->lcore = lj_config_role_lcore(p->config, p->n_roles);
	role->node = lj_config_lcore_node(p->config, role->lcore);
	p->role[p->n_roles++] = role;
	return role;
}

/*
 * How many records a queue holds: as configured. Unless it was said, a replay on one lcore has
 * short ones: it takes what it has put in before it reads on, and a ring that stays in its caches
 * costs less than one that goes round in memory.
 */
static uint32_t queue_length(const struct lj_pipeline *p, const char *key, uint32_t configured)
{
	if (!p->shared.replay || lj_config_role_lcores(p->config) > 1 ||
	    lj_config_given(p->config, key))
		return configured;
	return RTE_MIN(configured, (uint32_t)SHORT_QUEUE);
}

/* The queue from one role to another, named after both. */
static struct lj_queue *join(const struct role *from, const struct role *to, uint32_t count,
			     size_t bytes, struct lj_error *err)
{
	char name[64];
	struct lj_queue *q;

	snprintf(name, sizeof(name), "%s_%s", from->name, to->name);
	q = lj_queue_create(name, count, (uint32_t)bytes, to->node);
	if (q == NULL)
		no_memory(name, err);
	return q;
}

/* Whether the ports are legs of a tap that are to be ordered. */
static bool reorders(const struct lj_pipeline *p)
{
	return !p->shared.replay && p->n_sources > 1 && p->config->capture.tap_reorder_us > 0;
}

/* Queue q of every port goes to the same role, so both legs of a tap meet in one table. */
static int open_receiver(struct lj_pipeline *p, struct receiver *r, struct lj_counters *counters,
			 uint16_t queue, struct lj_error *err)
{
	lj_parser_init(&r->parser, counters, !p->shared.replay,
		       p->config->packet.tunnels == LJ_TUNNELS_OUTER);
	for (uint32_t i = 0; i < p->n_sources; i++) {
		struct receive_queue *q = &r->rx[r->n_rx++];

		q->queue = queue;
		q->bucket = calloc(LJ_RETA_MAX, sizeof(*q->bucket));
		if (q->bucket == NULL)
			return no_memory("worker", err);
		receive_queue_give(q, p->source[i]);
	}
	r->check_every = p->config->capture.rss_check;
	if (!reorders(p))
		return 0;
	p->shared.reorder_ns = p->config->capture.tap_reorder_us * 1000ULL;
	r->reorder = reorder_create(r->n_rx, p->config->capture.tap_reorder_us *
						     (rte_get_tsc_hz() / 1000000));
	return r->reorder != NULL ? 0 : no_memory("capture.tap_reorder_us", err);
}

static void close_receiver(struct receiver *r)
{
	reorder_destroy(r->reorder);
	for (uint16_t i = 0; i < r->n_rx; i++)
		free(r->rx[i].bucket);
}

/* What is to be known of flows and hosts, for whom there is to tell. */
static void settle_parts(struct lj_pipeline *p)
{
	const struct lj_model_set *models = lj_pipeline_models(p);
	struct shared *s = &p->shared;

	s->keep = panel_keep(models);
	s->context = panel_context(models);
	if (s->evidence != NULL) {
		s->keep |= lj_feature_plan_keep(s->evidence);
		s->context |= lj_feature_plan_context(s->evidence);
	}
	if (p->config->eve.target[0] != '\0')
		s->keep |= LJ_KEEP_TCP;
	s->hosts = (s->keep & LJ_KEEP_HOST) != 0;
	if (s->explain || s->drift_every > 0)
		s->row_floats = lj_verdict_row_floats(models);
}

/* A worker without a spreader parses for its own table. */
static int open_own_receiver(struct lj_pipeline *p, struct worker *w, struct lj_error *err)
{
	int ret = open_receiver(p, &w->receiver, &w->role.counters, w->queue, err);
	uint64_t mask;
	const void *index = lj_flow_index(w->table, &mask);

	if (ret == 0)
		lj_parser_feed(&w->receiver.parser, index, mask);
	w->receiver.table = w->table;
	return ret;
}

static int open_worker(struct lj_pipeline *p, uint32_t i, const struct lj_route *route,
		       struct lj_error *err)
{
	struct worker *w = role_alloc(p, sizeof(*w), LJ_ROLE_WORKER, "worker", i, worker_poll);
	const struct flow_tuning *t = &p->shared.flow;

	if (w == NULL)
		return no_memory("worker", err);
	p->worker[i] = w;
	w->shared = &p->shared;
	w->route = *route;
	w->queue = (uint16_t)i;
	w->spreader = p->spreader;
	w->flow_config = (struct lj_flow_config){
		.capacity = p->config->flow.capacity,
		.keep = p->shared.keep & LJ_KEEP_ALL,
		.begun = p->shared.hosts,
		.classify_at = t->classify_at,
		.classify_after_ns = t->classify_after_ns,
		.idle_timeout_ns = t->idle_timeout_ns,
		.active_timeout_ns = t->active_timeout_ns,
		.tcp_linger_ns = t->tcp_linger_ns,
		.ordered = p->shared.replay,
		.socket_id = w->role.node,
	};
	w->table = lj_flow_create(w->role.name, &w->flow_config, &w->role.counters);
	if (w->table == NULL)
		return no_memory("flow.capacity", err);
	if (p->spreader == NULL)
		return open_own_receiver(p, w, err);
	w->spread = join(&p->spreader->role, &w->role, p->config->queue.spread,
			 sizeof(struct lj_packet), err);
	p->spread_queue[i] = p->spreader->worker[i] = w->spread;
	return w->spread != NULL ? 0 : -ENOMEM;
}

/* Everything the inference lcore needs to know of hosts. */
static int open_host(struct inferrer *r)
{
	const struct lj_host_config config = {
		.hosts = LJ_HOST_HOSTS, .wanted = r->shared->context, .socket_id = r->role.node};

	r->host = lj_host_create(&config, &r->role.counters);
	r->contexts = calloc(LJ_BATCH_MAX, sizeof(*r->contexts));
	r->steps = calloc(LJ_BATCH_RECORDS, sizeof(*r->steps));
	return r->host != NULL && r->contexts != NULL && r->steps != NULL ? 0 : -ENOMEM;
}

/* A queue from each worker whose route has this lcore. How many, or -errno. */
static int join_workers(struct lj_pipeline *p, uint32_t i, struct lj_queue **from,
			struct lj_error *err)
{
	int n = 0;

	for (uint32_t w = 0; w < p->config->lcores.workers; w++) {
		struct worker *worker = p->worker[w];

		for (uint16_t k = 0; k < worker->route.n; k++) {
			if (worker->route.infer[k] != i)
				continue;
			from[n] = join(&worker->role, &p->inferrer[i]->role,
				       queue_length(p, "queue.infer", p->config->queue.infer),
				       sizeof(struct lj_due_flow), err);
			if (from[n] == NULL)
				return -ENOMEM;
			p->infer_queue[w][i] = worker->infer[k] = from[n++];
		}
	}
	return n;
}

static int open_inferrer(struct lj_pipeline *p, uint32_t i, struct lj_error *err)
{
	struct inferrer *r = role_alloc(p, sizeof(*r), LJ_ROLE_INFER, "infer", i, inferrer_poll);
	struct lj_queue *from[LJ_CONFIG_ROLES];
	int n;

	if (r == NULL)
		return no_memory("infer", err);
	p->inferrer[i] = r;
	r->shared = &p->shared;
	r->slot = (uint16_t)i;
	n = join_workers(p, i, from, err);
	if (n < 0)
		return n;
	r->batcher = lj_batcher_create(from, (uint16_t)n, p->shared.ordered, &p->shared.batch,
				       &r->role.counters);
	if (r->batcher == NULL)
		return no_memory(r->role.name, err);
	if (p->shared.hosts && open_host(r) != 0)
		return no_memory(r->role.name, err);
	for (uint16_t m = 0; m < p->config->models.n; m++) {
		r->opinions[m] = calloc(LJ_BATCH_MAX, sizeof(struct lj_opinion));
		if (r->opinions[m] == NULL)
			return no_memory(r->role.name, err);
	}
	return 0;
}

static int open_sink_role(struct lj_pipeline *p, struct lj_error *err)
{
	struct sink_role *s = role_alloc(p, sizeof(*s), LJ_ROLE_SINK, "sink", 0, sink_poll);
	size_t values = p->shared.evidence ? lj_feature_plan_size(p->shared.evidence) : 0;

	if (s == NULL)
		return no_memory("sink", err);
	p->sink = s;
	s->shared = &p->shared;
	s->late = p->config->queue.sink / 4;
	if (panel_open_watch(p, err) != 0)
		return -EIO;
	for (int i = 0; i < LJ_MODELS_MAX * LJ_STAGES; i++)
		lj_histogram_init(&s->stage[i / LJ_STAGES][i % LJ_STAGES]);
	for (uint32_t i = 0; i < p->config->lcores.infer; i++) {
		p->sink_queue[i] = join(&p->inferrer[i]->role, &s->role,
					queue_length(p, "queue.sink", p->config->queue.sink),
					lj_verdict_bytes(values, p->shared.row_floats), err);
		if (p->sink_queue[i] == NULL)
			return -ENOMEM;
		p->inferrer[i]->sink = p->sink_queue[i];
	}
	s->merge = lj_merge_create(p->sink_queue, (uint16_t)p->config->lcores.infer,
				   p->shared.ordered);
	return s->merge != NULL ? 0 : no_memory("sink", err);
}

int open_roles(struct lj_pipeline *p, struct lj_error *err)
{
	struct lj_route routes[LJ_ROUTE_MAX];
	int ret = 0;

	settle_parts(p);
	lj_pipeline_routes(p->config, p->shared.hosts, routes);
	/* Nobody can aim at a place who does not know the seed; a replay has to give the same. */
	if (p->shared.hosts && !p->shared.replay &&
	    getrandom(&p->shared.host_seed, sizeof(p->shared.host_seed), 0) < 0)
		return lj_error_set(err, errno, "host", "no random numbers: %s", strerror(errno));
	if (lj_config_spreads(p->config)) {
		p->spreader = role_alloc(p, sizeof(*p->spreader), LJ_ROLE_SPREAD, "spread", 0,
					 spreader_poll);
		if (p->spreader == NULL)
			return no_memory("spread", err);
		p->spreader->shared = &p->shared;
		p->spreader->n_workers = (uint16_t)p->config->lcores.workers;
		lj_rss_init(&p->spreader->rss, (enum lj_rss_mode)p->config->capture.rss_mode,
			    p->spreader->n_workers, LJ_RSS_KEY_MAX, SPREAD_ENTRIES);
		ret = open_receiver(p, &p->spreader->receiver, &p->spreader->role.counters, 0, err);
	}
	for (uint32_t i = 0; i < p->config->lcores.workers && ret == 0; i++)
		ret = open_worker(p, i, &routes[i], err);
	for (uint32_t i = 0; i < p->config->lcores.infer && ret == 0; i++)
		ret = open_inferrer(p, i, err);
	if (ret == 0)
		ret = open_sink_role(p, err);
	if (ret == 0)
		ret = deal_roles(p, err);
	return ret;
}

void close_roles(struct lj_pipeline *p)
{
	uint32_t workers = p->config->lcores.workers, infer = p->config->lcores.infer;

	free(p->lcore);
	if (p->sink != NULL)
		lj_merge_destroy(p->sink->merge);
	for (uint32_t i = 0; i < infer; i++) {
		lj_queue_destroy(p->sink_queue[i]);
		if (p->inferrer[i] == NULL)
			continue;
		lj_batcher_destroy(p->inferrer[i]->batcher);
		lj_host_destroy(p->inferrer[i]->host);
		free(p->inferrer[i]->contexts);
		free(p->inferrer[i]->steps);
		for (uint16_t m = 0; m < LJ_MODELS_MAX; m++)
			free(p->inferrer[i]->opinions[m]);
	}
	for (uint32_t w = 0; w < workers; w++) {
		for (uint32_t i = 0; i < infer; i++)
			lj_queue_destroy(p->infer_queue[w][i]);
		lj_queue_destroy(p->spread_queue[w]);
		if (p->worker[w] == NULL)
			continue;
		lj_flow_destroy(p->worker[w]->table);
		close_receiver(&p->worker[w]->receiver);
	}
	if (p->spreader != NULL)
		close_receiver(&p->spreader->receiver);
	for (uint32_t i = 0; i < p->n_roles; i++)
		free(p->role[i]);
}
