/* The checked longjmp of glibc takes a jump to another stack for an attack; jumping there is what
 * this file is for. */
#undef _FORTIFY_SOURCE

#include "lib/coro.h"

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define HAVE_STACK_REGISTER 1
#endif
#endif
#ifndef HAVE_STACK_REGISTER
#define HAVE_STACK_REGISTER 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifndef HAVE_ASAN
#define HAVE_ASAN 0
#endif
#if HAVE_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#include "lib/error.h"

/* So many idle stacks stay mapped; what a burst needed beyond goes back to the system. */
#define KEEP_MAX 64u

struct mr_coro {
	struct mr_coro_pool *pool;
	struct mr_coro *next; /* in the pool's list of idle ones */
	void (*fn)(void *ctx);
	void *ctx;
	sigjmp_buf inside;  /* where it goes on */
	sigjmp_buf outside; /* where the loop goes on */
	char *map;          /* guard page, then the stack */
	bool ended;
	unsigned valgrind_id;
	/* AddressSanitizer: the fake stacks of both sides while they are left, and the loop's
	 * real one */
	void *fake_inside, *fake_outside;
	const void *loop_bottom;
	size_t loop_size;
};

struct mr_coro_pool {
	struct mr_coro *idle;
	unsigned idle_len, in_use, max;
	size_t page, stack; /* bytes, without the guard page */
};

static struct mr_coro *current;  /* NULL on the loop's stack */
static struct mr_coro *starting; /* what makecontext() can't pass as an argument */

/* Every switch is told to AddressSanitizer before and after it. */
static void leave_for(void **fake_save, const void *bottom, size_t size)
{
#if HAVE_ASAN
	__sanitizer_start_switch_fiber(fake_save, bottom, size);
#else
	(void)fake_save, (void)bottom, (void)size;
#endif
}

static void arrived(void *fake, const void **old_bottom, size_t *old_size)
{
#if HAVE_ASAN
	__sanitizer_finish_switch_fiber(fake, old_bottom, old_size);
#else
	(void)fake, (void)old_bottom, (void)old_size;
#endif
}

static char *stack_of(const struct mr_coro *c)
{
	return c->map + c->pool->page;
}

/* From the loop into C, until it comes back. */
static void enter(struct mr_coro *c)
{
	current = c;
	leave_for(&c->fake_outside, stack_of(c), c->pool->stack);
	if (sigsetjmp(c->outside, 0) == 0)
		siglongjmp(c->inside, 1);
	arrived(current->fake_outside, NULL, NULL);
	current = NULL;
}

/* From C back to the loop, until it is entered again. */
static void leave(struct mr_coro *c)
{
	leave_for(&c->fake_inside, c->loop_bottom, c->loop_size);
	if (sigsetjmp(c->inside, 0) == 0)
		siglongjmp(c->outside, 1);
	arrived(current->fake_inside, &current->loop_bottom, &current->loop_size);
}

/* The bottom of every coroutine's stack: one function after the other, for as long as the stack
 * is kept. */
static void bottom(void)
{
	struct mr_coro *c = starting;

	arrived(NULL, &c->loop_bottom, &c->loop_size);
	for (;;) {
		leave(c);
		c->fn(c->ctx);
		c->ended = true;
	}
}

/* makecontext() is used once for each stack, because it makes system calls. */
static bool prepare(struct mr_coro *c)
{
	ucontext_t inside, outside;

	if (getcontext(&inside) != 0)
		return false;
	inside.uc_stack.ss_sp = stack_of(c);
	inside.uc_stack.ss_size = c->pool->stack;
	inside.uc_link = NULL;
	makecontext(&inside, bottom, 0);
	starting = c;
	current = c;
	leave_for(&c->fake_outside, stack_of(c), c->pool->stack);
	if (sigsetjmp(c->outside, 0) == 0)
		(void)swapcontext(&outside, &inside); /* comes back by siglongjmp, not here */
	arrived(current->fake_outside, NULL, NULL);
	current = NULL;
	return true;
}

static void unmap(struct mr_coro *c)
{
	size_t len = c->pool->page + c->pool->stack;
	char *map = c->map;

#if HAVE_STACK_REGISTER
	VALGRIND_STACK_DEREGISTER(c->valgrind_id);
#endif
#if HAVE_ASAN
	__asan_unpoison_memory_region(map + c->pool->page, c->pool->stack);
#endif
	(void)munmap(map, len); /* fails only for arguments that are wrong */
	free(c);
}

static struct mr_coro *map_new(struct mr_coro_pool *p)
{
	struct mr_coro *c = calloc(1, sizeof(*c));
	void *map;

	if (c == NULL)
		return NULL;
	map = mmap(NULL, p->page + p->stack, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED) {
		free(c);
		return NULL;
	}
	c->pool = p;
	c->map = map;
#if HAVE_STACK_REGISTER
	c->valgrind_id = VALGRIND_STACK_REGISTER(c->map + p->page, c->map + p->page + p->stack);
#endif
	if (mprotect(map, p->page, PROT_NONE) != 0 || !prepare(c)) {
		unmap(c);
		return NULL;
	}
	return c;
}

struct mr_coro_pool *mr_coro_pool_create(unsigned max, size_t stack)
{
	struct mr_coro_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->max = max;
	p->page = (size_t)sysconf(_SC_PAGESIZE);
	p->stack = (stack + p->page - 1) / p->page * p->page;
	return p;
}

struct mr_coro_pool *mr_coro_pool_free(struct mr_coro_pool *p)
{
	if (p == NULL)
		return NULL;
	while (p->idle != NULL) {
		struct mr_coro *c = p->idle;

		p->idle = c->next;
		unmap(c);
	}
	free(p);
	return NULL;
}

unsigned mr_coro_pool_in_use(const struct mr_coro_pool *p)
{
	return p->in_use;
}

static void give_back(struct mr_coro *c)
{
	struct mr_coro_pool *p = c->pool;

	p->in_use--;
	if (p->idle_len >= KEEP_MAX) {
		unmap(c);
		return;
	}
	c->next = p->idle; /* the last one used is the next: its pages are in the cache */
	p->idle = c;
	p->idle_len++;
}

static void run(struct mr_coro *c)
{
	enter(c);
	if (c->ended)
		give_back(c);
}

int mr_coro_start(struct mr_coro_pool *p, void (*fn)(void *ctx), void *ctx)
{
	struct mr_coro *c = p->idle;

	if (p->in_use >= p->max)
		return MR_E_LIMIT;
	if (c != NULL) {
		p->idle = c->next;
		p->idle_len--;
	} else {
		c = map_new(p);
		if (c == NULL)
			return MR_E_NOMEM;
	}
	p->in_use++;
	c->fn = fn;
	c->ctx = ctx;
	c->ended = false;
	run(c);
	return 0;
}

struct mr_coro *mr_coro_self(void)
{
	return current;
}

void mr_coro_yield(void)
{
	leave(current);
}

void mr_coro_resume(struct mr_coro *c)
{
	run(c);
}
