// What Linux has and Swift's Glibc module does not show: epoll, eventfd, accept4.
#ifndef CLINUX_H
#define CLINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/// accept4(2): SOCK_NONBLOCK and SOCK_CLOEXEC in one call.
static inline int linux_accept4(int listener, struct sockaddr *_Nullable address, socklen_t *_Nullable length,
                                int flags) {
  return accept4(listener, address, length, flags);
}

/// The pointer of an epoll_event, whose union Swift imports but a packed struct makes awkward to set.
static inline struct epoll_event linux_epoll_event(uint32_t events, uint64_t tag) {
  struct epoll_event event;
  event.events = events;
  event.data.u64 = tag;
  return event;
}

static inline uint64_t linux_epoll_tag(const struct epoll_event *_Nonnull event) { return event->data.u64; }

/// Names the calling thread, as `top -H` and a profiler show it (15 characters at most).
static inline void linux_name_thread(const char *_Nonnull name) { pthread_setname_np(pthread_self(), name); }

#endif
