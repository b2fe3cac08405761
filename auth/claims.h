/*
 * What a verified token says, read as its issuer's row wants it: which claims it must have, which
 * of them are scopes, roles, groups and tenant, and what the issuer's words mean here. Pure.
 */
#ifndef MR_AUTH_CLAIMS_H
#define MR_AUTH_CLAIMS_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/error.h"
#include "lib/value.h"

/*
 * The claim that PATH names: a member of that very name, else the members that its parts name, one
 * inside of the other: "realm_access.roles". At each level the longest name that is there counts,
 * so "https://example.com/roles" and "resource_access.my.client.roles" are found, too. NULL when
 * there is none.
 */
const struct mr_value *mr_claim_find(const struct mr_value *claims, struct mr_str path);

/* REQUIRED: an object of paths. null: the claim must be there; a list: it must be one of these, or
 * hold one of them when it is a list itself; anything else: that value. MR_E_DENIED names the first
 * that isn't so. */
int mr_claims_check(const struct mr_value *claims, const struct mr_value *required,
    struct mr_error *err) MR_MUST_CHECK;

/*
 * The words of a claim: a list of texts, or one text with spaces between them (RFC 8693's scope).
 * WORDS (kind MAP, or anything else for none) turns each into one or several of ours; with it, what
 * it doesn't name gives nothing. ADD (may be NULL) collects bits; ARRAY (may be NULL) becomes
 * PostgreSQL's array literal of them.
 */
unsigned mr_claim_words(const struct mr_value *claim, const struct mr_value *words,
    unsigned (*add)(unsigned bits, struct mr_str word), struct mr_buf *array);

/* A claim that is one text or number, by the same table; absent when it is neither, or isn't named.
 */
struct mr_str mr_claim_text(
    struct mr_arena *a, const struct mr_value *claim, const struct mr_value *words);

/* Faults of a configuration: REQUIRED and the table of words as an API's body has them. */
void mr_claims_check_required(const struct mr_value *required, struct mr_faults *faults);
void mr_claims_check_words(const struct mr_value *words, struct mr_faults *faults);

#endif
