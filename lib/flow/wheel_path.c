#include "flow_prefetch.h"
#include "flow_table.h"
#include "wheel.h"

/* How many flows are examined at most to find one to evict. */
#define EVICT_LOOKS 16
/* In live capture a poll examines at most so many flows for each that it may make due. */
#define LOOKS_PER_DUE 8

/* Searches the first tick that has records; the table must not be empty. */
static __rte_noinline uint64_t find_tick(const struct lj_flow_table *t)
{
	uint32_t from = (uint32_t)((t->tick + 1) % WHEEL_SLOTS), word = from / 64;
	uint64_t slots = t->filed[word] & UINT64_MAX << from % 64, words;

	if (slots == 0) {
		/* Search the following words, wrapping around, and last the rest of its own. */
		words = word < 63 ? t->filed_words & UINT64_MAX << (word + 1) : 0;
		word = (uint32_t)__builtin_ctzll(words != 0 ? words : t->filed_words);
		slots = t->filed[word];
	}
	from = (word * 64 + (uint32_t)__builtin_ctzll(slots) - from) % WHEEL_SLOTS;
	return t->tick + 1 + from;
}

/* Returns it; in a full table it is nearly always the same as the previous time. */
static inline uint64_t first_tick(struct lj_flow_table *t)
{
	if (!is_nearest(t))
		t->nearest = find_tick(t);
	return t->nearest;
}

uint32_t wheel_first(struct lj_flow_table *t)
{
	return t->active > 0 ? t->slot[first_tick(t) % WHEEL_SLOTS] : NONE;
}

struct flow_slot *wheel_search(struct lj_flow_table *t)
{
	struct flow_slot *oldest = NULL;

	for (int looks = 0; looks < EVICT_LOOKS && t->active > 0; looks++) {
		uint64_t tick = first_tick(t);
		uint32_t index = t->slot[tick % WHEEL_SLOTS];
		struct flow_slot *s = slot_at(t, index);

		if (deadline_tick(t, s) <= tick)
			return s;
		/* It has had packets since it was filed. */
		if (oldest == NULL || s->last_ns < oldest->last_ns)
			oldest = s;
		wheel_remove(t, index);
		wheel_file(t, s, index);
	}
	return oldest;
}

/* The progress of an advance: examined and due flows. */
struct visit {
	uint64_t clock_ns, seq;
	uint32_t looks; /* left */
	uint32_t room;	/* left in the table's `expired` */
};

static void collect(struct lj_flow_table *t, const struct lj_flow *f)
{
	t->expired[t->n_expired++] = (struct flow_expired){f->order, f->index};
}

static void expire(struct lj_flow_table *t, const struct lj_flow *f, struct visit *v)
{
	collect(t, f);
	v->room--;
}

static struct lj_order order_at(const struct lj_flow_table *t, struct flow_slot *s, uint64_t seq)
{
	return (struct lj_order){seq, identity_at(t, s)->flow_id};
}

/* Handles a flow whose tick has come: it is due, or filed under a later tick. */
static void look_at(struct lj_flow_table *t, uint32_t index, struct visit *v)
{
	struct flow_slot *s = slot_at(t, index);
	uint64_t early_ns = s->first_ns + t->config.classify_after_ns;
	enum lj_due reason = over_at(t, s, v->clock_ns);

	v->looks--;
	if (reason != LJ_DUE_NOT) {
		expire(t, flow_end(t, s, reason, order_at(t, s, v->seq)), v);
		return;
	}
	wheel_remove(t, index);
	if (!s->early && t->config.classify_after_ns > 0 && early_ns < v->clock_ns)
		expire(t, flow_early(t, s, LJ_DUE_EARLY_AGE, early_ns, order_at(t, s, v->seq)), v);
	wheel_file(t, s, index);
}

/* Advances up to tick `target`, while `looks` and `room` remain. */
static void turn(struct lj_flow_table *t, uint64_t target, struct visit *v)
{
	while (t->tick < target) {
		uint32_t *first = &t->slot[(t->tick + 1) % WHEEL_SLOTS];
		uint32_t ahead = *first;

		for (int i = 0; i < AHEAD && ahead != NONE; i++)
			ahead = prefetch_ending(t, ahead);
		while (*first != NONE && v->looks > 0 && v->room > 0) {
			if (ahead != NONE)
				ahead = prefetch_ending(t, ahead);
			look_at(t, *first, v);
		}
		if (*first != NONE)
			break;
		t->tick++;
	}
}

/* Sorts by order; heapsort, since it needs no recursion and no memory. */
static void sift(struct flow_expired *heap, uint32_t root, uint32_t n)
{
	struct flow_expired sunk = heap[root];

	for (;;) {
		uint32_t child = 2 * root + 1;

		if (child >= n)
			break;
		if (child + 1 < n && lj_order_before(heap[child].order, heap[child + 1].order))
			child++;
		if (!lj_order_before(sunk.order, heap[child].order))
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = sunk;
}

static void sort_expired(struct lj_flow_table *t)
{
	struct flow_expired *heap = t->expired;
	uint32_t n = t->n_expired;

	for (uint32_t i = n / 2; i-- > 0;)
		sift(heap, i, n);
	while (n > 1) {
		struct flow_expired last = heap[--n];

		heap[n] = heap[0];
		heap[0] = last;
		sift(heap, 0, n);
	}
}

/* Returns the next collected records. */
static uint16_t hand_out(struct lj_flow_table *t, struct lj_flow **due, uint16_t max)
{
	uint16_t n = 0;

	while (n < max && t->next_expired < t->n_expired)
		due[n++] = record_at(t, t->expired[t->next_expired++].index);
	return n;
}

/* Begins a new collection, if all of the previous one has been returned. */
static bool begin_collecting(struct lj_flow_table *t)
{
	if (t->next_expired < t->n_expired)
		return false;
	t->n_expired = t->next_expired = 0;
	return true;
}

uint16_t lj_flow_advance(struct lj_flow_table *t, uint64_t clock_ns, uint64_t seq,
			 struct lj_flow **due, uint16_t max)
{
	uint64_t target = clock_ns / LJ_FLOW_TICK_NS;
	struct visit v = {clock_ns, seq, (uint32_t)max * LOOKS_PER_DUE, max};

	if (t->config.ordered)
		v.looks = v.room = UINT32_MAX;
	wheel_begin(t, target);
	/* After a long silence one turn of the wheel examines every record. */
	if (target > t->tick + WHEEL_SLOTS) {
		t->tick = target - WHEEL_SLOTS;
		t->nearest = 0;
	}
	if (t->tick < target && begin_collecting(t)) {
		turn(t, target, &v);
		if (t->config.ordered)
			sort_expired(t);
	}
	return hand_out(t, due, max);
}

uint16_t lj_flow_flush(struct lj_flow_table *t, uint64_t seq, struct lj_flow **due, uint16_t max)
{
	if (begin_collecting(t)) {
		for (uint32_t i = 0; i < t->high_water; i++) {
			struct flow_slot *s = slot_at(t, i);
			enum lj_due reason = LJ_DUE_FLUSHED;

			if (!is_live(s))
				continue;
			if (s->state == LJ_FLOW_CLOSING)
				reason = closing_reason(identity_at(t, s));
			collect(t, flow_end(t, s, reason, order_at(t, s, seq + over_ns(t, s))));
		}
		if (t->config.ordered)
			sort_expired(t);
	}
	return hand_out(t, due, max);
}
