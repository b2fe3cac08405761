#include "handlers/input.h"

#include "fcgi/array.h"

static const char *const names[] = { "input", "input_data", "trigger_data", "parameters" };

const char *mr_input_member(const struct mr_value *body, bool parameters, struct mr_faults *faults)
{
	const struct mr_value *first = NULL;
	const char *taken = NULL;

	for (size_t i = 0; i < MR_ARRAY_LEN(names) - (parameters ? 0 : 1); i++) {
		const struct mr_value *v = mr_value_get(body, names[i]);

		if (v == NULL || v->kind == MR_VALUE_NULL)
			continue;
		if (first != NULL && !mr_value_eq(first, v))
			mr_fault_add(faults, mr_str(names[i]), "conflict",
			    "says something else than %s; send only one of them", taken);
		if (first == NULL) {
			first = v;
			taken = names[i];
		}
	}
	return taken;
}

struct mr_str mr_input_members(struct mr_request *r)
{
	struct mr_array a;

	mr_array_init(&a, r->arena);
	for (size_t i = 0; i < r->body_json.map->len; i++)
		mr_array_add(&a, r->body_json.map->members[i].key.s);
	return mr_array_end(&a);
}
