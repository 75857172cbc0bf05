#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lj_base.h"
#include "lj_clock.h"
#include "lj_digest.h"
#include "lj_log.h"
#include "lj_test.h"

static void an_error_says_where_and_what(void)
{
	struct lj_error err;

	CU_ASSERT_EQUAL(lj_error_set(&err, 22, "flow.capacity", "%d is too small", 7), -22);
	CU_ASSERT_STRING_EQUAL(err.where, "flow.capacity");
	CU_ASSERT_STRING_EQUAL(err.what, "7 is too small");
	CU_ASSERT_EQUAL(lj_error_set(NULL, 5, "x", "y"), -5);
	lj_error_set(&err, 22, NULL, "x");
	CU_ASSERT_STRING_EQUAL(err.where, "");
}

static void an_error_too_long_is_cut_not_overrun(void)
{
	static char text[2000];
	struct {
		struct lj_error err;
		uint64_t guard;
	} e = {.guard = 0x600d600d};

	memset(text, 'x', sizeof(text) - 1);
	lj_error_set(&e.err, 22, text, "%s", text);
	CU_ASSERT_EQUAL(strlen(e.err.where), sizeof(e.err.where) - 1);
	CU_ASSERT_EQUAL(strlen(e.err.what), sizeof(e.err.what) - 1);
	CU_ASSERT_EQUAL(e.guard, 0x600d600d);
}

static void the_nearest_names_come_first_and_far_ones_never(void)
{
	static const char *const names[] = {"packets", "bytes", "packet", "paquets", "zebra"};
	char out[128];

	lj_name_nearest("packts", names, 5, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "packets, packet or paquets");
	lj_name_nearest("BYTES", names, 5, out, sizeof(out));
	CU_ASSERT_PTR_EQUAL(strstr(out, "bytes"), out);
	lj_name_nearest("nothing_like_it", names, 5, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "");
	lj_name_nearest("bytes", names, 0, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "");
	lj_name_nearest("byte", names, 2, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "bytes");
}

static void nearest_names_of_any_length_fit_the_room_there_is(void)
{
	static const char *const names[] = {"aaaaaaaaa", "aaaaaaaab", "aaaaaaabb", "aaaaaabbb"};
	static char longest[200];
	char out[128];

	lj_name_nearest("aaaaaaaab", names, 4, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "aaaaaaaab, aaaaaaaaa or aaaaaaabb");
	for (size_t size = 1; size < 40; size++) {
		memset(out, '#', sizeof(out));
		lj_name_nearest("aaaaaaaab", names, 4, out, size);
		CU_ASSERT(strlen(out) < size);
		CU_ASSERT_EQUAL(out[size], '#');
	}
	memset(longest, 'a', sizeof(longest) - 1);
	lj_name_nearest(longest, names, 4, out, sizeof(out));
	CU_ASSERT_STRING_EQUAL(out, "");
}

static void cycles_become_nanoseconds_without_overflow(void)
{
	lj_clock.mult = 1ULL << 31; /* 2 GHz */
	CU_ASSERT_EQUAL(lj_cycles_to_ns(2000000000), 1000000000);
	CU_ASSERT_EQUAL(lj_cycles_to_ns(2000000000ULL * 86400 * 365 * 10),
			1000000000ULL * 86400 * 365 * 10);
	lj_clock.tsc0 = 1000;
	lj_clock.wall0_ns = 5000000000;
	CU_ASSERT_EQUAL(lj_clock_wall_ns(1000 + 2000000000), 6000000000);
}

static void the_clock_knows_the_rate_and_starts_at_the_wall(void)
{
	struct timespec before, after;
	uint64_t wall_ns, second_ns;

	clock_gettime(CLOCK_REALTIME, &before);
	lj_clock_init();
	clock_gettime(CLOCK_REALTIME, &after);
	wall_ns = lj_clock_wall_ns(lj_clock.tsc0);
	CU_ASSERT(wall_ns >= (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec);
	CU_ASSERT(wall_ns <= (uint64_t)after.tv_sec * 1000000000 + (uint64_t)after.tv_nsec);
	/* One second's cycles; truncation of the multiplier is below 2^-30. */
	second_ns = lj_cycles_to_ns(rte_get_tsc_hz());
	CU_ASSERT(second_ns <= 1000000000 && second_ns >= 999999990);
}

/* Simulates two minutes of a TSC whose rate differs from the EAL's, with clocks read as inexactly
 * as on main. Returns the error in ns at the end. */
static int64_t error_after_two_minutes(double rate)
{
	const uint64_t wall_ns = 1700000000000000000, steady_ns = 5000000000, tsc = 12345678;
	uint64_t at_tsc = tsc, ns = 0, before = wall_ns;

	lj_clock_start(tsc, wall_ns, steady_ns);
	for (int i = 1; i <= 120; i++) {
		uint64_t now;

		ns = (uint64_t)i * 1000000000;
		at_tsc = tsc + (uint64_t)((double)rte_get_tsc_hz() * rate * i);
		now = lj_clock_wall_ns(at_tsc);
		CU_ASSERT(now > before);
		lj_clock_correct(at_tsc, steady_ns + ns + (uint64_t)(i % 3) * 400);
		/* Time continues without a jump, also for a TSC read just before. */
		CU_ASSERT_EQUAL(lj_clock_wall_ns(at_tsc), now);
		CU_ASSERT(now - lj_clock_wall_ns(at_tsc - 1000) <= 2000);
		before = now;
	}
	return (int64_t)(lj_clock_wall_ns(at_tsc) - wall_ns - ns);
}

static void wall_time_follows_the_kernels_whatever_the_rate(void)
{
	/* Exact; the error of a rate rounded to 10 MHz; a completely wrong rate. */
	static const double rates[] = {1, 1.0023, 0.9977, 1.05};

	for (size_t i = 0; i < RTE_DIM(rates); i++) {
		int64_t error = error_after_two_minutes(rates[i]);

		CU_ASSERT(error > -100000 && error < 100000);
	}
	/* A TSC that stops or jumps does not make time go back. */
	for (uint64_t i = 0; i < 4; i++) {
		uint64_t tsc = lj_clock_latest->tsc0 + i * rte_get_tsc_hz() * 100;
		uint64_t wall_ns = lj_clock_wall_ns(tsc);

		lj_clock_correct(tsc, 500000000000 + i * 1000000000);
		CU_ASSERT_EQUAL(lj_clock_wall_ns(tsc), wall_ns);
		CU_ASSERT(lj_clock_wall_ns(tsc + 1000000) > wall_ns);
	}
	lj_clock_init();
}

static int level_before_eal; /* the tests' EAL lowers all levels */

static void the_log_type_is_ours_and_says_notices(void)
{
	CU_ASSERT_EQUAL(level_before_eal, RTE_LOG_NOTICE);
	CU_ASSERT(lj_logtype >= RTE_LOGTYPE_FIRST_EXT_ID);
	rte_log_set_level_pattern("linejudge", RTE_LOG_ERR);
	CU_ASSERT_EQUAL(rte_log_get_level(lj_logtype), RTE_LOG_ERR);
}

static void sha256_of_a_file_is_that_of_its_bytes(void)
{
	char path[] = "/tmp/lj-test-base-XXXXXX", hex[65];
	struct lj_error err;
	int fd = mkstemp(path);

	CU_ASSERT_EQUAL_FATAL(write(fd, "abc", 3), 3);
	close(fd);
	CU_ASSERT_EQUAL(lj_sha256_file(path, hex, &err), 0);
	/* example of FIPS 180-4 */
	CU_ASSERT_STRING_EQUAL(hex,
			       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	unlink(path);
	CU_ASSERT_NOT_EQUAL(lj_sha256_file(path, hex, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, path);
	CU_ASSERT_EQUAL(lj_sha256_file(path, hex, NULL), -ENOENT);
	/* A folder can be opened, but not read. */
	CU_ASSERT_EQUAL(lj_sha256_file("/tmp", hex, &err), -EIO);
	CU_ASSERT_STRING_EQUAL(err.where, "/tmp");
}

static void sha256_goes_over_more_than_one_chunk(void)
{
	char path[] = "/tmp/lj-test-base-XXXXXX", hex[65];
	static char a[1000];
	int fd = mkstemp(path);

	memset(a, 'a', sizeof(a));
	for (int i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL_FATAL(write(fd, a, sizeof(a)), sizeof(a));
	close(fd);
	CU_ASSERT_EQUAL(lj_sha256_file(path, hex, NULL), 0);
	/* example of FIPS 180-4: a million letters */
	CU_ASSERT_STRING_EQUAL(hex,
			       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	unlink(path);
}

static void base64_and_sha1_are_those_of_the_rfcs(void)
{
	static const uint8_t sha1_of_abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
					      0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
					      0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	uint8_t digest[LJ_SHA1_BYTES];
	static const char *const encoded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="};
	char out[16];

	lj_sha1("abc", 3, digest);
	CU_ASSERT_EQUAL(memcmp(digest, sha1_of_abc, sizeof(digest)), 0);
	for (size_t n = 0; n < RTE_DIM(encoded); n++) {
		lj_base64("foob", n, out);
		CU_ASSERT_STRING_EQUAL(out, encoded[n]);
	}
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"an error says where and what", an_error_says_where_and_what},
		{"an error too long is cut, not overrun", an_error_too_long_is_cut_not_overrun},
		{"the nearest names come first, far ones never",
		 the_nearest_names_come_first_and_far_ones_never},
		{"nearest names of any length fit the room there is",
		 nearest_names_of_any_length_fit_the_room_there_is},
		{"the log type is ours and says notices", the_log_type_is_ours_and_says_notices},
		{"the clock knows the rate and starts at the wall",
		 the_clock_knows_the_rate_and_starts_at_the_wall},
		{"wall time follows the kernel's, whatever the rate",
		 wall_time_follows_the_kernels_whatever_the_rate},
		{"cycles become nanoseconds without overflow",
		 cycles_become_nanoseconds_without_overflow},
		{"SHA-256 of a file is that of its bytes", sha256_of_a_file_is_that_of_its_bytes},
		{"SHA-256 goes over more than one chunk", sha256_goes_over_more_than_one_chunk},
		{"base64 and SHA-1 are those of the RFCs", base64_and_sha1_are_those_of_the_rfcs},
	};

	level_before_eal = rte_log_get_level(lj_logtype);
	lj_test_eal("base", NULL); /* for the rate of the TSC */
	return lj_test_run("base", tests, RTE_DIM(tests));
}
