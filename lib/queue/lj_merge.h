/*
 * Merges several queues for one consumer.
 *
 * Ordered (replay): a record is returned only when no other queue can still deliver an earlier one,
 * so the sequence does not depend on timing. No two queues may hold equal orders. Unordered (live):
 * round robin over the queues.
 * Thread: the consumer's.
 */
#ifndef LJ_MERGE_H
#define LJ_MERGE_H

#include "lj_queue.h"

struct lj_merge;

/* The `n` queues are borrowed and must outlive the merge. NULL with errno set. */
struct lj_merge *lj_merge_create(struct lj_queue *const *queues, uint16_t n, bool ordered);
void lj_merge_destroy(struct lj_merge *m);

/*
 * Returns up to `n` further records; they stay in their queues until lj_merge_done(). Repeated
 * calls before lj_merge_done() return further records, never the same again.
 */
uint32_t lj_merge_take(struct lj_merge *m, void **records, uint32_t n);
/* Releases all records taken so far. */
void lj_merge_done(struct lj_merge *m);

/* Records waiting in all queues, including those taken and not yet released. */
uint32_t lj_merge_waiting(const struct lj_merge *m);
/*
 * All records before this order have been returned, so a consumer may pass it on as its own
 * watermark. It stays true, but a later call may return an earlier order. Ordered merges only.
 */
struct lj_order lj_merge_watermark(const struct lj_merge *m);
/* True once all queues are closed and empty. */
bool lj_merge_finished(const struct lj_merge *m);

#endif
