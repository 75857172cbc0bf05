/* Private: numbers as text, fast. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define NUMBER_BYTES 40

/*
 * Writes what printf's %.17g would, to the byte, which reads back as the same double; without a
 * NUL. Returns how many bytes; what is behind them, up to NUMBER_BYTES, may be overwritten. Whole
 * numbers, and what %g writes without an exponent, are made here; for the rest it asks printf.
 */
size_t number_write(char *out, double value);
/* The same as %llu. */
size_t number_write_whole(char *out, uint64_t value);

#endif
