/*
 * What a called service is given to know the caller by: an auth_type and its auth_config. Pure:
 * checks configs, and says what a call carries because of them. OAuth's tokens are fetched by
 * net/auth_call.c.
 */
#ifndef MR_NET_AUTH_CONFIG_H
#define MR_NET_AUTH_CONFIG_H

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/str.h"
#include "lib/value.h"
#include "net/http_client.h"

enum mr_auth_type {
	MR_AUTH_NONE,
	MR_AUTH_API_KEY,
	MR_AUTH_BEARER,
	MR_AUTH_BASIC,
	MR_AUTH_OAUTH2, /* client credentials */
	MR_AUTH_MTLS,
	MR_AUTH_TYPE_COUNT
};

/* Negative when NAME is none. */
int mr_auth_type_by_name(struct mr_str name);

/* Faults of CONFIG (a map, or null) for TYPE, at PATH: every member known, what is needed there,
 * certificate and key a pair. No fault holds a value. */
void mr_auth_config_check(enum mr_auth_type type, const struct mr_value *config, struct mr_str path,
    struct mr_arena *a, struct mr_faults *faults);

/*
 * Puts into R what TYPE and CONFIG ask for, and TOKEN for OAuth: its url or certificate, or one
 * more header, at HEADER, which has room for it. *RET_HEADER says whether. What is made lies in A.
 * 0 or MR_E_NOMEM; MR_E_INVALID for a config that wouldn't pass the check.
 */
int mr_auth_apply(enum mr_auth_type type, const struct mr_value *config, struct mr_str token,
    struct mr_arena *a, struct mr_http_request *r, struct mr_http_header *header,
    bool *ret_header) MR_MUST_CHECK;

#endif
