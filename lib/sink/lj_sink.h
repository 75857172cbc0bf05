/*
 * Writes verdicts where people can read them.
 *
 * A sink takes bursts of verdicts in order and writes their lines, or counts why not: offered =
 * written + suppressed + lost, in lines (a verdict with an alert is two in EVE), of IPFIX in
 * records. A slow or broken sink loses only its own. A file that cannot be written (disk full) is
 * said once a minute in the log, and at the end by lj_sink_error(); writing goes on when it can,
 * always at a line's beginning.
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
	/* Hands buffered text on. Called when idle, at least once a second, and at the end. 0,
	 * -EAGAIN while a pipe that is not waited for has not taken all, or -errno. */
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
	bool waits; /* replay: the reader of a socket or pipe that is slow is waited for; live, what
		       it does not take is lost and counted */
	enum lj_eve_flows flows;
	bool early;	      /* early verdicts, too, give flow events */
	bool decision_time;   /* ml.decision_us: off in a replay, so that the same capture gives the
				 same bytes */
	const char *in_iface; /* "in_iface", may be NULL */
	const char *pcap_filename; /* "pcap_filename", may be NULL */
};

/* EVE JSON lines, Suricata's schema, `flow` and `alert` events with an `ml` object. docs/eve.md.
 * NULL and `err`. */
struct lj_sink *lj_sink_open_eve(const struct lj_eve_config *config, struct lj_error *err);

/*
 * The training table: flow_id, src_ip, src_port, dst_ip, dst_port, proto, first_seen_ns,
 * last_seen_ns, end_reason, then the plan's features as %.17g (an empty field for NaN). "-" is
 * stdout. Early records are not written unless `early`. `waits` as of EVE.
 */
struct lj_sink *lj_sink_open_csv(const char *target, const struct lj_feature_plan *plan, bool early,
				 bool waits, struct lj_error *err);

/*
 * The same as a NumPy array of a structured dtype (numpy.load), features as float32, as models get
 * them: a regular file, whose header tells each second how many rows there are. NULL and `err`.
 */
struct lj_sink *lj_sink_open_npy(const char *target, const struct lj_feature_plan *plan, bool early,
				 struct lj_error *err);

struct lj_ipfix_config {
	const char *collector; /* "HOST", "HOST:PORT", "[ADDRESS6]:PORT"; port 4739 without */
	uint32_t domain;       /* observation domain */
	uint32_t enterprise;   /* whose number the verdict's elements have */
	uint64_t templates_every_ns;
	enum lj_eve_flows flows; /* all records, or those of alerts */
	bool waits;		 /* as of EVE */
};

/* Whether a collector is written as one; it is not looked up. 0, or -EINVAL and `err`. */
int lj_ipfix_check_collector(const char *collector, struct lj_error *err);
/* Whether the verdict's elements may have this number. 0, or -EINVAL and `err`. */
int lj_ipfix_check_enterprise(uint32_t enterprise, struct lj_error *err);

/*
 * IPFIX (RFC 7011) to a collector, by UDP: a bidirectional record (RFC 5103) a flow record, none of
 * early verdicts. docs/ipfix.md. What the network or the collector loses is not known here. The
 * collector's name is looked up once; while there is no route to it, records are lost and counted.
 * NULL and `err`.
 */
struct lj_sink *lj_sink_open_ipfix(const struct lj_ipfix_config *config, struct lj_error *err);

void lj_sink_write(struct lj_sink *s, const struct lj_verdict *const *verdicts, uint32_t n);
int lj_sink_flush(struct lj_sink *s);
/* Whether anything was ever lost, and why: fills `err` and returns -errno, or 0. */
int lj_sink_error(const struct lj_sink *s, struct lj_error *err);
/* Flushes and closes; `err` (may be NULL) as lj_sink_error(). 0 or -errno. */
int lj_sink_close(struct lj_sink *s, struct lj_error *err);

/* Community ID v1 (github.com/corelight/community-id-spec), seed 0: "1:" and base64; `out` needs 32
 * bytes. */
void lj_community_id(const struct lj_flow *flow, char *out);

/* One event as a JSON line without the newline: "flow" or "alert". Returns its length, 0 if `size`
 * is too small (4096 is enough). */
size_t lj_eve_encode(const struct lj_eve_config *config, const struct lj_verdict *v, bool alert,
		     char *out, size_t size);

#endif
