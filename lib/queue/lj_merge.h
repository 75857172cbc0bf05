/*
 * Takes records from several queues on behalf of one consumer.
 *
 * Ordered (replay): a record is given out only when no other queue can still bring an earlier one,
 * so the sequence is the same whatever the timing. No two queues may hold equal orders. Unordered
 * (live): a fair turn for each queue.
 * Thread: the consumer's.
 */
#ifndef LJ_MERGE_H
#define LJ_MERGE_H

#include "lj_queue.h"

struct lj_merge;

/* Borrows the `n` queues. NULL with errno. */
struct lj_merge *lj_merge_create(struct lj_queue *const *queues, uint16_t n, bool ordered);
void lj_merge_destroy(struct lj_merge *m);

/*
 * Up to `n` further records that may go out now; they stay in their queues until lj_merge_done().
 * Calls between two lj_merge_done() give further records, not the same again.
 */
uint32_t lj_merge_take(struct lj_merge *m, void **records, uint32_t n);
/* Releases all that was taken. */
void lj_merge_done(struct lj_merge *m);

/* Records waiting over all queues (taken ones included). */
uint32_t lj_merge_waiting(const struct lj_merge *m);
/*
 * All records before this have been given out: what a consumer may tell onwards as its own
 * watermark. True for good, but a later call may give an earlier one. For an ordered merge only.
 */
struct lj_order lj_merge_watermark(const struct lj_merge *m);
/* All queues closed and empty. */
bool lj_merge_finished(const struct lj_merge *m);

#endif
