#include <rte_prefetch.h>

#include "host_table.h"

#define CLOCK_BACK_NS (600ULL * 1000000000) /* no window reaches further */
#define FIRST_BEAT    1200 /* of the epoch: 0 is never; whole sub-windows of any length */
#define BEAT_MASK     0x7fffffffu

/* The kinds of marks and keys. */
enum mark {
	MARK_PEER = 1,
	MARK_PORT,
	MARK_FAILED_PEER,
	MARK_FAILED_PORT,
	MARK_SIZE,
	KEY_SERVICE,
	KEY_CONVERSATION,
	KEY_OPENING,
};

static inline uint64_t key_of(enum mark kind, uint64_t a, uint64_t b)
{
	return fold(a ^ kind * 0xd6e8feb86659fd93, b);
}

static inline bool failed(const struct lj_host_fact *fact)
{
	return fact->outcome != LJ_HOST_ANSWERED && fact->outcome != LJ_HOST_SILENT;
}

static inline struct spot ask(const struct directory *d, uint64_t hash)
{
	struct spot spot = spot_of(d, hash);

	rte_prefetch0(set_of(d, spot));
	return spot;
}

/*
 * How the sets of marks are divided, in eighths. Each kind of feature has its own sets: unread
 * features are not marked, and must not affect the values of the others. There are far more than
 * eight sets, since a stage has at least 1,024 hosts.
 */
struct share {
	uint32_t first, bits; /* 8 >> bits of them */
};
static const struct share begun = {0, 1}, of_failed = {4, 2}, of_sizes = {6, 3},
			  of_service_sizes = {7, 3};

static inline struct spot ask_mark(const struct directory *marks, struct share share, uint64_t hash)
{
	struct spot spot = spot_of(marks, hash);

	spot.set = (spot.set & (uint32_t)(marks->mask >> share.bits)) |
		   share.first << (marks->shift - 3);
	rte_prefetch0(set_of(marks, spot));
	return spot;
}

void host_ask_sets(const struct lj_host *h, struct keys *k, const struct lj_host_fact *f)
{
	uint64_t port = (uint64_t)f->protocol << 16 | f->port;
	uint64_t size = (uint64_t)f->protocol << 32 | f->size;
	uint64_t service = key_of(KEY_SERVICE, f->responder, port);
	const struct directory *marks = &h->marks;

	k->src = ask(&h->hosts, f->initiator);
	k->dst = ask(&h->hosts, f->responder);
	k->service = ask(&h->services, service);
	k->conversation = ask(&h->conversations, key_of(KEY_CONVERSATION, f->initiator, service));
	k->opening = ask(&h->openings, key_of(KEY_OPENING, f->flow_id, 0));
	k->failed = false;
	if (f->event == LJ_HOST_BEGIN) {
		k->mark[PEER] =
			ask_mark(marks, begun, key_of(MARK_PEER, f->initiator, f->responder));
		k->mark[PORT] = ask_mark(marks, begun, key_of(MARK_PORT, f->initiator, port));
	} else if (f->event == LJ_HOST_END) {
		if (h->counts & OUT_ENDED)
			k->mark[SIZE] =
				ask_mark(marks, of_sizes, key_of(MARK_SIZE, f->initiator, size));
		if (h->counts & SERVICE_ENDED)
			k->mark[SERVICE_SIZE] =
				ask_mark(marks, of_service_sizes, key_of(MARK_SIZE, service, size));
		k->failed = h->counts & OUT_OUTCOMES && failed(f);
		if (!k->failed)
			return;
		k->mark[PEER] = ask_mark(marks, of_failed,
					 key_of(MARK_FAILED_PEER, f->initiator, f->responder));
		k->mark[PORT] =
			ask_mark(marks, of_failed, key_of(MARK_FAILED_PORT, f->initiator, port));
	}
}

/* The beat of a fact: see lj_host_follow(). */
static inline uint32_t beat_of(struct lj_host *h, const struct lj_host_fact *fact)
{
	uint64_t time_ns = fact->time_ns, now_ns = h->now_ns;

	if (fact->event == LJ_HOST_LOOK)
		return h->beat;
	if (time_ns < now_ns && (fact->event != LJ_HOST_BEGIN || now_ns - time_ns <= CLOCK_BACK_NS))
		return h->beat;
	h->now_ns = time_ns;
	h->beat = (uint32_t)(time_ns / BEAT_NS + FIRST_BEAT) & BEAT_MASK;
	return h->beat;
}

/* Marks an item; returns the beat of its previous mark, or 0. */
static inline uint32_t mark(struct lj_host *h, struct spot spot, uint32_t beat)
{
	return directory_claim(&h->marks, spot, beat).before;
}

static inline struct place claim(struct lj_host *h, struct directory *d, struct spot spot,
				 uint32_t beat)
{
	struct place p = directory_claim(d, spot, beat);

	if (p.taken)
		lj_gauge(h->counters, LJ_C_host_held, ++h->held);
	if (p.evicted)
		lj_count(h->counters, LJ_C_host_evicted, 1);
	return p;
}

static inline void claim_things(struct lj_host *h, struct things *t, const struct keys *k,
				uint32_t beat)
{
	struct place service = claim(h, &h->services, k->service, beat);
	struct place conversation = claim(h, &h->conversations, k->conversation, beat);
	struct place src = claim(h, &h->hosts, k->src, beat);
	struct place dst = claim(h, &h->hosts, k->dst, beat);
	struct place opening = directory_claim(&h->openings, k->opening, beat);

	t->service = &h->service[service.index];
	t->conversation = &h->conversation[conversation.index];
	t->src = &h->host[src.index];
	t->dst = &h->host[dst.index];
	t->opening = &h->opening[opening.index];
	t->service_seen = service.before;
	t->conversation_seen = conversation.before;
	t->src_seen = src.before;
	t->dst_seen = dst.before;
	t->src_lost = src.index == dst.index && dst.before == 0;
	t->seen[PEER] = mark(h, k->mark[PEER], beat);
	t->seen[PORT] = mark(h, k->mark[PORT], beat);
}

static inline void find_things(const struct lj_host *h, struct things *t, const struct keys *k,
			       uint32_t beat)
{
	uint32_t src = directory_find(&h->hosts, k->src, beat);
	uint32_t dst = directory_find(&h->hosts, k->dst, beat);
	uint32_t service = directory_find(&h->services, k->service, beat);
	uint32_t conversation = directory_find(&h->conversations, k->conversation, beat);

	t->src = src != NONE ? &h->host[src] : NULL;
	t->dst = dst != NONE ? &h->host[dst] : NULL;
	t->service = service != NONE ? &h->service[service] : NULL;
	t->conversation = conversation != NONE ? &h->conversation[conversation] : NULL;
	t->src_lost = false;
}

static inline void mark_end(struct lj_host *h, struct things *t, const struct keys *k,
			    uint32_t beat)
{
	t->failed = k->failed;
	if (t->src != NULL && h->counts & OUT_ENDED)
		t->seen[SIZE] = mark(h, k->mark[SIZE], beat);
	if (t->src != NULL && k->failed) {
		t->seen[PEER] = mark(h, k->mark[PEER], beat);
		t->seen[PORT] = mark(h, k->mark[PORT], beat);
	}
	if (t->service != NULL && h->counts & SERVICE_ENDED)
		t->seen[SERVICE_SIZE] = mark(h, k->mark[SERVICE_SIZE], beat);
}

void host_find(struct lj_host *h, struct things *t, const struct keys *k,
	       const struct lj_host_step *step)
{
	uint32_t beat = beat_of(h, step->fact), opening;

	t->beat = beat;
	if (step->fact->event == LJ_HOST_BEGIN) {
		claim_things(h, t, k, beat);
		return;
	}
	find_things(h, t, k, beat);
	if (step->fact->event == LJ_HOST_END)
		mark_end(h, t, k, beat);
	t->opening = NULL;
	if (step->context == NULL)
		return;
	opening = directory_find(&h->openings, k->opening, beat);
	if (opening != NONE)
		t->opening = &h->opening[opening];
}
