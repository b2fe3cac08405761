/* A request as the worker would hand it to dispatch, for tests of what dispatch is made of. */
#ifndef MR_TESTS_UNIT_FAKE_REQUEST_H
#define MR_TESTS_UNIT_FAKE_REQUEST_H

#include "fcgi/call.h"
#include "fcgi/problem.h"
#include "fcgi/route.h"
#include "tests/unit/test.h"

struct fake_request {
	struct mr_request r;
	struct mr_call call;
	struct mr_principal principal;
	struct mr_route_vars vars;
};

static inline void fake_request_init(struct fake_request *f, const struct mr_route *route)
{
	memset(f, 0, sizeof(*f));
	f->r.arena = mr_arena_create(1u << 20);
	assert_non_null(f->r.arena);
	f->r.route = route;
	f->r.path = MR_STR("/api/v1/things");
	f->r.query = MR_STR("");
	f->r.correlation_id = MR_STR("test");
	f->r.call = &f->call;
	f->r.principal = &f->principal;
	f->principal.tenant_id = 1;
	f->call.vars = &f->vars;
	f->call.if_match = f->call.version = -1;
	f->call.page.total = -1;
	mr_buf_init(&f->r.out_headers, 1u << 16);
	mr_buf_init(&f->r.out_body, 1u << 20);
	mr_faults_init(&f->r.faults, f->r.arena, MR_FAULTS_MAX);
}

static inline void fake_request_done(struct fake_request *f)
{
	mr_buf_done(&f->r.out_headers);
	mr_buf_done(&f->r.out_body);
	f->r.arena = mr_arena_free(f->r.arena);
}

/* All faults as "path: message" lines. */
static inline struct mr_str fake_faults(const struct mr_faults *faults, struct mr_arena *a)
{
	struct mr_str s = MR_STR("");

	for (const struct mr_fault *f = faults->first; f != NULL; f = f->next)
		s = mr_arena_printf(a, "%.*s%.*s: %.*s\n", MR_STR_ARG(s), MR_STR_ARG(f->path),
		    MR_STR_ARG(f->message));
	return s;
}

#endif
