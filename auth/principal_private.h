/* Making principals: for auth/ only. */
#ifndef MR_AUTH_PRINCIPAL_PRIVATE_H
#define MR_AUTH_PRINCIPAL_PRIVATE_H

#include "auth/principal.h"
#include "lib/macros.h"

/* BITS with what WORD stands for, and what that holds; an unknown word adds nothing. */
unsigned mr_scopes_add(unsigned bits, struct mr_str word);
unsigned mr_roles_add(unsigned bits, struct mr_str word);
unsigned mr_words_from_array(
    struct mr_str array, unsigned (*add)(unsigned bits, struct mr_str word));

/* A copy of FROM with its texts, held once by the caller. NULL without memory. */
struct mr_principal *mr_principal_create(const struct mr_principal *from) MR_MUST_CHECK;
const struct mr_principal *mr_principal_ref(struct mr_principal *p);

#endif
