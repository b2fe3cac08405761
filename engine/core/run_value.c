/*
 * Values that go into the journal come back as JSON, and a run taken over must see the very values
 * that its former owner saw. So what JSON can't hold (timestamps, bytes, keys that are no text)
 * becomes what JSON makes of it before anybody sees it, and what JSON can't carry is refused.
 */
#include "engine/core/run_private.h"

#include <string.h>

#define FIRST_PLACES 32
#define TEXT_MAX     (64u << 20)

/* Deeper values could be written, but the journal is read with a limit. */
static const struct mr_json_limits limits = { .depth = MR_RUN_MAX_DEPTH, .values = 20000000 };

enum finding { IS_JSON, BECOMES_JSON, IS_REFUSED };

struct place {
	const struct mr_value *v;
	size_t next;
};

/* The lists and maps around the value at hand; never recursive. */
struct look {
	struct mr_arena *scratch;
	struct place first[FIRST_PLACES];
	struct place *places;
	size_t len, cap;
};

static int enter(struct look *l, const struct mr_value *v)
{
	if (l->len == MR_RUN_MAX_DEPTH)
		return MR_E_LIMIT;
	if (l->len == l->cap) {
		struct place *more = mr_arena_array(l->scratch, l->cap * 2, sizeof(*more));

		if (more == NULL)
			return MR_E_NOMEM;
		memcpy(more, l->places, l->len * sizeof(*more));
		l->places = more;
		l->cap *= 2;
	}
	l->places[l->len++] = (struct place){ v, 0 };
	return 0;
}

static enum finding look_at_text(struct mr_str s)
{
	return s.len > 0 && memchr(s.p, '\0', s.len) != NULL ? IS_REFUSED : IS_JSON;
}

static enum finding look_at(const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_NULL:
	case MR_VALUE_BOOL:
	case MR_VALUE_INT:
	case MR_VALUE_LIST:
	case MR_VALUE_MAP:
		return IS_JSON;
	case MR_VALUE_STRING:
		return look_at_text(v->s);
	case MR_VALUE_DOUBLE:
		return v->d - v->d == 0 ? IS_JSON : BECOMES_JSON; /* NaN and infinities */
	case MR_VALUE_UINT:
		return v->u > INT64_MAX ? IS_REFUSED : BECOMES_JSON;
	default:
		return BECOMES_JSON;
	}
}

/* The next value of a list or map, or NULL; what its key is goes into *F. */
static const struct mr_value *next_value(struct place *p, enum finding *f)
{
	const struct mr_member *m;

	*f = IS_JSON;
	if (p->v->kind == MR_VALUE_LIST)
		return p->next < p->v->list->len ? &p->v->list->items[p->next++] : NULL;
	if (p->next >= p->v->map->len)
		return NULL;
	m = &p->v->map->members[p->next++];
	*f = m->key.kind == MR_VALUE_STRING ? look_at_text(m->key.s) : BECOMES_JSON;
	return &m->value;
}

static int find(struct mr_arena *scratch, const struct mr_value *v, enum finding *ret)
{
	struct look l = { .scratch = scratch, .cap = FIRST_PLACES };
	const struct mr_value *item = v;
	enum finding worst = IS_JSON, f;
	int r;

	l.places = l.first;
	for (;;) {
		f = look_at(item);
		worst = f > worst ? f : worst;
		if (item->kind == MR_VALUE_LIST || item->kind == MR_VALUE_MAP) {
			r = enter(&l, item);
			if (r < 0)
				return r;
		}
		for (item = NULL; l.len > 0 && item == NULL;) {
			item = next_value(&l.places[l.len - 1], &f);
			worst = f > worst ? f : worst;
			l.len -= item == NULL;
		}
		if (item == NULL)
			break;
	}
	*ret = worst;
	return 0;
}

static int by_text(struct mr_arena *a, const struct mr_value *v, struct mr_value *ret)
{
	struct mr_str text = mr_json_text(a, v);

	if (text.p == NULL)
		return MR_E_NOMEM;
	/* keys that become the same text are the fault that is left */
	return mr_json_parse(a, text, &limits, NULL, ret);
}

int mr_run_json_value(struct mr_arena *scratch, const struct mr_value *v, struct mr_value *ret)
{
	enum finding f;
	int r = find(scratch, v, &f);

	if (r < 0)
		return r;
	if (f == IS_REFUSED)
		return MR_E_INVALID;
	if (f == BECOMES_JSON)
		return by_text(scratch, v, ret);
	*ret = *v;
	return 0;
}
