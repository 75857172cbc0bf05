/*
 * Private: ports that are failed over while the rest runs on.
 *
 * A port's source is never changed under its roles. Main wants it let go; each role takes what its
 * queue still holds, frees it, and says that it has let go; then main, alone with the old source,
 * retires it, opens the next and gives that to the roles. Records live on: they see a gap.
 */
#ifndef FAILOVER_H
#define FAILOVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lj_capture.h"
#include "lj_config.h"

struct lj_pipeline;

enum failover_step {
	FAILOVER_WATCHED,
	FAILOVER_LETTING_GO, /* roles are asked to */
	FAILOVER_BLIND,	     /* the old one is gone, the next did not open yet */
};

/* Of one port. main: wo; words: all ro; texts and what is in them: under the commands' lock. */
struct failover {
	struct lj_port_config config; /* as it was opened first */
	struct lj_source *vacant;     /* stands in while nobody watches; owned */
	_Atomic int step;	      /* enum failover_step */
	_Atomic int health;	      /* enum lj_port_health, at the latest look */
	_Atomic(const char *) ailment;
	_Atomic uint64_t ill_ns;     /* since when it has not been well; 0: it is */
	uint64_t looked_ns, well_ns; /* latest look; the latest that found it well, or packets */
	uint64_t packets, retry_ns;
	bool was_well; /* since it has been watched this way: a link that never came is no reason */
	bool was_ill;  /* when it was decided */
	struct lj_source_stats before; /* of all that watched it before */
	const char *from;	       /* the way it was watched by before */
	const char *only;	       /* the way that was asked for; NULL */
	char why[64], refused[256];
	_Atomic(const char *) asked; /* way, "" for any. control: sets; main: takes */
	uint64_t count, blind_ns, worst_blind_ns, at_ns;
};

/* Remembers how port i was opened. 0 or -ENOMEM. */
int failover_init(struct lj_pipeline *p, uint32_t i, const struct lj_port_config *config);
void failover_fini(struct lj_pipeline *p, uint32_t i);

#endif
