/*
 * Tells the service manager how a daemon is: systemd's notification protocol, one datagram to the
 * socket that NOTIFY_SOCKET names. Without that variable nothing happens.
 */
#ifndef MR_LIB_NOTIFY_H
#define MR_LIB_NOTIFY_H

enum mr_notify {
	MR_NOTIFY_READY,     /* it does its work; also after a reload */
	MR_NOTIFY_RELOADING, /* SIGHUP is being obeyed */
	MR_NOTIFY_STOPPING,  /* SIGTERM is being obeyed */
};

/* Never waits and never fails: a manager that doesn't listen is no reason to stop. */
void mr_notify(enum mr_notify what);

#endif
