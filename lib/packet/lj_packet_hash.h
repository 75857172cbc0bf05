/*
 * lj_flow_key_hash() to be inlined, for a key that is in registers.
 * Thread: any; reads only.
 */
#ifndef LJ_PACKET_HASH_H
#define LJ_PACKET_HASH_H

#include <stdint.h>
#include <string.h>

#include "lj_packet.h"

static inline uint64_t lj_key_fold(uint64_t a, uint64_t b)
{
	uint64_t low, high;

	/* gcc 12 moves the halves of an __int128, and those of _mulx_u64(), through the stack. */
	__asm__("mulx %3, %0, %1" : "=r"(low), "=r"(high) : "d"(a), "rm"(b));
	return low ^ high;
}

/* The five words of a key, each in a register: an array would go through memory. */
struct lj_key_words {
	uint64_t a, b, c, d, e;
};
_Static_assert(sizeof(struct lj_flow_key) == sizeof(struct lj_key_words), "the key is five words");

static inline struct lj_key_words lj_key_words(const struct lj_flow_key *key)
{
	struct lj_key_words words;

	memcpy(&words, key, sizeof(words));
	return words;
}

static inline uint64_t lj_key_hash(struct lj_key_words w, const uint64_t seed[4])
{
	return lj_key_fold(lj_key_fold(w.a ^ seed[0], w.b ^ seed[1]) ^ w.e,
			   lj_key_fold(w.c ^ seed[2], w.d ^ seed[3]) ^ seed[0]);
}

#endif
