/*
 * Who may do what: decided here alone, from the row of the route table and the principal. Knows no
 * request; whose workflow it is, where that counts, is asked by dispatch.
 */
#ifndef MR_FCGI_ACCESS_H
#define MR_FCGI_ACCESS_H

#include "auth/principal.h"
#include "fcgi/route.h"

/* What the principal lacks for a route; 0: nothing. */
enum mr_access {
	MR_ACCESS_SCOPE = 1,    /* the credential doesn't allow it */
	MR_ACCESS_ROLE = 2,     /* has none of the row's roles; made good by ownership where the row
	                         * says so */
	MR_ACCESS_PLATFORM = 4, /* is of another tenant than the platform's */
};

unsigned mr_access_lacks(const struct mr_route *route, const struct mr_principal *p);

#endif
