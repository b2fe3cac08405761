/*
 * References as executor files write them: "${workflow.input.x}" and "${step-id.output.y}". They
 * become "{{input.x}}" and "{{steps["step-id"].y}}" before anything is compiled; what is stored
 * stays as it was written. Text between {{ and }} is left alone.
 */
#include <string.h>

#include "engine/core/graph_private.h"

#define LONGEST 1000u /* bytes of one reference */

static bool is_word(char ch)
{
	return ch == '_' || (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
	       (ch >= 'a' && ch <= 'z');
}

static bool is_identifier(struct mr_str s)
{
	if (s.len == 0 || (s.p[0] >= '0' && s.p[0] <= '9'))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_word(s.p[i]))
			return false;
	return true;
}

/* What may stand between the dots: nothing that would end a string of an expression. */
static bool is_part(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_word(s.p[i]) && s.p[i] != '-' && s.p[i] != ' ' && !(s.p[i] & 0x80))
			return false;
	return s.len > 0;
}

/* "[0][12]" */
static bool is_indexes(struct mr_str s)
{
	while (s.len > 0) {
		size_t n = 1;

		while (n < s.len && s.p[n] >= '0' && s.p[n] <= '9')
			n++;
		if (s.p[0] != '[' || n == 1 || n == s.len || s.p[n] != ']')
			return false;
		s.p += n + 1;
		s.len -= n + 1;
	}
	return true;
}

/* ".x", or "["x"]" when it isn't an identifier; indexes stay. False when it is no reference. */
static bool add_part(struct mr_buf *b, struct mr_str part)
{
	const char *open = memchr(part.p, '[', part.len);
	struct mr_str name = { part.p, open != NULL ? (size_t)(open - part.p) : part.len };
	struct mr_str rest = { part.p + name.len, part.len - name.len };

	if (!is_part(name) || !is_indexes(rest))
		return false;
	mr_buf_adds(b, MR_STR("."));
	if (is_identifier(name)) {
		mr_buf_adds(b, name);
	} else {
		b->len--; /* the dot */
		mr_buf_addf(b, "[\"%.*s\"]", MR_STR_ARG(name));
	}
	mr_buf_adds(b, rest);
	return true;
}

/* INSIDE is what stands between ${ and }. */
static bool add_reference(struct mr_buf *b, struct mr_str inside)
{
	struct mr_str rest = inside, first, second;

	first = mr_str_cut(&rest, '.');
	if (rest.p == NULL)
		return false;
	second = mr_str_cut(&rest, '.');
	if (mr_str_eqz(first, "workflow") && mr_str_eqz(second, "input"))
		mr_buf_addz(b, "{{input");
	else if (mr_str_eqz(second, "output") && is_part(first))
		mr_buf_addf(b, "{{steps[\"%.*s\"]", MR_STR_ARG(first));
	else
		return false;
	while (rest.p != NULL)
		if (!add_part(b, mr_str_cut(&rest, '.')))
			return false;
	mr_buf_addz(b, "}}");
	return true;
}

/* The end of the expression that begins at AT, as far as quotes and braces tell. */
static size_t skip_expression(struct mr_str s, size_t at)
{
	char quote = 0;

	for (at += 2; at < s.len; at++) {
		if (quote != 0 && s.p[at] == '\\')
			at++;
		else if (quote != 0)
			quote = s.p[at] == quote ? 0 : quote;
		else if (s.p[at] == '"' || s.p[at] == '\'')
			quote = s.p[at];
		else if (s.p[at] == '}' && at + 1 < s.len && s.p[at + 1] == '}')
			return at + 2;
	}
	return s.len;
}

/* The length of the reference at AT, written to B; 0 when there is none. */
static size_t take_reference(struct mr_buf *b, struct mr_str s, size_t at)
{
	const char *end;
	size_t len = b->len, n;

	if (s.len - at < 3 || s.p[at] != '$' || s.p[at + 1] != '{')
		return 0;
	end = memchr(s.p + at, '}', s.len - at < LONGEST ? s.len - at : LONGEST);
	n = end != NULL ? (size_t)(end - s.p) - at + 1 : 0;
	if (n > 3 && add_reference(b, (struct mr_str){ s.p + at + 2, n - 3 }))
		return n;
	b->len = len;
	return 0;
}

static int rewrite_text(struct mr_arena *a, struct mr_str s, struct mr_str *ret)
{
	bool changed = false;
	struct mr_buf b;
	int r = 0;

	mr_buf_init(&b, 8 * s.len + 1024);
	for (size_t at = 0; at < s.len;) {
		size_t from = at, n = take_reference(&b, s, at);

		changed = changed || n > 0;
		at += n;
		if (n > 0)
			continue;
		if (s.p[at] == '{' && at + 1 < s.len && s.p[at + 1] == '{')
			at = skip_expression(s, at);
		else
			at++;
		mr_buf_adds(&b, (struct mr_str){ s.p + from, at - from });
	}
	if (changed) {
		*ret = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a, mr_buf_str(&b));
		r = ret->p != NULL ? 0 : MR_E_NOMEM;
	}
	mr_buf_done(&b);
	return r;
}

/* ---- all strings ---- */

struct place {
	struct mr_value *v;
	size_t next;
};

/* The body is a copy that nobody else has: its lists and maps may be written to. */
static struct mr_value *next_child(struct place *p)
{
	if (p->v->kind == MR_VALUE_LIST && p->next < p->v->list->len)
		return (struct mr_value *)&p->v->list->items[p->next++];
	if (p->v->kind == MR_VALUE_MAP && p->next < p->v->map->len)
		return (struct mr_value *)&p->v->map->members[p->next++].value;
	return NULL;
}

int mr_graph_rewrite(struct mr_compile *c)
{
	struct place stack[MR_GRAPH_MAX_BRACKETS] = { { &c->body, 0 } };
	size_t depth = 1;

	while (depth > 0) {
		struct mr_value *v = next_child(&stack[depth - 1]);

		if (v == NULL) {
			depth--;
			continue;
		}
		if (v->kind == MR_VALUE_STRING && v->s.len > 2 &&
		    memmem(v->s.p, v->s.len, "${", 2) != NULL &&
		    rewrite_text(c->arena, v->s, &v->s) < 0)
			return MR_E_NOMEM;
		if (v->kind != MR_VALUE_LIST && v->kind != MR_VALUE_MAP)
			continue;
		if (depth == MR_GRAPH_MAX_BRACKETS)
			return MR_E_LIMIT; /* refused before */
		stack[depth++] = (struct place){ v, 0 };
	}
	return 0;
}
