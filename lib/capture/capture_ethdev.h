/*
 * Private: a port of ethdev as a source. Its setting up stands apart from its running.
 */
#ifndef CAPTURE_ETHDEV_H
#define CAPTURE_ETHDEV_H

#include "capture_life.h"
#include "capture_rss.h"
#include "capture_sockets.h"
#include "source.h"

struct port_source {
	struct source source;
	uint16_t port;
	bool started;
	bool promiscuous; /* by us: to be undone */
	struct rte_mempool *pool;
	int time_offset;    /* of net_pcap's timestamp in the mbuf, in us; -1 when there is none */
	uint64_t time_flag; /* of an mbuf that carries it */
	uint8_t leg;
	char driver[64];
	struct port_rss rss;
	struct port_life life;
	struct port_sockets sockets;   /* of net_af_packet alone */
	struct lj_source_stats latest; /* words stored whole: all */
};

/* Configures the port and its queues, all but starting it; `s->pool` is set once it has buffers. 0
 * or -errno with `err`. */
int ethdev_set_up(struct port_source *s, const struct lj_port_config *config, struct lj_error *err);

#endif
