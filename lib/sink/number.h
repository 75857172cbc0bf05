/* Private: numbers as text, fast. */
#ifndef NUMBER_H
#define NUMBER_H

#include <emmintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NUMBER_BYTES 40

/*
 * Writes what printf's %.17g would, to the byte, which reads back as the same double; without a
 * NUL. Returns how many bytes; what is behind them, up to NUMBER_BYTES, may be overwritten. Whole
 * numbers, and what %g writes without an exponent, are made here; for the rest it asks printf.
 */
size_t number_write(char *out, double value);
/* The same as %llu. */
size_t number_write_whole(char *out, uint64_t value);
/* The same as %08u, of less than 10^8: 8 bytes and no more. */
void number_write_eight(char *out, uint32_t value);
/* The same as %.6g. */
size_t number_write_short(char *out, double value);

/* What number_write_small() takes: most values are counts, flags, ports. */
#define NUMBER_SMALL 10000

/* Whether the value is such a number, which then is *n. By its bits: -0 is not. */
static inline bool number_is_small(double value, uint32_t *n)
{
	/* The smallest of all of what does not fit, or is no number. */
	int whole = _mm_cvttsd_si32(_mm_set_sd(value));
	double again = whole;

	*n = (uint32_t)whole;
	return memcmp(&again, &value, sizeof(value)) == 0 && *n < NUMBER_SMALL;
}

/* Without a branch: how many digits it has is nothing that could be foreseen. */
static inline size_t number_write_small(char *out, uint32_t n)
{
	uint32_t pairs, tens, digits, zeros;

	pairs = n * 5243 >> 19; /* n / 100 */
	pairs |= (n - 100 * pairs) << 16;
	tens = (pairs * 103 >> 10) & 0x000f000f; /* each / 10 */
	digits = tens | (pairs - 10 * tens) << 8;
	/* Leading zeros are the lowest bytes; the last digit stays. */
	zeros = (uint32_t)__builtin_ctz(digits | 1u << 24) & ~7u;
	digits = (digits | 0x30303030) >> zeros;
	memcpy(out, &digits, sizeof(digits));
	return sizeof(digits) - zeros / 8;
}

#endif
