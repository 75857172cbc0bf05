#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "control.h"

/* Parses a number in lo..hi; an integer if `whole`. */
static int parse_number(const char *param, double lo, double hi, bool whole, double *value,
			struct lj_error *err)
{
	char *end;

	*value = strtod(param, &end);
	if (end == param || *end != '\0')
		return lj_error_set(err, EINVAL, param, "is not a number");
	if (!(*value >= lo && *value <= hi))
		return lj_error_set(err, ERANGE, param, "is not in %.10g..%.10g", lo, hi);
	if (whole && *value != floor(*value))
		return lj_error_set(err, EINVAL, param, "is not a whole number");
	return 0;
}

/* Refuses the timeouts that lj_config_check() would refuse. If those in force violate the rule
 * already, through a model's own settings, they may be changed one at a time. */
static int check_tuning(const struct lj_tuning *was, const struct lj_tuning *t, const char *param,
			struct lj_error *err)
{
	if (t->active_timeout_ns >= t->tcp_linger_ns || was->active_timeout_ns < was->tcp_linger_ns)
		return 0;
	return lj_error_set(err, ERANGE, param, "is %s",
			    t->tcp_linger_ns != was->tcp_linger_ns ? "longer than timeout active"
								   : "shorter than timeout linger");
}

/* Sets one member of the tuning from `param`; replies with the tuning in force. */
#define SET_FUNCTION(name, member, lo, hi, whole, scale)                                           \
	int name(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)     \
	{                                                                                          \
		struct lj_tuning t, was;                                                           \
		double value;                                                                      \
		int ret = parse_number(param, lo, hi, whole, &value, err);                         \
                                                                                                   \
		if (ret != 0)                                                                      \
			return ret;                                                                \
		lj_pipeline_tuning(c->pipeline, &was);                                             \
		t = was;                                                                           \
		t.member = (uint64_t)llround(value * (scale));                                     \
		ret = check_tuning(&was, &t, param, err);                                          \
		if (ret != 0)                                                                      \
			return ret;                                                                \
		lj_pipeline_tune(c->pipeline, &t);                                                 \
		return show_tuning(c, NULL, reply, err);                                           \
	}

SET_FUNCTION(set_batch_size, batch_size, 1, LJ_BATCH_MAX, true, 1)
SET_FUNCTION(set_batch_deadline, batch_deadline_us, 0, 1000000, true, 1)
SET_FUNCTION(set_timeout_idle, idle_timeout_ns, 0.001, 86400, false, 1e9)
SET_FUNCTION(set_timeout_active, active_timeout_ns, 0.001, 604800, false, 1e9)
SET_FUNCTION(set_timeout_linger, tcp_linger_ns, 0, 3600, false, 1e9)
SET_FUNCTION(set_classify_at, classify_at, 0, UINT32_MAX, true, 1)
SET_FUNCTION(set_classify_after, classify_after_ns, 0, 3600000, false, 1e6)

/* How long to wait until the old models are closed, which needs their last verdicts to be written;
 * if that takes longer, the next reload closes them. */
#define RELOAD_WAIT_US 1000000
#define RELOAD_LOOK_US 1000

int reload_models(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	int ret = lj_pipeline_reload(c->pipeline, err);

	if (ret != 0)
		return ret;
	for (uint32_t us = 0; us < RELOAD_WAIT_US && !lj_pipeline_reloaded(c->pipeline);
	     us += RELOAD_LOOK_US)
		usleep(RELOAD_LOOK_US);
	return show_model(c, param, reply, err);
}

int clear_stats(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	RTE_SET_USED(err);
	lj_pipeline_total(c->pipeline, &c->baseline);
	json_object_set_new(reply, "cleared", json_true());
	return 0;
}

static int pause_capture(struct lj_control *c, bool paused, json_t *reply, struct lj_error *err)
{
	if (lj_pipeline_finished(c->pipeline))
		return lj_error_set(err, EALREADY, "capture", "has ended");
	lj_pipeline_pause(c->pipeline, paused);
	json_object_set_new(reply, "capture", json_string(paused ? "stopped" : "running"));
	return 0;
}

int start_capture(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	return pause_capture(c, false, reply, err);
}

int stop_capture(struct lj_control *c, const char *param, json_t *reply, struct lj_error *err)
{
	RTE_SET_USED(param);
	return pause_capture(c, true, reply, err);
}
