#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_mempool.h>

#include "capture_file_format.h"
#include "lj_capture.h"
#include "source.h"

#define POOL_MBUFS (4 * LJ_BURST_MAX - 1)
#define LEGS_MAX   8

/* One file that is being read, with its next record at hand. */
struct leg {
	struct file_reader reader;
	struct file_record head;
	enum file_result state; /* FILE_RECORD: head is there */
};

struct file_source {
	struct source source;
	const char *const *paths;
	uint16_t n_paths;
	uint16_t next_path; /* not yet opened; without a tap */
	uint16_t n_legs;
	struct leg leg[LEGS_MAX];
	struct rte_mempool *pool;
	/* mbufs point into the readers' buffers; nothing is freed with them, so the count never
	 * reaches 0. */
	struct rte_mbuf_ext_shared_info shared_info;
};

static void nothing_to_free(void *addr, void *opaque)
{
	RTE_SET_USED(addr);
	RTE_SET_USED(opaque);
}

static void fail(struct file_source *s, const struct lj_error *why)
{
	s->source.stats.ierrors++;
	if (s->source.error.what[0] == '\0')
		s->source.error = *why;
}

/* What a file leaves to be said once it has been read. It stays open: mbufs of the burst at hand
 * point into its buffer. */
static void finish_leg(struct file_source *s, struct leg *leg)
{
	struct file_reader *r = &leg->reader;

	if (leg->state == FILE_DAMAGED || r->damage.what[0] != '\0')
		fail(s, &r->damage);
	if (r->foreign > 0) {
		struct lj_error why;

		lj_error_set(&why, EPROTONOSUPPORT, r->path,
			     "%llu packets of a link type other than Ethernet were passed over",
			     (unsigned long long)r->foreign);
		fail(s, &why);
		s->source.stats.ierrors += r->foreign - 1;
	}
	leg->state = FILE_END;
}

/* The leg's next record, if it is whole in the buffer. */
static void advance_leg(struct file_source *s, struct leg *leg)
{
	leg->state = file_next(&leg->reader, &leg->head);
	if (leg->state == FILE_END || leg->state == FILE_DAMAGED)
		finish_leg(s, leg);
}

/* The next of the files that are pieces of one capture; false when there is none. */
static bool open_next(struct file_source *s)
{
	while (s->next_path < s->n_paths) {
		struct leg *leg = &s->leg[0];
		struct lj_error err;

		file_close(&leg->reader);
		if (file_open(&leg->reader, s->paths[s->next_path++], &err) != 0) {
			fail(s, &err);
			continue;
		}
		advance_leg(s, leg);
		if (leg->state != FILE_END)
			return true;
	}
	return false;
}

/* The leg whose head is earliest; the lower one on a tie. NULL when none has a head. */
static struct leg *earliest(struct file_source *s)
{
	struct leg *first = NULL;

	for (uint16_t i = 0; i < s->n_legs; i++) {
		struct leg *leg = &s->leg[i];

		if (leg->state == FILE_RECORD &&
		    (first == NULL || leg->head.time_ns < first->head.time_ns))
			first = leg;
	}
	return first;
}

/* Whether a leg waits to be refilled; does it when `now`. */
static bool refill(struct file_source *s, bool now)
{
	bool waiting = false;

	for (uint16_t i = 0; i < s->n_legs; i++)
		while (s->leg[i].state == FILE_REFILL) {
			if (!now)
				return true;
			waiting = true;
			file_refill(&s->leg[i].reader);
			advance_leg(s, &s->leg[i]);
		}
	return waiting;
}

static void put(struct file_source *s, struct lj_burst *burst, struct leg *leg)
{
	const struct file_record *record = &leg->head;
	struct rte_mbuf *m = burst->mbuf[burst->count];
	uint16_t bytes = (uint16_t)RTE_MIN(record->captured, (uint32_t)UINT16_MAX);

	rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)record->data, 0, bytes, &s->shared_info);
	m->data_off = 0;
	m->data_len = bytes;
	m->pkt_len = bytes;
	burst->time_ns[burst->count] = record->time_ns;
	burst->wire_bytes[burst->count] = record->wire_bytes;
	burst->leg[burst->count] = (uint8_t)(leg - s->leg);
	burst->count++;
	s->source.stats.received_bytes += record->wire_bytes;
}

static void end_source(struct file_source *s)
{
	bool failed = s->source.error.what[0] != '\0';

	atomic_store_explicit(&s->source.head.state, failed ? LJ_SOURCE_FAILED : LJ_SOURCE_ENDED,
			      memory_order_release);
}

/*
 * A burst ends where a file's buffer ends: refilling moves what earlier mbufs of the burst point
 * to, and the caller has freed those by the next call.
 */
static uint16_t rx(struct lj_source *source, uint16_t queue, struct lj_burst *burst)
{
	struct file_source *s = (struct file_source *)source;
	struct leg *leg;

	RTE_SET_USED(queue);
	burst->count = 0;
	if (source->state != LJ_SOURCE_RUNNING)
		return 0;
	refill(s, true);
	leg = earliest(s);
	while (leg == NULL) {
		if (!open_next(s)) {
			end_source(s);
			return 0;
		}
		refill(s, true);
		leg = earliest(s);
	}
	if (rte_pktmbuf_alloc_bulk(s->pool, burst->mbuf, LJ_BURST_MAX) != 0)
		return 0;
	rte_mbuf_ext_refcnt_set(&s->shared_info, LJ_BURST_MAX + 1);
	do {
		put(s, burst, leg);
		advance_leg(s, leg);
		if (refill(s, false))
			break;
		leg = earliest(s);
	} while (leg != NULL && burst->count < LJ_BURST_MAX);
	rte_pktmbuf_free_bulk(&burst->mbuf[burst->count], LJ_BURST_MAX - burst->count);
	s->source.stats.received += burst->count;
	return burst->count;
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
	*stats = ((struct source *)source)->stats;
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
		file_close(&s->leg[i].reader);
	rte_mempool_free(s->pool);
	free(s);
}

static const struct lj_source_ops ops = {"file", rx, start, stop, stats, describe, close_source};

/* Opens all files once: what is wrong with any is said before the replay begins. Pipes cannot be
 * opened twice. */
static int check_files(const struct lj_file_config *config, struct lj_error *err)
{
	for (uint16_t i = 0; i < config->n_paths; i++) {
		struct file_reader r;
		int ret;

		if (strcmp(config->paths[i], "-") == 0)
			continue;
		ret = file_open(&r, config->paths[i], err);
		if (ret == 0 && lseek(r.fd, 0, SEEK_CUR) < 0)
			ret = lj_error_set(err, ESPIPE, config->paths[i],
					   "is a pipe; give it as - on standard input");
		file_close(&r);
		if (ret != 0)
			return ret;
	}
	return 0;
}

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

struct lj_source *lj_source_open_file(const struct lj_file_config *config, struct lj_error *err)
{
	struct file_source *s;

	if (config->n_paths == 0 || (config->tap && config->n_paths > LEGS_MAX)) {
		lj_error_set(err, EINVAL, "capture", "no file, or more than %d legs", LEGS_MAX);
		return NULL;
	}
	if (check_files(config, err) != 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		lj_error_set(err, ENOMEM, config->paths[0], "not enough memory");
		return NULL;
	}
	for (uint16_t i = 0; i < LEGS_MAX; i++) {
		s->leg[i].reader.fd = -1;
		s->leg[i].state = FILE_END;
	}
	snprintf(s->source.head.name, sizeof(s->source.head.name), "%s", config->paths[0]);
	s->source.head.ops = &ops;
	s->source.head.queues = 1;
	s->source.head.replay = true;
	s->source.head.own_time = true;
	s->paths = config->paths;
	s->n_paths = config->n_paths;
	s->n_legs = 1;
	s->shared_info.free_cb = nothing_to_free;
	s->pool = rte_pktmbuf_pool_create("linejudge_file", POOL_MBUFS, 0, 0, RTE_PKTMBUF_HEADROOM,
					  config->socket_id);
	if (s->pool == NULL) {
		lj_error_set(err, ENOMEM, config->paths[0], "no memory for packet buffers");
		goto close;
	}
	if (config->tap && open_legs(s, err) != 0)
		goto close;
	return &s->source.head;
close:
	close_source(&s->source.head);
	return NULL;
}
