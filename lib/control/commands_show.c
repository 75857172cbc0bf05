#include <string.h>

#include "control.h"

bool is_gauge(enum lj_counter which)
{
	return which == LJ_C_flow_active || which == LJ_C_batch_waiting ||
	       which == LJ_C_host_held || which == LJ_C_verdict_waiting;
}

/* Totals since the latest "clear stats"; current values of gauges. */
static void counters_since_clear(struct lj_control *c, struct lj_counters *total)
{
	lj_pipeline_total(c->pipeline, total);
	for (int i = 0; i < LJ_COUNTERS; i++)
		if (!is_gauge(i))
			total->value[i] -= c->baseline.value[i];
}

/* All counters whose name has one of the prefixes (a NULL-terminated list). */
static int reply_counters(struct lj_control *c, const char *const *prefixes, json_t *reply)
{
	struct lj_counters total;

	counters_since_clear(c, &total);
	for (int i = 0; i < LJ_COUNTERS; i++)
		for (const char *const *prefix = prefixes; *prefix != NULL; prefix++)
			if (strncmp(lj_counter_info[i].name, *prefix, strlen(*prefix)) == 0) {
				json_object_set_new(reply, lj_counter_info[i].name,
						    json_integer((json_int_t)total.value[i]));
				break;
			}
	return 0;
}

int show_packet_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	return reply_counters(c, (const char *const[]){"rx_", "parse_", "spread_", NULL}, reply);
}

int show_flow_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	return reply_counters(c, (const char *const[]){"flow_", NULL}, reply);
}

int show_batch_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	return reply_counters(c, (const char *const[]){"batch", "model_", "verdict_", NULL}, reply);
}

int show_shed(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	enum lj_shed policy[LJ_SHED_CLASSES];
	struct lj_counters total;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	lj_pipeline_shed(c->pipeline, policy);
	counters_since_clear(c, &total);
	for (int class = 0; class < LJ_SHED_CLASSES; class ++)
		json_object_set_new(
			reply, lj_shed_class_name[class],
			json_pack("{s:s, s:I}", "policy", lj_shed_name[policy[class]], "shed",
				  (json_int_t)total.value[LJ_C_batch_shed_early + class]));
	return 0;
}

int show_host_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	static const char *const prefixes[] = {"host_", NULL};

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	json_object_set_new(reply, "memory_bytes",
			    json_integer((json_int_t)lj_pipeline_host_memory(c->pipeline)));
	return reply_counters(c, prefixes, reply);
}

int show_counters(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	return reply_counters(c, (const char *const[]){"", NULL}, reply);
}

int show_port_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_sources(c->pipeline); i++) {
		struct lj_source *source = lj_pipeline_source(c->pipeline, i);
		struct lj_source_stats stats = {0};

		lj_pipeline_port_stats(c->pipeline, i, &stats);
		json_object_set_new(reply, source->name,
				    json_pack("{s:I, s:I, s:I, s:I, s:I}", "received",
					      (json_int_t)stats.received, "bytes",
					      (json_int_t)stats.received_bytes, "imissed",
					      (json_int_t)stats.imissed, "ierrors",
					      (json_int_t)stats.ierrors, "rx_nombuf",
					      (json_int_t)stats.rx_nombuf));
	}
	return 0;
}

int show_port_info(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_half_info half;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_sources(c->pipeline); i++) {
		struct lj_source *source = lj_pipeline_source(c->pipeline, i);
		const struct lj_refusal *refusal;
		uint16_t refusals;
		char text[512];

		struct lj_leg_info leg;

		lj_source_describe(source, text, sizeof(text));
		lj_pipeline_leg(c->pipeline, i, &leg);
		/* The alarm comes first, because telemetry truncates texts to 127 characters. */
		json_object_set_new(reply, source->name,
				    leg.watched ? json_sprintf("leg %s, %llu alarms, %s",
							       leg.silent ? "SILENT" : "heard",
							       (unsigned long long)leg.alarms, text)
						: json_string(text));
		refusal = lj_source_refusals(source, &refusals);
		for (uint16_t r = 0; r < refusals; r++) {
			snprintf(text, sizeof(text), "%s not by %s", source->name, refusal[r].way);
			json_object_set_new(reply, text, json_string(refusal[r].why));
		}
	}
	lj_pipeline_half(c->pipeline, &half);
	json_object_set_new(reply, "conversations",
			    json_sprintf("%s, %llu alarms",
					 half.half ? "ONE DIRECTION" : "both directions",
					 (unsigned long long)half.alarms));
	return 0;
}

int show_sink_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_sinks(c->pipeline); i++) {
		const struct lj_sink *sink = lj_pipeline_sink(c->pipeline, i);

		json_object_set_new(reply, sink->name,
				    json_pack("{s:I, s:I, s:I, s:I, s:I}", "offered",
					      (json_int_t)sink->counts.offered, "written",
					      (json_int_t)sink->counts.written, "suppressed",
					      (json_int_t)sink->counts.suppressed, "lost",
					      (json_int_t)sink->counts.lost, "bytes",
					      (json_int_t)sink->counts.bytes));
	}
	return 0;
}

int show_verdicts(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	const struct lj_model_set *models = lj_pipeline_models(c->pipeline);
	const struct lj_tally *tally = lj_pipeline_tally(c->pipeline);

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	json_object_set_new(reply, "records", json_integer((json_int_t)tally->records));
	json_object_set_new(reply, "early", json_integer((json_int_t)tally->early));
	json_object_set_new(reply, "alerts", json_integer((json_int_t)tally->alerts));
	json_object_set_new(reply, "unclassified", json_integer((json_int_t)tally->unclassified));
	json_object_set_new(reply, "shed", json_integer((json_int_t)tally->shed));
	for (uint16_t m = 0; m < models->n; m++) {
		const struct lj_model_info *info = lj_model_info(models->model[m]);

		for (uint16_t k = 0; k < info->classes; k++) {
			char name[128];

			snprintf(name, sizeof(name), "%s.%s", info->name, info->class_name[k]);
			json_object_set_new(reply, name,
					    json_integer((json_int_t)tally->class_count[m][k]));
		}
	}
	return 0;
}

int show_lcores(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_roles(c->pipeline); i++) {
		struct lj_role_info role;
		uint64_t busy, idle, refused;
		char to[128] = "-"; /* limited by telemetry */

		lj_pipeline_role(c->pipeline, i, &role);
		if (role.route != NULL)
			lj_route_text(role.route, to, sizeof(to));
		busy = lj_counter_read(role.counters, LJ_C_cycles_busy);
		idle = lj_counter_read(role.counters, LJ_C_cycles_idle);
		refused = lj_counter_read(role.counters, LJ_C_cycles_refused);
		json_object_set_new(
			reply, role.name,
			json_pack("{s:i, s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "lcore",
				  (int)role.lcore, "node", role.node, "flows_to", to, "state",
				  role.finished ? "finished" : "running", "busy_percent",
				  (json_int_t)(100.0 * (double)busy /
					       (double)RTE_MAX(busy + idle + refused, 1ULL)),
				  "busy_cycles", (json_int_t)busy, "idle_cycles", (json_int_t)idle,
				  "refused_cycles", (json_int_t)refused, "polls",
				  (json_int_t)lj_counter_read(role.counters, LJ_C_polls)));
	}
	return 0;
}

int show_keepalive(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_lcores(c->pipeline); i++) {
		struct lj_health health;
		char name[32];

		lj_pipeline_health(c->pipeline, i, &health);
		snprintf(name, sizeof(name), "lcore%u", health.lcore);
		json_object_set_new(reply, name,
				    json_pack("{s:s, s:s, s:I, s:I, s:I}", "roles", health.roles,
					      "state",
					      health.finished  ? "finished"
					      : health.stalled ? "stalled"
							       : "alive",
					      "silent_us", (json_int_t)(health.silent_ns / 1000),
					      "stalls", (json_int_t)health.stalls, "longest_us",
					      (json_int_t)(health.longest_ns / 1000)));
	}
	return 0;
}

int show_ledger(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	struct lj_counters total;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	lj_pipeline_total(c->pipeline, &total);
	lj_ledger_check(&total, lines);
	for (int i = 0; i < LJ_LEDGER_LINES; i++)
		json_object_set_new(reply, lines[i].text,
				    json_pack("{s:I, s:I, s:I}", "left", (json_int_t)lines[i].left,
					      "right", (json_int_t)lines[i].right, "difference",
					      (json_int_t)lines[i].difference));
	return 0;
}

/* Number of flows by trees evaluated, one column per bin; none in mode exact. */
static void add_tree_histogram(json_t *row, const struct lj_model *m)
{
	struct lj_model_bin bins[LJ_MODEL_BINS];
	uint32_t n = lj_model_histogram(m, bins);
	char column[32];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(column, sizeof(column), "trees_to_%u", bins[i].trees);
		json_object_set_new(row, column, json_integer((json_int_t)bins[i].rows));
	}
}

int show_model(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	const struct lj_model_set *models = lj_pipeline_models(c->pipeline);

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint16_t m = 0; m < models->n; m++) {
		const struct lj_model_info *info = lj_model_info(models->model[m]);

		json_object_set_new(reply, info->name,
				    json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s}",
					      "version", info->version, "engine", info->engine,
					      "engine_reason", info->engine_reason, "features",
					      (int)info->features, "classes", (int)info->classes,
					      "trees", (int)info->trees, "threshold", "", "sha256",
					      info->sha256, "dir", lj_model_dir(models->model[m])));
		json_object_set_new(json_object_get(reply, info->name), "threshold",
				    json_sprintf("%.6g", info->threshold));
		json_object_set_new(json_object_get(reply, info->name), "threshold_shipped",
				    json_sprintf("%.6g", info->threshold_shipped));
		json_object_set_new(json_object_get(reply, info->name), "calibration",
				    json_string(info->calibration));
		json_object_set_new(json_object_get(reply, info->name), "mode",
				    json_string(info->mode));
		add_tree_histogram(json_object_get(reply, info->name), models->model[m]);
	}
	return 0;
}

/* Telemetry has integers only, so a fraction of a millisecond becomes text. */
static json_t *ms_json(uint64_t ns)
{
	if (ns % 1000000 == 0)
		return json_integer((json_int_t)(ns / 1000000));
	return json_sprintf("%.15g", (double)ns / 1e6);
}

int show_tuning(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_tuning t;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	lj_pipeline_tuning(c->pipeline, &t);
	json_object_set_new(reply, "batch_size", json_integer(t.batch_size));
	json_object_set_new(reply, "batch_deadline_us", json_integer(t.batch_deadline_us));
	json_object_set_new(reply, "classify_at", json_integer(t.classify_at));
	json_object_set_new(reply, "classify_after_ms", ms_json(t.classify_after_ns));
	json_object_set_new(reply, "idle_timeout_ms", ms_json(t.idle_timeout_ns));
	json_object_set_new(reply, "active_timeout_ms", ms_json(t.active_timeout_ns));
	json_object_set_new(reply, "tcp_linger_ms", ms_json(t.tcp_linger_ns));
	return 0;
}
