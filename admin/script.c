#include "admin/script.h"

#include <string.h>

/* What the place in the middle of a statement is inside of. */
struct depth {
	unsigned parens;
	unsigned atomic;  /* begin atomic … end, and case … end in it */
	bool after_begin; /* the last word was begin */
};

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

static char at(const struct mr_script *s, size_t i)
{
	return i < s->text.len ? s->text.p[i] : '\0';
}

/* Goes on by N bytes, counting lines. */
static void step(struct mr_script *s, size_t n)
{
	for (; n > 0 && s->at < s->text.len; n--, s->at++)
		s->line += s->text.p[s->at] == '\n';
}

static bool is_here(const struct mr_script *s, struct mr_str what)
{
	return s->at + what.len <= s->text.len && memcmp(s->text.p + s->at, what.p, what.len) == 0;
}

static void skip_block_comment(struct mr_script *s)
{
	unsigned open = 0;

	do {
		if (is_here(s, MR_STR("/*")))
			open++;
		else if (is_here(s, MR_STR("*/")))
			open--;
		else {
			step(s, 1);
			continue;
		}
		step(s, 2);
	} while (open > 0 && s->at < s->text.len);
}

/* True when there was one. */
static bool skip_comment(struct mr_script *s)
{
	if (is_here(s, MR_STR("--"))) {
		while (s->at < s->text.len && at(s, s->at) != '\n')
			step(s, 1);
		return true;
	}
	if (!is_here(s, MR_STR("/*")))
		return false;
	skip_block_comment(s);
	return true;
}

/* A doubled quote is two quotes that follow each other, which comes to the same. */
static void skip_quoted(struct mr_script *s)
{
	char quote = at(s, s->at);
	bool escapes = quote == '\'' && s->at > 0 &&
	               (at(s, s->at - 1) == 'e' || at(s, s->at - 1) == 'E') &&
	               (s->at < 2 || !is_word(at(s, s->at - 2)));

	step(s, 1);
	while (s->at < s->text.len && at(s, s->at) != quote)
		step(s, escapes && at(s, s->at) == '\\' ? 2 : 1);
	step(s, 1);
}

/* $tag$ … $tag$; false when the dollar begins none. */
static bool skip_dollars(struct mr_script *s)
{
	struct mr_str tag = { s->text.p + s->at, 1 };

	if (s->at > 0 && is_word(at(s, s->at - 1)))
		return false;
	while (is_word(at(s, s->at + tag.len)))
		tag.len++;
	if (at(s, s->at + tag.len) != '$' || (at(s, s->at + 1) >= '0' && at(s, s->at + 1) <= '9'))
		return false;
	tag.len++;
	step(s, tag.len);
	while (s->at < s->text.len && !is_here(s, tag))
		step(s, 1);
	step(s, tag.len);
	return true;
}

static void take_word(struct mr_script *s, struct depth *d)
{
	struct mr_str word = { s->text.p + s->at, 0 };

	while (is_word(at(s, s->at + word.len)))
		word.len++;
	if (d->atomic > 0) {
		d->atomic += mr_str_ieqz(word, "case");
		d->atomic -= mr_str_ieqz(word, "end");
	} else if (d->after_begin && mr_str_ieqz(word, "atomic")) {
		d->atomic = 1;
	}
	d->after_begin = mr_str_ieqz(word, "begin");
	step(s, word.len);
}

/* One step within a statement; false at the semicolon that ends it. */
static bool take(struct mr_script *s, struct depth *d)
{
	char c = at(s, s->at);

	if (skip_comment(s))
		return true;
	if (c == '\'' || c == '"') {
		skip_quoted(s);
	} else if (c == '$' && skip_dollars(s)) {
		return true;
	} else if (is_word(c)) {
		take_word(s, d);
	} else if (c == ';' && d->parens == 0 && d->atomic == 0) {
		return false;
	} else {
		d->parens += c == '(';
		d->parens -= c == ')' && d->parens > 0;
		step(s, 1);
	}
	return true;
}

void mr_script_init(struct mr_script *s, struct mr_str text)
{
	*s = (struct mr_script){ .text = text, .line = 1 };
}

bool mr_script_next(struct mr_script *s, struct mr_str *ret_statement, unsigned *ret_line)
{
	struct depth d = { 0 };
	size_t begin;

	for (;;) {
		char c = at(s, s->at);

		if (s->at >= s->text.len)
			return false;
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ';')
			step(s, 1);
		else if (!skip_comment(s))
			break;
	}
	begin = s->at;
	*ret_line = s->line;
	while (s->at < s->text.len && take(s, &d)) {
	}
	*ret_statement = mr_str_trim((struct mr_str){ s->text.p + begin, s->at - begin });
	step(s, 1);
	return true;
}
