/* "…".format([…]): CEL's %s %d %f %e %b %o %x %X with an optional precision. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/expr_private.h"

#define PRECISION_MAX   50
#define FLOATING_CHARGE 50
#define FLOATING_LONG   500 /* hundreds of digits */

struct clause {
	char letter;
	int precision; /* -1: none given */
};

/* ---- %s ---- */

static void write_double(struct mr_buf *b, double d)
{
	struct mr_value v = mr_value_double(d);
	size_t before = b->len;

	mr_value_write_text(b, &v);
	if (!mr_buf_failed(b) && b->len - before > 2 && memcmp(b->p + b->len - 2, ".0", 2) == 0)
		b->len -= 2;
}

static int write_scalar(struct mr_vm *vm, struct mr_buf *b, const struct mr_value *v)
{
	if (v->kind == MR_VALUE_BYTES) {
		if (!mr_str_is_utf8(v->s))
			return mr_vm_fail(vm, "the bytes are not valid UTF-8");
		mr_buf_adds(b, v->s);
	} else if (v->kind == MR_VALUE_DOUBLE) {
		write_double(b, v->d);
	} else {
		mr_value_write_text(b, v);
	}
	return 0;
}

static int compare_keys(const void *a, const void *b)
{
	return mr_str_cmp(
	    ((const struct mr_member *)a)->key.s, ((const struct mr_member *)b)->key.s);
}

/* A copy with its keys as text, in their order. */
static int sorted_map(struct mr_vm *vm, const struct mr_map *m, const struct mr_map **ret)
{
	struct mr_map *copy = mr_vm_map(vm, m->len);
	struct mr_buf b;
	int r;

	if (copy == NULL)
		return MR_E_NOMEM;
	r = mr_vm_charge(vm, m->len);
	for (size_t i = 0; r == 0 && i < m->len; i++) {
		copy->members[i] = m->members[i];
		if (m->members[i].key.kind == MR_VALUE_STRING)
			continue;
		mr_buf_init(&b, 4096);
		mr_value_write_text(&b, &m->members[i].key);
		copy->members[i].key = mr_value_str(mr_arena_str(vm->arena, mr_buf_str(&b)));
		mr_buf_done(&b);
		if (copy->members[i].key.s.p == NULL)
			r = MR_E_NOMEM;
	}
	if (r == 0 && copy->len > 1)
		qsort(copy->members, copy->len, sizeof(copy->members[0]), compare_keys);
	*ret = copy;
	return r;
}

static int write_one(
    struct mr_vm *vm, struct mr_buf *b, struct mr_walk *w, const struct mr_value *v)
{
	const struct mr_map *m;
	int r;

	if (v->kind == MR_VALUE_LIST) {
		mr_buf_addc(b, '[');
		return mr_walk_push(w, v->list, NULL) != NULL ? 0 : MR_E_NOMEM;
	}
	if (v->kind != MR_VALUE_MAP)
		return write_scalar(vm, b, v);
	r = sorted_map(vm, v->map, &m);
	if (r < 0)
		return r;
	mr_buf_addc(b, '{');
	/* a map's frame has it as OTHER too, a list's has not */
	return mr_walk_push(w, m, m) != NULL ? 0 : MR_E_NOMEM;
}

static int write_next(
    struct mr_vm *vm, struct mr_buf *b, struct mr_walk *w, struct mr_walk_frame *f)
{
	const struct mr_list *l = f->at;
	const struct mr_map *m = f->other;
	size_t at = f->next++;
	int r = mr_vm_charge(vm, 1);

	if (r < 0)
		return r;
	if (at == (m != NULL ? m->len : l->len)) {
		mr_buf_addc(b, m != NULL ? '}' : ']');
		mr_walk_pop(w);
		return 0;
	}
	if (at > 0)
		mr_buf_addz(b, ", ");
	if (m == NULL)
		return write_one(vm, b, w, &l->items[at]);
	mr_buf_adds(b, m->members[at].key.s);
	mr_buf_addz(b, ": ");
	return write_one(vm, b, w, &m->members[at].value);
}

static int write_string(struct mr_vm *vm, struct mr_buf *b, const struct mr_value *v)
{
	struct mr_walk_frame *f;
	struct mr_walk w;
	int r;

	mr_walk_init(&w);
	r = write_one(vm, b, &w, v);
	while (r == 0 && !mr_buf_failed(b) && (f = mr_walk_top(&w)) != NULL)
		r = write_next(vm, b, &w, f);
	mr_walk_done(&w);
	return r;
}

/* ---- numbers ---- */

static int wrong(struct mr_vm *vm, char letter, const struct mr_value *v)
{
	return mr_vm_fail(
	    vm, "%%%c can't format a value of type %s", letter, mr_value_kind_name(v->kind));
}

/* Whether its digits take long to work out. */
static bool is_long(double d)
{
	return isfinite(d) && d != 0 && (fabs(d) > 1e17 || fabs(d) < 1e-17);
}

static int write_floating(
    struct mr_vm *vm, struct mr_buf *b, const struct clause *c, const struct mr_value *v)
{
	double d;

	if (!mr_value_is_number(v))
		return wrong(vm, c->letter, v);
	d = v->kind == MR_VALUE_INT ? (double)v->i : v->kind == MR_VALUE_UINT ? (double)v->u : v->d;
	if (mr_vm_charge(vm, FLOATING_CHARGE) < 0 ||
	    (is_long(d) && mr_vm_charge(vm, FLOATING_LONG) < 0))
		return MR_E_LIMIT;
	if (!isfinite(d))
		write_double(b, d);
	else if (c->letter == 'f')
		mr_buf_addf(b, "%.*f", c->precision >= 0 ? c->precision : 6, d);
	else
		mr_buf_addf(b, "%.*e", c->precision >= 0 ? c->precision : 6, d);
	return 0;
}

static int write_decimal(struct mr_vm *vm, struct mr_buf *b, const struct mr_value *v)
{
	if (!mr_value_is_number(v))
		return wrong(vm, 'd', v);
	if (v->kind == MR_VALUE_DOUBLE)
		write_double(b, v->d);
	else
		mr_value_write_text(b, v);
	return 0;
}

/* The sign, and the size without it. */
static int magnitude(struct mr_vm *vm, struct mr_buf *b, const struct clause *c,
    const struct mr_value *v, uint64_t *ret)
{
	if (v->kind == MR_VALUE_BOOL && c->letter == 'b') {
		*ret = v->b;
	} else if (v->kind == MR_VALUE_UINT) {
		*ret = v->u;
	} else if (v->kind == MR_VALUE_INT) {
		if (v->i < 0)
			mr_buf_addc(b, '-');
		*ret = v->i < 0 ? 0 - (uint64_t)v->i : (uint64_t)v->i;
	} else {
		return wrong(vm, c->letter, v);
	}
	return 0;
}

static void write_hex_bytes(struct mr_buf *b, struct mr_str s, bool upper)
{
	for (size_t i = 0; i < s.len && !mr_buf_failed(b); i++)
		mr_buf_addf(b, upper ? "%02X" : "%02x", (unsigned char)s.p[i]);
}

static int write_based(
    struct mr_vm *vm, struct mr_buf *b, const struct clause *c, const struct mr_value *v)
{
	uint64_t u = 0;
	int r;

	if ((v->kind == MR_VALUE_STRING || v->kind == MR_VALUE_BYTES) &&
	    (c->letter == 'x' || c->letter == 'X')) {
		write_hex_bytes(b, v->s, c->letter == 'X');
		return mr_vm_charge(vm, v->s.len / 8);
	}
	r = magnitude(vm, b, c, v, &u);
	if (r < 0)
		return r;
	if (c->letter == 'b') {
		int bit = 63;

		while (bit > 0 && (u >> bit) == 0)
			bit--;
		for (; bit >= 0; bit--)
			mr_buf_addc(b, (u >> bit) & 1 ? '1' : '0');
	} else if (c->letter == 'o') {
		mr_buf_addf(b, "%" PRIo64, u);
	} else if (c->letter == 'x') {
		mr_buf_addf(b, "%" PRIx64, u);
	} else {
		mr_buf_addf(b, "%" PRIX64, u);
	}
	return 0;
}

/* ---- clauses ---- */

/* What follows a %; *AT moves behind it. */
static int read_clause(struct mr_vm *vm, struct mr_str s, size_t *at, struct clause *ret)
{
	size_t i = *at;

	ret->precision = -1;
	if (i < s.len && s.p[i] == '.') {
		ret->precision = 0;
		for (i++; i < s.len && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
			ret->precision = ret->precision * 10 + (s.p[i] - '0');
			if (ret->precision > PRECISION_MAX)
				return mr_vm_fail(
				    vm, "a precision is at most %d digits", PRECISION_MAX);
		}
	}
	if (i >= s.len)
		return mr_vm_fail(vm, "the format ends after %%");
	ret->letter = s.p[i];
	*at = i + 1;
	return 0;
}

static int write_clause(
    struct mr_vm *vm, struct mr_buf *b, const struct clause *c, const struct mr_value *v)
{
	switch (c->letter) {
	case 's':
		return write_string(vm, b, v);
	case 'd':
		return write_decimal(vm, b, v);
	case 'f':
	case 'e':
		return write_floating(vm, b, c, v);
	case 'b':
	case 'o':
	case 'x':
	case 'X':
		return write_based(vm, b, c, v);
	default:
		if (c->letter > ' ' && c->letter < 0x7f)
			return mr_vm_fail(vm, "%%%c is no format", c->letter);
		return mr_vm_fail(vm, "an unknown format after %%");
	}
}

static int format(struct mr_vm *vm, struct mr_buf *b, struct mr_str s, const struct mr_list *l)
{
	size_t at = 0, arg = 0;
	struct clause c = { 0 };
	int r = 0;

	while (r == 0 && at < s.len) {
		const char *percent = memchr(s.p + at, '%', s.len - at);
		size_t end = percent != NULL ? (size_t)(percent - s.p) : s.len;

		mr_buf_add(b, s.p + at, end - at);
		at = end + 1;
		if (percent == NULL)
			break;
		if (at < s.len && s.p[at] == '%') {
			mr_buf_addc(b, '%');
			at++;
			continue;
		}
		r = read_clause(vm, s, &at, &c);
		if (r == 0 && arg >= l->len)
			return mr_vm_fail(vm, "format() has only %zu arguments", l->len);
		if (r == 0)
			r = write_clause(vm, b, &c, &l->items[arg++]);
	}
	return r;
}

int mr_fn_format(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_str text = MR_STR_NONE;
	struct mr_buf b;
	int r;

	if (args[0].kind != MR_VALUE_STRING || args[1].kind != MR_VALUE_LIST)
		return mr_vm_no_overload(vm, "format", args, n);
	mr_buf_init(&b, mr_arena_max(vm->arena));
	r = format(vm, &b, args[0].s, args[1].list);
	if (r == 0)
		r = mr_vm_charge(vm, b.len / 32);
	if (r == 0 && !mr_buf_failed(&b))
		text = mr_arena_str(vm->arena, b.len > 0 ? mr_buf_str(&b) : MR_STR(""));
	mr_buf_done(&b);
	if (r == 0 && text.p == NULL)
		r = MR_E_NOMEM;
	if (r == 0)
		*ret = mr_value_str(text);
	return r;
}
