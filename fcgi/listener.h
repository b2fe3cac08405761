/*
 * Loopback listeners: plain HTTP on this host's own addresses, for programs that were written for
 * another server and can't be changed. What comes by one is answered with 200 instead of 201 or
 * 202, its unknown members and arguments are ignored, and it may go without credentials when
 * anonymous_principal is set.
 */
#ifndef MR_FCGI_LISTENER_H
#define MR_FCGI_LISTENER_H

#include "fcgi/request.h"

/* Whether it is an address of this host's loopback interface. */
bool mr_address_is_loopback(struct mr_str address);
/* Whether the request came by a loopback listener. nginx says so in a parameter of its own, which
 * no header can make; that the peer is this host is looked at besides. */
bool mr_listener_is_loopback(const struct mr_request *r);
/* Whether a request without credentials may be taken for the anonymous principal's: it came by a
 * loopback listener, under a name of this host (no other name that somebody's DNS points here),
 * and from no web page of another origin. */
bool mr_listener_takes_anonymous(const struct mr_request *r);
/* What the status of an answer is for a program that knows 200 only. */
unsigned mr_listener_status(const struct mr_request *r);

#endif
