#include "pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "lj_driver.h"
#include "lj_log.h"

static void settle_shedding(struct lj_pipeline *p)
{
	const struct lj_config *c = p->config;

	for (int class = 0; class < LJ_SHED_CLASSES && !p->shared.replay; class ++)
		p->shared.batch.shed[class] = c->shed.by_class[class] > 0
						      ? c->shed.by_class[class]
						      : LJ_SHED_OLDEST + c->batch.shed;
}

static int open_evidence(struct lj_pipeline *p, struct lj_error *err)
{
	if (p->config->features.csv[0] == '\0')
		return 0;
	p->shared.evidence = lj_feature_plan_set(p->config->features.set, err);
	return p->shared.evidence != NULL ? 0 : -EINVAL;
}

/* What the driver's file says, as far as the configuration has no opinion. */
static int settle_driver(const struct lj_pipeline *p, struct lj_port_config *open,
			 struct lj_error *err)
{
	enum lj_rss_mode mode = (enum lj_rss_mode)p->config->capture.rss_mode;
	struct lj_driver d;
	char pmd[64] = "generic"; /* what takes an interface of the kernel's is not yet known */
	int ret = 0;

	if (!lj_port_is_kernels(open->name))
		ret = lj_port_driver(open->name, pmd, sizeof(pmd), err);
	if (ret == 0)
		ret = lj_driver_load(&d, pmd, err);
	if (ret != 0)
		return ret;
	open->no_scatter = !d.scatter;
	open->any_memory = d.any_memory;
	open->rss = (struct lj_rss_request){
		.mode = mode,
		.by = d.mode[mode].by,
		.functions = d.mode[mode].functions,
		.key_bytes = d.key_bytes,
		.sctp_unhashed = d.sctp_unhashed,
	};
	if (d.queues_max > 0 && open->queues > d.queues_max)
		ret = lj_error_set(err, EINVAL, open->name, "%u receive queues asked, %s takes %u",
				   open->queues, d.name, d.queues_max);
	lj_driver_free(&d);
	return ret;
}

static int open_sources(struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_config *c = p->config;

	if (p->shared.replay) {
		const struct lj_file_config files = {
			.paths = (const char *const *)c->capture.files.item,
			.n_paths = (uint16_t)c->capture.files.n,
			.tap = c->capture.tap,
		};

		p->source[0] = lj_source_open_file(&files, err);
		p->n_sources = p->source[0] != NULL;
		return p->source[0] != NULL ? 0 : -EINVAL;
	}
	for (uint32_t i = 0; i < c->capture.n_ports; i++) {
		const struct lj_config_port *port = &c->capture.port[i];
		struct lj_port_config open = {
			.name = port->name,
			.queues = (uint16_t)lj_config_port_queues(c, i),
			.descriptors = (uint16_t)port->descriptors,
			.mbufs = port->mbufs,
			.mtu = port->mtu,
			.promiscuous = port->promiscuous,
			.symmetric_rss = c->lcores.workers > 1,
			.leg = (uint8_t)port->leg,
		};

		if (settle_driver(p, &open, err) != 0)
			return -EINVAL;
		p->source[i] = lj_source_open_port(&open, err);
		if (p->source[i] == NULL)
			return -EINVAL;
		p->n_sources++;
		if (failover_init(p, i, &open) != 0)
			return lj_error_set(err, ENOMEM, "capture.ports", "not enough memory");
	}
	return 0;
}

static struct lj_sink *open_eve(struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_config *c = p->config;
	bool live_only = c->eve.decision_time == LJ_WHEN_LIVE;
	const struct lj_eve_config eve = {
		.target = c->eve.target,
		.append = c->eve.append,
		.waits = p->shared.replay,
		.flows = (enum lj_eve_flows)c->eve.flows,
		.early = c->eve.early,
		.decision_time =
			live_only ? !p->shared.replay : c->eve.decision_time == LJ_WHEN_ALWAYS,
		.in_iface = c->capture.n_ports == 1
				    ? lj_port_interface(c->capture.port[0].name, p->in_iface,
							sizeof(p->in_iface))
				    : NULL,
		.pcap_filename = c->capture.files.n == 1 ? c->capture.files.item[0] : NULL,
	};

	return lj_sink_open_eve(&eve, err);
}

static struct lj_sink *open_ipfix(struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_config *c = p->config;
	const struct lj_ipfix_config ipfix = {
		.collector = c->ipfix.collector,
		.domain = c->ipfix.domain,
		.enterprise = c->ipfix.enterprise,
		.templates_every_ns = c->ipfix.templates_every_ns,
		.flows = (enum lj_eve_flows)c->ipfix.flows,
		.waits = p->shared.replay,
	};

	return lj_sink_open_ipfix(&ipfix, err);
}

static struct lj_sink *open_features(struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_config *c = p->config;
	size_t length = strlen(c->features.csv);

	if (length > 4 && strcmp(c->features.csv + length - 4, ".npy") == 0)
		return lj_sink_open_npy(c->features.csv, p->shared.evidence, c->features.early,
					err);
	return lj_sink_open_csv(c->features.csv, p->shared.evidence, c->features.early,
				p->shared.replay, err);
}

static int open_sinks(struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_config *c = p->config;
	const struct {
		const char *target;
		struct lj_sink *(*open)(struct lj_pipeline *p, struct lj_error *err);
	} sinks[] = {
		{c->eve.target, open_eve},
		{c->ipfix.collector, open_ipfix},
		{c->features.csv, open_features},
	};
	struct sink_role *s = p->sink;

	for (size_t i = 0; i < RTE_DIM(sinks); i++) {
		if (sinks[i].target[0] == '\0')
			continue;
		s->sink[s->n_sinks] = sinks[i].open(p, err);
		if (s->sink[s->n_sinks] == NULL)
			return -EIO;
		s->n_sinks++;
	}
	return 0;
}

struct lj_pipeline *lj_pipeline_create(const struct lj_config *config, struct lj_error *err)
{
	struct lj_pipeline *p = NULL;

	if (posix_memalign((void **)&p, 128, sizeof(*p)) != 0) {
		lj_error_set(err, ENOMEM, "pipeline", "not enough memory");
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	p->config = config;
	p->shared.replay = lj_config_replay(config);
	p->shared.ordered =
		p->shared.replay && (config->lcores.workers > 1 || config->lcores.infer > 1);
	hold_init(p);
	settle_shedding(p);
	if (panel_open_models(p, err) != 0 || open_evidence(p, err) != 0 ||
	    open_sources(p, err) != 0 || open_roles(p, err) != 0 || open_sinks(p, err) != 0) {
		lj_pipeline_destroy(p, NULL);
		return NULL;
	}
	return p;
}

/* Before the first one runs: who is launched cannot be called back. */
static int check_lcores(const struct lj_pipeline *p, struct lj_error *err)
{
	char where[32];

	for (uint32_t i = 0; i < p->n_lcores; i++) {
		uint32_t id = p->lcore[i].id;

		if (rte_lcore_is_enabled(id) && id != rte_get_main_lcore() &&
		    rte_eal_get_lcore_state(id) == WAIT)
			continue;
		snprintf(where, sizeof(where), "lcore %u", id);
		return lj_error_set(err, EBUSY, where,
				    "cannot be launched: the EAL has no such lcore, or it is busy "
				    "(see --dry-run)");
	}
	return 0;
}

int lj_pipeline_start(struct lj_pipeline *p, struct lj_error *err)
{
	int ret = check_lcores(p, err);

	if (ret != 0)
		return ret;
	for (uint32_t i = 0; i < p->n_sources; i++) {
		ret = lj_source_start(p->source[i], err);
		if (ret != 0)
			return ret;
	}
	ret = legs_align(p, err);
	if (ret != 0)
		return ret;
	p->started_tsc = rte_rdtsc();
	for (uint32_t i = 0; i < p->n_lcores; i++)
		rte_eal_remote_launch(lcore_main, &p->lcore[i], p->lcore[i].id);
	return 0;
}

uint32_t lj_pipeline_step(struct lj_pipeline *p)
{
	uint32_t work = 0;

	if (p->started_tsc == 0)
		p->started_tsc = rte_rdtsc();
	for (uint32_t i = 0; i < p->n_roles; i++) {
		int did = 0;

		if (!p->role[i]->finished)
			did = p->role[i]->poll(p->role[i], rte_rdtsc());
		work += did > 0 ? (uint32_t)did : 0;
	}
	return work;
}

void lj_pipeline_end(struct lj_pipeline *p)
{
	atomic_store_explicit(&p->shared.command, COMMAND_END, memory_order_relaxed);
}

void lj_pipeline_pause(struct lj_pipeline *p, bool paused)
{
	int was = atomic_load_explicit(&p->shared.command, memory_order_relaxed);

	/* Asked by telemetry's thread, it must not undo the end that main asks for meanwhile. */
	while (was != COMMAND_END &&
	       !atomic_compare_exchange_weak_explicit(&p->shared.command, &was,
						      paused ? COMMAND_PAUSE : COMMAND_RUN,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

bool lj_pipeline_finished(const struct lj_pipeline *p)
{
	for (uint32_t i = 0; i < p->n_roles; i++)
		if (!atomic_load_explicit(&p->role[i]->finished, memory_order_acquire))
			return false;
	return true;
}

int lj_pipeline_result(struct lj_pipeline *p, struct lj_error *err)
{
	for (uint32_t i = 0; i < p->n_sources; i++)
		if (lj_source_state(p->source[i]) == LJ_SOURCE_FAILED) {
			*err = *lj_source_error(p->source[i]);
			return -EIO;
		}
	for (uint16_t i = 0; i < p->sink->n_sinks; i++) {
		int ret = lj_sink_error(p->sink->sink[i], err);

		if (ret != 0)
			return ret;
	}
	return 0;
}

void lj_pipeline_join(struct lj_pipeline *p)
{
	for (uint32_t i = 0; i < p->n_lcores; i++)
		rte_eal_wait_lcore(p->lcore[i].id);
}

int lj_pipeline_destroy(struct lj_pipeline *p, struct lj_error *err)
{
	int ret = 0;

	if (p == NULL)
		return 0;
	for (uint16_t i = 0; p->sink != NULL && i < p->sink->n_sinks; i++) {
		int closed = lj_sink_close(p->sink->sink[i], ret == 0 ? err : NULL);

		ret = ret != 0 ? ret : closed;
	}
	close_roles(p);
	for (uint32_t i = 0; i < p->n_sources; i++) {
		failover_fini(p, i);
		lj_source_stop(p->source[i]);
		lj_source_close(p->source[i]);
	}
	panel_close(p->retired);
	panel_close(p->shared.panel);
	lj_feature_plan_destroy(p->shared.evidence);
	free(p);
	return ret;
}
