/* Private: the hash of a key that is in registers. */
#ifndef KEY_HASH_H
#define KEY_HASH_H

#include <stdint.h>

static inline uint64_t key_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t key_hash(const uint64_t word[5], const uint64_t seed[4])
{
	return key_fold(key_fold(word[0] ^ seed[0], word[1] ^ seed[1]) ^ word[4],
			key_fold(word[2] ^ seed[2], word[3] ^ seed[3]) ^ seed[0]);
}

#endif
