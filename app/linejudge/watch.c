#include "watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "lj_clock.h"
#include "lj_log.h"
#include "lj_service.h"

#define WATCH_EVERY_US	1000
#define STATUS_EVERY_NS 5000000000ULL

struct watcher {
	struct lj_pipeline *pipeline;
	const struct lj_config *config;
	uint64_t ping_every_ns;	       /* 0: no watchdog */
	uint64_t pinged_tsc, told_tsc; /* of the latest ping and the latest status */
};

static bool passed(uint64_t since_tsc, uint64_t now_tsc, uint64_t ns)
{
	return lj_cycles_to_ns(now_tsc - since_tsc) >= ns;
}

static void tell_status(struct watcher *w, uint64_t now_tsc, uint64_t stalled_ns)
{
	struct lj_counters total;

	if (w->told_tsc != 0 && !passed(w->told_tsc, now_tsc, STATUS_EVERY_NS))
		return;
	w->told_tsc = now_tsc;
	lj_pipeline_total(w->pipeline, &total);
	lj_service_status("%" PRIu64 " packets, %" PRIu64 " flows live, %" PRIu64
			  " scored, %" PRIu64 " alerts%s",
			  total.value[LJ_C_rx_packets], total.value[LJ_C_flow_active],
			  total.value[LJ_C_model_scored], total.value[LJ_C_verdict_alerts],
			  stalled_ns > 0 ? "; an lcore is stalled" : "");
}

/* While an lcore is stalled, no pings are sent. After keepalive.restart_ms the process aborts if
 * keepalive.policy says so. */
static void look_after(struct watcher *w)
{
	uint64_t stalled_ns = lj_pipeline_keepalive(w->pipeline);
	uint64_t now_tsc = rte_rdtsc();

	if (stalled_ns > w->config->keepalive.restart_ms * 1000000ULL &&
	    w->config->keepalive.policy == LJ_STALL_RESTART) {
		lj_log(CRIT, "keepalive: stalled for longer than keepalive.restart_ms: aborting\n");
		abort();
	}
	if (stalled_ns == 0 && w->ping_every_ns > 0 &&
	    passed(w->pinged_tsc, now_tsc, w->ping_every_ns)) {
		w->pinged_tsc = now_tsc;
		lj_service_ping();
	}
	tell_status(w, now_tsc, stalled_ns);
}

void watch(struct lj_pipeline *p, const struct lj_config *c, struct lj_control *control,
	   struct lj_shell *shell, const volatile sig_atomic_t *interrupted,
	   volatile sig_atomic_t *reload)
{
	struct watcher w = {
		.pipeline = p,
		.config = c,
		/* A third of the timeout, so that two late pings do no harm. */
		.ping_every_ns = lj_service_watchdog_ns() / 3,
	};
	bool asked = false, open = shell != NULL;
	uint64_t now_ns;

	while (!lj_pipeline_finished(p) || (open && !*interrupted)) {
		if (open)
			open = lj_shell_poll(shell);
		if ((*interrupted || (shell != NULL && !open)) && !asked) {
			lj_service_stopping();
			lj_pipeline_end(p);
			asked = true;
		}
		look_after(&w);
		lj_clock_follow();
		now_ns = lj_clock_wall_ns(rte_rdtsc());
		lj_pipeline_watch(p, now_ns);
		lj_control_attend(control, now_ns);
		/* Clear first: the models may change again while they are read. */
		if (*reload) {
			*reload = 0;
			if (!lj_control_reload(control))
				*reload = 1;
		}
		usleep(WATCH_EVERY_US);
	}
}
