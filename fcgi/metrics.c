#include "fcgi/metrics.h"

#include <stdlib.h>
#include <sys/mman.h>

/* The statuses that are told apart; the last stands for all others. */
static const unsigned short statuses[] = { 200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405,
	406, 409, 412, 413, 414, 415, 416, 429, 431, 500, 502, 503, 504, 0 };
#define STATUSES MR_ARRAY_LEN(statuses)

#define US_PER_S   1000000.0
#define BUCKETS    MR_LATENCY_BUCKETS
#define LABELS_MAX 4096

/* One process's numbers of one route. */
struct route_numbers {
	uint64_t by_status[STATUSES];
	uint64_t by_bucket[BUCKETS]; /* not added up yet */
	uint64_t sum_us;
};

/* One process's numbers; only that process writes them, so plain stores will do, and a reader may
 * be one event behind. */
struct slot {
	uint64_t plain[MR_METRIC_COUNT];
	uint64_t refusals[MR_RATE_COUNT];
	struct route_numbers routes[]; /* the last is for requests without a route */
};

struct mr_api_metrics {
	const struct mr_metric_route *routes;
	unsigned routes_len, slots;
	size_t slot_size;
	char *map; /* shared by all processes */
	struct slot *own;
};

static struct slot *slot_at(const struct mr_api_metrics *m, unsigned i)
{
	return (struct slot *)(void *)(m->map + i * m->slot_size);
}

/* Slots begin on cache lines of their own. */
static size_t slot_size(unsigned routes_len)
{
	size_t size = sizeof(struct slot) + (routes_len + 1) * sizeof(struct route_numbers);

	return (size + 63) / 64 * 64;
}

struct mr_api_metrics *mr_api_metrics_create(
    const struct mr_metric_route *routes, unsigned routes_len, unsigned slots)
{
	struct mr_api_metrics *m = calloc(1, sizeof(*m));
	void *map;

	if (m == NULL)
		return NULL;
	m->routes = routes;
	m->routes_len = routes_len;
	m->slots = slots;
	m->slot_size = slot_size(routes_len);
	map = mmap(
	    NULL, m->slot_size * slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED) {
		free(m);
		return NULL;
	}
	m->map = map;
	m->own = slot_at(m, 0);
	return m;
}

struct mr_api_metrics *mr_api_metrics_free(struct mr_api_metrics *m)
{
	if (m != NULL)
		(void)munmap(m->map, m->slot_size * m->slots); /* fails only for wrong arguments */
	free(m);
	return NULL;
}

void mr_api_metrics_attach(struct mr_api_metrics *m, unsigned slot)
{
	m->own = slot_at(m, slot < m->slots ? slot : 0);
}

void mr_api_metrics_clear_gauges(struct mr_api_metrics *m, unsigned slot)
{
	struct slot *s = slot_at(m, slot);

	for (unsigned i = 0; i < MR_METRIC_COUNT; i++) {
		if (mr_metric_rows[i].type == MR_METRIC_TYPE_GAUGE)
			s->plain[i] = 0;
	}
}

/* ---- counting ---- */

/* Whole words, so that a reader in another process never sees half of one. */
static void store(uint64_t *at, uint64_t value)
{
	__atomic_store_n(at, value, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void add(uint64_t *at, uint64_t n)
{
	store(at, load(at) + n);
}

void mr_api_metrics_add(struct mr_api_metrics *m, enum mr_metric id, uint64_t n)
{
	if (m != NULL)
		add(&m->own->plain[id], n);
}

void mr_api_metrics_set(struct mr_api_metrics *m, enum mr_metric id, uint64_t value)
{
	if (m != NULL)
		store(&m->own->plain[id], value);
}

unsigned mr_latency_bucket(int64_t took_us)
{
	const struct mr_metric_bounds *bounds =
	    mr_metric_bounds(MR_METRIC_HTTP_REQUEST_DURATION_SECONDS);
	unsigned b = 0;

	while (b < bounds->len && took_us > (int64_t)(bounds->le[b] * US_PER_S + 0.5))
		b++;
	return b;
}

void mr_api_metrics_http(struct mr_api_metrics *m, unsigned route, unsigned status, int64_t took_us)
{
	struct route_numbers *n;
	size_t s = 0;

	if (m == NULL)
		return;
	n = &m->own->routes[route < m->routes_len ? route : m->routes_len];
	while (s < STATUSES - 1 && statuses[s] != status)
		s++;
	add(&n->by_status[s], 1);
	add(&n->by_bucket[mr_latency_bucket(took_us)], 1);
	add(&n->sum_us, took_us > 0 ? (uint64_t)took_us : 0);
}

void mr_api_metrics_refused(struct mr_api_metrics *m, enum mr_rate_class c)
{
	if (m != NULL)
		add(&m->own->refusals[c], 1);
}

uint64_t mr_api_metrics_get(const struct mr_api_metrics *m, enum mr_metric id)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->slots; i++)
		sum += load(&slot_at(m, i)->plain[id]);
	return sum;
}

/* ---- Prometheus' text ---- */

static void sum_route(const struct mr_api_metrics *m, unsigned route, struct route_numbers *ret)
{
	*ret = (struct route_numbers){ .sum_us = 0 };
	for (unsigned i = 0; i < m->slots; i++) {
		const struct route_numbers *n = &slot_at(m, i)->routes[route];

		for (size_t k = 0; k < STATUSES; k++)
			ret->by_status[k] += load(&n->by_status[k]);
		for (size_t k = 0; k < BUCKETS; k++)
			ret->by_bucket[k] += load(&n->by_bucket[k]);
		ret->sum_us += load(&n->sum_us);
	}
}

/* method="",route="" for requests that matched none. */
static void write_labels(const struct mr_api_metrics *m, unsigned route, struct mr_buf *out)
{
	bool known = route < m->routes_len;

	mr_buf_addf(out, "method=\"%s\",route=\"%s\"", known ? m->routes[route].method : "",
	    known ? m->routes[route].path : "");
}

static void write_statuses(const struct mr_api_metrics *m, unsigned route, struct mr_buf *out)
{
	struct route_numbers n;

	sum_route(m, route, &n);
	for (size_t k = 0; k < STATUSES; k++) {
		if (n.by_status[k] == 0)
			continue;
		mr_buf_addf(out, "%s{", mr_metric_rows[MR_METRIC_HTTP_REQUESTS_TOTAL].name);
		write_labels(m, route, out);
		if (statuses[k] != 0)
			mr_buf_addf(out, ",status=\"%u\"}", (unsigned)statuses[k]);
		else
			mr_buf_addz(out, ",status=\"other\"}");
		mr_metric_value(out, (double)n.by_status[k]);
	}
}

static void write_durations(const struct mr_api_metrics *m, unsigned route, struct mr_buf *out)
{
	struct route_numbers n;
	double counts[BUCKETS], all = 0;
	struct mr_buf labels;

	sum_route(m, route, &n);
	for (size_t k = 0; k < BUCKETS; k++) {
		counts[k] = (double)n.by_bucket[k];
		all += counts[k];
	}
	if (all == 0)
		return;
	mr_buf_init(&labels, LABELS_MAX);
	write_labels(m, route, &labels);
	mr_metric_histogram(out, MR_METRIC_HTTP_REQUEST_DURATION_SECONDS, mr_buf_str(&labels),
	    counts, (double)n.sum_us / US_PER_S);
	mr_buf_done(&labels);
}

static void write_classes(const struct mr_api_metrics *m, struct mr_buf *out)
{
	for (unsigned c = MR_RATE_EXEMPT + 1; c < MR_RATE_COUNT; c++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < m->slots; i++)
			sum += load(&slot_at(m, i)->refusals[c]);
		if (sum == 0)
			continue;
		mr_buf_addf(out, "%s{class=\"%s\"}",
		    mr_metric_rows[MR_METRIC_RATE_LIMIT_REFUSALS_TOTAL].name,
		    mr_rate_class_name((enum mr_rate_class)c));
		mr_metric_value(out, (double)sum);
	}
}

static void write_samples(const struct mr_api_metrics *m, enum mr_metric id, struct mr_buf *out)
{
	switch (id) {
	case MR_METRIC_HTTP_REQUESTS_TOTAL:
		for (unsigned route = 0; route <= m->routes_len; route++)
			write_statuses(m, route, out);
		break;
	case MR_METRIC_HTTP_REQUEST_DURATION_SECONDS:
		for (unsigned route = 0; route <= m->routes_len; route++)
			write_durations(m, route, out);
		break;
	case MR_METRIC_RATE_LIMIT_REFUSALS_TOTAL:
		write_classes(m, out);
		break;
	default:
		mr_buf_addz(out, mr_metric_rows[id].name);
		mr_metric_value(out, (double)mr_api_metrics_get(m, id));
		break;
	}
}

void mr_api_metrics_render(const struct mr_api_metrics *m, struct mr_buf *out)
{
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++) {
		if (mr_metric_rows[i].source != MR_METRIC_SOURCE_WORKERS)
			continue;
		mr_metric_head(out, (enum mr_metric)i);
		write_samples(m, (enum mr_metric)i, out);
	}
}
