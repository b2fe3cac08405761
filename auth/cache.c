#include "auth/cache.h"

#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "auth/principal_private.h"

struct entry {
	unsigned char digest[MR_SHA256_LEN];
	struct mr_principal *principal; /* one reference; NULL: known to be no good */
	int64_t until_us;
	struct entry *chain;         /* of the same bucket */
	struct entry *newer, *older; /* by last use */
};

struct mr_auth_cache {
	unsigned len, max, buckets_len; /* buckets_len is a power of two */
	struct entry *newest, *oldest;
	struct entry **buckets;
};

struct mr_auth_cache *mr_auth_cache_create(unsigned max)
{
	struct mr_auth_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->max = max;
	c->buckets_len = 64;
	while (c->buckets_len < max && c->buckets_len < 1u << 20)
		c->buckets_len *= 2;
	c->buckets = calloc(c->buckets_len, sizeof(struct entry *));
	if (c->buckets == NULL) {
		free(c);
		return NULL;
	}
	return c;
}

static struct entry **bucket(struct mr_auth_cache *c, const unsigned char *digest)
{
	uint32_t h;

	memcpy(&h, digest, sizeof(h)); /* a digest is as good as any hash of it */
	return &c->buckets[h & (c->buckets_len - 1)];
}

static void unlink_use(struct mr_auth_cache *c, struct entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct mr_auth_cache *c, struct entry *e)
{
	e->newer = NULL;
	e->older = c->newest;
	*(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
}

static void drop(struct mr_auth_cache *c, struct entry *e)
{
	struct entry **at = bucket(c, e->digest);

	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	unlink_use(c, e);
	mr_principal_unref(e->principal);
	free(e);
	c->len--;
}

static struct entry *find(struct mr_auth_cache *c, const unsigned char *digest)
{
	struct entry *e = *bucket(c, digest);

	while (e != NULL && memcmp(e->digest, digest, MR_SHA256_LEN) != 0)
		e = e->chain;
	return e;
}

bool mr_auth_cache_get(struct mr_auth_cache *c, const unsigned char digest[MR_SHA256_LEN],
    int64_t now_us, const struct mr_principal **ret)
{
	struct entry *e = find(c, digest);

	if (e == NULL)
		return false;
	if (now_us >= e->until_us) {
		drop(c, e);
		return false;
	}
	if (c->newest != e) {
		unlink_use(c, e);
		link_newest(c, e);
	}
	*ret = e->principal != NULL ? mr_principal_ref(e->principal) : NULL;
	return true;
}

void mr_auth_cache_put(struct mr_auth_cache *c, const unsigned char digest[MR_SHA256_LEN],
    struct mr_principal *p, int64_t until_us)
{
	struct entry *e = find(c, digest), **at;

	if (e != NULL)
		drop(c, e);
	if (c->len >= c->max)
		drop(c, c->oldest);
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	memcpy(e->digest, digest, MR_SHA256_LEN);
	e->until_us = until_us;
	if (p != NULL) {
		(void)mr_principal_ref(p); /* the entry's own */
		e->principal = p;
	}
	at = bucket(c, digest);
	e->chain = *at;
	*at = e;
	link_newest(c, e);
	c->len++;
}

void mr_auth_cache_clear(struct mr_auth_cache *c)
{
	while (c->newest != NULL)
		drop(c, c->newest);
}

struct mr_auth_cache *mr_auth_cache_free(struct mr_auth_cache *c)
{
	if (c == NULL)
		return NULL;
	mr_auth_cache_clear(c);
	free(c->buckets);
	free(c);
	return NULL;
}

unsigned mr_auth_cache_len(const struct mr_auth_cache *c)
{
	return c->len;
}
