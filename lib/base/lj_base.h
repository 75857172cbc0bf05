/*
 * Common helpers: errors with a location, cache-line assertions, spelling suggestions.
 * Thread: any; there is no state.
 */
#ifndef LJ_BASE_H
#define LJ_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

/* Asserts that a hot struct is exactly `lines` cache lines of 64 bytes. */
#define LJ_ASSERT_LINES(type, lines)                                                               \
	_Static_assert(sizeof(type) == (lines)*64, #type " is not " #lines " cache lines")

/* An error shown to the user: `where` is a path, a key or a row; `what` says what is wrong. */
struct lj_error {
	char where[512];
	char what[512];
};

/*
 * Fills `err` (may be NULL) and returns -errnum, so that a failing function can
 * `return lj_error_set(err, EINVAL, path, "...", ...)`. `where` may be NULL or "".
 */
int lj_error_set(struct lj_error *err, int errnum, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Writes to `out` up to three of the `n` names that are nearest to `name` by edit distance, as
 * "a, b or c"; an empty string when none is near. Returns out.
 */
char *lj_name_nearest(const char *name, const char *const *names, size_t n, char *out, size_t size);

#endif
