/*
 * Between the flow tables and the models: how due flows travel, and how many are scored together.
 *
 * Batches are work-conserving: an idle inference lcore takes what waits at once, so at light load a
 * flow is scored alone and immediately; while it is busy others gather, so at heavy load batches
 * are full. Nothing is ever delayed to make a batch larger.
 *
 * Overload, live: when more than half of a worker's queue waits, what is over half is shed: it
 * comes with the batch, its facts are seen and it leaves a record, but it is not scored. The class
 * of a flow (enum lj_shed_class) says which of those taken together go first, its `shed` which of
 * the class. So the worker finds room for the next ones; when it finds none all the same, the flow
 * is refused and counted.
 *
 * Workers offer, inference lcores take. With host context a flow goes to the inference lcore that
 * owns its initiator (a fixed hash of the initiator's address), and the others get the flow's fact,
 * in the same order, so that each knows of all flows (lj_host.h). Otherwise it goes to one that is
 * near (lj_route.h).
 */
#ifndef LJ_BATCH_H
#define LJ_BATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lj_flow.h"
#include "lj_host.h"
#include "lj_merge.h"
#include "lj_queue.h"
#include "lj_stats.h"

#define LJ_BATCH_MAX 1024
/* Of all records that come with a batch, facts too. */
#define LJ_BATCH_RECORDS (4 * LJ_BATCH_MAX)

/*
 * A due flow in a queue worker_infer: the flow itself is the message, valid for any model. Or a
 * fact alone, of what has begun or of a flow that another lcore scores; then `flow` is not there.
 */
struct lj_due_flow {
	struct lj_order order;
	uint64_t due_tsc;    /* when the worker found it due */
	uint64_t queued_tsc; /* when it was put into the queue */
	bool fact_alone;
	bool has_fact;
	bool shed;	    /* inference: wo; set when it is taken */
	uint8_t shed_class; /* enum lj_shed_class; inference: wo; set when some are to be shed */
	uint8_t reserved[28];
	struct lj_host_fact fact;
	struct lj_flow flow;
};
_Static_assert(sizeof(struct lj_due_flow) % 64 == 0, "lj_due_flow is whole cache lines");

/* Which of `n` inference lcores owns the flow's initiator. */
uint16_t lj_batch_owner(const struct lj_flow *flow, uint16_t n);

/*
 * Worker: copies a due flow into a queue (lj_route.h says which). False when it is full: live, the
 * caller counts batch_refused by lj_batch_refuse() and goes on; in a replay it tries again.
 */
bool lj_batch_offer(struct lj_queue *q, const struct lj_flow *flow, uint64_t due_tsc,
		    struct lj_counters *counters);
/*
 * Worker: the same to the flow's owner, with its fact, which the other lcores get alone. With
 * `wait` (a replay) also false when one of those has no room, and then none has got anything;
 * otherwise what does not get in is counted as host_refused.
 */
bool lj_batch_offer_with(struct lj_queue *const *infer_queues, uint16_t n,
			 const struct lj_flow *flow, const struct lj_host_fact *fact, bool wait,
			 uint64_t due_tsc, struct lj_counters *counters);
/* Worker: a fact for all of them; false as above. */
bool lj_batch_offer_fact(struct lj_queue *const *infer_queues, uint16_t n, struct lj_order order,
			 const struct lj_host_fact *fact, bool wait, uint64_t due_tsc,
			 struct lj_counters *counters);
void lj_batch_refuse(struct lj_counters *counters);
/* Worker: tells all inference lcores that nothing before `order` will come. */
void lj_batch_advance(struct lj_queue *const *infer_queues, uint16_t n, struct lj_order order);

/* Which flows of a class go unscored when there are too many. */
enum lj_shed {
	LJ_SHED_NONE, /* a replay, where workers wait instead */
	LJ_SHED_OLDEST,
	LJ_SHED_NEWEST,
	LJ_SHED_SMALLEST, /* of the fewest packets; of those the newest */
};

extern const char *const lj_shed_name[]; /* "none", "oldest" ... */

/*
 * Classes of flow in the order in which they are shed: one is touched when all there are of those
 * before it do not suffice. First what is judged again later, then what a flood or a scan makes (so
 * that a flood of it costs no other flow its verdict), then what says least by itself.
 */
enum lj_shed_class {
	LJ_SHED_EARLY,	    /* an early verdict: the flow goes on, and is due again */
	LJ_SHED_UNANSWERED, /* the responder sent nothing, or a TCP handshake was not completed */
	LJ_SHED_DNS,	    /* port 53 of UDP or TCP */
	LJ_SHED_UDP,
	LJ_SHED_OTHER, /* neither TCP nor UDP */
	LJ_SHED_TCP,
	LJ_SHED_CLASSES
};
extern const char *const lj_shed_class_name[LJ_SHED_CLASSES];
/* Which it is: the first of them that fits. */
enum lj_shed_class lj_shed_class_of(const struct lj_flow *f);

/* Set by control, read by the inference lcore at each take. */
struct lj_batch_tuning {
	_Atomic uint32_t size;	      /* 1..LJ_BATCH_MAX */
	_Atomic uint32_t deadline_us; /* longest that scoring a batch may take; 0: no limit */
	/* enum lj_shed; of all classes NONE, or of none */
	_Atomic uint32_t shed[LJ_SHED_CLASSES];
};
/* Gives all classes one policy. */
void lj_batch_shed_by(struct lj_batch_tuning *tuning, enum lj_shed policy);

struct lj_batch {
	uint32_t n; /* due flows to be scored */
	uint32_t n_records, n_shed;
	void *const *records; /* [n_records] struct lj_due_flow: the due flows and, where they stand
			       * in the order, shed ones and facts alone */
	const struct lj_due_flow *due[LJ_BATCH_MAX];
	const struct lj_flow *flows[LJ_BATCH_MAX];
	const struct lj_due_flow *shed[LJ_BATCH_RECORDS];
};

/*
 * An inference lcore's end: borrows the queues, `tuning` and `counters`. NULL with errno. Thread:
 * that lcore.
 */
struct lj_batcher;
struct lj_batcher *lj_batcher_create(struct lj_queue *const *worker_queues, uint16_t n,
				     bool ordered, const struct lj_batch_tuning *tuning,
				     struct lj_counters *counters);
void lj_batcher_destroy(struct lj_batcher *b);

/*
 * Takes what waits: up to `size` due flows and no more than can be scored within `deadline_us`, by
 * what a flow and a fact have cost of late. So a flow that comes just after a batch was begun waits
 * no longer than `deadline_us` for it to end, and is decided within twice that while the lcore
 * keeps up. A single flow is always taken, whatever it costs. With them comes what is to be shed.
 * True with batch->n_records > 0 (batch->n is 0 when only facts have come). The flows stay in their
 * queues until lj_batch_done(). Ordered (a replay): nobody waits for an answer, so size alone
 * limits. Size and deadline hold from the next batch on.
 */
bool lj_batch_take(struct lj_batcher *b, uint64_t now_tsc, struct lj_batch *batch);
/* `now_tsc`: when the batch's work was over; since its take is what it cost. */
void lj_batch_done(struct lj_batcher *b, struct lj_batch *batch, uint64_t now_tsc);

/* All queues closed and empty, and no batch under way. */
bool lj_batcher_finished(const struct lj_batcher *b);
/* Ordered: every flow before this has been given out and is done. */
struct lj_order lj_batcher_watermark(const struct lj_batcher *b);
/* Flows waiting in the queues, those of a batch under way included. */
uint32_t lj_batcher_waiting(const struct lj_batcher *b);

#endif
