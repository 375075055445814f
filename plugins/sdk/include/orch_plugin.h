/* The plugin ABI of orch, version 1.0: what a shared library exports to offer workloads. C11 and
 * C++11.
 *
 * A plugin is a shared library with one exported constant, `orch_plugin_v1`. A minimal one:
 *
 *     #include "orch_plugin.h"
 *     static orch_status describe(const orch_host *host) {
 *         host->write(host, ORCH_STR("{\"plugin\": \"tiny\", \"workloads\": [{\"id\": \"nothing\"}]}"));
 *         return ORCH_OK;
 *     }
 *     static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out);
 *     static orch_status run(orch_instance *self, uint64_t iters);
 *     ORCH_EXPORT const orch_plugin orch_plugin_v1 = {ORCH_PLUGIN_INIT, describe, create, 0, run, 0, 0, 0};
 *
 * Terms. The host is orch's worker process. The driver is its only thread that calls the plugin. A
 * call lasts from the moment when the host enters a plugin function until the function returns.
 *
 * Life of an instance; the host makes the calls of one instance one after the other:
 *
 *     create -> setup -> { reset | prepare | run | elapsed | digest }* -> teardown -> destroy
 *
 * Once a call has returned anything but ORCH_OK, only teardown (if setup had succeeded) and destroy
 * may follow. The host may leave them out too: a worker may end at any time, without destructors or
 * atexit handlers. That is not an error.
 *
 * Threads. All plugin functions are called on the driver. A plugin may start threads. The functions
 * of orch_host may be called on any thread unless they say otherwise, from the first describe or
 * create on until the process ends.
 *
 * Memory. Nothing changes owner across this boundary, and nothing is freed on the other side. A
 * text passed to a function is borrowed for that call; the callee copies what it keeps. A library
 * is never unloaded.
 *
 * Failure. A plugin function that fails calls set_error with a text for the author of the scenario
 * and returns a status. Neither exceptions nor panics nor longjmp may leave a plugin function: the
 * worker would be aborted and its job fail. A crash, an endless loop or an exit in a plugin costs
 * that job only.
 *
 * Versions. A minor version only appends fields to structs. struct_size is the size in bytes of the
 * other side's version: a field outside of it does not exist. Another major version has another
 * symbol. Everything that can be added without a new struct is an extension, which is found by its
 * name.
 */
#ifndef ORCH_PLUGIN_H
#define ORCH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ORCH_VISIBLE_ __attribute__((visibility("default")))
#else
#define ORCH_VISIBLE_
#endif

/* Before the definition of an exported constant: visible under -fvisibility=hidden too. A constant
 * of C++ would be private to its file without the `extern`. */
#ifdef __cplusplus
#define ORCH_EXPORT extern ORCH_VISIBLE_
#else
#define ORCH_EXPORT ORCH_VISIBLE_
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define ORCH_MAGIC 0x4843524Fu /* the bytes "ORCH" */
#define ORCH_ABI_MAJOR 1
#define ORCH_ABI_MINOR 0

/* UTF-8 text of len bytes. There need not be a NUL after it; ptr may be anything if len is 0. */
typedef struct {
  const char *ptr;
  size_t len;
} orch_str;

/* An orch_str of a string literal. */
#ifdef __cplusplus
#define ORCH_STR(literal) (orch_str{(literal), sizeof(literal) - 1})
#else
#define ORCH_STR(literal) ((orch_str){(literal), sizeof(literal) - 1})
#endif

/* One instance of a workload. Made in create and freed in destroy by the plugin, which defines the
 * struct as it likes; the host only hands the pointer back. */
typedef struct orch_instance orch_instance;

/* Status that a plugin function returns. The host treats any other number as ORCH_ERR. */
typedef int32_t orch_status;
enum {
  ORCH_OK = 0,
  ORCH_ERR = 1,                  /* the call failed: the job fails with the text of set_error */
  ORCH_ERR_PANIC = 2,            /* a panic or an exception was caught; the text names its place */
  ORCH_ERR_PARAMS = 3,           /* create: the scenario's parameters are wrong */
  ORCH_ERR_UNKNOWN_WORKLOAD = 4, /* create: the plugin has no workload of that name */
  /* the workload cannot run on this machine: the job is skipped, not failed */
  ORCH_ERR_UNSUPPORTED = 5
};

/* Levels of orch_host.log. */
enum { ORCH_LOG_ERROR = 1, ORCH_LOG_WARNING = 2, ORCH_LOG_INFO = 3, ORCH_LOG_DEBUG = 4 };

/* The functions of the host. A process has one table, which is constant and valid until the process
 * ends: a plugin keeps the pointer that it got in create. Every function takes that pointer first.
 * No function fails, blocks for long or calls the plugin. */
typedef struct orch_host orch_host;
struct orch_host {
  uint32_t struct_size; /* size in bytes of the host's version of this struct */
  /* ORCH_ABI_MAJOR of the host; equal to the plugin's, or the plugin is not loaded */
  uint16_t abi_major;
  /* ORCH_ABI_MINOR of the host; may be smaller or greater than the plugin's */
  uint16_t abi_minor;
  void *ctx;            /* belongs to the host */

  /* Sets the error text of the calling thread; the last one before the return of a failing call is
   * used. Texts set on other threads than the driver are lost. May be called in any call; has no
   * effect in a call that returns ORCH_OK. */
  void (*set_error)(const orch_host *host, orch_str text);

  /* Adds a line to the job's log; level is one of ORCH_LOG_*. Any thread. Not for the measured
   * part: it takes time. */
  void (*log)(const orch_host *host, uint32_t level, orch_str line);

  /* Appends to the document that the current call returns. Only on the driver, and only inside
   * describe and orch_digest.digest; elsewhere the text is dropped. */
  void (*write)(const orch_host *host, orch_str text);

  /* Returns the id of the name of a scope or counter: never 0, the same for the same name, valid
   * until the process ends. Any thread, any time. It takes a lock and may allocate: call it once
   * per name, best in create or setup. */
  uint32_t (*intern)(const orch_host *host, orch_str name);

  /* Opens the scope `id` on the calling thread, inside the scope that is open there. Hot: some
   * nanoseconds while scopes are recorded, about one while they are not. id comes from intern. */
  void (*scope_enter)(const orch_host *host, uint32_t id);

  /* Closes the scope `id`, which must be the one that the calling thread opened last and has not
   * closed. Scopes end on the thread and within the call that they began in. Unbalanced ones are
   * counted and reported as a warning; those that are still open when the call returns are closed
   * by the host. */
  void (*scope_exit)(const orch_host *host, uint32_t id);

  /* Adds to the counter `id` of the calling thread's current scope (of the call, if no scope is
   * open). The amount is the work of this moment, not a running total, and finite. A counter's unit
   * is that of the metrics that describe computes from it. Hot, like scope_enter. */
  void (*counter_add)(const orch_host *host, uint32_t id, double amount);

  /* Returns the table of a host extension, or NULL if this host has none of that name. `id` ends
   * with a NUL. The table is constant and valid until the process ends. Version 1.0 defines no host
   * extension. */
  const void *(*get_extension)(const orch_host *host, const char *id);
};

/* Whether a host has this major version and its orch_host has a field. Every host of version 1 has
 * the fields of 1.0. A plugin that uses a field of a later minor version checks first, because the
 * host may be older. */
#define ORCH_HOST_HAS(host, field)           \
  ((host)->abi_major == ORCH_ABI_MAJOR && \
   (host)->struct_size >= offsetof(orch_host, field) + sizeof((host)->field))

/* The table that a plugin exports as the constant data symbol orch_plugin_v1. The first 16 bytes
 * hold no pointer: the host reads them from the file, and refuses a wrong magic or major version
 * before any code of the plugin runs. */
typedef struct {
  uint32_t magic;       /* ORCH_MAGIC */
  uint16_t abi_major;   /* ORCH_ABI_MAJOR */
  uint16_t abi_minor;   /* ORCH_ABI_MINOR */
  uint32_t struct_size; /* sizeof(orch_plugin) */
  uint32_t flags;       /* 0; none are defined */

  /* Required. Writes one JSON document with host->write, in one piece or several:
   *   {"plugin": name, "workloads": [{"id": name}]}                                     required
   *   "version": text, "sdk": text, "build": object                                     optional
   *   "problems": [text] (what cannot be listed, and why)                               optional
   * and for each workload, all optional:
   *   "about": text, "iteration": text (what one iteration does), "tags": [text], "needs": any,
   *   "params": JSON Schema of the parameters, an object ("x-unit" on a property is its unit); absent: any object,
   *   "metrics": [{"id": text, "unit": text, "better"?: "higher" | "lower", "about"?: text,
   *                "counter": text, "per": "iteration" | "second" | "unit" | "bytes_per_unit",
   *                "scale": number}]     (without "better" it is shown and never judged)
   * With c, what one iteration adds to the counter, t, the median time of one iteration in seconds,
   * and b, the bytes it allocates, a metric is c * scale per iteration, c / t * scale per second, t
   * / c * scale per unit, or b / c * scale as bytes per unit. Unknown keys are ignored. Called in a
   * process of its own, without any instance, any number of times; the document must not depend on
   * the machine, the time or the environment, because it is cached with the file's content. */
  orch_status (*describe)(const orch_host *host);

  /* Required. Makes an instance: workload is an "id" of describe, params a JSON object (an empty
   * text is an empty object). Stores it in *out and returns ORCH_OK, or leaves *out alone and
   * returns another status. The host has checked params against the schema, if there is one; a
   * plugin still must not crash on others. Untimed. */
  orch_status (*create)(const orch_host *host, orch_str workload, orch_str params, orch_instance **out);

  /* May be NULL. Prepares the inputs: reads files, fills buffers, starts threads. Once, untimed. */
  orch_status (*setup)(orch_instance *self);

  /* Required. Does `iters` iterations, one after the other, and returns; with 0 it does nothing.
   * This is the timed part. The host picks iters, and all iterations do the same work. It writes
   * nothing to stdout or stderr. The result stays where digest finds it, and depends on all of the
   * work. */
  orch_status (*run)(orch_instance *self, uint64_t iters);

  /* May be NULL. Undoes setup: stops threads, closes files. At most once, only after a setup that
   * returned ORCH_OK. */
  orch_status (*teardown)(orch_instance *self);

  /* May be NULL. Frees the instance; the pointer is not used again. Called at most once. */
  void (*destroy)(orch_instance *self);

  /* May be NULL. Returns the table of a plugin extension, or NULL if the plugin has none of that
   * name. `id` ends with a NUL. The table is constant and valid until the process ends; it is for
   * all instances. */
  const void *(*get_extension)(const char *id);
} orch_plugin;

/* Extension "orch.digest/1": a checksum of the output of an iteration, which shows that a faster
 * build is wrong. */
#define ORCH_DIGEST_EXT "orch.digest/1"
typedef struct {
  uint32_t struct_size; /* sizeof(orch_digest) */

  /* Writes {"value": number | text, "score"?: number, "tolerance"?: number} with host->write, or
   * nothing if this instance has no digest. Called after reset and exactly one iteration, untimed.
   * Two outputs agree if their values are equal; numbers also if |a - b| <= tolerance * max(1, |a|,
   * |b|). With a score, the scores are judged in that way, and a value that differs while they
   * agree is a warning. Numbers are finite. The host takes at most 64 KiB. A status other than
   * ORCH_OK means that the output is wrong. */
  orch_status (*digest)(orch_instance *self, const orch_host *host);
} orch_digest;

/* Extension "orch.reset/1": makes every sample start from the same state. */
#define ORCH_RESET_EXT "orch.reset/1"
typedef struct {
  uint32_t struct_size; /* sizeof(orch_reset) */

  /* Restores the inputs to their state after setup. Called untimed, before each sample and before
   * the digest's iteration. */
  orch_status (*reset)(orch_instance *self);
} orch_reset;

/* Extension "orch.code/1": the places where a workload's own code begins. With them, orch
 * recognises that two builds of the plugin have the same machine code for a workload, whatever else
 * of the plugin changed. */
#define ORCH_CODE_EXT "orch.code/1"
typedef struct {
  uint32_t struct_size; /* sizeof(orch_code) */

  /* Returns the address of the function with that index, counted from 0, or NULL after the last
   * one. All code and data on which the workload's times depend is reached from these functions:
   * the code of run, and what prepares it. */
  const void *(*begin)(orch_str workload, uint32_t index);
} orch_code;

/* Extension "orch.prepare/1": inputs for each iteration of a call of run, made outside its time. */
#define ORCH_PREPARE_EXT "orch.prepare/1"
typedef struct {
  uint32_t struct_size; /* sizeof(orch_prepare) */

  /* Prepares the inputs of the next call of run, for at most `wanted` iterations, and stores in
   * *granted for how many: at least one, unless wanted is 0. The next call of run gets this number.
   * A workload whose inputs take much memory grants fewer than wanted: always the same number if
   * the same is wanted, and every number that is smaller than one it granted. Called untimed, in
   * place of reset. */
  orch_status (*prepare)(orch_instance *self, uint64_t wanted, uint64_t *granted);
} orch_prepare;

/* Extension "orch.elapsed/1": a workload that measures its own time, because its calls of run do
 * more than what counts. */
#define ORCH_ELAPSED_EXT "orch.elapsed/1"
typedef struct {
  uint32_t struct_size; /* sizeof(orch_elapsed) */

  /* Stores the nanoseconds of the last call of run in *ns, at most those of the whole call, or
   * leaves *ns alone, which means that the whole call counts. Called after each timed call of
   * run. */
  orch_status (*elapsed)(orch_instance *self, uint64_t *ns);
} orch_elapsed;

/* The first five fields of an orch_plugin. */
#define ORCH_PLUGIN_INIT ORCH_MAGIC, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, (uint32_t)sizeof(orch_plugin), 0

/* The exported symbols, declared here so that they have C linkage in C++ too. */
extern ORCH_VISIBLE_ const orch_plugin orch_plugin_v1;

/* Optional: names of the CPU features that the plugin was compiled for, as rustc spells them,
 * separated by commas and ended by a NUL. The host reads it from the file and refuses to load a
 * plugin that this machine cannot execute. */
extern ORCH_VISIBLE_ const char orch_plugin_cpu_features[];

/* Write `ORCH_DECLARE_CPU_FEATURES;` once, outside of functions, in a file compiled with the flags
 * of the hot code: it defines orch_plugin_cpu_features from the compiler's predefined macros. */
#define ORCH_DECLARE_CPU_FEATURES \
  ORCH_EXPORT const char orch_plugin_cpu_features[] = ORCH_CPU_X86_ ORCH_CPU_AVX512_ ORCH_CPU_ARM_

/* Each piece is a name with the comma before it, or nothing. */
#ifdef __SSE__
#define ORCH_CPU_SSE_ "sse"
#else
#define ORCH_CPU_SSE_ ""
#endif
#ifdef __SSE2__
#define ORCH_CPU_SSE2_ ",sse2"
#else
#define ORCH_CPU_SSE2_ ""
#endif
#ifdef __SSE3__
#define ORCH_CPU_SSE3_ ",sse3"
#else
#define ORCH_CPU_SSE3_ ""
#endif
#ifdef __SSSE3__
#define ORCH_CPU_SSSE3_ ",ssse3"
#else
#define ORCH_CPU_SSSE3_ ""
#endif
#ifdef __SSE4_1__
#define ORCH_CPU_SSE4_1_ ",sse4.1"
#else
#define ORCH_CPU_SSE4_1_ ""
#endif
#ifdef __SSE4_2__
#define ORCH_CPU_SSE4_2_ ",sse4.2"
#else
#define ORCH_CPU_SSE4_2_ ""
#endif
#ifdef __SSE4A__
#define ORCH_CPU_SSE4A_ ",sse4a"
#else
#define ORCH_CPU_SSE4A_ ""
#endif
#ifdef __POPCNT__
#define ORCH_CPU_POPCNT_ ",popcnt"
#else
#define ORCH_CPU_POPCNT_ ""
#endif
#ifdef __LZCNT__
#define ORCH_CPU_LZCNT_ ",lzcnt"
#else
#define ORCH_CPU_LZCNT_ ""
#endif
#ifdef __MOVBE__
#define ORCH_CPU_MOVBE_ ",movbe"
#else
#define ORCH_CPU_MOVBE_ ""
#endif
#ifdef __BMI__
#define ORCH_CPU_BMI_ ",bmi1"
#else
#define ORCH_CPU_BMI_ ""
#endif
#ifdef __BMI2__
#define ORCH_CPU_BMI2_ ",bmi2"
#else
#define ORCH_CPU_BMI2_ ""
#endif
#ifdef __ADX__
#define ORCH_CPU_ADX_ ",adx"
#else
#define ORCH_CPU_ADX_ ""
#endif
#ifdef __F16C__
#define ORCH_CPU_F16C_ ",f16c"
#else
#define ORCH_CPU_F16C_ ""
#endif
#ifdef __FMA__
#define ORCH_CPU_FMA_ ",fma"
#else
#define ORCH_CPU_FMA_ ""
#endif
#ifdef __AVX__
#define ORCH_CPU_AVX_ ",avx"
#else
#define ORCH_CPU_AVX_ ""
#endif
#ifdef __AVX2__
#define ORCH_CPU_AVX2_ ",avx2"
#else
#define ORCH_CPU_AVX2_ ""
#endif
#ifdef __AVXVNNI__
#define ORCH_CPU_AVXVNNI_ ",avxvnni"
#else
#define ORCH_CPU_AVXVNNI_ ""
#endif
#ifdef __AES__
#define ORCH_CPU_AES_ ",aes"
#else
#define ORCH_CPU_AES_ ""
#endif
#ifdef __VAES__
#define ORCH_CPU_VAES_ ",vaes"
#else
#define ORCH_CPU_VAES_ ""
#endif
#ifdef __PCLMUL__
#define ORCH_CPU_PCLMUL_ ",pclmulqdq"
#else
#define ORCH_CPU_PCLMUL_ ""
#endif
#ifdef __VPCLMULQDQ__
#define ORCH_CPU_VPCLMULQDQ_ ",vpclmulqdq"
#else
#define ORCH_CPU_VPCLMULQDQ_ ""
#endif
#ifdef __GFNI__
#define ORCH_CPU_GFNI_ ",gfni"
#else
#define ORCH_CPU_GFNI_ ""
#endif
#ifdef __SHA__
#define ORCH_CPU_SHA_ ",sha"
#else
#define ORCH_CPU_SHA_ ""
#endif
#ifdef __AVX512F__
#define ORCH_CPU_AVX512F_ ",avx512f"
#else
#define ORCH_CPU_AVX512F_ ""
#endif
#ifdef __AVX512CD__
#define ORCH_CPU_AVX512CD_ ",avx512cd"
#else
#define ORCH_CPU_AVX512CD_ ""
#endif
#ifdef __AVX512DQ__
#define ORCH_CPU_AVX512DQ_ ",avx512dq"
#else
#define ORCH_CPU_AVX512DQ_ ""
#endif
#ifdef __AVX512BW__
#define ORCH_CPU_AVX512BW_ ",avx512bw"
#else
#define ORCH_CPU_AVX512BW_ ""
#endif
#ifdef __AVX512VL__
#define ORCH_CPU_AVX512VL_ ",avx512vl"
#else
#define ORCH_CPU_AVX512VL_ ""
#endif
#ifdef __AVX512IFMA__
#define ORCH_CPU_AVX512IFMA_ ",avx512ifma"
#else
#define ORCH_CPU_AVX512IFMA_ ""
#endif
#ifdef __AVX512VBMI__
#define ORCH_CPU_AVX512VBMI_ ",avx512vbmi"
#else
#define ORCH_CPU_AVX512VBMI_ ""
#endif
#ifdef __AVX512VBMI2__
#define ORCH_CPU_AVX512VBMI2_ ",avx512vbmi2"
#else
#define ORCH_CPU_AVX512VBMI2_ ""
#endif
#ifdef __AVX512VNNI__
#define ORCH_CPU_AVX512VNNI_ ",avx512vnni"
#else
#define ORCH_CPU_AVX512VNNI_ ""
#endif
#ifdef __AVX512BITALG__
#define ORCH_CPU_AVX512BITALG_ ",avx512bitalg"
#else
#define ORCH_CPU_AVX512BITALG_ ""
#endif
#ifdef __AVX512VPOPCNTDQ__
#define ORCH_CPU_AVX512VPOPCNTDQ_ ",avx512vpopcntdq"
#else
#define ORCH_CPU_AVX512VPOPCNTDQ_ ""
#endif
#ifdef __AVX512BF16__
#define ORCH_CPU_AVX512BF16_ ",avx512bf16"
#else
#define ORCH_CPU_AVX512BF16_ ""
#endif
#ifdef __AVX512FP16__
#define ORCH_CPU_AVX512FP16_ ",avx512fp16"
#else
#define ORCH_CPU_AVX512FP16_ ""
#endif
#define ORCH_CPU_X86_ ORCH_CPU_SSE_ ORCH_CPU_SSE2_ ORCH_CPU_SSE3_ ORCH_CPU_SSSE3_ ORCH_CPU_SSE4_1_ ORCH_CPU_SSE4_2_ \
  ORCH_CPU_SSE4A_ ORCH_CPU_POPCNT_ ORCH_CPU_LZCNT_ ORCH_CPU_MOVBE_ ORCH_CPU_BMI_ ORCH_CPU_BMI2_ ORCH_CPU_ADX_ \
  ORCH_CPU_F16C_ ORCH_CPU_FMA_ ORCH_CPU_AVX_ ORCH_CPU_AVX2_ ORCH_CPU_AVXVNNI_ ORCH_CPU_AES_ ORCH_CPU_VAES_ \
  ORCH_CPU_PCLMUL_ ORCH_CPU_VPCLMULQDQ_ ORCH_CPU_GFNI_ ORCH_CPU_SHA_
#define ORCH_CPU_AVX512_ ORCH_CPU_AVX512F_ ORCH_CPU_AVX512CD_ ORCH_CPU_AVX512DQ_ ORCH_CPU_AVX512BW_ \
  ORCH_CPU_AVX512VL_ ORCH_CPU_AVX512IFMA_ ORCH_CPU_AVX512VBMI_ ORCH_CPU_AVX512VBMI2_ ORCH_CPU_AVX512VNNI_ \
  ORCH_CPU_AVX512BITALG_ ORCH_CPU_AVX512VPOPCNTDQ_ ORCH_CPU_AVX512BF16_ ORCH_CPU_AVX512FP16_
#ifdef __ARM_NEON
#define ORCH_CPU_ARM_NEON_ "neon"
#else
#define ORCH_CPU_ARM_NEON_ ""
#endif
#ifdef __ARM_FEATURE_CRC32
#define ORCH_CPU_ARM_FEATURE_CRC32_ ",crc"
#else
#define ORCH_CPU_ARM_FEATURE_CRC32_ ""
#endif
#ifdef __ARM_FEATURE_ATOMICS
#define ORCH_CPU_ARM_FEATURE_ATOMICS_ ",lse"
#else
#define ORCH_CPU_ARM_FEATURE_ATOMICS_ ""
#endif
#ifdef __ARM_FEATURE_QRDMX
#define ORCH_CPU_ARM_FEATURE_QRDMX_ ",rdm"
#else
#define ORCH_CPU_ARM_FEATURE_QRDMX_ ""
#endif
#ifdef __ARM_FEATURE_DOTPROD
#define ORCH_CPU_ARM_FEATURE_DOTPROD_ ",dotprod"
#else
#define ORCH_CPU_ARM_FEATURE_DOTPROD_ ""
#endif
#ifdef __ARM_FEATURE_FP16_VECTOR_ARITHMETIC
#define ORCH_CPU_ARM_FEATURE_FP16_VECTOR_ARITHMETIC_ ",fp16"
#else
#define ORCH_CPU_ARM_FEATURE_FP16_VECTOR_ARITHMETIC_ ""
#endif
#ifdef __ARM_FEATURE_FP16_FML
#define ORCH_CPU_ARM_FEATURE_FP16_FML_ ",fhm"
#else
#define ORCH_CPU_ARM_FEATURE_FP16_FML_ ""
#endif
#ifdef __ARM_FEATURE_COMPLEX
#define ORCH_CPU_ARM_FEATURE_COMPLEX_ ",fcma"
#else
#define ORCH_CPU_ARM_FEATURE_COMPLEX_ ""
#endif
#ifdef __ARM_FEATURE_MATMUL_INT8
#define ORCH_CPU_ARM_FEATURE_MATMUL_INT8_ ",i8mm"
#else
#define ORCH_CPU_ARM_FEATURE_MATMUL_INT8_ ""
#endif
#ifdef __ARM_FEATURE_BF16_VECTOR_ARITHMETIC
#define ORCH_CPU_ARM_FEATURE_BF16_VECTOR_ARITHMETIC_ ",bf16"
#else
#define ORCH_CPU_ARM_FEATURE_BF16_VECTOR_ARITHMETIC_ ""
#endif
#ifdef __ARM_FEATURE_SVE
#define ORCH_CPU_ARM_FEATURE_SVE_ ",sve"
#else
#define ORCH_CPU_ARM_FEATURE_SVE_ ""
#endif
#ifdef __ARM_FEATURE_SVE2
#define ORCH_CPU_ARM_FEATURE_SVE2_ ",sve2"
#else
#define ORCH_CPU_ARM_FEATURE_SVE2_ ""
#endif
#define ORCH_CPU_ARM_ ORCH_CPU_ARM_NEON_ ORCH_CPU_ARM_FEATURE_CRC32_ ORCH_CPU_ARM_FEATURE_ATOMICS_ \
  ORCH_CPU_ARM_FEATURE_QRDMX_ ORCH_CPU_ARM_FEATURE_DOTPROD_ ORCH_CPU_ARM_FEATURE_FP16_VECTOR_ARITHMETIC_ \
  ORCH_CPU_ARM_FEATURE_FP16_FML_ ORCH_CPU_ARM_FEATURE_COMPLEX_ ORCH_CPU_ARM_FEATURE_MATMUL_INT8_ \
  ORCH_CPU_ARM_FEATURE_BF16_VECTOR_ARITHMETIC_ ORCH_CPU_ARM_FEATURE_SVE_ ORCH_CPU_ARM_FEATURE_SVE2_

#ifdef __cplusplus
}
#endif
#endif /* ORCH_PLUGIN_H */
