/* Private: allocation of slots and records, and clearing of reused records. Inlined into its
 * callers. */
#ifndef SLOT_H
#define SLOT_H

#include <netinet/in.h>
#include <string.h>

#include "account.h"
#include "flow_table.h"

/* A free slot, not cleared; NONE if all are in use or their records lent. */
static inline uint32_t slot_take(struct lj_flow_table *t)
{
	if (t->n_free > 0)
		return t->free[--t->n_free];
	return t->high_water < t->capacity ? t->high_water++ : NONE;
}

/* The parts of its record that an ended flow has written. The record must be up to date. */
static inline uint8_t dirt_of(const struct lj_flow *f)
{
	uint32_t dirt = DIRT_COMMON | DIRT_SIDE * f->heard;

	if (f->key.proto == IPPROTO_TCP)
		dirt |= DIRT_TCP * f->heard;
	if (f->packets > 1)
		dirt |= DIRT_GAPS | (f->gap_max > SUBFLOW_GAP_NS ? DIRT_PAUSED : 0);
	return (uint8_t)dirt;
}

/* Frees an ended record, and with it its slot. */
static inline void record_give(struct lj_flow_table *t, const struct lj_flow *f)
{
	t->links[f->index].dirt = dirt_of(f);
	if (f->index < t->capacity)
		t->free[t->n_free++] = f->index;
	else
		t->spare[t->n_spare++] = f->index;
}

static inline void clean_common(struct lj_flow *f, uint32_t keep)
{
	memset(&f->gap_sumsq, 0,
	       offsetof(struct lj_flow, tcp) - offsetof(struct lj_flow, gap_sumsq));
	if (keep & LJ_KEEP_ACTIVITY)
		memset(&f->activity, 0, offsetof(struct lj_flow_activity, active_sumsq));
	if (keep & LJ_KEEP_BULK)
		memset(f->bulk, 0, sizeof(f->bulk));
	if (keep & LJ_KEEP_SPLT)
		memset(&f->splt, 0, offsetof(struct lj_flow_splt, gap_us));
	memset(f->history, 0, sizeof(*f) - offsetof(struct lj_flow, history));
}

/* Clears those `parts` of a record, beyond its second line, that previous flows have written. */
static inline void record_clean(struct lj_flow_table *t, struct lj_flow *f, uint32_t parts)
{
	const uint32_t dirt = t->links[f->index].dirt & parts, keep = t->config.keep;

	if (dirt == 0)
		return;
	if (dirt & DIRT_COMMON)
		clean_common(f, keep);
	for (int side = 0; side < 2; side++) {
		if (dirt & DIRT_SIDE << side)
			memset(&f->side[side], 0, sizeof(f->side[side]));
		if ((keep & LJ_KEEP_TCP) && (dirt & DIRT_TCP << side))
			memset(&f->tcp[side], 0, sizeof(f->tcp[side]));
	}
	if ((keep & LJ_KEEP_ACTIVITY) && (dirt & DIRT_PAUSED))
		memset(&f->activity.active_sumsq, 0,
		       sizeof(f->activity) - offsetof(struct lj_flow_activity, active_sumsq));
	if ((keep & LJ_KEEP_SPLT) && (dirt & DIRT_GAPS))
		memset(f->splt.gap_us, 0, sizeof(f->splt.gap_us));
}

#endif
