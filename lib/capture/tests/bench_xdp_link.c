/*
 * The cost of the XDP tap for frames that pass an interface, compared with a program that only
 * passes them in the same place: in the driver (native mode) and in the stack (generic mode), on
 * one end of a veth, where VLAN tags may be outside the frame and are looked for. Frames are
 * injected at the other end by redirecting live frames of a test run, faster than sockets could,
 * and go up the host's stack until it drops them. In a network namespace of its own. Medians of
 * several alternating runs. Needs root, and iproute2.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>

#include "capture_xdp_kernel.h"
#include "lj_bench.h"

#define RUNS   15
#define FRAMES 4096 /* per run; a ring holds as many */
#define BATCH  64   /* frames of a driver poll */
#define NEAR   "ljbench0"
#define FAR    "ljbench1"

enum contestant { NATIVE_PASS, NATIVE_TAP, GENERIC_PASS, GENERIC_TAP, CONTESTANTS };

static const char *const names[CONTESTANTS] = {"native, pass", "native, tap", "generic, pass",
					       "generic, tap"};

/* An IPv4 and UDP frame to another host. */
static uint8_t frame[1514] = {
	0x02, 0, 0,  0,	 0, 1, 0x02, 0, 0, 0, 0,  2, 0x08, 0, 0x45, 0, 0, 46, 0, 0,
	0,    0, 64, 17, 0, 0, 10,   0, 0, 1, 10, 0, 0,	   2, 4,    0, 0, 53, 0, 26,
};

static void give_up(const char *what)
{
	fprintf(stderr, "bench_xdp_link: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int load(const char *name, const struct bpf_insn *code, size_t n)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", code, n, NULL);

	if (fd < 0)
		give_up("loading needs root");
	return fd;
}

static int load_pass(void)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load("pass", code, RTE_DIM(code));
}

/* Loads a program that redirects to the interface: for a veth, to its other end. */
static int load_sender(unsigned int ifindex)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = (int)ifindex},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return load("sender", code, RTE_DIM(code));
}

/* A veth accepts redirected frames only if it polls: with a native program, or with GRO. */
static void make_link(void)
{
	struct ethtool_value gro = {.cmd = ETHTOOL_SGRO, .data = 1};
	struct ifreq ifr = {.ifr_name = NEAR, .ifr_data = (void *)&gro};
	int fd;

	if (unshare(CLONE_NEWNET) != 0)
		give_up("a network namespace of its own");
	if (system("ip link add " NEAR " type veth peer name " FAR " && ip link set " NEAR
		   " up && ip link set " FAR " up") != 0)
		give_up("a veth pair");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr) != 0)
		give_up("GRO on " NEAR);
	close(fd);
}

static uint64_t received(void)
{
	FILE *f = popen("ip -s -o link show " NEAR, "r");
	unsigned long long bytes, packets = 0;
	char line[1024], *at;

	if (f != NULL && fgets(line, sizeof(line), f) != NULL &&
	    (at = strstr(line, "RX:")) != NULL && (at = strchr(at, '\\')) != NULL &&
	    sscanf(at + 1, "%llu %llu", &bytes, &packets) != 2)
		packets = 0;
	if (f != NULL)
		pclose(f);
	return packets;
}

/* ns per frame, from injection until the host drops it, by the kernel's measurement, without the
 * set-up of the run. */
static double send_frames(int sender, uint32_t bytes)
{
	struct xdp_md context = {.data_end = bytes};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes,
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = FRAMES,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);
	uint64_t before = received();

	if (bpf_prog_test_run_opts(sender, &opts) != 0)
		give_up("the test run fails");
	if (received() - before < FRAMES) {
		errno = ENOBUFS;
		give_up("frames were lost on the way");
	}
	return opts.duration;
}

static double run_pass(int pass, bool generic, int sender, uint32_t bytes)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int link = bpf_link_create(pass, (int)if_nametoindex(NEAR), BPF_XDP, &opts);
	double ns;

	if (link < 0)
		give_up("attaching");
	ns = send_frames(sender, bytes);
	close(link);
	return ns;
}

static double run_tap(bool generic, int sender, uint32_t bytes)
{
	const struct xdp_kernel_config config = {
		.name = "bench",
		.interface = NEAR,
		.mode = generic ? XDP_MODE_GENERIC : XDP_MODE_NATIVE,
		.slots_per_ring = FRAMES,
		.snap_bytes = XDP_SNAP,
	};
	struct lj_error err = {0};
	struct xdp_kernel kernel;
	uint64_t seen = 0;
	double ns;

	if (xdp_kernel_open(&kernel, &config, &err) != 0 || xdp_kernel_attach(&kernel, &err) != 0) {
		fprintf(stderr, "bench_xdp_link: %s\n", err.what);
		exit(EXIT_FAILURE);
	}
	ns = send_frames(sender, bytes);
	for (uint32_t i = 0; i < kernel.rings; i++)
		seen += kernel.position[i].head;
	if (seen < FRAMES) {
		errno = ENODATA;
		give_up("the tap did not see all frames");
	}
	xdp_kernel_close(&kernel);
	return ns;
}

static void measure(int pass, int sender, uint32_t bytes, double median[CONTESTANTS])
{
	double ns[CONTESTANTS][RUNS];

	for (int i = 0; i < RUNS; i++)
		for (int c = 0; c < CONTESTANTS; c++) {
			bool generic = c >= GENERIC_PASS;

			ns[c][i] = c % 2 == 0 ? run_pass(pass, generic, sender, bytes)
					      : run_tap(generic, sender, bytes);
		}
	for (int c = 0; c < CONTESTANTS; c++)
		median[c] = lj_bench_median(ns[c], RUNS);
}

static void report(struct lj_bench *b, uint32_t bytes, const double ns[CONTESTANTS])
{
	for (int c = 0; c < CONTESTANTS; c++) {
		double base = ns[c - c % 2];

		fprintf(b->text,
			"%4u B, %-13s: %4.0f ns a frame, %5.2f Mpps, %5.1f %% of the rate\n", bytes,
			names[c], ns[c], 1e3 / ns[c], base / ns[c] * 100);
		lj_bench_row(
			b,
			"\"bytes\": %u, \"program\": \"%s\", \"ns\": %.1f, \"share_of_rate\": %.4f",
			bytes, names[c], ns[c], base / ns[c]);
	}
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {60, 1514};
	struct lj_bench b;
	int pass, sender;

	lj_bench_open(&b, "bench_xdp_link", argc, argv, NULL, 0);
	make_link();
	pass = load_pass();
	sender = load_sender(if_nametoindex(FAR));
	for (uint32_t i = 0; i < RTE_DIM(sizes); i++) {
		double ns[CONTESTANTS];

		measure(pass, sender, sizes[i], ns);
		report(&b, sizes[i], ns);
	}
	close(pass);
	close(sender);
	return lj_bench_close(&b);
}
