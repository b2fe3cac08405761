#include "fcgi/multipart.h"

#include <string.h>

#include "lib/error.h"

#define PREAMBLE_MAX 1024u
#define PADDING_MAX  64u
#define VALUE_MAX    MR_MULTIPART_VALUE_MAX

static int invalid(struct mr_multipart *m, const char *fault)
{
	m->fault = fault;
	return MR_E_INVALID;
}

static int limit(struct mr_multipart *m, const char *fault)
{
	m->fault = fault;
	return MR_E_LIMIT;
}

/* ---- header values with parameters ---- */

static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct mr_str token(struct mr_str *s)
{
	struct mr_str t = { s->p, 0 };

	while (t.len < s->len && is_token_char(s->p[t.len]))
		t.len++;
	s->p += t.len;
	s->len -= t.len;
	return t;
}

static void skip_space(struct mr_str *s)
{
	while (s->len > 0 && (s->p[0] == ' ' || s->p[0] == '\t')) {
		s->p++;
		s->len--;
	}
}

/* After the opening quote. Browsers escape a quote as %22; others with a backslash. */
static bool quoted(struct mr_str *s, char *out, size_t *ret_len)
{
	size_t n = 0, i = 0;

	for (; i < s->len && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->len &&
		    (s->p[i + 1] == '"' || s->p[i + 1] == '\\'))
			i++;
		if (n == VALUE_MAX)
			return false;
		out[n++] = s->p[i];
	}
	if (i == s->len)
		return false;
	s->p += i + 1;
	s->len -= i + 1;
	*ret_len = n;
	return true;
}

/* Takes "; name=value" off S. False at the end, with *ret_bad when there is something else. */
static bool parameter(
    struct mr_str *s, struct mr_str *ret_name, char *value, size_t *ret_len, bool *ret_bad)
{
	struct mr_str t;

	skip_space(s);
	*ret_bad = false;
	if (s->len == 0)
		return false;
	*ret_bad = true;
	if (s->p[0] != ';')
		return false;
	s->p++;
	s->len--;
	skip_space(s);
	if (s->len == 0) { /* a semicolon too many does no harm */
		*ret_bad = false;
		return false;
	}
	*ret_name = token(s);
	if (ret_name->len == 0 || s->len == 0 || s->p[0] != '=')
		return false;
	s->p++;
	s->len--;
	if (s->len > 0 && s->p[0] == '"') {
		s->p++;
		s->len--;
		return quoted(s, value, ret_len);
	}
	t = token(s);
	if (t.len == 0 || t.len > VALUE_MAX)
		return false;
	memcpy(value, t.p, t.len);
	*ret_len = t.len;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 8187: UTF-8'language'percent-encoded, decoded in place. */
static bool extended(char *value, size_t *len)
{
	static const char charset[] = "utf-8''";
	size_t n = 0, i = sizeof(charset) - 1;

	if (*len < i || !mr_str_ieqz((struct mr_str){ value, i }, charset))
		return false;
	for (; i < *len; i++) {
		int hi, lo;

		if (value[i] != '%') {
			value[n++] = value[i];
			continue;
		}
		hi = i + 2 < *len ? hex_digit(value[i + 1]) : -1;
		lo = i + 2 < *len ? hex_digit(value[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return false;
		value[n++] = (char)(hi * 16 + lo);
		i += 2;
	}
	*len = n;
	return true;
}

/* ---- one part's headers ---- */

/* What its headers hold, decoded. */
struct part {
	char name[VALUE_MAX], filename[VALUE_MAX];
	size_t name_len, filename_len;
	bool has_name, has_filename, is_extended;
	struct mr_str content_type;
};

static int take(
    struct mr_multipart *m, const char *value, size_t len, char *out, size_t *out_len, bool *has)
{
	if (*has)
		return invalid(m, "A part's Content-Disposition names something twice.");
	if (!mr_str_is_utf8((struct mr_str){ value, len }) || memchr(value, '\0', len) != NULL)
		return invalid(m, "A part's name or filename is not UTF-8.");
	memcpy(out, value, len);
	*out_len = len;
	*has = true;
	return 0;
}

static int take_parameter(
    struct mr_multipart *m, struct part *p, struct mr_str name, char *value, size_t len)
{
	bool again;

	if (mr_str_ieqz(name, "name"))
		return take(m, value, len, p->name, &p->name_len, &p->has_name);
	if (mr_str_ieqz(name, "filename*")) { /* goes before the plain one, whatever the order */
		if (p->is_extended || !extended(value, &len))
			return invalid(m, "A part's filename* is not UTF-8''… or comes twice.");
		p->is_extended = true;
		again = false;
		p->has_filename = true;
		return take(m, value, len, p->filename, &p->filename_len, &again);
	}
	if (mr_str_ieqz(name, "filename") && !p->is_extended)
		return take(m, value, len, p->filename, &p->filename_len, &p->has_filename);
	return 0; /* others mean nothing here */
}

static int disposition_parameters(struct mr_multipart *m, struct part *p, struct mr_str value)
{
	char text[VALUE_MAX];
	struct mr_str name = MR_STR_NONE;
	size_t len = 0;
	bool bad;

	while (parameter(&value, &name, text, &len, &bad)) {
		int r = take_parameter(m, p, name, text, len);

		if (r < 0)
			return r;
	}
	return bad ? invalid(m, "A part's Content-Disposition does not parse.") : 0;
}

static int disposition(struct mr_multipart *m, struct part *p, struct mr_str value)
{
	if (p->has_name)
		return invalid(m, "A part has two Content-Disposition headers.");
	if (!mr_str_ieqz(token(&value), "form-data"))
		return invalid(m, "A part's Content-Disposition is not form-data.");
	return disposition_parameters(m, p, value);
}

bool mr_multipart_filename(struct mr_str value, char out[VALUE_MAX], struct mr_str *ret)
{
	struct part p = { .has_name = false };
	struct mr_multipart m;

	if (value.len == 0 || token(&value).len == 0 || disposition_parameters(&m, &p, value) < 0 ||
	    !p.has_filename)
		return false;
	memcpy(out, p.filename, p.filename_len);
	*ret = (struct mr_str){ out, p.filename_len };
	return true;
}

static int header(struct mr_multipart *m, struct part *p, struct mr_str line)
{
	struct mr_str value = line, name = mr_str_cut(&value, ':');

	if (value.p == NULL || name.len == 0 ||
	    token(&(struct mr_str){ name.p, name.len }).len != name.len)
		return invalid(m, "A part's header does not parse.");
	value = mr_str_trim(value);
	if (mr_str_ieqz(name, "Content-Disposition"))
		return disposition(m, p, value);
	if (mr_str_ieqz(name, "Content-Type"))
		p->content_type = value;
	if (mr_str_ieqz(name, "Content-Transfer-Encoding") && !mr_str_ieqz(value, "binary") &&
	    !mr_str_ieqz(value, "8bit") && !mr_str_ieqz(value, "7bit"))
		return invalid(
		    m, "A part has a Content-Transfer-Encoding; send its bytes as they are.");
	return 0;
}

/* The headers are whole: m->headers ends in CR LF. */
static int begin_part(struct mr_multipart *m)
{
	struct mr_str rest = { m->headers, m->headers_len };
	struct mr_multipart_part part;
	struct part p = { .has_name = false };

	while (rest.len > 0) {
		struct mr_str line = mr_str_cut(&rest, '\n');
		int r;

		if (line.len == 0 || line.p[line.len - 1] != '\r')
			return invalid(m, "A part's header does not end in CR LF.");
		line.len--;
		r = line.len > 0 ? header(m, &p, line) : 0;
		if (r < 0)
			return r;
	}
	if (!p.has_name)
		return invalid(m, "A part has no Content-Disposition with a name.");
	part.name = (struct mr_str){ p.name, p.name_len };
	part.filename =
	    p.has_filename ? (struct mr_str){ p.filename, p.filename_len } : MR_STR_NONE;
	part.content_type = p.content_type.len > 0 ? p.content_type : MR_STR_NONE;
	m->state = MR_MULTIPART_BODY;
	m->matched = 0;
	return m->ops->begin(m->ctx, &part);
}

/* ---- bytes ---- */

static int read_headers(struct mr_multipart *m, char c)
{
	if (m->headers_len == sizeof(m->headers))
		return limit(m, "A part's headers are too long.");
	m->headers[m->headers_len++] = c;
	if (c != '\n' || m->headers_len < 2)
		return 0;
	if (m->headers_len == 2
	        ? memcmp(m->headers, "\r\n", 2) != 0
	        : m->headers_len < 4 || memcmp(m->headers + m->headers_len - 4, "\r\n\r\n", 4) != 0)
		return 0;
	m->headers_len -= 2; /* the empty line */
	return begin_part(m);
}

static int delimited(struct mr_multipart *m)
{
	bool in_part = m->state == MR_MULTIPART_BODY;

	m->state = MR_MULTIPART_DELIMITER;
	m->matched = 0;
	return in_part ? m->ops->end(m->ctx) : 0;
}

static int body_data(struct mr_multipart *m, struct mr_str s)
{
	if (s.len == 0)
		return 0;
	if (m->state == MR_MULTIPART_BODY)
		return m->ops->data(m->ctx, s);
	m->skipped += s.len;
	return m->skipped > PREAMBLE_MAX ? invalid(m, "The body does not begin with its boundary.")
	                                 : 0;
}

/* Takes what can't belong to a delimiter in one go, then at most one byte of a possible one. A
 * delimiter has its only CR at the beginning, so a failed match never hides another. */
static int read_body(struct mr_multipart *m, struct mr_str *in)
{
	int r;

	if (m->matched == 0) {
		const char *cr = memchr(in->p, '\r', in->len);
		size_t n = cr != NULL ? (size_t)(cr - in->p) : in->len;
		struct mr_str s = { in->p, n };

		in->p += n;
		in->len -= n;
		r = body_data(m, s);
		if (r < 0 || in->len == 0)
			return r;
	}
	if (in->p[0] == m->delimiter[m->matched]) {
		in->p++;
		in->len--;
		return ++m->matched == m->delimiter_len ? delimited(m) : 0;
	}
	r = body_data(m, (struct mr_str){ m->delimiter, m->matched });
	m->matched = 0;
	return r;
}

static int read_char(struct mr_multipart *m, char c)
{
	switch (m->state) {
	case MR_MULTIPART_DELIMITER:
		m->skipped = 0;
		if (c == '-') {
			m->state = MR_MULTIPART_DASH;
			return 0;
		}
		m->state = MR_MULTIPART_PADDING;
		/* fall through */
	case MR_MULTIPART_PADDING:
		if (c == '\r') {
			m->state = MR_MULTIPART_LF;
			return 0;
		}
		if ((c != ' ' && c != '\t') || ++m->skipped > PADDING_MAX)
			return invalid(m, "A boundary is not followed by a line's end.");
		return 0;
	case MR_MULTIPART_DASH:
		if (c != '-')
			return invalid(m, "A boundary is not followed by a line's end.");
		m->state = MR_MULTIPART_EPILOGUE;
		return 0;
	case MR_MULTIPART_LF:
		if (c != '\n')
			return invalid(m, "A boundary is not followed by a line's end.");
		if (++m->parts > MR_MULTIPART_PARTS_MAX)
			return limit(m, "There are too many parts.");
		m->state = MR_MULTIPART_HEADERS;
		m->headers_len = 0;
		return 0;
	default:
		return read_headers(m, c);
	}
}

int mr_multipart_feed(struct mr_multipart *m, struct mr_str in)
{
	while (in.len > 0 && m->state != MR_MULTIPART_EPILOGUE) {
		int r;

		if (m->state == MR_MULTIPART_BODY || m->state == MR_MULTIPART_PREAMBLE) {
			r = read_body(m, &in);
		} else {
			r = read_char(m, in.p[0]);
			in.p++;
			in.len--;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int mr_multipart_finish(struct mr_multipart *m)
{
	return m->state == MR_MULTIPART_EPILOGUE
	           ? 0
	           : invalid(m, "The body ends before its last boundary.");
}

bool mr_multipart_is(struct mr_str content_type)
{
	struct mr_str type = mr_str_trim(mr_str_cut(&content_type, ';'));

	return mr_str_ieqz(type, "multipart/form-data");
}

/* RFC 2046: no space at the end, and none of the characters that would break a line. */
static bool boundary_ok(const char *p, size_t len)
{
	if (len == 0 || len > MR_MULTIPART_BOUNDARY_MAX || p[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_token_char(p[i]) && (p[i] == '\0' || strchr(" ()+_,-./:=?", p[i]) == NULL))
			return false;
	}
	return true;
}

int mr_multipart_init(struct mr_multipart *m, struct mr_str content_type,
    const struct mr_multipart_ops *ops, void *ctx)
{
	struct mr_str rest = content_type, name = MR_STR_NONE;
	char value[VALUE_MAX];
	size_t len = 0;
	bool bad, found = false;

	memset(m, 0, offsetof(struct mr_multipart, headers));
	m->headers_len = 0;
	m->ops = ops;
	m->ctx = ctx;
	if (!mr_multipart_is(content_type))
		return invalid(m, "The Content-Type is not multipart/form-data.");
	(void)mr_str_cut(&rest, ';'); /* the media type */
	if (rest.p != NULL) {
		rest.p--; /* the semicolon belongs to the parameter */
		rest.len++;
	}
	while (parameter(&rest, &name, value, &len, &bad)) {
		if (!mr_str_ieqz(name, "boundary"))
			continue;
		if (found || !boundary_ok(value, len))
			return invalid(m, "The Content-Type's boundary is not valid.");
		memcpy(m->delimiter, "\r\n--", 4);
		memcpy(m->delimiter + 4, value, len);
		m->delimiter_len = 4 + len;
		found = true;
	}
	if (bad || !found)
		return invalid(m, "The Content-Type has no boundary that can be read.");
	m->matched = 2; /* at the very beginning no line's end is needed before a boundary */
	return 0;
}
