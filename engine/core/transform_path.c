/* Dotted paths of transformations: reading them and following them. */
#include <string.h>

#include "engine/core/transform_private.h"

#define PARTS_MAX 64u

static bool is_plain(char c)
{
	return c != '.' && c != '[' && c != ']' && c != '"';
}

/* One part at *AT. */
static const char *read_part(struct mr_str s, size_t *at, struct mr_path_part *ret)
{
	size_t i = *at, begin;
	uint64_t n;

	*ret = (struct mr_path_part){ .name = MR_STR_NONE };
	if (s.p[i] != '[') {
		while (i < s.len && is_plain(s.p[i]))
			i++;
		ret->name = (struct mr_str){ s.p + *at, i - *at };
		*at = i;
		return ret->name.len > 0 ? NULL : "a part of the path is empty";
	}
	begin = ++i;
	if (i < s.len && s.p[i] == '"') {
		begin = ++i;
		while (i < s.len && s.p[i] != '"')
			i++;
		ret->name = (struct mr_str){ s.p + begin, i - begin };
		i++;
	} else {
		while (i < s.len && s.p[i] >= '0' && s.p[i] <= '9')
			i++;
		if (!mr_str_u64((struct mr_str){ s.p + begin, i - begin }, &n))
			return "[ ] holds a number or a name in quotes";
		ret->index = (size_t)n;
	}
	if (i >= s.len || s.p[i] != ']')
		return "a [ is not closed";
	*at = i + 1;
	return NULL;
}

int mr_path_parse(struct mr_arena *a, struct mr_str text, struct mr_path *ret, const char **ret_why)
{
	struct mr_path_part parts[PARTS_MAX];
	struct mr_str s = mr_arena_str(a, text);
	size_t at = 0, n = 0;

	*ret_why = s.len == 0 ? "the path is empty" : NULL;
	if (s.p == NULL)
		return MR_E_NOMEM;
	while (*ret_why == NULL && at < s.len) {
		if (n == PARTS_MAX) {
			*ret_why = "the path has too many parts";
			break;
		}
		if (n > 0 && s.p[at] == '.')
			at++;
		else if (n > 0 && s.p[at] != '[')
			*ret_why = "a point is missing";
		if (*ret_why == NULL && at >= s.len)
			*ret_why = "the path ends in a point";
		if (*ret_why == NULL)
			*ret_why = read_part(s, &at, &parts[n++]);
	}
	ret->text = s;
	ret->len = n;
	ret->parts = mr_arena_array(a, n, sizeof(parts[0]));
	if (ret->parts == NULL)
		return MR_E_NOMEM;
	memcpy(ret->parts, parts, n * sizeof(parts[0]));
	return 0;
}

/* A number written as a part ("items.0") is an item of a list. */
static bool as_index(const struct mr_path_part *part, size_t *ret)
{
	uint64_t n;

	if (part->name.p == NULL) {
		*ret = part->index;
		return true;
	}
	if (!mr_str_u64(part->name, &n))
		return false;
	*ret = (size_t)n;
	return true;
}

static const struct mr_value *get_one(const struct mr_value *v, const struct mr_path_part *part)
{
	const struct mr_value *found;
	size_t index;

	if (v->kind == MR_VALUE_MAP && part->name.p != NULL) {
		found = mr_value_gets(v, part->name);
		if (found == NULL && v->map->fallback != NULL) {
			struct mr_value key = mr_value_str(part->name);

			found = mr_map_find(v->map->fallback, &key);
		}
		return found;
	}
	if (v->kind == MR_VALUE_LIST && as_index(part, &index) && index < v->list->len)
		return &v->list->items[index];
	return NULL;
}

/* Follows parts FROM and on until the end, or until a name meets a list (*RET_AT says where). */
static const struct mr_value *follow(
    const struct mr_path *path, size_t from, const struct mr_value *v, size_t *ret_at)
{
	size_t i, index;

	for (i = from; v != NULL && i < path->len; i++) {
		if (v->kind == MR_VALUE_LIST && !as_index(&path->parts[i], &index))
			break;
		v = get_one(v, &path->parts[i]);
	}
	*ret_at = i;
	return v;
}

/* One item's value for the parts from FROM on; a second list on the way isn't spread again. */
static int get_item(struct mr_transform_run *run, const struct mr_path *path, size_t from,
    const struct mr_value *item, const struct mr_template *or_else, struct mr_value *ret)
{
	const struct mr_value *found;
	size_t at;

	found = follow(path, from, item, &at);
	if (found != NULL && at == path->len) {
		*ret = *found;
		return 0;
	}
	if (or_else == NULL)
		return MR_E_NOT_FOUND;
	return mr_transform_template(run, or_else, item, MR_NULL_VALUE, ret);
}

int mr_path_get(struct mr_transform_run *run, const struct mr_path *path, const struct mr_value *v,
    const struct mr_template *default_template, struct mr_value *ret)
{
	const struct mr_value *found;
	struct mr_list *l;
	size_t at;
	int r;

	found = follow(path, 0, v, &at);
	if (found == NULL)
		return MR_E_NOT_FOUND;
	if (at == path->len) {
		*ret = *found;
		return 0;
	}
	r = mr_vm_charge(&run->vm, found->list->len);
	if (r < 0)
		return r;
	l = mr_list_create(run->vm.arena, found->list->len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; r == 0 && i < l->len; i++)
		r = get_item(run, path, at, &found->list->items[i], default_template, &l->items[i]);
	if (r == 0)
		*ret = mr_value_list(l);
	return r;
}
