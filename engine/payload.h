/*
 * Large results outside of the journal: files in the file store, under
 * payloads/<run / 10000>/<run>/<sha-256 of the text>, each the JSON text of one value. A file is
 * whole and on disk before its name is journalled; writing the same value again is the same file.
 * They go with their run.
 *
 * Blocking calls; those that look for and remove folders are for worker threads.
 */
#ifndef MR_ENGINE_PAYLOAD_H
#define MR_ENGINE_PAYLOAD_H

#include <stdint.h>

#include "lib/arena.h"
#include "lib/str.h"
#include "lib/value.h"

/* Writes TEXT; *RET_REF lies in A. MR_E_NOMEM or MR_E_IO. */
int mr_payload_write(struct mr_arena *a, const char *root, int64_t run_id, struct mr_str text,
    struct mr_str *ret_ref) MR_MUST_CHECK;
/* The text under REF. MR_E_INVALID when REF is none of ours, MR_E_NOT_FOUND, MR_E_IO, MR_E_NOMEM.
 */
int mr_payload_read(
    struct mr_arena *a, const char *root, struct mr_str ref, struct mr_str *ret) MR_MUST_CHECK;
/* Removes all of a run's; none is fine. MR_E_IO. */
int mr_payload_remove(const char *root, int64_t run_id) MR_MUST_CHECK;
/* Up to MAX runs that have files, in ascending order, those after AFTER. How many. */
size_t mr_payload_list(const char *root, int64_t after, int64_t *ret_ids, size_t max);

/* For struct mr_run_info; CTX is the held run. */
int mr_payload_store(
    void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref);
int mr_payload_load(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret);

#endif
