/* Functions that make new text: replace, split, join, quote, base64. */
#include <string.h>

#include "engine/core/expr_private.h"

static int finish(struct mr_vm *vm, struct mr_buf *b, struct mr_value *ret)
{
	struct mr_str s = MR_STR_NONE;
	int r = mr_vm_charge(vm, b->len / 32);

	if (r == 0 && !mr_buf_failed(b))
		s = mr_arena_str(vm->arena, b->len > 0 ? mr_buf_str(b) : MR_STR(""));
	mr_buf_done(b);
	if (r == 0 && s.p == NULL)
		r = MR_E_NOMEM;
	if (r == 0)
		*ret = mr_value_str(s);
	return r;
}

/* ---- replace ---- */

/* An empty needle stands before each code point and at the end. */
static void replace_empty(struct mr_buf *b, struct mr_str s, struct mr_str with, int64_t limit)
{
	size_t at = 0;

	for (; limit != 0 && !mr_buf_failed(b); limit--) {
		size_t len = at < s.len ? mr_utf8_len(s.p + at) : 0;

		mr_buf_adds(b, with);
		if (at == s.len)
			return;
		mr_buf_add(b, s.p + at, len);
		at += len;
	}
	mr_buf_add(b, s.p + at, s.len - at);
}

static void replace(
    struct mr_buf *b, struct mr_str s, struct mr_str old, struct mr_str with, int64_t limit)
{
	const char *found;

	for (; limit != 0 && !mr_buf_failed(b); limit--) {
		found = memmem(s.p, s.len, old.p, old.len);
		if (found == NULL)
			break;
		mr_buf_add(b, s.p, (size_t)(found - s.p));
		mr_buf_adds(b, with);
		s.len -= (size_t)(found - s.p) + old.len;
		s.p = found + old.len;
	}
	mr_buf_adds(b, s);
}

int mr_fn_replace(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_buf b;
	int r;

	for (unsigned i = 0; i < n; i++) {
		if (args[i].kind != (i < 3 ? MR_VALUE_STRING : MR_VALUE_INT))
			return mr_vm_no_overload(vm, "replace", args, n);
	}
	r = mr_vm_charge(vm, args[0].s.len / 16);
	if (r < 0)
		return r;
	mr_buf_init(&b, mr_arena_max(vm->arena));
	if (args[1].s.len == 0)
		replace_empty(&b, args[0].s, args[2].s, n == 4 ? args[3].i : -1);
	else
		replace(&b, args[0].s, args[1].s, args[2].s, n == 4 ? args[3].i : -1);
	return finish(vm, &b, ret);
}

/* ---- split and join ---- */

/* The next part of S, which moves behind the separator. */
static struct mr_str next_part(struct mr_str *s, struct mr_str sep)
{
	struct mr_str part = *s;
	const char *found;

	if (sep.len == 0) {
		part.len = mr_utf8_len(s->p);
		*s = (struct mr_str){ s->p + part.len, s->len - part.len };
		return part;
	}
	found = memmem(s->p, s->len, sep.p, sep.len);
	if (found == NULL) {
		*s = MR_STR_NONE;
		return part;
	}
	part.len = (size_t)(found - s->p);
	*s = (struct mr_str){ found + sep.len, s->len - part.len - sep.len };
	return part;
}

static size_t count_parts(struct mr_str s, struct mr_str sep)
{
	const char *found;
	size_t parts = 1;

	if (sep.len == 0)
		return mr_utf8_count(s);
	while ((found = memmem(s.p, s.len, sep.p, sep.len)) != NULL) {
		parts++;
		s.len -= (size_t)(found - s.p) + sep.len;
		s.p = found + sep.len;
	}
	return parts;
}

int mr_fn_split(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_str rest, sep;
	struct mr_list *l;
	size_t parts;
	int r;

	for (unsigned i = 0; i < n; i++) {
		if (args[i].kind != (i < 2 ? MR_VALUE_STRING : MR_VALUE_INT))
			return mr_vm_no_overload(vm, "split", args, n);
	}
	rest = args[0].s;
	sep = args[1].s;
	r = mr_vm_charge(vm, rest.len / 16);
	if (r < 0)
		return r;
	parts = count_parts(rest, sep);
	if (n == 3 && args[2].i >= 0 && (uint64_t)args[2].i < parts)
		parts = (size_t)args[2].i;
	r = mr_vm_charge(vm, parts / 4);
	if (r < 0)
		return r;
	l = mr_vm_list(vm, parts);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < parts; i++)
		l->items[i] = mr_value_str(i + 1 < parts ? next_part(&rest, sep) : rest);
	*ret = mr_value_list(l);
	return 0;
}

int mr_fn_join(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_str sep = n == 2 ? args[1].s : MR_STR("");
	const struct mr_list *l;
	struct mr_buf b;
	int r;

	if (args[0].kind != MR_VALUE_LIST || (n == 2 && args[1].kind != MR_VALUE_STRING))
		return mr_vm_no_overload(vm, "join", args, n);
	l = args[0].list;
	r = mr_vm_charge(vm, l->len / 4);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->len; i++) {
		if (l->items[i].kind != MR_VALUE_STRING)
			return mr_vm_fail(vm,
			    "join() takes a list of strings, this one holds a value of type %s",
			    mr_value_kind_name(l->items[i].kind));
	}
	mr_buf_init(&b, mr_arena_max(vm->arena));
	for (size_t i = 0; i < l->len; i++) {
		if (i > 0)
			mr_buf_adds(&b, sep);
		mr_buf_adds(&b, l->items[i].s);
	}
	return finish(vm, &b, ret);
}

/* ---- quote ---- */

int mr_fn_quote(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", into[] = "abfnrtv\\\"";
	struct mr_buf b;

	if (args[0].kind != MR_VALUE_STRING)
		return mr_vm_no_overload(vm, "strings.quote", args, n);
	if (mr_vm_charge(vm, args[0].s.len / 8) < 0)
		return MR_E_LIMIT;
	mr_buf_init(&b, mr_arena_max(vm->arena));
	mr_buf_addc(&b, '"');
	for (size_t i = 0; i < args[0].s.len; i++) {
		char c = args[0].s.p[i];
		const char *found = c != '\0' ? strchr(from, c) : NULL;

		if (found != NULL) {
			mr_buf_addc(&b, '\\');
			c = into[found - from];
		}
		mr_buf_addc(&b, c);
	}
	mr_buf_addc(&b, '"');
	return finish(vm, &b, ret);
}

/* ---- base64 ---- */

int mr_fn_base64_encode(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_value bytes = mr_value_bytes(args[0].s);
	struct mr_buf b;

	if (args[0].kind != MR_VALUE_BYTES && args[0].kind != MR_VALUE_STRING)
		return mr_vm_no_overload(vm, "base64.encode", args, n);
	mr_buf_init(&b, mr_arena_max(vm->arena));
	mr_value_write_text(&b, &bytes);
	return finish(vm, &b, ret);
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int mr_fn_base64_decode(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_str s = args[0].s;
	uint32_t word = 0;
	unsigned bits = 0;
	char *p, *to;

	if (args[0].kind != MR_VALUE_STRING)
		return mr_vm_no_overload(vm, "base64.decode", args, n);
	if (mr_vm_charge(vm, s.len / 32) < 0)
		return MR_E_LIMIT;
	if (s.len % 4 == 0) /* padding may be left out, but is at most two signs */
		s.len -= s.len > 0 && s.p[s.len - 1] == '=' ? s.p[s.len - 2] == '=' ? 2 : 1 : 0;
	to = p = mr_vm_alloc(vm, s.len);
	if (p == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		int digit = base64_digit(s.p[i]);

		if (digit < 0)
			return mr_vm_fail(vm, "the text is not valid base64");
		word = (word << 6) | (uint32_t)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*to++ = (char)(word >> bits);
		}
	}
	if (bits >= 6 || (word & ((1u << bits) - 1)) != 0)
		return mr_vm_fail(vm, "the text is not valid base64");
	*ret = mr_value_bytes((struct mr_str){ p, (size_t)(to - p) });
	return 0;
}
