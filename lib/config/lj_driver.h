/*
 * Static properties of a DPDK driver, from drivers-config/<pmd>.json.
 *
 * The file of "net_i40e" is i40e.json, of "mlx5_pci" mlx5.json; a driver without a file uses
 * generic.json. What a device reports at run time takes precedence.
 *
 * The folder is the first of: $LINEJUDGE_DRIVERS; ../../drivers-config relative to the binary's
 * folder (source tree, run from build/); ../share/linejudge/drivers-config (installed).
 *
 * Thread: main.
 */
#ifndef LJ_DRIVER_H
#define LJ_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lj_base.h"
#include "lj_capture.h"
#include "lj_config.h"

#define LJ_DRIVER_FIRMWARES 8

struct lj_driver {
	char name[32]; /* "i40e", or "generic" */
	char path[512];
	char description[128];
	bool has_rss;
	bool sctp_unhashed; /* no SCTP function, no hash of SCTP */
	uint8_t key_bytes;
	uint16_t reta_entries;
	struct {
		enum lj_rss_by by;
		uint64_t functions;					 /* RTE_ETH_RSS_... */
	} mode[2];							 /* by enum lj_rss_mode */
	uint32_t queues_max;						 /* 0: unknown */
	uint32_t descriptors_min, descriptors_max, descriptors_multiple; /* 0: unknown */
	bool scatter;	 /* RX scatter (a frame in several mbufs) may be requested */
	bool any_memory; /* packet buffers need not be EAL memory: the driver only copies, in this
			  * process */
	bool lldp_agent; /* its firmware consumes LLDP frames unless configured not to */
	struct lj_strings quirks;
	uint32_t n_firmwares;
	struct {
		char dpdk[16], firmware[32], kernel_driver[32];
	} firmware[LJ_DRIVER_FIRMWARES];
};

/* Reads the file of a driver, by its DPDK name or its file's name. 0, or -errno and `err`; call
 * lj_driver_free() after success. */
int lj_driver_load(struct lj_driver *d, const char *pmd, struct lj_error *err);
/* Likewise by the ids of a PCI device ("8086", "1572"); generic.json if no file lists it. */
int lj_driver_load_pci(struct lj_driver *d, const char *vendor, const char *device,
		       struct lj_error *err);
void lj_driver_free(struct lj_driver *d);

/* The firmware version recommended for `dpdk` ("22.11.11"); NULL if the file has none. */
const char *lj_driver_firmware(const struct lj_driver *d, const char *dpdk);

#endif
