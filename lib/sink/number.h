/* Private: fast number formatting. */
#ifndef NUMBER_H
#define NUMBER_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NUMBER_BYTES 40

/*
 * Writes exactly what printf("%.17g") would, which reads back as the same double, without the NUL.
 * Returns the length; bytes of `out` after it, up to NUMBER_BYTES, may be overwritten. Falls back
 * to printf for values that %g writes with an exponent.
 */
size_t number_write(char *out, double value);
/* The same as %llu. */
size_t number_write_whole(char *out, uint64_t value);
/* The same as %08u of a value < 10^8; writes exactly 8 bytes. */
void number_write_eight(char *out, uint32_t value);
/* The same as %.6g. */
size_t number_write_short(char *out, double value);

/* Limit of number_write_small(); most values are small counts and flags. */
#define NUMBER_SMALL 10000

/* Whether the value is an integer in 0..NUMBER_SMALL - 1, then stored in *n. -0.0 is not. */
static inline bool number_is_small(double value, uint32_t *n)
{
	/* INT_MIN for NaN and for what does not fit. */
	int whole = _mm_cvttsd_si32(_mm_set_sd(value));
	double again = whole;

	*n = (uint32_t)whole;
	return memcmp(&again, &value, sizeof(value)) == 0 && *n < NUMBER_SMALL;
}

/* Branch-free, since the number of digits is unpredictable. */
static inline size_t number_write_small(char *out, uint32_t n)
{
	uint32_t pairs, tens, digits, zeros;

	pairs = n * 5243 >> 19; /* n / 100 */
	pairs |= (n - 100 * pairs) << 16;
	tens = (pairs * 103 >> 10) & 0x000f000f; /* each / 10 */
	digits = tens | (pairs - 10 * tens) << 8;
	/* Shift out leading zeros (the low bytes), but keep at least one digit. */
	zeros = (uint32_t)__builtin_ctz(digits | 1u << 24) & ~7u;
	digits = (digits | 0x30303030) >> zeros;
	memcpy(out, &digits, sizeof(digits));
	return sizeof(digits) - zeros / 8;
}

#endif
