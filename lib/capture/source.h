/* Private: the common part of all sources. */
#ifndef SOURCE_H
#define SOURCE_H

#include "lj_capture.h"

struct source {
	struct lj_source head;
	struct lj_error error;	      /* written before the state becomes LJ_SOURCE_FAILED */
	struct lj_source_stats stats; /* if the source counts itself. rx lcore: wo; all: ro */
	struct lj_refusal refusal[LJ_REFUSALS_MAX];
	uint16_t refusals;
	const char *way; /* NULL: derived from the name */
	bool unplug;	 /* detach the device, too, when the source is closed */
};

#define XDP_PREFIX  "xdp:"
#define AUTO_PREFIX "auto:"

/* The implementations of lj_source_open_port(), selected by the name. */
struct lj_source *ethdev_open(const struct lj_port_config *config, struct lj_error *err);
struct lj_source *xdp_open(const struct lj_port_config *config, struct lj_error *err);
struct lj_source *auto_open(const struct lj_port_config *config, struct lj_error *err);

/* Adds to one of `stats`. rx lcore only. */
static inline void source_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

#endif
