/* CSV to JSON and JSON to CSV: whatever comes in, they end, and what the first makes is JSON. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/steps/csv_json.h"
#include "lib/error.h"
#include "lib/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const char *p, size_t len)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	int r;

	if (a == NULL)
		return;
	/* a NUL byte is refused, so all of it is JSON that the language takes */
	r = mr_json_check(a, (struct mr_str){ p, len }, NULL, NULL);
	if (r != 0 && r != MR_E_LIMIT && r != MR_E_NOMEM)
		abort();
	a = mr_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_csv_options o = { ',', true };
	struct mr_csv_outcome outcome;
	char *made = NULL;
	size_t made_len = 0;
	FILE *in, *out;

	if (size < 2 || size > 100000)
		return 0;
	o.has_header = (data[0] & 1) == 0;
	o.delimiter = (data[0] & 2) == 0 ? ',' : ';';
	in = fmemopen((void *)(uintptr_t)(data + 1), size - 1, "r");
	out = open_memstream(&made, &made_len);
	if (in == NULL || out == NULL)
		abort();
	if ((data[0] & 4) != 0) {
		int r = mr_json_to_csv(in, out, &o, &outcome);

		(void)r; /* only that it ends */
		(void)fclose(out);
	} else {
		int r = mr_csv_to_json(in, out, &o, &outcome);

		(void)fclose(out);
		if (r == 0)
			check_json(made, made_len);
	}
	(void)fclose(in);
	free(made);
	return 0;
}
