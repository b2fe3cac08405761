#include "fcgi/cursor.h"

#include <string.h>

#include "lib/digest.h"

#define SUM_LEN  12
#define TEXT_MAX 4096

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct mr_str base64url(struct mr_arena *a, struct mr_str s)
{
	char *out = mr_arena_alloc(a, s.len / 3 * 4 + 5);
	unsigned acc = 0, bits = 0;
	size_t n = 0;

	if (out == NULL)
		return MR_STR_NONE;
	for (size_t i = 0; i < s.len; i++) {
		acc = (acc << 8 | (unsigned char)s.p[i]) & 0xffff;
		for (bits += 8; bits >= 6; bits -= 6)
			out[n++] = digits64[acc >> (bits - 6) & 63];
	}
	if (bits > 0)
		out[n++] = digits64[acc << (6 - bits) & 63];
	out[n] = '\0';
	return (struct mr_str){ out, n };
}

/* What a cursor must not be carried over to another of: list, tenant, filters. */
static struct mr_str binding(struct mr_request *r)
{
	struct mr_str s = mr_arena_printf(r->arena, "%s\x1f%lld\x1f%.*s", r->route->path,
	    r->principal != NULL ? (long long)r->principal->tenant_id : 0,
	    MR_STR_ARG(r->call->page.search));

	for (unsigned i = 0; s.p != NULL && i < r->call->vars->len; i++)
		s = mr_arena_printf(
		    r->arena, "%.*s\x1f%.*s", MR_STR_ARG(s), MR_STR_ARG(r->path_vars[i]));
	for (size_t i = 0; s.p != NULL && i < r->query_args_len; i++)
		s = mr_arena_printf(
		    r->arena, "%.*s\x1f%.*s", MR_STR_ARG(s), MR_STR_ARG(r->query_args[i].value));
	return s;
}

int mr_cursor_list_digest(struct mr_request *r, unsigned char ret[MR_SHA256_LEN])
{
	struct mr_str bound = binding(r);

	return bound.p != NULL ? mr_sha256(bound, ret) : MR_E_NOMEM;
}

static int checksum(struct mr_request *r, struct mr_str payload, unsigned char ret[MR_SHA256_LEN])
{
	struct mr_str bound = binding(r), all;

	if (bound.p == NULL)
		return MR_E_NOMEM;
	all = mr_arena_printf(r->arena, "%.*s\x1e%.*s", MR_STR_ARG(bound), MR_STR_ARG(payload));
	return all.p != NULL ? mr_sha256(all, ret) : MR_E_NOMEM;
}

struct mr_str mr_cursor_encode(struct mr_request *r, const struct mr_cursor *c)
{
	unsigned char sum[MR_SHA256_LEN];
	struct mr_str payload;
	char *whole;

	payload = mr_arena_printf(r->arena, "1;%u;%.*s;%lld;%lld;%d;%c%.*s", c->order,
	    MR_STR_ARG(c->id), (long long)c->offset, (long long)c->total, c->total_exact,
	    c->key.p != NULL ? 'k' : 'n', MR_STR_ARG(c->key));
	if (payload.p == NULL || checksum(r, payload, sum) < 0)
		return MR_STR_NONE;
	whole = mr_arena_alloc(r->arena, SUM_LEN + payload.len);
	if (whole == NULL)
		return MR_STR_NONE;
	memcpy(whole, sum, SUM_LEN);
	memcpy(whole + SUM_LEN, payload.p, payload.len);
	return base64url(r->arena, (struct mr_str){ whole, SUM_LEN + payload.len });
}

static bool cut_number(struct mr_str *rest, int64_t *ret)
{
	return rest->p != NULL && mr_str_i64(mr_str_cut(rest, ';'), ret);
}

static bool parse(struct mr_str s, struct mr_cursor *c)
{
	int64_t version, order, id, exact;
	struct mr_str id_text;

	if (!cut_number(&s, &version) || version != 1 || !cut_number(&s, &order) || order < 0 ||
	    order > UINT16_MAX || s.p == NULL)
		return false;
	id_text = mr_str_cut(&s, ';');
	if (!mr_str_i64(id_text, &id) || !cut_number(&s, &c->offset) || c->offset < 0 ||
	    !cut_number(&s, &c->total) || !cut_number(&s, &exact) || s.p == NULL || s.len < 1)
		return false;
	c->order = (unsigned)order;
	c->id = id_text;
	c->total_exact = exact != 0;
	c->key = s.p[0] == 'k' ? (struct mr_str){ s.p + 1, s.len - 1 } : MR_STR_NONE;
	return true;
}

int mr_cursor_decode(struct mr_request *r, struct mr_str text, struct mr_cursor *ret)
{
	unsigned char sum[MR_SHA256_LEN];
	struct mr_str whole, payload;
	int rc;

	if (text.len > TEXT_MAX)
		return MR_E_INVALID;
	rc = mr_base64url_decode(r->arena, text, &whole);
	if (rc < 0)
		return rc;
	if (whole.len <= SUM_LEN)
		return MR_E_INVALID;
	payload = (struct mr_str){ whole.p + SUM_LEN, whole.len - SUM_LEN };
	rc = checksum(r, payload, sum);
	if (rc < 0)
		return rc;
	if (memcmp(sum, whole.p, SUM_LEN) != 0 || !parse(payload, ret))
		return MR_E_INVALID;
	return 0;
}
