#include <string.h>

#include "feature_table.h"

/* A cell of a Markdown table. */
static void put_cell(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fprintf(out, *text == '|' ? "\\%c" : "%c", *text);
}

/* The spellings beside the name. */
static void put_aliases(FILE *out, const struct lj_feature_info *info)
{
	for (const char *const *name = info->names + 1; *name != NULL; name++)
		fprintf(out, "%s%s", name > info->names + 1 ? "; " : "", *name);
}

static void put_set(FILE *out, const char *set)
{
	fputs("\n| feature | unit | other spellings | what | formula over the record |\n"
	      "|---|---|---|---|---|\n",
	      out);
	for (size_t i = 0; i < n_features; i++) {
		const struct lj_feature_info *info = &feature_info[i];

		if (strcmp(info->set, set) != 0)
			continue;
		fprintf(out, "| `%s` | %s | ", info->name, info->unit);
		put_aliases(out, info);
		fputs(" | ", out);
		put_cell(out, info->help);
		fputs(" | `", out);
		put_cell(out, info->formula);
		fputs("` |\n", out);
	}
}

void lj_feature_document(FILE *out)
{
	fputs("# Features\n\n"
	      "Made by `linejudge --help-features` from the same table that computes them "
	      "(`lib/feature/*.def`). `f` is the flow record,\nexplained in "
	      "`lib/flow/lj_record.h`; `side[0]` is the initiator, `side[1]` the responder. Words "
	      "like `per_second` are in\n`lib/feature/formula*.h`. A model finds its features by any "
	      "of their spellings, in upper or lower case.\n",
	      out);
	for (size_t s = 0; s < n_feature_sets; s++) {
		fprintf(out, "\n## %s\n\n%s\n", feature_sets[s].name, feature_sets[s].help);
		put_set(out, feature_sets[s].name);
	}
	fputs("\n## Columns that have no feature\n\n| column | why |\n|---|---|\n", out);
	for (size_t i = 0; i < n_missing_columns; i++)
		fprintf(out, "| %s | %s |\n", missing_columns[i].name, missing_columns[i].why);
}
