#include "fcgi/breathe.h"

#include <uv.h>

#include "fcgi/call.h"
#include "fcgi/worker.h"
#include "lib/clock.h"
#include "lib/coro.h"

#define LONG_US 10000

struct breath {
	uv_timer_t timer;
	struct mr_coro *coro;
};

static void closed(uv_handle_t *handle)
{
	mr_coro_resume(((struct breath *)handle->data)->coro);
}

/* What others sent meanwhile is read before the handle is closed. */
static void on_time(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, closed);
}

void mr_breathe(struct mr_request *r)
{
	int64_t now = mr_clock_system.mono_us(NULL);
	struct breath b = { .coro = mr_coro_self() };

	if (r->call->worked_since_us == 0)
		r->call->worked_since_us = now;
	if (now - r->call->worked_since_us < LONG_US || b.coro == NULL)
		return;
	(void)uv_timer_init(r->worker->loop, &b.timer); /* always 0 */
	b.timer.data = &b;
	(void)uv_timer_start(&b.timer, on_time, 0, 0); /* fails without a callback only */
	mr_coro_yield();
	r->call->worked_since_us = mr_clock_system.mono_us(NULL);
}
