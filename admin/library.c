/* The library of templates that ships: its files, one a template, become rows that every tenant
 * reads. */
#include "admin/admin.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/db.h"
#include "admin/plan.h"

#define LIBRARY_MAX ((size_t)8 * 1024 * 1024) /* bytes of all files */

static int is_template(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 5 && strcmp(e->d_name + n - 5, ".json") == 0;
}

static int add_file(struct mr_admin *a, const char *folder, const char *name, struct mr_buf *all)
{
	struct mr_str path = mr_arena_printf(a->arena, "%s/%s", folder, name);
	struct mr_str text = path.p != NULL ? mr_admin_read(a, path.p) : MR_STR_NONE;

	if (text.p == NULL)
		return 1;
	if (all->len > 1)
		mr_buf_addc(all, ',');
	mr_buf_adds(all, text);
	return 0;
}

/* The files in the order of their names, as one JSON array. */
static int read_all(struct mr_admin *a, const char *folder, struct mr_buf *all)
{
	struct dirent **files;
	int n = scandir(folder, &files, is_template, alphasort), r = 0;

	if (n < 0)
		return mr_admin_fail("%s: the folder of templates can't be read", folder);
	mr_buf_addc(all, '[');
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = add_file(a, folder, files[i]->d_name, all);
		free(files[i]);
	}
	free(files);
	mr_buf_addc(all, ']');
	if (r == 0 && mr_buf_failed(all))
		r = mr_admin_fail("%s: the templates are larger than they may be together", folder);
	return r;
}

static int store(struct mr_admin *a, struct mr_str all, bool always_tell)
{
	PGresult *row = NULL;
	int64_t added, changed;

	if (mr_admin_query(a, MR_SQL_ADMIN_LIBRARY_STORE,
	        (struct mr_admin_bind[]){ { "blueprints", all }, { NULL, MR_STR_NONE } },
	        &row) != 0)
		return 1;
	added = mr_pg_i64(row, 0, "added", 0);
	changed = mr_pg_i64(row, 0, "changed", 0);
	if (always_tell)
		(void)printf("library: %lld templates, %lld added, %lld changed\n",
		    (long long)mr_pg_i64(row, 0, "total", 0), (long long)added, (long long)changed);
	return 0;
}

static int load(struct mr_admin *a, const char *folder, bool always_tell)
{
	struct mr_buf all;
	int r;

	mr_buf_init(&all, LIBRARY_MAX);
	r = folder != NULL ? read_all(a, folder, &all) : 1;
	if (r == 0)
		r = store(a, mr_arena_str(a->arena, mr_buf_str(&all)), always_tell);
	mr_buf_done(&all);
	return r;
}

int mr_admin_library(struct mr_admin *a)
{
	return load(a, mr_admin_data_path(a, "library"), true);
}

int mr_admin_library_after_migrate(struct mr_admin *a)
{
	return load(a, mr_admin_data_path(a, "library"), false);
}
