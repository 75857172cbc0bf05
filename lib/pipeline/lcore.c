#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <rte_pause.h>

#include "pipeline.h"

/* Polls without work before an lcore yields, and before it sleeps. */
#define SPIN_POLLS     64
#define YIELD_POLLS    128
#define FIRST_SLEEP_NS 2000
/* Maximum delay before a parked lcore takes a role over again. */
#define PARKED_SLEEP_NS 1000000

/*
 * Costs a busy lcore nothing and an idle one little: a short spin catches what is about to come,
 * yielding lets another lcore of this CPU fill our queue, sleeping frees the CPU. The sleep doubles
 * up to the permitted.
 */
static void rest(const struct lcore *l, uint32_t idle_polls)
{
	struct timespec sleep = {0};
	uint32_t doublings;

	if (l->idle == LJ_IDLE_POLL || idle_polls < SPIN_POLLS) {
		rte_pause();
		return;
	}
	if (idle_polls < YIELD_POLLS) {
		sched_yield();
		return;
	}
	doublings = RTE_MIN(idle_polls - YIELD_POLLS, 12u);
	sleep.tv_nsec = (long)RTE_MIN((uint64_t)FIRST_SLEEP_NS << doublings, l->max_sleep_ns);
	nanosleep(&sleep, NULL);
}

/* Charges the cycles since `since` to what the poll found. Returns now. */
static uint64_t charge(struct role *role, int work, uint64_t since)
{
	uint64_t now = rte_rdtsc();
	enum lj_counter regime = work > 0		? LJ_C_cycles_busy
				 : work == POLL_REFUSED ? LJ_C_cycles_refused
							: LJ_C_cycles_idle;

	lj_count(&role->counters, regime, now - since);
	lj_count(&role->counters, LJ_C_polls, 1);
	return now;
}

/* A system call, so once a second. */
static void read_usage(struct lcore *l, uint64_t now)
{
	struct rusage usage;

	if (now - l->usage_tsc < rte_get_tsc_hz() || getrusage(RUSAGE_THREAD, &usage) != 0)
		return;
	l->usage_tsc = now;
	__atomic_store_n(&l->involuntary_switches, (uint64_t)usage.ru_nivcsw, __ATOMIC_RELAXED);
	__atomic_store_n(&l->voluntary_switches, (uint64_t)usage.ru_nvcsw, __ATOMIC_RELAXED);
}

/* Whether this lcore polls the role. Passes it on if main wants another lcore to. */
static bool holds(const struct lcore *l, struct role *role)
{
	uint32_t wanted;

	if (atomic_load_explicit(&role->holder, memory_order_acquire) != l->id)
		return false;
	wanted = atomic_load_explicit(&role->wanted, memory_order_relaxed);
	if (wanted == l->id)
		return true;
	atomic_store_explicit(&role->holder, wanted, memory_order_release);
	return false;
}

/* One poll of each role it holds; what a loop found. */
struct loop {
	bool worked, finished;
	struct role *held; /* the last one; NULL: the lcore is parked */
};

static struct loop poll_roles(struct lcore *l, uint64_t *now)
{
	struct loop loop = {.finished = true};

	for (uint32_t i = 0; i < l->n_roles + l->n_guests; i++) {
		struct role *role = l->role[i];
		int work;

		if (atomic_load_explicit(&role->finished, memory_order_acquire))
			continue;
		loop.finished = false;
		if (!holds(l, role))
			continue;
		work = role->poll(role, *now);
		*now = charge(role, work, *now);
		loop.worked = loop.worked || work > 0;
		loop.held = role;
	}
	return loop;
}

static void sleep_parked(void)
{
	const struct timespec sleep = {.tv_nsec = PARKED_SLEEP_NS};

	nanosleep(&sleep, NULL);
}

/* Rests since `since`, which `held` is charged with. Returns now. */
static uint64_t rest_with(const struct lcore *l, struct role *held, uint32_t idle_polls,
			  uint64_t since)
{
	uint64_t now;

	rest(l, idle_polls);
	now = rte_rdtsc();
	lj_count(&held->counters, LJ_C_cycles_idle, now - since);
	return now;
}

int lcore_main(void *arg)
{
	struct lcore *l = arg;
	uint32_t idle_polls = 0;
	uint64_t now = rte_rdtsc();

	/* The default slack of 50 us would make every short sleep a long one. */
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		uint64_t began = now;
		struct loop loop = poll_roles(l, &now);

		if (loop.worked)
			idle_polls = 0;
		else if (loop.held != NULL)
			now = rest_with(l, loop.held, idle_polls++, now);
		/* Measured from poll to poll, because the CPU may be taken away during a rest, too.
		 */
		lj_histogram_record(&l->loop_ns, lj_cycles_to_ns(now - began));
		read_usage(l, now);
		if (loop.finished)
			return 0;
		/* Nothing waits for a parked lcore, so its sleep is not part of a loop. */
		if (loop.held == NULL) {
			sleep_parked();
			now = rte_rdtsc();
		}
	}
}
