/*
 * The stage against an obviously right twin: lists of all facts, looked through from the start each
 * time. Equal in every number, for hundreds of seconds of random traffic.
 */
#include <stdlib.h>

#include "host_fixture.h"

#define FACTS 6000
#define HOSTS 12
#define PORTS 5

struct event {
	uint64_t beat, time_ns, bytes[2];
	uint32_t from, to, size, duration_ms;
	uint16_t port;
	uint8_t what, outcome;
};
static struct event events[FACTS];
static uint32_t n_events;

static uint64_t random_state;
static uint32_t roll(uint32_t n)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(random_state >> 33) % n;
}

/* Which facts are of the thing that is looked at. */
enum thing { SRC, SRC_IN, DST, DST_OUT, SERVICE, PAIR };

static bool counts_for(const struct event *e, enum thing thing, const struct event *q)
{
	switch (thing) {
	case SRC:
		return e->from == q->from;
	case SRC_IN:
		return e->to == q->from;
	case DST:
		return e->to == q->to;
	case DST_OUT:
		return e->from == q->to;
	case SERVICE:
		return e->to == q->to && e->port == q->port;
	default:
		return e->from == q->from && e->to == q->to && e->port == q->port;
	}
}

/* Whether the fact makes the thing known: a host is one in either role. */
static bool is_begin_of(const struct event *e, enum thing thing, const struct event *q)
{
	uint32_t host = thing == SRC || thing == SRC_IN ? q->from : q->to;

	if (e->what != LJ_HOST_BEGIN)
		return false;
	return thing >= SERVICE ? counts_for(e, thing, q) : e->from == host || e->to == host;
}

/* The first event from which the thing is remembered without a break; n_events: not at all. */
static uint32_t known_since(enum thing thing, const struct event *q)
{
	uint32_t since = n_events;
	uint64_t latest = 0;

	for (uint32_t i = 0; i < n_events; i++) {
		if (!is_begin_of(&events[i], thing, q))
			continue;
		if (since == n_events || events[i].beat - latest >= 480)
			since = i;
		latest = events[i].beat;
	}
	return since < n_events && q->beat - latest < 480 ? since : n_events;
}

static bool in_window(const struct event *e, const struct event *q, int w)
{
	static const uint64_t beats[] = {1, 12, 120};

	return q->beat / beats[w] - e->beat / beats[w] < 4;
}

static bool failed(const struct event *e)
{
	return e->outcome == LJ_HOST_UNANSWERED || e->outcome == LJ_HOST_HALF_OPEN ||
	       e->outcome == LJ_HOST_REJECTED;
}

/* Values seen, without order. */
struct set {
	uint64_t value[FACTS];
	uint32_t n;
};

static void put(struct set *s, uint64_t value)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->value[i] == value)
			return;
	s->value[s->n++] = value;
}

static void twin_view(struct lj_host_view *v, enum thing thing, const struct event *q, int w)
{
	static struct set peers, ports, pairs, failed_peers, failed_ports, sizes;
	bool answers = thing == SRC_IN || thing == DST || thing == SERVICE;
	bool reversed = thing == SRC_IN || thing == DST_OUT;

	peers.n = ports.n = pairs.n = failed_peers.n = failed_ports.n = sizes.n = 0;
	memset(v, 0, sizeof(*v));
	if (reversed && w == LJ_HOST_5S)
		return;
	for (uint32_t i = known_since(thing, q); i < n_events; i++) {
		const struct event *e = &events[i];
		uint32_t peer = answers ? e->from : e->to;

		if (!counts_for(e, thing, q) || !in_window(e, q, w))
			continue;
		if (e->what == LJ_HOST_BEGIN) {
			v->count[LJ_HOST_FLOWS]++;
			put(&peers, peer);
			put(&ports, e->port);
			put(&pairs, (uint64_t)e->to << 16 | e->port);
			continue;
		}
		if (thing < SERVICE && w != LJ_HOST_5S) {
			v->sent += (e->bytes[answers] + 15) / 16;
			v->received += (e->bytes[!answers] + 15) / 16;
		}
		if (reversed)
			continue;
		v->count[LJ_HOST_ENDED]++;
		v->count[LJ_HOST_UNANSWEREDS] += e->outcome == LJ_HOST_UNANSWERED;
		v->count[LJ_HOST_HALF_OPENS] += e->outcome == LJ_HOST_HALF_OPEN;
		v->count[LJ_HOST_REJECTEDS] += e->outcome == LJ_HOST_REJECTED;
		v->count[LJ_HOST_SILENTS] += e->outcome == LJ_HOST_SILENT;
		put(&sizes, e->size);
		if (failed(e)) {
			put(&failed_peers, peer);
			put(&failed_ports, e->port);
		}
	}
	if (thing == SRC || thing == SERVICE)
		v->count[LJ_HOST_SIZES] = sizes.n;
	if (thing == PAIR)
		return;
	v->count[LJ_HOST_PEERS] = peers.n;
	if (thing == SERVICE || reversed)
		return;
	v->count[LJ_HOST_PORTS] = ports.n;
	if (thing != SRC)
		return;
	v->count[LJ_HOST_PAIRS] = pairs.n;
	v->count[LJ_HOST_FAILED_PEERS] = failed_peers.n;
	v->count[LJ_HOST_FAILED_PORTS] = failed_ports.n;
}

static void twin_rhythm(struct lj_host_rhythm *r, const struct event *q)
{
	uint32_t gaps = 0, ends = 0;
	uint64_t latest = 0;

	memset(r, 0, sizeof(*r));
	for (uint32_t i = known_since(PAIR, q); i < n_events; i++) {
		const struct event *e = &events[i];

		if (!counts_for(e, PAIR, q))
			continue;
		if (e->what == LJ_HOST_END) {
			r->bytes[0][ends % 8] = (uint32_t)e->bytes[0];
			r->bytes[1][ends % 8] = (uint32_t)e->bytes[1];
			r->duration_ms[ends % 8] = e->duration_ms;
			r->size[ends++ % 8] = e->size;
		} else {
			if (latest != 0 && e->time_ns - latest <= 600 * SECOND)
				r->gap_us[gaps++ % 8] = (uint32_t)((e->time_ns - latest) / 1000);
			else
				gaps = ends = 0;
			latest = e->time_ns;
		}
	}
	r->gaps = RTE_MIN(gaps, 8u);
	r->ends = RTE_MIN(ends, 8u);
}

static bool same_rhythm(const struct lj_host_rhythm *a, const struct lj_host_rhythm *b)
{
	return a->gaps == b->gaps && a->ends == b->ends &&
	       memcmp(a->gap_us, b->gap_us, a->gaps * sizeof(uint32_t)) == 0 &&
	       memcmp(a->bytes[0], b->bytes[0], a->ends * sizeof(uint32_t)) == 0 &&
	       memcmp(a->bytes[1], b->bytes[1], a->ends * sizeof(uint32_t)) == 0 &&
	       memcmp(a->size, b->size, a->ends * sizeof(uint32_t)) == 0 &&
	       memcmp(a->duration_ms, b->duration_ms, a->ends * sizeof(uint32_t)) == 0;
}

/* How many of the context's views differ from the twin's. */
static uint32_t differences(const struct lj_host_context *context, const struct event *q)
{
	const struct lj_host_view *views[] = {context->src,	context->src_in,  context->dst,
					      context->dst_out, context->service, context->pair};
	struct lj_host_rhythm rhythm;
	uint32_t differ = 0;

	for (int thing = SRC; thing <= PAIR; thing++)
		for (int w = 0; w < LJ_HOST_WINDOWS; w++) {
			struct lj_host_view twin;

			twin_view(&twin, (enum thing)thing, q, w);
			differ += memcmp(&twin, &views[thing][w], sizeof(twin)) != 0;
		}
	twin_rhythm(&rhythm, q);
	return differ + !same_rhythm(&rhythm, &context->rhythm);
}

static struct event random_event(uint64_t time_ns)
{
	struct event e = {.time_ns = time_ns,
			  .from = roll(HOSTS),
			  .to = roll(HOSTS),
			  .port = (uint16_t)roll(PORTS),
			  .what = roll(2) ? LJ_HOST_BEGIN : LJ_HOST_END,
			  .outcome = (uint8_t)roll(5),
			  .size = roll(6),
			  .duration_ms = roll(1000),
			  .bytes = {roll(5000), roll(100000)}};

	e.beat = time_ns / (SECOND * 5 / 4);
	return e;
}

/* Feeds random facts `gap_ns` apart (at most) to both and compares after some of them. */
static void compare(uint64_t seed, uint64_t gap_ns)
{
	struct lj_host *h = stage_of(4096);
	struct lj_host_context context = {0};
	uint64_t now = START;
	uint32_t differ = 0;

	random_state = seed;
	for (n_events = 0; n_events < FACTS;) {
		struct event e = random_event(now += gap_ns * roll(1000) / 1000);
		struct lj_host_fact f = fact(e.what, e.from, e.to, e.port, now);

		struct lj_host_step step = {&f, NULL};

		f.outcome = e.outcome;
		f.size = e.size;
		f.duration_ms = e.duration_ms;
		f.bytes[0] = (uint32_t)e.bytes[0];
		f.bytes[1] = (uint32_t)e.bytes[1];
		step.context = (n_events + 1) % 16 == 0 ? &context : NULL;
		lj_host_follow(h, &step, 1);
		events[n_events++] = e;
		if (step.context == NULL)
			continue;
		differ += differences(&context, &e);
	}
	CU_ASSERT_EQUAL(differ, 0);
	CU_ASSERT_EQUAL(lj_counter_read(&counters, LJ_C_host_evicted), 0);
	lj_host_destroy(h);
}

static void dense_traffic_counts_as_the_twin(void)
{
	compare(1, SECOND / 50);
}

static void traffic_over_an_hour_counts_as_the_twin(void)
{
	compare(2, 2 * SECOND);
}

static void sparse_traffic_with_hosts_forgotten_between_counts_as_the_twin(void)
{
	compare(3, 200 * SECOND);
}

int main(void)
{
	static const struct lj_test tests[] = {
		{"dense traffic counts as the twin", dense_traffic_counts_as_the_twin},
		{"traffic over an hour counts as the twin",
		 traffic_over_an_hour_counts_as_the_twin},
		{"sparse traffic, with hosts forgotten between, counts as the twin",
		 sparse_traffic_with_hosts_forgotten_between_counts_as_the_twin},
	};

	return lj_test_run("host_twin", tests, RTE_DIM(tests));
}
