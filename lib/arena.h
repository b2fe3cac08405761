/*
 * An arena hands out memory that is released all at once: one per request, step execution or
 * batch. It has a maximum; reaching it is an ordinary error, never a crash. Not thread-safe.
 */
#ifndef MR_LIB_ARENA_H
#define MR_LIB_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/macros.h"
#include "lib/str.h"

struct mr_arena;

/* A new arena of at most MAX bytes. NULL when memory is out. */
struct mr_arena *mr_arena_create(size_t max) MR_MUST_CHECK;
/* A new arena that takes its memory from what PARENT may still have: both count. It must be freed
 * before PARENT, or deferred to it. */
struct mr_arena *mr_arena_create_within(struct mr_arena *parent) MR_MUST_CHECK;
/* A new arena whose memory is overwritten before it is given back: for keys and tokens. */
struct mr_arena *mr_arena_create_secret(size_t max) MR_MUST_CHECK;
/* What is in A, and what comes until the next reset, is overwritten as in a secret arena. */
void mr_arena_wipe_once(struct mr_arena *a);
/* Runs the deferred functions, gives everything back, returns NULL. Takes NULL. */
struct mr_arena *mr_arena_free(struct mr_arena *a);
/* Runs the deferred functions and keeps the first block for reuse. */
void mr_arena_reset(struct mr_arena *a);

/* Aligned for any type; NULL when the maximum or memory is reached. SIZE may be 0. */
void *mr_arena_alloc(struct mr_arena *a, size_t size) MR_MUST_CHECK;
void *mr_arena_zalloc(struct mr_arena *a, size_t size) MR_MUST_CHECK;
/* As alloc for N objects of SIZE, with the multiplication checked. Zeroed. */
void *mr_arena_array(struct mr_arena *a, size_t n, size_t size) MR_MUST_CHECK;
/* Copies; the copy always has a NUL after it. .p is NULL when out of memory. */
struct mr_str mr_arena_str(struct mr_arena *a, struct mr_str s) MR_MUST_CHECK;
char *mr_arena_strz(struct mr_arena *a, struct mr_str s) MR_MUST_CHECK;
struct mr_str mr_arena_printf(struct mr_arena *a, const char *fmt, ...) MR_PRINTF(2, 3);
struct mr_str mr_arena_vprintf(struct mr_arena *a, const char *fmt, va_list ap) MR_PRINTF(2, 0);

/* FN(PTR) is called at reset or free, last deferred first. On failure FN(PTR) is called at once
 * and -1 returned, so the caller never has to clean up PTR itself. */
int mr_arena_defer(struct mr_arena *a, void (*fn)(void *), void *ptr) MR_MUST_CHECK;

size_t mr_arena_used(const struct mr_arena *a);
size_t mr_arena_max(const struct mr_arena *a);
/* Since the last reset something was refused because of the maximum, not for want of memory. */
bool mr_arena_was_full(const struct mr_arena *a);
/* Since the last reset something was refused, for whatever reason: what is not there may be missing
 * for that. */
bool mr_arena_lacked(const struct mr_arena *a);

/* Once at the start of a process: what is freed in large pieces goes back to the system, so that
 * one large request doesn't stay in the process's size for ever; and no core dump shows what was
 * in memory, in a file or to a program. */
void mr_memory_setup(void);

/* Test hook: the N-th allocation from now on (1 = next) and all after it fail; 0 = never. */
void mr_arena_fail_after(unsigned long n);

#endif
