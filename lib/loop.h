/*
 * What libuv gets only when it needs it, ending the process when it gets none: its table of
 * descriptors and its threads. Asked for at the start, when there is nobody yet to be let down.
 */
#ifndef MR_LIB_LOOP_H
#define MR_LIB_LOOP_H

#include <uv.h>

#include "lib/macros.h"

/* A process that raises its own limit of open files raises it no further: the table has a place for
 * each. */
#define MR_LOOP_DESCRIPTORS 65536

/* Before LOOP runs. The table has room for all that RLIMIT_NOFILE allows now, MR_LOOP_DESCRIPTORS
 * at most. MR_E_NOMEM, MR_E_IO. */
int mr_loop_prepare(uv_loop_t *loop) MR_MUST_CHECK;

#endif
