/* Whatever is truncated, and wherever segments meet: the facts are the same, or there is a named
 * reason, and nothing beyond the captured bytes is read. */
#include "frames.h"

/* The facts of the frame in one segment, and the reason if it was rejected. */
static struct lj_packet whole;
static enum lj_counter reason;

static uint16_t parse_as(const struct frame_case *c, const struct shape *s)
{
	uint16_t got = parse_shaped(c->bytes, s);

	whole = fact;
	CU_ASSERT_EQUAL(refused(&reason) + got, 1);
	return got;
}

static uint16_t parse_whole(const struct frame_case *c, uint16_t captured)
{
	return parse_as(c, &(struct shape){.captured = captured, .wire = c->n});
}

/* Compares a segmented frame with the result of parse_whole(). */
static void same_in_segments(const struct frame_case *c, const struct shape *s, uint16_t got)
{
	enum lj_counter why;

	CU_ASSERT_EQUAL(parse_shaped(c->bytes, s), got);
	CU_ASSERT_EQUAL(refused(&why) + got, 1);
	CU_ASSERT_EQUAL(why, reason);
	if (got == 1)
		CU_ASSERT_EQUAL(memcmp(&fact, &whole, sizeof(fact)), 0);
}

static void every_frame_gives_the_facts_of_its_row(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		const struct frame_case *c = &frames[i];

		CU_ASSERT_EQUAL(parse_whole(c, c->n), 1);
		CU_ASSERT_EQUAL(whole.l3_bytes, c->l3);
		CU_ASSERT_EQUAL(whole.payload_bytes, c->payload);
		CU_ASSERT_EQUAL(whole.l4_header_bytes, c->l4_header);
		CU_ASSERT_EQUAL(whole.key.port[whole.side], c->src);
		CU_ASSERT_EQUAL(whole.key.port[!whole.side], c->dst);
		CU_ASSERT_EQUAL(whole.key.proto, c->proto);
		CU_ASSERT_EQUAL(whole.key.version, c->version);
		CU_ASSERT_EQUAL(whole.vlan, c->vlan);
		CU_ASSERT_EQUAL(whole.tunnel, c->tunnel);
		CU_ASSERT_EQUAL(whole.fragment, c->fragment);
		CU_ASSERT_EQUAL(whole.wire_bytes, c->n);
		CU_ASSERT_EQUAL(counters.value[LJ_C_parse_bytes], c->n);
		CU_ASSERT_EQUAL(whole.time_ns, 5);
		CU_ASSERT_EQUAL(whole.leg, 3);
	}
}

/* Clears options and application fields, which a truncated packet may lack. */
static void forget_what_may_be_missing(struct lj_packet *p)
{
	p->tcp_mss = p->tcp_wscale = 0;
	p->application = 0;
	p->dns_id = p->dns_type = p->ftp_code = 0;
	p->dns_ttl = 0;
}

static void a_cut_frame_has_its_facts_as_soon_as_they_are_captured(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		struct lj_packet full;

		CU_ASSERT_EQUAL(parse_whole(&frames[i], frames[i].n), 1);
		full = whole;
		forget_what_may_be_missing(&full);
		for (uint16_t n = 0; n < frames[i].n; n++) {
			CU_ASSERT_EQUAL(parse_whole(&frames[i], n), n >= frames[i].needed);
			if (n < frames[i].needed) {
				CU_ASSERT_EQUAL(reason, LJ_C_parse_malformed_truncated);
				continue;
			}
			forget_what_may_be_missing(&whole);
			CU_ASSERT_EQUAL(memcmp(&whole, &full, sizeof(full)), 0);
		}
	}
}

/* A frame as passed by a NIC or the kernel after stripping its tag: four bytes shorter than on the
 * wire. */
static void a_vlan_tag_taken_off_the_frame_is_its_outermost(void)
{
	const uint64_t one = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	const uint64_t both = one | RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;

	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		const struct frame_case *c = &frames[i];
		struct shape s = {.captured = c->n, .tci = 0x602a, .outer_tci = 0xe007};

		parse_whole(c, c->n);
		/* Reported, but left in the frame: no difference. */
		s.flags = RTE_MBUF_F_RX_VLAN;
		s.wire = c->n;
		same_in_segments(c, &s, 1);
		s.flags = one;
		whole.wire_bytes = s.wire = c->n + 4u;
		whole.vlan = 42;
		same_in_segments(c, &s, 1);
		s.flags = both;
		whole.wire_bytes = s.wire = c->n + 8u;
		whole.vlan = 7;
		same_in_segments(c, &s, 1);
	}
}

static void options_are_taken_as_far_as_they_are_captured(void)
{
	static const struct frame_case syn = {.bytes = syn4, .n = sizeof(syn4)};

	for (uint16_t n = 54; n <= sizeof(syn4); n++) {
		CU_ASSERT_EQUAL(parse_whole(&syn, n), 1);
		CU_ASSERT_EQUAL(whole.tcp_mss, n >= 58 ? 1460 : 0);
		CU_ASSERT_EQUAL(whole.tcp_wscale, n >= 62 ? 8 : 0);
	}
}

/* RFC 7323: a shift of more than 14 counts as 14. */
static void a_window_is_scaled_by_fourteen_at_most(void)
{
	uint8_t bytes[sizeof(syn4)];
	struct shape s = {.captured = sizeof(bytes), .wire = sizeof(bytes)};

	memcpy(bytes, syn4, sizeof(bytes));
	for (bytes[61] = 13; bytes[61] < 17; bytes[61]++) {
		CU_ASSERT_EQUAL(parse_shaped(bytes, &s), 1);
		CU_ASSERT_EQUAL(fact.tcp_wscale, RTE_MIN(bytes[61], 14) + 1);
	}
}

/* Echo, timestamp, information and mask, each with its reply. */
static void icmp_queries_have_an_identifier_and_errors_none(void)
{
	uint8_t bytes[sizeof(ping4)];

	memcpy(bytes, ping4, sizeof(bytes));
	for (uint32_t type = 0; type < 256; type++) {
		bool query = type == 0 || type == 8 || (type >= 13 && type <= 18);

		bytes[34] = (uint8_t)type;
		CU_ASSERT_EQUAL(parse(bytes, sizeof(bytes)), 1);
		CU_ASSERT_EQUAL(fact.icmp_type, type);
		CU_ASSERT_EQUAL(fact.key.port[0], query ? 0xabcd : 0);
	}
}

static void two_segments_may_meet_anywhere_in_any_cut_frame(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++)
		for (uint16_t n = 2; n <= frames[i].n; n++) {
			struct shape s = {.captured = n, .wire = frames[i].n};
			uint16_t got = parse_whole(&frames[i], n);

			for (s.cut[0] = 1; s.cut[0] < n; s.cut[0]++)
				same_in_segments(&frames[i], &s, got);
		}
}

/* The middle segment may be empty. */
static void three_segments_may_meet_anywhere(void)
{
	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		struct shape s = {.captured = frames[i].n, .wire = frames[i].n};
		uint16_t got = parse_whole(&frames[i], frames[i].n);

		for (s.cut[0] = 1; s.cut[0] < frames[i].n; s.cut[0]++)
			for (s.cut[1] = s.cut[0]; s.cut[1] < frames[i].n; s.cut[1]++)
				same_in_segments(&frames[i], &s, got);
	}
}

/* The segments end with the IP header, or shortly after it, although the IP length says more. */
static void an_upper_layer_that_is_not_there_is_not_read(void)
{
	static const uint8_t protos[] = {1, 6, 17, 47, 58, 132};
	static const uint8_t totals[] = {20, 21, 23, 24, 27, 28, 40};

	for (size_t i = 0; i < RTE_DIM(protos); i++)
		for (size_t t = 0; t < RTE_DIM(totals); t++) {
			uint8_t bytes[] = {ETHER(0x0800), IPV4(0, 0)};
			struct frame_case c = {.bytes = bytes, .n = sizeof(bytes)};
			struct shape s = {.captured = sizeof(bytes), .wire = sizeof(bytes)};
			uint16_t got;

			bytes[17] = totals[t];
			bytes[23] = protos[i];
			got = parse_whole(&c, sizeof(bytes));
			CU_ASSERT_EQUAL(got, protos[i] == 47);
			for (s.cut[0] = 1; s.cut[0] < s.captured; s.cut[0]++)
				same_in_segments(&c, &s, got);
		}
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* TCP or UDP over IP with random fields: addresses and ports that are often equal, any flags,
 * header lengths and special ports. Returns its length. */
static uint16_t any_plain_frame(uint8_t bytes[128])
{
	static const uint16_t ports[] = {53, 21, 2152, 4789, 3544, 6081, 8472, 443, 443, 5000};
	static const uint8_t type[2][2] = {{0x08, 0x00}, {0x86, 0xdd}};
	uint32_t v6 = lj_test_below(3) == 0, at = 12, proto = lj_test_below(3) == 0 ? 17 : 6;
	uint32_t l3 = v6 ? 40 : 20, l4 = proto == 17 ? 8 : 20 + 4 * lj_test_below(3), data, said;

	memset(bytes, 0, 128);
	for (uint32_t tags = lj_test_below(3); tags > 0; tags--, at += 4) {
		put16(bytes + at, 0x8100);
		put16(bytes + at + 2, lj_test_below(65536));
	}
	memcpy(bytes + at, type[v6], 2);
	at += 2;
	data = lj_test_below(4) * 3;
	/* Sometimes longer than captured, around the limit of plain packets. */
	said = lj_test_below(16) > 0 ? data : 32600 + lj_test_below(200);
	bytes[at] = v6 ? 0x60 : 0x45;
	put16(bytes + at + (v6 ? 4 : 2), (v6 ? 0 : l3) + l4 + said);
	bytes[at + (v6 ? 7 : 8)] = (uint8_t)lj_test_below(256);
	bytes[at + (v6 ? 6 : 9)] = (uint8_t)proto;
	for (uint32_t i = v6 ? 8 : 12; i < l3; i++)
		bytes[at + i] = (uint8_t)(lj_test_below(8) == 0 ? lj_test_below(256) : 0x81);
	for (uint32_t i = 0; i < 4; i += 2)
		put16(bytes + at + l3 + i, lj_test_below(2) ? ports[lj_test_below(RTE_DIM(ports))]
							    : lj_test_below(65536));
	for (uint32_t i = 4; i < l4; i++)
		bytes[at + l3 + i] = (uint8_t)lj_test_below(256);
	if (proto == 6) {
		bytes[at + l3 + 12] = (uint8_t)(l4 << 2);
		if (l4 > 20 && lj_test_below(2))
			memcpy(bytes + at + l3 + 20, "\2\4\5\xb4\1\3\3\7", l4 - 20);
		if (lj_test_below(4) > 0)
			bytes[at + l3 + 13] &= 0x18;
	}
	return (uint16_t)(at + l3 + l4 + data);
}

/* A first segment of one byte cannot be handled by the fast path. */
static void the_plain_way_and_the_complete_one_agree(void)
{
	uint32_t plain = 0;

	for (uint32_t i = 0; i < 300000; i++) {
		uint8_t bytes[128];
		struct frame_case c = {.bytes = bytes};
		struct shape s = {.tci = 0x602a};
		uint16_t got;

		if (lj_test_below(8) > 0) {
			c.n = any_plain_frame(bytes);
		} else {
			const struct frame_case *known = &frames[lj_test_below(RTE_DIM(frames))];

			c.n = known->n;
			memcpy(bytes, known->bytes, c.n);
		}
		for (uint32_t wrong = lj_test_below(3); wrong > 0; wrong--)
			bytes[12 + lj_test_below(c.n - 12)] = (uint8_t)lj_test_below(256);
		s.captured = lj_test_below(3) > 0 ? c.n : (uint16_t)(2 + lj_test_below(c.n - 1u));
		if (lj_test_below(8) == 0)
			s.flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		s.wire = s.flags != 0 ? c.n + 4u : c.n;
		got = parse_as(&c, &s);
		plain += got == 1 && whole.plain;
		s.cut[0] = 1;
		same_in_segments(&c, &s, got);
	}
	/* Most packets were plain. */
	CU_ASSERT(plain > 100000);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"the plain way and the complete one agree",
		 the_plain_way_and_the_complete_one_agree},
		{"every frame gives the facts of its row", every_frame_gives_the_facts_of_its_row},
		{"a cut frame has its facts as soon as they are captured",
		 a_cut_frame_has_its_facts_as_soon_as_they_are_captured},
		{"a VLAN tag taken off the frame is its outermost",
		 a_vlan_tag_taken_off_the_frame_is_its_outermost},
		{"options are taken as far as they are captured",
		 options_are_taken_as_far_as_they_are_captured},
		{"a window is scaled by fourteen at most", a_window_is_scaled_by_fourteen_at_most},
		{"ICMP queries have an identifier, and errors none",
		 icmp_queries_have_an_identifier_and_errors_none},
		{"two segments may meet anywhere in any cut frame",
		 two_segments_may_meet_anywhere_in_any_cut_frame},
		{"three segments may meet anywhere", three_segments_may_meet_anywhere},
		{"an upper layer that is not there is not read",
		 an_upper_layer_that_is_not_there_is_not_read},
	};

	return lj_test_run("packet_bounds", tests, RTE_DIM(tests));
}
