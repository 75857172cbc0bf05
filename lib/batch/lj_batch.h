/*
 * Transport of due flows from the flow tables to the models, and batching for inference.
 *
 * Batches are work-conserving: an idle inference lcore takes whatever is waiting, so at light load
 * a flow is scored alone and immediately; while it is busy more flows queue up, so at heavy load
 * batches are full. A flow is never delayed to make a batch larger.
 *
 * Overload in live capture: while a worker's queue is more than half full, the excess is shed:
 * these flows are part of the batch, their facts are counted and they leave a record, but they are
 * not scored. Flows are shed by class (enum lj_shed_class), and within a class by its policy (enum
 * lj_shed). This makes room for new flows; if a queue is full all the same, the flow is refused and
 * counted.
 *
 * Workers offer, inference lcores take. With host context a flow goes to the inference lcore that
 * owns its initiator (a fixed hash of the initiator's address), and the others get the flow's fact,
 * in the same order, so that each knows of all flows (lj_host.h). Otherwise it goes to one on the
 * worker's NUMA node (lj_route.h).
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
/* The maximum number of all records of a batch, including facts and shed flows. */
#define LJ_BATCH_RECORDS (4 * LJ_BATCH_MAX)

/*
 * A record of a worker_infer queue: a due flow, with all that any model needs. Or only a fact, of a
 * flow that has begun or that another lcore scores; then `flow` is not valid.
 */
struct lj_due_flow {
	struct lj_order order;
	uint64_t due_tsc;    /* when the worker found it due */
	uint64_t queued_tsc; /* when it was queued */
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
 * Worker: the same to the flow's owner, with the flow's fact; the other lcores get only the fact.
 * With `wait` (a replay) also false if any of the queues is full, with nothing queued at all;
 * otherwise facts that find their queue full are counted as host_refused.
 */
bool lj_batch_offer_with(struct lj_queue *const *infer_queues, uint16_t n,
			 const struct lj_flow *flow, const struct lj_host_fact *fact, bool wait,
			 uint64_t due_tsc, struct lj_counters *counters);
/* Worker: queues a fact for all inference lcores; false as above. */
bool lj_batch_offer_fact(struct lj_queue *const *infer_queues, uint16_t n, struct lj_order order,
			 const struct lj_host_fact *fact, bool wait, uint64_t due_tsc,
			 struct lj_counters *counters);
void lj_batch_refuse(struct lj_counters *counters);
/* Worker: raises the watermark of all queues: nothing before `order` will follow. */
void lj_batch_advance(struct lj_queue *const *infer_queues, uint16_t n, struct lj_order order);

/* Which flows of a class are shed first. */
enum lj_shed {
	LJ_SHED_NONE, /* a replay, where workers wait instead */
	LJ_SHED_OLDEST,
	LJ_SHED_NEWEST,
	LJ_SHED_SMALLEST, /* those with the fewest packets; of equal ones the newest */
};

extern const char *const lj_shed_name[]; /* "none", "oldest" ... */

/*
 * Classes of flows in the order in which they are shed; a class is used only if shedding all of
 * those before it does not suffice. First those that will be due again, then those that floods and
 * scans produce (so that a flood does not cost other flows their verdicts), then those that are
 * least informative.
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
/* The flow's class: the first that matches. */
enum lj_shed_class lj_shed_class_of(const struct lj_flow *f);

/* Set by control, read by the inference lcore at each take. */
struct lj_batch_tuning {
	_Atomic uint32_t size;	      /* 1..LJ_BATCH_MAX */
	_Atomic uint32_t deadline_us; /* maximum time to score a batch; 0: no limit */
	/* enum lj_shed; LJ_SHED_NONE for either all classes or none */
	_Atomic uint32_t shed[LJ_SHED_CLASSES];
};
/* Sets the policy of all classes. */
void lj_batch_shed_by(struct lj_batch_tuning *tuning, enum lj_shed policy);

struct lj_batch {
	uint32_t n; /* due flows to be scored */
	uint32_t n_records, n_shed;
	void *const *records; /* [n_records] struct lj_due_flow, in order: flows to be scored, shed
			       * flows, and facts */
	const struct lj_due_flow *due[LJ_BATCH_MAX];
	const struct lj_flow *flows[LJ_BATCH_MAX];
	const struct lj_due_flow *shed[LJ_BATCH_RECORDS];
};

/*
 * The consumer side, one per inference lcore. The queues, `tuning` and `counters` are borrowed.
 * NULL with errno. Thread: that lcore.
 */
struct lj_batcher;
struct lj_batcher *lj_batcher_create(struct lj_queue *const *worker_queues, uint16_t n,
				     bool ordered, const struct lj_batch_tuning *tuning,
				     struct lj_counters *counters);
void lj_batcher_destroy(struct lj_batcher *b);

/*
 * Takes waiting records: up to `size` due flows, but no more than can be scored within
 * `deadline_us` according to the recent cost of a flow and a fact; at least one flow. So a flow
 * that arrives just after a batch was started waits at most `deadline_us` for it to end, and has
 * its verdict within twice that, as long as the lcore keeps up. Also takes what has to be shed.
 * Ordered (a replay): no deadline.
 *
 * True with batch->n_records > 0 (batch->n is 0 if there are only facts). The flows stay in their
 * queues until lj_batch_done(). Changes of size and deadline take effect with the next batch.
 */
bool lj_batch_take(struct lj_batcher *b, uint64_t now_tsc, struct lj_batch *batch);
/* Releases the batch. `now_tsc` is when it was completed; the time since the take is its cost. */
void lj_batch_done(struct lj_batcher *b, struct lj_batch *batch, uint64_t now_tsc);

/* All queues are closed and empty, and no batch is being processed. */
bool lj_batcher_finished(const struct lj_batcher *b);
/* Ordered: every flow before this has been taken and is done. */
struct lj_order lj_batcher_watermark(const struct lj_batcher *b);
/* Records waiting in the queues, including those of a batch being processed. */
uint32_t lj_batcher_waiting(const struct lj_batcher *b);

#endif
