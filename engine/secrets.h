/*
 * The tenants' secrets, opened, for as long as runs use them: read when a run of a tenant that
 * isn't known is about to go on, asked about twice a second, forgotten when nobody has looked for
 * half a minute. What is here is wiped when it goes.
 */
#ifndef MR_ENGINE_SECRETS_H
#define MR_ENGINE_SECRETS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "engine/core/graph.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/redact.h"
#include "lib/value.h"

struct mr_engine;
struct mr_seal_keys;
struct mr_secrets;

/* NULL without memory, or when the key file can't be trusted: then ERR says why. */
struct mr_secrets *mr_secrets_create(struct mr_engine *e, struct mr_error *err) MR_MUST_CHECK;
struct mr_secrets *mr_secrets_free(struct mr_secrets *s);
/* Whether a run of G can go on; when it can't yet, what it needs is asked for. */
bool mr_secrets_ready(struct mr_secrets *s, int64_t tenant_id, const struct mr_graph *g);
/* The secrets that G names, by name, copied into A, which will be wiped. MR_E_IO: not now (not
 * read yet, or the key is not known here); MR_E_CONFLICT: one is damaged. */
int mr_secrets_get(struct mr_secrets *s, int64_t tenant_id, const struct mr_graph *g,
    struct mr_arena *a, struct mr_value *ret) MR_MUST_CHECK;
/* What hides their values, those of a moment ago too, in what a step brings back; NULL when G names
 * none. It lies in A, which will be wiped. MR_E_IO: they are not at hand. */
int mr_secrets_redactor(struct mr_secrets *s, int64_t tenant_id, const struct mr_graph *g,
    struct mr_arena *a, struct mr_redact **ret) MR_MUST_CHECK;
/* The keys that open them, and what else is sealed; S owns them. */
struct mr_seal_keys *mr_secrets_keys(struct mr_secrets *s);
/* A secret of this tenant has changed. */
void mr_secrets_changed(struct mr_secrets *s, int64_t tenant_id);
void mr_secrets_tick(struct mr_secrets *s);

#endif
