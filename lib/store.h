/*
 * The file store: a folder in which each file lies under <tenant>/<2 hex>/<32 random hex>, its
 * storage key. A file appears under its key only when it is whole and on disk. Blocking calls,
 * for worker threads; one thread per file.
 */
#ifndef MR_LIB_STORE_H
#define MR_LIB_STORE_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/digest.h"
#include "lib/str.h"

#define MR_STORE_KEY_LEN  64
#define MR_STORE_PATH_LEN 512

/* A file that is being written. */
struct mr_store_file {
	int fd;    /* -1: none is open */
	int error; /* errno after MR_E_IO */
	uint64_t size, max;
	struct evp_md_ctx_st *digest;
	char *buf; /* what was not written yet */
	size_t buf_len;
	char key[MR_STORE_KEY_LEN];
	char path[MR_STORE_PATH_LEN]; /* of the finished file */
	char tmp[MR_STORE_PATH_LEN];
	char sha256[MR_SHA256_HEX]; /* once committed */
};

/* A new file of at most MAX bytes. MR_E_NOMEM or MR_E_IO; then nothing is left behind. */
int mr_store_begin(
    struct mr_store_file *f, const char *root, int64_t tenant_id, uint64_t max) MR_MUST_CHECK;
/* MR_E_LIMIT when it gets larger than MAX, or MR_E_IO. */
int mr_store_write(struct mr_store_file *f, struct mr_str piece) MR_MUST_CHECK;
/* Syncs file and folder: after 0 the file survives a power cut. */
int mr_store_commit(struct mr_store_file *f) MR_MUST_CHECK;
/* The same for what another process has written to FD, all of it. MR_E_LIMIT, MR_E_IO, MR_E_NOMEM.
 */
int mr_store_adopt(struct mr_store_file *f) MR_MUST_CHECK;
/* Gives everything back; an unfinished file is removed. May follow each of the above. */
void mr_store_end(struct mr_store_file *f);
/* Opens the file of KEY for reading, part by part, so that no link leads out of ROOT. A descriptor,
 * or -1 with errno set. */
int mr_store_open(const char *root, struct mr_str key) MR_MUST_CHECK;
/* Removes the file of KEY, if it is there. MR_E_INVALID when KEY is none of ours. */
int mr_store_remove(const char *root, struct mr_str key) MR_MUST_CHECK;

/* How far a walk through the store has come. Begins as zeros. */
struct mr_store_place {
	int64_t tenant_id;
	unsigned folder;
	bool is_end; /* everything has been seen; the next call begins anew */
};

/* Adds to KEYS, a line each, the files that were last written before BEFORE (seconds since the
 * epoch), some hundred folders further; unfinished ones that old are removed. */
void mr_store_list_old(
    const char *root, struct mr_store_place *place, int64_t before, struct mr_buf *keys);
/* The same check again, then it is removed: 1, or 0 when it isn't there or not that old. MR_E_IO,
 * MR_E_INVALID. */
int mr_store_remove_old(const char *root, struct mr_str key, int64_t before) MR_MUST_CHECK;

#endif
