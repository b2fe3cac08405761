/* The JSON Schema of the definition language, embedded at build by tools/schema-embed. */
#ifndef MR_HANDLERS_LANGUAGE_H
#define MR_HANDLERS_LANGUAGE_H

#include <stddef.h>

extern const char mr_language_json[];
extern const size_t mr_language_json_len;

#endif
