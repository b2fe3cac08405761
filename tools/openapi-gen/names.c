/* The names of operations: what generated clients call their functions. Made from method and path,
 * so that they stay as long as an address does. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/openapi-gen/document.h"

#define SEGMENTS_MAX 16

struct segment {
	char text[64];
	bool is_var;
};

struct path {
	struct segment segments[SEGMENTS_MAX];
	unsigned len;
	bool is_own; /* not below /api/v1: the system's, beside the tenant's of the same name */
};

static void path_split(const char *path, struct path *p)
{
	p->len = 0;
	p->is_own = strncmp(path, "/api/v1/", 8) != 0;
	path += p->is_own ? 1 : 8;
	while (*path != '\0' && p->len < SEGMENTS_MAX) {
		struct segment *s = &p->segments[p->len++];
		size_t n = strcspn(path, "/");

		s->is_var = *path == '{';
		(void)snprintf(s->text, sizeof(s->text), "%.*s", (int)n, path); /* ours: short */
		path += n + (path[n] == '/' ? 1 : 0);
	}
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* "policies" → "policy", "breaches" → "breach", "runs" → "run"; "status" and "metrics" stay. */
void mr_operation_singular(char *word)
{
	size_t n = strlen(word);

	if (ends_with(word, "ies"))
		(void)snprintf(word + n - 3, 4, "y"); /* shorter than before */
	else if (ends_with(word, "ches") || ends_with(word, "xes") || ends_with(word, "sses"))
		word[n - 2] = '\0';
	else if (ends_with(word, "s") && !ends_with(word, "ss") && !ends_with(word, "us") &&
	         !ends_with(word, "ics"))
		word[n - 1] = '\0';
}

static void add_words(char *out, size_t cap, const char *text, bool one_of_them)
{
	char word[64];
	bool upper = true;
	size_t n = strlen(out);

	(void)snprintf(word, sizeof(word), "%s", text); /* ours: short */
	if (one_of_them)
		mr_operation_singular(word);
	for (const char *p = word; *p != '\0' && n + 1 < cap; p++) {
		if (!isalnum((unsigned char)*p)) {
			upper = true;
			continue;
		}
		out[n++] = (char)(upper ? toupper((unsigned char)*p) : *p);
		upper = false;
	}
	out[n] = '\0';
}

/* What the last segment of a path means. */
enum tail {
	TAIL_ONE,  /* a variable: one of many */
	TAIL_MANY, /* a collection, or what belongs to one resource */
	TAIL_ACT,  /* a verb: cancel, publish, bulk */
};

static enum tail tail_of(const struct mr_route *r, const struct path *p)
{
	bool below = p->len >= 2 && !p->segments[p->len - 2].is_var;

	if (p->segments[p->len - 1].is_var)
		return TAIL_ONE;
	if (strcmp(p->segments[p->len - 1].text, "explain") == 0)
		return TAIL_ACT;
	if (r->method == MR_POST && p->len >= 2 && (below || r->out.status != 201))
		return TAIL_ACT;
	return TAIL_MANY;
}

/* The resource: "WorkflowStep" of workflows/{id}/steps/{step}/retry, "Execution" of
 * workflows/executions/{id}, "Event" of events/publish. */
static void add_nouns(char *out, size_t cap, const struct path *p, bool many)
{
	for (unsigned i = 0; i < p->len; i++) {
		bool before_last = i + 2 == p->len;

		if (p->segments[i].is_var || i + 1 == p->len)
			continue;
		if (p->segments[i + 1].is_var || before_last)
			add_words(out, cap, p->segments[i].text, !(many && before_last));
	}
}

static const char *verb_of(const struct mr_route *r, enum tail tail)
{
	bool is_list = mr_envelope_is_list(r->envelope);

	switch (r->method) {
	case MR_PUT:
		return "put";
	case MR_PATCH:
		return "update";
	case MR_DELETE:
		return "delete";
	case MR_POST:
		return tail == TAIL_ONE ? "send" : "create";
	default:
		return is_list ? "list" : "get";
	}
}

void mr_operation_name(const struct mr_route *r, char *out, size_t cap)
{
	struct path p;
	const char *last;
	enum tail tail;

	if (r->operation != NULL) {
		(void)snprintf(out, cap, "%s", r->operation); /* ours: short */
		return;
	}
	path_split(r->path, &p);
	out[0] = '\0';
	if (p.len == 0)
		return; /* no row has such a path */
	tail = tail_of(r, &p);
	last = p.segments[p.len - 1].text;
	if (tail == TAIL_ACT)
		add_words(out, cap, last, false);
	else
		(void)snprintf(out, cap, "%s", verb_of(r, tail)); /* short words */
	out[0] = (char)tolower((unsigned char)out[0]);
	if (p.is_own)
		add_words(out, cap, "system", false);
	add_nouns(out, cap, &p, strcmp(last, "bulk") == 0);
	if (tail == TAIL_MANY)
		add_words(out, cap, last, r->method == MR_POST);
}
