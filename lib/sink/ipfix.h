/*
 * Private: encodes verdicts as IPFIX messages (RFC 7011) of bidirectional flows (RFC 5103), with
 * libfixbuf.
 *
 * Records are added to a message until one does not fit; the caller then takes and sends the
 * message and adds that record again. Templates precede the records, in a message of their own (as
 * libfixbuf does it), and are repeated every `templates_every_ns` for collectors that start later.
 *
 * Values without an IANA element use elements of the enterprise number `enterprise`; their names
 * and types are exported, too (RFC 5610).
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
/* 0; -ENOSPC: take the message first, then try again, up to IPFIX_TAKES times with the same
 * `now_tsc`; -EINVAL: the record cannot be encoded. */
#define IPFIX_TAKES 4
int ipfix_add(struct ipfix *x, const struct lj_verdict *v, uint64_t now_tsc);
/* Ends the message. Returns its length in bytes, 0 if there is none; *message is valid until the
 * next call, *records is the number of flow records in it. */
size_t ipfix_take(struct ipfix *x, const uint8_t **message, uint32_t *records);
/* Forgets which templates have been sent: each is sent again before its next record. */
void ipfix_forget(struct ipfix *x);
void ipfix_destroy(struct ipfix *x);

#endif
