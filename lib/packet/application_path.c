/* The few fields of DNS (RFC 1035) and FTP (RFC 959) that feature sets need. Truncated or malformed
 * messages are ignored, not a reason to reject the packet. */
#include <netinet/in.h>

#include "parse.h"

#define PORT_FTP     21
#define PORT_DNS     53
#define DNS_BYTES    512 /* looked at, at most */
#define DNS_HEADER   12
#define DNS_ANSWERS  8 /* looked at, at most */
#define DNS_TYPE_A   1
#define DNS_RESPONSE 0x8000

/* The offset after the name at `at`, which ends with an empty label or a pointer; 0 if it does not
 * end. */
static uint32_t skip_name(const uint8_t *p, uint32_t at, uint32_t n)
{
	while (at < n && p[at] != 0) {
		if (p[at] >> 6 == 3)
			return at + 2 <= n ? at + 2 : 0;
		if (p[at] >> 6 != 0)
			return 0;
		at += p[at] + 1u;
	}
	return at < n ? at + 1 : 0;
}

/* The TTL of the first A record among the answers, which begin at `at`; 0 if there is none. */
static uint32_t first_ttl(const uint8_t *p, uint32_t at, uint32_t n, uint16_t answers)
{
	for (int i = 0; i < RTE_MIN(answers, DNS_ANSWERS); i++) {
		at = skip_name(p, at, n);
		if (at == 0 || at + 10 > n)
			return 0;
		if (be16(p + at) == DNS_TYPE_A)
			return be32(p + at + 4);
		at += 10u + be16(p + at + 8);
		if (at >= n)
			return 0;
	}
	return 0;
}

static void parse_dns(const struct frame *f, struct lj_packet *packet, uint32_t at, uint32_t bytes)
{
	uint8_t scratch[DNS_BYTES];
	uint32_t have = f->captured > at ? f->captured - at : 0, name;
	const uint8_t *p;
	bool answer;

	have = RTE_MIN(have, bytes);
	have = RTE_MIN(have, (uint32_t)DNS_BYTES);
	if (have < DNS_HEADER)
		return;
	p = parse_bytes(f, at, have, scratch);
	answer = (be16(p + 2) & DNS_RESPONSE) != 0;
	packet->application = answer ? LJ_APPLICATION_DNS_ANSWER : LJ_APPLICATION_DNS_QUERY;
	packet->dns_id = be16(p);
	if (be16(p + 4) != 1)
		return;
	name = skip_name(p, DNS_HEADER, have);
	if (name == 0 || name + 4 > have)
		return;
	packet->dns_type = be16(p + name);
	if (answer)
		packet->dns_ttl = first_ttl(p, name + 4, have, be16(p + 6));
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static void parse_ftp(const struct frame *f, struct lj_packet *packet, uint32_t at)
{
	uint8_t scratch[4];
	const uint8_t *p = parse_bytes(f, at, 4, scratch);

	if (p == NULL || !is_digit(p[0]) || p[0] < '1' || p[0] > '6' || !is_digit(p[1]) ||
	    !is_digit(p[2]) || (p[3] != ' ' && p[3] != '-'))
		return;
	packet->application = LJ_APPLICATION_FTP_REPLY;
	packet->ftp_code = (uint16_t)((p[0] - '0') * 100 + (p[1] - '0') * 10 + p[2] - '0');
}

void parse_application(const struct frame *f, struct lj_packet *packet)
{
	const uint16_t *port = packet->key.port;
	uint32_t at = f->at + packet->l4_header_bytes;

	if (unlikely(port[0] == PORT_DNS || port[1] == PORT_DNS)) {
		/* Over TCP a two-byte length precedes the message. */
		if (packet->key.proto == IPPROTO_UDP)
			parse_dns(f, packet, at, packet->payload_bytes);
		else if (packet->payload_bytes > 2)
			parse_dns(f, packet, at + 2, packet->payload_bytes - 2);
	} else if (unlikely(port[packet->side] == PORT_FTP) && packet->key.proto == IPPROTO_TCP &&
		   packet->payload_bytes >= 4) {
		parse_ftp(f, packet, at);
	}
}
