/*
 * Settings: one row each in settings.def, with type, default, range and a sentence. Read from a
 * file of "name = value" lines, each overridden by the file NAME of CREDENTIALS_DIRECTORY
 * (systemd's LoadCredential=), then by the environment's MILLRACE_NAME. The sample configuration
 * and docs/reference/settings.md come from the same rows.
 */
#ifndef MR_LIB_SETTINGS_H
#define MR_LIB_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/str.h"

struct mr_settings {
#define MR_SETTING_STR(name, def, reload, doc)           const char *name;
#define MR_SETTING_INT(name, def, min, max, reload, doc) int64_t name;
#define MR_SETTING_BOOL(name, def, reload, doc)          bool name;
#include "lib/settings.def"
	struct mr_arena *arena; /* owns the strings */
};

enum mr_setting_type { MR_SETTING_STRING, MR_SETTING_INTEGER, MR_SETTING_BOOLEAN };

struct mr_setting_row {
	const char *name;
	enum mr_setting_type type;
	const char *def;
	int64_t min, max;
	bool reload; /* SIGHUP is enough; else restart */
	const char *doc;
	size_t offset;
};

extern const struct mr_setting_row mr_setting_rows[];
extern const size_t mr_setting_rows_len;

/* PATH may be NULL: defaults and environment only. Every fault is collected: unknown names with
 * the nearest known, wrong types, values out of range, each with file and line. */
int mr_settings_load(
    const char *path, struct mr_faults *faults, struct mr_settings **ret) MR_MUST_CHECK;
struct mr_settings *mr_settings_free(struct mr_settings *s);
/* True when a comma or space separated LIST holds ITEM. */
bool mr_settings_list_has(const char *list, struct mr_str item);

#endif
