/*
 * millrace-convert csv-json|json-csv DELIMITER header|no-header: the file on standard input, in
 * the other format, on standard output. Run by the engine inside its sandbox; it opens nothing
 * itself. On standard error one line: the number of rows, or what is wrong and where. Exit: 0 done,
 * 1 the input is wrong, 2 wrong use, 3 too large.
 */
#include <stdio.h>
#include <string.h>

#include "engine/steps/csv_json.h"
#include "lib/error.h"

static int convert(const char *what, const struct mr_csv_options *o, struct mr_csv_outcome *ret)
{
	int r = strcmp(what, "csv-json") == 0 ? mr_csv_to_json(stdin, stdout, o, ret)
	                                      : mr_json_to_csv(stdin, stdout, o, ret);

	return r == 0 && fflush(stdout) != 0 ? MR_E_IO : r;
}

static bool usage_ok(int argc, char **argv)
{
	return argc == 4 &&
	       (strcmp(argv[1], "csv-json") == 0 || strcmp(argv[1], "json-csv") == 0) &&
	       strlen(argv[2]) == 1 &&
	       (strcmp(argv[3], "header") == 0 || strcmp(argv[3], "no-header") == 0);
}

int main(int argc, char **argv)
{
	struct mr_csv_options o;
	struct mr_csv_outcome outcome;
	int r;

	if (!usage_ok(argc, argv)) {
		(void)fputs(
		    "usage: millrace-convert csv-json|json-csv DELIMITER header|no-header\n",
		    stderr);
		return 2;
	}
	o = (struct mr_csv_options){ argv[2][0], strcmp(argv[3], "header") == 0 };
	r = convert(argv[1], &o, &outcome);
	if (r == 0)
		(void)fprintf(stderr, "%llu\n", (unsigned long long)outcome.rows);
	else
		(void)fprintf(stderr, "%s\n", outcome.message);
	return r == 0 ? 0 : r == MR_E_LIMIT || r == MR_E_NOMEM ? 3 : 1;
}
