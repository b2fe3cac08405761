/* How the machine fails: messages, the path of what was missing, and the markers that stand on the
 * stack for a failure which && || ?? may yet absorb. */
#include "engine/core/expr_vm.h"

#include <stdio.h>
#include <string.h>

/* ---- failures ---- */

int mr_vm_fail(struct mr_vm *vm, const char *fmt, ...)
{
	va_list ap;

	vm->fail.has_key = false;
	va_start(ap, fmt);
	(void)vsnprintf(vm->fail.message, sizeof(vm->fail.message), fmt, ap);
	va_end(ap);
	return MR_E_INVALID;
}

int mr_vm_no_overload(struct mr_vm *vm, const char *what, const struct mr_value *args, unsigned n)
{
	char kinds[96];
	size_t len = 0;

	kinds[0] = '\0';
	for (unsigned i = 0; i < n && len < sizeof(kinds); i++) {
		int add = snprintf(kinds + len, sizeof(kinds) - len, "%s%s", i > 0 ? ", " : "",
		    mr_value_kind_name(args[i].kind));

		len += add > 0 ? (size_t)add : 0;
	}
	return mr_vm_fail(vm, "no such overload: %s(%s)", what, kinds);
}

int mr_vm_missing(struct mr_vm *vm, const struct mr_value *key)
{
	vm->fail.message[0] = '\0';
	vm->fail.has_key = key != NULL;
	if (key != NULL)
		vm->fail.key = *key;
	return MR_E_NOT_FOUND;
}

int mr_vm_charge(struct mr_vm *vm, uint64_t n)
{
	if (vm->budget >= n) {
		vm->budget -= n;
		return 0;
	}
	vm->budget = 0;
	(void)mr_vm_fail(vm, "the evaluation costs too much");
	return MR_E_LIMIT;
}

void *mr_vm_alloc(struct mr_vm *vm, size_t size)
{
	return mr_arena_alloc(vm->arena, size);
}

struct mr_list *mr_vm_list(struct mr_vm *vm, size_t len)
{
	return mr_list_create(vm->arena, len);
}

struct mr_map *mr_vm_map(struct mr_vm *vm, size_t len)
{
	return mr_map_create(vm->arena, len);
}

/* ---- telling a failure: the path of what was missing is read from the chains ---- */

static void path_part(struct mr_buf *b, const struct mr_chain *c)
{
	switch (c->kind) {
	case MR_CHAIN_INT:
		mr_buf_addf(b, "[%lld]", (long long)c->index);
		break;
	case MR_CHAIN_OTHER:
		mr_buf_addz(b, "[…]");
		break;
	default:
		if (c->kind == MR_CHAIN_MEMBER)
			mr_buf_addc(b, '.');
		mr_buf_adds(b, c->name);
	}
}

#define PATH_PARTS 32

static void write_chain(struct mr_buf *b, const struct mr_expr *e, int32_t chain)
{
	const struct mr_chain *parts[PATH_PARTS];
	size_t n = 0;

	for (; chain >= 0 && n < PATH_PARTS; chain = e->chains[chain].parent)
		parts[n++] = &e->chains[chain];
	if (chain >= 0)
		mr_buf_addz(b, "…");
	while (n > 0)
		path_part(b, parts[--n]);
}

static void write_key(struct mr_buf *b, const struct mr_value *key)
{
	if (key->kind == MR_VALUE_STRING)
		mr_buf_addc(b, '.');
	else
		mr_buf_addc(b, '[');
	mr_value_write_text(b, key);
	if (key->kind != MR_VALUE_STRING)
		mr_buf_addc(b, ']');
}

/* The path of what instruction PC looked for, as far as it is known. */
static void missing_path(const struct mr_vm *vm, const struct mr_fail *f, struct mr_buf *b)
{
	const struct mr_expr *e = vm->e;
	int32_t chain = e->pos[f->pc].chain;

	if (chain >= 0 && e->chains[chain].kind != MR_CHAIN_OTHER) {
		write_chain(b, e, chain);
		return;
	}
	if (chain >= 0)
		write_chain(b, e, e->chains[chain].parent);
	if (f->has_key)
		write_key(b, &f->key);
	if (chain < 0 && b->len > 0 && b->p[0] == '.')
		mr_buf_drop(b, 1);
}

/* Cut before a code point that doesn't fit. */
static void copy_text(char *to, size_t size, struct mr_str s)
{
	size_t len = s.len < size ? s.len : size - 1;

	while (len > 0 && len < s.len && ((unsigned char)s.p[len] & 0xc0) == 0x80)
		len--;
	if (len > 0)
		memcpy(to, s.p, len);
	to[len] = '\0';
}

void mr_vm_tell(struct mr_vm *vm, const struct mr_fail *f)
{
	const struct mr_expr *e = vm->e;
	const struct mr_expr_source *s;
	struct mr_expr_error *err = vm->err;
	struct mr_buf path;

	if (err == NULL)
		return;
	err->path[0] = '\0';
	s = mr_expr_source_at(e, e->pos[f->pc].offset);
	mr_expr_error_at(
	    err, s != NULL ? s->text : MR_STR(""), s != NULL ? e->pos[f->pc].offset - s->base : 0);
	if (f->r != MR_E_NOT_FOUND) {
		copy_text(err->message, sizeof(err->message),
		    f->r == MR_E_NOMEM ? MR_STR("the values are too large for the memory allowed")
		                       : mr_str(f->message));
		mr_expr_clean(err->message);
		return;
	}
	mr_buf_init(&path, 4096);
	missing_path(vm, f, &path);
	copy_text(err->path, sizeof(err->path), mr_buf_str(&path));
	mr_buf_done(&path);
	(void)snprintf(err->message, sizeof(err->message), "%s: no such value", err->path);
}

/* ---- markers: failures that wait on the stack ---- */

int mr_vm_make_marker(struct mr_vm *vm, struct mr_value *to, bool with_fail)
{
	struct mr_fail *f = NULL;

	*to = (struct mr_value){ .kind = (enum mr_value_kind)MR_VALUE_MARKER };
	to->s = MR_STR_NONE;
	if (!with_fail)
		return 0; /* nobody will ask why */
	f = vm->free_fails;
	if (f != NULL)
		vm->free_fails = f->next;
	else
		f = mr_arena_alloc(vm->arena, sizeof(*f));
	if (f == NULL)
		return MR_E_NOMEM;
	*f = vm->fail;
	to->s.p = (const char *)f;
	return 0;
}

bool mr_vm_is_marker(const struct mr_value *v)
{
	return (int)v->kind == MR_VALUE_MARKER;
}

void mr_vm_drop(struct mr_vm *vm, const struct mr_value *v)
{
	struct mr_fail *f;

	if (!mr_vm_is_marker(v) || v->s.p == NULL)
		return;
	f = (struct mr_fail *)(uintptr_t)v->s.p;
	f->next = vm->free_fails;
	vm->free_fails = f;
}

/* The marker's failure goes on where it stopped. */
int mr_vm_raise(struct mr_vm *vm, const struct mr_value *v)
{
	vm->fail = *(const struct mr_fail *)(uintptr_t)v->s.p;
	vm->raised = true;
	mr_vm_drop(vm, v);
	return vm->fail.r;
}

/* ---- && and || ---- */

/* What a side is worth: 1, 0, or -1 for an error (a marker is made of a value that is no bool). */
int mr_vm_truth(struct mr_vm *vm, struct mr_value *v, uint32_t pc, int *ret)
{
	*ret = -1;
	if (v->kind == MR_VALUE_BOOL) {
		*ret = v->b;
		return 0;
	}
	if (mr_vm_is_marker(v))
		return 0;
	vm->fail.r = mr_vm_fail(
	    vm, "no such overload: %s where a bool is needed", mr_value_kind_name(v->kind));
	vm->fail.pc = pc;
	return mr_vm_make_marker(vm, v, true);
}

/* DECIDES is the value that decides alone: true for ||, false for &&. */
int mr_vm_logic_left(struct mr_vm *vm, struct mr_value *left, uint32_t pc, bool decides, bool *ret)
{
	int t, r = mr_vm_truth(vm, left, pc, &t);

	*ret = t == (decides ? 1 : 0);
	return r;
}

int mr_vm_logic_both(struct mr_vm *vm, struct mr_value *two, uint32_t pc, bool decides)
{
	int left = -1, right, r = mr_vm_truth(vm, &two[1], pc, &right);

	if (r == 0)
		r = mr_vm_truth(vm, &two[0], pc, &left);
	if (r < 0)
		return r;
	if (right == (decides ? 1 : 0)) {
		mr_vm_drop(vm, &two[0]);
		two[0] = mr_value_bool(decides);
		return 0;
	}
	if (left < 0 || right < 0) {
		if (left < 0)
			mr_vm_drop(vm, &two[1]);
		return mr_vm_raise(vm, left < 0 ? &two[0] : &two[1]);
	}
	two[0] = mr_value_bool(!decides);
	return 0;
}
