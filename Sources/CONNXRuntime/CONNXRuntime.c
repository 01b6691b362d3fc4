#define _GNU_SOURCE
#include "CONNXRuntime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const void *const *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

// "1.31.1" grants version 31 and below. Asking for more than it grants is answered by null and a line on stderr, so the
// version text is looked at first.
static uint32_t newest_to_ask_for(const char *version) {
  unsigned major = 0, minor = 0;
  if (sscanf(version, "%u.%u", &major, &minor) == 2 && major == 1 && minor < ORT_NEWEST_API_VERSION) return minor;
  return ORT_NEWEST_API_VERSION;
}

char *ort_open(const char *path, OrtAPI *api, const char **version) {
  *version = NULL;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return strdup(dlerror());

  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
  if (base == NULL) return strdup("it is a library, but not ONNX Runtime: OrtGetApiBase is missing");
  *version = base()->GetVersionString();

  for (uint32_t wanted = newest_to_ask_for(*version); wanted >= ORT_OLDEST_API_VERSION; wanted--) {
    const void *const *slots = base()->GetApi(wanted);
    if (slots == NULL) continue;
    api->slots = slots;
    api->version = wanted;
    return NULL;
  }
  char *text = NULL;
  int length =
      asprintf(&text, "it is ONNX Runtime %s; 1.%d or later is needed", *version, (int)ORT_OLDEST_API_VERSION);
  return length < 0 ? strdup("it is too old") : text;
}

char *ort_preload(const char *path) {
  // Global visibility is not needed: what comes later finds it by its soname.
  return dlopen(path, RTLD_NOW | RTLD_LOCAL) == NULL ? strdup(dlerror()) : NULL;
}
