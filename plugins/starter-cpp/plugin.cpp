// A plugin of orch: one workload, which measures the code in average.hpp. vendor/orch_plugin.h is the contract.
#include "average.hpp"
#include "orch_plugin.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

struct orch_instance {
  const orch_host *host;
  uint32_t scope, values;  // ids of names
  std::size_t n, width;
  std::vector<double> input, means;
};

namespace {

orch_str text_of(std::string_view text) { return {text.data(), text.size()}; }

orch_status fail(const orch_host *host, orch_status status, std::string_view text) {
  host->set_error(host, text_of(text));
  return status;
}

// No exception may leave a plugin function: the worker would be aborted. `host` must outlive the call.
template <typename Act>
orch_status guarded(const orch_host *host, Act act) noexcept {
  try {
    return act();
  } catch (const std::exception &error) {
    return fail(host, ORCH_ERR_PANIC, error.what());
  } catch (...) {
    return fail(host, ORCH_ERR_PANIC, "an exception that is not a std::exception");
  }
}

// A scope until the end of the block, also when an exception ends it.
class Scope {
 public:
  Scope(const orch_host *host, uint32_t id) : host_(host), id_(id) { host->scope_enter(host, id); }
  ~Scope() { host_->scope_exit(host_, id_); }
  Scope(const Scope &) = delete;
  Scope &operator=(const Scope &) = delete;

 private:
  const orch_host *host_;
  uint32_t id_;
};

constexpr std::string_view DOCUMENT = R"({"plugin": "starter", "version": "0.1.0", "workloads": [{
  "id": "moving_average",
  "about": "Means of all windows of successive values",
  "iteration": "the means of one input of n values, in a new vector",
  "params": {"type": "object", "additionalProperties": false, "properties": {
    "n": {"type": "integer", "minimum": 1, "maximum": 1000000, "default": 10000,
          "description": "Values in the input"},
    "width": {"type": "integer", "minimum": 1, "maximum": 1024, "default": 16,
              "description": "Successive values in each mean"}}},
  "metrics": [{"id": "values_per_s", "unit": "Mvalue/s", "better": "higher",
               "counter": "values", "per": "second", "scale": 1e-6}]}]})";

orch_status describe(const orch_host *host) {
  host->write(host, text_of(DOCUMENT));
  return ORCH_OK;
}

// The whole number of a parameter, or `absent` where the object has none of that name. Enough for flat objects of numbers,
// which orch has checked against the schema; for more, use a JSON library.
std::size_t number(const std::string &json, const std::string &name, std::size_t absent) {
  const auto key = json.find('"' + name + '"');
  const auto colon = key == std::string::npos ? key : json.find(':', key);
  return colon == std::string::npos ? absent : std::strtoull(json.c_str() + colon + 1, nullptr, 10);
}

orch_status create(const orch_host *host, orch_str workload, orch_str params, orch_instance **out) {
  return guarded(host, [&] {
    if (std::string_view(workload.ptr, workload.len) != "moving_average")
      return fail(host, ORCH_ERR_UNKNOWN_WORKLOAD, "there is one workload, moving_average");
    const std::string json = params.len ? std::string(params.ptr, params.len) : std::string("{}");
    *out = new orch_instance{host,
                             host->intern(host, ORCH_STR("moving_average")),
                             host->intern(host, ORCH_STR("values")),
                             number(json, "n", 10000),
                             number(json, "width", 16),
                             {},
                             {}};
    return orch_status(ORCH_OK);
  });
}

// Untimed, once: the inputs. The same numbers in each process, or the digests would differ.
orch_status setup(orch_instance *self) {
  return guarded(self->host, [&] {
    self->input.resize(self->n);
    for (std::size_t i = 0; i < self->n; i++) self->input[i] = double(i * 7919 % 1000);
    return orch_status(ORCH_OK);
  });
}

// This is timed: `iters` iterations, however many orch asks for.
orch_status run(orch_instance *self, uint64_t iters) {
  return guarded(self->host, [&] {
    for (uint64_t i = 0; i < iters; i++) {
      const Scope scope(self->host, self->scope);
      self->means = moving_average(self->input, self->width);
      self->host->counter_add(self->host, self->values, double(self->n));
    }
    return orch_status(ORCH_OK);
  });
}

void destroy(orch_instance *self) { delete self; }

// What was computed, so that a faster but wrong result is noticed.
orch_status digest(orch_instance *self, const orch_host *host) {
  return guarded(host, [&] {
    double sum = 0;
    for (const double mean : self->means) sum += mean;
    char json[96];
    std::snprintf(json, sizeof json, "{\"value\": %.17g, \"tolerance\": 1e-9}", sum);
    host->write(host, text_of(json));
    return orch_status(ORCH_OK);
  });
}

const void *get_extension(const char *id) {
  static const orch_digest digest_table = {sizeof(orch_digest), digest};
  return std::strcmp(id, ORCH_DIGEST_EXT) == 0 ? &digest_table : nullptr;
}

}  // namespace

ORCH_EXPORT const orch_plugin orch_plugin_v1 = {
  ORCH_PLUGIN_INIT, describe, create, setup, run, nullptr, destroy, get_extension,
};
ORCH_DECLARE_CPU_FEATURES;
