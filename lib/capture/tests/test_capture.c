#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lj_capture.h"
#include "lj_clock.h"
#include "lj_test.h"

static char dir[] = "/tmp/lj-test-capture-XXXXXX";

/* A file being written, in either byte order. */
static struct {
	uint8_t bytes[1 << 20];
	size_t n;
	bool swapped;
} file;

static void put32(uint32_t value)
{
	value = file.swapped ? __builtin_bswap32(value) : value;
	memcpy(file.bytes + file.n, &value, 4);
	file.n += 4;
}

static void put16(uint16_t value)
{
	value = file.swapped ? __builtin_bswap16(value) : value;
	memcpy(file.bytes + file.n, &value, 2);
	file.n += 2;
}

static void begin_pcap(uint32_t magic, uint32_t link_type, bool swapped)
{
	file.n = 0;
	file.swapped = swapped;
	put32(magic);
	put16(2);
	put16(4);
	put32(0);
	put32(0);
	put32(65535);
	put32(link_type);
}

/* A packet of `n` bytes, each `fill`. */
static void put_pcap(uint32_t s, uint32_t fraction, uint32_t n, uint8_t fill)
{
	put32(s);
	put32(fraction);
	put32(n);
	put32(n + 4);
	memset(file.bytes + file.n, fill, n);
	file.n += n;
}

static void begin_pcapng(bool swapped, uint8_t resolution)
{
	file.n = 0;
	file.swapped = swapped;
	put32(0x0a0d0d0a);
	put32(28);
	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put32(0xffffffff);
	put32(0xffffffff);
	put32(28);
	put32(1);
	put32(32);
	put16(1);
	put16(0);
	put32(0);
	put16(9);
	put16(1);
	file.bytes[file.n] = resolution;
	memset(file.bytes + file.n + 1, 0, 3);
	file.n += 4;
	put32(0);
	put32(32);
}

static void put_pcapng(uint64_t ticks, uint32_t n, uint8_t fill)
{
	uint32_t padded = (n + 3) & ~3u;

	put32(6);
	put32(32 + padded);
	put32(0);
	put32((uint32_t)(ticks >> 32));
	put32((uint32_t)ticks);
	put32(n);
	put32(n);
	memset(file.bytes + file.n, fill, padded);
	file.n += padded;
	put32(32 + padded);
}

static const char *save(const char *name, size_t n)
{
	static char path[4][128];
	static int turn;
	char *p = path[turn++ % 4];
	FILE *f;

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	f = fopen(p, "wb");
	fwrite(file.bytes, 1, n, f);
	fclose(f);
	return p;
}

static struct lj_source *open_files(const char *const *paths, uint16_t n, bool tap,
				    struct lj_error *err)
{
	const struct lj_file_config config = {paths, n, tap};

	return lj_source_open_file(&config, err);
}

/* Reads to the end; the times and first bytes of the packets. */
static uint32_t drain(struct lj_source *s, uint64_t *time_ns, uint8_t *fill, uint8_t *leg)
{
	struct lj_burst burst;
	uint32_t n = 0;

	while (lj_source_rx(s, 0, &burst) > 0 || lj_source_state(s) == LJ_SOURCE_RUNNING) {
		for (uint16_t i = 0; i < burst.count; i++, n++) {
			if (time_ns != NULL)
				time_ns[n] = burst.time_ns[i];
			if (fill != NULL)
				fill[n] = *rte_pktmbuf_mtod(burst.mbuf[i], uint8_t *);
			if (leg != NULL)
				leg[n] = burst.leg[i];
		}
		lj_burst_free(&burst);
	}
	return n;
}

static void check_two_packets(const char *path, uint64_t first_ns, uint64_t second_ns)
{
	struct lj_source *s = open_files(&path, 1, false, NULL);
	uint64_t time_ns[4] = {0};
	uint8_t fill[4] = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(drain(s, time_ns, fill, NULL), 2);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(time_ns[0], first_ns);
	CU_ASSERT_EQUAL(time_ns[1], second_ns);
	CU_ASSERT_EQUAL(fill[0], 0xaa);
	CU_ASSERT_EQUAL(fill[1], 0xbb);
	lj_source_close(s);
}

static void pcap_is_read_in_both_byte_orders_and_both_resolutions(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		begin_pcap(0xa1b2c3d4, 1, swapped);
		put_pcap(100, 7, 60, 0xaa);
		put_pcap(101, 8, 70, 0xbb);
		check_two_packets(save("us.pcap", file.n), 100000007000, 101000008000);
		begin_pcap(0xa1b23c4d, 1, swapped);
		put_pcap(100, 7, 60, 0xaa);
		put_pcap(101, 8, 70, 0xbb);
		check_two_packets(save("ns.pcap", file.n), 100000000007, 101000000008);
	}
}

static void pcapng_is_read_in_both_byte_orders_and_any_resolution(void)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		begin_pcapng(swapped, 6);
		put_pcapng(100000007, 61, 0xaa);
		put_pcapng(101000008, 64, 0xbb);
		check_two_packets(save("us.pcapng", file.n), 100000007000, 101000008000);
		begin_pcapng(swapped, 0x80 | 10); /* 1/1024 s */
		put_pcapng(1024 * 100, 60, 0xaa);
		put_pcapng(1024 * 100 + 512, 60, 0xbb);
		check_two_packets(save("2.pcapng", file.n), 100000000000, 100500000000);
	}
}

static void a_cut_file_gives_every_whole_packet_and_then_says_where(void)
{
	size_t whole[4] = {24, 24 + 76, 24 + 76 + 86, 24 + 76 + 86 + 16};

	begin_pcap(0xa1b2c3d4, 1, false);
	put_pcap(100, 7, 60, 0xaa);
	put_pcap(101, 8, 70, 0xbb);
	put_pcap(101, 9, 0, 0xcc);
	for (size_t n = 24; n <= file.n; n++) {
		const char *path = save("cut.pcap", n);
		struct lj_source *s = open_files(&path, 1, false, NULL);
		uint32_t packets = 0;
		bool clean = false;

		for (uint32_t i = 0; i < 4; i++) {
			packets = n >= whole[i] ? i : packets;
			clean = clean || n == whole[i];
		}
		CU_ASSERT_PTR_NOT_NULL_FATAL(s);
		CU_ASSERT_EQUAL(drain(s, NULL, NULL, NULL), packets);
		CU_ASSERT_EQUAL(lj_source_state(s), clean ? LJ_SOURCE_ENDED : LJ_SOURCE_FAILED);
		if (!clean) {
			CU_ASSERT_STRING_EQUAL(lj_source_error(s)->where, path);
			CU_ASSERT_PTR_NOT_NULL(strstr(lj_source_error(s)->what, "byte offset"));
		}
		lj_source_close(s);
	}
}

static void a_cut_pcapng_gives_every_whole_packet(void)
{
	begin_pcapng(false, 6);
	put_pcapng(100000007, 61, 0xaa);
	put_pcapng(101000008, 64, 0xbb);
	for (size_t n = 60; n <= file.n; n++) {
		const char *path = save("cut.pcapng", n);
		struct lj_source *s = open_files(&path, 1, false, NULL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(s);
		CU_ASSERT_EQUAL(drain(s, NULL, NULL, NULL),
				n == file.n ? 2u : (n >= 60 + 96 ? 1u : 0u));
		lj_source_close(s);
	}
}

static void check_refused(const char *path, const char *what)
{
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(open_files(&path, 1, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.what, what));
}

static void what_cannot_be_replayed_is_refused_with_its_name(void)
{
	check_refused("/nonexistent/file.pcap", "No such file");
	file.n = 0;
	check_refused(save("empty", 0), "is empty");
	memset(file.bytes, 'x', 100);
	check_refused(save("text", 100), "not a pcap or pcapng");
	begin_pcap(0xa1b2c3d4, 113, false);
	check_refused(save("cooked.pcap", file.n), "link type 113");
	check_refused(save("header.pcap", 10), "truncated");
}

static void a_record_of_impossible_length_ends_the_file_with_an_error(void)
{
	const char *path;
	struct lj_source *s;

	begin_pcap(0xa1b2c3d4, 1, false);
	put_pcap(100, 7, 60, 0xaa);
	put32(1);
	put32(1);
	put32(0x7fffffff);
	put32(0x7fffffff);
	path = save("long.pcap", file.n);
	s = open_files(&path, 1, false, NULL);
	CU_ASSERT_EQUAL(drain(s, NULL, NULL, NULL), 1);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_FAILED);
	CU_ASSERT_PTR_NOT_NULL(strstr(lj_source_error(s)->what, "byte offset 100"));
	lj_source_close(s);
}

static void the_legs_of_a_tap_are_merged_by_time(void)
{
	uint64_t time_ns[400];
	uint8_t leg[400];
	const char *paths[2];
	struct lj_source *s;
	uint32_t n;

	for (uint32_t l = 0; l < 2; l++) {
		begin_pcap(0xa1b2c3d4, 1, false);
		for (uint32_t i = 0; i < 150; i++)
			put_pcap(100 + i, l * (i % 3 == 0 ? 0 : 5), 60, (uint8_t)l);
		paths[l] = save(l == 0 ? "leg0.pcap" : "leg1.pcap", file.n);
	}
	s = open_files(paths, 2, true, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	n = drain(s, time_ns, NULL, leg);
	CU_ASSERT_EQUAL(n, 300);
	for (uint32_t i = 1; i < n; i++)
		CU_ASSERT(time_ns[i] > time_ns[i - 1] ||
			  (time_ns[i] == time_ns[i - 1] && leg[i] > leg[i - 1]));
	lj_source_close(s);
}

static void pieces_are_read_one_after_the_other(void)
{
	const char *paths[2];
	struct lj_source *s;
	uint8_t fill[4];

	for (uint32_t i = 0; i < 2; i++) {
		begin_pcap(0xa1b2c3d4, 1, false);
		put_pcap(200 - i, 0, 60, (uint8_t)i);
		paths[i] = save(i == 0 ? "a.pcap" : "b.pcap", file.n);
	}
	s = open_files(paths, 2, false, NULL);
	CU_ASSERT_EQUAL(drain(s, NULL, fill, NULL), 2);
	CU_ASSERT_EQUAL(fill[0], 0);
	CU_ASSERT_EQUAL(fill[1], 1);
	lj_source_close(s);
}

static void a_file_larger_than_the_buffer_is_read_whole(void)
{
	const char *path;
	struct lj_source *s;
	FILE *f;

	begin_pcap(0xa1b2c3d4, 1, false);
	path = save("large.pcap", file.n);
	f = fopen(path, "ab");
	for (uint32_t i = 0; i < 5000; i++) {
		file.n = 0;
		put_pcap(100 + i, 0, 1000 + i % 400, (uint8_t)i);
		fwrite(file.bytes, 1, file.n, f);
	}
	fclose(f);
	s = open_files(&path, 1, false, NULL);
	CU_ASSERT_EQUAL(drain(s, NULL, NULL, NULL), 5000);
	lj_source_close(s);
}

static void a_null_port_receives(void)
{
	const struct lj_port_config config = {
		.name = "net_null0", .queues = 1, .descriptors = 512, .mbufs = 4096, .mtu = 1500};
	struct lj_error err = {0};
	struct lj_source *s = lj_source_open_port(&config, &err);
	struct lj_burst burst;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(lj_source_start(s, &err), 0);
	CU_ASSERT(lj_source_rx(s, 0, &burst) > 0);
	CU_ASSERT_EQUAL(burst.wire_bytes[0], 64);
	lj_burst_free(&burst);
	lj_source_stop(s);
	lj_source_close(s);
}

static void a_port_that_is_not_there_is_named(void)
{
	const struct lj_port_config config = {.name = "0000:ff:1f.7", .queues = 1};
	struct lj_error err = {0};

	CU_ASSERT_PTR_NULL(lj_source_open_port(&config, &err));
	CU_ASSERT_STRING_EQUAL(err.where, "0000:ff:1f.7");
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"pcap is read in both byte orders and both resolutions",
		 pcap_is_read_in_both_byte_orders_and_both_resolutions},
		{"pcapng is read in both byte orders and any resolution",
		 pcapng_is_read_in_both_byte_orders_and_any_resolution},
		{"a cut file gives every whole packet and then says where",
		 a_cut_file_gives_every_whole_packet_and_then_says_where},
		{"a cut pcapng gives every whole packet", a_cut_pcapng_gives_every_whole_packet},
		{"what cannot be replayed is refused with its name",
		 what_cannot_be_replayed_is_refused_with_its_name},
		{"a record of impossible length ends the file with an error",
		 a_record_of_impossible_length_ends_the_file_with_an_error},
		{"the legs of a tap are merged by time", the_legs_of_a_tap_are_merged_by_time},
		{"pieces are read one after the other", pieces_are_read_one_after_the_other},
		{"a file larger than the buffer is read whole",
		 a_file_larger_than_the_buffer_is_read_whole},
		{"a null port receives", a_null_port_receives},
		{"a port that is not there is named", a_port_that_is_not_there_is_named},
	};

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	lj_test_eal("capture", (const char *const[]){"net_null0", NULL});
	lj_clock_init();
	return lj_test_run("capture", tests, RTE_DIM(tests));
}
