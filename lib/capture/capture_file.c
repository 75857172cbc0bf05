#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture_file_format.h"
#include "lj_capture.h"
#include "lj_log.h"
#include "source.h"

#define LEGS_MAX 8

/* A file being read, and its next record. */
struct leg {
	struct file_reader reader;
	struct file_record head;
	enum file_result state; /* FILE_RECORD: head is valid */
};

struct file_source {
	struct source source;
	const char *const *paths;
	uint16_t n_paths;
	uint16_t next_path; /* not yet opened; without a tap */
	uint16_t n_legs;
	struct leg leg[LEGS_MAX];
	/* Reused for every burst: not from a pool, and pointing into the readers' buffers. */
	struct rte_mbuf mbuf[LJ_BURST_MAX];
};

static void fail(struct file_source *s, const struct lj_error *why, uint64_t errors)
{
	source_count(&s->source.stats.ierrors, errors);
	if (s->source.error.what[0] == '\0')
		s->source.error = *why;
}

/* Records the errors of a file that has been read, and closes it. Its buffer stays: mbufs of the
 * current burst point into it. */
static void finish_leg(struct file_source *s, struct leg *leg)
{
	struct file_reader *r = &leg->reader;
	struct lj_error why;
	char link_type[64];

	if (leg->state == FILE_DAMAGED)
		fail(s, &r->damage, 1);
	if (r->foreign > 0) {
		lj_error_set(
			&why, EPROTONOSUPPORT, r->path,
			"%llu packets of %s were skipped; only Ethernet (link type 1) is supported",
			(unsigned long long)r->foreign,
			file_link_type_text(r->foreign_link_type, link_type, sizeof(link_type)));
		fail(s, &why, r->foreign);
	}
	if (r->timeless > 0) {
		lj_error_set(&why, ERANGE, r->path,
			     "%llu packets with a time before 1970 or after 2262 were skipped "
			     "(see if_tsoffset, if_tsresol; editcap -t adjusts times)",
			     (unsigned long long)r->timeless);
		fail(s, &why, r->timeless);
	}
	file_close(r);
	leg->state = FILE_END;
}

/* Advances to the leg's next record, if the buffer holds all of it. */
static inline void advance_leg(struct file_source *s, struct leg *leg)
{
	leg->state = file_next(&leg->reader, &leg->head);
	if (unlikely(leg->state == FILE_END || leg->state == FILE_DAMAGED))
		finish_leg(s, leg);
}

/* Opens the next part of the capture; false if there is none. */
static bool open_next(struct file_source *s)
{
	struct leg *leg = &s->leg[0];
	struct lj_error err;

	if (s->next_path == s->n_paths)
		return false;
	if (file_open(&leg->reader, s->paths[s->next_path++], &err) == 0)
		advance_leg(s, leg);
	else
		fail(s, &err, 1);
	return true;
}

/* The leg with the earliest record; the lower one on a tie. NULL if none has a record. */
static inline struct leg *earliest(struct file_source *s)
{
	struct leg *first = s->leg[0].state == FILE_RECORD ? &s->leg[0] : NULL;

	for (uint16_t i = 1; i < s->n_legs; i++) {
		struct leg *leg = &s->leg[i];

		if (leg->state == FILE_RECORD &&
		    (first == NULL || leg->head.time_ns < first->head.time_ns))
			first = leg;
	}
	return first;
}

/* Refills the buffers of all legs that need it. False if a pipe has no data yet: the next packet is
 * then unknown. */
static bool refill(struct file_source *s)
{
	for (uint16_t i = 0; i < s->n_legs; i++)
		while (s->leg[i].state == FILE_REFILL) {
			if (!file_refill(&s->leg[i].reader))
				return false;
			advance_leg(s, &s->leg[i]);
		}
	return true;
}

static inline void put(struct file_source *s, struct lj_burst *burst, uint16_t at,
		       const struct leg *leg)
{
	const struct file_record *record = &leg->head;
	struct rte_mbuf *m = &s->mbuf[at];
	uint16_t bytes = (uint16_t)RTE_MIN(record->captured, (uint32_t)UINT16_MAX);

	m->buf_addr = (void *)(uintptr_t)record->data;
	m->buf_len = bytes;
	m->data_len = bytes;
	m->pkt_len = bytes;
	burst->mbuf[at] = m;
	burst->time_ns[at] = record->time_ns;
	burst->wire_bytes[at] = record->wire_bytes;
	burst->leg[at] = (uint8_t)(leg - s->leg);
}

static void end_source(struct file_source *s)
{
	bool failed = s->source.error.what[0] != '\0';

	atomic_store_explicit(&s->source.head.state, failed ? LJ_SOURCE_FAILED : LJ_SOURCE_ENDED,
			      memory_order_release);
}

/* The leg that has the next packet, after refilling. NULL if there is no packet now, or at the end.
 */
static struct leg *next_leg(struct file_source *s)
{
	struct leg *leg;

	do {
		if (!refill(s))
			return NULL;
		leg = earliest(s);
		if (leg != NULL)
			return leg;
	} while (open_next(s));
	end_source(s);
	return NULL;
}

/*
 * A burst ends where a file's buffer ends, since refilling moves the data that earlier mbufs of the
 * burst point to. By the next call the caller has freed them.
 */
static uint16_t rx(struct lj_source *source, uint16_t queue, struct lj_burst *burst)
{
	struct file_source *s = (struct file_source *)source;
	uint64_t bytes = 0;
	struct leg *leg;
	uint16_t n = 0;

	RTE_SET_USED(queue);
	burst->count = 0;
	if (lj_source_state(source) != LJ_SOURCE_RUNNING)
		return 0;
	leg = next_leg(s);
	while (leg != NULL && n < LJ_BURST_MAX) {
		put(s, burst, n, leg);
		bytes += burst->wire_bytes[n++];
		advance_leg(s, leg);
		if (leg->state == FILE_REFILL)
			break;
		leg = earliest(s);
	}
	burst->count = n;
	source_count(&s->source.stats.received, n);
	source_count(&s->source.stats.received_bytes, bytes);
	return n;
}

static int start(struct lj_source *source, struct lj_error *err)
{
	RTE_SET_USED(source);
	RTE_SET_USED(err);
	return 0;
}

static void stop(struct lj_source *source)
{
	RTE_SET_USED(source);
}

static int stats(struct lj_source *source, struct lj_source_stats *stats)
{
	const struct lj_source_stats *from = &((struct source *)source)->stats;

	*stats = (struct lj_source_stats){
		.received = __atomic_load_n(&from->received, __ATOMIC_RELAXED),
		.received_bytes = __atomic_load_n(&from->received_bytes, __ATOMIC_RELAXED),
		.ierrors = __atomic_load_n(&from->ierrors, __ATOMIC_RELAXED),
	};
	return 0;
}

static void describe(const struct lj_source *source, char *out, size_t size)
{
	const struct file_source *s = (const struct file_source *)source;

	snprintf(out, size, "%u file%s%s", s->n_paths, s->n_paths == 1 ? "" : "s",
		 s->n_legs > 1 ? ", legs of a tap merged by time" : "");
}

static void close_source(struct lj_source *source)
{
	struct file_source *s = (struct file_source *)source;

	for (uint16_t i = 0; i < LEGS_MAX; i++)
		file_free(&s->leg[i].reader);
	free(s);
}

static const struct lj_source_ops ops = {"file", rx, start, stop, stats, describe, close_source};

/* All legs of a tap stay open. */
static int open_legs(struct file_source *s, struct lj_error *err)
{
	for (uint16_t i = 0; i < s->n_paths; i++) {
		int ret = file_open(&s->leg[i].reader, s->paths[i], err);

		if (ret != 0)
			return ret;
		advance_leg(s, &s->leg[i]);
	}
	s->n_legs = s->n_paths;
	s->next_path = s->n_paths;
	return 0;
}

/* The time of a file's first packet; false if it has none that can be read. */
static bool first_time(struct file_reader *r, uint64_t *time_ns)
{
	struct file_record record;
	enum file_result state;

	do
		state = file_next(r, &record);
	while (state == FILE_REFILL && file_refill(r));
	if (state == FILE_RECORD)
		*time_ns = record.time_ns;
	return state == FILE_RECORD;
}

/* Checks the headers of all parts, so that errors are reported before the replay begins, and warns
 * of the first part that begins before the one that is read before it. */
static int check_pieces(struct file_source *s, struct file_reader *scratch, struct lj_error *err)
{
	uint64_t time_ns, before_ns = 0;
	const char *before = NULL;
	bool warned = false;

	for (uint16_t i = 0; i < s->n_paths; i++) {
		const char *path = s->paths[i];
		int ret;

		if (file_is_pipe(path) && i > 0)
			return lj_error_set(err, ESPIPE, path,
					    "is a pipe or standard input: it can only be read as "
					    "the first file");
		if (file_is_pipe(path))
			continue;
		ret = file_open(scratch, path, err);
		if (ret != 0)
			return ret;
		if (!first_time(scratch, &time_ns))
			continue;
		if (before != NULL && time_ns < before_ns && !warned) {
			lj_log(WARNING,
			       "%s begins %.3f s before %s, which is read first: give the files in "
			       "order of time, or flows that span them are wrong\n",
			       path, (double)(before_ns - time_ns) / 1e9, before);
			warned = true;
		}
		before = path;
		before_ns = time_ns;
	}
	return 0;
}

/* Only the first part stays open. */
static int open_pieces(struct file_source *s, struct lj_error *err)
{
	int ret = file_open(&s->leg[0].reader, s->paths[0], err);

	if (ret != 0)
		return ret;
	advance_leg(s, &s->leg[0]);
	if (s->n_paths > 1)
		ret = check_pieces(s, &s->leg[1].reader, err);
	file_free(&s->leg[1].reader);
	s->n_legs = 1;
	s->next_path = 1;
	return ret;
}

static struct file_source *create(const struct lj_file_config *config)
{
	struct file_source *s = aligned_alloc(alignof(struct file_source), sizeof(*s));

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	for (uint16_t i = 0; i < LEGS_MAX; i++) {
		file_init(&s->leg[i].reader);
		s->leg[i].state = FILE_END;
	}
	for (uint16_t i = 0; i < LJ_BURST_MAX; i++) {
		s->mbuf[i].nb_segs = 1;
		s->mbuf[i].port = RTE_MBUF_PORT_INVALID;
		rte_mbuf_refcnt_set(&s->mbuf[i], 1);
	}
	snprintf(s->source.head.name, sizeof(s->source.head.name), "%s", config->paths[0]);
	s->source.head.ops = &ops;
	s->source.head.queues = 1;
	s->source.head.replay = true;
	s->source.head.own_time = true;
	s->source.head.keeps_mbufs = true;
	s->paths = config->paths;
	s->n_paths = config->n_paths;
	return s;
}

struct lj_source *lj_source_open_file(const struct lj_file_config *config, struct lj_error *err)
{
	struct file_source *s;

	if (config->n_paths == 0 || (config->tap && config->n_paths > LEGS_MAX)) {
		lj_error_set(err, EINVAL, "capture", "no file, or more than %d legs", LEGS_MAX);
		return NULL;
	}
	s = create(config);
	if (s == NULL) {
		lj_error_set(err, ENOMEM, config->paths[0], "not enough memory");
		return NULL;
	}
	if ((config->tap ? open_legs(s, err) : open_pieces(s, err)) == 0)
		return &s->source.head;
	close_source(&s->source.head);
	return NULL;
}
