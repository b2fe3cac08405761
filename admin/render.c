#include "admin/render.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATE_MAX (256 * 1024)
#define DEPTH_MAX    5
#define NESTING_MAX  8

struct render {
	struct mr_arena *arena;
	const struct mr_settings *s;
	const char *dir;
	const char *file; /* being read, for messages */
	unsigned line;
	struct mr_buf *out;
	struct mr_str *why;
};

static int fail(struct render *r, int code, const char *fmt, ...) MR_PRINTF(3, 4);
static int render_file(struct render *r, const char *name, unsigned depth) MR_MUST_CHECK;

static int fail(struct render *r, int code, const char *fmt, ...)
{
	struct mr_str text;
	va_list ap;

	va_start(ap, fmt);
	text = mr_arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	*r->why = mr_arena_printf(r->arena, "%s:%u: %.*s", r->file, r->line, MR_STR_ARG(text));
	return code;
}

/* ---- values ---- */

/* What nginx's parser gives a meaning, or what would end a line. */
static bool is_safe(struct mr_str v)
{
	for (size_t i = 0; i < v.len; i++) {
		if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f ||
		    strchr("\"'\\;{}$#", v.p[i]) != NULL)
			return false;
	}
	return true;
}

static const struct mr_setting_row *row_find(struct mr_str name)
{
	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		if (mr_str_eqz(name, mr_setting_rows[i].name))
			return &mr_setting_rows[i];
	}
	return NULL;
}

static struct mr_str row_text(struct render *r, const struct mr_setting_row *row)
{
	const char *field = (const char *)r->s + row->offset;
	const char *text;
	int64_t n;
	bool b;

	switch (row->type) {
	case MR_SETTING_INTEGER:
		memcpy(&n, field, sizeof(n));
		return mr_arena_printf(r->arena, "%lld", (long long)n);
	case MR_SETTING_BOOLEAN:
		memcpy(&b, field, sizeof(b));
		return b ? MR_STR("true") : MR_STR("false");
	case MR_SETTING_STRING:
		break;
	}
	memcpy(&text, field, sizeof(text));
	return mr_str(text);
}

/* The next word of a list separated by spaces or commas; absent at its end. */
static struct mr_str next_word(const char **list)
{
	struct mr_str w;

	*list += strspn(*list, ", \t");
	w.len = strcspn(*list, ", \t");
	w.p = w.len > 0 ? *list : NULL;
	*list += w.len;
	return w;
}

static int add_listen(struct render *r, int64_t port, const char *flags)
{
	const char *list = r->s->nginx_listen;
	struct mr_str w;

	while ((w = next_word(&list)).p != NULL) {
		if (!is_safe(w))
			return fail(r, MR_E_INVALID,
			    "nginx_listen has a character that nginx would misread");
		mr_buf_addf(r->out, "  listen %.*s:%lld%s backlog=4096 default_server;\n",
		    MR_STR_ARG(w), (long long)port, flags);
	}
	return 0;
}

/* 127.0.0.0/8 or [::1]: nothing that another host could reach */
static bool is_loopback(struct mr_str w)
{
	if (mr_str_eqz(w, "[::1]"))
		return true;
	for (size_t i = 0; i < w.len; i++) {
		if (w.p[i] != '.' && (w.p[i] < '0' || w.p[i] > '9'))
			return false;
	}
	return mr_str_starts(w, MR_STR("127."));
}

static int add_loopback_port(struct render *r, struct mr_str port)
{
	const char *list = r->s->loopback_addresses;
	struct mr_str w;
	uint64_t n;

	if (!mr_str_u64(port, &n) || n < 1 || n > 65535)
		return fail(r, MR_E_INVALID, "loopback_ports: %.*s is no port", MR_STR_ARG(port));
	while ((w = next_word(&list)).p != NULL) {
		if (!is_loopback(w))
			return fail(r, MR_E_INVALID,
			    "loopback_addresses: %.*s is no loopback address (127.0.0.1, [::1])",
			    MR_STR_ARG(w));
		mr_buf_addf(r->out, "  listen %.*s:%llu backlog=4096 default_server;\n",
		    MR_STR_ARG(w), (unsigned long long)n);
	}
	return 0;
}

static int add_loopback(struct render *r)
{
	const char *list = r->s->loopback_ports, *addresses = r->s->loopback_addresses;
	struct mr_str w;
	int e = 0;

	if (next_word(&addresses).p == NULL)
		return fail(r, MR_E_INVALID, "loopback_ports needs loopback_addresses");
	while (e == 0 && (w = next_word(&list)).p != NULL)
		e = add_loopback_port(r, w);
	return e;
}

/* scheme://host[:port], and nothing that could end the string it is written into */
static bool is_origin(struct mr_str o)
{
	struct mr_str rest = o;

	if (mr_str_starts(o, MR_STR("https://")))
		rest.p += 8, rest.len -= 8;
	else if (mr_str_starts(o, MR_STR("http://")))
		rest.p += 7, rest.len -= 7;
	else
		return false;
	for (size_t i = 0; i < rest.len; i++) {
		char c = rest.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        strchr(".-:[]_", c) != NULL))
			return false;
	}
	return rest.len > 0;
}

static int add_origins(struct render *r)
{
	const char *list = r->s->cors_allowed_origins;
	struct mr_str w;

	while ((w = next_word(&list)).p != NULL) {
		if (mr_str_eqz(w, "*"))
			mr_buf_addz(r->out, "  \"~.\" \"*\";\n");
		else if (is_origin(w))
			mr_buf_addf(r->out, "  \"%.*s\" $http_origin;\n", MR_STR_ARG(w));
		else
			return fail(r, MR_E_INVALID,
			    "cors_allowed_origins: %.*s is no origin (https://host)",
			    MR_STR_ARG(w));
	}
	return 0;
}

/* A name that stands for itself alone, so that an address can be made with it. */
static bool is_host(struct mr_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        strchr(".-:[]", c) != NULL))
			return false;
	}
	return name.len > 0 && name.p[0] != '.';
}

/* Whether NAME is among the words of LIST before it; a map must not have a key twice. */
static bool came_before(const char *list, struct mr_str name)
{
	struct mr_str w;

	while ((w = next_word(&list)).p != NULL && w.p != name.p) {
		if (w.len == name.len && strncasecmp(w.p, name.p, w.len) == 0)
			return true;
	}
	return false;
}

/* What redirects say for the Host of a request: itself when it is one of nginx_server_name, else
 * the first of them. Nothing that a stranger made up comes back in a Location. */
static int add_redirect_hosts(struct render *r)
{
	const char *list = r->s->nginx_server_name;
	struct mr_str w, first = MR_STR_NONE;

	while ((w = next_word(&list)).p != NULL) {
		if (!is_host(w) || came_before(r->s->nginx_server_name, w))
			continue; /* a pattern, _, or there already */
		if (first.p == NULL)
			mr_buf_addf(r->out, "  default \"%.*s\";\n", MR_STR_ARG(w));
		mr_buf_addf(r->out, "  \"%.*s\" $host;\n", MR_STR_ARG(w));
		first = first.p == NULL ? w : first;
	}
	return first.p != NULL ? 0
	                       : fail(r, MR_E_INVALID,
	                             "nginx_server_name needs a name that redirects can lead to");
}

static int64_t workers(const struct mr_settings *s)
{
	long n = s->api_workers > 0 ? (long)s->api_workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? n : 1;
}

static int add_upstream(struct render *r)
{
	for (int64_t i = 0; i < workers(r->s); i++)
		mr_buf_addf(r->out, "  server unix:%s/api-%lld.sock max_fails=0;\n",
		    r->s->socket_dir, (long long)i);
	return 0;
}

/* Names made from several settings. 1: it was one of them. */
static int add_computed(struct render *r, struct mr_str name)
{
	const struct mr_settings *s = r->s;
	int e = 0;

	if (mr_str_eqz(name, "upstream_servers"))
		e = add_upstream(r);
	else if (mr_str_eqz(name, "cors_origins"))
		e = add_origins(r);
	else if (mr_str_eqz(name, "redirect_hosts"))
		e = add_redirect_hosts(r);
	else if (mr_str_eqz(name, "listen_http"))
		e = add_listen(r, s->nginx_http_port, "");
	else if (mr_str_eqz(name, "listen_https"))
		e = add_listen(r, s->nginx_https_port, " ssl http2");
	else if (mr_str_eqz(name, "listen_loopback"))
		e = add_loopback(r);
	else if (mr_str_eqz(name, "cors_credentials_value"))
		mr_buf_addz(r->out, s->cors_credentials ? "true" : "");
	else if (mr_str_eqz(name, "https_port_suffix") && s->nginx_https_port == 443)
		return 1;
	else if (mr_str_eqz(name, "https_port_suffix"))
		mr_buf_addf(r->out, ":%lld", (long long)s->nginx_https_port);
	else if (mr_str_eqz(name, "request_timeout_s"))
		mr_buf_add_i64(r->out, (s->request_timeout_ms + 999) / 1000);
	else if (mr_str_eqz(name, "fastcgi_read_timeout_s"))
		mr_buf_add_i64(
		    r->out, (s->request_timeout_ms + 999) / 1000 + s->max_wait_seconds + 30);
	else if (mr_str_eqz(name, "nginx_burst_half"))
		mr_buf_add_i64(r->out, s->nginx_burst / 2);
	else if (mr_str_eqz(name, "template_dir"))
		mr_buf_addz(r->out, r->dir);
	else
		return 0;
	return e < 0 ? e : 1;
}

static int add_value(struct render *r, struct mr_str name)
{
	const struct mr_setting_row *row;
	struct mr_str v;
	int e = add_computed(r, name);

	if (e != 0)
		return e < 0 ? e : 0;
	row = row_find(name);
	if (row == NULL)
		return fail(r, MR_E_INVALID, "there is no value named %.*s", MR_STR_ARG(name));
	v = row_text(r, row);
	if (v.p == NULL)
		return MR_E_NOMEM;
	if (!is_safe(v))
		return fail(
		    r, MR_E_INVALID, "%s has a character that nginx would misread", row->name);
	mr_buf_adds(r->out, v);
	return 0;
}

/* ---- nginx's own errors ---- */

static const struct {
	enum mr_error_id id;
	const char *more; /* further headers */
} nginx_errors[] = {
	{ MR_ERR_BAD_REQUEST, NULL },
	{ MR_ERR_CREDENTIALS_INVALID, "WWW-Authenticate 'Bearer realm=\"millrace\"'" },
	{ MR_ERR_FORBIDDEN, NULL },
	{ MR_ERR_ROUTE_NOT_FOUND, NULL },
	{ MR_ERR_METHOD_NOT_ALLOWED, "Allow 'GET, HEAD'" },
	{ MR_ERR_PRECONDITION_FAILED, NULL },
	{ MR_ERR_BODY_TOO_LARGE, NULL },
	{ MR_ERR_URI_TOO_LONG, NULL },
	{ MR_ERR_RANGE_NOT_SATISFIABLE, NULL },
	{ MR_ERR_HEADERS_TOO_LARGE, NULL },
	{ MR_ERR_INTERNAL, NULL },
	{ MR_ERR_BAD_GATEWAY, "Retry-After 1" },
	{ MR_ERR_OVERLOADED, "Retry-After 1" },
	{ MR_ERR_GATEWAY_TIMEOUT, "Retry-After 1" },
};

/* TEXT inside one of nginx's single-quoted strings. */
static void add_quoted(struct mr_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			mr_buf_addc(out, '\\');
		mr_buf_addc(out, *text);
	}
}

static void add_problem(struct mr_buf *out, const struct mr_error_row *e)
{
	mr_buf_addf(
	    out, "    return %u '{\"type\":\"/docs/errors#%s\",\"title\":\"", e->status, e->code);
	add_quoted(out, e->title);
	mr_buf_addf(out, "\",\"status\":%u,\"detail\":\"", e->status);
	add_quoted(out, e->sentence);
	mr_buf_addz(out, "\",\"instance\":\"$mr_path\",\"error\":\"");
	add_quoted(out, e->sentence);
	mr_buf_addf(out, "\",\"error_code\":\"%s\",\"details\":{},\"message\":\"", e->code);
	add_quoted(out, e->sentence);
	mr_buf_addz(out, "\",\"timestamp\":\"$mr_now\",\"path\":\"$mr_path\","
	                 "\"correlation_id\":\"$mr_request_id\"}\\n';\n");
}

static int add_errors(struct render *r)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(nginx_errors); i++) {
		const struct mr_error_row *e = &mr_error_rows[nginx_errors[i].id];
		int x;

		mr_buf_addf(r->out, "  location = /_errors/%u {\n    internal;\n", e->status);
		mr_buf_addz(r->out, "    default_type application/problem+json;\n");
		/* 416 is found out late, when the headers of the file's location are in the answer
		 */
		x = e->status == 416 ? 0 : render_file(r, "snippets/headers.conf", DEPTH_MAX - 1);
		if (x < 0)
			return x;
		if (e->status != 416)
			mr_buf_addz(r->out, "    add_header X-Request-ID $mr_request_id always;\n");
		mr_buf_addz(r->out, "    add_header Cache-Control no-store always;\n");
		if (nginx_errors[i].more != NULL)
			mr_buf_addf(r->out, "    add_header %s always;\n", nginx_errors[i].more);
		add_problem(r->out, e);
		mr_buf_addz(r->out, "  }\n");
	}
	return 0;
}

/* ---- lines ---- */

static int add_text(struct render *r, struct mr_str line)
{
	while (line.p != NULL) {
		struct mr_str name;
		int e;

		mr_buf_adds(r->out, mr_str_cut(&line, '@'));
		if (line.p == NULL)
			break;
		name = mr_str_cut(&line, '@');
		if (line.p == NULL)
			return fail(r, MR_E_INVALID, "an @ without its partner");
		if (name.len == 0) { /* "@@" is one */
			mr_buf_addc(r->out, '@');
			continue;
		}
		/* "@name@" alone may make several lines and ends them itself */
		e = add_value(r, name);
		if (e < 0)
			return e;
		if (line.len == 0 && r->out->len > 0 && r->out->p[r->out->len - 1] == '\n')
			return 0;
	}
	mr_buf_addc(r->out, '\n');
	return 0;
}

/* True when a setting is not empty, 0 or false. */
static int condition(struct render *r, struct mr_str name, bool *ret)
{
	bool inverted = name.len > 0 && name.p[0] == '!';
	const struct mr_setting_row *row;
	struct mr_str v;

	if (inverted)
		name.p++, name.len--;
	row = row_find(name);
	if (row == NULL)
		return fail(r, MR_E_INVALID, "%%if: there is no setting %.*s", MR_STR_ARG(name));
	v = row_text(r, row);
	*ret = (v.len > 0 && !mr_str_eqz(v, "0") && !mr_str_eqz(v, "false")) != inverted;
	return 0;
}

/* A stack of %if: a line is kept when all of them hold. */
struct conditions {
	bool kept[NESTING_MAX + 1];
	unsigned depth;
};

static int directive(struct render *r, struct conditions *c, struct mr_str line, unsigned depth)
{
	struct mr_str rest = mr_str_trim(line), word = mr_str_cut(&rest, ' ');
	bool holds = false;
	int e;

	if (mr_str_eqz(word, "%if")) {
		e = condition(r, rest, &holds);
		if (e < 0)
			return e;
		if (c->depth == NESTING_MAX)
			return fail(r, MR_E_LIMIT, "%%if is nested too deep");
		c->kept[c->depth + 1] = c->kept[c->depth] && holds;
		c->depth++;
	} else if (mr_str_eqz(word, "%end")) {
		if (c->depth == 0)
			return fail(r, MR_E_INVALID, "%%end without %%if");
		c->depth--;
	} else if (!c->kept[c->depth]) {
		return 0;
	} else if (mr_str_eqz(word, "%errors")) {
		return add_errors(r);
	} else if (mr_str_eqz(word, "%include") && rest.p != NULL) {
		const char *name = mr_arena_strz(r->arena, rest);

		return name == NULL ? MR_E_NOMEM : render_file(r, name, depth + 1);
	} else {
		return fail(r, MR_E_INVALID, "unknown directive %.*s", MR_STR_ARG(word));
	}
	return 0;
}

static int render_text(struct render *r, struct mr_str text, unsigned depth)
{
	struct conditions c = { .kept = { true }, .depth = 0 };
	int e = 0;

	while (e == 0 && text.p != NULL && text.len > 0) {
		struct mr_str line = mr_str_cut(&text, '\n');

		r->line++;
		if (line.len > 0 && line.p[0] == '%')
			e = directive(r, &c, line, depth);
		else if (c.kept[c.depth])
			e = add_text(r, line);
	}
	if (e == 0 && c.depth != 0)
		e = fail(r, MR_E_INVALID, "%%if without %%end");
	return e;
}

static int slurp(struct render *r, const char *path, struct mr_str *ret)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text;
	size_t n;
	int e = 0;

	if (f == NULL || fstat(fileno(f), &st) != 0) {
		e = fail(r, MR_E_IO, "%s: %s", path, strerror(errno));
		goto out;
	}
	if (st.st_size < 0 || st.st_size > TEMPLATE_MAX) {
		e = fail(r, MR_E_LIMIT, "%s is too large", path);
		goto out;
	}
	text = mr_arena_alloc(r->arena, (size_t)st.st_size + 1);
	if (text == NULL) {
		e = MR_E_NOMEM;
		goto out;
	}
	n = fread(text, 1, (size_t)st.st_size, f);
	*ret = (struct mr_str){ text, n };
out:
	if (f != NULL)
		(void)fclose(f); /* only read from */
	return e;
}

/* Recursion is over our own templates only, and at most DEPTH_MAX deep. */
static int render_file(struct render *r, const char *name, unsigned depth)
{
	const char *outer_file = r->file;
	unsigned outer_line = r->line;
	struct mr_str path, text;
	int e;

	if (depth >= DEPTH_MAX)
		return fail(r, MR_E_LIMIT, "%%include is nested too deep");
	path = mr_arena_printf(r->arena, "%s/%s", r->dir, name);
	if (path.p == NULL)
		return MR_E_NOMEM;
	e = slurp(r, path.p, &text);
	if (e < 0)
		return e;
	r->file = name;
	r->line = 0;
	e = render_text(r, text, depth);
	r->file = outer_file;
	r->line = outer_line;
	return e;
}

int mr_render(struct mr_arena *arena, const struct mr_settings *s, const char *dir,
    const char *name, struct mr_buf *out, struct mr_str *ret_why)
{
	struct render r = {
		.arena = arena, .s = s, .dir = dir, .file = name, .out = out, .why = ret_why
	};
	int e;

	*ret_why = MR_STR("out of memory");
	e = render_file(&r, name, 0);
	if (e == 0 && mr_buf_failed(out))
		e = MR_E_NOMEM;
	return e;
}
