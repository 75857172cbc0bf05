#include "lj_digest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

void lj_sha1(const void *data, size_t size, uint8_t digest[LJ_SHA1_BYTES])
{
	/* Fails only where policy disables SHA-1; the result is then at least deterministic. */
	if (EVP_Digest(data, size, digest, NULL, EVP_sha1(), NULL) != 1)
		memset(digest, 0, LJ_SHA1_BYTES);
}

int lj_sha256_file(const char *path, char hex[2 * LJ_SHA256_BYTES + 1], struct lj_error *err)
{
	uint8_t digest[LJ_SHA256_BYTES], chunk[65536];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	FILE *f = fopen(path, "rb");
	bool good;
	int ret = 0;
	size_t n;

	if (f == NULL) {
		ret = lj_error_set(err, errno, path, "cannot be read: %s", strerror(errno));
		goto out;
	}
	if (context == NULL) {
		ret = lj_error_set(err, ENOMEM, path, "not enough memory");
		goto out;
	}
	good = EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
	while (good && (n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		good = EVP_DigestUpdate(context, chunk, n) == 1;
	if (ferror(f)) {
		ret = lj_error_set(err, EIO, path, "cannot be read to its end");
		goto out;
	}
	if (!good || EVP_DigestFinal_ex(context, digest, NULL) != 1) {
		ret = lj_error_set(err, ENOTSUP, path, "libcrypto does not do SHA-256");
		goto out;
	}
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
out:
	if (f != NULL)
		fclose(f);
	EVP_MD_CTX_free(context);
	return ret;
}

void lj_base64(const void *data, size_t size, char *out)
{
	EVP_EncodeBlock((unsigned char *)out, data, (int)size);
}
