// What Linux has and Swift's Glibc module does not show: epoll, eventfd, timerfd, accept4, FICLONE.
#ifndef CLINUX_H
#define CLINUX_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int linux_accept(int listener);

/// An epoll_event with a number as its tag: the struct is packed and holds a union.
struct epoll_event linux_epoll_event(uint32_t events, uint64_t tag);
uint64_t linux_epoll_tag(const struct epoll_event *_Nonnull event);

/// A timer that makes its descriptor readable, with CLOCK_MONOTONIC: timerfd_create(2). -1 with errno on failure.
int linux_timer_open(void);
/// Has it expire at an instant of that clock, in nanoseconds; 0: never. What has expired is forgotten.
void linux_timer_set(int timer, uint64_t nanoseconds);

/// Names the calling thread, as `top -H` and profilers show it. Cut to 15 characters.
void linux_name_thread(const char *_Nonnull name);

/// Gives the empty file `target` the contents of `source` without copying them: ioctl_ficlone(2). -1 with errno on
/// failure, such as on file systems that can't.
int linux_clone_file(int target, int source);

#endif
