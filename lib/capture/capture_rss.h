/* Private: RSS that brings both directions of a flow to the same queue. */
#ifndef CAPTURE_RSS_H
#define CAPTURE_RSS_H

#include <stdint.h>

#include <rte_ethdev.h>

#include "lj_base.h"

#define RSS_KEY_MAX 64

struct port_rss {
	uint8_t key[RSS_KEY_MAX]; /* as asked for */
	uint8_t key_bytes;	  /* 0: no RSS */
	uint64_t functions;
	char text[96]; /* for a person */
};

/* Puts symmetric RSS into `conf` where the device has RSS. `rss` outlives the port's
 * configuration: `conf` points to its key. */
void rss_ask(struct port_rss *rss, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);

/*
 * Reads the key back from the started port: drivers install a default key, asymmetric, without an
 * error. 0, also when nothing was asked for or the driver cannot tell, or -EIO and `err`.
 */
int rss_verify(struct port_rss *rss, uint16_t port, const char *name, struct lj_error *err);

#endif
