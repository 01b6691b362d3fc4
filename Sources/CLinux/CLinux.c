#define _GNU_SOURCE
#include "CLinux.h"

#include <pthread.h>
#include <string.h>

int linux_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC); }

struct epoll_event linux_epoll_event(uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data = {.u64 = tag}};
  return event;
}

uint64_t linux_epoll_tag(const struct epoll_event *event) { return event->data.u64; }

void linux_name_thread(const char *name) {
  char shortened[16];
  strncpy(shortened, name, sizeof shortened - 1);
  shortened[sizeof shortened - 1] = 0;
  pthread_setname_np(pthread_self(), shortened);
}
