#include <stdarg.h>
#include <stdio.h>

#include <systemd/sd-daemon.h>

#include "lj_service.h"

void lj_service_ready(void)
{
	sd_notify(0, "READY=1");
}

void lj_service_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=draining");
}

void lj_service_status(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sd_notifyf(0, "STATUS=%s", text);
}

uint64_t lj_service_watchdog_ns(void)
{
	uint64_t us = 0;

	return sd_watchdog_enabled(0, &us) > 0 ? us * 1000 : 0;
}

void lj_service_ping(void)
{
	sd_notify(0, "WATCHDOG=1");
}
