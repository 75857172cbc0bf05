/* Private: appends members of a JSON object to a line; the caller adds the commas between them. */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#include <stdbool.h>

#include "text.h"

/* "key": */
static inline void add_key(struct text *t, const char *key)
{
	text_string(t, "\"");
	text_string(t, key);
	text_string(t, "\":");
}

/* A string that needs no escapes. */
static inline void add_word(struct text *t, const char *key, const char *word)
{
	add_key(t, key);
	text_string(t, "\"");
	text_string(t, word);
	text_string(t, "\"");
}

static inline void add_number(struct text *t, const char *key, uint64_t value)
{
	add_key(t, key);
	text_number(t, value);
}

static inline void add_flag(struct text *t, const char *key, bool value)
{
	add_key(t, key);
	text_string(t, value ? "true" : "false");
}

static inline bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Length of the non-ASCII UTF-8 character at `at`; 0 if it is not valid UTF-8 (RFC 3629). */
static inline size_t utf8_bytes(const char *at)
{
	const unsigned char *c = (const unsigned char *)at;
	size_t n = c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

	for (size_t i = 1; i < n; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong, a surrogate, or above U+10FFFF. */
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
	    (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90))
		return 0;
	return n;
}

/* Appends one character that needs an escape or is not ASCII; returns how many bytes of `at` it
 * was. File names may be any bytes: one that is not UTF-8 becomes U+FFFD. */
static inline size_t add_character(struct text *t, const char *at)
{
	unsigned char c = (unsigned char)*at;
	size_t n = c < 0x80 ? 1 : utf8_bytes(at);

	if (c < 0x80)
		text_add(t, c < 0x20 ? "\\u%04x" : "\\%c", c);
	else if (n > 0)
		text_put(t, at, n);
	else
		text_string(t, "\\ufffd");
	return n > 0 ? n : 1;
}

/* Without the quotes around it. */
static inline void add_escaped(struct text *t, const char *value)
{
	while (*value != '\0') {
		size_t plain = 0;

		while (is_plain((unsigned char)value[plain]))
			plain++;
		text_put(t, value, plain);
		value += plain;
		if (*value != '\0')
			value += add_character(t, value);
	}
}

static inline void add_string(struct text *t, const char *key, const char *value)
{
	add_key(t, key);
	text_string(t, "\"");
	add_escaped(t, value);
	text_string(t, "\"");
}

#endif
