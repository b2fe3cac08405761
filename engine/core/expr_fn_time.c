/* now(), and the parts of timestamps and durations. */
#include <string.h>

#include "engine/core/expr_private.h"
#include "engine/core/expr_time.h"
#include "lib/zone.h"

#define US     INT64_C(1000000)
#define MINUTE (60 * US)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define ZONE_COST 200 /* as many instructions as opening a file takes */

int mr_fn_now(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	(void)args;
	(void)n;
	*ret = mr_value_timestamp(vm->env != NULL ? vm->env->now_us : 0);
	return 0;
}

/* ---- durations ---- */

static bool duration_unit(struct mr_str *s, int64_t *ret_ns)
{
	static const struct unit {
		struct mr_str name;
		int64_t ns;
	} units[] = {
		/* the longer ones first */
		{ { "ms", 2 }, 1000000 },
		{ { "us", 2 }, 1000 },
		{ { "µs", 3 }, 1000 },
		{ { "ns", 2 }, 1 },
		{ { "h", 1 }, INT64_C(3600000000000) },
		{ { "m", 1 }, INT64_C(60000000000) },
		{ { "s", 1 }, 1000000000 },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(units); i++) {
		if (!mr_str_starts(*s, units[i].name))
			continue;
		*s = (struct mr_str){ s->p + units[i].name.len, s->len - units[i].name.len };
		*ret_ns = units[i].ns;
		return true;
	}
	return false;
}

/* A whole number; one that is too large becomes one that is out of every range. */
static bool duration_whole(struct mr_str *s, __int128 *value)
{
	bool any = false;

	for (; s->len > 0 && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->len--) {
		any = true;
		if (*value <= INT64_MAX)
			*value = *value * 10 + (s->p[0] - '0');
	}
	return any;
}

/* The digits behind the point; those past the fifteenth are too fine to be kept. */
static bool duration_fraction(struct mr_str *s, int64_t *value, int64_t *scale)
{
	bool any = false;

	for (; s->len > 0 && s->p[0] >= '0' && s->p[0] <= '9'; s->p++, s->len--) {
		any = true;
		if (*scale >= INT64_C(1000000000000000))
			continue;
		*value = *value * 10 + (s->p[0] - '0');
		*scale *= 10;
	}
	return any;
}

static bool duration_part(struct mr_str *s, __int128 *total_ns)
{
	int64_t fraction = 0, scale = 1, unit;
	__int128 whole = 0;
	bool any = duration_whole(s, &whole);

	if (s->len > 0 && s->p[0] == '.') {
		s->p++;
		s->len--;
		any = duration_fraction(s, &fraction, &scale) || any;
	}
	if (!any || !duration_unit(s, &unit))
		return false;
	*total_ns += whole * unit + (__int128)fraction * unit / scale;
	return *total_ns <= MR_DURATION_MAX;
}

bool mr_duration_parse(struct mr_str s, int64_t *ret_ns)
{
	bool negative = false;
	__int128 total = 0;

	if (s.len > 0 && (s.p[0] == '-' || s.p[0] == '+')) {
		negative = s.p[0] == '-';
		s.p++;
		s.len--;
	}
	if (mr_str_eqz(s, "0")) {
		*ret_ns = 0;
		return true;
	}
	if (s.len == 0)
		return false;
	while (s.len > 0) {
		if (!duration_part(&s, &total))
			return false;
	}
	*ret_ns = negative ? -(int64_t)total : (int64_t)total;
	return true;
}

/* ---- parts ---- */

struct parts {
	int64_t year, month, day, yday; /* month, day and yday from 0 */
	int64_t wday;                   /* Sunday is 0 */
	int64_t hour, minute, second, ms;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970 → a date of the Gregorian calendar (Hinnant's civil_from_days). */
static void split_date(int64_t days, struct parts *p)
{
	int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	bool leap;

	p->day = doy - (153 * mp + 2) / 5;
	p->month = mp < 10 ? mp + 2 : mp - 10;
	p->year = yoe + era * 400 + (p->month <= 1);
	leap = (p->year % 4 == 0 && p->year % 100 != 0) || p->year % 400 == 0;
	/* doy counts from March */
	p->yday = p->month >= 2 ? doy + 59 + leap : doy - 306;
	p->wday = ((days + 4) % 7 + 7) % 7;
}

static void split_time(int64_t us, struct parts *p)
{
	int64_t days = floor_div(us, DAY), rest = us - days * DAY;

	split_date(days, p);
	p->hour = rest / HOUR;
	p->minute = rest / MINUTE % 60;
	p->second = rest / US % 60;
	p->ms = rest / 1000 % 1000;
}

static bool two_digits(const char *p, int64_t *ret)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
		return false;
	*ret = (p[0] - '0') * 10 + (p[1] - '0');
	return true;
}

/* Finding a zone by its name may read a file, so it costs; the last one of an evaluation is at
 * hand. */
static const struct mr_zone *find_zone(struct mr_vm *vm, struct mr_str name)
{
	if (vm->zone != NULL && mr_str_eq(name, vm->zone_name))
		return vm->zone;
	if (mr_vm_charge(vm, ZONE_COST) < 0)
		return NULL;
	vm->zone = mr_zone_find(name);
	vm->zone_name = name;
	return vm->zone;
}

/* "+02:00", "-05:30", "02:00", or a name: "UTC", "Europe/Berlin". AT: which moment it is about. */
static bool zone_offset(struct mr_vm *vm, struct mr_str s, int64_t at, int64_t *ret_us)
{
	int64_t hours, minutes, sign = 1;
	const struct mr_zone *zone;

	*ret_us = 0;
	if (mr_str_eqz(s, "UTC") || mr_str_eqz(s, "Z") || mr_str_eqz(s, "GMT") || s.len == 0)
		return true;
	if (s.p[0] >= 'A') {
		zone = find_zone(vm, s);
		if (zone != NULL)
			*ret_us = mr_zone_offset(zone, floor_div(at, US)) * US;
		return zone != NULL;
	}
	if (s.p[0] == '-' || s.p[0] == '+') {
		sign = s.p[0] == '-' ? -1 : 1;
		s.p++;
		s.len--;
	}
	if (s.len != 5 || s.p[2] != ':' || !two_digits(s.p, &hours) ||
	    !two_digits(s.p + 3, &minutes) || hours > 23 || minutes > 59)
		return false;
	*ret_us = sign * (hours * HOUR + minutes * MINUTE);
	return true;
}

static int get_parts(
    struct mr_vm *vm, const char *name, const struct mr_value *args, unsigned n, struct parts *p)
{
	int64_t offset = 0;

	if (args[0].kind != MR_VALUE_TIMESTAMP || (n == 2 && args[1].kind != MR_VALUE_STRING))
		return mr_vm_no_overload(vm, name, args, n);
	if (n == 2 && !zone_offset(vm, args[1].s, args[0].i, &offset)) {
		if (vm->budget == 0)
			return mr_vm_charge(vm, 1);
		return mr_vm_fail(vm,
		    "\"%.*s\" is no time zone; give a name like Europe/Berlin or an offset like "
		    "+02:00",
		    args[1].s.len > 40 ? 40 : (int)args[1].s.len, args[1].s.p);
	}
	split_time(args[0].i + offset, p);
	return 0;
}

/* The getters that only timestamps have. */
#define DATE_GETTER(fn, name, what)                                                                \
	int fn(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)    \
	{                                                                                          \
		struct parts p;                                                                    \
		int r = get_parts(vm, name, args, n, &p);                                          \
                                                                                                   \
		if (r == 0)                                                                        \
			*ret = mr_value_int(what);                                                 \
		return r;                                                                          \
	}

DATE_GETTER(mr_fn_get_full_year, "getFullYear", p.year)
DATE_GETTER(mr_fn_get_month, "getMonth", p.month)
DATE_GETTER(mr_fn_get_date, "getDate", p.day + 1)
DATE_GETTER(mr_fn_get_day_of_month, "getDayOfMonth", p.day)
DATE_GETTER(mr_fn_get_day_of_week, "getDayOfWeek", p.wday)
DATE_GETTER(mr_fn_get_day_of_year, "getDayOfYear", p.yday)

/* Those that durations have too: of a duration the whole of it in that unit (milliseconds: what is
 * left beyond the seconds). */
#define TIME_GETTER(fn, name, what, of_duration)                                                   \
	int fn(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)    \
	{                                                                                          \
		struct parts p;                                                                    \
		int r;                                                                             \
                                                                                                   \
		if (args[0].kind == MR_VALUE_DURATION && n == 1) {                                 \
			int64_t ns = (int64_t)mr_time_total(&args[0]);                             \
                                                                                                   \
			*ret = mr_value_int(of_duration);                                          \
			return 0;                                                                  \
		}                                                                                  \
		r = get_parts(vm, name, args, n, &p);                                              \
		if (r == 0)                                                                        \
			*ret = mr_value_int(what);                                                 \
		return r;                                                                          \
	}

TIME_GETTER(mr_fn_get_hours, "getHours", p.hour, ns / (1000 * HOUR))
TIME_GETTER(mr_fn_get_minutes, "getMinutes", p.minute, ns / (1000 * MINUTE))
TIME_GETTER(mr_fn_get_seconds, "getSeconds", p.second, ns / (1000 * US))
TIME_GETTER(mr_fn_get_milliseconds, "getMilliseconds", p.ms, ns / 1000000 % 1000)
