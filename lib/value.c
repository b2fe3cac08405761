/* Values: making, looking up, comparing, hashing and copying them, never by recursion. */
#include "lib/value.h"

#include <math.h>
#include <string.h>

#include "lib/clock.h"

#define LINEAR_MAX 8u /* up to so many members are searched one by one */
#define WALK_MAX   (64u * 1024u * 1024u)
/* Values that share parts can be far larger to walk than to hold; past this they differ. */
#define EQ_MAX UINT64_C(100000000)

/* ---- making ---- */

static const struct kind_row {
	const char *name, *type;
} kinds[] = {
	[MR_VALUE_NULL] = { "null", "null_type" },
	[MR_VALUE_BOOL] = { "bool", "bool" },
	[MR_VALUE_INT] = { "int", "int" },
	[MR_VALUE_UINT] = { "uint", "uint" },
	[MR_VALUE_DOUBLE] = { "double", "double" },
	[MR_VALUE_STRING] = { "string", "string" },
	[MR_VALUE_BYTES] = { "bytes", "bytes" },
	[MR_VALUE_TIMESTAMP] = { "timestamp", "google.protobuf.Timestamp" },
	[MR_VALUE_DURATION] = { "duration", "google.protobuf.Duration" },
	[MR_VALUE_LIST] = { "list", "list" },
	[MR_VALUE_MAP] = { "map", "map" },
	[MR_VALUE_TYPE] = { "type", "type" },
};
_Static_assert(MR_ARRAY_LEN(kinds) == MR_VALUE_TYPE + 1, "one row per kind");

const char *mr_value_kind_name(enum mr_value_kind k)
{
	return (size_t)k < MR_ARRAY_LEN(kinds) ? kinds[k].name : "unknown";
}

const char *mr_value_type_name(enum mr_value_kind k)
{
	return (size_t)k < MR_ARRAY_LEN(kinds) ? kinds[k].type : "unknown";
}

struct mr_list *mr_list_create(struct mr_arena *a, size_t len)
{
	struct mr_list *l;
	size_t size;

	if (__builtin_mul_overflow(len, sizeof(l->items[0]), &size) ||
	    __builtin_add_overflow(size, sizeof(*l), &size))
		return NULL;
	l = mr_arena_zalloc(a, size);
	if (l != NULL)
		l->len = len;
	return l;
}

struct mr_map *mr_map_create(struct mr_arena *a, size_t len)
{
	struct mr_map *m;
	size_t size;

	if (__builtin_mul_overflow(len, sizeof(m->members[0]), &size) ||
	    __builtin_add_overflow(size, sizeof(*m), &size))
		return NULL;
	m = mr_arena_zalloc(a, size);
	if (m != NULL)
		m->len = len;
	return m;
}

/* ---- hashing: SipHash-1-3 under a secret key, since members' names come from outside ---- */

static uint64_t hash_key[2];
static int hash_key_state; /* 0 none, 1 being made, 2 there */

static void make_hash_key(void)
{
	uint64_t key[2] = { UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f) };
	int none = 0;

	if (!__atomic_compare_exchange_n(
	        &hash_key_state, &none, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		while (__atomic_load_n(&hash_key_state, __ATOMIC_ACQUIRE) != 2)
			continue; /* another thread is at it: a few instructions */
		return;
	}
	if (mr_random_bytes(key, sizeof(key)) < 0)
		key[0] ^= (uint64_t)mr_clock_system.now_us(mr_clock_system.ctx);
	memcpy(hash_key, key, sizeof(key));
	__atomic_store_n(&hash_key_state, 2, __ATOMIC_RELEASE);
}

static inline uint64_t rotl(uint64_t x, unsigned n)
{
	return (x << n) | (x >> (64 - n));
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static uint64_t hash_bytes(const void *p, size_t len, uint64_t tag)
{
	const unsigned char *s = p;
	size_t left = len;
	uint64_t v[4], m;

	if (__atomic_load_n(&hash_key_state, __ATOMIC_ACQUIRE) != 2)
		make_hash_key();
	v[0] = hash_key[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = hash_key[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = hash_key[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = hash_key[1] ^ UINT64_C(0x7465646279746573) ^ tag;
	for (; left >= 8; left -= 8, s += 8) {
		memcpy(&m, s, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)len << 56;
	if (left > 0) {
		uint64_t tail = 0;

		memcpy(&tail, s, left);
		m ^= tail;
	}
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t hash_word(uint64_t word, uint64_t tag)
{
	return hash_bytes(&word, sizeof(word), tag);
}

/* Numbers that are equal must hash alike: whole doubles as the integer they are. */
static uint64_t hash_double(double d)
{
	uint64_t bits;

	if (d >= -0x1p63 && d < 0x1p63 && d == (double)(int64_t)d)
		return hash_word((uint64_t)(int64_t)d, d < 0 ? 2 : 1);
	if (d >= 0 && d < 0x1p64 && d == (double)(uint64_t)d)
		return hash_word((uint64_t)d, 1);
	memcpy(&bits, &d, sizeof(bits));
	return hash_word(bits, 3);
}

uint64_t mr_value_hash(const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_BOOL:
		return hash_word(v->b, 4);
	case MR_VALUE_INT:
		return hash_word((uint64_t)v->i, v->i < 0 ? 2 : 1);
	case MR_VALUE_UINT:
		return hash_word(v->u, 1);
	case MR_VALUE_DOUBLE:
		return hash_double(v->d);
	case MR_VALUE_STRING:
		return hash_bytes(v->s.p, v->s.len, 0);
	case MR_VALUE_BYTES:
	case MR_VALUE_TYPE:
		return hash_bytes(v->s.p, v->s.len, 16 + (uint64_t)v->kind);
	case MR_VALUE_TIMESTAMP:
	case MR_VALUE_DURATION:
		return hash_word((uint64_t)v->i * 1000 + v->ns, 16 + (uint64_t)v->kind);
	case MR_VALUE_LIST:
		return hash_word(v->list->len, 5);
	case MR_VALUE_MAP:
		return hash_word(v->map->len, 6);
	case MR_VALUE_NULL:
	default:
		return hash_word(0, 7);
	}
}

/* ---- numbers ---- */

/* Exactly, without rounding the integer to a double. */
static int cmp_int_double(int64_t i, double d)
{
	int64_t whole;

	if (isnan(d))
		return 2;
	if (d >= 0x1p63)
		return -1;
	if (d < -0x1p63)
		return 1;
	whole = (int64_t)d;
	if (i != whole)
		return i < whole ? -1 : 1;
	d -= (double)whole;
	return d > 0 ? -1 : d < 0;
}

static int cmp_uint_double(uint64_t u, double d)
{
	uint64_t whole;

	if (isnan(d))
		return 2;
	if (d >= 0x1p64)
		return -1;
	if (d < 0)
		return 1;
	whole = (uint64_t)d;
	if (u != whole)
		return u < whole ? -1 : 1;
	return d > (double)whole ? -1 : 0;
}

static int cmp_int_uint(int64_t i, uint64_t u)
{
	if (i < 0 || (uint64_t)i < u)
		return -1;
	return (uint64_t)i > u;
}

static int flip(int cmp)
{
	return cmp == 2 ? 2 : -cmp;
}

int mr_number_cmp(const struct mr_value *a, const struct mr_value *b)
{
	if (a->kind == MR_VALUE_DOUBLE && b->kind == MR_VALUE_DOUBLE) {
		if (isnan(a->d) || isnan(b->d))
			return 2;
		return a->d < b->d ? -1 : a->d > b->d;
	}
	if (a->kind == MR_VALUE_INT && b->kind == MR_VALUE_INT)
		return a->i < b->i ? -1 : a->i > b->i;
	if (a->kind == MR_VALUE_UINT && b->kind == MR_VALUE_UINT)
		return a->u < b->u ? -1 : a->u > b->u;
	if (a->kind == MR_VALUE_INT)
		return b->kind == MR_VALUE_UINT ? cmp_int_uint(a->i, b->u)
		                                : cmp_int_double(a->i, b->d);
	if (b->kind == MR_VALUE_INT)
		return a->kind == MR_VALUE_UINT ? flip(cmp_int_uint(b->i, a->u))
		                                : flip(cmp_int_double(b->i, a->d));
	if (a->kind == MR_VALUE_UINT)
		return cmp_uint_double(a->u, b->d);
	return flip(cmp_uint_double(b->u, a->d));
}

/* ---- maps ---- */

/* Equality of two values neither of which holds others. */
static bool scalar_eq(const struct mr_value *a, const struct mr_value *b)
{
	if (mr_value_is_number(a) && mr_value_is_number(b))
		return mr_number_cmp(a, b) == 0;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case MR_VALUE_NULL:
		return true;
	case MR_VALUE_BOOL:
		return a->b == b->b;
	case MR_VALUE_TIMESTAMP:
	case MR_VALUE_DURATION:
		return a->i == b->i && a->ns == b->ns;
	case MR_VALUE_STRING:
	case MR_VALUE_BYTES:
	case MR_VALUE_TYPE:
		return mr_str_eq(a->s, b->s);
	default:
		return false;
	}
}

int mr_map_seal(struct mr_arena *a, struct mr_map *m)
{
	size_t size = 16, mask;

	if (m->len <= LINEAR_MAX)
		return 0;
	if (m->len >= UINT32_MAX / 2)
		return MR_E_LIMIT;
	while (size < m->len * 2)
		size *= 2;
	m->index = mr_arena_array(a, size, sizeof(*m->index));
	if (m->index == NULL)
		return MR_E_NOMEM;
	m->index_len = size;
	mask = size - 1;
	for (size_t i = 0; i < m->len; i++) {
		size_t at = mr_value_hash(&m->members[i].key) & mask;

		while (m->index[at] != 0)
			at = (at + 1) & mask;
		m->index[at] = (uint32_t)(i + 1);
	}
	return 0;
}

static const struct mr_member *find_indexed(const struct mr_map *m, const struct mr_value *key)
{
	size_t mask = m->index_len - 1, at = mr_value_hash(key) & mask;

	for (; m->index[at] != 0; at = (at + 1) & mask) {
		const struct mr_member *member = &m->members[m->index[at] - 1];

		if (scalar_eq(&member->key, key))
			return member;
	}
	return NULL;
}

static const struct mr_member *find_member(const struct mr_map *m, const struct mr_value *key)
{
	if (m->index != NULL)
		return find_indexed(m, key);
	for (size_t i = 0; i < m->len; i++) {
		if (scalar_eq(&m->members[i].key, key))
			return &m->members[i];
	}
	return NULL;
}

const struct mr_value *mr_map_find(const struct mr_map *m, const struct mr_value *key)
{
	const struct mr_member *member = find_member(m, key);

	return member != NULL ? &member->value : NULL;
}

size_t mr_map_duplicate(const struct mr_map *m)
{
	for (size_t i = 0; i < m->len; i++) {
		const struct mr_member *first = find_member(m, &m->members[i].key);

		if (first != NULL && first != &m->members[i])
			return i;
	}
	return m->len;
}

const struct mr_value *mr_value_gets(const struct mr_value *v, struct mr_str key)
{
	struct mr_value k;

	if (v == NULL || v->kind != MR_VALUE_MAP)
		return NULL;
	if (v->map->index != NULL) {
		k = mr_value_str(key);
		return mr_map_find(v->map, &k);
	}
	for (size_t i = 0; i < v->map->len; i++) {
		const struct mr_member *m = &v->map->members[i];

		if (m->key.kind == MR_VALUE_STRING && m->key.s.len == key.len &&
		    memcmp(m->key.s.p, key.p, key.len) == 0)
			return &m->value;
	}
	return NULL;
}

const struct mr_value *mr_value_get(const struct mr_value *v, const char *key)
{
	return mr_value_gets(v, mr_str(key));
}

const struct mr_value *mr_value_get_kind(
    const struct mr_value *v, const char *key, enum mr_value_kind kind)
{
	const struct mr_value *member = mr_value_get(v, key);

	return member != NULL && member->kind == kind ? member : NULL;
}

struct mr_str mr_value_get_str(const struct mr_value *v, const char *key)
{
	const struct mr_value *member = mr_value_get_kind(v, key, MR_VALUE_STRING);

	return member != NULL ? member->s : MR_STR_NONE;
}

/* ---- walking ---- */

void mr_walk_init(struct mr_walk *w)
{
	w->len = 0;
	mr_buf_init(&w->more, WALK_MAX);
}

void mr_walk_done(struct mr_walk *w)
{
	mr_buf_done(&w->more);
}

struct mr_walk_frame *mr_walk_push(struct mr_walk *w, const void *at, const void *other)
{
	struct mr_walk_frame *f;

	if (w->len < MR_WALK_INLINE) {
		f = &w->first[w->len];
	} else {
		f = (struct mr_walk_frame *)(void *)mr_buf_room(&w->more, sizeof(*f));
		if (f == NULL)
			return NULL;
		w->more.len += sizeof(*f);
	}
	*f = (struct mr_walk_frame){ .at = at, .other = other };
	w->len++;
	return f;
}

struct mr_walk_frame *mr_walk_top(struct mr_walk *w)
{
	if (w->len == 0)
		return NULL;
	if (w->len <= MR_WALK_INLINE)
		return &w->first[w->len - 1];
	return (struct mr_walk_frame *)(void *)(w->more.p + w->more.len) - 1;
}

void mr_walk_pop(struct mr_walk *w)
{
	if (w->len > MR_WALK_INLINE)
		w->more.len -= sizeof(struct mr_walk_frame);
	w->len--;
}

/* ---- equality ---- */

static bool is_container(const struct mr_value *v)
{
	return v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP;
}

/* 1: equal as far as seen (containers of one length are pushed to be looked into), 0: differ. */
static int eq_step(struct mr_walk *w, const struct mr_value *a, const struct mr_value *b)
{
	if (!is_container(a) || a->kind != b->kind)
		return scalar_eq(a, b);
	if (a->kind == MR_VALUE_LIST ? a->list->len != b->list->len : a->map->len != b->map->len)
		return 0;
	return mr_walk_push(w, a, b) != NULL ? 1 : MR_E_NOMEM;
}

/* The next pair below F: false when there is none left; *RET_B is NULL for a missing member. */
static bool eq_next(
    struct mr_walk_frame *f, const struct mr_value **ret_a, const struct mr_value **ret_b)
{
	const struct mr_value *a = f->at, *b = f->other;
	const struct mr_member *m;

	if (a->kind == MR_VALUE_LIST) {
		if (f->next >= a->list->len)
			return false;
		*ret_a = &a->list->items[f->next];
		*ret_b = &b->list->items[f->next++];
		return true;
	}
	if (f->next >= a->map->len)
		return false;
	m = &a->map->members[f->next++];
	*ret_a = &m->value;
	*ret_b = mr_map_find(b->map, &m->key);
	return true;
}

int mr_value_equal(const struct mr_value *a, const struct mr_value *b, uint64_t *budget)
{
	struct mr_walk_frame *f;
	struct mr_walk w;
	int r;

	if (!is_container(a) || !is_container(b))
		return scalar_eq(a, b);
	mr_walk_init(&w);
	r = eq_step(&w, a, b);
	while (r == 1 && (f = mr_walk_top(&w)) != NULL) {
		if (!eq_next(f, &a, &b)) {
			mr_walk_pop(&w);
			continue;
		}
		if (b == NULL)
			r = 0;
		else if (*budget == 0)
			r = MR_E_LIMIT;
		else
			r = eq_step(&w, a, b);
		if (*budget > 0)
			--*budget;
	}
	mr_walk_done(&w);
	return r;
}

bool mr_value_eq(const struct mr_value *a, const struct mr_value *b)
{
	uint64_t budget = EQ_MAX;

	return mr_value_equal(a, b, &budget) == 1;
}

/* ---- copying ---- */

/* ---- how large ---- */

static size_t own_size(const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_STRING:
	case MR_VALUE_BYTES:
		return sizeof(*v) + v->s.len;
	case MR_VALUE_DOUBLE:
		return sizeof(*v) + mr_double_written(v).len;
	case MR_VALUE_LIST:
		return 2 * sizeof(*v);
	case MR_VALUE_MAP:
		return 2 * sizeof(*v) + v->map->len * sizeof(*v); /* its keys, about */
	default:
		return sizeof(*v);
	}
}

static const struct mr_value *next_of(struct mr_walk_frame *f)
{
	const struct mr_value *v = f->at;

	if (v->kind == MR_VALUE_LIST)
		return f->next < v->list->len ? &v->list->items[f->next++] : NULL;
	return f->next < v->map->len ? &v->map->members[f->next++].value : NULL;
}

size_t mr_value_size(const struct mr_value *v, size_t max)
{
	size_t size = own_size(v);
	struct mr_walk_frame *f;
	struct mr_walk w;

	if (v->kind != MR_VALUE_LIST && v->kind != MR_VALUE_MAP)
		return size;
	mr_walk_init(&w);
	f = mr_walk_push(&w, v, NULL);
	while (f != NULL && size <= max) {
		const struct mr_value *item = next_of(f);

		if (item == NULL) {
			mr_walk_pop(&w);
		} else {
			size += own_size(item);
			if ((item->kind == MR_VALUE_LIST || item->kind == MR_VALUE_MAP) &&
			    mr_walk_push(&w, item, NULL) == NULL)
				break; /* without memory: as much as was counted */
		}
		f = mr_walk_top(&w);
	}
	mr_walk_done(&w);
	return size;
}

/* Copies V itself; a container's items still point at the old ones, and it is pushed so that they
 * get copied in turn. */
static int copy_one(struct mr_arena *a, struct mr_walk *w, struct mr_value *v)
{
	struct mr_list *l;
	struct mr_map *m;

	switch (v->kind) {
	case MR_VALUE_STRING:
	case MR_VALUE_BYTES:
	case MR_VALUE_TYPE:
		v->s = mr_arena_str(a, v->s);
		return v->s.p != NULL ? 0 : MR_E_NOMEM;
	case MR_VALUE_DOUBLE:
		if (v->written == NULL)
			return 0;
		v->written = mr_arena_strz(a, mr_double_written(v));
		return v->written != NULL ? 0 : MR_E_NOMEM;
	case MR_VALUE_LIST:
		l = mr_list_create(a, v->list->len);
		if (l == NULL || mr_walk_push(w, l, NULL) == NULL)
			return MR_E_NOMEM;
		memcpy(l->items, v->list->items, l->len * sizeof(l->items[0]));
		v->list = l;
		return 0;
	case MR_VALUE_MAP:
		m = mr_map_create(a, v->map->len);
		if (m == NULL || mr_walk_push(w, m, v->map) == NULL)
			return MR_E_NOMEM;
		memcpy(m->members, v->map->members, m->len * sizeof(m->members[0]));
		v->map = m;
		return 0;
	default:
		return 0;
	}
}

/* The copy's fallback is the copy of the member that it was. */
static void copy_fallback(struct mr_map *m, const struct mr_map *from, size_t at)
{
	const struct mr_value *old = &from->members[at].value;

	if (from->fallback != NULL && old->kind == MR_VALUE_MAP && old->map == from->fallback)
		m->fallback = m->members[at].value.map;
}

/* F's map is F->at, what it is copied from F->other; a list has no other. */
static int copy_next(struct mr_arena *a, struct mr_walk *w, struct mr_walk_frame *f)
{
	const struct mr_map *from = f->other;
	struct mr_map *m;
	struct mr_list *l;
	size_t at = f->next;
	int r;

	if (from == NULL) {
		l = (struct mr_list *)(uintptr_t)f->at;
		if (at == l->len) {
			mr_walk_pop(w);
			return 0;
		}
		f->next++;
		return copy_one(a, w, &l->items[at]);
	}
	m = (struct mr_map *)(uintptr_t)f->at;
	if (at == m->len) {
		mr_walk_pop(w);
		return mr_map_seal(a, m);
	}
	f->next++;
	/* a key holds no others, so nothing is pushed for it */
	r = copy_one(a, w, &m->members[at].key);
	if (r == 0)
		r = copy_one(a, w, &m->members[at].value);
	if (r == 0)
		copy_fallback(m, from, at);
	return r;
}

int mr_value_copy(struct mr_arena *a, const struct mr_value *v, struct mr_value *ret)
{
	struct mr_value copy = *v;
	struct mr_walk_frame *f;
	struct mr_walk w;
	int r;

	mr_walk_init(&w);
	r = copy_one(a, &w, &copy);
	while (r == 0 && (f = mr_walk_top(&w)) != NULL)
		r = copy_next(a, &w, f);
	mr_walk_done(&w);
	if (r == 0)
		*ret = copy;
	return r;
}
