#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host_table.h"
#include "lj_memory.h"

/* Marks, and open flows, for each host. */
#define MARKS_PER_HOST	  16
#define OPENINGS_PER_HOST 4

/* The number of sets of a directory with room for `places` or more. */
static uint64_t sets_for(uint64_t places)
{
	return rte_align64pow2(RTE_MAX(places / WAYS, (uint64_t)2));
}

struct sizes {
	uint64_t hosts, services, conversations, openings, marks; /* sets */
};

static struct sizes sizes_of(const struct lj_host_config *config)
{
	uint32_t least = RTE_MAX(config->hosts, 1024u);
	uint64_t hosts = RTE_MIN(least, 1u << 24);

	return (struct sizes){sets_for(hosts), sets_for(hosts / 2), sets_for(hosts),
			      sets_for(hosts * OPENINGS_PER_HOST),
			      sets_for(hosts * MARKS_PER_HOST)};
}

uint64_t lj_host_memory(const struct lj_host_config *config)
{
	struct sizes s = sizes_of(config);
	uint64_t sets = s.hosts + s.services + s.conversations + s.openings + s.marks;

	return sizeof(struct lj_host) + sets * sizeof(struct place_set) +
	       WAYS * (s.hosts * sizeof(struct host) + s.services * sizeof(struct service) +
		       s.conversations * sizeof(struct conversation) +
		       s.openings * sizeof(struct opening));
}

static bool open_directory(struct directory *d, uint64_t sets, int socket_id)
{
	d->mask = sets - 1;
	d->shift = (uint32_t)__builtin_ctzll(sets);
	d->sets = lj_memory_map("host", sets * sizeof(*d->sets), socket_id);
	return d->sets != NULL;
}

static void close_directory(struct directory *d)
{
	lj_memory_unmap(d->sets, (d->mask + 1) * sizeof(*d->sets));
}

/* What has to be counted for the parts wanted. */
static uint32_t counts_for(uint32_t wanted)
{
	static const struct {
		uint32_t wanted, counts;
	} rows[] = {
		{LJ_HOST_PART_SRC_ENDED, OUT_ENDED},
		{LJ_HOST_PART_SRC_OUTCOMES | LJ_HOST_PART_OPENING_OUTCOMES,
		 OUT_ENDED | OUT_OUTCOMES},
		{LJ_HOST_PART_DST_ENDED, IN_ENDED},
		{LJ_HOST_PART_DST_OUTCOMES, IN_ENDED | IN_OUTCOMES},
		{LJ_HOST_PART_SRC_BYTES | LJ_HOST_PART_DST_BYTES, BYTES},
		{LJ_HOST_PART_SERVICE_BEGUN | LJ_HOST_PART_OPENING_SERVICE, SERVICE_BEGUN},
		{LJ_HOST_PART_SERVICE_ENDED, SERVICE_BEGUN | SERVICE_ENDED},
		{LJ_HOST_PART_SERVICE_OUTCOMES, SERVICE_BEGUN | SERVICE_ENDED | SERVICE_OUTCOMES},
		{LJ_HOST_PART_PAIR_BEGUN | LJ_HOST_PART_OPENING_PAIR, PAIR_BEGUN},
		{LJ_HOST_PART_PAIR_OUTCOMES, PAIR_BEGUN | PAIR_OUTCOMES},
	};
	uint32_t counts = 0;

	for (size_t i = 0; i < RTE_DIM(rows); i++)
		if (wanted & rows[i].wanted)
			counts |= rows[i].counts;
	return counts;
}

struct lj_host *lj_host_create(const struct lj_host_config *config, struct lj_counters *counters)
{
	struct lj_host *h = aligned_alloc(_Alignof(struct lj_host), sizeof(*h));
	struct sizes s = sizes_of(config);
	int socket_id = config->socket_id;

	if (h == NULL)
		return NULL;
	memset(h, 0, sizeof(*h));
	h->config = *config;
	h->wanted = config->wanted;
	h->counts = counts_for(config->wanted);
	h->counters = counters;
	h->host = lj_memory_map("host", s.hosts * WAYS * sizeof(*h->host), socket_id);
	h->service = lj_memory_map("host", s.services * WAYS * sizeof(*h->service), socket_id);
	h->conversation =
		lj_memory_map("host", s.conversations * WAYS * sizeof(*h->conversation), socket_id);
	h->opening = lj_memory_map("host", s.openings * WAYS * sizeof(*h->opening), socket_id);
	if (open_directory(&h->hosts, s.hosts, socket_id) &&
	    open_directory(&h->services, s.services, socket_id) &&
	    open_directory(&h->conversations, s.conversations, socket_id) &&
	    open_directory(&h->openings, s.openings, socket_id) &&
	    open_directory(&h->marks, s.marks, socket_id) && h->host != NULL &&
	    h->service != NULL && h->conversation != NULL && h->opening != NULL)
		return h;
	lj_host_destroy(h);
	errno = ENOMEM;
	return NULL;
}

void lj_host_destroy(struct lj_host *h)
{
	struct sizes s;

	if (h == NULL)
		return;
	s = sizes_of(&h->config);
	close_directory(&h->marks);
	close_directory(&h->openings);
	close_directory(&h->conversations);
	close_directory(&h->services);
	close_directory(&h->hosts);
	lj_memory_unmap(h->opening, s.openings * WAYS * sizeof(*h->opening));
	lj_memory_unmap(h->conversation, s.conversations * WAYS * sizeof(*h->conversation));
	lj_memory_unmap(h->service, s.services * WAYS * sizeof(*h->service));
	lj_memory_unmap(h->host, s.hosts * WAYS * sizeof(*h->host));
	free(h);
}
