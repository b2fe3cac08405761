#include "engine/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_MAX 4000 /* of all metrics together; more go into one without labels */
#define SLOTS      8192 /* a power of two, at least twice as many */
#define KEY_MAX    320
#define NUMBERS    (MR_METRIC_BOUNDS_MAX + 2)

/* A counter or gauge is numbers[0]; a histogram's sum, then its buckets, not added up. */
struct series {
	enum mr_metric id;
	int64_t tenant_id; /* 0: none */
	char *key;         /* the labels as Prometheus writes them, without braces; owned */
	double numbers[NUMBERS];
	double sent[NUMBERS];    /* as they were last written */
	double written[NUMBERS]; /* as the row has them */
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

static uint64_t hash(enum mr_metric id, int64_t tenant_id, const char *key, size_t len)
{
	uint64_t h =
	    (0xcbf29ce484222325u ^ (uint64_t)id) + (uint64_t)tenant_id * 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

static struct series *create(enum mr_metric id, int64_t tenant_id, const char *key, size_t len)
{
	struct series *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->id = id;
	s->tenant_id = tenant_id;
	s->key = malloc(len + 1);
	if (s->key == NULL) {
		free(s);
		return NULL;
	}
	memcpy(s->key, key, len + 1);
	return s;
}

/* NULL when there is no room: then nothing is counted. */
static struct series *find(
    struct mr_metrics *m, enum mr_metric id, int64_t tenant_id, const struct mr_label *labels)
{
	char key[KEY_MAX];
	size_t len = write_key(key, labels);
	uint64_t h = hash(id, tenant_id, key, len);

	for (size_t n = 0; n < SLOTS; n++) {
		struct series **slot = &m->slots[(h + n) & (SLOTS - 1)];

		if (*slot == NULL) {
			if (m->len >= SERIES_MAX + MR_METRIC_COUNT)
				return NULL;
			if (m->len >= SERIES_MAX && (len > 0 || tenant_id != 0))
				return find(m, id, 0, NULL); /* once: there is no label left */
			*slot = create(id, tenant_id, key, len);
			if (*slot != NULL)
				m->len++;
			return *slot;
		}
		if ((*slot)->id == id && (*slot)->tenant_id == tenant_id &&
		    strcmp((*slot)->key, key) == 0)
			return *slot;
	}
	return NULL;
}

void mr_metric_add_for(struct mr_metrics *m, enum mr_metric id, int64_t tenant_id,
    const struct mr_label *labels, double n)
{
	struct series *s = find(m, id, tenant_id, labels);

	if (s != NULL)
		s->numbers[0] += n;
}

void mr_metric_set(struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double v)
{
	struct series *s = find(m, id, 0, labels);

	if (s != NULL)
		s->numbers[0] = v;
}

void mr_metric_observe_for(struct mr_metrics *m, enum mr_metric id, int64_t tenant_id,
    const struct mr_label *labels, double v)
{
	struct series *s = find(m, id, tenant_id, labels);
	const struct mr_metric_bounds *b = mr_metric_bounds(id);
	unsigned i = 0;

	if (s == NULL)
		return;
	while (i < b->len && v > b->le[i])
		i++;
	s->numbers[0] += v;
	s->numbers[1 + i]++;
}

void mr_metric_add(struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double n)
{
	mr_metric_add_for(m, id, 0, labels, n);
}

void mr_metric_observe(
    struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double v)
{
	mr_metric_observe_for(m, id, 0, labels, v);
}

/* ---- writing ---- */

static bool is_gauge(const struct series *s)
{
	return mr_metric_rows[s->id].type == MR_METRIC_TYPE_GAUGE;
}

static void write_name(struct mr_buf *b, const struct series *s)
{
	char text[KEY_MAX + 128];
	bool labels = s->key[0] != '\0';
	int n = snprintf(text, sizeof(text), "%s%s%s%s", mr_metric_rows[s->id].name,
	    labels ? "{" : "", s->key, labels ? "}" : "");

	mr_buf_add_json(b, (struct mr_str){ text, (size_t)n < sizeof(text) ? (size_t)n : 0 });
}

static void write_counted(struct mr_buf *b, const struct series *s)
{
	bool histogram = mr_metric_rows[s->id].type == MR_METRIC_TYPE_HISTOGRAM;
	unsigned len = histogram ? mr_metric_bounds(s->id)->len + 2 : 1;

	mr_buf_addf(b, "[%" PRId64 ",", s->tenant_id);
	write_name(b, s);
	for (unsigned i = 0; i < len; i++)
		mr_buf_addf(b, "%s%.15g", i == 0 ? ",[" : ",", s->numbers[i]);
	mr_buf_addz(b, "]]");
}

static void write_gauge(struct mr_buf *b, const struct series *s)
{
	write_name(b, s);
	mr_buf_addf(b, ":%.15g", s->numbers[0]);
}

void mr_metrics_write(struct mr_metrics *m, struct mr_buf *b)
{
	const char *between = "";

	mr_buf_addz(b, "{\"counted\":[");
	for (size_t i = 0; i < SLOTS; i++) {
		struct series *s = m->slots[i];

		if (s == NULL || is_gauge(s))
			continue;
		mr_buf_addz(b, between);
		between = ",";
		write_counted(b, s);
		memcpy(s->sent, s->numbers, sizeof(s->sent));
	}
	mr_buf_addz(b, "],\"now\":{");
	between = "";
	for (size_t i = 0; i < SLOTS; i++) {
		const struct series *s = m->slots[i];

		if (s == NULL || !is_gauge(s))
			continue;
		mr_buf_addz(b, between);
		between = ",";
		write_gauge(b, s);
	}
	mr_buf_addz(b, "}}");
}

void mr_metrics_written(struct mr_metrics *m)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct series *s = m->slots[i];

		if (s != NULL)
			memcpy(s->written, s->sent, sizeof(s->written));
	}
}

void mr_metrics_handed_over(struct mr_metrics *m)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct series *s = m->slots[i];

		if (s == NULL || is_gauge(s))
			continue;
		for (unsigned k = 0; k < NUMBERS; k++)
			s->numbers[k] -= s->written[k];
		memset(s->written, 0, sizeof(s->written));
		memset(s->sent, 0, sizeof(s->sent));
	}
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
