#include "watch.h"

#include <math.h>

#include "lj_log.h"
#include "pipeline.h"

#define INTERVAL_NS	   1000000000ULL
#define LOSSES_INTERVAL_NS 100000000ULL

static const struct {
	const char *name, *help;
	enum lj_counter counter;
	int late; /* enum lj_role_kind, whose lcores are to blame; -1: nobody's */
} causes[DROP_CAUSES] = {
	[DROP_IMISSED] = {"imissed", "receive ring full: the worker was late", LJ_C_port_imissed,
			  LJ_ROLE_WORKER},
	[DROP_IERRORS] = {"ierrors", "bad frames: optics, cable, MTU", LJ_C_port_ierrors, -1},
	[DROP_RX_NOMBUF] = {"rx_nombuf", "no mbuf free: raise mbufs", LJ_C_port_rx_nombuf, -1},
	[DROP_SPREAD] = {"spread_refused", "worker's queue full", LJ_C_spread_refused,
			 LJ_ROLE_WORKER},
	[DROP_FLOW] = {"flow_refused", "flow table full: raise flow.capacity", LJ_C_flow_refused,
		       -1},
	[DROP_BATCH] = {"batch_refused", "inference late: more lcores", LJ_C_batch_refused,
			LJ_ROLE_INFER},
	[DROP_SHED] = {"batch_shed", "inference late: recorded, not scored", LJ_C_batch_shed,
		       LJ_ROLE_INFER},
	[DROP_VERDICT] = {"verdict_refused", "sink late", LJ_C_verdict_refused, LJ_ROLE_SINK},
	[DROP_SINK] = {"sink_lost", "reader of the sink late or gone", LJ_C_sink_lost, -1},
};

static void put(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Telemetry's threads read while main writes: word by word. */
static void put_late(struct lj_late *to, struct lj_late late)
{
	__atomic_store_n(&to->lcore, late.lcore, __ATOMIC_RELAXED);
	put(&to->away_ns, late.away_ns);
	put(&to->switches, late.switches);
	put(&to->busy_percent, late.busy_percent);
}

static struct lj_late get_late(const struct lj_late *late)
{
	return (struct lj_late){
		.lcore = __atomic_load_n(&late->lcore, __ATOMIC_RELAXED),
		.away_ns = get(&late->away_ns),
		.switches = get(&late->switches),
		.busy_percent = get(&late->busy_percent),
	};
}

/* Where a spreader receives, it is the one that was late for the ring. */
static struct lj_late late_for(const struct lj_pipeline *p, enum drop_cause cause)
{
	if (causes[cause].late < 0)
		return (struct lj_late){0};
	if (cause == DROP_IMISSED && p->spreader != NULL)
		return late_of(p, LJ_ROLE_SPREAD);
	return late_of(p, (enum lj_role_kind)causes[cause].late);
}

static void watch_drops(struct lj_pipeline *p, uint64_t now_ns)
{
	/* main may be late, too: in a fail-over, for example. */
	uint64_t elapsed_ns = RTE_MAX(now_ns - p->watch.looked_ns, 1ULL);
	struct lj_counters total;

	lj_pipeline_total(p, &total);
	for (int i = 0; i < DROP_CAUSES; i++) {
		struct drop_watch *d = &p->watch.drop[i];
		uint64_t now = total.value[causes[i].counter];
		uint64_t latest = now > d->total ? now - d->total : 0;

		put(&d->total, now);
		if (p->watch.looked_ns == 0)
			continue;
		latest = (uint64_t)ceil((double)latest * INTERVAL_NS / (double)elapsed_ns);
		put(&d->latest, latest);
		if (latest > d->worst) {
			put(&d->worst, latest);
			put(&d->worst_at_ns, now_ns);
			put_late(&d->worst_late, late_for(p, (enum drop_cause)i));
		}
	}
}

/* The legs' packets as the roles have taken them. */
static uint64_t source_packets(const struct lj_pipeline *p, uint32_t source)
{
	uint64_t packets = 0;

	for (uint16_t q = 0; q < p->source[source]->queues; q++) {
		struct lj_queue_info info;

		lj_pipeline_queue(p, source, q, &info);
		packets += info.packets;
	}
	return packets;
}

/* Two ports of one leg are one silence together. */
static bool leg_heard(const struct lj_pipeline *p, uint32_t leg, uint64_t since_ns, bool same)
{
	for (uint32_t i = 0; i < p->n_sources; i++)
		if ((p->config->capture.port[i].leg == leg) == same &&
		    p->watch.leg[i].heard_ns > since_ns)
			return true;
	return false;
}

static void judge_leg(struct lj_pipeline *p, uint32_t i, uint64_t now_ns)
{
	uint64_t silence_ns = p->config->capture.leg_silence_ns;
	uint32_t leg = p->config->capture.port[i].leg;
	struct leg_watch *l = &p->watch.leg[i];
	uint64_t since_ns = now_ns - silence_ns;

	if (leg_heard(p, leg, since_ns, true)) {
		if (l->silent)
			lj_log(NOTICE, "%s: leg %u carries traffic again\n", p->source[i]->name,
			       leg);
		__atomic_store_n(&l->silent, false, __ATOMIC_RELAXED);
		return;
	}
	if (l->silent || !leg_heard(p, leg, since_ns, false))
		return;
	lj_log(WARNING,
	       "%s: leg %u has been silent for %.0f s while another leg carries traffic: half of "
	       "each conversation is missing; look at the tap, its fibre and the port's link\n",
	       p->source[i]->name, leg, (double)silence_ns / 1e9);
	put(&l->alarms, l->alarms + 1);
	__atomic_store_n(&l->silent, true, __ATOMIC_RELAXED);
}

static void watch_legs(struct lj_pipeline *p, uint64_t now_ns)
{
	uint64_t silence_ns = p->config->capture.leg_silence_ns;

	if (p->shared.replay || p->n_sources < 2 || silence_ns == 0)
		return;
	for (uint32_t i = 0; i < p->n_sources; i++) {
		struct leg_watch *l = &p->watch.leg[i];
		uint64_t packets = source_packets(p, i);

		if (packets != l->packets || p->watch.looked_ns == 0)
			put(&l->heard_ns, now_ns);
		l->packets = packets;
	}
	for (uint32_t i = 0; i < p->n_sources; i++)
		judge_leg(p, i, now_ns);
}

/* Few flows say nothing; more than half of them heard by half is an alarm, less than a quarter its
 * end. */
#define HALF_FLOWS_MIN 20

static void judge_half(struct half_watch *h, uint64_t conversed, uint64_t half)
{
	if (!h->half && half * 2 > conversed) {
		lj_log(WARNING,
		       "of %llu TCP conversations %llu were heard from one side only, which "
		       "acknowledges what the other sends: one direction does not reach us; look at "
		       "the mirror's or tap's wiring, and at asymmetric routes\n",
		       (unsigned long long)conversed, (unsigned long long)half);
		put(&h->alarms, h->alarms + 1);
		__atomic_store_n(&h->half, true, __ATOMIC_RELAXED);
	} else if (h->half && half * 4 < conversed) {
		lj_log(NOTICE, "TCP conversations are heard from both sides again\n");
		__atomic_store_n(&h->half, false, __ATOMIC_RELAXED);
	}
}

/* Half-duplex: packets come, by whatever leg, but of one direction. In windows of leg_silence_s. */
static void watch_half(struct lj_pipeline *p, uint64_t now_ns)
{
	uint64_t window_ns = p->config->capture.leg_silence_ns;
	struct half_watch *h = &p->watch.half;
	struct lj_counters total;
	uint64_t conversed, half;

	if (p->shared.replay || window_ns == 0 || now_ns < h->since_ns + window_ns)
		return;
	lj_pipeline_total(p, &total);
	conversed = total.value[LJ_C_flow_conversed];
	half = total.value[LJ_C_flow_half_heard];
	if (h->since_ns != 0) {
		if (conversed - h->conversed < HALF_FLOWS_MIN)
			return;
		judge_half(h, conversed - h->conversed, half - h->half_heard);
	}
	h->since_ns = now_ns;
	h->conversed = conversed;
	h->half_heard = half;
}

/* The records that live while a port loses packets may lack some: the workers mark them. */
static void watch_losses(struct lj_pipeline *p, uint64_t now_ns)
{
	struct watch *w = &p->watch;
	uint64_t lost = 0;

	if (p->shared.replay || now_ns < w->losses_looked_ns + LOSSES_INTERVAL_NS)
		return;
	w->losses_looked_ns = now_ns;
	for (uint32_t i = 0; i < p->n_sources; i++) {
		struct lj_source_stats stats;

		if (lj_pipeline_port_stats(p, i, &stats) == 0)
			lost += stats.imissed + stats.ierrors + stats.rx_nombuf;
	}
	if (lost > w->lost)
		atomic_fetch_add_explicit(&p->shared.losses, 1, memory_order_relaxed);
	w->lost = lost;
}

void lj_pipeline_watch(struct lj_pipeline *p, uint64_t now_ns)
{
	uint64_t now_tsc = rte_rdtsc();
	struct watch *w = &p->watch;

	watch_losses(p, now_ns);
	if (w->looked_ns != 0 && now_ns < w->looked_ns + INTERVAL_NS)
		return;
	late_look(p, now_tsc - w->looked_tsc, now_ns);
	watch_drops(p, now_ns);
	watch_legs(p, now_ns);
	watch_half(p, now_ns);
	hold_look(p, now_ns);
	w->looked_tsc = now_tsc;
	put(&w->looked_ns, now_ns);
}

uint32_t lj_pipeline_drops(const struct lj_pipeline *p, struct lj_drop drops[LJ_DROPS_MAX])
{
	_Static_assert(DROP_CAUSES <= LJ_DROPS_MAX, "raise LJ_DROPS_MAX");
	for (int i = 0; i < DROP_CAUSES; i++) {
		const struct drop_watch *d = &p->watch.drop[i];

		drops[i] = (struct lj_drop){
			.name = causes[i].name,
			.help = causes[i].help,
			.total = get(&d->total),
			.latest = get(&d->latest),
			.worst = get(&d->worst),
			.worst_at_ns = get(&d->worst_at_ns),
			.worst_late = get_late(&d->worst_late),
		};
	}
	return DROP_CAUSES;
}

void lj_pipeline_leg(const struct lj_pipeline *p, uint32_t source, struct lj_leg_info *info)
{
	const struct leg_watch *l = &p->watch.leg[source];

	info->watched = get(&l->heard_ns) != 0;
	info->silent = __atomic_load_n(&l->silent, __ATOMIC_RELAXED);
	info->alarms = get(&l->alarms);
}

void lj_pipeline_half(const struct lj_pipeline *p, struct lj_half_info *info)
{
	info->half = __atomic_load_n(&p->watch.half.half, __ATOMIC_RELAXED);
	info->alarms = get(&p->watch.half.alarms);
}
