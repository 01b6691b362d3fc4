// Counts what a server asks of the C library and the kernel: preloaded, it adds up calls and bytes in a file that
// COUNTING_FILE names and another process maps. Counts are kept for two owners: the program with the two libraries that
// move its messages (nghttp2, protobuf-c), and everything else, which is the model's runtime.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ALLOCATIONS, COPIES, COPIED_BYTES, RECEIVES, SENDS, POLLS, EVENT_READS, EVENT_WRITES, SLEEPS, WAKES, KINDS };
enum { SERVER, OTHERS, OWNERS };

static atomic_uint_fast64_t nowhere[OWNERS][KINDS];
static atomic_uint_fast64_t (*counts)[KINDS] = nowhere;

static struct { uintptr_t first, end; } ranges[16];
static int range_count;

// Remembers where the code of the program, nghttp2 and protobuf-c lies. The model's runtime is loaded later.
static int note(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size, (void)unused;
  const char *name = object->dlpi_name;
  if (*name && !strstr(name, "libnghttp2") && !strstr(name, "libprotobuf-c")) return 0;
  for (int index = 0; index < object->dlpi_phnum && range_count < 16; index++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[index];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X)) continue;
    ranges[range_count].first = object->dlpi_addr + part->p_vaddr;
    ranges[range_count++].end = object->dlpi_addr + part->p_vaddr + part->p_memsz;
  }
  return 0;
}

__attribute__((constructor)) static void begin(void) {
  dl_iterate_phdr(note, NULL);
  const char *path = getenv("COUNTING_FILE");
  int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof nowhere, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped != MAP_FAILED) counts = mapped;
}

static int owner(const void *caller) {
  for (int index = 0; index < range_count; index++)
    if ((uintptr_t)caller - ranges[index].first < ranges[index].end - ranges[index].first) return SERVER;
  return OTHERS;
}

static void count(const void *caller, int kind, uint64_t more) {
  atomic_fetch_add_explicit(&counts[owner(caller)][kind], more, memory_order_relaxed);
}

#define COUNT(kind, more) count(__builtin_return_address(0), kind, more)
#define NEXT(name) ((__typeof__(&name))next(&next_##name, #name))
#define NEXT_OF(name) static void *next_##name

static void *next(void **slot, const char *name) { return *slot ? *slot : (*slot = dlsym(RTLD_NEXT, name)); }

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

void *malloc(size_t size) { COUNT(ALLOCATIONS, 1); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { COUNT(ALLOCATIONS, 1); return __libc_calloc(number, size); }
void *realloc(void *block, size_t size) { COUNT(ALLOCATIONS, 1); return __libc_realloc(block, size); }
void *aligned_alloc(size_t alignment, size_t size) { COUNT(ALLOCATIONS, 1); return __libc_memalign(alignment, size); }
int posix_memalign(void **block, size_t alignment, size_t size) {
  COUNT(ALLOCATIONS, 1);
  *block = __libc_memalign(alignment, size);
  return *block ? 0 : 12;
}

// In assembly, since the compiler would make a loop that copies into a call of memcpy.
static void *copy(void *to, const void *from, size_t size) {
  void *first = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return first;
}

void *memcpy(void *to, const void *from, size_t size) {
  COUNT(COPIES, 1), COUNT(COPIED_BYTES, size);
  return copy(to, from, size);
}

void *memmove(void *to, const void *from, size_t size) {
  COUNT(COPIES, 1), COUNT(COPIED_BYTES, size);
  if ((uintptr_t)to - (uintptr_t)from >= size) return copy(to, from, size);
  for (char *last = (char *)to + size; size > 0; size--) *--last = ((const char *)from)[size - 1];
  return to;
}

NEXT_OF(recv);
ssize_t recv(int file, void *to, size_t size, int flags) { COUNT(RECEIVES, 1); return NEXT(recv)(file, to, size, flags); }
NEXT_OF(sendmsg);
ssize_t sendmsg(int file, const struct msghdr *what, int flags) { COUNT(SENDS, 1); return NEXT(sendmsg)(file, what, flags); }
NEXT_OF(epoll_wait);
int epoll_wait(int file, struct epoll_event *events, int most, int wait) { COUNT(POLLS, 1); return NEXT(epoll_wait)(file, events, most, wait); }
NEXT_OF(read);
ssize_t read(int file, void *to, size_t size) { COUNT(EVENT_READS, 1); return NEXT(read)(file, to, size); }
NEXT_OF(write);
ssize_t write(int file, const void *from, size_t size) { COUNT(EVENT_WRITES, 1); return NEXT(write)(file, from, size); }
NEXT_OF(pthread_cond_wait);
int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex) { COUNT(SLEEPS, 1); return NEXT(pthread_cond_wait)(condition, mutex); }
NEXT_OF(pthread_cond_timedwait);
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
  COUNT(SLEEPS, 1);
  return NEXT(pthread_cond_timedwait)(condition, mutex, until);
}
NEXT_OF(pthread_cond_signal);
int pthread_cond_signal(pthread_cond_t *condition) { COUNT(WAKES, 1); return NEXT(pthread_cond_signal)(condition); }
