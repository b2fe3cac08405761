/* The table of functions, and the text primitives that its files share. */
#include <string.h>

#include "engine/core/expr_private.h"

const struct mr_expr_fn_row mr_expr_fns[] = {
#define MR_EXPR_FN(name, is_method, min, max, fn) { name, is_method, min, max, fn },
#include "engine/core/expr_fns.def"
#undef MR_EXPR_FN
};
const size_t mr_expr_fns_len = MR_ARRAY_LEN(mr_expr_fns);

int mr_expr_fn_find(struct mr_str name, bool is_method, int n)
{
	for (size_t i = 0; i < mr_expr_fns_len; i++) {
		const struct mr_expr_fn_row *f = &mr_expr_fns[i];

		if (f->is_method == is_method && mr_str_eqz(name, f->name) &&
		    (n < 0 || (n >= f->min && n <= f->max)))
			return (int)i;
	}
	return -1;
}

size_t mr_utf8_count(struct mr_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

uint32_t mr_utf8_get(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	switch (mr_utf8_len(p)) {
	case 1:
		return u[0];
	case 2:
		return ((u[0] & 0x1fu) << 6) | (u[1] & 0x3fu);
	case 3:
		return ((u[0] & 0x0fu) << 12) | ((u[1] & 0x3fu) << 6) | (u[2] & 0x3fu);
	default:
		return ((u[0] & 0x07u) << 18) | ((u[1] & 0x3fu) << 12) | ((u[2] & 0x3fu) << 6) |
		       (u[3] & 0x3fu);
	}
}
