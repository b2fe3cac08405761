#include "fcgi/slice.h"

#include <string.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct mr_str t, size_t i)
{
	while (i < t.len && is_space(t.p[i]))
		i++;
	return i;
}

/* I stands at the opening quote; returns what follows the closing one. */
static size_t skip_string(struct mr_str t, size_t i)
{
	for (i++; i < t.len && t.p[i] != '"'; i++) {
		if (t.p[i] == '\\')
			i++;
	}
	return i + 1;
}

/* I stands at a value's first byte; returns what follows its last. */
static size_t skip_value(struct mr_str t, size_t i)
{
	size_t depth = 0;

	while (i < t.len) {
		char c = t.p[i];

		if (c == '"') {
			i = skip_string(t, i);
			if (depth == 0)
				return i;
			continue;
		}
		if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			if (depth == 0)
				return i; /* the end of what holds a number or word */
			if (--depth == 0)
				return i + 1;
		} else if (depth == 0 && (c == ',' || is_space(c))) {
			return i;
		}
		i++;
	}
	return i;
}

const struct mr_str *mr_slice_members(
    struct mr_arena *a, struct mr_str text, const struct mr_map *map)
{
	struct mr_str *s = mr_arena_array(a, map->len, sizeof(*s));
	size_t i = skip_space(text, 0);

	if (s == NULL || i >= text.len || text.p[i] != '{')
		return NULL;
	i++;
	for (size_t n = 0; n < map->len; n++) {
		size_t from;

		i = skip_space(text, i);
		if (i >= text.len || text.p[i] != '"')
			return NULL;
		i = skip_space(text, skip_string(text, i)); /* at the colon */
		from = skip_space(text, i + 1);
		i = skip_value(text, from);
		if (i > text.len || from >= i)
			return NULL;
		s[n] = (struct mr_str){ text.p + from, i - from };
		i = skip_space(text, i) + 1; /* after the comma or bracket */
	}
	return s;
}

const struct mr_str *mr_slice_items(
    struct mr_arena *a, struct mr_str text, const struct mr_list *list)
{
	struct mr_str *s = mr_arena_array(a, list->len, sizeof(*s));
	size_t i = skip_space(text, 0);

	if (s == NULL || i >= text.len || text.p[i] != '[')
		return NULL;
	i++;
	for (size_t n = 0; n < list->len; n++) {
		size_t from = skip_space(text, i);

		i = skip_value(text, from);
		if (i > text.len || from >= i)
			return NULL;
		s[n] = (struct mr_str){ text.p + from, i - from };
		i = skip_space(text, i) + 1; /* after the comma or bracket */
	}
	return s;
}

struct mr_str mr_slice_member(
    struct mr_arena *a, struct mr_str text, const struct mr_value *v, const char *name)
{
	const struct mr_str *slices;

	if (v->kind != MR_VALUE_MAP || mr_value_get(v, name) == NULL)
		return MR_STR_NONE;
	slices = mr_slice_members(a, text, v->map);
	for (size_t i = 0; slices != NULL && i < v->map->len; i++) {
		if (mr_str_eqz(v->map->members[i].key.s, name))
			return slices[i];
	}
	return MR_STR_NONE;
}
