/* Private: lj_flow_id(), to be inlined. */
#ifndef FLOW_ID_H
#define FLOW_ID_H

#include "lj_packet_hash.h"
#include "lj_record.h"

static inline uint64_t flow_id_of(const struct lj_flow_key *key, uint64_t first_ns)
{
	/* Digits of e. Must never change: ids are the same in every run and version. */
	const uint64_t seed[4] = {0xb7e151628aed2a6a ^ first_ns, 0xbf7158809cf4f3c7,
				  0x62e7160f38b4da56 ^ (first_ns << 32 | first_ns >> 32),
				  0xa784d9045190cfef};
	/* 63 bits: readers of EVE use signed integers. */
	uint64_t id = lj_key_hash(lj_key_words(key), seed) >> 1;

	return id != 0 ? id : 1;
}

#endif
