/*
 * A worker's question at its start: is the database's schema one that it knows? It serves once that
 * is answered, or once the database is away, and then goes on asking. A schema that doesn't fit
 * ends the process with EX_CONFIG, by which supervisor and service manager know that starting again
 * mends nothing.
 */
#ifndef MR_FCGI_FIT_H
#define MR_FCGI_FIT_H

#include <stdbool.h>
#include <uv.h>

#include "lib/pg.h"

struct mr_fit {
	struct mr_pg *pg;
	uv_timer_t again;
	struct mr_pg_unit unit;
	struct mr_pg_call call;
	struct mr_str needed;
	bool ended; /* nothing is asked any more */
	/* FITS: the schema is known to fit, and nothing follows; else the database is away. */
	void (*told)(void *ctx, bool fits);
	void *ctx;
};

/* F is the caller's and lives until the timer has closed; TOLD is called at least once, from the
 * loop. */
void mr_fit_ask(struct mr_fit *f, uv_loop_t *loop, struct mr_pg *pg,
    void (*told)(void *ctx, bool fits), void *ctx);
/* Asks no more, and closes its timer. Once. */
void mr_fit_end(struct mr_fit *f);

#endif
