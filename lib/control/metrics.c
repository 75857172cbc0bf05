/*
 * Writes counters and states in Prometheus's text exposition format, version 0.0.4 (counters end in
 * _total, times are in seconds), for node_exporter's textfile collector. The file is replaced by
 * rename(), so that it is always complete.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "lj_log.h"

#define NAME "linejudge_"

/* The output, and the process label: there may be one process per NUMA node. */
struct page {
	FILE *out;
	const char *process;
};

static void family(struct page *to, const char *name, const char *type, const char *help)
{
	fprintf(to->out, "# HELP " NAME "%s ", name);
	for (; *help != '\0'; help++)
		fprintf(to->out, *help == '\\' ? "\\\\" : *help == '\n' ? "\\n" : "%c", *help);
	fprintf(to->out, "\n# TYPE " NAME "%s %s\n", name, type);
}

static void add_label(FILE *out, const char *label, const char *text)
{
	fprintf(out, "%s=\"", label);
	for (; *text != '\0'; text++)
		if (*text == '\n')
			fputs("\\n", out);
		else
			fprintf(out, strchr("\"\\", *text) != NULL ? "\\%c" : "%c", *text);
	fputc('"', out);
}

/* Writes NAME{process="...",label="text",...} VALUE; the arguments are pairs of label and text,
 * then NULL. */
static void sample(struct page *to, const char *name, double value, ...)
{
	const char *label;
	va_list labels;

	fprintf(to->out, NAME "%s{", name);
	add_label(to->out, "process", to->process);
	va_start(labels, value);
	while ((label = va_arg(labels, const char *)) != NULL) {
		fputc(',', to->out);
		add_label(to->out, label, va_arg(labels, const char *));
	}
	va_end(labels);
	fprintf(to->out, "} %.17g\n", value);
}

static void write_counters(const struct lj_pipeline *p, struct page *to)
{
	struct lj_counters total;
	char name[96];

	lj_pipeline_total(p, &total);
	for (int i = 0; i < LJ_COUNTERS; i++) {
		snprintf(name, sizeof(name), "%s%s", lj_counter_info[i].name,
			 is_gauge(i) ? "" : "_total");
		family(to, name, is_gauge(i) ? "gauge" : "counter", lj_counter_info[i].help);
		sample(to, name, (double)total.value[i], NULL);
	}
}

/* A 64-bit field of a structure of which there are several, such as ports or lcores. */
struct field {
	const char *name, *help;
	size_t offset;
};

static double value_of(const void *of, const struct field *f)
{
	return (double)*(const uint64_t *)RTE_PTR_ADD(of, f->offset);
}

static void write_ports(const struct lj_pipeline *p, struct page *to)
{
#define FIELD(name, member, help)                                                                  \
	{                                                                                          \
		name, help, offsetof(struct lj_source_stats, member)                               \
	}
	static const struct field fields[] = {
		FIELD("port_received_packets_total", received, "packets that the port received"),
		FIELD("port_received_bytes_total", received_bytes, "bytes of those"),
		FIELD("port_missed_packets_total", imissed, "dropped: a receive ring was full"),
		FIELD("port_error_packets_total", ierrors, "dropped: in error"),
		FIELD("port_no_mbuf_packets_total", rx_nombuf, "dropped: no mbuf was free"),
	};
#undef FIELD
	uint32_t n = lj_pipeline_sources(p);

	for (size_t i = 0; i < RTE_DIM(fields); i++) {
		family(to, fields[i].name, "counter", fields[i].help);
		for (uint32_t port = 0; port < n; port++) {
			struct lj_source_stats stats;

			if (lj_pipeline_port_stats(p, port, &stats) == 0)
				sample(to, fields[i].name, value_of(&stats, &fields[i]), "port",
				       lj_pipeline_source(p, port)->name, NULL);
		}
	}
	family(to, "port_well", "gauge", "1: the port exists and its link is up");
	for (uint32_t port = 0; port < n; port++) {
		struct lj_failover_info info;

		lj_pipeline_failover_info(p, port, &info);
		sample(to, "port_well", strcmp(info.state, "well") == 0, "port",
		       lj_pipeline_source(p, port)->name, NULL);
	}
}

static void write_sinks(const struct lj_pipeline *p, struct page *to)
{
#define FIELD(name, member, help)                                                                  \
	{                                                                                          \
		name, help, offsetof(struct lj_sink_counts, member)                                \
	}
	static const struct field fields[] = {
		FIELD("sink_written_records_total", written, "verdicts that the sink wrote"),
		FIELD("sink_suppressed_records_total", suppressed,
		      "verdicts that the sink was configured not to write"),
		FIELD("sink_lost_records_total", lost, "verdicts that the sink could not write"),
		FIELD("sink_written_bytes_total", bytes, "bytes that the sink wrote"),
	};
#undef FIELD
	for (size_t i = 0; i < RTE_DIM(fields); i++) {
		family(to, fields[i].name, "counter", fields[i].help);
		for (uint32_t k = 0; k < lj_pipeline_sinks(p); k++) {
			const struct lj_sink *sink = lj_pipeline_sink(p, k);

			sample(to, fields[i].name, value_of(&sink->counts, &fields[i]), "sink",
			       sink->name, NULL);
		}
	}
}

static void write_roles(const struct lj_pipeline *p, struct page *to)
{
	static const struct {
		const char *regime;
		enum lj_counter counter;
	} regimes[] = {{"busy", LJ_C_cycles_busy},
		       {"idle", LJ_C_cycles_idle},
		       {"refused", LJ_C_cycles_refused}};

	family(to, "role_cycles_total", "counter", "TSC cycles of a role's polls, by regime");
	for (uint32_t i = 0; i < lj_pipeline_roles(p); i++) {
		struct lj_role_info role;

		lj_pipeline_role(p, i, &role);
		for (size_t k = 0; k < RTE_DIM(regimes); k++)
			sample(to, "role_cycles_total",
			       (double)lj_counter_read(role.counters, regimes[k].counter), "role",
			       role.name, "regime", regimes[k].regime, NULL);
	}
}

static void write_lcores(const struct lj_pipeline *p, struct page *to)
{
	family(to, "lcore_stalls_total", "counter",
	       "stalls of the lcore (no progress for keepalive.stall_ms)");
	for (uint32_t i = 0; i < lj_pipeline_lcores(p); i++) {
		struct lj_health health;

		lj_pipeline_health(p, i, &health);
		sample(to, "lcore_stalls_total", (double)health.stalls, "roles", health.roles,
		       NULL);
	}
}

static void write_verdicts(const struct lj_pipeline *p, struct page *to)
{
	const struct lj_model_set *models = lj_pipeline_models(p);
	const struct lj_tally *tally = lj_pipeline_tally(p);

	family(to, "verdicts_total", "counter", "verdicts by deciding model and class");
	for (uint16_t m = 0; m < models->n; m++) {
		const struct lj_model_info *info = lj_model_info(models->model[m]);

		for (uint16_t k = 0; k < info->classes; k++)
			sample(to, "verdicts_total", (double)tally->class_count[m][k], "model",
			       info->name, "class", info->class_name[k], NULL);
	}
	family(to, "model_threshold", "gauge",
	       "the model's threshold: score from which on a flow alarms");
	for (uint16_t m = 0; m < models->n; m++) {
		const struct lj_model_info *info = lj_model_info(models->model[m]);

		sample(to, "model_threshold", (double)info->threshold, "model", info->name,
		       "sha256", info->sha256, "calibration", info->calibration, NULL);
	}
}

static void write_drift(const struct lj_pipeline *p, struct page *to)
{
	const struct lj_model_set *models = lj_pipeline_models(p);
	const struct lj_drift *d = lj_pipeline_drift(p);
	struct lj_drift_report r[LJ_MODELS_MAX];

	if (d == NULL)
		return;
	for (uint16_t m = 0; m < models->n; m++)
		lj_drift_report(d, m, &r[m]);
	family(to, "model_score_psi", "gauge",
	       "distance of the window's scores from training (PSI)");
	for (uint16_t m = 0; m < models->n; m++)
		sample(to, "model_score_psi", (double)r[m].score_psi, "model",
		       lj_model_info(models->model[m])->name, NULL);
	family(to, "model_over_ratio", "gauge", "share of the window's verdicts that alarm");
	for (uint16_t m = 0; m < models->n; m++)
		sample(to, "model_over_ratio",
		       r[m].verdicts > 0 ? (double)r[m].over / (double)r[m].verdicts : NAN, "model",
		       lj_model_info(models->model[m])->name, NULL);
}

static void write_stages(const struct lj_pipeline *p, struct page *to)
{
	family(to, "stage_seconds", "histogram",
	       "decision time by stage; the stages add up to the stage decision");
	for (int stage = 0; stage < LJ_STAGES; stage++) {
		const char *name = lj_stage_name[stage];
		struct lj_histogram h;

		lj_pipeline_latency(p, stage, &h);
		for (int i = 0; i < RANGES - 1; i++) {
			char le[32];

			snprintf(le, sizeof(le), "%g", (double)range_end_us(i) / 1e6);
			sample(to, "stage_seconds_bucket",
			       (double)lj_histogram_below(&h, range_end_us(i) * 1000), "stage",
			       name, "le", le, NULL);
		}
		sample(to, "stage_seconds_bucket", (double)h.count, "stage", name, "le", "+Inf",
		       NULL);
		sample(to, "stage_seconds_sum", (double)h.sum / 1e9, "stage", name, NULL);
		sample(to, "stage_seconds_count", (double)h.count, "stage", name, NULL);
	}
}

static void write_page(const struct lj_pipeline *p, const char *process, FILE *out)
{
	struct page to = {out, process};

	family(&to, "info", "gauge", "1: what runs");
	sample(&to, "info", 1, "version", LJ_VERSION, NULL);
	write_counters(p, &to);
	write_ports(p, &to);
	write_roles(p, &to);
	write_lcores(p, &to);
	write_sinks(p, &to);
	write_verdicts(p, &to);
	write_drift(p, &to);
	write_stages(p, &to);
}

static int save(const struct lj_pipeline *p, const char *process, const char *path)
{
	char new[LJ_CONFIG_TEXT + 8];
	int ret = 0;
	FILE *out;

	/* The collector only reads names that end in .prom. */
	snprintf(new, sizeof(new), "%s.new", path);
	out = fopen(new, "we");
	if (out == NULL)
		return -errno;
	write_page(p, process, out);
	/* The collector runs as another user. */
	if (fflush(out) != 0 || ferror(out) || fchmod(fileno(out), 0644) != 0)
		ret = -errno;
	if (fclose(out) != 0 && ret == 0)
		ret = -errno;
	if (ret == 0 && rename(new, path) != 0)
		ret = -errno;
	if (ret != 0)
		unlink(new);
	return ret;
}

void metrics_attend(struct metrics *m, const struct lj_pipeline *p, uint64_t now_ns)
{
	int ret;

	if (m->path[0] == '\0' || now_ns < m->due_ns)
		return;
	m->due_ns = now_ns + m->every_ns;
	ret = save(p, m->process, m->path);
	if (ret != 0 && !m->failing)
		lj_log(WARNING, "metrics.file: %s cannot be written: %s\n", m->path,
		       strerror(-ret));
	m->failing = ret != 0;
}

void metrics_end(const struct metrics *m)
{
	if (m->path[0] != '\0' && m->due_ns != 0)
		unlink(m->path);
}
