/* A run in memory: made, asked about. What happens to it is in run_apply.c and run_advance.c. */
#include "engine/core/run.h"

#include "engine/core/run_private.h"

static const char *const status_names[] = {
	[MR_RUN_PENDING] = "pending",
	[MR_RUN_RUNNING] = "running",
	[MR_RUN_PAUSED] = "paused",
	[MR_RUN_COMPLETED] = "completed",
	[MR_RUN_FAILED] = "failed",
	[MR_RUN_CANCELLED] = "cancelled",
	[MR_RUN_TIMED_OUT] = "timed_out",
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
	[MR_STEP_COMPLETED] = "completed",
	[MR_STEP_FAILED] = "failed",
	[MR_STEP_SKIPPED] = "skipped",
	[MR_STEP_CANCELLED] = "cancelled",
};

const char *const mr_skip_reason_names[MR_SKIP_REASON_COUNT] = {
	[MR_SKIP_NONE] = "",
	[MR_SKIP_WHEN] = "when",
	[MR_SKIP_PATH_NOT_TAKEN] = "path_not_taken",
	[MR_SKIP_JOIN] = "join",
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
	       s == MR_RUN_TIMED_OUT;
}

/* ---- sets of steps ---- */

void mr_run_set(uint64_t *set, unsigned i, bool on)
{
	if (on)
		set[i / 64] |= UINT64_C(1) << (i % 64);
	else
		set[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

bool mr_run_has(const uint64_t *set, unsigned i)
{
	return (set[i / 64] >> (i % 64) & 1) != 0;
}

int mr_run_first(const uint64_t *set, size_t words, unsigned from)
{
	for (size_t w = from / 64; w < words; w++) {
		uint64_t bits = set[w];

		if (w == from / 64)
			bits &= ~UINT64_C(0) << (from % 64);
		if (bits != 0)
			return (int)(w * 64) + __builtin_ctzll(bits);
	}
	return -1;
}

/* ---- a run ---- */

int mr_run_create(struct mr_arena *arena, const struct mr_graph *g, const struct mr_run_info *info,
    int64_t (*next_id)(void *ctx), void *next_id_ctx, struct mr_run **ret)
{
	struct mr_run *run = mr_arena_zalloc(arena, sizeof(*run));
	size_t words = (g->steps_len + 63) / 64;

	if (run == NULL)
		return MR_E_NOMEM;
	run->steps = mr_arena_array(arena, g->steps_len, sizeof(*run->steps));
	run->ready = mr_arena_array(arena, 3 * words, sizeof(*run->ready));
	if (run->steps == NULL || run->ready == NULL)
		return MR_E_NOMEM;
	run->active = run->ready + words;
	run->timed = run->active + words;
	run->words = words;
	run->arena = arena;
	run->g = g;
	run->info = *info;
	run->input = info->input;
	run->next_id = next_id;
	run->next_id_ctx = next_id_ctx;
	mr_run_recount(run);
	*ret = run;
	return 0;
}

enum mr_run_status mr_run_status(const struct mr_run *run)
{
	return run->status;
}

unsigned mr_run_seq(const struct mr_run *run)
{
	return run->seq;
}

size_t mr_run_in_flight(const struct mr_run *run)
{
	return run->in_flight;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a == 0 || b < a ? b : a;
}

int64_t mr_run_wake_at(const struct mr_run *run)
{
	int64_t at = 0;

	if (run->status == MR_RUN_PAUSED || mr_run_is_terminal(run->status))
		return 0;
	/* something is left to do: at once */
	if (!run->started || run->failed_step >= 0 || run->top_left == 0 ||
	    mr_run_first(run->ready, run->words, 0) >= 0)
		return 1;
	if (run->deadline_at > 0)
		at = run->deadline_at;
	for (int i = mr_run_first(run->timed, run->words, 0); i >= 0;
	     i = mr_run_first(run->timed, run->words, (unsigned)i + 1))
		at = earlier(at, run->steps[i].wake_at > 0 ? run->steps[i].wake_at : 1);
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

void mr_run_progress(const struct mr_run *run, unsigned *ret_done, unsigned *ret_total)
{
	*ret_total = (unsigned)run->g->top_len;
	*ret_done = (unsigned)run->g->top_len - run->top_left;
}
