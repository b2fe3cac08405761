/*
 * API keys: the secret is made here, because only its hash may ever reach the database. It stands
 * in one answer and nowhere else; a replayed answer comes without it.
 */
#include <string.h>

#include "fcgi/dispatch.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "sql/sql_ids.h"

#define PREFIX_LEN 8
#define SECRET_LEN 43 /* 256 bits */
#define SHOWN_LEN  (4 + PREFIX_LEN)
#define KEY_LEN    (SHOWN_LEN + 1 + SECRET_LEN)
#define DRAW       64  /* random bytes at a time */
#define DRAWS_MAX  100 /* one in 32 bytes is thrown away: two draws are nearly always enough */

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Fills OUT with LEN letters, each as likely as any other. */
static int draw_letters(char *out, size_t len)
{
	unsigned char bytes[DRAW];
	size_t n = 0;

	for (unsigned i = 0; i < DRAWS_MAX && n < len; i++) {
		if (mr_random_bytes(bytes, sizeof(bytes)) < 0)
			return MR_E_IO;
		for (size_t j = 0; j < sizeof(bytes) && n < len; j++) {
			if (bytes[j] < 62 * 4)
				out[n++] = base62[bytes[j] % 62];
		}
	}
	explicit_bzero(bytes, sizeof(bytes));
	return n == len ? 0 : MR_E_IO;
}

/* mrk_<prefix>_<secret> */
static int make_key(char key[KEY_LEN + 1])
{
	memcpy(key, "mrk_", 4);
	key[SHOWN_LEN] = '_';
	key[KEY_LEN] = '\0';
	if (draw_letters(key + 4, PREFIX_LEN) < 0)
		return MR_E_IO;
	return draw_letters(key + SHOWN_LEN + 1, SECRET_LEN);
}

/* Workers forget what they remember of keys, at once instead of within seconds. */
static void tell_workers(struct mr_request *r)
{
	if (r->status < 300 && !mr_dispatch_replayed(r))
		mr_bus_publish(r->worker->bus, MR_STR(MR_BUS_AUTH), MR_STR("k"));
}

/* {"id": 3, …} becomes {"id": 3, …, "key": "mrk_…"}. */
static int show_key(struct mr_request *r, const char *key)
{
	struct mr_str body = mr_str_trim(mr_buf_str(&r->out_body));
	struct mr_str shown;

	if (body.len < 2 || body.p[body.len - 1] != '}')
		return MR_E_INVALID;
	body.len--;
	shown = mr_arena_printf(r->arena, "%.*s,\"key\":\"%s\"}", MR_STR_ARG(body), key);
	if (shown.p == NULL)
		return MR_E_NOMEM;
	mr_response_json(r, r->status, shown);
	mr_response_header(r, "Cache-Control", MR_STR("no-store"));
	explicit_bzero((char *)(uintptr_t)shown.p, shown.len); /* the arena outlives the answer */
	return 0;
}

/* Runs the route's statement with the hash of a new key. */
static int with_new_key(struct mr_request *r)
{
	unsigned char sum[MR_SHA256_LEN];
	char key[KEY_LEN + 1], hash[2 + MR_SHA256_HEX] = "\\x";
	int rc = make_key(key);

	if (rc == 0)
		rc = mr_sha256((struct mr_str){ key, KEY_LEN }, sum);
	if (rc < 0)
		goto out;
	mr_hex(sum, sizeof(sum), hash + 2);
	const struct mr_pair extra[] = {
		{ MR_STR("key_prefix"), { key, SHOWN_LEN } },
		{ MR_STR("key_hash"), mr_str(hash) },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, r->route->sql, extra);
	if (r->status < 300 && !mr_dispatch_replayed(r))
		rc = show_key(r, key);
	tell_workers(r);
out:
	explicit_bzero(key, sizeof(key));
	return rc;
}

int mr_handler_api_key_create(struct mr_request *r)
{
	return with_new_key(r);
}

int mr_handler_api_key_rotate(struct mr_request *r)
{
	return with_new_key(r);
}

int mr_handler_api_key_delete(struct mr_request *r)
{
	int64_t id;

	/* a caller that means to would find itself locked out by its own request */
	if (mr_str_i64(r->path_vars[0], &id) && r->principal->credential_id == id) {
		mr_response_problem(r, MR_ERR_API_KEY_IN_USE, "%s", "");
		return 0;
	}
	return mr_handler_access_change(r);
}
