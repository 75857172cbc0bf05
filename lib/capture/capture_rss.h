/* Private: RSS that brings both directions of a flow to the same queue. */
#ifndef CAPTURE_RSS_H
#define CAPTURE_RSS_H

#include <stdint.h>

#include <rte_ethdev.h>

#include "lj_base.h"
#include "lj_capture.h"

struct port_rss {
	struct lj_rss_request request;
	uint8_t key[LJ_RSS_KEY_MAX]; /* as asked for */
	uint8_t key_bytes;	     /* 0: no RSS */
	uint64_t functions;
	bool known;	     /* `model` is what the device does */
	struct lj_rss model; /* from key and RETA as read back */
	char text[160];	     /* for a person */
};

/* Puts symmetric RSS into `conf` where the device has RSS. `rss` outlives the port's
 * configuration: `conf` points to its key. */
void rss_ask(struct port_rss *rss, const struct lj_rss_request *request,
	     const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);

/*
 * Reads the key back from the started port, since drivers install a default key, asymmetric,
 * without an error; then the RETA, which is dealt anew when it leaves a queue without entries; then
 * pushes synthetic tuples both ways through both. 0, also when nothing was asked for or the driver
 * cannot tell, or -EIO and `err`.
 */
int rss_verify(struct port_rss *rss, uint16_t port, uint16_t queues, const char *name,
	       struct lj_error *err);

/* Gives the started port another RETA and reads it back into `model`. 0, or -errno and `err`, and
 * then the one before is in force as far as the driver permits. */
int rss_set_reta(struct port_rss *rss, uint16_t port, const uint16_t *reta, const char *name,
		 struct lj_error *err);

/* Makes the rules of LJ_RSS_BY_FLOW on the started port. 0 or -errno. */
int rss_make_rules(uint16_t port, uint64_t functions, const char *name, struct lj_error *err);

#endif
