/* libFuzzer: no bytes crash the walk over a booster file. The first byte chooses JSON or UBJ. */
#include <stdio.h>
#include <unistd.h>

#include "lj_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct lj_model_info info = {0};
	struct lj_error err;
	char path[64];
	FILE *f;

	if (n == 0)
		return 0;
	snprintf(path, sizeof(path), "/tmp/lj-fuzz-%d.%s", (int)getpid(),
		 bytes[0] & 1 ? "json" : "ubj");
	f = fopen(path, "wb");
	if (f == NULL)
		return 0;
	fwrite(bytes + 1, 1, n - 1, f);
	fclose(f);
	lj_model_validate(path, &info, &err);
	unlink(path);
	return 0;
}
