/*
 * The figures that PostgreSQL gives for the operator, as Prometheus' text: queue and runs by
 * tenant, and what the engines counted, added up. Pure: JSON in, text out.
 */
#ifndef MR_HANDLERS_FIGURES_H
#define MR_HANDLERS_FIGURES_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/str.h"

/* JSON is the answer of the statement metrics_figures. What is not there, or of another type, is
 * left out. MR_E_INVALID when it is no JSON, MR_E_NOMEM. */
int mr_figures_render(struct mr_arena *a, struct mr_str json, struct mr_buf *out) MR_MUST_CHECK;
/* The same for one tenant, from the answer of system_status. */
int mr_figures_render_tenant(
    struct mr_arena *a, struct mr_str json, struct mr_buf *out) MR_MUST_CHECK;

#endif
