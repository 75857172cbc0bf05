/* Private: sinks that write lines of text. */
#ifndef SINK_LINES_H
#define SINK_LINES_H

#include "writer.h"

struct line_sink {
	struct lj_sink head;
	struct writer writer;
};

static inline int line_sink_error(const struct lj_sink *s, struct lj_error *err)
{
	return writer_error(&((const struct line_sink *)s)->writer, err);
}

static inline bool is_early(const struct lj_verdict *v)
{
	return v->flow.due == LJ_DUE_EARLY_PACKETS || v->flow.due == LJ_DUE_EARLY_AGE;
}

#endif
