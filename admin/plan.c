#include "admin/plan.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/digest.h"
#include "lib/pg.h"

#define FILE_MAX    ((size_t)1024 * 1024)
#define CHANGES_MAX 10000

/* As many bytes as the file has, at most FILE_MAX. */
static struct mr_str read_all(struct mr_admin *a, FILE *f)
{
	struct stat st;
	char *p;
	size_t n;

	if (fstat(fileno(f), &st) < 0 || st.st_size < 0 || (size_t)st.st_size > FILE_MAX)
		return MR_STR_NONE;
	p = mr_arena_zalloc(a->arena, (size_t)st.st_size + 1);
	n = p != NULL ? fread(p, 1, (size_t)st.st_size, f) : 0;
	return p != NULL && !ferror(f) ? (struct mr_str){ p, n } : MR_STR_NONE;
}

struct mr_str mr_admin_read(struct mr_admin *a, const char *path)
{
	FILE *f = fopen(path, "re");
	struct mr_str text = f != NULL ? read_all(a, f) : MR_STR_NONE;

	if (text.p == NULL)
		(void)mr_admin_fail("%s: %s", path, f == NULL ? strerror(errno) : "can't be read");
	if (f != NULL)
		(void)fclose(f); /* it was only read */
	return text;
}

static int hash_script(struct mr_change *c)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (EVP_Digest(c->script.p, c->script.len, sum, &len, EVP_sha1(), NULL) != 1 || len != 20)
		return mr_admin_fail("out of memory");
	mr_hex(sum, len, c->hash);
	return 0;
}

static int find_files(struct mr_admin *a, const struct mr_plan *plan, struct mr_change *c)
{
	c->deploy = mr_arena_printf(a->arena, "%s/deploy/%s.sql", plan->dir, c->name).p;
	c->verify = mr_arena_printf(a->arena, "%s/verify/%s.sql", plan->dir, c->name).p;
	c->revert = mr_arena_printf(a->arena, "%s/revert/%s.sql", plan->dir, c->name).p;
	if (c->deploy == NULL || c->verify == NULL || c->revert == NULL)
		return mr_admin_fail("out of memory");
	c->script = mr_admin_read(a, c->deploy);
	return c->script.p != NULL ? hash_script(c) : 1;
}

/* name [requires] time planner <address> # note */
static int take_line(struct mr_admin *a, struct mr_plan *plan, struct mr_str line)
{
	struct mr_change *c = &plan->changes[plan->len];
	struct mr_str head = mr_str_cut(&line, '#'), name = mr_str_cut(&head, ' ');

	if (mr_plan_find(plan, name) >= 0)
		return mr_admin_fail(
		    "%s/sqitch.plan: %.*s stands there twice", plan->dir, MR_STR_ARG(name));
	c->name = mr_arena_strz(a->arena, name);
	c->note = mr_arena_strz(a->arena, line.p != NULL ? mr_str_trim(line) : MR_STR(""));
	if (c->name == NULL || c->note == NULL)
		return mr_admin_fail("out of memory");
	plan->len++;
	return find_files(a, plan, c);
}

int mr_plan_read(struct mr_admin *a, const char *dir, struct mr_plan *ret)
{
	struct mr_str path = mr_arena_printf(a->arena, "%s/sqitch.plan", dir);
	struct mr_str rest = path.p != NULL ? mr_admin_read(a, path.p) : MR_STR_NONE;

	*ret = (struct mr_plan){ .dir = dir };
	if (rest.p == NULL)
		return 1;
	ret->changes = mr_arena_array(a->arena, CHANGES_MAX, sizeof(*ret->changes));
	if (ret->changes == NULL)
		return mr_admin_fail("out of memory");
	while (rest.p != NULL && ret->len < CHANGES_MAX) {
		struct mr_str line = mr_str_trim(mr_str_cut(&rest, '\n'));

		if (line.len == 0 || strchr("%#@", line.p[0]) != NULL)
			continue;
		if (take_line(a, ret, line) != 0)
			return 1;
	}
	return ret->len > 0 ? 0 : mr_admin_fail("%s has no changes", path.p);
}

int mr_plan_find(const struct mr_plan *plan, struct mr_str name)
{
	for (unsigned i = 0; i < plan->len; i++) {
		if (mr_str_eqz(name, plan->changes[i].name))
			return (int)i;
	}
	return -1;
}

int mr_plan_compare(struct mr_admin *a, struct mr_plan *plan, const PGresult *rows)
{
	int n = PQntuples(rows);

	plan->unknown = mr_arena_array(a->arena, (size_t)n + 1, sizeof(*plan->unknown));
	if (plan->unknown == NULL)
		return mr_admin_fail("out of memory");
	for (int i = 0; i < n; i++) {
		int at = mr_plan_find(plan, mr_pg_text(rows, i, "name"));
		struct mr_change *c = at >= 0 ? &plan->changes[at] : NULL;

		if (c == NULL) {
			plan->unknown[plan->unknown_len++] =
			    PQgetvalue(rows, i, PQfnumber(rows, "name"));
			continue;
		}
		c->deployed_at = PQgetvalue(rows, i, PQfnumber(rows, "deployed_at"));
		c->drifted = !mr_str_eqz(mr_pg_text(rows, i, "script_hash"), c->hash);
	}
	while (plan->deployed < plan->len && plan->changes[plan->deployed].deployed_at != NULL)
		plan->deployed++;
	for (unsigned i = plan->deployed; i < plan->len; i++) {
		if (plan->changes[i].deployed_at != NULL)
			return mr_admin_fail("the database has %s, but not %s before it: the plan "
			                     "in %s is not the one it was made by",
			    plan->changes[i].name, plan->changes[plan->deployed].name, plan->dir);
	}
	return 0;
}
