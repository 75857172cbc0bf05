/* Output of decision times. */
#include "control.h"

#define BAR 50 /* characters of the longest bar */

json_t *latency_json(const struct lj_histogram *h)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)h->count,
			 "min", (json_int_t)(h->count > 0 ? h->min : 0), "mean",
			 (json_int_t)lj_histogram_mean(h), "p50",
			 (json_int_t)lj_histogram_percentile(h, 50), "p95",
			 (json_int_t)lj_histogram_percentile(h, 95), "p99",
			 (json_int_t)lj_histogram_percentile(h, 99), "p999",
			 (json_int_t)lj_histogram_percentile(h, 99.9), "max", (json_int_t)h->max);
}

int show_latency(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (int stage = 0; stage < LJ_STAGES; stage++) {
		struct lj_histogram h;

		lj_pipeline_latency(c->pipeline, stage, &h);
		json_object_set_new(reply, lj_stage_name[stage], latency_json(&h));
	}
	return 0;
}

int show_latency_models(struct lj_control *c, const char *param, json_t *reply,
			struct lj_error *err)
{
	const struct lj_model_set *models = lj_pipeline_models(c->pipeline);

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint16_t m = 0; m < models->n; m++)
		for (int stage = 0; stage < LJ_STAGES; stage++) {
			char name[128];

			snprintf(name, sizeof(name), "%s.%s", lj_model_info(models->model[m])->name,
				 lj_stage_name[stage]);
			json_object_set_new(
				reply, name,
				latency_json(lj_pipeline_model_latency(c->pipeline, m, stage)));
		}
	return 0;
}

uint64_t range_end_us(int i)
{
	uint64_t us = (const uint64_t[]){1, 2, 5}[i % 3];

	for (i /= 3; i > 0; i--)
		us *= 10;
	return us;
}

uint64_t range_count(const struct lj_histogram *h, int i)
{
	uint64_t before = i > 0 ? lj_histogram_below(h, range_end_us(i - 1) * 1000) : 0;

	return (i == RANGES - 1 ? h->count : lj_histogram_below(h, range_end_us(i) * 1000)) -
	       before;
}

static void add_range(json_t *reply, int i, uint64_t n, uint64_t most, uint64_t count)
{
	static const char full[] = "##################################################";
	int length = most > 0 ? (int)((n * BAR + most - 1) / most) : 0;
	char name[48];

	_Static_assert(sizeof(full) == BAR + 1, "a full bar");
	snprintf(name, sizeof(name), "%9llu us", (unsigned long long)range_end_us(i));
	json_object_set_new(reply, name,
			    json_pack("{s:I, s:f, s:o}", "decisions", (json_int_t)n, "percent",
				      count > 0 ? 100.0 * (double)n / (double)count : 0, "bar",
				      json_sprintf("%-*.*s", BAR, length, full)));
}

int show_latency_histogram(struct lj_control *c, const char *param, json_t *reply,
			   struct lj_error *err)
{
	int first = RANGES, last = -1;
	uint64_t n[RANGES], most = 0;
	struct lj_histogram h;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	lj_pipeline_latency(c->pipeline, LJ_STAGE_DECISION, &h);
	for (int i = 0; i < RANGES; i++) {
		n[i] = range_count(&h, i);
		most = RTE_MAX(most, n[i]);
		if (n[i] > 0)
			last = i;
		if (n[i] > 0 && first == RANGES)
			first = i;
	}
	for (int i = first; i <= last; i++)
		add_range(reply, i, n[i], most, h.count);
	return 0;
}

int show_slo(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_slo_info info;
	double margin;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	lj_pipeline_slo(c->pipeline, &info);
	json_object_set_new(reply, "state", json_string(info.state));
	json_object_set_new(reply, "decision_us", json_integer((json_int_t)info.target_ns / 1000));
	json_object_set_new(reply, "p99_us", json_sprintf("%.1f", (double)info.p99_ns / 1e3));
	json_object_set_new(reply, "decisions", json_integer((json_int_t)info.decisions));
	margin = info.target_ns > 0 && info.decisions > 0
			 ? 100 - 100.0 * (double)info.p99_ns / (double)info.target_ns
			 : 0;
	json_object_set_new(reply, "margin_percent", json_sprintf("%.1f", margin));
	json_object_set_new(reply, "held_s", json_integer((json_int_t)info.held_s));
	json_object_set_new(reply, "missed_s", json_integer((json_int_t)info.missed_s));
	json_object_set_new(reply, "batch_size", json_integer(info.batch_size));
	json_object_set_new(reply, "batch_deadline_us", json_integer(info.batch_deadline_us));
	json_object_set_new(reply, "lcores", json_integer(info.lcores));
	json_object_set_new(reply, "lcores_of", json_integer(info.max_lcores));
	return 0;
}
