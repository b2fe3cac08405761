#include "fcgi/access.h"

const char *mr_rate_class_name(enum mr_rate_class c)
{
	static const char *const names[] = {
		[MR_RATE_EXEMPT] = "exempt",
		[MR_RATE_TEMPLATES] = "templates",
		[MR_RATE_WORKFLOW_CREATION] = "workflow_creation",
		[MR_RATE_WORKFLOW_EXECUTION] = "workflow_execution",
		[MR_RATE_MONITORING] = "monitoring",
		[MR_RATE_STANDARD] = "standard",
	};

	return names[c];
}

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
