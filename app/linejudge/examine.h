/* Private: the examinations of linejudge doctor at start. A replay is not examined. */
#ifndef EXAMINE_H
#define EXAMINE_H

#include "lj_config.h"
#include "lj_pipeline.h"

/* Before live capture: logs warnings, and refuses to start if there is a fatal finding. 0, or
 * -errno with `err`. */
int examine(const struct lj_config *c, struct lj_error *err);
/* Once the ports are open: logs findings that need open ports. Never refuses. */
void examine_firmware(const struct lj_pipeline *p, const struct lj_config *c);

#endif
