/*
 * Private: an ethdev port as a source. capture_ethdev_setup.c configures it, capture_ethdev.c runs
 * it.
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
	bool promiscuous; /* enabled by us: to be disabled at close */
	struct rte_mempool *pool;
	int time_offset;    /* of net_pcap's timestamp (us) in the mbuf; -1 when there is none */
	uint64_t time_flag; /* in ol_flags of an mbuf that has one */
	uint8_t leg;
	char driver[64];
	struct port_rss rss;
	struct port_life life;
	struct port_sockets sockets;   /* net_af_packet only */
	struct lj_source_stats latest; /* as last read; any thread: rw, word by word */
};

/* Configures the port and its queues without starting it; `s->pool` is set once it has buffers. 0,
 * or -errno with `err`. */
int ethdev_set_up(struct port_source *s, const struct lj_port_config *config, struct lj_error *err);

#endif
