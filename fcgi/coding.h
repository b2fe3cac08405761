/* Content codings (RFC 9110 8.4): which of them a client takes. */
#ifndef MR_FCGI_CODING_H
#define MR_FCGI_CODING_H

#include <stdbool.h>

#include "lib/str.h"

/* Whether Accept-Encoding, which may be absent, allows gzip. */
bool mr_coding_takes_gzip(struct mr_str accept_encoding);

#endif
