#include "file_replay.h"

static void a_file_without_packets_ends_at_once(void)
{
	begin_pcap(&file, 1);
	CU_ASSERT_EQUAL(replay_one(save("header.pcap"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.n, 0);
	file.n = 0;
	put_section(&file, false);
	CU_ASSERT_EQUAL(replay_one(save("section.pcapng"), NULL), LJ_SOURCE_ENDED);
	put_interface(&file, 1, 0);
	CU_ASSERT_EQUAL(replay_one(save("interface.pcapng"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.n, 0);
}

static void every_packet_block_of_pcapng_is_read(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		file.n = 0;
		put_section(&file, swapped);
		put_interface(&file, 1, 64);
		put_unknown(&file, 40);
		put_enhanced(&file, 0, 5000000, 61, 1);
		put_old(&file, 0, 6000001, 62, 2);
		put_simple(&file, 63, 63, 3);
		put_simple(&file, 64, 1500, 4); /* truncated at the interface's snaplen of 64 */
		put_unknown(&file, 0);
		CU_ASSERT_EQUAL(replay_one(save("blocks.pcapng"), NULL), LJ_SOURCE_ENDED);
		CU_ASSERT_EQUAL(seen.n, 4);
		for (uint32_t i = 0; i < seen.n; i++) {
			CU_ASSERT_EQUAL(seen.captured[i], 61 + i);
			CU_ASSERT_EQUAL(seen.first[i], i + 1);
			CU_ASSERT_EQUAL(seen.last[i], i + 1);
		}
		CU_ASSERT_EQUAL(seen.time_ns[0], 5000000000);
		CU_ASSERT_EQUAL(seen.time_ns[1], 6000001000);
		CU_ASSERT_EQUAL(seen.time_ns[2], 6000001000);
		CU_ASSERT_EQUAL(seen.wire_bytes[2], 63);
		CU_ASSERT_EQUAL(seen.wire_bytes[3], 1500);
	}
}

static void each_interface_has_its_own_resolution_and_offset(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		file.n = 0;
		put_section(&file, swapped);
		put_interface(&file, 1, 0);
		put_interface_with(&file, 9, 0, 0);
		put_interface_with(&file, 12, 0, 1000);
		put_interface_with(&file, 0x80 | 20, 0, -5);
		put_interface_with(&file, 0, 0, 0);
		put_enhanced(&file, 1, 7000000003, 60, 1);
		put_enhanced(&file, 2, 7000000004999, 60, 2);
		put_enhanced(&file, 3, 10ull << 20 | 1u << 19, 60, 3);
		put_enhanced(&file, 4, 9, 60, 4);
		put_enhanced(&file, 0, 1ull << 33, 60, 5);
		CU_ASSERT_EQUAL(replay_one(save("times.pcapng"), NULL), LJ_SOURCE_ENDED);
		CU_ASSERT_EQUAL_FATAL(seen.n, 5);
		CU_ASSERT_EQUAL(seen.time_ns[0], 7000000003);
		CU_ASSERT_EQUAL(seen.time_ns[1], 1007000000004);
		CU_ASSERT_EQUAL(seen.time_ns[2], 5500000000);
		CU_ASSERT_EQUAL(seen.time_ns[3], 9000000000);
		CU_ASSERT_EQUAL(seen.time_ns[4], 8589934592000);
	}
}

/* As mergecap writes it for as many captures. */
static void a_section_may_have_thousands_of_interfaces(void)
{
	file.n = 0;
	put_section(&file, false);
	for (uint32_t i = 0; i < 3000; i++)
		put_interface_with(&file, 9, 0, (int64_t)i);
	for (uint32_t i = 0; i < 3000; i++)
		put_enhanced(&file, i, i, 60, (uint8_t)i);
	CU_ASSERT_EQUAL(replay_one(save("merged.pcapng"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 3000);
	for (uint32_t i = 0; i < seen.n; i++)
		CU_ASSERT_EQUAL(seen.time_ns[i], i * 1000000001ULL);
}

/* A device that starts in 1970, west of Greenwich; and invalid offsets. */
static void packets_of_times_that_are_none_are_passed_over(void)
{
	static const struct {
		uint8_t resolution;
		int64_t offset_s;
		uint64_t ticks[2]; /* the last invalid one, the first valid one; or both invalid */
		uint64_t time_ns;
	} edges[] = {
		{6, -3600, {3600000000 - 1, 3600000000}, 0},
		{0x80 | 1, -1, {1, 2}, 0},
		{9, 0, {1ull << 63, INT64_MAX}, INT64_MAX},
		{0, 0, {9223372037, 9223372036}, 9223372036000000000},
		{0, INT64_MAX, {0, UINT64_MAX}, UINT64_MAX},
		{0, INT64_MIN, {0, (1ull << 63) - 1}, UINT64_MAX},
		{0, INT64_MIN, {UINT64_MAX, (1ull << 63) + 5}, 5000000000},
		{9, INT64_MIN, {0, UINT64_MAX}, UINT64_MAX},
	};
	struct lj_source_stats stats;
	struct lj_error err;

	for (size_t i = 0; i < RTE_DIM(edges); i++) {
		bool none = edges[i].time_ns == UINT64_MAX;
		const char *path;

		file.n = 0;
		put_section(&file, i % 2);
		put_interface_with(&file, edges[i].resolution, 0, edges[i].offset_s);
		put_interface(&file, 1, 0);
		put_enhanced(&file, 0, edges[i].ticks[0], 60, 1);
		put_enhanced(&file, 0, edges[i].ticks[1], 60, 2);
		put_enhanced(&file, 1, 7, 60, 3);
		path = save("timeless.pcapng");
		CU_ASSERT_EQUAL(replay(&path, 1, false, &err, &stats), LJ_SOURCE_FAILED);
		CU_ASSERT_EQUAL_FATAL(seen.n, 2 - none);
		CU_ASSERT_EQUAL(stats.ierrors, 1 + none);
		if (!none)
			CU_ASSERT_EQUAL(seen.time_ns[0], edges[i].time_ns);
		CU_ASSERT_EQUAL(seen.time_ns[seen.n - 1], 7000);
		CU_ASSERT_EQUAL(err.what[0], none ? '2' : '1');
		CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "before 1970 or after 2262"));
	}
}

static void sections_of_both_byte_orders_may_follow_each_other(void)
{
	file.n = 0;
	for (uint8_t i = 0; i < 4; i++) {
		put_section(&file, i % 2 == 1);
		put_interface(&file, 1, 0);
		put_enhanced(&file, 0, 1000000 * i, 60, i);
	}
	CU_ASSERT_EQUAL(replay_one(save("sections.pcapng"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.n, 4);
	for (uint32_t i = 0; i < seen.n; i++) {
		CU_ASSERT_EQUAL(seen.first[i], i);
		CU_ASSERT_EQUAL(seen.time_ns[i], i * 1000000000ull);
	}
	/* An interface belongs to its section. */
	put_section(&file, false);
	put_enhanced(&file, 0, 0, 60, 9);
	CU_ASSERT_EQUAL(replay_one(save("sections.pcapng"), NULL), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL(seen.n, 4);
}

static void the_frame_check_sequence_is_not_of_the_packet(void)
{
	begin_pcap(&file, 0x24000001); /* 2 words of FCS */
	put_pcap(&file, 1, 64, 64, 1);
	put_pcap(&file, 1, 50, 1518, 1);
	put_pcap(&file, 1, 2, 2, 1);
	CU_ASSERT_EQUAL(replay_one(save("fcs.pcap"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 3);
	CU_ASSERT_EQUAL(seen.captured[0], 60);
	CU_ASSERT_EQUAL(seen.wire_bytes[0], 60);
	CU_ASSERT_EQUAL(seen.captured[1], 50);
	CU_ASSERT_EQUAL(seen.wire_bytes[1], 1514);
	CU_ASSERT_EQUAL(seen.captured[2], 0);
	file.n = 0;
	put_section(&file, false);
	put_interface_with(&file, 6, 4, 0);
	put_enhanced(&file, 0, 0, 64, 1);
	CU_ASSERT_EQUAL(replay_one(save("fcs.pcapng"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.captured[0], 60);
}

static void a_packet_longer_than_an_mbuf_is_clamped(void)
{
	begin_pcap(&file, 1);
	put_pcap(&file, 1, 65535, 65535, 1);
	put_pcap(&file, 2, 65536, 70000, 2);
	put_pcap(&file, 3, 262144, 262144, 3);
	put_pcap(&file, 4, 0, 1500, 4);
	put_pcap(&file, 5, 60, 20, 5); /* claims to be shorter than its captured bytes */
	CU_ASSERT_EQUAL(replay_one(save("long.pcap"), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 5);
	for (uint32_t i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(seen.captured[i], 65535);
	CU_ASSERT_EQUAL(seen.wire_bytes[0], 65535);
	CU_ASSERT_EQUAL(seen.wire_bytes[1], 70000);
	CU_ASSERT_EQUAL(seen.wire_bytes[2], 262144);
	CU_ASSERT_EQUAL(seen.captured[3], 0);
	CU_ASSERT_EQUAL(seen.wire_bytes[3], 1500);
	CU_ASSERT_EQUAL(seen.wire_bytes[4], 60);
	put_pcap(&file, 6, 262145, 262145, 6);
	CU_ASSERT_EQUAL(replay_one(save("longer.pcap"), NULL), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL(seen.n, 5);
}

static void another_link_type_is_refused_by_number_and_name(void)
{
	struct lj_error err = {0};
	const char *path;

	begin_pcap(&file, 105);
	path = save("wifi.pcap");
	CU_ASSERT_PTR_NULL(open_files(&path, 1, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "link type 105 (IEEE802_11)"));
	file.n = 0;
	put_section(&file, true);
	put_unknown(&file, 400);
	put_interface(&file, 113, 0);
	put_enhanced(&file, 0, 0, 60, 1);
	path = save("cooked.pcapng");
	CU_ASSERT_PTR_NULL(open_files(&path, 1, false, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "link type 113 (LINUX_SLL)"));
}

static void packets_of_a_later_foreign_interface_are_passed_over_and_said(void)
{
	struct lj_source_stats stats;
	struct lj_error err = {0};
	const char *path;

	file.n = 0;
	put_section(&file, false);
	put_interface(&file, 1, 0);
	put_enhanced(&file, 0, 1, 60, 1);
	put_interface(&file, 276, 0);
	put_enhanced(&file, 1, 2, 60, 2);
	put_enhanced(&file, 1, 3, 60, 3);
	put_enhanced(&file, 0, 4, 60, 4);
	path = save("foreign.pcapng");
	CU_ASSERT_EQUAL(replay(&path, 1, false, &err, &stats), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 2);
	CU_ASSERT_EQUAL(seen.first[1], 4);
	CU_ASSERT_EQUAL(stats.received, 2);
	CU_ASSERT_EQUAL(stats.ierrors, 2);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "2 packets of link type 276 (LINUX_SLL2)"));
}

/* As written by dumpcap when it captures from an Ethernet and a USB interface. */
static void a_foreign_interface_beside_ethernet_is_passed_over(void)
{
	struct lj_error err = {0};
	const char *path;

	file.n = 0;
	put_section(&file, false);
	put_interface(&file, 220, 0);
	put_interface(&file, 1, 0);
	put_enhanced(&file, 0, 1, 60, 1);
	put_enhanced(&file, 1, 2, 60, 2);
	put_enhanced(&file, 0, 3, 60, 3);
	path = save("beside.pcapng");
	CU_ASSERT_EQUAL(replay(&path, 1, false, &err, NULL), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 1);
	CU_ASSERT_EQUAL(seen.first[0], 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "2 packets of link type 220"));
}

static void what_is_no_file_to_read_is_refused(void)
{
	static const char *const legs[9] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
	struct lj_error err = {0};
	const char *path = dir;

	CU_ASSERT_PTR_NULL(open_files(&path, 1, false, &err));
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "is a directory"));
	CU_ASSERT_PTR_NULL(open_files(&path, 0, false, &err));
	CU_ASSERT_PTR_NULL(open_files(legs, 9, true, &err));
	lj_source_close(NULL);
}

/* Truncates `file` at each byte; whole[i] is where the i-th packet is complete, `header` where the
 * file can be opened from. */
static void cut_everywhere(const char *name, size_t header, const size_t *whole, uint32_t n)
{
	for (size_t cut = 0; cut <= file.n; cut++) {
		const char *path = path_of(name);
		struct lj_source_stats stats = {0};
		enum lj_source_state state;
		struct lj_error err = {0};
		uint32_t expected = 0;

		save_bytes(&file, cut, path);
		while (expected < n && whole[expected] <= cut)
			expected++;
		state = replay(&path, 1, false, &err, &stats);
		CU_ASSERT_EQUAL(seen.n, expected);
		CU_ASSERT_EQUAL(stats.received, expected);
		if (state == LJ_SOURCE_RUNNING) { /* refused at open */
			CU_ASSERT(cut < header);
			CU_ASSERT_STRING_EQUAL(err.where, path);
		} else if (state == LJ_SOURCE_FAILED) {
			CU_ASSERT_EQUAL(stats.ierrors, 1);
			CU_ASSERT_STRING_EQUAL(err.where, path);
			CU_ASSERT_PTR_NOT_NULL(strstr(err.what, "byte offset "));
		} else {
			CU_ASSERT_EQUAL(state, LJ_SOURCE_ENDED);
			CU_ASSERT_EQUAL(stats.ierrors, 0);
		}
	}
}

static void a_file_cut_at_any_byte_gives_the_whole_packets_before(void)
{
	size_t whole[4];

	begin_pcap(&file, 1);
	for (uint32_t i = 0; i < 4; i++) {
		put_pcap(&file, i, i * 17, 1500, (uint8_t)i);
		whole[i] = file.n;
	}
	cut_everywhere("cut.pcap", 24, whole, 4);
	file.n = 0;
	put_section(&file, false);
	put_interface_with(&file, 9, 0, 0);
	put_enhanced(&file, 0, 1, 61, 1);
	whole[0] = file.n;
	put_unknown(&file, 20);
	put_simple(&file, 30, 30, 2);
	whole[1] = file.n;
	put_section(&file, true);
	put_interface(&file, 1, 0);
	put_old(&file, 0, 3, 60, 3);
	whole[2] = file.n;
	cut_everywhere("cut.pcapng", 28 + 52, whole, 3);
}

static uint64_t random64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The result is undefined, but reading ends, and no packet points outside the buffer (checked by
 * sanitizers). */
static void a_file_with_any_bytes_changed_ends(void)
{
	static struct bytes whole;
	uint64_t state = 2463534242u;

	for (uint32_t round = 0; round < 4000; round++) {
		file.n = 0;
		if (round % 2 == 0) {
			begin_pcap(&file, 1);
			for (uint32_t i = 0; i < 5; i++)
				put_pcap(&file, i, 60 + i, 60 + i, 7);
		} else {
			put_section(&file, round % 4 == 1);
			put_interface_with(&file, 6, 0, 3);
			for (uint32_t i = 0; i < 5; i++)
				put_enhanced(&file, 0, i, 60 + i, 7);
			put_simple(&file, 60, 60, 7);
			put_unknown(&file, 16);
			put_old(&file, 0, 1, 60, 7);
		}
		whole = file;
		for (uint32_t i = 0; i < 1 + round % 4; i++)
			file.at[random64(&state) % file.n] = (uint8_t)random64(&state);
		replay_one(save("changed"), NULL);
		CU_ASSERT(seen.n <= whole.n / 12);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a file without packets ends at once", a_file_without_packets_ends_at_once},
		{"every packet block of pcapng is read", every_packet_block_of_pcapng_is_read},
		{"each interface has its own resolution and offset",
		 each_interface_has_its_own_resolution_and_offset},
		{"a section may have thousands of interfaces",
		 a_section_may_have_thousands_of_interfaces},
		{"packets of times that are none are passed over",
		 packets_of_times_that_are_none_are_passed_over},
		{"sections of both byte orders may follow each other",
		 sections_of_both_byte_orders_may_follow_each_other},
		{"the frame check sequence is not of the packet",
		 the_frame_check_sequence_is_not_of_the_packet},
		{"a packet longer than an mbuf is clamped",
		 a_packet_longer_than_an_mbuf_is_clamped},
		{"another link type is refused by number and name",
		 another_link_type_is_refused_by_number_and_name},
		{"packets of a later foreign interface are passed over and said",
		 packets_of_a_later_foreign_interface_are_passed_over_and_said},
		{"a foreign interface beside Ethernet is passed over",
		 a_foreign_interface_beside_ethernet_is_passed_over},
		{"what is no file to read is refused", what_is_no_file_to_read_is_refused},
		{"a file cut at any byte gives the whole packets before",
		 a_file_cut_at_any_byte_gives_the_whole_packets_before},
		{"a file with any bytes changed ends", a_file_with_any_bytes_changed_ends},
	};

	return run_with_files("capture_file", tests, RTE_DIM(tests));
}
