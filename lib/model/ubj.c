/*
 * Reads UBJSON as written by XGBoost (ubjson.org, draft 12; typed arrays `[$type#count`). Nesting
 * is limited to DEPTH_MAX, and a count is accepted only if the remaining bytes of the file can hold
 * it, so the file's size limits the memory used.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "model.h"

#define DEPTH_MAX      32
#define FILE_BYTES_MAX (1L << 30)

struct ubj {
	const uint8_t *at, *end;
	const char *problem;
};

static json_t *read_value(struct ubj *u, char type, int depth);

static json_t *problem(struct ubj *u, const char *what)
{
	if (u->problem == NULL)
		u->problem = what;
	return NULL;
}

static size_t left(const struct ubj *u)
{
	return (size_t)(u->end - u->at);
}

static char next_type(struct ubj *u)
{
	/* N is a no-op, allowed anywhere. */
	while (u->at < u->end && *u->at == 'N')
		u->at++;
	return u->at < u->end ? (char)*u->at++ : '\0';
}

/* Bytes of a number of this type; 0 if the type is not numeric. */
static size_t width_of(char type)
{
	switch (type) {
	case 'i':
	case 'U':
		return 1;
	case 'I':
		return 2;
	case 'l':
	case 'd':
		return 4;
	case 'L':
	case 'D':
		return 8;
	default:
		return 0;
	}
}

static uint64_t read_big_endian(struct ubj *u, size_t width)
{
	uint64_t value = 0;

	for (size_t i = 0; i < width; i++)
		value = value << 8 | *u->at++;
	return value;
}

static json_t *read_number(struct ubj *u, char type)
{
	size_t width = width_of(type);
	uint64_t raw;
	float single;
	double wide;

	if (left(u) < width)
		return problem(u, "the file ends inside a number");
	raw = read_big_endian(u, width);
	switch (type) {
	case 'i':
		return json_integer((int8_t)raw);
	case 'U':
		return json_integer((uint8_t)raw);
	case 'I':
		return json_integer((int16_t)raw);
	case 'l':
		return json_integer((int32_t)raw);
	case 'L':
		return json_integer((int64_t)raw);
	case 'd': {
		uint32_t bits = (uint32_t)raw;

		memcpy(&single, &bits, sizeof(single));
		wide = single;
		break;
	}
	default:
		memcpy(&wide, &raw, sizeof(wide));
	}
	return isfinite(wide) ? json_real(wide)
			      : problem(u, "a number is not finite, as where a split is "
					   "categorical, which is not supported");
}

static bool read_count(struct ubj *u, size_t *count)
{
	char type = next_type(u);
	json_t *number = width_of(type) > 0 ? read_number(u, type) : NULL;
	json_int_t value = json_is_integer(number) ? json_integer_value(number) : -1;

	json_decref(number);
	if (value < 0 || (uint64_t)value > left(u)) {
		problem(u, "a length is impossible");
		return false;
	}
	*count = (size_t)value;
	return true;
}

static json_t *read_string(struct ubj *u)
{
	json_t *string;
	size_t length;

	if (!read_count(u, &length))
		return NULL;
	string = json_stringn((const char *)u->at, length);
	u->at += length;
	return string != NULL ? string : problem(u, "a string is not UTF-8");
}

static json_t *read_array(struct ubj *u, int depth)
{
	json_t *array = json_array(), *item;
	size_t count = SIZE_MAX;
	char type = '\0';

	if (left(u) > 0 && *u->at == '$') {
		u->at++;
		type = next_type(u);
		if (width_of(type) == 0 || left(u) == 0 || *u->at != '#') {
			json_decref(array);
			return problem(u, "a typed array is of no number type");
		}
	}
	if (left(u) > 0 && *u->at == '#') {
		u->at++;
		if (!read_count(u, &count)) {
			json_decref(array);
			return NULL;
		}
	}
	for (size_t i = 0; i < count; i++) {
		char item_type = type != '\0' ? type : next_type(u);

		if (count == SIZE_MAX && item_type == ']')
			return array;
		item = read_value(u, item_type, depth + 1);
		if (item == NULL) {
			json_decref(array);
			return NULL;
		}
		json_array_append_new(array, item);
	}
	return array;
}

/*
 * Whether XGBoost would read the name differently from jansson: of duplicate names it uses the
 * first, and its names may contain NUL. Then the validated value would not be the one used.
 */
static bool is_ambiguous(const json_t *object, const json_t *key)
{
	const char *name = json_string_value(key);

	return strlen(name) != json_string_length(key) || json_object_get(object, name) != NULL;
}

static json_t *read_object(struct ubj *u, int depth)
{
	json_t *object = json_object();

	for (;;) {
		json_t *key, *value;

		if (left(u) > 0 && *u->at == '}') {
			u->at++;
			return object;
		}
		key = read_string(u);
		if (key != NULL && is_ambiguous(object, key)) {
			json_decref(key);
			key = problem(u, "an object has a duplicate name, or a name that "
					 "contains NUL");
		}
		value = key != NULL ? read_value(u, next_type(u), depth + 1) : NULL;
		if (value == NULL) {
			json_decref(key);
			json_decref(object);
			return NULL;
		}
		json_object_set_new(object, json_string_value(key), value);
		json_decref(key);
	}
}

static json_t *read_value(struct ubj *u, char type, int depth)
{
	if (depth > DEPTH_MAX)
		return problem(u, "is nested too deep");
	switch (type) {
	case '{':
		return read_object(u, depth);
	case '[':
		return read_array(u, depth);
	case 'S':
		return read_string(u);
	case 'T':
		return json_true();
	case 'F':
		return json_false();
	case 'Z':
		return json_null();
	case '\0':
		return problem(u, "the file ends early");
	default:
		if (width_of(type) > 0)
			return read_number(u, type);
		return problem(u, "is not UBJSON");
	}
}

json_t *ubj_load_file(const char *path, struct lj_error *err)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = NULL;
	json_t *root = NULL;
	struct ubj u = {0};
	long size = -1;

	if (f != NULL && fseek(f, 0, SEEK_END) == 0)
		size = ftell(f);
	if (f == NULL || size < 0 || size > FILE_BYTES_MAX) {
		lj_error_set(err, EIO, path, "cannot be read, or is over 1 GiB");
		goto out;
	}
	rewind(f);
	bytes = malloc((size_t)size + 1);
	if (bytes == NULL || fread(bytes, 1, (size_t)size, f) != (size_t)size) {
		lj_error_set(err, EIO, path, "cannot be read to its end");
		goto out;
	}
	u.at = bytes;
	u.end = bytes + size;
	root = read_value(&u, next_type(&u), 0);
	if (root == NULL)
		lj_error_set(err, EILSEQ, path, "byte offset %ld: %s", (long)(u.at - bytes),
			     u.problem != NULL ? u.problem : "is not UBJSON");
out:
	if (f != NULL)
		fclose(f);
	free(bytes);
	return root;
}
