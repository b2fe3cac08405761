#include "handlers/sealed.h"

#include <string.h>

#include "fcgi/idempotency.h"
#include "fcgi/worker.h"
#include "lib/digest.h"
#include "lib/log.h"

struct mr_seal_keys *mr_sealed_keys(struct mr_request *r)
{
	struct mr_seal_keys *keys = r->worker->seal;
	struct mr_error err = { .detail = "" };

	if (mr_seal_keys_refresh(keys, &err) < 0)
		mr_log(MR_LOG_ERROR, "keys of secrets are not read", MR_F_Z("detail", err.detail));
	return keys;
}

void mr_sealed_wipe(struct mr_str s)
{
	if (s.p != NULL)
		explicit_bzero((char *)(uintptr_t)s.p, s.len);
}

int mr_sealed_write(
    struct mr_request *r, const struct mr_seal_place *at, struct mr_str text, struct mr_str *ret)
{
	struct mr_str sealed;
	char *hex;
	int rc = mr_seal(mr_sealed_keys(r), at, text, r->arena, &sealed);

	if (rc == MR_E_UNAVAILABLE) {
		mr_response_problem(r, MR_ERR_SECRETS_UNAVAILABLE, "%s", "");
		return rc;
	}
	hex = rc == 0 ? mr_arena_alloc(r->arena, 2 + 2 * sealed.len + 1) : NULL;
	if (hex == NULL) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return MR_E_NOMEM;
	}
	memcpy(hex, "\\x", 2);
	mr_hex((const unsigned char *)sealed.p, sealed.len, hex + 2);
	*ret = (struct mr_str){ hex, 2 + 2 * sealed.len };
	return 0;
}

struct mr_str mr_sealed_digest(struct mr_request *r)
{
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX];
	struct mr_str all = mr_idempotency_text(r);
	int rc = all.p != NULL ? mr_seal_digest(r->worker->seal, all, sum) : MR_E_NOMEM;

	mr_sealed_wipe(all);
	if (rc < 0)
		return MR_STR_NONE;
	mr_hex(sum, sizeof(sum), hex);
	return mr_arena_printf(r->arena, "\\x%s", hex);
}
