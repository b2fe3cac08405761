#include "lib/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/rate.h"

#define MR_RELOAD  true
#define MR_RESTART false

const struct mr_setting_row mr_setting_rows[] = {
#define MR_SETTING_STR(name, def, reload, doc)                                                     \
	{ #name, MR_SETTING_STRING, def, 0, 0, reload, doc, offsetof(struct mr_settings, name) },
#define MR_SETTING_INT(name, def, min, max, reload, doc)                                           \
	{ #name, MR_SETTING_INTEGER, #def, min, max, reload, doc,                                  \
		offsetof(struct mr_settings, name) },
#define MR_SETTING_BOOL(name, def, reload, doc)                                                    \
	{ #name, MR_SETTING_BOOLEAN, #def, 0, 0, reload, doc, offsetof(struct mr_settings, name) },
#include "lib/settings.def"
};
const size_t mr_setting_rows_len = MR_ARRAY_LEN(mr_setting_rows);

#define FILE_MAX       (256 * 1024)
#define ENV_NAME_MAX   128
#define CREDENTIAL_MAX 8192

static const struct mr_setting_row *find_row(struct mr_str name)
{
	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		if (mr_str_eqz(name, mr_setting_rows[i].name))
			return &mr_setting_rows[i];
	}
	return NULL;
}

static const char *nearest_name(struct mr_str name)
{
	const char *best = NULL;
	unsigned least = 4;

	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		unsigned d = mr_str_distance(name, mr_str(mr_setting_rows[i].name), least);

		if (d < least) {
			least = d;
			best = mr_setting_rows[i].name;
		}
	}
	return best;
}

static bool parse_bool(struct mr_str v, bool *ret)
{
	bool yes = mr_str_ieqz(v, "true") || mr_str_ieqz(v, "on") || mr_str_ieqz(v, "yes") ||
	           mr_str_eqz(v, "1");
	bool no = mr_str_ieqz(v, "false") || mr_str_ieqz(v, "off") || mr_str_ieqz(v, "no") ||
	          mr_str_eqz(v, "0");

	*ret = yes;
	return yes || no;
}

/* Stores VALUE, or says at WHERE what is wrong with it. Only a lack of memory is an error. */
static int assign(struct mr_settings *s, const struct mr_setting_row *row, struct mr_str value,
    struct mr_str where, struct mr_faults *faults)
{
	char *field = (char *)s + row->offset;
	const char *text;
	int64_t n;
	bool b;

	switch (row->type) {
	case MR_SETTING_STRING:
		text = mr_arena_strz(s->arena, value);
		if (text == NULL)
			return MR_E_NOMEM;
		memcpy(field, &text, sizeof(text));
		break;
	case MR_SETTING_INTEGER:
		if (!mr_str_i64(value, &n) || n < row->min || n > row->max) {
			mr_fault_add(faults, where, "range",
			    "%s must be an integer from %lld to %lld", row->name,
			    (long long)row->min, (long long)row->max);
			break;
		}
		memcpy(field, &n, sizeof(n));
		break;
	case MR_SETTING_BOOLEAN:
		if (!parse_bool(value, &b)) {
			mr_fault_add(faults, where, "type", "%s must be true or false", row->name);
			break;
		}
		memcpy(field, &b, sizeof(b));
		break;
	}
	return 0;
}

/* A value may stand in double quotes, for spaces at its ends. */
static struct mr_str unquote(struct mr_str v)
{
	if (v.len >= 2 && v.p[0] == '"' && v.p[v.len - 1] == '"') {
		v.p++;
		v.len -= 2;
	}
	return v;
}

static int read_line(
    struct mr_settings *s, struct mr_str line, struct mr_str where, struct mr_faults *faults)
{
	const struct mr_setting_row *row;
	struct mr_str name, value = mr_str_trim(line);

	if (value.len == 0 || value.p[0] == '#')
		return 0;
	name = mr_str_trim(mr_str_cut(&value, '='));
	if (value.p == NULL) {
		mr_fault_add(faults, where, "syntax", "a line must read name = value");
		return 0;
	}
	row = find_row(name);
	if (row == NULL) {
		const char *near = nearest_name(name);

		mr_fault_add(faults, where, "unknown", "there is no setting %.*s%s%s%s",
		    MR_STR_ARG(name), near != NULL ? "; did you mean " : "",
		    near != NULL ? near : "", near != NULL ? "?" : "");
		return 0;
	}
	return assign(s, row, unquote(mr_str_trim(value)), where, faults);
}

/* The whole file, bounded. */
static int slurp(const char *path, size_t max, struct mr_arena *arena, struct mr_faults *faults,
    struct mr_str *ret)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;

	if (f == NULL) {
		mr_fault_add(faults, mr_str(path), "file", "can't be read: %s", strerror(errno));
		return 0;
	}
	text = mr_arena_alloc(arena, max);
	if (text == NULL) {
		(void)fclose(f); /* only read from */
		return MR_E_NOMEM;
	}
	n = fread(text, 1, max, f);
	if (ferror(f) || n == max)
		mr_fault_add(faults, mr_str(path), "file",
		    "can't be read, or is larger than %zu bytes", max - 1);
	(void)fclose(f); /* only read from */
	*ret = (struct mr_str){ text, n };
	return 0;
}

static int read_file(struct mr_settings *s, const char *path, struct mr_faults *faults)
{
	struct mr_str text = MR_STR_NONE;
	int r = slurp(path, FILE_MAX, s->arena, faults, &text);
	unsigned line = 0;

	while (r == 0 && text.p != NULL) {
		char where[512];

		line++;
		(void)snprintf(where, sizeof(where), "%s:%u", path, line); /* cut is fine */
		r = read_line(s, mr_str_cut(&text, '\n'), mr_str(where), faults);
	}
	return r;
}

static int read_environment(struct mr_settings *s, struct mr_faults *faults)
{
	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		char name[ENV_NAME_MAX] = "MILLRACE_";
		size_t n = strlen(name);
		const char *value;
		int r;

		for (const char *p = mr_setting_rows[i].name; *p != '\0' && n < sizeof(name) - 1;
		     p++)
			name[n++] = (char)(*p >= 'a' && *p <= 'z' ? *p - ('a' - 'A') : *p);
		name[n] = '\0';
		value = getenv(name);
		if (value == NULL)
			continue;
		r = assign(s, &mr_setting_rows[i], mr_str(value), mr_str(name), faults);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What systemd's LoadCredential= puts there: a file NAME holds the value of the setting NAME. */
static int read_credentials(struct mr_settings *s, struct mr_faults *faults)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	int r = 0;

	for (size_t i = 0; dir != NULL && i < mr_setting_rows_len && r == 0; i++) {
		struct mr_str text = MR_STR_NONE, path;

		path = mr_arena_printf(s->arena, "%s/%s", dir, mr_setting_rows[i].name);
		if (path.p == NULL)
			return MR_E_NOMEM;
		if (access(path.p, F_OK) != 0)
			continue;
		r = slurp(path.p, CREDENTIAL_MAX, s->arena, faults, &text);
		if (r == 0 && text.p != NULL)
			r = assign(s, &mr_setting_rows[i], mr_str_trim(text), path, faults);
	}
	return r;
}

static int set_defaults(struct mr_settings *s, struct mr_faults *faults)
{
	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		const struct mr_setting_row *row = &mr_setting_rows[i];
		int r = assign(s, row, mr_str(row->def), mr_str(row->name), faults);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What no single row can say. */
static void check_together(const struct mr_settings *s, struct mr_faults *faults)
{
	if (mr_log_level_parse(mr_str(s->log_level)) < 0)
		mr_fault_add(faults, MR_STR("log_level"), "enum",
		    "log_level must be debug, info, warning or error");
	if (strcmp(s->sandbox, "namespaces") != 0 && strcmp(s->sandbox, "rlimits") != 0)
		mr_fault_add(
		    faults, MR_STR("sandbox"), "enum", "sandbox must be namespaces or rlimits");
	if (s->cors_credentials && mr_settings_list_has(s->cors_allowed_origins, MR_STR("*")))
		mr_fault_add(faults, MR_STR("cors_allowed_origins"), "combination",
		    "* is refused together with cors_credentials: name the origins");
	if (s->socket_dir[0] != '/' || strlen(s->socket_dir) > 80)
		mr_fault_add(faults, MR_STR("socket_dir"), "path",
		    "socket_dir must be an absolute path of at most 80 bytes");
	mr_rates_check(s, faults);
}

int mr_settings_load(const char *path, struct mr_faults *faults, struct mr_settings **ret)
{
	struct mr_arena *arena = mr_arena_create(FILE_MAX * 4);
	struct mr_settings *s = arena != NULL ? mr_arena_zalloc(arena, sizeof(*s)) : NULL;
	int r = MR_E_NOMEM;

	if (s == NULL)
		goto out;
	s->arena = arena;
	r = set_defaults(s, faults);
	if (r == 0 && path != NULL)
		r = read_file(s, path, faults);
	if (r == 0)
		r = read_credentials(s, faults);
	if (r == 0)
		r = read_environment(s, faults);
	if (r < 0)
		goto out;
	check_together(s, faults);
	if (faults->count > 0) {
		r = MR_E_INVALID;
		goto out;
	}
	*ret = s;
	return 0;
out:
	arena = mr_arena_free(arena);
	return r;
}

struct mr_settings *mr_settings_free(struct mr_settings *s)
{
	if (s != NULL)
		(void)mr_arena_free(s->arena); /* always NULL */
	return NULL;
}

bool mr_settings_list_has(const char *list, struct mr_str item)
{
	const char *p = list;

	while (*p != '\0') {
		size_t n = strcspn(p, ", \t");

		if (n > 0 && mr_str_eq((struct mr_str){ p, n }, item))
			return true;
		p += n;
		p += strspn(p, ", \t");
	}
	return false;
}
