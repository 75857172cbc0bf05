/* Private: the key hash, for a key that is in registers. */
#ifndef KEY_HASH_H
#define KEY_HASH_H

#include <stdint.h>

static inline uint64_t key_fold(uint64_t a, uint64_t b)
{
	uint64_t low, high;

	/* gcc 12 moves the halves of an __int128, and those of _mulx_u64(), through the stack. */
	__asm__("mulx %3, %0, %1" : "=r"(low), "=r"(high) : "d"(a), "rm"(b));
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
