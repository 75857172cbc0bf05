#include <errno.h>
#include <stdlib.h>

#include "sink_lines.h"

struct eve_sink {
	struct line_sink line;
	struct lj_eve_config config;
};

/* The counts are of events, not verdicts: a verdict with an alert has two. */
static void write_event(struct eve_sink *s, const struct lj_verdict *v, bool alert)
{
	char *line = writer_reserve(&s->line.writer, LINE_BYTES_MAX);
	size_t length = lj_eve_encode(&s->config, v, alert, line, LINE_BYTES_MAX - 1);

	s->line.head.counts.offered++;
	if (length == 0) {
		s->line.head.counts.lost++;
		return;
	}
	line[length] = '\n';
	writer_commit(&s->line.writer, length + 1);
}

static void write_verdicts(struct lj_sink *sink, const struct lj_verdict *const *verdicts,
			   uint32_t n)
{
	struct eve_sink *s = (struct eve_sink *)sink;

	for (uint32_t i = 0; i < n; i++) {
		const struct lj_verdict *v = verdicts[i];

		if ((is_early(v) && !s->config.early) ||
		    (s->config.flows == LJ_EVE_FLOWS_ALERTS && !v->alert)) {
			sink->counts.offered++;
			sink->counts.suppressed++;
		} else {
			write_event(s, v, false);
		}
		if (v->alert)
			write_event(s, v, true);
	}
}

static int flush(struct lj_sink *sink)
{
	return writer_flush(&((struct eve_sink *)sink)->line.writer);
}

static void close_sink(struct lj_sink *sink)
{
	writer_close(&((struct eve_sink *)sink)->line.writer);
	free(sink);
}

static const struct lj_sink_ops ops = {"eve", write_verdicts, flush, line_sink_error, close_sink};

struct lj_sink *lj_sink_open_eve(const struct lj_eve_config *config, struct lj_error *err)
{
	struct eve_sink *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		lj_error_set(err, ENOMEM, config->target, "not enough memory");
		return NULL;
	}
	s->config = *config;
	s->line.head.ops = &ops;
	snprintf(s->line.head.name, sizeof(s->line.head.name), "eve %s", config->target);
	if (writer_open(&s->line.writer, config->target, config->append, config->waits,
			&s->line.head.counts, err) != 0) {
		close_sink(&s->line.head);
		return NULL;
	}
	return &s->line.head;
}
