#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lj_base.h"

#define NAME_MAX_LENGTH 64
#define NEAREST		3

/* Levenshtein distance, ignoring case. Names longer than NAME_MAX_LENGTH match nothing. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LENGTH + 1];
	size_t length_a = strlen(a), length_b = strlen(b);

	if (length_a > NAME_MAX_LENGTH || length_b > NAME_MAX_LENGTH)
		return 2 * NAME_MAX_LENGTH;
	for (size_t j = 0; j <= length_b; j++)
		row[j] = j;
	for (size_t i = 1; i <= length_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length_b; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);
			size_t substituted = diagonal + !same;

			diagonal = row[j];
			row[j] = RTE_MIN(row[j], row[j - 1]) + 1;
			row[j] = RTE_MIN(row[j], substituted);
		}
	}
	return row[length_b];
}

char *lj_name_nearest(const char *name, const char *const *names, size_t n, char *out, size_t size)
{
	size_t best[NEAREST], found = 0, used = 0;
	size_t limit = strlen(name) / 3 + 2;
	size_t index[NEAREST];

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(name, names[i]), at;

		if (d > limit)
			continue;
		/* Insert into the sorted three best; the earlier name wins a tie. */
		for (at = found; at > 0 && best[at - 1] > d; at--)
			if (at < NEAREST) {
				best[at] = best[at - 1];
				index[at] = index[at - 1];
			}
		if (at < NEAREST) {
			best[at] = d;
			index[at] = i;
			found = RTE_MIN(found + 1, (size_t)NEAREST);
		}
	}
	out[0] = '\0';
	for (size_t i = 0; i < found && used < size; i++) {
		const char *joint = i == 0 ? "" : i + 1 == found ? " or " : ", ";

		used += (size_t)snprintf(out + used, size - used, "%s%s", joint, names[index[i]]);
	}
	return out;
}
