#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "npy_file.h"
#include "sink_lines.h"
#include "text.h"

#define BUFFER_BYTES  (1u << 18)
#define RUNS_MAX      10 /* runs of adjacent features that are not in row_head already */
#define ADDRESS_BYTES 40 /* the longest IPv6 address has 39 */

/* The columns before the features; the features are float32. */
struct row_head {
	uint64_t flow_id;
	char src_ip[ADDRESS_BYTES];
	uint16_t src_port;
	char dst_ip[ADDRESS_BYTES];
	uint16_t dst_port;
	uint8_t proto;
	uint64_t first_seen_ns, last_seen_ns;
	char end_reason[16];
} __rte_packed;

static const char row_head_descr[] =
	"('flow_id','<u8'),"
	"('src_ip','|S40'),('src_port','<u2'),('dst_ip','|S40'),('dst_port','<u2'),('proto','|u1'),"
	"('first_seen_ns','<u8'),('last_seen_ns','<u8'),('end_reason','|S16')";

struct npy_sink {
	struct lj_sink head;
	struct npy_file file;
	bool early;
	float *values; /* all features of the current verdict; the runs select the columns */
	struct run {
		uint32_t from, n;
	} run[RUNS_MAX];
	uint32_t n_runs;
	size_t row_bytes;
	char *buffer;
	uint32_t waiting; /* number of rows in the buffer */
};

static void put_address(char out[ADDRESS_BYTES], const struct lj_flow_key *k, int endpoint)
{
	char text[INET6_ADDRSTRLEN];

	memcpy(out, text, address_write(text, k, endpoint));
}

static void encode(const struct npy_sink *s, const struct lj_verdict *v, char *row)
{
	const struct lj_flow *f = &v->flow;
	const char *reason = lj_due_name(f->due);
	struct row_head h = {
		.flow_id = f->flow_id,
		.src_port = f->key.port[f->initiator],
		.dst_port = f->key.port[!f->initiator],
		.proto = f->key.proto,
		.first_seen_ns = f->first_ns,
		.last_seen_ns = f->last_ns,
	};

	put_address(h.src_ip, &f->key, f->initiator);
	put_address(h.dst_ip, &f->key, !f->initiator);
	memcpy(h.end_reason, reason, strnlen(reason, sizeof(h.end_reason)));
	for (uint32_t i = 0; i < v->n_values; i++)
		s->values[i] = (float)v->values[i];
	memcpy(row, &h, sizeof(h));
	row += sizeof(h);
	for (uint32_t i = 0; i < s->n_runs; i++) {
		memcpy(row, s->values + s->run[i].from, s->run[i].n * sizeof(*s->values));
		row += s->run[i].n * sizeof(*s->values);
	}
}

static void write_rows(struct npy_sink *s)
{
	uint32_t written = npy_write(&s->file, s->buffer, s->waiting);

	s->head.counts.written += written;
	s->head.counts.bytes += written * s->row_bytes;
	s->head.counts.lost += s->waiting - written;
	s->waiting = 0;
}

static void write_verdicts(struct lj_sink *sink, const struct lj_verdict *const *verdicts,
			   uint32_t n)
{
	struct npy_sink *s = (struct npy_sink *)sink;

	for (uint32_t i = 0; i < n; i++) {
		sink->counts.offered++;
		/* A shed flow has no features. */
		if ((is_early(verdicts[i]) && !s->early) || verdicts[i]->shed) {
			sink->counts.suppressed++;
			continue;
		}
		encode(s, verdicts[i], s->buffer + s->waiting * s->row_bytes);
		s->waiting++;
		if ((s->waiting + 1) * s->row_bytes > BUFFER_BYTES)
			write_rows(s);
	}
}

static int flush(struct lj_sink *sink)
{
	struct npy_sink *s = (struct npy_sink *)sink;

	if (s->waiting > 0)
		write_rows(s);
	return npy_flush(&s->file);
}

static int error(const struct lj_sink *sink, struct lj_error *err)
{
	const struct npy_file *f = &((const struct npy_sink *)sink)->file;
	uint64_t lost = sink->counts.lost;

	if (f->last_errno == 0)
		return 0;
	return lj_error_set(err, f->last_errno, f->target, "%llu row%s lost: %s",
			    (unsigned long long)lost, lost == 1 ? "" : "s",
			    strerror(f->last_errno));
}

static void close_sink(struct lj_sink *sink)
{
	struct npy_sink *s = (struct npy_sink *)sink;

	npy_close(&s->file);
	free(s->values);
	free(s->buffer);
	free(s);
}

static const struct lj_sink_ops ops = {"npy", write_verdicts, flush, error, close_sink};

/* Whether row_head has this feature already (ports and protocol are features, too). */
static bool is_in_head(const char *name)
{
	const char *at = strstr(row_head_descr, name);

	return at != NULL && at[-1] == '\'' && at[strlen(name)] == '\'';
}

/* Selects the columns and returns their description for the file's head, or NULL if out of memory.
 * The caller frees it. */
static char *choose_columns(struct npy_sink *s, const struct lj_feature_plan *plan)
{
	size_t size = sizeof(row_head_descr), n = lj_feature_plan_size(plan);
	bool after_gap = true;
	struct text t;

	for (size_t i = 0; i < n; i++)
		size += strlen(lj_feature_plan_name(plan, i)) + strlen(",('','<f4')");
	t = (struct text){malloc(size + 1), 0, size + 1};
	if (t.begin == NULL)
		return NULL;
	text_string(&t, row_head_descr);
	for (size_t i = 0; i < n; i++) {
		const char *name = lj_feature_plan_name(plan, i);

		if (is_in_head(name)) {
			after_gap = true;
			continue;
		}
		text_add(&t, ",('%s','<f4')", name);
		if (after_gap)
			s->run[s->n_runs++].from = (uint32_t)i;
		s->run[s->n_runs - 1].n++;
		s->row_bytes += sizeof(*s->values);
		after_gap = false;
	}
	t.begin[t.used] = '\0';
	return t.begin;
}

static int open_file(struct npy_sink *s, const char *target, const struct lj_feature_plan *plan,
		     struct lj_error *err)
{
	size_t n = lj_feature_plan_size(plan);
	char *descr = NULL;
	int ret;

	s->file.fd = -1;
	s->row_bytes = sizeof(struct row_head);
	s->values = malloc(n * sizeof(*s->values));
	s->buffer = malloc(BUFFER_BYTES);
	if (s->values != NULL && s->buffer != NULL)
		descr = choose_columns(s, plan);
	if (descr == NULL)
		return lj_error_set(err, ENOMEM, target, "not enough memory");
	ret = npy_open(&s->file, target, descr, s->row_bytes, err);
	free(descr);
	return ret;
}

struct lj_sink *lj_sink_open_npy(const char *target, const struct lj_feature_plan *plan, bool early,
				 struct lj_error *err)
{
	struct npy_sink *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		lj_error_set(err, ENOMEM, target, "not enough memory");
		return NULL;
	}
	s->head.ops = &ops;
	s->early = early;
	snprintf(s->head.name, sizeof(s->head.name), "npy %s", target);
	if (open_file(s, target, plan, err) == 0)
		return &s->head;
	close_sink(&s->head);
	return NULL;
}
