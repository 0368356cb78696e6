/* The HTTP API of skr: JSON in, one JSON document out. */
#ifndef SERVER_SKR_ROUTES_H
#define SERVER_SKR_ROUTES_H

#include "server/httpd.h"
#include "skr/service.h"

struct skr_routes { /* the handlers' context */
    struct service *service;
    struct metrics *metrics;
};

/* The table of routes and the wording of the server's own refusals, for httpd_start() with a
 * struct skr_routes as context. */
extern const struct httpd_route skr_routes[];
void skr_routes_fault(void *ctx, enum httpd_fault fault, const struct httpd_request *req,
                      struct httpd_response *out);

#endif
