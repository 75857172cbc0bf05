#include "capture_file_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_byteorder.h>

#define PCAP_HEADER_BYTES 24
#define PCAP_RECORD_BYTES 16

#define MAGIC_US     0xa1b2c3d4
#define MAGIC_NS     0xa1b23c4d
#define MAGIC_PCAPNG 0x0a0d0d0a

uint32_t file_u32(const struct file_reader *r, const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return r->swapped ? rte_bswap32(value) : value;
}

uint16_t file_u16(const struct file_reader *r, const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return r->swapped ? rte_bswap16(value) : value;
}

enum file_result file_damaged(struct file_reader *r, const char *what)
{
	lj_error_set(&r->damage, EILSEQ, r->path, "byte offset %llu: %s",
		     (unsigned long long)(r->buffer_offset + r->begin), what);
	return FILE_DAMAGED;
}

enum file_result file_need(struct file_reader *r, uint32_t n)
{
	uint32_t have = r->end - r->begin;

	if (have >= n)
		return FILE_RECORD;
	if (!r->ended)
		return FILE_REFILL;
	return have == 0 ? FILE_END : file_damaged(r, "the file is cut short");
}

void file_refill(struct file_reader *r)
{
	uint32_t have = r->end - r->begin;

	memmove(r->buffer, r->buffer + r->begin, have);
	r->buffer_offset += r->begin;
	r->begin = 0;
	r->end = have;
	while (r->end < FILE_BUFFER_BYTES) {
		ssize_t n = read(r->fd, r->buffer + r->end, FILE_BUFFER_BYTES - r->end);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			lj_error_set(&r->damage, errno, r->path, "cannot be read: %s",
				     strerror(errno));
		if (n <= 0) {
			r->ended = true;
			return;
		}
		r->end += (uint32_t)n;
	}
}

static int check_link_type(const struct file_reader *r, uint32_t link_type, struct lj_error *err)
{
	if (link_type == LINK_TYPE_ETHERNET)
		return 0;
	return lj_error_set(err, EPROTONOSUPPORT, r->path,
			    "has link type %u; only Ethernet (1) is read", link_type);
}

int file_open(struct file_reader *r, const char *path, struct lj_error *err)
{
	uint32_t magic;

	memset(r, 0, sizeof(*r));
	r->path = path;
	r->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0)
		return lj_error_set(err, errno, path, "cannot be opened: %s", strerror(errno));
	r->buffer = malloc(FILE_BUFFER_BYTES);
	if (r->buffer == NULL)
		return lj_error_set(err, ENOMEM, path, "not enough memory");
	file_refill(r);
	if (r->damage.what[0] != '\0') {
		if (err != NULL)
			*err = r->damage;
		return -EIO;
	}
	if (r->end == 0)
		return lj_error_set(err, ENODATA, path, "is empty");
	magic = r->end >= 4 ? file_u32(r, r->buffer) : 0;
	if (magic == MAGIC_PCAPNG) {
		r->pcapng = true;
		return pcapng_open(r, err);
	}
	r->swapped = magic == rte_bswap32(MAGIC_US) || magic == rte_bswap32(MAGIC_NS);
	magic = r->swapped ? rte_bswap32(magic) : magic;
	if (magic != MAGIC_US && magic != MAGIC_NS)
		return lj_error_set(err, EILSEQ, path, "is not a pcap or pcapng file");
	if (r->end < PCAP_HEADER_BYTES)
		return lj_error_set(err, EILSEQ, path, "is cut short in its header");
	r->nanoseconds = magic == MAGIC_NS;
	r->begin = PCAP_HEADER_BYTES;
	return check_link_type(r, file_u32(r, r->buffer + 20) & 0xffff, err);
}

void file_close(struct file_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	free(r->buffer);
	r->buffer = NULL;
}

enum file_result file_next(struct file_reader *r, struct file_record *record)
{
	enum file_result result;
	const uint8_t *p;
	uint32_t fraction;

	if (r->pcapng)
		return pcapng_next(r, record);
	result = file_need(r, PCAP_RECORD_BYTES);
	if (result != FILE_RECORD)
		return result;
	p = r->buffer + r->begin;
	record->captured = file_u32(r, p + 8);
	record->wire_bytes = file_u32(r, p + 12);
	if (record->captured > FILE_CAPTURED_MAX)
		return file_damaged(r, "a record's length is impossible");
	result = file_need(r, PCAP_RECORD_BYTES + record->captured);
	if (result != FILE_RECORD)
		return result;
	fraction = file_u32(r, p + 4);
	record->time_ns =
		file_u32(r, p) * 1000000000ULL + (r->nanoseconds ? fraction : fraction * 1000ULL);
	record->wire_bytes = RTE_MAX(record->wire_bytes, record->captured);
	record->data = p + PCAP_RECORD_BYTES;
	r->begin += PCAP_RECORD_BYTES + record->captured;
	return FILE_RECORD;
}
