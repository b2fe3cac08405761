/*
 * What handlers of bodies with secrets share: sealing for the database, a digest that nobody can
 * try values against, and leaving no trace in the worker's memory.
 */
#ifndef MR_HANDLERS_SEALED_H
#define MR_HANDLERS_SEALED_H

#include "fcgi/request.h"
#include "lib/seal.h"

/* The worker's keys, which may have been made or changed since the last request. */
struct mr_seal_keys *mr_sealed_keys(struct mr_request *r);
/* TEXT, sealed for AT, as bytea is written. Answered when negative. */
int mr_sealed_write(struct mr_request *r, const struct mr_seal_place *at, struct mr_str text,
    struct mr_str *ret) MR_MUST_CHECK;
/* By it a repeated request is known, as by mr_idempotency_digest(): but a plain digest could be
 * tried out by whoever reads the database, and this one takes the key. Absent without memory or
 * key. */
struct mr_str mr_sealed_digest(struct mr_request *r);
/* S may be absent. */
void mr_sealed_wipe(struct mr_str s);

#endif
