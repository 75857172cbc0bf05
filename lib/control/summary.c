#include <string.h>

#include "control.h"

/* The summary is built as JSON; the text is printed from it. */
static json_t *ledger_json(const struct lj_counters *total, bool *balanced)
{
	struct lj_ledger_line lines[LJ_LEDGER_LINES];
	json_t *ledger = json_object();

	*balanced = lj_ledger_check(total, lines) == 0;
	for (int i = 0; i < LJ_LEDGER_LINES; i++)
		json_object_set_new(ledger, lines[i].text,
				    json_pack("{s:I, s:I}", "left", (json_int_t)lines[i].left,
					      "right", (json_int_t)lines[i].right));
	json_object_set_new(ledger, "balanced", json_boolean(*balanced));
	return ledger;
}

/* Adds up classes of the same name over all models. */
static json_t *verdicts_json(const struct lj_pipeline *p)
{
	const struct lj_model_set *models = lj_pipeline_models(p);
	const struct lj_tally *tally = lj_pipeline_tally(p);
	json_t *verdicts = json_object();

	for (uint16_t m = 0; m < models->n; m++) {
		const struct lj_model_info *info = lj_model_info(models->model[m]);

		for (uint16_t k = 0; k < info->classes; k++) {
			const json_t *so_far = json_object_get(verdicts, info->class_name[k]);

			json_object_set_new(verdicts, info->class_name[k],
					    json_integer(json_integer_value(so_far) +
							 (json_int_t)tally->class_count[m][k]));
		}
	}
	if (models->n == 0 || tally->unclassified > 0)
		json_object_set_new(verdicts, "unclassified",
				    json_integer((json_int_t)tally->unclassified));
	return verdicts;
}

static json_t *refused_json(const struct lj_counters *total)
{
	static const char *const kinds[] = {"parse_ignored_", "parse_malformed_", "_refused",
					    "batch_shed",     "port_imissed",	  "port_ierrors",
					    "port_rx_nombuf", "sink_lost"};
	json_t *refused = json_object();

	for (int i = 0; i < LJ_COUNTERS; i++)
		for (size_t k = 0; k < RTE_DIM(kinds) && total->value[i] > 0; k++)
			if (i != LJ_C_cycles_refused && strstr(lj_counter_info[i].name, kinds[k]))
				json_object_set_new(refused, lj_counter_info[i].name,
						    json_integer((json_int_t)total->value[i]));
	return refused;
}

/* Flows and hosts that were evicted because a table was full. */
static json_t *evicted_json(const struct lj_counters *total)
{
	static const int kinds[] = {LJ_C_flow_ended_evicted, LJ_C_host_evicted};
	json_t *evicted = json_object();

	for (size_t k = 0; k < RTE_DIM(kinds); k++)
		if (total->value[kinds[k]] > 0)
			json_object_set_new(evicted, lj_counter_info[kinds[k]].name,
					    json_integer((json_int_t)total->value[kinds[k]]));
	return evicted;
}

static json_t *alert_scores_json(const struct lj_tally *tally)
{
	json_t *scores = json_object();

	for (int i = 9; i >= 0; i--) {
		char range[16];

		snprintf(range, sizeof(range), "%.1f-%.1f", i / 10.0, (i + 1) / 10.0);
		if (tally->alert_score[i] > 0)
			json_object_set_new(scores, range,
					    json_integer((json_int_t)tally->alert_score[i]));
	}
	return scores;
}

static json_t *summary_json(const struct lj_pipeline *p, bool *balanced)
{
	const struct lj_tally *tally = lj_pipeline_tally(p);
	double elapsed_s = lj_pipeline_elapsed_s(p);
	struct lj_histogram decision;
	struct lj_counters total;
	json_t *root = json_object();

	lj_pipeline_total(p, &total);
	json_object_set_new(root, "packets",
			    json_integer((json_int_t)total.value[LJ_C_rx_packets]));
	json_object_set_new(root, "bytes", json_integer((json_int_t)total.value[LJ_C_rx_bytes]));
	json_object_set_new(root, "flows", json_integer((json_int_t)total.value[LJ_C_flow_ended]));
	json_object_set_new(root, "verdicts", verdicts_json(p));
	json_object_set_new(root, "alerts", json_integer((json_int_t)tally->alerts));
	json_object_set_new(root, "alerts_by_score", alert_scores_json(tally));
	json_object_set_new(root, "capture_s",
			    json_real((double)(tally->last_ns - tally->first_ns) / 1e9));
	json_object_set_new(root, "duration_s", json_real(elapsed_s));
	json_object_set_new(root, "packets_per_s",
			    json_real((double)total.value[LJ_C_rx_packets] / elapsed_s));
	json_object_set_new(root, "flows_per_s",
			    json_real((double)total.value[LJ_C_flow_ended] / elapsed_s));
	lj_pipeline_latency(p, LJ_STAGE_DECISION, &decision);
	json_object_set_new(root, "decision_ns", latency_json(&decision));
	json_object_set_new(root, "drift", json_object());
	drift_json(p, json_object_get(root, "drift"));
	json_object_set_new(root, "refused", refused_json(&total));
	json_object_set_new(root, "evicted", evicted_json(&total));
	json_object_set_new(root, "ledger", ledger_json(&total, balanced));
	return root;
}

static void print_section(const json_t *root, const char *key, const char *title, FILE *out)
{
	json_t *section = json_object_get(root, key);
	const char *name;
	json_t *value;

	if (json_object_size(section) == 0)
		return;
	fprintf(out, "%s\n", title);
	json_object_foreach (section, name, value)
		fprintf(out, "  %-34s %12lld\n", name, (long long)json_integer_value(value));
}

static long long integer(const json_t *root, const char *key)
{
	return (long long)json_integer_value(json_object_get(root, key));
}

static const char *text_of(const json_t *root, const char *key)
{
	return json_string_value(json_object_get(root, key));
}

static double real(const json_t *root, const char *key)
{
	return json_real_value(json_object_get(root, key));
}

static void print_ledger(const json_t *ledger, bool balanced, FILE *out)
{
	const char *text;
	json_t *line;

	fprintf(out, "ledger %s\n", balanced ? "balances" : "DOES NOT BALANCE");
	json_object_foreach ((json_t *)(uintptr_t)ledger, text, line) {
		if (!json_is_object(line))
			continue;
		fprintf(out, "  %12lld %s %-12lld %s\n", integer(line, "left"),
			integer(line, "left") == integer(line, "right") ? "=" : "!",
			integer(line, "right"), text);
	}
}

/* Prints what needs attention in the last window; nothing if all is well or too few flows were
 * sampled. */
static void print_drift(const json_t *drift, FILE *out)
{
	static const char *const worth[] = {"moved", "drifted", "silent", "fires for everything"};
	const char *name;
	json_t *model;

	json_object_foreach ((json_t *)(uintptr_t)drift, name, model) {
		const char *state = json_string_value(json_object_get(model, "state"));
		const char *feature = text_of(model, "worst_feature");

		for (size_t i = 0; state != NULL && i < RTE_DIM(worth); i++) {
			if (strcmp(state, worth[i]) != 0)
				continue;
			fprintf(out, "%s: %s", name, state);
			if (*feature != '\0') /* empty without a reference, or for too few flows */
				fprintf(out, " (PSI of its scores %s, most moved: %s, %s)",
					text_of(model, "score_psi"), feature,
					text_of(model, "worst_psi"));
			fprintf(out, "\n");
		}
	}
}

static void print_text(const json_t *root, bool balanced, FILE *out)
{
	const json_t *decision = json_object_get(root, "decision_ns");

	fprintf(out, "%lld packets, %lld bytes, %lld flows over %.3f s of capture, %lld alerts\n",
		integer(root, "packets"), integer(root, "bytes"), integer(root, "flows"),
		real(root, "capture_s"), integer(root, "alerts"));
	fprintf(out, "in %.3f s: %.0f packets/s, %.0f flows/s\n", real(root, "duration_s"),
		real(root, "packets_per_s"), real(root, "flows_per_s"));
	fprintf(out,
		"decision time, due to written: p50 %.1f us, p95 %.1f us, p99 %.1f us, "
		"p99.9 %.1f us, max %.1f us\n",
		(double)integer(decision, "p50") / 1e3, (double)integer(decision, "p95") / 1e3,
		(double)integer(decision, "p99") / 1e3, (double)integer(decision, "p999") / 1e3,
		(double)integer(decision, "max") / 1e3);
	print_section(root, "verdicts", "verdicts by class", out);
	print_section(root, "alerts_by_score", "alerts by score", out);
	print_drift(json_object_get(root, "drift"), out);
	print_section(root, "refused", "refused, by reason", out);
	print_section(root, "evicted", "evicted, because a table was full", out);
	print_ledger(json_object_get(root, "ledger"), balanced, out);
}

bool lj_summary_print(const struct lj_pipeline *p, enum lj_summary format, FILE *out)
{
	bool balanced;
	json_t *root = summary_json(p, &balanced);

	if (format == LJ_SUMMARY_JSON) {
		json_dumpf(root, out, JSON_INDENT(2));
		fprintf(out, "\n");
	} else if (format == LJ_SUMMARY_TEXT) {
		print_text(root, balanced, out);
	}
	fflush(out);
	json_decref(root);
	return balanced;
}
