/*
 * Private: the periodic checks of lj_pipeline_watch(): once a second loss rates, silent legs of a
 * tap and conversations with a missing direction; ten times a second whether ports lose packets.
 * main: wo; control: ro, word by word.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_config.h"
#include "lj_pipeline.h"

/* Where packets, flows or verdicts are lost, in pipeline order. */
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
	uint64_t latest; /* per second, in the last interval */
	uint64_t worst, worst_at_ns;
	struct lj_late worst_late;
};

struct leg_watch {
	uint64_t packets;
	uint64_t heard_ns; /* when it last had new packets */
	uint64_t alarms;
	bool silent;
};

/* TCP conversations of which only one direction is seen. */
struct half_watch {
	uint64_t since_ns, conversed, half_heard; /* begin of the window, and the counts then */
	uint64_t alarms;
	bool half;
};

struct watch {
	uint64_t looked_ns; /* 0: not yet */
	uint64_t looked_tsc;
	uint64_t losses_looked_ns, lost; /* packets lost by the ports until then */
	struct drop_watch drop[DROP_CAUSES];
	struct leg_watch leg[LJ_CONFIG_PORTS]; /* by source */
	struct half_watch half;
};

#endif
