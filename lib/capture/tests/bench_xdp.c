/*
 * The cost of the XDP tap per frame, compared with a program that only passes it: by test runs of
 * the kernel (ns per frame, including their loop), and by frames that are passed up the stack from
 * there (share of the rate without a tap). With one clock reading per frame, and with one shared by
 * the frames of a driver poll, here up to 64. In a network namespace of its own. Rings are emptied
 * between runs. Medians of several alternating runs. Needs root.
 */
#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>

#include "capture_xdp_kernel.h"
#include "capture_xdp_ring.h"
#include "lj_bench.h"

#define RUNS   21
#define FRAMES 4096 /* per run; a ring holds as many */
#define BATCH  64   /* frames of a driver poll */

enum program { PASS, TAP_OWN_CLOCK, TAP, PROGRAMS };

struct contestant {
	int program;
	struct xdp_kernel kernel; /* of the tap */
	struct xdp_rings rings;
};

/* An IPv4 and UDP frame to another host, which the host drops early, so that the tap's share is
 * largest. */
static uint8_t frame[1514] = {
	0x02, 0, 0,  0,	 0, 1, 0x02, 0, 0, 0, 0,  2, 0x08, 0, 0x45, 0, 0, 46, 0, 0,
	0,    0, 64, 17, 0, 0, 10,   0, 0, 1, 10, 0, 0,	   2, 4,    0, 0, 53, 0, 26,
};

static int load_pass(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, RTE_DIM(pass), NULL);
}

/* The MTU of an Ethernet interface, so that frames have one buffer, as usual. */
static int set_mtu(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_mtu = 1500};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ret = ioctl(fd, SIOCSIFMTU, &ifr);

	close(fd);
	return ret;
}

/* ns per frame */
static double run(int program, uint32_t bytes, bool live)
{
	struct xdp_md context = {.data_end = bytes};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = bytes,
		    .repeat = FRAMES);

	if (live) {
		opts.ctx_in = &context;
		opts.ctx_size_in = sizeof(context);
		opts.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
		opts.batch_size = BATCH;
	}
	if (bpf_prog_test_run_opts(program, &opts) != 0) {
		fprintf(stderr, "bench_xdp: the test run fails: %s\n", strerror(errno));
		exit(EXIT_FAILURE);
	}
	return opts.duration;
}

static void measure(struct contestant *c, uint32_t bytes, bool live, double median[PROGRAMS])
{
	double ns[PROGRAMS][RUNS];

	for (int i = 0; i < RUNS; i++)
		for (int p = 0; p < PROGRAMS; p++) {
			if (p != PASS)
				xdp_rings_skip(&c[p].rings);
			ns[p][i] = run(c[p].program, bytes, live);
			if (p != PASS && xdp_rings_overruns(&c[p].rings) > 0) {
				fprintf(stderr, "bench_xdp: a ring was full\n");
				exit(EXIT_FAILURE);
			}
		}
	for (int p = 0; p < PROGRAMS; p++)
		median[p] = lj_bench_median(ns[p], RUNS);
}

static void report(struct lj_bench *b, uint32_t bytes, const double test[PROGRAMS],
		   const double live[PROGRAMS])
{
	static const char *const names[PROGRAMS] = {"pass", "tap, own clock", "tap"};

	for (int p = 0; p < PROGRAMS; p++) {
		fprintf(b->text,
			"%4u B, %-14s: %3.0f ns, %3.0f more; to the host %4.0f ns, %5.1f %% of the "
			"rate\n",
			bytes, names[p], test[p], test[p] - test[PASS], live[p],
			live[PASS] / live[p] * 100);
		lj_bench_row(
			b,
			"\"bytes\": %u, \"program\": \"%s\", \"ns\": %.1f, \"added_ns\": %.1f, "
			"\"host_ns\": %.1f, \"share_of_rate\": %.4f",
			bytes, names[p], test[p], test[p] - test[PASS], live[p],
			live[PASS] / live[p]);
	}
}

static int open_tap(struct contestant *c, struct lj_error *err)
{
	const struct xdp_kernel_config config = {.name = "bench",
						 .interface = "lo",
						 .slots_per_ring = FRAMES,
						 .snap_bytes = XDP_SNAP};
	int ret = xdp_kernel_open(&c->kernel, &config, err);

	if (ret != 0)
		return ret;
	c->program = xdp_kernel_program(&c->kernel);
	return xdp_rings_init(&c->rings, c->kernel.rings, FRAMES, c->kernel.position,
			      c->kernel.slot);
}

static void close_tap(struct contestant *c)
{
	xdp_rings_free(&c->rings);
	xdp_kernel_close(&c->kernel);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {60, 128, 200, 1514};
	struct contestant c[PROGRAMS] = {0};
	double test[PROGRAMS], live[PROGRAMS];
	struct lj_error err = {0};
	struct lj_bench b;

	lj_bench_open(&b, "bench_xdp", argc, argv, NULL, 0);
	c[PASS].program = load_pass();
	if (unshare(CLONE_NEWNET) != 0 || set_mtu() != 0 || c[PASS].program < 0 ||
	    open_tap(&c[TAP_OWN_CLOCK], &err) != 0 || open_tap(&c[TAP], &err) != 0) {
		fprintf(stderr, "bench_xdp: %s\n", err.what[0] != '\0' ? err.what : "needs root");
		return EXIT_FAILURE;
	}
	xdp_kernel_share_clock(&c[TAP].kernel);
	for (uint32_t i = 0; i < RTE_DIM(sizes); i++) {
		measure(c, sizes[i], false, test);
		measure(c, sizes[i], true, live);
		report(&b, sizes[i], test, live);
	}
	close(c[PASS].program);
	close_tap(&c[TAP_OWN_CLOCK]);
	close_tap(&c[TAP]);
	return lj_bench_close(&b);
}
