#include "lj_stats.h"

#define TERMS_MAX 10

/* Equalities of sums of counters; a side ends at -1. */
static const struct {
	const char *text;
	int left[TERMS_MAX], right[TERMS_MAX];
} ledger[] = {
	{"rx_packets = parse_accepted + parse_ignored + parse_malformed",
	 {LJ_C_rx_packets, -1},
	 {LJ_C_parse_accepted, LJ_C_parse_ignored_ethertype, LJ_C_parse_ignored_fragment,
	  LJ_C_parse_ignored_nesting, LJ_C_parse_malformed_truncated,
	  LJ_C_parse_malformed_ip_version, LJ_C_parse_malformed_ip_header,
	  LJ_C_parse_malformed_l4_header, -1}},
	{"parse_accepted = flow_hit + flow_created + flow_refused + spread_refused",
	 {LJ_C_parse_accepted, -1},
	 {LJ_C_flow_hit, LJ_C_flow_created, LJ_C_flow_refused, LJ_C_spread_refused, -1}},
	{"flow_created + flow_continued = flow_active + flow_ended",
	 {LJ_C_flow_created, LJ_C_flow_continued, -1},
	 {LJ_C_flow_active, LJ_C_flow_ended, -1}},
	{"flow_ended = idle + active + fin + rst + evicted + flushed",
	 {LJ_C_flow_ended, -1},
	 {LJ_C_flow_ended_idle, LJ_C_flow_ended_active, LJ_C_flow_ended_fin, LJ_C_flow_ended_rst,
	  LJ_C_flow_ended_evicted, LJ_C_flow_ended_flushed, -1}},
	{"flow_due = flow_ended + flow_early",
	 {LJ_C_flow_due, -1},
	 {LJ_C_flow_ended, LJ_C_flow_early, -1}},
	{"flow_due = batch_queued + batch_refused",
	 {LJ_C_flow_due, -1},
	 {LJ_C_batch_queued, LJ_C_batch_refused, -1}},
	{"batch_queued + host_queued = batch_waiting + model_scored + batch_shed + host_taken",
	 {LJ_C_batch_queued, LJ_C_host_queued, -1},
	 {LJ_C_batch_waiting, LJ_C_model_scored, LJ_C_batch_shed, LJ_C_host_taken, -1}},
	{"batch_shed = early + unanswered + dns + udp + other + tcp",
	 {LJ_C_batch_shed, -1},
	 {LJ_C_batch_shed_early, LJ_C_batch_shed_unanswered, LJ_C_batch_shed_dns,
	  LJ_C_batch_shed_udp, LJ_C_batch_shed_other, LJ_C_batch_shed_tcp, -1}},
	{"model_scored + batch_shed = verdict_queued + verdict_refused",
	 {LJ_C_model_scored, LJ_C_batch_shed, -1},
	 {LJ_C_verdict_queued, LJ_C_verdict_refused, -1}},
	{"verdict_queued = verdict_waiting + verdict_taken",
	 {LJ_C_verdict_queued, -1},
	 {LJ_C_verdict_waiting, LJ_C_verdict_taken, -1}},
	{"sink_offered = sink_written + sink_suppressed + sink_lost",
	 {LJ_C_sink_offered, -1},
	 {LJ_C_sink_written, LJ_C_sink_suppressed, LJ_C_sink_lost, -1}},
};
_Static_assert(RTE_DIM(ledger) == LJ_LEDGER_LINES, "LJ_LEDGER_LINES is the ledger's length");

static uint64_t sum(const struct lj_counters *total, const int *terms)
{
	uint64_t value = 0;

	for (; *terms >= 0; terms++)
		value += lj_counter_read(total, *terms);
	return value;
}

int lj_ledger_check(const struct lj_counters *total, struct lj_ledger_line lines[LJ_LEDGER_LINES])
{
	int unbalanced = 0;

	for (size_t i = 0; i < LJ_LEDGER_LINES; i++) {
		struct lj_ledger_line *line = &lines[i];

		line->text = ledger[i].text;
		line->left = sum(total, ledger[i].left);
		line->right = sum(total, ledger[i].right);
		line->difference = (int64_t)(line->left - line->right);
		unbalanced += line->difference != 0;
	}
	return unbalanced;
}
