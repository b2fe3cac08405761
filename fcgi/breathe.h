/*
 * A worker has one thread: who works long without a round trip lets the others have their turn.
 */
#ifndef MR_FCGI_BREATHE_H
#define MR_FCGI_BREATHE_H

struct mr_request;

/* Gives the loop one turn when R has worked for a while since the last one; else returns at once.
 * For loops over many entries of a body. Nothing that others may change is to be held across it. */
void mr_breathe(struct mr_request *r);

#endif
