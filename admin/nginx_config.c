/* "millrace-admin nginx-config": nginx's configuration, made from the settings. */
#include "admin/admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin/render.h"

#define CONFIG_MAX (1024 * 1024)

int mr_admin_nginx_config(struct mr_admin *a)
{
	const char *dir = mr_admin_data_path(a, "nginx");
	bool whole = mr_admin_opt(a, "main") != NULL;
	struct mr_buf out;
	struct mr_str why;
	int r;

	if (dir == NULL)
		return mr_admin_fail("out of memory");
	mr_buf_init(&out, CONFIG_MAX);
	r = mr_render(
	    a->arena, a->settings, dir, whole ? "nginx.conf.in" : "millrace.conf.in", &out, &why);
	if (r < 0)
		r = mr_admin_fail("nginx-config: %.*s", MR_STR_ARG(why));
	else if (fwrite(out.p, 1, out.len, stdout) != out.len || fflush(stdout) != 0)
		r = mr_admin_fail("standard output: write failed");
	mr_buf_done(&out);
	return r;
}
