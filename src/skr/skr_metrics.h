/* Every metric of skr, in one table; the names are part of what operators rely on. */
#ifndef SKR_SKR_METRICS_H
#define SKR_SKR_METRICS_H

#include "base/metrics.h"

extern const struct metric_desc skr_metrics[];

#endif
