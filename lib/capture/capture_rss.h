/* Private: RSS that sends both directions of a flow to the same queue. Thread: main. */
#ifndef CAPTURE_RSS_H
#define CAPTURE_RSS_H

#include <stdint.h>

#include <rte_ethdev.h>

#include "lj_base.h"
#include "lj_capture.h"

struct port_rss {
	struct lj_rss_request request;
	uint8_t key[LJ_RSS_KEY_MAX]; /* as requested */
	uint8_t key_bytes;	     /* 0: no RSS */
	uint64_t functions;
	bool known;	     /* `model` matches the device */
	struct lj_rss model; /* with the key and the RETA that were read back */
	char text[160];	     /* for the user */
};

/* Requests symmetric RSS in `conf` if the device has RSS. `conf` points to the key in `rss`, which
 * must outlive it. */
void rss_ask(struct port_rss *rss, const struct lj_rss_request *request,
	     const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);

/*
 * Reads the key back from the started port, since some drivers silently install an asymmetric
 * default key; then the RETA, which is rewritten if it leaves a queue without entries; then runs
 * lj_rss_self_test(). 0, also if RSS was not requested or cannot be read; -EIO with `err` if both
 * directions of a flow would not meet.
 */
int rss_verify(struct port_rss *rss, uint16_t port, uint16_t queues, const char *name,
	       struct lj_error *err);

/* Updates the RETA of the started port and reads it back into `model`. 0, or -errno with `err`,
 * after restoring the previous one as far as the driver permits. */
int rss_set_reta(struct port_rss *rss, uint16_t port, const uint16_t *reta, const char *name,
		 struct lj_error *err);

/* Creates the rte_flow rules of LJ_RSS_BY_FLOW on the started port. 0, or -errno with `err`. */
int rss_make_rules(uint16_t port, uint64_t functions, const char *name, struct lj_error *err);

#endif
