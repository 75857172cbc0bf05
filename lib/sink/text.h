/* Private: appends to a line, and remembers when it did not fit. */
#ifndef TEXT_H
#define TEXT_H

#include <stdarg.h>
#include <stdio.h>

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

static inline int text_fits(const struct text *t)
{
	return t->used + 1 < t->size;
}

#endif
