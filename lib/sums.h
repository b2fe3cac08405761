/* Checksums of whole files, several in one pass. Blocking calls, for worker threads. */
#ifndef MR_LIB_SUMS_H
#define MR_LIB_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/macros.h"
#include "lib/str.h"

enum mr_sum {
	MR_SUM_SHA256,
	MR_SUM_SHA512,
	MR_SUM_MD5,
	MR_SUM_CRC32, /* that of zip and PNG */
	MR_SUM_COUNT,
};

#define MR_SUM_HEX 129 /* SHA-512 in hex, and NUL */

struct mr_sums {
	char hex[MR_SUM_COUNT][MR_SUM_HEX]; /* lower case; "" when it wasn't asked for */
};

/* "sha256", …; static. */
const char *mr_sum_name(enum mr_sum s);
/* By name, in any case, with or without a hyphen ("SHA-256"). */
bool mr_sum_by_name(struct mr_str name, enum mr_sum *ret);
/*
 * Reads FD from its beginning, without moving its offset, and makes the sums whose bits (1 << enum
 * mr_sum) are in WHICH. GO_ON, unless NULL, is asked between blocks. MR_E_IO: can't be read, or
 * isn't SIZE bytes long; MR_E_CANCELLED: GO_ON said no; MR_E_NOMEM.
 */
int mr_sums_of(int fd, int64_t size, unsigned which, bool (*go_on)(void *ctx), void *ctx,
    struct mr_sums *ret) MR_MUST_CHECK;

#endif
