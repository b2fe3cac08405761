#include "auth/claims.h"

#include <stdio.h>

#include "lib/pg.h"

#define PATH_MAX_LEN 200
#define REQUIRED_MAX 50
#define WORDS_MAX    500
#define WORD_MAX_LEN 200
#define MEANINGS_MAX 20

/* ---- where a claim stands ---- */

/* The member of MAP with the longest name that PATH begins with; PATH moves on behind it. */
static const struct mr_value *step(const struct mr_value *map, struct mr_str *path)
{
	for (size_t len = path->len; len > 0; len--) {
		const struct mr_value *v;

		if (len < path->len && (path->p[len] != '.' || len + 1 == path->len))
			continue;
		v = mr_value_gets(map, (struct mr_str){ path->p, len });
		if (v == NULL)
			continue;
		len += len < path->len; /* and the dot */
		*path = (struct mr_str){ path->p + len, path->len - len };
		return v;
	}
	return NULL;
}

const struct mr_value *mr_claim_find(const struct mr_value *claims, struct mr_str path)
{
	const struct mr_value *v = path.len > 0 ? claims : NULL;

	while (v != NULL && path.len > 0)
		v = step(v, &path);
	return v;
}

/* ---- what must be there ---- */

/* CLAIM is V, or a list that holds it. */
static bool claim_has(const struct mr_value *claim, const struct mr_value *v)
{
	if (mr_value_eq(claim, v))
		return true;
	for (size_t i = 0; claim->kind == MR_VALUE_LIST && i < claim->list->len; i++) {
		if (mr_value_eq(&claim->list->items[i], v))
			return true;
	}
	return false;
}

static bool meets(const struct mr_value *claim, const struct mr_value *wanted)
{
	if (claim == NULL || claim->kind == MR_VALUE_NULL)
		return false;
	if (wanted->kind == MR_VALUE_NULL)
		return true;
	if (wanted->kind != MR_VALUE_LIST)
		return claim_has(claim, wanted);
	for (size_t i = 0; i < wanted->list->len; i++) {
		if (claim_has(claim, &wanted->list->items[i]))
			return true;
	}
	return false;
}

int mr_claims_check(
    const struct mr_value *claims, const struct mr_value *required, struct mr_error *err)
{
	for (size_t i = 0; required->kind == MR_VALUE_MAP && i < required->map->len; i++) {
		const struct mr_member *m = &required->map->members[i];

		if (!meets(mr_claim_find(claims, m->key.s), &m->value))
			return mr_error_set(err, MR_E_DENIED, MR_ERR_CREDENTIALS_INVALID,
			    "The token is not valid: its claim %.*s is not as required.",
			    (int)(m->key.s.len < 100 ? m->key.s.len : 100), m->key.s.p);
	}
	return 0;
}

/* ---- words ---- */

struct collect {
	unsigned bits;
	unsigned (*add)(unsigned bits, struct mr_str word);
	struct mr_buf *array;
};

static void take(struct collect *c, struct mr_str word)
{
	if (c->add != NULL)
		c->bits = c->add(c->bits, word);
	if (c->array != NULL)
		mr_pg_array_add(c->array, word);
}

static void take_mapped(struct collect *c, const struct mr_value *words, struct mr_str word)
{
	const struct mr_value *to;

	if (words == NULL || words->kind != MR_VALUE_MAP) {
		take(c, word);
		return;
	}
	to = mr_value_gets(words, word);
	if (to != NULL && to->kind == MR_VALUE_STRING)
		take(c, to->s);
	for (size_t i = 0; to != NULL && to->kind == MR_VALUE_LIST && i < to->list->len; i++) {
		if (to->list->items[i].kind == MR_VALUE_STRING)
			take(c, to->list->items[i].s);
	}
}

unsigned mr_claim_words(const struct mr_value *claim, const struct mr_value *words,
    unsigned (*add)(unsigned bits, struct mr_str word), struct mr_buf *array)
{
	struct collect c = { .add = add, .array = array };

	if (array != NULL)
		mr_pg_array_begin(array);
	if (claim->kind == MR_VALUE_STRING) {
		struct mr_str rest = claim->s;

		while (rest.p != NULL) {
			struct mr_str word = mr_str_cut(&rest, ' ');

			if (word.len > 0)
				take_mapped(&c, words, word);
		}
	}
	for (size_t i = 0; claim->kind == MR_VALUE_LIST && i < claim->list->len; i++) {
		if (claim->list->items[i].kind == MR_VALUE_STRING)
			take_mapped(&c, words, claim->list->items[i].s);
	}
	if (array != NULL)
		mr_pg_array_end(array);
	return c.bits;
}

struct mr_str mr_claim_text(
    struct mr_arena *a, const struct mr_value *claim, const struct mr_value *words)
{
	struct mr_str text = MR_STR_NONE;
	const struct mr_value *to;

	if (claim != NULL && claim->kind == MR_VALUE_STRING)
		text = mr_arena_str(a, claim->s);
	else if (claim != NULL && claim->kind == MR_VALUE_INT)
		text = mr_json_text(a, claim);
	if (text.p == NULL || words == NULL || words->kind != MR_VALUE_MAP)
		return text;
	to = mr_value_gets(words, text);
	return to != NULL && to->kind == MR_VALUE_STRING ? mr_arena_str(a, to->s) : MR_STR_NONE;
}

/* ---- configuration ---- */

static void fault(struct mr_faults *f, const char *member, struct mr_str name, const char *what)
{
	char path[400];
	int n = snprintf(path, sizeof(path), "%s.%.*s", member,
	    (int)(name.len < 200 ? name.len : 200), name.p != NULL ? name.p : "");

	if (n > 0)
		mr_fault_add(f, mr_str(path), "value", "%s", what);
}

static bool is_plain(const struct mr_value *v)
{
	return v->kind == MR_VALUE_STRING || v->kind == MR_VALUE_BOOL || v->kind == MR_VALUE_INT;
}

static bool is_wanted(const struct mr_value *v)
{
	if (v->kind != MR_VALUE_LIST)
		return v->kind == MR_VALUE_NULL || is_plain(v);
	for (size_t i = 0; i < v->list->len; i++) {
		if (!is_plain(&v->list->items[i]))
			return false;
	}
	return v->list->len > 0 && v->list->len <= REQUIRED_MAX;
}

void mr_claims_check_required(const struct mr_value *required, struct mr_faults *faults)
{
	if (required->kind != MR_VALUE_MAP)
		return; /* the schema says so */
	if (required->map->len > REQUIRED_MAX)
		mr_fault_add(
		    faults, MR_STR("required_claims"), "limit", "must have 50 claims at most");
	for (size_t i = 0; i < required->map->len; i++) {
		const struct mr_member *m = &required->map->members[i];

		if (m->key.s.len == 0 || m->key.s.len > PATH_MAX_LEN)
			fault(faults, "required_claims", m->key.s,
			    "must have a name of 1 to 200 bytes");
		if (!is_wanted(&m->value))
			fault(faults, "required_claims", m->key.s,
			    "must be null, a text, an integer, a boolean, or a list of these");
	}
}

static bool is_meaning(const struct mr_value *v, bool many)
{
	if (v->kind == MR_VALUE_STRING)
		return v->s.len > 0 && v->s.len <= WORD_MAX_LEN;
	if (v->kind != MR_VALUE_LIST || !many || v->list->len > MEANINGS_MAX)
		return false;
	for (size_t i = 0; i < v->list->len; i++) {
		if (v->list->items[i].kind != MR_VALUE_STRING ||
		    v->list->items[i].s.len > WORD_MAX_LEN)
			return false;
	}
	return true;
}

/* One of the four tables. */
static void check_table(
    const char *path, const struct mr_value *table, bool many, struct mr_faults *faults)
{
	if (table->kind == MR_VALUE_NULL)
		return;
	if (table->kind != MR_VALUE_MAP || table->map->len > WORDS_MAX) {
		mr_fault_add(faults, mr_str(path), "type",
		    "must be an object of 500 words at most, or null");
		return;
	}
	for (size_t i = 0; i < table->map->len; i++) {
		const struct mr_member *m = &table->map->members[i];

		if (!is_meaning(&m->value, many))
			fault(faults, path, m->key.s,
			    many ? "must be a text, or a list of 20 texts at most"
			         : "must be a text");
	}
}

void mr_claims_check_words(const struct mr_value *words, struct mr_faults *faults)
{
	static const struct {
		const char *name, *path;
		bool many;
	} tables[] = {
		{ "scopes", "value_map.scopes", true },
		{ "roles", "value_map.roles", true },
		{ "groups", "value_map.groups", true },
		{ "tenant", "value_map.tenant", false },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(tables); i++) {
		const struct mr_value *table = mr_value_get(words, tables[i].name);

		if (table != NULL)
			check_table(tables[i].path, table, tables[i].many, faults);
	}
}
