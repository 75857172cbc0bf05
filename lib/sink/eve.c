#include <math.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "json_text.h"
#include "lj_clock.h"
#include "sink_lines.h"

/* Signature ids outside the ranges of Suricata's rule sets; one per model and class. */
#define SIGNATURE_BASE 9000000

static void add_time(struct text *t, const char *key, uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	add_key(t, key);
	text_string(t, "\"");
	text_digits(t, (uint32_t)tm.tm_year + 1900, 4);
	text_string(t, "-");
	text_digits(t, (uint32_t)tm.tm_mon + 1, 2);
	text_string(t, "-");
	text_digits(t, (uint32_t)tm.tm_mday, 2);
	text_string(t, "T");
	text_digits(t, (uint32_t)tm.tm_hour, 2);
	text_string(t, ":");
	text_digits(t, (uint32_t)tm.tm_min, 2);
	text_string(t, ":");
	text_digits(t, (uint32_t)tm.tm_sec, 2);
	text_string(t, ".");
	text_digits(t, (uint32_t)(ns % 1000000000 / 1000), 6);
	text_string(t, "+0000\"");
}

/* JSON has no NaN. */
static void add_float(struct text *t, float value)
{
	char number[NUMBER_BYTES];

	if (isfinite(value))
		text_put(t, number, number_write_short(number, (double)value));
	else
		text_string(t, "null");
}

static void add_score(struct text *t, const char *key, float value)
{
	add_key(t, key);
	add_float(t, value);
}

static void add_address(struct text *t, const char *key, const struct lj_flow_key *k, int endpoint)
{
	char text[INET6_ADDRSTRLEN];

	add_key(t, key);
	text_string(t, "\"");
	text_put(t, text, address_write(text, k, endpoint));
	text_string(t, "\"");
}

/* Suricata's names of common protocols; others are written as three digits. */
static void add_proto(struct text *t, uint8_t proto)
{
	static const char *const names[256] = {
		[1] = "ICMP",	[2] = "IGMP",	  [4] = "IP-in-IP",   [6] = "TCP",
		[17] = "UDP",	[41] = "IPv6",	  [46] = "RSVP",      [47] = "GRE",
		[50] = "ESP",	[51] = "AH",	  [58] = "IPv6-ICMP", [88] = "EIGRP",
		[89] = "OSPF",	[97] = "ETHERIP", [103] = "PIM",      [108] = "IPComp",
		[112] = "VRRP", [115] = "L2TP",	  [132] = "SCTP",     [136] = "UDPLite",
	};

	if (names[proto] != NULL)
		add_word(t, "proto", names[proto]);
	else
		text_add(t, "\"proto\":\"%03u\"", proto);
}

static void add_endpoints(struct text *t, const struct lj_flow *f)
{
	bool icmp = f->key.proto == IPPROTO_ICMP || f->key.proto == IPPROTO_ICMPV6;
	bool ports = f->key.proto == IPPROTO_TCP || f->key.proto == IPPROTO_UDP ||
		     f->key.proto == IPPROTO_SCTP;

	if (f->vlan != 0)
		text_add(t, ",\"vlan\":[%u]", f->vlan);
	if (f->tunnel != LJ_TUNNEL_NONE)
		text_add(t, ",\"tunnel\":{\"proto\":\"%s\"}", lj_tunnel_name(f->tunnel));
	text_string(t, ",");
	add_address(t, "src_ip", &f->key, f->initiator);
	text_string(t, ",");
	if (ports) {
		add_number(t, "src_port", f->key.port[f->initiator]);
		text_string(t, ",");
	}
	add_address(t, "dest_ip", &f->key, !f->initiator);
	text_string(t, ",");
	if (ports) {
		add_number(t, "dest_port", f->key.port[!f->initiator]);
		text_string(t, ",");
	}
	add_number(t, "ip_v", f->key.version);
	text_string(t, ",");
	add_proto(t, f->key.proto);
	if (icmp)
		text_add(t, ",\"icmp_type\":%u,\"icmp_code\":%u", f->icmp_type, f->icmp_code);
}

/* Suricata's reason for the end of a flow; linejudge's own is in ml.due. */
static const char *reason_of(const struct lj_flow *f)
{
	switch (f->due) {
	case LJ_DUE_FLUSHED:
		return "shutdown";
	case LJ_DUE_EVICTED:
		return "forced";
	default:
		return "timeout";
	}
}

static void add_flow(struct text *t, const struct lj_verdict *v)
{
	const struct lj_flow *f = &v->flow;

	text_string(t, ",\"flow\":{");
	add_number(t, "pkts_toserver", f->side[0].packets);
	text_string(t, ",");
	add_number(t, "pkts_toclient", f->side[1].packets);
	text_string(t, ",");
	add_number(t, "bytes_toserver", f->side[0].length_sum);
	text_string(t, ",");
	add_number(t, "bytes_toclient", f->side[1].length_sum);
	text_string(t, ",");
	add_time(t, "start", f->first_ns);
	text_string(t, ",");
	add_time(t, "end", f->last_ns);
	text_string(t, ",");
	add_number(t, "age", (f->last_ns - f->first_ns) / 1000000000);
	text_string(t, ",");
	add_word(t, "state", lj_flow_eve_state(f));
	text_string(t, ",");
	if (!is_early(v)) {
		add_word(t, "reason", reason_of(f));
		text_string(t, ",");
	}
	add_flag(t, "alerted", v->alert);
	text_string(t, "}");
}

static void add_tcp(struct text *t, const struct lj_flow *f)
{
	static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
	uint8_t all = f->tcp[0].flags_all | f->tcp[1].flags_all;

	if (f->key.proto != IPPROTO_TCP)
		return;
	text_string(t, ",\"tcp\":{\"tcp_flags\":\"");
	text_hex(t, all);
	text_string(t, "\",\"tcp_flags_ts\":\"");
	text_hex(t, f->tcp[0].flags_all);
	text_string(t, "\",\"tcp_flags_tc\":\"");
	text_hex(t, f->tcp[1].flags_all);
	text_string(t, "\",");
	for (int i = 0; i < 8; i++)
		if (all & (1 << i)) {
			add_flag(t, names[i], true);
			text_string(t, ",");
		}
	add_word(t, "conn_state", lj_flow_conn_state(f));
	text_string(t, ",");
	add_word(t, "history", f->history);
	text_string(t, "}");
}

static void add_scores(struct text *t, const struct lj_model_info *info, const struct lj_opinion *o)
{
	text_string(t, ",\"scores\":{");
	for (uint16_t k = 0; k < o->classes; k++) {
		text_string(t, k > 0 ? ",\"" : "\"");
		add_escaped(t, info->class_name[k]);
		text_string(t, "\":");
		add_float(t, o->scores[k]);
	}
	text_string(t, "}");
}

static void add_opinions(struct text *t, const struct lj_verdict *v)
{
	static const char *const rules[] = {"max", "route", "vote"};

	text_add(t, ",\"rule\":\"%s\",\"votes\":%u,\"models\":[", rules[v->models->rule], v->votes);
	for (uint16_t m = 0; m < v->n_opinions; m++) {
		const struct lj_model_info *info = lj_model_info(v->models->model[m]);

		text_add(t, "%s{", m > 0 ? "," : "");
		add_string(t, "model", info->name);
		text_string(t, ",");
		add_string(t, "class", info->class_name[v->opinion[m].class_index]);
		text_string(t, ",");
		add_score(t, "score", v->opinion[m].score);
		text_string(t, "}");
	}
	text_string(t, "]");
}

static void add_because(struct text *t, const struct lj_explanation *x)
{
	text_string(t, ",\"because\":[");
	for (uint32_t i = 0; i < x->n; i++) {
		text_add(t, "%s{", i > 0 ? "," : "");
		add_string(t, "feature", x->item[i].feature);
		text_string(t, ",");
		add_score(t, "value", x->item[i].value);
		text_string(t, ",");
		add_score(t, "contribution", x->item[i].contribution);
		text_string(t, "}");
	}
	text_string(t, "]");
}

/* Properties of the record that limit how far it can be trusted. */
static void add_marks(struct text *t, const struct lj_flow *f, const struct lj_opinion *o)
{
	const struct {
		bool on;
		const char *name;
	} marks[] = {
		{f->flipped, "flipped"},
		{f->midstream, "midstream"},
		{f->side[0].packets == 0 || f->side[1].packets == 0, "one_sided"},
		{f->lossy, "lossy"},
		{f->fragments > 0, "fragmented"},
		{o != NULL && o->decided, "decided"}, /* then the scores are bounds */
	};
	bool first = true;

	for (size_t i = 0; i < RTE_DIM(marks); i++) {
		if (!marks[i].on)
			continue;
		text_add(t, first ? ",\"marks\":[\"%s\"" : ",\"%s\"", marks[i].name);
		first = false;
	}
	if (!first)
		text_string(t, "]");
}

/* The kind of attack, if the model has a family model and it decided on one. */
static void add_family(struct text *t, const struct lj_model *model, const struct lj_opinion *o)
{
	if (o->family == 0)
		return;
	text_string(t, ",\"family\":{");
	add_string(t, "name", lj_model_family(model)->class_name[o->family]);
	text_string(t, ",");
	add_score(t, "score", o->family_score);
	text_string(t, "}");
}

static void add_ml(struct text *t, const struct lj_eve_config *config, const struct lj_verdict *v,
		   bool alert)
{
	const struct lj_opinion *o = lj_verdict_decisive(v);
	bool early = is_early(v);

	text_string(t, ",\"ml\":{");
	add_word(t, "due", lj_due_name(v->flow.due));
	text_string(t, ",");
	add_flag(t, "early", early);
	text_string(t, ",");
	add_number(t, "part", v->flow.part);
	if (!early) {
		text_string(t, ",");
		add_number(t, "ipfix_end_reason", lj_due_ipfix(v->flow.due));
	}
	add_marks(t, &v->flow, o);
	if (v->shed)
		text_add(t, ",\"shed\":true,\"class\":\"%s\"", lj_verdict_class(v));
	if (o != NULL) {
		const struct lj_model_info *info = lj_model_info(v->models->model[v->model]);

		text_string(t, ",");
		add_string(t, "model", info->name);
		text_string(t, ",");
		add_string(t, "version", info->version);
		text_string(t, ",");
		add_string(t, "class", info->class_name[o->class_index]);
		text_string(t, ",");
		add_score(t, "score", o->score);
		text_string(t, ",");
		add_score(t, "threshold", info->threshold);
		add_scores(t, info, o);
		add_family(t, v->models->model[v->model], o);
		if (v->n_opinions > 1)
			add_opinions(t, v);
		if (v->because != NULL && alert)
			add_because(t, v->because);
	}
	if (config->decision_time && !v->shed)
		text_add(t, ",\"decision_us\":%.3f",
			 (double)lj_cycles_to_ns(v->scored_tsc - v->due_tsc) / 1e3);
	text_string(t, "}");
}

static void add_alert(struct text *t, const struct lj_verdict *v)
{
	const struct lj_opinion *o = lj_verdict_decisive(v);
	const char *class = lj_verdict_class(v);
	int severity = o->score >= 0.99f ? 1 : o->score >= 0.9f ? 2 : 3;

	text_string(t, ",\"alert\":{\"action\":\"allowed\",\"gid\":1,");
	add_number(t, "signature_id", SIGNATURE_BASE + v->model * LJ_CLASSES_MAX + o->class_index);
	text_string(t, ",\"rev\":1,\"signature\":\"linejudge: ");
	add_escaped(t, class);
	text_string(t, " flow\",");
	add_string(t, "category", class);
	text_string(t, ",");
	add_number(t, "severity", (uint64_t)severity);
	text_string(t, "}");
}

size_t lj_eve_encode(const struct lj_eve_config *config, const struct lj_verdict *v, bool alert,
		     char *out, size_t size)
{
	struct text t = {out, 0, size};
	char community_id[32];

	text_string(&t, "{");
	add_time(&t, "timestamp", v->flow.last_ns);
	text_string(&t, ",");
	add_number(&t, "flow_id", v->flow.flow_id);
	if (config->in_iface != NULL) {
		text_string(&t, ",");
		add_string(&t, "in_iface", config->in_iface);
	}
	if (config->pcap_filename != NULL) {
		text_string(&t, ",");
		add_string(&t, "pcap_filename", config->pcap_filename);
	}
	text_string(&t, ",");
	add_word(&t, "event_type", alert ? "alert" : "flow");
	add_endpoints(&t, &v->flow);
	lj_community_id(&v->flow, community_id);
	text_string(&t, ",");
	add_word(&t, "community_id", community_id);
	if (alert)
		add_alert(&t, v);
	add_flow(&t, v);
	add_tcp(&t, &v->flow);
	add_ml(&t, config, v, alert);
	text_string(&t, "}");
	out[t.used] = '\0';
	return text_fits(&t) ? t.used : 0;
}
