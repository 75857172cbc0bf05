#include <errno.h>
#include <string.h>

#include "lj_packet_rss.h"
#include "pipeline.h"

/* Maximum number of records that a worker checks per poll. */
#define LOOKS_PER_POLL 128
/* Minimum number of samples per RETA entry, on average. */
#define SAMPLES_PER_ENTRY 8

/* --- worker --- */

/* The hash by which the NIC or the spreader distributes the record's flow. It is symmetric, so the
 * direction does not matter. */
static bool hash_of(const struct worker *w, const struct lj_rss *rss, const struct lj_flow_key *key,
		    uint8_t tunnel, uint32_t *hash)
{
	const struct lj_packet p = {.key = *key, .tunnel = tunnel};

	if (w->spreader == NULL)
		return lj_packet_rss_hash(rss, &p, false, hash);
	*hash = spread_hash(rss, key);
	return true;
}

/* Whether the record's flow was assigned to this worker before the rebalance, and no longer is. */
static bool has_moved(const struct worker *w, const struct lj_rss *rss,
		      const struct lj_flow_key *key, uint8_t tunnel)
{
	uint32_t hash;

	return hash_of(w, rss, key, tunnel, &hash) &&
	       w->shared->rebalancing.before[lj_rss_bucket(rss, hash)] == w->queue &&
	       lj_rss_queue(rss, hash) != w->queue;
}

/* The RSS state that assigns flows to this worker; NULL if there is none. */
static const struct lj_rss *dealt_by(const struct worker *w)
{
	const struct lj_source *source = w->receiver.rx[0].source;

	if (w->spreader != NULL)
		return &w->spreader->rss;
	return source != NULL ? source->rss : NULL;
}

void rebalance_records(struct worker *w)
{
	uint32_t generation = atomic_load_explicit(&w->shared->rebalancing.generation,
						   memory_order_acquire),
		 end;
	const struct lj_rss *rss;

	/* Without a source the port is failing over; wait, since the next source may have no
	 * RETA. */
	if (generation == atomic_load_explicit(&w->rebalancing_done, memory_order_relaxed) ||
	    (w->spreader == NULL && w->receiver.rx[0].source == NULL))
		return;
	rss = dealt_by(w);
	if (generation != w->rebalancing_seen) {
		w->rebalancing_seen = generation;
		w->rebalancing_at = 0;
	}
	if (rss == NULL)
		w->rebalancing_at = lj_flow_records(w->table);
	end = RTE_MIN(w->rebalancing_at + LOOKS_PER_POLL, lj_flow_records(w->table));
	for (; w->rebalancing_at < end; w->rebalancing_at++) {
		struct lj_flow_identity identity;
		struct lj_flow_head head;

		if (!lj_flow_live(w->table, w->rebalancing_at, &head, &identity) ||
		    !has_moved(w, rss, &head.key, identity.tunnel))
			continue;
		lj_count(&w->role.counters, LJ_C_rss_moved_flows, 1);
		lj_count(&w->role.counters, LJ_C_rss_moved_packets, head.packets);
		lj_flow_note_parted(w->table, w->rebalancing_at);
	}
	if (end == lj_flow_records(w->table))
		atomic_store_explicit(&w->rebalancing_done, generation, memory_order_release);
}

/* --- main --- */

static int check_sources(const struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_rss *first = p->source[0]->rss;

	if (p->shared.replay)
		return lj_error_set(err, ENOTSUP, p->source[0]->name,
				    "a file waits for its workers: there is nothing to even out");
	if (p->spreader != NULL)
		return 0;
	for (uint32_t i = 0; i < p->n_sources; i++) {
		const struct lj_source *s = p->source[i];

		if (s->rss == NULL || s->ops->set_reta == NULL)
			return lj_error_set(err, ENOTSUP, s->name,
					    "has no redirection table, or none that can be read");
		if (s->rss->queues < 2)
			return lj_error_set(err, ENOTSUP, s->name, "has one queue");
		if (s->rss->reta_entries != first->reta_entries)
			return lj_error_set(err, ENOTSUP, s->name,
					    "has a redirection table of %u entries, %s one of %u: "
					    "a tap's legs would part",
					    s->rss->reta_entries, p->source[0]->name,
					    first->reta_entries);
	}
	/* A port's load is known by samples. */
	if (p->config->capture.rss_check == 0)
		return lj_error_set(err, EINVAL, "capture.rss_check",
				    "is 0: no packet is sampled, so the load of the entries is "
				    "not known");
	return 0;
}

static int check_workers(const struct lj_pipeline *p, struct lj_error *err)
{
	uint32_t generation =
		atomic_load_explicit(&p->shared.rebalancing.generation, memory_order_relaxed);

	for (uint32_t i = 0; i < p->config->lcores.workers; i++)
		if (atomic_load_explicit(&p->worker[i]->rebalancing_done, memory_order_acquire) !=
		    generation)
			return lj_error_set(err, EBUSY, p->worker[i]->role.name,
					    "still counts the flows that the latest rebalancing "
					    "has moved");
	return 0;
}

/* Samples by entry, over all ports and workers, since the start. The spreader counts all. */
static void sum_load(const struct lj_pipeline *p, uint64_t *load)
{
	memset(load, 0, LJ_RETA_MAX * sizeof(*load));
	for (uint16_t e = 0; p->spreader != NULL && e < LJ_RETA_MAX; e++)
		load[e] = __atomic_load_n(&p->spreader->bucket[e], __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < p->config->lcores.workers; i++)
		for (uint16_t k = 0; k < p->worker[i]->receiver.n_rx; k++)
			for (uint16_t e = 0; e < LJ_RETA_MAX; e++)
				load[e] += __atomic_load_n(&p->worker[i]->receiver.rx[k].bucket[e],
							   __ATOMIC_RELAXED);
}

static const struct lj_rss *table(const struct lj_pipeline *p)
{
	return p->spreader != NULL ? &p->spreader->rss : p->source[0]->rss;
}

/* Changes all ports or none: if one refuses, those changed before it are restored. */
static int deal(struct lj_pipeline *p, const uint16_t *reta, struct lj_error *err)
{
	struct rebalancing *r = &p->shared.rebalancing;

	memcpy(r->before, table(p)->reta, sizeof(r->before));
	for (uint16_t e = 0; p->spreader != NULL && e < p->spreader->rss.reta_entries; e++)
		__atomic_store_n(&p->spreader->rss.reta[e], reta[e], __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < p->n_sources && p->spreader == NULL; i++) {
		int ret = lj_source_set_reta(p->source[i], reta, err);

		if (ret == 0)
			continue;
		while (i-- > 0)
			lj_source_set_reta(p->source[i], r->before, NULL);
		return ret;
	}
	atomic_fetch_add_explicit(&r->generation, 1, memory_order_release);
	return 0;
}

int lj_pipeline_rebalance(struct lj_pipeline *p, struct lj_rebalance *result, struct lj_error *err)
{
	uint64_t load[LJ_RETA_MAX], since[LJ_RETA_MAX];
	uint16_t reta[LJ_RETA_MAX];
	const struct lj_rss *rss;
	int ret = check_sources(p, err);

	if (ret == 0)
		ret = check_workers(p, err);
	if (ret != 0)
		return ret;
	rss = table(p);
	*result = (struct lj_rebalance){0};
	sum_load(p, load);
	for (uint16_t i = 0; i < LJ_RETA_MAX; i++) {
		since[i] = load[i] - p->rebalanced_load[i];
		result->samples += since[i];
	}
	if (result->samples < (uint64_t)SAMPLES_PER_ENTRY * rss->reta_entries)
		return lj_error_set(err, EAGAIN, "rss",
				    "%llu packets were %s since the start or the latest "
				    "rebalancing, which say nothing of %u entries: wait%s",
				    (unsigned long long)result->samples,
				    p->spreader != NULL ? "dealt" : "sampled", rss->reta_entries,
				    p->spreader != NULL ? ""
							: ", or make capture.rss_check smaller");
	lj_rss_balance(rss, since, reta, &result->balance);
	if (result->balance.moved == 0)
		return 0;
	ret = deal(p, reta, err);
	if (ret == 0)
		memcpy(p->rebalanced_load, load, sizeof(load));
	return ret;
}
