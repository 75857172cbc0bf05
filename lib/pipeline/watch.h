/*
 * Private: what main looks at once a second: rates of loss, legs of a tap that went silent, and
 * conversations of which one direction is missing; and ten times a second, whether ports lose
 * packets just now. main: wo; control: ro. Words are stored whole.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_config.h"
#include "lj_pipeline.h"

/* Why packets, flows or verdicts are lost, from the wire on. */
enum drop_cause {
	DROP_IMISSED,
	DROP_IERRORS,
	DROP_RX_NOMBUF,
	DROP_SPREAD,
	DROP_FLOW,
	DROP_BATCH,
	DROP_SHED,
	DROP_VERDICT,
	DROP_SINK,
	DROP_CAUSES,
};

struct drop_watch {
	uint64_t total;
	uint64_t latest; /* a second, in the latest interval */
	uint64_t worst, worst_at_ns;
	struct lj_late worst_late;
};

struct leg_watch {
	uint64_t packets;
	uint64_t heard_ns; /* when it last had new ones */
	uint64_t alarms;
	bool silent;
};

/* Of TCP conversations, how many are heard from one side only. */
struct half_watch {
	uint64_t since_ns, conversed, half_heard; /* where the window begins, and counts then */
	uint64_t alarms;
	bool half;
};

struct watch {
	uint64_t looked_ns; /* 0: not yet */
	uint64_t looked_tsc;
	uint64_t losses_looked_ns, lost; /* packets the ports had lost by then */
	struct drop_watch drop[DROP_CAUSES];
	struct leg_watch leg[LJ_CONFIG_PORTS]; /* by source */
	struct half_watch half;
};

#endif
