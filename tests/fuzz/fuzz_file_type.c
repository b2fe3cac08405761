/* What a file is by its bytes, how many pixels it has, and the small parsers beside it: texts
 * cleaned, languages, durations, the list of allowed addresses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/steps/file_process_private.h"
#include "engine/steps/step_config.h"
#include "net/address_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t read_memory(void *ctx, int64_t offset, void *buf, size_t len)
{
	const struct mr_str *s = ctx;
	size_t left = offset < (int64_t)s->len ? s->len - (size_t)offset : 0;

	if (offset < 0)
		abort();
	len = len < left ? len : left;
	if (len > 0)
		memcpy(buf, s->p + offset, len);
	return (int64_t)len;
}

static void check_text(struct mr_str in)
{
	struct mr_arena *a = mr_arena_create(16u << 20);
	struct mr_str clean = a != NULL ? mr_text_clean(a, in) : MR_STR_NONE;

	if (clean.p != NULL &&
	    (!mr_str_is_utf8(clean) || memchr(clean.p, '\0', clean.len) != NULL ||
	        mr_text_words(clean) > clean.len ||
	        !mr_str_is_utf8(mr_text_cut(clean, clean.len / 2))))
		abort();
	a = mr_arena_free(a);
}

static void check_small(struct mr_str in)
{
	struct mr_address_guard *g = NULL;
	char languages[MR_FILE_LANGUAGES];
	char list[512];
	int64_t us;

	if (mr_file_languages(in, languages) && strlen(languages) >= sizeof(languages))
		abort();
	if (mr_config_parse_duration(in, &us) && us < 0)
		abort();
	if (in.len >= sizeof(list))
		return;
	memcpy(list, in.p, in.len);
	list[in.len] = '\0';
	if (mr_address_guard_create("engine", list, &g, NULL) == 0)
		g = mr_address_guard_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str in = { size > 0 ? (const char *)data : "", size };
	struct mr_file_view v = { .size = (int64_t)size, .read = read_memory, .ctx = &in };
	enum mr_file_type t = mr_file_type_detect(&v);

	(void)mr_file_type_name(t);
	(void)mr_file_pixels(&v, t);
	(void)mr_file_type_of_extension(mr_file_extension(in));
	check_text(in);
	check_small(in);
	return 0;
}
