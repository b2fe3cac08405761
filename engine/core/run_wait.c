/* Steps that wait for a time, an event, or both; and what it means that one of these has come. */
#include "engine/core/run_private.h"

#include <stdio.h>

#include "engine/core/graph_private.h"

/* ---- delay ---- */

static bool time_of(const struct mr_value *v, int64_t *ret_us)
{
	if (v->kind == MR_VALUE_TIMESTAMP) {
		*ret_us = v->i;
		return true;
	}
	return v->kind == MR_VALUE_STRING && mr_time_parse(v->s, ret_us) == 0;
}

/* When the delay ends; false when the config doesn't say. */
static bool delay_until(const struct mr_attempt *a, int64_t *ret_us)
{
	const struct mr_value *seconds = mr_value_get(&a->config, "seconds");
	const struct mr_value *until = mr_value_get(&a->config, "until");
	int64_t us;

	if (seconds == NULL)
		return until != NULL && time_of(until, ret_us);
	if (!mr_graph_duration(seconds, &us))
		return false;
	*ret_us = a->t->now + us;
	return true;
}

static int delay_done(struct mr_turn *t, struct mr_step_state *st, int64_t waited_us,
    int64_t took_us, const struct mr_value *input)
{
	struct mr_fields f = { .len = 0 };
	struct mr_value result;

	mr_fields_put(&f, "waited_seconds", mr_graph_seconds(waited_us));
	if (mr_fields_map(t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(t, st, &result, input, took_us);
}

int mr_do_delay(struct mr_attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	int64_t until;
	bool failed;
	int r = mr_attempt_render(a, &failed);

	if (r < 0 || failed)
		return r;
	if (!delay_until(a, &until))
		return mr_attempt_fail(a, "validation",
		    "seconds must be a duration, or until a time such as 2026-01-31T12:00:00Z");
	if (until <= a->t->now)
		return delay_done(a->t, a->st, 0, 0, &a->input);
	if (mr_fields_time(&f, a->t->out->arena, "until", until) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "input", a->input);
	return mr_turn_fact(a->t, MR_FACT_STEP_WAITING, a->st, &f, -1);
}

/* ---- what a wait step waits for, as it is journalled ---- */

struct spec {
	struct mr_attempt *a;
	struct mr_value *waits; /* one for each item */
	const char *member;     /* that failed */
	struct mr_expr_error err;
	const char *problem; /* no expression failed, but what came out is wrong */
};

static int eval_member(
    struct spec *p, const struct mr_template *t, const char *member, struct mr_value *ret)
{
	p->member = member;
	return mr_template_eval(t, &p->a->env.expr, p->a->t->out->arena, ret, &p->err);
}

static int spec_time(struct spec *p, const struct mr_wait_item *w, struct mr_fields *f)
{
	struct mr_value v;
	int64_t us = 0;
	bool ok;
	int r = w->duration != NULL ? eval_member(p, w->duration, "duration", &v)
	                            : eval_member(p, w->until, "until", &v);

	if (r < 0)
		return r;
	ok = w->duration != NULL ? mr_graph_duration(&v, &us) : time_of(&v, &us);
	if (!ok) {
		p->problem = w->duration != NULL
		                 ? "must be a duration such as 30, \"5m\" or \"PT5M\""
		                 : "must be a time such as 2026-01-31T12:00:00Z";
		return MR_E_INVALID;
	}
	return mr_fields_time(
	    f, p->a->t->out->arena, "until", w->duration != NULL ? p->a->t->now + us : us);
}

static int spec_event(struct spec *p, const struct mr_wait_item *w, struct mr_fields *f)
{
	struct mr_value type, count = mr_value_int(1), own;
	int r = eval_member(p, w->event_type, "event.type", &type);

	if (r == 0 && w->count != NULL)
		r = eval_member(p, w->count, "event.count", &count);
	if (r < 0)
		return r;
	if (type.kind != MR_VALUE_STRING || type.s.len == 0 || type.s.len > 200) {
		p->member = "event.type";
		p->problem = "must be a text of 1 to 200 bytes";
		return MR_E_INVALID;
	}
	if (count.kind != MR_VALUE_INT || count.i < 1 || count.i > MR_INBOX_MAX) {
		p->member = "event.count";
		p->problem = "must be a whole number from 1 to 1000";
		return MR_E_INVALID;
	}
	if (mr_value_copy(p->a->t->out->arena, &type, &own) < 0)
		return MR_E_NOMEM;
	mr_fields_put(f, "event", own);
	mr_fields_put(f, "count", count);
	return 0;
}

static int make_spec(struct spec *p)
{
	const struct mr_step *s = p->a->s;
	struct mr_list *l = mr_list_create(p->a->t->out->arena, s->waits_len);
	int r = l != NULL ? 0 : MR_E_NOMEM;

	for (size_t i = 0; r == 0 && i < s->waits_len; i++) {
		struct mr_fields f = { .len = 0 };
		const struct mr_wait_item *w = &s->waits[i];

		r = w->event_type != NULL ? spec_event(p, w, &f) : spec_time(p, w, &f);
		if (r == 0)
			r = mr_fields_map(p->a->t->out->arena, &f, &l->items[i]);
	}
	if (r == 0)
		*p->waits = mr_value_list(l);
	return r;
}

/* ---- whether it has come ---- */

struct judged {
	struct mr_turn *t;
	struct mr_step_state *st;
	const struct mr_value *waits; /* the list */
	size_t item;                  /* the one that was met */
	bool by_event;
	struct mr_list *events; /* that meet it */
	struct mr_list *seqs;   /* of their facts: all that is consumed */
};

static int64_t until_of(const struct mr_value *wait)
{
	int64_t us = 0;

	return mr_time_parse(mr_value_get_str(wait, "until"), &us) == 0 ? us : 0;
}

/* ENV is the waiting step's; it is used for one event after the other. */
static int matches(struct judged *j, struct mr_run_env *env, const struct mr_wait_item *w,
    const struct mr_value *event, bool *ret, struct mr_expr_error *err)
{
	*ret = true;
	if (w->match == NULL)
		return 0;
	env->binds_len = 0;
	mr_run_env_bind(env, MR_STR("event"), *event);
	return mr_condition_eval(w->match, &env->expr, j->t->out->arena, ret, err);
}

static size_t needed(const struct mr_value *wait)
{
	const struct mr_value *count = mr_value_get_kind(wait, "count", MR_VALUE_INT);

	return count != NULL ? (size_t)count->i : 1;
}

/* As many events of its type have come as WAIT needs: else it need not be asked which of them match
 * it. */
static bool may_be_met(const struct mr_run *run, const struct mr_value *wait)
{
	struct mr_str type = mr_value_get_str(wait, "event");
	size_t need = needed(wait), found = 0;

	for (const struct mr_inbox_item *in = run->inbox; in != NULL && found < need; in = in->next)
		found += mr_str_eq(mr_value_get_str(&in->event, "type"), type);
	return found >= need;
}

static bool is_taken(const struct judged *j, unsigned seq)
{
	for (size_t i = 0; i < j->seqs->len; i++)
		if (j->seqs->items[i].i == seq)
			return true;
	return false;
}

/* Gathers events for item I from what has come. */
static int gather_events(struct judged *j, size_t i, bool *ret_met, struct mr_expr_error *err)
{
	const struct mr_value *wait = &j->waits->list->items[i];
	struct mr_str type = mr_value_get_str(wait, "event");
	size_t need = needed(wait), found = 0, seqs = j->seqs->len;
	struct mr_run_env env;

	j->events->len = 0;
	*ret_met = false;
	if (!may_be_met(j->t->run, wait))
		return 0;
	mr_run_env_init(&env, j->t->run, j->st, MR_SECRETS_REFUSED, j->t->now);
	for (struct mr_inbox_item *in = j->t->run->inbox; in != NULL && found < need;
	     in = in->next) {
		bool holds;
		int r;

		if (!mr_str_eq(mr_value_get_str(&in->event, "type"), type))
			continue;
		r = matches(
		    j, &env, &mr_step_of(j->t->run, j->st)->waits[i], &in->event, &holds, err);
		if (r < 0)
			return r;
		if (!holds)
			continue;
		j->events->items[j->events->len++] = in->event;
		if (!is_taken(j, in->seq))
			j->seqs->items[j->seqs->len++] = mr_value_int(in->seq);
		found++;
	}
	*ret_met = found >= need;
	if (!*ret_met) {
		j->events->len = 0;
		j->seqs->len = seqs;
	}
	return 0;
}

static int judge(struct judged *j, bool *ret_met, struct mr_expr_error *err)
{
	const struct mr_step *s = mr_step_of(j->t->run, j->st);
	size_t len = j->waits->list->len, met = 0;

	j->events = mr_list_create(j->t->out->arena, j->t->run->inbox_len);
	j->seqs = mr_list_create(j->t->out->arena, j->t->run->inbox_len);
	if (j->events == NULL || j->seqs == NULL)
		return MR_E_NOMEM;
	j->events->len = j->seqs->len = 0;
	for (size_t i = 0; i < len && i < s->waits_len; i++) {
		const struct mr_value *wait = &j->waits->list->items[i];
		bool by_event = mr_value_get(wait, "event") != NULL, is_met;
		int r = 0;

		if (by_event)
			r = gather_events(j, i, &is_met, err);
		else
			is_met = until_of(wait) <= j->t->now;
		if (r < 0)
			return r;
		met += is_met;
		if (is_met) {
			j->item = i;
			j->by_event = by_event;
		}
		if (is_met && !s->wait_all_of)
			break;
	}
	*ret_met = s->wait_all_of ? met == len : met > 0;
	return 0;
}

static int finish_wait(struct judged *j, int64_t took, const struct mr_value *input)
{
	const struct mr_step *s = mr_step_of(j->t->run, j->st);
	struct mr_fields f = { .len = 0 }, more = { .len = 0 };
	struct mr_value result;
	size_t n = j->events->len;

	mr_fields_put(&f, "reason", mr_value_strz(j->by_event ? "event" : "time"));
	if (s->waits_len > 1)
		mr_fields_put(&f, "index", mr_value_int((int64_t)j->item));
	mr_fields_put(&f, "event", j->by_event && n > 0 ? j->events->items[n - 1] : MR_NULL_VALUE);
	if (j->by_event && n > 1)
		mr_fields_put(&f, "events", mr_value_list(j->events));
	mr_fields_put(&f, "waited_seconds", mr_graph_seconds(took));
	if (mr_fields_map(j->t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	if (j->seqs->len > 0)
		mr_fields_put(&more, "consumed", mr_value_list(j->seqs));
	return mr_turn_complete_with(j->t, j->st, &result, input, took, &more);
}

/* The earliest time after now that counts; 0: none. */
static int64_t next_time(const struct mr_value *waits, int64_t now)
{
	int64_t next = 0;

	for (size_t i = 0; i < waits->list->len; i++) {
		int64_t us = until_of(&waits->list->items[i]);

		if (us > now && (next == 0 || us < next))
			next = us;
	}
	return next;
}

static int await_events(struct mr_attempt *a, const struct mr_value *waits)
{
	for (size_t i = 0; i < waits->list->len; i++) {
		struct mr_str type = mr_value_get_str(&waits->list->items[i], "event");

		if (type.p != NULL && mr_turn_await(a->t, a->st, type, 0) < 0)
			return MR_E_NOMEM;
	}
	return 0;
}

/* Journalled when it begins to wait, and when a time has passed and something else is missing. */
static int wait_fact(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *waits)
{
	struct mr_fields f = mr_turn_step_fields(t, st);
	int64_t until = next_time(waits, t->now);

	if (until > 0 && mr_fields_time(&f, t->out->arena, "until", until) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "waits", *waits);
	if (mr_step_of(t->run, st)->wait_all_of)
		mr_fields_put(&f, "all", mr_value_bool(true));
	return mr_turn_fact(t, MR_FACT_STEP_WAITING, st, &f, -1);
}

static int begin_waiting(struct mr_attempt *a, const struct mr_value *waits)
{
	int r = wait_fact(a->t, a->st, waits);

	return r == 0 ? await_events(a, waits) : r;
}

static int spec_failed(struct spec *p, int r)
{
	char message[200];

	if (p->problem == NULL)
		return mr_turn_fail_expr(
		    p->a->t, p->a->st, mr_str(p->member), r, &p->err, &p->a->env);
	(void)snprintf(message, sizeof(message), "%s: %s", p->member, p->problem);
	return mr_attempt_fail(p->a, "validation", message);
}

static int input_of(struct mr_attempt *a, const struct mr_value *waits)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, a->s->wait_all_of ? "all" : "any", *waits);
	return mr_fields_map(a->t->out->arena, &f, &a->input);
}

int mr_do_wait(struct mr_attempt *a)
{
	struct mr_value waits;
	struct spec p = { .a = a, .waits = &waits, .member = "wait", .err = { .message = "" } };
	struct judged j = { .t = a->t, .st = a->st, .waits = &waits };
	bool met;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = make_spec(&p);
	if (r == MR_E_NOMEM)
		return r;
	if (r < 0)
		return spec_failed(&p, r);
	r = judge(&j, &met, &p.err);
	if (r < 0)
		return mr_turn_fail_expr(a->t, a->st, MR_STR("event.match"), r, &p.err, &a->env);
	if (input_of(a, &waits) < 0)
		return MR_E_NOMEM;
	return met ? finish_wait(&j, 0, &a->input) : begin_waiting(a, &waits);
}

/* Something came, or a time: whether the step may go on. */
static int judge_again(struct mr_turn *t, struct mr_step_state *st)
{
	const struct mr_value *kept = mr_value_get_kind(&st->inner->spec, "waits", MR_VALUE_LIST);
	struct mr_value waits;
	struct judged j = { .t = t, .st = st, .waits = &waits };
	struct mr_expr_error err = { .message = "" };
	bool met;
	int r;

	if (kept == NULL)
		return MR_E_INVALID;
	if (mr_value_copy(t->out->arena, kept, &waits) < 0)
		return MR_E_NOMEM;
	r = judge(&j, &met, &err);
	if (r < 0)
		return mr_turn_fail_expr(t, st, MR_STR("event.match"), r, &err, NULL);
	if (met)
		return finish_wait(&j, mr_turn_took(t, st), NULL);
	/* a time has passed and something else is missing; or a clock was set back, and the time
	 * that seemed to have passed is to come again */
	if (st->wake_at > 0 ? st->wake_at <= t->now : next_time(&waits, t->now) > 0)
		return wait_fact(t, st, &waits);
	return 0;
}

/* ---- a time has come ---- */

/* Which of its two timeouts it was. */
static struct mr_str timeout_text(const struct mr_turn *t, const struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(t->run, st);

	if (s->run_timeout_us > 0 &&
	    st->began_at + s->run_timeout_us == mr_step_deadline(t->run, st))
		return mr_arena_printf(t->out->arena,
		    "the step did not end within its timeout (%g s)",
		    (double)s->run_timeout_us / 1e6);
	return mr_arena_printf(t->out->arena,
	    "the step did not end within the timeout of all its attempts (%g s)",
	    (double)s->total_timeout_us / 1e6);
}

static int over_time(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_failure f = {
		.type = "timeout", .retryable = true, .duration_us = mr_turn_took(t, st)
	};

	f.message = timeout_text(t, st);
	if (mr_turn_cancel_inner(t, st, MR_CANCEL_TIMED_OUT) < 0 || mr_turn_stop(t, st) < 0)
		return MR_E_NOMEM;
	return f.message.p != NULL ? mr_turn_fail(t, st, &f) : MR_E_NOMEM;
}

int mr_turn_waited(struct mr_turn *t, struct mr_step_state *st)
{
	int64_t deadline = mr_step_deadline(t->run, st);

	if (st->status == MR_STEP_RETRYING)
		return mr_turn_attempt_again(t, st);
	if (deadline > 0 && deadline <= t->now && (st->wake_at == 0 || deadline <= st->wake_at))
		return over_time(t, st);
	switch (mr_step_of(t->run, st)->type) {
	case MR_STEP_DELAY:
		return delay_done(t, st, st->wake_at - st->began_at, mr_turn_took(t, st), NULL);
	case MR_STEP_WAIT:
		return judge_again(t, st);
	default:
		return mr_turn_settle(t, st);
	}
}

/* ---- a signal or event has come ---- */

static int journal_signal(struct mr_turn *t, const struct mr_value *data)
{
	static const char *const members[] = { "id", "type", "data", "source", "at",
		"correlation_id", "by" };
	struct mr_fields f = { .len = 0 };

	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		const struct mr_value *v = mr_value_get(data, members[i]);
		struct mr_value copy;

		if (v == NULL)
			continue;
		if (mr_value_copy(t->out->arena, v, &copy) < 0)
			return MR_E_NOMEM;
		mr_fields_put(&f, members[i], copy);
	}
	return mr_turn_fact(t, MR_FACT_SIGNALLED, NULL, &f, -1);
}

/* Whether the signal that came last is one that ST waits for. An expression that fails is told of
 * where all of them are looked at. */
static bool wants(struct mr_turn *t, struct mr_step_state *st, struct mr_str type)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	struct judged j = { .t = t, .st = st };
	const struct mr_value *waits;
	struct mr_run_env env;

	if (s->type != MR_STEP_WAIT || st->status != MR_STEP_WAITING)
		return false;
	mr_run_spend(t->run, 1);
	mr_run_env_init(&env, t->run, st, MR_SECRETS_REFUSED, t->now);
	waits = mr_value_get_kind(&st->inner->spec, "waits", MR_VALUE_LIST);
	for (size_t i = 0; waits != NULL && i < waits->list->len && i < s->waits_len; i++) {
		const struct mr_value *wait = &waits->list->items[i];
		struct mr_expr_error err;
		bool holds;

		if (!mr_str_eq(mr_value_get_str(wait, "event"), type) || !may_be_met(t->run, wait))
			continue;
		if (matches(&j, &env, &s->waits[i], &t->run->inbox_last->event, &holds, &err) < 0 ||
		    holds)
			return true;
	}
	return false;
}

int mr_turn_signal(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_str type = mr_value_get_str(&ev->data, "type");
	struct mr_step_state *st, *next;
	int r;

	if (type.p == NULL)
		return 0;
	r = journal_signal(t, &ev->data);
	/* a paused run goes on when it is resumed: it is looked at then */
	for (st = t->run->awaiting; r == 0 && st != NULL && !t->run->is_paused; st = next) {
		next = st->awaiting_next;
		if (t->run->inbox_last != NULL && wants(t, st, type))
			r = judge_again(t, st);
	}
	return r;
}

int mr_turn_look_at_inbox(struct mr_turn *t)
{
	struct mr_step_state *st, *next;
	int r = 0;

	for (st = t->run->awaiting; r == 0 && st != NULL; st = next) {
		next = st->awaiting_next;
		if (t->run->inbox != NULL && mr_step_of(t->run, st)->type == MR_STEP_WAIT &&
		    st->status == MR_STEP_WAITING)
			r = judge_again(t, st);
	}
	return r;
}
