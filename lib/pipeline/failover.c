#include "failover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lj_log.h"
#include "pipeline.h"

#define LOOK_NS	 10000000ULL   /* at ports */
#define RETRY_NS 1000000000ULL /* of what did not open, or died at once */

#define ANY_WAY ""

static uint64_t now_ns(void)
{
	return lj_clock_wall_ns(rte_rdtsc());
}

int failover_init(struct lj_pipeline *p, uint32_t i, const struct lj_port_config *config)
{
	struct failover *f = &p->failover[i];

	f->config = *config;
	f->vacant = lj_source_open_vacant(config->name, f->refused);
	return f->vacant != NULL ? 0 : -ENOMEM;
}

void failover_fini(struct lj_pipeline *p, uint32_t i)
{
	if (p->source[i] != p->failover[i].vacant)
		lj_source_close(p->failover[i].vacant);
}

/* --- looking --- */

/* Number of receive queues polled per port: one by the spreader, otherwise one per worker. */
static uint16_t pollers(const struct lj_pipeline *p)
{
	return p->spreader != NULL ? 1 : (uint16_t)p->config->lcores.workers;
}

static struct receive_queue *queue_of(struct lj_pipeline *p, uint32_t i, uint16_t q)
{
	struct receiver *r = p->spreader != NULL ? &p->spreader->receiver : &p->worker[q]->receiver;

	return &r->rx[i];
}

static uint64_t port_packets(struct lj_pipeline *p, uint32_t i)
{
	uint64_t packets = 0;

	for (uint16_t q = 0; q < pollers(p); q++)
		packets += __atomic_load_n(&queue_of(p, i, q)->packets, __ATOMIC_RELAXED);
	return packets;
}

/* Whether main may still open ports: once confined, only if capture.failover kept the
 * privileges. */
static bool has_rights(const struct lj_pipeline *p)
{
	return p->config->capture.failover != LJ_FAILOVER_REPORT ||
	       (p->config->service.user[0] == '\0' && p->config->service.seccomp != LJ_SECCOMP_ON);
}

static void tell_health(const struct lj_pipeline *p, uint32_t i, enum lj_port_health health,
			const char *why)
{
	const char *name = p->source[i]->name;

	if (health == LJ_PORT_WELL)
		lj_log(WARNING, "%s: the port is well again\n", name);
	else if (p->config->capture.failover == LJ_FAILOVER_AUTO || !has_rights(p))
		lj_log(WARNING, "%s: %s\n", name, why);
	else
		lj_log(WARNING, "%s: %s; \"port failover %u\" has it watched another way\n", name,
		       why, i);
}

static void look_at_port(struct lj_pipeline *p, uint32_t i, uint64_t now)
{
	struct failover *f = &p->failover[i];
	uint64_t packets = port_packets(p, i);
	const char *why;
	enum lj_port_health health = lj_source_health(p->source[i], &why);

	if (health != (enum lj_port_health)f->health)
		tell_health(p, i, health, why);
	if (health == LJ_PORT_WELL)
		f->ill_ns = 0;
	else if (f->ill_ns == 0)
		f->ill_ns = now;
	f->ailment = why;
	f->health = health;
	if (health == LJ_PORT_WELL || (packets != f->packets && health != LJ_PORT_DEAD)) {
		f->well_ns = now;
		f->was_well = true;
	}
	f->packets = packets;
}

/* --- deciding --- */

static void begin(struct lj_pipeline *p, uint32_t i, const char *only, const char *why)
{
	struct failover *f = &p->failover[i];

	f->only = only;
	f->was_ill = f->health != LJ_PORT_WELL;
	snprintf(f->why, sizeof(f->why), "%s", why);
	f->step = FAILOVER_LETTING_GO;
	for (uint16_t q = 0; q < pollers(p); q++)
		atomic_store_explicit(&queue_of(p, i, q)->wanted, NULL, memory_order_release);
}

/* Whether another driver may see another link state: all kernel drivers of an interface share its
 * state, but a NIC under a DPDK driver may come up again, and another interface has its own. */
static bool link_may_differ(const struct lj_pipeline *p, uint32_t i)
{
	const char *way = lj_source_way(p->source[i]);

	return p->config->capture.port[i].failover[0] != '\0' || strcmp(way, "driver") == 0;
}

/* With capture.failover auto: a dead port at once, and a port whose link was up before, once it has
 * been down for capture.link_down_s. */
static bool policy_wants(const struct lj_pipeline *p, uint32_t i, uint64_t now)
{
	uint64_t patience_ns = p->config->capture.link_down_ns;
	const struct failover *f = &p->failover[i];

	if (p->config->capture.failover != LJ_FAILOVER_AUTO || now < f->at_ns + RETRY_NS)
		return false;
	if (f->health == LJ_PORT_DEAD)
		return true;
	return f->health == LJ_PORT_LINK_DOWN && patience_ns > 0 && f->was_well &&
	       now >= f->ill_ns + patience_ns && link_may_differ(p, i);
}

static bool all_let_go(struct lj_pipeline *p, uint32_t i)
{
	for (uint16_t q = 0; q < pollers(p); q++)
		if (atomic_load_explicit(&queue_of(p, i, q)->held, memory_order_acquire) != NULL)
			return false;
	return true;
}

/* Whether the port's next step can be taken. */
static bool port_due(struct lj_pipeline *p, uint32_t i, uint64_t now)
{
	struct failover *f = &p->failover[i];
	const char *asked;

	if (f->step == FAILOVER_LETTING_GO)
		return all_let_go(p, i);
	asked = atomic_exchange_explicit(&f->asked, NULL, memory_order_acquire);
	if (f->step == FAILOVER_BLIND) {
		if (asked != NULL) {
			f->only = asked[0] != '\0' ? asked : NULL;
			f->retry_ns = now;
		}
		return now >= f->retry_ns;
	}
	if (now >= f->looked_ns + LOOK_NS) {
		f->looked_ns = now;
		look_at_port(p, i, now);
	}
	if (asked != NULL)
		begin(p, i, asked[0] != '\0' ? asked : NULL, "by command");
	else if (policy_wants(p, i, now))
		begin(p, i, NULL, f->ailment);
	return false;
}

bool lj_pipeline_failover_due(struct lj_pipeline *p, uint64_t now)
{
	bool due = false;

	if (p->shared.replay || p->shared.command == COMMAND_END)
		return false;
	for (uint32_t i = 0; i < p->n_sources; i++)
		due = port_due(p, i, now) || due;
	return due;
}

/* --- doing --- */

static void add_stats(struct lj_source_stats *sum, const struct lj_source_stats *s)
{
	sum->received += s->received;
	sum->received_bytes += s->received_bytes;
	sum->imissed += s->imissed;
	sum->ierrors += s->ierrors;
	sum->rx_nombuf += s->rx_nombuf;
}

int lj_pipeline_port_stats(const struct lj_pipeline *p, uint32_t i, struct lj_source_stats *stats)
{
	int ret = lj_source_stats(p->source[i], stats);

	if (ret == 0)
		add_stats(stats, &p->failover[i].before);
	return ret;
}

/* Wall-clock time at which the last role released the port. */
static uint64_t left_ns(struct lj_pipeline *p, uint32_t i)
{
	uint64_t tsc = 0;

	for (uint16_t q = 0; q < pollers(p); q++)
		tsc = RTE_MAX(tsc, queue_of(p, i, q)->left_tsc);
	return lj_clock_wall_ns(tsc);
}

static void retire_port(struct lj_pipeline *p, uint32_t i)
{
	struct failover *f = &p->failover[i];
	struct lj_source_stats stats;

	if (lj_source_stats(p->source[i], &stats) == 0)
		add_stats(&f->before, &stats);
	if (!f->was_ill)
		f->well_ns = left_ns(p, i);
	f->from = lj_source_way(p->source[i]);
	lj_source_retire(p->source[i]);
	p->source[i] = f->vacant;
	f->retry_ns = 0;
	f->step = FAILOVER_BLIND;
}

/* Opens the requested driver, or else the previous one, or else, or if none was requested, the
 * first that works. */
static struct lj_source *open_next(const struct lj_pipeline *p, uint32_t i, struct lj_error *err)
{
	const struct failover *f = &p->failover[i];
	struct lj_takeover t = {
		.config = &f->config,
		.spare = p->config->capture.port[i].failover,
		.after = f->from,
		.way = f->only,
		.quiet = f->retry_ns != 0,
	};
	struct lj_source *source = lj_source_take_over(&t, err);

	if (source != NULL || f->only == NULL)
		return source;
	t.way = f->from;
	source = lj_source_take_over(&t, err);
	t.way = NULL;
	return source != NULL ? source : lj_source_take_over(&t, err);
}

static void tell_refused(struct failover *f, const struct lj_error *err)
{
	if (f->retry_ns == 0)
		lj_log(ERR, "%s: no way to watch it (%s): tried again each second\n",
		       f->config.name, err->what);
	snprintf(f->refused, sizeof(f->refused), "%.*s", (int)sizeof(f->refused) - 1, err->what);
	f->retry_ns = now_ns() + RETRY_NS;
}

static void watch_on(struct lj_pipeline *p, uint32_t i, struct lj_source *source)
{
	struct failover *f = &p->failover[i];
	uint64_t started_ns = now_ns();
	struct lj_error err = {0};

	p->source[i] = source;
	if (legs_rejoin(p, i, &err) != 0)
		lj_log(WARNING, "%s: %s\n", err.where, err.what);
	for (uint16_t q = 0; q < RTE_MIN(pollers(p), source->queues); q++)
		receive_queue_give(queue_of(p, i, q), source);
	f->blind_ns = started_ns - RTE_MIN(f->well_ns, started_ns);
	f->worst_blind_ns = RTE_MAX(f->worst_blind_ns, f->blind_ns);
	f->at_ns = started_ns;
	f->count++;
	f->health = LJ_PORT_WELL;
	f->ill_ns = 0;
	f->was_well = false;
	f->only = NULL;
	f->step = FAILOVER_WATCHED;
	/* Live records lack the packets that arrived meanwhile. */
	atomic_fetch_add_explicit(&p->shared.losses, 1, memory_order_relaxed);
	lj_log(WARNING, "%s: failed over from %s to %s (%s), blind for %.3f ms\n", source->name,
	       f->from, lj_source_way(source), f->why, (double)f->blind_ns / 1e6);
}

void lj_pipeline_failover(struct lj_pipeline *p)
{
	for (uint32_t i = 0; i < p->n_sources; i++) {
		struct failover *f = &p->failover[i];
		struct lj_source *source;
		struct lj_error err = {0};

		if (f->step == FAILOVER_LETTING_GO && all_let_go(p, i))
			retire_port(p, i);
		if (f->step != FAILOVER_BLIND || now_ns() < f->retry_ns)
			continue;
		source = open_next(p, i, &err);
		if (source != NULL)
			watch_on(p, i, source);
		else
			tell_refused(f, &err);
	}
}

/* --- asking and telling --- */

int lj_pipeline_ask_failover(struct lj_pipeline *p, uint32_t i, const char *way,
			     struct lj_error *err)
{
	if (p->shared.replay)
		return lj_error_set(err, EINVAL, "capture", "a file has nothing to fail over to");
	if (p->shared.command == COMMAND_END)
		return lj_error_set(err, EALREADY, "capture", "ends");
	if (!has_rights(p))
		return lj_error_set(err, EPERM, "capture.failover",
				    "is report: the rights to open a port were given up with "
				    "root's (command or auto keeps them)");
	atomic_store_explicit(&p->failover[i].asked, way != NULL ? way : ANY_WAY,
			      memory_order_release);
	return 0;
}

void lj_pipeline_failover_info(const struct lj_pipeline *p, uint32_t i,
			       struct lj_failover_info *info)
{
	static const char *const health[] = {"well", "link down", "dead"};
	const struct failover *f = &p->failover[i];
	uint64_t ill_ns = f->ill_ns, now = now_ns();

	*info = (struct lj_failover_info){
		.way = lj_source_way(p->source[i]),
		.state = f->step == FAILOVER_LETTING_GO ? "letting go"
			 : f->step == FAILOVER_BLIND	? "blind"
							: health[f->health],
		.why = f->why,
		.from = f->from != NULL ? f->from : "",
		.ill_ns = ill_ns != 0 && now > ill_ns ? now - ill_ns : 0,
		.count = f->count,
		.blind_ns = f->step == FAILOVER_BLIND && now > f->well_ns ? now - f->well_ns
									  : f->blind_ns,
		.worst_blind_ns = f->worst_blind_ns,
		.at_ns = f->at_ns,
	};
}
