/*
 * Large results outside of the journal: files in the file store, under
 * payloads/<run / 10000>/<run>/<sha-256 of the text>, each the JSON text of one value. A file has
 * its name only once it is whole and on disk; writing the same value again is the same file. They
 * go with their run. engine/payloads.h says when they are written.
 *
 * Blocking calls. All but writing and reading are for worker threads.
 */
#ifndef MR_ENGINE_PAYLOAD_H
#define MR_ENGINE_PAYLOAD_H

#include <stdint.h>

#include "lib/arena.h"
#include "lib/macros.h"
#include "lib/str.h"

/*
 * Writes TEXT under a name that nobody else uses, *RET_TMP, to be settled as *RET_REF; *RET_TMP is
 * absent when that is there already, which wants settling too. Both lie in A. MR_E_NOMEM or
 * MR_E_IO.
 */
int mr_payload_write(struct mr_arena *a, const char *root, int64_t run_id, struct mr_str text,
    struct mr_str *ret_ref, struct mr_str *ret_tmp) MR_MUST_CHECK;
/* Puts on disk what was written: then REF may be journalled. MR_E_IO. */
int mr_payload_settle(const char *root, struct mr_str ref, struct mr_str tmp) MR_MUST_CHECK;
/* The text under REF. MR_E_INVALID when REF is none of ours, MR_E_NOT_FOUND, MR_E_IO, MR_E_NOMEM.
 */
int mr_payload_read(
    struct mr_arena *a, const char *root, struct mr_str ref, struct mr_str *ret) MR_MUST_CHECK;
/* The same for one that is being settled. */
int mr_payload_read_unsettled(struct mr_arena *a, const char *root, struct mr_str ref,
    struct mr_str tmp, struct mr_str *ret) MR_MUST_CHECK;
/* Removes all of a run's, and a folder that is empty then; none is fine. MR_E_IO. */
int mr_payload_remove(const char *root, int64_t run_id) MR_MUST_CHECK;
/* Up to MAX runs that have files, in ascending order, those after AFTER. How many. */
size_t mr_payload_list(const char *root, int64_t after, int64_t *ret_ids, size_t max);

#endif
