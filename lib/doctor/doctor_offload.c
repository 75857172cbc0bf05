#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "doctor.h"

/* Asks the kernel for a setting of an interface, which no file in /sys tells; 0 if it has none. */
static uint32_t ethtool_value(int fd, const char *interface, uint32_t command)
{
	struct ethtool_value value = {.cmd = command};
	struct ifreq request = {.ifr_data = (void *)&value};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(fd, SIOCETHTOOL, &request) == 0 ? value.data : 0;
}

/* How certain it is that a port of that name receives what the kernel has merged. DPDK's drivers
 * for interfaces do, except for net_af_xdp, and XDP does in generic mode. XDP without a mode and
 * "auto:" may turn out to be either. LJ_FINE: never. */
static enum lj_severity receives_merged(const char *name)
{
	if (strncmp(name, "net_af_xdp", strlen("net_af_xdp")) == 0 ||
	    strstr(name, ",mode=native") != NULL)
		return LJ_FINE;
	if (strncmp(name, "net_", strlen("net_")) == 0 || strstr(name, ",mode=generic") != NULL)
		return LJ_WARNING;
	return LJ_NOTE;
}

void examine_offloads(struct lj_doctor *d, const char *port, const char *interface)
{
	enum lj_severity severity = receives_merged(port);
	bool gro, lro;
	int fd;

	if (severity == LJ_FINE ||
	    d->root[0] != '\0') /* another machine's files: its kernel cannot be asked */
		return;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	gro = ethtool_value(fd, interface, ETHTOOL_GGRO) != 0;
	lro = (ethtool_value(fd, interface, ETHTOOL_GFLAGS) & ETH_FLAG_LRO) != 0;
	close(fd);
	if (!gro && !lro)
		return;
	finding(d, severity, "offload", port,
		"%s merges received segments (%s)%s: packets of flows are too few and too large\n"
		"ethtool -K %s gro off lro off",
		interface,
		gro && lro ? "GRO and LRO"
		: gro	   ? "GRO"
			   : "LRO",
		severity == LJ_WARNING ? "" : ", which net_af_packet and XDP in generic mode see",
		interface);
}
