/* The error catalogue, from lib/errors.def and the route table: for the repository and for GET
 * /docs/errors. */
#ifndef MR_OPENAPI_GEN_ERRORS_H
#define MR_OPENAPI_GEN_ERRORS_H

#include <stdio.h>

/* docs/reference/errors.md. 0, or -1 when an error's status has no name in advice.def. */
int mr_errors_markdown(FILE *out);
/* The page of /docs/errors; each error's anchor is its code, as "type" in answers has it. */
int mr_errors_page(FILE *out);

#endif
