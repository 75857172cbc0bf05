/* Whatever is missing and wherever segments meet: the same facts or a named reason, and no read
 * past what was captured. */
#include "frames.h"

/* The facts of the frame as captured in one segment, and why it was refused. */
static struct lj_packet whole;
static enum lj_counter reason;

static uint16_t parse_whole(const struct frame_case *c, uint16_t captured)
{
	uint16_t got = parse_shaped(c->bytes, &(struct shape){.captured = captured, .wire = c->n});

	whole = fact;
	CU_ASSERT_EQUAL(refused(&reason) + got, 1);
	return got;
}

/* As parse_whole() left it, in segments. */
static void same_in_segments(const struct frame_case *c, const struct shape *s, uint16_t got)
{
	enum lj_counter why;

	CU_ASSERT_EQUAL(parse_shaped(c->bytes, s), got);
	CU_ASSERT_EQUAL(refused(&why) + got, 1);
	CU_ASSERT_EQUAL(why, reason);
	if (got == 1)
		CU_ASSERT_EQUAL(memcmp(&fact, &whole, sizeof(fact)), 0);
}

/* Options and the application's fields: a packet has its facts without them. */
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

/* As a NIC or the kernel hands a frame over whose tag it has read: four bytes shorter than it was
 * on the wire. */
static void a_vlan_tag_taken_off_the_frame_is_its_outermost(void)
{
	const uint64_t one = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	const uint64_t both = one | RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;

	for (size_t i = 0; i < RTE_DIM(frames); i++) {
		const struct frame_case *c = &frames[i];
		struct shape s = {.captured = c->n, .tci = 0x602a, .outer_tci = 0xe007};

		parse_whole(c, c->n);
		/* Seen, and left in the frame: no news. */
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

/* The middle one may be empty. */
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

/* What IP says is there while the segments end with the IP header: nothing, a little, all. */
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

int main(void)
{
	static const struct lj_test tests[] = {
		{"a cut frame has its facts as soon as they are captured",
		 a_cut_frame_has_its_facts_as_soon_as_they_are_captured},
		{"a VLAN tag taken off the frame is its outermost",
		 a_vlan_tag_taken_off_the_frame_is_its_outermost},
		{"options are taken as far as they are captured",
		 options_are_taken_as_far_as_they_are_captured},
		{"two segments may meet anywhere in any cut frame",
		 two_segments_may_meet_anywhere_in_any_cut_frame},
		{"three segments may meet anywhere", three_segments_may_meet_anywhere},
		{"an upper layer that is not there is not read",
		 an_upper_layer_that_is_not_there_is_not_read},
	};

	return lj_test_run("packet_bounds", tests, RTE_DIM(tests));
}
