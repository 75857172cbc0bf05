#include <errno.h>
#include <string.h>

#include "model.h"

int family_open(struct lj_model *m, enum lj_engine engine, struct lj_error *err)
{
	const struct lj_model_info *info;
	const char *name;
	char dir[768];
	int ret;

	if (m->manifest.family[0] == '\0')
		return 0;
	snprintf(dir, sizeof(dir), "%s/%s", m->dir, m->manifest.family);
	/* The manifest has the hashes of the other files, so checking its own is sufficient. */
	ret = hash_check(dir, "manifest.json", m->manifest.family_sha256, "model's manifest", err);
	if (ret != 0)
		return ret;
	m->family = model_open(dir, m->slots, engine, LJ_MODE_EXACT, m->proof, err);
	if (m->family == NULL)
		return -EINVAL;
	info = lj_model_info(m->family);
	if (m->family->family != NULL)
		return lj_error_set(err, EINVAL, dir,
				    "has a family model itself, which is not supported");
	if (info->outputs != info->classes)
		return lj_error_set(err, EINVAL, dir, "gives %u scores for its %u classes",
				    info->outputs, info->classes);
	/* The parts of a record that are kept depend on the first model's features only. */
	name = lj_model_unkept(m->family, lj_feature_plan_keep(m->plan), UINT32_MAX);
	if (name != NULL)
		return lj_error_set(
			err, EINVAL, dir,
			"needs \"%s\", but the first model has no feature of that "
			"kind, so flow records lack it (kinds: TCP, payloads, sizes and "
			"gaps one by one, activity, bulks, DNS and FTP, host context)",
			name);
	return 0;
}

/* Sets the likeliest class other than benign, and its share of all of these. */
static void name_of(const struct lj_model_info *info, const float *p, struct lj_opinion *o)
{
	float sum = 0;

	o->family = 1;
	for (uint16_t k = 1; k < info->classes; k++) {
		sum += p[k];
		if (p[k] > p[o->family])
			o->family = k;
	}
	o->family_score = sum > 0 ? p[o->family] / sum : 0;
}

void family_name(struct lj_model *m, uint16_t slot, const struct lj_flow *const *flows,
		 const struct lj_host_context *contexts, uint32_t n, struct lj_opinion *opinions)
{
	const struct lj_model_info *info = lj_model_info(m->family);
	float *rows = m->family->matrix[slot], *scores = m->family->scores[slot];
	uint16_t which[LJ_MODEL_BATCH];
	uint32_t chosen = 0;

	for (uint32_t i = 0, end; i < n; i = end + 1) {
		for (end = i; end < n && opinions[end].score >= m->manifest.info.threshold; end++)
			which[chosen + end - i] = (uint16_t)end;
		if (end == i)
			continue;
		lj_feature_extract(m->family->plan, flows + i,
				   contexts != NULL ? contexts + i : NULL, (uint16_t)(end - i),
				   rows + (size_t)chosen * info->features);
		chosen += end - i;
	}
	if (chosen == 0 || lj_model_score_rows(m->family, slot, rows, chosen, scores) != 0)
		return;
	for (uint32_t j = 0; j < chosen; j++)
		name_of(info, scores + (size_t)j * info->outputs, &opinions[which[j]]);
}
