/*
 * Digests, from libcrypto. Thread: any.
 */
#ifndef LJ_DIGEST_H
#define LJ_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "lj_base.h"

#define LJ_SHA1_BYTES	20
#define LJ_SHA256_BYTES 32

/* SHA-1; all zeros where libcrypto's policy forbids it. */
void lj_sha1(const void *data, size_t size, uint8_t digest[LJ_SHA1_BYTES]);

/* SHA-256 of a file as 64 lower-case hexadecimal digits and a NUL. 0 or -errno. */
int lj_sha256_file(const char *path, char hex[2 * LJ_SHA256_BYTES + 1], struct lj_error *err);

/* Base64 (RFC 4648, padded) of `size` bytes into `out`, which needs 4*ceil(size/3)+1 bytes. */
void lj_base64(const void *data, size_t size, char *out);

#endif
