#include "net/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"

#define MAX_ENTRIES   256
#define MAX_ENTRY_LEN 64

struct block {
	unsigned char bytes[16];
	unsigned bytes_len; /* 4 or 16 */
	unsigned bits;
	uint16_t port; /* 0: all */
};

struct mr_address_guard {
	size_t len;
	struct block blocks[MAX_ENTRIES];
};

struct range {
	unsigned char bytes[16];
	unsigned bits;
};

/* Everything that isn't one host of the public IPv4 Internet (RFC 6890 and its registry). */
static const struct range forbidden4[] = {
	{ { 0 }, 8 },                 /* this network, unspecified */
	{ { 10 }, 8 },                /* private */
	{ { 100, 64 }, 10 },          /* carrier-grade NAT; a cloud's metadata at 100.100.100.200 */
	{ { 127 }, 8 },               /* loopback */
	{ { 168, 63, 129, 16 }, 32 }, /* a cloud's metadata inside public space */
	{ { 169, 254 }, 16 },         /* link-local; metadata at 169.254.169.254 */
	{ { 172, 16 }, 12 },          /* private */
	{ { 192, 0, 0 }, 24 },        /* protocol assignments; metadata at 192.0.0.192 */
	{ { 192, 0, 2 }, 24 },        /* documentation */
	{ { 192, 88, 99 }, 24 },      /* 6to4 relays */
	{ { 192, 168 }, 16 },         /* private */
	{ { 198, 18 }, 15 },          /* benchmarks */
	{ { 198, 51, 100 }, 24 },     /* documentation */
	{ { 203, 0, 113 }, 24 },      /* documentation */
	{ { 224 }, 4 },               /* multicast */
	{ { 240 }, 4 },               /* reserved, broadcast */
};

/* Global unicast is 2000::/3. All else (::1, mapped and compatible IPv4, NAT64, unique local,
 * link-local, multicast) is refused for not being inside it. */
static const struct range global6 = { { 0x20 }, 3 };
static const struct range forbidden6[] = {
	{ { 0x20, 0x01, 0x00 }, 23 },       /* protocol assignments: Teredo, benchmarks, ORCHID */
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
	{ { 0x20, 0x02 }, 16 },             /* 6to4: an IPv4 address inside */
	{ { 0x3f, 0xff, 0x00 }, 20 },       /* documentation */
};

static bool in_range(const unsigned char *address, const unsigned char *net, unsigned bits)
{
	unsigned whole = bits / 8;
	unsigned rest = bits % 8;
	unsigned mask = 0xff00u >> rest & 0xffu;

	if (memcmp(address, net, whole) != 0)
		return false;
	return rest == 0 || ((address[whole] ^ net[whole]) & mask) == 0;
}

static bool in_any(const unsigned char *address, const struct range *r, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (in_range(address, r[i].bytes, r[i].bits))
			return true;
	}
	return false;
}

static bool is_public(const unsigned char *address, unsigned len)
{
	if (len == 4)
		return !in_any(address, forbidden4, MR_ARRAY_LEN(forbidden4));
	return in_range(address, global6.bytes, global6.bits) &&
	       !in_any(address, forbidden6, MR_ARRAY_LEN(forbidden6));
}

/* ---- the operator's list ---- */

static bool parse_port(struct mr_str s, uint16_t *ret)
{
	uint64_t port;

	if (!mr_str_u64(s, &port) || port == 0 || port > 65535)
		return false;
	*ret = (uint16_t)port;
	return true;
}

/* "10.0.0.0/8", "fd00::/8": without brackets and port. */
static bool parse_cidr(struct mr_str s, struct block *b)
{
	struct mr_str bits = s;
	struct mr_str address = mr_str_cut(&bits, '/');
	char z[MAX_ENTRY_LEN];
	uint64_t n;

	if (address.len >= sizeof(z))
		return false;
	memcpy(z, address.p, address.len);
	z[address.len] = '\0';
	if (inet_pton(AF_INET, z, b->bytes) == 1)
		b->bytes_len = 4;
	else if (inet_pton(AF_INET6, z, b->bytes) == 1)
		b->bytes_len = 16;
	else
		return false;
	b->bits = b->bytes_len * 8;
	if (bits.p == NULL)
		return true;
	if (!mr_str_u64(bits, &n) || n > b->bits)
		return false;
	b->bits = (unsigned)n;
	return true;
}

/* [v6] or [v6/bits], then perhaps :port. */
static bool parse_bracketed(struct mr_str s, struct block *b)
{
	struct mr_str rest = { s.p + 1, s.len - 1 };
	struct mr_str inside = mr_str_cut(&rest, ']');

	if (rest.p == NULL || !parse_cidr(inside, b) || b->bytes_len != 16)
		return false;
	if (rest.len == 0)
		return true;
	return rest.p[0] == ':' &&
	       parse_port((struct mr_str){ rest.p + 1, rest.len - 1 }, &b->port);
}

static bool parse_entry(struct mr_str s, struct block *b)
{
	struct mr_str port = s;
	struct mr_str head;

	*b = (struct block){ .bits = 0 };
	if (s.len == 0 || s.len >= MAX_ENTRY_LEN)
		return false;
	if (s.p[0] == '[')
		return parse_bracketed(s, b);
	head = mr_str_cut(&port, ':');
	if (port.p == NULL || memchr(port.p, ':', port.len) != NULL)
		return parse_cidr(s, b); /* no colon, or several: IPv6 without a port */
	return parse_port(port, &b->port) && parse_cidr(head, b) && b->bytes_len == 4;
}

static bool is_separator(char c)
{
	return c == ' ' || c == ',' || c == '\t' || c == '\n';
}

/* The next entry of *P, which moves on behind it; .len 0 at the end. */
static struct mr_str next_entry(const char **p)
{
	struct mr_str s;

	while (is_separator(**p))
		(*p)++;
	s.p = *p;
	while (**p != '\0' && !is_separator(**p))
		(*p)++;
	s.len = (size_t)(*p - s.p);
	return s;
}

static int parse_list(
    struct mr_address_guard *g, const char *prefix, const char *list, struct mr_error *err)
{
	for (;;) {
		struct mr_str s = next_entry(&list);

		if (s.len == 0)
			return 0;
		if (g->len == MAX_ENTRIES)
			return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED,
			    "%s_allowed_addresses has more than %d entries.", prefix, MAX_ENTRIES);
		if (!parse_entry(s, &g->blocks[g->len]))
			return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED,
			    "%s_allowed_addresses: \"%.*s\" is no CIDR block with an optional "
			    ":port.",
			    prefix, (int)(s.len < 80 ? s.len : 80), s.p);
		g->len++;
	}
}

int mr_address_guard_create(
    const char *prefix, const char *allowed, struct mr_address_guard **ret, struct mr_error *err)
{
	struct mr_address_guard *g = calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");
	r = parse_list(g, prefix, allowed != NULL ? allowed : "", err);
	if (r < 0) {
		free(g);
		return r;
	}
	*ret = g;
	return 0;
}

struct mr_address_guard *mr_address_guard_free(struct mr_address_guard *g)
{
	free(g);
	return NULL;
}

static bool is_listed(
    const struct mr_address_guard *g, const unsigned char *address, unsigned len, uint16_t port)
{
	for (size_t i = 0; i < g->len; i++) {
		const struct block *b = &g->blocks[i];

		if (b->bytes_len == len && (b->port == 0 || b->port == port) &&
		    in_range(address, b->bytes, b->bits))
			return true;
	}
	return false;
}

bool mr_address_guard_allows(
    const struct mr_address_guard *g, const struct sockaddr *sa, socklen_t sa_len)
{
	unsigned char address[16];
	unsigned len;
	uint16_t port;

	/* copied, since the caller's bytes need not be aligned */
	if (sa->sa_family == AF_INET && sa_len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		memcpy(address, &in.sin_addr, 4);
		port = ntohs(in.sin_port);
		len = 4;
	} else if (sa->sa_family == AF_INET6 && sa_len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in;

		memcpy(&in, sa, sizeof(in));
		memcpy(address, &in.sin6_addr, 16);
		port = ntohs(in.sin6_port);
		len = 16;
	} else {
		return false;
	}
	return is_public(address, len) || is_listed(g, address, len, port);
}
