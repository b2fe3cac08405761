#include "lib/redact.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/json_scan.h"
#include "tests/unit/test.h"

static const struct mr_str secrets[] = { { "s3cr3t+value/1", 14 }, { "pa\"ss w\xc3\xb6rd", 11 },
	{ "12345678", 8 }, { "short", 5 }, { "s3cr3t+value/1 and more", 23 } };

static struct mr_arena *arena;
static struct mr_redact *redact;

static int set_up(void **state)
{
	(void)state;
	arena = mr_arena_create_secret(256UL * 1024 * 1024);
	assert_non_null(arena);
	assert_int_equal(mr_redact_create(arena, secrets, MR_ARRAY_LEN(secrets), &redact), 0);
	assert_non_null(redact);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena = mr_arena_free(arena);
	return 0;
}

static const struct {
	const char *name, *in, *out;
} texts[] = {
	{ "nothing", "an innocent text", "an innocent text" },
	{ "empty", "", "" },
	{ "all of it", "s3cr3t+value/1", "[redacted]" },
	{ "inside", "<s3cr3t+value/1>", "<[redacted]>" },
	{ "at the end", "Bearer s3cr3t+value/1", "Bearer [redacted]" },
	{ "twice", "s3cr3t+value/1s3cr3t+value/1,", "[redacted][redacted]," },
	{ "nearly", "s3cr3t+value/2 s3cr3t+value", "s3cr3t+value/2 s3cr3t+value" },
	{ "the longer one", "x s3cr3t+value/1 and more!", "x [redacted]!" },
	{ "too short to be looked for", "short", "short" },
	{ "percent", "?t=s3cr3t%2Bvalue%2F1&x", "?t=[redacted]&x" },
	{ "percent in lower case", "?t=s3cr3t%2bvalue%2f1&x", "?t=[redacted]&x" },
	{ "form", "p=pa%22ss+w%C3%B6rd", "p=[redacted]" },
	{ "space as percent", "p=pa%22ss%20w%c3%b6rd", "p=[redacted]" },
	{ "JSON", "{\"p\": \"pa\\\"ss w\xc3\xb6rd\"}", "{\"p\": \"[redacted]\"}" },
	{ "digits in digits", "0123456789", "0[redacted]9" },
	/* base64 of "s3cr3t+value/1", "a:s3cr3t+value/1", "ab:s3cr3t+value/1" and beyond */
	{ "base64", "czNjcjN0K3ZhbHVlLzE=", "[redacted]E=" },
	{ "base64 after one byte", "OnMzY3IzdCt2YWx1ZS8x", "On[redacted]" },
	{ "base64 after two", "YTpzM2NyM3QrdmFsdWUvMQ==", "YTp[redacted]Q==" },
	{ "base64 after three", "YWI6czNjcjN0K3ZhbHVlLzE=", "YWI6[redacted]E=" },
	{ "base64 of more", "eyJzM2NyM3QrdmFsdWUvMSJ9", "eyJ[redacted]SJ9" },
};

static void in_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		struct mr_str in = mr_str(texts[i].in), out;

		print_message("%s\n", texts[i].name);
		assert_int_equal(mr_redact_text(redact, arena, in, &out), 0);
		assert_str(out, texts[i].out);
		if (strcmp(texts[i].in, texts[i].out) == 0)
			assert_ptr_equal(in.p, out.p); /* nothing is copied in vain */
	}
}

/* Whatever stands around it, base64 shows no run of letters that the secret alone decides. */
static void every_base64(void **state)
{
	static const char letters[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct mr_str want = secrets[0];

	(void)state;
	for (size_t before = 0; before < 10; before++) {
		for (size_t after = 0; after < 4; after++) {
			char plain[64] = { 0 }, text[128];
			struct mr_str out;
			size_t n = 0, len = before + want.len + after;

			memset(plain, '.', sizeof(plain) - 3);
			memcpy(plain + before, want.p, want.len);
			for (size_t i = 0; i < len; i += 3) {
				unsigned three = (unsigned)(unsigned char)plain[i] << 16 |
				                 (unsigned)(unsigned char)plain[i + 1] << 8 |
				                 (unsigned char)plain[i + 2];

				for (int shift = 18; shift >= 0; shift -= 6)
					text[n++] = letters[three >> shift & 63];
			}
			assert_int_equal(
			    mr_redact_text(redact, arena, (struct mr_str){ text, n }, &out), 0);
			/* 14 bytes are 18 letters and a bit */
			assert_true(out.len <= n - 17 + strlen(MR_REDACTED));
			assert_non_null(memmem(out.p, out.len, MR_REDACTED, 10));
		}
	}
}

static const struct {
	const char *in, *out;
} values[] = {
	{ "{\"a\":[1,2,{\"b\":null}],\"c\":1.5}", "{\"a\":[1,2,{\"b\":null}],\"c\":1.5}" },
	{ "{\"a\":[\"x\",\"s3cr3t+value/1\"],\"b\":1}", "{\"a\":[\"x\",\"[redacted]\"],\"b\":1}" },
	{ "{\"s3cr3t+value/1\":{\"x\":\"12345678\"}}", "{\"[redacted]\":{\"x\":\"[redacted]\"}}" },
	{ "[12345678,12345679,\"a12345678\"]", "[\"[redacted]\",12345679,\"a[redacted]\"]" },
	{ "{\"12345678\":1,\"s3cr3t+value/1\":2}", "{\"[redacted]\":1,\"[redacted] #1\":2}" },
};

static void in_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(values); i++) {
		struct mr_value v, out;

		assert_int_equal(mr_json_parse(arena, mr_str(values[i].in), NULL, NULL, &v), 0);
		assert_int_equal(mr_redact_value(redact, arena, &v, &out), 0);
		assert_str(mr_json_text(arena, &out), values[i].out);
		if (strcmp(values[i].in, values[i].out) == 0)
			assert_true(out.map == v.map);
	}
}

static void too_deep(void **state)
{
	struct mr_value v = mr_value_int(1), out;

	(void)state;
	for (int i = 0; i < 700; i++) {
		struct mr_list *l = mr_list_create(arena, 1);

		assert_non_null(l);
		l->items[0] = v;
		v = mr_value_list(l);
	}
	assert_int_equal(mr_redact_value(redact, arena, &v, &out), MR_E_LIMIT);
}

/* A text made so that looking takes for ever is hidden, not looked through. */
static void hostile(void **state)
{
	size_t len = 4 * 1024 * 1024, own = 60000;
	char *text = malloc(len);
	struct mr_str secret = { text, own }, out;
	struct mr_redact *r;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', len);
	text[own / 2] = 'b';
	assert_int_equal(mr_redact_create(arena, &secret, 1, &r), 0);
	text[own / 2] = 'a';
	assert_int_equal(mr_redact_text(r, arena, (struct mr_str){ text, len }, &out), 0);
	assert_str(out, MR_REDACTED);
	free(text);
}

/* Against looking at every place for every text. */
static void by_chance(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		char text[4000], words[5][12];
		struct mr_str some[5], out;
		struct mr_redact *r;
		size_t hits = 0, seen = 0;

		for (size_t i = 0; i < sizeof(text); i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			text[i] = (char)('.' + (seed >> 60) % 2);
		}
		for (int i = 0; i < 5; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			memcpy(words[i], text + (seed >> 40) % 3900, sizeof(words[i]));
			some[i] = (struct mr_str){ words[i], sizeof(words[i]) };
		}
		assert_int_equal(mr_redact_create(arena, some, 5, &r), 0);
		assert_int_equal(
		    mr_redact_text(r, arena, (struct mr_str){ text, sizeof(text) }, &out), 0);
		for (size_t i = 0; i + 12 <= sizeof(text);) {
			bool hit = false;

			for (int k = 0; k < 5; k++)
				hit = hit || memcmp(text + i, words[k], 12) == 0;
			hits += hit;
			i += hit ? 12 : 1;
		}
		for (size_t i = 0; i + 10 <= out.len; i++)
			seen += memcmp(out.p + i, MR_REDACTED, 10) == 0;
		assert_int_equal(seen, hits);
	}
}

static void none(void **state)
{
	struct mr_redact *r = redact;

	(void)state;
	assert_int_equal(mr_redact_create(arena, secrets + 3, 1, &r), 0);
	assert_null(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_texts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_base64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_deep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(hostile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(by_chance, set_up, tear_down),
		cmocka_unit_test_setup_teardown(none, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
