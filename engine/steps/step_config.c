#include "engine/steps/step_config.h"

#include <math.h>
#include <string.h>

#include "engine/steps/report.h"

#define MAX_SECONDS 31536000.0 /* a year */
#define MAX_TEXTS   64

const struct mr_value *mr_config_member(const struct mr_step_exec *x, const char *member)
{
	const struct mr_value *v = mr_value_get(&x->config, member);

	return v == NULL || v->kind == MR_VALUE_NULL ? NULL : v;
}

struct mr_str mr_config_scalar(struct mr_arena *a, const struct mr_value *v)
{
	struct mr_str s = MR_STR_NONE;
	struct mr_buf b;

	if (v->kind == MR_VALUE_STRING)
		return v->s;
	if (v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP || v->kind == MR_VALUE_NULL)
		return s;
	mr_buf_init(&b, 4096);
	mr_value_write_text(&b, v);
	if (!mr_buf_failed(&b))
		s = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return s;
}

int mr_config_text(struct mr_step_exec *x, const char *member, struct mr_str *ret)
{
	const struct mr_value *v = mr_config_member(x, member);
	struct mr_str s;

	if (v == NULL)
		return 0;
	s = mr_config_scalar(x->arena, v);
	if (s.p == NULL)
		return mr_report_invalid(x, "config.%s must be a text.", member);
	*ret = s;
	return 0;
}

int mr_config_bool(struct mr_step_exec *x, const char *member, bool *ret)
{
	const struct mr_value *v = mr_config_member(x, member);

	if (v == NULL)
		return 0;
	if (v->kind == MR_VALUE_BOOL)
		*ret = v->b;
	else if (v->kind == MR_VALUE_STRING && mr_str_ieqz(v->s, "true"))
		*ret = true;
	else if (v->kind == MR_VALUE_STRING && mr_str_ieqz(v->s, "false"))
		*ret = false;
	else
		return mr_report_invalid(x, "config.%s must be true or false.", member);
	return 0;
}

/* Digits, perhaps with a fraction; nothing else. */
static bool parse_decimal(struct mr_str s, double *ret)
{
	double n = 0, unit = 0;

	if (s.len == 0 || s.len > 18 || s.p[0] == '.' || s.p[s.len - 1] == '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.' && unit == 0) {
			unit = 1;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (s.p[i] - '0');
		unit *= 10;
	}
	*ret = unit > 0 ? n / unit : n;
	return true;
}

static bool number_of(const struct mr_value *v, double *ret)
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
	case MR_VALUE_STRING:
		return parse_decimal(v->s, ret);
	default:
		return false;
	}
}

int mr_config_positive(struct mr_step_exec *x, const char *member, double *ret)
{
	const struct mr_value *v = mr_config_member(x, member);
	double n;

	if (v == NULL)
		return 0;
	if (!number_of(v, &n) || n <= 0)
		return mr_report_invalid(x, "config.%s must be a number above 0.", member);
	*ret = n;
	return 0;
}

static const struct {
	const char *suffix;
	double seconds;
} units[] = { { "ms", 0.001 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };

/* How long the number at the start of S is. */
static size_t number_length(struct mr_str s)
{
	size_t n = 0;

	while (n < s.len && (s.p[n] == '.' || (s.p[n] >= '0' && s.p[n] <= '9')))
		n++;
	return n;
}

static double unit_of(struct mr_str s)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(units); i++) {
		if (mr_str_eqz(s, units[i].suffix))
			return units[i].seconds;
	}
	return 0;
}

/* "2s", "1h30m"; plain seconds without a unit. */
static bool parse_short(struct mr_str s, double *ret)
{
	double total = 0, value;

	if (parse_decimal(s, ret))
		return true;
	if (s.len == 0)
		return false;
	for (unsigned parts = 0; s.len > 0; parts++) {
		size_t n = number_length(s), end = n;

		while (end < s.len && s.p[end] >= 'a' && s.p[end] <= 'z')
			end++;
		if (parts == MR_ARRAY_LEN(units) ||
		    !parse_decimal((struct mr_str){ s.p, n }, &value) ||
		    unit_of((struct mr_str){ s.p + n, end - n }) == 0)
			return false;
		total += value * unit_of((struct mr_str){ s.p + n, end - n });
		s = (struct mr_str){ s.p + end, s.len - end };
	}
	*ret = total;
	return true;
}

/* ISO 8601 without years and months, whose length varies: P1DT2H30M0.5S */
static bool parse_iso(struct mr_str s, double *ret)
{
	bool in_time = false;
	double total = 0;

	s.p++;
	s.len--;
	for (unsigned parts = 0; s.len > 0 && parts < 8; parts++) {
		size_t n;
		double value;

		if (s.p[0] == 'T' && !in_time) {
			in_time = true;
			s.p++;
			s.len--;
		}
		n = number_length(s);
		if (n == s.len || !parse_decimal((struct mr_str){ s.p, n }, &value))
			return false;
		if (s.p[n] == 'D' && !in_time)
			total += value * 86400;
		else if (s.p[n] == 'H' && in_time)
			total += value * 3600;
		else if (s.p[n] == 'M' && in_time)
			total += value * 60;
		else if (s.p[n] == 'S' && in_time)
			total += value;
		else
			return false;
		s.p += n + 1;
		s.len -= n + 1;
	}
	*ret = total;
	return s.len == 0;
}

bool mr_config_parse_duration(struct mr_str s, int64_t *ret_us)
{
	double seconds;

	s = mr_str_trim(s);
	if (s.len > 1 && s.p[0] == 'P' ? !parse_iso(s, &seconds) : !parse_short(s, &seconds))
		return false;
	if (seconds < 0 || seconds > MAX_SECONDS)
		return false;
	*ret_us = (int64_t)(seconds * 1e6);
	return true;
}

int mr_config_duration(struct mr_step_exec *x, const char *member, int64_t *ret_us)
{
	const struct mr_value *v = mr_config_member(x, member);
	double seconds;
	int64_t us = 0;

	if (v == NULL)
		return 0;
	if (v->kind == MR_VALUE_DURATION)
		us = v->i;
	else if (v->kind == MR_VALUE_STRING)
		(void)mr_config_parse_duration(v->s, &us); /* else it stays 0 */
	else if (number_of(v, &seconds) && seconds > 0 && seconds <= MAX_SECONDS)
		us = (int64_t)(seconds * 1e6);
	if (us <= 0)
		return mr_report_invalid(x,
		    "config.%s must be a duration above 0: seconds, or a text such as \"2s\".",
		    member);
	*ret_us = us;
	return 0;
}

static int split_text(
    struct mr_step_exec *x, struct mr_str s, const struct mr_str **ret, size_t *ret_len)
{
	struct mr_str *out = mr_arena_array(x->arena, MAX_TEXTS, sizeof(*out));
	size_t n = 0;

	if (out == NULL)
		return mr_report_too_large(x);
	while (s.p != NULL && n < MAX_TEXTS) {
		struct mr_str one = mr_str_trim(mr_str_cut(&s, ','));

		if (one.len > 0)
			out[n++] = one;
	}
	*ret = out;
	*ret_len = n;
	return 0;
}

int mr_config_texts(
    struct mr_step_exec *x, const char *member, const struct mr_str **ret, size_t *ret_len)
{
	const struct mr_value *v = mr_config_member(x, member);
	struct mr_str *out;

	if (v == NULL)
		return 0;
	if (v->kind == MR_VALUE_STRING)
		return split_text(x, v->s, ret, ret_len);
	if (v->kind != MR_VALUE_LIST || v->list->len > MAX_TEXTS)
		return mr_report_invalid(
		    x, "config.%s must be a list of at most %d texts.", member, MAX_TEXTS);
	out = mr_arena_array(x->arena, v->list->len, sizeof(*out));
	if (out == NULL)
		return mr_report_too_large(x);
	for (size_t i = 0; i < v->list->len; i++) {
		out[i] = mr_config_scalar(x->arena, &v->list->items[i]);
		if (out[i].p == NULL)
			return mr_report_invalid(x, "config.%s[%zu] must be a text.", member, i);
	}
	*ret = out;
	*ret_len = v->list->len;
	return 0;
}
