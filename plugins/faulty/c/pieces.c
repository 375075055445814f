/* A C library as Rust programs link them: its allocations are its own business, and use everything that C has for it. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes that many texts, joins them into one that grows, and returns its length; 0 if there is no memory. */
uint64_t pieces_join(unsigned pieces) {
  char **texts = calloc(pieces, sizeof *texts), *joined = strdup(""), *padded = NULL;
  uint64_t length = 0;
  void *aligned = NULL;
  if (!texts || !joined || posix_memalign(&aligned, 256, 1000 + pieces) != 0) goto done;
  for (unsigned i = 0; i < pieces; i++) {
    if (asprintf(&texts[i], "piece %u of %u, ", i, pieces) < 0) goto done;
    char *longer = realloc(joined, length + strlen(texts[i]) + 1);
    if (!longer) goto done;
    joined = strcpy(longer + length, texts[i]) - length;
    length += strlen(texts[i]);
  }
  padded = aligned_alloc(64, (length + 64) / 64 * 64);
  if (padded) memcpy(padded, joined, length);
  if (!padded || memcmp(padded, joined, length) != 0) length = 0;
done:
  for (unsigned i = 0; texts && i < pieces; i++) free(texts[i]);
  free(texts);
  free(joined);
  free(padded);
  free(aligned);
  return length;
}
