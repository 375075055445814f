// The workload computes what it should, called as orch calls it.
#include "orch_plugin.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

static char written[256];

static void set_error(const orch_host *host, orch_str text) {
  (void)host;
  fprintf(stderr, "the plugin says: %.*s\n", (int)text.len, text.ptr);
}
static void log_line(const orch_host *host, uint32_t level, orch_str line) { (void)host, (void)level, (void)line; }
static void keep(const orch_host *host, orch_str text) {
  (void)host;
  snprintf(written, sizeof written, "%.*s", (int)text.len, text.ptr);
}
static uint32_t intern(const orch_host *host, orch_str name) { return (void)host, (void)name, 1; }
static void scope(const orch_host *host, uint32_t id) { (void)host, (void)id; }
static void count(const orch_host *host, uint32_t id, double amount) { (void)host, (void)id, (void)amount; }
static const void *extension(const orch_host *host, const char *id) { return (void)host, (void)id, nullptr; }

static const orch_host host = {sizeof host, ORCH_ABI_MAJOR, ORCH_ABI_MINOR, nullptr, set_error, log_line, keep,
                               intern, scope, scope, count, extension};

// Runs the workload with these parameters and compares its digest.
static void expect(const char *params, const char *wanted) {
  const auto *table = static_cast<const orch_digest *>(orch_plugin_v1.get_extension(ORCH_DIGEST_EXT));
  orch_instance *self = nullptr;
  orch_str given = {params, strlen(params)};
  if (orch_plugin_v1.create(&host, ORCH_STR("moving_average"), given, &self) != ORCH_OK) exit(1);
  if (orch_plugin_v1.setup(self) != ORCH_OK || orch_plugin_v1.run(self, 2) != ORCH_OK) exit(1);
  if (table->digest(self, &host) != ORCH_OK) exit(1);
  orch_plugin_v1.destroy(self);
  if (strcmp(written, wanted) != 0) {
    fprintf(stderr, "%s: %s instead of %s\n", params, written, wanted);
    exit(1);
  }
}

int main() {
  // The input begins with 0, 919, 838, 757.
  expect("{\"n\": 4, \"width\": 2}", "{\"value\": 2135.5, \"tolerance\": 1e-9}");
  expect("{\"n\": 4, \"width\": 4}", "{\"value\": 628.5, \"tolerance\": 1e-9}");
  expect("{\"n\": 4, \"width\": 5}", "{\"value\": 0, \"tolerance\": 1e-9}");
  puts("ok");
  return 0;
}
