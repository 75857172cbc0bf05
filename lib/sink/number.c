#include <math.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

#define DIGITS	      17
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023

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
};

/* Of 1 <= n <= 10^17; 1 of 0. */
static int count_digits(uint64_t n)
{
	/* log10(2) is 1233 / 4096, about: right or one too few. */
	int digits = (64 - __builtin_clzll(n | 1)) * 1233 >> 12;

	return digits + (n >= power_of_10[digits] || n == 0);
}

static inline void write_pair(char *out, uint32_t n)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	memcpy(out, &pairs[2 * n], 2);
}

static inline void write_four(char *out, uint32_t n)
{
	write_pair(out, n / 100);
	write_pair(out + 2, n % 100);
}

/* Eight at a time, by 32-bit divisions: those of 64 bits cost twice. */
static inline void write_digits(char *out, uint64_t n, int digits)
{
	for (; digits >= 8; n /= 100000000) {
		uint32_t low = (uint32_t)(n % 100000000);

		digits -= 8;
		write_four(out + digits, low / 10000);
		write_four(out + digits + 4, low % 10000);
	}
	for (uint32_t rest = (uint32_t)n; digits > 0; rest /= 10)
		out[--digits] = (char)('0' + rest % 10);
}

/* Most numbers are: counts, flags, ports. */
static inline size_t write_small(char *out, uint32_t n)
{
	if (n < 10) {
		*out = (char)('0' + n);
		return 1;
	}
	if (n < 100) {
		write_pair(out, n);
		return 2;
	}
	if (n < 1000) {
		*out = (char)('0' + n / 100);
		write_pair(out + 1, n % 100);
		return 3;
	}
	write_four(out, n);
	return 4;
}
#define SMALL 10000

/* floor(log10(value)) of 1e-4 <= value < 1e17. None of these literals is below what it stands for,
 * and the double below each of them is. */
static int exponent_of(double value)
{
	if (value >= 1)
		return count_digits((uint64_t)value) - 1;
	return value >= 0.1 ? -1 : value >= 0.01 ? -2 : value >= 0.001 ? -3 : -4;
}

/*
 * The 17 digits of a value that is no whole number, 1e-4 <= value < 1e17, rounded half to even as
 * printf rounds. All of it is exact: 53 bits of mantissa times 10^20 at most are 120 bits.
 */
static uint64_t round_to_digits(double value, int exponent)
{
	int scale = DIGITS - 1 - exponent, shift;
	unsigned __int128 scaled, half, rest;
	uint64_t bits, n;

	memcpy(&bits, &value, sizeof(bits));
	scaled = (bits & ((1ULL << MANTISSA_BITS) - 1)) | 1ULL << MANTISSA_BITS;
	shift = MANTISSA_BITS - ((int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS);
	half = (unsigned __int128)1 << (shift - 1);
	scaled *= power_of_10[scale / 2];
	scaled *= power_of_10[scale - scale / 2];
	n = (uint64_t)(scaled >> shift);
	rest = scaled & (2 * half - 1);
	return n + (rest > half || (rest == half && (n & 1)));
}

/* How many of the digits are left without the zeros at the end. */
static inline int significant(const char text[DIGITS])
{
	uint64_t eight;
	int n = DIGITS;

	for (; n > 8; n -= 8) {
		memcpy(&eight, text + n - 8, sizeof(eight));
		eight ^= 0x3030303030303030;
		if (eight != 0)
			return n - __builtin_clzll(eight) / 8;
	}
	return n;
}

static size_t write_fraction(char *out, double value)
{
	int exponent = exponent_of(value), before, n;
	uint64_t digits = round_to_digits(value, exponent);
	/* Copies are of DIGITS bytes, whatever is needed: it costs less than to ask. */
	char text[2 * DIGITS], *at = out;

	if (digits == power_of_10[DIGITS]) { /* 9.99... has become 10 */
		digits /= 10;
		exponent++;
	}
	write_digits(text, digits, DIGITS);
	n = significant(text);
	before = exponent >= 0 ? exponent + 1 : 0;
	if (before > 0) {
		memcpy(at, text, DIGITS);
		at += before;
	} else {
		*at++ = '0';
	}
	if (n <= before) /* the rounding made it whole */
		return (size_t)before;
	*at++ = '.';
	for (int zeros = exponent; zeros < -1; zeros++)
		*at++ = '0';
	memcpy(at, text + before, DIGITS);
	return (size_t)(at - out) + (size_t)(n - before);
}

size_t number_write_whole(char *out, uint64_t value)
{
	uint64_t high;
	int n;

	if (value < SMALL)
		return write_small(out, (uint32_t)value);
	high = value / power_of_10[DIGITS];
	if (high > 0) {
		n = count_digits(high);
		write_digits(out, high, n);
		write_digits(out + n, value % power_of_10[DIGITS], DIGITS);
		return (size_t)n + DIGITS;
	}
	n = count_digits(value);
	write_digits(out, value, n);
	return (size_t)n;
}

size_t number_write(char *out, double value)
{
	double size = fabs(value);
	size_t sign = 0;

	if (!signbit(value) && value < SMALL && value == (int)value)
		return write_small(out, (uint32_t)value);
	/* Also what is no number. */
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
