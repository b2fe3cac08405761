#include "tools/sql-embed/header.h"

#include <string.h>

#include "tools/sql-embed/text.h"

/* Object ids of PostgreSQL's own types never change. */
static const struct type types[] = {
	{ "bool", 16 },
	{ "bool[]", 1000 },
	{ "bytea", 17 },
	{ "float8", 701 },
	{ "float8[]", 1022 },
	{ "int2", 21 },
	{ "int2[]", 1005 },
	{ "int4", 23 },
	{ "int4[]", 1007 },
	{ "int8", 20 },
	{ "int8[]", 1016 },
	{ "json", 114 },
	{ "json[]", 199 },
	{ "jsonb", 3802 },
	{ "text", 25 },
	{ "text[]", 1009 },
	{ "timestamptz", 1184 },
	{ "timestamptz[]", 1185 },
	{ "uuid", 2950 },
};

static const struct type *find_type(const struct statement *s, const char *name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	fail(s->path, s->line_number, "unknown type \"%s\"", name);
}

static char *check_name(const struct statement *s, char *name)
{
	size_t len = strlen(name), n = 0;

	while (n < len && is_word(name[n]))
		n++;
	if (n == 0 || n != len || !is_word_start(name[0]))
		fail(s->path, s->line_number, "\"%s\" is no name", name);
	return name;
}

/* "name type" or "name type?" */
static char *name_and_type(const struct statement *s, char *text, const struct type **ret_type)
{
	char *name = cut(&text, ' ');

	if (text == NULL)
		fail(s->path, s->line_number, "\"%s\" has no type", name);
	*ret_type = find_type(s, trim(text));
	return check_name(s, name);
}

static void read_name(struct statement *s, char *value)
{
	const char *slash = strrchr(s->path, '/');
	const char *base = slash != NULL ? slash + 1 : s->path;
	size_t len = strlen(value);

	s->name = check_name(s, value);
	if (strncmp(base, value, len) != 0 || strcmp(base + len, ".sql") != 0)
		fail(s->path, s->line_number, "the name \"%s\" is not the file's", value);
}

static void read_purpose(struct statement *s, char *value)
{
	if (*value == '\0')
		fail(s->path, s->line_number, "a purpose is needed");
}

static void read_params(struct statement *s, char *value)
{
	while (value != NULL && *value != '\0') {
		char *item = trim(cut(&value, ','));
		size_t len = strlen(item);
		struct param *p = &s->params[s->params_len];

		if (s->params_len == PARAMS_MAX)
			fail(s->path, s->line_number, "more than %d parameters", PARAMS_MAX);
		p->optional = len > 0 && item[len - 1] == '?';
		if (p->optional)
			item[len - 1] = '\0';
		p->name = name_and_type(s, item, &p->type);
		for (size_t i = 0; i < s->params_len; i++)
			if (strcmp(s->params[i].name, p->name) == 0)
				fail(s->path, s->line_number, "parameter \"%s\" is there twice",
				    p->name);
		s->params_len++;
	}
}

static void read_columns(struct statement *s, char *value)
{
	size_t len = strlen(value);

	if (len < 2 || value[0] != '(' || value[len - 1] != ')')
		fail(s->path, s->line_number, "columns must stand in parentheses");
	value[len - 1] = '\0';
	value++;
	while (value != NULL) {
		struct column *c = &s->columns[s->columns_len];

		if (s->columns_len == COLUMNS_MAX)
			fail(s->path, s->line_number, "more than %d columns", COLUMNS_MAX);
		c->name = name_and_type(s, trim(cut(&value, ',')), &c->type);
		s->columns_len++;
	}
}

static void read_returns(struct statement *s, char *value)
{
	char *word = cut(&value, ' ');

	if (strcmp(word, "one") == 0)
		s->returns = RETURNS_ONE;
	else if (strcmp(word, "many") == 0)
		s->returns = RETURNS_MANY;
	else if (strcmp(word, "list") == 0)
		s->returns = RETURNS_LIST;
	else if (strcmp(word, "none") == 0)
		s->returns = RETURNS_NONE;
	else
		fail(s->path, s->line_number, "returns is one (…), many (…), list or none");
	if ((s->returns == RETURNS_ONE || s->returns == RETURNS_MANY) != (value != NULL))
		fail(s->path, s->line_number, "only one and many have columns, and must have them");
	if (value != NULL)
		read_columns(s, trim(value));
}

static void read_flags(struct statement *s, char *value)
{
	while (value != NULL) {
		char *word = cut(&value, ' ');

		if (strcmp(word, "read") == 0)
			s->is_read = true;
		else if (strcmp(word, "write") == 0)
			s->is_write = true;
		else if (strcmp(word, "system") == 0)
			s->is_system = true;
		else if (strcmp(word, "slow") == 0)
			s->is_slow = true;
		else
			fail(s->path, s->line_number, "unknown flag \"%s\"", word);
	}
	if (s->is_read == s->is_write)
		fail(s->path, s->line_number, "a statement is either read or write");
	if (s->is_system && s->is_read)
		fail(s->path, s->line_number, "system is for statements that write without audit");
}

static void read_order(struct statement *s, char *value)
{
	while (value != NULL) {
		char *key = trim(cut(&value, ','));
		char *name = trim(cut(&key, '='));
		struct order *o = &s->orders[s->orders_len];
		char *type;

		if (key == NULL || s->orders_len == ORDERS_MAX)
			fail(s->path, s->line_number,
			    "an order is [-]name = expression type; at most %d", ORDERS_MAX);
		key = trim(key);
		type = strrchr(key, ' ');
		if (type == NULL)
			fail(s->path, s->line_number, "order \"%s\" has no type", name);
		*type++ = '\0';
		(void)find_type(s, type); /* only that it is known */
		o->descending = *name == '-';
		*o = (struct order){ check_name(s, name + o->descending), trim(key), type,
			o->descending };
		for (size_t i = 0; i < s->orders_len; i++)
			if (strcmp(s->orders[i].name, o->name) == 0)
				fail(s->path, s->line_number, "order \"%s\" is there twice",
				    o->name);
		s->orders_len++;
	}
}

static void read_index(struct statement *s, char *value)
{
	(void)check_name(s, value); /* compared with the plan by tests/sql */
}

static const struct key {
	const char *name;
	void (*read)(struct statement *s, char *value);
	bool required, for_parts;
} keys[] = {
	{ "name", read_name, true, true },
	{ "purpose", read_purpose, true, true },
	{ "params", read_params, true, true },
	{ "returns", read_returns, true, false },
	{ "flags", read_flags, true, false },
	{ "order", read_order, false, false },
	{ "index", read_index, false, false },
};

static const struct key *find_key(const char *line)
{
	if (strncmp(line, "-- ", 3) != 0)
		return NULL;
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++) {
		size_t len = strlen(keys[i].name);

		if (strncmp(line + 3, keys[i].name, len) == 0 && line[3 + len] == ':')
			return &keys[i];
	}
	return NULL;
}

bool header_is_line(const char *line)
{
	return find_key(line) != NULL;
}

void header_read(struct statement *s, char **at, bool part)
{
	size_t next = 0;

	while (*at != NULL) {
		const struct key *key = find_key(*at);
		char *line;

		if (key == NULL)
			break;
		line = *at;
		*at = strchr(line, '\n');
		if (*at != NULL)
			*(*at)++ = '\0';
		s->line_number++;
		while (next < MR_ARRAY_LEN(keys) && &keys[next] != key &&
		       !(keys[next].required && (keys[next].for_parts || !part)))
			next++;
		if (next == MR_ARRAY_LEN(keys) || &keys[next] != key || (part && !key->for_parts))
			fail(s->path, s->line_number, "\"%s\" is out of place", key->name);
		next++;
		line += 3 + strlen(key->name) + 1;
		key->read(s, trim(line));
	}
	for (; next < MR_ARRAY_LEN(keys); next++)
		if (keys[next].required && (keys[next].for_parts || !part))
			fail(s->path, s->line_number, "the header lacks \"%s\"", keys[next].name);
}
