/* Commands about ports, queues, packet loss and stalls. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control.h"

/* Formats a time since the epoch in UTC; "-" for 0. */
static void time_text(uint64_t ns, char *out, size_t size)
{
	time_t at = (time_t)(ns / 1000000000);
	struct tm tm;

	snprintf(out, size, "-");
	if (ns != 0 && gmtime_r(&at, &tm) != NULL)
		strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/*
 * Reads the counters of a port's queues once, into `info` [LJ_SOURCE_QUEUES], since they keep
 * changing; `sum` is the sum of these values. Returns the imbalance: the maximum over the mean, 1
 * if even.
 */
static double read_queues(const struct lj_pipeline *p, uint32_t source, struct lj_queue_info *info,
			  struct lj_queue_info *sum)
{
	uint16_t queues = lj_pipeline_source(p, source)->queues;
	uint64_t max = 0;

	*sum = (struct lj_queue_info){0};
	for (uint16_t q = 0; q < queues; q++) {
		lj_pipeline_queue(p, source, q, &info[q]);
		sum->packets += info[q].packets;
		sum->bytes += info[q].bytes;
		sum->checked += info[q].checked;
		sum->unexpected += info[q].unexpected;
		sum->parted += info[q].parted;
		max = RTE_MAX(max, info[q].packets);
	}
	return sum->packets > 0 ? (double)max * queues / (double)sum->packets : 1;
}

/* Parses a port number at the start of a parameter; *end is the separator after it, or the end.
 * False and `err` if there is none. */
static bool parse_port(const struct lj_control *c, const char *param, uint32_t *port, char **end,
		       struct lj_error *err)
{
	unsigned long n = strtoul(param, end, 10);

	*port = (uint32_t)n;
	if (*end != param && strchr(" ,", **end) != NULL && n < lj_pipeline_sources(c->pipeline))
		return true;
	lj_error_set(err, EINVAL, param, "is not a port: ports are 0..%u",
		     lj_pipeline_sources(c->pipeline) - 1);
	return false;
}

int show_port_queues(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_queue_info info[LJ_SOURCE_QUEUES], sum;
	uint16_t queues;
	uint32_t port;
	char *end;

	if (!parse_port(c, param, &port, &end, err))
		return -EINVAL;
	if (*end != '\0')
		return lj_error_set(err, EINVAL, param, "has further text after the port");
	queues = lj_pipeline_source(c->pipeline, port)->queues;
	read_queues(c->pipeline, port, info, &sum);
	for (uint16_t q = 0; q < queues; q++) {
		double share = (double)info[q].packets / (double)RTE_MAX(sum.packets, 1u);
		char name[16];

		snprintf(name, sizeof(name), "queue%u", q);
		json_object_set_new(reply, name,
				    json_pack("{s:s, s:I, s:I, s:o}", "role", info[q].role,
					      "packets", (json_int_t)info[q].packets, "bytes",
					      (json_int_t)info[q].bytes, "share_percent",
					      json_sprintf("%.2f", 100 * share)));
	}
	return 0;
}

int show_port_failover(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_sources(c->pipeline); i++) {
		struct lj_failover_info info;
		char when[32];

		lj_pipeline_failover_info(c->pipeline, i, &info);
		time_text(info.at_ns, when, sizeof(when));
		json_object_set_new(reply, lj_pipeline_source(c->pipeline, i)->name,
				    json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:I, s:I}",
					      "way", info.way, "state", info.state, "ill_ms",
					      (json_int_t)(info.ill_ns / 1000000), "failovers",
					      (json_int_t)info.count, "at", when, "from", info.from,
					      "why", info.why, "blind_us",
					      (json_int_t)(info.blind_ns / 1000), "worst_blind_us",
					      (json_int_t)(info.worst_blind_ns / 1000)));
	}
	return 0;
}

/* Accepts "0", "0,xdp" and, as typed at the prompt, "0 xdp". */
int port_failover(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	const char *way = NULL;
	uint32_t port;
	char *end;
	int ret;

	if (!parse_port(c, param, &port, &end, err))
		return -EINVAL;
	if (*end != '\0') {
		way = lj_way_find(end + 1);
		if (way == NULL)
			return lj_error_set(err, EINVAL, end + 1,
					    "is not one of driver, af_xdp, xdp, af_packet, "
					    "configured");
	}
	ret = lj_pipeline_ask_failover(c->pipeline, port, way, err);
	if (ret == 0)
		json_object_set_new(reply, lj_pipeline_source(c->pipeline, port)->name,
				    json_string("requested: see show port failover"));
	return ret;
}

static json_t *key_text(const struct lj_rss *rss)
{
	char text[2 * 8 + 8];

	snprintf(text, sizeof(text), "%02x%02x%02x%02x%02x%02x%02x%02x...", rss->key[0],
		 rss->key[1], rss->key[2], rss->key[3], rss->key[4], rss->key[5], rss->key[6],
		 rss->key[7]);
	return json_string(text);
}

/* Imbalance of the workers: maximum over mean of packets taken from the spreader; *dealt is their
 * sum. */
static double worker_imbalance(const struct lj_pipeline *p, uint64_t *dealt)
{
	uint64_t max = 0, workers = 0;

	*dealt = 0;
	for (uint32_t i = 0; i < lj_pipeline_roles(p); i++) {
		struct lj_role_info role;
		uint64_t packets;

		lj_pipeline_role(p, i, &role);
		if (role.kind != LJ_ROLE_WORKER)
			continue;
		packets = lj_counter_read(role.counters, LJ_C_flow_hit) +
			  lj_counter_read(role.counters, LJ_C_flow_created) +
			  lj_counter_read(role.counters, LJ_C_flow_refused);
		max = RTE_MAX(max, packets);
		*dealt += packets;
		workers++;
	}
	return *dealt > 0 ? (double)max * (double)workers / (double)*dealt : 1;
}

static json_t *rss_row(const struct lj_rss *rss, uint16_t queues, double uneven,
		       const struct lj_queue_info *sum)
{
	return json_pack(
		"{s:s, s:i, s:o, s:i, s:i, s:o, s:I, s:I, s:I}", "mode",
		rss == NULL		 ? "none"
		: rss->mode == LJ_RSS_IP ? "ip"
					 : "5tuple",
		"queues", (int)queues, "key", rss != NULL ? key_text(rss) : json_string("-"),
		"key_bytes", rss != NULL ? (int)rss->key_bytes : 0, "reta_entries",
		rss != NULL ? (int)rss->reta_entries : 0, "imbalance", json_sprintf("%.3f", uneven),
		"checked", (json_int_t)sum->checked, "unexpected", (json_int_t)sum->unexpected,
		"parted", (json_int_t)sum->parted);
}

int show_rss(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	const struct lj_rss *spread = lj_pipeline_spread(c->pipeline);
	struct lj_queue_info sum;

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_sources(c->pipeline); i++) {
		const struct lj_source *s = lj_pipeline_source(c->pipeline, i);
		struct lj_queue_info info[LJ_SOURCE_QUEUES];
		double uneven = read_queues(c->pipeline, i, info, &sum);

		json_object_set_new(reply, s->name, rss_row(s->rss, s->queues, uneven, &sum));
	}
	if (spread != NULL) {
		double uneven;

		/* The spreader cannot misplace packets, so all are counted as checked. */
		sum = (struct lj_queue_info){0};
		uneven = worker_imbalance(c->pipeline, &sum.checked);
		json_object_set_new(reply, "spread", rss_row(spread, spread->queues, uneven, &sum));
	}
	return 0;
}

int rebalance_rss(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_rebalance r;
	int ret = lj_pipeline_rebalance(c->pipeline, &r, err);

	RTE_SET_USED(param);
	if (ret != 0)
		return ret;
	json_object_set_new(reply, "samples", json_integer((json_int_t)r.samples));
	json_object_set_new(reply, "moved_entries", json_integer(r.balance.moved));
	json_object_set_new(reply, "imbalance_before", json_sprintf("%.3f", r.balance.before));
	json_object_set_new(reply, "imbalance_after", json_sprintf("%.3f", r.balance.after));
	return 0;
}

/* "lcore2: 99 % busy, away for 8123 us, 3 switches"; "-" if no lcore was late. */
static void late_text(const struct lj_late *late, char *out, size_t size)
{
	snprintf(out, size, "-");
	if (late->lcore != 0)
		snprintf(out, size,
			 "lcore%u: %" PRIu64 " %% busy, away for %" PRIu64 " us, %" PRIu64
			 " switches",
			 late->lcore, late->busy_percent, late->away_ns / 1000, late->switches);
}

int show_drops(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	struct lj_drop drops[LJ_DROPS_MAX];
	uint32_t n = lj_pipeline_drops(c->pipeline, drops);

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < n; i++) {
		char when[32], late[96];

		time_text(drops[i].worst_at_ns, when, sizeof(when));
		late_text(&drops[i].worst_late, late, sizeof(late));
		json_object_set_new(reply, drops[i].name,
				    json_pack("{s:I, s:I, s:I, s:s, s:s, s:s}", "total",
					      (json_int_t)drops[i].total, "latest_per_s",
					      (json_int_t)drops[i].latest, "worst_per_s",
					      (json_int_t)drops[i].worst, "worst_at", when,
					      "late_then", late, "means", drops[i].help));
	}
	return 0;
}

int show_stalls(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (uint32_t i = 0; i < lj_pipeline_loops(c->pipeline); i++) {
		struct lj_loop_info info;
		const struct lj_histogram *h;
		char name[24], when[32];

		lj_pipeline_loop(c->pipeline, i, &info);
		h = info.loop_ns;
		snprintf(name, sizeof(name), "lcore%u", info.lcore);
		time_text(info.longest_at_ns, when, sizeof(when));
		json_object_set_new(
			reply, name,
			json_pack("{s:I, s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I}",
				  "loops", (json_int_t)h->count, "p50",
				  (json_int_t)lj_histogram_percentile(h, 50), "p99",
				  (json_int_t)lj_histogram_percentile(h, 99), "p999",
				  (json_int_t)lj_histogram_percentile(h, 99.9), "worst",
				  (json_int_t)h->max, "worst_at", when, "latest_worst",
				  (json_int_t)info.latest->away_ns, "busy_percent",
				  (json_int_t)info.latest->busy_percent, "involuntary_switches",
				  (json_int_t)info.involuntary_switches, "latest_involuntary",
				  (json_int_t)info.latest->switches, "voluntary_switches",
				  (json_int_t)info.voluntary_switches));
	}
	return 0;
}

/* Adds the loops of one lcore in each time range to the rows and to the sums in `loops`. Counts a
 * copy, because the lcore keeps recording. */
static void add_loops(const struct lj_loop_info *info, json_t *row[RANGES], uint64_t loops[RANGES])
{
	struct lj_histogram h;
	char name[24];

	lj_histogram_init(&h);
	lj_histogram_add(&h, info->loop_ns);
	snprintf(name, sizeof(name), "lcore%u", info->lcore);
	for (int i = 0; i < RANGES; i++) {
		uint64_t n = range_count(&h, i);

		loops[i] += n;
		json_object_set_new(row[i], name, json_integer((json_int_t)n));
	}
}

int show_stalls_histogram(struct lj_control *c, const char *param, json_t *reply,
			  struct lj_error *err)
{
	uint64_t loops[RANGES] = {0};
	int first = RANGES, last = -1;
	json_t *row[RANGES];

	RTE_SET_USED(param);
	RTE_SET_USED(err);
	for (int i = 0; i < RANGES; i++)
		row[i] = json_object();
	for (uint32_t l = 0; l < lj_pipeline_loops(c->pipeline); l++) {
		struct lj_loop_info info;

		lj_pipeline_loop(c->pipeline, l, &info);
		add_loops(&info, row, loops);
	}
	for (int i = 0; i < RANGES; i++) {
		if (loops[i] > 0)
			last = i;
		if (loops[i] > 0 && first == RANGES)
			first = i;
	}
	for (int i = 0; i < RANGES; i++) {
		char name[48];

		snprintf(name, sizeof(name), "%9llu us", (unsigned long long)range_end_us(i));
		if (i >= first && i <= last)
			json_object_set(reply, name, row[i]);
		json_decref(row[i]);
	}
	return 0;
}
