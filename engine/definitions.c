#include "engine/definitions.h"

#include <stdlib.h>
#include <string.h>

#include "lib/value.h"

#define BUCKETS        1024
#define DEFINITION_MAX ((size_t)64 * 1024 * 1024)

struct mr_definitions {
	struct mr_definition *buckets[BUCKETS];
	struct mr_definition *newest, *oldest; /* of those that nobody uses */
	size_t len, unused, max;
};

struct mr_definitions *mr_definitions_create(size_t max)
{
	struct mr_definitions *d = calloc(1, sizeof(*d));

	if (d != NULL)
		d->max = max;
	return d;
}

static struct mr_definition **bucket(struct mr_definitions *d, int64_t workflow_id, int version)
{
	uint64_t h = ((uint64_t)workflow_id << 16 ^ (uint64_t)version) * 0x9e3779b97f4a7c15u;

	return &d->buckets[h >> 32 & (BUCKETS - 1)];
}

struct mr_definitions *mr_definitions_free(struct mr_definitions *d)
{
	if (d == NULL)
		return NULL;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct mr_definition *def = d->buckets[i];

		while (def != NULL) {
			struct mr_definition *next = def->hash_next;

			(void)mr_arena_free(def->arena); /* DEF lives in it */
			def = next;
		}
	}
	free(d);
	return NULL;
}

/* ---- those that nobody uses, newest first ---- */

static void unused_remove(struct mr_definitions *d, struct mr_definition *def)
{
	if (def->newer != NULL)
		def->newer->older = def->older;
	else
		d->newest = def->older;
	if (def->older != NULL)
		def->older->newer = def->newer;
	else
		d->oldest = def->newer;
	def->newer = def->older = NULL;
	d->unused--;
}

static void unused_add(struct mr_definitions *d, struct mr_definition *def)
{
	def->newer = NULL;
	def->older = d->newest;
	if (d->newest != NULL)
		d->newest->newer = def;
	else
		d->oldest = def;
	d->newest = def;
	d->unused++;
}

static void forget(struct mr_definitions *d, struct mr_definition *def)
{
	struct mr_definition **at = bucket(d, def->workflow_id, def->version);

	while (*at != def)
		at = &(*at)->hash_next;
	*at = def->hash_next;
	unused_remove(d, def);
	d->len--;
	(void)mr_arena_free(def->arena); /* DEF lives in it */
}

static void trim(struct mr_definitions *d)
{
	while (d->unused > d->max)
		forget(d, d->oldest);
}

struct mr_definition *mr_definitions_get(struct mr_definitions *d, int64_t workflow_id, int version)
{
	struct mr_definition *def = *bucket(d, workflow_id, version);

	while (def != NULL && (def->workflow_id != workflow_id || def->version != version))
		def = def->hash_next;
	if (def == NULL)
		return NULL;
	if (def->refs++ == 0)
		unused_remove(d, def);
	return def;
}

struct mr_definition *mr_definition_unref(struct mr_definitions *d, struct mr_definition *def)
{
	if (def == NULL || --def->refs > 0)
		return NULL;
	unused_add(d, def);
	trim(d);
	return NULL;
}

/* ---- compiling ---- */

static void set_problem(
    struct mr_definition *def, const struct mr_faults *faults, const char *otherwise)
{
	const struct mr_fault *f = faults->first;

	if (f == NULL)
		def->problem = mr_str(otherwise);
	else
		def->problem = mr_arena_printf(
		    def->arena, "%.*s: %.*s", MR_STR_ARG(f->path), MR_STR_ARG(f->message));
	if (def->problem.p == NULL)
		def->problem = mr_str(otherwise);
}

static void compile(struct mr_definition *def, struct mr_str text)
{
	struct mr_value value;
	struct mr_faults faults;
	struct mr_graph *graph;
	struct mr_str type;

	mr_faults_init(&faults, def->arena, 5);
	faults.ignores_unknown = true; /* whoever stored it was told of them, or didn't mind */
	text = mr_arena_str(def->arena, text); /* the value points into it */
	if (text.p == NULL) {
		set_problem(def, &faults, "the definition needs too much memory");
		return;
	}
	if (mr_json_parse(def->arena, text, &mr_json_limits_default, &faults, &value) < 0) {
		set_problem(def, &faults, "the definition is not valid JSON");
		return;
	}
	if (mr_graph_compile(def->arena, &value, &faults, &graph) < 0) {
		set_problem(def, &faults, "the definition does not compile");
		return;
	}
	type = mr_value_get_str(&value, "workflow_type");
	if (type.p != NULL && type.len > 0 && type.len <= 64)
		def->workflow_type = type;
	def->graph = graph;
}

static struct mr_definition *create(int64_t workflow_id, int version, struct mr_str name)
{
	struct mr_arena *arena = mr_arena_create(DEFINITION_MAX);
	struct mr_definition *def = arena != NULL ? mr_arena_zalloc(arena, sizeof(*def)) : NULL;

	if (def == NULL) {
		(void)mr_arena_free(arena);
		return NULL;
	}
	def->arena = arena;
	def->workflow_id = workflow_id;
	def->version = version;
	def->workflow_type = MR_STR("default");
	def->name = mr_arena_str(arena, name.p != NULL ? name : MR_STR(""));
	if (def->name.p == NULL) {
		(void)mr_arena_free(arena);
		return NULL;
	}
	return def;
}

struct mr_definition *mr_definitions_put(struct mr_definitions *d, int64_t workflow_id, int version,
    struct mr_str name, struct mr_str text)
{
	struct mr_definition *def = create(workflow_id, version, name);
	struct mr_definition **at = bucket(d, workflow_id, version);

	if (def == NULL)
		return NULL;
	if (text.p == NULL)
		def->problem = MR_STR("the workflow has no such version");
	else
		compile(def, text);
	def->hash_next = *at;
	*at = def;
	d->len++;
	unused_add(d, def);
	return def;
}

size_t mr_definitions_len(const struct mr_definitions *d)
{
	return d->len;
}
