/* Common code of the sink tests: addresses, events to write, a full disk. */
#ifndef SINK_FIXTURE_H
#define SINK_FIXTURE_H

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "lj_sink.h"

/* An IPv4 address as a key has it: IPv4-mapped. */
static inline void set_ipv4(uint8_t addr[16], uint32_t ip)
{
	memset(addr, 0, 16);
	addr[10] = addr[11] = 0xff;
	for (int i = 0; i < 4; i++)
		addr[12 + i] = (uint8_t)(ip >> (24 - 8 * i));
}

static inline struct lj_sink *open_eve(const char *path, enum lj_eve_flows flows)
{
	struct lj_eve_config config = {.target = path, .flows = flows};

	return lj_sink_open_eve(&config, NULL);
}

static inline void write_some(struct lj_sink *s, uint32_t n)
{
	static const struct lj_verdict v = {.flow.key.version = 4};
	const struct lj_verdict *one = &v;

	for (uint32_t i = 0; i < n; i++)
		lj_sink_write(s, &one, 1);
}

/* Limits the size of files to `bytes`, like a full disk, until free_disk() is called with the
 * result. */
static inline struct rlimit fill_disk(rlim_t bytes)
{
	struct rlimit before;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){bytes, before.rlim_max});
	return before;
}

static inline void free_disk(struct rlimit before)
{
	setrlimit(RLIMIT_FSIZE, &before);
}

#endif
