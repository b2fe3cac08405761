/* Client certificates: nginx has verified the chain; here the certificate gets its fingerprint. */
#ifndef MR_AUTH_CERTIFICATE_H
#define MR_AUTH_CERTIFICATE_H

#include "lib/arena.h"
#include "lib/digest.h"
#include "lib/str.h"

#define MR_CERTIFICATE_MAX 16384

/* SHA-256 of the certificate's DER form, in lower-case hex, from its PEM with %XX escapes (nginx's
 * $ssl_client_escaped_cert). MR_E_INVALID when it is none. */
int mr_certificate_fingerprint(
    struct mr_arena *a, struct mr_str escaped_pem, char ret[MR_SHA256_HEX]) MR_MUST_CHECK;

#endif
