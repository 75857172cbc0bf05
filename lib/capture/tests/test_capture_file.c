#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture_bytes.h"
#include "lj_capture.h"
#include "lj_test.h"

#define SEEN_MAX 4096

static char dir[] = "/tmp/lj-test-capture-file-XXXXXX";
static struct bytes file;

/* What a source gave until it ended. */
static struct {
	uint32_t n;
	uint64_t time_ns[SEEN_MAX];
	uint32_t captured[SEEN_MAX], wire_bytes[SEEN_MAX];
	uint8_t first[SEEN_MAX], last[SEEN_MAX], leg[SEEN_MAX];
} seen;

static const char *path_of(const char *name)
{
	static char path[16][128];
	static int turn;
	char *p = path[turn++ % 16];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static const char *save(const char *name)
{
	const char *path = path_of(name);

	save_bytes(&file, file.n, path);
	return path;
}

static struct lj_source *open_files(const char *const *paths, uint16_t n, bool tap,
				    struct lj_error *err)
{
	const struct lj_file_config config = {paths, n, tap};

	return lj_source_open_file(&config, err);
}

/* Takes one burst; every byte of it is touched. */
static uint16_t take(struct lj_source *s)
{
	struct lj_burst burst;
	uint16_t n = lj_source_rx(s, 0, &burst);

	CU_ASSERT_EQUAL(n, burst.count);
	CU_ASSERT(burst.kept);
	for (uint16_t i = 0; i < burst.count && seen.n < SEEN_MAX; i++, seen.n++) {
		const struct rte_mbuf *m = burst.mbuf[i];
		const uint8_t *data = rte_pktmbuf_mtod(m, const uint8_t *);

		seen.time_ns[seen.n] = burst.time_ns[i];
		seen.captured[seen.n] = m->pkt_len;
		seen.wire_bytes[seen.n] = burst.wire_bytes[i];
		seen.leg[seen.n] = burst.leg[i];
		seen.first[seen.n] = m->data_len > 0 ? data[0] : 0;
		seen.last[seen.n] = m->data_len > 0 ? data[m->data_len - 1] : 0;
		CU_ASSERT_EQUAL(m->data_len, m->pkt_len);
		CU_ASSERT(rte_pktmbuf_is_contiguous(m) && m->next == NULL);
		CU_ASSERT_EQUAL(m->ol_flags, 0);
		CU_ASSERT(burst.wire_bytes[i] >= m->pkt_len);
	}
	lj_burst_free(&burst);
	return n;
}

static void drain(struct lj_source *s)
{
	seen.n = 0;
	while (lj_source_state(s) == LJ_SOURCE_RUNNING)
		take(s);
}

/* Opens, drains and closes; the state it ended in. */
static enum lj_source_state replay(const char *const *paths, uint16_t n, bool tap,
				   struct lj_error *err, struct lj_source_stats *stats)
{
	struct lj_source *s = open_files(paths, n, tap, err);
	enum lj_source_state state;

	seen.n = 0;
	if (s == NULL)
		return LJ_SOURCE_RUNNING;
	CU_ASSERT_EQUAL(lj_source_start(s, err), 0);
	drain(s);
	state = lj_source_state(s);
	if (err != NULL && state == LJ_SOURCE_FAILED)
		*err = *lj_source_error(s);
	if (stats != NULL)
		CU_ASSERT_EQUAL(lj_source_stats(s, stats), 0);
	lj_source_stop(s);
	lj_source_close(s);
	return state;
}

static enum lj_source_state replay_one(const char *path, struct lj_error *err)
{
	return replay(&path, 1, false, err, NULL);
}

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
		put_simple(&file, 64, 1500, 4); /* cut at the interface's 64 */
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
	put_pcap(&file, 5, 60, 20, 5); /* says it was shorter than what is there */
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

/* Cuts `file` at each byte; whole[i] is where the i-th packet is whole, `header` where the file can
 * be opened from. */
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

/* What comes of it is anybody's guess, but it ends, and no packet points outside the buffer: the
 * sanitizers look on. */
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

static void damage_in_one_piece_does_not_lose_the_next(void)
{
	struct lj_source_stats stats;
	struct lj_error err = {0};
	const char *paths[3];

	for (uint32_t i = 0; i < 3; i++) {
		begin_pcap(&file, 1);
		put_pcap(&file, i, 60, 60, (uint8_t)i);
		if (i < 2)
			put32(&file, 1);
		paths[i] = save(i == 0 ? "p0" : (i == 1 ? "p1" : "p2"));
	}
	CU_ASSERT_EQUAL(replay(paths, 3, false, &err, &stats), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL(seen.n, 3);
	CU_ASSERT_EQUAL(seen.first[2], 2);
	CU_ASSERT_EQUAL(stats.ierrors, 2);
	CU_ASSERT_STRING_EQUAL(err.where, paths[0]);
	CU_ASSERT_STRING_EQUAL(err.what, "byte offset 100: the file is cut short");
	paths[1] = path_of("nowhere");
	CU_ASSERT_PTR_NULL(open_files(paths, 3, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, paths[1]);
}

static void many_pieces_need_few_descriptors(void)
{
	static char path[300][128];
	static const char *paths[300];
	struct rlimit old, few;

	for (uint32_t i = 0; i < RTE_DIM(paths); i++) {
		snprintf(path[i], sizeof(path[i]), "%s/piece-%u", dir, i);
		begin_pcap(&file, 1);
		put_pcap(&file, i, 60, 60, (uint8_t)i);
		save_bytes(&file, file.n, path[i]);
		paths[i] = path[i];
	}
	CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 64;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &few), 0);
	CU_ASSERT_EQUAL(replay(paths, RTE_DIM(paths), false, NULL, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
	CU_ASSERT_EQUAL(seen.n, RTE_DIM(paths));
	for (uint32_t i = 0; i < seen.n; i++)
		CU_ASSERT_EQUAL(seen.first[i], (uint8_t)i);
}

static void on_a_tie_the_lower_leg_comes_first(void)
{
	static const uint64_t us[3][5] = {
		{10, 20, 30, 40, 50},
		{10, 10, 30, 25, 50}, /* out of order itself */
		{5, 30, 50, 50, 90},
	};
	static const uint8_t legs[15] = {2, 0, 1, 1, 0, 0, 1, 1, 2, 0, 0, 1, 2, 2, 2};
	static const char *const names[] = {"leg0", "leg1", "leg2"};
	const char *paths[3];

	for (uint32_t l = 0; l < 3; l++) {
		begin_pcap(&file, 1);
		for (uint32_t i = 0; i < 5; i++)
			put_pcap(&file, us[l][i], 60, 60, (uint8_t)i);
		paths[l] = save(names[l]);
	}
	CU_ASSERT_EQUAL(replay(paths, 3, true, NULL, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 15);
	for (uint32_t i = 0; i < 15; i++)
		CU_ASSERT_EQUAL(seen.leg[i], legs[i]);
}

static void legs_of_different_length_and_format_are_merged(void)
{
	const char *paths[3];
	uint32_t from[3] = {0};

	for (uint32_t l = 0; l < 3; l++) {
		if (l == 1) {
			file.n = 0;
			put_section(&file, true);
			put_interface(&file, 1, 0);
			for (uint32_t i = 0; i < 900; i++)
				put_enhanced(&file, 0, i * 2 + 1, 900, (uint8_t)l);
		} else {
			begin_pcap(&file, 1);
			for (uint32_t i = 0; i < (l == 0 ? 900 : 0); i++)
				put_pcap(&file, i * 2, 1000, 1000, (uint8_t)l);
		}
		paths[l] = save(l == 0 ? "m0" : (l == 1 ? "m1" : "m2"));
	}
	CU_ASSERT_EQUAL(replay(paths, 3, true, NULL, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL_FATAL(seen.n, 1800);
	for (uint32_t i = 0; i < seen.n; i++) {
		CU_ASSERT_EQUAL(seen.time_ns[i], i * 1000);
		CU_ASSERT_EQUAL(seen.first[i], seen.leg[i]);
		from[seen.leg[i]]++;
	}
	CU_ASSERT_EQUAL(from[0], 900);
	CU_ASSERT_EQUAL(from[1], 900);
}

static void a_damaged_leg_does_not_lose_the_other(void)
{
	struct lj_error err = {0};
	const char *paths[2];

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 0);
	put32(&file, 9);
	paths[0] = save("d0");
	begin_pcap(&file, 1);
	for (uint32_t i = 0; i < 200; i++)
		put_pcap(&file, i, 60, 60, 1);
	paths[1] = save("d1");
	CU_ASSERT_EQUAL(replay(paths, 2, true, &err, NULL), LJ_SOURCE_FAILED);
	CU_ASSERT_EQUAL(seen.n, 201);
	CU_ASSERT_STRING_EQUAL(err.where, paths[0]);
}

/* A pipe with `file` in it up to `n`; the descriptor to write more to. */
static int open_pipe(const char *path, size_t n)
{
	int fd;

	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	fd = open(path, O_RDWR);
	CU_ASSERT(fd >= 0 && write(fd, file.at, n) == (ssize_t)n);
	return fd;
}

static void a_pipe_is_read_as_it_is_written(void)
{
	const char *path = path_of("pipe");
	struct lj_source *s;
	int fd, more;

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 1);
	put_pcap(&file, 2, 60, 60, 2);
	fd = open_pipe(path, 24 + 76 + 10);
	s = open_files(&path, 1, false, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	seen.n = 0;
	CU_ASSERT_EQUAL(take(s), 1);
	CU_ASSERT_EQUAL(take(s), 0); /* silent, not at its end */
	CU_ASSERT_EQUAL(take(s), 0);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_RUNNING);
	CU_ASSERT_EQUAL(write(fd, file.at + 110, file.n - 110), (ssize_t)(file.n - 110));
	CU_ASSERT_EQUAL(take(s), 1);
	CU_ASSERT_EQUAL(seen.first[1], 2);
	/* A writer that comes and goes is the end. */
	more = open(path, O_WRONLY);
	close(fd);
	close(more);
	while (lj_source_state(s) == LJ_SOURCE_RUNNING)
		CU_ASSERT_EQUAL(take(s), 0);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_ENDED);
	lj_source_close(s);
}

static void a_silent_leg_holds_back_the_other(void)
{
	const char *paths[2] = {path_of("silent"), NULL};
	struct lj_source *s;
	int fd;

	begin_pcap(&file, 1);
	fd = open_pipe(paths[0], file.n);
	put_pcap(&file, 7, 60, 60, 1);
	paths[1] = save("other");
	s = open_files(paths, 2, true, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	seen.n = 0;
	CU_ASSERT_EQUAL(take(s), 0);
	begin_pcap(&file, 1);
	put_pcap(&file, 3, 60, 60, 0);
	CU_ASSERT_EQUAL(write(fd, file.at + 24, 76), 76);
	CU_ASSERT_EQUAL(take(s), 1);
	CU_ASSERT_EQUAL(seen.leg[0], 0);
	close(fd);
	drain(s);
	CU_ASSERT_EQUAL(seen.n, 1);
	CU_ASSERT_EQUAL(seen.leg[0], 1);
	lj_source_close(s);
}

static void a_dash_is_standard_input(void)
{
	const char *dash = "-";
	int input = dup(STDIN_FILENO), fd;

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 0xdd);
	fd = open(save("stdin"), O_RDONLY);
	CU_ASSERT_EQUAL(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	CU_ASSERT_EQUAL(replay_one(dash, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.n, 1);
	CU_ASSERT_EQUAL(seen.first[0], 0xdd);
	close(fd);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	close(input);
}

static void a_pipe_cannot_be_a_later_piece(void)
{
	const char *paths[2] = {NULL, path_of("later")};
	struct lj_error err = {0};
	int fd;

	begin_pcap(&file, 1);
	paths[0] = save("first");
	fd = open_pipe(paths[1], 24);
	CU_ASSERT_PTR_NULL(open_files(paths, 2, false, &err));
	CU_ASSERT_STRING_EQUAL(err.where, paths[1]);
	close(fd);
}

static void two_sources_can_be_open_at_once(void)
{
	struct lj_source *s[2];
	const char *path;
	char text[128];

	begin_pcap(&file, 1);
	put_pcap(&file, 1, 60, 60, 1);
	path = save("twice");
	s[0] = open_files(&path, 1, false, NULL);
	s[1] = open_files(&path, 1, false, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s[1]);
	seen.n = 0;
	CU_ASSERT_EQUAL(take(s[0]) + take(s[1]), 2);
	lj_source_describe(s[0], text, sizeof(text));
	CU_ASSERT_STRING_EQUAL(text, "1 file");
	CU_ASSERT(s[0]->replay && s[0]->own_time && !s[0]->spreads && s[0]->queues == 1);
	lj_source_close(s[0]);
	lj_source_close(s[1]);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"a file without packets ends at once", a_file_without_packets_ends_at_once},
		{"every packet block of pcapng is read", every_packet_block_of_pcapng_is_read},
		{"each interface has its own resolution and offset",
		 each_interface_has_its_own_resolution_and_offset},
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
		{"what is no file to read is refused", what_is_no_file_to_read_is_refused},
		{"a file cut at any byte gives the whole packets before",
		 a_file_cut_at_any_byte_gives_the_whole_packets_before},
		{"a file with any bytes changed ends", a_file_with_any_bytes_changed_ends},
		{"damage in one piece does not lose the next",
		 damage_in_one_piece_does_not_lose_the_next},
		{"many pieces need few descriptors", many_pieces_need_few_descriptors},
		{"on a tie the lower leg comes first", on_a_tie_the_lower_leg_comes_first},
		{"legs of different length and format are merged",
		 legs_of_different_length_and_format_are_merged},
		{"a damaged leg does not lose the other", a_damaged_leg_does_not_lose_the_other},
		{"a pipe is read as it is written", a_pipe_is_read_as_it_is_written},
		{"a silent leg holds back the other", a_silent_leg_holds_back_the_other},
		{"a dash is standard input", a_dash_is_standard_input},
		{"a pipe cannot be a later piece", a_pipe_cannot_be_a_later_piece},
		{"two sources can be open at once", two_sources_can_be_open_at_once},
	};
	int ret;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	lj_test_eal("capture-file", NULL);
	ret = lj_test_run("capture_file", tests, RTE_DIM(tests));
	remove_folder(dir);
	return ret;
}
