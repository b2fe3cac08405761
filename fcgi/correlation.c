#include "fcgi/correlation.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/digest.h"

#define SANE_MAX        128
#define TRACEPARENT_LEN 55

bool mr_correlation_sane(struct mr_str s)
{
	if (s.len == 0 || s.len > SANE_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    strchr("._:/+=@-", c) == NULL)
			return false;
	}
	return memchr(s.p, '\0', s.len) == NULL;
}

static bool lower_hex(const char *p, size_t len, bool zero_allowed)
{
	bool zero = true;

	for (size_t i = 0; i < len; i++) {
		if (!(p[i] >= '0' && p[i] <= '9') && !(p[i] >= 'a' && p[i] <= 'f'))
			return false;
		zero = zero && p[i] == '0';
	}
	return zero_allowed || !zero;
}

bool mr_traceparent_valid(struct mr_str s)
{
	/* later versions may add members after the ones we know */
	if (s.len < TRACEPARENT_LEN || (s.len > TRACEPARENT_LEN && s.p[TRACEPARENT_LEN] != '-'))
		return false;
	if (s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
		return false;
	if (!lower_hex(s.p, 2, true) || memcmp(s.p, "ff", 2) == 0 ||
	    (memcmp(s.p, "00", 2) == 0 && s.len != TRACEPARENT_LEN))
		return false;
	return lower_hex(s.p + 3, 32, false) && lower_hex(s.p + 36, 16, false) &&
	       lower_hex(s.p + 53, 2, true);
}

static struct mr_str make_id(struct mr_arena *a)
{
	uint64_t random[2] = { mr_rand_system.next(mr_rand_system.ctx),
		mr_rand_system.next(mr_rand_system.ctx) };
	char hex[2 * sizeof(random) + 1];

	mr_hex((const unsigned char *)random, sizeof(random), hex);
	return mr_arena_str(a, (struct mr_str){ hex, sizeof(hex) - 1 });
}

void mr_correlation_begin(struct mr_request *r)
{
	struct mr_str given;

	if (r->correlation_id.p != NULL)
		return;
	given = mr_request_header(r, "X-Request-ID");
	r->correlation_id = mr_correlation_sane(given) ? given : make_id(r->arena);
	if (r->correlation_id.p == NULL)
		r->correlation_id = MR_STR("none"); /* without memory: the answer is a 503 anyway */
	given = mr_request_header(r, "traceparent");
	if (mr_traceparent_valid(given))
		r->traceparent = (struct mr_str){ given.p, TRACEPARENT_LEN };
}
