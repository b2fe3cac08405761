/*
 * Which addresses outgoing calls may reach: pure decisions, no sockets. Only addresses that are
 * public on the Internet pass; private, loopback, link-local, carrier, multicast, documentation,
 * benchmark and metadata addresses, and IPv6 forms that carry an IPv4 address inside, are refused
 * unless the operator's list names them.
 */
#ifndef MR_NET_ADDRESS_GUARD_H
#define MR_NET_ADDRESS_GUARD_H

#include <stdbool.h>
#include <sys/socket.h>

#include "lib/error.h"
#include "lib/macros.h"

struct mr_address_guard;

/*
 * ALLOWED: CIDR blocks or single addresses, each with an optional port, separated by spaces or
 * commas: 10.0.0.0/8, 127.0.0.1:8080, fd00::/8, [::1]:8080, [fd00::/8]:443. MR_E_INVALID names
 * the first entry that is none, as one of <PREFIX>_allowed_addresses; MR_E_NOMEM. The guard is the
 * caller's.
 */
int mr_address_guard_create(const char *prefix, const char *allowed, struct mr_address_guard **ret,
    struct mr_error *err) MR_MUST_CHECK;
struct mr_address_guard *mr_address_guard_free(struct mr_address_guard *g);

/* True when a connection to SA (AF_INET or AF_INET6; anything else is refused) may be made. */
bool mr_address_guard_allows(
    const struct mr_address_guard *g, const struct sockaddr *sa, socklen_t sa_len) MR_MUST_CHECK;

#endif
