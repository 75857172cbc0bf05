/*
 * Private: failover of ports.
 *
 * A port's source is never replaced while roles use it. Main requests its release; each role
 * processes what is left in its queue and releases it; then main retires the old source, opens the
 * next one and passes it to the roles. Flow records are kept; they only see a gap.
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
	FAILOVER_LETTING_GO, /* waiting for the roles to release the source */
	FAILOVER_BLIND,	     /* the old source is closed, the next is not open yet */
};

/* State of one port. main: wo; words: all ro; strings: under the lock of control's commands. */
struct failover {
	struct lj_port_config config; /* as first opened */
	struct lj_source *vacant;     /* placeholder while blind; owned */
	_Atomic int step;	      /* enum failover_step */
	_Atomic int health;	      /* enum lj_port_health, at the last check */
	_Atomic(const char *) ailment;
	_Atomic uint64_t ill_ns;     /* since when it has not been well; 0: it is well */
	uint64_t looked_ns, well_ns; /* last check; last time it was well, or had packets */
	uint64_t packets, retry_ns;
	bool was_well;		       /* at any time since it is watched this way */
	bool was_ill;		       /* when the failover was decided */
	struct lj_source_stats before; /* sum over previous sources */
	const char *from;	       /* the previous way */
	const char *only;	       /* the way requested; NULL: any */
	char why[64], refused[256];
	_Atomic(const char *) asked; /* requested way, "" for any. control: sets; main: takes */
	uint64_t count, blind_ns, worst_blind_ns, at_ns;
};

/* Initializes the state of port i, which was opened with `config`. 0 or -ENOMEM. */
int failover_init(struct lj_pipeline *p, uint32_t i, const struct lj_port_config *config);
void failover_fini(struct lj_pipeline *p, uint32_t i);

#endif
