/*
 * Private: one capture file, record by record.
 *
 * Formats: pcap (libpcap's classic, micro- and nanoseconds, either byte order) and pcapng
 * (draft-ietf-opsawg-pcapng), read by read(2) into a buffer of our own: a file that is cut while it
 * is read is an end like any other, not a SIGBUS, and pipes work.
 */
#ifndef CAPTURE_FILE_FORMAT_H
#define CAPTURE_FILE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_base.h"

#define FILE_BUFFER_BYTES  (1u << 20)
#define FILE_CAPTURED_MAX  262144 /* libpcap's MAXIMUM_SNAPLEN */
#define FILE_INTERFACES	   64
#define LINK_TYPE_ETHERNET 1

struct file_record {
	const uint8_t *data; /* in the reader's buffer, until the next refill */
	uint32_t captured, wire_bytes;
	uint64_t time_ns;
};

enum file_result {
	FILE_RECORD,
	FILE_REFILL, /* the next record is not whole in the buffer: call file_refill() */
	FILE_END,
	FILE_DAMAGED, /* `damage` says where and what */
};

struct file_interface {
	uint16_t link_type;
	uint32_t snaplen;
	uint8_t resolution; /* if_tsresol as in the file */
	int64_t offset_s;   /* if_tsoffset */
};

struct file_reader {
	const char *path; /* borrowed */
	int fd;
	uint8_t *buffer;
	uint32_t begin, end;	/* unread bytes of the buffer */
	uint64_t buffer_offset; /* of buffer[0] in the file */
	bool ended;		/* read() has said so */
	bool swapped, nanoseconds, pcapng;
	uint64_t to_skip; /* bytes of a block we do not read */
	struct file_interface interface[FILE_INTERFACES];
	uint32_t n_interfaces;
	uint64_t last_ns;
	uint64_t foreign; /* packets of a link type other than Ethernet, passed over */
	struct lj_error damage;
};

/* Opens and reads the header. 0 or -errno with `err`. file_close() is due in any case. */
int file_open(struct file_reader *r, const char *path, struct lj_error *err);
void file_close(struct file_reader *r);
enum file_result file_next(struct file_reader *r, struct file_record *record);
/* Moves what is unread to the buffer's front and reads more: earlier records' data is gone. */
void file_refill(struct file_reader *r);

/* Private to the two files: pcapng's blocks. */
enum file_result pcapng_next(struct file_reader *r, struct file_record *record);
int pcapng_open(struct file_reader *r, struct lj_error *err);
uint32_t file_u32(const struct file_reader *r, const uint8_t *p);
uint16_t file_u16(const struct file_reader *r, const uint8_t *p);
enum file_result file_damaged(struct file_reader *r, const char *what);
/* FILE_RECORD when `n` unread bytes are there; FILE_REFILL; or at the file's end FILE_END or
 * FILE_DAMAGED. */
enum file_result file_need(struct file_reader *r, uint32_t n);

#endif
