#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lj_clock.h"
#include "lj_test.h"
#include "sink_fixture.h"

static char dir[] = "/tmp/lj-test-sink-XXXXXX";

/* 128.232.110.120:34855 to 66.35.250.204:80, as in the specification's example. */
static struct lj_verdict sample(void)
{
	struct lj_verdict v;

	memset(&v, 0, sizeof(v));
	set_ipv4(v.flow.key.addr[1], 0x80e86e78);
	set_ipv4(v.flow.key.addr[0], 0x4223facc);
	v.flow.key.port[1] = 34855;
	v.flow.key.port[0] = 80;
	v.flow.key.proto = IPPROTO_TCP;
	v.flow.key.version = 4;
	v.flow.initiator = 1;
	v.flow.flow_id = INT64_MAX;
	v.flow.first_ns = 1491603877000001999;
	v.flow.last_ns = 1491603879500000000;
	v.flow.due = LJ_DUE_IDLE;
	v.flow.side[0].packets = 2;
	v.flow.side[0].length_sum = 120;
	v.flow.tcp[0].flags_all = 0x12;
	v.flow.syn_ns = 1;
	return v;
}

static json_t *encode(const struct lj_verdict *v, const struct lj_eve_config *config)
{
	char line[4096];
	size_t n = lj_eve_encode(config, v, false, line, sizeof(line));
	json_t *event = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	return event;
}

static const char *text(const json_t *event, const char *key)
{
	const char *value = json_string_value(json_object_get(event, key));

	return value != NULL ? value : "";
}

static void an_event_is_json_with_suricatas_fields(void)
{
	const struct lj_eve_config config = {.pcap_filename = "a \"quoted\"\\\n.pcap"};
	struct lj_verdict v = sample();
	json_t *event = encode(&v, &config), *flow = json_object_get(event, "flow");

	CU_ASSERT_STRING_EQUAL(text(event, "timestamp"), "2017-04-07T22:24:39.500000+0000");
	CU_ASSERT_STRING_EQUAL(text(event, "src_ip"), "128.232.110.120");
	CU_ASSERT_STRING_EQUAL(text(event, "dest_ip"), "66.35.250.204");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(event, "src_port")), 34855);
	CU_ASSERT_STRING_EQUAL(text(event, "proto"), "TCP");
	CU_ASSERT_STRING_EQUAL(text(event, "community_id"), "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	CU_ASSERT_STRING_EQUAL(text(event, "pcap_filename"), config.pcap_filename);
	CU_ASSERT_STRING_EQUAL(text(flow, "start"), "2017-04-07T22:24:37.000001+0000");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(flow, "age")), 2);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(flow, "bytes_toserver")), 120);
	CU_ASSERT_STRING_EQUAL(text(flow, "reason"), "timeout");
	CU_ASSERT_STRING_EQUAL(text(json_object_get(event, "tcp"), "tcp_flags"), "12");
	CU_ASSERT_STRING_EQUAL(text(json_object_get(event, "ml"), "due"), "idle");
	json_decref(event);
}

/* A flow in which all numbers differ, and its complete event. */
static void an_event_is_this(void)
{
	static const char *const whole =
		"{\"timestamp\": \"2017-04-07T22:24:39.500000+0000\", \"flow_id\": 77,"
		" \"in_iface\": \"tap0\", \"event_type\": \"flow\", \"vlan\": [5],"
		" \"tunnel\": {\"proto\": \"gre\"},"
		" \"src_ip\": \"128.232.110.120\", \"src_port\": 34855,"
		" \"dest_ip\": \"66.35.250.204\", \"dest_port\": 80, \"ip_v\": 4, \"proto\": \"TCP\","
		" \"community_id\": \"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\","
		" \"flow\": {\"pkts_toserver\": 2, \"pkts_toclient\": 3, \"bytes_toserver\": 120,"
		" \"bytes_toclient\": 4000, \"start\": \"2017-04-07T22:24:37.000001+0000\","
		" \"end\": \"2017-04-07T22:24:39.500000+0000\", \"age\": 2,"
		" \"state\": \"established\", \"reason\": \"forced\", \"alerted\": false},"
		" \"tcp\": {\"tcp_flags\": \"13\", \"tcp_flags_ts\": \"12\", \"tcp_flags_tc\": \"11\","
		" \"fin\": true, \"syn\": true, \"ack\": true, \"conn_state\": \"S1\","
		" \"history\": \"ShADd\"},"
		" \"ml\": {\"due\": \"evicted\", \"early\": false, \"part\": 9,"
		" \"ipfix_end_reason\": 5, \"decision_us\": 10.0}}";
	const struct lj_eve_config config = {.in_iface = "tap0", .decision_time = true};
	json_t *wanted = json_loads(whole, 0, NULL), *event;
	struct lj_verdict v = sample();

	v.flow.flow_id = 77;
	v.flow.vlan = 5;
	v.flow.tunnel = LJ_TUNNEL_GRE;
	v.flow.side[0].payload_sum = 40;
	v.flow.side[1] = (struct lj_flow_side){.packets = 3, .length_sum = 4000, .payload_sum = 9};
	v.flow.tcp[1].flags_all = LJ_TCP_ACK | LJ_TCP_FIN;
	v.flow.synack_ns = 2;
	v.flow.part = 9;
	v.flow.due = LJ_DUE_EVICTED;
	strcpy(v.flow.history, "ShADd");
	lj_clock.mult = 1ULL << 32; /* a cycle is a ns */
	v.due_tsc = 1000;
	v.queued_tsc = 2000;
	v.taken_tsc = 3000;
	v.scored_tsc = 11000;
	event = encode(&v, &config);
	CU_ASSERT(json_equal(event, wanted));
	json_decref(event);
	json_decref(wanted);
}

static void a_mark_is_of_what_it_says(void)
{
	static const char *const names[] = {"flipped", "midstream", "lossy", "fragmented",
					    "one_sided"};
	const struct lj_eve_config config = {0};

	for (size_t i = 0; i < RTE_DIM(names); i++) {
		struct lj_verdict v = sample();
		json_t *event, *marks;

		v.flow.flipped = i == 0;
		v.flow.midstream = i == 1;
		v.flow.lossy = i == 2;
		v.flow.fragments = i == 3;
		v.flow.side[1].packets = i != 4;
		event = encode(&v, &config);
		marks = json_object_get(json_object_get(event, "ml"), "marks");
		CU_ASSERT_EQUAL_FATAL(json_array_size(marks), 1);
		CU_ASSERT_STRING_EQUAL(json_string_value(json_array_get(marks, 0)), names[i]);
		json_decref(event);
	}
}

static void what_goes_on_has_no_reason_and_what_is_rare_a_name(void)
{
	const struct lj_eve_config config = {0};
	struct lj_verdict v = sample();
	json_t *event;

	v.flow.due = LJ_DUE_EARLY_PACKETS;
	v.flow.key.proto = 47;
	event = encode(&v, &config);
	CU_ASSERT_PTR_NULL(json_object_get(json_object_get(event, "flow"), "reason"));
	CU_ASSERT(json_is_true(json_object_get(json_object_get(event, "ml"), "early")));
	CU_ASSERT_STRING_EQUAL(text(event, "proto"), "GRE");
	json_decref(event);
	v.flow.key.proto = 253;
	event = encode(&v, &config);
	CU_ASSERT_STRING_EQUAL(text(event, "proto"), "253");
	json_decref(event);
}

static void a_name_that_is_no_utf8_leaves_json(void)
{
	static const struct {
		const char *name, *written;
	} names[] = {
		{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80.pcap",
		 "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80.pcap"},
		{"caf\xe9.pcap", "caf\xef\xbf\xbd.pcap"},
		{"a\"b\\c\x01\x7f", "a\"b\\c\x01\x7f"},
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xf0\x9f", "\xef\xbf\xbd\xef\xbf\xbd"},
	};
	struct lj_verdict v = sample();

	for (size_t i = 0; i < RTE_DIM(names); i++) {
		struct lj_eve_config config = {.pcap_filename = names[i].name};
		json_t *event = encode(&v, &config);

		CU_ASSERT_STRING_EQUAL(text(event, "pcap_filename"), names[i].written);
		json_decref(event);
	}
}

#define CLASS "DoS \"slow\" \\ \n \xc3\xa9"

/* models/flood with CLASS as name of its malicious class. */
static struct lj_model *open_oddly_named(void)
{
	static const char *const files[] = {"model.ubj", "golden.csv"};
	struct lj_error err = {0};
	char from[1200], to[256];
	json_t *manifest;

	for (size_t i = 0; i < RTE_DIM(files); i++) {
		snprintf(from, sizeof(from), "%s/models/flood/%s", getenv("LJ_SOURCE_ROOT"),
			 files[i]);
		snprintf(to, sizeof(to), "%s/%s", dir, files[i]);
		unlink(to);
		CU_ASSERT_EQUAL_FATAL(symlink(from, to), 0);
	}
	snprintf(from, sizeof(from), "%s/models/flood/manifest.json", getenv("LJ_SOURCE_ROOT"));
	snprintf(to, sizeof(to), "%s/manifest.json", dir);
	manifest = json_load_file(from, 0, NULL);
	json_object_set_new(manifest, "classes", json_pack("[s,s]", "benign", CLASS));
	CU_ASSERT_EQUAL_FATAL(json_dump_file(manifest, to, 0), 0);
	json_decref(manifest);
	return lj_model_open_by(dir, 1, LJ_ENGINE_XGBOOST, LJ_MODE_EXACT, &err);
}

static void a_class_may_have_any_name(void)
{
	struct lj_model_set set = {.n = 1, .model = {open_oddly_named()}};
	const struct lj_eve_config config = {0};
	struct lj_verdict v = sample();
	const json_t *alert, *ml;
	char line[4096];
	json_t *event;

	CU_ASSERT_PTR_NOT_NULL_FATAL(set.model[0]);
	v.models = &set;
	v.n_opinions = v.alert = 1;
	v.opinion[0] = (struct lj_opinion){
		.score = 0.75f, .class_index = 1, .classes = 2, .scores = {0.25f, 0.75f}};
	event = json_loadb(line, lj_eve_encode(&config, &v, true, line, sizeof(line)), 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	alert = json_object_get(event, "alert");
	ml = json_object_get(event, "ml");
	CU_ASSERT_STRING_EQUAL(text(alert, "signature"), "linejudge: " CLASS " flow");
	CU_ASSERT_STRING_EQUAL(text(alert, "category"), CLASS);
	CU_ASSERT_STRING_EQUAL(text(ml, "class"), CLASS);
	CU_ASSERT_EQUAL(json_real_value(json_object_get(json_object_get(ml, "scores"), CLASS)),
			0.75);
	json_decref(event);
	lj_model_close(set.model[0]);
}

/* Also for the second model: each model and class has its own signature id. */
static void an_alert_is_as_severe_as_its_score(void)
{
	static const struct {
		float score;
		int severity;
	} wanted[] = {{0.5f, 3}, {0.8999f, 3}, {0.9f, 2}, {0.9899f, 2}, {0.99f, 1}, {1, 1}};
	struct lj_model *model = open_oddly_named();
	struct lj_model_set set = {.n = 2, .model = {model, model}};
	const struct lj_eve_config config = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(model);
	for (size_t i = 0; i < RTE_DIM(wanted); i++) {
		struct lj_verdict v = sample();
		char line[4096];
		json_t *event, *alert;

		v.models = &set;
		v.n_opinions = 2;
		v.model = v.alert = 1;
		v.opinion[1] = (struct lj_opinion){
			.score = wanted[i].score, .class_index = 1, .classes = 2};
		event = json_loadb(line, lj_eve_encode(&config, &v, true, line, sizeof(line)), 0,
				   NULL);
		alert = json_object_get(event, "alert");
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(alert, "severity")),
				wanted[i].severity);
		CU_ASSERT_EQUAL(json_integer_value(json_object_get(alert, "signature_id")),
				9000000 + 16 + 1);
		json_decref(event);
	}
	lj_model_close(model);
}

static void a_flow_that_was_shed_leaves_a_marked_record(void)
{
	const struct lj_eve_config config = {.decision_time = true};
	static const char *const names[] = {"length_mean"};
	struct lj_feature_plan *plan = lj_feature_plan_create(names, 1, NULL);
	struct lj_verdict v = sample();
	const struct lj_verdict *one = &v;
	struct lj_sink *s;
	json_t *event, *ml;

	v.shed = 1;
	event = encode(&v, &config);
	ml = json_object_get(event, "ml");
	CU_ASSERT(json_is_true(json_object_get(ml, "shed")));
	CU_ASSERT_STRING_EQUAL(text(ml, "class"), "unclassified");
	CU_ASSERT_PTR_NULL(json_object_get(ml, "decision_us"));
	json_decref(event);
	/* It has no features, so it is not in the feature table. */
	s = lj_sink_open_csv("/dev/null", plan, false, false, NULL);
	lj_sink_write(s, &one, 1);
	CU_ASSERT_EQUAL(s->counts.suppressed, 1);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	lj_feature_plan_destroy(plan);
}

static void a_line_that_does_not_fit_is_none(void)
{
	const struct lj_eve_config config = {0};
	struct lj_verdict v = sample();
	char line[200];

	CU_ASSERT_EQUAL(lj_eve_encode(&config, &v, false, line, sizeof(line)), 0);
}

static void what_is_suppressed_is_counted(void)
{
	char path[128];
	struct lj_sink *s;

	snprintf(path, sizeof(path), "%s/alerts.json", dir);
	s = open_eve(path, LJ_EVE_FLOWS_ALERTS);
	write_some(s, 3);
	CU_ASSERT_EQUAL(s->counts.offered, 3);
	CU_ASSERT_EQUAL(s->counts.suppressed, 3);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
}

static void a_table_keeps_every_bit_of_its_numbers(void)
{
	static const char *const names[] = {"length_mean", "ack_us"};
	struct lj_feature_plan *plan = lj_feature_plan_create(names, 2, NULL);
	static uint64_t room[1024];
	struct lj_verdict *v = (struct lj_verdict *)room;
	const struct lj_verdict *one = v;
	char path[128], header[512], row[512], *field;
	struct lj_sink *s;
	FILE *f;

	CU_ASSERT_FATAL(sizeof(room) >= lj_verdict_bytes(2, 0));
	*v = sample();
	v->n_values = 2;
	v->values[0] = 1.0 / 3;
	v->values[1] = NAN;
	snprintf(path, sizeof(path), "%s/table.csv", dir);
	s = lj_sink_open_csv(path, plan, false, false, NULL);
	lj_sink_write(s, &one, 1);
	CU_ASSERT_EQUAL(s->counts.offered, 1);
	CU_ASSERT_EQUAL(lj_sink_flush(s), 0);
	CU_ASSERT_EQUAL(s->counts.written, 1);
	CU_ASSERT_EQUAL(lj_sink_close(s, NULL), 0);
	f = fopen(path, "r");
	CU_ASSERT_PTR_NOT_NULL(fgets(header, sizeof(header), f));
	CU_ASSERT_PTR_NOT_NULL(fgets(row, sizeof(row), f));
	fclose(f);
	CU_ASSERT_STRING_EQUAL(
		header, "flow_id,src_ip,src_port,dst_ip,dst_port,proto,first_seen_ns,last_seen_ns,"
			"end_reason,length_mean,ack_us\n");
	field = strstr(row, ",idle,");
	CU_ASSERT_PTR_NOT_NULL_FATAL(field);
	CU_ASSERT_EQUAL(strtod(field + 6, &field), 1.0 / 3);
	CU_ASSERT_STRING_EQUAL(field, ",\n");
	lj_feature_plan_destroy(plan);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"an event is JSON with Suricata's fields", an_event_is_json_with_suricatas_fields},
		{"an event is this", an_event_is_this},
		{"a mark is of what it says", a_mark_is_of_what_it_says},
		{"what goes on has no reason, and what is rare a name",
		 what_goes_on_has_no_reason_and_what_is_rare_a_name},
		{"a name that is no UTF-8 leaves JSON", a_name_that_is_no_utf8_leaves_json},
		{"a class may have any name", a_class_may_have_any_name},
		{"an alert is as severe as its score", an_alert_is_as_severe_as_its_score},
		{"a flow that was shed leaves a marked record",
		 a_flow_that_was_shed_leaves_a_marked_record},
		{"a line that does not fit is none", a_line_that_does_not_fit_is_none},
		{"what is suppressed is counted", what_is_suppressed_is_counted},
		{"a table keeps every bit of its numbers", a_table_keeps_every_bit_of_its_numbers},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	return lj_test_run("sink", tests, RTE_DIM(tests));
}
