// For valgrind 3.19 (Debian 12), which writes to the mask that sigsuspend is given, and dies of it where the mask is a
// constant: libdispatch's is. Preloaded, this gives it a copy on the stack.

#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
  sigset_t copy = *mask;
  return (int)syscall(SYS_rt_sigsuspend, &copy, 8);  // the kernel's set has 64 bits
}
