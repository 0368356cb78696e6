/* Probes and metrics: routes that never wait. The context is a struct skr_routes. */
#ifndef SERVER_HEALTH_H
#define SERVER_HEALTH_H

#include "server/httpd.h"

void health_status(void *ctx, const struct httpd_request *req, struct httpd_response *out);
void health_livez(void *ctx, const struct httpd_request *req, struct httpd_response *out);
void health_readyz(void *ctx, const struct httpd_request *req, struct httpd_response *out);
void health_metrics(void *ctx, const struct httpd_request *req, struct httpd_response *out);

#endif
