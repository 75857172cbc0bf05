#include "slo.h"

#include <rte_common.h>

#define BUSY  0.8 /* of the lcores' time: more makes queues grow */
#define AMPLE 0.6

void slo_init(struct slo *s, uint64_t target_ns, uint32_t size, uint32_t deadline_us,
	      uint32_t min_lcores, uint32_t max_lcores)
{
	uint32_t half_us = (uint32_t)RTE_MAX(target_ns / 2000, 1ULL);

	*s = (struct slo){
		.target_ns = target_ns,
		.max_size = size,
		.max_deadline_us = deadline_us > 0 ? RTE_MIN(deadline_us, half_us) : half_us,
		.max_lcores = max_lcores,
		.min_lcores = min_lcores,
		.state = target_ns > 0 ? SLO_QUIET : SLO_NONE,
	};
	if (target_ns == 0)
		s->max_deadline_us = deadline_us;
	s->size = s->max_size;
	s->deadline_us = s->max_deadline_us;
	s->lcores = max_lcores;
}

static enum slo_state judge(const struct slo *s, const struct slo_seen *seen)
{
	if (seen->decisions < SLO_DECISIONS_MIN)
		return SLO_QUIET;
	if (seen->p99_ns <= s->target_ns)
		return SLO_HELD;
	return seen->inference_p99_ns * 2 >= s->target_ns ? SLO_MISSED : SLO_MISSED_SINK;
}

static uint32_t grown(uint32_t value, uint32_t most)
{
	uint32_t step = RTE_MAX(value / 8, 1u);

	return RTE_MIN(value + step, most);
}

static void adjust_batches(struct slo *s, const struct slo_seen *seen, bool busy)
{
	if (s->state == SLO_MISSED && busy) {
		s->size = s->max_size;
		s->deadline_us = s->max_deadline_us;
	} else if (s->state == SLO_MISSED) {
		s->size = RTE_MAX(s->size / 2, 1u);
		s->deadline_us = RTE_MAX(s->deadline_us / 2, 1u);
	} else if (s->state == SLO_HELD && seen->p99_ns * 2 <= s->target_ns) {
		s->size = grown(s->size, s->max_size);
		s->deadline_us = grown(s->deadline_us, s->max_deadline_us);
	}
}

/* For how long a condition has held without a break. */
static uint64_t held_for(uint64_t *since_ns, bool condition, uint64_t now_ns)
{
	if (!condition)
		*since_ns = 0;
	else if (*since_ns == 0)
		*since_ns = now_ns;
	return condition ? now_ns - *since_ns : 0;
}

static void adjust_lcores(struct slo *s, const struct slo_seen *seen, bool busy)
{
	bool late = s->state == SLO_MISSED || seen->lost > 0;
	bool is_short = late && busy && s->lcores < s->max_lcores;
	bool ample = !late && s->lcores > s->min_lcores &&
		     seen->busy * s->lcores < AMPLE * (s->lcores - 1);
	uint64_t short_ns = held_for(&s->short_since_ns, is_short, seen->now_ns);
	uint64_t ample_ns = held_for(&s->ample_since_ns, ample, seen->now_ns);

	if (short_ns >= SLO_WAKE_AFTER_NS)
		s->lcores++;
	else if (ample_ns >= SLO_PARK_AFTER_NS)
		s->lcores--;
	else
		return;
	/* What comes next is judged by what is seen from now on. */
	s->short_since_ns = s->ample_since_ns = 0;
}

bool slo_step(struct slo *s, const struct slo_seen *seen)
{
	uint32_t size = s->size, deadline_us = s->deadline_us, lcores = s->lcores;
	bool busy = seen->busy >= BUSY;

	if (s->target_ns == 0)
		return false;
	s->state = judge(s, seen);
	adjust_batches(s, seen, busy);
	adjust_lcores(s, seen, busy);
	return size != s->size || deadline_us != s->deadline_us || lcores != s->lcores;
}
