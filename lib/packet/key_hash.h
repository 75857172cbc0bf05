/* Private: the hash of a key that is in registers. */
#ifndef KEY_HASH_H
#define KEY_HASH_H

#include <stdint.h>

#include <immintrin.h>

static inline uint64_t key_fold(uint64_t a, uint64_t b)
{
	unsigned long long high;
	/* Not by __int128, whose halves gcc 12 takes through the stack. */
	uint64_t low = _mulx_u64(a, b, &high);

	return low ^ high;
}

/* The five words of a key, each in a register: an array would go through memory. */
struct key_words {
	uint64_t a, b, c, d, e;
};

static inline uint64_t key_hash(struct key_words w, const uint64_t seed[4])
{
	return key_fold(key_fold(w.a ^ seed[0], w.b ^ seed[1]) ^ w.e,
			key_fold(w.c ^ seed[2], w.d ^ seed[3]) ^ seed[0]);
}

#endif
