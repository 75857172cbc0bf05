#include "lj_stats.h"

const struct lj_counter_info lj_counter_info[LJ_COUNTERS] = {
#define LJ_COUNTER(name, help) {#name, help},
#include "stats.def"
#undef LJ_COUNTER
};

void lj_counters_add(struct lj_counters *total, const struct lj_counters *c)
{
	for (int i = 0; i < LJ_COUNTERS; i++)
		total->value[i] += lj_counter_read(c, i);
}
