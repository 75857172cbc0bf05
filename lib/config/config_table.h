/* Private: the table of configuration keys. Thread: main. */
#ifndef CONFIG_TABLE_H
#define CONFIG_TABLE_H

#include <jansson.h>

#include "lj_config.h"

enum key_type { BOOL, U32, SECONDS, MILLISECONDS, TEXT, CHOICE, STRINGS, PORTS };

struct key {
	const char *path;
	enum key_type type;
	size_t offset;
	double min, max; /* of numbers; TEXT: min 1 is "not empty" */
	const char *standard;
	const char *choices; /* "a|b|c", the index is the value */
	const char *help;
};

extern const struct key config_keys[];
extern const size_t config_n_keys;
extern const struct key config_port_keys[];
extern const size_t config_n_port_keys;

/* Parses a JSON file; the caller owns the result. NULL and `err`: why it cannot be read, or
 * "file.json:12:3" with the syntax error. */
json_t *config_read_json(const char *path, struct lj_error *err);
/* Sets the key's member of `base` from a JSON value; `where` is the full path for errors. */
int config_set_value(void *base, const struct key *key, const json_t *value, const char *where,
		     struct lj_error *err);
/* Likewise from text, as in the table's default or --set. */
int config_set_text(void *base, const struct key *key, const char *text, const char *where,
		    struct lj_error *err);
/* Whether the key defaults to a value of the first model. A dump writes null for it unless it was
 * set, which reads back as not given. */
bool config_of_model(const struct key *key);
void config_strings_free(struct lj_strings *s);
/* The EAL's --lcores: main, then the lcores that run roles. 0 or -errno. */
int config_place_lcores(const struct lj_config *c, char *out, size_t size, struct lj_error *err);
int config_strings_add(struct lj_strings *s, const char *text);

#endif
