/*
 * Reads golden.csv: a header with the feature names, then margin_0 ..., probability_0 ...; one row
 * per flow; an empty field is a missing value. Margins are compared bit for bit, as float32.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

static int column_error(const char *path, uint32_t line, uint32_t column, struct lj_error *err,
			const char *what)
{
	return lj_error_set(err, EILSEQ, path, "line %u, column %u: %s", line, column + 1, what);
}

/* Parses one line into `columns` floats. */
static int read_row(char *text, float *row, uint32_t columns, const char *path, uint32_t line,
		    struct lj_error *err)
{
	char *at = text;

	for (uint32_t i = 0; i < columns; i++) {
		char *field = strsep(&at, ",\n"), *end;

		if (field == NULL)
			return column_error(path, line, i, err, "is missing");
		row[i] = field[0] != '\0' ? strtof(field, &end) : NAN;
		if (field[0] != '\0' && *end != '\0')
			return column_error(path, line, i, err, "is not a number");
	}
	return at == NULL || *at == '\0'
		       ? 0
		       : column_error(path, line, columns, err, "is one too many");
}

static int check_header(char *text, const struct lj_model *m, const char *path,
			struct lj_error *err)
{
	char *at = text;

	for (uint32_t i = 0; i < m->manifest.info.features; i++) {
		const char *name = strsep(&at, ",\n");

		if (name == NULL || strcmp(name, m->manifest.features[i]) != 0)
			return column_error(path, 1, i, err,
					    "is not the manifest's feature of that place");
	}
	return 0;
}

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static int prove_row(const struct lj_model *m, const float *row, const char *path, uint32_t line,
		     struct lj_error *err)
{
	uint32_t features = m->manifest.info.features, outputs = m->manifest.info.outputs;
	float margin[LJ_CLASSES_MAX], probability[LJ_CLASSES_MAX];

	if (m->engine->score(m->handle[0], row, 1, margin, probability) != 0)
		return lj_error_set(err, EIO, path, "line %u: the engine does not score it", line);
	if (m->manifest.info.transform != LJ_TRANSFORM_OBJECTIVE)
		model_transform(&m->manifest.info, margin, 1, probability);
	for (uint32_t i = 0; i < outputs; i++) {
		float wanted = row[features + i];
		double off = fabs((double)probability[i] - row[features + outputs + i]);

		if (bits_of(margin[i]) != bits_of(wanted))
			return lj_error_set(err, EILSEQ, path,
					    "line %u: margin_%u is %.9g here, %.9g in the file: "
					    "not the same model, library or features",
					    line, i, margin[i], wanted);
		if (!(off <= GOLDEN_PROBABILITY_TOLERANCE))
			return lj_error_set(err, EILSEQ, path,
					    "line %u: probability_%u is %.9g here, %.9g in the "
					    "file",
					    line, i, probability[i], row[features + outputs + i]);
	}
	return 0;
}

/* Opens the file and reads its header, which must match the manifest. NULL with `err`. */
static FILE *open_golden(const struct lj_model *m, char *path, size_t size, struct lj_error *err)
{
	char *text = NULL;
	size_t room = 0;
	int ret;
	FILE *f;

	snprintf(path, size, "%s/%s", m->dir, m->manifest.golden);
	f = fopen(path, "r");
	if (f == NULL || getline(&text, &room, f) < 0)
		ret = lj_error_set(err, EIO, path, "cannot be read, or has no header");
	else
		ret = check_header(text, m, path, err);
	free(text);
	if (ret == 0 || f == NULL)
		return f;
	fclose(f);
	return NULL;
}

int golden_prove(const struct lj_model *m, struct lj_error *err)
{
	uint32_t columns = m->manifest.info.features + 2 * m->manifest.info.outputs, line = 1;
	float *row = calloc(columns, sizeof(*row));
	char path[1024], *text = NULL;
	size_t size = 0;
	FILE *f = open_golden(m, path, sizeof(path), err);
	int ret = f != NULL ? 0 : -EIO;

	if (row == NULL)
		ret = lj_error_set(err, ENOMEM, path, "not enough memory");
	while (ret == 0 && getline(&text, &size, f) >= 0) {
		line++;
		ret = read_row(text, row, columns, path, line, err);
		if (ret == 0)
			ret = prove_row(m, row, path, line, err);
	}
	if (ret == 0 && line == 1)
		ret = lj_error_set(err, EILSEQ, path, "has no rows: the model cannot be verified");
	if (f != NULL)
		fclose(f);
	free(text);
	free(row);
	return ret;
}

uint32_t lj_model_golden(const struct lj_model *m, float *matrix, uint32_t max)
{
	uint32_t features = m->manifest.info.features, n = 0;
	uint32_t columns = features + 2 * m->manifest.info.outputs;
	float *row = calloc(columns, sizeof(*row));
	char path[1024], *text = NULL;
	FILE *f = open_golden(m, path, sizeof(path), NULL);
	size_t size = 0;

	while (f != NULL && row != NULL && n < max && getline(&text, &size, f) >= 0 &&
	       read_row(text, row, columns, path, n + 2, NULL) == 0)
		memcpy(matrix + (size_t)n++ * features, row, features * sizeof(*row));
	if (f != NULL)
		fclose(f);
	free(text);
	free(row);
	return n;
}
