#include "lib/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/seal_private.h"
#include "tests/unit/test.h"

/* ---- the cipher: the vectors of the GCM specification for 256 bits, which NIST gives too ---- */

#define VECTOR_MAX 64

static const struct {
	const char *name, *key, *nonce, *with, *text, *sealed, *tag;
} vectors[] = {
	{ "13", "0000000000000000000000000000000000000000000000000000000000000000",
	    "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "14", "0000000000000000000000000000000000000000000000000000000000000000",
	    "000000000000000000000000", "", "00000000000000000000000000000000",
	    "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919" },
	{ "15", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	    "cafebabefacedbaddecaf888", "",
	    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
	    "b094dac5d93471bdec1a502270e3cc6c" },
	{ "16", "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	    "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
	    "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static struct mr_str bytes(const char *hex, unsigned char *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		out[i] = (unsigned char)byte;
	}
	return (struct mr_str){ (const char *)out, n };
}

static void published_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(vectors); i++) {
		unsigned char buf[6][VECTOR_MAX], out[VECTOR_MAX] = { 0 }, tag[MR_SEAL_TAG_LEN];
		struct mr_str text = bytes(vectors[i].text, buf[3]);
		struct mr_str with = bytes(vectors[i].with, buf[2]);
		struct mr_str sealed = bytes(vectors[i].sealed, buf[4]);

		(void)bytes(vectors[i].key, buf[0]);
		(void)bytes(vectors[i].nonce, buf[1]);
		(void)bytes(vectors[i].tag, buf[5]);
		print_message("test case %s\n", vectors[i].name);
		assert_int_equal(mr_gcm_encrypt(buf[0], buf[1], with, text, out, tag), 0);
		assert_memory_equal(out, sealed.p, sealed.len);
		assert_memory_equal(tag, buf[5], sizeof(tag));
		assert_int_equal(mr_gcm_decrypt(buf[0], buf[1], with, sealed, tag, out), 0);
		assert_memory_equal(out, text.p, text.len);
		tag[15] ^= 1;
		assert_int_equal(
		    mr_gcm_decrypt(buf[0], buf[1], with, sealed, tag, out), MR_E_DENIED);
		for (size_t n = 0; n < sealed.len; n++)
			assert_int_equal(out[n], 0); /* nothing that isn't vouched for is left */
	}
}

/* ---- key files ---- */

struct fixture {
	char path[64];
	struct mr_arena *arena;
	struct mr_seal_keys *keys;
};

static void write_file(const char *path, mode_t mode, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(close(fd), 0);
}

/* TEXT has room for 1024. */
static void add_line(char *text, const char *line)
{
	size_t len = strlen(text);

	(void)snprintf(text + len, 1024 - len, "%s", line);
}

/* A line with a new key. */
static void add_key(char *text, const char *mark)
{
	char line[MR_SEAL_LINE_LEN];

	assert_int_equal(mr_seal_line_make(line), 0);
	line[MR_SEAL_LINE_LEN - 2] = '\0';
	(void)snprintf(text + strlen(text), 300, "%s%s\n", line, mark);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char text[1024] = "# a comment\n\n";
	int fd;

	assert_non_null(f);
	(void)snprintf(f->path, sizeof(f->path), "/tmp/mr-seal-XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
	add_key(text, "");
	write_file(f->path, 0600, text);
	f->arena = mr_arena_create_secret(64UL * 1024 * 1024);
	assert_non_null(f->arena);
	assert_int_equal(mr_seal_keys_open(f->path, &f->keys, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	f->keys = mr_seal_keys_free(f->keys);
	f->arena = mr_arena_free(f->arena);
	(void)unlink(f->path);
	free(f);
	return 0;
}

static const struct mr_seal_place here = { 7, { "secret", 6 }, { "api_key", 7 } };

static struct mr_str sealed(struct fixture *f, const char *text)
{
	struct mr_str ret = MR_STR_NONE;

	assert_int_equal(mr_seal(f->keys, &here, mr_str(text), f->arena, &ret), 0);
	return ret;
}

static int try(struct fixture *f, const struct mr_seal_place *at, struct mr_str s)
{
	struct mr_str text;

	return mr_unseal(f->keys, at, s, f->arena, &text);
}

static void there_and_back(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = { "", "x", "hunter2 \xc3\xa9" };

	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		struct mr_str s = sealed(f, texts[i]), text;
		char id[MR_SEAL_ID_HEX + 1];

		assert_int_equal(s.len, strlen(texts[i]) + MR_SEAL_OVERHEAD);
		assert_int_equal(mr_unseal(f->keys, &here, s, f->arena, &text), 0);
		assert_str(text, texts[i]);
		assert_int_equal(text.p[text.len], '\0');
		assert_int_equal(mr_seal_key_of(s, id), 0);
		assert_str(mr_seal_keys_current(f->keys), id);
	}
	/* another nonce each time, and the text isn't to be seen */
	assert_false(mr_str_eq(sealed(f, "hunter2"), sealed(f, "hunter2")));
	assert_null(memmem(sealed(f, "hunter2").p, MR_SEAL_OVERHEAD + 7, "hunter2", 7));
}

static void each_byte_counts(void **state)
{
	struct fixture *f = *state;
	struct mr_str s = sealed(f, "a text of some length");
	char *copy = malloc(s.len);

	assert_non_null(copy);
	for (size_t i = 0; i < s.len; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(copy, s.p, s.len);
			copy[i] = (char)(copy[i] ^ (1 << bit));
			assert_int_equal(try(f, &here, (struct mr_str){ copy, s.len }),
			    i == 0                ? MR_E_INVALID
			    : i <= MR_SEAL_ID_LEN ? MR_E_NOT_FOUND
			                          : MR_E_DENIED);
		}
	}
	for (size_t n = 0; n < s.len; n++)
		assert_int_equal(try(f, &here, (struct mr_str){ s.p, n }),
		    n < MR_SEAL_OVERHEAD ? MR_E_INVALID : MR_E_DENIED);
	free(copy);
}

static void elsewhere_it_stays_shut(void **state)
{
	struct fixture *f = *state;
	static const struct mr_seal_place others[] = {
		{ 8, { "secret", 6 }, { "api_key", 7 } },
		{ -7, { "secret", 6 }, { "api_key", 7 } },
		{ 7, { "agent", 5 }, { "api_key", 7 } },
		{ 7, { "secret", 6 }, { "api_kez", 7 } },
		{ 7, { "secret", 6 }, { "api_key", 6 } },
		{ 7, { "secreta", 7 }, { "pi_key", 6 } },
		{ 7, { "", 0 }, { "", 0 } },
	};
	struct mr_str s = sealed(f, "text");

	assert_int_equal(try(f, &here, s), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(others); i++)
		assert_int_equal(try(f, &others[i], s), MR_E_DENIED);
}

static void limits(void **state)
{
	struct fixture *f = *state;
	char name[300];
	struct mr_seal_place at = here;
	struct mr_str s = MR_STR_NONE, text;
	char *large = calloc(1, MR_SEAL_TEXT_MAX + 1);

	assert_non_null(large);
	memset(name, 'x', sizeof(name));
	at.name = (struct mr_str){ name, 255 };
	assert_int_equal(mr_seal(f->keys, &at, MR_STR("t"), f->arena, &s), 0);
	assert_int_equal(try(f, &at, s), 0);
	at.name.len = 256;
	assert_int_equal(mr_seal(f->keys, &at, MR_STR("t"), f->arena, &s), MR_E_LIMIT);
	assert_int_equal(try(f, &at, s), MR_E_LIMIT);
	text = (struct mr_str){ large, MR_SEAL_TEXT_MAX };
	assert_int_equal(mr_seal(f->keys, &here, text, f->arena, &s), 0);
	assert_int_equal(try(f, &here, s), 0);
	text.len++;
	assert_int_equal(mr_seal(f->keys, &here, text, f->arena, &s), MR_E_LIMIT);
	free(large);
}

static void no_memory(void **state)
{
	struct fixture *f = *state;
	struct mr_str s = sealed(f, "text"), ret;

	mr_arena_fail_after(1);
	assert_int_equal(mr_seal(f->keys, &here, MR_STR("t"), f->arena, &ret), MR_E_NOMEM);
	assert_int_equal(mr_unseal(f->keys, &here, s, f->arena, &ret), MR_E_NOMEM);
	mr_arena_fail_after(0);
}

static void rotation(void **state)
{
	struct fixture *f = *state;
	struct mr_str old = sealed(f, "old");
	char text[1024] = "", line[300], id[MR_SEAL_ID_HEX + 1], was[MR_SEAL_ID_HEX + 1];
	FILE *file = fopen(f->path, "re");

	assert_non_null(file);
	for (int i = 0; i < 3; i++)
		assert_non_null(fgets(line, sizeof(line), file));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(mr_seal_key_of(old, was), 0);

	/* a staged key, though first, opens and doesn't seal */
	add_key(text, " staged");
	add_line(text, line);
	write_file(f->path, 0600, text);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(mr_seal_keys_revision(f->keys), 1);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(mr_seal_keys_revision(f->keys), 1);
	assert_str(mr_seal_keys_current(f->keys), was);
	assert_int_equal(try(f, &here, old), 0);

	/* the new one seals, both open */
	text[0] = '\0';
	add_key(text, "");
	add_line(text, line);
	write_file(f->path, 0600, text);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(mr_seal_key_of(sealed(f, "new"), id), 0);
	assert_str(mr_seal_keys_current(f->keys), id);
	assert_string_not_equal(id, was);
	assert_int_equal(try(f, &here, old), 0);

	/* without the old one its texts are lost */
	text[strlen(text) - strlen(line)] = '\0';
	write_file(f->path, 0600, text);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(try(f, &here, old), MR_E_NOT_FOUND);
	assert_int_equal(try(f, &here, sealed(f, "new")), 0);

	/* a file that has gone, or can't be used, takes no key away, and is told of once */
	write_file(f->path, 0600, "nonsense\n");
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), MR_E_INVALID);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_true(mr_seal_keys_ready(f->keys));
}

static void digests(void **state)
{
	struct fixture *f = *state;
	unsigned char one[32], two[32];
	char text[1024] = "";

	assert_int_equal(mr_seal_digest(f->keys, MR_STR("text"), one), 0);
	assert_int_equal(mr_seal_digest(f->keys, MR_STR("text"), two), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_int_equal(mr_seal_digest(f->keys, MR_STR("texu"), two), 0);
	assert_memory_not_equal(one, two, sizeof(one));
	add_key(text, "");
	write_file(f->path, 0600, text);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(mr_seal_digest(f->keys, MR_STR("text"), two), 0);
	assert_memory_not_equal(one, two, sizeof(one));
}

static void no_file(void **state)
{
	struct fixture *f = *state;
	char text[1024] = "";
	struct mr_str ret, s = sealed(f, "text");

	f->keys = mr_seal_keys_free(f->keys);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mr_seal_keys_open(f->path, &f->keys, NULL), 0);
	assert_false(mr_seal_keys_ready(f->keys));
	assert_null(mr_seal_keys_current(f->keys).p);
	assert_int_equal(mr_seal(f->keys, &here, MR_STR("t"), f->arena, &ret), MR_E_UNAVAILABLE);
	assert_int_equal(try(f, &here, s), MR_E_NOT_FOUND);
	/* it comes */
	add_key(text, "");
	write_file(f->path, 0600, text);
	assert_int_equal(mr_seal_keys_refresh(f->keys, NULL), 0);
	assert_int_equal(mr_seal(f->keys, &here, MR_STR("t"), f->arena, &ret), 0);
}

static void expect_refused(struct fixture *f, const char *what)
{
	struct mr_seal_keys *keys = NULL;
	struct mr_error err = { .detail = "" };

	assert_int_equal(mr_seal_keys_open(f->path, &keys, &err), MR_E_INVALID);
	if (strstr(err.detail, what) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", err.detail, what);
	assert_null(keys);
}

static void files_that_are_refused(void **state)
{
	struct fixture *f = *state;
	char text[300] = "", twice[600], damaged[300];

	add_key(text, "");
	(void)snprintf(twice, sizeof(twice), "%s%s", text, text);
	write_file(f->path, 0600, twice);
	expect_refused(f, "line 2: a key stands there twice");

	memcpy(damaged, text, sizeof(damaged));
	damaged[40] = damaged[40] == '0' ? '1' : '0';
	write_file(f->path, 0600, damaged);
	expect_refused(f, "line 1: the key isn't the one that its id was made from");
	write_file(f->path, 0600, "0123456789abcdef 00\n");
	expect_refused(f, "line 1: a line must read");
	memcpy(damaged, text, sizeof(damaged));
	(void)snprintf(damaged + strlen(text) - 1, 8, " old\n");
	write_file(f->path, 0600, damaged);
	expect_refused(f, "line 1: a line must read");

	write_file(f->path, 0604, text);
	expect_refused(f, "others may read or write it");
	write_file(f->path, 0620, text);
	expect_refused(f, "others may read or write it");
	write_file(f->path, 0640, text);
	if (geteuid() != 0)
		expect_refused(f, "others may read or write it");

	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	expect_refused(f, "it must be a file");
	assert_int_equal(rmdir(f->path), 0);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	expect_refused(f, "it must be a file");
}

static void too_many_keys(void **state)
{
	struct fixture *f = *state;
	char *text = calloc(1, 65537);

	assert_non_null(text);
	for (unsigned i = 0; i <= MR_SEAL_KEYS_MAX; i++)
		add_key(text, "");
	write_file(f->path, 0600, text);
	expect_refused(f, "line 65: there are too many keys");
	memset(text, '#', 65536);
	write_file(f->path, 0600, text);
	expect_refused(f, "it is too large");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vectors),
		cmocka_unit_test_setup_teardown(there_and_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_byte_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(elsewhere_it_stays_shut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rotation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(digests, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_many_keys, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
