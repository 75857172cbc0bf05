/* Private: an endpoint's address as text. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <arpa/inet.h>

#include "lj_packet.h"
#include "text.h"

#define ADDRESS_TEXT_MAX 40 /* the longest of IPv6, and a NUL */

static inline void text_address(struct text *t, const struct lj_flow_key *k, int endpoint)
{
	const uint8_t *ip = k->addr[endpoint] + 12;
	char text[INET6_ADDRSTRLEN];

	if (k->version == 4) {
		for (int i = 0; i < 4; i++) {
			text_number(t, ip[i]);
			if (i < 3)
				text_put(t, ".", 1);
		}
	} else {
		inet_ntop(AF_INET6, k->addr[endpoint], text, sizeof(text));
		text_string(t, text);
	}
}

#endif
