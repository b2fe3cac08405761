/*
 * The statements of a migration's script, one after the other, as the server takes them: quotes,
 * dollar quotes, comments, parentheses and bodies that begin atomic hold semicolons that end
 * nothing. Knows nothing of what they mean.
 */
#ifndef MR_ADMIN_SCRIPT_H
#define MR_ADMIN_SCRIPT_H

#include <stdbool.h>

#include "lib/str.h"

struct mr_script {
	struct mr_str text;
	size_t at;
	unsigned line; /* of AT, from 1 */
};

void mr_script_init(struct mr_script *s, struct mr_str text);
/* The next statement without its semicolon and without comments before it, and the line it begins
 * in. False at the end. Points into the text. */
bool mr_script_next(struct mr_script *s, struct mr_str *ret_statement, unsigned *ret_line);

#endif
