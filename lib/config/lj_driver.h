/*
 * What is known of a DPDK driver beforehand: drivers-config/<pmd>.json.
 *
 * The file of "net_i40e" is i40e.json, of "mlx5_pci" mlx5.json; a driver without a file has
 * generic.json. What a device says of itself at run time goes before what is written there.
 *
 * The folder is, in this order: $LINEJUDGE_DRIVERS; ../../drivers-config beside the binary's folder
 * (a source tree, run from build/); ../share/linejudge/drivers-config (installed).
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
	bool scatter;	 /* may be asked to spread a frame over several mbufs */
	bool any_memory; /* takes packet buffers that the EAL does not know: only copies, in this
			  * process */
	bool lldp_agent; /* its firmware eats LLDP frames unless told otherwise */
	struct lj_strings quirks;
	uint32_t n_firmwares;
	struct {
		char dpdk[16], firmware[32], kernel_driver[32];
	} firmware[LJ_DRIVER_FIRMWARES];
};

/* The folder of the files. Returns out, or NULL and `err`. */
char *lj_drivers_folder(char *out, size_t size, struct lj_error *err);

/* Reads the file of a driver by DPDK's name for it or by ours. 0, or -errno and `err`. */
int lj_driver_load(struct lj_driver *d, const char *pmd, struct lj_error *err);
/* Likewise, of a PCI device by its ids ("8086", "1572"): generic's when no file claims it. */
int lj_driver_load_pci(struct lj_driver *d, const char *vendor, const char *device,
		       struct lj_error *err);
void lj_driver_free(struct lj_driver *d);

/* Which firmware goes with the running `dpdk` ("22.11.11"), or NULL when the file does not say. */
const char *lj_driver_firmware(const struct lj_driver *d, const char *dpdk);

#endif
