#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "engine/steps/csv_json.h"
#include "engine/steps/csv_reader.h"
#include "lib/error.h"
#include "lib/value.h"

#define ITEM_MAX   (8u << 20)   /* bytes of one object's text */
#define ARENA_MAX  (256u << 20) /* what it may take once it is read */
#define DEPTH_MAX  64
#define COLUMN_MAX 1000u /* bytes of a column's name */

struct column {
	char *name; /* malloc'd */
	size_t len;
	struct mr_str cell; /* of the row at hand; points into the arena or the item */
	bool is_set;
};

/* A map that is being flattened. */
struct level {
	const struct mr_map *map;
	size_t next, prefix_len;
};

struct work {
	FILE *in, *out;
	const struct mr_csv_options *options;
	struct mr_csv_outcome *outcome;
	struct mr_arena *arena; /* of the item at hand */
	struct mr_buf item, line;
	uint64_t items;
	bool writes; /* the second time */
	bool has_lists, has_maps;
	struct column *columns;
	size_t len, cap, expected; /* the column that comes next in most files */
	char name[COLUMN_MAX + 1];
};

MR_PRINTF(3, 4)
static int fail(struct work *w, int r, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	if (w->items > 0)
		n = snprintf(w->outcome->message, sizeof(w->outcome->message),
		    "item %llu: ", (unsigned long long)w->items);
	va_start(ap, fmt);
	(void)vsnprintf(w->outcome->message + n, sizeof(w->outcome->message) - (size_t)n, fmt, ap);
	va_end(ap);
	return r;
}

/* ---- columns ---- */

static bool is_column(const struct work *w, size_t i, struct mr_str name)
{
	return mr_str_eq((struct mr_str){ w->columns[i].name, w->columns[i].len }, name);
}

static int add_column(struct work *w, struct mr_str name)
{
	size_t cap = w->cap == 0 ? 64 : 2 * w->cap;
	struct column *more;
	char *copy;

	if (w->len == MR_CSV_MAX_COLUMNS)
		return fail(w, MR_E_LIMIT, "there are more than %u columns", MR_CSV_MAX_COLUMNS);
	if (w->len == w->cap) {
		more = realloc(w->columns, cap * sizeof(*more));
		if (more == NULL)
			return MR_E_NOMEM;
		w->columns = more;
		w->cap = cap;
	}
	copy = malloc(name.len + 1);
	if (copy == NULL)
		return MR_E_NOMEM;
	memcpy(copy, name.p, name.len);
	w->columns[w->len++] = (struct column){ .name = copy, .len = name.len };
	return 0;
}

/* The column of that name, made when it is new; in most files it is the one that is expected. */
static int find_column(struct work *w, struct mr_str name, size_t *ret)
{
	size_t i = w->expected;
	int r = 0;

	if (i >= w->len || !is_column(w, i, name)) {
		for (i = 0; i < w->len && !is_column(w, i, name); i++)
			;
	}
	if (i == w->len)
		r = add_column(w, name);
	w->expected = i + 1;
	*ret = i;
	return r;
}

static int set_cell(struct work *w, struct mr_str name, struct mr_str cell)
{
	size_t i = 0;
	int r = find_column(w, name, &i);

	if (r < 0)
		return r;
	if (w->columns[i].is_set)
		return fail(w, MR_E_INVALID, "two members become the column \"%.*s\"",
		    (int)(name.len < 80 ? name.len : 80), name.p);
	w->columns[i].is_set = true;
	w->columns[i].cell = cell;
	return 0;
}

/* ---- flattening ---- */

static int cell_text(struct work *w, const struct mr_value *v, struct mr_str *ret)
{
	if (v->kind == MR_VALUE_NULL)
		*ret = MR_STR("");
	else if (v->kind == MR_VALUE_STRING)
		*ret = v->s;
	else
		*ret = mr_json_text(w->arena, v);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

/* The name of member M below the first PREFIX_LEN bytes of w->name, which it is put behind. */
static int set_name(struct work *w, size_t prefix_len, const struct mr_member *m, size_t *ret_len)
{
	size_t at = prefix_len;

	if (prefix_len + 1 + m->key.s.len > COLUMN_MAX)
		return fail(
		    w, MR_E_LIMIT, "the name of a column is longer than %u bytes", COLUMN_MAX);
	if (at > 0)
		w->name[at++] = '.';
	memcpy(w->name + at, m->key.s.p, m->key.s.len);
	*ret_len = at + m->key.s.len;
	return 0;
}

static int flatten_member(
    struct work *w, struct level *levels, size_t *depth, const struct mr_member *m)
{
	size_t len = 0;
	struct mr_str cell;
	int r = set_name(w, levels[*depth - 1].prefix_len, m, &len);

	if (r < 0)
		return r;
	if (m->value.kind == MR_VALUE_MAP && m->value.map->len > 0) {
		if (*depth == DEPTH_MAX)
			return fail(w, MR_E_LIMIT, "objects are nested deeper than %d", DEPTH_MAX);
		levels[(*depth)++] = (struct level){ m->value.map, 0, len };
		return 0;
	}
	r = cell_text(w, &m->value, &cell);
	return r < 0 ? r : set_cell(w, (struct mr_str){ w->name, len }, cell);
}

static int flatten(struct work *w, const struct mr_map *map)
{
	struct level levels[DEPTH_MAX] = { { map, 0, 0 } };
	size_t depth = 1;
	int r = 0;

	w->expected = 0;
	while (depth > 0 && r == 0) {
		struct level *l = &levels[depth - 1];

		if (l->next == l->map->len)
			depth--;
		else
			r = flatten_member(w, levels, &depth, &l->map->members[l->next++]);
	}
	return r;
}

/* ---- writing ---- */

static bool wants_quotes(const struct work *w, struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == w->options->delimiter || c == '"' || c == '\r' || c == '\n')
			return true;
	}
	return s.len > 0 && (s.p[0] == ' ' || s.p[s.len - 1] == ' ');
}

static void put_cell(struct work *w, struct mr_str s, bool is_first, bool is_only)
{
	if (!is_first)
		mr_buf_addc(&w->line, w->options->delimiter);
	if (!wants_quotes(w, s) && !(is_only && s.len == 0)) { /* an empty line would be no row */
		mr_buf_adds(&w->line, s);
		return;
	}
	mr_buf_addc(&w->line, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"')
			mr_buf_addc(&w->line, '"');
		mr_buf_addc(&w->line, s.p[i]);
	}
	mr_buf_addc(&w->line, '"');
}

static int put_line(struct work *w)
{
	mr_buf_addz(&w->line, "\r\n");
	if (mr_buf_failed(&w->line))
		return MR_E_NOMEM;
	return fwrite(w->line.p, 1, w->line.len, w->out) == w->line.len ? 0 : MR_E_IO;
}

static int write_header(struct work *w)
{
	mr_buf_reset(&w->line);
	for (size_t i = 0; i < w->len; i++)
		put_cell(w, (struct mr_str){ w->columns[i].name, w->columns[i].len }, i == 0,
		    w->len == 1);
	return w->len > 0 ? put_line(w) : 0;
}

static int write_map(struct work *w)
{
	mr_buf_reset(&w->line);
	for (size_t i = 0; i < w->len; i++)
		put_cell(
		    w, w->columns[i].is_set ? w->columns[i].cell : MR_STR(""), i == 0, w->len == 1);
	return put_line(w);
}

static int write_list(struct work *w, const struct mr_list *l)
{
	int r = 0;

	mr_buf_reset(&w->line);
	for (size_t i = 0; i < l->len && r == 0; i++) {
		struct mr_str cell = MR_STR("");

		r = cell_text(w, &l->items[i], &cell);
		put_cell(w, cell, i == 0, l->len == 1);
	}
	return r < 0 ? r : put_line(w);
}

/* ---- items ---- */

static int take_map(struct work *w, const struct mr_map *map)
{
	int r;

	w->has_maps = true;
	for (size_t i = 0; i < w->len; i++)
		w->columns[i].is_set = false;
	r = flatten(w, map);
	return r == 0 && w->writes ? write_map(w) : r;
}

static int take_list(struct work *w, const struct mr_list *l)
{
	w->has_lists = true;
	if (l->len == 0 || l->len > MR_CSV_MAX_COLUMNS)
		return fail(w, l->len == 0 ? MR_E_INVALID : MR_E_LIMIT,
		    "a row has 1 to %u fields, this one has %zu", MR_CSV_MAX_COLUMNS, l->len);
	return w->writes ? write_list(w, l) : 0;
}

static int take_item(struct work *w)
{
	struct mr_json_limits limits = { .depth = DEPTH_MAX, .values = 1000000 };
	struct mr_faults faults;
	struct mr_value v;
	int r;

	mr_arena_reset(w->arena);
	mr_faults_init(&faults, w->arena, 1);
	r = mr_json_parse(w->arena, mr_buf_str(&w->item), &limits, &faults, &v);
	if (r == MR_E_NOMEM)
		return r;
	if (r < 0)
		return fail(w, r, "no valid JSON%s%.*s", faults.first != NULL ? ": " : "",
		    faults.first != NULL ? (int)faults.first->message.len : 0,
		    faults.first != NULL ? faults.first->message.p : "");
	r = v.kind == MR_VALUE_MAP    ? take_map(w, v.map)
	    : v.kind == MR_VALUE_LIST ? take_list(w, v.list)
	                              : fail(w, MR_E_INVALID, "neither an object nor a list");
	if (r == 0 && w->has_maps && w->has_lists)
		r = fail(w, MR_E_INVALID, "rows are either all objects or all lists");
	return r;
}

/* ---- splitting ---- */

static bool is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int next_char(struct work *w)
{
	int c;

	do
		c = getc_unlocked(w->in);
	while (is_blank(c));
	return c;
}

/* The text of one value that begins with C, up to its last bracket; whether it is JSON is seen
 * when it is parsed. */
static int read_item(struct work *w, int c)
{
	bool in_text = false, escaped = false;
	size_t depth = 0;

	w->items++;
	mr_buf_reset(&w->item);
	if (c != '{' && c != '[')
		return fail(w, MR_E_INVALID, "neither an object nor a list");
	for (; c != EOF; c = getc_unlocked(w->in)) {
		mr_buf_addc(&w->item, (char)c);
		if (mr_buf_failed(&w->item))
			return fail(w, MR_E_LIMIT, "longer than %u bytes", ITEM_MAX);
		if (in_text) {
			in_text = escaped || c != '"';
			escaped = !escaped && c == '\\';
		} else if (c == '"') {
			in_text = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			return take_item(w);
		}
	}
	return fail(w, MR_E_INVALID, "the file ends inside of it");
}

/* Items between brackets, with commas. */
static int read_list(struct work *w)
{
	int c = next_char(w), r = 0;

	while (r == 0 && c != ']') {
		r = read_item(w, c);
		c = r == 0 ? next_char(w) : EOF;
		if (r == 0 && c != ',' && c != ']')
			r = fail(w, MR_E_INVALID, "a comma or a closing bracket must follow it");
		if (c == ',' && (c = next_char(w)) == ']' && r == 0)
			r = fail(w, MR_E_INVALID, "nothing follows the comma behind it");
	}
	if (r == 0 && next_char(w) != EOF)
		r = fail(w, MR_E_INVALID, "something follows behind it and the end of the list");
	return r;
}

/* Passes over a byte order mark. */
static int first_char(struct work *w)
{
	int c = next_char(w);

	if (c == 0xef && getc_unlocked(w->in) == 0xbb && getc_unlocked(w->in) == 0xbf)
		c = next_char(w);
	return c;
}

static int read_all(struct work *w)
{
	int c, r = 0;

	w->items = 0;
	if (fseeko(w->in, 0, SEEK_SET) != 0)
		return MR_E_IO;
	c = first_char(w);
	if (c == '[')
		return read_list(w);
	while (r == 0 && c != EOF) {
		if (c != '{')
			return fail(w, MR_E_INVALID, "%s",
			    w->items == 0 ? "the file begins neither with a list nor with an object"
			                  : "something else than an object follows it");
		r = read_item(w, c);
		c = r == 0 ? next_char(w) : EOF;
	}
	return r < 0 ? r : ferror(w->in) ? MR_E_IO : 0;
}

/* ---- the whole ---- */

static int both_times(struct work *w)
{
	int r = read_all(w);

	if (r == 0 && w->has_maps && w->options->has_header)
		r = write_header(w);
	w->writes = true;
	if (r == 0)
		r = read_all(w);
	w->outcome->rows = w->items;
	return r;
}

int mr_json_to_csv(FILE *in, FILE *out, const struct mr_csv_options *o, struct mr_csv_outcome *ret)
{
	struct work *w = calloc(1, sizeof(*w));
	int r = MR_E_NOMEM;

	*ret = (struct mr_csv_outcome){ .rows = 0 };
	if (w == NULL)
		return r;
	w->in = in;
	w->out = out;
	w->options = o;
	w->outcome = ret;
	mr_buf_init(&w->item, ITEM_MAX);
	mr_buf_init(&w->line, 4 * ITEM_MAX);
	w->arena = mr_arena_create(ARENA_MAX);
	if (w->arena != NULL)
		r = both_times(w);
	w->arena = mr_arena_free(w->arena);
	for (size_t i = 0; i < w->len; i++)
		free(w->columns[i].name);
	free(w->columns);
	mr_buf_done(&w->item);
	mr_buf_done(&w->line);
	free(w);
	return r;
}
