/*
 * "millrace-admin token": an HS256 token of an issuer whose key we have, for development and
 * tests. It is made by libjwt; nothing here verifies any token.
 */
#include "admin/admin.h"

#include <errno.h>
#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"

#define KEY_MAX       4096
#define EXPIRES_S     3600
#define EXPIRES_MAX_S (10 * 365 * 86400)

/* The key as it lies in the file, without a newline at its end. */
static int read_key(struct mr_admin *a, const char *path, struct mr_str *ret)
{
	char *key = mr_arena_alloc(a->arena, KEY_MAX);
	FILE *f = fopen(path, "re");
	size_t n;

	if (key == NULL || f == NULL) {
		if (f != NULL)
			(void)fclose(f); /* only read from */
		return mr_admin_fail(
		    "%s: %s", path, key == NULL ? "out of memory" : strerror(errno));
	}
	n = fread(key, 1, KEY_MAX, f);
	(void)fclose(f); /* only read from */
	while (n > 0 && (key[n - 1] == '\n' || key[n - 1] == '\r'))
		n--;
	if (n < 32 || n == KEY_MAX)
		return mr_admin_fail("%s: a key has 32 to %d bytes", path, KEY_MAX - 1);
	*ret = (struct mr_str){ key, n };
	return 0;
}

/* "a,b" becomes ["a","b"]. */
static int add_list(jwt_t *jwt, const char *claim, const char *list)
{
	struct mr_str rest = mr_str(list);
	struct mr_buf b;
	int r;

	mr_buf_init(&b, 4096);
	mr_buf_addf(&b, "{\"%s\":[", claim);
	for (bool first = true; rest.p != NULL; first = false) {
		if (!first)
			mr_buf_addc(&b, ',');
		mr_buf_add_json(&b, mr_str_trim(mr_str_cut(&rest, ',')));
	}
	mr_buf_addz(&b, "]}");
	r = mr_buf_failed(&b) ? ENOMEM : jwt_add_grants_json(jwt, b.p);
	mr_buf_done(&b);
	return r;
}

static int add_claims(struct mr_admin *a, jwt_t *jwt, int64_t expires)
{
	const char *scope = mr_admin_opt(a, "scope"), *roles = mr_admin_opt(a, "roles");
	const char *name = mr_admin_opt(a, "name"), *tenant = mr_admin_opt(a, "tenant");
	const char *audience = mr_admin_opt(a, "audience");
	long now = (long)(mr_clock_system.now_us(mr_clock_system.ctx) / 1000000);
	int r = jwt_add_grant(jwt, "iss", mr_admin_opt(a, "issuer"));

	if (r == 0 && audience != NULL)
		r = jwt_add_grant(jwt, "aud", audience);
	if (r == 0)
		r = jwt_add_grant(jwt, "sub", mr_admin_opt(a, "subject"));
	if (r == 0 && name != NULL)
		r = jwt_add_grant(jwt, "name", name);
	if (r == 0)
		r = jwt_add_grant_int(jwt, "iat", now);
	if (r == 0)
		r = jwt_add_grant_int(jwt, "exp", now + (long)expires);
	if (r == 0 && tenant != NULL)
		r = jwt_add_grant(jwt, "tenant", tenant);
	if (r == 0 && scope != NULL)
		r = jwt_add_grant(jwt, "scope", scope);
	if (r == 0 && roles != NULL)
		r = add_list(jwt, "roles", roles);
	return r;
}

static int print_token(struct mr_admin *a, struct mr_str key, int64_t expires)
{
	jwt_t *jwt = NULL;
	char *text = NULL;
	int r = jwt_new(&jwt);

	if (r == 0)
		r = add_claims(a, jwt, expires);
	if (r == 0)
		r = jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)key.p, (int)key.len);
	if (r == 0)
		text = jwt_encode_str(jwt);
	if (text != NULL)
		(void)puts(text);
	r = text != NULL ? 0 : mr_admin_fail("token: libjwt could not make it");
	free(text);
	jwt_free(jwt);
	return r;
}

int mr_admin_token(struct mr_admin *a)
{
	const char *path = mr_admin_need(a, "key-file"), *expires_text = mr_admin_opt(a, "expires");
	int64_t expires = EXPIRES_S;
	struct mr_str key = MR_STR_NONE;

	if (path == NULL || mr_admin_need(a, "issuer") == NULL ||
	    mr_admin_need(a, "subject") == NULL)
		return 1;
	/* negative: a token that has expired already, for tests */
	if (expires_text != NULL && (!mr_str_i64(mr_str(expires_text), &expires) ||
	                                expires > EXPIRES_MAX_S || expires < -EXPIRES_MAX_S))
		return mr_admin_fail("--expires takes seconds");
	if (read_key(a, path, &key) != 0)
		return 1;
	return print_token(a, key, expires);
}
