#include "lib/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/seal_private.h"

#define VERSION   1
#define FILE_MAX  ((size_t)64 * 1024)
#define PLACE_MAX 255u
/* version, key id, tenant, two lengths, two names */
#define WITH_MAX (1 + MR_SEAL_ID_LEN + 8 + 2 + 2 * PLACE_MAX)

struct key {
	unsigned char id[MR_SEAL_ID_LEN];
	unsigned char key[MR_SEAL_KEY_LEN];
	bool staged;
};

struct ring {
	struct key keys[MR_SEAL_KEYS_MAX];
	unsigned len;
	char current[MR_SEAL_ID_HEX + 1]; /* "" when no key seals */
};

/* What tells one state of a file from another. */
struct stamp {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	mode_t mode;
	uid_t uid;
	struct timespec changed;
};

struct mr_seal_keys {
	char *path; /* owned */
	struct ring
	    *ring; /* pages of its own, kept out of core dumps and, where allowed, of swap */
	struct stamp seen; /* of the file, when it was last read */
	unsigned long revision;
};

/* ---- the cipher ---- */

static int cipher_size(struct mr_str s)
{
	return s.len <= MR_SEAL_TEXT_MAX ? (int)s.len : -1;
}

int mr_gcm_encrypt(const unsigned char key[MR_SEAL_KEY_LEN],
    const unsigned char nonce[MR_SEAL_NONCE_LEN], struct mr_str with, struct mr_str text,
    unsigned char *out, unsigned char tag[MR_SEAL_TAG_LEN])
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n = 0, r = MR_E_NOMEM;

	/* the default length of GCM's nonce is the one used here */
	if (c != NULL && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	    EVP_EncryptUpdate(c, NULL, &n, (const unsigned char *)with.p, cipher_size(with)) == 1 &&
	    EVP_EncryptUpdate(c, out, &n, (const unsigned char *)text.p, cipher_size(text)) == 1 &&
	    EVP_EncryptFinal_ex(c, out + n, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, MR_SEAL_TAG_LEN, tag) == 1)
		r = 0;
	EVP_CIPHER_CTX_free(c); /* takes NULL; wipes the key's schedule */
	return r;
}

int mr_gcm_decrypt(const unsigned char key[MR_SEAL_KEY_LEN],
    const unsigned char nonce[MR_SEAL_NONCE_LEN], struct mr_str with, struct mr_str text,
    const unsigned char tag[MR_SEAL_TAG_LEN], unsigned char *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	unsigned char want[MR_SEAL_TAG_LEN];
	int n = 0, r = MR_E_NOMEM;

	memcpy(want, tag, sizeof(want)); /* OpenSSL wants it writable */
	if (c != NULL && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	    EVP_DecryptUpdate(c, NULL, &n, (const unsigned char *)with.p, cipher_size(with)) == 1 &&
	    EVP_DecryptUpdate(c, out, &n, (const unsigned char *)text.p, cipher_size(text)) == 1 &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, MR_SEAL_TAG_LEN, want) == 1)
		r = EVP_DecryptFinal_ex(c, out + n, &n) == 1 ? 0 : MR_E_DENIED;
	if (r < 0)
		explicit_bzero(out, text.len);
	EVP_CIPHER_CTX_free(c); /* takes NULL; wipes the key's schedule */
	return r;
}

/* ---- the key file ---- */

static int id_of(const unsigned char key[MR_SEAL_KEY_LEN], unsigned char ret[MR_SEAL_ID_LEN])
{
	static const char label[] = "millrace sealing key";
	unsigned char in[sizeof(label) + MR_SEAL_KEY_LEN], sum[EVP_MAX_MD_SIZE];
	int ok;

	memcpy(in, label, sizeof(label));
	memcpy(in + sizeof(label), key, MR_SEAL_KEY_LEN);
	ok = EVP_Digest(in, sizeof(in), sum, NULL, EVP_sha256(), NULL);
	explicit_bzero(in, sizeof(in));
	memcpy(ret, sum, MR_SEAL_ID_LEN);
	return ok == 1 ? 0 : MR_E_NOMEM;
}

/* What is wrong with the line, or NULL. */
static const char *read_line(struct ring *ring, struct mr_str line)
{
	struct mr_str rest = mr_str_trim(line), id, key, mark;
	unsigned char want[MR_SEAL_ID_LEN];
	struct key *k = &ring->keys[ring->len];

	if (rest.len == 0 || rest.p[0] == '#')
		return NULL;
	if (ring->len == MR_SEAL_KEYS_MAX)
		return "there are too many keys";
	id = mr_str_cut(&rest, ' ');
	key = mr_str_cut(&rest, ' ');
	mark = rest;
	if (mr_unhex(id, k->id, sizeof(k->id)) < 0 || mr_unhex(key, k->key, sizeof(k->key)) < 0 ||
	    (mark.p != NULL && !mr_str_eqz(mark, "staged")))
		return "a line must read <id> <key>, as \"millrace-admin secrets-key\" writes it";
	if (id_of(k->key, want) < 0)
		return "out of memory";
	if (memcmp(want, k->id, sizeof(want)) != 0)
		return "the key isn't the one that its id was made from: it was damaged";
	for (unsigned i = 0; i < ring->len; i++)
		if (memcmp(ring->keys[i].id, k->id, sizeof(k->id)) == 0)
			return "a key stands there twice";
	k->staged = mark.p != NULL;
	if (!k->staged && ring->current[0] == '\0')
		mr_hex(k->id, sizeof(k->id), ring->current);
	ring->len++;
	return NULL;
}

static int parse(struct ring *ring, const char *path, struct mr_str text, struct mr_error *err)
{
	for (unsigned line = 1; text.p != NULL; line++) {
		const char *fault = read_line(ring, mr_str_cut(&text, '\n'));

		if (fault != NULL)
			return mr_error_set(err, MR_E_INVALID, MR_ERR_INTERNAL,
			    "secrets_key_file %s, line %u: %s", path, line, fault);
	}
	return 0;
}

static struct ring *ring_free(struct ring *ring)
{
	if (ring != NULL) {
		explicit_bzero(ring, sizeof(*ring));
		(void)munmap(ring, sizeof(*ring)); /* nothing could be done about it */
	}
	return NULL;
}

static struct ring *ring_create(void)
{
	struct ring *ring =
	    mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ring == MAP_FAILED)
		return NULL;
	/* both are a second line of defence: whoever may read core or swap may be root already */
	(void)madvise(ring, sizeof(*ring), MADV_DONTDUMP);
	(void)mlock(ring, sizeof(*ring));
	return ring;
}

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){ .there = true,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = st->st_size,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.changed = st->st_ctim };
}

static bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	if (!a->there || !b->there)
		return a->there == b->there;
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mode == b->mode &&
	       a->uid == b->uid && a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

static const char *distrust(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it must be a file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "it must belong to root or to the user that reads it";
	if ((st->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP)) != 0 ||
	    ((st->st_mode & S_IRGRP) != 0 && st->st_uid != 0))
		return "others may read or write it: chmod 600, or 640 when it is root's";
	if (st->st_size < 0 || (size_t)st->st_size >= FILE_MAX)
		return "it is too large";
	return NULL;
}

/* The text in BUF, of FILE_MAX bytes. */
static int slurp(int fd, char *buf, struct mr_str *ret)
{
	size_t n = 0;

	while (n < FILE_MAX) {
		ssize_t got = read(fd, buf + n, FILE_MAX - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return MR_E_IO;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret = (struct mr_str){ buf, n };
	return n < FILE_MAX ? 0 : MR_E_LIMIT;
}

static int read_ring(int fd, const char *path, struct ring **ret, struct mr_error *err)
{
	char *buf = malloc(FILE_MAX);
	struct ring *ring = ring_create();
	struct mr_str text;
	int r;

	if (buf == NULL || ring == NULL)
		r = mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "out of memory");
	else if (slurp(fd, buf, &text) < 0)
		r = mr_error_set(
		    err, MR_E_INVALID, MR_ERR_INTERNAL, "secrets_key_file %s can't be read", path);
	else
		r = parse(ring, path, text, err);
	if (buf != NULL)
		explicit_bzero(buf, FILE_MAX);
	free(buf);
	if (r == 0)
		*ret = ring;
	else
		ring = ring_free(ring);
	return r;
}

/* SEEN is told in any case, so that a bad file is complained about once. */
static int read_file(const char *path, struct stamp *seen, struct ring **ret, struct mr_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
	const char *fault;
	struct stat st;

	*seen = (struct stamp){ .there = false };
	*ret = NULL;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0) {
		if (stat(path, &st) == 0)
			*seen = stamp_of(&st);
		r = mr_error_set(err, MR_E_INVALID, MR_ERR_INTERNAL,
		    "secrets_key_file %s can't be read: %s", path, strerror(errno));
	} else {
		*seen = stamp_of(&st);
		fault = distrust(&st);
		r = fault == NULL ? read_ring(fd, path, ret, err)
		                  : mr_error_set(err, MR_E_INVALID, MR_ERR_INTERNAL,
		                        "secrets_key_file %s isn't used: %s", path, fault);
	}
	if (fd >= 0)
		(void)close(fd); /* only read from */
	return r;
}

int mr_seal_keys_open(const char *path, struct mr_seal_keys **ret, struct mr_error *err)
{
	struct mr_seal_keys *k = calloc(1, sizeof(*k));
	int r;

	if (k != NULL)
		k->path = strdup(path);
	if (k == NULL || k->path == NULL)
		r = mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "out of memory");
	else
		r = read_file(path, &k->seen, &k->ring, err);
	if (r == 0)
		*ret = k;
	else
		k = mr_seal_keys_free(k);
	return r;
}

int mr_seal_keys_refresh(struct mr_seal_keys *k, struct mr_error *err)
{
	struct stamp now = { .there = false };
	struct ring *ring;
	struct stat st;
	int r;

	if (stat(k->path, &st) == 0)
		now = stamp_of(&st);
	if (stamp_eq(&now, &k->seen))
		return 0;
	r = read_file(k->path, &k->seen, &ring, err);
	if (r == 0 && ring != NULL) {
		k->ring = ring_free(k->ring);
		k->ring = ring;
		k->revision++;
	}
	return r;
}

unsigned long mr_seal_keys_revision(const struct mr_seal_keys *k)
{
	return k->revision;
}

struct mr_seal_keys *mr_seal_keys_free(struct mr_seal_keys *k)
{
	if (k == NULL)
		return NULL;
	k->ring = ring_free(k->ring);
	free(k->path);
	free(k);
	return NULL;
}

bool mr_seal_keys_ready(const struct mr_seal_keys *k)
{
	return k->ring != NULL && k->ring->current[0] != '\0';
}

struct mr_str mr_seal_keys_current(const struct mr_seal_keys *k)
{
	return mr_seal_keys_ready(k) ? mr_str(k->ring->current) : MR_STR_NONE;
}

int mr_seal_line_make(char ret[MR_SEAL_LINE_LEN])
{
	unsigned char key[MR_SEAL_KEY_LEN], id[MR_SEAL_ID_LEN];
	int r = MR_E_IO;

	if (mr_random_bytes(key, sizeof(key)) < 0)
		goto out;
	r = id_of(key, id);
	mr_hex(id, sizeof(id), ret);
	ret[MR_SEAL_ID_HEX] = ' ';
	mr_hex(key, sizeof(key), ret + MR_SEAL_ID_HEX + 1);
	ret[MR_SEAL_LINE_LEN - 2] = '\n';
	ret[MR_SEAL_LINE_LEN - 1] = '\0';
out:
	explicit_bzero(key, sizeof(key));
	return r;
}

/* ---- sealing ---- */

static const struct key *current(const struct mr_seal_keys *k)
{
	if (k->ring == NULL)
		return NULL;
	for (unsigned i = 0; i < k->ring->len; i++)
		if (!k->ring->keys[i].staged)
			return &k->ring->keys[i];
	return NULL;
}

static const struct key *find(const struct mr_seal_keys *k, const char *id)
{
	for (unsigned i = 0; k->ring != NULL && i < k->ring->len; i++)
		if (memcmp(k->ring->keys[i].id, id, MR_SEAL_ID_LEN) == 0)
			return &k->ring->keys[i];
	return NULL;
}

static unsigned char *put_name(unsigned char *at, struct mr_str name)
{
	*at++ = (unsigned char)name.len; /* with its length, so that "a" "bc" isn't "ab" "c" */
	if (name.len > 0)
		memcpy(at, name.p, name.len);
	return at + name.len;
}

/* What the tag vouches for beside the text, in BUF. MR_E_LIMIT when a name is too long. */
static int associated(const struct mr_seal_place *at, const unsigned char id[MR_SEAL_ID_LEN],
    unsigned char buf[WITH_MAX], struct mr_str *ret)
{
	uint64_t tenant = (uint64_t)at->tenant_id;
	unsigned char *to = buf;

	if (at->kind.len > PLACE_MAX || at->name.len > PLACE_MAX)
		return MR_E_LIMIT;
	*to++ = VERSION;
	memcpy(to, id, MR_SEAL_ID_LEN);
	to += MR_SEAL_ID_LEN;
	for (int shift = 56; shift >= 0; shift -= 8)
		*to++ = (unsigned char)(tenant >> shift);
	to = put_name(put_name(to, at->kind), at->name);
	*ret = (struct mr_str){ (const char *)buf, (size_t)(to - buf) };
	return 0;
}

int mr_seal(const struct mr_seal_keys *k, const struct mr_seal_place *at, struct mr_str text,
    struct mr_arena *a, struct mr_str *ret)
{
	const struct key *key = current(k);
	unsigned char buf[WITH_MAX], *out, *nonce;
	struct mr_str with;
	int r;

	if (key == NULL)
		return MR_E_UNAVAILABLE;
	if (text.len > MR_SEAL_TEXT_MAX || associated(at, key->id, buf, &with) < 0)
		return MR_E_LIMIT;
	out = mr_arena_alloc(a, text.len + MR_SEAL_OVERHEAD);
	if (out == NULL)
		return MR_E_NOMEM;
	out[0] = VERSION;
	memcpy(out + 1, key->id, MR_SEAL_ID_LEN);
	nonce = out + 1 + MR_SEAL_ID_LEN;
	if (mr_random_bytes(nonce, MR_SEAL_NONCE_LEN) < 0)
		return MR_E_IO;
	r = mr_gcm_encrypt(key->key, nonce, with, text, nonce + MR_SEAL_NONCE_LEN,
	    nonce + MR_SEAL_NONCE_LEN + text.len);
	if (r == 0)
		*ret = (struct mr_str){ (const char *)out, text.len + MR_SEAL_OVERHEAD };
	return r;
}

static bool is_sealed(struct mr_str s)
{
	return s.len >= MR_SEAL_OVERHEAD && s.len <= MR_SEAL_TEXT_MAX + MR_SEAL_OVERHEAD &&
	       s.p[0] == VERSION;
}

int mr_unseal(const struct mr_seal_keys *k, const struct mr_seal_place *at, struct mr_str sealed,
    struct mr_arena *a, struct mr_str *ret)
{
	const unsigned char *nonce;
	unsigned char buf[WITH_MAX], *out;
	const struct key *key;
	struct mr_str with, text;
	int r;

	if (!is_sealed(sealed))
		return MR_E_INVALID;
	key = find(k, sealed.p + 1);
	if (key == NULL)
		return MR_E_NOT_FOUND;
	if (associated(at, key->id, buf, &with) < 0)
		return MR_E_LIMIT;
	nonce = (const unsigned char *)sealed.p + 1 + MR_SEAL_ID_LEN;
	text.p = (const char *)nonce + MR_SEAL_NONCE_LEN;
	text.len = sealed.len - MR_SEAL_OVERHEAD;
	out = mr_arena_alloc(a, text.len + 1);
	if (out == NULL)
		return MR_E_NOMEM;
	r = mr_gcm_decrypt(
	    key->key, nonce, with, text, (const unsigned char *)text.p + text.len, out);
	out[text.len] = '\0';
	if (r == 0)
		*ret = (struct mr_str){ (const char *)out, text.len };
	return r;
}

int mr_seal_key_of(struct mr_str sealed, char ret[MR_SEAL_ID_HEX + 1])
{
	if (!is_sealed(sealed))
		return MR_E_INVALID;
	mr_hex((const unsigned char *)sealed.p + 1, MR_SEAL_ID_LEN, ret);
	return 0;
}

int mr_seal_digest(const struct mr_seal_keys *k, struct mr_str text, unsigned char ret[32])
{
	const struct key *key = current(k);
	unsigned char own[MR_SHA256_LEN];
	int r;

	if (key == NULL)
		return MR_E_UNAVAILABLE;
	/* a key of its own, since the cipher's is for the cipher */
	r = mr_hmac_sha256((struct mr_str){ (const char *)key->key, sizeof(key->key) },
	    MR_STR("millrace digest"), own);
	if (r == 0)
		r = mr_hmac_sha256((struct mr_str){ (const char *)own, sizeof(own) }, text, ret);
	explicit_bzero(own, sizeof(own));
	return r;
}
