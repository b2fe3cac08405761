/* Values in definitions: durations, numbers, words, names. */
#include "engine/core/graph_private.h"

#include <math.h>

#define SECOND_US 1000000.0
/* a hundred years: nothing here is longer, and sums of them stay far inside int64 */
#define LONGEST_US (100.0 * 366 * 86400 * SECOND_US)

bool mr_graph_number(const struct mr_value *v, double *ret)
{
	switch (v->kind) {
	case MR_VALUE_INT:
		*ret = (double)v->i;
		return true;
	case MR_VALUE_UINT:
		*ret = (double)v->u;
		return true;
	case MR_VALUE_DOUBLE:
		*ret = v->d;
		return isfinite(v->d);
	default:
		return false;
	}
}

static bool from_us(double us, int64_t *ret_us)
{
	if (!(us >= 0) || us > LONGEST_US)
		return false;
	*ret_us = (int64_t)(us + 0.5);
	return true;
}

/* Digits with at most one point; moves S behind them. */
static bool take_number(struct mr_str *s, double *ret)
{
	double whole = 0, scale = 1;
	bool point = false;
	size_t i = 0, digits = 0;

	for (; i < s->len && i < 20; i++) {
		char ch = s->p[i];

		if (ch == '.' && !point) {
			point = true;
			continue;
		}
		if (ch < '0' || ch > '9')
			break;
		whole = whole * 10 + (ch - '0');
		scale *= point ? 10 : 1;
		digits++;
	}
	s->p += i;
	s->len -= i;
	*ret = whole / scale;
	return digits > 0;
}

/* "ms", "s", "m", "h", "d", "w" in microseconds; 0 when it is none of them. */
static double take_unit(struct mr_str *s)
{
	static const struct {
		char name;
		double us;
	} units[] = { { 's', SECOND_US }, { 'm', 60 * SECOND_US }, { 'h', 3600 * SECOND_US },
		{ 'd', 86400 * SECOND_US }, { 'w', 7 * 86400 * SECOND_US } };

	if (s->len >= 2 && s->p[0] == 'm' && s->p[1] == 's') {
		s->p += 2;
		s->len -= 2;
		return SECOND_US / 1000;
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(units) && s->len > 0; i++) {
		if (s->p[0] != units[i].name)
			continue;
		s->p++;
		s->len--;
		return units[i].us;
	}
	return 0;
}

/* "250ms", "2s", "1h30m" */
static bool parse_units(struct mr_str s, int64_t *ret_us)
{
	double sum = 0;

	if (s.len == 0)
		return false;
	while (s.len > 0) {
		double n, unit;

		if (!take_number(&s, &n))
			return false;
		unit = take_unit(&s);
		if (unit == 0)
			return false;
		sum += n * unit;
	}
	return from_us(sum, ret_us);
}

/* ISO 8601 without years and months, whose length nobody knows: "P1DT2H", "PT5M" */
static bool parse_iso(struct mr_str s, int64_t *ret_us)
{
	static const char date[] = "WD", time[] = "HMS";
	static const double date_s[] = { 604800, 86400 }, time_s[] = { 3600, 60, 1 };
	double sum = 0;
	size_t next = 0;
	bool in_time = false, any = false;

	s.p++;
	s.len--;
	while (s.len > 0) {
		size_t n_units = in_time ? 3 : 2;
		double n;

		if (!in_time && s.p[0] == 'T') {
			in_time = true;
			next = 0;
			s.p++;
			s.len--;
			any = false;
			continue;
		}
		if (!take_number(&s, &n) || s.len == 0)
			return false;
		while (next < n_units && (in_time ? time : date)[next] != s.p[0])
			next++;
		if (next == n_units)
			return false;
		sum += n * (in_time ? time_s : date_s)[next++] * SECOND_US;
		any = true;
		s.p++;
		s.len--;
	}
	return any && from_us(sum, ret_us);
}

bool mr_graph_duration(const struct mr_value *v, int64_t *ret_us)
{
	double n;

	if (v->kind == MR_VALUE_DURATION)
		return from_us((double)v->i, ret_us);
	if (mr_graph_number(v, &n))
		return from_us(n * SECOND_US, ret_us);
	if (v->kind != MR_VALUE_STRING || v->s.len == 0 || v->s.len > 64)
		return false;
	return v->s.p[0] == 'P' ? parse_iso(v->s, ret_us) : parse_units(v->s, ret_us);
}

struct mr_value mr_graph_seconds(int64_t us)
{
	if (us % 1000000 == 0)
		return mr_value_int(us / 1000000);
	return mr_value_double((double)us / SECOND_US);
}

bool mr_graph_check_duration(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    int64_t min_us, int64_t max_us, int64_t *ret_us)
{
	int64_t us;

	if (!mr_graph_duration(v, &us)) {
		mr_graph_fault(c, path, "type",
		    "must be a number of seconds, or a duration such as \"250ms\", \"2s\", "
		    "\"PT5M\"");
		return false;
	}
	if (us < min_us || us > max_us) {
		mr_graph_fault(c, path, "range", "must be between %g and %g seconds",
		    (double)min_us / SECOND_US, (double)max_us / SECOND_US);
		return false;
	}
	*ret_us = us;
	return true;
}

bool mr_graph_check_int(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    int64_t min, int64_t max, int64_t *ret)
{
	int64_t n = 0;
	bool is_int = v->kind == MR_VALUE_INT;

	if (is_int)
		n = v->i;
	/* 3.0 is as good as 3 */
	if (v->kind == MR_VALUE_DOUBLE && v->d >= -9e15 && v->d <= 9e15 && v->d == floor(v->d)) {
		n = (int64_t)v->d;
		is_int = true;
	}
	if (!is_int) {
		mr_graph_fault(c, path, "type", "must be a whole number");
		return false;
	}
	if (n < min || n > max) {
		mr_graph_fault(c, path, "range", "must be between %lld and %lld", (long long)min,
		    (long long)max);
		return false;
	}
	*ret = n;
	return true;
}

int mr_graph_check_word(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, const char *const *words)
{
	struct mr_str list = MR_STR("");

	for (int i = 0; v->kind == MR_VALUE_STRING && words[i] != NULL; i++)
		if (mr_str_eqz(v->s, words[i]))
			return i;
	for (int i = 0; words[i] != NULL; i++) {
		const char *between = i == 0 ? "" : words[i + 1] != NULL ? ", " : " or ";

		list = mr_arena_printf(
		    c->scratch, "%.*s%s\"%s\"", MR_STR_ARG(list), between, words[i]);
	}
	mr_graph_fault(c, path, "value", "must be %.*s", MR_STR_ARG(list));
	return -1;
}

bool mr_graph_check_flag(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, const char *member)
{
	const struct mr_value *m = mr_graph_get(v, member);

	if (m != NULL && m->kind != MR_VALUE_BOOL)
		mr_graph_fault(c, mr_graph_pathz(c, path, member), "type", "must be true or false");
	return m != NULL && m->kind == MR_VALUE_BOOL && m->b;
}

/* ---- names ---- */

/* What an expression would take for something else. */
static const char *const taken[] = { "trigger", "input", "steps", "meta", "vars", "env", "secrets",
	"run", "workflow", "execution_id", "workflow_id", "result", "now", "true", "false", "null",
	"in", "has", "cel", "last", "event", NULL };

static bool is_identifier(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.p[i];

		if (ch != '_' && !(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z') &&
		    !(i > 0 && ch >= '0' && ch <= '9'))
			return false;
	}
	return s.len > 0 && s.len <= MR_GRAPH_MAX_NAME;
}

bool mr_graph_check_variable(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	if (v->kind != MR_VALUE_STRING || !is_identifier(v->s)) {
		mr_graph_fault(c, path, "value",
		    "must be a name for expressions: letters, digits and _, no digit first");
		return false;
	}
	for (size_t i = 0; taken[i] != NULL; i++) {
		if (!mr_str_eqz(v->s, taken[i]))
			continue;
		mr_graph_fault(c, path, "value",
		    "\"%s\" means something else in expressions; take another name", taken[i]);
		return false;
	}
	return true;
}

bool mr_graph_check_name(struct mr_compile *c, const struct mr_value *v, struct mr_str path)
{
	size_t chars = 0;

	if (v->kind != MR_VALUE_STRING) {
		mr_graph_fault(c, path, "type", "must be a text");
		return false;
	}
	for (size_t i = 0; i < v->s.len; i++) {
		unsigned char ch = (unsigned char)v->s.p[i];

		chars += (ch & 0xC0) != 0x80;
		if (ch >= 0x20 && ch != 0x7F)
			continue;
		mr_graph_fault(c, path, "value", "must not hold control characters");
		return false;
	}
	if (mr_str_trim(v->s).len == 0 || chars > MR_GRAPH_MAX_NAME) {
		mr_graph_fault(c, path, chars > 0 ? "limit" : "required",
		    "a name has 1 to %d characters", MR_GRAPH_MAX_NAME);
		return false;
	}
	return true;
}

bool mr_graph_all_names(const struct mr_value *v)
{
	if (v->kind == MR_VALUE_STRING)
		return true;
	if (v->kind != MR_VALUE_LIST || v->list->len == 0)
		return false;
	for (size_t i = 0; i < v->list->len; i++)
		if (v->list->items[i].kind != MR_VALUE_STRING)
			return false;
	return true;
}
