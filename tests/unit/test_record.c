/* The reader and writer of FastCGI records: whole requests split at every byte, everything that a
 * broken or hostile peer can send, name-value pairs, the framing of answers. */
#include "fcgi/record.h"

#include <stdlib.h>

#include <fastcgi.h>

#include "fcgi/answer.h"
#include "lib/error.h"
#include "tests/unit/test.h"

/* ---- making records ---- */

struct bytes {
	unsigned char p[70000];
	size_t len;
};

static void add(struct bytes *b, const void *p, size_t len)
{
	assert_true(len <= sizeof(b->p) - b->len);
	if (len > 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
}

static void add_record(
    struct bytes *b, unsigned type, unsigned id, const void *p, size_t len, unsigned padding)
{
	const unsigned char header[8] = { 1, (unsigned char)type, (unsigned char)(id >> 8),
		(unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len,
		(unsigned char)padding, 0 };
	static const unsigned char zeros[256];

	add(b, header, 8);
	add(b, p, len);
	add(b, zeros, padding);
}

static void add_begin(struct bytes *b, unsigned id, unsigned role, unsigned flags)
{
	const unsigned char body[8] = { (unsigned char)(role >> 8), (unsigned char)role,
		(unsigned char)flags };

	add_record(b, FCGI_BEGIN_REQUEST, id, body, 8, 0);
}

static void add_text(
    struct bytes *b, unsigned type, unsigned id, const char *text, unsigned padding)
{
	add_record(b, type, id, text, strlen(text), padding);
}

static void add_request(struct bytes *b, unsigned id)
{
	add_begin(b, id, FCGI_RESPONDER, FCGI_KEEP_CONN);
	add_text(b, FCGI_PARAMS, id, "\x04\x05NAMEvalue", 3);
	add_text(b, FCGI_PARAMS, id, "\x01\x01xy", 0);
	add_text(b, FCGI_PARAMS, id, "", 8);
	add_text(b, FCGI_STDIN, id, "hello ", 2);
	add_text(b, FCGI_STDIN, id, "world", 255);
	add_text(b, FCGI_STDIN, id, "", 0);
}

/* ---- what came out ---- */

/* Events as text: B(egin), p{…}, P, i{…}, I, A(bort), a{hex of an answer}, ! at the end: refused.
 * Pieces of one stream run together, since where they are cut means nothing. */
struct seen {
	char text[4096];
	size_t len;
	char stream; /* which one is open: 'p', 'i' or 0 */
};

static void put(struct seen *s, const char *p, size_t len)
{
	assert_true(len < sizeof(s->text) - s->len);
	memcpy(s->text + s->len, p, len);
	s->len += len;
	s->text[s->len] = '\0';
}

static void put_stream(struct seen *s, char stream, struct mr_str data)
{
	if (s->stream != stream) {
		put(s, s->stream != 0 ? "}" : "", s->stream != 0);
		if (stream != 0) {
			put(s, &stream, 1);
			put(s, "{", 1);
		}
		s->stream = stream;
	}
	put(s, data.p != NULL ? data.p : "", data.len);
}

static void put_event(struct seen *s, const struct mr_fcgi_event *e)
{
	static const char marks[] = { [MR_FCGI_BEGIN] = 'B',
		[MR_FCGI_PARAMS_END] = 'P',
		[MR_FCGI_STDIN_END] = 'I',
		[MR_FCGI_ABORT] = 'A' };
	static const char hex[] = "0123456789abcdef";

	if (e->kind == MR_FCGI_PARAMS || e->kind == MR_FCGI_STDIN) {
		put_stream(s, e->kind == MR_FCGI_PARAMS ? 'p' : 'i', e->data);
		return;
	}
	put_stream(s, 0, MR_STR_NONE);
	if (e->kind != MR_FCGI_ANSWER) {
		put(s, &marks[e->kind], 1);
		return;
	}
	put(s, "a{", 2);
	for (size_t i = 0; i < e->data.len; i++) {
		unsigned char c = (unsigned char)e->data.p[i];
		const char two[2] = { hex[c >> 4], hex[c & 15] };

		put(s, two, 2);
	}
	put(s, "}", 1);
}

/* Reads IN, cut into pieces of STEP bytes. False when the reader refused it. */
static bool read_all(struct mr_fcgi_reader *r, const struct bytes *in, size_t step, struct seen *s)
{
	for (size_t at = 0; at < in->len; at += step) {
		size_t n = in->len - at < step ? in->len - at : step;
		struct mr_str piece = { (const char *)in->p + at, n };
		struct mr_fcgi_event e;

		do {
			if (mr_fcgi_read(r, &piece, &e) < 0) {
				assert_non_null(r->fault);
				put(s, "!", 1);
				return false;
			}
			if (e.kind != MR_FCGI_MORE)
				put_event(s, &e);
		} while (e.kind != MR_FCGI_MORE);
		assert_int_equal(piece.len, 0);
	}
	return true;
}

static void check(const struct bytes *in, const char *want)
{
	static const size_t steps[] = { 1, 2, 3, 5, 7, 8, 9, 13, 64, 100000 };

	for (size_t i = 0; i < MR_ARRAY_LEN(steps); i++) {
		struct mr_fcgi_reader r;
		struct seen s = { .len = 0 };

		mr_fcgi_reader_init(&r, 100);
		(void)read_all(&r, in, steps[i], &s); /* a refusal is in the text */
		assert_string_equal(s.text, want);
	}
}

/* ---- requests ---- */

static void test_request_split_at_every_byte(void **state)
{
	static struct bytes in;
	static const char want[] = "Bp{\x04\x05NAMEvalue\x01\x01xy}Pi{hello world}I";

	(void)state;
	in.len = 0;
	add_request(&in, 258);
	check(&in, want);
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct bytes head = in, tail = { .len = in.len - cut };
		struct mr_fcgi_reader r;
		struct seen s = { .len = 0 };

		head.len = cut;
		memcpy(tail.p, in.p + cut, tail.len);
		mr_fcgi_reader_init(&r, 100);
		assert_true(read_all(&r, &head, 100000, &s));
		assert_true(read_all(&r, &tail, 100000, &s));
		assert_string_equal(s.text, want);
		assert_int_equal(r.id, 258);
		assert_true(r.keep_conn);
		assert_int_equal(r.phase, MR_FCGI_PHASE_WHOLE);
	}
}

static void test_one_after_the_other(void **state)
{
	static struct bytes in;
	struct mr_fcgi_reader r;
	struct seen s = { .len = 0 };

	(void)state;
	in.len = 0;
	add_begin(&in, 1, FCGI_RESPONDER, 0);
	add_text(&in, FCGI_PARAMS, 1, "", 0);
	add_text(&in, FCGI_STDIN, 1, "", 0);
	mr_fcgi_reader_init(&r, 100);
	for (unsigned i = 0; i < 3; i++) {
		s.len = 0;
		assert_true(read_all(&r, &in, 3, &s));
		assert_string_equal(s.text, "BPI");
		assert_false(r.keep_conn);
		mr_fcgi_reader_close_request(&r);
	}
}

static void test_largest_record(void **state)
{
	static struct bytes in;
	static char content[FCGI_MAX_LENGTH];
	struct mr_fcgi_reader r;
	struct mr_str rest;
	struct mr_fcgi_event e;
	size_t got = 0;

	(void)state;
	memset(content, 'x', sizeof(content));
	in.len = 0;
	add_begin(&in, 1, FCGI_RESPONDER, 0);
	add_record(&in, FCGI_PARAMS, 1, content, sizeof(content), 255);
	mr_fcgi_reader_init(&r, 100);
	rest = (struct mr_str){ (const char *)in.p, in.len };
	do {
		assert_int_equal(mr_fcgi_read(&r, &rest, &e), 0);
		if (e.kind == MR_FCGI_PARAMS)
			got += e.data.len;
	} while (e.kind != MR_FCGI_MORE);
	assert_int_equal(got, FCGI_MAX_LENGTH);
}

static void test_abort(void **state)
{
	static struct bytes in;

	(void)state;
	in.len = 0;
	add_begin(&in, 7, FCGI_RESPONDER, 0);
	add_text(&in, FCGI_PARAMS, 7, "\x01\x01xy", 0);
	add_text(&in, FCGI_ABORT_REQUEST, 7, "", 4);
	check(&in, "Bp{\x01\x01xy}A");
	in.len = 0;
	add_request(&in, 7);
	add_text(&in, FCGI_ABORT_REQUEST, 7, "", 0);
	check(&in, "Bp{\x04\x05NAMEvalue\x01\x01xy}Pi{hello world}IA");
}

/* ---- what is answered without being a request ---- */

static void test_second_request_is_refused(void **state)
{
	static struct bytes in;

	(void)state;
	in.len = 0;
	add_begin(&in, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
	add_request(&in, 2); /* all of it is ignored but for the answer */
	add_text(&in, FCGI_PARAMS, 1, "", 0);
	add_begin(&in, 3, FCGI_RESPONDER, 0);
	add_text(&in, FCGI_STDIN, 1, "", 0);
	check(&in, "Ba{01030002000800000000000001000000}P"
	           "a{01030003000800000000000001000000}I");
}

static void test_other_roles(void **state)
{
	static struct bytes in;
	static const unsigned roles[] = { 0, FCGI_AUTHORIZER, FCGI_FILTER, 4, 0xffff };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(roles); i++) {
		in.len = 0;
		add_begin(&in, 1, roles[i], FCGI_KEEP_CONN);
		add_text(&in, FCGI_PARAMS, 1, "xyz", 0);
		add_begin(&in, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
		check(&in, "a{01030001000800000000000003000000}B");
	}
}

static void test_get_values(void **state)
{
	static struct bytes in;
	static const char asked[] = "\x0f\0FCGI_MPXS_CONNS\x0e\0FCGI_MAX_CONNS\x05\0OTHER"
	                            "\x0d\0FCGI_MAX_REQS\x0d\0FCGI_MAX_REQS";

	(void)state;
	in.len = 0;
	add_record(&in, FCGI_GET_VALUES, 0, asked, sizeof(asked) - 1, 6);
	check(&in,
	    "a{"
	    "010a0000003700000e03464347495f4d41585f434f4e4e533130300d03464347495f4d41585f5245515331"
	    "30300f01464347495f4d5058535f434f4e4e5330}");
	in.len = 0;
	add_record(&in, FCGI_GET_VALUES, 0, "", 0, 0);
	check(&in, "a{010a000000000000}");
	in.len = 0;
	add_record(&in, FCGI_GET_VALUES, 0, "\x05\0OTH", 5, 0);
	check(&in, "!");
}

static void test_unknown_types(void **state)
{
	static struct bytes in;

	(void)state;
	in.len = 0;
	add_text(&in, 77, 0, "whatever", 1);
	add_text(&in, 0, 0, "", 0);
	check(&in, "a{010b0000000800004d00000000000000}a{010b0000000800000000000000000000}");
	in.len = 0;
	add_begin(&in, 1, FCGI_RESPONDER, 0);
	add_text(&in, 200, 1, "whatever", 1);
	check(&in, "Ba{010b000000080000c800000000000000}");
}

static void test_strangers_are_ignored(void **state)
{
	static struct bytes in;

	(void)state;
	in.len = 0;
	add_text(&in, FCGI_STDIN, 9, "left over", 7);
	add_text(&in, FCGI_ABORT_REQUEST, 9, "", 0);
	add_begin(&in, 1, FCGI_RESPONDER, 0);
	add_text(&in, FCGI_PARAMS, 2, "not ours", 0);
	add_text(&in, FCGI_PARAMS, 1, "", 0);
	check(&in, "BP");
}

static void test_strangers_are_bounded(void **state)
{
	static struct bytes in;
	struct mr_fcgi_reader r;
	struct seen s = { .len = 0 };
	unsigned n = 0;

	(void)state;
	in.len = 0;
	add_text(&in, FCGI_STDIN, 9, "", 0);
	mr_fcgi_reader_init(&r, 100);
	while (read_all(&r, &in, 8, &s) && n < 100000)
		n++;
	assert_true(n > 1000 && n < 10000);
}

/* What is still to come of a record when its request is answered early. */
static void test_rest_of_a_refused_request(void **state)
{
	static struct bytes in;

	(void)state;
	in.len = 0;
	add_begin(&in, 1, FCGI_RESPONDER, 0);
	add_text(&in, FCGI_PARAMS, 1, "", 0);
	add_text(&in, FCGI_STDIN, 1, "0123456789", 6);
	for (size_t cut = 24; cut < in.len; cut++) {
		struct bytes head = in, tail = { .len = in.len - cut };
		struct mr_fcgi_reader r;
		struct seen s = { .len = 0 };

		head.len = cut;
		memcpy(tail.p, in.p + cut, tail.len);
		mr_fcgi_reader_init(&r, 100);
		assert_true(read_all(&r, &head, 100, &s));
		mr_fcgi_reader_close_request(&r);
		put_stream(&s, 0, MR_STR_NONE);
		s.len = 0;
		s.text[0] = '\0';
		add_begin(&tail, 2, FCGI_RESPONDER, 0);
		assert_true(read_all(&r, &tail, 1, &s));
		assert_string_equal(s.text, "B");
	}
}

/* ---- what ends a connection ---- */

static void test_malformed(void **state)
{
	static const unsigned char empty[8];
	static const struct {
		const char *name;
		unsigned version, type, id;
		size_t len;
		bool open; /* after BEGIN_REQUEST of id 1 */
	} cases[] = {
		{ "version 0", 0, FCGI_BEGIN_REQUEST, 1, 8, false },
		{ "version 2", 2, FCGI_BEGIN_REQUEST, 1, 8, false },
		{ "HTTP", 'G', 'E', 0x5420, 8, false },
		{ "BEGIN with id 0", 1, FCGI_BEGIN_REQUEST, 0, 8, false },
		{ "BEGIN too short", 1, FCGI_BEGIN_REQUEST, 1, 7, false },
		{ "BEGIN too long", 1, FCGI_BEGIN_REQUEST, 1, 9, false },
		{ "BEGIN empty", 1, FCGI_BEGIN_REQUEST, 1, 0, false },
		{ "BEGIN twice", 1, FCGI_BEGIN_REQUEST, 1, 8, true },
		{ "PARAMS with id 0", 1, FCGI_PARAMS, 0, 0, true },
		{ "STDIN before PARAMS end", 1, FCGI_STDIN, 1, 0, true },
		{ "ABORT with content", 1, FCGI_ABORT_REQUEST, 1, 1, true },
		{ "ABORT with id 0", 1, FCGI_ABORT_REQUEST, 0, 0, true },
		{ "END_REQUEST of a peer", 1, FCGI_END_REQUEST, 1, 8, true },
		{ "STDOUT of a peer", 1, FCGI_STDOUT, 1, 8, true },
		{ "STDERR of a peer", 1, FCGI_STDERR, 1, 8, true },
		{ "DATA for a responder", 1, FCGI_DATA, 1, 8, true },
		{ "GET_VALUES with an id", 1, FCGI_GET_VALUES, 1, 0, true },
		{ "GET_VALUES with a strange id", 1, FCGI_GET_VALUES, 5, 0, false },
		{ "GET_VALUES too long", 1, FCGI_GET_VALUES, 0, 513, false },
		{ "GET_VALUES_RESULT of a peer", 1, FCGI_GET_VALUES_RESULT, 0, 0, false },
		{ "GET_VALUES_RESULT with a strange id", 1, FCGI_GET_VALUES_RESULT, 5, 0, false },
		{ "UNKNOWN_TYPE of a peer", 1, FCGI_UNKNOWN_TYPE, 0, 8, false },
	};
	static struct bytes in;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		const unsigned char header[8] = { (unsigned char)cases[i].version,
			(unsigned char)cases[i].type, (unsigned char)(cases[i].id >> 8),
			(unsigned char)cases[i].id, (unsigned char)(cases[i].len >> 8),
			(unsigned char)cases[i].len, 0, 0 };

		in.len = 0;
		if (cases[i].open)
			add_begin(&in, 1, FCGI_RESPONDER, 0);
		add(&in, header, 8);
		add(&in, empty, cases[i].len < 8 ? cases[i].len : 8);
		check(&in, cases[i].open ? "B!" : "!");
	}
}

static void test_after_the_end(void **state)
{
	static struct bytes in;
	static const unsigned types[] = { FCGI_PARAMS, FCGI_STDIN };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++) {
		in.len = 0;
		add_begin(&in, 1, FCGI_RESPONDER, 0);
		add_text(&in, FCGI_PARAMS, 1, "", 0);
		add_text(&in, FCGI_STDIN, 1, "", 0);
		add_text(&in, types[i], 1, "x", 0);
		check(&in, "BPI!");
	}
	in.len = 0;
	add_begin(&in, 1, FCGI_RESPONDER, 0);
	add_text(&in, FCGI_PARAMS, 1, "", 0);
	add_text(&in, FCGI_PARAMS, 1, "x", 0);
	check(&in, "BP!");
}

/* ---- pairs ---- */

static void test_pairs(void **state)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		int result;
		const char *want; /* name=value; … */
	} cases[] = {
		{ "none", "", 0, 0, "" },
		{ "short", "\1\2abc", 5, 0, "a=bc;" },
		{ "two, the second without a value", "\1\2abc\1\0d", 8, 0, "a=bc;d=;" },
		{ "long lengths", "\x80\0\0\1\x80\0\0\2abc", 11, 0, "a=bc;" },
		{ "empty name", "\0\1a", 3, 0, "=a;" },
		{ "name length alone", "\1", 1, MR_E_INVALID, "" },
		{ "long length cut", "\x80\0\0", 3, MR_E_INVALID, "" },
		{ "value length missing", "\x80\0\0\1", 4, MR_E_INVALID, "" },
		{ "name cut", "\2\0a", 3, MR_E_INVALID, "" },
		{ "value cut", "\1\2ab", 4, MR_E_INVALID, "" },
		{ "length beyond everything",
		    "\xff\xff\xff\xff\xff\xff\xff\xff"
		    "ab",
		    10, MR_E_INVALID, "" },
		{ "too many", "\0\0\0\0\0\0\0\0\0\0", 10, MR_E_LIMIT, "" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_pair pairs[4];
		struct seen s = { .len = 0 };
		size_t n = 0;
		/* from the heap, so that a sanitizer sees one byte too many */
		char *copy = malloc(cases[i].len + (cases[i].len == 0));

		assert_non_null(copy);
		memcpy(copy, cases[i].bytes, cases[i].len);
		assert_int_equal(mr_fcgi_pairs((struct mr_str){ copy, cases[i].len }, pairs, 4, &n),
		    cases[i].result);
		for (size_t k = 0; k < n; k++) {
			put(&s, pairs[k].name.p, pairs[k].name.len);
			put(&s, "=", 1);
			put(&s, pairs[k].value.p, pairs[k].value.len);
			put(&s, ";", 1);
		}
		assert_string_equal(s.text, cases[i].want);
		free(copy);
	}
}

/* ---- answers ---- */

static size_t u16(const unsigned char *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Takes an answer apart as a peer does: returns what STDOUT carried. */
static size_t unframe(const unsigned char *p, size_t len, unsigned id, unsigned char *out)
{
	size_t n = 0;
	bool stdout_ended = false;

	while (len > 0) {
		size_t content;

		assert_true(len >= 8);
		content = u16(p + 4);
		assert_int_equal(p[0], 1);
		assert_int_equal(u16(p + 2), id);
		assert_true(len >= 8 + content + p[6]);
		if (p[1] == FCGI_STDOUT) {
			assert_false(stdout_ended);
			stdout_ended = content == 0;
			memcpy(out + n, p + 8, content);
			n += content;
		} else {
			assert_int_equal(p[1], FCGI_END_REQUEST);
			assert_true(stdout_ended);
			assert_int_equal(content, 8);
			assert_int_equal(len, 16);
			assert_int_equal(p[12], FCGI_REQUEST_COMPLETE);
		}
		len -= 8 + content + p[6];
		p += 8 + content + p[6];
	}
	assert_true(stdout_ended);
	return n;
}

static void check_answer(size_t body_len)
{
	static const char head[] =
	    "Status: 200\r\nContent-Type: application/json\r\nContent-Length: ";
	struct mr_answer a;
	struct mr_request r = { .status = 200, .out_content_type = MR_STR("application/json") };
	size_t cap = body_len + body_len / 1000 + 1000, len = 0, n;
	unsigned char *wire = malloc(cap), *got = malloc(cap);
	uv_buf_t bufs[MR_ANSWER_BUFS];
	unsigned count;
	char *body;

	assert_non_null(wire);
	assert_non_null(got);
	mr_buf_init(&r.out_headers, 1000);
	mr_buf_init(&r.out_body, body_len);
	body = mr_buf_room(&r.out_body, body_len);
	assert_non_null(body);
	for (size_t i = 0; i < body_len; i++)
		body[i] = (char)(i * 7 + i / 251);
	mr_buf_commit(&r.out_body, body_len);
	mr_answer_init(&a);
	assert_int_equal(mr_answer_begin(&a, &r, 513), 0);
	while ((count = mr_answer_next(&a, bufs)) > 0) {
		size_t piece = 0;

		assert_true(count <= MR_ANSWER_BUFS);
		for (unsigned i = 0; i < count; i++) {
			assert_true(len + bufs[i].len <= cap);
			memcpy(wire + len, bufs[i].base, bufs[i].len);
			len += bufs[i].len;
			piece += bufs[i].len;
		}
		assert_true(
		    piece <= MR_ANSWER_RECORDS * (MR_FCGI_RECORD_MAX + 8) + MR_FCGI_END_LEN);
	}
	n = unframe(wire, len, 513, got);
	assert_memory_equal(got, head, sizeof(head) - 1);
	assert_true(n > body_len);
	if (body_len > 0)
		assert_memory_equal(got + n - body_len, body, body_len);
	assert_memory_equal(got + n - body_len - 4, "\r\n\r\n", 4);
	mr_answer_done(&a);
	mr_buf_done(&r.out_headers);
	mr_buf_done(&r.out_body);
	free(wire);
	free(got);
}

static void test_answers_of_every_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 65440, 65450, 65460, 65528, 65536, 131056,
		262112, 262200, 300000, 1000000 };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(sizes); i++)
		check_answer(sizes[i]);
	for (size_t n = 65400; n < 65560; n++) /* around the first record's end */
		check_answer(n);
}

static void test_answers_without_body(void **state)
{
	static const struct {
		unsigned status;
		enum mr_method method;
		const char *headers, *body, *want;
	} cases[] = {
		{ 204, MR_GET, "", "", "Status: 204\r\n\r\n" },
		{ 304, MR_GET, "ETag: \"1\"\r\n", "", "Status: 304\r\nETag: \"1\"\r\n\r\n" },
		{ 200, MR_HEAD, "", "abc",
		    "Status: 200\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n" },
		{ 200, MR_GET, "X-Request-ID: a\r\nX-Accel-Redirect: /_files/x\r\n", "",
		    "Status: 200\r\nX-Request-ID: a\r\nX-Accel-Redirect: /_files/x\r\n\r\n" },
		{ 200, MR_GET, "X: y\r\n", "", "Status: 200\r\nContent-Length: 0\r\nX: y\r\n\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_request r = { .status = cases[i].status, .method = cases[i].method };
		struct mr_answer a;

		mr_buf_init(&r.out_headers, 1000);
		mr_buf_init(&r.out_body, 1000);
		mr_buf_addz(&r.out_headers, cases[i].headers);
		mr_buf_addz(&r.out_body, cases[i].body);
		mr_answer_init(&a);
		assert_int_equal(mr_answer_begin(&a, &r, 1), 0);
		assert_string_equal(a.head.p + MR_FCGI_HEADER, cases[i].want);
		assert_int_equal(a.body.len, 0);
		mr_answer_done(&a);
		mr_buf_done(&r.out_headers);
		mr_buf_done(&r.out_body);
	}
}

static void test_answer_of_one_given_up(void **state)
{
	struct mr_answer a;
	uv_buf_t bufs[MR_ANSWER_BUFS];

	(void)state;
	mr_answer_init(&a);
	mr_answer_begin_empty(&a, 3);
	assert_int_equal(mr_answer_next(&a, bufs), 1);
	assert_int_equal(bufs[0].len, MR_FCGI_END_LEN);
	assert_int_equal(mr_answer_next(&a, bufs), 0);
	mr_answer_done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_split_at_every_byte),
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_largest_record),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_second_request_is_refused),
		cmocka_unit_test(test_other_roles),
		cmocka_unit_test(test_get_values),
		cmocka_unit_test(test_unknown_types),
		cmocka_unit_test(test_strangers_are_ignored),
		cmocka_unit_test(test_strangers_are_bounded),
		cmocka_unit_test(test_rest_of_a_refused_request),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_after_the_end),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_answers_of_every_size),
		cmocka_unit_test(test_answers_without_body),
		cmocka_unit_test(test_answer_of_one_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
