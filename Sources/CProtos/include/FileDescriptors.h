#pragma once

#include <stddef.h>
#include <stdint.h>

/// One file of proto/ as a serialized FileDescriptorProto.
typedef struct {
  const char *name;
  const uint8_t *bytes;
  size_t count;
} CProtosFile;

/// Every file of proto/, sorted by name.
extern const CProtosFile *const CProtosFiles;
extern const size_t CProtosFileCount;
