#include "lj_log.h"

RTE_LOG_REGISTER(lj_logtype, linejudge, NOTICE);
