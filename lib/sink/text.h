/*
 * Private: appends text to a line in a buffer; text_fits() tells whether all of it fitted. printf
 * is slow: only for what rarely appears in a line.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "number.h"

struct text {
	char *begin;
	size_t used, size;
};

__attribute__((format(printf, 2, 3))) static inline void text_add(struct text *t, const char *fmt,
								  ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->begin + t->used, t->size - t->used, fmt, ap);
	va_end(ap);
	t->used = n < 0 || t->used + (size_t)n >= t->size ? t->size - 1 : t->used + (size_t)n;
}

static inline void text_put(struct text *t, const char *bytes, size_t n)
{
	size_t room = t->size - 1 - t->used;

	n = n < room ? n : room;
	memcpy(t->begin + t->used, bytes, n);
	t->used += n;
}

static inline void text_string(struct text *t, const char *string)
{
	text_put(t, string, strlen(string));
}

static inline void text_number(struct text *t, uint64_t value)
{
	char digits[NUMBER_BYTES];

	text_put(t, digits, number_write_whole(digits, value));
}

/* `n` <= 8 digits, with leading zeros. */
static inline void text_digits(struct text *t, uint32_t value, size_t n)
{
	char digits[8];

	number_write_eight(digits, value);
	text_put(t, digits + sizeof(digits) - n, n);
}

/* Two hexadecimal digits. */
static inline void text_hex(struct text *t, uint8_t value)
{
	static const char digits[] = "0123456789abcdef";
	const char two[2] = {digits[value >> 4], digits[value & 15]};

	text_put(t, two, sizeof(two));
}

static inline int text_fits(const struct text *t)
{
	return t->used + 1 < t->size;
}

#endif
