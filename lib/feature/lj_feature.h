/*
 * Names and numbers: every feature is a row of features.def (name, set, unit, record parts it
 * needs, expression over a `struct lj_flow` and the context beside it, help). A model's feature
 * names alone decide what is computed.
 *
 * Values are computed as double from the record's exact integers; a model's matrix is their
 * conversion to float32. A value that does not exist for a flow (a gap with one packet) is 0 where
 * the original tool says 0, otherwise NaN, as the row's help says.
 *
 * Thread: a plan is immutable once made and may be shared by lcores.
 */
#ifndef LJ_FEATURE_H
#define LJ_FEATURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lj_base.h"
#include "lj_flow.h"
#include "lj_host.h"

/* Raised when the meaning of an existing feature changes: a bundle made under another version is
 * refused. */
#define LJ_FEATURE_SCHEMA 1

struct lj_feature_info {
	const char *name;    /* canonical: "fwd_packets", "flow_gap_mean_us" ... */
	const char *set;     /* "linejudge", "host", "network", "cic", "netflow", "argus" */
	const char *unit;    /* "us", "bytes", "packets", "1/s", "" */
	const char *formula; /* the expression's text */
	const char *help;
	const char *const
		*names;	  /* the canonical one, then aliases: data-set spellings; NULL ends */
	uint32_t keep;	  /* LJ_KEEP_* that must be on */
	uint32_t context; /* LJ_HOST_PART_*: the one of a context that is read */
};

/* All features, in the table's order. */
size_t lj_feature_count(void);
const struct lj_feature_info *lj_feature_info(size_t i);

/* docs/features.md: every feature by set, with unit, spellings, meaning and formula. */
void lj_feature_document(FILE *out);

struct lj_feature_plan;

/*
 * A plan for `n` features by name or alias (data-set column spellings: "Flow Duration",
 * "IN_BYTES"); upper and lower case are alike and blanks around a name are ignored. An unknown name
 * is an error quoting it with the nearest names, or with the reason when it is a column that other
 * tools have and linejudge does not; a name given twice is an error. Two spellings of one feature
 * are not: tables do have a column twice ("Fwd Header Length" and "Fwd Header Length.1"). NULL and
 * `err`.
 */
struct lj_feature_plan *lj_feature_plan_create(const char *const *names, size_t n,
					       struct lj_error *err);
/* All features of a set, by canonical names: "linejudge", "host", "network", "cic", "netflow",
 * "argus", or several joined by commas. NULL and `err`. */
struct lj_feature_plan *lj_feature_plan_set(const char *sets, struct lj_error *err);
void lj_feature_plan_destroy(struct lj_feature_plan *plan);

size_t lj_feature_plan_size(const struct lj_feature_plan *plan);
/* The name as it was asked for. */
const char *lj_feature_plan_name(const struct lj_feature_plan *plan, size_t i);
/* LJ_KEEP_* bits that tables must keep for this plan. */
uint32_t lj_feature_plan_keep(const struct lj_feature_plan *plan);
/* LJ_HOST_PART_* of a context that this plan reads. */
uint32_t lj_feature_plan_context(const struct lj_feature_plan *plan);

/* One flow's values into values[size]. `context` may be NULL when LJ_KEEP_HOST is not in the plan's
 * keep. Path. */
void lj_feature_values(const struct lj_feature_plan *plan, const struct lj_flow *flow,
		       const struct lj_host_context *context, double *values);
/* Rows of float32, row-major: matrix[n][size], from flows[n] and contexts[n] (or NULL, as above).
 * Path. */
void lj_feature_extract(const struct lj_feature_plan *plan, const struct lj_flow *const *flows,
			const struct lj_host_context *contexts, uint16_t n, float *matrix);

#endif
