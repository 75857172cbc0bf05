#include "legs.h"

#include <errno.h>

#include "lj_log.h"
#include "pipeline.h"

static bool spreads(const struct lj_source *s)
{
	return s->rss != NULL && s->rss->queues > 1;
}

/* Which source has the smallest RETA, but for `except`; UINT32_MAX: none has one. */
static uint32_t smallest(const struct lj_pipeline *p, uint32_t except)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < p->n_sources; i++)
		if (i != except && spreads(p->source[i]) &&
		    (best == UINT32_MAX ||
		     p->source[i]->rss->reta_entries < p->source[best]->rss->reta_entries))
			best = i;
	return best;
}

/* Deals to a table what a smaller one (or one as large) has: an entry of it is the same hashes'. */
static int copy_reta(struct lj_source *to, const struct lj_source *from, struct lj_error *err)
{
	const struct lj_rss *have = from->rss;
	uint16_t reta[LJ_RETA_MAX];

	if (to->rss->reta_entries < have->reta_entries)
		return lj_error_set(err, ENOTSUP, to->name,
				    "its redirection table has %u entries, that of %s %u",
				    to->rss->reta_entries, from->name, have->reta_entries);
	for (uint16_t i = 0; i < to->rss->reta_entries; i++)
		reta[i] = lj_rss_entry(have, i % have->reta_entries);
	return lj_source_set_reta(to, reta, err);
}

static int follow(struct lj_pipeline *p, uint32_t i, uint32_t leader, struct lj_error *err)
{
	const struct lj_source *from = p->source[leader];
	struct lj_source *to = p->source[i];
	struct lj_error why = {0};
	uint32_t parted;
	int ret;

	if (lj_rss_self_test(from->rss, to->rss) == 0)
		return 0;
	ret = copy_reta(to, from, &why);
	parted = lj_rss_self_test(from->rss, to->rss);
	if (parted == 0)
		return 0;
	return lj_error_set(err, EIO, to->name,
			    "RSS self-test: %u of %d pairs of tuple and reverse part between it "
			    "and %s%s%s: use one queue, or NICs of one kind",
			    parted, LJ_RSS_TEST_PAIRS, from->name, ret != 0 ? "; " : "", why.what);
}

int legs_align(struct lj_pipeline *p, struct lj_error *err)
{
	uint32_t leader = smallest(p, UINT32_MAX);
	const struct lj_config_port *port = p->config->capture.port;

	for (uint32_t i = 0; i < p->n_sources && leader != UINT32_MAX; i++) {
		struct lj_error why = {0};

		if (i == leader || !spreads(p->source[i]) || follow(p, i, leader, &why) == 0)
			continue;
		if (port[i].leg != port[leader].leg) {
			*err = why;
			return -EIO;
		}
		lj_log(WARNING, "%s: %s\n", why.where, why.what);
	}
	return 0;
}

int legs_rejoin(struct lj_pipeline *p, uint32_t i, struct lj_error *err)
{
	uint32_t leader = smallest(p, i);

	return leader != UINT32_MAX && spreads(p->source[i]) ? follow(p, i, leader, err) : 0;
}
