/*
 * Coroutines: straight-line code that yields to the event loop where it would block. One thread;
 * stacks are mapped with a guard page and known to AddressSanitizer and valgrind.
 */
#ifndef MR_LIB_CORO_H
#define MR_LIB_CORO_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/macros.h"

struct mr_coro;
struct mr_coro_pool;

/* Up to MAX coroutines, with stacks of STACK bytes that are kept for reuse. */
struct mr_coro_pool *mr_coro_pool_create(unsigned max, size_t stack) MR_MUST_CHECK;
/* All coroutines must have ended. */
struct mr_coro_pool *mr_coro_pool_free(struct mr_coro_pool *p);
unsigned mr_coro_pool_in_use(const struct mr_coro_pool *p);

/* Starts FN(CTX) at once, in a coroutine; comes back when it first yields or ends.
 * MR_E_LIMIT when MAX are running, MR_E_NOMEM. Call it from the loop, not from a coroutine. */
int mr_coro_start(struct mr_coro_pool *p, void (*fn)(void *ctx), void *ctx) MR_MUST_CHECK;
/* The coroutine that runs now; NULL on the loop's own stack. */
struct mr_coro *mr_coro_self(void);
/* Gives control back to the loop until mr_coro_resume(). Only inside a coroutine. */
void mr_coro_yield(void);
/* Goes on with C until it yields or ends. Only from the loop's own stack. */
void mr_coro_resume(struct mr_coro *c);

#endif
