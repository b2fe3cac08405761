/* Any text as a jq program: whether its words are allowed, without libjq. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jq/jq_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* Of a program without quotes, comments, points, dollars, braces and colons, words are all there is
 * to see: a refused one that stands alone must be found. */
static bool is_plain(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (strchr("\"#.$@{}:\\", p[i]) != NULL || isdigit((unsigned char)p[i]))
			return false; /* NUL too */
	}
	return true;
}

static bool has_word(const char *p, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		bool begins = i == 0 || !(isalpha((unsigned char)p[i - 1]) || p[i - 1] == '_');
		bool ends = i + n == len || !(isalnum((unsigned char)p[i + n]) || p[i + n] == '_');

		if (begins && ends && memcmp(p + i, word, n) == 0)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str program = { (const char *)data, size }, word = MR_STR_NONE;
	bool allowed;

	if (size == 0)
		program = MR_STR("");
	allowed = mr_jq_words_allowed(program, &word);
	if (!allowed)
		must(word.p >= program.p && word.p + word.len <= program.p + program.len);
	if (allowed && is_plain(program.p, program.len))
		must(!has_word(program.p, program.len, "env") &&
		     !has_word(program.p, program.len, "input") &&
		     !has_word(program.p, program.len, "import"));
	return 0;
}
