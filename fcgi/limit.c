#include "fcgi/limit.h"

#include "fcgi/audit.h"
#include "fcgi/call.h"
#include "fcgi/metrics.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"

/* "k12": a key, "p7": a principal, "a192.0.2.1" or "a20010db800000000": an address, of IPv6 its
 * network. Absent without memory. */
static struct mr_str who(struct mr_request *r)
{
	const struct mr_principal *p = r->principal;
	struct mr_str address;
	uint64_t network = 0;

	if (p != NULL && p->credential_id != 0)
		return mr_arena_printf(r->arena, "k%lld", (long long)p->credential_id);
	if (p != NULL)
		return mr_arena_printf(r->arena, "p%lld", (long long)p->id);
	address = mr_audit_address_key(r->arena, r->remote_addr);
	if (address.p == r->remote_addr.p)
		return mr_arena_printf(r->arena, "a%.*s", MR_STR_ARG(address));
	for (size_t i = 0; i < address.len; i++)
		network = network << 8 | (unsigned char)address.p[i];
	return mr_arena_printf(r->arena, "a%016llx", (unsigned long long)network);
}

/* What it counts for; an address that isn't served for what anything else does. */
static enum mr_rate_class class_of(const struct mr_request *r)
{
	return r->route != NULL ? r->route->rate : MR_RATE_STANDARD;
}

static void count(const struct mr_request *r, const struct mr_limit *limit)
{
	struct mr_api_metrics *m = r->worker->metrics;

	if (limit->source == MR_LIMIT_LOCAL)
		mr_api_metrics_add(m, MR_METRIC_RATE_LIMIT_LOCAL_TOTAL, 1);
	else
		mr_api_metrics_add(m, MR_METRIC_RATE_LIMIT_REDIS_TOTAL, 1);
	if (limit->script_failed)
		mr_api_metrics_add(m, MR_METRIC_RATE_LIMIT_SCRIPT_ERRORS_TOTAL, 1);
	if (!limit->is_allowed)
		mr_api_metrics_refused(m, class_of(r));
	mr_api_metrics_set(m, MR_METRIC_RATE_LIMIT_SHARED,
	    r->worker->settings->redis_url[0] != '\0' && mr_limiter_is_shared(r->worker->limiter));
}

void mr_request_count(struct mr_request *r)
{
	struct mr_call *call = r->call;
	struct mr_limiter *limiter = r->worker->limiter;
	enum mr_rate_class class = class_of(r);
	struct mr_rate rate;
	struct mr_str name;

	if (limiter == NULL || class == MR_RATE_EXEMPT)
		return;
	rate = mr_limiter_rate(limiter, class);
	if (r->principal != NULL && r->principal->rates[class].limit != 0)
		rate = r->principal->rates[class];
	name = who(r);
	if (name.p == NULL)
		return; /* without memory nothing comes of it but 503 */
	mr_limit_begin(limiter, &call->limit, name, class, rate);
	call->is_limited = true;
}

/* Rounded up: who waits so long finds room. */
static int64_t seconds(int64_t us)
{
	return (us + 999999) / 1000000;
}

static void refuse(struct mr_request *r)
{
	const struct mr_limit *limit = &r->call->limit;

	mr_faults_init(&r->faults, r->arena, r->faults.max);
	mr_response_problem(r, MR_ERR_TOO_MANY_REQUESTS,
	    "The limit %s, %lld requests in %lld seconds, is used up; try again in %lld seconds.",
	    mr_rate_class_name(class_of(r)), (long long)limit->rate.limit,
	    (long long)limit->rate.window_s, (long long)seconds(limit->reset_us));
}

bool mr_request_may_pass(struct mr_request *r)
{
	struct mr_call *call = r->call;

	if (!call->is_limited)
		return true;
	if (!call->is_counted) {
		mr_limit_await(&call->limit);
		call->is_counted = true;
		count(r, &call->limit);
		if (!call->limit.is_allowed)
			refuse(r);
	}
	return call->limit.is_allowed;
}

static void number(struct mr_request *r, const char *name, int64_t n)
{
	mr_buf_addz(&r->out_headers, name);
	mr_buf_add_u64(&r->out_headers, n > 0 ? (uint64_t)n : 0);
	mr_buf_addz(&r->out_headers, "\r\n");
}

void mr_request_tell_limit(struct mr_request *r)
{
	const struct mr_limit *limit = &r->call->limit;

	if (!r->call->is_counted)
		return;
	number(r, "RateLimit-Limit: ", limit->rate.limit);
	number(r, "RateLimit-Remaining: ", limit->is_allowed ? limit->rate.limit - limit->used : 0);
	number(r, "RateLimit-Reset: ", seconds(limit->reset_us));
	if (!limit->is_allowed)
		number(r, "Retry-After: ", seconds(limit->reset_us));
}
