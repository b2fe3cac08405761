/*
 * Regular expressions: PCRE2 without JIT, inside limits. A match first gets as many steps as a
 * harmless pattern needs; only when these don't do it gets many more, and is charged for them. So
 * what one evaluation spends on matching is bounded, though PCRE2 doesn't say what it used.
 */
#include <stdio.h>
#include <string.h>

#include "engine/core/expr_private.h"

#define PATTERN_MAX  4096u
#define SUBJECT_MAX  (1024u * 1024u)
#define PARENS_MAX   100u
#define HEAP_MAX_KIB 4096u
#define DEPTH_MAX    50000u

#define LIGHT_CHARGE 25u
#define LIGHT_WORK   100000u /* steps times length */
#define HEAVY_CHARGE 25000u
#define HEAVY_WORK   500000000u

static void *arena_malloc(PCRE2_SIZE size, void *arena)
{
	return mr_arena_alloc(arena, size);
}

static void arena_free(void *p, void *arena)
{
	(void)p; /* goes with the arena */
	(void)arena;
}

pcre2_code *mr_regex_compile(
    struct mr_arena *a, struct mr_str pattern, char *err, size_t err_len, size_t *ret_offset)
{
	const uint32_t options =
	    PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
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
	if (code == NULL && number != PCRE2_ERROR_NOMEMORY && number != PCRE2_ERROR_HEAP_FAILED) {
		if (pcre2_get_error_message(number, (PCRE2_UCHAR *)err, err_len) < 0)
			(void)snprintf(err, err_len, "error %d", number);
	}
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
		if (match_context != NULL) {
			(void)pcre2_set_heap_limit(match_context, HEAP_MAX_KIB);
			(void)pcre2_set_depth_limit(match_context, DEPTH_MAX);
		}
	}
	return match_data != NULL && match_context != NULL ? 0 : MR_E_NOMEM;
}

static uint32_t steps(uint32_t work, size_t len, uint32_t least, uint32_t most)
{
	size_t n = work / (len + 1);

	return n < least ? least : n > most ? most : (uint32_t)n;
}

static int match(const pcre2_code *code, struct mr_str s, uint32_t limit)
{
	(void)pcre2_set_match_limit(match_context, limit);
	return pcre2_match(
	    code, (PCRE2_SPTR)s.p, s.len, 0, PCRE2_NO_UTF_CHECK, match_data, match_context);
}

int mr_regex_match(
    struct mr_vm *vm, const pcre2_code *code, struct mr_str subject, struct mr_value *ret)
{
	int found, r = prepare();

	if (r < 0)
		return r;
	if (subject.len > SUBJECT_MAX)
		return mr_vm_fail(vm, "matches() takes texts of up to %u bytes", SUBJECT_MAX);
	r = mr_vm_charge(vm, LIGHT_CHARGE + subject.len / 8);
	if (r < 0)
		return r;
	found = match(code, subject, steps(LIGHT_WORK, subject.len, 32, 1000));
	if (found == PCRE2_ERROR_MATCHLIMIT) {
		r = mr_vm_charge(vm, HEAVY_CHARGE);
		if (r < 0)
			return r;
		found = match(code, subject, steps(HEAVY_WORK, subject.len, 1000, 200000));
	}
	if (found == PCRE2_ERROR_NOMEMORY)
		return MR_E_NOMEM;
	if (found < 0 && found != PCRE2_ERROR_NOMATCH)
		return mr_vm_fail(vm, "the pattern needs too many steps on this text");
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
	r = mr_vm_charge(vm, 100 + args[1].s.len);
	if (r < 0)
		return r;
	code = mr_regex_compile(vm->arena, args[1].s, why, sizeof(why), &at);
	if (code == NULL && why[0] == '\0')
		return MR_E_NOMEM;
	if (code == NULL)
		return mr_vm_fail(vm, "the pattern is wrong at %zu: %s", at, why);
	return mr_regex_match(vm, code, args[0].s, ret);
}
