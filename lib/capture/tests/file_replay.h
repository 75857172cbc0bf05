/* Replays capture files to their end, and records the result. */
#ifndef FILE_REPLAY_H
#define FILE_REPLAY_H

#include <stdio.h>

#include "capture_bytes.h"
#include "lj_capture.h"
#include "lj_test.h"

#define SEEN_MAX 4096

static char dir[] = "/tmp/lj-test-capture-file-XXXXXX"; /* created by run_with_files() */
static struct bytes file;

/* What a source delivered until it ended. */
static struct {
	uint32_t n;
	uint64_t time_ns[SEEN_MAX];
	uint32_t captured[SEEN_MAX], wire_bytes[SEEN_MAX];
	uint8_t first[SEEN_MAX], last[SEEN_MAX], leg[SEEN_MAX];
} seen;

static inline const char *path_of(const char *name)
{
	static char path[16][128];
	static int turn;
	char *p = path[turn++ % 16];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static inline const char *save(const char *name)
{
	const char *path = path_of(name);

	save_bytes(&file, file.n, path);
	return path;
}

static inline struct lj_source *open_files(const char *const *paths, uint16_t n, bool tap,
					   struct lj_error *err)
{
	const struct lj_file_config config = {paths, n, tap};

	return lj_source_open_file(&config, err);
}

/* Takes one burst and reads every byte of it. */
static inline uint16_t take(struct lj_source *s)
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

static inline void drain(struct lj_source *s)
{
	seen.n = 0;
	while (lj_source_state(s) == LJ_SOURCE_RUNNING)
		take(s);
}

/* Opens, drains and closes; returns the final state. */
static inline enum lj_source_state replay(const char *const *paths, uint16_t n, bool tap,
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

static inline enum lj_source_state replay_one(const char *path, struct lj_error *err)
{
	return replay(&path, 1, false, err, NULL);
}

static inline int run_with_files(const char *name, const struct lj_test *tests, size_t n)
{
	int ret;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	lj_test_eal(name, NULL);
	ret = lj_test_run(name, tests, n);
	remove_folder(dir);
	return ret;
}

#endif
