#include "capture_sockets.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/socket.h>

static bool is_bound_to(int fd, unsigned int ifindex)
{
	struct sockaddr_ll address = {0};
	socklen_t size = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
	       address.sll_family == AF_PACKET && address.sll_ifindex == (int)ifindex;
}

static uint16_t find(int fds[LJ_SOURCE_QUEUES], unsigned int ifindex)
{
	DIR *open_files = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint16_t n = 0;

	if (open_files == NULL)
		return 0;
	while ((entry = readdir(open_files)) != NULL && n < LJ_SOURCE_QUEUES) {
		int fd = atoi(entry->d_name); /* "." and "..": 0, which is no packet socket */

		if (is_bound_to(fd, ifindex))
			fds[n++] = fd;
	}
	closedir(open_files);
	return n;
}

/* Each read resets the kernel's counter. */
static uint64_t take(const struct port_sockets *s)
{
	uint16_t n = __atomic_load_n(&s->n, __ATOMIC_ACQUIRE);
	uint64_t missed = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct tpacket_stats stats = {0};
		socklen_t size = sizeof(stats);

		if (getsockopt(s->fd[i], SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
			missed += stats.tp_drops;
	}
	return missed;
}

void port_sockets_begin(struct port_sockets *s, unsigned int ifindex)
{
	uint16_t n = find(s->fd, ifindex);

	__atomic_store_n(&s->n, n, __ATOMIC_RELEASE);
	take(s); /* from before the start */
}

void port_sockets_end(struct port_sockets *s)
{
	port_sockets_missed(s);
	__atomic_store_n(&s->n, 0, __ATOMIC_RELEASE);
}

uint64_t port_sockets_missed(struct port_sockets *s)
{
	return __atomic_add_fetch(&s->missed, take(s), __ATOMIC_RELAXED);
}
