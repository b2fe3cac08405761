/*
 * JSON against schemas. An input that begins with '#' has a schema of its own on the first line;
 * the value of any other is judged by every schema that the service has. A value is refused when,
 * and only when, a fault says why; with little memory the same is found or none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/call.h"
#include "fcgi/dispatch.h"
#include "fcgi/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void judge(
    struct mr_arena *a, const struct mr_schemas *s, enum mr_schema id, const struct mr_value *v)
{
	struct mr_faults faults, again;
	int r, r2;

	mr_faults_init(&faults, a, MR_FAULTS_MAX);
	r = mr_schema_check(s, id, v, a, &faults);
	must(r == 0 || r == MR_E_INVALID || r == MR_E_NOMEM);
	must(r == MR_E_NOMEM || (r == 0) == (faults.count == 0));
	for (const struct mr_fault *f = faults.first; f != NULL; f = f->next)
		must(mr_str_is_utf8(f->path) && mr_str_is_utf8(f->message) && f->code.len > 0);
	mr_faults_init(&again, a, MR_FAULTS_MAX);
	mr_arena_fail_after(3);
	r2 = mr_schema_check(s, id, v, a, &again);
	mr_arena_fail_after(0);
	must(r2 == r || r2 == MR_E_NOMEM);
}

static const struct mr_schemas *own(struct mr_arena *a, struct mr_str line)
{
	struct mr_schema_text texts[] = { { "", "" }, { "own", mr_arena_strz(a, line) } };
	struct mr_schemas *s;
	struct mr_error err;

	if (texts[1].text == NULL || mr_schemas_create(a, texts, 2, &s, &err) < 0)
		return NULL;
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_str text = { (const char *)data, size }, line;
	const struct mr_schemas *s;
	struct mr_value v;
	struct mr_error err;

	must(a != NULL && mr_dispatch_init(&err) == 0);
	if (size > 0 && data[0] == '#' && memchr(data, 0, size) == NULL) {
		line = mr_str_cut(&text, '\n');
		s = own(a, (struct mr_str){ line.p + 1, line.len - 1 });
		if (s != NULL && text.p != NULL && mr_json_parse(a, text, NULL, NULL, &v) == 0)
			judge(a, s, (enum mr_schema)1, &v);
	} else if (mr_json_parse(a, text, NULL, NULL, &v) == 0) {
		for (unsigned i = 1; i < MR_SCHEMA_COUNT; i++)
			judge(a, mr_tables()->schemas, (enum mr_schema)i, &v);
	}
	a = mr_arena_free(a);
	return 0;
}
