/*
 * Sealing what must not lie open in the database: AES-256-GCM by OpenSSL, under keys from a file
 * outside of it. A sealed text belongs to one place (tenant, kind, name) and opens nowhere else,
 * so that nobody who can write rows can move one.
 *
 * A sealed text is: version (1) | key id (8) | nonce (12) | ciphertext | tag (16). Nonces are 96
 * random bits. NIST SP 800-38D (8.3) allows 2^32 of them under one key: a hundred values written
 * each second for more than a year. Long before that, make a new key.
 *
 * The key file has one key a line, "<id> <key>", both in hexadecimal, the id made from the key, so
 * that a damaged line is found. The first key seals; all of them open. A third word "staged" marks
 * a key that is known and isn't used for sealing yet. Lines that begin with # are comments.
 *
 * Thread-safe as long as nobody reads the file anew. Plain texts belong in a secret arena.
 */
#ifndef MR_LIB_SEAL_H
#define MR_LIB_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/str.h"

#define MR_SEAL_KEY_LEN   32u
#define MR_SEAL_ID_LEN    8u
#define MR_SEAL_ID_HEX    (2 * MR_SEAL_ID_LEN)
#define MR_SEAL_NONCE_LEN 12u
#define MR_SEAL_TAG_LEN   16u
/* How much longer than its text a sealed text is. */
#define MR_SEAL_OVERHEAD (1 + MR_SEAL_ID_LEN + MR_SEAL_NONCE_LEN + MR_SEAL_TAG_LEN)
#define MR_SEAL_TEXT_MAX ((size_t)16 * 1024 * 1024)
#define MR_SEAL_KEYS_MAX 64u
/* A line of the key file with its line feed, without "staged"; and the NUL. */
#define MR_SEAL_LINE_LEN (MR_SEAL_ID_HEX + 1 + 2 * MR_SEAL_KEY_LEN + 2)

/* Where a sealed text belongs. */
struct mr_seal_place {
	int64_t tenant_id;
	struct mr_str kind; /* "secret", "agent": whose text it is; at most 255 bytes */
	struct mr_str name; /* which of them; something that never changes; at most 255 bytes */
};

struct mr_seal_keys; /* the keys of one file, outside of core dumps, wiped when freed */

/*
 * The keys of the file at PATH (copied). A file that isn't there is no error: there are no keys
 * until it is. MR_E_INVALID with a sentence in ERR when it can't be trusted or read: it must
 * belong to root or to this user, nobody else may read it (a group may, when it is root's) or
 * write it.
 */
int mr_seal_keys_open(
    const char *path, struct mr_seal_keys **ret, struct mr_error *err) MR_MUST_CHECK;
/* Reads the file again if it has changed. What was wrong with it is told once for each change; the
 * keys known until then stay, also when the file has gone. */
int mr_seal_keys_refresh(struct mr_seal_keys *k, struct mr_error *err) MR_MUST_CHECK;
/* Takes NULL; returns NULL. */
struct mr_seal_keys *mr_seal_keys_free(struct mr_seal_keys *k);
/* A number that changes whenever the file was read anew. */
unsigned long mr_seal_keys_revision(const struct mr_seal_keys *k);
/* Whether there is a key to seal with. */
bool mr_seal_keys_ready(const struct mr_seal_keys *k);
/* The id of the key that seals, in hexadecimal; absent when there is none. It lies in K. */
struct mr_str mr_seal_keys_current(const struct mr_seal_keys *k);

/* Seals TEXT for the place AT; RET lies in A. MR_E_UNAVAILABLE without a key, MR_E_LIMIT when
 * something is too long. */
int mr_seal(const struct mr_seal_keys *k, const struct mr_seal_place *at, struct mr_str text,
    struct mr_arena *a, struct mr_str *ret) MR_MUST_CHECK;
/* The text of SEALED; RET lies in A, with a NUL after it. MR_E_NOT_FOUND: sealed under a key that
 * isn't known here; MR_E_DENIED: changed, or sealed for another place; MR_E_INVALID: no sealed
 * text at all. */
int mr_unseal(const struct mr_seal_keys *k, const struct mr_seal_place *at, struct mr_str sealed,
    struct mr_arena *a, struct mr_str *ret) MR_MUST_CHECK;
/* The id of the key that SEALED was sealed with, in hexadecimal; MR_E_INVALID: no sealed text. */
int mr_seal_key_of(struct mr_str sealed, char ret[MR_SEAL_ID_HEX + 1]) MR_MUST_CHECK;

/* A digest of TEXT that only who has the sealing key can make, for telling whether two texts are
 * the same without keeping them. It changes with that key. MR_E_UNAVAILABLE without one. */
int mr_seal_digest(
    const struct mr_seal_keys *k, struct mr_str text, unsigned char ret[32]) MR_MUST_CHECK;

/* A line for the key file with a new key, and its NUL. The caller wipes it. */
int mr_seal_line_make(char ret[MR_SEAL_LINE_LEN]) MR_MUST_CHECK;

#endif
