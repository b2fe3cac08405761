#include "lib/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t); /* these clocks always exist */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t system_now_us(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono_us(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC);
}

const struct mr_clock mr_clock_system = { system_now_us, system_mono_us, NULL };

/* splitmix64 (Steele, Lea, Flood 2014): small, and every seed is good */
static uint64_t splitmix64(void *ctx)
{
	uint64_t *state = ctx, z;

	z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

struct mr_rand mr_rand_seeded(uint64_t *state)
{
	return (struct mr_rand){ splitmix64, state };
}

static uint64_t system_state; /* 0: not seeded yet */

/* A child must not draw what its parent or its siblings draw. */
static void unseed(void)
{
	system_state = 0;
}

static void seed(void)
{
	static bool registered;

	if (!registered)
		registered = pthread_atfork(NULL, NULL, unseed) == 0;
	if (mr_random_bytes(&system_state, sizeof(system_state)) < 0)
		system_state = (uint64_t)system_now_us(NULL);
}

static uint64_t system_rand(void *ctx)
{
	(void)ctx;
	if (system_state == 0)
		seed();
	return splitmix64(&system_state);
}

const struct mr_rand mr_rand_system = { system_rand, NULL };

int mr_random_bytes(void *p, size_t len)
{
	unsigned char *at = p;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Hinnant's algorithm). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t z, int *y, int *m, int *d)
{
	int64_t era, doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

#define US_PER_DAY (INT64_C(86400) * 1000000)

size_t mr_time_format(int64_t us, char out[MR_TIME_LEN])
{
	return mr_time_format_ns(us, 0, out);
}

size_t mr_time_format_ns(int64_t us, unsigned ns, char out[MR_TIME_LEN])
{
	int64_t days = us / US_PER_DAY, rest = us % US_PER_DAY;
	int y, m, d, n, fraction;

	if (rest < 0) {
		rest += US_PER_DAY;
		days--;
	}
	if (days > 2932896) { /* 9999-12-31 */
		days = 2932896;
		rest = US_PER_DAY - 1;
	} else if (days < -719528) { /* 0000-01-01 */
		days = -719528;
		rest = 0;
	}
	civil_from_days(days, &y, &m, &d);
	fraction = (int)(rest % 1000000) * 1000 + (int)(ns % 1000);
	rest /= 1000000;
	n = snprintf(out, MR_TIME_LEN, "%04d-%02d-%02dT%02d:%02d:%02d", y, m, d, (int)(rest / 3600),
	    (int)(rest / 60 % 60), (int)(rest % 60));
	if (fraction > 0) {
		n += snprintf(out + n, MR_TIME_LEN - (size_t)n, ".%09d", fraction);
		while (out[n - 1] == '0')
			n--;
	}
	out[n++] = 'Z';
	out[n] = '\0';
	return (size_t)n;
}

/* Two (or four) digits at *P. */
static bool digits(struct mr_str *s, int n, int *ret)
{
	int v = 0;

	if (s->len < (size_t)n)
		return false;
	for (int i = 0; i < n; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	s->p += n;
	s->len -= (size_t)n;
	*ret = v;
	return true;
}

static bool take(struct mr_str *s, const char *any_of)
{
	if (s->len == 0 || s->p[0] == '\0' || strchr(any_of, s->p[0]) == NULL)
		return false;
	s->p++;
	s->len--;
	return true;
}

static int month_days(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))
		return 29;
	return days[m - 1];
}

/* ".123456789": nanoseconds. */
static bool fraction(struct mr_str *s, int64_t *ret)
{
	int64_t scale = 100000000, v = 0;
	int n = 0;

	*ret = 0;
	if (!take(s, ".,"))
		return true;
	for (; n < 9 && s->len > 0 && s->p[0] >= '0' && s->p[0] <= '9'; n++) {
		v += (s->p[0] - '0') * scale;
		scale /= 10;
		s->p++;
		s->len--;
	}
	*ret = v;
	return n > 0;
}

/* "Z" or "+02:00": seconds east of UTC. */
static bool offset(struct mr_str *s, int64_t *ret)
{
	int hours, minutes;
	bool west;

	*ret = 0;
	if (take(s, "Zz"))
		return true;
	west = s->len > 0 && s->p[0] == '-';
	if (!take(s, "+-") || !digits(s, 2, &hours) || !take(s, ":") || !digits(s, 2, &minutes) ||
	    hours > 23 || minutes > 59)
		return false;
	*ret = (west ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
	return true;
}

int mr_time_parse(struct mr_str s, int64_t *ret_us)
{
	unsigned ns;

	return mr_time_parse_ns(s, ret_us, &ns);
}

int mr_time_parse_ns(struct mr_str s, int64_t *ret_us, unsigned *ret_ns)
{
	int y, mo, d, h, mi, sec;
	int64_t ns, east;

	if (!digits(&s, 4, &y) || !take(&s, "-") || !digits(&s, 2, &mo) || !take(&s, "-") ||
	    !digits(&s, 2, &d) || !take(&s, "Tt ") || !digits(&s, 2, &h) || !take(&s, ":") ||
	    !digits(&s, 2, &mi) || !take(&s, ":") || !digits(&s, 2, &sec) || !fraction(&s, &ns) ||
	    !offset(&s, &east) || s.len > 0)
		return -1;
	if (mo < 1 || mo > 12 || d < 1 || d > month_days(y, mo) || h > 23 || mi > 59 || sec > 59)
		return -1;
	*ret_us =
	    ((days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + sec) - east) * 1000000 +
	    ns / 1000;
	*ret_ns = (unsigned)(ns % 1000);
	return 0;
}
