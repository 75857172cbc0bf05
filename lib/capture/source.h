/* Private: what every source keeps besides its public head. */
#ifndef SOURCE_H
#define SOURCE_H

#include "lj_capture.h"

struct source {
	struct lj_source head;
	struct lj_error error;	      /* written before the state becomes LJ_SOURCE_FAILED */
	struct lj_source_stats stats; /* of sources that count themselves. rx lcore: wo; all: ro */
	struct lj_refusal refusal[LJ_REFUSALS_MAX];
	uint16_t refusals;
	const char *way; /* NULL: as the name says */
	bool unplug;	 /* the device goes, too, when the source is closed */
};

#define XDP_PREFIX  "xdp:"
#define AUTO_PREFIX "auto:"

/* lj_source_open_port() by what the name says. */
struct lj_source *ethdev_open(const struct lj_port_config *config, struct lj_error *err);
struct lj_source *xdp_open(const struct lj_port_config *config, struct lj_error *err);
struct lj_source *auto_open(const struct lj_port_config *config, struct lj_error *err);

/* Adds to one of `stats`: the rx lcore only. */
static inline void source_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

#endif
