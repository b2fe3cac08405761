#include "lib/zone.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONE_DIR   "/usr/share/zoneinfo/"
#define ZONE_NAME  64u
#define FILE_MAX   (64u * 1024u)
#define ZONES_MAX  2048u /* far more than there are names */
#define HEADER_LEN 44u
#define DAY        INT64_C(86400)

/* When clocks change, by the rule for all years that a file ends with. */
struct change {
	char kind; /* M: month, week, day of the week; J: day 1–365 without the 29th of February; D:
	            * day 0–365 with it */
	int64_t month, week, day;
	int64_t second; /* of that day, by the clock before the change */
};

struct mr_zone {
	char name[ZONE_NAME];
	struct mr_zone *next;
	size_t len; /* of the table; AT and OFFSET follow the struct */
	int64_t *at;
	int32_t *offset;
	int32_t first; /* before the table */
	bool has_rule; /* after the table: STANDARD, and SUMMER between the two changes */
	bool has_summer;
	int32_t standard, summer;
	struct change begin, end;
};

/* ---- the calendar ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days from the epoch to the first of January. */
static int64_t year_begin(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400) - 719162;
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t year_of(int64_t days)
{
	int64_t year = 1970 + floor_div(days * 400, 146097);

	while (year_begin(year) > days)
		year--;
	while (year_begin(year + 1) <= days)
		year++;
	return year;
}

static int64_t month_begin(int64_t year, int64_t month)
{
	static const short days[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };

	return days[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

/* Seconds from the epoch to the change in YEAR, by the clock before it. */
static int64_t change_at(const struct change *c, int64_t year)
{
	int64_t day = year_begin(year), first;

	if (c->kind == 'J') {
		day += c->day - 1 + (c->day > 59 && is_leap(year) ? 1 : 0);
	} else if (c->kind == 'D') {
		day += c->day;
	} else {
		day += month_begin(year, c->month);
		first = ((day + 4) % 7 + 7) % 7; /* day of the week, Sunday is 0 */
		day += (c->day - first + 7) % 7 + (c->week - 1) * 7;
		if (day >= year_begin(year) + month_begin(year, c->month + 1))
			day -= 7; /* week 5 is the last one */
	}
	return day * DAY + c->second;
}

static int32_t by_rule(const struct mr_zone *z, int64_t at)
{
	int64_t year = year_of(floor_div(at + z->standard, DAY)), begin, end;
	bool is_summer;

	if (!z->has_summer)
		return z->standard;
	begin = change_at(&z->begin, year) - z->standard;
	end = change_at(&z->end, year) - z->summer;
	if (begin < end)
		is_summer = at >= begin && at < end;
	else
		is_summer = at < end || at >= begin; /* south of the equator */
	return is_summer ? z->summer : z->standard;
}

int32_t mr_zone_offset(const struct mr_zone *z, int64_t at)
{
	size_t low = 0, high = z->len;

	while (low < high) { /* how many changes lie at AT or before it */
		size_t middle = low + (high - low) / 2;

		if (z->at[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z->len && z->has_rule)
		return by_rule(z, at);
	return low == 0 ? z->first : z->offset[low - 1];
}

/* ---- the rule: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

struct reader {
	const char *p, *end;
	bool bad;
};

static char look(const struct reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static bool take(struct reader *r, char c)
{
	if (look(r) != c)
		return false;
	r->p++;
	return true;
}

static int64_t number(struct reader *r, int64_t max)
{
	int64_t n = 0;

	if (look(r) < '0' || look(r) > '9')
		r->bad = true;
	for (; look(r) >= '0' && look(r) <= '9' && n <= max; r->p++)
		n = n * 10 + (look(r) - '0');
	r->bad = r->bad || n > max;
	return n;
}

/* [+-]hours[:minutes[:seconds]] */
static int64_t clock_time(struct reader *r)
{
	int64_t sign = 1, s;

	if (take(r, '-'))
		sign = -1;
	else
		(void)take(r, '+'); /* it says nothing */
	s = number(r, 167) * 3600;
	if (take(r, ':'))
		s += number(r, 59) * 60;
	if (take(r, ':'))
		s += number(r, 59);
	return sign * s;
}

static void abbreviation(struct reader *r)
{
	bool quoted = take(r, '<');
	const char *from = r->p;

	while ((look(r) >= 'A' && look(r) <= 'Z') || (look(r) >= 'a' && look(r) <= 'z') ||
	       (quoted && look(r) != '>' && look(r) != '\0'))
		r->p++;
	r->bad = r->bad || r->p == from || (quoted && !take(r, '>'));
}

static void read_change(struct reader *r, struct change *c)
{
	c->kind = 'D';
	if (take(r, 'M')) {
		c->kind = 'M';
		c->month = number(r, 12);
		r->bad = r->bad || c->month < 1 || !take(r, '.');
		c->week = number(r, 5);
		r->bad = r->bad || c->week < 1 || !take(r, '.');
		c->day = number(r, 6);
	} else if (take(r, 'J')) {
		c->kind = 'J';
		c->day = number(r, 365);
		r->bad = r->bad || c->day < 1;
	} else {
		c->day = number(r, 365);
	}
	c->second = take(r, '/') ? clock_time(r) : 7200;
}

static bool read_rule(struct mr_zone *z, const char *text, size_t len)
{
	struct reader r = { text, text + len, false };

	abbreviation(&r);
	z->standard = (int32_t)-clock_time(&r); /* POSIX counts to the west */
	z->has_rule = true;
	if (r.p == r.end)
		return !r.bad;
	z->has_summer = true;
	abbreviation(&r);
	z->summer = z->standard + 3600;
	if (look(&r) != ',')
		z->summer = (int32_t)-clock_time(&r);
	r.bad = r.bad || !take(&r, ',');
	read_change(&r, &z->begin);
	r.bad = r.bad || !take(&r, ',');
	read_change(&r, &z->end);
	return !r.bad && r.p == r.end;
}

/* ---- a file ---- */

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get64(const unsigned char *p)
{
	return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

/* The counts of a block; the sizes of its parts follow from them. */
struct counts {
	size_t utc, std, leap, time, type, chars;
};

static bool read_counts(const unsigned char *p, size_t len, struct counts *c)
{
	if (len < HEADER_LEN || memcmp(p, "TZif", 4) != 0)
		return false;
	c->utc = get32(p + 20);
	c->std = get32(p + 24);
	c->leap = get32(p + 28);
	c->time = get32(p + 32);
	c->type = get32(p + 36);
	c->chars = get32(p + 40);
	return c->utc <= FILE_MAX && c->std <= FILE_MAX && c->leap <= FILE_MAX &&
	       c->time <= FILE_MAX && c->type >= 1 && c->type <= 256 && c->chars <= FILE_MAX;
}

static size_t block_len(const struct counts *c, size_t time_size)
{
	return c->time * time_size + c->time + c->type * 6 + c->chars + c->leap * (time_size + 4) +
	       c->std + c->utc;
}

static bool read_table(struct mr_zone *z, const unsigned char *p, const struct counts *c)
{
	const unsigned char *index = p + c->time * 8, *types = index + c->time;

	z->len = c->time;
	z->first = (int32_t)get32(types);
	for (size_t i = 0; i < c->time; i++) {
		if (index[i] >= c->type || (i > 0 && get64(p + i * 8) <= z->at[i - 1]))
			return false;
		z->at[i] = get64(p + i * 8);
		z->offset[i] = (int32_t)get32(types + (size_t)index[i] * 6);
	}
	return true;
}

/* What follows the second block: a line end, the rule, a line end. */
static bool read_footer(struct mr_zone *z, const unsigned char *p, size_t len)
{
	const unsigned char *end;

	if (len < 2 || p[0] != '\n')
		return false;
	end = memchr(p + 1, '\n', len - 1);
	if (end == NULL)
		return false;
	return end == p + 1 || read_rule(z, (const char *)p + 1, (size_t)(end - p) - 1);
}

struct mr_zone *mr_zone_parse(const unsigned char *bytes, size_t len)
{
	struct counts c;
	struct mr_zone *z;
	size_t skip;

	/* the first block is for readers of 32 bits */
	if (!read_counts(bytes, len, &c) || bytes[4] < '2')
		return NULL;
	skip = HEADER_LEN + block_len(&c, 4);
	if (skip >= len || !read_counts(bytes + skip, len - skip, &c))
		return NULL;
	bytes += skip + HEADER_LEN;
	len -= skip + HEADER_LEN;
	if (block_len(&c, 8) > len)
		return NULL;
	z = calloc(1, sizeof(*z) + c.time * (sizeof(*z->at) + sizeof(*z->offset)));
	if (z == NULL)
		return NULL;
	z->at = (int64_t *)(void *)(z + 1);
	z->offset = (int32_t *)(void *)(z->at + c.time);
	if (!read_table(z, bytes, &c) ||
	    !read_footer(z, bytes + block_len(&c, 8), len - block_len(&c, 8))) {
		free(z);
		return NULL;
	}
	return z;
}

/* ---- those in use ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_zone *zones;
static size_t zones_len;

/* A name that leads nowhere but into the folder; right/… counts leap seconds. */
static bool is_name(struct mr_str name)
{
	if (name.len == 0 || name.len >= ZONE_NAME || name.p[0] == '/' ||
	    mr_str_starts(name, MR_STR("right/")))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		        c == '_' || c == '-' || c == '+' || c == '/'))
			return false; /* no points, so no ".." */
	}
	return true;
}

static struct mr_zone *read_zone(const char *name)
{
	char path[sizeof(ZONE_DIR) + ZONE_NAME];
	unsigned char *bytes = malloc(FILE_MAX);
	struct mr_zone *z = NULL;
	ssize_t n = -1;
	int fd;

	(void)snprintf(path, sizeof(path), "%s%s", ZONE_DIR, name); /* it fits */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && bytes != NULL)
		n = read(fd, bytes, FILE_MAX);
	if (fd >= 0)
		(void)close(fd); /* only read from */
	if (n > 0)
		z = mr_zone_parse(bytes, (size_t)n);
	free(bytes);
	return z;
}

const struct mr_zone *mr_zone_find(struct mr_str name)
{
	char text[ZONE_NAME] = "";
	struct mr_zone *z;

	if (!is_name(name))
		return NULL;
	memcpy(text, name.p, name.len);
	(void)pthread_mutex_lock(&lock); /* can't fail */
	z = zones;
	while (z != NULL && strcmp(z->name, text) != 0)
		z = z->next;
	if (z == NULL && zones_len < ZONES_MAX) {
		z = read_zone(text);
		if (z != NULL) {
			memcpy(z->name, text, sizeof(text));
			z->next = zones;
			zones = z;
			zones_len++;
		}
	}
	(void)pthread_mutex_unlock(&lock);
	return z;
}
