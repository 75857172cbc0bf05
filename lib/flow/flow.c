#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "flow_table.h"
#include "lj_memory.h"

/* Slots beyond the capacity: as many records as one update can lend. */
#define SPARE_SLOTS (2 * LJ_BURST_MAX)

static uint64_t bucket_count(uint32_t capacity)
{
	/* Half full at capacity: few records live outside their home bucket. */
	return rte_align64pow2(RTE_MAX((uint64_t)capacity / 4, 16ULL));
}

uint64_t lj_flow_memory(uint32_t capacity)
{
	uint64_t slots = (uint64_t)capacity + SPARE_SLOTS, records = slots + SPARE_RECORDS;

	return sizeof(struct lj_flow_table) + bucket_count(capacity) * sizeof(struct bucket) +
	       slots * (sizeof(struct flow_slot) + sizeof(struct flow_expired) + sizeof(uint32_t)) +
	       records * (sizeof(struct lj_flow) + sizeof(struct flow_link));
}

static uint64_t record_count(const struct lj_flow_table *t)
{
	return (uint64_t)t->capacity + SPARE_RECORDS;
}

static void set_quick_limits(struct lj_flow_table *t)
{
	const struct lj_flow_config *c = &t->config;

	/* Gaps in a log have 32 bits. */
	t->quick.gap_ns = RTE_MIN(c->idle_timeout_ns, (uint64_t)UINT32_MAX);
	t->quick.age_ns = c->active_timeout_ns;
	if (c->classify_after_ns > 0)
		t->quick.age_ns = RTE_MIN(t->quick.age_ns, c->classify_after_ns);
	t->quick.packets = c->classify_at > 0 ? c->classify_at - 1 : UINT32_MAX;
}

struct lj_flow_table *lj_flow_create(const char *name, const struct lj_flow_config *config,
				     struct lj_counters *counters)
{
	uint64_t buckets = bucket_count(config->capacity);
	struct lj_flow_table *t;
	uint64_t records;

	t = lj_memory_map(name, sizeof(*t), config->socket_id);
	if (t == NULL)
		goto no_memory;
	t->config = *config;
	set_quick_limits(t);
	t->counters = counters;
	t->bucket_mask = buckets - 1;
	t->capacity = config->capacity + SPARE_SLOTS;
	t->evict_next = NONE;
	memset(t->slot, 0xff, sizeof(t->slot));
	while (t->n_spare < SPARE_RECORDS) {
		t->spare[t->n_spare] = t->capacity + t->n_spare;
		t->n_spare++;
	}
	t->buckets = lj_memory_map(name, buckets * sizeof(*t->buckets), config->socket_id);
	records = record_count(t);
	t->slots = lj_memory_map(name, t->capacity * sizeof(*t->slots), config->socket_id);
	t->records = lj_memory_map(name, records * sizeof(*t->records), config->socket_id);
	t->links = lj_memory_map(name, records * sizeof(*t->links), config->socket_id);
	t->expired = lj_memory_map(name, t->capacity * sizeof(*t->expired), config->socket_id);
	t->free = lj_memory_map(name, t->capacity * sizeof(*t->free), config->socket_id);
	if (t->buckets != NULL && t->slots != NULL && t->records != NULL && t->links != NULL &&
	    t->expired != NULL && t->free != NULL)
		return t;
no_memory:
	lj_flow_destroy(t);
	rte_errno = ENOMEM;
	return NULL;
}

void lj_flow_destroy(struct lj_flow_table *t)
{
	if (t == NULL)
		return;
	lj_memory_unmap(t->free, t->capacity * sizeof(*t->free));
	lj_memory_unmap(t->expired, t->capacity * sizeof(*t->expired));
	lj_memory_unmap(t->links, record_count(t) * sizeof(*t->links));
	lj_memory_unmap(t->records, record_count(t) * sizeof(*t->records));
	lj_memory_unmap(t->slots, t->capacity * sizeof(*t->slots));
	lj_memory_unmap(t->buckets, (t->bucket_mask + 1) * sizeof(*t->buckets));
	lj_memory_unmap(t, sizeof(*t));
}

void lj_flow_configure(struct lj_flow_table *t, const struct lj_flow_config *config)
{
	t->config.classify_at = config->classify_at;
	t->config.classify_after_ns = config->classify_after_ns;
	t->config.idle_timeout_ns = config->idle_timeout_ns;
	t->config.active_timeout_ns = config->active_timeout_ns;
	t->config.tcp_linger_ns = config->tcp_linger_ns;
	set_quick_limits(t);
}

void lj_flow_note_loss(struct lj_flow_table *t)
{
	t->loss_epoch++;
}

uint32_t lj_flow_active(const struct lj_flow_table *t)
{
	return t->active;
}

const void *lj_flow_index(const struct lj_flow_table *t, uint64_t *mask)
{
	*mask = t->bucket_mask;
	return t->buckets;
}

const struct lj_flow_begun *lj_flow_begun(const struct lj_flow_table *t, uint16_t *n)
{
	*n = t->n_begun;
	return t->begun;
}

uint32_t lj_flow_records(const struct lj_flow_table *t)
{
	return t->high_water;
}

bool lj_flow_live(const struct lj_flow_table *t, uint32_t index, struct lj_flow_head *head,
		  struct lj_flow_identity *identity)
{
	struct flow_slot *s = slot_at(t, index);

	if (!is_live(s))
		return false;
	*head = s->head;
	*identity = *identity_at(t, s);
	return true;
}

void lj_flow_note_parted(struct lj_flow_table *t, uint32_t index)
{
	identity_at(t, slot_at(t, index))->loss_epoch = (uint16_t)(t->loss_epoch - 1);
}
