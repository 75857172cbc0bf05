#include "lj_sink.h"

void lj_sink_write(struct lj_sink *s, const struct lj_verdict *const *verdicts, uint32_t n)
{
	s->ops->write(s, verdicts, n);
}

int lj_sink_flush(struct lj_sink *s)
{
	return s->ops->flush(s);
}

int lj_sink_error(const struct lj_sink *s, struct lj_error *err)
{
	return s->ops->error(s, err);
}

int lj_sink_close(struct lj_sink *s, struct lj_error *err)
{
	int ret;

	if (s == NULL)
		return 0;
	s->ops->flush(s);
	ret = lj_sink_error(s, err);
	s->ops->close(s);
	return ret;
}
