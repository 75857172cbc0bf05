/*
 * Builds capture files byte by byte, for the tests.
 */
#ifndef CAPTURE_BYTES_H
#define CAPTURE_BYTES_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bytes {
	uint8_t at[1 << 20];
	size_t n;
	bool swapped;
};

static inline void put32(struct bytes *b, uint32_t value)
{
	value = b->swapped ? __builtin_bswap32(value) : value;
	memcpy(b->at + b->n, &value, 4);
	b->n += 4;
}

static inline void put16(struct bytes *b, uint16_t value)
{
	value = b->swapped ? __builtin_bswap16(value) : value;
	memcpy(b->at + b->n, &value, 2);
	b->n += 2;
}

static inline void put_fill(struct bytes *b, uint8_t fill, size_t n)
{
	memset(b->at + b->n, fill, n);
	b->n += n;
}

static inline void begin_pcap(struct bytes *b, uint32_t network)
{
	b->n = 0;
	b->swapped = false;
	put32(b, 0xa1b2c3d4);
	put16(b, 2);
	put16(b, 4);
	put32(b, 0);
	put32(b, 0);
	put32(b, 65535);
	put32(b, network);
}

/* A packet of `n` bytes, each `fill`, at `us`. */
static inline void put_pcap(struct bytes *b, uint64_t us, uint32_t n, uint32_t wire, uint8_t fill)
{
	put32(b, (uint32_t)(us / 1000000));
	put32(b, (uint32_t)(us % 1000000));
	put32(b, n);
	put32(b, wire);
	put_fill(b, fill, n);
}

static inline void put_section(struct bytes *b, bool swapped)
{
	b->swapped = swapped;
	put32(b, 0x0a0d0d0a);
	put32(b, 28);
	put32(b, 0x1a2b3c4d);
	put16(b, 1);
	put16(b, 0);
	put32(b, 0xffffffff);
	put32(b, 0xffffffff);
	put32(b, 28);
}

/* An interface without options: microseconds. */
static inline void put_interface(struct bytes *b, uint16_t link_type, uint32_t snaplen)
{
	put32(b, 1);
	put32(b, 20);
	put16(b, link_type);
	put16(b, 0);
	put32(b, snaplen);
	put32(b, 20);
}

/* An Ethernet interface with if_tsresol, if_fcslen and if_tsoffset. */
static inline void put_interface_with(struct bytes *b, uint8_t resolution, uint8_t fcs_bytes,
				      int64_t offset_s)
{
	uint32_t low = (uint32_t)offset_s, high = (uint32_t)((uint64_t)offset_s >> 32);

	put32(b, 1);
	put32(b, 52);
	put16(b, 1);
	put16(b, 0);
	put32(b, 0);
	put16(b, 9);
	put16(b, 1);
	put_fill(b, resolution, 1);
	put_fill(b, 0, 3);
	put16(b, 13);
	put16(b, 1);
	put_fill(b, fcs_bytes, 1);
	put_fill(b, 0, 3);
	put16(b, 14);
	put16(b, 8);
	put32(b, b->swapped ? high : low);
	put32(b, b->swapped ? low : high);
	put32(b, 0);
	put32(b, 52);
}

static inline void put_enhanced(struct bytes *b, uint32_t interface, uint64_t ticks, uint32_t n,
				uint8_t fill)
{
	uint32_t padded = (n + 3) & ~3u;

	put32(b, 6);
	put32(b, 32 + padded);
	put32(b, interface);
	put32(b, (uint32_t)(ticks >> 32));
	put32(b, (uint32_t)ticks);
	put32(b, n);
	put32(b, n);
	put_fill(b, fill, padded);
	put32(b, 32 + padded);
}

/* The obsolete packet block. */
static inline void put_old(struct bytes *b, uint16_t interface, uint64_t ticks, uint32_t n,
			   uint8_t fill)
{
	uint32_t padded = (n + 3) & ~3u;

	put32(b, 2);
	put32(b, 32 + padded);
	put16(b, interface);
	put16(b, 7); /* drops */
	put32(b, (uint32_t)(ticks >> 32));
	put32(b, (uint32_t)ticks);
	put32(b, n);
	put32(b, n);
	put_fill(b, fill, padded);
	put32(b, 32 + padded);
}

static inline void put_simple(struct bytes *b, uint32_t n, uint32_t wire, uint8_t fill)
{
	uint32_t padded = (n + 3) & ~3u;

	put32(b, 3);
	put32(b, 16 + padded);
	put32(b, wire);
	put_fill(b, fill, padded);
	put32(b, 16 + padded);
}

/* A block of an unknown type with `n` (a multiple of 4) bytes of body. */
static inline void put_unknown(struct bytes *b, uint32_t n)
{
	put32(b, 0x0badcafe);
	put32(b, 12 + n);
	put_fill(b, 0xee, n);
	put32(b, 12 + n);
}

/* Writes the first `n` bytes; exits on failure, because a test that cannot start must fail. */
static inline void save_bytes(const struct bytes *b, size_t n, const char *path)
{
	FILE *f = fopen(path, "wb");

	if (f == NULL || fwrite(b->at, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
}

/* Removes a folder of files. */
static inline void remove_folder(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

#endif
