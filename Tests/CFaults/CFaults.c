#define _GNU_SOURCE
#include "CFaults.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long steps, kill_step, full_step;

void faults_kill_at(long step) {
  atomic_store(&steps, 0);
  atomic_store(&full_step, 0);
  atomic_store(&kill_step, step);
}

void faults_full_from(long step) {
  atomic_store(&steps, 0);
  atomic_store(&kill_step, 0);
  atomic_store(&full_step, step);
}

long faults_steps(void) { return atomic_load(&steps); }

#define REAL(result, name, ...)                                   \
  static result (*real)(__VA_ARGS__);                             \
  if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/// Counts a step, and ends the process if it is the one.
static void count_step(void) {
  if (atomic_fetch_add(&steps, 1) + 1 == atomic_load(&kill_step)) die();
}

enum fate { WHOLE, HALF_AND_DIE, HALF, NOTHING };

static enum fate write_fate(int file) {
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return WHOLE;
  long step = atomic_fetch_add(&steps, 1) + 1, full = atomic_load(&full_step);
  if (step == atomic_load(&kill_step)) return HALF_AND_DIE;
  if (full == 0 || step < full) return WHOLE;
  return step == full ? HALF : NOTHING;
}

/// One write, of which `half` says how to do the first half. Half of one byte is none: that write fails at once.
#define WRITE(file, count, whole, half)                           \
  switch (write_fate(file)) {                                     \
    case WHOLE: return whole;                                     \
    case HALF_AND_DIE: if (count > 1) (void)!half; die(); break;  \
    case HALF: if (count > 1) return half; break;                 \
    case NOTHING: break;                                          \
  }                                                               \
  errno = ENOSPC;                                                 \
  return -1

ssize_t write(int file, const void *bytes, size_t count) {
  REAL(ssize_t, "write", int, const void *, size_t);
  WRITE(file, count, real(file, bytes, count), real(file, bytes, count / 2));
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
  WRITE(file, count, real(file, bytes, count, offset), real(file, bytes, count / 2, offset));
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  WRITE(file, count, real(file, bytes, count, offset), real(file, bytes, count / 2, offset));
}

#define STEP(name, parameters, arguments, ...) \
  int name parameters {                        \
    REAL(int, #name, __VA_ARGS__);             \
    count_step();                              \
    return real arguments;                     \
  }

STEP(fsync, (int file), (file), int)
STEP(fdatasync, (int file), (file), int)
STEP(ftruncate, (int file, off_t size), (file, size), int, off_t)
STEP(ftruncate64, (int file, off64_t size), (file, size), int, off64_t)
STEP(fchmod, (int file, mode_t mode), (file, mode), int, mode_t)
STEP(chmod, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
STEP(futimens, (int file, const struct timespec times[2]), (file, times), int, const struct timespec *)
STEP(rename, (const char *from, const char *to), (from, to), const char *, const char *)
STEP(link, (const char *from, const char *to), (from, to), const char *, const char *)
STEP(symlink, (const char *target, const char *path), (target, path), const char *, const char *)
STEP(unlink, (const char *path), (path), const char *)
STEP(rmdir, (const char *path), (path), const char *)
STEP(remove, (const char *path), (path), const char *)
STEP(mkdir, (const char *path, mode_t mode), (path, mode), const char *, mode_t)
