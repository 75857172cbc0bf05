#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "number.h"
#include "sink_lines.h"
#include "text.h"

struct csv_sink {
	struct line_sink line;
	bool early;
};

/* Upper bound of the bytes before the features: numbers, addresses, reason. */
#define HEAD_BYTES (8 * NUMBER_BYTES + 2 * INET6_ADDRSTRLEN)

static char *add_number(char *at, uint64_t value)
{
	at += number_write_whole(at, value);
	*at++ = ',';
	return at;
}

static char *add_address(char *at, const struct lj_flow_key *k, int endpoint)
{
	at += address_write(at, k, endpoint);
	*at++ = ',';
	return add_number(at, k->port[endpoint]);
}

/* Returns the length of the row; 0 if it does not fit. */
static size_t encode(const struct lj_verdict *v, char *out, size_t size)
{
	const struct lj_flow *f = &v->flow;
	char *at = out;

	if (size < HEAD_BYTES + v->n_values * (NUMBER_BYTES + 1) + 1)
		return 0;
	at = add_number(at, f->flow_id);
	at = add_address(at, &f->key, f->initiator);
	at = add_address(at, &f->key, !f->initiator);
	at = add_number(at, f->key.proto);
	at = add_number(at, f->first_ns);
	at = add_number(at, f->last_ns);
	at = stpcpy(at, lj_due_name(f->due));
	for (uint32_t i = 0; i < v->n_values; i++) {
		double value = v->values[i];
		uint32_t small;

		*at++ = ',';
		if (number_is_small(value, &small))
			at += number_write_small(at, small);
		else if (!isnan(value))
			at += number_write(at, value);
	}
	*at++ = '\n';
	return (size_t)(at - out);
}

static void write_verdicts(struct lj_sink *sink, const struct lj_verdict *const *verdicts,
			   uint32_t n)
{
	struct csv_sink *s = (struct csv_sink *)sink;

	for (uint32_t i = 0; i < n; i++) {
		char *line;
		size_t length;

		sink->counts.offered++;
		/* A shed flow has no features. */
		if ((is_early(verdicts[i]) && !s->early) || verdicts[i]->shed) {
			sink->counts.suppressed++;
			continue;
		}
		line = writer_reserve(&s->line.writer, LINE_BYTES_MAX);
		length = encode(verdicts[i], line, LINE_BYTES_MAX);
		if (length > 0)
			writer_commit(&s->line.writer, length);
		else
			sink->counts.lost++;
	}
}

static int flush(struct lj_sink *sink)
{
	return writer_flush(&((struct csv_sink *)sink)->line.writer);
}

static void close_sink(struct lj_sink *sink)
{
	writer_close(&((struct csv_sink *)sink)->line.writer);
	free(sink);
}

static const struct lj_sink_ops ops = {"csv", write_verdicts, flush, line_sink_error, close_sink};

/* Written at once, so that an empty capture gives a table without rows, not an empty file. */
static int write_header(struct csv_sink *s, const struct lj_feature_plan *plan,
			struct lj_error *err)
{
	struct writer *w = &s->line.writer;
	struct text t = {writer_reserve(w, LINE_BYTES_MAX), 0, LINE_BYTES_MAX};

	text_add(&t, "flow_id,src_ip,src_port,dst_ip,dst_port,proto,first_seen_ns,last_seen_ns,"
		     "end_reason");
	for (size_t i = 0; i < lj_feature_plan_size(plan); i++)
		text_add(&t, ",%s", lj_feature_plan_name(plan, i));
	text_add(&t, "\n");
	return writer_begin(w, t.begin, t.used, err);
}

struct lj_sink *lj_sink_open_csv(const char *target, const struct lj_feature_plan *plan, bool early,
				 bool waits, struct lj_error *err)
{
	struct csv_sink *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		lj_error_set(err, ENOMEM, target, "not enough memory");
		return NULL;
	}
	s->early = early;
	s->line.head.ops = &ops;
	snprintf(s->line.head.name, sizeof(s->line.head.name), "csv %s", target);
	if (writer_open(&s->line.writer, target, false, waits, &s->line.head.counts, err) != 0 ||
	    write_header(s, plan, err) != 0) {
		close_sink(&s->line.head);
		return NULL;
	}
	return &s->line.head;
}
