#include "fcgi/fit.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/schema_fit.h"
#include "sql/schema_needed.h"
#include "sql/sql_ids.h"

#define AGAIN_MS 500

static void ask(uv_timer_t *timer)
{
	struct mr_fit *f = timer->data;

	mr_pg_submit(f->pg, &f->unit);
}

static void answered(struct mr_pg_unit *u)
{
	struct mr_fit *f = u->ctx;
	char why[MR_SCHEMA_FIT_LEN];
	enum mr_schema_fit fit = mr_schema_fit(u, MR_SCHEMA_NEEDED, why);

	mr_pg_clear(u);
	if (f->ended)
		return;
	if (fit == MR_SCHEMA_MISFIT) {
		mr_log(MR_LOG_ERROR, "schema does not fit", MR_F_Z("detail", why));
		_exit(EX_CONFIG);
	}
	if (fit == MR_SCHEMA_UNASKED)
		(void)uv_timer_start(&f->again, ask, AGAIN_MS, 0); /* fails only without callback */
	f->told(f->ctx, fit == MR_SCHEMA_FITS);
}

void mr_fit_ask(struct mr_fit *f, uv_loop_t *loop, struct mr_pg *pg,
    void (*told)(void *ctx, bool fits), void *ctx)
{
	memset(f, 0, sizeof(*f));
	f->pg = pg;
	f->needed = MR_STR(MR_SCHEMA_NEEDED);
	f->call = (struct mr_pg_call){ .stmt = MR_SQL_SCHEMA_STATE, .values = &f->needed };
	f->unit.calls = &f->call;
	f->unit.calls_len = 1;
	f->unit.done = answered;
	f->unit.ctx = f;
	f->told = told;
	f->ctx = ctx;
	(void)uv_timer_init(loop, &f->again); /* always succeeds */
	f->again.data = f;
	ask(&f->again);
}

void mr_fit_end(struct mr_fit *f)
{
	f->ended = true;
	uv_close((uv_handle_t *)&f->again, NULL);
}
