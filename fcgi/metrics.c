#include "fcgi/metrics.h"

#include <stdlib.h>
#include <sys/mman.h>

enum kind { COUNTER, GAUGE, HTTP_COUNTER, HTTP_SECONDS, CLASS_COUNTER };

static const struct row {
	const char *name;
	enum kind kind;
	const char *help;
} rows[MR_METRIC_COUNT] = {
#define MR_METRIC(id, metric_name, metric_kind, text)                                              \
	[MR_METRIC_##id] = { .name = metric_name, .kind = metric_kind, .help = text },
#include "fcgi/metrics.def"
#undef MR_METRIC
};

/* The statuses that are told apart; the last stands for all others. */
static const unsigned short statuses[] = { 200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405,
	406, 409, 412, 413, 414, 415, 416, 429, 431, 500, 502, 503, 504, 0 };
#define STATUSES MR_ARRAY_LEN(statuses)

static const struct {
	int64_t us;
	const char *le;
} buckets[] = { { 500, "0.0005" }, { 1000, "0.001" }, { 2500, "0.0025" }, { 5000, "0.005" },
	{ 10000, "0.01" }, { 25000, "0.025" }, { 50000, "0.05" }, { 100000, "0.1" },
	{ 250000, "0.25" }, { 500000, "0.5" }, { 1000000, "1" }, { 2500000, "2.5" },
	{ 5000000, "5" }, { 10000000, "10" }, { INT64_MAX, "+Inf" } };
#define BUCKETS MR_ARRAY_LEN(buckets)
_Static_assert(BUCKETS == MR_LATENCY_BUCKETS, "the header says how many");

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
		if (rows[i].kind == GAUGE)
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

void mr_api_metrics_add(struct mr_api_metrics *m, enum mr_metric_id id, uint64_t n)
{
	if (m != NULL)
		add(&m->own->plain[id], n);
}

void mr_api_metrics_set(struct mr_api_metrics *m, enum mr_metric_id id, uint64_t value)
{
	if (m != NULL)
		store(&m->own->plain[id], value);
}

unsigned mr_latency_bucket(int64_t took_us)
{
	unsigned b = 0;

	while (took_us > buckets[b].us)
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

uint64_t mr_api_metrics_get(const struct mr_api_metrics *m, enum mr_metric_id id)
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

static void write_labels(const struct mr_api_metrics *m, unsigned route, const char *name,
    const char *suffix, struct mr_buf *out)
{
	bool known = route < m->routes_len;

	mr_buf_addf(out, "%s%s{method=\"%s\",route=\"%s\"", name, suffix,
	    known ? m->routes[route].method : "", known ? m->routes[route].path : "");
}

static void write_statuses(
    const struct mr_api_metrics *m, unsigned route, const char *name, struct mr_buf *out)
{
	struct route_numbers n;

	sum_route(m, route, &n);
	for (size_t k = 0; k < STATUSES; k++) {
		if (n.by_status[k] == 0)
			continue;
		write_labels(m, route, name, "", out);
		if (statuses[k] != 0)
			mr_buf_addf(out, ",status=\"%u\"} ", (unsigned)statuses[k]);
		else
			mr_buf_addz(out, ",status=\"other\"} ");
		mr_buf_add_u64(out, n.by_status[k]);
		mr_buf_addc(out, '\n');
	}
}

static void write_histogram(
    const struct mr_api_metrics *m, unsigned route, const char *name, struct mr_buf *out)
{
	struct route_numbers n;
	uint64_t so_far = 0, all = 0;

	sum_route(m, route, &n);
	for (size_t k = 0; k < BUCKETS; k++)
		all += n.by_bucket[k];
	if (all == 0)
		return;
	for (size_t k = 0; k < BUCKETS; k++) {
		so_far += n.by_bucket[k];
		write_labels(m, route, name, "_bucket", out);
		mr_buf_addf(out, ",le=\"%s\"} ", buckets[k].le);
		mr_buf_add_u64(out, so_far);
		mr_buf_addc(out, '\n');
	}
	write_labels(m, route, name, "_sum", out);
	mr_buf_addf(out, "} %llu.%06u\n", (unsigned long long)(n.sum_us / 1000000),
	    (unsigned)(n.sum_us % 1000000));
	write_labels(m, route, name, "_count", out);
	mr_buf_addz(out, "} ");
	mr_buf_add_u64(out, so_far);
	mr_buf_addc(out, '\n');
}

static void write_classes(const struct mr_api_metrics *m, const char *name, struct mr_buf *out)
{
	for (unsigned c = MR_RATE_EXEMPT + 1; c < MR_RATE_COUNT; c++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < m->slots; i++)
			sum += load(&slot_at(m, i)->refusals[c]);
		if (sum == 0)
			continue;
		mr_buf_addf(
		    out, "%s{class=\"%s\"} ", name, mr_rate_class_name((enum mr_rate_class)c));
		mr_buf_add_u64(out, sum);
		mr_buf_addc(out, '\n');
	}
}

static void write_row(const struct mr_api_metrics *m, enum mr_metric_id id, struct mr_buf *out)
{
	static const char *const types[] = { [COUNTER] = "counter",
		[GAUGE] = "gauge",
		[HTTP_COUNTER] = "counter",
		[HTTP_SECONDS] = "histogram",
		[CLASS_COUNTER] = "counter" };
	const struct row *row = &rows[id];

	mr_buf_addf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, types[row->kind]);
	if (row->kind == COUNTER || row->kind == GAUGE) {
		mr_buf_addf(out, "%s ", row->name);
		mr_buf_add_u64(out, mr_api_metrics_get(m, id));
		mr_buf_addc(out, '\n');
		return;
	}
	if (row->kind == CLASS_COUNTER) {
		write_classes(m, row->name, out);
		return;
	}
	for (unsigned route = 0; route <= m->routes_len; route++) {
		if (row->kind == HTTP_COUNTER)
			write_statuses(m, route, row->name, out);
		else
			write_histogram(m, route, row->name, out);
	}
}

void mr_api_metrics_render(const struct mr_api_metrics *m, struct mr_buf *out)
{
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++)
		write_row(m, (enum mr_metric_id)i, out);
}
