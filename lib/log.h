/*
 * Log lines are JSON, one event each, on standard error. Only edges log: event loops and main.
 * Keys come from a fixed list (log.c); a value is never a secret, token, body or SQL parameter.
 */
#ifndef MR_LIB_LOG_H
#define MR_LIB_LOG_H

#include <stdint.h>

#include "lib/macros.h"
#include "lib/str.h"

enum mr_log_level { MR_LOG_DEBUG, MR_LOG_INFO, MR_LOG_WARNING, MR_LOG_ERROR };

struct mr_log_field {
	const char *key; /* one of the keys of log.c; NULL ends the list */
	struct mr_str s; /* text, or absent (.p NULL) for a number */
	int64_t n;
};

#define MR_F_S(k, v) ((struct mr_log_field){ (k), (v), 0 })
#define MR_F_Z(k, v) ((struct mr_log_field){ (k), mr_str(v), 0 })
#define MR_F_N(k, v) ((struct mr_log_field){ (k), MR_STR_NONE, (int64_t)(v) })

/* PROGRAM is repeated in every line. Lines below LEVEL are dropped. */
void mr_log_init(const char *program, enum mr_log_level level);
void mr_log_set_level(enum mr_log_level level);
/* Whether a line of LEVEL would be written: asked where making one costs something. */
bool mr_log_wants(enum mr_log_level level);
/* "debug", "info", "warning", "error"; -1 when it is none of them. */
int mr_log_level_parse(struct mr_str s);
/* EVENT is a short fixed phrase, "worker started"; details go into the fields. */
void mr_log_fields(enum mr_log_level level, const char *event, const struct mr_log_field *fields);
#define mr_log(level, event, ...)                                                                  \
	mr_log_fields((level), (event),                                                            \
	    (const struct mr_log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, MR_STR_NONE, 0 } })

#endif
