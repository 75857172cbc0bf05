/*
 * Failover of a port: tries the ways of "auto:", beginning after the one that failed and wrapping
 * around, and finally the port as it was configured.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_auto.h"
#include "capture_life.h"
#include "lj_log.h"

#define CONFIGURED "configured"

/* The names of ports that are one of the ways without having been opened by "auto:". */
static const struct {
	const char *prefix, *way;
} by_name[] = {
	{XDP_PREFIX, "xdp"},
	{"net_af_xdp", "net_af_xdp"},
	{"net_af_packet", "net_af_packet"},
};

const char *lj_source_way(const struct lj_source *s)
{
	const char *way = ((const struct source *)s)->way;

	if (way != NULL)
		return way;
	for (size_t i = 0; i < RTE_DIM(by_name); i++)
		if (strncmp(s->name, by_name[i].prefix, strlen(by_name[i].prefix)) == 0)
			return by_name[i].way;
	return lj_port_is_pci(s->name) ? "driver" : CONFIGURED;
}

const char *lj_way_find(const char *name)
{
	for (size_t i = 0; i < AUTO_WAYS; i++) {
		const char *way = auto_way_name(i),
			   *brief = strncmp(way, "net_", 4) == 0 ? way + 4 : way;

		if (strcmp(name, way) == 0 || strcmp(name, brief) == 0)
			return way;
	}
	return strcmp(name, CONFIGURED) == 0 ? CONFIGURED : NULL;
}

/* The interface or device in a port's name; "" if it has none. */
static void find_subject(const char *name, char *out, size_t size)
{
	const char *iface = strstr(name, "iface=");

	if (iface != NULL && !lj_port_is_kernels(name)) {
		iface += strlen("iface=");
		snprintf(out, size, "%.*s", (int)strcspn(iface, ","), iface);
	} else if (lj_port_is_kernels(name) || lj_port_is_pci(name)) {
		lj_port_interface(name, out, size);
	} else {
		out[0] = '\0';
	}
}

/* Whether the interface that a vdev needs does not exist (net_tap creates its own). */
static bool lacks_interface(const char *name)
{
	char subject[LJ_SOURCE_NAME];
	struct netdev dev;

	if (strncmp(name, "net_af_", strlen("net_af_")) != 0)
		return false;
	find_subject(name, subject, sizeof(subject));
	return subject[0] != '\0' && !netdev_find(subject, &dev);
}

static struct lj_source *open_configured(const struct lj_port_config *config, struct lj_error *err)
{
	/* DPDK would log three lines about it at each attempt. */
	if (lacks_interface(config->name)) {
		lj_error_set(err, ENODEV, "", "its interface does not exist");
		return NULL;
	}
	if (!lj_port_is_kernels(config->name) && life_plug(config->name, err) != 0)
		return NULL;
	return lj_source_open_port(config, err);
}

/* AUTO_WAYS: as configured. */
static struct lj_source *open_way(size_t way, const struct candidate *c,
				  const struct lj_port_config *config, struct lj_error *err)
{
	if (way == AUTO_WAYS)
		return open_configured(config, err);
	if (c->dev.interface[0] == '\0' && c->dev.pci[0] == '\0') {
		lj_error_set(err, ENODEV, "", "there is no interface or device to watch");
		return NULL;
	}
	return auto_open_way(way, c, err);
}

/* Started, or NULL with the reason, which is logged. */
static struct lj_source *try_way(size_t way, const struct candidate *c,
				 const struct lj_port_config *config, bool quiet,
				 struct lj_error *err)
{
	const char *name = way == AUTO_WAYS ? CONFIGURED : auto_way_name(way);
	struct lj_source *source = open_way(way, c, config, err);

	if (source != NULL && lj_source_start(source, err) == 0)
		return source;
	if (source != NULL)
		lj_source_retire(source);
	if (!quiet)
		lj_log(WARNING, "%s: not by %s: %s\n", config->name, name, err->what);
	return NULL;
}

static size_t index_of(const char *way)
{
	for (size_t i = 0; i < AUTO_WAYS; i++)
		if (strcmp(auto_way_name(i), way) == 0)
			return i;
	return AUTO_WAYS;
}

struct lj_source *lj_source_take_over(const struct lj_takeover *t, struct lj_error *err)
{
	size_t after = index_of(t->after), only = t->way != NULL ? index_of(t->way) : 0;
	struct lj_port_config one_queue = *t->config;
	struct candidate c = {.config = &one_queue};
	char subject[LJ_SOURCE_NAME];
	bool found;

	find_subject(t->config->name, subject, sizeof(subject));
	found = netdev_find(t->spare[0] != '\0' ? t->spare : subject, &c.dev);
	if (!found || strcmp(c.dev.driver, "vfio-pci") != 0)
		one_queue.queues = 1;
	for (size_t i = 1; i <= AUTO_WAYS + 1; i++) {
		/* The last way is followed by the first; "as configured" comes last. */
		size_t way = i > AUTO_WAYS	 ? AUTO_WAYS
			     : after < AUTO_WAYS ? (after + i) % AUTO_WAYS
						 : i - 1;
		struct lj_error why = {0};
		struct lj_source *source;

		if (t->way != NULL && way != only)
			continue;
		source = try_way(way, &c, t->config, t->quiet, &why);
		if (source != NULL)
			return source;
		if (err->what[0] == '\0')
			*err = why;
	}
	return NULL;
}
