/*
 * Counters with one writer each.
 *
 * Every role (a worker, a spreader, an inference lcore, a sink) owns one `struct lj_counters` and
 * is its only writer; control sums them. `stats.def` is the only list of counters: enum, names,
 * help and docs/counters.md are generated from it. Counters never decrease; "clear stats" only
 * stores a baseline in control.
 */
#ifndef LJ_STATS_H
#define LJ_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_common.h>

enum lj_counter {
#define LJ_COUNTER(name, help) LJ_C_##name,
#include "stats.def"
#undef LJ_COUNTER
	LJ_COUNTERS
};

/* owner: wo, control: ro */
struct lj_counters {
	uint64_t value[LJ_COUNTERS];
} __rte_aligned(128);

struct lj_counter_info {
	const char *name;
	const char *help;
};
/* Indexed by enum lj_counter. */
extern const struct lj_counter_info lj_counter_info[LJ_COUNTERS];

/* Owner only. */
static inline void lj_count(struct lj_counters *c, enum lj_counter which, uint64_t n)
{
	__atomic_store_n(&c->value[which], c->value[which] + n, __ATOMIC_RELAXED);
}

/* Owner only: a gauge (flow_active, batch_waiting ...) is stored, not added. */
static inline void lj_gauge(struct lj_counters *c, enum lj_counter which, uint64_t value)
{
	__atomic_store_n(&c->value[which], value, __ATOMIC_RELAXED);
}

static inline uint64_t lj_counter_read(const struct lj_counters *c, enum lj_counter which)
{
	return __atomic_load_n(&c->value[which], __ATOMIC_RELAXED);
}

/* Adds all of `c` to `total`. Any thread. */
void lj_counters_add(struct lj_counters *total, const struct lj_counters *c);

/*
 * The ledger: equalities between sums of counters, which hold if no packet and no flow was lost
 * without being counted.
 */
struct lj_ledger_line {
	const char *text; /* "rx_packets = parse_accepted + parse_ignored + parse_malformed" */
	uint64_t left, right;
	int64_t difference; /* left - right */
};
#define LJ_LEDGER_LINES 11
/* Fills `lines`; returns how many do not balance. Exact only while all roles are idle. */
int lj_ledger_check(const struct lj_counters *total, struct lj_ledger_line lines[LJ_LEDGER_LINES]);

/* Writes docs/counters.md: the reference of all counters and the ledger. */
void lj_stats_document(FILE *out);

#endif
