/* Functions of strings that look into them or cut them; positions count code points. */
#include <string.h>

#include "engine/core/expr_private.h"

static int need(struct mr_vm *vm, const char *name, const struct mr_value *args, unsigned n,
    unsigned strings, unsigned ints)
{
	for (unsigned i = 0; i < n; i++) {
		bool ok = i < strings ? args[i].kind == MR_VALUE_STRING
		                      : i < strings + ints && args[i].kind == MR_VALUE_INT;

		if (!ok)
			return mr_vm_no_overload(vm, name, args, n);
	}
	return mr_vm_charge(vm, args[0].s.len / 16);
}

/* The byte at which code point AT begins; the end when AT is just past the last one. -1: beyond. */
static int64_t byte_at(struct mr_str s, int64_t at)
{
	size_t i = 0;

	if (at < 0)
		return -1;
	for (; at > 0 && i < s.len; at--)
		i += mr_utf8_len(s.p + i);
	return at == 0 ? (int64_t)i : -1;
}

/* ---- asking ---- */

int mr_fn_contains(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "contains", args, n, 2, 0);

	if (r == 0)
		*ret = mr_value_bool(args[1].s.len == 0 || memmem(args[0].s.p, args[0].s.len,
		                                               args[1].s.p, args[1].s.len) != NULL);
	return r;
}

int mr_fn_starts_with(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "startsWith", args, n, 2, 0);

	if (r == 0)
		*ret = mr_value_bool(mr_str_starts(args[0].s, args[1].s));
	return r;
}

int mr_fn_ends_with(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "endsWith", args, n, 2, 0);
	struct mr_str s, end;

	if (r < 0)
		return r;
	s = args[0].s;
	end = args[1].s;
	*ret = mr_value_bool(s.len >= end.len &&
	                     (end.len == 0 || memcmp(s.p + s.len - end.len, end.p, end.len) == 0));
	return 0;
}

int mr_fn_index_of(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "indexOf", args, n, 2, 1);
	int64_t from = 0;
	const char *found;
	struct mr_str s;

	if (r < 0)
		return r;
	s = args[0].s;
	if (n == 3) {
		from = byte_at(s, args[2].i);
		if (from < 0)
			return mr_vm_fail(
			    vm, "index %lld is out of the string's range", (long long)args[2].i);
	}
	found = args[1].s.len == 0
	            ? s.p + from
	            : memmem(s.p + from, s.len - (size_t)from, args[1].s.p, args[1].s.len);
	if (found == NULL)
		*ret = mr_value_int(-1);
	else
		*ret = mr_value_int(
		    (int64_t)mr_utf8_count((struct mr_str){ s.p, (size_t)(found - s.p) }));
	return 0;
}

/* The last place of NEEDLE that begins at byte FROM or before it. */
static int64_t find_last(struct mr_str s, struct mr_str needle, size_t from)
{
	if (needle.len > s.len)
		return -1;
	if (from > s.len - needle.len)
		from = s.len - needle.len;
	for (size_t i = from + 1; i > 0; i--) {
		if (needle.len == 0 || memcmp(s.p + i - 1, needle.p, needle.len) == 0)
			return (int64_t)(i - 1);
	}
	return -1;
}

int mr_fn_last_index_of(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "lastIndexOf", args, n, 2, 1);
	int64_t from, found;
	struct mr_str s;

	if (r < 0)
		return r;
	s = args[0].s;
	from = (int64_t)s.len;
	if (n == 3) {
		from = byte_at(s, args[2].i);
		if (from < 0)
			return mr_vm_fail(
			    vm, "index %lld is out of the string's range", (long long)args[2].i);
	}
	/* each place may compare the whole needle */
	r = mr_vm_charge(vm, s.len / 16 * (args[1].s.len / 64));
	if (r < 0)
		return r;
	found = find_last(s, args[1].s, (size_t)from);
	if (found >= 0)
		found = (int64_t)mr_utf8_count((struct mr_str){ s.p, (size_t)found });
	*ret = mr_value_int(found);
	return 0;
}

/* ---- cutting ---- */

int mr_fn_char_at(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "charAt", args, n, 1, 1);
	struct mr_str s;
	int64_t at;

	if (r < 0)
		return r;
	s = args[0].s;
	at = byte_at(s, args[1].i);
	if (at < 0)
		return mr_vm_fail(
		    vm, "index %lld is out of the string's range", (long long)args[1].i);
	if ((size_t)at == s.len)
		*ret = mr_value_str(MR_STR(""));
	else
		*ret = mr_value_str((struct mr_str){ s.p + at, mr_utf8_len(s.p + at) });
	return 0;
}

int mr_fn_substring(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "substring", args, n, 1, 2);
	int64_t from, to;
	struct mr_str s;

	if (r < 0)
		return r;
	s = args[0].s;
	from = byte_at(s, args[1].i);
	to = n == 3 ? byte_at(s, args[2].i) : (int64_t)s.len;
	if (from < 0 || to < from)
		return mr_vm_fail(vm, "substring(%lld, %lld) is out of the string's range",
		    (long long)args[1].i, n == 3 ? (long long)args[2].i : (long long)s.len);
	*ret = mr_value_str((struct mr_str){ s.p + from, (size_t)(to - from) });
	return 0;
}

static bool is_space(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

int mr_fn_trim(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "trim", args, n, 1, 0);
	size_t begin = 0, end, at;
	struct mr_str s;

	if (r < 0)
		return r;
	s = args[0].s;
	while (begin < s.len && is_space(mr_utf8_get(s.p + begin)))
		begin += mr_utf8_len(s.p + begin);
	for (end = s.len; end > begin; end = at) {
		at = end - 1;
		while (((unsigned char)s.p[at] & 0xc0) == 0x80)
			at--;
		if (!is_space(mr_utf8_get(s.p + at)))
			break;
	}
	*ret = mr_value_str((struct mr_str){ s.p + begin, end - begin });
	return 0;
}

/* ---- changing each letter ---- */

static int change_case(
    struct mr_vm *vm, struct mr_str s, char first, char last, struct mr_value *ret)
{
	char *p = mr_vm_alloc(vm, s.len);

	if (p == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s.len; i++)
		p[i] = s.p[i] >= first && s.p[i] <= last ? (char)(s.p[i] ^ 0x20) : s.p[i];
	*ret = mr_value_str((struct mr_str){ p, s.len });
	return 0;
}

int mr_fn_lower_ascii(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "lowerAscii", args, n, 1, 0);

	return r < 0 ? r : change_case(vm, args[0].s, 'A', 'Z', ret);
}

int mr_fn_upper_ascii(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need(vm, "upperAscii", args, n, 1, 0);

	return r < 0 ? r : change_case(vm, args[0].s, 'a', 'z', ret);
}

int mr_fn_reverse(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_str s;
	char *p;
	int r;

	if (args[0].kind == MR_VALUE_LIST)
		return mr_list_reverse(vm, args, ret);
	r = need(vm, "reverse", args, n, 1, 0);
	if (r < 0)
		return r;
	s = args[0].s;
	p = mr_vm_alloc(vm, s.len);
	if (p == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s.len;) {
		size_t len = mr_utf8_len(s.p + i);

		memcpy(p + s.len - i - len, s.p + i, len);
		i += len;
	}
	*ret = mr_value_str((struct mr_str){ p, s.len });
	return 0;
}
