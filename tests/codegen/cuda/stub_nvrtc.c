/* A library that looks like NVRTC and has something wrong with it (tests/CMakeLists.txt):
 * STUB_MAJOR is its version, STUB_RESULT what a compilation comes to; with STUB_WITHOUT_CUBIN a
 * function is missing. It knows sm_75 and sm_80. */
#include <stddef.h>
#include <string.h>

#ifndef STUB_MAJOR
#define STUB_MAJOR 12
#endif
#ifndef STUB_RESULT
#define STUB_RESULT 0
#endif

#define EXPORT __attribute__((visibility("default")))

static const char kPtx[] = "// made by the stub\n";
static const char kLog[] = "ptxas info    : Used 7 registers\n";

EXPORT int nvrtcVersion(int* major, int* minor) {
  *major = STUB_MAJOR;
  *minor = 4;
  return 0;
}
EXPORT const char* nvrtcGetErrorString(int result) {
  return result == 7 ? "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE" : "NVRTC_ERROR_OF_THE_STUB";
}
EXPORT int nvrtcGetNumSupportedArchs(int* count) {
  *count = 2;
  return 0;
}
EXPORT int nvrtcGetSupportedArchs(int* all) {
  all[0] = 80;
  all[1] = 75;
  return 0;
}
EXPORT int nvrtcCreateProgram(void** program, const char* source, const char* name, int headers,
                              const char* const* texts, const char* const* names) {
  (void)source, (void)name, (void)headers, (void)texts, (void)names;
  *program = NULL;
  return 0;
}
EXPORT int nvrtcDestroyProgram(void** program) {
  (void)program;
  return 0;
}
EXPORT int nvrtcCompileProgram(void* program, int count, const char* const* options) {
  (void)program, (void)count, (void)options;
  return STUB_RESULT;
}
static int give_size(size_t* bytes, size_t size) {
  *bytes = size;
  return 0;
}
static int give(char* to, const char* from, size_t size) {
  memcpy(to, from, size);
  return 0;
}
EXPORT int nvrtcGetProgramLogSize(void* program, size_t* bytes) {
  (void)program;
  return give_size(bytes, sizeof kLog);
}
EXPORT int nvrtcGetProgramLog(void* program, char* log) {
  (void)program;
  return give(log, kLog, sizeof kLog);
}
EXPORT int nvrtcGetPTXSize(void* program, size_t* bytes) {
  (void)program;
  return give_size(bytes, sizeof kPtx);
}
EXPORT int nvrtcGetPTX(void* program, char* ptx) {
  (void)program;
  return give(ptx, kPtx, sizeof kPtx);
}
EXPORT int nvrtcGetCUBINSize(void* program, size_t* bytes) {
  (void)program;
  return give_size(bytes, 0);
}
#ifndef STUB_WITHOUT_CUBIN
EXPORT int nvrtcGetCUBIN(void* program, char* cubin) {
  (void)program, (void)cubin;
  return 0;
}
#endif
