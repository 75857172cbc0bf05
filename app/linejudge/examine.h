/* What linejudge doctor looks for, before and while the appliance starts. A replay is not examined.
 */
#ifndef EXAMINE_H
#define EXAMINE_H

#include "lj_config.h"
#include "lj_pipeline.h"

/* Before live capture: what is wrong with the machine is said, and what is fatal refuses. 0, or
 * -errno and `err`. */
int examine(const struct lj_config *c, struct lj_error *err);
/* What only open ports tell; said, never refused. */
void examine_firmware(const struct lj_pipeline *p, const struct lj_config *c);

#endif
