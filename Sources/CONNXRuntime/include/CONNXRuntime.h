// ONNX Runtime's C interface, as far as this server calls it: slot numbers and types of its function table.
//
// The library is opened at run time and its header is not needed to build. What it publishes is one table of function
// pointers that only ever grows, so a slot number and a type are all there is to know of a function. The runtime checks
// them once after opening, by running a small model (SelfCheck.swift).
//
// Every function with an `OrtStatus *` result returns null for success; otherwise the status is the caller's to
// release. Out-parameters are left unwritten on failure: set them to null before the call.
#ifndef CONNXRUNTIME_H
#define CONNXRUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Only the accessors say what is never null; everything else is as it was published.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-completeness"

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtValue OrtValue;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtKeyValuePairs OrtKeyValuePairs;
typedef struct OrtCUDAProviderOptionsV2 OrtCUDAProviderOptionsV2;
typedef struct OrtEpAssignedSubgraph OrtEpAssignedSubgraph;
typedef struct OrtEpAssignedNode OrtEpAssignedNode;

typedef void (*OrtLoggingFunction)(void *parameter, int32_t severity, const char *category, const char *logId,
                                   const char *codeLocation, const char *message);

/// The oldest interface version that this server works with (ONNX Runtime 1.17), and the newest whose slots it knows.
enum { ORT_OLDEST_API_VERSION = 17, ORT_NEWEST_API_VERSION = 30 };

/// An opened library: its table, and the interface version that it granted. A copyable value; never closed.
typedef struct OrtAPI {
  const void *const *slots;
  uint32_t version;
} OrtAPI;

/// Opens the library at `path` (or by its bare name, as the loader searches) and asks for the newest known interface.
///
/// Returns null and fills `api`, or a text that says why not, to be freed by the caller. `version` is the library's own
/// version text, such as "1.31.1": static, and set where the library was opened at all.
char *ort_open(const char *path, OrtAPI *api, const char **version);

/// Opens a library that others will look for by its soname. Returns null, or a text to be freed by the caller.
char *ort_preload(const char *path);

// X(slot, name, result, arguments): in every version from the oldest on.
#define ORT_SLOTS(X)                                                                                                   \
  X(1, GetErrorCode, int32_t, (const OrtStatus *))                                                                     \
  X(2, GetErrorMessage, const char *, (const OrtStatus *))                                                             \
  X(93, ReleaseStatus, void, (OrtStatus *))                                                                            \
                                                                                                                       \
  X(4, CreateEnvWithCustomLogger, OrtStatus *, (OrtLoggingFunction, void *, int32_t, const char *, OrtEnv **))         \
  X(125, GetAvailableProviders, OrtStatus *, (char ***, int32_t *))                                                    \
  X(126, ReleaseAvailableProviders, OrtStatus *, (char **, int32_t))                                                   \
                                                                                                                       \
  X(10, CreateSessionOptions, OrtStatus *, (OrtSessionOptions **))                                                     \
  X(13, SetSessionExecutionMode, OrtStatus *, (OrtSessionOptions *, int32_t))                                          \
  X(17, DisableMemPattern, OrtStatus *, (OrtSessionOptions *))                                                         \
  X(19, DisableCpuMemArena, OrtStatus *, (OrtSessionOptions *))                                                        \
  X(20, SetSessionLogId, OrtStatus *, (OrtSessionOptions *, const char *))                                             \
  X(23, SetSessionGraphOptimizationLevel, OrtStatus *, (OrtSessionOptions *, int32_t))                                 \
  X(24, SetIntraOpNumThreads, OrtStatus *, (OrtSessionOptions *, int32_t))                                             \
  X(25, SetInterOpNumThreads, OrtStatus *, (OrtSessionOptions *, int32_t))                                             \
  X(130, AddSessionConfigEntry, OrtStatus *, (OrtSessionOptions *, const char *, const char *))                        \
  X(100, ReleaseSessionOptions, void, (OrtSessionOptions *))                                                           \
                                                                                                                       \
  X(205, CreateCUDAProviderOptions, OrtStatus *, (OrtCUDAProviderOptionsV2 **))                                        \
  X(206, UpdateCUDAProviderOptions, OrtStatus *,                                                                       \
    (OrtCUDAProviderOptionsV2 *, const char *const *, const char *const *, size_t))                                    \
  X(204, SessionOptionsAppendExecutionProvider_CUDA_V2, OrtStatus *,                                                   \
    (OrtSessionOptions *, const OrtCUDAProviderOptionsV2 *))                                                           \
  X(208, ReleaseCUDAProviderOptions, void, (OrtCUDAProviderOptionsV2 *))                                               \
                                                                                                                       \
  X(7, CreateSession, OrtStatus *, (const OrtEnv *, const char *, const OrtSessionOptions *, OrtSession **))           \
  X(8, CreateSessionFromArray, OrtStatus *,                                                                            \
    (const OrtEnv *, const void *, size_t, const OrtSessionOptions *, OrtSession **))                                  \
  X(9, Run, OrtStatus *,                                                                                               \
    (OrtSession *, const OrtRunOptions *, const char *const *, const OrtValue *const *, size_t, const char *const *,   \
     size_t, OrtValue **))                                                                                             \
  X(95, ReleaseSession, void, (OrtSession *))                                                                          \
                                                                                                                       \
  X(30, SessionGetInputCount, OrtStatus *, (const OrtSession *, size_t *))                                             \
  X(31, SessionGetOutputCount, OrtStatus *, (const OrtSession *, size_t *))                                            \
  X(33, SessionGetInputTypeInfo, OrtStatus *, (const OrtSession *, size_t, OrtTypeInfo **))                            \
  X(34, SessionGetOutputTypeInfo, OrtStatus *, (const OrtSession *, size_t, OrtTypeInfo **))                           \
  X(36, SessionGetInputName, OrtStatus *, (const OrtSession *, size_t, OrtAllocator *, char **))                       \
  X(37, SessionGetOutputName, OrtStatus *, (const OrtSession *, size_t, OrtAllocator *, char **))                      \
  X(56, GetOnnxTypeFromTypeInfo, OrtStatus *, (const OrtTypeInfo *, int32_t *))                                        \
  X(55, CastTypeInfoToTensorInfo, OrtStatus *, (const OrtTypeInfo *, const OrtTensorTypeAndShapeInfo **))              \
  X(98, ReleaseTypeInfo, void, (OrtTypeInfo *))                                                                        \
  X(60, GetTensorElementType, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, int32_t *))                             \
  X(61, GetDimensionsCount, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, size_t *))                                \
  X(62, GetDimensions, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, int64_t *, size_t))                            \
  X(63, GetSymbolicDimensions, OrtStatus *, (const OrtTensorTypeAndShapeInfo *, const char **, size_t))                \
  X(99, ReleaseTensorTypeAndShapeInfo, void, (OrtTensorTypeAndShapeInfo *))                                            \
                                                                                                                       \
  X(39, CreateRunOptions, OrtStatus *, (OrtRunOptions **))                                                             \
  X(46, RunOptionsSetTerminate, OrtStatus *, (OrtRunOptions *))                                                        \
  X(47, RunOptionsUnsetTerminate, OrtStatus *, (OrtRunOptions *))                                                      \
  X(165, AddRunConfigEntry, OrtStatus *, (OrtRunOptions *, const char *, const char *))                                \
  X(41, RunOptionsSetRunLogSeverityLevel, OrtStatus *, (OrtRunOptions *, int32_t))                                     \
  X(97, ReleaseRunOptions, void, (OrtRunOptions *))                                                                    \
                                                                                                                       \
  X(48, CreateTensorAsOrtValue, OrtStatus *, (OrtAllocator *, const int64_t *, size_t, int32_t, OrtValue **))          \
  X(49, CreateTensorWithDataAsOrtValue, OrtStatus *,                                                                   \
    (const OrtMemoryInfo *, void *, size_t, const int64_t *, size_t, int32_t, OrtValue **))                            \
  X(51, GetTensorMutableData, OrtStatus *, (OrtValue *, void **))                                                      \
  X(53, GetStringTensorDataLength, OrtStatus *, (const OrtValue *, size_t *))                                          \
  X(54, GetStringTensorContent, OrtStatus *, (const OrtValue *, void *, size_t, size_t *, size_t))                     \
  X(65, GetTensorTypeAndShape, OrtStatus *, (const OrtValue *, OrtTensorTypeAndShapeInfo **))                          \
  X(252, GetResizedStringTensorElementBuffer, OrtStatus *, (OrtValue *, size_t, size_t, char **))                      \
  X(96, ReleaseValue, void, (OrtValue *))                                                                              \
                                                                                                                       \
  X(68, CreateMemoryInfo, OrtStatus *, (const char *, int32_t, int32_t, int32_t, OrtMemoryInfo **))                    \
  X(69, CreateCpuMemoryInfo, OrtStatus *, (int32_t, int32_t, OrtMemoryInfo **))                                        \
  X(94, ReleaseMemoryInfo, void, (OrtMemoryInfo *))                                                                    \
  X(78, GetAllocatorWithDefaultOptions, OrtStatus *, (OrtAllocator **))                                                \
  X(76, AllocatorFree, OrtStatus *, (OrtAllocator *, void *))                                                          \
  X(131, CreateAllocator, OrtStatus *, (const OrtSession *, const OrtMemoryInfo *, OrtAllocator **))                   \
  X(132, ReleaseAllocator, void, (OrtAllocator *))

// X(version, slot, name, result, arguments): only where the library granted that version, else null.
#define ORT_LATER_SLOTS(X)                                                                                             \
  X(22, 297, GetKeyValue, const char *, (const OrtKeyValuePairs *, const char *))                                      \
  X(22, 300, ReleaseKeyValuePairs, void, (OrtKeyValuePairs *))                                                         \
  X(23, 319, AllocatorGetStats, OrtStatus *, (const OrtAllocator *, OrtKeyValuePairs **))                              \
  X(24, 390, TensorTypeAndShape_HasShape, bool, (const OrtTensorTypeAndShapeInfo *))                                   \
  X(24, 407, Session_GetEpGraphAssignmentInfo, OrtStatus *,                                                            \
    (const OrtSession *, const OrtEpAssignedSubgraph *const **, size_t *))                                             \
  X(24, 408, EpAssignedSubgraph_GetEpName, OrtStatus *, (const OrtEpAssignedSubgraph *, const char **))                \
  X(24, 409, EpAssignedSubgraph_GetNodes, OrtStatus *,                                                                 \
    (const OrtEpAssignedSubgraph *, const OrtEpAssignedNode *const **, size_t *))                                      \
  X(24, 414, GetTensorElementTypeAndShapeDataReference, OrtStatus *,                                                   \
    (const OrtValue *, int32_t *, const int64_t **, size_t *))

// One inline accessor a slot, seen by Swift as a property of `OrtAPI`: `api.Run(session, …)` is a load and a call.
#define ORT_ACCESSOR(slot, name, result, arguments)                                                                    \
  typedef result(*ort_##name##_function) arguments;                                                                    \
  static inline ort_##name##_function _Nonnull ort_##name(OrtAPI api)                                                  \
      __attribute__((swift_name("getter:OrtAPI." #name "(self:)"))) {                                                  \
    return (ort_##name##_function)api.slots[slot];                                                                     \
  }

#define ORT_LATER_ACCESSOR(since, slot, name, result, arguments)                                                       \
  typedef result(*ort_##name##_function) arguments;                                                                    \
  static inline ort_##name##_function _Nullable ort_##name(OrtAPI api)                                                 \
      __attribute__((swift_name("getter:OrtAPI." #name "(self:)"))) {                                                  \
    return api.version >= since ? (ort_##name##_function)api.slots[slot] : NULL;                                       \
  }

ORT_SLOTS(ORT_ACCESSOR)
ORT_LATER_SLOTS(ORT_LATER_ACCESSOR)

#pragma clang diagnostic pop

#endif
