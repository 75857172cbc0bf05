#include "number.h"

#include <math.h>
#include <stdio.h>

#include <rte_common.h>

#define DIGITS	      17 /* of %.17g */
#define SHORT_DIGITS  6	 /* of %.6g */
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023

#define TEN_8  100000000ULL
#define TEN_16 10000000000000000ULL
#define TEN_17 100000000000000000ULL

static const uint64_t power_of_10[] = {
	1ULL,
	10ULL,
	100ULL,
	1000ULL,
	10000ULL,
	100000ULL,
	1000000ULL,
	10000000ULL,
	100000000ULL,
	1000000000ULL,
	10000000000ULL,
	100000000000ULL,
	1000000000000ULL,
	10000000000000ULL,
	100000000000000ULL,
	1000000000000000ULL,
	10000000000000000ULL,
	100000000000000000ULL,
	1000000000000000000ULL,
	10000000000000000000ULL,
};

/* The eight decimal digits of n < 10^8 as byte values 0 to 9, the first digit in the lowest
 * byte. */
static inline uint64_t digits_of(uint32_t n)
{
	uint32_t high = n / 10000;
	uint64_t fours = high | (uint64_t)(n - 10000 * high) << 32;
	uint64_t hundreds = (fours * 5243 >> 19) & 0x0000007f0000007f;
	uint64_t pairs = hundreds | (fours - 100 * hundreds) << 16;
	uint64_t tens = (pairs * 103 >> 10) & 0x000f000f000f000f;

	return tens | (pairs - 10 * tens) << 8;
}

static inline uint64_t text_of(uint64_t digits)
{
	return digits | 0x3030303030303030;
}

void number_write_eight(char *out, uint32_t value)
{
	uint64_t text = text_of(digits_of(value));

	memcpy(out, &text, sizeof(text));
}

/* Powers of ten from 1e-4. Each literal is at least the exact power, and the next smaller double is
 * less than it, so that comparing with it is exact. */
static const double power_from_4th[] = {1e-4, 1e-3, 1e-2, 1e-1, 1e0,  1e1, 1e2,	 1e3,
					1e4,  1e5,  1e6,  1e7,	1e8,  1e9, 1e10, 1e11,
					1e12, 1e13, 1e14, 1e15, 1e16, 1e17};

/* floor(log10(value)) for 1e-4 <= value < 1e17. */
static inline int exponent_of(double value)
{
	uint64_t bits;
	int exponent;

	memcpy(&bits, &value, sizeof(bits));
	/* log10(2) is about 1233 / 4096; the estimate is exact or one too low. */
	exponent = (((int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS) * 1233) >> 12;
	return exponent + (value >= power_from_4th[exponent + 1 + 4]);
}

/*
 * The first `count` <= 17 digits of a value with a fraction, 1e-4 <= value < 10^count, rounded half
 * to even like printf. The arithmetic is exact: a mantissa of 53 bits times at most 10^20 needs 120
 * bits.
 */
static inline uint64_t round_to_digits(double value, int exponent, int count)
{
	int scale = count - 1 - exponent, shift;
	unsigned __int128 scaled, half, rest;
	uint64_t bits, n;

	memcpy(&bits, &value, sizeof(bits));
	scaled = (bits & ((1ULL << MANTISSA_BITS) - 1)) | 1ULL << MANTISSA_BITS;
	shift = MANTISSA_BITS - ((int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS);
	half = (unsigned __int128)1 << (shift - 1);
	scaled *= power_of_10[RTE_MIN(scale, 19)];
	if (scale > 19)
		scaled *= 10;
	n = (uint64_t)(scaled >> shift);
	rest = scaled & (2 * half - 1);
	return n + (rest > half || (rest == half && (n & 1)));
}

/* Keeps the digits in registers until they are text: reading back what was just stored in pieces
 * stalls on store forwarding. */
static size_t write_fraction(char *out, double value)
{
	int exponent = exponent_of(value), before, n;
	uint64_t digits = round_to_digits(value, exponent, DIGITS), first, middle, last;
	unsigned __int128 text;
	char *at;

	if (digits == TEN_17) { /* 9.99... rounded up to 10 */
		digits = TEN_16;
		exponent++;
	}
	first = digits / TEN_16;
	digits -= first * TEN_16;
	middle = digits_of((uint32_t)(digits / TEN_8));
	last = digits_of((uint32_t)(digits % TEN_8));
	/* Strip trailing zeros. */
	n = last != 0	  ? DIGITS - __builtin_clzll(last) / 8
	    : middle != 0 ? 9 - __builtin_clzll(middle) / 8
			  : 1;
	text = (unsigned __int128)text_of(last) << 64 | text_of(middle);
	before = exponent + 1;
	at = out;
	if (before <= 0) {
		memcpy(out, "0.000000", 8);
		at += 2 - before;
	}
	*at = (char)('0' + first);
	memcpy(at + 1, &text, sizeof(text));
	if (before <= 0)
		return (size_t)(at - out + n);
	if (n <= before) /* rounded to a whole number */
		return (size_t)before;
	text >>= 8 * (before - 1);
	at[before] = '.';
	memcpy(at + before + 1, &text, sizeof(text));
	return (size_t)n + 1;
}

size_t number_write_whole(char *out, uint64_t value)
{
	uint64_t digits, text, high;
	int zeros;
	size_t n;

	if (value < TEN_8) {
		digits = digits_of((uint32_t)value);
		/* Skip leading zeros, which are the lowest bytes, but keep the last digit. */
		zeros = __builtin_ctzll(digits | 1ULL << 56) & ~7;
		text = text_of(digits) >> zeros;
		memcpy(out, &text, sizeof(text));
		return sizeof(text) - (size_t)zeros / 8;
	}
	high = value / TEN_8;
	n = number_write_whole(out, high);
	number_write_eight(out + n, (uint32_t)(value - high * TEN_8));
	return n + 8;
}

size_t number_write(char *out, double value)
{
	double size = fabs(value);
	size_t sign = 0;
	uint32_t small;

	if (number_is_small(value, &small))
		return number_write_small(out, small);
	/* Includes NaN. */
	if (!(size < 1e17 && (size >= 1e-4 || value == 0))) {
		char text[NUMBER_BYTES];
		int n = snprintf(text, sizeof(text), "%.17g", value);

		memcpy(out, text, (size_t)n);
		return (size_t)n;
	}
	if (signbit(value))
		out[sign++] = '-';
	if (size == (double)(uint64_t)size)
		return sign + number_write_whole(out + sign, (uint64_t)size);
	return sign + write_fraction(out + sign, size);
}

/* 1e-4 <= value < 1e5, with a fraction. */
static size_t write_short_fraction(char *out, double value)
{
	int exponent = exponent_of(value), before, n;
	uint64_t digits = round_to_digits(value, exponent, SHORT_DIGITS), text;
	char *at = out;

	if (digits == 1000000) { /* 9.99... rounded up to 10 */
		digits = 100000;
		exponent++;
	}
	digits = digits_of((uint32_t)digits * 100);
	text = text_of(digits);
	n = 8 - __builtin_clzll(digits) / 8;
	before = exponent + 1;
	if (before <= 0) {
		memcpy(out, "0.000000", 8);
		at += 2 - before;
		memcpy(at, &text, sizeof(text));
		return (size_t)(at - out + n);
	}
	memcpy(at, &text, sizeof(text));
	if (n <= before)
		return (size_t)before;
	text >>= 8 * before;
	at[before] = '.';
	memcpy(at + before + 1, &text, sizeof(text));
	return (size_t)n + 1;
}

size_t number_write_short(char *out, double value)
{
	char text[NUMBER_BYTES];
	uint32_t small;
	int n;

	if (number_is_small(value, &small))
		return number_write_small(out, small);
	if (value >= 1e-4 && value < 1e5 && value != (double)(uint64_t)value)
		return write_short_fraction(out, value);
	n = snprintf(text, sizeof(text), "%.6g", value);
	memcpy(out, text, (size_t)n);
	return (size_t)n;
}
