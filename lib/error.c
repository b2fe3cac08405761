#include "lib/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 1000 /* bytes of a fault's path, and of what it says */

const struct mr_error_row mr_error_rows[MR_ERR_COUNT] = {
	[MR_ERR_NONE] = { "", 0, "", "" },
#define MR_ERROR(id, http, name, text) [MR_ERR_##id] = { #id, http, name, text },
#include "lib/errors.def"
#undef MR_ERROR
};

enum mr_error_id mr_error_by_code(struct mr_str code)
{
	for (int i = MR_ERR_NONE + 1; i < MR_ERR_COUNT; i++) {
		if (mr_str_eqz(code, mr_error_rows[i].code))
			return (enum mr_error_id)i;
	}
	return MR_ERR_NONE;
}

void mr_faults_init(struct mr_faults *f, struct mr_arena *arena, size_t max)
{
	*f = (struct mr_faults){ .arena = arena, .max = max };
}

void mr_faults_begin(struct mr_faults *part, struct mr_arena *arena, const struct mr_faults *whole)
{
	mr_faults_init(part, arena, whole->max);
	part->ignores_unknown = whole->ignores_unknown;
}

bool mr_faults_ignore(const struct mr_faults *f, const char *code)
{
	return f->ignores_unknown &&
	       (strcmp(code, "unknown_member") == 0 || strcmp(code, "unknown_argument") == 0);
}

/* Whether INNER is PLACE, or is inside it. */
static bool is_within(struct mr_str inner, struct mr_str place)
{
	return mr_str_starts(inner, place) &&
	       (inner.len == place.len || inner.p[place.len] == '.' || inner.p[place.len] == '[');
}

static bool is_settled(const struct mr_faults *f, struct mr_str path)
{
	const struct mr_fault *g = f->settled != NULL ? f->first : NULL;

	for (; g != NULL && !is_within(path, g->path); g = g->next) {
		if (g == f->settled)
			return false;
	}
	return g != NULL;
}

/* TEXT, or its first SHOWN_MAX bytes and a sign that there was more: faults quote names from
 * inputs, and none may be as long as an input. */
static struct mr_str shown(struct mr_arena *a, struct mr_str text)
{
	size_t n = SHOWN_MAX;

	if (text.len <= SHOWN_MAX)
		return text;
	while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--; /* not inside of a character */
	return mr_arena_printf(a, "%.*s…", (int)n, text.p);
}

void mr_fault_add(struct mr_faults *f, struct mr_str path, const char *code, const char *fmt, ...)
{
	struct mr_fault *fault;
	va_list ap;

	if (f == NULL || mr_faults_ignore(f, code) || is_settled(f, path) || f->count++ >= f->max)
		return;
	fault = mr_arena_zalloc(f->arena, sizeof(*fault));
	if (fault == NULL)
		return;
	fault->path = mr_arena_str(f->arena, shown(f->arena, path));
	fault->code = mr_str(code);
	va_start(ap, fmt);
	fault->message = shown(f->arena, mr_arena_vprintf(f->arena, fmt, ap));
	va_end(ap);
	if (fault->path.p == NULL)
		fault->path = MR_STR("");
	if (fault->message.p == NULL)
		fault->message = MR_STR("is not valid");
	if (f->last != NULL)
		f->last->next = fault;
	else
		f->first = fault;
	f->last = fault;
}

void mr_faults_move(struct mr_faults *to, const struct mr_faults *from, struct mr_str under)
{
	/* without memory faults are only counted: some are there all the same */
	if (from->first == NULL && from->count > 0)
		to->count++;
	for (const struct mr_fault *f = from->first; f != NULL; f = f->next) {
		const char *dot = f->path.len == 0 || f->path.p[0] == '[' ? "" : ".";
		struct mr_str path = mr_arena_printf(
		    to->arena, "%.*s%s%.*s", MR_STR_ARG(under), dot, MR_STR_ARG(f->path));

		mr_fault_add(
		    to, path.p != NULL ? path : f->path, f->code.p, "%.*s", MR_STR_ARG(f->message));
	}
}

int mr_error_set(struct mr_error *err, int r, enum mr_error_id id, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return r;
	err->id = id;
	va_start(ap, fmt);
	(void)vsnprintf(err->detail, sizeof(err->detail), fmt, ap); /* cut is fine: one sentence */
	va_end(ap);
	return r;
}
