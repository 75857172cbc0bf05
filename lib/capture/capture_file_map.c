#include "capture_file_map.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_common.h>

/* Shorter files are not worth it. */
#define MAP_BYTES_MIN (2 * MAP_WINDOW_BYTES)
/* In this process at the same time. Further files are read with read(2). */
#define MAPS_MAX 16

static struct file_map maps[MAPS_MAX];
static struct sigaction previous;

static uintptr_t page_of(uintptr_t at)
{
	return RTE_ALIGN_FLOOR(at, (uintptr_t)sysconf(_SC_PAGESIZE));
}

/* Replaces a mapping by zeros, from the page of `at` to its end. False if `at` is in none. */
static bool tear(uintptr_t at)
{
	for (int i = 0; i < MAPS_MAX; i++) {
		uintptr_t base = (uintptr_t)atomic_load(&maps[i].base);

		if (base == 0 || at < base || at - base >= maps[i].bytes)
			continue;
		atomic_store(&maps[i].torn, true);
		return mmap((void *)page_of(at), base + maps[i].bytes - page_of(at), PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			    0) != MAP_FAILED;
	}
	return false;
}

static void handle_sigbus(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	RTE_SET_USED(context);
	/* Another fault is repeated on return, and treated as without this handler. */
	if (!tear((uintptr_t)info->si_addr))
		sigaction(signal, &previous, NULL);
	errno = saved;
}

static void install_handler(void)
{
	struct sigaction action = {.sa_sigaction = handle_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &previous);
}

/* Takes a free slot. */
static struct file_map *take_slot(void)
{
	/* No fault has this address. */
	uint8_t *taken = (uint8_t *)UINTPTR_MAX;

	for (int i = 0; i < MAPS_MAX; i++) {
		uint8_t *none = NULL;

		if (atomic_compare_exchange_strong(&maps[i].base, &none, taken))
			return &maps[i];
	}
	return NULL;
}

struct file_map *file_map_open(int fd, uint64_t from)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct file_map *m;
	struct stat st;
	uint8_t *base;

	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < from + MAP_BYTES_MIN)
		return NULL;
	m = take_slot();
	if (m == NULL)
		return NULL;
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		atomic_store(&m->base, NULL);
		return NULL;
	}
	pthread_once(&once, install_handler);
	madvise(base, (size_t)st.st_size, MADV_SEQUENTIAL);
	m->bytes = (uint64_t)st.st_size;
	m->released = 0;
	atomic_store(&m->torn, false);
	atomic_store(&m->base, base);
	return m;
}

void file_map_close(struct file_map *m)
{
	munmap(atomic_load(&m->base), m->bytes);
	atomic_store(&m->base, NULL);
}

static bool is_shorter(const struct file_map *m, int fd)
{
	struct stat st;

	return fstat(fd, &st) != 0 || (uint64_t)st.st_size < m->bytes;
}

bool file_map_is_cut(const struct file_map *m, int fd)
{
	return atomic_load(&m->torn) || is_shorter(m, fd);
}

enum map_window file_map_window(struct file_map *m, int fd, uint64_t from)
{
	uint8_t *base = atomic_load(&m->base);
	uint64_t first = page_of(from), end = from + MAP_WINDOW_BYTES;

	if (is_shorter(m, fd))
		return MAP_WINDOW_SHORTER;
	if (end > m->bytes || atomic_load(&m->torn))
		return MAP_WINDOW_NONE;
	if (first > m->released)
		madvise(base + m->released, first - m->released, MADV_DONTNEED);
	m->released = first;
	/* EINVAL: the kernel is older than 5.14. */
	if (madvise(base + first, end - first, MADV_POPULATE_READ) != 0 && errno != EINVAL)
		return MAP_WINDOW_NONE;
	return MAP_WINDOW_READY;
}
