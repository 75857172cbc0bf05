/* Ports for the tests of ethdev sources. */
#ifndef PORT_FIXTURE_H
#define PORT_FIXTURE_H

#include "lj_capture.h"

/* Opens and starts a port with default settings, on leg 3. */
static inline struct lj_source *open_port(const char *name, uint16_t queues, struct lj_error *err)
{
	const struct lj_port_config config = {
		.name = name,
		.queues = queues,
		.descriptors = 512,
		.mbufs = 2048,
		.mtu = 1500,
		.promiscuous = true,
		.symmetric_rss = true,
		.leg = 3,
	};
	struct lj_source *s = lj_source_open_port(&config, err);

	if (s == NULL || lj_source_start(s, err) != 0) {
		lj_source_close(s);
		return NULL;
	}
	return s;
}

#endif
