#include "admin/admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/paths.h"

#define ARENA_MAX (16UL * 1024 * 1024)

struct command {
	const char *words; /* "key create" */
	int (*run)(struct mr_admin *a);
	bool needs_settings;
	const char *options; /* separated by spaces; "name=" takes a value */
	const char *usage;
	const char *doc;
};

/* --config is taken by every command. */
static const struct command commands[] = {
	{ "certificate add", mr_admin_certificate_add, true, "tenant= name= file= scopes= roles=",
	    "--tenant NAME --name NAME --file CERT.pem [--scopes S,S] [--roles R,R]",
	    "lets a client certificate speak for a principal" },
	{ "issuer create", mr_admin_issuer_create, true,
	    "tenant= issuer= audience= algorithm= key-name= public-key= jwks-file= jwks-url= "
	    "name-claim= tenant-claim= roles-claim= groups-claim= scope-claim= required-claims= "
	    "value-map= provision roles= scopes=",
	    "--issuer ISS (--key-name FILE | --public-key PATH | --jwks-file FILE | --jwks-url "
	    "URL) "
	    "[--tenant NAME] [--audience AUD] [--algorithm HS256|RS256|PS256|ES256|EdDSA] "
	    "[--provision] [--roles R,R] [--scopes S,S] [--name-claim C] [--tenant-claim C] "
	    "[--roles-claim C] [--groups-claim C] [--scope-claim C] [--required-claims JSON] "
	    "[--value-map JSON]",
	    "trusts an issuer's tokens; FILEs are those of keys_dir, PATH is any file; without "
	    "--tenant the token's tenant claim tells, without --audience they must have no aud; "
	    "--provision: unknown subjects too" },
	{ "key create", mr_admin_key_create, true, "tenant= name= scopes= roles= rate-limits=",
	    "--tenant NAME --name NAME [--scopes S,S] [--roles R,R] [--rate-limits "
	    "none|CLASS=N/T,…]",
	    "makes an API key and prints it, this once; --rate-limits: of its own, as the settings "
	    "have them (monitoring=1000/min,standard=none); none: no limit at all" },
	{ "library", mr_admin_library, true, "dir=", "[--dir FOLDER]",
	    "brings the templates that ship, or those of FOLDER, into the database; what is there "
	    "in "
	    "the same version is changed where the file differs; migrate does it, too" },
	{ "metrics", mr_admin_metrics, false, "markdown", "--markdown",
	    "prints the reference page of the metrics" },
	{ "migrate", mr_admin_migrate, true,
	    "dir= no-verify dry-run to= allow-locks big-rows= wait= json",
	    "[--dry-run] [--to CHANGE] [--allow-locks] [--big-rows N] [--wait SECONDS] [--json] "
	    "[--no-verify] [--dir FOLDER]",
	    "shows which changes the schema lacks and what they lock, deploys them with sqitch, "
	    "then "
	    "makes partitions; --dry-run: only shows; --to: up to that change; refuses what locks "
	    "a "
	    "table of N rows or more for long, unless --allow-locks; waits that long for locks and "
	    "for "
	    "another one at work" },
	{ "migrate revert", mr_admin_migrate_revert, true, "dir= to= yes wait= json",
	    "--to CHANGE --yes [--wait SECONDS] [--json] [--dir FOLDER]",
	    "takes back all changes behind CHANGE, and what was stored by them; without --yes only "
	    "shows them" },
	{ "migrate status", mr_admin_migrate_status, true, "dir= json", "[--json] [--dir FOLDER]",
	    "shows what is deployed, what is pending, and which deployed change has another script "
	    "than this release; status 1 then" },
	{ "migrate verify", mr_admin_migrate_verify, true, "dir= json", "[--json] [--dir FOLDER]",
	    "checks that the database has what each deployed change brought" },
	{ "nginx-config", mr_admin_nginx_config, true, "dir= main", "[--main] [--dir FOLDER]",
	    "prints nginx's configuration; --main: of a whole nginx" },
	{ "partitions", mr_admin_partitions, true, "keep-days=", "[--keep-days N]",
	    "makes the partitions that are due, and drops those whose runs all ended N days ago" },
	{ "secrets-key create", mr_admin_secrets_key_create, true, "", "",
	    "makes the file of the keys that secrets are sealed with" },
	{ "secrets-key reseal", mr_admin_secrets_key_reseal, true, "", "",
	    "seals anew what isn't sealed with the first key; may be stopped and started again" },
	{ "secrets-key retire", mr_admin_secrets_key_retire, true, "", "",
	    "takes keys out of the file that nothing is sealed with any more" },
	{ "secrets-key rotate", mr_admin_secrets_key_rotate, true, "stage", "[--stage]",
	    "puts a new key first, or the staged one; --stage: makes one known before it is used" },
	{ "settings", mr_admin_settings, false, "sample markdown", "--sample | --markdown",
	    "prints a sample configuration, or its reference page" },
	{ "tenant create", mr_admin_tenant_create, true, "name= platform",
	    "--name NAME [--platform]",
	    "makes a tenant; one that exists is left alone; --platform: its administrators keep "
	    "all "
	    "tenants" },
	{ "token", mr_admin_token, false,
	    "issuer= audience= subject= key-file= expires= scope= roles= name= tenant=",
	    "--issuer ISS --subject SUB --key-file FILE [--audience AUD] [--name NAME] [--tenant "
	    "NAME] "
	    "[--scope 'S S'] [--roles R,R] [--expires SECONDS]",
	    "prints an HS256 token, for development and tests" },
};

const char *mr_admin_opt(const struct mr_admin *a, const char *name)
{
	for (unsigned i = 0; i < a->options_len; i++) {
		if (strcmp(a->options[i].name, name) == 0)
			return a->options[i].value;
	}
	return NULL;
}

const char *mr_admin_need(const struct mr_admin *a, const char *name)
{
	const char *v = mr_admin_opt(a, name);

	if (v == NULL || *v == '\0') {
		(void)mr_admin_fail("--%s is needed", name);
		return NULL;
	}
	return v;
}

int mr_admin_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("millrace-admin: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	return 1;
}

const char *mr_admin_data_path(const struct mr_admin *a, const char *below)
{
	const char *dir = mr_admin_opt(a, "dir");
	struct mr_str s;

	if (dir != NULL)
		s = mr_arena_printf(a->arena, "%s", dir);
	else
		s = mr_arena_printf(a->arena, "%s/%s", MR_PKGDATADIR, below);
	return s.p;
}

static int usage(FILE *to)
{
	(void)fputs("usage: millrace-admin COMMAND [--config FILE] [OPTION]...\n\n", to);
	for (size_t i = 0; i < MR_ARRAY_LEN(commands); i++)
		(void)fprintf(to, "  %s %s\n      %s\n", commands[i].words, commands[i].usage,
		    commands[i].doc);
	(void)fprintf(to,
	    "\nSettings come from --config, else %s when it is there, and from MILLRACE_*.\n",
	    MR_CONFIG_FILE);
	return to == stdout ? 0 : 2;
}

/* How many of ARGV's words are the command's name; 0: it is another command. */
static int words_match(const struct command *c, int argc, char **argv)
{
	struct mr_str rest = mr_str(c->words);
	int n = 0;

	while (rest.p != NULL) {
		struct mr_str word = mr_str_cut(&rest, ' ');

		if (n >= argc || !mr_str_eqz(word, argv[n]))
			return 0;
		n++;
	}
	return n;
}

/* 1: NAME takes a value, 0: it is a flag, -1: the command knows no such option. */
static int option_kind(const struct command *c, struct mr_str name)
{
	struct mr_str rest = mr_str(c->options);

	if (mr_str_eqz(name, "config"))
		return 1;
	while (rest.p != NULL) {
		struct mr_str word = mr_str_cut(&rest, ' ');
		bool takes = word.len > 0 && word.p[word.len - 1] == '=';

		if (takes)
			word.len--;
		if (mr_str_eq(word, name))
			return takes ? 1 : 0;
	}
	return -1;
}

static int read_options(struct mr_admin *a, const struct command *c, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		struct mr_str value = mr_str(argv[i]), name;
		int kind = -1;

		name = mr_str_cut(&value, '=');
		if (mr_str_starts(name, MR_STR("--"))) {
			name.p += 2;
			name.len -= 2;
			kind = option_kind(c, name);
		}
		if (kind < 0)
			return mr_admin_fail("%s: unknown option %s", c->words, argv[i]);
		if (kind == 1 && value.p == NULL && i + 1 < argc)
			value = mr_str(argv[++i]);
		if ((kind == 1) != (value.p != NULL) || a->options_len == MR_ADMIN_OPTIONS_MAX)
			return mr_admin_fail("%s: --%.*s %s value", c->words, MR_STR_ARG(name),
			    kind == 1 ? "needs a" : "takes no");
		a->options[a->options_len].name = mr_arena_strz(a->arena, name);
		a->options[a->options_len].value = kind == 1 ? value.p : "";
		if (a->options[a->options_len++].name == NULL)
			return mr_admin_fail("out of memory");
	}
	return 0;
}

static int load_settings(struct mr_admin *a, struct mr_settings **ret)
{
	const char *path = mr_admin_opt(a, "config");
	struct mr_faults faults;
	FILE *f;

	if (path == NULL) {
		f = fopen(MR_CONFIG_FILE, "re");
		path = f != NULL ? MR_CONFIG_FILE : NULL;
		if (f != NULL)
			(void)fclose(f); /* only looked for */
	}
	mr_faults_init(&faults, a->arena, 64);
	if (mr_settings_load(path, &faults, ret) == 0)
		return 0;
	for (const struct mr_fault *x = faults.first; x != NULL; x = x->next)
		(void)mr_admin_fail("%.*s: %.*s", MR_STR_ARG(x->path), MR_STR_ARG(x->message));
	return mr_admin_fail("the settings don't hold together");
}

static int run(const struct command *c, int argc, char **argv, const char *program)
{
	struct mr_admin a = { .program = program };
	struct mr_settings *settings = NULL;
	int r = 1;

	a.arena = mr_arena_create_secret(ARENA_MAX);
	if (a.arena == NULL)
		return mr_admin_fail("out of memory");
	r = read_options(&a, c, argc, argv);
	if (r == 0 && c->needs_settings)
		r = load_settings(&a, &settings);
	if (r == 0) {
		a.settings = settings;
		r = c->run(&a);
	}
	settings = mr_settings_free(settings);
	a.arena = mr_arena_free(a.arena);
	return r;
}

int main(int argc, char **argv)
{
	const struct command *found = NULL; /* "migrate status" before "migrate" */
	int words = 0;

	mr_log_init("millrace-admin", MR_LOG_WARNING);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0))
		return usage(stdout);
	for (size_t i = 0; i < MR_ARRAY_LEN(commands); i++) {
		int n = words_match(&commands[i], argc - 1, argv + 1);

		if (n > words) {
			words = n;
			found = &commands[i];
		}
	}
	return found != NULL ? run(found, argc - 1 - words, argv + 1 + words, argv[0])
	                     : usage(stderr);
}
