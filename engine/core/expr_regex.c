/*
 * Regular expressions: PCRE2 without JIT. Its own limits count per place where a match could begin
 * and not what a run over many characters costs, so the work is measured here: a callout stands
 * before each item of a pattern, and what lies between two of them is seen from how far the match
 * has moved. The work is charged like all other cost, which makes it bounded and the same each
 * time. What a callout can't see (long counted repeats, references back) is refused, as in RE2.
 */
#include <stdio.h>
#include <string.h>

#include "engine/core/expr_private.h"

#define PATTERN_MAX  4096u
#define SUBJECT_MAX  (1024u * 1024u)
#define PARENS_MAX   100u
#define REPEAT_MAX   1000
#define HEAP_MAX_KIB 8192u

/* In eighths of an instruction, about a nanosecond each. */
#define CALLOUT_WORK 8u
#define MATCH_WORK   200u
#define COMPILE_COST 1000u

static void *arena_malloc(PCRE2_SIZE size, void *arena)
{
	return mr_arena_alloc(arena, size);
}

static void arena_free(void *p, void *arena)
{
	(void)p; /* goes with the arena */
	(void)arena;
}

/* A counted repeat beyond REPEAT_MAX, or NULL. One that is only text is taken for one. */
static const char *long_repeat(struct mr_str s)
{
	const char *end = s.p + s.len, *brace;

	for (const char *p = s.p; p < end; p++) {
		int n = 0;

		if (*p != '{')
			continue;
		for (brace = p++; p < end && ((*p >= '0' && *p <= '9') || *p == ','); p++) {
			n = *p == ',' ? 0 : n * 10 + (*p - '0');
			if (n > REPEAT_MAX)
				return brace;
		}
		p--;
	}
	return NULL;
}

/* What PCRE2 takes and CEL's RE2 doesn't, where it would hide work. */
static bool refuse(
    pcre2_code *code, struct mr_str pattern, char *err, size_t err_len, size_t *ret_offset)
{
	const char *repeat = long_repeat(pattern);
	uint32_t back = 0;

	*ret_offset = repeat != NULL ? (size_t)(repeat - pattern.p) : 0;
	if (repeat != NULL)
		(void)snprintf(err, err_len, "repeats more than %d times", REPEAT_MAX);
	else if (pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &back) != 0 || back > 0)
		(void)snprintf(err, err_len, "references back to a group");
	else
		return false;
	return true;
}

pcre2_code *mr_regex_compile(
    struct mr_arena *a, struct mr_str pattern, char *err, size_t err_len, size_t *ret_offset)
{
	const uint32_t options = PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY |
	                         PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
	pcre2_general_context *general;
	pcre2_compile_context *context;
	pcre2_code *code;
	int number = 0;

	err[0] = '\0';
	if (pattern.len > PATTERN_MAX) {
		(void)snprintf(err, err_len, "longer than %u bytes", PATTERN_MAX);
		return NULL;
	}
	general = pcre2_general_context_create(arena_malloc, arena_free, a);
	context = general != NULL ? pcre2_compile_context_create(general) : NULL;
	if (context == NULL)
		return NULL;
	(void)pcre2_set_parens_nest_limit(context, PARENS_MAX); /* can't fail */
	code = pcre2_compile(
	    (PCRE2_SPTR)pattern.p, pattern.len, options, &number, ret_offset, context);
	if (code == NULL && number != PCRE2_ERROR_NOMEMORY && number != PCRE2_ERROR_HEAP_FAILED &&
	    pcre2_get_error_message(number, (PCRE2_UCHAR *)err, err_len) < 0)
		(void)snprintf(err, err_len, "error %d", number);
	if (code != NULL && refuse(code, pattern, err, err_len, ret_offset))
		code = NULL;
	return code;
}

/* Kept for the life of the thread: its memory, at most HEAP_MAX_KIB, is used by every match. */
static _Thread_local pcre2_match_data *match_data;
static _Thread_local pcre2_match_context *match_context;

static int prepare(void)
{
	if (match_data == NULL)
		match_data = pcre2_match_data_create(1, NULL);
	if (match_context == NULL) {
		match_context = pcre2_match_context_create(NULL);
		if (match_context != NULL)
			(void)pcre2_set_heap_limit(match_context, HEAP_MAX_KIB);
	}
	return match_data != NULL && match_context != NULL ? 0 : MR_E_NOMEM;
}

struct meter {
	uint64_t work, max;
	size_t at; /* where the match was last */
};

static int measure(pcre2_callout_block *block, void *data)
{
	struct meter *m = data;
	size_t at = block->current_position;

	m->work += CALLOUT_WORK + (at > m->at ? at - m->at : m->at - at);
	m->at = at;
	return m->work > m->max ? PCRE2_ERROR_CALLOUT : 0;
}

int mr_regex_match(
    struct mr_vm *vm, const pcre2_code *code, struct mr_str subject, struct mr_value *ret)
{
	struct meter m = { .work = MATCH_WORK + subject.len / 4, .at = 0 };
	int found, r = prepare();

	if (r < 0)
		return r;
	if (subject.len > SUBJECT_MAX)
		return mr_vm_fail(vm, "matches() takes texts of up to %u bytes", SUBJECT_MAX);
	m.max = vm->budget > UINT64_MAX / 8 ? UINT64_MAX : vm->budget * 8;
	(void)pcre2_set_callout(match_context, measure, &m); /* can't fail */
	found = pcre2_match(code, (PCRE2_SPTR)subject.p, subject.len, 0, PCRE2_NO_UTF_CHECK,
	    match_data, match_context);
	r = mr_vm_charge(vm, m.work / 8 + 1);
	if (r < 0)
		return r;
	if (found == PCRE2_ERROR_NOMEMORY)
		return MR_E_NOMEM;
	if (found < 0 && found != PCRE2_ERROR_NOMATCH)
		return mr_vm_fail(vm, "the pattern needs too much memory on this text");
	*ret = mr_value_bool(found >= 0);
	return 0;
}

int mr_fn_matches(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	pcre2_code *code;
	size_t at = 0;
	char why[96];
	int r;

	if (args[0].kind != MR_VALUE_STRING || args[1].kind != MR_VALUE_STRING)
		return mr_vm_no_overload(vm, "matches", args, n);
	r = mr_vm_charge(vm, COMPILE_COST + args[1].s.len);
	if (r < 0)
		return r;
	code = mr_regex_compile(vm->arena, args[1].s, why, sizeof(why), &at);
	if (code == NULL && why[0] == '\0')
		return MR_E_NOMEM;
	if (code == NULL)
		return mr_vm_fail(vm, "the pattern is wrong at %zu: %s", at, why);
	return mr_regex_match(vm, code, args[0].s, ret);
}
