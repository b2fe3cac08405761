#include "fcgi/access.h"

unsigned mr_access_lacks(const struct mr_route *route, const struct mr_principal *p)
{
	unsigned lacks = 0;

	if (route->scope == MR_SCOPE_NONE)
		return 0;
	if ((p->scopes & route->scope) == 0)
		lacks |= MR_ACCESS_SCOPE;
	if (route->roles != 0 && (p->roles & route->roles) == 0)
		lacks |= MR_ACCESS_ROLE;
	if (route->platform && !p->is_platform)
		lacks |= MR_ACCESS_PLATFORM;
	return lacks;
}
