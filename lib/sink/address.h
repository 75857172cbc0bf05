/* Private: an endpoint's address as text. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <arpa/inet.h>
#include <string.h>

#include "lj_packet.h"
#include "number.h"

/* Returns the length; no NUL. Bytes of `out` after it, up to INET6_ADDRSTRLEN, may be overwritten.
 */
static inline size_t address_write(char *out, const struct lj_flow_key *k, int endpoint)
{
	const uint8_t *ip = k->addr[endpoint];
	char *at = out;

	if (k->version != 4) {
		inet_ntop(AF_INET6, ip, out, INET6_ADDRSTRLEN);
		return strlen(out);
	}
	for (int i = 12; i < 16; i++) {
		at += number_write_small(at, ip[i]);
		*at++ = '.';
	}
	return (size_t)(at - out) - 1;
}

#endif
