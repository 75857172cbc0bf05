#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "number.h"
#include "sink_lines.h"
#include "text.h"

struct csv_sink {
	struct line_sink line;
	bool early;
};

static void add_address(struct text *t, const struct lj_flow_key *k, int endpoint)
{
	char text[INET6_ADDRSTRLEN];

	if (k->version == 4)
		inet_ntop(AF_INET, k->addr[endpoint] + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, k->addr[endpoint], text, sizeof(text));
	text_add(t, "%s,%u,", text, k->port[endpoint]);
}

static size_t encode(const struct lj_verdict *v, char *out, size_t size)
{
	const struct lj_flow *f = &v->flow;
	struct text t = {out, 0, size};

	text_add(&t, "%llu,", (unsigned long long)f->flow_id);
	add_address(&t, &f->key, f->initiator);
	add_address(&t, &f->key, !f->initiator);
	text_add(&t, "%u,%llu,%llu,%s", f->key.proto, (unsigned long long)f->first_ns,
		 (unsigned long long)f->last_ns, lj_due_name(f->due));
	for (uint32_t i = 0; i < v->n_values; i++) {
		if (t.size - t.used <= NUMBER_BYTES + 1)
			return 0;
		t.begin[t.used++] = ',';
		if (!isnan(v->values[i]))
			t.used += number_write(t.begin + t.used, v->values[i]);
	}
	text_add(&t, "\n");
	return text_fits(&t) ? t.used : 0;
}

static void write_verdicts(struct lj_sink *sink, const struct lj_verdict *const *verdicts,
			   uint32_t n)
{
	struct csv_sink *s = (struct csv_sink *)sink;

	for (uint32_t i = 0; i < n; i++) {
		char *line;
		size_t length;

		sink->counts.offered++;
		/* What was shed has no features. */
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

static const struct lj_sink_ops ops = {"csv", write_verdicts, flush, close_sink};

/* The header is written at once: an empty capture gives a table without rows, not an empty file. */
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
	writer_commit(w, t.used);
	if (writer_flush(w) != 0)
		return writer_error(w, err);
	/* The header is no verdict. */
	s->line.head.counts.written = 0;
	return 0;
}

struct lj_sink *lj_sink_open_csv(const char *target, const struct lj_feature_plan *plan, bool early,
				 struct lj_error *err)
{
	struct csv_sink *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		lj_error_set(err, ENOMEM, target, "not enough memory");
		return NULL;
	}
	s->early = early;
	s->line.head.ops = &ops;
	snprintf(s->line.head.name, sizeof(s->line.head.name), "csv %s", target);
	if (writer_open(&s->line.writer, target, false, &s->line.head.counts, err) != 0 ||
	    write_header(s, plan, err) != 0) {
		close_sink(&s->line.head);
		return NULL;
	}
	return &s->line.head;
}
