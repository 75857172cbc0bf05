#include <math.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

#define DIGITS	      17
#define MANTISSA_BITS 52

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

/* Two at a time: half the divisions. */
static void write_digits(char *out, uint64_t n, int digits)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	while (digits > 1) {
		digits -= 2;
		memcpy(out + digits, &pairs[n % 100 * 2], 2);
		n /= 100;
	}
	if (digits == 1)
		out[0] = (char)('0' + n);
}

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
	int scale = DIGITS - 1 - exponent, binary;
	uint64_t mantissa = (uint64_t)ldexp(frexp(value, &binary), MANTISSA_BITS + 1), n;
	int shift = MANTISSA_BITS + 1 - binary;
	unsigned __int128 scaled = mantissa, half = (unsigned __int128)1 << (shift - 1), rest;

	scaled *= power_of_10[scale / 2];
	scaled *= power_of_10[scale - scale / 2];
	n = (uint64_t)(scaled >> shift);
	rest = scaled & (2 * half - 1);
	return n + (rest > half || (rest == half && (n & 1)));
}

static size_t write_fraction(char *out, double value)
{
	int exponent = exponent_of(value), before, n = DIGITS;
	uint64_t digits = round_to_digits(value, exponent);
	size_t at = 0;
	char text[DIGITS];

	if (digits == power_of_10[DIGITS]) { /* 9.99... has become 10 */
		digits /= 10;
		exponent++;
	}
	write_digits(text, digits, DIGITS);
	while (text[n - 1] == '0')
		n--;
	before = exponent >= 0 ? exponent + 1 : 0;
	if (before > 0)
		memcpy(out, text, (size_t)before);
	else
		out[at++] = '0';
	at += (size_t)before;
	if (n <= before) /* the rounding made it whole */
		return at;
	out[at++] = '.';
	for (int zeros = exponent; zeros < -1; zeros++)
		out[at++] = '0';
	memcpy(out + at, text + before, (size_t)(n - before));
	return at + (size_t)(n - before);
}

size_t number_write_whole(char *out, uint64_t value)
{
	uint64_t high = value / power_of_10[DIGITS];
	int n;

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
