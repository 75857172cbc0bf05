/*
 * Private: verdicts as IPFIX messages (RFC 7011) of bidirectional flows (RFC 5103), by libfixbuf.
 *
 * A message is filled with records until one does not fit; whoever sends it takes it then, and
 * offers the record again. Its template goes ahead, in a message of its own (libfixbuf's way), and
 * again when `templates_every_ns` have passed, for a collector that came later.
 *
 * What IANA has no elements for stands in elements of the enterprise `enterprise`; their names and
 * types are told to the collector, too (RFC 5610).
 *
 * Thread: the sink thread.
 */
#ifndef IPFIX_H
#define IPFIX_H

#include "lj_sink.h"

/* Fits an Ethernet frame with IPv6, UDP and a tunnel around it. */
#define IPFIX_MESSAGE_BYTES 1400

struct ipfix;

struct ipfix *ipfix_create(uint32_t domain, uint32_t enterprise, uint64_t templates_every_ns,
			   struct lj_error *err);
/* 0; -ENOSPC: the message has to be taken first, up to IPFIX_TAKES times at the same `now_tsc`;
 * -EINVAL: it cannot be said. */
#define IPFIX_TAKES 4
int ipfix_add(struct ipfix *x, const struct lj_verdict *v, uint64_t now_tsc);
/* Ends the message. Its bytes, valid until the next call; 0 when there are none. *records is how
 * many flows are in it. */
size_t ipfix_take(struct ipfix *x, const uint8_t **message, uint32_t *records);
/* Tells all templates anew, each before its next record. */
void ipfix_forget(struct ipfix *x);
void ipfix_destroy(struct ipfix *x);

#endif
