/*
 * Entity tags: "<version>.<first 16 hex digits of the body's SHA-256>". If-None-Match compares all
 * of it, If-Match only the version, for a body may change while its row does not.
 */
#ifndef MR_FCGI_ETAG_H
#define MR_FCGI_ETAG_H

#include "fcgi/request.h"

#define MR_ETAG_LEN 48

/* With its quotes; returns its length, 0 without memory. VERSION < 0: the row has none. */
size_t mr_etag_make(int64_t version, struct mr_str body, char out[MR_ETAG_LEN]);
/* If-None-Match names TAG, by weak comparison, or "*". */
bool mr_etag_none_match(struct mr_str header, struct mr_str tag);
/* The version that If-Match names. 0: *ret is it; < 0 in *ret: anything goes ("*" or absent).
 * MR_E_NOT_FOUND: no tag of ours, or none at all, so nothing can match. MR_E_INVALID: not a list of
 * tags, or of several versions. */
int mr_etag_if_match(struct mr_str header, int64_t *ret) MR_MUST_CHECK;

#endif
