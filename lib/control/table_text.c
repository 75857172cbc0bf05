#include <string.h>

#include "control.h"

static const char *scalar_text(const json_t *value, char *out, size_t size)
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_integer(value))
		snprintf(out, size, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(out, size, "%.6g", json_real_value(value));
	else
		snprintf(out, size, "%s", json_is_true(value) ? "yes" : "no");
	return out;
}

static int widest_key(const json_t *object)
{
	int widest = 0;
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value)
		widest = RTE_MAX(widest, (int)strlen(key));
	return widest;
}

static int column_width(const json_t *rows, const char *column)
{
	int width = (int)strlen(column);
	const char *key;
	json_t *row;
	char text[64];

	json_object_foreach ((json_t *)(uintptr_t)rows, key, row)
		width = RTE_MAX(width, (int)strlen(scalar_text(json_object_get(row, column), text,
							       sizeof(text))));
	return width;
}

/* Prints rows that have the same columns: a header, then one line per row. */
static void print_rows(const json_t *rows, FILE *out)
{
	json_t *all = (json_t *)(uintptr_t)rows;
	json_t *first = json_object_iter_value(json_object_iter(all));
	int key_width = widest_key(rows);
	const char *key, *column;
	json_t *row, *value;
	char text[64];

	fprintf(out, "%-*s", key_width, "");
	json_object_foreach (first, column, value)
		fprintf(out, "  %*s", column_width(rows, column), column);
	fprintf(out, "\n");
	json_object_foreach (all, key, row) {
		fprintf(out, "%-*s", key_width, key);
		json_object_foreach (first, column, value)
			fprintf(out, "  %*s", column_width(rows, column),
				scalar_text(json_object_get(row, column), text, sizeof(text)));
		fprintf(out, "\n");
	}
}

void table_print(const json_t *reply, FILE *out)
{
	json_t *all = (json_t *)(uintptr_t)reply;
	int width = widest_key(reply);
	const char *key;
	json_t *value;
	char text[64];

	if (json_object_size(reply) == 0) {
		fprintf(out, "none\n");
		return;
	}
	if (json_is_object(json_object_iter_value(json_object_iter(all)))) {
		print_rows(reply, out);
		return;
	}
	json_object_foreach (all, key, value)
		fprintf(out, "%-*s  %s\n", width, key, scalar_text(value, text, sizeof(text)));
}
