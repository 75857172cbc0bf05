#include "capture_file_format.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCAP_HEADER_BYTES 24
#define PCAP_RECORD_BYTES 16

#define MAGIC_US     0xa1b2c3d4
#define MAGIC_NS     0xa1b23c4d
#define MAGIC_PCAPNG 0x0a0d0d0a

enum file_result file_damaged_at(struct file_reader *r, uint64_t offset, const char *what)
{
	if (r->damage.what[0] == '\0')
		lj_error_set(&r->damage, EILSEQ, r->path, "byte offset %llu: %s",
			     (unsigned long long)offset, what);
	return FILE_DAMAGED;
}

enum file_result file_damaged(struct file_reader *r, const char *what)
{
	return file_damaged_at(r, r->view_offset + r->begin, what);
}

enum file_result file_lacks(struct file_reader *r)
{
	if (!r->ended)
		return FILE_REFILL;
	if (r->end > r->begin)
		return file_damaged(r, "the file is truncated");
	return r->damage.what[0] == '\0' ? FILE_END : FILE_DAMAGED;
}

/* Calls read(2) once, to fill the buffer up to `limit`. False if neither data nor end of file. */
static bool fill(struct file_reader *r, uint32_t limit)
{
	struct pollfd readable = {.fd = r->fd, .events = POLLIN};
	char why[256];
	ssize_t n;

	if (r->pipe && poll(&readable, 1, 0) <= 0)
		return false;
	n = read(r->fd, r->buffer + r->end, limit - r->end);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n < 0) {
		snprintf(why, sizeof(why), "cannot be read: %s", strerror(errno));
		file_damaged_at(r, r->view_offset + r->end, why);
	}
	if (n > 0)
		r->end += (uint32_t)n;
	else
		r->ended = true;
	return true;
}

static void unmap(struct file_reader *r)
{
	if (r->map != NULL)
		file_map_close(r->map);
	r->map = NULL;
}

/* Continues with read(2) from the first unread byte on. */
static void leave_map(struct file_reader *r)
{
	unmap(r);
	r->view_offset += r->begin;
	r->view = r->buffer;
	r->begin = 0;
	r->end = 0;
	lseek(r->fd, (off_t)r->view_offset, SEEK_SET);
}

/* Maps the file, once. Not standard input of which something was read before us: our offsets are
 * not the file's. */
static bool enter_map(struct file_reader *r)
{
	if (r->pipe || r->map_tried)
		return false;
	r->map_tried = true;
	if (lseek(r->fd, 0, SEEK_CUR) == (off_t)(r->view_offset + r->end))
		r->map = file_map_open(r->fd, r->view_offset + r->begin);
	return r->map != NULL;
}

/* Moves the window to the first unread byte. False if read(2) is to be used. */
static bool move_window(struct file_reader *r)
{
	uint64_t from = r->view_offset + r->begin;
	enum map_window window;

	if (r->map == NULL && !enter_map(r))
		return false;
	window = file_map_window(r->map, r->fd, from);
	if (window != MAP_WINDOW_READY) {
		if (window == MAP_WINDOW_SHORTER)
			file_damaged_at(r, from, "the file became shorter while it was read");
		leave_map(r);
		return false;
	}
	r->view = r->map->base + from;
	r->view_offset = from;
	r->begin = 0;
	r->end = MAP_WINDOW_BYTES;
	return true;
}

bool file_refill(struct file_reader *r)
{
	uint32_t have;

	if (move_window(r))
		return true;
	have = r->end - r->begin;
	memmove(r->buffer, r->buffer + r->begin, have);
	r->view_offset += r->begin;
	r->begin = 0;
	r->end = have;
	return fill(r, have < FILE_READ_BYTES / 2 ? FILE_READ_BYTES : FILE_BUFFER_BYTES);
}

int file_wait(struct file_reader *r, uint32_t n, struct lj_error *err)
{
	struct pollfd readable = {.fd = r->fd, .events = POLLIN};

	while (r->end < n && !r->ended) {
		if (r->pipe && poll(&readable, 1, -1) < 0)
			return lj_error_set(err, errno, r->path, "cannot be read: %s",
					    strerror(errno));
		fill(r, n <= FILE_HEAD_BYTES ? FILE_HEAD_BYTES : FILE_BUFFER_BYTES);
	}
	if (r->damage.what[0] == '\0')
		return 0;
	if (err != NULL)
		*err = r->damage;
	return -EIO;
}

char *file_link_type_text(uint16_t link_type, char *out, size_t size)
{
	static const struct {
		uint16_t link_type;
		const char *name;
	} known[] = {
		{0, "NULL"},
		{6, "IEEE802_5"},
		{9, "PPP"},
		{10, "FDDI"},
		{50, "PPP_HDLC"},
		{51, "PPP_ETHER"},
		{101, "RAW"},
		{104, "C_HDLC"},
		{105, "IEEE802_11"},
		{107, "FRELAY"},
		{108, "LOOP"},
		{113, "LINUX_SLL"},
		{119, "IEEE802_11_PRISM"},
		{127, "IEEE802_11_RADIOTAP"},
		{147, "USER0"},
		{187, "BLUETOOTH_HCI_H4"},
		{189, "USB_LINUX"},
		{192, "PPI"},
		{195, "IEEE802_15_4_WITHFCS"},
		{201, "BLUETOOTH_HCI_H4_WITH_PHDR"},
		{220, "USB_LINUX_MMAPPED"},
		{228, "IPV4"},
		{229, "IPV6"},
		{249, "USBPCAP"},
		{253, "NETLINK"},
		{276, "LINUX_SLL2"},
	};
	const char *name = "unknown";

	for (size_t i = 0; i < RTE_DIM(known); i++)
		if (known[i].link_type == link_type)
			name = known[i].name;
	snprintf(out, size, "link type %u (%s)", link_type, name);
	return out;
}

int file_check_link_type(const struct file_reader *r, uint16_t link_type, struct lj_error *err)
{
	char text[64];

	if (link_type == LINK_TYPE_ETHERNET)
		return 0;
	return lj_error_set(err, EPROTONOSUPPORT, r->path,
			    "holds packets of %s; only Ethernet (link type 1) is supported",
			    file_link_type_text(link_type, text, sizeof(text)));
}

bool file_is_pipe(const char *path)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
		return true;
	return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int open_path(struct file_reader *r, const char *path, struct lj_error *err)
{
	struct stat st;

	r->fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
				       : open(path, O_RDONLY | O_CLOEXEC);
	if (r->fd < 0 || fstat(r->fd, &st) != 0)
		return lj_error_set(err, errno, path, "cannot be opened: %s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return lj_error_set(err, EISDIR, path, "is a directory");
	r->pipe = !S_ISREG(st.st_mode);
	posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (r->buffer == NULL)
		r->buffer = malloc(FILE_BUFFER_BYTES);
	if (r->buffer == NULL)
		return lj_error_set(err, ENOMEM, path, "not enough memory");
	r->view = r->buffer;
	return 0;
}

static int open_pcap(struct file_reader *r, uint32_t magic, struct lj_error *err)
{
	uint32_t network;
	int ret;

	r->swapped = magic == rte_bswap32(MAGIC_US) || magic == rte_bswap32(MAGIC_NS);
	magic = r->swapped ? rte_bswap32(magic) : magic;
	if (r->end >= 2 && r->buffer[0] == 0x1f && r->buffer[1] == 0x8b)
		return lj_error_set(err, EILSEQ, r->path, "is compressed (gzip): unpack it first");
	if (magic != MAGIC_US && magic != MAGIC_NS)
		return lj_error_set(err, EILSEQ, r->path, "is not a pcap or pcapng file");
	ret = file_wait(r, PCAP_HEADER_BYTES, err);
	if (ret != 0)
		return ret;
	if (r->end < PCAP_HEADER_BYTES)
		return lj_error_set(err, EILSEQ, r->path, "is truncated in its header");
	r->nanoseconds = magic == MAGIC_NS;
	r->begin = PCAP_HEADER_BYTES;
	/* The upper half: whether packets include an FCS, and its length in 16-bit words. */
	network = file_u32(r, r->view + 20);
	r->fcs_bytes = network & 0x04000000 ? (network >> 28) * 2 : 0;
	return file_check_link_type(r, (uint16_t)network, err);
}

int file_open(struct file_reader *r, const char *path, struct lj_error *err)
{
	uint8_t *buffer = r->buffer;
	struct file_interface *interface = r->interface;
	uint32_t room = r->room, magic;
	int ret;

	unmap(r);
	file_close(r);
	file_init(r);
	r->buffer = buffer;
	r->interface = interface;
	r->room = room;
	r->path = path;
	ret = open_path(r, path, err);
	if (ret == 0)
		ret = file_wait(r, sizeof(magic), err);
	if (ret != 0)
		return ret;
	if (r->end == 0)
		return lj_error_set(err, ENODATA, path, "is empty");
	magic = r->end >= sizeof(magic) ? file_u32(r, r->view) : 0;
	r->pcapng = magic == MAGIC_PCAPNG;
	return r->pcapng ? pcapng_open(r, err) : open_pcap(r, magic, err);
}

void file_init(struct file_reader *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = -1;
}

void file_close(struct file_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

void file_free(struct file_reader *r)
{
	unmap(r);
	file_close(r);
	free(r->buffer);
	free(r->interface);
	r->buffer = NULL;
	r->interface = NULL;
	r->room = 0;
}

void file_drop_fcs(struct file_record *record, uint8_t fcs_bytes)
{
	record->wire_bytes -= RTE_MIN(record->wire_bytes, (uint32_t)fcs_bytes);
	record->captured = RTE_MIN(record->captured, record->wire_bytes);
}

/* Whether zeros that were read from a mapped file may be missing bytes. read(2) then tells what is
 * left of the file. */
static bool is_cut(const struct file_reader *r)
{
	return r->map != NULL && file_map_is_cut(r->map, r->fd);
}

static enum file_result pcap_next(struct file_reader *r, struct file_record *record)
{
	enum file_result result = file_need(r, PCAP_RECORD_BYTES);
	const uint8_t *p;
	uint32_t fraction;

	if (result != FILE_RECORD)
		return result;
	p = r->view + r->begin;
	record->captured = file_u32(r, p + 8);
	record->wire_bytes = file_u32(r, p + 12);
	if (record->captured > FILE_CAPTURED_MAX)
		return file_damaged(r, "a record's length is impossible");
	if (unlikely(record->captured == 0) && is_cut(r))
		return FILE_REFILL;
	result = file_need(r, PCAP_RECORD_BYTES + record->captured);
	if (result != FILE_RECORD)
		return result;
	file_prefetch(r, p, PCAP_RECORD_BYTES + record->captured);
	r->begin += PCAP_RECORD_BYTES + record->captured;
	fraction = file_u32(r, p + 4);
	record->time_ns =
		file_u32(r, p) * 1000000000ULL + (r->nanoseconds ? fraction : fraction * 1000ULL);
	record->wire_bytes = RTE_MAX(record->wire_bytes, record->captured);
	record->data = p + PCAP_RECORD_BYTES;
	if (r->fcs_bytes > 0)
		file_drop_fcs(record, r->fcs_bytes);
	return FILE_RECORD;
}

enum file_result file_next(struct file_reader *r, struct file_record *record)
{
	enum file_result result = r->pcapng ? pcapng_next(r, record) : pcap_next(r, record);

	if (likely(result != FILE_DAMAGED) || !is_cut(r))
		return result;
	r->damage.what[0] = '\0';
	return FILE_REFILL;
}
