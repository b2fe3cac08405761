/* Who is calling, and what they may do. Immutable; shared by count between cache and requests. */
#ifndef MR_AUTH_PRINCIPAL_H
#define MR_AUTH_PRINCIPAL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/rate.h"
#include "lib/str.h"

/* Bits; admin holds all, workflow-management holds read-only. */
enum mr_scope {
	MR_SCOPE_NONE = 0, /* public */
	MR_SCOPE_READ_ONLY = 1,
	MR_SCOPE_WORKFLOW_MANAGEMENT = 2,
	MR_SCOPE_ADMIN = 4,
};

enum mr_role { MR_ROLE_VIEWER = 1, MR_ROLE_OPERATOR = 2, MR_ROLE_EDITOR = 4, MR_ROLE_ADMIN = 8 };

struct mr_principal {
	int64_t id;
	int64_t tenant_id;
	struct mr_str name;    /* what audit rows and created_by show */
	struct mr_str kind;    /* "api_key", "jwt", "certificate" */
	int64_t credential_id; /* the API key's id, else 0 */
	unsigned scopes;       /* what the credential allows, closed under "holds" */
	unsigned roles;
	bool is_platform;          /* of the platform's tenant, whose admins keep all tenants */
	struct mr_str roles_text;  /* "{editor,operator}": array literal for SQL */
	struct mr_str groups_text; /* likewise */
	int64_t expires_at_us;     /* 0: never */
	struct mr_rate rates[MR_RATE_COUNT]; /* the key's own limits; limit 0: the settings' */
	unsigned refs;
};

const char *mr_scope_name(enum mr_scope s);

#endif
