#include "lj_capture.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "source.h"

static bool begins(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool lj_port_is_kernels(const char *name)
{
	return begins(name, XDP_PREFIX) || begins(name, AUTO_PREFIX);
}

bool lj_port_is_pci(const char *name)
{
	unsigned int domain, bus, device, function;

	return sscanf(name, "%x:%x:%x.%x", &domain, &bus, &device, &function) == 4 ||
	       sscanf(name, "%x:%x.%x", &bus, &device, &function) == 3;
}

char *lj_port_interface(const char *name, char *out, size_t size)
{
	const char *at = lj_port_is_kernels(name) ? strchr(name, ':') + 1 : name;
	bool whole = at == name && !lj_port_is_pci(name);

	snprintf(out, size, "%.*s", whole ? (int)size : (int)strcspn(at, ","), at);
	return out;
}

struct lj_source *lj_source_open_port(const struct lj_port_config *config, struct lj_error *err)
{
	if (begins(config->name, XDP_PREFIX))
		return xdp_open(config, err);
	if (begins(config->name, AUTO_PREFIX))
		return auto_open(config, err);
	return ethdev_open(config, err);
}

void lj_burst_free(struct lj_burst *burst)
{
	if (!burst->kept)
		rte_pktmbuf_free_bulk(burst->mbuf, burst->count);
	burst->count = 0;
}

int lj_source_start(struct lj_source *s, struct lj_error *err)
{
	return s->ops->start(s, err);
}

void lj_source_stop(struct lj_source *s)
{
	s->ops->stop(s);
}

int lj_source_set_reta(struct lj_source *s, const uint16_t *reta, struct lj_error *err)
{
	if (s->rss == NULL || s->ops->set_reta == NULL)
		return lj_error_set(err, ENOTSUP, s->name,
				    "has no redirection table, or none that can be read: flows are "
				    "not spread by RSS here");
	return s->ops->set_reta(s, reta, err);
}

int lj_source_stats(struct lj_source *s, struct lj_source_stats *stats)
{
	return s->ops->stats(s, stats);
}

enum lj_source_state lj_source_state(const struct lj_source *s)
{
	return (enum lj_source_state)atomic_load_explicit(&s->state, memory_order_acquire);
}

const struct lj_error *lj_source_error(const struct lj_source *s)
{
	return &((const struct source *)s)->error;
}

const struct lj_refusal *lj_source_refusals(const struct lj_source *s, uint16_t *n)
{
	*n = ((const struct source *)s)->refusals;
	return ((const struct source *)s)->refusal;
}

void lj_source_close(struct lj_source *s)
{
	if (s != NULL)
		s->ops->close(s);
}

enum lj_port_health lj_source_health(struct lj_source *s, const char **why)
{
	*why = "";
	return s->ops->health != NULL ? s->ops->health(s, why) : LJ_PORT_WELL;
}

void lj_source_retire(struct lj_source *s)
{
	lj_source_stop(s);
	((struct source *)s)->unplug = true;
	lj_source_close(s);
}

void lj_source_describe(const struct lj_source *s, char *out, size_t size)
{
	s->ops->describe(s, out, size);
}
