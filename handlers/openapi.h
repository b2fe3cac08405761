/* The OpenAPI document, embedded at build by tools/openapi-gen. */
#ifndef MR_HANDLERS_OPENAPI_H
#define MR_HANDLERS_OPENAPI_H

#include <stddef.h>

extern const char mr_openapi_json[];
extern const size_t mr_openapi_json_len;
/* The same by gzip. */
extern const char mr_openapi_gzip[];
extern const size_t mr_openapi_gzip_len;

#endif
