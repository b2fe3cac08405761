/*
 * Cursors of lists. An input that begins with '?' is a cursor as a client might make it up; any
 * other is what a page ended with, whose cursor must come back as it was, and never for another
 * tenant, other filters, or with a character changed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mr_route route = { .method = MR_GET, .path = "/things" };
static const struct mr_route_vars no_vars;

static void must(bool ok)
{
	if (!ok)
		abort();
}

struct asked {
	struct mr_request r;
	struct mr_call call;
	struct mr_principal principal;
	struct mr_pair filter;
};

static void ask(struct asked *q, struct mr_arena *a, int64_t tenant, struct mr_str filter)
{
	memset(q, 0, sizeof(*q));
	q->principal.tenant_id = tenant;
	q->call.vars = &no_vars;
	q->filter = (struct mr_pair){ MR_STR("status"), filter };
	q->r.arena = a;
	q->r.route = &route;
	q->r.call = &q->call;
	q->r.principal = &q->principal;
	q->r.query_args = &q->filter;
	q->r.query_args_len = 1;
}

static void made_up(struct mr_arena *a, struct mr_str text)
{
	struct mr_cursor c;
	struct asked q;
	int r;

	ask(&q, a, 1, MR_STR("active"));
	r = mr_cursor_decode(&q.r, text, &c);
	must(r == MR_E_INVALID); /* 96 bits of a checksum: no chance finds them */
}

static void refused(struct mr_arena *a, int64_t tenant, struct mr_str filter, struct mr_str text)
{
	struct mr_cursor c;
	struct asked q;

	ask(&q, a, tenant, filter);
	must(mr_cursor_decode(&q.r, text, &c) == MR_E_INVALID);
}

static void same(const struct mr_cursor *a, const struct mr_cursor *b)
{
	must(a->order == b->order && a->offset == b->offset && a->total == b->total);
	must(a->total_exact == b->total_exact && mr_str_eq(a->id, b->id));
	must((a->key.p == NULL) == (b->key.p == NULL) && mr_str_eq(a->key, b->key));
}

static void round_trip(struct mr_arena *a, const uint8_t *data, struct mr_str key)
{
	struct mr_cursor c = { .order = data[0], .id = MR_STR("9007199254740991"), .key = key },
	                 back;
	struct mr_str text;
	struct asked q;
	char *changed;
	int r;

	memcpy(&c.offset, data + 1, 4); /* never negative */
	memcpy(&c.total, data + 5, 4);
	c.total_exact = (data[9] & 1) != 0;
	if ((data[9] & 2) != 0)
		c.key = MR_STR_NONE;
	ask(&q, a, 1, MR_STR("active"));
	text = mr_cursor_encode(&q.r, &c);
	must(text.p != NULL);
	for (size_t i = 0; i < text.len; i++)
		must(strchr("-_", text.p[i]) != NULL || (text.p[i] >= '0' && text.p[i] <= '9') ||
		     ((text.p[i] | 32) >= 'a' && (text.p[i] | 32) <= 'z'));
	r = mr_cursor_decode(&q.r, text, &back);
	must(r == 0 || (r == MR_E_INVALID && text.len > 4096));
	if (r < 0)
		return;
	same(&c, &back);
	refused(a, 2, MR_STR("active"), text);
	refused(a, 1, MR_STR("paused"), text);
	refused(a, 1, MR_STR_NONE, text);
	changed = mr_arena_strz(a, text);
	must(changed != NULL);
	changed[data[0] % text.len] = changed[data[0] % text.len] == 'A' ? 'B' : 'A';
	refused(a, 1, MR_STR("active"), (struct mr_str){ changed, text.len });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(8u << 20);

	must(a != NULL);
	if (size > 0 && data[0] == '?')
		made_up(a, (struct mr_str){ (const char *)data + 1, size - 1 });
	else if (size >= 10 && memchr(data + 10, 0, size - 10) == NULL)
		round_trip(a, data, (struct mr_str){ (const char *)data + 10, size - 10 });
	a = mr_arena_free(a);
	return 0;
}
