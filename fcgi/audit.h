/*
 * The audit log has what statements can't write themselves: attempts that were refused (401, 403),
 * ids that were not found (404), and reads where the settings say so. Changes are written by their
 * own statements, in their own commit.
 */
#ifndef MR_FCGI_AUDIT_H
#define MR_FCGI_AUDIT_H

#include "fcgi/request.h"

/*
 * Once the answer is decided: writes down what has to be. Of refusals only so many a minute of one
 * caller, or one address of an unknown one; how many were left out stands in the next that isn't.
 * The answer stays as it is, but for a read that has to be written down and can't be: that is 503.
 */
void mr_audit_answered(struct mr_request *r);
/* What the entities of a route are called in the audit log: "api_key" for the tag "api-keys". */
struct mr_str mr_audit_entity_type(struct mr_arena *a, const char *tag);
/* What stands for an address when attempts are counted: itself, of IPv6 its network of 64 bits. */
struct mr_str mr_audit_address_key(struct mr_arena *a, struct mr_str address);

#endif
