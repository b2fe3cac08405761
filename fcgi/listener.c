#include "fcgi/listener.h"

#include <string.h>

bool mr_address_is_loopback(struct mr_str address)
{
	return mr_str_eqz(address, "::1") || mr_str_starts(address, MR_STR("127."));
}

bool mr_listener_is_loopback(const struct mr_request *r)
{
	return mr_str_eqz(mr_request_param(r, "MILLRACE_LISTENER"), "loopback") &&
	       mr_address_is_loopback(r->remote_addr);
}

/* "localhost:8000" → "localhost", "[::1]:8000" → "[::1]" */
static struct mr_str host_name(struct mr_str host)
{
	size_t len = host.len;

	while (len > 0 && host.p[len - 1] >= '0' && host.p[len - 1] <= '9')
		len--;
	if (len > 0 && host.p[len - 1] == ':')
		host.len = len - 1;
	return host;
}

static bool is_this_host(struct mr_str host)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
	struct mr_str name = host_name(host);

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (mr_str_ieqz(name, names[i]))
			return true;
	}
	return false;
}

/* The page that asks, if a page does, came from this very listener. */
static bool is_own_origin(struct mr_str origin, struct mr_str host)
{
	static const struct mr_str scheme = MR_STR("http://");

	if (origin.p == NULL)
		return true;
	return origin.len == scheme.len + host.len && mr_str_starts(origin, scheme) &&
	       memcmp(origin.p + scheme.len, host.p, host.len) == 0;
}

/* Browsers say where a request comes from, also where they send no Origin (an image, a link). */
static bool is_own_site(struct mr_str site)
{
	return site.p == NULL || mr_str_eqz(site, "same-origin") || mr_str_eqz(site, "none");
}

bool mr_listener_takes_anonymous(const struct mr_request *r)
{
	struct mr_str host = mr_request_header(r, "Host");

	return mr_listener_is_loopback(r) && is_this_host(host) &&
	       is_own_origin(mr_request_header(r, "Origin"), host) &&
	       is_own_site(mr_request_header(r, "Sec-Fetch-Site"));
}

unsigned mr_listener_status(const struct mr_request *r)
{
	return r->is_loopback && (r->status == 201 || r->status == 202) ? 200 : r->status;
}
