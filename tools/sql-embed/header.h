/* The header of a statement file: name, purpose, params, returns, flags, order, index. */
#ifndef MR_SQL_EMBED_HEADER_H
#define MR_SQL_EMBED_HEADER_H

#include "tools/sql-embed/statement.h"

/* Takes "-- key: value" lines from *AT on, in their fixed order, and leaves *AT behind them.
 * PART: the file is no statement of its own and has only name, purpose and params. */
void header_read(struct statement *s, char **at, bool part);
/* Whether LINE looks like a line of the header. */
bool header_is_line(const char *line);

#endif
