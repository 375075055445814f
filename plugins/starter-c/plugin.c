/* A plugin of orch: one workload, which measures the code in average.c. vendor/orch_plugin.h is the contract. */
#include "average.h"
#include "orch_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct orch_instance {
  const orch_host *host;
  uint32_t scope, values; /* ids of names */
  size_t n, width;
  double *input, *means;
  size_t count; /* how many means there are */
};

static orch_str text_of(const char *text) { return (orch_str){text, strlen(text)}; }

static orch_status fail(const orch_host *host, orch_status status, const char *text) {
  host->set_error(host, text_of(text));
  return status;
}

static orch_status describe(const orch_host *host) {
  host->write(host, ORCH_STR(
    "{\"plugin\": \"starter\", \"version\": \"0.1.0\", \"workloads\": [{"
    "  \"id\": \"moving_average\","
    "  \"about\": \"Means of all windows of successive values\","
    "  \"iteration\": \"the means of one input of n values\","
    "  \"params\": {\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
    "    \"n\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 1000000, \"default\": 10000,"
    "          \"description\": \"Values in the input\"},"
    "    \"width\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 1024, \"default\": 16,"
    "              \"description\": \"Successive values in each mean\"}}},"
    "  \"metrics\": [{\"id\": \"values_per_s\", \"unit\": \"Mvalue/s\", \"better\": \"higher\","
    "               \"counter\": \"values\", \"per\": \"second\", \"scale\": 1e-6}]}]}"));
  return ORCH_OK;
}

/* The whole number of a parameter, or `absent` where the object has none of that name. Enough for flat objects of numbers,
 * which orch has checked against the schema; for more, use a JSON library. */
static size_t number(orch_str params, const char *name, size_t absent) {
  char json[256], key[64];
  if (params.len >= sizeof json) return absent;
  memcpy(json, params.ptr, params.len);
  json[params.len] = '\0';
  snprintf(key, sizeof key, "\"%s\"", name);
  const char *found = strstr(json, key);
  const char *colon = found ? strchr(found, ':') : NULL;
  return colon ? strtoull(colon + 1, NULL, 10) : absent;
}

static orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  const char *id = "moving_average";
  if (workload.len != strlen(id) || memcmp(workload.ptr, id, workload.len) != 0)
    return fail(host, ORCH_ERR_UNKNOWN_WORKLOAD, "there is one workload, moving_average");
  orch_instance *self = calloc(1, sizeof *self);
  if (!self) return fail(host, ORCH_ERR, "out of memory");
  self->host = host;
  self->scope = host->intern(host, ORCH_STR("moving_average"));
  self->values = host->intern(host, ORCH_STR("values"));
  self->n = number(params, "n", 10000);
  self->width = number(params, "width", 16);
  *out = self;
  return ORCH_OK;
}

/* Untimed, once: the inputs. The same numbers in each process, or the digests would differ. */
static orch_status setup(orch_instance *self) {
  self->input = malloc(self->n * sizeof *self->input);
  self->means = malloc(self->n * sizeof *self->means);
  if (!self->input || !self->means) return fail(self->host, ORCH_ERR, "out of memory");
  for (size_t i = 0; i < self->n; i++) self->input[i] = (double)(i * 7919 % 1000);
  return ORCH_OK;
}

/* This is timed: `iters` iterations, however many orch asks for. */
static orch_status run(orch_instance *self, uint64_t iters) {
  for (uint64_t i = 0; i < iters; i++) {
    self->host->scope_enter(self->host, self->scope);
    self->count = moving_average(self->input, self->n, self->width, self->means);
    self->host->counter_add(self->host, self->values, (double)self->n);
    self->host->scope_exit(self->host, self->scope);
  }
  return ORCH_OK;
}

static void destroy(orch_instance *self) {
  free(self->input);
  free(self->means);
  free(self);
}

/* What was computed, so that a faster but wrong result is noticed. */
static orch_status digest(orch_instance *self, const orch_host *host) {
  double sum = 0;
  for (size_t i = 0; i < self->count; i++) sum += self->means[i];
  char json[96];
  snprintf(json, sizeof json, "{\"value\": %.17g, \"tolerance\": 1e-9}", sum);
  host->write(host, text_of(json));
  return ORCH_OK;
}

static const void *get_extension(const char *id) {
  static const orch_digest digest_table = {sizeof digest_table, digest};
  return strcmp(id, ORCH_DIGEST_EXT) == 0 ? &digest_table : NULL;
}

ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_PLUGIN_INIT, describe, create, setup, run, NULL, destroy, get_extension,
};
ORCH_DECLARE_CPU_FEATURES;
