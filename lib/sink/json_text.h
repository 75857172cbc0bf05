/* Private: members of a JSON object, appended to a line; commas between them are the caller's. */
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

static inline bool is_escaped(unsigned char c)
{
	return c == '"' || c == '\\' || c < 0x20;
}

static inline void add_string(struct text *t, const char *key, const char *value)
{
	add_key(t, key);
	text_string(t, "\"");
	while (*value != '\0') {
		size_t plain = 0;

		while (!is_escaped((unsigned char)value[plain])) /* as its end is */
			plain++;
		text_put(t, value, plain);
		value += plain;
		if (*value == '\0')
			break;
		text_add(t, *value < 0x20 ? "\\u%04x" : "\\%c", *value);
		value++;
	}
	text_string(t, "\"");
}

#endif
