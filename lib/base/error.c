#include "lj_base.h"

#include <stdarg.h>
#include <stdio.h>

int lj_error_set(struct lj_error *err, int errnum, const char *where, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return -errnum;
	snprintf(err->where, sizeof(err->where), "%s", where != NULL ? where : "");
	va_start(ap, fmt);
	vsnprintf(err->what, sizeof(err->what), fmt, ap);
	va_end(ap);
	return -errnum;
}
