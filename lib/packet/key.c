#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "lj_packet_hash.h"
#include "lj_packet.h"

uint64_t lj_flow_key_hash(const struct lj_flow_key *key, const uint64_t seed[4])
{
	return lj_key_hash(lj_key_words(key), seed);
}

void lj_parser_init(struct lj_parser *p, struct lj_counters *counters, bool random_seed, bool outer)
{
	/* Digits of pi. */
	static const uint64_t fixed[4] = {0x243f6a8885a308d3, 0x13198a2e03707344,
					  0xa4093822299f31d0, 0x082efa98ec4e6c89};

	memset(p, 0, sizeof(*p));
	memcpy(p->seed, fixed, sizeof(fixed));
	if (random_seed && getrandom(p->seed, sizeof(p->seed), 0) != sizeof(p->seed))
		memcpy(p->seed, fixed, sizeof(fixed));
	p->counters = counters;
	p->outer = outer;
	lj_parser_feed(p, p, 0);
}

void lj_parser_feed(struct lj_parser *p, const void *index, uint64_t mask)
{
	p->index = index;
	p->index_mask = mask;
}

const char *lj_tunnel_name(enum lj_tunnel tunnel)
{
	static const char *const names[LJ_TUNNELS] = {"",	"mpls",	  "pppoe", "gre",
						      "erspan", "ipip",	  "6in4",  "etherip",
						      "vxlan",	"geneve", "gtpu",  "teredo"};

	return (unsigned int)tunnel < LJ_TUNNELS ? names[tunnel] : "";
}
