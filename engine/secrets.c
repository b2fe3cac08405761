#include "engine/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/query.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/seal.h"

#define TENANTS_MAX 10000u /* at hand; those that were not used for longest go first */
#define TENANT_MAX  ((size_t)256 * 1024 * 1024)
#define BATCH_MAX   20u /* tenants read at a time: each may have many secrets */
#define ASK_MS      500u
#define FORGET_MS   30000u
#define LIST_MAX    ((size_t)1024 * 1024)

struct secret {
	struct mr_str name, value;
	int failed; /* 0, or what opening it failed with */
};

/* A tenant's secrets as they were read once. */
struct reading {
	struct mr_arena *arena; /* secret; NULL: nothing was read yet */
	struct secret *secrets; /* in arena */
	size_t len;
};

struct tenant {
	struct tenant *next;
	int64_t id, revision;
	struct reading now;
	struct reading former; /* what a step may still have sent */
	uint64_t used_ms;
	bool stale;     /* to be read (again) */
	bool asked;     /* by the query under way */
	bool lacks_key; /* one does not open: read again when the keys have changed since */
	unsigned long keys;
};

struct mr_secrets {
	struct mr_engine *engine;
	struct mr_seal_keys *keys;
	struct tenant *tenants;
	size_t len;
	struct mr_query read, ask;
	struct mr_buf ids;
	uint64_t ask_at_ms;
};

/* ---- tenants ---- */

static struct tenant *find(struct mr_secrets *s, int64_t id)
{
	struct tenant *t = s->tenants;

	while (t != NULL && t->id != id)
		t = t->next;
	return t;
}

static void forget(struct mr_secrets *s, struct tenant *t)
{
	struct tenant **at = &s->tenants;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->now.arena = mr_arena_free(t->now.arena);
	t->former.arena = mr_arena_free(t->former.arena);
	free(t);
	s->len--;
}

static struct tenant *add(struct mr_secrets *s, int64_t id)
{
	struct tenant *t = s->len < TENANTS_MAX ? calloc(1, sizeof(*t)) : NULL;

	if (t == NULL)
		return NULL;
	t->id = id;
	t->stale = true;
	t->next = s->tenants;
	s->tenants = t;
	s->len++;
	return t;
}

static struct tenant *use(struct mr_secrets *s, int64_t id)
{
	struct tenant *t = find(s, id);

	if (t == NULL)
		t = add(s, id);
	if (t != NULL)
		t->used_ms = uv_now(s->engine->loop);
	return t;
}

static bool is_wanted(const struct tenant *t, uint64_t now_ms)
{
	return t->asked || now_ms < t->used_ms + FORGET_MS;
}

static void forget_unused(struct mr_secrets *s)
{
	uint64_t now = uv_now(s->engine->loop);
	struct tenant *t = s->tenants;

	while (t != NULL) {
		struct tenant *next = t->next;

		if (!is_wanted(t, now))
			forget(s, t);
		t = next;
	}
}

/* ---- reading ---- */

static int unhex(struct mr_arena *a, struct mr_str hex, struct mr_str *ret)
{
	size_t n = hex.len >= 2 ? (hex.len - 2) / 2 : 0;
	char *out = mr_arena_alloc(a, n + 1);

	if (out == NULL)
		return MR_E_NOMEM;
	*ret = (struct mr_str){ out, n };
	return hex.len < 2
	           ? MR_E_INVALID
	           : mr_unhex((struct mr_str){ hex.p + 2, hex.len - 2 }, (unsigned char *)out, n);
}

static void complain(const struct tenant *t, const struct secret *x, struct mr_str sealed)
{
	char key[MR_SEAL_ID_HEX + 1], detail[120];

	if (x->failed == MR_E_NOT_FOUND && mr_seal_key_of(sealed, key) == 0)
		(void)snprintf(detail, sizeof(detail),
		    "its key %s is not in secrets_key_file; what needs it waits", key); /* fits */
	else
		(void)snprintf(detail, sizeof(detail), "%s",
		    "it was not sealed for this place, or is damaged"); /* fits */
	mr_log(MR_LOG_ERROR, "a secret can't be opened", MR_F_N("tenant_id", t->id),
	    MR_F_S("name", x->name), MR_F_Z("detail", detail));
}

/* One row: a secret that opens, or one that is known not to. */
static int read_row(
    struct mr_secrets *s, struct tenant *t, struct reading *to, const PGresult *r, int row)
{
	struct secret *x = &to->secrets[to->len++];
	struct mr_seal_place at = { .tenant_id = t->id, .kind = MR_STR("secret") };
	struct mr_str sealed = MR_STR_NONE;

	x->name = mr_arena_str(to->arena, mr_pg_text(r, row, "name"));
	if (x->name.p == NULL)
		return MR_E_NOMEM;
	at.name = x->name;
	x->failed = unhex(to->arena, mr_pg_text(r, row, "sealed"), &sealed);
	if (x->failed == 0)
		x->failed = mr_unseal(s->keys, &at, sealed, to->arena, &x->value);
	if (x->failed == MR_E_NOMEM)
		return MR_E_NOMEM;
	if (x->failed == 0 && !mr_str_is_utf8(x->value))
		x->failed = MR_E_INVALID;
	if (x->failed < 0)
		complain(t, x, sealed);
	t->lacks_key = t->lacks_key || x->failed == MR_E_NOT_FOUND;
	return 0;
}

/* T's rows are those from FIRST to before END. What T had stays when this fails. */
static int fill(struct mr_secrets *s, struct tenant *t, const PGresult *r, int first, int end)
{
	struct reading new = { .arena = mr_arena_create_secret(TENANT_MAX) };
	int e = 0;

	if (new.arena != NULL)
		new.secrets =
		    mr_arena_array(new.arena, (size_t)(end - first), sizeof(new.secrets[0]));
	if (new.secrets == NULL)
		e = MR_E_NOMEM;
	t->lacks_key = false;
	t->keys = mr_seal_keys_revision(s->keys);
	t->revision = mr_pg_i64(r, first, "revision", 0);
	for (int i = first; i < end && e == 0; i++)
		if (mr_pg_text(r, i, "name").p != NULL)
			e = read_row(s, t, &new, r, i);
	if (e < 0) {
		new.arena = mr_arena_free(new.arena);
		return e;
	}
	t->former.arena = mr_arena_free(t->former.arena);
	t->former = t->now;
	t->now = new;
	return 0;
}

static void refresh_keys(struct mr_secrets *s)
{
	struct mr_error err = { .detail = "" };

	if (mr_seal_keys_refresh(s->keys, &err) < 0)
		mr_log(MR_LOG_ERROR, "keys of secrets are not read", MR_F_Z("detail", err.detail));
}

static void was_read(struct mr_query *q)
{
	struct mr_secrets *s = q->ctx;
	const PGresult *r = mr_query_ok(q) ? mr_query_result(q, 0) : NULL;
	int rows = r != NULL ? PQntuples(r) : 0;

	if (r == NULL)
		mr_log(MR_LOG_WARNING, "secrets could not be read",
		    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message));
	for (int i = 0, end; i < rows; i = end) {
		int64_t id = mr_pg_i64(r, i, "tenant_id", 0);
		struct tenant *t = find(s, id);

		for (end = i + 1; end < rows && mr_pg_i64(r, end, "tenant_id", 0) == id; end++)
			;
		if (t != NULL && fill(s, t, r, i, end) < 0)
			t->revision = -1; /* no memory: found changed when it is asked about */
	}
	for (struct tenant *t = s->tenants; t != NULL; t = t->next) {
		t->stale = t->stale || (t->asked && r == NULL);
		t->asked = false;
	}
}

static void put_ids(struct mr_secrets *s, bool stale)
{
	unsigned n = 0;

	mr_buf_reset(&s->ids);
	mr_pg_array_begin(&s->ids);
	for (struct tenant *t = s->tenants; t != NULL && (!stale || n < BATCH_MAX); t = t->next) {
		if (stale != t->stale)
			continue;
		mr_pg_array_add_i64(&s->ids, t->id);
		n++;
		if (stale) {
			t->asked = true;
			t->stale = false; /* true again when it changes meanwhile */
		}
	}
	mr_pg_array_end(&s->ids);
}

static void ask_failed(struct mr_secrets *s)
{
	for (struct tenant *t = s->tenants; t != NULL; t = t->next) {
		t->stale = t->stale || t->asked;
		t->asked = false;
	}
}

/* Reads those that are stale, unless that is under way. */
static void read_stale(struct mr_secrets *s)
{
	bool any = false;

	for (struct tenant *t = s->tenants; t != NULL; t = t->next)
		any = any || t->stale;
	if (!any || s->read.busy)
		return;
	refresh_keys(s);
	put_ids(s, true);
	mr_query_begin(&s->read);
	mr_query_call(&s->read, MR_SQL_ENGINE_SECRETS);
	mr_query_text(&s->read, "tenant_ids", mr_buf_str(&s->ids));
	if (mr_buf_failed(&s->ids) || mr_query_submit(&s->read) < 0)
		ask_failed(s);
}

static void read_more(struct mr_query *q)
{
	if (mr_query_ok(q)) /* else at the next tick */
		read_stale(q->ctx);
}

/* ---- asking whether they have changed ---- */

static void was_asked(struct mr_query *q)
{
	struct mr_secrets *s = q->ctx;
	const PGresult *r = mr_query_ok(q) ? mr_query_result(q, 0) : NULL;

	for (int i = 0; r != NULL && i < PQntuples(r); i++) {
		struct tenant *t = find(s, mr_pg_i64(r, i, "tenant_id", 0));

		if (t != NULL && t->revision != mr_pg_i64(r, i, "revision", 0))
			t->stale = true;
	}
	read_stale(s);
}

static void ask(struct mr_secrets *s)
{
	if (s->tenants == NULL || s->ask.busy)
		return;
	refresh_keys(s);
	for (struct tenant *t = s->tenants; t != NULL; t = t->next)
		t->stale = t->stale ||
		           (t->lacks_key && !t->asked && t->keys != mr_seal_keys_revision(s->keys));
	put_ids(s, false);
	mr_query_begin(&s->ask);
	mr_query_call(&s->ask, MR_SQL_ENGINE_SECRET_REVISIONS);
	mr_query_text(&s->ask, "tenant_ids", mr_buf_str(&s->ids));
	if (!mr_buf_failed(&s->ids))
		(void)mr_query_submit(&s->ask); /* asked again at the next tick */
}

void mr_secrets_tick(struct mr_secrets *s)
{
	uint64_t now = uv_now(s->engine->loop);

	read_stale(s);
	if (now < s->ask_at_ms)
		return;
	s->ask_at_ms = now + ASK_MS;
	forget_unused(s);
	ask(s);
}

void mr_secrets_changed(struct mr_secrets *s, int64_t tenant_id)
{
	struct tenant *t = find(s, tenant_id);

	if (t == NULL)
		return;
	t->stale = true;
	read_stale(s);
}

/* ---- using them ---- */

static bool needs_any(const struct mr_graph *g)
{
	return g->all_secrets || g->secrets_len > 0;
}

bool mr_secrets_ready(struct mr_secrets *s, int64_t tenant_id, const struct mr_graph *g)
{
	struct tenant *t;

	if (g == NULL || !needs_any(g))
		return true;
	t = use(s, tenant_id);
	if (t != NULL && t->now.arena != NULL)
		return true;
	read_stale(s);
	return false;
}

static bool is_named(const struct mr_graph *g, struct mr_str name)
{
	for (size_t i = 0; i < g->secrets_len; i++)
		if (mr_str_eq(g->secrets[i], name))
			return true;
	return g->all_secrets;
}

static int copy(struct mr_arena *a, const struct secret *x, struct mr_member *ret)
{
	struct mr_str name = mr_arena_str(a, x->name), value = mr_arena_str(a, x->value);

	if (name.p == NULL || value.p == NULL)
		return MR_E_NOMEM;
	*ret = (struct mr_member){ mr_value_str(name), mr_value_str(value) };
	return 0;
}

int mr_secrets_get(struct mr_secrets *s, int64_t tenant_id, const struct mr_graph *g,
    struct mr_arena *a, struct mr_value *ret)
{
	struct tenant *t = use(s, tenant_id);
	struct mr_map *m;

	if (t == NULL || t->now.arena == NULL)
		return MR_E_IO;
	mr_arena_wipe_once(a);
	m = mr_map_create(a, t->now.len);
	if (m == NULL)
		return MR_E_NOMEM;
	m->len = 0;
	for (size_t i = 0; i < t->now.len; i++) {
		const struct secret *x = &t->now.secrets[i];

		if (!is_named(g, x->name))
			continue;
		if (x->failed < 0)
			return x->failed == MR_E_NOT_FOUND ? MR_E_IO : MR_E_CONFLICT;
		if (copy(a, x, &m->members[m->len++]) < 0)
			return MR_E_NOMEM;
	}
	*ret = mr_value_map(m);
	return mr_map_seal(a, m);
}

static void add_values(
    const struct reading *from, const struct mr_graph *g, struct mr_str *values, size_t *len)
{
	for (size_t i = 0; i < from->len; i++)
		if (from->secrets[i].failed == 0 && is_named(g, from->secrets[i].name))
			values[(*len)++] = from->secrets[i].value;
}

int mr_secrets_redactor(struct mr_secrets *s, int64_t tenant_id, const struct mr_graph *g,
    struct mr_arena *a, struct mr_redact **ret)
{
	struct mr_str *values;
	struct tenant *t;
	size_t len = 0;

	*ret = NULL;
	if (!needs_any(g))
		return 0;
	mr_arena_wipe_once(a);
	t = use(s, tenant_id);
	if (t == NULL || t->now.arena == NULL)
		return MR_E_IO;
	values = mr_arena_array(a, t->now.len + t->former.len + 1, sizeof(*values));
	if (values == NULL)
		return MR_E_NOMEM;
	add_values(&t->now, g, values, &len);
	add_values(&t->former, g, values, &len);
	return mr_redact_create(a, values, len, ret);
}

/* ---- life ---- */

struct mr_secrets *mr_secrets_create(struct mr_engine *e, struct mr_error *err)
{
	struct mr_secrets *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->engine = e;
	mr_buf_init(&s->ids, LIST_MAX);
	if (mr_query_init(&s->read, e, was_read) < 0 || mr_query_init(&s->ask, e, was_asked) < 0 ||
	    mr_seal_keys_open(e->settings->secrets_key_file, &s->keys, err) < 0)
		return mr_secrets_free(s);
	s->read.ctx = s->ask.ctx = s;
	s->read.after = read_more;
	return s;
}

struct mr_seal_keys *mr_secrets_keys(struct mr_secrets *s)
{
	return s->keys;
}

struct mr_secrets *mr_secrets_free(struct mr_secrets *s)
{
	if (s == NULL)
		return NULL;
	while (s->tenants != NULL)
		forget(s, s->tenants);
	mr_query_done(&s->read);
	mr_query_done(&s->ask);
	mr_buf_done(&s->ids);
	s->keys = mr_seal_keys_free(s->keys);
	free(s);
	return NULL;
}
