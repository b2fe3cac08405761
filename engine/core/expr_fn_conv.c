/* Conversions between types, size(), type(). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/expr_private.h"
#include "engine/core/expr_time.h"
#include "lib/clock.h"

#define US INT64_C(1000000)

int mr_fn_size(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	size_t size;

	switch (args[0].kind) {
	case MR_VALUE_STRING:
		size = mr_utf8_count(args[0].s);
		if (mr_vm_charge(vm, args[0].s.len / 64) < 0)
			return MR_E_LIMIT;
		break;
	case MR_VALUE_BYTES:
		size = args[0].s.len;
		break;
	case MR_VALUE_LIST:
		size = args[0].list->len;
		break;
	case MR_VALUE_MAP:
		size = args[0].map->len;
		break;
	default:
		return mr_vm_no_overload(vm, "size", args, n);
	}
	*ret = mr_value_int((int64_t)size);
	return 0;
}

int mr_fn_type(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)vm;
	(void)n;
	*ret = mr_value_type(mr_value_type_name(args[0].kind));
	return 0;
}

int mr_fn_dyn(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)vm;
	(void)n;
	*ret = args[0];
	return 0;
}

static int out_of_range(struct mr_vm *vm, const char *to)
{
	return mr_vm_fail(vm, "the value is beyond the range of %s", to);
}

static int bad_text(struct mr_vm *vm, struct mr_str s, const char *to)
{
	return mr_vm_fail(vm, "\"%.*s\" is no %s", s.len > 60 ? 60 : (int)s.len, s.p, to);
}

int mr_fn_int(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];
	int64_t i = 0;

	switch (v->kind) {
	case MR_VALUE_INT:
		i = v->i;
		break;
	case MR_VALUE_UINT:
		if (v->u > INT64_MAX)
			return out_of_range(vm, "int");
		i = (int64_t)v->u;
		break;
	case MR_VALUE_DOUBLE:
		if (!(v->d > -0x1p63 && v->d < 0x1p63))
			return out_of_range(vm, "int");
		i = (int64_t)v->d;
		break;
	case MR_VALUE_STRING:
		if (!mr_str_i64(v->s, &i))
			return bad_text(vm, v->s, "int");
		break;
	case MR_VALUE_TIMESTAMP: /* seconds, rounded down */
		i = v->i / US - (v->i % US < 0);
		break;
	default:
		return mr_vm_no_overload(vm, "int", args, n);
	}
	*ret = mr_value_int(i);
	return 0;
}

int mr_fn_uint(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];
	uint64_t u = 0;

	switch (v->kind) {
	case MR_VALUE_UINT:
		u = v->u;
		break;
	case MR_VALUE_INT:
		if (v->i < 0)
			return out_of_range(vm, "uint");
		u = (uint64_t)v->i;
		break;
	case MR_VALUE_DOUBLE:
		if (!(v->d > -1 && v->d < 0x1p64))
			return out_of_range(vm, "uint");
		u = (uint64_t)v->d;
		break;
	case MR_VALUE_STRING:
		if (!mr_str_u64(v->s, &u))
			return bad_text(vm, v->s, "uint");
		break;
	default:
		return mr_vm_no_overload(vm, "uint", args, n);
	}
	*ret = mr_value_uint(u);
	return 0;
}

/* A decimal number, or the words for what isn't one. */
static int parse_double(struct mr_vm *vm, struct mr_str s, double *ret)
{
	static const struct word {
		const char *text;
		double value;
	} words[] = { { "NaN", NAN }, { "Infinity", INFINITY }, { "+Infinity", INFINITY },
		{ "-Infinity", -INFINITY }, { "Inf", INFINITY }, { "+Inf", INFINITY },
		{ "-Inf", -INFINITY } };
	char *copy, *end;

	for (size_t i = 0; i < MR_ARRAY_LEN(words); i++) {
		if (mr_str_ieqz(s, words[i].text)) {
			*ret = words[i].value;
			return 0;
		}
	}
	for (size_t i = 0; i < s.len; i++) {
		if (strchr("0123456789+-.eE", s.p[i]) == NULL || s.p[i] == '\0')
			return bad_text(vm, s, "double");
	}
	copy = mr_arena_strz(vm->arena, s);
	if (copy == NULL)
		return MR_E_NOMEM;
	*ret = strtod(copy, &end);
	if (s.len == 0 || end != copy + s.len)
		return bad_text(vm, s, "double");
	return isinf(*ret) ? out_of_range(vm, "double") : 0;
}

int mr_fn_double(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];
	double d = 0;
	int r;

	switch (v->kind) {
	case MR_VALUE_DOUBLE:
		d = v->d;
		break;
	case MR_VALUE_INT:
		d = (double)v->i;
		break;
	case MR_VALUE_UINT:
		d = (double)v->u;
		break;
	case MR_VALUE_STRING:
		r = parse_double(vm, v->s, &d);
		if (r < 0)
			return r;
		break;
	default:
		return mr_vm_no_overload(vm, "double", args, n);
	}
	*ret = mr_value_double(d);
	return 0;
}

int mr_fn_bool(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	static const char *const yes[] = { "true", "True", "TRUE", "t", "1" };
	static const char *const no[] = { "false", "False", "FALSE", "f", "0" };

	if (args[0].kind == MR_VALUE_BOOL) {
		*ret = args[0];
		return 0;
	}
	if (args[0].kind != MR_VALUE_STRING)
		return mr_vm_no_overload(vm, "bool", args, n);
	for (size_t i = 0; i < MR_ARRAY_LEN(yes); i++) {
		if (mr_str_eqz(args[0].s, yes[i]) || mr_str_eqz(args[0].s, no[i])) {
			*ret = mr_value_bool(mr_str_eqz(args[0].s, yes[i]));
			return 0;
		}
	}
	return bad_text(vm, args[0].s, "bool");
}

int mr_fn_bytes(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	if (args[0].kind != MR_VALUE_STRING && args[0].kind != MR_VALUE_BYTES)
		return mr_vm_no_overload(vm, "bytes", args, n);
	*ret = mr_value_bytes(args[0].s);
	return 0;
}

/* CEL's text of a double: the shortest that reads back, without a point when it is whole. */
static int double_text(struct mr_vm *vm, double d, struct mr_str *ret)
{
	struct mr_value v = mr_value_double(d);
	struct mr_str s;

	if (isinf(d)) {
		*ret = d < 0 ? MR_STR("-Infinity") : MR_STR("+Infinity");
		return 0;
	}
	s = mr_json_text(vm->arena, &v);
	if (s.p == NULL)
		return MR_E_NOMEM;
	if (isnan(d))
		s = (struct mr_str){ s.p + 1, s.len - 2 };
	else if (s.len > 2 && memcmp(s.p + s.len - 2, ".0", 2) == 0)
		s.len -= 2;
	*ret = s;
	return 0;
}

static struct mr_str decimal(struct mr_vm *vm, uint64_t u, bool negative)
{
	char text[24], *p = text + sizeof(text);

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u > 0);
	if (negative)
		*--p = '-';
	return mr_arena_str(vm->arena, (struct mr_str){ p, (size_t)(text + sizeof(text) - p) });
}

int mr_fn_string(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];
	struct mr_str s = MR_STR_NONE;
	int r;

	switch (v->kind) {
	case MR_VALUE_STRING:
		s = v->s;
		break;
	case MR_VALUE_BYTES:
		if (!mr_str_is_utf8(v->s))
			return mr_vm_fail(vm, "the bytes are not valid UTF-8");
		s = v->s;
		r = mr_vm_charge(vm, s.len / 32);
		if (r < 0)
			return r;
		break;
	case MR_VALUE_DOUBLE:
		r = double_text(vm, v->d, &s);
		if (r < 0)
			return r;
		break;
	case MR_VALUE_BOOL:
		s = v->b ? MR_STR("true") : MR_STR("false");
		break;
	case MR_VALUE_INT:
		s = decimal(vm, v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i, v->i < 0);
		break;
	case MR_VALUE_UINT:
		s = decimal(vm, v->u, false);
		break;
	case MR_VALUE_TIMESTAMP:
	case MR_VALUE_DURATION:
		s = mr_json_text(vm->arena, v);
		if (s.p != NULL)
			s = (struct mr_str){ s.p + 1, s.len - 2 }; /* without the quotes */
		break;
	default:
		return mr_vm_no_overload(vm, "string", args, n);
	}
	if (s.p == NULL)
		return MR_E_NOMEM;
	*ret = mr_value_str(s);
	return 0;
}

int mr_fn_timestamp(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];
	unsigned rest = 0;
	__int128 ns = 0;
	int64_t us = 0;

	switch (v->kind) {
	case MR_VALUE_TIMESTAMP:
		ns = mr_time_total(v);
		break;
	case MR_VALUE_STRING:
		if (mr_time_parse_ns(v->s, &us, &rest) < 0)
			return bad_text(vm, v->s, "timestamp (2025-01-31T12:00:00Z)");
		ns = (__int128)us * 1000 + rest;
		break;
	case MR_VALUE_INT:
		ns = (__int128)v->i * 1000 * US;
		break;
	default:
		return mr_vm_no_overload(vm, "timestamp", args, n);
	}
	if (!mr_time_value(MR_VALUE_TIMESTAMP, ns, ret))
		return out_of_range(vm, "timestamp");
	return 0;
}

int mr_fn_duration(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];
	__int128 ns = 0;
	int64_t text = 0;

	switch (v->kind) {
	case MR_VALUE_DURATION:
		ns = mr_time_total(v);
		break;
	case MR_VALUE_STRING:
		if (!mr_duration_parse(v->s, &text))
			return bad_text(vm, v->s, "duration (1h30m, 2.5s, 250ms)");
		ns = text;
		break;
	case MR_VALUE_INT: /* seconds */
		ns = (__int128)v->i * 1000 * US;
		break;
	default:
		return mr_vm_no_overload(vm, "duration", args, n);
	}
	if (!mr_time_value(MR_VALUE_DURATION, ns, ret))
		return out_of_range(vm, "duration");
	return 0;
}
