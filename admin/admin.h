/*
 * millrace-admin: what an operator does from a shell. Each command is one row of the table in
 * main.c and one function here; options are checked against the row before it runs.
 */
#ifndef MR_ADMIN_ADMIN_H
#define MR_ADMIN_ADMIN_H

#include <stdbool.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/settings.h"
#include "lib/str.h"

#define MR_CONFIG_FILE       "/etc/millrace/millrace.conf"
#define MR_ADMIN_OPTIONS_MAX 24

struct mr_admin_option {
	const char *name;  /* without the dashes */
	const char *value; /* "" for a flag */
};

struct mr_admin {
	struct mr_arena *arena;             /* the process's; nothing is given back early */
	const struct mr_settings *settings; /* NULL for commands that need none */
	const char *program;                /* argv[0], to find files beside the program */
	struct mr_admin_option options[MR_ADMIN_OPTIONS_MAX];
	unsigned options_len;
};

/* The option's value, "" for a flag, or NULL when it was not given. */
const char *mr_admin_opt(const struct mr_admin *a, const char *name);
/* The same, but says so on standard error when it is missing. */
const char *mr_admin_need(const struct mr_admin *a, const char *name) MR_MUST_CHECK;
/* One line on standard error; returns 1, the exit status. */
int mr_admin_fail(const char *fmt, ...) MR_PRINTF(1, 2);
/* A file below the folder of installed data, or --dir. NULL without memory. */
const char *mr_admin_data_path(const struct mr_admin *a, const char *below) MR_MUST_CHECK;

/* For commands that name a tenant: its id; it is made when it isn't there. Absent when that failed
 * (and said why). */
struct mr_str mr_admin_tenant_id(struct mr_admin *a, const char *name) MR_MUST_CHECK;

/* The commands: each returns the exit status. */
int mr_admin_certificate_add(struct mr_admin *a);
int mr_admin_issuer_create(struct mr_admin *a);
int mr_admin_key_create(struct mr_admin *a);
int mr_admin_library(struct mr_admin *a);
int mr_admin_library_after_migrate(struct mr_admin *a); /* of this release; says nothing */
int mr_admin_migrate(struct mr_admin *a);
int mr_admin_migrate_revert(struct mr_admin *a);
int mr_admin_migrate_status(struct mr_admin *a);
int mr_admin_migrate_verify(struct mr_admin *a);
int mr_admin_nginx_config(struct mr_admin *a);
int mr_admin_partitions(struct mr_admin *a);
int mr_admin_secrets_key_create(struct mr_admin *a);
int mr_admin_secrets_key_reseal(struct mr_admin *a);
int mr_admin_secrets_key_retire(struct mr_admin *a);
int mr_admin_secrets_key_rotate(struct mr_admin *a);
int mr_admin_metrics(struct mr_admin *a);
int mr_admin_settings(struct mr_admin *a);
int mr_admin_tenant_create(struct mr_admin *a);
int mr_admin_token(struct mr_admin *a);

#endif
