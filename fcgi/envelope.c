#include "fcgi/envelope.h"

#include <string.h>

#include "fcgi/cursor.h"
#include "fcgi/totals.h"

/* A total that was told lately, where it is no more than an estimate. */
static int recall_total(struct mr_request *r)
{
	struct mr_page *page = &r->call->page;
	unsigned char digest[MR_SHA256_LEN];
	int rc = mr_cursor_list_digest(r, digest);

	if (rc == 0 && mr_totals_find(digest, r->now_us, &page->total))
		page->total_exact = false;
	return rc;
}

static void keep_total(struct mr_request *r, int64_t total)
{
	unsigned char digest[MR_SHA256_LEN];

	if (mr_cursor_list_digest(r, digest) == 0)
		mr_totals_keep(digest, total, r->now_us);
}

int mr_envelope_cursor(struct mr_request *r)
{
	struct mr_page *page = &r->call->page;
	struct mr_cursor c;
	int rc;

	if (page->cursor.p == NULL)
		return recall_total(r);
	rc = mr_cursor_decode(r, page->cursor, &c);
	if (rc < 0)
		return rc;
	page->order = c.order;
	page->offset = c.offset;
	page->after_key = c.key;
	page->after_id = c.id;
	page->total = c.total;
	page->total_exact = c.total_exact;
	return 0;
}

/* The total that the answer tells: counted now, or carried along by the cursor. */
static int64_t total_of(const struct mr_page *page, const struct mr_list_row *row, bool *ret_exact)
{
	if (page->total >= 0) {
		*ret_exact = page->total_exact;
		return page->total;
	}
	*ret_exact = row->total <= MR_TOTAL_EXACT_MAX;
	if (*ret_exact)
		return row->total > 0 ? row->total : 0;
	return row->total_estimate >= 0 ? row->total_estimate : row->total;
}

static struct mr_str next_cursor(
    struct mr_request *r, const struct mr_list_row *row, int64_t total, bool exact)
{
	const struct mr_page *page = &r->call->page;
	struct mr_cursor c = {
		.order = page->order,
		.key = row->next_key,
		.id = row->next_id,
		.offset = page->offset + page->limit,
		.total = total,
		.total_exact = exact,
	};

	return row->next_id.p != NULL ? mr_cursor_encode(r, &c) : MR_STR_NONE;
}

static void write_native(
    struct mr_request *r, struct mr_str items, int64_t total, bool exact, struct mr_str cursor)
{
	const struct mr_page *page = &r->call->page;
	struct mr_buf *b = &r->out_body;

	mr_buf_addz(b, "{\"items\":");
	mr_buf_adds(b, items);
	mr_buf_addz(b, ",\"total\":");
	mr_buf_add_i64(b, total);
	if (!exact)
		mr_buf_addz(b, ",\"total_exact\":false");
	mr_buf_addz(b, ",\"limit\":");
	mr_buf_add_u64(b, page->limit);
	mr_buf_addz(b, ",\"offset\":");
	mr_buf_add_i64(b, page->offset);
	mr_buf_addz(b, ",\"page\":");
	mr_buf_add_i64(b, page->offset / page->limit + 1);
	mr_buf_addz(b, ",\"page_size\":");
	mr_buf_add_u64(b, page->limit);
	mr_buf_addz(b, ",\"next_cursor\":");
	if (cursor.p != NULL)
		mr_buf_add_json(b, cursor); /* base64url: nothing to escape */
	else
		mr_buf_addz(b, "null");
	mr_buf_addc(b, '}');
}

static bool is_size(struct mr_str pair)
{
	struct mr_str name = mr_str_cut(&pair, '=');

	return mr_str_eqz(name, "limit") || mr_str_eqz(name, "page_size");
}

static bool is_place(struct mr_str pair)
{
	static const char *const places[] = { "cursor", "page", "offset" };
	struct mr_str name = mr_str_cut(&pair, '=');

	for (size_t i = 0; i < MR_ARRAY_LEN(places); i++) {
		if (mr_str_eqz(name, places[i]))
			return true;
	}
	return name.len == 0;
}

/* The same address with another cursor. */
static struct mr_str next_address(struct mr_request *r, struct mr_str cursor)
{
	struct mr_str s =
	    mr_arena_printf(r->arena, "<%.*s?cursor=%.*s", MR_STR_ARG(r->path), MR_STR_ARG(cursor));
	struct mr_str rest = r->query;

	while (s.p != NULL && rest.p != NULL && rest.len > 0) {
		struct mr_str pair = mr_str_cut(&rest, '&');

		if (!is_place(pair))
			s = mr_arena_printf(r->arena, "%.*s&%.*s", MR_STR_ARG(s), MR_STR_ARG(pair));
	}
	return s.p != NULL ? mr_arena_printf(r->arena, "%.*s>; rel=\"next\"", MR_STR_ARG(s)) : s;
}

/* Where no member has a place for the cursor, headers have: the address, and the cursor alone, for
 * who can't take an address apart. */
static void tell_next(struct mr_request *r, struct mr_str cursor)
{
	struct mr_str link = cursor.p != NULL ? next_address(r, cursor) : MR_STR_NONE;

	if (link.p == NULL)
		return;
	mr_response_header(r, "Link", link);
	mr_response_header(r, "X-Next-Cursor", cursor);
}

static void write_bare(
    struct mr_request *r, struct mr_str items, int64_t total, bool exact, struct mr_str cursor)
{
	struct mr_str count = mr_arena_printf(r->arena, "%lld", (long long)total);

	mr_buf_adds(&r->out_body, items);
	if (count.p != NULL)
		mr_response_header(r, "X-Total-Count", count);
	if (!exact)
		mr_response_header(r, "X-Total-Exact", MR_STR("false"));
	tell_next(r, cursor);
}

/* S4's for templates. */
static void write_templates(
    struct mr_request *r, struct mr_str items, int64_t total, struct mr_str cursor)
{
	const struct mr_page *page = &r->call->page;
	struct mr_buf *b = &r->out_body;

	mr_buf_addz(b, "{\"templates\":");
	mr_buf_adds(b, items);
	mr_buf_addz(b, ",\"total\":");
	mr_buf_add_i64(b, total);
	mr_buf_addz(b, ",\"page\":");
	mr_buf_add_i64(b, page->offset / page->limit + 1);
	mr_buf_addz(b, ",\"page_size\":");
	mr_buf_add_u64(b, page->limit);
	mr_buf_addc(b, '}');
	tell_next(r, cursor);
}

/* The same address with another offset, as a member's value. */
static void add_page_address(
    struct mr_request *r, const char *member, bool is_there, int64_t offset)
{
	struct mr_str host = mr_request_param(r, "HTTP_HOST"), rest = r->query, s;
	struct mr_str scheme = mr_request_param(r, "REQUEST_SCHEME");
	const struct mr_page *page = &r->call->page;

	mr_buf_addf(&r->out_body, ",\"%s\":", member);
	if (!is_there) {
		mr_buf_addz(&r->out_body, "null");
		return;
	}
	s = mr_arena_printf(r->arena, "%.*s?limit=%u&offset=%lld", MR_STR_ARG(r->path), page->limit,
	    (long long)offset);
	if (s.p != NULL && host.len > 0 && scheme.len > 0)
		s = mr_arena_printf(r->arena, "%.*s://%.*s%.*s", MR_STR_ARG(scheme),
		    MR_STR_ARG(host), MR_STR_ARG(s));
	while (s.p != NULL && rest.p != NULL && rest.len > 0) {
		struct mr_str pair = mr_str_cut(&rest, '&');

		if (!is_place(pair) && !is_size(pair))
			s = mr_arena_printf(r->arena, "%.*s&%.*s", MR_STR_ARG(s), MR_STR_ARG(pair));
	}
	mr_buf_add_json(&r->out_body, s.p != NULL ? s : MR_STR(""));
}

/* S3's. Its next and previous are addresses by offset: they lead back as well as on. The cursor is
 * for long lists. */
static void write_results(
    struct mr_request *r, struct mr_str items, int64_t total, struct mr_str cursor)
{
	const struct mr_page *page = &r->call->page;
	int64_t back = page->offset > page->limit ? page->offset - page->limit : 0;

	mr_buf_addz(&r->out_body, "{\"count\":");
	mr_buf_add_i64(&r->out_body, total);
	add_page_address(r, "next", cursor.p != NULL, page->offset + page->limit);
	add_page_address(r, "previous", page->offset > 0, back);
	mr_buf_addz(&r->out_body, ",\"results\":");
	mr_buf_adds(&r->out_body, items);
	mr_buf_addc(&r->out_body, '}');
	tell_next(r, cursor);
}

void mr_envelope_write(struct mr_request *r, const struct mr_list_row *row)
{
	struct mr_str items = row->items.p != NULL ? row->items : MR_STR("[]");
	bool exact;
	int64_t total = total_of(&r->call->page, row, &exact);
	struct mr_str cursor = next_cursor(r, row, total, exact);

	if (!exact && r->call->page.total < 0)
		keep_total(r, total);
	r->status = r->route->out.status;
	r->out_content_type = MR_STR("application/json");
	mr_buf_reset(&r->out_body);
	switch (r->route->envelope) {
	case MR_ENVELOPE_BARE:
		write_bare(r, items, total, exact, cursor);
		break;
	case MR_ENVELOPE_TEMPLATES:
		write_templates(r, items, total, cursor);
		break;
	case MR_ENVELOPE_RESULTS:
		write_results(r, items, total, cursor);
		break;
	default:
		write_native(r, items, total, exact, cursor);
		break;
	}
}

void mr_envelope_list(struct mr_request *r, const PGresult *row)
{
	struct mr_list_row l = {
		.items = mr_pg_text(row, 0, "items"),
		.next_key = mr_pg_text(row, 0, "next_key"),
		.next_id = mr_pg_text(row, 0, "next_id"),
		.total = mr_pg_i64(row, 0, "total", 0),
		.total_estimate = mr_pg_i64(row, 0, "total_estimate", -1),
	};

	mr_envelope_write(r, &l);
}
