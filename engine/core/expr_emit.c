/* The emitter: grows a program, keeps count of the stack's depth, and remembers the first failure
 * so that its callers needn't check each instruction. */
#include <stdio.h>
#include <string.h>

#include "engine/core/expr_private.h"

void mr_emit_init(struct mr_emit *m, struct mr_arena *arena, struct mr_expr_error *err)
{
	*m = (struct mr_emit){ .arena = arena, .err = err };
	m->e = mr_arena_zalloc(arena, sizeof(*m->e));
	if (m->e == NULL)
		m->r = MR_E_NOMEM;
}

int mr_emit_done(struct mr_emit *m, const struct mr_expr **ret)
{
	if (m->r == 0)
		*ret = m->e;
	return m->r == MR_E_NOMEM ? mr_expr_nomem(m->err) : m->r;
}

int mr_expr_nomem(struct mr_expr_error *err)
{
	if (err == NULL)
		return MR_E_NOMEM;
	*err = (struct mr_expr_error){ .line = 1, .column = 1 };
	(void)snprintf(
	    err->message, sizeof(err->message), "the values are too large for the memory allowed");
	return MR_E_NOMEM;
}

void mr_expr_error_at(struct mr_expr_error *err, struct mr_str text, size_t offset)
{
	err->offset = 0;
	err->line = 1;
	err->column = 1;
	for (size_t i = 0; i < offset && i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if ((c & 0xc0) == 0x80)
			continue;
		err->offset++;
		err->column++;
		if (c == '\n') {
			err->line++;
			err->column = 1;
		}
	}
}

void mr_expr_clean(char *text)
{
	size_t len = strlen(text), n;

	if (mr_str_is_utf8((struct mr_str){ text, len }))
		return;
	for (size_t i = 0; i < len; i += n) {
		n = (unsigned char)text[i] < 0xc0 ? 1 : mr_utf8_len(text + i);
		if (n <= len - i && mr_str_is_utf8((struct mr_str){ text + i, n }))
			continue;
		text[i] = '?';
		n = 1;
	}
}

int mr_emit_fail(struct mr_emit *m, size_t offset, const char *fmt, ...)
{
	struct mr_expr_source *s;
	va_list ap;

	if (m->r < 0)
		return m->r;
	m->r = MR_E_INVALID;
	if (m->err == NULL)
		return m->r;
	va_start(ap, fmt);
	(void)vsnprintf(m->err->message, sizeof(m->err->message), fmt, ap);
	va_end(ap);
	mr_expr_clean(m->err->message);
	m->err->path[0] = '\0';
	s = m->e->sources_len > 0 ? &m->e->sources[m->e->sources_len - 1] : NULL;
	mr_expr_error_at(m->err, s != NULL ? s->text : MR_STR(""), offset);
	return m->r;
}

static int limit(struct mr_emit *m, size_t offset, const char *what)
{
	int r = mr_emit_fail(m, offset, "too large: %s", what);

	if (r == MR_E_INVALID)
		m->r = MR_E_LIMIT;
	return m->r;
}

/* Room for one more in an array of the program: the place, or NULL with the failure kept. */
static void *room(struct mr_emit *m, void **array, uint32_t len, uint32_t *cap, size_t size)
{
	uint32_t want = *cap == 0 ? 8 : *cap * 2;
	void *p;

	if (m->r < 0)
		return NULL;
	if (len < *cap)
		return (char *)*array + len * size;
	p = mr_arena_alloc(m->arena, want * size);
	if (p == NULL) {
		m->r = MR_E_NOMEM;
		return NULL;
	}
	if (len > 0)
		memcpy(p, *array, len * size);
	*array = p;
	*cap = want;
	return (char *)p + len * size;
}

#define ROOM(m, member)                                                                            \
	room(m, (void **)&(m)->e->member, (m)->e->member##_len, &(m)->member##_cap,                \
	    sizeof((m)->e->member[0]))

void mr_emit_source(struct mr_emit *m, struct mr_str text, struct mr_str path)
{
	struct mr_expr_source *s = ROOM(m, sources);
	uint32_t base = 0;

	if (s == NULL)
		return;
	if (m->e->sources_len > 0)
		base = s[-1].base + (uint32_t)s[-1].text.len + 1;
	if (text.len > UINT32_MAX / 2 || base > UINT32_MAX / 2) {
		limit(m, 0, "the text of the expressions");
		return;
	}
	*s = (struct mr_expr_source){ text, path, base };
	m->e->sources_len++;
	m->base = base;
}

int mr_emit_text(struct mr_emit *m, struct mr_str *text)
{
	if (m->r < 0)
		return m->r;
	if (text->len > MR_EXPR_SOURCE_MAX)
		return limit(m, 0, "the expression's text");
	*text = mr_arena_str(m->arena, text->p != NULL ? *text : MR_STR(""));
	if (text->p == NULL)
		return m->r = MR_E_NOMEM;
	mr_emit_source(m, *text, MR_STR(""));
	if (!mr_str_is_utf8(*text))
		return mr_emit_fail(m, 0, "the text is not valid UTF-8");
	return m->r;
}

uint32_t mr_emit(struct mr_emit *m, enum mr_op op, uint32_t arg, int pushes, size_t offset)
{
	return mr_emit_n(m, op, 0, arg, pushes, offset);
}

uint32_t mr_emit_n(
    struct mr_emit *m, enum mr_op op, unsigned n, uint32_t arg, int pushes, size_t offset)
{
	struct mr_expr *e = m->e;
	uint32_t cap = m->code_cap, place;
	struct mr_ins_pos *pos;
	struct mr_ins *ins;

	if (m->r == 0 && e->code_len >= MR_EXPR_PROGRAM_MAX)
		limit(m, offset, "the program");
	pos = room(m, (void **)&e->pos, e->code_len, &cap, sizeof(*pos));
	ins = room(m, (void **)&e->code, e->code_len, &m->code_cap, sizeof(*ins));
	if (pos == NULL || ins == NULL)
		return 0;
	place = e->code_len++;
	*ins = (struct mr_ins){ .op = (uint16_t)op, .n = (uint16_t)n, .arg = arg };
	*pos = (struct mr_ins_pos){ m->base + (uint32_t)offset, -1 };
	m->depth = (uint32_t)((int64_t)m->depth + pushes);
	if (m->depth > e->depth)
		e->depth = m->depth;
	return place;
}

void mr_emit_patch(struct mr_emit *m, uint32_t place)
{
	if (m->r == 0)
		m->e->code[place].arg = m->e->code_len;
}

uint32_t mr_emit_add_const(struct mr_emit *m, struct mr_value v)
{
	struct mr_value *c = ROOM(m, consts);

	if (c == NULL)
		return 0;
	*c = v;
	return m->e->consts_len++;
}

void mr_emit_const(struct mr_emit *m, struct mr_value v, size_t offset)
{
	mr_emit(m, MR_OP_CONST, mr_emit_add_const(m, v), 1, offset);
}

uint32_t mr_emit_add_name(struct mr_emit *m, struct mr_str name, size_t offset)
{
	struct mr_str *n;

	for (uint32_t i = 0; i < m->e->names_len; i++) {
		if (mr_str_eq(m->e->names[i], name))
			return i;
	}
	if (m->r == 0 && m->e->names_len >= MR_EXPR_NAMES_MAX)
		limit(m, offset, "the number of different names");
	n = ROOM(m, names);
	if (n == NULL)
		return 0;
	*n = name;
	return m->e->names_len++;
}

int32_t mr_emit_add_chain(struct mr_emit *m, const struct mr_chain *c)
{
	struct mr_chain *to = ROOM(m, chains);

	if (to == NULL)
		return -1;
	*to = *c;
	to->offset += m->base;
	if (c->parent >= 0)
		m->e->chains[c->parent].extended = true;
	return (int32_t)m->e->chains_len++;
}

void mr_emit_set_chain(struct mr_emit *m, int32_t chain)
{
	if (m->r == 0)
		m->e->pos[m->e->code_len - 1].chain = chain;
}

void mr_emit_handler(struct mr_emit *m, uint32_t start, uint32_t depth, bool missing_only)
{
	struct mr_handler *h = ROOM(m, handlers);

	if (h == NULL)
		return;
	*h = (struct mr_handler){ start, m->e->code_len, depth, missing_only };
	m->e->handlers_len++;
}

uint32_t mr_emit_regex(struct mr_emit *m, struct mr_str pattern, size_t offset)
{
	pcre2_code **to = ROOM(m, regexes);
	size_t at = 0;
	char why[96];

	if (to == NULL)
		return 0;
	*to = mr_regex_compile(m->arena, pattern, why, sizeof(why), &at);
	if (*to == NULL) {
		if (why[0] == '\0')
			m->r = MR_E_NOMEM;
		else
			mr_emit_fail(m, offset, "the pattern is wrong at %zu: %s", at, why);
		return 0;
	}
	return m->e->regexes_len++;
}

const struct mr_value *mr_emit_last_const(const struct mr_emit *m, uint32_t place)
{
	const struct mr_ins *ins;

	if (m->r < 0 || place + 1 != m->e->code_len)
		return NULL;
	ins = &m->e->code[place];
	return ins->op == MR_OP_CONST ? &m->e->consts[ins->arg] : NULL;
}

void mr_emit_drop(struct mr_emit *m, int pushes)
{
	if (m->r < 0)
		return;
	m->e->code_len--;
	m->depth = (uint32_t)((int64_t)m->depth - pushes);
}

/* One part of a dotted path: a member, or an item when it is a number. */
static void emit_part(struct mr_emit *m, struct mr_str part, int32_t *chain)
{
	struct mr_chain c = { .parent = *chain, .kind = MR_CHAIN_MEMBER, .name = part };

	if (*chain < 0) {
		c.kind = MR_CHAIN_NAME;
		mr_emit(m, MR_OP_NAME, mr_emit_add_name(m, part, 0), 1, 0);
	} else if (mr_str_i64(part, &c.index) && c.index >= 0) {
		c.kind = MR_CHAIN_INT;
		mr_emit_const(m, mr_value_int(c.index), 0);
		mr_emit(m, MR_OP_INDEX, 0, -1, 0);
	} else {
		mr_emit(m, MR_OP_SELECT, mr_emit_add_const(m, mr_value_str(part)), 0, 0);
	}
	*chain = mr_emit_add_chain(m, &c);
	mr_emit_set_chain(m, *chain);
}

void mr_emit_path(struct mr_emit *m, struct mr_str dotted)
{
	struct mr_str rest = dotted;
	int32_t chain = -1;

	while (m->r == 0 && rest.p != NULL) {
		struct mr_str part = mr_str_cut(&rest, '.');

		if (part.len == 0) {
			mr_emit_fail(m, 0, "an empty part in the path \"%.*s\"",
			    dotted.len > 80 ? 80 : (int)dotted.len, dotted.p);
			return;
		}
		emit_part(m, part, &chain);
	}
}

/* ---- references ---- */

static size_t ref_parts(
    const struct mr_expr *e, int32_t chain, const struct mr_chain **parts, size_t max)
{
	size_t n = 0, from;

	/* the path is read backwards: count, then keep the first MAX */
	for (int32_t i = chain; i >= 0; i = e->chains[i].parent)
		n++;
	from = n;
	for (int32_t i = chain; i >= 0; i = e->chains[i].parent) {
		if (--from < max)
			parts[from] = &e->chains[i];
	}
	return n < max ? n : max;
}

/* False when chain I is no reference to the environment, or another one goes on from it. */
static bool make_ref(const struct mr_expr *e, uint32_t i, struct mr_expr_ref *ref)
{
	const struct mr_chain *parts[MR_ARRAY_LEN(ref->part)] = { NULL };
	size_t n;

	if (e->chains[i].extended)
		return false;
	n = ref_parts(e, (int32_t)i, parts, MR_ARRAY_LEN(parts));
	if (parts[0]->kind != MR_CHAIN_NAME)
		return false;
	*ref =
	    (struct mr_expr_ref){ .offset = parts[0]->offset, .optional = e->chains[i].optional };
	for (; ref->n < n; ref->n++) {
		const struct mr_chain *c = parts[ref->n];

		if (c->kind != MR_CHAIN_NAME && c->kind != MR_CHAIN_MEMBER)
			break;
		ref->part[ref->n] = c->name;
	}
	return true;
}

const struct mr_expr_source *mr_expr_source_at(const struct mr_expr *e, size_t offset)
{
	uint32_t i = e->sources_len;

	while (i > 1 && e->sources[i - 1].base > offset)
		i--;
	return i > 0 ? &e->sources[i - 1] : NULL;
}

static void each_ref(
    const struct mr_expr *e, mr_expr_ref_fn *fn, mr_template_ref_fn *template_fn, void *ctx)
{
	struct mr_expr_error at;
	struct mr_expr_ref ref;

	for (uint32_t i = 0; i < e->chains_len; i++) {
		const struct mr_expr_source *s;

		if (!make_ref(e, i, &ref))
			continue;
		s = mr_expr_source_at(e, ref.offset);
		if (s != NULL) {
			mr_expr_error_at(&at, s->text, ref.offset - s->base);
			ref.offset = at.offset;
		}
		if (fn != NULL)
			fn(ctx, &ref);
		else
			template_fn(ctx, s != NULL ? s->path : MR_STR(""), &ref);
	}
}

void mr_expr_refs(const struct mr_expr *e, mr_expr_ref_fn *fn, void *ctx)
{
	each_ref(e, fn, NULL, ctx);
}

void mr_expr_template_refs(const struct mr_expr *e, mr_template_ref_fn *fn, void *ctx)
{
	each_ref(e, NULL, fn, ctx);
}
