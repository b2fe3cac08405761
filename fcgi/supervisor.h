/*
 * The supervisor: starts one worker process per core and keeps them running; takes new settings
 * over at SIGHUP, lets all end at SIGTERM. Serves nothing itself and writes nothing but logs.
 */
#ifndef MR_FCGI_SUPERVISOR_H
#define MR_FCGI_SUPERVISOR_H

#include "fcgi/metrics.h"
#include "lib/settings.h"

/* Owns SETTINGS from now on. CONFIG is read again at SIGHUP; may be NULL. Returns the process's
 * exit status. */
int mr_supervisor_run(const char *config, struct mr_settings *settings,
    const struct mr_metric_route *routes, unsigned routes_len);

/* Reads and checks; every fault is logged. NULL when the settings don't hold together. */
struct mr_settings *mr_supervisor_settings(const char *config) MR_MUST_CHECK;

#endif
