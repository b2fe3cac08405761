#include "engine/rows.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/pg.h"
#include "tests/unit/test.h"

/* A held run that has something to write, without an engine around it. */
struct sample {
	struct mr_arena *arena;
	struct mr_outcome outcome;
	struct mr_held held;
	struct mr_fact facts[2];
};

static void fill(struct sample *s)
{
	struct mr_map *data = mr_map_create(s->arena, 1);

	assert_non_null(data);
	data->members[0] = (struct mr_member){ mr_value_strz("a\"b"), mr_value_strz("c\\d\n") };
	assert_int_equal(mr_map_seal(s->arena, data), 0);
	s->facts[0] = (struct mr_fact){ .kind = MR_FACT_STARTED,
		.step = -1,
		.id = 1001,
		.seq = 2,
		.at_us = 5000000,
		.duration_us = -1,
		.data = MR_NULL_VALUE };
	s->facts[1] = (struct mr_fact){ .kind = MR_FACT_LOG,
		.step = -1,
		.id = 1002,
		.seq = 3,
		.attempt = 1,
		.step_execution_id = 1002,
		.at_us = 5000001,
		.duration_us = 0,
		.data = mr_value_map(data) };
	s->outcome.out.arena = s->arena;
	s->outcome.out.facts = s->facts;
	s->outcome.out.facts_len = 2;
	s->held = (struct mr_held){
		.id = 42, .fence = 7, .fresh = true, .is_taken = true, .sent = &s->outcome
	};
	s->held.row = (struct mr_run_row){
		.status = MR_RUN_RUNNING, .base_seq = 1, .seq = 3, .progress = 50
	};
}

static int set_up(void **state)
{
	struct sample *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	s->arena = mr_arena_create(1000000);
	fill(s);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct sample *s = *state;

	s->arena = mr_arena_free(s->arena);
	free(s);
	return 0;
}

static void assert_column(const struct mr_rows *r, enum mr_rows_column c, const char *want)
{
	if (strcmp(r->columns[c].p, want) != 0)
		fail_msg("%s: got %s, want %s", mr_rows_params[c], r->columns[c].p, want);
}

static void a_running_run(void **state)
{
	struct sample *s = *state;
	struct mr_rows r;

	mr_rows_init(&r);
	mr_rows_begin(&r);
	mr_rows_add(&r, &s->held);
	assert_int_equal(mr_rows_end(&r), 0);
	assert_column(&r, MR_ROWS_RUN_ID, "{42}");
	assert_column(&r, MR_ROWS_FENCE, "{7}");
	assert_column(&r, MR_ROWS_BASE_SEQ, "{1}");
	assert_column(&r, MR_ROWS_SEQ, "{3}");
	assert_column(&r, MR_ROWS_STATUS, "{\"running\"}");
	assert_column(&r, MR_ROWS_RELEASE, "{\"f\"}");
	assert_column(&r, MR_ROWS_WAKE, "{NULL}");
	assert_column(&r, MR_ROWS_RESULT, "{NULL}");
	assert_column(&r, MR_ROWS_STATE, "{NULL}");
	assert_column(&r, MR_ROWS_J_RUN_ID, "{42,42}");
	assert_column(&r, MR_ROWS_J_KIND, "{\"started\",\"log\"}");
	assert_column(&r, MR_ROWS_J_STEP_EXECUTION, "{NULL,1002}");
	assert_column(&r, MR_ROWS_J_ATTEMPT, "{NULL,1}");
	assert_column(&r, MR_ROWS_J_DURATION, "{NULL,0}");
	assert_column(&r, MR_ROWS_J_AT, "{5000000,5000001}");
	/* JSON's own escapes, and those of an array element around them */
	assert_column(
	    &r, MR_ROWS_J_DATA, "{NULL,\"{\\\"a\\\\\\\"b\\\":\\\"c\\\\\\\\d\\\\n\\\"}\"}");
	assert_int_equal(r.runs, 1);
	assert_int_equal(r.facts, 2);
	for (unsigned i = 0; i < MR_ROWS_PARTS; i++)
		assert_int_equal(r.parts[i], 0);
	mr_rows_done(&r);
}

static void a_released_run_with_commands(void **state)
{
	struct sample *s = *state;
	struct mr_rows r;

	s->held.row.released = true;
	s->held.row.wake_at_us = 9000000;
	s->held.row.snapshot = MR_STR("{}");
	s->outcome.commands[0] = 5;
	s->outcome.commands[1] = 6;
	s->outcome.commands_len = 2;
	mr_rows_init(&r);
	mr_rows_begin(&r);
	mr_rows_add(&r, &s->held);
	assert_int_equal(mr_rows_end(&r), 0);
	assert_column(&r, MR_ROWS_RELEASE, "{\"t\"}");
	assert_column(&r, MR_ROWS_WAKE, "{9000000}");
	assert_column(&r, MR_ROWS_STATE, "{\"{}\"}");
	assert_column(&r, MR_ROWS_COMMAND, "{5,6}");
	assert_int_equal(r.parts[MR_ROWS_STATES], 1);
	assert_int_equal(r.parts[MR_ROWS_COMMANDS], 2);
	assert_int_equal(r.parts[MR_ROWS_REQUEUE], 1);
	assert_column(&r, MR_ROWS_R_RUN_ID, "{42}");
	mr_rows_done(&r);
}

/* One that was read from the database may have a snapshot there, which is of no more use. */
static void an_ended_run(void **state)
{
	struct sample *s = *state;
	struct mr_rows r;

	s->held.row.status = MR_RUN_FAILED;
	s->held.row.error = MR_STR("{\"type\":\"x\"}");
	mr_rows_init(&r);
	mr_rows_begin(&r);
	mr_rows_add(&r, &s->held);
	assert_int_equal(r.parts[MR_ROWS_ENDED_RUNS], 0);
	assert_int_equal(r.parts[MR_ROWS_CHILDREN], 0);
	s->held.fresh = false;
	s->held.parent_run_id = 7;
	mr_rows_add(&r, &s->held);
	assert_int_equal(mr_rows_end(&r), 0);
	assert_int_equal(r.parts[MR_ROWS_ENDED_RUNS], 1);
	assert_int_equal(r.parts[MR_ROWS_REQUEUE], 0);
	assert_column(&r, MR_ROWS_ENDED, "{42}");
	assert_column(&r, MR_ROWS_ENDED_CHILD, "{42}");
	assert_column(&r, MR_ROWS_STATUS, "{\"failed\",\"failed\"}");
	mr_rows_done(&r);
}

/* Waits, those that ended at once left out; ends of waits; events; children to be cancelled. */
static void what_it_waits_for(void **state)
{
	struct sample *s = *state;
	struct mr_wait_row w[] = {
		{ .step = -1, .step_execution_id = 5, .event_type = MR_STR("a") },
		{ .step = -1, .step_execution_id = 6, .event_type = MR_STR("b") },
		{ .step = -1, .step_execution_id = 8, .child_run_id = 99 }
	};
	int64_t unwaits[] = { 4, 6 }, cancels[] = { 3 };
	struct mr_emit_row e = { .id = 1002, .type = MR_STR("t"), .data = mr_value_int(1) };
	struct mr_run_out *out = &s->outcome.out;
	struct mr_rows r;

	out->waits = w;
	out->waits_len = 3;
	out->unwaits = unwaits;
	out->unwaits_len = 2;
	out->emits = &e;
	out->emits_len = 1;
	out->cancels = cancels;
	out->cancels_len = 1;
	s->held.row.awaits = 2;
	mr_rows_init(&r);
	mr_rows_begin(&r);
	mr_rows_add(&r, &s->held);
	assert_int_equal(mr_rows_end(&r), 0);
	assert_column(&r, MR_ROWS_AWAITS, "{2}");
	assert_column(&r, MR_ROWS_W_STEP_EXECUTION, "{5,8}");
	assert_column(&r, MR_ROWS_W_EVENT_TYPE, "{\"a\",\"\"}");
	assert_column(&r, MR_ROWS_W_CHILD, "{0,99}");
	assert_column(&r, MR_ROWS_U_RUN_ID, "{42,42}");
	assert_column(&r, MR_ROWS_U_STEP_EXECUTION, "{4,6}");
	assert_column(&r, MR_ROWS_E_ID, "{1002}");
	assert_column(&r, MR_ROWS_E_DATA, "{\"1\"}");
	assert_column(&r, MR_ROWS_C_FENCE, "{7}");
	assert_column(&r, MR_ROWS_C_SEQ, "{3}");
	assert_column(&r, MR_ROWS_C_STEP_EXECUTION, "{3}");
	assert_int_equal(r.parts[MR_ROWS_WAITS], 5);
	assert_int_equal(r.parts[MR_ROWS_CANCEL], 1);
	mr_rows_done(&r);
}

/* A step that waits, is tried again and waits as before, in one flush: its row stays. */
static void it_waits_again(void **state)
{
	struct sample *s = *state;
	struct mr_wait_row w[] = {
		{ .step = -1, .step_execution_id = 5, .event_type = MR_STR("a") },
		{ .step = -1,
		    .step_execution_id = 5,
		    .event_type = MR_STR("a"),
		    .unwaits_before = 1 },
	};
	int64_t unwaits[] = { 5, 6 };
	struct mr_rows r;

	s->outcome.out.waits = w;
	s->outcome.out.waits_len = 2;
	s->outcome.out.unwaits = unwaits;
	s->outcome.out.unwaits_len = 2;
	mr_rows_init(&r);
	mr_rows_begin(&r);
	mr_rows_add(&r, &s->held);
	assert_int_equal(mr_rows_end(&r), 0);
	assert_column(&r, MR_ROWS_W_STEP_EXECUTION, "{5}");
	assert_column(&r, MR_ROWS_U_STEP_EXECUTION, "{6}");
	mr_rows_done(&r);
}

/* As it is defined: a wait stands unless its step's waits end later; an end is left out when a wait
 * of its step stands that began later. */
static bool waits_stand(const struct mr_run_out *out, const struct mr_wait_row *w)
{
	for (size_t i = w->unwaits_before; i < out->unwaits_len; i++) {
		if (out->unwaits[i] == w->step_execution_id)
			return false;
	}
	return true;
}

static bool is_left_out(const struct mr_run_out *out, size_t unwait)
{
	for (size_t i = 0; i < out->waits_len; i++) {
		const struct mr_wait_row *w = &out->waits[i];

		if (w->unwaits_before > unwait && w->step_execution_id == out->unwaits[unwait] &&
		    waits_stand(out, w))
			return true;
	}
	return false;
}

static void any_order_of_waits(void **state)
{
	struct sample *s = *state;
	struct mr_run_out *out = &s->outcome.out;
	uint64_t seed = 1;
	struct mr_rand rand = mr_rand_seeded(&seed);
	struct mr_wait_row w[24];
	int64_t unwaits[24];
	struct mr_buf waits, ends;
	struct mr_rows r;

	mr_buf_init(&waits, 10000);
	mr_buf_init(&ends, 10000);
	mr_rows_init(&r);
	out->waits = w;
	out->unwaits = unwaits;
	for (unsigned round = 0; round < 300; round++) {
		out->waits_len = out->unwaits_len = 0;
		while (
		    out->waits_len < 24 && out->unwaits_len < 24 && rand.next(rand.ctx) % 32 != 0) {
			int64_t id = 1 + (int64_t)(rand.next(rand.ctx) % 6);

			if (rand.next(rand.ctx) % 2 == 0)
				unwaits[out->unwaits_len++] = id << 32; /* one chain of the table */
			else
				w[out->waits_len++] = (struct mr_wait_row){ .step = -1,
					.step_execution_id = id << 32,
					.event_type = MR_STR("a"),
					.unwaits_before = out->unwaits_len };
		}
		mr_buf_reset(&waits);
		mr_buf_reset(&ends);
		mr_pg_array_begin(&waits);
		mr_pg_array_begin(&ends);
		for (size_t i = 0; i < out->waits_len; i++) {
			if (waits_stand(out, &w[i]))
				mr_pg_array_add_i64(&waits, w[i].step_execution_id);
		}
		for (size_t i = 0; i < out->unwaits_len; i++) {
			if (!is_left_out(out, i))
				mr_pg_array_add_i64(&ends, unwaits[i]);
		}
		mr_pg_array_end(&waits);
		mr_pg_array_end(&ends);
		mr_rows_begin(&r);
		mr_rows_add(&r, &s->held);
		assert_int_equal(mr_rows_end(&r), 0);
		assert_column(&r, MR_ROWS_W_STEP_EXECUTION, mr_buf_str(&waits).p);
		assert_column(&r, MR_ROWS_U_STEP_EXECUTION, mr_buf_str(&ends).p);
	}
	mr_rows_done(&r);
	mr_buf_done(&waits);
	mr_buf_done(&ends);
}

/* Failed without the state machine, which knew what it waited for. */
static void failed_by_hand(void **state)
{
	struct sample *s = *state;
	struct mr_rows r;

	s->held.failed_by_hand = true;
	mr_rows_init(&r);
	mr_rows_begin(&r);
	mr_rows_add(&r, &s->held);
	assert_int_equal(mr_rows_end(&r), 0);
	assert_column(&r, MR_ROWS_U_STEP_EXECUTION, "{0}");
	mr_rows_done(&r);
}

static void used_again(void **state)
{
	struct sample *s = *state;
	struct mr_rows r;

	mr_rows_init(&r);
	for (int i = 0; i < 3; i++) {
		mr_rows_begin(&r);
		mr_rows_add(&r, &s->held);
		assert_int_equal(mr_rows_end(&r), 0);
		assert_column(&r, MR_ROWS_RUN_ID, "{42}");
		assert_int_equal(r.runs, 1);
	}
	assert_true(mr_rows_bytes(&r) > 100);
	mr_rows_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_running_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_released_run_with_commands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_ended_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_it_waits_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_waits_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_order_of_waits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(failed_by_hand, set_up, tear_down),
		cmocka_unit_test_setup_teardown(used_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
