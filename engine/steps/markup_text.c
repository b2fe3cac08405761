#include "engine/steps/markup_text.h"

#include <stdint.h>
#include <string.h>

enum state {
	TEXT,
	ENTITY,   /* behind & */
	TAG_OPEN, /* behind < */
	TAG_NAME,
	TAG_REST,    /* attributes */
	DECLARED,    /* behind <! */
	COMMENT,     /* until --> */
	CDATA,       /* until ]]> */
	DECLARATION, /* <!DOCTYPE …>, <?xml …?>: until > */
	RAW,         /* script, style: until </name */
	RAW_END,     /* behind < in raw */
};

static const char *const raw_elements[] = { "script", "style", "template", "noscript", "title",
	"svg", "math", "iframe", "textarea" };
static const char *const blocks[] = { "p", "div", "br", "li", "ul", "ol", "dl", "dt", "dd", "tr",
	"table", "thead", "tbody", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article",
	"header", "footer", "main", "nav", "aside", "blockquote", "pre", "hr", "form", "fieldset",
	"figure", "figcaption", "address", "body", "head", "html", "option", "details", "summary" };

static const struct {
	const char *name;
	uint32_t code;
} entities[] = {
	{ "amp", '&' },
	{ "lt", '<' },
	{ "gt", '>' },
	{ "quot", '"' },
	{ "apos", '\'' },
	{ "nbsp", 0xa0 },
	{ "cent", 0xa2 },
	{ "pound", 0xa3 },
	{ "yen", 0xa5 },
	{ "sect", 0xa7 },
	{ "copy", 0xa9 },
	{ "laquo", 0xab },
	{ "reg", 0xae },
	{ "deg", 0xb0 },
	{ "plusmn", 0xb1 },
	{ "sup2", 0xb2 },
	{ "sup3", 0xb3 },
	{ "micro", 0xb5 },
	{ "para", 0xb6 },
	{ "middot", 0xb7 },
	{ "raquo", 0xbb },
	{ "frac12", 0xbd },
	{ "Agrave", 0xc0 },
	{ "Aacute", 0xc1 },
	{ "Acirc", 0xc2 },
	{ "Atilde", 0xc3 },
	{ "Auml", 0xc4 },
	{ "Aring", 0xc5 },
	{ "AElig", 0xc6 },
	{ "Ccedil", 0xc7 },
	{ "Egrave", 0xc8 },
	{ "Eacute", 0xc9 },
	{ "Ecirc", 0xca },
	{ "Euml", 0xcb },
	{ "Iacute", 0xcd },
	{ "Ntilde", 0xd1 },
	{ "Oacute", 0xd3 },
	{ "Ocirc", 0xd4 },
	{ "Ouml", 0xd6 },
	{ "times", 0xd7 },
	{ "Oslash", 0xd8 },
	{ "Uacute", 0xda },
	{ "Uuml", 0xdc },
	{ "szlig", 0xdf },
	{ "agrave", 0xe0 },
	{ "aacute", 0xe1 },
	{ "acirc", 0xe2 },
	{ "atilde", 0xe3 },
	{ "auml", 0xe4 },
	{ "aring", 0xe5 },
	{ "aelig", 0xe6 },
	{ "ccedil", 0xe7 },
	{ "egrave", 0xe8 },
	{ "eacute", 0xe9 },
	{ "ecirc", 0xea },
	{ "euml", 0xeb },
	{ "igrave", 0xec },
	{ "iacute", 0xed },
	{ "icirc", 0xee },
	{ "iuml", 0xef },
	{ "ntilde", 0xf1 },
	{ "ograve", 0xf2 },
	{ "oacute", 0xf3 },
	{ "ocirc", 0xf4 },
	{ "otilde", 0xf5 },
	{ "ouml", 0xf6 },
	{ "divide", 0xf7 },
	{ "oslash", 0xf8 },
	{ "ugrave", 0xf9 },
	{ "uacute", 0xfa },
	{ "ucirc", 0xfb },
	{ "uuml", 0xfc },
	{ "ndash", 0x2013 },
	{ "mdash", 0x2014 },
	{ "lsquo", 0x2018 },
	{ "rsquo", 0x2019 },
	{ "sbquo", 0x201a },
	{ "ldquo", 0x201c },
	{ "rdquo", 0x201d },
	{ "bdquo", 0x201e },
	{ "bull", 0x2022 },
	{ "hellip", 0x2026 },
	{ "permil", 0x2030 },
	{ "euro", 0x20ac },
	{ "trade", 0x2122 },
	{ "larr", 0x2190 },
	{ "rarr", 0x2192 },
	{ "minus", 0x2212 },
	{ "ne", 0x2260 },
	{ "le", 0x2264 },
	{ "ge", 0x2265 },
};

void mr_markup_init(struct mr_markup *m, enum mr_markup_kind kind, struct mr_buf *out)
{
	*m = (struct mr_markup){ .kind = kind, .out = out, .state = TEXT };
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_one_of(const char *name, const char *const *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(name, list[i]) == 0)
			return true;
	}
	return false;
}

/* ---- text ---- */

static void new_line(struct mr_markup *m)
{
	m->space = false;
	if (m->out->len > 0 && m->out->p[m->out->len - 1] != '\n')
		mr_buf_addc(m->out, '\n');
}

/* HTML: any white space is one blank, none at the beginning of a line. */
static void put_html(struct mr_markup *m, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (is_blank(p[i])) {
			m->space = true;
			continue;
		}
		if (m->space && m->out->len > 0 && m->out->p[m->out->len - 1] != '\n')
			mr_buf_addc(m->out, ' ');
		m->space = false;
		mr_buf_addc(m->out, p[i]);
	}
}

static void put(struct mr_markup *m, const char *p, size_t len)
{
	if (m->kind == MR_MARKUP_HTML)
		put_html(m, p, len);
	else if (m->in_text && m->skip == 0)
		mr_buf_add(m->out, p, len);
}

static void put_code(struct mr_markup *m, uint32_t c)
{
	char u[4];
	size_t n = 1;

	if (c < ' ' && c != '\t' && c != '\n')
		return;
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (c < 0x80) {
		u[0] = (char)c;
	} else if (c < 0x800) {
		u[0] = (char)(0xc0 | c >> 6);
		n = 2;
	} else if (c < 0x10000) {
		u[0] = (char)(0xe0 | c >> 12);
		n = 3;
	} else {
		u[0] = (char)(0xf0 | c >> 18);
		n = 4;
	}
	for (size_t i = 1; i < n; i++)
		u[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
	put(m, u, n);
}

static bool number_entity(const char *s, uint32_t *ret)
{
	bool is_hex = s[0] == 'x' || s[0] == 'X';
	uint32_t n = 0;

	s += is_hex;
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		char c = lower(*s);

		if (c >= '0' && c <= '9')
			n = n * (is_hex ? 16 : 10) + (uint32_t)(c - '0');
		else if (is_hex && c >= 'a' && c <= 'f')
			n = n * 16 + (uint32_t)(c - 'a') + 10;
		else
			return false;
		if (n > 0x110000)
			n = 0x110000;
	}
	*ret = n;
	return true;
}

/* What stands between & and ; is known, else it is put as it was. */
static void end_entity(struct mr_markup *m, bool has_end)
{
	uint32_t code;

	m->entity[m->entity_len] = '\0';
	m->state = TEXT;
	if (m->entity[0] == '#' && number_entity(m->entity + 1, &code)) {
		put_code(m, code);
		return;
	}
	for (size_t i = 0; has_end && i < MR_ARRAY_LEN(entities); i++) {
		if (strcmp(m->entity, entities[i].name) == 0) {
			put_code(m, entities[i].code);
			return;
		}
	}
	put(m, "&", 1);
	put(m, m->entity, m->entity_len);
	if (has_end)
		put(m, ";", 1);
}

/* ---- tags ---- */

static void html_tag(struct mr_markup *m)
{
	if (is_one_of(m->name, blocks, MR_ARRAY_LEN(blocks)))
		new_line(m);
	else if (strcmp(m->name, "td") == 0 || strcmp(m->name, "th") == 0)
		m->space = true;
	if (!m->is_end && !m->is_empty &&
	    is_one_of(m->name, raw_elements, MR_ARRAY_LEN(raw_elements))) {
		memcpy(m->raw, m->name, sizeof(m->raw));
		m->state = RAW;
	}
}

static void docx_tag(struct mr_markup *m)
{
	const char *n = m->name;

	if (strcmp(n, "Fallback") == 0 && !m->is_empty) {
		if (!m->is_end)
			m->skip++;
		else if (m->skip > 0)
			m->skip--;
	}
	if (m->skip > 0)
		return;
	if (strcmp(n, "r") == 0 && !m->is_empty)
		m->in_run = !m->is_end;
	else if (strcmp(n, "t") == 0)
		m->in_text = !m->is_end && !m->is_empty;
	else if (m->in_run && !m->is_end && strcmp(n, "tab") == 0)
		mr_buf_addc(m->out, '\t');
	else if (m->in_run && !m->is_end && (strcmp(n, "br") == 0 || strcmp(n, "cr") == 0))
		mr_buf_addc(m->out, '\n');
	else if (m->in_run && !m->is_end && strcmp(n, "noBreakHyphen") == 0)
		mr_buf_addc(m->out, '-');
	else if (strcmp(n, "p") == 0 && (m->is_end || m->is_empty))
		mr_buf_addc(m->out, '\n');
}

static void end_tag(struct mr_markup *m)
{
	m->name[m->name_len] = '\0';
	m->state = TEXT;
	if (m->kind == MR_MARKUP_HTML)
		html_tag(m);
	else
		docx_tag(m);
}

static void in_tag_name(struct mr_markup *m, char c)
{
	if (c == '>') {
		end_tag(m);
	} else if (c == '/' || is_blank(c)) {
		m->is_empty = c == '/';
		m->quote = '\0';
		m->state = TAG_REST;
	} else if (c == ':' && m->kind == MR_MARKUP_DOCX) {
		m->name_len = 0; /* that was the prefix */
	} else if (m->name_len < MR_MARKUP_NAME - 1) {
		m->name[m->name_len++] = m->kind == MR_MARKUP_HTML ? lower(c) : c;
	}
}

static void in_tag_rest(struct mr_markup *m, char c)
{
	if (m->quote != '\0') {
		if (c == m->quote)
			m->quote = '\0';
	} else if (c == '>') {
		end_tag(m);
	} else if (c == '"' || c == '\'') {
		m->quote = c;
		m->is_empty = false;
	} else {
		m->is_empty = c == '/' || (m->is_empty && is_blank(c));
	}
}

static void in_tag_open(struct mr_markup *m, char c)
{
	m->name_len = 0;
	if (c == '/' && !m->is_end) {
		m->is_end = true;
	} else if (c == '!' && !m->is_end) {
		m->matched = 0;
		m->state = DECLARED;
	} else if (c == '?' && !m->is_end) {
		m->state = DECLARATION;
	} else if (is_letter(c)) {
		m->state = TAG_NAME;
		in_tag_name(m, c);
	} else { /* a < that opens nothing */
		m->state = TEXT;
		put(m, "<", 1);
		if (m->is_end)
			put(m, "/", 1);
		put(m, &c, 1);
	}
}

/* ---- what is passed over ---- */

/* Behind "<!": a comment, CDATA (XML only), or a declaration. */
static void in_declared(struct mr_markup *m, char c)
{
	static const char cdata[] = "[CDATA[";

	if (m->matched < 2 && c == '-') {
		if (++m->matched == 2) {
			m->matched = 0;
			m->state = COMMENT;
		}
		return;
	}
	if (m->kind == MR_MARKUP_DOCX && (m->matched == 0 || m->matched >= 8)) {
		unsigned at = m->matched == 0 ? 0 : m->matched - 8;

		if (c == cdata[at]) {
			m->matched = at + 1 + 8;
			if (cdata[at + 1] == '\0') {
				m->matched = 0;
				m->state = CDATA;
			}
			return;
		}
	}
	m->has_declaration = true;
	m->state = c == '>' ? TEXT : DECLARATION;
}

static void in_comment(struct mr_markup *m, char c)
{
	if (c == '-')
		m->matched = m->matched < 2 ? m->matched + 1 : 2;
	else if (c == '>' && m->matched == 2)
		m->state = TEXT;
	else
		m->matched = 0;
}

static void in_cdata(struct mr_markup *m, char c)
{
	if (c == ']') {
		if (m->matched == 2)
			put(m, "]", 1);
		else
			m->matched++;
		return;
	}
	if (c == '>' && m->matched == 2) {
		m->state = TEXT;
		return;
	}
	put(m, "]]", m->matched);
	m->matched = 0;
	put(m, &c, 1);
}

static void in_raw(struct mr_markup *m, char c)
{
	if (c == '<') {
		m->matched = 0;
		m->state = RAW_END;
	}
}

/* "</name" ends it, whatever follows until ">". */
static void in_raw_end(struct mr_markup *m, char c)
{
	if (m->matched == 0 && c == '/') {
		m->matched = 1;
		return;
	}
	if (m->matched > 0 && m->raw[m->matched - 1] == '\0' &&
	    (c == '>' || c == '/' || is_blank(c))) {
		m->state = c == '>' ? TEXT : DECLARATION;
		return;
	}
	if (m->matched > 0 && c != '\0' && lower(c) == m->raw[m->matched - 1]) {
		m->matched++;
		return;
	}
	m->state = RAW;
	in_raw(m, c);
}

/* ---- all together ---- */

static void in_text(struct mr_markup *m, char c)
{
	if (c == '<') {
		m->is_end = m->is_empty = false;
		m->state = TAG_OPEN;
	} else if (c == '&') {
		m->entity_len = 0;
		m->state = ENTITY;
	} else {
		put(m, &c, 1);
	}
}

static void in_entity(struct mr_markup *m, char c)
{
	if (c == ';') {
		end_entity(m, true);
	} else if (m->entity_len < MR_MARKUP_NAME - 1 &&
	           (is_letter(c) || (c >= '0' && c <= '9') || c == '#')) {
		m->entity[m->entity_len++] = c;
	} else {
		end_entity(m, false);
		in_text(m, c);
	}
}

static void feed_one(struct mr_markup *m, char c)
{
	switch ((enum state)m->state) {
	case TEXT:
		in_text(m, c);
		break;
	case ENTITY:
		in_entity(m, c);
		break;
	case TAG_OPEN:
		in_tag_open(m, c);
		break;
	case TAG_NAME:
		in_tag_name(m, c);
		break;
	case TAG_REST:
		in_tag_rest(m, c);
		break;
	case DECLARED:
		in_declared(m, c);
		break;
	case COMMENT:
		in_comment(m, c);
		break;
	case CDATA:
		in_cdata(m, c);
		break;
	case DECLARATION:
		m->state = c == '>' ? TEXT : DECLARATION;
		break;
	case RAW:
		in_raw(m, c);
		break;
	case RAW_END:
		in_raw_end(m, c);
		break;
	}
}

void mr_markup_feed(struct mr_markup *m, struct mr_str piece)
{
	for (size_t i = 0; i < piece.len && !mr_buf_failed(m->out); i++)
		feed_one(m, piece.p[i]);
}

void mr_markup_end(struct mr_markup *m)
{
	if (m->state == ENTITY)
		end_entity(m, false);
}
