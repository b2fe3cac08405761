#include "auth/principal_private.h"

#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"

struct word {
	const char *name;
	unsigned bit;
	unsigned holds; /* with what it implies */
};

static const struct word scopes[] = {
	{ "read-only", MR_SCOPE_READ_ONLY, MR_SCOPE_READ_ONLY },
	{ "workflow-management", MR_SCOPE_WORKFLOW_MANAGEMENT,
	    MR_SCOPE_WORKFLOW_MANAGEMENT | MR_SCOPE_READ_ONLY },
	{ "admin", MR_SCOPE_ADMIN,
	    MR_SCOPE_ADMIN | MR_SCOPE_WORKFLOW_MANAGEMENT | MR_SCOPE_READ_ONLY },
};

static const struct word roles[] = {
	{ "viewer", MR_ROLE_VIEWER, MR_ROLE_VIEWER },
	{ "operator", MR_ROLE_OPERATOR, MR_ROLE_OPERATOR | MR_ROLE_VIEWER },
	{ "editor", MR_ROLE_EDITOR, MR_ROLE_EDITOR | MR_ROLE_OPERATOR | MR_ROLE_VIEWER },
	{ "admin", MR_ROLE_ADMIN,
	    MR_ROLE_ADMIN | MR_ROLE_EDITOR | MR_ROLE_OPERATOR | MR_ROLE_VIEWER },
};

const char *mr_scope_name(enum mr_scope s)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(scopes); i++) {
		if (scopes[i].bit == s)
			return scopes[i].name;
	}
	return "";
}

static unsigned add_words(const struct word *table, size_t len, struct mr_str word, unsigned bits)
{
	for (size_t i = 0; i < len; i++) {
		if (mr_str_eqz(word, table[i].name))
			return bits | table[i].holds;
	}
	return bits; /* an unknown word gives nothing */
}

unsigned mr_scopes_add(unsigned bits, struct mr_str word)
{
	return add_words(scopes, MR_ARRAY_LEN(scopes), word, bits);
}

unsigned mr_roles_add(unsigned bits, struct mr_str word)
{
	return add_words(roles, MR_ARRAY_LEN(roles), word, bits);
}

/* PostgreSQL's array literal of plain words: "{a,b}". */
unsigned mr_words_from_array(
    struct mr_str array, unsigned (*add)(unsigned bits, struct mr_str word))
{
	unsigned bits = 0;

	if (array.len < 2 || array.p[0] != '{')
		return 0;
	array.p++;
	array.len -= 2;
	while (array.p != NULL && array.len > 0) {
		struct mr_str word = mr_str_cut(&array, ',');

		if (word.len >= 2 && word.p[0] == '"') {
			word.p++;
			word.len -= 2;
		}
		bits = add(bits, word);
	}
	return bits;
}

/* Copies S to *AT, which moves on. */
static void place(char **at, struct mr_str s, struct mr_str *ret)
{
	if (s.len > 0)
		memcpy(*at, s.p, s.len);
	(*at)[s.len] = '\0';
	*ret = (struct mr_str){ *at, s.len };
	*at += s.len + 1;
}

struct mr_principal *mr_principal_create(const struct mr_principal *from)
{
	size_t text =
	    from->name.len + from->kind.len + from->roles_text.len + from->groups_text.len + 4;
	struct mr_principal *p = malloc(sizeof(*p) + text);
	char *at;

	if (p == NULL)
		return NULL;
	*p = *from;
	p->refs = 1;
	at = (char *)(p + 1);
	place(&at, from->name, &p->name);
	place(&at, from->kind, &p->kind);
	place(&at, from->roles_text, &p->roles_text);
	place(&at, from->groups_text, &p->groups_text);
	return p;
}

const struct mr_principal *mr_principal_ref(struct mr_principal *p)
{
	p->refs++;
	return p;
}

void mr_principal_unref(const struct mr_principal *principal)
{
	/* immutable to all but its count */
	struct mr_principal *p = (struct mr_principal *)(uintptr_t)principal;

	if (p != NULL && --p->refs == 0)
		free(p);
}
