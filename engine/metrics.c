#include "engine/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_MAX  4000 /* of all metrics together; more go into one without labels */
#define SLOTS       8192 /* a power of two, at least twice as many */
#define BUCKETS_MAX 16
#define KEY_MAX     320

enum type { COUNTER, GAUGE, HISTOGRAM };
enum buckets { NONE, SECONDS, MILLISECONDS, ROWS };

static const struct {
	const char *name;
	enum type type;
	enum buckets buckets;
	const char *help;
} rows[] = {
#define MR_METRIC(id, name, type, buckets, help) { name, type, buckets, help },
#include "engine/metrics.def"
#undef MR_METRIC
};
_Static_assert(MR_ARRAY_LEN(rows) == MR_METRIC_COUNT, "one row each");

static const char *const type_names[] = { "counter", "gauge", "histogram" };

static const struct {
	unsigned len;
	double le[BUCKETS_MAX];
} bucket_sets[] = {
	[NONE] = { 0, { 0 } },
	[SECONDS] = { 16, { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
	                      30, 60, 300 } },
	[MILLISECONDS] = { 14,
	    { 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000 } },
	[ROWS] = { 12, { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000 } },
};

struct series {
	enum mr_metric id;
	char *key;    /* the labels as Prometheus writes them, without braces; owned */
	double value; /* or the sum of a histogram */
	uint64_t count;
	uint64_t buckets[BUCKETS_MAX]; /* not cumulative */
};

struct mr_metrics {
	struct series *slots[SLOTS];
	size_t len;
};

struct mr_metrics *mr_metrics_create(void)
{
	return calloc(1, sizeof(struct mr_metrics));
}

struct mr_metrics *mr_metrics_free(struct mr_metrics *m)
{
	for (size_t i = 0; m != NULL && i < SLOTS; i++) {
		if (m->slots[i] != NULL)
			free(m->slots[i]->key);
		free(m->slots[i]);
	}
	free(m);
	return NULL;
}

/* ---- finding a series ---- */

static size_t add_text(char *out, size_t at, const char *p, size_t len, bool escape)
{
	for (size_t i = 0; i < len && at < KEY_MAX - 3; i++) {
		char c = p[i];

		if (escape && (c == '"' || c == '\\')) {
			out[at++] = '\\';
		} else if (escape && (unsigned char)c < 0x20) {
			c = ' ';
		}
		out[at++] = c;
	}
	return at;
}

static bool fits(const struct mr_label *l)
{
	return strlen(l->name) + 2 * l->value.len + 4 < KEY_MAX / MR_LABELS_MAX;
}

/* Labels in the form of the exposition format. Too long a value is left out, so that no text is
 * ever cut inside a character. */
static size_t write_key(char out[KEY_MAX], const struct mr_label *labels)
{
	size_t at = 0;

	for (unsigned i = 0; labels != NULL && i < MR_LABELS_MAX && labels[i].name != NULL; i++) {
		struct mr_str value = fits(&labels[i]) ? labels[i].value : MR_STR("other");

		if (at > 0)
			out[at++] = ',';
		at = add_text(out, at, labels[i].name, strlen(labels[i].name), false);
		at = add_text(out, at, "=\"", 2, false);
		at = add_text(out, at, value.p, value.len, true);
		at = add_text(out, at, "\"", 1, false);
	}
	out[at] = '\0';
	return at;
}

static uint64_t hash(enum mr_metric id, const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)id;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static struct series *create(enum mr_metric id, const char *key, size_t len)
{
	struct series *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->id = id;
	s->key = malloc(len + 1);
	if (s->key == NULL) {
		free(s);
		return NULL;
	}
	memcpy(s->key, key, len + 1);
	return s;
}

/* NULL when there is no room: then nothing is counted. */
static struct series *find(struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels)
{
	char key[KEY_MAX];
	size_t len = write_key(key, labels);
	uint64_t h = hash(id, key, len);

	for (size_t n = 0; n < SLOTS; n++) {
		struct series **slot = &m->slots[(h + n) & (SLOTS - 1)];

		if (*slot == NULL) {
			if (m->len >= SERIES_MAX + MR_METRIC_COUNT)
				return NULL;
			if (m->len >= SERIES_MAX && len > 0)
				return find(m, id, NULL); /* once: LEN is 0 then */
			*slot = create(id, key, len);
			if (*slot != NULL)
				m->len++;
			return *slot;
		}
		if ((*slot)->id == id && strcmp((*slot)->key, key) == 0)
			return *slot;
	}
	return NULL;
}

void mr_metric_add(struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double n)
{
	struct series *s = find(m, id, labels);

	if (s != NULL)
		s->value += n;
}

void mr_metric_set(struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double v)
{
	struct series *s = find(m, id, labels);

	if (s != NULL)
		s->value = v;
}

void mr_metric_observe(
    struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double v)
{
	struct series *s = find(m, id, labels);
	enum buckets set = rows[id].buckets;

	if (s == NULL)
		return;
	s->value += v;
	s->count++;
	for (unsigned i = 0; i < bucket_sets[set].len; i++) {
		if (v <= bucket_sets[set].le[i]) {
			s->buckets[i]++;
			break;
		}
	}
}

/* ---- writing ---- */

static void write_number(struct mr_buf *b, double v)
{
	mr_buf_addf(b, "%.15g", v);
}

/* "name_suffix{key,extra}": with comma and quotes as JSON wants them. */
static void write_sample(
    struct mr_buf *b, const struct series *s, const char *suffix, const char *le)
{
	char text[KEY_MAX + 128];
	bool labels = s->key[0] != '\0' || le != NULL;
	int n = snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s%s", rows[s->id].name, suffix,
	    labels ? "{" : "", s->key, s->key[0] != '\0' && le != NULL ? "," : "",
	    le != NULL ? "le=\"" : "", le != NULL ? le : "", le != NULL ? "\"" : "",
	    labels ? "}" : "");

	if (b->p[b->len - 1] != '{')
		mr_buf_addc(b, ',');
	mr_buf_add_json(b, (struct mr_str){ text, (size_t)n < sizeof(text) ? (size_t)n : 0 });
	mr_buf_addc(b, ':');
}

static void write_histogram(struct mr_buf *b, const struct series *s)
{
	enum buckets set = rows[s->id].buckets;
	uint64_t n = 0;
	char le[32];

	for (unsigned i = 0; i < bucket_sets[set].len; i++) {
		n += s->buckets[i];
		(void)snprintf(le, sizeof(le), "%g", bucket_sets[set].le[i]); /* fits */
		write_sample(b, s, "_bucket", le);
		mr_buf_add_u64(b, n);
	}
	write_sample(b, s, "_bucket", "+Inf");
	mr_buf_add_u64(b, s->count);
	write_sample(b, s, "_sum", NULL);
	write_number(b, s->value);
	write_sample(b, s, "_count", NULL);
	mr_buf_add_u64(b, s->count);
}

static void write_names(struct mr_buf *b, bool help)
{
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++) {
		if (i > 0)
			mr_buf_addc(b, ',');
		mr_buf_add_json(b, mr_str(rows[i].name));
		mr_buf_addc(b, ':');
		mr_buf_add_json(b, mr_str(help ? rows[i].help : type_names[rows[i].type]));
	}
}

void mr_metrics_write(const struct mr_metrics *m, struct mr_buf *b)
{
	mr_buf_addz(b, "{\"types\":{");
	write_names(b, false);
	mr_buf_addz(b, "},\"help\":{");
	write_names(b, true);
	mr_buf_addz(b, "},\"samples\":{");
	for (size_t i = 0; i < SLOTS && !mr_buf_failed(b); i++) {
		const struct series *s = m->slots[i];

		if (s == NULL)
			continue;
		if (rows[s->id].type == HISTOGRAM) {
			write_histogram(b, s);
		} else {
			write_sample(b, s, "", NULL);
			write_number(b, s->value);
		}
	}
	mr_buf_addz(b, "}}");
}

const char *mr_latency_class(int64_t duration_us)
{
	if (duration_us < 10000)
		return "instant";
	if (duration_us < 1000000)
		return "fast";
	if (duration_us < 10000000)
		return "medium";
	if (duration_us < 60000000)
		return "slow";
	return "very_slow";
}
