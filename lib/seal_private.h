/* The cipher itself, for lib/seal.c and for its test with published vectors. */
#ifndef MR_LIB_SEAL_PRIVATE_H
#define MR_LIB_SEAL_PRIVATE_H

#include "lib/seal.h"

/* AES-256-GCM with a nonce of 96 bits. OUT has room for TEXT.len bytes. 0 or MR_E_NOMEM. */
int mr_gcm_encrypt(const unsigned char key[MR_SEAL_KEY_LEN],
    const unsigned char nonce[MR_SEAL_NONCE_LEN], struct mr_str with, struct mr_str text,
    unsigned char *out, unsigned char tag[MR_SEAL_TAG_LEN]) MR_MUST_CHECK;
/* The reverse; MR_E_DENIED when the tag isn't that of this key, nonce, WITH and TEXT: OUT is
 * wiped then. */
int mr_gcm_decrypt(const unsigned char key[MR_SEAL_KEY_LEN],
    const unsigned char nonce[MR_SEAL_NONCE_LEN], struct mr_str with, struct mr_str text,
    const unsigned char tag[MR_SEAL_TAG_LEN], unsigned char *out) MR_MUST_CHECK;

#endif
