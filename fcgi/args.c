#include "fcgi/args.h"

#include <stdio.h>
#include <string.h>

#include "fcgi/array.h"
#include "lib/clock.h"

#define PAIRS_MAX 200
#define NOBODY    "9007199254740992" /* 2^53: the first that is no id any more */

/* The spellings of each id prefix; the first is what the route table says. */
static const char *const id_prefixes[][4] = {
	{ "wf", "workflow", NULL },
	{ "run", "exec", "execution", NULL },
	{ "step", "step_execution", NULL },
	{ "file", NULL },
	{ "key", "api_key", NULL },
};

unsigned mr_page_default(const struct mr_route *route)
{
	return route->page_default != 0 ? route->page_default : 20;
}

unsigned mr_page_max(const struct mr_route *route)
{
	return route->page_max != 0 ? route->page_max : 1000;
}

/* ---- ids ---- */

static bool has_spelling(struct mr_str text, const char *prefix)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(id_prefixes); i++) {
		if (strcmp(id_prefixes[i][0], prefix) != 0)
			continue;
		for (size_t j = 0; id_prefixes[i][j] != NULL; j++) {
			if (mr_str_eqz(text, id_prefixes[i][j]))
				return true;
		}
	}
	return mr_str_eqz(text, prefix);
}

static bool all_digits(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return s.len > 0;
}

int mr_id_parse(struct mr_str text, const char *prefix, struct mr_str *ret)
{
	struct mr_str digits = text;
	uint64_t v;

	if (text.len > 0 && (text.p[0] < '0' || text.p[0] > '9')) {
		size_t at = text.len;

		while (at > 0 && text.p[at - 1] != '_')
			at--;
		if (at == 0 || prefix == NULL ||
		    !has_spelling((struct mr_str){ text.p, at - 1 }, prefix))
			return MR_E_INVALID;
		digits = (struct mr_str){ text.p + at, text.len - at };
	}
	if (!all_digits(digits))
		return MR_E_INVALID;
	while (digits.len > 1 && digits.p[0] == '0') {
		digits.p++;
		digits.len--;
	}
	if (!mr_str_u64(digits, &v) || v == 0 || v >= UINT64_C(1) << 53)
		return MR_E_NOT_FOUND;
	*ret = digits;
	return 0;
}

void mr_id_pattern(const char *prefix, char out[MR_ID_PATTERN_LEN])
{
	const char *const one[] = { prefix, NULL };
	const char *const *spellings = one;
	char any[MR_ID_PATTERN_LEN / 2] = "";

	if (prefix == NULL) {
		(void)snprintf(out, MR_ID_PATTERN_LEN, "^[0-9]+$");
		return;
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(id_prefixes); i++) {
		if (strcmp(id_prefixes[i][0], prefix) == 0)
			spellings = id_prefixes[i];
	}
	for (size_t n = 0; *spellings != NULL && n < sizeof(any); spellings++)
		n += (size_t)snprintf(
		    any + n, sizeof(any) - n, "%s%s", n > 0 ? "|" : "", *spellings);
	(void)snprintf(out, MR_ID_PATTERN_LEN, "^((%s)_)?[0-9]+$", any); /* ours: it fits */
}

static void fault_id(struct mr_request *r, struct mr_str path, const char *prefix)
{
	if (prefix != NULL)
		mr_fault_add(&r->faults, path, "id", "must be an id such as 123 or %s_123", prefix);
	else
		mr_fault_add(&r->faults, path, "id", "must be an id such as 123");
}

/* ---- path ---- */

int mr_args_path(
    struct mr_request *r, const struct mr_route_vars *vars, const struct mr_str *values)
{
	int rc = 0;

	for (unsigned i = 0; i < vars->len; i++) {
		const struct mr_var *v = &vars->vars[i];
		uint64_t number;
		int one = 0;

		r->path_vars[i] = values[i];
		if (v->kind == MR_VAR_ID) {
			one = mr_id_parse(values[i], v->id_prefix, &r->path_vars[i]);
			if (one == MR_E_INVALID)
				fault_id(r, v->name, v->id_prefix);
		} else if (v->kind == MR_VAR_NUMBER) {
			if (!all_digits(values[i]))
				mr_fault_add(
				    &r->faults, v->name, "number", "must be a number from 1");
			else if (!mr_str_u64(values[i], &number) || number > INT32_MAX)
				one = MR_E_NOT_FOUND;
		} else if (!mr_str_is_utf8(values[i]) ||
		           (values[i].len > 0 && memchr(values[i].p, 0, values[i].len) != NULL)) {
			mr_fault_add(&r->faults, v->name, "utf8", "must be UTF-8 text");
			r->path_vars[i] = MR_STR("");
		}
		if (one == MR_E_NOT_FOUND)
			rc = one;
	}
	return rc;
}

/* ---- percent encoding ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int mr_percent_decode(struct mr_arena *a, struct mr_str s, bool plus, struct mr_str *ret)
{
	char *out = mr_arena_alloc(a, s.len + 1);
	size_t n = 0;

	if (out == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '%') {
			int high = i + 2 < s.len ? hex_digit(s.p[i + 1]) : -1;
			int low = i + 2 < s.len ? hex_digit(s.p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return MR_E_INVALID;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return MR_E_INVALID;
		out[n++] = c;
	}
	out[n] = '\0';
	*ret = (struct mr_str){ out, n };
	return mr_str_is_utf8(*ret) ? 0 : MR_E_INVALID;
}

/* ---- one value ---- */

static bool int_in_range(struct mr_str s, int64_t min, int64_t max, int64_t *ret)
{
	return mr_str_i64(s, ret) && *ret >= min && *ret <= max;
}

static void fault_range(struct mr_request *r, struct mr_str name, int64_t min, int64_t max)
{
	if (max == INT64_MAX)
		mr_fault_add(
		    &r->faults, name, "range", "must be a whole number from %lld", (long long)min);
	else
		mr_fault_add(&r->faults, name, "range", "must be a whole number from %lld to %lld",
		    (long long)min, (long long)max);
}

static void fault_words(struct mr_request *r, struct mr_str name, const char *const *words)
{
	struct mr_str all = MR_STR("");

	for (; *words != NULL; words++) {
		struct mr_str more = mr_arena_printf(
		    r->arena, "%.*s%s%s", MR_STR_ARG(all), all.len > 0 ? ", " : "", *words);

		if (more.p != NULL)
			all = more;
	}
	mr_fault_add(&r->faults, name, "enum", "must be one of: %.*s", MR_STR_ARG(all));
}

static struct mr_str value_bool(struct mr_request *r, struct mr_str name, struct mr_str v)
{
	if (mr_str_ieqz(v, "true") || mr_str_eqz(v, "1"))
		return MR_STR("true");
	if (mr_str_ieqz(v, "false") || mr_str_eqz(v, "0"))
		return MR_STR("false");
	mr_fault_add(&r->faults, name, "bool", "must be true or false");
	return MR_STR_NONE;
}

static struct mr_str value_time(struct mr_request *r, struct mr_str name, struct mr_str v)
{
	char out[MR_TIME_LEN];
	int64_t us;

	if (mr_time_parse(v, &us) < 0) {
		mr_fault_add(&r->faults, name, "time",
		    "must be a time such as 2025-01-31T12:00:00Z (a + in an address is %%2B)");
		return MR_STR_NONE;
	}
	return mr_arena_str(r->arena, (struct mr_str){ out, mr_time_format(us, out) });
}

static struct mr_str value_word(struct mr_request *r, const struct mr_arg *arg, struct mr_str v)
{
	for (const char *const *w = arg->values; *w != NULL; w++) {
		if (mr_str_ieqz(v, *w))
			return mr_str(*w);
	}
	fault_words(r, mr_str(arg->name), arg->values);
	return MR_STR_NONE;
}

/* The text for the statement; absent when it is at fault. */
static struct mr_str check_value(struct mr_request *r, const struct mr_arg *arg, struct mr_str v)
{
	struct mr_str name = mr_str(arg->name), id;
	int64_t i;
	int rc;

	switch (arg->type) {
	case MR_ARG_INT:
		if (int_in_range(v, arg->min, arg->max, &i))
			return v;
		fault_range(r, name, arg->min, arg->max);
		return MR_STR_NONE;
	case MR_ARG_BOOL:
		return value_bool(r, name, v);
	case MR_ARG_TIME:
		return value_time(r, name, v);
	case MR_ARG_ENUM:
		return value_word(r, arg, v);
	case MR_ARG_ID:
		rc = mr_id_parse(v, arg->id_prefix, &id);
		if (rc == 0)
			return id;
		if (rc == MR_E_NOT_FOUND) /* an id, so it isn't at fault: what has it is nothing */
			return MR_STR(NOBODY);
		fault_id(r, name, arg->id_prefix);
		return MR_STR_NONE;
	case MR_ARG_TEXT:
	default:
		return v;
	}
}

/* ---- the arguments of a list ---- */

enum list_arg {
	LIMIT,
	OFFSET,
	PAGE,
	PAGE_SIZE,
	CURSOR,
	ORDERING,
	SORT_BY,
	SORT_ORDER,
	SEARCH,
	LIST_ARGS
};

static const char *const list_names[LIST_ARGS] = { "limit", "offset", "page", "page_size", "cursor",
	"ordering", "sort_by", "sort_order", "search" };

static int list_arg_find(struct mr_str name, const struct mr_stmt *list)
{
	for (int i = 0; i < LIST_ARGS; i++) {
		if (mr_str_eqz(name, list_names[i]))
			return i == SEARCH && mr_stmt_param_find(list, "search") < 0 ? -1 : i;
	}
	return -1;
}

static int order_find(const struct mr_stmt *list, struct mr_str name, bool descending)
{
	for (unsigned i = 0; i < list->orders_len; i++) {
		if (list->orders[i].descending == descending &&
		    mr_str_eqz(name, list->orders[i].name))
			return (int)i;
	}
	return -1;
}

static void fault_order(struct mr_request *r, struct mr_str path, const struct mr_stmt *list)
{
	struct mr_str all = MR_STR("");

	for (unsigned i = 0; i < list->orders_len; i++) {
		struct mr_str more;

		if (order_find(list, mr_str(list->orders[i].name), list->orders[i].descending) !=
		        (int)i ||
		    list->orders[i].descending)
			continue;
		more = mr_arena_printf(r->arena, "%.*s%s%s", MR_STR_ARG(all),
		    all.len > 0 ? ", " : "", list->orders[i].name);
		if (more.p != NULL)
			all = more;
	}
	mr_fault_add(&r->faults, path, "enum",
	    "must be one of: %.*s; with - before it the other way round", MR_STR_ARG(all));
}

static void read_order(
    struct mr_request *r, const struct mr_stmt *list, const struct mr_str *v, struct mr_page *page)
{
	struct mr_str name = v[ORDERING];
	bool descending = false;
	int i;

	if (list->orders_len == 0 ||
	    (name.p == NULL && v[SORT_BY].p == NULL && v[SORT_ORDER].p == NULL))
		return;
	if (name.p != NULL && (v[SORT_BY].p != NULL || v[SORT_ORDER].p != NULL)) {
		mr_fault_add(&r->faults, MR_STR("ordering"), "conflict",
		    "stands for sort_by and sort_order; send only one of them");
		return;
	}
	if (name.p != NULL && name.len > 0 && (name.p[0] == '-' || name.p[0] == '+')) {
		descending = name.p[0] == '-';
		name.p++;
		name.len--;
	}
	if (name.p == NULL)
		name = v[SORT_BY].p != NULL ? v[SORT_BY] : mr_str(list->orders[0].name);
	if (v[SORT_ORDER].p != NULL) {
		descending = mr_str_ieqz(v[SORT_ORDER], "desc");
		if (!descending && !mr_str_ieqz(v[SORT_ORDER], "asc"))
			mr_fault_add(
			    &r->faults, MR_STR("sort_order"), "enum", "must be asc or desc");
	}
	page->ordered = true;
	i = order_find(list, name, descending);
	if (i >= 0)
		page->order = (unsigned)i;
	else
		fault_order(
		    r, v[ORDERING].p != NULL ? MR_STR("ordering") : MR_STR("sort_by"), list);
}

static int64_t read_int(struct mr_request *r, const char *name, struct mr_str v, int64_t min,
    int64_t max, int64_t if_absent)
{
	int64_t i;

	if (v.p == NULL)
		return if_absent;
	if (int_in_range(v, min, max, &i))
		return i;
	fault_range(r, mr_str(name), min, max);
	return if_absent;
}

static void read_page(
    struct mr_request *r, const struct mr_stmt *list, const struct mr_str *v, struct mr_page *page)
{
	int64_t max = mr_page_max(r->route), limit, size, number;

	limit = read_int(r, "limit", v[LIMIT], 1, max, 0);
	size = read_int(r, "page_size", v[PAGE_SIZE], 1, max, 0);
	number = read_int(r, "page", v[PAGE], 1, MR_OFFSET_MAX / max, 0);
	page->offset = read_int(r, "offset", v[OFFSET], 0, MR_OFFSET_MAX, 0);
	if (limit != 0 && size != 0 && limit != size)
		mr_fault_add(&r->faults, MR_STR("page_size"), "conflict",
		    "is another name of limit; send only one of them");
	page->limit = (unsigned)(limit != 0 ? limit : size != 0 ? size : mr_page_default(r->route));
	if (number != 0 && v[OFFSET].p != NULL)
		mr_fault_add(
		    &r->faults, MR_STR("page"), "conflict", "can't be combined with offset");
	else if (number != 0)
		page->offset = (number - 1) * page->limit;
	page->cursor = v[CURSOR];
	if (v[CURSOR].p != NULL && (v[PAGE].p != NULL || v[OFFSET].p != NULL))
		mr_fault_add(&r->faults, MR_STR("cursor"), "conflict",
		    "can't be combined with page or offset");
	page->search = v[SEARCH].p != NULL && v[SEARCH].len > 0 ? v[SEARCH] : MR_STR_NONE;
	if (mr_str_code_points(page->search) > MR_SEARCH_MAX)
		mr_fault_add(&r->faults, MR_STR("search"), "max_length",
		    "must have at most %d characters", MR_SEARCH_MAX);
	read_order(r, list, v, page);
}

/* ---- the whole query ---- */

static int arg_find(const struct mr_route *route, struct mr_str name)
{
	for (int i = 0; route->args != NULL && route->args[i].name != NULL; i++) {
		if (mr_str_eqz(name, route->args[i].name))
			return i;
	}
	return -1;
}

static void fault_unknown(struct mr_request *r, struct mr_str name, const struct mr_stmt *list)
{
	const char *best = NULL;
	unsigned least = name.len < 6 ? (unsigned)name.len / 2 + 1 : 4;

	for (int i = 0; r->route->args != NULL && r->route->args[i].name != NULL; i++) {
		unsigned d = mr_str_distance(name, mr_str(r->route->args[i].name), least);

		if (d < least) {
			least = d;
			best = r->route->args[i].name;
		}
	}
	for (int i = 0; list != NULL && i < LIST_ARGS; i++) {
		unsigned d = mr_str_distance(name, mr_str(list_names[i]), least);

		if (d < least && list_arg_find(mr_str(list_names[i]), list) >= 0) {
			least = d;
			best = list_names[i];
		}
	}
	if (best != NULL)
		mr_fault_add(&r->faults, name, "unknown_argument",
		    "is not an argument of this address; did you mean %s?", best);
	else
		mr_fault_add(
		    &r->faults, name, "unknown_argument", "is not an argument of this address");
}

static void fault_repeated(struct mr_request *r, struct mr_str name)
{
	mr_fault_add(&r->faults, name, "repeated", "is given more than once");
}

struct reader {
	const struct mr_stmt *list;
	struct mr_str list_values[LIST_ARGS];
	struct mr_array *many; /* one an argument of the route; used where it is repeatable */
	struct mr_pair *pairs;
};

/* "a,b" is two values of a repeatable argument. */
static void take_many(struct mr_request *r, struct reader *rd, int i, struct mr_str value)
{
	while (value.p != NULL) {
		struct mr_str one = mr_str_trim(mr_str_cut(&value, ','));

		if (one.len == 0)
			continue;
		one = check_value(r, &r->route->args[i], one);
		if (one.p != NULL)
			mr_array_add(&rd->many[i], one);
	}
}

static void take(struct mr_request *r, struct reader *rd, struct mr_str name, struct mr_str value)
{
	int i = arg_find(r->route, name);

	if (i >= 0 && r->route->args[i].many) {
		take_many(r, rd, i, value);
	} else if (i >= 0) {
		if (rd->pairs[i].value.p != NULL)
			fault_repeated(r, name);
		else if (value.len > 0 || r->route->args[i].type != MR_ARG_TEXT)
			rd->pairs[i].value = check_value(r, &r->route->args[i], value);
	} else if (rd->list != NULL && (i = list_arg_find(name, rd->list)) >= 0) {
		if (rd->list_values[i].p != NULL)
			fault_repeated(r, name);
		else
			rd->list_values[i] = value;
	} else {
		fault_unknown(r, name, rd->list);
	}
}

static int read_pairs(struct mr_request *r, struct reader *rd)
{
	struct mr_str rest = r->query;

	for (unsigned n = 0; rest.p != NULL && rest.len > 0; n++) {
		struct mr_str value = mr_str_cut(&rest, '&'), name = mr_str_cut(&value, '=');
		int rc;

		if (n == PAIRS_MAX) {
			mr_fault_add(&r->faults, MR_STR("query"), "limit",
			    "must have at most %d arguments", PAIRS_MAX);
			return 0;
		}
		if (name.len == 0 && value.len == 0)
			continue;
		rc = mr_percent_decode(r->arena, name, true, &name);
		if (rc == 0)
			rc = mr_percent_decode(r->arena, value, true, &value);
		if (rc == MR_E_NOMEM)
			return rc;
		if (rc < 0)
			mr_fault_add(&r->faults, mr_str_is_utf8(name) ? name : MR_STR("query"),
			    "encoding", "must be percent-encoded UTF-8 without NUL");
		else
			take(r, rd, name, value);
	}
	return 0;
}

int mr_args_query(struct mr_request *r, const struct mr_stmt *list, struct mr_page *page)
{
	struct reader rd = { .list = list };
	size_t n = 0;
	int rc;

	while (r->route->args != NULL && r->route->args[n].name != NULL)
		n++;
	rd.pairs = mr_arena_array(r->arena, n + 1, sizeof(*rd.pairs));
	rd.many = mr_arena_array(r->arena, n + 1, sizeof(*rd.many));
	if (rd.pairs == NULL || rd.many == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		rd.pairs[i].name = mr_str(r->route->args[i].name);
		mr_array_init(&rd.many[i], r->arena);
	}
	rc = read_pairs(r, &rd);
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (r->route->args[i].many && rd.many[i].count > 0)
			rd.pairs[i].value = mr_array_end(&rd.many[i]);
		if (rd.many[i].failed)
			rc = MR_E_NOMEM;
	}
	r->query_args = rd.pairs;
	r->query_args_len = n;
	if (list != NULL)
		read_page(r, list, rd.list_values, page);
	return rc;
}
