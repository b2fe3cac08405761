#include "lib/arena.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define ALIGN       16u
#define FIRST_BLOCK 4096u
#define LARGE_BLOCK (256u * 1024u)

struct block {
	struct block *next; /* older ones */
	size_t size, used;
	_Alignas(ALIGN) unsigned char bytes[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *ptr;
};

struct mr_arena {
	struct block *blocks;      /* newest first; the last is the first one, kept at reset */
	struct deferred *deferred; /* last one first */
	size_t used;               /* bytes of all blocks that count against max */
	size_t max;
	bool secret;
	bool was_full;
	bool lacked;             /* something, for whatever reason */
	bool wipe_once;          /* until the next reset */
	struct mr_arena *parent; /* what this one takes counts there too; or NULL */
};

static unsigned long fail_after; /* 0: never */

void mr_arena_fail_after(unsigned long n)
{
	fail_after = n;
}

static bool must_fail(void)
{
	if (fail_after == 0)
		return false;
	if (fail_after == 1)
		return true; /* this one and all after it */
	fail_after--;
	return false;
}

void mr_memory_setup(void)
{
	/* by 1, not 0: the kernel hands a dump to a program whatever the limit, but not by this one
	 * (core(5)); and no file is so small */
	const struct rlimit no_core = { 1, 1 };

	(void)setrlimit(RLIMIT_CORE, &no_core); /* lower already: then it stays */
	/* a fixed threshold: glibc's own grows with the first large block that is freed, and from
	 * then on such blocks come from the heap, where a small one behind them keeps them */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK / 2); /* a refusal only costs memory */
	(void)mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK);
}

static struct mr_arena *create(size_t max, bool secret)
{
	struct mr_arena *a;

	if (must_fail())
		return NULL;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->max = max;
	a->secret = secret;
	return a;
}

struct mr_arena *mr_arena_create(size_t max)
{
	return create(max, false);
}

struct mr_arena *mr_arena_create_within(struct mr_arena *parent)
{
	struct mr_arena *a = create(parent->max, false);

	if (a != NULL)
		a->parent = parent;
	return a;
}

struct mr_arena *mr_arena_create_secret(size_t max)
{
	return create(max, true);
}

static void wipe(struct mr_arena *a, struct block *b)
{
	if (a->secret || a->wipe_once)
		explicit_bzero(b->bytes, b->used);
}

void mr_arena_wipe_once(struct mr_arena *a)
{
	a->wipe_once = true;
}

static void run_deferred(struct mr_arena *a)
{
	while (a->deferred != NULL) {
		struct deferred *d = a->deferred;

		a->deferred = d->next;
		d->fn(d->ptr);
	}
}

/* Blocks of SIZE bytes in all were given back. */
static void give_back(struct mr_arena *a, size_t size)
{
	a->used -= size;
	if (a->parent != NULL)
		a->parent->used -= size;
}

void mr_arena_reset(struct mr_arena *a)
{
	run_deferred(a);
	a->was_full = false;
	a->lacked = false;
	while (a->blocks != NULL && a->blocks->next != NULL) {
		struct block *b = a->blocks;

		a->blocks = b->next;
		wipe(a, b);
		give_back(a, b->size);
		free(b);
	}
	if (a->blocks != NULL)
		wipe(a, a->blocks);
	a->wipe_once = false;
	if (a->blocks == NULL)
		return;
	if (a->blocks->size > LARGE_BLOCK) { /* don't keep what one large use needed */
		give_back(a, a->blocks->size);
		free(a->blocks);
		a->blocks = NULL;
		return;
	}
	a->blocks->used = 0;
}

struct mr_arena *mr_arena_free(struct mr_arena *a)
{
	if (a == NULL)
		return NULL;
	mr_arena_reset(a);
	if (a->blocks != NULL)
		give_back(a, a->blocks->size);
	free(a->blocks);
	free(a);
	return NULL;
}

/* What this one may still take, and the one that it takes from. */
static size_t room(const struct mr_arena *a)
{
	size_t left = a->used < a->max ? a->max - a->used : 0;

	if (a->parent == NULL || a->parent->used >= a->parent->max)
		return a->parent == NULL ? left : 0;
	return a->parent->max - a->parent->used < left ? a->parent->max - a->parent->used : left;
}

/* A new block with room for SIZE; grows twofold so that few are needed. */
static struct block *add_block(struct mr_arena *a, size_t size)
{
	size_t want = a->blocks == NULL ? FIRST_BLOCK : a->blocks->size * 2, left = room(a);
	struct block *b;

	if (want > LARGE_BLOCK)
		want = LARGE_BLOCK;
	if (want < size)
		want = size;
	if (want > left)
		want = size; /* near the end: just what is asked for */
	if (want > left) {
		a->was_full = true;
		if (a->parent != NULL)
			a->parent->was_full = true;
		return NULL;
	}
	b = malloc(sizeof(*b) + want);
	if (b == NULL)
		return NULL;
	b->size = want;
	b->used = 0;
	b->next = a->blocks;
	a->blocks = b;
	a->used += want;
	if (a->parent != NULL)
		a->parent->used += want;
	return b;
}

void *mr_arena_alloc(struct mr_arena *a, size_t size)
{
	struct block *b = a->blocks;
	void *p;

	if (must_fail() || size > SIZE_MAX - ALIGN) {
		a->lacked = true;
		return NULL;
	}
	size = size == 0 ? ALIGN : (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (b == NULL || b->size - b->used < size) {
		b = add_block(a, size);
		if (b == NULL) {
			a->lacked = true;
			return NULL;
		}
	}
	p = b->bytes + b->used;
	b->used += size;
	return p;
}

void *mr_arena_zalloc(struct mr_arena *a, size_t size)
{
	void *p = mr_arena_alloc(a, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *mr_arena_array(struct mr_arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	return mr_arena_zalloc(a, total);
}

char *mr_arena_strz(struct mr_arena *a, struct mr_str s)
{
	char *p = s.len < SIZE_MAX ? mr_arena_alloc(a, s.len + 1) : NULL;

	if (p == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

struct mr_str mr_arena_str(struct mr_arena *a, struct mr_str s)
{
	char *p = mr_arena_strz(a, s);

	return p == NULL ? MR_STR_NONE : (struct mr_str){ p, s.len };
}

struct mr_str mr_arena_vprintf(struct mr_arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return MR_STR_NONE;
	p = mr_arena_alloc(a, (size_t)n + 1);
	if (p == NULL)
		return MR_STR_NONE;
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap); /* the length is known to fit */
	return (struct mr_str){ p, (size_t)n };
}

struct mr_str mr_arena_printf(struct mr_arena *a, const char *fmt, ...)
{
	struct mr_str s;
	va_list ap;

	va_start(ap, fmt);
	s = mr_arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}

int mr_arena_defer(struct mr_arena *a, void (*fn)(void *), void *ptr)
{
	struct deferred *d = mr_arena_alloc(a, sizeof(*d));

	if (d == NULL) {
		fn(ptr);
		return -1;
	}
	d->fn = fn;
	d->ptr = ptr;
	d->next = a->deferred;
	a->deferred = d;
	return 0;
}

size_t mr_arena_used(const struct mr_arena *a)
{
	return a->used;
}

size_t mr_arena_max(const struct mr_arena *a)
{
	return a->max;
}

bool mr_arena_was_full(const struct mr_arena *a)
{
	return a->was_full;
}

bool mr_arena_lacked(const struct mr_arena *a)
{
	return a->lacked;
}
