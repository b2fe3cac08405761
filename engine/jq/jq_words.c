#include "engine/jq/jq_words.h"

#include <string.h>

#define DEPTH_MAX 200u

/* A pass over jq's tokens, as far as words need it: strings with \( ) in them, comments, members.
 */
struct scan {
	const char *p, *end;
	char brackets[DEPTH_MAX]; /* ( [ { and " for \( inside a string */
	size_t depth;
	bool is_key;    /* a key of an object comes next */
	bool is_dollar; /* $ came before */
	bool bad;
};

static bool is_first(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char at(const struct scan *s, size_t n)
{
	return (size_t)(s->end - s->p) > n ? s->p[n] : '\0';
}

static char top(const struct scan *s)
{
	return s->depth > 0 ? s->brackets[s->depth - 1] : '\0';
}

static void open_bracket(struct scan *s, char c)
{
	if (s->depth == DEPTH_MAX)
		s->bad = true;
	else
		s->brackets[s->depth++] = c;
	s->is_key = c == '{';
}

/* What follows a quote, or the ) that ends a piece of code in a string. */
static void skip_string(struct scan *s)
{
	while (s->p < s->end && *s->p != '"') {
		if (*s->p != '\\') {
			s->p++;
			continue;
		}
		if (at(s, 1) == '(') {
			s->p += 2;
			open_bracket(s, '"');
			return;
		}
		s->p += s->end - s->p > 1 ? 2 : 1;
	}
	if (s->p < s->end)
		s->p++;
}

static void close_bracket(struct scan *s)
{
	char opened = top(s);

	s->p++;
	if (s->depth > 0)
		s->depth--;
	s->is_key = false;
	if (opened == '"')
		skip_string(s);
}

static void skip_number(struct scan *s)
{
	while (is_digit(at(s, 0)) || at(s, 0) == '.')
		s->p++;
	if (at(s, 0) != 'e' && at(s, 0) != 'E')
		return;
	if (is_digit(at(s, 1)) || ((at(s, 1) == '+' || at(s, 1) == '-') && is_digit(at(s, 2))))
		for (s->p += 2; is_digit(at(s, 0));)
			s->p++;
}

static struct mr_str take_word(struct scan *s)
{
	const char *from = s->p;

	while (is_first(at(s, 0)) || is_digit(at(s, 0)) ||
	       (at(s, 0) == ':' && at(s, 1) == ':' && is_first(at(s, 2))))
		s->p += at(s, 0) == ':' ? 2 : 1;
	return (struct mr_str){ from, (size_t)(s->p - from) };
}

static void skip_space(struct scan *s)
{
	for (;;) {
		if (at(s, 0) == '#') {
			while (s->p < s->end && *s->p != '\n')
				s->p++;
		} else if (s->p < s->end && strchr(" \t\r\n", *s->p) != NULL) {
			s->p++;
		} else {
			return;
		}
	}
}

static bool is_refused(struct mr_str word)
{
	static const char *const words[] = { "debug", "env", "get_search_list", "halt",
		"halt_error", "import", "include", "input", "input_filename", "input_line_number",
		"inputs", "modulemeta", "stderr" };

	for (size_t i = 0; i < MR_ARRAY_LEN(words); i++) {
		if (mr_str_eqz(word, words[i]))
			return true;
	}
	return false;
}

/* The name of a member in {name: …}, {name, …} or {name}. */
static bool is_key(struct scan *s)
{
	skip_space(s);
	return at(s, 0) == ':' || at(s, 0) == ',' || at(s, 0) == '}';
}

static bool word_allowed(struct scan *s, struct mr_str *ret_word)
{
	struct mr_str word = take_word(s);
	bool key = s->is_key && !s->is_dollar && is_key(s), allowed;

	allowed = s->is_dollar ? !mr_str_eqz(word, "ENV") && !mr_str_eqz(word, "__prog_args")
	                       : key || !is_refused(word);
	s->is_dollar = false;
	s->is_key = false;
	if (!allowed)
		*ret_word = word;
	return allowed;
}

/* A sign that isn't part of a word. */
static void sign(struct scan *s)
{
	char c = *s->p;

	if (c == ')' || c == ']' || c == '}') {
		close_bracket(s);
		return;
	}
	if (c == '.' && is_digit(at(s, 1))) {
		skip_number(s);
		return;
	}
	s->p++;
	if (c == '"') {
		skip_string(s);
	} else if (c == '(' || c == '[' || c == '{') {
		open_bracket(s, c);
		return;
	} else if (c == '.' && at(s, 0) == '.') {
		s->p++;
	} else if ((c == '.' || c == '@') && is_first(at(s, 0))) {
		(void)take_word(s); /* a member, a format */
	}
	s->is_key = c == ',' && top(s) == '{';
	s->is_dollar = c == '$';
}

bool mr_jq_words_allowed(struct mr_str program, struct mr_str *ret_word)
{
	struct scan s = { .p = program.p, .end = program.p + program.len };

	*ret_word = (struct mr_str){ program.p, 0 };
	if (memchr(program.p, '\0', program.len) != NULL)
		return false;
	while (s.p < s.end && !s.bad) {
		skip_space(&s);
		if (s.p == s.end)
			break;
		if (is_digit(*s.p))
			skip_number(&s);
		else if (!is_first(*s.p))
			sign(&s);
		else if (!word_allowed(&s, ret_word))
			return false;
	}
	return !s.bad;
}
