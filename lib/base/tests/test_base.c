#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lj_base.h"
#include "lj_clock.h"
#include "lj_digest.h"
#include "lj_test.h"

static void an_error_says_where_and_what(void)
{
	struct lj_error err;

	CU_ASSERT_EQUAL(lj_error_set(&err, 22, "flow.capacity", "%d is too small", 7), -22);
	CU_ASSERT_STRING_EQUAL(err.where, "flow.capacity");
	CU_ASSERT_STRING_EQUAL(err.what, "7 is too small");
	CU_ASSERT_EQUAL(lj_error_set(NULL, 5, "x", "y"), -5);
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
}

static void cycles_become_nanoseconds_without_overflow(void)
{
	lj_clock.mult = 1ULL << 31; /* 2 GHz */
	CU_ASSERT_EQUAL(lj_cycles_to_ns(2000000000), 1000000000);
	CU_ASSERT_EQUAL(lj_cycles_to_ns(2000000000ULL * 86400 * 365 * 10),
			1000000000ULL * 86400 * 365 * 10);
}

static void sha256_of_a_file_is_that_of_its_bytes(void)
{
	char path[] = "/tmp/lj-test-base-XXXXXX", hex[65];
	struct lj_error err;
	int fd = mkstemp(path);

	CU_ASSERT_EQUAL_FATAL(write(fd, "abc", 3), 3);
	close(fd);
	CU_ASSERT_EQUAL(lj_sha256_file(path, hex, &err), 0);
	/* FIPS 180-4's example */
	CU_ASSERT_STRING_EQUAL(hex,
			       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	unlink(path);
	CU_ASSERT_NOT_EQUAL(lj_sha256_file(path, hex, &err), 0);
	CU_ASSERT_STRING_EQUAL(err.where, path);
}

static void base64_and_sha1_are_those_of_the_rfcs(void)
{
	static const uint8_t sha1_of_abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81,
					      0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78, 0x50,
					      0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	uint8_t digest[LJ_SHA1_BYTES];
	char out[16];

	lj_sha1("abc", 3, digest);
	CU_ASSERT_EQUAL(memcmp(digest, sha1_of_abc, sizeof(digest)), 0);
	lj_base64("foob", 4, out);
	CU_ASSERT_STRING_EQUAL(out, "Zm9vYg==");
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"an error says where and what", an_error_says_where_and_what},
		{"the nearest names come first, far ones never",
		 the_nearest_names_come_first_and_far_ones_never},
		{"cycles become nanoseconds without overflow",
		 cycles_become_nanoseconds_without_overflow},
		{"SHA-256 of a file is that of its bytes", sha256_of_a_file_is_that_of_its_bytes},
		{"base64 and SHA-1 are those of the RFCs", base64_and_sha1_are_those_of_the_rfcs},
	};

	return lj_test_run("base", tests, RTE_DIM(tests));
}
