#include "panel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lj_log.h"
#include "pipeline.h"

/* Flow settings: as configured, else as the first model was trained, else the defaults. */
static void settle_flow_settings(struct lj_pipeline *p, const struct lj_model_set *set)
{
	const struct lj_config *c = p->config;
	struct flow_tuning *t = &p->shared.flow;
	const struct lj_model_flow *m = set->n > 0 ? &lj_model_info(set->model[0])->flow : NULL;

	t->classify_at = c->flow.classify_at;
	t->classify_after_ns = c->flow.classify_after_ns;
	t->idle_timeout_ns = c->flow.idle_timeout_ns;
	t->active_timeout_ns = c->flow.active_timeout_ns;
	t->tcp_linger_ns = c->flow.tcp_linger_ns;
	if (m == NULL || !m->present)
		return;
	if (!lj_config_given(c, "flow.classify_at"))
		t->classify_at = m->classify_at;
	if (!lj_config_given(c, "flow.idle_timeout_s"))
		t->idle_timeout_ns = m->idle_timeout_ns;
	if (!lj_config_given(c, "flow.active_timeout_s"))
		t->active_timeout_ns = m->active_timeout_ns;
	if (!lj_config_given(c, "flow.tcp_linger_s"))
		t->tcp_linger_ns = m->tcp_linger_ns;
}

/* Several models are compared by their scores, which a bound would falsify. */
static enum lj_mode model_mode(const struct lj_config *c)
{
	bool given = lj_config_given(c, "model.mode");

	if (c->models.n <= 1)
		return given ? (enum lj_mode)c->model.mode : LJ_MODE_MANIFEST;
	if (given && c->model.mode == LJ_MODE_DECIDE)
		lj_log(WARNING, "model.mode: decide is for one model, %u are given: exact\n",
		       c->models.n);
	return LJ_MODE_EXACT;
}

/* Verdicts, telemetry and routes know a model by its name. */
static int check_name(const struct lj_model_set *set, const struct lj_model *model,
		      struct lj_error *err)
{
	const char *name = lj_model_info(model)->name;

	for (uint16_t m = 0; m < set->n; m++)
		if (strcmp(lj_model_info(set->model[m])->name, name) == 0)
			return lj_error_set(err, EEXIST, lj_model_dir(model),
					    "is named %s, as %s is: verdicts would not tell them "
					    "apart; name one otherwise in its manifest.json",
					    name, lj_model_dir(set->model[m]));
	return 0;
}

void panel_close(struct panel *panel)
{
	if (panel == NULL)
		return;
	explaining_close(&panel->explaining);
	lj_drift_destroy(panel->drift);
	for (uint16_t m = 0; m < panel->set.n; m++)
		lj_model_close(panel->set.model[m]);
	free(panel);
}

/* The models that the configuration names, as they are on disk now. NULL and `err`. */
static struct panel *open_set(const struct lj_config *c, uint32_t generation, struct lj_error *err)
{
	struct panel *panel = calloc(1, sizeof(*panel));
	enum lj_mode mode = model_mode(c);
	enum lj_engine engine = lj_config_given(c, "model.engine") ? (enum lj_engine)c->model.engine
								   : LJ_ENGINE_MANIFEST;

	if (panel == NULL) {
		lj_error_set(err, ENOMEM, "models", "not enough memory");
		return NULL;
	}
	panel->set.generation = generation;
	panel->set.rule = (enum lj_rule)c->verdict.rule;
	panel->set.quorum = (uint16_t)c->verdict.quorum;
	for (uint32_t i = 0; i < c->models.n; i++) {
		struct lj_model *m = lj_model_open_by(c->models.item[i], (uint16_t)c->lcores.infer,
						      engine, mode, err);

		if (m == NULL || check_name(&panel->set, m, err) != 0) {
			lj_model_close(m);
			panel_close(panel);
			return NULL;
		}
		panel->set.model[panel->set.n++] = m;
	}
	return panel;
}

static int open_watch(struct lj_pipeline *p, struct panel *panel, struct lj_error *err)
{
	const struct lj_drift_config config = {
		.every = p->shared.drift_every,
		.window_ns = p->config->drift.window_ns,
		.silent_ns = p->config->drift.silent_ns,
		.flood_percent = p->config->drift.flood_percent,
	};
	uint32_t top = p->shared.explain ? p->config->explain.top : 0;

	if (explaining_open(&panel->explaining, &panel->set, top, err) != 0)
		return -EIO;
	if (p->shared.drift_every == 0)
		return 0;
	panel->drift = lj_drift_create(&panel->set, &config, &p->sink->role.counters, err);
	return panel->drift != NULL ? 0 : -EIO;
}

int panel_open_models(struct lj_pipeline *p, struct lj_error *err)
{
	const struct lj_config *c = p->config;
	struct panel *panel = open_set(c, 1, err);

	if (panel == NULL)
		return -EINVAL;
	p->shared.panel = panel;
	p->shared.explain = c->explain.top > 0 && c->eve.target[0] != '\0' && c->models.n > 0;
	p->shared.drift_every = c->models.n > 0 ? c->drift.every : 0;
	settle_flow_settings(p, &panel->set);
	return 0;
}

int panel_open_watch(struct lj_pipeline *p, struct lj_error *err)
{
	return open_watch(p, p->shared.panel, err);
}

uint32_t panel_keep(const struct lj_model_set *set)
{
	uint32_t keep = 0;

	for (uint16_t m = 0; m < set->n; m++)
		keep |= lj_feature_plan_keep(lj_model_plan(set->model[m]));
	return keep;
}

uint32_t panel_context(const struct lj_model_set *set)
{
	uint32_t parts = 0;

	for (uint16_t m = 0; m < set->n; m++)
		parts |= lj_model_context(set->model[m]);
	return parts;
}

/* Counts, signature ids and whoever reads verdicts know a class by the model's place and its own.
 */
static int check_identity(const struct lj_model *was, const struct lj_model *now,
			  struct lj_error *err)
{
	const struct lj_model_info *a = lj_model_info(was), *b = lj_model_info(now);
	bool same = a->classes == b->classes;

	if (strcmp(a->name, b->name) != 0)
		return lj_error_set(err, EINVAL, lj_model_dir(now),
				    "is named %s, and was %s: that takes a restart", b->name,
				    a->name);
	for (uint16_t k = 0; same && k < a->classes; k++)
		same = strcmp(a->class_name[k], b->class_name[k]) == 0;
	return same ? 0
		    : lj_error_set(err, EINVAL, lj_model_dir(now),
				   "has other classes than before: that takes a restart");
}

/* Records, host context and the sink's queue were made for the models of the start. */
static int check_room(const struct lj_pipeline *p, const struct lj_model_set *now,
		      struct lj_error *err)
{
	for (uint16_t m = 0; m < now->n; m++) {
		const char *name =
			lj_model_unkept(now->model[m], p->shared.keep, p->shared.context);

		if (name != NULL)
			return lj_error_set(err, EINVAL, lj_model_dir(now->model[m]),
					    "takes \"%s\", which no model and no table took at the "
					    "start, so it is not kept: that takes a restart",
					    name);
	}
	if (p->shared.row_floats == 0 || lj_verdict_row_floats(now) <= p->shared.row_floats)
		return 0;
	return lj_error_set(err, EINVAL, "models",
			    "take %zu features together, and %zu at the start, for which verdicts "
			    "have room: that takes a restart",
			    lj_verdict_row_floats(now), p->shared.row_floats);
}

static int check_panel(const struct lj_pipeline *p, const struct lj_model_set *was,
		       const struct lj_model_set *now, struct lj_error *err)
{
	int ret = 0;

	for (uint16_t m = 0; m < now->n && ret == 0; m++)
		ret = check_identity(was->model[m], now->model[m], err);
	return ret == 0 ? check_room(p, now, err) : ret;
}

/* Timeouts that were set at the prompt stay, unless the new model was trained by others. */
static void follow_flow_settings(struct lj_pipeline *p, const struct lj_model_set *was,
				 const struct lj_model_set *now)
{
	const struct lj_model_flow *a = &lj_model_info(was->model[0])->flow;
	const struct lj_model_flow *b = &lj_model_info(now->model[0])->flow;

	if (a->present == b->present && a->idle_timeout_ns == b->idle_timeout_ns &&
	    a->active_timeout_ns == b->active_timeout_ns && a->tcp_linger_ns == b->tcp_linger_ns &&
	    a->classify_at == b->classify_at)
		return;
	settle_flow_settings(p, now);
	atomic_fetch_add_explicit(&p->shared.flow.generation, 1, memory_order_release);
}

static void tell(const struct lj_model_set *was, const struct lj_model_set *now)
{
	for (uint16_t m = 0; m < now->n; m++) {
		const struct lj_model_info *a = lj_model_info(was->model[m]);
		const struct lj_model_info *b = lj_model_info(now->model[m]);

		lj_log(WARNING,
		       "model %s read anew: %s booster, threshold %.6g (was %.6g), "
		       "calibration %s\n",
		       b->name, strcmp(a->sha256, b->sha256) == 0 ? "the same" : "another",
		       b->threshold, a->threshold, b->calibration);
	}
}

int lj_pipeline_reload(struct lj_pipeline *p, struct lj_error *err)
{
	struct panel *was = p->shared.panel, *now;
	int ret;

	if (was->set.n == 0)
		return lj_error_set(err, ENOENT, "models", "there are none to read anew");
	if (p->shared.command == COMMAND_END || lj_pipeline_finished(p))
		return lj_error_set(err, EALREADY, "models", "capture has ended");
	if (!lj_pipeline_reloaded(p))
		return lj_error_set(err, EBUSY, "models",
				    "those before the latest are still in use: something waits, "
				    "for the reader of a pipe perhaps");
	now = open_set(p->config, was->set.generation + 1, err);
	if (now == NULL)
		return -EINVAL;
	ret = check_panel(p, &was->set, &now->set, err);
	if (ret == 0)
		ret = open_watch(p, now, err);
	if (ret != 0) {
		panel_close(now);
		return ret;
	}
	p->retired = was;
	atomic_store_explicit(&p->shared.panel, now, memory_order_release);
	follow_flow_settings(p, &was->set, &now->set);
	tell(&was->set, &now->set);
	return 0;
}

bool lj_pipeline_reloaded(struct lj_pipeline *p)
{
	uint32_t generation = ((struct panel *)p->shared.panel)->set.generation;
	uint64_t offered = 0;

	if (p->retired == NULL)
		return true;
	for (uint32_t i = 0; i < p->config->lcores.infer; i++) {
		const struct inferrer *r = p->inferrer[i];

		if (atomic_load_explicit(&r->reader.adopted, memory_order_acquire) != generation)
			return false;
		offered += r->offered_before;
	}
	if (atomic_load_explicit(&p->sink->reader.adopted, memory_order_acquire) != generation ||
	    atomic_load_explicit(&p->retired->taken, memory_order_acquire) != offered)
		return false;
	panel_close(p->retired);
	p->retired = NULL;
	return true;
}
