/*
 * Reads runs from the database: those claimed that are not new, those whose definition is not at
 * hand, and those whose flush was refused. One unit at a time brings rows, snapshots, journals,
 * commands and missing definitions of many runs together.
 */
#ifndef MR_ENGINE_LOAD_H
#define MR_ENGINE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "engine/runs.h"

struct mr_load;

struct mr_load *mr_load_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_load *mr_load_free(struct mr_load *l);
void mr_load_close(struct mr_load *l, uv_close_cb closed);
/* H will be read (again): it stops being live, what it has not committed is dropped. With a flush
 * under way this happens after that. */
void mr_load_add(struct mr_load *l, struct mr_held *h);
/* As add, but not at once: what it needs beside the database can't be read now. Each time in a row
 * it takes longer, up to 16 s. */
void mr_load_add_later(struct mr_load *l, struct mr_held *h);
/* H is new and knows its row, from its claim. FRESH: only its definition may be missing. */
void mr_load_add_claimed(struct mr_load *l, struct mr_held *h, bool fresh);
void mr_load_remove(struct mr_load *l, struct mr_held *h);
/* Begins when there is something to do and nothing under way. */
void mr_load_kick(struct mr_load *l);
size_t mr_load_len(const struct mr_load *l);

#endif
