/* Files long enough to be mapped, and what may happen to them while they are read. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture_file_map.h"
#include "file_replay.h"

#define PACKETS 4000
#define BEFORE	2000 /* packets that are written before a file grows */

/* Where each packet ends in the file. */
static size_t end_of[PACKETS];

static uint32_t size_of(uint32_t i)
{
	return i % 500 == 7 ? 150000 : 60 + i * 7919 % 4000;
}

static uint8_t fill_of(uint32_t i)
{
	return (uint8_t)(1 + i % 251);
}

/* Appends to an open file; exits on failure. */
static void append(FILE *f)
{
	if (fwrite(file.at, 1, file.n, f) != file.n) {
		perror(dir);
		exit(EXIT_FAILURE);
	}
	file.n = 0;
}

static void put_packet(uint32_t i, bool pcapng)
{
	if (pcapng)
		put_enhanced(&file, i % 2, i, size_of(i), fill_of(i));
	else
		put_pcap(&file, i, size_of(i), size_of(i), fill_of(i));
}

/* An unknown block longer than several windows. */
static void put_desert(FILE *f)
{
	const uint32_t chunks = 6, bytes = 1000000;

	put32(&file, 0x0badcafe);
	put32(&file, 12 + chunks * bytes);
	append(f);
	for (uint32_t i = 0; i < chunks; i++) {
		put_fill(&file, 0xee, bytes);
		append(f);
	}
	put32(&file, 12 + chunks * bytes);
}

static void put_packets(FILE *f, uint32_t from, uint32_t to, bool pcapng)
{
	for (uint32_t i = from; i < to; i++) {
		if (pcapng && i == 300)
			put_desert(f);
		put_packet(i, pcapng);
		append(f);
		end_of[i] = (size_t)ftell(f);
	}
}

/* Writes the header and the first packets. */
static FILE *begin_long(const char *path, bool pcapng, bool swapped)
{
	FILE *f = fopen(path, "wb");

	if (f == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	file.n = 0;
	if (pcapng) {
		put_section(&file, swapped);
		put_interface(&file, 1, 0);
		put_interface(&file, 1, 0);
	} else {
		begin_pcap(&file, 1);
	}
	append(f);
	return f;
}

static const char *save_long(const char *name, bool pcapng, bool swapped)
{
	const char *path = path_of(name);
	FILE *f = begin_long(path, pcapng, swapped);

	put_packets(f, 0, PACKETS, pcapng);
	CU_ASSERT_EQUAL(fclose(f), 0);
	return path;
}

static bool is_packet(uint32_t at, uint32_t i)
{
	return seen.time_ns[at] == i * 1000ull && seen.wire_bytes[at] == size_of(i) &&
	       seen.captured[at] == RTE_MIN(size_of(i), (uint32_t)UINT16_MAX) &&
	       seen.first[at] == fill_of(i) && seen.last[at] == fill_of(i);
}

/* How many packets were seen, as written, from the first on. */
static uint32_t right(void)
{
	uint32_t n = 0;

	while (n < seen.n && is_packet(n, n))
		n++;
	return n;
}

static void every_packet_of_a_long_file_is_read(void)
{
	CU_ASSERT_EQUAL(replay_one(save_long("long.pcap", false, false), NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(seen.n, PACKETS);
	CU_ASSERT_EQUAL(right(), PACKETS);
	for (int swapped = 0; swapped < 2; swapped++) {
		const char *path = save_long("long.pcapng", true, swapped);

		CU_ASSERT_EQUAL(replay_one(path, NULL), LJ_SOURCE_ENDED);
		CU_ASSERT_EQUAL(seen.n, PACKETS);
		CU_ASSERT_EQUAL(right(), PACKETS);
	}
}

static void long_legs_are_merged(void)
{
	const char *paths[2] = {save_long("leg0", false, false), save_long("leg1", true, false)};
	struct lj_source *s = open_files(paths, 2, true, NULL);
	uint32_t n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	while (lj_source_state(s) == LJ_SOURCE_RUNNING) {
		seen.n = 0;
		take(s);
		for (uint32_t i = 0; i < seen.n; i++, n++) {
			CU_ASSERT(is_packet(i, n / 2));
			CU_ASSERT_EQUAL(seen.leg[i], n % 2);
		}
	}
	CU_ASSERT_EQUAL(n, 2 * PACKETS);
	lj_source_close(s);
}

static void a_file_that_grows_is_read_to_its_new_end(void)
{
	for (int pcapng = 0; pcapng < 2; pcapng++) {
		const char *path = path_of("growing");
		FILE *f = begin_long(path, pcapng, false);
		struct lj_source *s;

		put_packets(f, 0, BEFORE, pcapng);
		CU_ASSERT_EQUAL(fflush(f), 0);
		s = open_files(&path, 1, false, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(s);
		seen.n = 0;
		while (seen.n < BEFORE / 2 && lj_source_state(s) == LJ_SOURCE_RUNNING)
			take(s);
		put_packets(f, BEFORE, PACKETS, pcapng);
		CU_ASSERT_EQUAL(fclose(f), 0);
		while (lj_source_state(s) == LJ_SOURCE_RUNNING)
			take(s);
		CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_ENDED);
		CU_ASSERT_EQUAL(right(), PACKETS);
		lj_source_close(s);
	}
}

/* Standard input from which something has been read before. */
static void standard_input_is_read_from_where_it_is(void)
{
	const char *path = save_long("stdin", false, false), *input = "-";
	int fd = open(path, O_RDWR), before = dup(STDIN_FILENO);
	static uint8_t whole[20 << 20];
	ssize_t n = pread(fd, whole, sizeof(whole), 0);

	CU_ASSERT_EQUAL_FATAL(n, (ssize_t)end_of[PACKETS - 1]);
	CU_ASSERT_EQUAL(pwrite(fd, whole, (size_t)n, 4096), n);
	CU_ASSERT_EQUAL(lseek(fd, 4096, SEEK_SET), 4096);
	CU_ASSERT_EQUAL(dup2(fd, STDIN_FILENO), STDIN_FILENO);
	CU_ASSERT_EQUAL(replay_one(input, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(right(), PACKETS);
	dup2(before, STDIN_FILENO);
	close(before);
	close(fd);
}

/* Cuts a file that is being read, when 800 packets have been received. */
static void cut_while_read(const char *path, bool pcapng, size_t bytes)
{
	struct lj_source *s = open_files(&path, 1, false, NULL);
	uint32_t whole = 0, n;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	seen.n = 0;
	while (seen.n < 800)
		take(s);
	/* The source has looked at the packet after the burst. */
	n = seen.n + 1;
	CU_ASSERT_EQUAL(truncate(path, (off_t)bytes), 0);
	while (lj_source_state(s) == LJ_SOURCE_RUNNING)
		take(s);
	CU_ASSERT_EQUAL(lj_source_state(s), LJ_SOURCE_FAILED);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(lj_source_error(s)->what, "the file became shorter while it was read"));
	while (whole < PACKETS && end_of[whole] <= bytes)
		whole++;
	CU_ASSERT(right() >= whole);
	/* In pcap nothing shows that a packet has lost its end. */
	CU_ASSERT(seen.n <= RTE_MAX(n, whole + !pcapng));
	lj_source_close(s);
}

/* At the edge of a page, in each part of a record, and before what has been read. */
static void a_file_cut_while_it_is_read_loses_only_what_was_cut(void)
{
	static const size_t into[] = {0, 2, 9, 13, 17, 40};

	for (int pcapng = 0; pcapng < 2; pcapng++) {
		for (uint32_t packet = 900; packet < 2800; packet += 400)
			for (size_t i = 0; i < RTE_DIM(into) + 2; i++) {
				const char *path = save_long("cut", pcapng, false);
				size_t at = end_of[packet - 1];

				at = i < RTE_DIM(into) ? at + into[i]
						       : RTE_ALIGN_FLOOR(at, 4096ul) +
								 4096 * (i - RTE_DIM(into));
				cut_while_read(path, pcapng, at);
			}
		cut_while_read(save_long("cut", pcapng, false), pcapng, 100);
		cut_while_read(save_long("cut", pcapng, false), pcapng, 0);
	}
}

/* In a child: a bus error of anybody else still ends the process. */
static void another_bus_error_is_not_hidden(void)
{
	const char *path = save_long("whole", false, false), *other = path_of("other");
	struct lj_source *s = open_files(&path, 1, false, NULL);
	int status = 0;
	pid_t child;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	seen.n = 0;
	while (seen.n < 1000)
		take(s);
	file.n = 0;
	put_fill(&file, 1, 8192);
	save_bytes(&file, file.n, other);
	child = fork();
	if (child == 0) {
		int fd = open(other, O_RDWR);
		const volatile uint8_t *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);

		if (p == MAP_FAILED || ftruncate(fd, 0) != 0)
			_exit(0);
		_exit(p[4096] == 1 ? 0 : 0);
	}
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	lj_source_close(s);
}

/* More than are mapped at the same time. */
static void many_long_files_may_be_open(void)
{
	const char *path = save_long("many", false, false);
	struct lj_source *s[20];

	for (size_t i = 0; i < RTE_DIM(s); i++) {
		s[i] = open_files(&path, 1, false, NULL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(s[i]);
		seen.n = 0;
		while (seen.n < 500)
			take(s[i]);
	}
	for (size_t i = 0; i < RTE_DIM(s); i++) {
		uint32_t n = 0;

		for (; lj_source_state(s[i]) == LJ_SOURCE_RUNNING; n += seen.n) {
			seen.n = 0;
			take(s[i]);
		}
		CU_ASSERT(n > 0 && n <= PACKETS - 500);
		lj_source_close(s[i]);
	}
	CU_ASSERT_EQUAL(replay_one(path, NULL), LJ_SOURCE_ENDED);
	CU_ASSERT_EQUAL(right(), PACKETS);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"every packet of a long file is read", every_packet_of_a_long_file_is_read},
		{"long legs are merged", long_legs_are_merged},
		{"a file that grows is read to its new end",
		 a_file_that_grows_is_read_to_its_new_end},
		{"standard input is read from where it is",
		 standard_input_is_read_from_where_it_is},
		{"a file cut while it is read loses only what was cut",
		 a_file_cut_while_it_is_read_loses_only_what_was_cut},
		{"another bus error is not hidden", another_bus_error_is_not_hidden},
		{"many long files may be open", many_long_files_may_be_open},
	};

	return run_with_files("capture_long", tests, RTE_DIM(tests));
}
