#include <ctype.h>
#include <dirent.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>
#include <rte_version.h>

#include "doctor.h"
#include "lj_capture.h"

/* Remedy for an error in a driver's file. */
static const char mend_file[] =
	"correct it, or set LINEJUDGE_DRIVERS to another folder of driver files";

#define MBUFS_BESIDE_RING 1024 /* per queue: in flight and in caches */

/* The kernel driver that a device is bound to decides whether DPDK can use it. */
static void examine_binding(struct lj_doctor *d, const char *address,
			    const struct lj_driver *driver)
{
	char bound[64];

	read_link_name(d, bound, sizeof(bound), "/sys/bus/pci/devices/%s/driver", address);
	if (strcmp(driver->name, "mlx5") == 0) {
		if (strcmp(bound, "mlx5_core") == 0)
			finding(d, LJ_FINE, "driver", address, "mlx5_core, as mlx5 requires");
		else
			finding(d, LJ_FATAL, "driver", address,
				"%s, but mlx5 requires the kernel's mlx5_core\ndpdk-devbind.py "
				"-b mlx5_core %s",
				bound[0] != '\0' ? bound : "none", address);
		return;
	}
	if (strcmp(bound, "vfio-pci") == 0)
		finding(d, LJ_FINE, "driver", address, "vfio-pci");
	else if (strcmp(bound, "igb_uio") == 0 || strcmp(bound, "uio_pci_generic") == 0)
		finding(d, LJ_WARNING, "driver", address,
			"%s, without an IOMMU: the device can access all memory\n"
			"dpdk-devbind.py -b vfio-pci %s",
			bound, address);
	else
		finding(d, LJ_FATAL, "driver", address,
			"%s: DPDK cannot use it\nip link set its interface down, modprobe vfio-pci "
			"and dpdk-devbind.py -b vfio-pci %s",
			bound[0] != '\0' ? bound : "bound to none", address);
}

/* All devices of an IOMMU group must be bound to VFIO, or none can be used. */
static void examine_group(struct lj_doctor *d, const char *address, const char *group)
{
	char path[256], bound[64];
	struct dirent *entry;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/sys/kernel/iommu_groups/%s/devices", d->root, group);
	folder = opendir(path);
	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, address) == 0)
			continue;
		read_link_name(d, bound, sizeof(bound), "/sys/bus/pci/devices/%s/driver",
			       entry->d_name);
		if (bound[0] != '\0' && strcmp(bound, "vfio-pci") != 0 &&
		    strcmp(bound, "pcieport") != 0 && strcmp(bound, "pci-stub") != 0)
			finding(d, LJ_FATAL, "iommu", address,
				"shares IOMMU group %s with %s, which is bound to "
				"%s\ndpdk-devbind.py -b "
				"vfio-pci %s, or use a slot with a group of its own (ACS)",
				group, entry->d_name, bound, entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
}

static void examine_iommu(struct lj_doctor *d, const char *address, const struct lj_driver *driver)
{
	char group[32], unsafe[8];

	if (strcmp(driver->name, "mlx5") == 0)
		return;
	if (!exists(d, "/sys/module/vfio_pci") && !exists(d, "/sys/bus/pci/drivers/vfio-pci"))
		finding(d, LJ_FATAL, "vfio", address, "vfio-pci is not loaded\nmodprobe vfio-pci");
	read_link_name(d, group, sizeof(group), "/sys/bus/pci/devices/%s/iommu_group", address);
	if (group[0] != '\0') {
		finding(d, LJ_FINE, "iommu", address, "in group %s", group);
		examine_group(d, address, group);
		return;
	}
	read_text(d, unsafe, sizeof(unsafe),
		  "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	if (unsafe[0] == 'Y' || unsafe[0] == '1')
		finding(d, LJ_WARNING, "iommu", address,
			"none, but vfio's no-IOMMU mode is on: the device may write anywhere\n"
			"intel_iommu=on iommu=pt on the kernel's command line, and VT-d (AMD-Vi) "
			"in the firmware");
	else
		finding(d, LJ_FATAL, "iommu", address,
			"none: vfio-pci does not work\nintel_iommu=on iommu=pt on the kernel's "
			"command line, and VT-d (AMD-Vi) in the firmware");
}

static void examine_link(struct lj_doctor *d, const char *address)
{
	char speed[32], max_speed[32];
	long width, max_width;

	width = read_number(d, 0, "/sys/bus/pci/devices/%s/current_link_width", address);
	max_width = read_number(d, 0, "/sys/bus/pci/devices/%s/max_link_width", address);
	read_text(d, speed, sizeof(speed), "/sys/bus/pci/devices/%s/current_link_speed", address);
	read_text(d, max_speed, sizeof(max_speed), "/sys/bus/pci/devices/%s/max_link_speed",
		  address);
	if (width == 0 || max_width == 0 || strtod(speed, NULL) <= 0)
		finding(d, LJ_NOTE, "pcie", address, "width and speed are unknown");
	else if (width < max_width || strtod(speed, NULL) + 1e-6 < strtod(max_speed, NULL))
		finding(d, LJ_WARNING, "pcie", address,
			"x%ld at %s of x%ld at %s\nuse a slot with as many lanes, wired as such; "
			"reseat the card; set the slot's generation in the firmware",
			width, speed, max_width, max_speed);
	else
		finding(d, LJ_FINE, "pcie", address, "x%ld at %s", width, speed);
}

static void examine_limits(struct lj_doctor *d, uint32_t i, const struct lj_driver *driver)
{
	const struct lj_config_port *port = &d->config->capture.port[i];
	uint32_t queues = lj_config_port_queues(d->config, i);
	uint32_t frame = port->mtu + 26, multiple = RTE_MAX(driver->descriptors_multiple, 1u);

	if (driver->queues_max > 0 && queues > driver->queues_max)
		finding(d, LJ_FATAL, "queues", port->name,
			"%u requested, %s has %u\nset lcores.workers or queues to at most that",
			queues, driver->name, driver->queues_max);
	if (driver->descriptors_max > 0 && port->descriptors > driver->descriptors_max)
		finding(d, LJ_WARNING, "descriptors", port->name,
			"%u requested, %s has at most %u, which will be used\nset descriptors to "
			"%u",
			port->descriptors, driver->name, driver->descriptors_max,
			driver->descriptors_max);
	else if (port->descriptors < driver->descriptors_min || port->descriptors % multiple != 0)
		finding(d, LJ_WARNING, "descriptors", port->name,
			"%u is not a multiple of %u from %u on, as %s requires\nset descriptors "
			"to %u",
			port->descriptors, multiple, driver->descriptors_min, driver->name,
			RTE_MAX(driver->descriptors_min,
				RTE_ALIGN_MUL_CEIL(port->descriptors, multiple)));
	else
		finding(d, LJ_FINE, "descriptors", port->name, "%u", port->descriptors);
	if (port->mbufs < queues * (port->descriptors + MBUFS_BESIDE_RING))
		finding(d, LJ_NOTE, "buffers", port->name,
			"%u mbufs are too few for %u queues of %u descriptors: more will be "
			"allocated\nset mbufs to %u",
			port->mbufs, queues, port->descriptors,
			queues * (port->descriptors + MBUFS_BESIDE_RING));
	if (frame > RTE_MBUF_DEFAULT_DATAROOM && !driver->scatter)
		finding(d, LJ_NOTE, "buffers", port->name,
			"%s does not chain mbufs: each will be %u bytes for an MTU of %u",
			driver->name, frame + RTE_PKTMBUF_HEADROOM, port->mtu);
}

static bool examine_presence(struct lj_doctor *d, const char *address)
{
	if (exists(d, "/sys/bus/pci/devices/%s", address))
		return true;
	finding(d, LJ_FATAL, "device", address,
		"there is no such PCI device\nlspci -D | grep -i eth lists the addresses");
	return false;
}

static void examine_pci(struct lj_doctor *d, uint32_t i, const char *address)
{
	char vendor[16], device[16];
	struct lj_driver driver;
	struct lj_error err = {0};

	if (!examine_presence(d, address))
		return;
	read_text(d, vendor, sizeof(vendor), "/sys/bus/pci/devices/%s/vendor", address);
	read_text(d, device, sizeof(device), "/sys/bus/pci/devices/%s/device", address);
	if (strlen(vendor) < 3 || strlen(device) < 3 ||
	    lj_driver_load_pci(&driver, vendor + 2, device + 2, &err) != 0) {
		finding(d, LJ_FATAL, "device", address, "cannot be determined: %s\n%s", err.what,
			mend_file);
		return;
	}
	examine_binding(d, address, &driver);
	examine_iommu(d, address, &driver);
	examine_link(d, address);
	if (driver.lldp_agent)
		finding(d, LJ_NOTE, "lldp", address,
			"the firmware's LLDP agent may consume LLDP frames; its state cannot be "
			"read while the device is bound to DPDK\nbefore binding: ethtool "
			"--set-priv-flags IF %s",
			strcmp(driver.name, "i40e") == 0 ? "disable-fw-lldp on"
							 : "fw-lldp-agent off");
	examine_limits(d, i, &driver);
	if (lj_driver_firmware(&driver, rte_version() + strlen("DPDK ")) != NULL)
		finding(d, LJ_NOTE, "firmware", address,
			"%s with DPDK %s needs %s or newer: checked when linejudge opens the port\n"
			"before binding: ethtool -i IF",
			driver.name, rte_version() + strlen("DPDK "),
			lj_driver_firmware(&driver, rte_version() + strlen("DPDK ")));
	lj_driver_free(&driver);
}

/* Examines an interface of the host that a port taps or may fail over to. */
static void examine_interface(struct lj_doctor *d, const char *port, const char *name,
			      enum lj_severity missing)
{
	char flags[32];

	if (!exists(d, "/sys/class/net/%s", name)) {
		finding(d, missing, "interface", port,
			"there is no interface %s\nip -br link lists all interfaces (a NIC bound "
			"to vfio-pci has none: give its PCI address)",
			name);
		return;
	}
	read_text(d, flags, sizeof(flags), "/sys/class/net/%s/flags", name);
	if ((strtoul(flags, NULL, 16) & IFF_UP) == 0)
		finding(d, LJ_WARNING, "interface", port,
			"%s is down: it receives no packets\nip link set %s up", name, name);
	else if (read_number(d, 1, "/sys/class/net/%s/carrier", name) == 0)
		finding(d, LJ_WARNING, "interface", port,
			"%s has no link\ncheck its cable, its optics and the other end (ethtool "
			"%s)",
			name, name);
	else
		finding(d, LJ_FINE, "interface", port, "%s is up", name);
	examine_offloads(d, port, name);
}

/* Whether the vdev needs an existing interface, given by "iface="; net_tap creates its own. */
static bool names_interface(const char *name)
{
	static const char *const drivers[] = {"net_af_packet", "net_af_xdp", "net_pcap"};

	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strncmp(name, drivers[i], strlen(drivers[i])) == 0)
			return strstr(name, "iface=") != NULL;
	return false;
}

/* Extracts "eth0" from "xdp:eth0,mode=generic", "auto:eth0" or "net_af_packet0,iface=eth0". False
 * if there is none. */
static bool interface_of(const char *name, char *out, size_t size)
{
	const char *given;

	if (lj_port_is_kernels(name)) {
		lj_port_interface(name, out, size);
		return out[0] != '\0' && !lj_port_is_pci(out);
	}
	if (!names_interface(name))
		return false;
	given = strstr(name, "iface=") + strlen("iface=");
	snprintf(out, size, "%.*s", (int)strcspn(given, ","), given);
	return true;
}

/* The driver is the device's name without its number: "net_pcap0,rx_pcap=f" uses net_pcap. */
static void examine_vdev(struct lj_doctor *d, uint32_t i)
{
	const char *name = d->config->capture.port[i].name;
	size_t length = strcspn(name, ",");
	char pmd[64], interface[IFNAMSIZ], address[DOCTOR_ADDRESS];
	struct lj_error err = {0};
	struct lj_driver driver;

	while (length > 0 && isdigit((unsigned char)name[length - 1]))
		length--;
	snprintf(pmd, sizeof(pmd), "%.*s", (int)length, name);
	if (lj_driver_load(&driver, pmd, &err) != 0) {
		finding(d, LJ_FATAL, "device", name, "%s: %s\n%s", err.where, err.what, mend_file);
		return;
	}
	if (strchr(name, '/') == NULL && exists(d, "/sys/class/net/%s", name))
		finding(d, LJ_FATAL, "interface", name,
			"is an interface of the host, not a DPDK device\nname the port xdp:%s (a "
			"tap), or auto:%s (the first driver that works)",
			name, name);
	if (interface_of(name, interface, sizeof(interface)))
		examine_interface(d, name, interface, LJ_FATAL);
	else if (lj_port_is_kernels(name) &&
		 lj_port_is_pci(lj_port_interface(name, address, sizeof(address))))
		examine_presence(d, address);
	examine_limits(d, i, &driver);
	lj_driver_free(&driver);
}

/* Only a warning, since it is not known whether it will ever be needed. */
static void examine_failover(struct lj_doctor *d, const char *failover)
{
	if (failover[0] != '\0' && !lj_port_is_pci(failover))
		examine_interface(d, failover, failover, LJ_WARNING);
}

void examine_ports(struct lj_doctor *d)
{
	char address[DOCTOR_ADDRESS];

	for (uint32_t i = 0; i < d->config->capture.n_ports; i++) {
		if (port_is_pci(&d->config->capture.port[i], address))
			examine_pci(d, i, address);
		else
			examine_vdev(d, i);
		examine_failover(d, d->config->capture.port[i].failover);
	}
}
