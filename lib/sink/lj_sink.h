/*
 * Output of verdicts: EVE JSON, CSV, NumPy, IPFIX.
 *
 * A sink takes bursts of verdicts in order and writes a line for each, or counts why not: offered =
 * written + suppressed + lost, counted in lines (in EVE a verdict with an alert is two), for IPFIX
 * in records. A slow or failing sink loses only its own lines. A write error (disk full) is logged
 * at most once a minute and returned by lj_sink_error() at the end; writing resumes when it is
 * possible again, always at the start of a line.
 *
 * Thread: the sink thread; stats from any.
 */
#ifndef LJ_SINK_H
#define LJ_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lj_base.h"
#include "lj_verdict.h"

struct lj_sink;

struct lj_sink_ops {
	const char *name;
	void (*write)(struct lj_sink *s, const struct lj_verdict *const *verdicts, uint32_t n);
	/* Writes buffered text out. Called when idle, at least once a second, and at the end. 0,
	 * -EAGAIN while a non-blocking pipe has not taken all, or -errno. */
	int (*flush)(struct lj_sink *s);
	int (*error)(const struct lj_sink *s, struct lj_error *err); /* as lj_sink_error() */
	void (*close)(struct lj_sink *s);
};

/* sink: wo; control: ro */
struct lj_sink_counts {
	uint64_t offered, written, suppressed, lost, bytes;
};

struct lj_sink {
	const struct lj_sink_ops *ops;
	char name[256]; /* "eve /var/log/linejudge/eve.json" */
	struct lj_sink_counts counts;
};

enum lj_eve_flows {
	LJ_EVE_FLOWS_ALL,    /* a flow event per record */
	LJ_EVE_FLOWS_ALERTS, /* only those of alerts */
};

struct lj_eve_config {
	const char *target; /* "-" stdout, "unix:PATH" a datagram socket, otherwise a file (appended
			       to when `append`) */
	bool append;
	bool waits; /* true (replay): block on a slow reader of a socket or pipe; false (live): what
		       it does not take is counted as lost */
	enum lj_eve_flows flows;
	bool early;		   /* write flow events for early verdicts, too */
	bool decision_time;	   /* write ml.decision_us; off in a replay, so that its output is
				      reproducible */
	const char *in_iface;	   /* "in_iface", may be NULL */
	const char *pcap_filename; /* "pcap_filename", may be NULL */
};

/* EVE JSON lines in Suricata's schema: `flow` and `alert` events with an `ml` object; see
 * docs/eve.md. On failure NULL and `err`, as for the other open functions. */
struct lj_sink *lj_sink_open_eve(const struct lj_eve_config *config, struct lj_error *err);

/*
 * The training table: flow_id, src_ip, src_port, dst_ip, dst_port, proto, first_seen_ns,
 * last_seen_ns, end_reason, then the plan's features as %.17g (an empty field for NaN). "-" is
 * stdout. Early records are written only if `early`. `waits`: see struct lj_eve_config.
 */
struct lj_sink *lj_sink_open_csv(const char *target, const struct lj_feature_plan *plan, bool early,
				 bool waits, struct lj_error *err);

/*
 * The same as a NumPy array of a structured dtype (numpy.load), with features as float32, as models
 * get them. A regular file; the row count in its header is updated every second.
 */
struct lj_sink *lj_sink_open_npy(const char *target, const struct lj_feature_plan *plan, bool early,
				 struct lj_error *err);

struct lj_ipfix_config {
	const char *collector; /* "HOST", "HOST:PORT", "[ADDRESS6]:PORT"; port 4739 without */
	uint32_t domain;       /* observation domain */
	uint32_t enterprise;   /* enterprise number of the verdict's elements */
	uint64_t templates_every_ns;
	enum lj_eve_flows flows; /* all records, or only those with alerts */
	bool waits;		 /* see struct lj_eve_config */
};

/* Checks a collector's syntax, without resolving its name. 0, or -EINVAL and `err`. */
int lj_ipfix_check_collector(const char *collector, struct lj_error *err);
/* Checks that the number may be used for the verdict's elements. 0, or -EINVAL and `err`. */
int lj_ipfix_check_enterprise(uint32_t enterprise, struct lj_error *err);

/*
 * IPFIX (RFC 7011) over UDP: one bidirectional record (RFC 5103) per flow record, none for early
 * verdicts; see docs/ipfix.md. Losses in the network or the collector are not visible here. The
 * collector's name is resolved once, at open; while there is no route to it, records are counted as
 * lost.
 */
struct lj_sink *lj_sink_open_ipfix(const struct lj_ipfix_config *config, struct lj_error *err);

void lj_sink_write(struct lj_sink *s, const struct lj_verdict *const *verdicts, uint32_t n);
int lj_sink_flush(struct lj_sink *s);
/* 0 if no write has failed so far; else -errno of the latest failure, with `err`. */
int lj_sink_error(const struct lj_sink *s, struct lj_error *err);
/* Flushes and closes; `err` (may be NULL) as lj_sink_error(). 0 or -errno. */
int lj_sink_close(struct lj_sink *s, struct lj_error *err);

/* Community ID v1 (github.com/corelight/community-id-spec), seed 0: "1:" and base64; `out` needs 32
 * bytes. */
void lj_community_id(const struct lj_flow *flow, char *out);

/* Encodes one "flow" or "alert" event as a JSON line without the newline. Returns its length, 0 if
 * `size` is too small (4096 is enough). */
size_t lj_eve_encode(const struct lj_eve_config *config, const struct lj_verdict *v, bool alert,
		     char *out, size_t size);

#endif
