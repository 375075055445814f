/* The code under test. It stands for your own: link your library instead, or put the code here. */
#ifndef AVERAGE_H
#define AVERAGE_H

#include <stddef.h>

/* Writes the means of all windows of `width` successive values to `means` and returns how many there are: none if there
 * are fewer values than that. `means` has room for n numbers. */
size_t moving_average(const double *values, size_t n, size_t width, double *means);

#endif
