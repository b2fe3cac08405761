/*
 * Reads CSV (RFC 4180) from pieces of any size and hands out one row at a time. Beyond the RFC it
 * takes any ASCII delimiter, LF and CR as ends of lines, a UTF-8 byte order mark, and passes over
 * empty lines. Whatever isn't CSV is an error that names the line. Memory is bounded by the limits
 * below, whatever comes in.
 */
#ifndef MR_ENGINE_STEPS_CSV_READER_H
#define MR_ENGINE_STEPS_CSV_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"

#define MR_CSV_MAX_FIELD   (1u << 20) /* bytes */
#define MR_CSV_MAX_ROW     (8u << 20) /* bytes of all fields */
#define MR_CSV_MAX_COLUMNS 4096u

struct mr_csv {
	/* One row; false ends the reading with MR_E_CANCELLED. Called from feed and end. */
	bool (*row)(void *ctx, const struct mr_csv *csv);
	void *ctx;
	char delimiter;
	/* of the row that is handed out */
	size_t fields;
	uint64_t first_line; /* on which it begins, from 1 */
	/* after an error: a sentence */
	char message[200];
	/* private */
	int state;
	uint64_t line;
	uint64_t quote_line; /* on which the quoted field began */
	size_t seen;         /* bytes of the mark, at the beginning */
	bool after_cr, row_has_content;
	struct mr_buf text;
	size_t ends[MR_CSV_MAX_COLUMNS];
};

void mr_csv_init(struct mr_csv *csv, char delimiter,
    bool (*row)(void *ctx, const struct mr_csv *csv), void *ctx);
/* 0, or MR_E_INVALID or MR_E_LIMIT with the message set, MR_E_NOMEM, MR_E_CANCELLED. */
int mr_csv_feed(struct mr_csv *csv, struct mr_str piece) MR_MUST_CHECK;
/* The last row may lack its end of line. */
int mr_csv_end(struct mr_csv *csv) MR_MUST_CHECK;
void mr_csv_done(struct mr_csv *csv);
/* Field I of the row; points into the reader. */
struct mr_str mr_csv_field(const struct mr_csv *csv, size_t i);

#endif
