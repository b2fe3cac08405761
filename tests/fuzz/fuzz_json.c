/*
 * Any bytes as JSON: parse and check must agree, what was parsed must come back the same when it
 * is written and read again, and faults must be named when it is refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/value.h"

#define ARENA_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void round_trip(struct mr_arena *a, const struct mr_value *v)
{
	struct mr_str text = mr_json_text(a, v), again;
	/* escapes may be longer than what they stand for, but not deeper */
	const struct mr_json_limits limits = { .depth = 32, .values = 100000 };
	struct mr_value back, copy;

	must(text.p != NULL);
	must(mr_json_parse(a, text, &limits, NULL, &back) == 0);
	must(mr_value_eq(v, &back));
	again = mr_json_text(a, &back);
	must(mr_str_eq(text, again));
	must(mr_value_copy(a, v, &copy) == 0);
	must(mr_value_eq(&copy, v));
	must(mr_str_eq(mr_json_text(a, &copy), text));
}

static void without_memory(struct mr_str text, const struct mr_json_limits *limits, int want)
{
	struct mr_arena *a = mr_arena_create(ARENA_MAX);
	struct mr_faults faults;
	struct mr_value v;
	int r;

	must(a != NULL);
	mr_faults_init(&faults, a, 10);
	mr_arena_fail_after(1 + text.len % 7);
	r = mr_json_parse(a, text, limits, &faults, &v);
	mr_arena_fail_after(0);
	must(r == want || r == MR_E_NOMEM);
	a = mr_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mr_json_limits limits = { .depth = 32, .values = 100000 };
	struct mr_str text = { (const char *)data, size };
	struct mr_arena *a = mr_arena_create(ARENA_MAX);
	struct mr_faults faults;
	struct mr_value v;
	int r;

	must(a != NULL);
	mr_faults_init(&faults, a, 10);
	r = mr_json_parse(a, text, &limits, &faults, &v);
	must(r == 0 || r == MR_E_INVALID || r == MR_E_LIMIT);
	must((r == 0) == (faults.count == 0));
	for (const struct mr_fault *f = faults.first; f != NULL; f = f->next)
		must(mr_str_is_utf8(f->path) && mr_str_starts(f->message, MR_STR("line ")));
	must(mr_json_check(a, text, &limits, NULL) == r);
	if (r == 0)
		round_trip(a, &v);
	without_memory(text, &limits, r);
	a = mr_arena_free(a);
	return 0;
}
