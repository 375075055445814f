/* A complete plugin in C: workload "sum" adds the numbers 0 to n-1 in a buffer that each iteration allocates. */
#include "orch_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct orch_instance {
  const orch_host *host;
  uint32_t scope, adds; /* ids of names, asked for once */
  size_t n;
  uint64_t sum; /* what the last iteration computed */
};

static orch_str text_of(const char *text) { return (orch_str){text, strlen(text)}; }

static orch_status fail(const orch_host *host, orch_status status, const char *text) {
  host->set_error(host, text_of(text));
  return status;
}

static orch_status describe(const orch_host *host) {
  if (!ORCH_HOST_HAS(host, get_extension)) return ORCH_ERR; /* the last field of 1.0, and this plugin needs no later one */
  host->write(host, ORCH_STR(
    "{\"plugin\": \"hello-c\", \"version\": \"0.1.0\", \"workloads\": [{"
    " \"id\": \"sum\", \"about\": \"Adds n numbers\", \"iteration\": \"n additions, one allocation\","
    " \"params\": {\"type\": \"object\", \"additionalProperties\": false, \"properties\": {\"n\": {"
    "  \"description\": \"Numbers to add\", \"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000000, \"default\": 1000}}},"
    " \"metrics\": [{\"id\": \"ns_per_add\", \"unit\": \"ns\", \"better\": \"lower\","
    "  \"counter\": \"adds\", \"per\": \"unit\", \"scale\": 1e9}]}]}"));
  return ORCH_OK;
}

/* Reads {"n": 1000}. The host has checked the parameters against the schema above, so a search for the key will do; a plugin
 * with more parameters takes a JSON library. */
static int read_n(orch_str params, size_t *n) {
  char json[256];
  if (params.len >= sizeof json) return 0;
  memcpy(json, params.ptr, params.len);
  json[params.len] = '\0';
  const char *key = strstr(json, "\"n\"");
  if (!key) return *n = 1000, 1;
  const char *colon = strchr(key, ':');
  char *end = NULL;
  long value = colon ? strtol(colon + 1, &end, 10) : 0;
  *n = (size_t)value;
  return colon && end != colon + 1 && value >= 1 && value <= 1000000;
}

static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  if (!ORCH_HOST_HAS(host, get_extension)) return ORCH_ERR;
  if (workload.len != 3 || memcmp(workload.ptr, "sum", 3) != 0)
    return fail(host, ORCH_ERR_UNKNOWN_WORKLOAD, "hello-c has one workload, 'sum'");
  size_t n;
  if (!read_n(params, &n)) return fail(host, ORCH_ERR_PARAMS, "parameter 'n': expected an integer from 1 to 1000000");
  orch_instance *self = malloc(sizeof *self);
  if (!self) return fail(host, ORCH_ERR, "out of memory");
  *self = (orch_instance){host, host->intern(host, ORCH_STR("sum")), host->intern(host, ORCH_STR("adds")), n, 0};
  *out = self;
  return ORCH_OK;
}

static orch_status iterate(orch_instance *self) {
  uint64_t *numbers = malloc(self->n * sizeof *numbers);
  if (!numbers) return fail(self->host, ORCH_ERR, "out of memory");
  for (size_t i = 0; i < self->n; i++) numbers[i] = i;
  uint64_t sum = 0;
  for (size_t i = 0; i < self->n; i++) sum += numbers[i];
  free(numbers);
  self->sum = sum;
  self->host->counter_add(self->host, self->adds, (double)self->n);
  return ORCH_OK;
}

static orch_status run(orch_instance *self, uint64_t iters) {
  for (uint64_t i = 0; i < iters; i++) {
    self->host->scope_enter(self->host, self->scope);
    orch_status status = iterate(self);
    self->host->scope_exit(self->host, self->scope); /* after a failure too */
    if (status != ORCH_OK) return status;
  }
  return ORCH_OK;
}

static void destroy(orch_instance *self) { free(self); }

static orch_status reset(orch_instance *self) {
  self->sum = 0;
  return ORCH_OK;
}

static orch_status digest(orch_instance *self, const orch_host *host) {
  char json[64];
  snprintf(json, sizeof json, "{\"value\": %llu}", (unsigned long long)self->sum);
  host->write(host, text_of(json));
  return ORCH_OK;
}

static const void *get_extension(const char *id) {
  static const orch_digest digest_table = {sizeof digest_table, digest};
  static const orch_reset reset_table = {sizeof reset_table, reset};
  if (strcmp(id, ORCH_DIGEST_EXT) == 0) return &digest_table;
  if (strcmp(id, ORCH_RESET_EXT) == 0) return &reset_table;
  return NULL;
}

ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_PLUGIN_INIT, describe, create, NULL, run, NULL, destroy, get_extension,
};
ORCH_DECLARE_CPU_FEATURES;
