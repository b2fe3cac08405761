/*
 * CSV to JSON and back, from one stream to another; for the helper program in the sandbox.
 *
 * To JSON: a list with an object for each row, its members named by the first row, or with a list
 * for each row when there is no header. All values are texts.
 *
 * To CSV: a list of objects, or objects one after the other (JSON lines). Each name is a column, in
 * the order in which they first occur; a member of an object inside is a column of its own, its
 * name that of the outer one, a dot, and its own; a list inside is its JSON text; null and what an
 * object lacks are empty. Rows that are lists are written as they are, without a header.
 */
#ifndef MR_ENGINE_STEPS_CSV_JSON_H
#define MR_ENGINE_STEPS_CSV_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/macros.h"

struct mr_csv_options {
	char delimiter;
	bool has_header;
};

struct mr_csv_outcome {
	uint64_t rows;     /* without the header */
	char message[256]; /* after MR_E_INVALID and MR_E_LIMIT */
};

/* 0, MR_E_INVALID, MR_E_LIMIT, MR_E_IO or MR_E_NOMEM. */
int mr_csv_to_json(
    FILE *in, FILE *out, const struct mr_csv_options *o, struct mr_csv_outcome *ret) MR_MUST_CHECK;
/* IN is read twice: a file, no pipe. */
int mr_json_to_csv(
    FILE *in, FILE *out, const struct mr_csv_options *o, struct mr_csv_outcome *ret) MR_MUST_CHECK;

#endif
