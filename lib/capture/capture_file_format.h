/*
 * Private: one capture file, record by record.
 *
 * Formats: pcap (libpcap's classic, micro- and nanoseconds, either byte order) and pcapng
 * (draft-ietf-opsawg-pcapng). Long files are mapped; pipes, short files and the end of a long one
 * are read with read(2).
 *
 * Thread: main until the source is started, then the rx lcore.
 */
#ifndef CAPTURE_FILE_FORMAT_H
#define CAPTURE_FILE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_prefetch.h>

#include "capture_file_map.h"
#include "lj_base.h"

#define FILE_BUFFER_BYTES (1u << 20)
/* Per read: small enough to be still in the L2 cache when it is parsed. */
#define FILE_READ_BYTES	   (1u << 18)
#define FILE_HEAD_BYTES	   (1u << 16) /* read at first, to find out the format */
#define FILE_CAPTURED_MAX  262144     /* libpcap's MAXIMUM_SNAPLEN */
#define FILE_INTERFACES	   65536      /* per section, at most; merged captures have hundreds */
#define LINK_TYPE_ETHERNET 1
#define FILE_NO_TIME	   UINT64_MAX /* out of range: the packet is skipped */

struct file_record {
	const uint8_t *data;	       /* in the reader's view, until the next refill */
	uint32_t captured, wire_bytes; /* both without FCS, wire_bytes >= captured */
	uint64_t time_ns;
};

enum file_result {
	FILE_RECORD,
	FILE_REFILL, /* the next record is not whole in the view: call file_refill() */
	FILE_END,
	FILE_DAMAGED, /* `damage` says where and what */
};

struct file_interface {
	uint16_t link_type;
	uint32_t snaplen;
	uint8_t resolution; /* if_tsresol as in the file */
	uint8_t fcs_bytes;  /* at the end of each packet */
	int64_t offset_s;   /* if_tsoffset */
};

struct file_reader {
	const char *path; /* borrowed */
	int fd;
	uint8_t *buffer;      /* [FILE_BUFFER_BYTES], owned */
	struct file_map *map; /* NULL: not mapped, or no longer */
	bool map_tried;
	const uint8_t *view;  /* the buffer, or the window of the mapped file */
	uint32_t begin, end;  /* unread bytes of the view */
	uint64_t view_offset; /* of view[0] in the file */
	bool ended;	      /* read() has reached the end of the file */
	bool pipe;	      /* read() might block: poll() is called first */
	bool swapped, nanoseconds, pcapng;
	uint8_t fcs_bytes;		  /* pcap: at the end of each packet */
	uint64_t to_skip;		  /* remaining bytes of a block that is skipped */
	uint64_t skipped;		  /* file offset of that block */
	struct file_interface *interface; /* [room], owned; reused by the next file_open() */
	uint32_t n_interfaces, room;
	uint64_t last_ns;
	uint64_t foreign; /* skipped packets of a link type other than Ethernet */
	uint16_t foreign_link_type;
	uint64_t timeless;	/* skipped packets whose time does not fit in 63 bits of ns */
	struct lj_error damage; /* the first; what[0] is 0 while there is none */
};

/* Required before the first file_open(). */
void file_init(struct file_reader *r);
/*
 * Opens a file and reads its header. A file that was open is closed and unmapped, its buffer
 * reused. Waits for the header of a pipe. 0, or -errno with `err`.
 */
int file_open(struct file_reader *r, const char *path, struct lj_error *err);
/* Closes the descriptor. Buffer and mapping stay: a burst may still point into them. */
void file_close(struct file_reader *r);
/* Closes, unmaps, and frees the buffer and the interfaces. */
void file_free(struct file_reader *r);
/* Whether `path` can be read only once: a pipe or standard input. */
bool file_is_pipe(const char *path);
enum file_result file_next(struct file_reader *r, struct file_record *record);
/* Moves the view so that it begins with the unread bytes and has more of them, which invalidates
 * the data of earlier records. False if no data is available: a pipe to which nothing was written.
 */
bool file_refill(struct file_reader *r);
/* "link type 113 (LINUX_SLL)". Returns out. */
char *file_link_type_text(uint16_t link_type, char *out, size_t size);

/* The rest is shared by capture_file_format.c and capture_file_pcapng.c only. */
enum file_result pcapng_next(struct file_reader *r, struct file_record *record);
int pcapng_open(struct file_reader *r, struct lj_error *err);
static inline uint32_t file_u32(const struct file_reader *r, const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return r->swapped ? rte_bswap32(value) : value;
}

static inline uint16_t file_u16(const struct file_reader *r, const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return r->swapped ? rte_bswap16(value) : value;
}

/* Records that the file is damaged at the first unread byte, or at `offset`, unless damage was
 * recorded before. Returns FILE_DAMAGED. */
enum file_result file_damaged(struct file_reader *r, const char *what);
enum file_result file_damaged_at(struct file_reader *r, uint64_t offset, const char *what);
/* The result when there are too few unread bytes: FILE_REFILL, or at the end of the file FILE_END
 * or FILE_DAMAGED. */
enum file_result file_lacks(struct file_reader *r);
/* FILE_RECORD if there are `n` unread bytes, else as file_lacks(). */
static inline enum file_result file_need(struct file_reader *r, uint32_t n)
{
	return likely(r->end - r->begin >= n) ? FILE_RECORD : file_lacks(r);
}

/* Prefetches the bytes that are AHEAD_BYTES ahead of a record in a mapped file: they come from
 * memory, at strides that hardware prefetchers do not follow well. What has been read with read(2)
 * is in the cache. */
#define AHEAD_BYTES 2048
static inline void file_prefetch(const struct file_reader *r, const uint8_t *record, uint32_t bytes)
{
	if (r->map == NULL)
		return;
	for (uint32_t at = 0; at < bytes; at += RTE_CACHE_LINE_SIZE)
		rte_prefetch0(record + AHEAD_BYTES + at);
}

/* Waits until the buffer holds `n` bytes or the file has ended. */
int file_wait(struct file_reader *r, uint32_t n, struct lj_error *err);
int file_check_link_type(const struct file_reader *r, uint16_t link_type, struct lj_error *err);
void file_drop_fcs(struct file_record *record, uint8_t fcs_bytes);

#endif
