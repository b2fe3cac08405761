/*
 * POST /workflows/{id}/execute and /runs/{id}/rerun: one statement makes the run. With ?wait= the
 * answer is held until the run has ended, or the time is up, and then carries the run.
 */
#include "fcgi/dispatch.h"
#include "fcgi/slice.h"
#include "fcgi/wait.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "handlers/input.h"
#include "lib/clock.h"
#include "sql/sql_ids.h"

/* How long a lost wake-up can go unnoticed: then PostgreSQL is asked. */
#define RECHECK_MS 1000

/* The run's input, under whichever of its names it came; absent when it didn't. */
static int find_input(struct mr_request *r, struct mr_str *ret)
{
	const char *taken = mr_input_member(&r->body_json, false, &r->faults);

	if (r->faults.count > 0) {
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
		return MR_E_INVALID;
	}
	*ret = MR_STR_NONE;
	if (taken == NULL)
		return 0;
	/* as it was written, so that 1E2 stays 1E2 */
	*ret = mr_slice_member(r->arena, r->body, &r->body_json, taken);
	return ret->p == NULL ? MR_E_NOMEM : 0;
}

/* Seconds that the caller is ready to wait, within what the settings allow. */
static int64_t wait_ms(const struct mr_request *r)
{
	int64_t seconds = 0, most = r->worker->settings->max_wait_seconds;

	(void)mr_str_i64(mr_request_arg(r, "wait"), &seconds); /* checked with the arguments */
	return (seconds < most ? seconds : most) * 1000;
}

static int run_row(struct mr_request *r, int64_t run_id, const PGresult **ret)
{
	struct mr_str id = mr_arena_printf(r->arena, "%lld", (long long)run_id);
	const struct mr_pair extra[] = { { MR_STR("id"), id }, { MR_STR_NONE, MR_STR_NONE } };

	return mr_dispatch_query(r, MR_SQL_RUN_GET, extra, ret);
}

static int parse_run(
    struct mr_request *r, const PGresult *row, struct mr_str *ret_text, struct mr_value *ret)
{
	*ret_text = mr_pg_text(row, 0, "body");
	if (ret_text->p == NULL)
		return MR_E_NOT_FOUND;
	return mr_json_parse(r->arena, *ret_text, &mr_json_limits_default, NULL, ret);
}

static void answer_with_run(struct mr_request *r, const struct mr_value *accepted,
    struct mr_str run_text, const struct mr_value *run)
{
	struct mr_buf b;

	/* the accepted answer's members, with the status as it is now */
	mr_buf_init(&b, r->out_body.max);
	mr_buf_addc(&b, '{');
	for (size_t i = 0; i < accepted->map->len; i++) {
		const struct mr_member *m = &accepted->map->members[i];
		const struct mr_value *now =
		    mr_str_eqz(m->key.s, "status") ? mr_value_get(run, "status") : NULL;

		mr_buf_add_json(&b, m->key.s);
		mr_buf_addc(&b, ':');
		mr_json_write(&b, now != NULL ? now : &m->value);
		mr_buf_addc(&b, ',');
	}
	mr_buf_addz(&b, "\"run\":");
	mr_buf_adds(&b, run_text);
	mr_buf_addc(&b, '}');
	if (mr_buf_failed(&b))
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
	else
		mr_response_json(r, r->status, mr_buf_str(&b));
	mr_buf_done(&b);
}

/* Until the run has ended or the time is up. Leaves the answer as it is when the run is gone. */
static void hold(struct mr_request *r, struct mr_waiter *waiter, const struct mr_value *accepted,
    int64_t run_id, int64_t left_ms)
{
	struct mr_value run = MR_NULL_VALUE;
	struct mr_str text = MR_STR_NONE;
	int64_t until = mr_clock_system.mono_us(NULL) / 1000 + left_ms;
	bool ended;

	do {
		const struct mr_value *terminal;
		const PGresult *row;

		ended = mr_waiter_wait(
		    r->worker->wait, waiter, run_id, left_ms < RECHECK_MS ? left_ms : RECHECK_MS);
		if (r->aborted || run_row(r, run_id, &row) < 0 ||
		    parse_run(r, row, &text, &run) < 0)
			return;
		terminal = mr_value_get_kind(&run, "is_terminal", MR_VALUE_BOOL);
		ended = terminal != NULL && terminal->b;
		left_ms = until - mr_clock_system.mono_us(NULL) / 1000;
	} while (!ended && left_ms > 0 && !r->worker->draining);
	answer_with_run(r, accepted, text, &run);
}

static void execute_and_wait(struct mr_request *r, const struct mr_pair *extra, int64_t ms)
{
	struct mr_value accepted = MR_NULL_VALUE;
	const struct mr_value *run_id;
	struct mr_waiter waiter;
	struct mr_str body;

	/* before the run is made, so that an end that comes at once is not missed */
	mr_waiter_begin(r->worker->wait, &waiter, r);
	mr_dispatch_sql(r, MR_SQL_WORKFLOW_EXECUTE, extra);
	/* a copy: the answer's buffer is used for another answer while this one is read */
	body = r->status == 202 ? mr_arena_str(r->arena, mr_buf_str(&r->out_body)) : MR_STR_NONE;
	if (body.p != NULL &&
	    mr_json_parse(r->arena, body, &mr_json_limits_default, NULL, &accepted) == 0) {
		run_id = mr_value_get_kind(&accepted, "run_id", MR_VALUE_INT);
		if (run_id != NULL)
			hold(r, &waiter, &accepted, run_id->i, ms);
	}
	mr_waiter_end(r->worker->wait, &waiter);
}

int mr_handler_execute(struct mr_request *r)
{
	int64_t ms = wait_ms(r);
	struct mr_str input;
	int e = find_input(r, &input);

	if (e == MR_E_INVALID)
		return 0; /* answered */
	if (e < 0)
		return e;
	const struct mr_pair extra[] = {
		{ MR_STR("input"), input.p != NULL ? input : MR_STR("{}") },
		{ MR_STR("trigger_type"), MR_STR("manual") },
		{ MR_STR("waiter"), ms > 0 ? mr_str(r->worker->name) : MR_STR_NONE },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (ms > 0)
		execute_and_wait(r, extra, ms);
	else
		mr_dispatch_sql(r, MR_SQL_WORKFLOW_EXECUTE, extra);
	return 0;
}

int mr_handler_run_rerun(struct mr_request *r)
{
	struct mr_str input;
	int e = find_input(r, &input);

	if (e == MR_E_INVALID)
		return 0; /* answered */
	if (e < 0)
		return e;
	const struct mr_pair extra[] = {
		{ MR_STR("input"), input },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_RUN_RERUN, extra);
	return 0;
}
