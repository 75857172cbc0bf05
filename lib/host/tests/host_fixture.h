/* Facts and stages for the tests of host. */
#ifndef HOST_FIXTURE_H
#define HOST_FIXTURE_H

#include <string.h>

#include "lj_host.h"
#include "lj_test.h"

#define SECOND 1000000000ULL
#define START  (1600000050ULL * SECOND) /* the first instant of a sub-window of 150 s */

static struct lj_counters counters;

static inline struct lj_host *stage_of(uint32_t hosts)
{
	struct lj_host_config config = {
		.hosts = hosts, .wanted = LJ_HOST_PART_ALL, .socket_id = SOCKET_ID_ANY};
	struct lj_host *h;

	memset(&counters, 0, sizeof(counters));
	h = lj_host_create(&config, &counters);
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	return h;
}

/* Hashes of addresses are spread; test hosts are small numbers. */
static inline uint64_t address(uint32_t number)
{
	return (number + 1) * 0x9e3779b97f4a7c15;
}

static inline struct lj_host_fact fact(uint8_t event, uint32_t from, uint32_t to, uint16_t port,
				       uint64_t time_ns)
{
	return (struct lj_host_fact){.time_ns = time_ns,
				     .initiator = address(from),
				     .responder = address(to),
				     .port = port,
				     .protocol = 6,
				     .event = event};
}

static inline void observe(struct lj_host *h, const struct lj_host_fact *f)
{
	struct lj_host_step step = {f, NULL};

	lj_host_follow(h, &step, 1);
}

static inline void begin(struct lj_host *h, uint32_t from, uint32_t to, uint16_t port,
			 uint64_t time_ns)
{
	struct lj_host_fact f = fact(LJ_HOST_BEGIN, from, to, port, time_ns);

	observe(h, &f);
}

static inline void end(struct lj_host *h, uint32_t from, uint32_t to, uint16_t port,
		       uint64_t time_ns, enum lj_host_outcome outcome)
{
	struct lj_host_fact f = fact(LJ_HOST_END, from, to, port, time_ns);

	f.outcome = (uint8_t)outcome;
	observe(h, &f);
}

/* What stands beside a flow at `time_ns`; an end that makes nobody known brings the clock there. */
static inline const struct lj_host_context *look(struct lj_host *h, uint32_t from, uint32_t to,
						 uint16_t port, uint64_t time_ns)
{
	static struct lj_host_context context;
	struct lj_host_fact f = fact(LJ_HOST_LOOK, from, to, port, time_ns);
	struct lj_host_step step = {&f, &context};

	end(h, UINT32_MAX - 1, UINT32_MAX - 1, 0, time_ns, LJ_HOST_ANSWERED);
	lj_host_follow(h, &step, 1);
	return &context;
}

#endif
