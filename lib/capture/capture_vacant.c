/*
 * A source that receives nothing: the placeholder for a port that nothing watches at present, so
 * that callers need no special case.
 */
#include <stdio.h>
#include <stdlib.h>

#include "source.h"

struct vacant {
	struct source source;
	const char *why;
};

static uint16_t rx_nothing(struct lj_source *s, uint16_t queue, struct lj_burst *burst)
{
	RTE_SET_USED(s);
	RTE_SET_USED(queue);
	return burst->count = 0;
}

static int start_nothing(struct lj_source *s, struct lj_error *err)
{
	RTE_SET_USED(s);
	RTE_SET_USED(err);
	return 0;
}

static void stop_nothing(struct lj_source *s)
{
	RTE_SET_USED(s);
}

static int stats_of_nothing(struct lj_source *s, struct lj_source_stats *stats)
{
	RTE_SET_USED(s);
	*stats = (struct lj_source_stats){0};
	return 0;
}

static void describe_nothing(const struct lj_source *s, char *out, size_t size)
{
	snprintf(out, size, "not watched: %s", ((const struct vacant *)s)->why);
}

static void close_nothing(struct lj_source *s)
{
	free(s);
}

static const struct lj_source_ops vacant_ops = {
	"vacant",	  rx_nothing,	    start_nothing, stop_nothing,
	stats_of_nothing, describe_nothing, close_nothing, NULL};

struct lj_source *lj_source_open_vacant(const char *name, const char *why)
{
	struct vacant *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->why = why;
	v->source.way = "none";
	v->source.head.ops = &vacant_ops;
	v->source.head.queues = 1;
	snprintf(v->source.head.name, sizeof(v->source.head.name), "%s", name);
	return &v->source.head;
}
