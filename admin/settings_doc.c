/* "millrace-admin settings": the sample configuration and the reference page, from one table. */
#include "admin/admin.h"

#include <stdio.h>
#include <string.h>

static const char *type_text(const struct mr_setting_row *row)
{
	switch (row->type) {
	case MR_SETTING_INTEGER:
		return "integer";
	case MR_SETTING_BOOLEAN:
		return "boolean";
	case MR_SETTING_STRING:
		break;
	}
	return "text";
}

/* The unit is in the name's last word. */
static const char *unit_text(const struct mr_setting_row *row)
{
	static const struct {
		const char *ending, *text;
	} units[] = { { "_ms", " milliseconds" }, { "_seconds", " seconds" },
		{ "_age", " seconds" }, { "_days", " days" }, { "_bytes", " bytes" } };
	size_t len = strlen(row->name);

	for (size_t i = 0; i < MR_ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].ending);

		if (len > n && strcmp(row->name + len - n, units[i].ending) == 0)
			return units[i].text;
	}
	return "";
}

static void sample_row(const struct mr_setting_row *row)
{
	(void)printf("# %s\n", row->doc);
	if (row->type == MR_SETTING_INTEGER)
		(void)printf(
		    "# %lld to %lld%s; ", (long long)row->min, (long long)row->max, unit_text(row));
	else
		(void)printf("# %s; ", type_text(row));
	(void)printf("%s\n#%s =%s%s\n\n", row->reload ? "SIGHUP takes it over" : "needs a restart",
	    row->name, row->def[0] != '\0' ? " " : "", row->def);
}

static void markdown_row(const struct mr_setting_row *row)
{
	(void)printf("### `%s`\n\n%s\n\n", row->name, row->doc);
	(void)printf("Type %s", type_text(row));
	if (row->type == MR_SETTING_INTEGER)
		(void)printf(
		    ", %lld to %lld%s", (long long)row->min, (long long)row->max, unit_text(row));
	if (row->def[0] != '\0')
		(void)printf("; default `%s`", row->def);
	else
		(void)printf("; empty by default");
	(void)printf("; a change needs %s.\n\n", row->reload ? "SIGHUP" : "a restart");
}

static const char sample_head[] = "# Millrace's settings. Each line is name = value; a file NAME "
                                  "in $CREDENTIALS_DIRECTORY (systemd's\n"
                                  "# LoadCredential=) overrides it, and MILLRACE_NAME in the "
                                  "environment both. A line that starts\n"
                                  "# with # shows the default.\n\n";

static const char markdown_head[] =
    "# Settings\n\n"
    "Read from `/etc/millrace/millrace.conf`, lines of `name = value`; each is overridden by\n"
    "the file `NAME` in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`), then by "
    "`MILLRACE_NAME`\n"
    "in the environment. This page is made by `millrace-admin settings "
    "--markdown`\n"
    "from `lib/settings.def`.\n\n";

int mr_admin_settings(struct mr_admin *a)
{
	bool sample = mr_admin_opt(a, "sample") != NULL;

	if (sample == (mr_admin_opt(a, "markdown") != NULL))
		return mr_admin_fail("settings: give --sample or --markdown");
	(void)fputs(sample ? sample_head : markdown_head, stdout);
	for (size_t i = 0; i < mr_setting_rows_len; i++)
		(sample ? sample_row : markdown_row)(&mr_setting_rows[i]);
	if (fflush(stdout) != 0)
		return mr_admin_fail("standard output: write failed");
	return 0;
}
