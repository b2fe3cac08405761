/* math.*: numbers of each type keep their type. */
#include <math.h>

#include "engine/core/expr_private.h"

/* greatest and least, of the arguments or of one list. */
static int extreme(struct mr_vm *vm, const char *name, const struct mr_value *args, unsigned n,
    int wanted, struct mr_value *ret)
{
	const struct mr_value *items = args;
	size_t len = n, best = 0;

	if (n == 1 && args[0].kind == MR_VALUE_LIST) {
		items = args[0].list->items;
		len = args[0].list->len;
		if (mr_vm_charge(vm, len / 4) < 0)
			return MR_E_LIMIT;
		if (len == 0)
			return mr_vm_fail(vm, "%s() of an empty list", name);
	}
	for (size_t i = 0; i < len; i++) {
		if (!mr_value_is_number(&items[i]))
			return mr_vm_no_overload(vm, name, &items[i], 1);
		if (mr_number_cmp(&items[i], &items[best]) == wanted)
			best = i;
	}
	*ret = items[best];
	return 0;
}

int mr_fn_math_greatest(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	return extreme(vm, "math.greatest", args, n, 1, ret);
}

int mr_fn_math_least(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	return extreme(vm, "math.least", args, n, -1, ret);
}

/* Rounding is for doubles alone, as in CEL. */
static int rounded(struct mr_vm *vm, const char *name, const struct mr_value *args,
    double (*fn)(double), struct mr_value *ret)
{
	if (args[0].kind != MR_VALUE_DOUBLE)
		return mr_vm_no_overload(vm, name, args, 1);
	*ret = mr_value_double(fn(args[0].d));
	return 0;
}

int mr_fn_math_ceil(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)n;
	return rounded(vm, "math.ceil", args, ceil, ret);
}

int mr_fn_math_floor(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)n;
	return rounded(vm, "math.floor", args, floor, ret);
}

int mr_fn_math_round(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)n;
	return rounded(vm, "math.round", args, round, ret); /* halves away from zero */
}

int mr_fn_math_trunc(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)n;
	return rounded(vm, "math.trunc", args, trunc, ret);
}

int mr_fn_math_abs(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	switch (args[0].kind) {
	case MR_VALUE_INT:
		if (args[0].i == INT64_MIN)
			return mr_vm_fail(vm, "integer overflow");
		*ret = mr_value_int(args[0].i < 0 ? -args[0].i : args[0].i);
		return 0;
	case MR_VALUE_UINT:
		*ret = args[0];
		return 0;
	case MR_VALUE_DOUBLE:
		*ret = mr_value_double(fabs(args[0].d));
		return 0;
	default:
		return mr_vm_no_overload(vm, "math.abs", args, n);
	}
}

int mr_fn_math_sign(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	double d;

	switch (args[0].kind) {
	case MR_VALUE_INT:
		*ret = mr_value_int((args[0].i > 0) - (args[0].i < 0));
		return 0;
	case MR_VALUE_UINT:
		*ret = mr_value_uint(args[0].u > 0);
		return 0;
	case MR_VALUE_DOUBLE:
		d = args[0].d;
		*ret = mr_value_double(isnan(d) ? d : (double)((d > 0) - (d < 0)));
		return 0;
	default:
		return mr_vm_no_overload(vm, "math.sign", args, n);
	}
}

int mr_fn_math_sqrt(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	const struct mr_value *v = &args[0];

	if (!mr_value_is_number(v))
		return mr_vm_no_overload(vm, "math.sqrt", args, n);
	*ret = mr_value_double(sqrt(v->kind == MR_VALUE_INT    ? (double)v->i
	                            : v->kind == MR_VALUE_UINT ? (double)v->u
	                                                       : v->d));
	return 0;
}

static int only_double(struct mr_vm *vm, const char *name, const struct mr_value *args)
{
	return args[0].kind == MR_VALUE_DOUBLE ? 0 : mr_vm_no_overload(vm, name, args, 1);
}

int mr_fn_math_is_nan(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = only_double(vm, "math.isNaN", args);

	(void)n;
	if (r == 0)
		*ret = mr_value_bool(isnan(args[0].d));
	return r;
}

int mr_fn_math_is_inf(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = only_double(vm, "math.isInf", args);

	(void)n;
	if (r == 0)
		*ret = mr_value_bool(isinf(args[0].d));
	return r;
}

int mr_fn_math_is_finite(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = only_double(vm, "math.isFinite", args);

	(void)n;
	if (r == 0)
		*ret = mr_value_bool(isfinite(args[0].d));
	return r;
}

/* ---- bits ---- */

/* Both arguments of one integer type: their bits. */
static int bits(
    struct mr_vm *vm, const char *name, const struct mr_value *args, uint64_t *a, uint64_t *b)
{
	if (args[0].kind != args[1].kind ||
	    (args[0].kind != MR_VALUE_INT && args[0].kind != MR_VALUE_UINT))
		return mr_vm_no_overload(vm, name, args, 2);
	*a = args[0].u;
	*b = args[1].u;
	return 0;
}

static struct mr_value from_bits(enum mr_value_kind kind, uint64_t u)
{
	return (struct mr_value){ .kind = kind, .u = u };
}

int mr_fn_math_bit_and(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	uint64_t a = 0, b = 0;
	int r = bits(vm, "math.bitAnd", args, &a, &b);

	(void)n;
	if (r == 0)
		*ret = from_bits(args[0].kind, a & b);
	return r;
}

int mr_fn_math_bit_or(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	uint64_t a = 0, b = 0;
	int r = bits(vm, "math.bitOr", args, &a, &b);

	(void)n;
	if (r == 0)
		*ret = from_bits(args[0].kind, a | b);
	return r;
}

int mr_fn_math_bit_xor(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	uint64_t a = 0, b = 0;
	int r = bits(vm, "math.bitXor", args, &a, &b);

	(void)n;
	if (r == 0)
		*ret = from_bits(args[0].kind, a ^ b);
	return r;
}

int mr_fn_math_bit_not(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	if (args[0].kind != MR_VALUE_INT && args[0].kind != MR_VALUE_UINT)
		return mr_vm_no_overload(vm, "math.bitNot", args, n);
	*ret = from_bits(args[0].kind, ~args[0].u);
	return 0;
}

/* Zeros come in from either side; by 64 and more nothing is left. */
static int shift(struct mr_vm *vm, const char *name, const struct mr_value *args, bool left,
    struct mr_value *ret)
{
	enum mr_value_kind kind = args[0].kind;
	uint64_t u = args[0].u;
	int64_t by = args[1].i;

	if ((kind != MR_VALUE_INT && kind != MR_VALUE_UINT) || args[1].kind != MR_VALUE_INT)
		return mr_vm_no_overload(vm, name, args, 2);
	if (by < 0)
		return mr_vm_fail(vm, "%s() by a negative number", name);
	if (by >= 64)
		u = 0;
	else
		u = left ? u << by : u >> by;
	*ret = from_bits(kind, u);
	return 0;
}

int mr_fn_math_shift_left(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)n;
	return shift(vm, "math.bitShiftLeft", args, true, ret);
}

int mr_fn_math_shift_right(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)n;
	return shift(vm, "math.bitShiftRight", args, false, ret);
}
