/* A run in memory: made, asked about. What happens to it is in run_apply.c and run_advance.c. */
#include "engine/core/run.h"

#include "engine/core/run_private.h"

#define KEY_MAX 4096

static const char *const status_names[] = {
	[MR_RUN_PENDING] = "pending",
	[MR_RUN_RUNNING] = "running",
	[MR_RUN_PAUSED] = "paused",
	[MR_RUN_COMPENSATING] = "compensating",
	[MR_RUN_COMPLETED] = "completed",
	[MR_RUN_FAILED] = "failed",
	[MR_RUN_CANCELLED] = "cancelled",
	[MR_RUN_TIMED_OUT] = "timed_out",
	[MR_RUN_COMPENSATED] = "compensated",
};

static const char *const fact_names[] = {
#define MR_FACT(id, name) name,
#include "engine/core/facts.def"
#undef MR_FACT
};

/* The contract's words for the status of a step. */
const char *const mr_step_status_names[MR_STEP_STATUS_COUNT] = {
	[MR_STEP_FRESH] = "pending",
	[MR_STEP_RUNNING] = "running",
	[MR_STEP_WAITING] = "waiting",
	[MR_STEP_RETRYING] = "retrying",
	[MR_STEP_CATCHING] = "catching",
	[MR_STEP_COMPLETED] = "completed",
	[MR_STEP_FAILED] = "failed",
	[MR_STEP_SKIPPED] = "skipped",
	[MR_STEP_CANCELLED] = "cancelled",
	[MR_STEP_COMPENSATED] = "compensated",
};

const char *const mr_skip_reason_names[MR_SKIP_REASON_COUNT] = {
	[MR_SKIP_NONE] = "",
#define MR_SKIP_REASON(id, word) [MR_SKIP_##id] = (word),
#define MR_CANCEL_REASON(id, word)
#include "engine/core/reasons.def"
#undef MR_CANCEL_REASON
#undef MR_SKIP_REASON
};

const char *const mr_cancel_reason_names[MR_CANCEL_REASON_COUNT] = {
#define MR_SKIP_REASON(id, word)
#define MR_CANCEL_REASON(id, word) [MR_CANCEL_##id] = (word),
#include "engine/core/reasons.def"
#undef MR_CANCEL_REASON
#undef MR_SKIP_REASON
};

const char *const mr_run_phase_names[MR_PHASE_COUNT] = {
	[MR_PHASE_MAIN] = "main",
	[MR_PHASE_COMPENSATING] = "compensating",
	[MR_PHASE_ON_FAILURE] = "on_failure",
	[MR_PHASE_FINALLY] = "finally",
	[MR_PHASE_CLOSING] = "closing",
	[MR_PHASE_ENDED] = "ended",
};

const char *mr_run_status_name(enum mr_run_status s)
{
	return status_names[s];
}

const char *mr_fact_kind_name(enum mr_fact_kind k)
{
	return fact_names[k];
}

int mr_fact_kind_by_name(struct mr_str name)
{
	for (int k = 0; k < MR_FACT_KIND_COUNT; k++)
		if (mr_str_eqz(name, fact_names[k]))
			return k;
	return MR_E_NOT_FOUND;
}

bool mr_run_is_terminal(enum mr_run_status s)
{
	return s == MR_RUN_COMPLETED || s == MR_RUN_FAILED || s == MR_RUN_CANCELLED ||
	       s == MR_RUN_TIMED_OUT || s == MR_RUN_COMPENSATED;
}

/* ---- a run ---- */

int mr_run_create(struct mr_arena *arena, const struct mr_graph *g, const struct mr_run_info *info,
    int64_t (*next_id)(void *ctx), void *next_id_ctx, struct mr_run **ret)
{
	struct mr_run *run = mr_arena_zalloc(arena, sizeof(*run));

	if (run == NULL)
		return MR_E_NOMEM;
	run->arena = arena;
	run->g = g;
	run->info = *info;
	run->input = info->input;
	run->next_id = next_id;
	run->next_id_ctx = next_id_ctx;
	*ret = run;
	return 0;
}

enum mr_run_status mr_run_status(const struct mr_run *run)
{
	if (run->phase == MR_PHASE_ENDED)
		return run->outcome;
	if (run->is_paused)
		return MR_RUN_PAUSED;
	if (run->phase == MR_PHASE_COMPENSATING)
		return MR_RUN_COMPENSATING;
	return run->started ? MR_RUN_RUNNING : MR_RUN_PENDING;
}

unsigned mr_run_seq(const struct mr_run *run)
{
	return run->seq;
}

size_t mr_run_in_flight(const struct mr_run *run)
{
	return run->in_flight;
}

size_t mr_run_awaiting(const struct mr_run *run)
{
	return run->awaiting_len;
}

/* A frame of the run itself has come to something that is not decided yet. */
static bool is_undecided(const struct mr_run *run)
{
	switch (run->phase) {
	case MR_PHASE_MAIN:
		return run->terminated.kind != MR_VALUE_NULL || run->main->failed != NULL ||
		       run->main->left == 0;
	case MR_PHASE_COMPENSATING:
		return run->undoing == NULL || run->undoing->is_closed ||
		       run->undoing->failed != NULL;
	case MR_PHASE_ON_FAILURE:
		return run->on_failure->failed != NULL;
	case MR_PHASE_FINALLY:
		return run->finally->failed != NULL;
	default:
		return true;
	}
}

int64_t mr_run_wake_at(const struct mr_run *run)
{
	int64_t at = run->deadline_at;

	if (run->is_paused || run->phase == MR_PHASE_ENDED)
		return 0;
	/* something is left to do: at once */
	if (!run->started || run->ready != NULL || is_undecided(run))
		return 1;
	if (run->timers_len > 0 && (at == 0 || run->timers[0]->timer_at < at))
		at = run->timers[0]->timer_at;
	return at;
}

struct mr_value mr_run_result(const struct mr_run *run)
{
	return run->has_result ? run->result : MR_NULL_VALUE;
}

struct mr_value mr_run_error(const struct mr_run *run)
{
	return run->error;
}

struct mr_value mr_run_vars(const struct mr_run *run)
{
	return run->vars;
}

void mr_run_progress(const struct mr_run *run, unsigned *ret_done, unsigned *ret_total)
{
	*ret_total = run->g->blocks[0].len;
	*ret_done = run->main != NULL ? *ret_total - run->main->left : 0;
}

int mr_run_concurrency_key(const struct mr_graph *g, const struct mr_run_info *info,
    struct mr_arena *a, struct mr_str *ret, struct mr_expr_error *err)
{
	struct mr_run run = { .arena = a, .g = g, .info = *info, .input = info->input };
	struct mr_run_env env;
	struct mr_value v;
	struct mr_buf b;
	int r;

	*ret = MR_STR_NONE;
	if (g->concurrency.limit == 0)
		return 0;
	*ret = MR_STR("");
	if (g->concurrency.key == NULL)
		return 0;
	mr_run_env_init(&env, &run, NULL, MR_SECRETS_REFUSED, info->created_at_us);
	r = mr_template_eval(g->concurrency.key, &env.expr, a, &v, err);
	if (r < 0)
		return r == MR_E_NOMEM ? r : MR_E_INVALID;
	mr_buf_init(&b, KEY_MAX);
	mr_value_write_text(&b, &v);
	*ret = mr_arena_str(a, mr_buf_failed(&b) ? MR_STR_NONE : mr_buf_str(&b));
	mr_buf_done(&b);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}
