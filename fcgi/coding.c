#include "fcgi/coding.h"

#define CODINGS_MAX 32

/* ";q=0", "; Q=0.000": never. What follows the name, its parameters. */
static bool is_refused(struct mr_str parameters)
{
	struct mr_str name = mr_str_trim(mr_str_cut(&parameters, '='));
	struct mr_str q = mr_str_trim(parameters);

	if (!mr_str_ieqz(name, "q") || q.len == 0)
		return false;
	for (size_t i = 0; i < q.len; i++) {
		if (q.p[i] != '0' && q.p[i] != '.')
			return false;
	}
	return true;
}

bool mr_coding_takes_gzip(struct mr_str accept_encoding)
{
	bool any = false;

	for (unsigned i = 0; i < CODINGS_MAX && accept_encoding.len > 0; i++) {
		struct mr_str parameters = mr_str_cut(&accept_encoding, ',');
		struct mr_str name = mr_str_trim(mr_str_cut(&parameters, ';'));

		if (mr_str_ieqz(name, "gzip"))
			return !is_refused(parameters);
		if (mr_str_eqz(name, "*"))
			any = !is_refused(parameters);
	}
	return any;
}
