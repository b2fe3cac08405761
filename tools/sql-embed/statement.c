#include "tools/sql-embed/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sql-embed/header.h"
#include "tools/sql-embed/text.h"

#define LINE_MAX_BYTES 8192

static const char *const placeholders[] = { "{key}", "{type}", "{dir}", "{cmp}" };

size_t statement_placeholder(const char *text)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(placeholders); i++)
		if (strncmp(text, placeholders[i], strlen(placeholders[i])) == 0)
			return strlen(placeholders[i]);
	return 0;
}

static int find_param(const struct statement *s, const char *name, size_t len)
{
	for (size_t i = 0; i < s->params_len; i++)
		if (strlen(s->params[i].name) == len && strncmp(s->params[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

/* ---- one line ---- */

/* A line on its way from the file to the statement. */
struct scan {
	struct statement *s;
	char out[LINE_MAX_BYTES];
	size_t len;
	struct line made;
	enum { LINE_PLAIN, LINE_OPENS, LINE_CLOSES } block;
};

static void add(struct scan *c, const char *p, size_t len)
{
	if (len > sizeof(c->out) - c->len - 1)
		fail(c->s->path, c->s->line_number, "the line is too long");
	memcpy(c->out + c->len, p, len);
	c->len += len;
}

/* A quoted text or name goes through as it is, with its quotes. */
static const char *quoted(struct scan *c, const char *p)
{
	const char *end = strchr(p + 1, *p);

	if (end == NULL)
		fail(c->s->path, c->s->line_number, "a quote is not closed on its line");
	if (*p == '\'' && memchr(p, '\\', (size_t)(end - p)) != NULL && c->len > 0 &&
	    (c->out[c->len - 1] == 'e' || c->out[c->len - 1] == 'E'))
		fail(c->s->path, c->s->line_number, "write texts without escapes");
	add(c, p, (size_t)(end - p) + 1);
	return end + 1; /* two in a row are two texts that touch: the same to us */
}

static const char *parameter(struct scan *c, const char *p)
{
	size_t len = 1;
	char number[16];
	int i, n;

	while (is_word(p[len]))
		len++;
	i = find_param(c->s, p + 1, len - 1);
	if (i < 0)
		fail(c->s->path, c->s->line_number, "parameter \"%.*s\" is not declared",
		    (int)(len - 1), p + 1);
	c->s->params[i].used = true;
	n = snprintf(number, sizeof(number), "$%d", i + 1);
	add(c, number, (size_t)n);
	return p + len;
}

/* One "?name" or "?!name" at P; gives back where the next begins. */
static const char *option(struct scan *c, const char *p)
{
	bool absent = p[1] == '!';
	const char *name = p + 1 + absent;
	size_t len = strcspn(name, " ");
	int i = find_param(c->s, name, len);

	if (i < 0 || !c->s->params[i].optional)
		fail(c->s->path, c->s->line_number, "\"%.*s\" is no optional parameter", (int)len,
		    name);
	c->s->params[i].used = true;
	c->s->params[i].decides = true;
	*(absent ? &c->made.absent : &c->made.given) |= UINT64_C(1) << i;
	return name + len + strspn(name + len, " ");
}

/* "-- ?name ?!other" at the end of a line: it is there when all of that holds. With "{" behind it,
 * on a line of its own, it is so for all lines up to "-- }". Else it is a comment for readers. */
static void options(struct scan *c, const char *p)
{
	p += 2 + strspn(p + 2, " ");
	if (strcmp(p, "}") == 0)
		c->block = LINE_CLOSES;
	if (*p != '?')
		return;
	while (*p == '?')
		p = option(c, p);
	if (strcmp(p, "{") == 0)
		c->block = LINE_OPENS;
	else if (*p != '\0')
		fail(c->s->path, c->s->line_number, "\"%s\" is no option", p);
}

static void refuse(const struct scan *c, const char *p)
{
	if (*p == ';')
		fail(c->s->path, c->s->line_number, "one statement a file, without \";\"");
	if (*p == '$')
		fail(c->s->path, c->s->line_number,
		    "parameters are written :name, and texts in quotes");
	if (p[0] == '/' && p[1] == '*')
		fail(c->s->path, c->s->line_number, "comments are written --");
	if (*p == '{' && statement_placeholder(p) == 0)
		fail(c->s->path, c->s->line_number, "unknown placeholder");
	if (*p < ' ' && *p != '\t')
		fail(c->s->path, c->s->line_number,
		    "a byte that is no ASCII text outside of quotes");
}

/* What C's line is cut into: text, and what follows "--". */
static void scan_line(struct scan *c, const char *p)
{
	while (*p != '\0') {
		if (p[0] == '-' && p[1] == '-') {
			options(c, p);
			break;
		}
		if (*p == '\'' || *p == '"') {
			p = quoted(c, p);
		} else if (p[0] == ':' && p[1] == ':') {
			add(c, p, 2);
			p += 2;
		} else if (*p == ':' && is_word_start(p[1])) {
			p = parameter(c, p);
		} else {
			refuse(c, p);
			add(c, p++, 1);
		}
	}
	while (c->len > 0 && (c->out[c->len - 1] == ' ' || c->out[c->len - 1] == '\t'))
		c->len--;
}

/* ---- parts ---- */

/* Where the part's parameter is in S, added when it is new and MAY_ADD. */
static int adopt(
    struct statement *s, const struct statement *part, const struct param *p, bool may_add)
{
	int i = find_param(s, p->name, strlen(p->name));

	if (i < 0) {
		if (!may_add)
			fail(s->path, s->line_number, "parameter \"%s\" of %s is not declared",
			    p->name, part->name);
		if (s->params_len == PARAMS_MAX)
			fail(s->path, s->line_number, "more than %d parameters with those of %s",
			    PARAMS_MAX, part->name);
		i = (int)s->params_len++;
		s->params[i] = *p;
	}
	if (s->params[i].type != p->type)
		fail(s->path, s->line_number, "parameter \"%s\" has another type in %s", p->name,
		    part->name);
	if (p->decides && !s->params[i].optional)
		fail(s->path, s->line_number, "parameter \"%s\" must be optional, as in %s",
		    p->name, part->name);
	s->params[i].used = true;
	s->params[i].decides = s->params[i].decides || p->decides;
	return i;
}

/* The same text with the numbers that the parameters have in S. */
static char *renumber(const struct statement *s, const char *text, const int *map)
{
	char out[LINE_MAX_BYTES];
	size_t len = 0;
	bool in_text = false;

	while (*text != '\0') {
		if (len + 16 > sizeof(out))
			fail(s->path, s->line_number, "a line of the part is too long");
		in_text = *text == '\'' ? !in_text : in_text;
		if (*text == '$' && !in_text) {
			char *end;
			unsigned long n = strtoul(text + 1, &end, 10);
			int added = snprintf(out + len, sizeof(out) - len, "$%d", map[n - 1] + 1);

			len += (size_t)added;
			text = end;
		} else {
			out[len++] = *text++;
		}
	}
	return copy(out, len);
}

static uint64_t mapped(uint64_t bits, const int *map)
{
	uint64_t out = 0;

	for (unsigned i = 0; i < PARAMS_MAX; i++)
		if ((bits >> i & 1) != 0)
			out |= UINT64_C(1) << map[i];
	return out;
}

/* A line of S, that only is there when the blocks around it are. */
static void add_line(struct statement *s, struct line l)
{
	if (s->blocks_len > 0) {
		l.given |= s->blocks[s->blocks_len - 1].given;
		l.absent |= s->blocks[s->blocks_len - 1].absent;
	}
	if ((l.given & l.absent) != 0)
		fail(s->path, s->line_number, "what is given can't be absent too");
	if (s->lines_len == LINES_MAX)
		fail(s->path, s->line_number, "more than %d lines", LINES_MAX);
	s->lines[s->lines_len++] = l;
}

static void add_part(struct statement *s, const struct statement *part, bool may_add)
{
	int map[PARAMS_MAX];

	for (size_t i = 0; i < part->params_len; i++)
		map[i] = adopt(s, part, &part->params[i], may_add);
	for (size_t i = 0; i < part->lines_len; i++) {
		const struct line *l = &part->lines[i];

		add_line(s, (struct line){ renumber(s, l->text, map), mapped(l->given, map),
		                mapped(l->absent, map) });
	}
}

void statement_append(struct statement *s, const struct statement *tail)
{
	add_part(s, tail, true);
}

/* "-- include: _name" on a line of its own: the part's lines stand there. */
static bool include(struct statement *s, const char *line)
{
	static const char word[] = "-- include: ";

	if (strncmp(line, word, sizeof(word) - 1) != 0)
		return false;
	line += sizeof(word) - 1;
	for (struct statement *p = s->parts; p != NULL; p = p->next)
		if (strcmp(p->name, line) == 0) {
			p->is_included = true;
			add_part(s, p, false);
			return true;
		}
	fail(s->path, s->line_number, "there is no part \"%s\"", line);
}

/* ---- one file ---- */

static void begin_or_end_block(struct statement *s, struct scan *c)
{
	const struct line *around = s->blocks_len > 0 ? &s->blocks[s->blocks_len - 1] : NULL;

	if (c->len > 0)
		fail(s->path, s->line_number, "a block begins and ends on a line of its own");
	if (c->block == LINE_CLOSES) {
		if (s->blocks_len-- == 0)
			fail(s->path, s->line_number, "no block to end");
		return;
	}
	if (s->blocks_len == BLOCKS_MAX)
		fail(s->path, s->line_number, "more than %d blocks in each other", BLOCKS_MAX);
	if (around != NULL) {
		c->made.given |= around->given;
		c->made.absent |= around->absent;
	}
	s->blocks[s->blocks_len++] = c->made;
}

static void read_line(struct statement *s, char *line)
{
	struct scan c = { .s = s };

	line = trim(line);
	if (include(s, line))
		return;
	scan_line(&c, line);
	if (c.block != LINE_PLAIN) {
		begin_or_end_block(s, &c);
	} else if (c.len > 0) {
		c.made.text = copy(c.out, c.len);
		add_line(s, c.made);
	} else if ((c.made.given | c.made.absent) != 0) {
		fail(s->path, s->line_number, "an option without a line");
	}
}

bool statement_is_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return (slash != NULL ? slash[1] : path[0]) == '_';
}

struct statement *statement_read(const char *path, struct statement *parts)
{
	struct statement *s = take(sizeof(*s));
	char *at;

	s->path = path;
	s->parts = parts;
	s->source = read_file(path);
	at = s->source;
	header_read(s, &at, statement_is_part(path));
	while (at != NULL && *at != '\0') {
		char *line = at;

		at = strchr(line, '\n');
		if (at != NULL)
			*at++ = '\0';
		s->line_number++;
		if (header_is_line(line))
			fail(s->path, s->line_number, "a line of the header after its end");
		read_line(s, line);
	}
	s->line_number = 0;
	if (s->lines_len == 0)
		fail(path, 0, "there is no statement in it");
	if (s->blocks_len > 0)
		fail(path, 0, "a block is not ended");
	return s;
}

/* ---- the whole ---- */

static bool mentions(const struct statement *s, const char *what)
{
	for (size_t i = 0; i < s->lines_len; i++)
		if (strstr(s->lines[i].text, what) != NULL)
			return true;
	return false;
}

static void check_params(const struct statement *s)
{
	unsigned deciding = 0;

	for (size_t i = 0; i < s->params_len; i++) {
		if (!s->params[i].used)
			fail(s->path, 0, "parameter \"%s\" is not used", s->params[i].name);
		deciding += s->params[i].decides;
	}
	if (deciding > OPTIONS_MAX)
		fail(s->path, 0, "lines depend on more than %d parameters", OPTIONS_MAX);
}

static void check_list(const struct statement *s)
{
	static const char *const needed[] = { "page_limit", "page_offset", "after_key", "after_id",
		"want_total" };
	bool is_list = s->returns == RETURNS_LIST;

	if (is_list != (s->orders_len > 0))
		fail(s->path, 0, "a list has an order, and only a list");
	for (size_t i = 0; i < MR_ARRAY_LEN(placeholders); i++)
		if (!is_list && mentions(s, placeholders[i]))
			fail(s->path, 0, "%s is for lists", placeholders[i]);
	for (size_t i = 0; is_list && i < MR_ARRAY_LEN(needed); i++)
		if (find_param(s, needed[i], strlen(needed[i])) < 0)
			fail(s->path, 0, "a list needs the parameter \"%s\"", needed[i]);
}

/* What the common tail and the worker read of a statement that changes something. */
static void check_answer(const struct statement *s)
{
	static const char *const needed[][2] = {
		{ "status", "int4" },
		{ "body", "json" },
		{ "location", "text" },
		{ "version", "int8" },
		{ "error", "text" },
		{ "entity_type", "text" },
		{ "entity_id", "int8" },
		{ "action", "text" },
		{ "changes", "jsonb" },
	};

	if (s->returns != RETURNS_ONE || !mentions(s, "answer as "))
		fail(
		    s->path, 0, "a statement that writes returns one row, from a CTE named answer");
	for (size_t i = 0; i < MR_ARRAY_LEN(needed); i++) {
		size_t n = 0;

		while (n < s->columns_len && strcmp(s->columns[n].name, needed[i][0]) != 0)
			n++;
		if (n == s->columns_len || strcmp(s->columns[n].type->name, needed[i][1]) != 0)
			fail(s->path, 0, "the answer lacks the column \"%s %s\"", needed[i][0],
			    needed[i][1]);
	}
}

void statement_check(const struct statement *s)
{
	check_params(s);
	check_list(s);
	if (s->is_write && !s->is_system)
		check_answer(s);
}
