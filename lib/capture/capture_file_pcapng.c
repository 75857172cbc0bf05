#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture_file_format.h"

enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2, /* obsolete, still written by old tools */
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
};

#define BYTE_ORDER_MAGIC     0x1a2b3c4d
#define BLOCK_BYTES	     12 /* type and length before the body, length after */
#define INTERFACES_LEAST     64 /* initial room */
#define OPTION_END	     0
#define OPTION_IF_TSRESOL    9
#define OPTION_IF_FCSLEN     13
#define OPTION_IF_TSOFFSET   14
#define RESOLUTION_DEFAULT   6
#define SECTION_BODY_BYTES   16 /* byte-order magic, version, length; then options */
#define SECTION_VERSION	     1
#define BLOCK_READ_BYTES_MAX (FILE_CAPTURED_MAX + 65536)

/* In ns since 1970; FILE_NO_TIME if before that or after 2262, so that differences fit in int64_t.
 */
static uint64_t time_of(struct file_reader *r, const struct file_interface *in, uint32_t high,
			uint32_t low)
{
	__int128 ns = (uint64_t)high << 32 | low;
	uint32_t exponent = in->resolution & 0x7f;

	if (in->resolution & 0x80) {
		ns = (ns * 1000000000) >> exponent;
	} else {
		for (; exponent < 9; exponent++)
			ns *= 10;
		for (; exponent > 9; exponent--)
			ns /= 10;
	}
	ns += (__int128)in->offset_s * 1000000000;
	if (ns < 0 || ns > INT64_MAX)
		return FILE_NO_TIME;
	r->last_ns = (uint64_t)ns;
	return r->last_ns;
}

/* Makes room for one more interface. */
static bool make_room(struct file_reader *r)
{
	uint32_t room = r->room > 0 ? 2 * r->room : INTERFACES_LEAST;
	struct file_interface *more;

	if (r->n_interfaces < r->room)
		return true;
	more = room <= FILE_INTERFACES ? realloc(r->interface, room * sizeof(*more)) : NULL;
	if (more == NULL)
		return false;
	r->interface = more;
	r->room = room;
	return true;
}

static void read_interface(struct file_reader *r, const uint8_t *body, uint32_t bytes)
{
	struct file_interface *in = &r->interface[r->n_interfaces++];
	uint32_t at = 8;

	*in = (struct file_interface){
		.link_type = file_u16(r, body),
		.snaplen = file_u32(r, body + 4),
		.resolution = RESOLUTION_DEFAULT,
	};
	while (at + 4 <= bytes) {
		uint16_t code = file_u16(r, body + at), length = file_u16(r, body + at + 2);

		if (code == OPTION_END || at + 4 + length > bytes)
			return;
		if (code == OPTION_IF_TSRESOL && length == 1)
			in->resolution = body[at + 4];
		if (code == OPTION_IF_FCSLEN && length == 1)
			in->fcs_bytes = body[at + 4];
		if (code == OPTION_IF_TSOFFSET && length == 8) {
			uint32_t low = file_u32(r, body + at + (r->swapped ? 8 : 4));
			uint32_t high = file_u32(r, body + at + (r->swapped ? 4 : 8));

			in->offset_s = (int64_t)((uint64_t)high << 32 | low);
		}
		at += 4 + RTE_ALIGN_CEIL((uint32_t)length, 4u);
	}
}

/* Reads an enhanced, simple or obsolete packet block. Returns the packet's interface, NULL if it
 * does not exist. */
static const struct file_interface *read_packet(struct file_reader *r, uint32_t type,
						const uint8_t *body, struct file_record *record,
						uint32_t *header)
{
	uint32_t index = 0;

	if (type == BLOCK_SIMPLE) {
		*header = 4;
		record->wire_bytes = file_u32(r, body);
		record->captured = record->wire_bytes;
		if (r->n_interfaces > 0 && r->interface[0].snaplen > 0)
			record->captured = RTE_MIN(record->captured, r->interface[0].snaplen);
		record->time_ns = r->last_ns; /* it has no time of its own */
	} else {
		*header = 20;
		index = type == BLOCK_ENHANCED ? file_u32(r, body) : file_u16(r, body);
		record->captured = file_u32(r, body + 12);
		record->wire_bytes = file_u32(r, body + 16);
	}
	if (index >= r->n_interfaces)
		return NULL;
	if (type != BLOCK_SIMPLE)
		record->time_ns = time_of(r, &r->interface[index], file_u32(r, body + 4),
					  file_u32(r, body + 8));
	record->wire_bytes = RTE_MAX(record->wire_bytes, record->captured);
	return &r->interface[index];
}

/* A section header block contains the byte order of the section. */
static bool read_byte_order(struct file_reader *r)
{
	r->swapped = false;
	if (file_u32(r, r->view + r->begin + 8) == BYTE_ORDER_MAGIC)
		return true;
	r->swapped = true;
	return file_u32(r, r->view + r->begin + 8) == BYTE_ORDER_MAGIC;
}

/* Skips the rest of an unknown block; false if the buffer has to be refilled first. */
static bool skip(struct file_reader *r)
{
	uint64_t n = RTE_MIN(r->to_skip, (uint64_t)(r->end - r->begin));

	r->begin += (uint32_t)n;
	r->to_skip -= n;
	return r->to_skip == 0;
}

static void pass_over_foreign(struct file_reader *r, uint16_t link_type)
{
	if (r->foreign++ == 0)
		r->foreign_link_type = link_type;
}

/* Reads a packet block's body. FILE_END here and below means: no packet, continue. */
static enum file_result read_packet_block(struct file_reader *r, uint32_t type, const uint8_t *body,
					  uint32_t bytes, struct file_record *record)
{
	const struct file_interface *in;
	uint32_t header = 0;

	if (bytes < (type == BLOCK_SIMPLE ? 4 : 20))
		return file_damaged(r, "a packet block is too short");
	in = read_packet(r, type, body, record, &header);
	if (in == NULL)
		return file_damaged(r, "a packet refers to an interface that is not described");
	if (record->captured > bytes - header || record->captured > FILE_CAPTURED_MAX)
		return file_damaged(r, "a packet is longer than its block");
	record->data = body + header;
	if (in->fcs_bytes > 0)
		file_drop_fcs(record, in->fcs_bytes);
	if (in->link_type != LINK_TYPE_ETHERNET)
		pass_over_foreign(r, in->link_type);
	else if (record->time_ns == FILE_NO_TIME)
		r->timeless++;
	else
		return FILE_RECORD;
	return FILE_END;
}

/* Reads the current block, all of which is in the buffer. */
static enum file_result read_block(struct file_reader *r, uint32_t type, uint32_t length,
				   struct file_record *record)
{
	const uint8_t *body = r->view + r->begin + 8;
	uint32_t bytes = length - BLOCK_BYTES;
	enum file_result result = FILE_END;

	if (file_u32(r, body + bytes) != length)
		return file_damaged(r, "a block's two lengths differ");
	if (type == BLOCK_SECTION) {
		if (bytes < SECTION_BODY_BYTES || file_u16(r, body + 4) != SECTION_VERSION)
			return file_damaged(r, "a section is not of pcapng's version 1");
		r->n_interfaces = 0;
	} else if (type == BLOCK_INTERFACE) {
		if (bytes < 8)
			return file_damaged(r, "an interface block is too short");
		if (!make_room(r))
			return file_damaged(r, "too many interfaces: the limit is 65536, or less "
					       "if memory is short");
		read_interface(r, body, bytes);
	} else {
		result = read_packet_block(r, type, body, bytes, record);
	}
	if (result != FILE_DAMAGED)
		r->begin += length;
	return result;
}

static bool is_read(uint32_t type)
{
	return type == BLOCK_SECTION || type == BLOCK_INTERFACE || type == BLOCK_PACKET ||
	       type == BLOCK_SIMPLE || type == BLOCK_ENHANCED;
}

enum file_result pcapng_next(struct file_reader *r, struct file_record *record)
{
	for (;;) {
		enum file_result result;
		uint32_t type, length;

		if (!skip(r))
			return r->ended ? file_damaged_at(r, r->skipped, "the file is truncated")
					: FILE_REFILL;
		result = file_need(r, BLOCK_BYTES);
		if (result != FILE_RECORD)
			return result;
		type = file_u32(r, r->view + r->begin);
		if (type == BLOCK_SECTION && !read_byte_order(r))
			return file_damaged(r, "a section has no byte-order magic");
		length = file_u32(r, r->view + r->begin + 4);
		if (length < BLOCK_BYTES || length % 4 != 0)
			return file_damaged(r, "a block's length is impossible");
		if (!is_read(type)) {
			r->skipped = r->view_offset + r->begin;
			r->to_skip = length;
			continue;
		}
		if (length > BLOCK_READ_BYTES_MAX)
			return file_damaged(r, "a block's length is impossible");
		result = file_need(r, length);
		if (result != FILE_RECORD)
			return result;
		file_prefetch(r, r->view + r->begin, length);
		result = read_block(r, type, length, record);
		if (result != FILE_END)
			return result;
	}
}

/* Parses the buffer up to the first packet, then rewinds, keeping only the interfaces found. */
static enum file_result look_ahead(struct file_reader *r)
{
	struct file_record record;
	enum file_result result;

	r->n_interfaces = 0;
	result = pcapng_next(r, &record);
	r->begin = 0;
	r->to_skip = 0;
	r->last_ns = 0;
	r->foreign = 0;
	r->timeless = 0;
	return result;
}

static bool has_ethernet(const struct file_reader *r)
{
	for (uint32_t i = 0; i < r->n_interfaces; i++)
		if (r->interface[i].link_type == LINK_TYPE_ETHERNET)
			return true;
	return false;
}

/* Reads up to the first packet, so that an unusable file is reported before the replay begins. */
int pcapng_open(struct file_reader *r, struct lj_error *err)
{
	enum file_result result;
	int ret;

	result = look_ahead(r);
	while (result == FILE_REFILL && r->n_interfaces == 0 && r->end < FILE_BUFFER_BYTES) {
		ret = file_wait(r, r->end + 1, err);
		if (ret != 0)
			return ret;
		result = look_ahead(r);
	}
	if (r->n_interfaces > 0 && !has_ethernet(r))
		return file_check_link_type(r, r->interface[0].link_type, err);
	if (result == FILE_DAMAGED && r->n_interfaces == 0) {
		if (err != NULL)
			*err = r->damage;
		return -EILSEQ;
	}
	r->n_interfaces = 0;
	memset(&r->damage, 0, sizeof(r->damage));
	return 0;
}
