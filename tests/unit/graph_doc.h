/* Definitions for unit tests: texts with ' for ", compiled. */
#ifndef MR_TESTS_UNIT_GRAPH_DOC_H
#define MR_TESTS_UNIT_GRAPH_DOC_H

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "engine/core/graph.h"

struct doc {
	struct mr_arena *arena;
	struct mr_value value;
	struct mr_faults faults;
	struct mr_graph *g;
	int r;
};

/* Cases are written with ' for " . */
static inline struct mr_str unquote(struct mr_arena *a, const char *text)
{
	size_t len = strlen(text);
	char *p = mr_arena_alloc(a, len + 1);

	assert_non_null(p);
	for (size_t i = 0; i <= len; i++)
		p[i] = text[i] == '\'' ? '"' : text[i];
	return (struct mr_str){ p, len };
}

static inline struct doc compile_text(struct mr_str text)
{
	struct doc d = { .arena = mr_arena_create(256u << 20) };

	assert_non_null(d.arena);
	mr_faults_init(&d.faults, d.arena, 200);
	assert_int_equal(
	    mr_json_parse(d.arena, text, &mr_json_limits_default, &d.faults, &d.value), 0);
	d.r = mr_graph_compile(d.arena, &d.value, &d.faults, &d.g);
	return d;
}

static inline struct doc compile(const char *text)
{
	struct mr_arena *a = mr_arena_create(16u << 20);
	struct doc d = compile_text(mr_arena_str(a, unquote(a, text)));
	struct mr_value copy;

	/* the value points into the text */
	assert_int_equal(mr_value_copy(d.arena, &d.value, &copy), 0);
	d.value = copy;
	a = mr_arena_free(a);
	return d;
}

static inline void done(struct doc *d)
{
	d->arena = mr_arena_free(d->arena);
}

/* "path code", a line each */
static inline struct mr_str fault_lines(const struct doc *d)
{
	struct mr_str s = MR_STR("");

	for (const struct mr_fault *f = d->faults.first; f != NULL; f = f->next)
		s = mr_arena_printf(d->arena, "%.*s%s%.*s %.*s", MR_STR_ARG(s),
		    s.len > 0 ? "\n" : "", MR_STR_ARG(f->path), MR_STR_ARG(f->code));
	return s;
}

static inline void print_faults(const struct doc *d)
{
	for (const struct mr_fault *f = d->faults.first; f != NULL; f = f->next)
		print_message("  %.*s: %.*s: %.*s\n", MR_STR_ARG(f->path), MR_STR_ARG(f->code),
		    MR_STR_ARG(f->message));
}

static inline struct doc compile_good(const char *text)
{
	struct doc d = compile(text);

	if (d.r != 0) {
		print_faults(&d);
		fail_msg("does not compile: %s", text);
	}
	return d;
}

/* "a: b c", a line for each step and what it waits for */
static inline struct mr_str order_lines(const struct doc *d)
{
	struct mr_str s = MR_STR("");

	for (size_t i = 0; i < d->g->steps_len; i++) {
		const struct mr_step *step = &d->g->steps[i];

		s = mr_arena_printf(d->arena, "%.*s%s%.*s:", MR_STR_ARG(s), i > 0 ? "; " : "",
		    MR_STR_ARG(step->name));
		for (size_t k = 0; k < step->deps_len; k++)
			s = mr_arena_printf(d->arena, "%.*s %.*s", MR_STR_ARG(s),
			    MR_STR_ARG(d->g->steps[step->deps[k]].short_name));
	}
	return s;
}

#endif
