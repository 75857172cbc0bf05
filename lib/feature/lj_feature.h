/*
 * Features: every feature is a row of features.def (set, name, unit, record parts that it needs,
 * expression over a `struct lj_flow` and its host context, help, aliases). A model's feature names
 * determine what is computed.
 *
 * Values are computed as double from the record's exact integers; a model's matrix has them
 * converted to float32. A value that does not exist for a flow (a gap if there is one packet) is 0
 * if it is in the original tool, otherwise NaN, as the row's help says.
 *
 * Thread: a plan is immutable and may be shared by lcores.
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
	/* The canonical name, then aliases (spellings of data sets); terminated by NULL. */
	const char *const *names;
	uint32_t keep;	  /* LJ_KEEP_*: the parts of the record that it reads */
	uint32_t context; /* LJ_HOST_PART_*: the part of the context that it reads */
};

/* All features, in the table's order. */
size_t lj_feature_count(void);
const struct lj_feature_info *lj_feature_info(size_t i);

/* Writes docs/features.md: all features by set, with unit, aliases, help and formula. */
void lj_feature_document(FILE *out);

struct lj_feature_plan;

/*
 * Creates a plan for `n` features by name or alias (columns of data sets: "Flow Duration",
 * "IN_BYTES"); case and surrounding blanks are ignored. An unknown name is an error, which suggests
 * similar names, or gives the reason if it is a column of other tools that linejudge does not have.
 * A name given twice is an error, but two spellings of one feature are not: some tables have a
 * column twice ("Fwd Header Length" and "Fwd Header Length.1"). NULL with `err`.
 */
struct lj_feature_plan *lj_feature_plan_create(const char *const *names, size_t n,
					       struct lj_error *err);
/* A plan for all features of a set: "linejudge", "host", "network", "cic", "netflow", "argus", or
 * of several, separated by commas. NULL with `err`. */
struct lj_feature_plan *lj_feature_plan_set(const char *sets, struct lj_error *err);
void lj_feature_plan_destroy(struct lj_feature_plan *plan);

size_t lj_feature_plan_size(const struct lj_feature_plan *plan);
/* The i-th name as given at creation. */
const char *lj_feature_plan_name(const struct lj_feature_plan *plan, size_t i);
/* LJ_KEEP_* that flow tables must keep for this plan. */
uint32_t lj_feature_plan_keep(const struct lj_feature_plan *plan);
/* LJ_HOST_PART_* that this plan reads. */
uint32_t lj_feature_plan_context(const struct lj_feature_plan *plan);

/* Computes one flow's values[size]. `context` may be NULL unless the plan's keep has LJ_KEEP_HOST.
 * Path. */
void lj_feature_values(const struct lj_feature_plan *plan, const struct lj_flow *flow,
		       const struct lj_host_context *context, double *values);
/* Computes matrix[n][size], row-major, from flows[n] and contexts[n] (or NULL, as above). Path. */
void lj_feature_extract(const struct lj_feature_plan *plan, const struct lj_flow *const *flows,
			const struct lj_host_context *contexts, uint16_t n, float *matrix);

#endif
